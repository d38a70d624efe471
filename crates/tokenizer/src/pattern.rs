//! A split pattern on its own, for those who make tokenizers.

use std::fmt;
use std::ops::Range;

use crate::error::Error;
use crate::regex::Budget;
use crate::split::{self, Splitter};

/// A compiled split pattern: the `pat_str` of a tokenizer.
///
/// [`Tokenizer`](crate::Tokenizer) has one inside. Whoever trains a tokenizer needs the pieces without the tokens.
/// Threads can share a pattern.
#[derive(Clone)]
pub struct Pattern {
    pattern: String,
    splitter: Splitter,
}

impl Pattern {
    /// The pattern of CZIPv1's models, which is that of `cl100k_base`. A scanner runs it.
    pub const CL100K: &'static str = split::CL100K;

    /// The pattern of GPT-2. A scanner runs it, and its other published spelling.
    pub const GPT2: &'static str = split::GPT2;

    /// The pattern of Llama 3, which is also the first published spelling of that of `cl100k_base`. A scanner runs it.
    pub const LLAMA3: &'static str = split::LLAMA3;

    /// The pattern of Qwen2, Qwen2.5 and Qwen3: that of Llama 3 with numbers one by one. A scanner runs it.
    pub const QWEN2: &'static str = split::QWEN2;

    /// The pattern of SmolLM and SmolLM2: that of GPT-2 with numbers one by one, for which the parts of the text between
    /// numbers are whole texts. A scanner runs it.
    pub const SMOLLM: &'static str = split::SMOLLM;

    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`] if it's no regular expression, or needs more than the specification allows.
    pub fn new(pattern: &str) -> Result<Pattern, Error> {
        Ok(Pattern {
            pattern: pattern.to_owned(),
            splitter: Splitter::new(pattern)?,
        })
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Calls `visit` with the range of each piece, in order. The pieces aren't empty and cover the text.
    ///
    /// # Errors
    ///
    /// [`Error::Split`], and only if the pattern isn't a known one. The pieces before the error have been visited.
    pub fn split(&self, text: &str, visit: impl FnMut(Range<usize>)) -> Result<(), Error> {
        self.splitter.split(text, &mut Budget::new(text.len()), visit)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.pattern).finish()
    }
}
