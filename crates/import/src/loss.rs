//! What a text costs by the net in integers, beside what it costs by the net in floats.

use std::ops::Range;

use czip_model::{AnyCache, AnyScratch, AnyTransformer, Row};
use czip_tokenizer::Tokenizer;

use crate::error::Error;
use crate::float;
use crate::source::Source;

/// The most tokens that are taken after one start token.
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
    // Within the window, so that both nets see the same.
    let piece_len = net.config().window.map_or(PIECE, |window| window.min(PIECE));
    let mut integers = Integers::new(net, source.start_token(), threads);
    for piece in tokens.chunks(piece_len) {
        loss.float_bits += float::bits(source, piece)?.iter().sum::<f64>();
        loss.integer_bits += integers.bits(piece);
    }
    Ok(loss)
}

/// The net in integers, and what it works with.
struct Integers<'n> {
    net: &'n AnyTransformer,
    start_token: u32,
    caches: [AnyCache; 1],
    scratch: AnyScratch,
    frequencies: Vec<u32>,
}

impl<'n> Integers<'n> {
    fn new(net: &'n AnyTransformer, start_token: u32, threads: usize) -> Self {
        Self {
            net,
            start_token,
            caches: [net.cache(PIECE)],
            scratch: net.scratch_for(BATCH, threads.clamp(1, net.max_threads())),
            frequencies: vec![0; net.config().vocab_size],
        }
    }

    /// The cost in bits of all tokens of a text after the start token.
    fn bits(&mut self, tokens: &[u32]) -> f64 {
        let inputs = std::iter::once(&self.start_token).chain(tokens);
        let rows: Vec<Row> = (0..)
            .zip(inputs)
            .map(|(position, &token)| Row {
                sequence: 0,
                position,
                token,
            })
            .collect();
        let mut bits = 0.0;
        for (rows, coded) in rows.chunks(BATCH).zip(tokens.chunks(BATCH)) {
            let rows = &rows[..coded.len()];
            self.net.forward(rows, &mut self.caches, &mut self.scratch);
            for (row, &token) in coded.iter().enumerate() {
                let frequencies = &mut self.frequencies;
                let total = self.net.frequencies(self.scratch.logits(row), frequencies);
                bits += (f64::from(total) / f64::from(frequencies[token as usize])).log2();
            }
        }
        bits
    }
}
