//! What can go wrong with CZIPv1.

use czip_container::v1::{CodecNotBuilt, FormatError, ReadError};

use crate::cause::{Cause, ErrorKind};

/// Why a text cannot be held by CZIPv1, or a file of that format cannot be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file breaks a rule of the format, ends early, or exceeds a limit.
    #[error(transparent)]
    Format(Cause),
    /// The format holds only UTF-8 text.
    #[error("not UTF-8 text: invalid byte at offset {valid_up_to}; format v1 holds text only")]
    NotText {
        /// The offset of the first invalid byte.
        valid_up_to: usize,
    },
    /// The bytes of a chunk are not what any encoder writes with this model.
    #[error("chunk {index} ({fault}): the file is damaged or made with another model")]
    Chunk {
        /// The chunk's number, from 0.
        index: usize,
        /// What does not fit.
        fault: Cause,
    },
    /// The file was made with a model of longer context.
    #[error(
        "file has chunks of {file} tokens, but the model's context is {model}: it was made with another model"
    )]
    ContextMismatch {
        /// Tokens in a chunk.
        file: usize,
        /// Positions of the model.
        model: usize,
    },
    /// The file names a tokenizer that the format does not define.
    #[error("file has tokenizer {id}, but format v1 only defines 0")]
    UnknownTokenizer {
        /// As the inner header has it.
        id: u8,
    },
    /// The text that came out does not have the length that the header declares.
    #[error(
        "decoded {found} bytes where the file declares {declared}: the file is damaged or made with another model"
    )]
    LengthMismatch {
        /// Bytes that the header declares.
        declared: u64,
        /// Bytes decoded, at least.
        found: u64,
    },
    /// The format needs a model and does not say which, and several were given.
    #[error("CZIPv1 files do not say which model they need, and {given} are given: give only the right one")]
    SeveralModels {
        /// How many.
        given: usize,
    },
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Format(cause) => cause.kind(),
            Self::NotText { .. } | Self::UnknownTokenizer { .. } => ErrorKind::Unsupported,
            Self::Chunk { .. } | Self::ContextMismatch { .. } | Self::LengthMismatch { .. } => {
                ErrorKind::Mismatch
            }
            Self::SeveralModels { .. } => ErrorKind::MissingModel,
        }
    }

    pub(crate) fn of_reading(error: ReadError) -> Self {
        match error {
            ReadError::Format(error) => Self::of_format(error),
            error @ ReadError::CodecNotBuilt(_) => Self::Format(Cause::new(ErrorKind::Unsupported, error)),
            error => Self::Format(Cause::new(ErrorKind::Malformed, error)),
        }
    }

    pub(crate) fn of_format(error: FormatError) -> Self {
        let kind = if error.is_truncation() {
            ErrorKind::Truncated
        } else if error.is_limit() {
            ErrorKind::Limit
        } else if error.is_too_large() {
            ErrorKind::Unsupported
        } else {
            ErrorKind::Malformed
        };
        Self::Format(Cause::new(kind, error))
    }

    pub(super) fn of_codec(error: CodecNotBuilt) -> Self {
        Self::Format(Cause::new(ErrorKind::Unsupported, error))
    }

    pub(super) fn of_chunk(index: usize, fault: impl std::error::Error + Send + Sync + 'static) -> Self {
        let fault = Cause::new(ErrorKind::Mismatch, fault);
        Self::Chunk { index, fault }
    }
}
