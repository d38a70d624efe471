#![forbid(unsafe_code)]
// The example takes the built-in model, whose tokenizer is compressed with zstd.
#![cfg_attr(feature = "zstd", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "zstd"),
    doc = "Lossless compression of text and any other bytes, by a small language model and adaptive mixing."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(clippy::float_arithmetic)]

mod cause;
mod counted;
mod error;
mod facade;
mod model;
mod models;
mod options;
mod summary;
#[cfg(feature = "v1")]
pub mod v1;
pub mod v2;
mod work;

pub use cause::{Cause, ErrorKind};
pub use czip_container::v2::{Index, IndexEntry, InvalidLevel, Level, Mode, ModelId};
pub use czip_model::v2::Contents as ModelContents;
pub use czip_model::{
    AnyTransformer, Error as ModelError, InstructionSet, Kernels, ModelFile, ModelInfo, UnknownInstructionSet,
};
pub use czip_tokenizer::{Error as TokenizerError, Tokenizer};
pub use error::{Error, SegmentFault};
pub use facade::{
    compress, compress_many, compress_to, decompress, decompress_many, decompress_to, recover_to,
};
pub use model::Model;
pub use models::{FindModel, Models};
pub use options::{Limits, Options, Progress, Unit};
pub use summary::{Format, ModeCounts, Summary};
pub use v2::{Decoder, Encoder, Missing, PushDecoder, Recovery};
