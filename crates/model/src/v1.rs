//! Models of version 1: `docs/spec/czm-v1.md`.
//!
//! [`Weights`] are read from a file's bytes; a [`Transformer`] packs them for an instruction set and takes batches of rows to
//! logits, int32 `[rows, vocab]`, with a [`Cache`] for each sequence and a [`Scratch`] for each thread.
//! [`reference::Reference`] computes the same one token at a time, in the plainest way. [`with_mixing`] changes what a file
//! holds for the mixer; nothing else of a file of this version is written here.

mod mixing;
mod transformer;
mod weights;

pub mod reference;

pub use mixing::with_mixing;
pub use transformer::{Cache, Scratch, Transformer};
pub use weights::{Config, FORMAT, LayerWeights, Linear, Weights};
