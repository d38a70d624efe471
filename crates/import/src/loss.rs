//! What a text costs by the net in integers, beside what it costs by the net in floats.

use std::ops::Range;

use czip_model::{AnyTransformer, Row};
use czip_tokenizer::Tokenizer;

use crate::error::Error;
use crate::float;
use crate::source::Source;

/// The most tokens that are taken after one start token. They are within the window of an integer net as it is made by
/// default, so both nets see the same.
const PIECE: usize = 512;

/// Rows of a batch.
const BATCH: usize = 64;

/// The costs of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Loss {
    /// Tokens that were predicted.
    pub tokens: usize,
    /// Bits by the net in floats.
    pub float_bits: f64,
    /// Bits by the net in integers.
    pub integer_bits: f64,
}

impl Loss {
    /// How much more the integers cost: 0.01 for one in a hundred.
    #[must_use]
    pub fn relative(&self) -> f64 {
        self.integer_bits / self.float_bits - 1.0
    }
}

/// Compares the integer `net` that was made of a source with that source, on up to `max_tokens` tokens of a text. Tokens that
/// the source does not have are left out.
///
/// # Errors
///
/// [`Error::Io`] if a file cannot be read; [`Error::Split`] for a text that cannot be split.
///
/// # Panics
///
/// If the net has fewer tokens than the source.
pub fn loss(
    source: &Source,
    net: &AnyTransformer,
    tokenizer: &Tokenizer,
    text: &[u8],
    max_tokens: usize,
    threads: usize,
) -> Result<Loss, Error> {
    let mut tokens = Vec::new();
    tokenizer.encode_bytes(text, &mut tokens)?;
    let known: Range<u32> = 0..source.0.vocabulary.source_len() as u32;
    tokens.retain(|token| known.contains(token));
    tokens.truncate(max_tokens);
    let mut loss = Loss {
        tokens: tokens.len(),
        ..Loss::default()
    };
    for piece in tokens.chunks(PIECE) {
        loss.float_bits += float::bits(source, piece)?.iter().sum::<f64>();
        loss.integer_bits += integer_bits(net, source.start_token(), piece, threads);
    }
    Ok(loss)
}

/// The cost in bits of all tokens of a text after the start token.
fn integer_bits(net: &AnyTransformer, start_token: u32, tokens: &[u32], threads: usize) -> f64 {
    let mut caches = [net.cache(PIECE)];
    let mut scratch = net.scratch_for(BATCH, threads.clamp(1, net.max_threads()));
    let mut frequencies = vec![0; net.config().vocab_size];
    let inputs: Vec<u32> = std::iter::once(start_token)
        .chain(tokens.iter().copied())
        .collect();
    let mut bits = 0.0;
    for (number, coded) in tokens.chunks(BATCH).enumerate() {
        let first = number * BATCH;
        let rows: Vec<Row> = (first..first + coded.len())
            .map(|position| Row {
                sequence: 0,
                position,
                token: inputs[position],
            })
            .collect();
        net.forward(&rows, &mut caches, &mut scratch);
        for (row, &token) in coded.iter().enumerate() {
            let total = net.frequencies(scratch.logits(row), &mut frequencies);
            bits += (f64::from(total) / f64::from(frequencies[token as usize])).log2();
        }
    }
    bits
}
