#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod adaptive;
mod alphabet;
mod builtin;
mod decision;
mod engine;
mod hash;
mod history;
mod initial_state;
mod logistic;
mod matching;
mod mixer;
mod priors;
mod refinement;
mod run;
mod shape;
mod slots;
mod symbols;
mod tree;
mod variant;

pub use alphabet::Alphabet;
pub use builtin::vocabulary_hash;
pub use mixer::Mixer;
pub use priors::{Priors, PriorsError};
pub use tree::Tree;
pub use variant::Variant;
