//! What is read of a source when it is opened, and the check that its parts fit together.

use std::path::PathBuf;

use crate::error::Error;
use crate::net::Net;
use crate::vocab::Vocabulary;

/// A net and a tokenizer that fit together.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) net: Net,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) start_token: u32,
    pub(crate) facts: Facts,
    /// All files that were read.
    pub(crate) files: Vec<PathBuf>,
}

/// What a source says of itself.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) name: Option<String>,
    pub(crate) licence: Option<String>,
    pub(crate) format: String,
}

impl Parts {
    /// `start_token` is what the source says that a sequence begins with.
    pub(crate) fn new(
        net: Net,
        vocabulary: Vocabulary,
        start_token: Option<u32>,
        facts: Facts,
        files: Vec<PathBuf>,
    ) -> Result<Self, Error> {
        let (tokens, rows) = (vocabulary.source_len(), net.config.vocab_size);
        if tokens > rows {
            let reason = format!("has {tokens} tokens, but the net has {rows}");
            return Err(Error::Tokenizer { reason });
        }
        // Where there is this token, texts were set apart by it in training. What a chat begins with is another.
        let start_token = vocabulary
            .special_id("<|endoftext|>")
            .or_else(|| start_token.filter(|&id| (id as usize) < tokens))
            .ok_or_else(|| Error::Tokenizer {
                reason: "does not say which token a text begins with".to_owned(),
            })?;
        Ok(Self {
            net,
            vocabulary,
            start_token,
            facts,
            files,
        })
    }
}
