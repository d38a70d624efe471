#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod error;
pub mod reference;
mod transformer;
mod weights;
mod window;

pub use czip_kernels::{Interval, Kernels, Level};
pub use error::{Error, TensorProblem};
pub use transformer::{Cache, Row, Scratch, Transformer};
pub use weights::{Config, LayerWeights, Linear, Weights};
pub use window::Window;
