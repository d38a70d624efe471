//! Models of other programs, made here, go in; integers, or errors, come out.

mod errors;
mod fixture;
mod folder;
mod gguf;
mod hostile;
mod imported;
mod plain;
