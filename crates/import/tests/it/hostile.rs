//! Files that nobody would make on purpose.
