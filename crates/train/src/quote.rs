//! Quoting in error messages: enough of a value, path or list to recognise it, with control characters escaped, so no
//! terminal obeys them.

use std::fmt::Write as _;
use std::path::Path;

/// The most characters quoted of a value.
const MAX_VALUE: usize = 100;
/// The most characters quoted of a path. People need more of a path, to find the file.
const MAX_PATH: usize = 400;
/// Once a list has this many bytes, no more values are added to it.
const MAX_LIST: usize = 1000;

/// The beginning of a value, with control characters escaped.
pub(crate) fn value(text: &str) -> String {
    let mut quoted = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(MAX_VALUE) {
        escape(character, &mut quoted);
    }
    if characters.next().is_some() {
        quoted.push_str("...");
    }
    quoted
}

/// The part of a value that [`value`] looks at: quoting it gives the same as quoting the whole value.
pub(crate) fn prefix(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_VALUE + 1);
    end.map_or(text, |(end, _)| &text[..end])
}

/// A path, with control characters escaped. A very long one loses its middle.
pub(crate) fn path(path: &Path) -> String {
    let text = path.to_string_lossy();
    let len = text.chars().count();
    let mut quoted = String::new();
    for (index, character) in text.chars().enumerate() {
        let half = MAX_PATH / 2;
        if len <= MAX_PATH || index < half || index >= len - half {
            escape(character, &mut quoted);
        } else if index == half {
            quoted.push_str("...");
        }
    }
    quoted
}

/// Values separated by commas, as many as there is room for.
pub(crate) fn list<'v>(values: impl IntoIterator<Item = &'v str>) -> String {
    let mut quoted = String::new();
    for text in values {
        if !quoted.is_empty() {
            quoted.push_str(", ");
        }
        if quoted.len() >= MAX_LIST {
            quoted.push_str("...");
            break;
        }
        quoted.push_str(&value(text));
    }
    quoted
}

/// Appends a character, escaped unless it is visible. Quotes and backslashes stay as they are.
fn escape(character: char, out: &mut String) {
    if matches!(character, '\'' | '"' | '\\') {
        out.push(character);
    } else {
        let _ = write!(out, "{}", character.escape_debug());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_and_escaped() {
        assert_eq!(
            value("a\"b\\ é\t\x1b[2J\u{202e}"),
            "a\"b\\ é\\t\\u{1b}[2J\\u{202e}"
        );
        assert_eq!(value(&"é".repeat(100)), "é".repeat(100));
        let long = "é".repeat(102);
        assert_eq!(value(&long), format!("{}...", "é".repeat(100)));
        assert_eq!(prefix(&long), "é".repeat(101));
        assert_eq!(prefix("é"), "é");
    }

    #[test]
    fn paths_keep_both_ends() {
        assert_eq!(path(Path::new("a\n/b.txt")), "a\\n/b.txt");
        let long = format!("{}{}", "a".repeat(300), "b".repeat(300));
        assert_eq!(
            path(Path::new(&long)),
            format!("{}...{}", "a".repeat(200), "b".repeat(200))
        );
    }

    #[test]
    fn lists_end() {
        assert_eq!(list(["a", "b\n"]), "a, b\\n");
        let name = "n".repeat(300);
        let quoted = list(std::iter::repeat_n(name.as_str(), 40));
        assert_eq!(quoted.matches("nnn...").count(), 10);
        assert!(quoted.ends_with(", ..."), "{quoted}");
    }
}
