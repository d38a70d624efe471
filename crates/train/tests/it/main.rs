//! Corpora, tokenizers, checkpoints and whole runs of the trainer.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod bpe;
mod checkpoint;
mod corpus;
mod training;
