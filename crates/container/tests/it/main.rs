//! Tests of the container against its rules, hostile input, and data of an existing encoder.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "a test may say that it is skipped")]

#[cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]
mod v1;
mod v2;
mod vectors;
