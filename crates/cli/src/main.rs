//! Command line of czip.
fn main() {}
