//! The command line as it was typed, brought into the form that its definition understands.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::args::help::SUBCOMMANDS;

/// A command line, and the name that the program goes by in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) program: &'static str,
    pub(crate) words: Vec<OsString>,
}

/// What names of the program stand for: the command or option that they put first.
const NAMES: [(&str, Option<&str>); 5] = [
    ("czip", None),
    ("compress_zip", None),
    ("unczip", Some("-d")),
    ("czcat", Some("cat")),
    ("czgrep", Some("grep")),
];

impl From<Vec<OsString>> for Called {
    fn from(mut words: Vec<OsString>) -> Self {
        let name = words.first().and_then(|name| Path::new(name).file_stem());
        let known = NAMES.iter().find(|(known, _)| name == Some(OsStr::new(known)));
        let &(program, first) = known.unwrap_or(&NAMES[0]);
        if let Some(first) = first {
            words.insert(1, first.into());
        }
        // Options for all commands may come before the command. The definition does not take options there, or a file that
        // is named like a command could not follow an option.
        let general = general_options(words.get(1..).unwrap_or_default());
        let word = words.get(general + 1).and_then(|word| word.to_str());
        if let Some(&command) = SUBCOMMANDS.iter().find(|&&command| word == Some(command)) {
            words[1..=general + 1].rotate_right(1);
            // All that follows is grep's, but a call for help.
            if command == "grep" && words.get(general + 2).is_some_and(|word| word != "--help") {
                words.insert(general + 2, "--".into());
            }
        }
        Self { program, words }
    }
}

/// How many words at the start are options for all commands, and their values.
fn general_options(words: &[OsString]) -> usize {
    let mut count = 0;
    while let Some(word) = words.get(count).and_then(|word| word.to_str()) {
        count += match word {
            "--threads" | "--color" => 2,
            "--quiet" | "--verbose" => 1,
            _ if word.starts_with("--threads=") || word.starts_with("--color=") => 1,
            _ => match word
                .strip_prefix('-')
                .map(|flags| flags.trim_start_matches(['q', 'v']))
            {
                Some("") if word.len() > 1 => 1,
                Some("T") => 2,
                Some(flags) if flags.starts_with('T') => 1,
                _ => break,
            },
        };
    }
    count.min(words.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(line: &str) -> Called {
        Called::from(line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn names_stand_for_what_they_do() {
        for (line, program, words) in [
            (
                "/usr/bin/compress_zip a",
                "compress_zip",
                "/usr/bin/compress_zip a",
            ),
            ("compress_zip.exe a", "compress_zip", "compress_zip.exe a"),
            ("./czip a", "czip", "./czip a"),
            ("another a", "czip", "another a"),
            ("unczip -k a", "unczip", "unczip -d -k a"),
            ("czcat a", "czcat", "czcat cat a"),
            ("/bin/czgrep -v x a", "czgrep", "/bin/czgrep grep -- -v x a"),
            ("", "czip", ""),
        ] {
            let called = called(line);
            assert_eq!(called.program, program, "{line}");
            let expected: Vec<&str> = words.split_whitespace().collect();
            assert_eq!(called.words, expected, "{line}");
        }
    }

    #[test]
    fn commands_come_before_general_options() {
        for (line, words) in [
            ("czip -q compress a", "czip compress -q a"),
            (
                "czip -qvT 4 --color never compress -9 a",
                "czip compress -qvT 4 --color never -9 a",
            ),
            ("czip -T4 --threads=3 -v info a", "czip info -T4 --threads=3 -v a"),
            ("czip -k compress a", "czip -k compress a"),
            ("czip - compress", "czip - compress"),
            ("czip a compress", "czip a compress"),
            ("czip -- compress", "czip -- compress"),
            ("czip -T", "czip -T"),
            ("czip grep", "czip grep"),
            ("czip grep --help", "czip grep --help"),
            ("czip -T1 grep -n x", "czip grep -T1 -- -n x"),
        ] {
            let expected: Vec<&str> = words.split_whitespace().collect();
            assert_eq!(called(line).words, expected, "{line}");
        }
    }
}
