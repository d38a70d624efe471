//! What can go wrong, with which file, and the exit code that it means.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use czip::{ErrorKind, ModelId, UnknownInstructionSet};
use czip_train::device;

use crate::exit::Exit;

/// An error, without the name of the file that it concerns: a [`Failure`] adds that.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no model: name one with -m MODEL or in the environment variable CZIP_MODEL")]
    NoModel,
    #[error("-m takes one model when compressing; only restoring takes several")]
    OneModel,
    #[error("-m none cannot be combined with other models")]
    NoneAndOthers,
    #[error("-t replaces the tokenizer of one model: name that model with -m")]
    TokenizerOfSeveral,
    #[error(
        "-t replaces the tokenizer of a model: name that model with -m; to test files, use czip -t FILE, without a command"
    )]
    TokenizerOfNone,
    #[error(
        "CZIPv1 files do not record which model they need, and -m names {named} models; name only the right one"
    )]
    SeveralModels { named: usize },
    #[error("cannot read the model")]
    ReadModel(#[source] io::Error),
    #[error("needs the built-in model {file}: name it with -m {name}, or in CZIP_MODEL")]
    BuiltInModelNeeded { name: &'static str, file: ModelId },
    #[error(
        "needs the model {file}: name it, or a folder that contains it, with -m; {} available",
        list(at_hand)
    )]
    MissingModel { file: ModelId, at_hand: Vec<String> },
    #[error("{0}")]
    InstructionSet(UnknownInstructionSet),
    /// The model that an input needs.
    #[error("{0}")]
    Model(Box<Failure>),
    #[error("levels run from 1 to 5 in v1{}", by_codec(*implied))]
    ChunkLevel { implied: bool },
    #[error("--codec applies to --format v1 only")]
    OnlyInV1,
    #[error("--segment and --no-index apply to --format v2 only{}", by_codec(*implied))]
    OnlyInV2 { implied: bool },
    #[error("{} is no level: levels run from 1 to 9", .0.display())]
    LevelVariable(OsString),
    #[error("no input: name files, or - for standard input")]
    NoInput,
    #[error("no input: -t takes a tokenizer here; to test files, use czip -t FILE, without a command")]
    NoInputToTest,
    #[error("there is no file {word}; did you mean czip {meant}?")]
    UnknownCommand { word: String, meant: &'static str },
    #[error("there is no file {command}; a command comes before its options: czip {command} ...")]
    CommandAfterOptions { command: &'static str },
    #[error("standard input cannot be read twice; name it once, or as a list, or as an input")]
    StdinTwice,
    #[error("--json writes to standard output, which the data go to; send them to a file with -o")]
    JsonAmongData,
    #[error("its names end in NUL characters; --files0-from reads such lists")]
    ZerosInList,
    #[error("a name in it cannot be read as text")]
    NoName,
    #[error("leads out of the current folder, so it has no place in another; use --output-dir-flat")]
    AboveFolder,
    #[error("is a folder; -r takes all files in it")]
    Folder,
    #[error("leads back to a folder that it is in")]
    FolderInItself,
    #[error("has changed since it was read, so it is kept")]
    Changed,
    #[error("its output is complete, but it cannot be removed")]
    NotRemoved(#[source] io::Error),
    #[error("is restored, but kept: CZIPv1 has no checksum that would tell whether the text is right")]
    KeptWithoutChecksum,
    #[error("--range needs the format czip v2, whose files have an index")]
    RangeOfV1,
    #[error("is not a compressed file")]
    NotCompressed,
    #[error("is empty, and so no compressed file")]
    Empty,
    #[error("{0}")]
    Grep(String),
    #[error("cannot run grep")]
    NoGrep(#[source] io::Error),
    #[error("-o names one output, but there are {inputs} inputs")]
    OneOutput { inputs: usize },
    #[error(
        "no name for the output: the input's name does not end in .czip; give one with -o OUT (- is standard output)"
    )]
    NoOutputName,
    #[error("is also an input, and inputs are never overwritten; name another output with -o")]
    OutputIsInput,
    #[error("is the same file as another output")]
    SameOutput,
    #[error("is a pipe or a device, which might block the other inputs; process it on its own")]
    SpecialAmongOthers,
    #[error("is a file that is not open for appending; name the file itself, or open it with >>")]
    NotAppending,
    #[error("standard input is closed")]
    StdinClosed,
    #[error("standard output is closed")]
    StdoutClosed,
    #[error("shrank while it was being read: only {read} of its {len} bytes were there")]
    Shrunk { len: u64, read: u64 },
    #[error("no input: name files, or - to read a text from the terminal")]
    TextFromTerminal,
    #[error("refusing to read compressed data from a terminal; name a file, or redirect standard input")]
    CompressedFromTerminal,
    #[error(
        "refusing to write compressed data to a terminal; name a file with -o, redirect standard output, or use -f"
    )]
    CompressedToTerminal,
    #[error("is a file, and no folder for outputs")]
    NotFolder,
    #[error("is a folder")]
    IsFolder,
    #[error("already exists; -f overwrites it")]
    Exists,
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    #[error("is not a file, but other files are written beside a model; name a file with -o")]
    ModelToStream,
    #[error("belongs to a run that was interrupted; --resume continues it, -f starts over")]
    Interrupted,
    #[error("does not exist, so there is no run to resume; leave out --resume to start one")]
    NothingToResume,
    #[error("{0}; use -f instead of --resume to start over")]
    Resume(#[source] Box<czip_train::session::Error>),
    #[error("--vocab and --split need a new tokenizer, but --from keeps the model's; add --new-tokenizer")]
    TokenizerKept,
    #[error("cannot read")]
    Read(#[source] io::Error),
    #[error("cannot write")]
    Write(#[source] io::Error),
    /// Whoever reads standard output has closed it, which is not a failure.
    #[error("standard output has been closed by its reader")]
    ReaderGone,
    #[error("comparison failed")]
    OtherCompressor(#[source] io::Error),
    #[error("is neither a compressed file nor a model, which is what can be described")]
    UnknownKind,
    #[error("{} ({}): {reason}", missing_text(*.text_offset, *.text_len), place(file))]
    TextMissing {
        /// Where it starts, and how long it is, in bytes of the text, if that is known.
        text_offset: Option<u64>,
        text_len: Option<u64>,
        /// Where it was in the file.
        file: Range<u64>,
        reason: Box<Error>,
    },
    #[error("only {restored} bytes of the text were restored")]
    PartlyRestored {
        restored: u64,
        /// That of the first part that is missing.
        exit: Exit,
    },
    #[error(
        "has been left unchanged, since only {restored} bytes of the text were restored; name another output with -o"
    )]
    NotReplaced { restored: u64, exit: Exit },
    #[error(
        "has been left unchanged, since training stopped before the first measurement; --resume -f continues"
    )]
    StoppedEarly,
    #[error("needs {needed} bytes of memory, more than the limit of {limit}; raise it with --memory")]
    MemoryLimit { needed: u64, limit: u64 },
    #[error("the restored text differs from byte {offset} on")]
    RoundTrip { offset: usize },
    #[error(
        "decodes, but recompressing the result gives different contents: the file is damaged or was made with another model"
    )]
    Reencoded,
    #[error("{0}")]
    Corpus(#[source] Box<czip_train::corpus::Error>),
    #[error("training failed")]
    Training(#[source] Box<czip_train::session::Error>),
    #[error("cannot fit the mixing priors")]
    Fitting(#[source] Box<czip_train::adapt::Error>),
    #[cfg(feature = "import")]
    #[error("{0}")]
    Import(#[source] Box<czip_import::Error>),
    #[error("is a czip-model-v1 file, which can be used but not trained")]
    CannotTrainOn,
    #[error("{0}; leave out --device to train on the CPU")]
    Device(device::Error),
    #[error(transparent)]
    Czip(czip::Error),
}

impl From<czip::Error> for Error {
    fn from(error: czip::Error) -> Self {
        match error {
            czip::Error::MissingModel { file: None, .. } => Self::NoModel,
            czip::Error::UnknownFormat { found } if found.is_empty() => Self::Empty,
            czip::Error::MemoryLimit { needed, limit } => Self::MemoryLimit { needed, limit },
            czip::Error::FindModel(error) => match error.downcast::<Failure>() {
                Ok(failure) if failure.subject.is_none() => failure.error,
                Ok(failure) => Self::Model(failure),
                Err(error) => Self::Czip(czip::Error::FindModel(error)),
            },
            error => Self::Czip(error),
        }
    }
}

impl Error {
    /// The exit code for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoModel
            | Self::OneModel
            | Self::InstructionSet(_)
            | Self::NoneAndOthers
            | Self::TokenizerOfSeveral
            | Self::TokenizerOfNone
            | Self::SeveralModels { .. }
            | Self::ChunkLevel { .. }
            | Self::OnlyInV1
            | Self::OnlyInV2 { .. }
            | Self::LevelVariable(_)
            | Self::NoInput
            | Self::NoInputToTest
            | Self::UnknownCommand { .. }
            | Self::CommandAfterOptions { .. }
            | Self::StdinTwice
            | Self::JsonAmongData
            | Self::AboveFolder
            | Self::Grep(_)
            | Self::NoGrep(_)
            | Self::OneOutput { .. }
            | Self::NoOutputName
            | Self::OutputIsInput
            | Self::SameOutput
            | Self::CompressedFromTerminal
            | Self::TextFromTerminal
            | Self::ModelToStream
            | Self::TokenizerKept
            | Self::Device(device::Error::NotBuilt)
            | Self::CompressedToTerminal => Exit::Usage,
            Self::NotFolder
            | Self::IsFolder
            | Self::Folder
            | Self::FolderInItself
            | Self::NoName
            | Self::ZerosInList
            | Self::Changed
            | Self::NotRemoved(_)
            | Self::KeptWithoutChecksum
            | Self::RangeOfV1
            | Self::Exists
            | Self::NoFolder(_)
            | Self::Interrupted
            | Self::NothingToResume
            | Self::Resume(_)
            | Self::Read(_)
            | Self::ReadModel(_)
            | Self::Write(_)
            | Self::ReaderGone
            | Self::SpecialAmongOthers
            | Self::NotAppending
            | Self::StoppedEarly
            | Self::StdinClosed
            | Self::StdoutClosed
            | Self::Shrunk { .. }
            | Self::MemoryLimit { .. }
            | Self::OtherCompressor(_)
            | Self::Corpus(_)
            | Self::Training(_)
            | Self::Fitting(_)
            | Self::Device(_)
            | Self::CannotTrainOn
            | Self::RoundTrip { .. } => Exit::Failure,
            Self::UnknownKind | Self::NotCompressed | Self::Empty => Exit::Malformed,
            #[cfg(feature = "import")]
            Self::Import(error) => exit_of_import(error),
            Self::Reencoded | Self::BuiltInModelNeeded { .. } | Self::MissingModel { .. } => Exit::Mismatch,
            Self::Model(failure) => failure.error.exit(),
            Self::TextMissing { reason, .. } => reason.exit(),
            Self::PartlyRestored { exit, .. } | Self::NotReplaced { exit, .. } => *exit,
            Self::Czip(error) => exit_of_library(error),
        }
    }

    /// An error of writing to standard output. A closed pipe is not a failure.
    pub(crate) fn of_stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::Write(error)
        }
    }

    /// Names the file that the error concerns.
    pub(crate) fn of(self, subject: impl fmt::Display) -> Failure {
        Failure {
            subject: Some(subject.to_string()),
            error: self,
        }
    }
}

/// The exit code for a model that cannot be imported.
#[cfg(feature = "import")]
fn exit_of_import(error: &czip_import::Error) -> Exit {
    use czip_import::Error::{
        BadKey, BadTensor, Malformed, MissingKey, MissingTensor, NotAModel, Option, Tokenizer,
    };
    match error {
        Option { .. } => Exit::Usage,
        BadKey { .. }
        | BadTensor { .. }
        | Malformed { .. }
        | MissingKey { .. }
        | MissingTensor { .. }
        | NotAModel
        | Tokenizer { .. } => Exit::Malformed,
        // Reading, and what a model has that those of czip lack.
        _ => Exit::Failure,
    }
}

/// The exit code for an error of the library.
fn exit_of_library(error: &czip::Error) -> Exit {
    match error.kind() {
        ErrorKind::Malformed | ErrorKind::Truncated => Exit::Malformed,
        ErrorKind::Mismatch | ErrorKind::MissingModel => Exit::Mismatch,
        // Reading, writing, limits, texts that the format cannot hold, and kinds to come.
        _ => Exit::Failure,
    }
}

/// `bytes 0 to 1023 of the text are missing`
fn missing_text(offset: Option<u64>, len: Option<u64>) -> String {
    match (offset, len) {
        (_, Some(0)) => String::from("no text is missing, but the file is damaged"),
        (Some(offset), Some(len)) => {
            format!("bytes {offset} to {} of the text are missing", offset + len - 1)
        }
        (Some(offset), None) => format!("text of unknown length is missing from byte {offset} on"),
        (None, Some(len)) => format!("{len} bytes of text are missing"),
        (None, None) => String::from("text of unknown length is missing"),
    }
}

/// `bytes 4 to 99 of the file`
fn place(file: &Range<u64>) -> String {
    if file.is_empty() {
        format!("byte {} of the file", file.start)
    } else {
        format!("bytes {} to {} of the file", file.start, file.end - 1)
    }
}

fn by_codec(implied: bool) -> &'static str {
    if implied { ", which --codec selects" } else { "" }
}

fn list(models: &[String]) -> String {
    if models.is_empty() {
        String::from("none is")
    } else {
        format!("{} are", models.join(", "))
    }
}

/// A closed standard output is not a failure, and no reason to skip outputs that go elsewhere.
pub(crate) fn unless_reader_is_gone(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if matches!(failure.error, Error::ReaderGone) => Ok(()),
        result => result,
    }
}

impl std::error::Error for Failure {}

/// An error and the file that it concerns, if it concerns one.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) subject: Option<String>,
    pub(crate) error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { subject: None, error }
    }
}

/// `notes.txt: cannot read: permission denied`: the subject, the error, and its sources.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(subject) = &self.subject {
            write!(f, "{subject}: ")?;
        }
        let mut last = self.error.to_string();
        f.write_str(&last)?;
        let mut source = std::error::Error::source(&self.error);
        while let Some(error) = source {
            let message = error.to_string();
            // Some errors repeat their source in their own message.
            if !last.contains(&message) {
                write!(f, ": {message}")?;
                last = message;
            }
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use czip::TokenizerError;
    use czip::v1::container::{FormatError, ReadError};
    use czip::v2::container as v2;

    use super::*;
    use crate::output::Target;

    fn not_found() -> io::Error {
        io::Error::new(io::ErrorKind::NotFound, "gone")
    }

    #[test]
    fn failure_shows_subject_and_each_source_once() {
        assert_eq!(
            Error::Read(not_found()).of("a.txt").to_string(),
            "a.txt: cannot read: gone"
        );
        assert_eq!(
            Failure::from(Error::StdinClosed).to_string(),
            "standard input is closed"
        );

        assert_eq!(
            Error::ReadModel(not_found()).of("m.czm").to_string(),
            "m.czm: cannot read the model: gone"
        );

        let read = czip::Error::Read {
            offset: 5,
            source: not_found(),
        };
        assert_eq!(
            Error::Czip(read).of("a").to_string(),
            "a: cannot read on from byte 5: gone"
        );
    }

    #[test]
    fn exit_codes() {
        let cases = [
            (czip::Error::Io(not_found()), Exit::Failure),
            (czip::v1::Error::NotText { valid_up_to: 3 }.into(), Exit::Failure),
            (
                czip::Error::TextLimit {
                    declared: 2,
                    limit: 1,
                },
                Exit::Failure,
            ),
            (
                ReadError::Format(FormatError::OriginalTooLong { len: 1 << 32 }).into(),
                Exit::Failure,
            ),
            (
                czip::Error::Read {
                    offset: 0,
                    source: not_found(),
                },
                Exit::Failure,
            ),
            (
                czip::v1::Error::ContextMismatch {
                    file: 1024,
                    model: 64,
                }
                .into(),
                Exit::Mismatch,
            ),
            (
                czip::Error::VocabularyMismatch {
                    tokenizer: 2048,
                    model: 1024,
                },
                Exit::Mismatch,
            ),
            (
                czip::v1::Error::LengthMismatch {
                    declared: 1,
                    found: 2,
                }
                .into(),
                Exit::Mismatch,
            ),
            (
                ReadError::from(FormatError::HeaderTruncated { len: 3 }).into(),
                Exit::Malformed,
            ),
            (TokenizerError::MissingByte { byte: 7 }.into(), Exit::Malformed),
            (v2::FormatError::Number { offset: 4 }.into(), Exit::Malformed),
            (
                czip::Error::MissingModel {
                    file: Some(ModelId([1, 2, 3, 4])),
                    offered: Vec::new(),
                },
                Exit::Mismatch,
            ),
        ];
        for (error, exit) in cases {
            let error = Error::Czip(error);
            assert_eq!(error.exit(), exit, "{error:?}");
        }
        assert_eq!(Error::NoModel.exit(), Exit::Usage);
        assert_eq!(Error::Exists.exit(), Exit::Failure);
    }

    #[test]
    fn readers_may_leave_standard_output_alone() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Error::of_stdout(broken()), Error::ReaderGone));
        assert!(matches!(Error::of_stdout(not_found()), Error::Write(_)));
        assert!(matches!(Target::Stdout.failed(broken()).error, Error::ReaderGone));
        let pipe = Target::File("pipe".into());
        assert!(matches!(pipe.failed(broken()).error, Error::Write(_)));
    }
}
