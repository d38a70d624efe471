//! The format CZIPv1: its rules, its examples, hostile and damaged files, and data of an existing encoder.

mod conformance;
mod damage;
mod hostile;
mod laws;
mod rules;
mod spec;
mod util;
