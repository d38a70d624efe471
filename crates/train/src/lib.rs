#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attention;
pub mod bpe;
pub mod corpus;
mod graph;
mod matrix;
pub mod optimizer;
pub mod parameters;
pub mod trainer;

pub use graph::Loss;
