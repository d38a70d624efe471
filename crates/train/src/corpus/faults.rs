//! What could not be used of a corpus, and how much of that is too much.

use std::fmt;
use std::path::Path;

use super::document::Source;
use crate::quote;

/// What was left out of a corpus.
///
/// A little does no harm: a picture among letters, a line that a crash cut short. More than a tenth is an error if it is more
/// than three, and so is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Files that cannot be read or are not text, and folders that cannot be read. All were found in folders or by patterns:
    /// a file that an input names must be text.
    pub files: Faults,
    /// Records that cannot be read.
    pub records: Faults,
    /// Records without the field.
    pub without_field: usize,
    /// Files written by czip, in folders or matching a pattern: see [`is_made_by_czip`](super::is_made_by_czip).
    pub made_by_czip: usize,
}

impl LeftOut {
    /// Adds what was left out elsewhere.
    pub(super) fn add(&mut self, other: LeftOut) {
        self.files.add(other.files);
        self.records.add(other.records);
        self.without_field += other.without_field;
        self.made_by_czip += other.made_by_czip;
    }
}

/// How many of some things could not be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// How many could not be used.
    pub count: usize,
    /// How many there are in all.
    pub of: usize,
    /// The first of them, at most [`Faults::EXAMPLES`].
    pub examples: Vec<Fault>,
}

impl Faults {
    /// The most examples that are kept.
    pub const EXAMPLES: usize = 5;

    /// So many may be left out whatever share of the whole they are.
    const FEW: usize = 3;

    pub(super) fn push(&mut self, fault: Fault) {
        self.count += 1;
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push(fault);
        }
    }

    fn add(&mut self, other: Faults) {
        self.count += other.count;
        self.of += other.of;
        let room = Self::EXAMPLES - self.examples.len();
        self.examples.extend(other.examples.into_iter().take(room));
    }

    pub(super) fn are_too_many(&self) -> bool {
        self.count > Self::FEW.max(self.of / 10) || (self.count > 0 && self.count == self.of)
    }
}

/// The counts, followed by the examples.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == self.of {
            write!(f, "all {}", self.of)?;
        } else {
            write!(f, "{} of {}", self.count, self.of)?;
        }
        for (index, example) in self.examples.iter().enumerate() {
            write!(f, "{} {example}", if index == 0 { ":" } else { ";" })?;
        }
        if self.count > self.examples.len() {
            f.write_str("; ...")?;
        }
        Ok(())
    }
}

/// A file or record that could not be used. It displays as the place and the reason: `a.csv:3: 2 fields, not 4`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Where it is.
    pub source: Source,
    /// What is wrong with it.
    pub reason: Reason,
}

impl Fault {
    pub(super) fn of_file(path: &Path, reason: Reason) -> Self {
        let source = Source {
            path: path.into(),
            line: None,
        };
        Fault { source, reason }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.reason)
    }
}

/// Why a file or record could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A file or folder that cannot be read.
    #[error("{}", quote::value(.0))]
    Unreadable(
        /// What the system says.
        String,
    ),

    /// Not text.
    #[error("not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// The first byte that is not UTF-8, from the start of the file, the line of JSON, or the field of a table.
        offset: usize,
    },

    /// A line that is not JSON.
    #[error("not JSON: {}", quote::value(.0))]
    NotJson(
        /// What is wrong with it, and in which column.
        String,
    ),

    /// A row with more or fewer fields than the table's first row.
    #[error("{found} fields, not {wanted}")]
    Fields {
        /// The number of fields of the row.
        found: usize,
        /// That of the first row.
        wanted: usize,
    },

    /// A row with text between a closing quote and the end of the field: a quote inside the field was not doubled, or one is
    /// missing.
    #[error("text follows the closing quote in line {line}")]
    AfterQuote {
        /// The line, from 1.
        line: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_three_and_a_tenth_are_too_many() {
        let are_too_many = |count, of| {
            let faults = Faults {
                count,
                of,
                ..Faults::default()
            };
            faults.are_too_many()
        };
        for (count, of) in [
            (0, 0),
            (0, 9),
            (1, 2),
            (3, 4),
            (3, 39),
            (4, 40),
            (5, 59),
            (10, 100),
            (10, 109),
        ] {
            assert!(!are_too_many(count, of), "{count} of {of}");
        }
        for (count, of) in [(1, 1), (3, 3), (4, 5), (4, 39), (5, 49), (11, 109)] {
            assert!(are_too_many(count, of), "{count} of {of}");
        }
    }

    #[test]
    fn five_examples_are_kept() {
        let fault = |line| Fault {
            source: Source {
                path: Path::new("a").into(),
                line: Some(line),
            },
            reason: Reason::NotUtf8 { offset: 0 },
        };
        let mut faults = Faults {
            of: 20,
            ..Faults::default()
        };
        (1..=3).for_each(|line| faults.push(fault(line)));
        let mut more = Faults {
            of: 4,
            ..Faults::default()
        };
        (4..=7).for_each(|line| more.push(fault(line)));
        faults.add(more);
        assert_eq!((faults.count, faults.of, faults.examples.len()), (7, 24, 5));
        let shown = faults.to_string();
        assert!(
            shown.starts_with("7 of 24: a:1: not UTF-8 at byte 0; a:2: "),
            "{shown}"
        );
        assert!(shown.ends_with("; a:5: not UTF-8 at byte 0; ..."), "{shown}");
    }
}
