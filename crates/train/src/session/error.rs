//! Why a training run fails.

use std::path::PathBuf;

use crate::{bpe, checkpoint, quote};

/// Why a training run fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tokenizer could not be trained.
    #[error(transparent)]
    Bpe(#[from] bpe::Error),
    /// The tokenizer refuses a text.
    #[error(transparent)]
    Tokenizer(#[from] czip_tokenizer::Error),
    /// The trained model cannot be read back.
    #[error("the trained model cannot be read back")]
    Model(#[from] czip_model::Error),
    /// The model to start from has no start token.
    #[error("the model to start from has no token <|bos|>")]
    NoStartToken,
    /// The model to start from and its tokenizer have vocabularies of different sizes.
    #[error("the model to start from has {model} tokens, its tokenizer {tokenizer}")]
    Vocabulary {
        /// Tokens that the model has rows for.
        model: usize,
        /// Tokens of the tokenizer.
        tokenizer: usize,
    },
    /// The checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    /// The checkpoint is of another run.
    #[error("{} belongs to a run with other texts or options", quote::path(path))]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
    },
    /// The exported model does not compute what was trained.
    #[error(
        "the exported model differs from the trained one by up to {largest}/256 octaves in {count} logits"
    )]
    Disagreement {
        /// The largest difference.
        largest: u32,
        /// How many logits differ.
        count: usize,
    },
}
