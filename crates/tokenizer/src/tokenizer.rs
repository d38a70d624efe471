//! The tokenizer: text to token ids, `[u32]`, and back to bytes.

use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::bpe::Encoder;
use crate::error::Error;
use crate::json::Definition;
use crate::limits::TokenId;
use crate::regex::Budget;
use crate::split::Splitter;
use crate::vocab::Vocabulary;

/// A byte-level BPE tokenizer.
///
/// Threads can share it. Each call has its own working memory.
#[derive(Clone)]
pub struct Tokenizer {
    name: String,
    splitter: Splitter,
    vocab: Vocabulary,
    special: Vec<(String, TokenId)>,
    /// Finds the literals of `special`, by their index in it. None if there are no special tokens.
    special_search: Option<AhoCorasick>,
}

/// What all parts of a text share while it is encoded.
struct Work<'v> {
    encoder: Encoder<'v>,
    budget: Budget,
}

impl<'v> Work<'v> {
    fn new(vocab: &'v Vocabulary, text_len: usize) -> Self {
        Self {
            encoder: Encoder::new(vocab, text_len),
            budget: Budget::new(text_len),
        }
    }
}

impl Tokenizer {
    /// Reads a tokenizer from the JSON that a model holds in its `tokenizer.data`.
    ///
    /// # Errors
    ///
    /// Fails if the JSON is malformed, if two tokens have the same id, if without `merges` the ids aren't those from 0 to
    /// the number of tokens, if a merge makes no token, if a byte has no token, or if the split pattern doesn't compile.
    /// [`Error`] has a variant for each reason.
    pub fn from_json(json: &[u8]) -> Result<Tokenizer, Error> {
        let definition = Definition::from_json(json)?;
        let vocab = Vocabulary::new(&definition)?;
        let Definition {
            name,
            pattern,
            special,
            ..
        } = definition;
        let splitter = Splitter::new(&pattern)?;
        let special_search = if special.is_empty() {
            None
        } else {
            let search = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(special.iter().map(|(literal, _)| literal))
                .map_err(|source| Error::SpecialTokens {
                    source: Box::new(source),
                })?;
            Some(search)
        };
        Ok(Tokenizer {
            name,
            splitter,
            vocab,
            special,
            special_search,
        })
    }

    /// The name that the JSON gives.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size of the vocabulary. Every id is below it, those of special tokens included; some may be unused.
    pub fn vocab_size(&self) -> usize {
        self.vocab.len()
    }

    /// The id of the special token with this literal, such as `<|bos|>`.
    pub fn special_token(&self, literal: &str) -> Option<TokenId> {
        self.special
            .iter()
            .find(|(special, _)| special == literal)
            .map(|&(_, id)| id)
    }

    /// The bytes that a token decodes to; for a special token, those of its literal. None if no token has the id.
    pub fn token_bytes(&self, id: TokenId) -> Option<&[u8]> {
        self.vocab.token(id)
    }

    /// Appends the tokens of a text to `out`. The literal of a special token anywhere in the text becomes that token,
    /// as CZIPv1 has it. If the literals of several match at one place, the longest wins.
    ///
    /// # Errors
    ///
    /// [`Error::Split`], and only if the split pattern isn't a known one. `out` is then as before.
    pub fn encode(&self, text: &str, out: &mut Vec<TokenId>) -> Result<(), Error> {
        let Some(search) = &self.special_search else {
            return self.encode_ordinary(text, out);
        };
        let before = out.len();
        let mut work = Work::new(&self.vocab, text.len());
        let mut start = 0;
        for found in search.find_iter(text) {
            self.encode_part(text, start..found.start(), &mut work, before, out)?;
            out.push(self.special[found.pattern().as_usize()].1);
            start = found.end();
        }
        self.encode_part(text, start..text.len(), &mut work, before, out)
    }

    /// Appends the tokens of a text to `out`. The literals of special tokens are text like any other.
    ///
    /// # Errors
    ///
    /// As [`encode`](Tokenizer::encode).
    pub fn encode_ordinary(&self, text: &str, out: &mut Vec<TokenId>) -> Result<(), Error> {
        let mut work = Work::new(&self.vocab, text.len());
        self.encode_part(text, 0..text.len(), &mut work, out.len(), out)
    }

    /// Appends tokens of any bytes to `out`: those of [`encode_ordinary`](Tokenizer::encode_ordinary) for each part that is
    /// valid UTF-8, and that of the byte for each byte between. Together they decode to the same bytes.
    ///
    /// # Errors
    ///
    /// As [`encode`](Tokenizer::encode).
    pub fn encode_bytes(&self, bytes: &[u8], out: &mut Vec<TokenId>) -> Result<(), Error> {
        let before = out.len();
        let mut work = Work::new(&self.vocab, bytes.len());
        let mut start = 0;
        for chunk in bytes.utf8_chunks() {
            let valid = chunk.valid();
            self.encode_part(valid, 0..valid.len(), &mut work, before, out)
                .map_err(|error| error.moved(start))?;
            out.extend(chunk.invalid().iter().map(|&byte| self.vocab.byte_id(byte)));
            start += valid.len() + chunk.invalid().len();
        }
        Ok(())
    }

    /// Encodes a part of the text. The pattern doesn't see the text around it. On an error, cuts `out` to `before`.
    fn encode_part(
        &self,
        text: &str,
        part: std::ops::Range<usize>,
        work: &mut Work<'_>,
        before: usize,
        out: &mut Vec<TokenId>,
    ) -> Result<(), Error> {
        let part_start = part.start;
        let part = &text[part];
        let Work { encoder, budget } = work;
        let result = self.splitter.split(part, budget, |piece| {
            encoder.encode_piece(part.as_bytes(), piece, out);
        });
        result.map_err(|error| {
            out.truncate(before);
            error.moved(part_start)
        })
    }

    /// Appends the bytes of the tokens to `out`. They're UTF-8 if the ids are those of a text.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] or [`Error::UnusedId`] for the first id that no token has. `out` is then as before.
    pub fn decode(&self, ids: &[TokenId], out: &mut Vec<u8>) -> Result<(), Error> {
        let before = out.len();
        for (index, &id) in ids.iter().enumerate() {
            let Some(token) = self.vocab.token(id) else {
                out.truncate(before);
                let vocab_size = self.vocab.len();
                return Err(if (id as usize) < vocab_size {
                    Error::UnusedId { id, index }
                } else {
                    Error::UnknownId {
                        id,
                        index,
                        vocab_size,
                    }
                });
            };
            out.extend_from_slice(token);
        }
        Ok(())
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("name", &self.name)
            .field("vocab_size", &self.vocab.len())
            .field("special", &self.special)
            .finish_non_exhaustive()
    }
}
