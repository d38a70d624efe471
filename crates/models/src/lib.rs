#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

/// The file `standard.czm`: an English model of the format czip-model-v2, 3,713,742 bytes.
///
/// `czip::Model::from_bytes` and `czip_model::ModelFile::from_bytes` read it. A compressed file knows it by the id
/// `19f2067c`, the first four bytes of the XXH3-128 hash of these.
///
/// A static, so a program holds it once, however many crates name it.
pub static STANDARD: &[u8] = include_bytes!("../standard.czm");

/// The file `fast.czm`: a smaller English model of the same format, 3,148,165 bytes, with a quarter of the multiply-adds of
/// [`STANDARD`]. A compressed file knows it by the id `d426ee65`.
pub static FAST: &[u8] = include_bytes!("../fast.czm");
