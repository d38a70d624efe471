#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod any;
mod codec;
mod envelope;
mod error;
mod hashing;
mod kind;
pub mod quote;
mod slot;
mod unique_keys;
pub mod v1;
pub mod v2;
pub mod v3;
mod window;

pub use any::{AnyCache, AnyScratch, AnyTransformer, ModelFile, ModelInfo, Row};
pub use czip_kernels::{InstructionSet, Interval, Kernels, UnknownInstructionSet};
pub use envelope::{Extras, MAX_HEADER_LEN, MAX_TOKENIZER_LEN};
pub use error::{Error, TensorProblem};
pub use hashing::Hashing;
pub use kind::FileKind;
pub use slot::CacheSlot;
pub use window::Window;
