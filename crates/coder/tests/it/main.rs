//! Tests of the coders against plain references, and against data of an existing encoder.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "a test may say that it is skipped")]

mod api;
mod binary;
mod binary_reference;
mod conformance;
mod reference;
mod v1;
