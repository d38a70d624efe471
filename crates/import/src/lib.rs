#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod elements;
mod error;
pub mod float;
mod frequencies;
mod from_folder;
mod from_gguf;
mod gguf;
mod import;
mod layer;
mod loss;
mod net;
mod parts;
mod priors;
mod quantize;
mod rows;
mod source;
mod store;
mod turn;
mod vocab;

pub use czip_model::v3::MatrixKind;
pub use czip_tokenizer::Tokenizer;
pub use error::Error;
pub use import::{Imported, Options, import, net};
pub use loss::{Loss, loss};
pub use net::{Architecture, NetConfig};
pub use source::Source;
