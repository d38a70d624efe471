//! How a corpus is to be read, and how its held-out text is chosen.

use std::path::PathBuf;

/// How to read a corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct CorpusOptions {
    /// The field of each record that holds the text. In JSON, `a.b` is the field `b` of the object `a`, unless there is a
    /// field named `a.b`, and a number is an array index; in CSV and TSV it is the name of a column.
    pub field: Option<String>,
    /// A line with nothing but this ends a document. It has no meaning inside records.
    pub separator: Option<String>,
    /// What to hold out.
    pub heldout: Heldout,
    /// Seed of the choice of held-out documents.
    pub seed: u64,
    /// The fewest bytes that the training set may have, counting what [`Heldout::Fraction`] takes from it.
    pub min_len: usize,
}

impl CorpusOptions {
    /// The default separator.
    pub const SEPARATOR: &'static str = "<|doc|>";
}

impl Default for CorpusOptions {
    /// No field, the separator `<|doc|>`, 5 % held out, and at least 100 kB.
    fn default() -> Self {
        CorpusOptions {
            field: None,
            separator: Some(CorpusOptions::SEPARATOR.to_owned()),
            heldout: Heldout::Fraction(0.05),
            seed: 0,
            min_len: 100_000,
        }
    }
}

/// Which part of a corpus is held out: measured on, never trained on.
#[derive(Clone, Debug, PartialEq)]
pub enum Heldout {
    /// About this share of the bytes, at least 0 and below 1.
    ///
    /// Whole documents are chosen by their text and the seed, so equal documents stay together. If there are fewer than 20
    /// different documents, or none fit, the end of each document is held out instead, starting at a line.
    Fraction(f64),
    /// The documents of this file or folder, read like the corpus. Any of them that the corpus contains are removed from it.
    Path(PathBuf),
}

/// How the held-out text was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldoutBy {
    /// Nothing is held out.
    None,
    /// Whole documents.
    Document,
    /// The ends of documents.
    Position,
    /// Read from [`Heldout::Path`].
    Path,
}
