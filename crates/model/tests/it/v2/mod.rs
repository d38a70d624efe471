//! Models of version 2: the net against its plainest form, and every rule of its file.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod file;
mod forward;
mod observer;
mod random;
mod spec;
