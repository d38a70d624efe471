//! Arithmetic coder of czip
