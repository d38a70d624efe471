//! Models of version 3.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod forward;
mod random;
