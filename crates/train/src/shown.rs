//! How errors show what they quote: enough to know it by, and nothing that a terminal would obey.

use std::fmt::Write as _;
use std::path::Path;

/// The most characters of a value that are shown.
const MAX_VALUE: usize = 100;
/// The most characters of a path that are shown. People need more of these, to find the file.
const MAX_PATH: usize = 400;
/// The most characters of a list that are shown, and a value more.
const MAX_LIST: usize = 1000;

/// The beginning of a value, with control characters escaped.
pub(crate) fn value(text: &str) -> String {
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(MAX_VALUE) {
        escape(character, &mut shown);
    }
    if characters.next().is_some() {
        shown.push_str("...");
    }
    shown
}

/// As much of a value as [`value`] needs: it is shown as the whole is.
pub(crate) fn start(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_VALUE + 1);
    end.map_or(text, |(end, _)| &text[..end])
}

/// A path, with control characters escaped. The middle of a very long one is left out.
pub(crate) fn path(path: &Path) -> String {
    let text = path.to_string_lossy();
    let len = text.chars().count();
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        let half = MAX_PATH / 2;
        if len <= MAX_PATH || index < half || index >= len - half {
            escape(character, &mut shown);
        } else if index == half {
            shown.push_str("...");
        }
    }
    shown
}

/// Values with commas between them, as many as there is room for.
pub(crate) fn list<'v>(values: impl IntoIterator<Item = &'v str>) -> String {
    let mut shown = String::new();
    for text in values {
        if !shown.is_empty() {
            shown.push_str(", ");
        }
        if shown.len() >= MAX_LIST {
            shown.push_str("...");
            break;
        }
        shown.push_str(&value(text));
    }
    shown
}

/// Appends a character, escaped if it is no visible one. Quotes and backslashes are.
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
        assert_eq!(start(&long), "é".repeat(101));
        assert_eq!(start("é"), "é");
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
        let shown = list(std::iter::repeat_n(name.as_str(), 40));
        assert_eq!(shown.matches("nnn...").count(), 10);
        assert!(shown.ends_with(", ..."), "{shown}");
    }
}
