//! Text that comes from a file or a name, made safe to show on a terminal.

/// Whether a character changes the order in which those around it appear.
fn is_directional(character: char) -> bool {
    matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces characters that would control a terminal with their escapes: `\\u{1b}` for an escape character.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_directional(character) {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn characters_that_steer_a_terminal_are_escaped() {
        assert_eq!(printable("Fu\u{df} \u{1f600}"), "Fu\u{df} \u{1f600}");
        assert_eq!(printable("a\x1b[31m\n"), "a\\u{1b}[31m\\n");
        for directional in [
            '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}',
        ] {
            assert_eq!(
                printable(&directional.to_string()),
                directional.escape_default().to_string()
            );
        }
        for other in [
            '\u{200d}', '\u{2010}', '\u{2029}', '\u{202f}', '\u{2065}', '\u{206a}',
        ] {
            assert_eq!(printable(&other.to_string()), other.to_string());
        }
    }
}
