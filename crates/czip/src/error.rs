//! What can go wrong.

use std::io;
use std::path::PathBuf;

use czip_container::v2::{FormatError, Level, ModelId, ReadError};
use thiserror::Error;

use crate::cause::{Cause, ErrorKind};
#[cfg(feature = "v1")]
use crate::v1::Error as V1Error;

/// Why a model could not be opened, or a text not be compressed or restored.
///
/// [`kind`](Self::kind) sums up what may help.
///
/// ```
/// use czip::{Error, ErrorKind, Limits, Options};
///
/// let file = czip::compress(None, b"Integers are the same everywhere.", &Options::new())?;
/// let error = czip::decompress(None, &file[..9], &Options::new()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Truncated);
/// assert_eq!(error.to_string(), "file ends at byte 9, inside or before a payload");
///
/// let small = Options::new().limits(Limits::new().with_text_len(10));
/// let error = czip::decompress(None, &file, &small).unwrap_err();
/// assert!(matches!(error, Error::TextLimit { declared: 33, limit: 10 }));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The model file cannot be read.
    #[error("cannot read the model {}: {source}", path.display())]
    OpenModel {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The input cannot be read, or the output cannot be written.
    #[error(transparent)]
    Io(io::Error),
    /// A compressed file cannot be read from some byte on.
    #[error("cannot read on from byte {offset}")]
    Read {
        /// Bytes read before.
        offset: u64,
        /// What the reader says.
        source: io::Error,
    },
    /// The model file is malformed.
    #[error("bad model: {0}")]
    Model(#[source] Cause),
    /// The tokenizer is malformed, or cannot cut a text into tokens.
    #[error("bad tokenizer: {0}")]
    Tokenizer(#[source] Cause),
    /// Model and tokenizer do not belong together.
    #[error("tokenizer of {tokenizer} tokens for a model of {model}")]
    VocabularyMismatch {
        /// Tokens of the tokenizer.
        tokenizer: usize,
        /// Tokens of the model.
        model: usize,
    },
    /// The tokenizer lacks the token that every text starts with.
    #[error("tokenizer has no token `<|bos|>`")]
    NoStartToken,
    /// The file begins like those of no format.
    #[error("neither a czip nor a CZIPv1 file: it starts with \"{}\"", found.escape_ascii())]
    UnknownFormat {
        /// The first bytes, at most six.
        found: Vec<u8>,
    },
    /// A file of the format czip v2 breaks a rule of the format, or ends early.
    #[error(transparent)]
    Format(Cause),
    /// A segment does not decode to its text.
    #[error("segment {segment} of member {member}, at byte {offset}: {fault}: the file is damaged")]
    Segment {
        /// The member's number, from 0.
        member: u64,
        /// The segment's number in its member, from 0.
        segment: u64,
        /// Where the segment starts in the file.
        offset: u64,
        /// What is wrong.
        fault: SegmentFault,
    },
    /// The file needs a model that is not among those given.
    #[error("{}, but {}", needs(*file), given(offered))]
    MissingModel {
        /// What the file says of its model: the first four bytes of its hash. `None` for CZIPv1, whose files do not say.
        file: Option<ModelId>,
        /// The same of the models given, as far as they are known.
        offered: Vec<ModelId>,
    },
    /// A [`FindModel`](crate::FindModel) has a model that it cannot load.
    #[error(transparent)]
    FindModel(Box<dyn std::error::Error + Send + Sync>),
    /// The file declares a longer text than the caller allows.
    #[error("file declares {declared} bytes of text, more than the limit of {limit}")]
    TextLimit {
        /// As the file has it.
        declared: u64,
        /// As the caller has it.
        limit: u64,
    },
    /// Decoding a file takes more memory than the caller allows.
    #[error("decoding takes {needed} bytes of memory, more than the limit of {limit}")]
    MemoryLimit {
        /// The least limit that could let it through, in bytes.
        needed: u64,
        /// As the caller has it.
        limit: u64,
    },
    /// A CZIPv1 file cannot be restored in part.
    #[error(
        "only files of the format czip v2 can be restored in part: CZIPv1 has no checksums that tell right from wrong"
    )]
    CannotRecover,
    /// A CZIPv1 file cannot be restored as it arrives: see [`PushDecoder`](crate::PushDecoder).
    #[error("a CZIPv1 file can only be restored as a whole")]
    WholeOnly,
    /// Something that only CZIPv1 has: see the [module](crate::v1).
    #[cfg(feature = "v1")]
    #[error(transparent)]
    V1(#[from] V1Error),
    /// The file is one of CZIPv1, and the library is built without the feature `v1`.
    #[error("this is a CZIPv1 file, and this program is built without that format")]
    V1NotBuilt,
    /// The caller stopped the work: see [`Options::stop_when`](crate::Options::stop_when).
    #[error("stopped before the work was done")]
    Stopped,
    /// There was an error before, so nothing more can be written or read.
    #[error("used after an error")]
    AfterError,
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::OpenModel { .. } | Self::Io(_) | Self::Read { .. } => ErrorKind::Io,
            Self::Model(cause) | Self::Tokenizer(cause) | Self::Format(cause) => cause.kind(),
            Self::VocabularyMismatch { .. } | Self::NoStartToken => ErrorKind::Mismatch,
            Self::UnknownFormat { found } if found.is_empty() => ErrorKind::Truncated,
            Self::UnknownFormat { .. } | Self::Segment { .. } => ErrorKind::Malformed,
            Self::MissingModel { .. } => ErrorKind::MissingModel,
            Self::TextLimit { .. } | Self::MemoryLimit { .. } => ErrorKind::Limit,
            Self::CannotRecover | Self::WholeOnly | Self::V1NotBuilt => ErrorKind::Unsupported,
            #[cfg(feature = "v1")]
            Self::V1(error) => error.kind(),
            Self::Stopped => ErrorKind::Stopped,
            Self::FindModel(_) | Self::AfterError => ErrorKind::Other,
        }
    }
}

/// What a message says of the model that a file needs.
fn needs(model: Option<ModelId>) -> String {
    match model {
        Some(model) => format!("needs the model {model}"),
        None => String::from("CZIPv1 needs a model"),
    }
}

/// What a message says of the models that were given.
fn given(models: &[ModelId]) -> String {
    /// Enough to see what is wrong.
    const MOST: usize = 8;

    let list: Vec<String> = models.iter().take(MOST).map(ModelId::to_string).collect();
    let list = list.join(", ");
    match models.len() {
        0 => String::from("no model is given"),
        1 => format!("the model given is {list}"),
        2..=MOST => format!("the models given are {list}"),
        len => format!("the models given are {list} and {} more", len - MOST),
    }
}

/// Why a segment's payload is not what an encoder makes of its text.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SegmentFault {
    /// A token without bytes, which no encoder writes.
    #[error("token {token} at byte {offset} of its text has no bytes")]
    EmptyToken {
        /// The token.
        token: u32,
        /// Bytes of text before it.
        offset: usize,
    },
    /// The last token goes beyond the end of the text.
    #[error("its last token goes beyond its {text_len} bytes of text")]
    TooLong {
        /// Bytes of text that the segment declares.
        text_len: usize,
    },
    /// The payload does not end as encoders end it.
    #[error(transparent)]
    Payload(Cause),
    /// The text has another checksum.
    #[error("checksum {found:x} instead of {expected:x}")]
    Checksum {
        /// The checksum in the file.
        expected: u64,
        /// The checksum of what is there.
        found: u64,
    },
    /// The segment is said to be coded with the net, but its level has none.
    #[error("a segment of the net at level {level}, which has none")]
    NoNet {
        /// The level.
        level: Level,
    },
}

impl SegmentFault {
    pub(crate) fn of_payload(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Payload(Cause::new(ErrorKind::Malformed, error))
    }

    /// Why a text is not that of its segment.
    pub(crate) fn of_text(error: FormatError) -> Self {
        match error {
            FormatError::Checksum { expected, found, .. } => Self::Checksum { expected, found },
            error => Self::of_payload(error),
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { offset, source } => Self::Read { offset, source },
            ReadError::Format(error) => error.into(),
            error => Self::Format(Cause::new(ErrorKind::Malformed, error)),
        }
    }
}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Self {
        let kind = if error.is_truncation() {
            ErrorKind::Truncated
        } else {
            ErrorKind::Malformed
        };
        Self::Format(Cause::new(kind, error))
    }
}

#[cfg(feature = "v1")]
impl From<czip_container::v1::ReadError> for Error {
    fn from(error: czip_container::v1::ReadError) -> Self {
        use czip_container::v1::ReadError;

        match error {
            ReadError::Io { offset, source } => Self::Read { offset, source },
            error => Self::V1(V1Error::of_reading(error)),
        }
    }
}

impl From<czip_model::Error> for Error {
    fn from(error: czip_model::Error) -> Self {
        let kind = match error {
            czip_model::Error::CodecNotBuilt { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::Malformed,
        };
        Self::Model(Cause::new(kind, error))
    }
}

impl From<czip_tokenizer::Error> for Error {
    fn from(error: czip_tokenizer::Error) -> Self {
        let kind = match error {
            // The pattern takes more than its engine allows on this text.
            czip_tokenizer::Error::Split { .. } => ErrorKind::Unsupported,
            // A file has an id that no token of the model's tokenizer has: it is damaged, or another model's.
            czip_tokenizer::Error::UnknownId { .. } | czip_tokenizer::Error::UnusedId { .. } => {
                ErrorKind::Mismatch
            }
            _ => ErrorKind::Malformed,
        };
        Self::Tokenizer(Cause::new(kind, error))
    }
}

/// An [`Error`](enum@Error) inside an I/O error, unwrapped; any other is [`Error::Io`].
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Io)
    }
}

/// The error of a reader or writer as it was. Else the error is inside one of the kind `UnexpectedEof` where a file ends
/// early, `InvalidData` where it is malformed, damaged, or made with another model, `Unsupported` where this program is built
/// without what it needs, and else `Other`.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match (error.kind(), error) {
            (
                ErrorKind::Io,
                Error::Io(source) | Error::Read { source, .. } | Error::OpenModel { source, .. },
            ) => return source,
            (ErrorKind::Truncated, error) => (io::ErrorKind::UnexpectedEof, error),
            (ErrorKind::Malformed | ErrorKind::Mismatch, error) => (io::ErrorKind::InvalidData, error),
            (ErrorKind::Unsupported, error) => (io::ErrorKind::Unsupported, error),
            (_, error) => (io::ErrorKind::Other, error),
        };
        Self::new(kind.0, kind.1)
    }
}
