//! Split patterns: the kind of a text goes in; the pattern that cuts it into pieces comes out. No token crosses the end
//! of a piece.
//!
//! The patterns have no look-around and nothing possessive, so `fancy-regex` hands them to its engine without
//! backtracking, which cannot give up and runs in linear time. Every run of characters ends where it is found to end,
//! without looking at what follows.

use std::fmt;

use czip_tokenizer::Pattern;

/// Names with the character before them (`.len`, `_size`, ` self`) and two digits after them (`u32`). A line break goes
/// with the indentation of the next line and with the signs before it, since these belong together: `;\n    `.
const CODE: &str = concat!(
    r"[\r\n]+[ \t]*",
    r"|[ \t]{2,}",
    r"|[^\r\n\p{L}\p{N}]?\p{L}[\p{L}\p{M}]*\p{N}{0,2}",
    r"|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+(?:[\r\n]+[ \t]*)?",
    r"|\s",
);

/// Two digits with the separator before them, as in dates and times: `:05`, `-12`, `.81`. Longer numbers are mostly
/// random, so tokens for them would be many and rarely used. Words continue across dots: `com.example.Server`.
const LOGS: &str = concat!(
    r"[\r\n]+[ \t]*",
    r"|[ \t]{2,}",
    r"|[^\r\n\p{L}\p{N}]?\p{L}[\p{L}\p{M}_.]*",
    r"|[^\r\n\p{L}\p{N}]?\p{N}{1,2}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*",
    r"|\s",
);

/// There are no spaces between words, so pieces end where the script changes; particles and endings in Hiragana take
/// the punctuation after them along. Without limits on their length, long runs in one script would nearly all be
/// distinct pieces.
const CJK: &str = concat!(
    r"[\p{Han}々〆ヶ]{1,8}",
    r"|\p{Hiragana}[\p{Hiragana}ー]{0,15}[、。]?",
    r"|\p{Katakana}[\p{Katakana}ー]{0,15}",
    r"|[^\r\n\p{L}\p{N}]?[\p{L}--\p{Han}--\p{Hiragana}--\p{Katakana}]+",
    r"|\p{N}{1,3}",
    r"|[\r\n]+\u{3000}*",
    r"| ?[^\s\p{L}\p{N}]+",
    r"|\s+",
);

/// How text is cut into pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Split {
    /// Prose, and anything that fits none of the others: the pattern of `cl100k_base`.
    #[default]
    Text,
    /// Programs, and formats with much punctuation, such as JSON.
    Code,
    /// Lines with times and numbers.
    Logs,
    /// Chinese and Japanese.
    Cjk,
}

impl Split {
    /// Every way.
    pub const ALL: [Split; 4] = [Split::Text, Split::Code, Split::Logs, Split::Cjk];

    /// The split pattern, the `pat_str` of a tokenizer.
    pub fn pattern(self) -> &'static str {
        match self {
            Split::Text => Pattern::CL100K,
            Split::Code => CODE,
            Split::Logs => LOGS,
            Split::Cjk => CJK,
        }
    }

    /// Chooses for a text by looking at a sample of it: some pages are enough. It's a guess, and a wrong one costs some
    /// tokens and nothing else.
    pub fn choose(sample: &str) -> Split {
        let mut letters = 0;
        let mut cjk = 0;
        let mut signs = 0;
        let mut others = 0;
        for character in sample.chars() {
            if character.is_alphabetic() {
                letters += 1;
                cjk += usize::from(is_cjk(character));
            } else if is_sign(character) {
                signs += 1;
            } else if !character.is_whitespace() {
                others += 1;
            }
        }
        if cjk > 0 && is_share(cjk, letters, 30) {
            return Split::Cjk;
        }

        let lines = || sample.lines().filter(|line| !line.trim().is_empty());
        let count = lines().count();
        if count == 0 {
            return Split::Text;
        }
        if is_share(lines().filter(|line| is_stamped(line)).count(), count, 40) {
            return Split::Logs;
        }
        // Prose has 1 or 2 signs in a hundred characters, and code 10 to 20.
        let shaped = lines().filter(|line| is_shaped(line)).count();
        if is_share(signs, letters + signs + others, 6) && is_share(shaped, count, 30) {
            return Split::Code;
        }
        Split::Text
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Text => "text",
            Split::Code => "code",
            Split::Logs => "logs",
            Split::Cjk => "cjk",
        })
    }
}

/// Whether `part` is at least this many percent of `whole`.
fn is_share(part: usize, whole: usize, percent: usize) -> bool {
    part.saturating_mul(100) >= whole.saturating_mul(percent)
}

/// Kana and the blocks of Han characters that texts are written in. Hangul isn't among them: Korean has spaces.
fn is_cjk(character: char) -> bool {
    matches!(
        character,
        '\u{3040}'..='\u{30ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

/// The punctuation that prose hardly has.
fn is_sign(character: char) -> bool {
    matches!(
        character,
        '{' | '}'
            | '('
            | ')'
            | '['
            | ']'
            | '<'
            | '>'
            | ';'
            | ':'
            | '='
            | '_'
            | '"'
            | '/'
            | '\\'
            | '&'
            | '|'
            | '*'
            | '+'
            | '#'
            | '$'
            | '@'
    )
}

/// Whether a line starts as those of logs do: with the time of day, or with mostly digits.
fn is_stamped(line: &str) -> bool {
    let bytes = line.as_bytes();
    let has_clock = bytes[..bytes.len().min(64)].windows(5).any(
        |window| matches!(window, [a, b, b':', c, d] if [a, b, c, d].into_iter().all(u8::is_ascii_digit)),
    );
    let digits = bytes.iter().take(24).filter(|byte| byte.is_ascii_digit()).count();
    has_clock || digits >= 10
}

/// Whether a line is indented, or starts or ends as those of code do.
fn is_shaped(line: &str) -> bool {
    line.starts_with("  ")
        || line.starts_with(['\t', '{', '[', '<', '}', '#', '@'])
        || line.starts_with("//")
        || line
            .trim_end()
            .ends_with([';', '{', '}', '(', ')', '[', ']', '>', ':', '='])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(split: Split, text: &str) -> Vec<&str> {
        let mut pieces = Vec::new();
        let pattern = Pattern::new(split.pattern()).unwrap();
        pattern.split(text, |range| pieces.push(&text[range])).unwrap();
        assert_eq!(pieces.concat(), text);
        pieces
    }

    #[test]
    fn code_keeps_indentation_and_names() {
        assert_eq!(
            pieces(
                Split::Code,
                "fn len(&self) -> u32 {\n    self.buf_len  as u32;\r\n\n\t}\n\nx1234"
            ),
            [
                "fn",
                " len",
                "(&",
                "self",
                ")",
                " ->",
                " u32",
                " {\n    ",
                "self",
                ".buf",
                "_len",
                "  ",
                "as",
                " u32",
                ";\r\n\n\t",
                "}\n\n",
                "x12",
                "34"
            ]
        );
        assert_eq!(pieces(Split::Code, "a\n\n    b"), ["a", "\n\n    ", "b"]);
    }

    #[test]
    fn logs_have_the_steps_of_a_clock() {
        assert_eq!(
            pieces(
                Split::Logs,
                "2016-12-19 18:02:24,454 INFO [a.b.C] x=81109\n03-17 a,\n  b"
            ),
            [
                "20", "16", "-12", "-19", " 18", ":02", ":24", ",45", "4", " INFO", " [", "a.b.C", "]", " x",
                "=81", "10", "9", "\n", "03", "-17", " a", ",\n", "  ", "b"
            ]
        );
    }

    #[test]
    fn cjk_ends_where_the_script_changes() {
        assert_eq!(
            pieces(
                Split::Cjk,
                "私たちは、四国を一瞥し。\n\u{3000}コーヒーとABC 12345「人々」"
            ),
            [
                "私",
                "たちは、",
                "四国",
                "を",
                "一瞥",
                "し。",
                "\n\u{3000}",
                "コーヒー",
                "と",
                "ABC",
                " ",
                "123",
                "45",
                "「",
                "人々",
                "」"
            ]
        );
        assert_eq!(
            pieces(Split::Cjk, &"漢".repeat(20)),
            ["漢".repeat(8), "漢".repeat(8), "漢".repeat(4)]
        );
    }

    #[test]
    fn the_kind_of_a_text_is_seen() {
        let prose = "It was the best of times, it was the worst of times;\nit was (they say) 12:30 then.\n\n\
                     The period was so far like the present period.\n";
        let code = "fn main() {\n    let x = vec![1, 2];\n    print(&x);\n}\n";
        let json = "{\"name\": \"a\", \"tags\": [\"b\", \"c\"]}\n{\"name\": \"d\", \"tags\": []}\n";
        let logs = "2016-12-19 18:02:24,454 INFO started\n2016-12-19 18:02:24,455 INFO stopped\n  at a.b.C\n";
        let stamps = "081109 203615 148 INFO dfs\n081109 203807 222 INFO dfs\n";
        let japanese = "私たちはこれから九州の南端を発して北へと上り、ABCと言う。\n";
        let korean = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.\n";
        for (text, expected) in [
            ("", Split::Text),
            ("\n \n", Split::Text),
            (prose, Split::Text),
            (korean, Split::Text),
            (code, Split::Code),
            (json, Split::Code),
            (logs, Split::Logs),
            (stamps, Split::Logs),
            (japanese, Split::Cjk),
        ] {
            assert_eq!(Split::choose(text), expected, "{text:?}");
        }
    }
}
