//! The executables, run as users run them.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod adapt;
mod compatibility;
mod errors;
mod files;
mod habits;
#[cfg(feature = "import")]
mod import;
mod losses;
mod models;
mod reports;
mod run;
mod train;
