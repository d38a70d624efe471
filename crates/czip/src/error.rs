//! What can go wrong.

use std::io;
use std::path::PathBuf;

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
    /// The threads cannot be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the thread pool says.
        reason: String,
    },
}
