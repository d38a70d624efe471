#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod error;
mod facade;
mod model;
mod models;
mod options;
mod summary;
pub mod v1;
pub mod v2;
mod work;

pub use czip_container::v1::Codec;
pub use czip_container::v2::{Index, IndexEntry, Level, Mode, ModelId};
pub use czip_model::v2::Contents as ModelContents;
pub use czip_model::{InstructionSet, Kernels, ModelFile, ModelInfo};
pub use czip_tokenizer::{Error as TokenizerError, Tokenizer};
pub use error::{Error, SegmentFault};
pub use facade::{
    compress, compress_many, compress_to, decompress, decompress_many, decompress_to, recover_to,
};
pub use model::Model;
pub use models::{FindModel, Models};
pub use options::{ChunkLevel, InvalidChunkLevel, Limits, Options, Progress};
pub use summary::{Format, ModeCounts, Summary};
pub use v2::{Decoder, Encoder, Missing, Recovery};
