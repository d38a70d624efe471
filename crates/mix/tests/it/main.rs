//! The mixer against a plain reference that was written from the specification, the numbers on that page, and the
//! priors' stored form.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod api;
mod data;
mod example;
mod priors;
mod range;
mod reference;
mod streams;
mod tables;
mod tree;
