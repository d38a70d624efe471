//! Models of version 3: `docs/spec/czm-v3.md`. They are nets of the llama family that were trained in floating point.
//!
//! A [`File`] is read from a stream and holds [`Weights`]; [`Contents`] writes one. A [`Transformer`] packs weights for an
//! instruction set and takes batches of rows to logits, int32 `[rows, vocab]`, with a [`Cache`] for each sequence and a
//! [`Scratch`] for each batch. [`reference::Reference`] computes the same one token at a time, in the plainest way.

mod file;
mod tensors;
mod weights;

pub use file::{Contents, FORMAT, File, MAX_EXTRAS_LEN, ReadError};
pub use weights::{Config, Layer, Matrix, MatrixKind, Weights};
