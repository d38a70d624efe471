#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod adapt;
mod attention;
pub mod bpe;
pub mod checkpoint;
pub mod corpus;
pub mod curve;
pub mod device;
#[cfg(feature = "gpu")]
mod gpu;
mod graph;
mod matrix;
mod norm;
mod numbers;
pub mod optimizer;
pub mod parameters;
pub mod preset;
pub mod priors;
mod quote;
mod schedule;
pub mod session;
pub mod stream;
mod tape;
pub mod trainer;

pub use graph::{Loss, Numerics};
