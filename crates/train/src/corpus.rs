//! Reading the text to train on: from files to documents, and which of them are held out.
//!
//! A *document* is a text that stands for itself, such as an article. What is read as one document:
//!
//! - a file; or, if it has lines that hold nothing but the separator, what is between them;
//! - with a field named, each record of a file of records (`.ndjson`, `.jsonl`, `.csv`, `.tsv`): the text is that of
//!   the field. Without, such a file is text like any other, since that's how it will be compressed.
//!
//! A text is taken as it is, with the byte order mark that it may begin with; a file of records loses it.

mod documents;
mod faults;
mod heldout;
mod inputs;
mod own;
mod table;

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::documents::Reader;
pub use self::faults::{Fault, Faults, LeftOut, Reason};
use self::inputs::Found;
pub use self::own::is_made_by_czip;
use crate::shown;

/// How to read a corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct CorpusOptions {
    /// The field of the records that holds the text. In JSON, `a.b` is the field `b` of the object `a`, unless there is
    /// a field `a.b`, and a number is an index of an array; in CSV, it's the name of a column.
    pub field: Option<String>,
    /// A line with nothing but this ends a document. Records have no such lines.
    pub separator: Option<String>,
    /// What is held out.
    pub heldout: Heldout,
    /// Chooses the documents that are held out.
    pub seed: u64,
    /// The least bytes of text to train on, with what is held out of it.
    pub min_len: usize,
}

impl CorpusOptions {
    /// The separator, if no other is given.
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

/// What of a corpus is held out: text that the training doesn't see, to measure on.
#[derive(Clone, Debug, PartialEq)]
pub enum Heldout {
    /// About this share of the bytes, at least 0 and below 1.
    ///
    /// Whole documents are held out, chosen by their text and the seed, so that equal documents stay together. If there
    /// are few documents, or none that fit, the end of each is held out instead, from the start of a line.
    Fraction(f64),
    /// What is read from there, as the corpus is. It's taken out of the corpus, if it's there.
    Path(PathBuf),
}

/// The documents of a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Corpus {
    /// What to train on, in the order of the inputs.
    pub train: Vec<Document>,
    /// What is held out, in the order of the inputs. No document is in two of these.
    pub heldout: Vec<Document>,
    /// What [`Corpus::set_aside`] has taken from the text to train on.
    pub aside: Vec<Document>,
    /// How it was chosen.
    pub heldout_by: HeldoutBy,
    /// What can't be used, of both.
    pub left_out: LeftOut,
    /// How many documents were taken out of the corpus because they are in [`Heldout::Path`].
    pub removed_documents: usize,
}

impl Corpus {
    /// The bytes to train on.
    pub fn train_len(&self) -> usize {
        total_len(&self.train)
    }

    /// The bytes held out.
    pub fn heldout_len(&self) -> usize {
        total_len(&self.heldout)
    }

    /// The bytes set aside.
    pub fn aside_len(&self) -> usize {
        total_len(&self.aside)
    }

    /// Sets aside some of the text to train on, for the adaptive coder: it would trust a net too much that has been trained
    /// on the same text. About 2.5 % of the bytes and at most half a megabyte, chosen as [`Heldout::Fraction`] chooses.
    pub fn set_aside(&mut self, seed: u64) {
        let fraction = ASIDE.0.min(ASIDE.1 / self.train_len().max(1) as f64);
        let documents = std::mem::take(&mut self.train);
        (self.train, self.aside, _) = heldout::split(documents, fraction, seed);
    }
}

/// The share and the number of bytes that are set aside at most.
const ASIDE: (f64, f64) = (0.025, 500_000.0);

/// How it was chosen what is held out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldoutBy {
    /// Nothing is held out.
    None,
    /// Whole documents.
    Document,
    /// The ends of documents.
    Position,
    /// It was read from elsewhere.
    Path,
}

/// A text that stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The text, which isn't blank.
    pub text: String,
    /// Where it was read.
    pub source: Source,
}

/// Where a document was read. Its `Display` is the name of the file and the line, if there is one, as `a.txt:3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file; `-` is standard input.
    pub path: Arc<Path>,
    /// The line, from 1, where the document starts, if the file has several.
    pub line: Option<u64>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", shown::path(&self.path)),
            None => f.write_str(&shown::path(&self.path)),
        }
    }
}

/// What can go wrong when a corpus is read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An input isn't there.
    #[error("no such file: {}", shown::path(path))]
    NotFound {
        /// The input.
        path: PathBuf,
    },

    /// No file has a name like this.
    #[error("no file matches {}", shown::value(pattern))]
    NoMatch {
        /// The input with `*`, `?` or `[` in it.
        pattern: String,
    },

    /// An input with `*`, `?` or `[` in it isn't a pattern.
    #[error("not a pattern of file names: {}: {source}", shown::value(pattern))]
    Pattern {
        /// The input.
        pattern: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A folder has nothing to read, or only hidden files.
    #[error("no files in the folder {}", shown::path(path))]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },

    /// A file or a folder can't be read.
    #[error("{}: {source}", shown::path(path))]
    Io {
        /// The file or folder; `-` is standard input.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },

    /// A file isn't text.
    #[error("{}: not UTF-8 at byte {offset}", shown::path(path))]
    NotUtf8 {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// The bytes before this one are UTF-8.
        offset: usize,
    },

    /// A table ends inside quotes, or a row has more lines than any row should: a quote isn't closed, and hides the rows
    /// that follow.
    #[error("{}:{row}: {}", shown::path(path), describe_quote(*row, *quote, *at_end))]
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

    /// Too many files can't be used: see [`LeftOut`].
    #[error("too many files can't be read or aren't text, {0}")]
    BadFiles(Faults),

    /// Too many records can't be used: see [`LeftOut`].
    #[error("too many records can't be read, {0}")]
    BadRecords(Faults),

    /// No record has the field.
    #[error(
        "no record has the field \"{}\": {}",
        shown::value(field),
        list_fields(fields)
    )]
    NoField {
        /// The field asked for.
        field: String,
        /// The fields that there are. A large number is cut, and so are long names.
        fields: Vec<String>,
    },

    /// A field is named, but no file has records.
    #[error(
        "no records to take the field \"{}\" from: none of the files is .ndjson, .jsonl, .csv or .tsv",
        shown::value(field)
    )]
    NoRecords {
        /// The field asked for.
        field: String,
    },

    /// There is no text at all.
    #[error("no text in {}", paths_of(inputs))]
    Empty {
        /// The inputs.
        inputs: Vec<PathBuf>,
    },

    /// There is less text than asked for.
    #[error("{len} bytes of text are too little to train on: at least {min} are needed")]
    TooLittle {
        /// The bytes that there are.
        len: usize,
        /// The bytes needed.
        min: usize,
    },

    /// A share that can't be held out.
    #[error("the share to hold out is {fraction}; it must be at least 0 and below 1")]
    Fraction {
        /// The share.
        fraction: f64,
    },

    /// There's no text but what is to be held out.
    #[error("every document is also in {}, which is to be held out", shown::path(path))]
    HeldoutIsCorpus {
        /// What is to be held out.
        path: PathBuf,
    },
}

fn list_fields(fields: &[String]) -> String {
    if fields.is_empty() {
        "the records have no fields".to_owned()
    } else {
        format!("there are {}", shown::list(fields.iter().map(String::as_str)))
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
        format!("{place} is not closed within {} lines", table::MAX_LINES)
    }
}

/// The most inputs that an error names.
const MAX_INPUTS: usize = 10;

fn paths_of(inputs: &[PathBuf]) -> String {
    let mut paths: Vec<String> = inputs
        .iter()
        .take(MAX_INPUTS)
        .map(|input| shown::path(input))
        .collect();
    if paths.is_empty() {
        return "no files".to_owned();
    }
    if inputs.len() > MAX_INPUTS {
        paths.push("...".to_owned());
    }
    paths.join(", ")
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// Whether an input names it. Others were found in a folder, or by a pattern.
    pub is_named: bool,
}

/// The files of a corpus that is to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Files<'o> {
    options: &'o CorpusOptions,
    inputs: Vec<PathBuf>,
    train: Found,
    heldout: HeldoutFiles,
}

#[derive(Clone, Debug, PartialEq)]
enum HeldoutFiles {
    Fraction(f64),
    Path(PathBuf, Found),
}

/// Finds the files of a corpus, without reading them.
///
/// An input is a file; a folder, of which all files are read but hidden ones, also those in folders inside; a pattern
/// such as `logs/**/*.log`; or `-`, which is standard input. A file that several inputs name is read once.
///
/// # Errors
///
/// Inputs that aren't there or can't be listed, and a share to hold out that is none.
pub fn find<'o>(inputs: &[impl AsRef<Path>], options: &'o CorpusOptions) -> Result<Files<'o>, Error> {
    let heldout = match &options.heldout {
        &Heldout::Fraction(fraction) if (0.0..1.0).contains(&fraction) => HeldoutFiles::Fraction(fraction),
        &Heldout::Fraction(fraction) => return Err(Error::Fraction { fraction }),
        Heldout::Path(path) => HeldoutFiles::Path(path.clone(), inputs::find(&[path])?),
    };
    Ok(Files {
        options,
        inputs: inputs.iter().map(|input| input.as_ref().to_owned()).collect(),
        train: inputs::find(inputs)?,
        heldout,
    })
}

impl Files<'_> {
    /// All files, those that are held out as well, but not standard input. Those that [`is_made_by_czip`] are left out when
    /// they are read, unless they are named.
    pub fn iter(&self) -> impl Iterator<Item = &InputFile> {
        let heldout = match &self.heldout {
            HeldoutFiles::Fraction(_) => &[][..],
            HeldoutFiles::Path(_, found) => &found.files,
        };
        let files = self.train.files.iter().chain(heldout);
        files.filter(|file| file.path != Path::new(inputs::STDIN))
    }

    /// Reads them. The same files and options make the same corpus.
    ///
    /// The text is held in memory once, and the file that is being cut into documents besides.
    ///
    /// # Errors
    ///
    /// [`Error`] has a variant for each reason. A little that can't be used is none: see [`LeftOut`].
    pub fn read(self, stdin: &mut dyn Read) -> Result<Corpus, Error> {
        let options = self.options;
        let mut reader = Reader::new(options);
        let mut documents = read_documents(&mut reader, self.train, stdin)?;
        let mut left_out = reader.finish(true)?;
        if documents.is_empty() {
            return Err(Error::Empty { inputs: self.inputs });
        }

        let mut removed_documents = 0;
        let (train, heldout, heldout_by) = match self.heldout {
            HeldoutFiles::Path(path, found) => {
                let mut reader = Reader::new(options);
                let heldout = read_documents(&mut reader, found, &mut std::io::empty())?;
                // With a field named, what is held out may be a text all the same.
                let has_records = reader.has_records();
                left_out.add(reader.finish(has_records)?);
                if heldout.is_empty() {
                    return Err(Error::Empty { inputs: vec![path] });
                }
                removed_documents = heldout::remove(&mut documents, &heldout);
                if documents.is_empty() {
                    return Err(Error::HeldoutIsCorpus { path });
                }
                check_len(&documents, options)?;
                (documents, heldout, HeldoutBy::Path)
            }
            HeldoutFiles::Fraction(fraction) => {
                check_len(&documents, options)?;
                heldout::split(documents, fraction, options.seed)
            }
        };
        Ok(Corpus {
            train,
            heldout,
            aside: Vec::new(),
            heldout_by,
            left_out,
            removed_documents,
        })
    }
}

/// Finds the files of a corpus and reads them: see [`find`] and [`Files::read`].
///
/// # Errors
///
/// [`Error`] has a variant for each reason.
pub fn read(
    inputs: &[impl AsRef<Path>],
    stdin: &mut dyn Read,
    options: &CorpusOptions,
) -> Result<Corpus, Error> {
    find(inputs, options)?.read(stdin)
}

fn read_documents(
    reader: &mut Reader<'_>,
    found: Found,
    stdin: &mut dyn Read,
) -> Result<Vec<Document>, Error> {
    let mut documents = Vec::new();
    for fault in found.faults {
        reader.add_fault(fault);
    }
    for file in found.files {
        reader.read(&file, stdin, &mut documents)?;
    }
    Ok(documents)
}

fn check_len(documents: &[Document], options: &CorpusOptions) -> Result<(), Error> {
    let len = total_len(documents);
    if len < options.min_len {
        return Err(Error::TooLittle {
            len,
            min: options.min_len,
        });
    }
    Ok(())
}

fn total_len(documents: &[Document]) -> usize {
    documents.iter().map(|document| document.text.len()).sum()
}
