//! Tests of the container against its rules, hostile input, and data of an existing encoder.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "a test may say that it is skipped")]

mod conformance;
mod damage;
mod hostile;
mod rules;
mod spec;
mod util;
mod v2;
