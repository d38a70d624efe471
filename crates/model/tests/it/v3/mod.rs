//! Models of version 3.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod file;
mod forward;
mod random;
mod spec;
