//! Models of version 1: `docs/spec/czm-v1.md`.

mod transformer;
mod weights;

pub mod reference;

pub use transformer::{Cache, Scratch, Transformer};
pub use weights::{Config, FORMAT, LayerWeights, Linear, Weights};
