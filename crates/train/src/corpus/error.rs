//! What can go wrong when a corpus is read.

use std::path::PathBuf;

use super::faults::Faults;
use super::table::MAX_LINES;
use crate::quote;

/// What can go wrong when a corpus is read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An input does not exist.
    #[error("no such file: {}", quote::path(path))]
    NotFound {
        /// The input.
        path: PathBuf,
    },

    /// No file matches a pattern.
    #[error("no file matches {}", quote::value(pattern))]
    NoMatch {
        /// The input with `*`, `?` or `[` in it.
        pattern: String,
    },

    /// An input with `*`, `?` or `[` in it is not a valid pattern.
    #[error("not a valid file name pattern: {}: {source}", quote::value(pattern))]
    Pattern {
        /// The input.
        pattern: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A folder has no files, or only hidden ones.
    #[error("no files in the folder {}", quote::path(path))]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },

    /// A file or folder cannot be read.
    #[error("{}: {source}", quote::path(path))]
    Io {
        /// The file or folder; `-` is standard input.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },

    /// A file is not text.
    #[error("{}: not UTF-8 at byte {offset}", quote::path(path))]
    NotUtf8 {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// The bytes before this one are UTF-8.
        offset: usize,
    },

    /// A table ends inside quotes, or a row has more lines than any row should: a quote is not closed, and hides the rows
    /// that follow.
    #[error("{}:{row}: {}", quote::path(path), describe_quote(*row, *quote, *at_end))]
    OpenQuote {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where the row starts.
        row: u64,
        /// The line of the quote.
        quote: u64,
        /// Whether the table ends inside the quotes.
        at_end: bool,
    },

    /// Too many files cannot be used: see [`LeftOut`](super::LeftOut).
    #[error("too many files cannot be read or are not text, {0}")]
    BadFiles(Faults),

    /// Too many records cannot be used: see [`LeftOut`](super::LeftOut).
    #[error("too many records cannot be read, {0}")]
    BadRecords(Faults),

    /// No record has the field.
    #[error(
        "no record has the field \"{}\": {}",
        quote::value(field),
        known_fields(fields)
    )]
    NoField {
        /// The field asked for.
        field: String,
        /// The fields found: not all if there are many, and long names are cut.
        fields: Vec<String>,
    },

    /// A field is named, but no file has records.
    #[error(
        "no records to take the field \"{}\" from: none of the files is .ndjson, .jsonl, .csv or .tsv",
        quote::value(field)
    )]
    NoRecords {
        /// The field asked for.
        field: String,
    },

    /// There is no text at all.
    #[error("no text in {}", input_paths(inputs))]
    Empty {
        /// The inputs.
        inputs: Vec<PathBuf>,
    },

    /// There is less text than needed.
    #[error("{len} bytes of text are too few: at least {min} are needed")]
    TooLittle {
        /// The bytes found.
        len: usize,
        /// The bytes needed.
        min: usize,
    },

    /// The share to hold out is out of range.
    #[error("cannot hold out a share of {fraction}: it must be at least 0 and below 1")]
    Fraction {
        /// The share.
        fraction: f64,
    },

    /// There is no text except what is to be held out.
    #[error("every document is also in {}, which is to be held out", quote::path(path))]
    HeldoutIsCorpus {
        /// What is to be held out.
        path: PathBuf,
    },
}

fn known_fields(fields: &[String]) -> String {
    if fields.is_empty() {
        "the records have no fields".to_owned()
    } else {
        format!("there are {}", quote::list(fields.iter().map(String::as_str)))
    }
}

fn describe_quote(row: u64, quote: u64, at_end: bool) -> String {
    let place = if quote == row {
        "a quote".to_owned()
    } else {
        format!("a quote in line {quote}")
    };
    if at_end {
        format!("{place} is not closed before the end of the file")
    } else {
        format!("{place} is not closed within {} lines", MAX_LINES)
    }
}

/// The most inputs that an error names.
const MAX_INPUTS: usize = 10;

fn input_paths(inputs: &[PathBuf]) -> String {
    let mut paths: Vec<String> = inputs
        .iter()
        .take(MAX_INPUTS)
        .map(|input| quote::path(input))
        .collect();
    if paths.is_empty() {
        return "no files".to_owned();
    }
    if inputs.len() > MAX_INPUTS {
        paths.push("...".to_owned());
    }
    paths.join(", ")
}
