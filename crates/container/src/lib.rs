#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The examples take all features.
#![cfg_attr(all(feature = "v1", feature = "zstd"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "v1", feature = "zstd")),
    doc = "Reads and writes the files of czip."
)]
#![deny(clippy::float_arithmetic)]

#[cfg(feature = "v1")]
pub mod v1;
pub mod v2;
