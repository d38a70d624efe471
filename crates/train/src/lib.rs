//! Trains tokenizers and quantised transformers for czip.
#![forbid(unsafe_code)]

mod attention;
mod graph;
mod matrix;
pub mod optimizer;
pub mod parameters;
pub mod trainer;

pub use graph::Loss;
