//! Regular expressions whose time is bounded: for split patterns that no scanner knows.
//!
//! `fancy-regex` parses a pattern, and `regex-syntax` its classes of characters. They become a [`Program`] of ours,
//! which a [`Matcher`] runs by backtracking and counts every step of. An engine that counts only how often it goes back
//! can't bound the time, since each way that it tries may be as long as the text.

mod matcher;
mod program;

pub(crate) use matcher::{Budget, Matcher};
pub(crate) use program::Program;

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;
    use crate::error::SplitLimit;

    /// The matches that aren't empty.
    fn matches(pattern: &str, text: &str) -> Result<Vec<Range<usize>>, SplitLimit> {
        let program = Program::new(pattern).unwrap();
        let mut budget = Budget::new(text.len());
        let mut matcher = Matcher::new(&program, text, &mut budget);
        let (mut from, mut after_match, mut all) = (0, true, Vec::new());
        while from <= text.len()
            && let Some(found) = matcher.find(from, after_match)?
        {
            if found.is_empty() {
                after_match = found.end != from;
                from = matcher.after(found.end);
            } else {
                after_match = true;
                from = found.end;
                all.push(found);
            }
        }
        Ok(all)
    }

    /// The same by another engine; None where it gives up.
    fn reference(pattern: &str, text: &str) -> Option<Vec<Range<usize>>> {
        let regex = fancy_regex::Regex::new(pattern).unwrap();
        let all: Result<Vec<_>, _> = regex
            .find_iter(text)
            .map(|found| found.map(|found| found.range()))
            .collect();
        Some(all.ok()?.into_iter().filter(|range| !range.is_empty()).collect())
    }

    const TEXTS: [&str; 8] = [
        "",
        "a",
        "aab\u{e9}abba\n\n  a b\r\n\r\n c",
        "The 3rd's \u{4e2d}\u{6587} -- it'LL  \t be   fine.\n\n\n",
        "abcabc_ab\u{17f}s K\u{212a}k \u{2028}x\u{85}y",
        "aaaaaaaaaaa",
        "foo foobar bar foofoo\nfoo\r",
        "\n\n\n",
    ];

    #[test]
    fn every_construct_matches_as_elsewhere() {
        let patterns = [
            "a",
            "ab|a|b",
            "a*",
            "a*?b",
            "a+?",
            "a??b",
            "(?:ab)*",
            "(?:ab)+?",
            "(?:ab|b){2,3}",
            "(?:ab|b){2,3}?",
            "a{2}",
            "a{2,}",
            "a{0}b",
            "(?:ab){0}b",
            "(?i)the|it'll",
            "(?i:k)+",
            "(?i:s)",
            "[^a-z]+",
            r"\p{L}++",
            r"\p{N}{1,3}+",
            r"\s+(?!\S)",
            r"\s+(?=\S)",
            r"(?<=a)b",
            r"(?<!a)b",
            r"(?<=a+)b",
            r"(?<=^|a|bb)\w",
            r"(?<=\Ba)a",
            r"(?<!foo)bar",
            r"(?<=(a)b*)c",
            "(?>a+)a",
            "(?>a+)b",
            "(?>ab|a)b",
            r"(?:a|ab)++b",
            r"\b\w+\b",
            r"\B\w",
            r"\Aa",
            r"a\z",
            r"\n\Z",
            "^a",
            "(?m)^.",
            "(?m).$",
            "(?mR)^.",
            "(?mR).$",
            "(?s).+",
            ".+",
            "(?R).+",
            r"\R",
            r"\R+",
            r"(\w)\1",
            r"(\w+) ?\1",
            r"(a)|(b)\1?",
            r"(?:(\w)\1)+",
            r"(?=(a+))a*b?\1",
            r"a\Kb",
            r"\w\K\w",
            r"\G\w",
            r"(?:a|)*b",
            r"(?:a*)*b",
            r"(?:a*)+b",
            r"(?:a?){3}b",
            r"(?:a?b?)*?c",
            r"[\p{L}&&[^a]]+",
            r"\x61\u{e9}",
            r"\w*(?<![0-9])",
            r"(?=b)|$",
            r"\h+",
            r"\<\w",
            r"\w\>",
            r"(?x) a b # text",
            r"(?i)[^\W\d_]+(?=\b)",
            r"(?!a)\w",
            r"(*FAIL)|a",
            r"(?:)",
            r"(?:){3}a",
            r"[\s--\n]",
            r"(?:\w+\s?)+?$",
            r"(?<name>a)\k<name>",
            r"(?i)(?:\xe9|\xc9)",
        ];
        for pattern in patterns {
            if fancy_regex::Regex::new(pattern).is_err() {
                // The parser may know less than this list.
                assert!(Program::new(pattern).is_err(), "{pattern}");
                continue;
            }
            for text in TEXTS {
                assert_eq!(
                    matches(pattern, text).ok(),
                    reference(pattern, text),
                    "{pattern:?} in {text:?}"
                );
            }
        }
    }

    /// Cases that keep an engine busy for too long if only matches or backtracks are counted.
    #[test]
    fn steps_are_bounded_by_the_text_whatever_the_pattern() {
        for len in [1_400, 100_000] {
            let text = "a".repeat(len);
            let steps = 256 * (len as u64 + (1 << 14));
            for pattern in [
                "(?:a*)*b",
                "(?:a*)*b(?=c)",
                "(?:a|aa)+$b",
                "(?:a|a?)+?b",
                "(?=.*b)a|a",
                "(?!.*a)b|a",
                "(?<=^.*)b|a(?<=b.*)|a",
                "(?<!b.*a)a|a",
                r"(a+)\1+b|a",
                r"(a*)(?!\1)b|a",
                "(?>a*)b|a",
                "a*+b|a",
                "[a-z]*X|[a-z]",
                "(?:(?=a)a)*c|a",
                r"a+(?=\Z|b)c|a",
                "(?>(?:(?=a)a)*)b|a",
            ] {
                let limit = match matches(pattern, &text) {
                    Err(limit) => limit,
                    // The kinds that grow with the square of the length are quick enough on short texts.
                    Ok(found) => {
                        assert!(len == 1_400 && found.len() == len, "{pattern} on {len} bytes");
                        continue;
                    }
                };
                let depth = SplitLimit::Depth { places: 1 << 20 };
                assert!(
                    limit == SplitLimit::Steps { steps, text_len: len } || limit == depth,
                    "{pattern}: {limit}"
                );
            }
        }
    }

    #[test]
    fn places_to_go_back_to_are_bounded() {
        let text = "ab".repeat(1 << 20);
        assert_eq!(
            matches("(?:ab|c)*", &text),
            Err(SplitLimit::Depth { places: 1 << 20 })
        );
        // Runs of one class have one place, whatever their length.
        assert_eq!(matches("[ab]*b", &text).unwrap().first(), Some(&(0..2 << 20)));
    }

    /// A text has one budget, though it may have a part for each special token in it.
    #[test]
    fn budgets_are_for_a_whole_text() {
        let program = Program::new("(?:a|a)*b|a").unwrap();
        let text = "a".repeat(12);
        let mut budget = Budget::new(text.len());
        let parts = (0..).take_while(|_| Matcher::new(&program, &text, &mut budget).find(0, true).is_ok());
        assert_eq!(parts.count(), 53);
    }

    fn pattern() -> impl Strategy<Value = String> {
        let atom = proptest::sample::select(vec![
            "a", "b", "ab", ".", r"\w", r"\s", "[^a]", "(?i:A)", r"\b", "^", "$", r"\n", "\u{e9}", r"\p{L}",
            "(?m:^)", "(?m:$)",
        ])
        .prop_map(str::to_owned);
        atom.prop_recursive(4, 24, 3, |inner| {
            let times = proptest::sample::select(vec![
                "*", "+", "?", "{2}", "{1,2}", "*?", "+?", "??", "{0,2}?", "++", "*+",
            ]);
            // Look-behind has a bounded width here, as elsewhere.
            let narrow = proptest::sample::select(vec!["a", "b", r"\w", r"\s", "[^a]b"]);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..3).prop_map(|parts| parts.concat()),
                proptest::collection::vec(inner.clone(), 1..3)
                    .prop_map(|parts| format!("(?:{})", parts.join("|"))),
                // Engines differ in when they leave a loop whose body may be empty.
                (inner.clone(), times).prop_map(|(inner, times)| format!("(?:a{inner}){times}")),
                inner.clone().prop_map(|inner| format!("(?={inner})")),
                inner.clone().prop_map(|inner| format!("(?!{inner})")),
                inner.prop_map(|inner| format!("(?>{inner})")),
                narrow.clone().prop_map(|narrow| format!("(?<={narrow})")),
                narrow.prop_map(|narrow| format!("(?<!{narrow})")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn any_pattern_matches_as_elsewhere(pattern in pattern(), text in "[ab \n\u{e9}]{0,16}") {
            if fancy_regex::Regex::new(&pattern).is_ok()
                && let Some(expected) = reference(&pattern, &text)
            {
                prop_assert_eq!(matches(&pattern, &text).unwrap(), expected);
            }
        }
    }
}
