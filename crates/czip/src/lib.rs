#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod chunks;
mod error;
mod model;
mod options;
mod pipeline;

pub use czip_container::v1 as container;
pub use czip_container::v1::Codec;
pub use czip_model::{Config, Kernels, Level, Weights};
pub use czip_tokenizer::{Error as TokenizerError, Tokenizer};
pub use error::Error;
pub use model::Model;
pub use options::{ChunkLevel, InvalidChunkLevel, Limits, Options, Progress};
pub use pipeline::{Summary, compress, compress_to, decompress, decompress_to};
