//! Fixed-point arithmetic and look-up tables of czip
