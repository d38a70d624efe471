//! Models of version 3: `docs/spec/czm-v3.md`. They are nets of the llama family that were trained in floating point.
//!
//! A [`File`] is read from a stream and holds [`Weights`]; [`Contents`] writes one. A [`Transformer`] packs weights for an
//! instruction set and takes batches of rows to logits, int32 `[rows, vocab]`, with a [`Cache`] for each sequence and a
//! [`Scratch`] for each batch. [`reference::Reference`] computes the same one token at a time, in the plainest way.

mod cache;
mod file;
mod team;
mod tensors;
mod transformer;
mod weights;

pub mod reference;

pub use cache::Cache;
pub use file::{Contents, FORMAT, File, MAX_EXTRAS_LEN, StreamError};
pub use transformer::{Scratch, Transformer};
pub use weights::{Config, Layer, Matrix, MatrixKind, Weights};

/// The most rows of a batch.
pub const MAX_BATCH: usize = 128;

/// Positions in a chunk of CZIPv1, as for version 2.
pub const CHUNK_LENGTH: usize = crate::v2::CHUNK_LENGTH;

/// The largest magnitude of an int32 between matrices.
const LIMIT: i32 = (1 << 28) - 1;

/// The number formats between the matrices: an integer stands for a multiple of 2^-bits. Those of the residual are the
/// writer's choice.
pub mod bits {
    /// Queries, keys and values.
    pub const HEAD: u32 = 12;
    /// Outputs of attention.
    pub const ATTENDED: u32 = 16;
    /// Gates, what they multiply, and the result.
    pub const HIDDEN: u32 = 12;
    /// Gains of the norms of queries and keys: int16.
    pub const GAIN: u32 = 10;
    /// Logits, in octaves.
    pub const LOGIT: u32 = 8;
}
