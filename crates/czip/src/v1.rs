//! CZIPv1: text to file and back.
//!
//! The format of the compress.zip service, read and written as it is. It holds UTF-8 text of less than 4 GiB, needs a
//! model, and has no checksum. Its files are wrapped in brotli or zstd, which takes the feature of that name.
//!
//! ```
//! use czip::v1::{self, ChunkLevel, Codec};
//! use czip::{Model, Options};
//!
//! # if cfg!(not(feature = "zstd")) {
//! #     return Ok(());
//! # }
//! let model = Model::from_bytes(czip_models::STANDARD)?;
//! let options = Options::new().v1_level(ChunkLevel::try_from(1)?).v1_codec(Codec::Zstd);
//! let file = v1::compress(&model, b"Integers are the same everywhere.", &options)?;
//! assert!(file.starts_with(b"CZIPv1"));
//! assert_eq!(v1::decompress(&model, &file, &options)?, b"Integers are the same everywhere.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chunks;
mod compress;
mod decompress;
mod error;
mod level;
mod summary;

pub use compress::{compress, compress_to};
pub use czip_container::v1 as container;
pub use czip_container::v1::{Codec, Inspection};
pub use decompress::{decompress, decompress_to, inspect};
pub use error::Error;
pub use level::{ChunkLevel, InvalidChunkLevel};
pub use summary::Summary;
