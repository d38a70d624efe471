//! Reading the text to train on: files go in; documents come out, some of them held out.
//!
//! A *document* is a self-contained text, such as an article. One document is
//!
//! - a file, or each part of it between lines that hold nothing but the separator;
//! - with a field named, that field of one record of a `.ndjson`, `.jsonl`, `.csv` or `.tsv` file. Without a field such a
//!   file is text like any other, since that is how it will be compressed.
//!
//! Text is taken as it is, including a byte order mark at its start; only files of records lose theirs.

mod document;
mod error;
mod faults;
mod heldout;
mod inputs;
mod options;
mod own;
mod reader;
mod table;

use std::io::Read;
use std::path::{Path, PathBuf};

use self::document::total_len;
pub use self::document::{Document, Source};
pub use self::error::Error;
pub use self::faults::{Fault, Faults, LeftOut, Reason};
use self::inputs::Found;
pub use self::inputs::InputFile;
pub use self::options::{CorpusOptions, Heldout, HeldoutBy};
pub use self::own::is_made_by_czip;
use self::reader::Reader;

/// The documents of a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Corpus {
    /// The training set, in the order of the inputs.
    pub train: Vec<Document>,
    /// The held-out text, in the order of the inputs. No document is in more than one of the three sets.
    pub heldout: Vec<Document>,
    /// The calibration set, which [`Corpus::split_calibration`] takes from the training set.
    pub calibration: Vec<Document>,
    /// How the held-out text was chosen.
    pub heldout_by: HeldoutBy,
    /// The files and records that could not be used.
    pub left_out: LeftOut,
    /// How many documents of the inputs are also in [`Heldout::Path`], and so were not trained on.
    pub removed_documents: usize,
}

impl Corpus {
    /// Bytes of the training set.
    pub fn train_len(&self) -> usize {
        total_len(&self.train)
    }

    /// Bytes of the held-out text.
    pub fn heldout_len(&self) -> usize {
        total_len(&self.heldout)
    }

    /// Bytes of the calibration set.
    pub fn calibration_len(&self) -> usize {
        total_len(&self.calibration)
    }

    /// Moves part of the training set to the calibration set, on which the mixing priors are fitted: a mixer fitted on text
    /// that the net was trained on would trust the net too much. It is about 2.5 % of the bytes, half a megabyte at most,
    /// chosen in the same way as [`Heldout::Fraction`].
    pub fn split_calibration(&mut self, seed: u64) {
        let (fraction, most) = CALIBRATION;
        let fraction = fraction.min(most / self.train_len().max(1) as f64);
        let documents = std::mem::take(&mut self.train);
        (self.train, self.calibration, _) = heldout::split(documents, fraction, seed);
    }
}

/// The largest share of the training set, and the most bytes of it, that go to the calibration set.
const CALIBRATION: (f64, f64) = (0.025, 500_000.0);

/// The files of a corpus, not yet read.
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
/// An input is a file; a folder, whose files are read recursively, except hidden ones; a pattern such as `logs/**/*.log`;
/// or `-` for standard input. A file named by several inputs is read once.
///
/// # Errors
///
/// An input that does not exist or cannot be listed; a share to hold out that is not in 0..1.
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
    /// All files, including those held out but not standard input. Files for which [`is_made_by_czip`] holds are listed
    /// too, though they are skipped on reading unless an input names them.
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
    /// Memory holds the text once, plus the file that is being cut into documents.
    ///
    /// # Errors
    ///
    /// [`Error`] has a variant for each reason. A small share of unusable input is not an error: see [`LeftOut`].
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
                // Even with a field named, the held-out text may be plain text.
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
            calibration: Vec::new(),
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
