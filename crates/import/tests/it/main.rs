//! Models of other programs, made here, go in; integers, or errors, come out.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod errors;
mod fixture;
mod folder;
mod gguf;
mod hostile;
mod imported;
mod plain;
