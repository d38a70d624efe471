//! What can go wrong.

use std::io;
use std::path::PathBuf;

use czip_container::v2::{FormatError, Level, ModelId};
use czip_mix::PriorsError;
use thiserror::Error;

/// Why a model could not be opened, or a text not be compressed or restored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The model file cannot be read.
    #[error("cannot read the model {}: {source}", path.display())]
    OpenModel {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The input cannot be read or the output not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The model file is malformed.
    #[error("bad model: {0}")]
    Model(#[from] czip_model::Error),
    /// The tokenizer is malformed, or a text cannot be cut into its tokens.
    #[error("bad tokenizer: {0}")]
    Tokenizer(#[from] czip_tokenizer::Error),
    /// The compressed file is malformed or cannot be read.
    #[error(transparent)]
    Read(#[from] czip_container::v1::ReadError),
    /// A text does not fit the format.
    #[error(transparent)]
    Format(#[from] czip_container::v1::FormatError),
    /// The bytes of a chunk are not what any encoder writes with this model.
    #[error("chunk {index} ({source}): the file is damaged or made with another model")]
    Chunk {
        /// The chunk's number, from 0.
        index: usize,
        /// What doesn't fit.
        source: czip_coder::v1::DecodeError,
    },
    /// Model and tokenizer don't belong together.
    #[error("tokenizer of {tokenizer} tokens for a model of {model}")]
    VocabularyMismatch {
        /// Tokens of the tokenizer.
        tokenizer: usize,
        /// Tokens of the model.
        model: usize,
    },
    /// The tokenizer lacks the token that every chunk starts with.
    #[error("tokenizer has no token `<|bos|>`")]
    NoStartToken,
    /// Format v1 holds text only.
    #[error("not UTF-8 text: invalid byte at offset {valid_up_to}; format v1 holds text only")]
    NotText {
        /// The offset of the first invalid byte.
        valid_up_to: usize,
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
    #[error("file has tokenizer {id}, but format v1 defines 0 alone")]
    UnknownTokenizer {
        /// As the inner header has it.
        id: u8,
    },
    /// The file declares a longer text than the caller allows.
    #[error("file declares {declared} bytes of text, more than the limit of {limit}")]
    TextLimit {
        /// As the header has it.
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
    /// The text that came out has not the length that the header declares.
    #[error(
        "decoded {found} bytes where the file declares {declared}: the file is damaged or made with another model"
    )]
    LengthMismatch {
        /// Bytes that the header declares.
        declared: u64,
        /// Bytes decoded, at least.
        found: u64,
    },
    /// The bytes of a compressed file begin like those of no format.
    #[error("neither a czip nor a CZIPv1 file: it starts with \"{}\"", found.escape_ascii())]
    UnknownFormat {
        /// The first bytes, at most six.
        found: Vec<u8>,
    },
    /// A czip file is malformed or cannot be read.
    #[error(transparent)]
    ReadV2(#[from] czip_container::v2::ReadError),
    /// A czip file needs a model that is not among those given.
    #[error("needs the model {file}, but {}", given(offered))]
    MissingModel {
        /// What the file says of its model: the first four bytes of its hash.
        file: ModelId,
        /// The same of the models given, as far as they are known.
        offered: Vec<ModelId>,
    },
    /// A [`FindModel`](crate::FindModel) has a model that it cannot load.
    #[error(transparent)]
    FindModel(Box<dyn std::error::Error + Send + Sync>),
    /// CZIPv1 needs a model, and none was given.
    #[error("CZIPv1 needs a model, but no model is given")]
    ModelRequired,
    /// CZIPv1 needs a model and does not say which, and several were given.
    #[error("CZIPv1 files do not say which model they need, and {given} are given: give the one alone")]
    SeveralModels {
        /// How many.
        given: usize,
    },
    /// A CZIPv1 file cannot be restored in part.
    #[error(
        "only files of the format czip v2 can be restored in part: CZIPv1 has no checksums that tell right from wrong"
    )]
    CannotRecover,
    /// A segment of a czip file does not decode to its text.
    #[error("segment {segment} of member {member}, at byte {offset}: {fault}: the file is damaged")]
    Segment {
        /// The member's number, from 0.
        member: u64,
        /// The segment's number in its member, from 0.
        segment: u64,
        /// Where the segment starts in the file.
        offset: u64,
        /// What doesn't fit.
        fault: SegmentFault,
    },
    /// Priors in a model file are malformed.
    #[error("bad model: tensor `mixing.priors.{number}`: {source}")]
    Priors {
        /// The tensor's number.
        number: usize,
        /// What doesn't fit.
        source: PriorsError,
    },
    /// A thread ended without doing its share.
    #[error("a thread ended before its work was done")]
    Interrupted,
    /// The caller has had the work stopped: see [`Options::stop_when`](crate::Options::stop_when).
    #[error("stopped before the work was done")]
    Stopped,
    /// An error has come before, so that nothing more can be written or read.
    #[error("used after an error")]
    AfterError,
    /// The threads cannot be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the thread pool says.
        reason: String,
    },
}

impl Error {
    /// The error of each text or file, where this one has ended the work on all of them.
    pub(crate) fn of_each(&self) -> Self {
        match self {
            Self::Stopped => Self::Stopped,
            _ => Self::Interrupted,
        }
    }
}

/// What a message says of the models that were given.
fn given(models: &[ModelId]) -> String {
    /// Enough to see what is wrong.
    const SHOWN: usize = 8;

    let list: Vec<String> = models.iter().take(SHOWN).map(ModelId::to_string).collect();
    let list = list.join(", ");
    match models.len() {
        0 => String::from("no model is given"),
        1 => format!("the model given is {list}"),
        2..=SHOWN => format!("the models given are {list}"),
        len => format!("the models given are {list} and {} more", len - SHOWN),
    }
}

/// Why a segment's payload is not what an encoder makes of its text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SegmentFault {
    /// A token without bytes, which no encoder writes.
    #[error("token {token} at byte {offset} of its text has no bytes")]
    EmptyToken {
        /// The token.
        token: u16,
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
    Coding(#[from] czip_coder::binary::DecodeError),
    /// The text has another checksum.
    #[error("checksum {found:x} in place of {expected:x}")]
    Checksum {
        /// The checksum in the file.
        expected: u64,
        /// The checksum of what is there.
        found: u64,
    },
    /// The text has another length or checksum.
    #[error(transparent)]
    Format(FormatError),
    /// The level has no net.
    #[error("a segment of the net at level {level}, which has none")]
    NoNet {
        /// The level.
        level: Level,
    },
    /// The mode needs a model.
    #[error("there is no model for it")]
    NoModel,
}

impl From<FormatError> for SegmentFault {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::Checksum { expected, found, .. } => Self::Checksum { expected, found },
            error => Self::Format(error),
        }
    }
}

/// An error of a reader or writer as it was; `InvalidData` where a file is malformed or damaged.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(source)
            | Error::OpenModel { source, .. }
            | Error::Read(czip_container::v1::ReadError::Io { source, .. })
            | Error::ReadV2(czip_container::v2::ReadError::Io { source, .. }) => source,
            Error::Read(_)
            | Error::ReadV2(_)
            | Error::Segment { .. }
            | Error::Chunk { .. }
            | Error::LengthMismatch { .. }
            | Error::UnknownFormat { .. } => Self::new(io::ErrorKind::InvalidData, error),
            error => Self::other(error),
        }
    }
}
