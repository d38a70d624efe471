//! Files of documents: those of `../shared/train`, which are compressed, and those that are written here.

use std::fs;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use liblzma::read::XzDecoder;
use xtask::{Result, files::root};

/// Documents are separated by a line that holds only this.
const MARK: &str = "<|doc|>";

/// The folder of the training texts.
pub(crate) fn folder() -> PathBuf {
    root().join("../shared/train")
}

/// The beginning of a compressed text, up to its last whole line.
pub(crate) fn read(path: &Path, most: usize) -> Result<String> {
    let describe = |error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    XzDecoder::new(fs::File::open(path).map_err(describe)?)
        .take(most as u64)
        .read_to_end(&mut bytes)
        .map_err(describe)?;
    if bytes.len() == most {
        bytes.truncate(whole_lines(&bytes));
    }
    Ok(String::from_utf8(bytes)?)
}

/// How long the whole lines at the beginning of a text are.
pub(crate) fn whole_lines(text: &[u8]) -> usize {
    text.iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1)
}

/// The documents of a text that are not empty.
pub(crate) fn documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim() == MARK {
            documents.push(&text[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    documents.push(&text[start..]);
    documents.retain(|document| !document.trim().is_empty());
    documents
}

/// Writes documents, and returns how many bytes they have.
pub(crate) fn write_documents(out: &Path, documents: &[impl AsRef<str>]) -> Result<usize> {
    let describe = |error| format!("{}: {error}", out.display());
    let mut file = BufWriter::new(fs::File::create(out).map_err(describe)?);
    for document in documents {
        write!(file, "{}\n{MARK}\n", document.as_ref()).map_err(describe)?;
    }
    file.flush().map_err(describe)?;
    Ok(documents.iter().map(|document| document.as_ref().len()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_is_not_whole() {
        assert_eq!(whole_lines(b"a\nbc"), 2);
        assert_eq!(whole_lines(b"a\nbc\n"), 5);
        assert_eq!(whole_lines(b"ab"), 0);
    }

    #[test]
    fn lines_with_the_mark_separate_documents() {
        assert_eq!(documents("a\nb\n<|doc|>\n\n<|doc|>\nc"), ["a\nb\n", "c"]);
    }
}
