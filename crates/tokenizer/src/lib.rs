#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod bpe;
mod byte_level;
mod classes;
mod error;
mod json;
mod limits;
mod pattern;
mod quote;
mod regex;
mod split;
mod tokenizer;
mod vocab;

pub use byte_level::bytes_of_gpt2_spelling;
pub use error::{Error, PatternError, SplitLimit};
pub use json::{Definition, definition_json};
pub use limits::{
    MAX_MERGEABLE_LEN, MAX_MERGES, MAX_SPECIAL_LEN, MAX_SPECIAL_TOKEN_LEN, MAX_TOKEN_LEN, MAX_VOCAB_SIZE,
    TokenId,
};
pub use pattern::Pattern;
pub use tokenizer::Tokenizer;
