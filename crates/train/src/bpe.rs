//! Training of byte-level BPE tokenizers: texts go in; the JSON of a tokenizer comes out.
//!
//! A pattern cuts the text into pieces, and no token crosses the end of a piece. At first each byte is a token. Then
//! the most frequent pair of adjacent tokens becomes a token, again and again, until the vocabulary is full or no pair
//! occurs twice.

mod merge;
mod split;

use std::collections::HashMap;

use czip_tokenizer::{Pattern, definition_json};
use rayon::prelude::*;

use self::merge::Merger;
pub use self::split::Split;

/// The literal of the special token before a text.
pub const BOS: &str = "<|bos|>";

/// The literal of the special token after a text.
pub const EOS: &str = "<|eos|>";

/// In the order of their ids, which are the last ones.
const SPECIAL: [&str; 2] = [BOS, EOS];

/// The smallest vocabulary: the bytes and the special tokens.
pub const MIN_VOCAB_SIZE: usize = 256 + SPECIAL.len();

/// The largest vocabulary: that of the largest net that can be trained.
pub const MAX_VOCAB_SIZE: usize = 1 << 16;

/// The longest piece, in bytes; longer ones are cut. The work of a merge grows with the length of the pieces that it is
/// in, so without a limit one long line without spaces would take most of the time. No token is longer than this.
const MAX_PIECE_LEN: usize = 128;

/// A text is cut into chunks of about this size, which threads split in parallel. The cuts depend only on the text, so
/// the number of threads changes nothing.
const CHUNK_LEN: usize = 1 << 20;

/// What can go wrong when a tokenizer is trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No tokenizer can have a vocabulary of this size.
    #[error("a vocabulary of {size} tokens is out of range: {MIN_VOCAB_SIZE} to {MAX_VOCAB_SIZE}")]
    VocabSize {
        /// The size asked for.
        size: usize,
    },

    /// The text cannot be split, or the tokenizer cannot be written.
    #[error(transparent)]
    Tokenizer(#[from] czip_tokenizer::Error),
}

/// How to train a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpeOptions {
    /// The number of tokens, including the 256 bytes and the two special tokens.
    pub vocab_size: usize,
    /// How the text is cut into pieces.
    pub split: Split,
}

/// A trained tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trained {
    /// What [`Tokenizer::from_json`](czip_tokenizer::Tokenizer::from_json) reads.
    pub json: Vec<u8>,
    /// The number of tokens, including special ones: fewer than asked for if too few pairs occur twice in the text.
    pub vocab_size: usize,
    /// The number of different pieces in the text.
    pub distinct_pieces: usize,
}

/// Trains a tokenizer on texts.
///
/// The ids are those of the 256 bytes, then of the merged tokens in the order in which they were made, then of [`BOS`]
/// and [`EOS`]. Among equally frequent pairs, the one whose left token has the lowest bytes is merged first, then the
/// one whose right token has. The literals of the special tokens do not count as text. The same texts and options make
/// the same JSON, whatever the order of the texts and the number of threads.
///
/// # Errors
///
/// [`Error::VocabSize`] if the size is out of range. [`Error::Tokenizer`] is not known to occur with the patterns of
/// [`Split`].
pub fn train<'t>(texts: impl IntoIterator<Item = &'t str>, options: &BpeOptions) -> Result<Trained, Error> {
    let size = options.vocab_size;
    if !(MIN_VOCAB_SIZE..=MAX_VOCAB_SIZE).contains(&size) {
        return Err(Error::VocabSize { size });
    }
    let pattern = Pattern::new(options.split.pattern())?;
    let pieces = count_pieces(texts, &pattern)?;
    let distinct_pieces = pieces.len();

    let mut merger = Merger::new(pieces);
    merger.grow(size - SPECIAL.len());
    let tokens = merger.into_tokens();

    let vocab_size = tokens.len() + SPECIAL.len();
    let name = format!("bpe-{}-{vocab_size}", options.split);
    let tokens = tokens.iter().map(|token| &**token);
    Ok(Trained {
        json: definition_json(&name, pattern.as_str(), tokens, &SPECIAL)?,
        vocab_size,
        distinct_pieces,
    })
}

/// How often each piece occurs.
type Pieces<'t> = HashMap<&'t [u8], u64>;

fn count_pieces<'t>(
    texts: impl IntoIterator<Item = &'t str>,
    pattern: &Pattern,
) -> Result<Pieces<'t>, Error> {
    let chunks: Vec<&str> = texts
        .into_iter()
        .flat_map(|text| text.split(BOS).flat_map(|part| part.split(EOS)))
        .flat_map(|part| cuts(part, CHUNK_LEN, true))
        .collect();
    let count_chunk = |mut pieces: Pieces<'t>, chunk: &&'t str| -> Result<Pieces<'t>, Error> {
        pattern.split(chunk, |range| {
            for piece in cuts(&chunk[range], MAX_PIECE_LEN, false) {
                *pieces.entry(piece.as_bytes()).or_default() += 1;
            }
        })?;
        Ok(pieces)
    };
    chunks
        .par_iter()
        .try_fold(Pieces::new, count_chunk)
        .try_reduce(Pieces::new, |a, b| {
            let (mut large, small) = if a.len() < b.len() { (b, a) } else { (a, b) };
            for (piece, count) in small {
                *large.entry(piece).or_default() += count;
            }
            Ok(large)
        })
}

/// Cuts a text into parts of at most `max_len` bytes, between characters and, if asked for, after the last line break
/// that fits.
fn cuts(text: &str, max_len: usize, at_lines: bool) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len();
        if end > max_len {
            end = max_len;
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            if at_lines && let Some(newline) = rest.as_bytes()[..end].iter().rposition(|&byte| byte == b'\n')
            {
                end = newline + 1;
            }
        }
        let (part, after) = rest.split_at(end);
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_keep_characters_and_lines() {
        let parts = |text, max_len, at_lines| cuts(text, max_len, at_lines).collect::<Vec<_>>();
        assert_eq!(parts("", 4, false), [""; 0]);
        assert_eq!(parts("abcd", 4, false), ["abcd"]);
        assert_eq!(parts("abcé\n", 4, false), ["abc", "é\n"]);
        assert_eq!(parts("a\nb\ncdefgh", 5, true), ["a\nb\n", "cdefg", "h"]);
    }

    #[test]
    fn pieces_are_counted_without_special_tokens() {
        let pattern = Pattern::new(Pattern::CL100K).unwrap();
        let long = "é".repeat(100);
        let texts = ["a b a<|bos|> b<|eos|><|eos|>", "a", &long];
        let pieces = count_pieces(texts, &pattern).unwrap();
        let (first, rest) = long.as_bytes().split_at(MAX_PIECE_LEN);
        assert_eq!(
            pieces,
            Pieces::from([
                (b"a".as_slice(), 2),
                (b" b", 2),
                (b" a", 1),
                (first, 1),
                (rest, 1)
            ])
        );
    }
}
