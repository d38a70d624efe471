//! `czip -l`: a line for each compressed file, and one for all.

use std::fmt;
use std::io::Read;

use czip::{Format, Limits};
use serde::Serialize;

use crate::commands::contents::{CompressedFile, Row, SegmentedFile};
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::input::{Input, Source};
use crate::models::{ModelFiles, ModelSet};
use crate::printable::printable;
use crate::report;
use crate::selection::Selection;
use crate::ui::Ui;

/// Files to list.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) selection: Selection,
    /// Models to name.
    pub(crate) models: ModelFiles,
    pub(crate) limits: Limits,
    pub(crate) json: bool,
}

impl List {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        let models = self.models.set(ui)?;
        let found = self.selection.find(ui)?;
        let files = found.transfers.len();
        let table = !self.json && !ui.is_verbose();
        if table && files > 0 {
            report::print(&Heading, false)?;
        }
        let mut total = Total::default();
        let mut exit = found.exit;
        for transfer in &found.transfers {
            let source = &transfer.source;
            let listed = source.check_among(files).and_then(|()| {
                let mut input = source.open_compressed()?;
                let entry = self.entry(source, &mut input, &models)?;
                input.finish(source, ui)?;
                Ok(entry)
            });
            let printed = listed.and_then(|entry| {
                let row = entry.contents.row();
                total.add(&row);
                if table {
                    report::print(
                        &Line {
                            row,
                            path: &entry.path,
                        },
                        false,
                    )?;
                } else {
                    report::print(&entry, self.json)?;
                }
                Ok(())
            });
            match printed {
                Ok(()) => {}
                Err(failure) if matches!(failure.error, Error::ReaderGone) => return Ok(exit),
                Err(failure) => {
                    ui.failure(&failure);
                    exit = exit.or(failure.error.exit());
                }
            }
        }
        if total.files > 1 {
            report::print(&total, self.json)?;
        }
        Ok(exit)
    }

    fn entry(&self, source: &Source, input: &mut Input, models: &ModelSet<'_>) -> Result<Entry, Failure> {
        let failed_read = |error| Error::Read(error).of(source);
        let start = input.peek(Format::DETECTION_LEN).map_err(failed_read)?.to_vec();
        let contents = match Format::detect(&start) {
            Some(Format::V2) => {
                let file = SegmentedFile::read(&mut *input, &[], models, &self.limits);
                file.map(Contents::SegmentedFile).map_err(|error| match error {
                    Error::Czip(czip::Error::Io(error)) => Error::Read(error),
                    error => error,
                })
            }
            Some(_) => {
                // These are short, as they must be in memory to be restored.
                let mut bytes = Vec::new();
                let limit = self.limits.max_memory;
                let read = (&mut *input)
                    .take(limit.saturating_add(1))
                    .read_to_end(&mut bytes);
                match read {
                    Err(error) => Err(Error::Read(error)),
                    Ok(_) if bytes.len() as u64 > limit => Err(Error::MemoryLimit {
                        needed: bytes.len() as u64,
                        limit,
                    }),
                    Ok(_) => CompressedFile::read(&bytes, &self.limits).map(Contents::CompressedFile),
                }
            }
            None => Err(Error::NotCompressed),
        };
        Ok(Entry {
            kind: "compressed_file",
            path: source.to_string(),
            contents: contents.map_err(|error| error.of(source))?,
        })
    }
}

/// A file and what it says about itself.
#[derive(Debug, Serialize)]
struct Entry {
    kind: &'static str,
    path: String,
    #[serde(flatten)]
    contents: Contents,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Contents {
    CompressedFile(CompressedFile),
    SegmentedFile(SegmentedFile),
}

/// All that is known, as `czip info` shows it.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.contents {
            Contents::CompressedFile(file) => file.fmt(f),
            Contents::SegmentedFile(file) => file.fmt(f),
        }
    }
}

impl Contents {
    fn row(&self) -> Row {
        match self {
            Self::CompressedFile(file) => file.row(),
            Self::SegmentedFile(file) => file.row(),
        }
    }
}

/// The columns' names.
#[derive(Serialize)]
struct Heading;

impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        columns(
            f,
            "Segments",
            "Compressed",
            "Uncompressed",
            "Ratio",
            "Check",
            "Level",
            "Model",
            "File",
        )
    }
}

/// A file in the table.
#[derive(Serialize)]
struct Line<'e> {
    #[serde(skip)]
    row: Row,
    path: &'e str,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row {
            parts,
            file_len,
            text_len,
            check,
            level,
            model,
        } = &self.row;
        let ratio = report::cell(report::ratio(*text_len, *file_len), 3);
        columns(
            f,
            parts,
            file_len,
            text_len,
            ratio,
            check,
            level,
            model,
            printable(self.path),
        )
    }
}

/// The sums over several files.
#[derive(Debug, Default, Serialize)]
struct Total {
    kind: TotalKind,
    files: u64,
    segments: u64,
    file_len: u64,
    text_len: u64,
    ratio: Option<f64>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
enum TotalKind {
    #[default]
    Total,
}

impl Total {
    fn add(&mut self, row: &Row) {
        self.files += 1;
        self.segments += row.parts;
        self.file_len += row.file_len;
        self.text_len += row.text_len;
        self.ratio = report::ratio(self.text_len, self.file_len);
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = report::cell(self.ratio, 3);
        let files = format!("{} files", self.files);
        columns(
            f,
            self.segments,
            self.file_len,
            self.text_len,
            ratio,
            "",
            "",
            "",
            files,
        )
    }
}

#[allow(clippy::too_many_arguments, reason = "they are the columns")]
fn columns(
    f: &mut fmt::Formatter<'_>,
    parts: impl fmt::Display,
    file_len: impl fmt::Display,
    text_len: impl fmt::Display,
    ratio: impl fmt::Display,
    check: impl fmt::Display,
    level: impl fmt::Display,
    model: impl fmt::Display,
    file: impl fmt::Display,
) -> fmt::Result {
    write!(
        f,
        "{parts:>8}  {file_len:>12}  {text_len:>12}  {ratio:>7}  {check:<5}  {level:<5}  {model:<19}  {file}"
    )
}
