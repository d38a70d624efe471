#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod envelope;
mod error;
mod kind;
mod quote;
mod transformer;
pub mod v1;
pub mod v2;
mod window;

pub use czip_kernels::{Interval, Kernels, Level};
pub use envelope::{Extras, MAX_HEADER_LEN, MAX_TOKENIZER_LEN};
pub use error::{Error, TensorProblem};
pub use kind::FileKind;
pub use transformer::{Cache, Config, Row, Scratch, Transformer, Weights};
pub use window::Window;
