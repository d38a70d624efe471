//! Models that cannot be imported, and what is said of them.
