//! The library as its users see it. One program, since each takes as long to link as most of these take to run.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod api;
mod faults;
mod features;
mod guesses;
mod io;
mod laws;
mod limits;
mod malformed;
mod models;
mod nets;
mod push;
mod recover;
mod stop;
mod v2;
mod vectors;
