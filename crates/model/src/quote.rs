//! Quoting from untrusted files in error messages, here and where models are made of other files.

/// The most characters that are quoted.
const MAX_QUOTED: usize = 100;

/// Text for an error message: without control characters, and cut after 100 characters.
#[must_use]
pub fn cut(text: &str) -> String {
    let mut cut = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == MAX_QUOTED {
            cut.push_str("...");
            break;
        }
        if character.is_control() {
            cut.extend(character.escape_default());
        } else {
            cut.push(character);
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_and_control_characters_shown() {
        assert_eq!(cut("a \u{e9}\u{4e2d}"), "a \u{e9}\u{4e2d}");
        assert_eq!(cut("\u{1b}[31m\n\u{85}"), r"\u{1b}[31m\n\u{85}");
        assert_eq!(cut(&"x".repeat(100)), "x".repeat(100));
        assert_eq!(cut(&"\u{e9}".repeat(101)), format!("{}...", "\u{e9}".repeat(100)));
    }
}
