//! Documents, and where they come from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::quote;

/// A self-contained text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The text, which isn't blank.
    pub text: String,
    /// Where it was read.
    pub source: Source,
}

/// Where a document was read. It displays as the file's name, followed by the line if there is one: `a.txt:3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file; `-` is standard input.
    pub path: Arc<Path>,
    /// The line, from 1, on which the document starts, if the file has several documents.
    pub line: Option<u64>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", quote::path(&self.path)),
            None => f.write_str(&quote::path(&self.path)),
        }
    }
}

/// The bytes of all documents together.
pub(super) fn total_len(documents: &[Document]) -> usize {
    documents.iter().map(|document| document.text.len()).sum()
}
