#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod alphabet;
mod builtin;
mod engine;
mod history;
mod maps;
mod matching;
mod mixer;
mod numbers;
mod priors;
mod slots;
mod tree;

pub use alphabet::Alphabet;
pub use builtin::vocabulary_hash;
pub use mixer::{Mixer, Variant};
pub use priors::{Priors, PriorsError};
pub use tree::Tree;
