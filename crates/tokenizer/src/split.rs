//! Splitting text into the pieces that BPE works on.
//!
//! A known pattern is run by a scanner whose time is linear in the text. Every other pattern is run
//! by an engine that counts its steps.

use std::ops::Range;
use std::sync::Arc;

use crate::classes::{Class, Classes};
use crate::error::Error;
use crate::regex::{Budget, Matcher, Program};

/// The pattern of CZIPv1's models, which is that of `cl100k_base` in today's tiktoken.
pub(crate) const CL100K: &str = concat!(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+",
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
);

/// The first published pattern of `cl100k_base`, which Llama 3 has. It has no rule for white space at the end of the text.
pub(crate) const LLAMA3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*",
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
);

/// The pattern of Qwen2 and Qwen3: that of Llama 3 with numbers one by one.
pub(crate) const QWEN2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*",
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
);

/// The pattern of GPT-2 in today's tiktoken.
pub(crate) const GPT2: &str =
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s";

/// The first published pattern of GPT-2. It splits as [`GPT2`] does.
const GPT2_FIRST: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The two steps of SmolLM in one pattern: each number is a piece, and what is between numbers is split as GPT-2 does.
/// White space before a number is at the end of what is split.
pub(crate) const SMOLLM: &str =
    r"\p{N}|'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+";

#[derive(Clone)]
pub(crate) enum Splitter {
    Scanner(Scanner),
    Program(Arc<Program>),
}

impl Splitter {
    pub(crate) fn new(pattern: &str) -> Result<Splitter, Error> {
        match Scanner::for_pattern(pattern) {
            Some(scanner) => Ok(Splitter::Scanner(scanner)),
            None => Splitter::with_engine(pattern),
        }
    }

    fn with_engine(pattern: &str) -> Result<Splitter, Error> {
        let program = Program::new(pattern).map_err(|source| Error::Pattern { source })?;
        Ok(Splitter::Program(Arc::new(program)))
    }

    /// Calls `visit` with the range of each piece, in order. The pieces aren't empty and cover the text. The offset
    /// in an error is relative to `text`, which is a part of what `budget` is for.
    #[inline]
    pub(crate) fn split(
        &self,
        text: &str,
        budget: &mut Budget,
        visit: impl FnMut(Range<usize>),
    ) -> Result<(), Error> {
        match self {
            Splitter::Scanner(scanner) => {
                scanner.split(text, visit);
                Ok(())
            }
            Splitter::Program(program) => split_with_program(program, text, budget, visit),
        }
    }
}

fn split_with_program(
    program: &Program,
    text: &str,
    budget: &mut Budget,
    mut visit: impl FnMut(Range<usize>),
) -> Result<(), Error> {
    let mut matcher = Matcher::new(program, text, budget);
    // Where the last piece ended, and where to search from, which the last match may not have reached.
    let (mut end, mut from, mut after_match) = (0, 0, true);
    while from <= text.len() {
        let found = matcher
            .find(from, after_match)
            .map_err(|source| Error::Split { offset: end, source })?;
        let Some(found) = found else { break };
        if found.is_empty() {
            after_match = found.end != from;
            from = matcher.after(found.end);
        } else {
            after_match = true;
            from = found.end;
        }
        // An empty match makes no piece. With look-behind and `\K`, a match can also start before the end of the last.
        if found.start.max(end) >= found.end {
            continue;
        }
        if found.start > end {
            // Text that the pattern doesn't match must not be lost.
            visit(end..found.start);
            end = found.start;
        }
        visit(end..found.end);
        end = found.end;
    }
    if end < text.len() {
        visit(end..text.len());
    }
    Ok(())
}

/// The rules of a known pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    Cl100k,
    Llama3,
    Qwen2,
    Gpt2,
    Smollm,
}

/// A known pattern, run without a regex engine.
///
/// No character is looked at more than a fixed number of times: each rule below looks at most one character past the
/// end of the piece it takes, except those for white space. These look at the whole run. If the run has a line break,
/// the piece ends after the last one, and the rest of the run has none; and of a run without one, at most one
/// character is left over.
#[derive(Clone, Copy)]
pub(crate) struct Scanner {
    rules: Rules,
    classes: &'static Classes,
}

impl Scanner {
    fn for_pattern(pattern: &str) -> Option<Scanner> {
        let rules = match pattern {
            CL100K => Rules::Cl100k,
            LLAMA3 => Rules::Llama3,
            QWEN2 => Rules::Qwen2,
            GPT2 | GPT2_FIRST => Rules::Gpt2,
            SMOLLM => Rules::Smollm,
            _ => return None,
        };
        Some(Scanner {
            rules,
            classes: Classes::get()?,
        })
    }

    #[inline]
    fn split(&self, text: &str, mut visit: impl FnMut(Range<usize>)) {
        let mut start = 0;
        while let Some((class, next)) = self.classes.at(text, start) {
            let end = match self.rules {
                Rules::Cl100k => self.cl100k_end(text, start, class, next, 3, true),
                Rules::Llama3 => self.cl100k_end(text, start, class, next, 3, false),
                Rules::Qwen2 => self.cl100k_end(text, start, class, next, 1, false),
                Rules::Gpt2 => self.gpt2_end(text, start, class, next),
                Rules::Smollm => self.smollm_end(text, start, class, next),
            };
            visit(start..end);
            start = end;
        }
    }

    /// The end of the piece at `start`, whose first character has the given class and ends at `next`. A piece has up to
    /// `max_numbers` numbers; `trailing_run_first` tells whether the rule for white space at the end of the text comes before
    /// that for line breaks.
    #[inline]
    fn cl100k_end(
        &self,
        text: &str,
        start: usize,
        class: Class,
        next: usize,
        max_numbers: usize,
        trailing_run_first: bool,
    ) -> usize {
        let bytes = text.as_bytes();
        let first = bytes[start];
        match class {
            Class::Letter => self.classes.run_end(text, next, Class::Letter),
            Class::Number => (1..max_numbers).fold(next, |end, _| match self.classes.at(text, end) {
                Some((Class::Number, after)) => after,
                _ => end,
            }),
            Class::Other => {
                if first == b'\''
                    && let Some(len) = contraction_len_any_case(&bytes[next..])
                {
                    return next + len;
                }
                match self.classes.at(text, next) {
                    Some((Class::Letter, after)) => self.classes.run_end(text, after, Class::Letter),
                    _ => self.others_and_newlines_end(text, next),
                }
            }
            Class::Space => {
                if !is_newline(first) {
                    match self.classes.at(text, next) {
                        Some((Class::Letter, after)) => {
                            return self.classes.run_end(text, after, Class::Letter);
                        }
                        Some((Class::Other, after)) if first == b' ' => {
                            return self.others_and_newlines_end(text, after);
                        }
                        _ => {}
                    }
                }
                let run_end = self.classes.run_end(text, next, Class::Space);
                if trailing_run_first && run_end == text.len() {
                    return run_end;
                }
                match bytes[start..run_end].iter().rposition(|&byte| is_newline(byte)) {
                    Some(last_newline) => start + last_newline + 1,
                    None => space_run_piece_end(text, next, run_end),
                }
            }
        }
    }

    #[inline]
    fn others_and_newlines_end(&self, text: &str, pos: usize) -> usize {
        let end = self.classes.run_end(text, pos, Class::Other);
        let newlines = text.as_bytes()[end..]
            .iter()
            .take_while(|&&byte| is_newline(byte))
            .count();
        end + newlines
    }

    /// As [`Scanner::cl100k_end`].
    #[inline]
    fn gpt2_end(&self, text: &str, start: usize, class: Class, next: usize) -> usize {
        match class {
            Class::Letter | Class::Number => self.classes.run_end(text, next, class),
            Class::Other => self.others_end(text, start, next),
            Class::Space => {
                if text.as_bytes()[start] == b' '
                    && let Some((after_space, after)) = self.classes.at(text, next)
                    && after_space != Class::Space
                {
                    return self.classes.run_end(text, after, after_space);
                }
                let run_end = self.classes.run_end(text, next, Class::Space);
                space_run_piece_end(text, next, run_end)
            }
        }
    }

    /// As [`Scanner::cl100k_end`].
    #[inline]
    fn smollm_end(&self, text: &str, start: usize, class: Class, next: usize) -> usize {
        match class {
            Class::Letter => self.classes.run_end(text, next, class),
            Class::Number => next,
            Class::Other => self.others_end(text, start, next),
            Class::Space => {
                if text.as_bytes()[start] == b' '
                    && let Some((after_space @ (Class::Letter | Class::Other), after)) =
                        self.classes.at(text, next)
                {
                    return self.classes.run_end(text, after, after_space);
                }
                let run_end = self.classes.run_end(text, next, Class::Space);
                match self.classes.at(text, run_end) {
                    Some((Class::Number, _)) => run_end,
                    _ => space_run_piece_end(text, next, run_end),
                }
            }
        }
    }

    /// The end of a contraction, or of a run of characters of the class `Other`.
    #[inline]
    fn others_end(&self, text: &str, start: usize, next: usize) -> usize {
        let bytes = text.as_bytes();
        if bytes[start] == b'\''
            && let Some(len) = contraction_len(&bytes[next..])
        {
            return next + len;
        }
        self.classes.run_end(text, next, Class::Other)
    }
}

/// The end of the piece at the start of a run of white space of which `next` is the second character: the run leaves
/// its last character to what follows, if there is something and the run is longer than that character.
#[inline]
fn space_run_piece_end(text: &str, next: usize, run_end: usize) -> usize {
    if run_end == text.len() {
        return run_end;
    }
    match text[next..run_end].char_indices().next_back() {
        Some((last, _)) => next + last,
        None => run_end,
    }
}

#[inline]
fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// The length of what follows the apostrophe of an English contraction, if `bytes` starts with that.
#[inline]
fn contraction_len(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b's' | b'd' | b'm' | b't', ..] => Some(1),
        [b'l', b'l', ..] | [b'v', b'e', ..] | [b'r', b'e', ..] => Some(2),
        _ => None,
    }
}

/// [`contraction_len`] in any case. Of the letters in question, only `s` folds with a character that isn't ASCII:
/// the long s, U+017F.
#[inline]
fn contraction_len_any_case(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b's' | b'd' | b'm' | b't' | b'S' | b'D' | b'M' | b'T', ..] => Some(1),
        [b'l' | b'L', b'l' | b'L', ..] | [b'v' | b'V' | b'r' | b'R', b'e' | b'E', ..] | [0xc5, 0xbf, ..] => {
            Some(2)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use fancy_regex::Regex;
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [&str; 6] = [CL100K, LLAMA3, QWEN2, GPT2, GPT2_FIRST, SMOLLM];

    fn pieces<'t>(splitter: &Splitter, text: &'t str) -> Vec<&'t str> {
        let mut pieces = Vec::new();
        splitter
            .split(text, &mut Budget::new(text.len()), |range| {
                pieces.push(&text[range])
            })
            .unwrap();
        pieces
    }

    /// The scanner of each known pattern, and the regex it stands for.
    fn known() -> Vec<(Splitter, Splitter)> {
        KNOWN
            .into_iter()
            .map(|pattern| {
                let scanner = Splitter::new(pattern).unwrap();
                assert!(matches!(scanner, Splitter::Scanner(_)), "{pattern}");
                (scanner, Splitter::with_engine(pattern).unwrap())
            })
            .collect()
    }

    fn assert_scanners_agree(known: &[(Splitter, Splitter)], text: &str) {
        for ((scanner, regex), pattern) in known.iter().zip(KNOWN) {
            let found = pieces(scanner, text);
            assert_eq!(found, pieces(regex, text), "{pattern} on {text:?}");
            assert_eq!(found.concat(), text);
        }
    }

    #[test]
    fn cl100k_rules() {
        let splitter = Splitter::new(CL100K).unwrap();
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("Hello world", &["Hello", " world"]),
            (
                "I'm SHE'LL it\u{2019}s",
                &["I", "'m", " SHE", "'LL", " it", "\u{2019}s"],
            ),
            ("'sad 'l\u{17f}", &["'s", "ad", " '", "l\u{17f}"]),
            ("'\u{17f}a", &["'\u{17f}", "a"]),
            ("1234567 89", &["123", "456", "7", " ", "89"]),
            ("x = y;\r\n\r\n\tz", &["x", " =", " y", ";\r\n\r\n", "\tz"]),
            ("a   b", &["a", "  ", " b"]),
            ("a \n  \n   b", &["a", " \n  \n", "  ", " b"]),
            ("a \n  ", &["a", " \n  "]),
            ("a\u{a0}b\u{1c}c", &["a", "\u{a0}b", "\u{1c}c"]),
            ("a\u{85}\u{2028}1", &["a", "\u{85}", "\u{2028}", "1"]),
        ];
        for (text, expected) in cases {
            assert_eq!(&pieces(&splitter, text), expected, "{text:?}");
        }
    }

    #[test]
    fn llama3_ends_a_trailing_run_at_its_last_newline() {
        let splitter = Splitter::new(LLAMA3).unwrap();
        assert_eq!(
            pieces(&splitter, "a \n  1234"),
            ["a", " \n", " ", " ", "123", "4"]
        );
        assert_eq!(pieces(&splitter, "a \n  "), ["a", " \n", "  "]);
    }

    #[test]
    fn qwen2_has_numbers_one_by_one() {
        let splitter = Splitter::new(QWEN2).unwrap();
        assert_eq!(
            pieces(&splitter, "She'LL\u{a0}be 12  \u{bd}.\r\n "),
            [
                "She", "'LL", "\u{a0}be", " ", "1", "2", " ", " ", "\u{bd}", ".\r\n", " "
            ]
        );
    }

    #[test]
    fn smollm_splits_at_numbers_first() {
        let splitter = Splitter::new(SMOLLM).unwrap();
        assert_eq!(
            pieces(&splitter, "I'll SHE'LL 12 -- a3's\n\n  b \t \u{664}x\n  9  \n"),
            [
                "I", "'ll", " SHE", "'", "LL", " ", "1", "2", " --", " a", "3", "'s", "\n\n ", " b", " \t ",
                "\u{664}", "x", "\n  ", "9", "  \n"
            ]
        );
    }

    #[test]
    fn gpt2_rules() {
        let splitter = Splitter::new(GPT2).unwrap();
        assert_eq!(
            pieces(&splitter, "I'll SHE'LL 12345 -- a\n\n  b "),
            [
                "I", "'ll", " SHE", "'", "LL", " 12345", " --", " a", "\n\n ", " b", " "
            ]
        );
    }

    #[test]
    fn every_character_folds_as_the_regex_says() {
        let any_case = Regex::new(r"\A(?i:[sdmt]|ll|ve|re)").unwrap();
        let one_case = Regex::new(r"\A(?:[sdmt]|ll|ve|re)").unwrap();
        for character in '\0'..=char::MAX {
            for (before, after) in [("", ""), ("l", ""), ("v", ""), ("r", ""), ("", "l"), ("", "e")] {
                let text = format!("{before}{character}{after}");
                let len = |regex: &Regex| regex.find(text.as_str()).unwrap().map(|found| found.end());
                assert_eq!(
                    contraction_len_any_case(text.as_bytes()),
                    len(&any_case),
                    "{text:?}"
                );
                assert_eq!(contraction_len(text.as_bytes()), len(&one_case), "{text:?}");
            }
        }
    }

    #[test]
    fn text_the_pattern_does_not_match_is_a_piece() {
        let splitter = Splitter::new("[a-z]+").unwrap();
        assert_eq!(pieces(&splitter, "12ab, cd!"), ["12", "ab", ", ", "cd", "!"]);
    }

    #[test]
    fn empty_matches_are_no_pieces() {
        let splitter = Splitter::new("a*").unwrap();
        assert_eq!(pieces(&splitter, "aab\u{e9}a"), ["aa", "b\u{e9}", "a"]);
        let splitter = Splitter::new("(?=b)|$").unwrap();
        assert_eq!(pieces(&splitter, "aba"), ["aba"]);
    }

    #[test]
    fn giving_up_is_an_error() {
        let splitter = Splitter::new(r"(?:a|a|ab)*(?!\w)c").unwrap();
        let text = format!("-{}", "a".repeat(64));
        let error = splitter
            .split(&text, &mut Budget::new(text.len()), |_| ())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`pat_str` fails on the text after byte 0: \
             the pattern engine takes more than 4210944 steps for the text's 65 bytes"
        );
    }

    #[test]
    fn patterns_that_do_not_compile() {
        assert!(matches!(
            Splitter::new("(a").map(|_| ()),
            Err(Error::Pattern { .. })
        ));
    }

    /// Characters at which the rules of the known patterns turn.
    fn nasty_char() -> impl Strategy<Value = char> {
        proptest::sample::select(
            "aZ\u{e9}\u{301}\u{17f}\u{212a}sdmtlvreSDMTLVRE''''09\u{664}\u{bd}\u{2167}_.-\u{2019}\
             \r\n\r\n\t\u{b}\u{c}      \u{a0}\u{85}\u{2028}\u{2029}\u{3000}\u{1c}\u{0}\u{200d}\
             \u{4e2d}\u{3042}\u{1f600}\u{1f3fd}\u{10400}\u{e000}\u{378}\u{10ffff}"
                .chars()
                .collect::<Vec<_>>(),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn scanners_split_as_the_regexes_do(
            text in prop_oneof![
                proptest::collection::vec(nasty_char(), 0..40).prop_map(String::from_iter),
                proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter),
            ],
        ) {
            // Compiling takes longer than a case.
            static KNOWN: std::sync::LazyLock<Vec<(Splitter, Splitter)>> = std::sync::LazyLock::new(known);
            assert_scanners_agree(&KNOWN, &text);
        }
    }
}
