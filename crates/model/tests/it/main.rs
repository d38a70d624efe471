//! Model files and the net, against its plainest form, golden vectors, and data of an existing encoder.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod conformance;
mod either;
mod traces;
mod v1_file;
mod v2;
mod v3;
mod vectors;
mod window;
