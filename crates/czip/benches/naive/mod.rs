//! What the benchmarks compare with: one token at a time through the plainest transformer.

use czip::Model;
use czip_coder::v1::{Decoder, Encoder};
use czip_model::v1::Weights;
use czip_model::v1::reference::Reference;

/// A trained model where there is one, else one of random weights, which is much smaller.
pub(crate) fn model_file() -> Vec<u8> {
    czip_vectors::shared_file("conformance/models/v001_eng.czm")
        .unwrap_or_else(|| czip_vectors::read("model.czm"))
}

/// The tokens of a text.
pub(crate) fn tokens(model: &Model, text: &str) -> Vec<u32> {
    let mut tokens = Vec::new();
    model.tokenizer().encode(text, &mut tokens).unwrap();
    tokens
}

/// The naive loop, with what it needs between two tokens.
pub(crate) struct Naive<'a> {
    reference: Reference<'a>,
    start_token: u32,
    total: u32,
    frequencies: Vec<u32>,
}

impl<'a> Naive<'a> {
    pub(crate) fn new(model: &Model, weights: &'a Weights<'a>) -> Self {
        Self {
            reference: Reference::new(weights),
            start_token: model.tokenizer().special_token("<|bos|>").unwrap(),
            total: weights.softmax.total(),
            frequencies: vec![0; weights.config.vocab_size],
        }
    }

    fn predict(&mut self, position: usize, last: u32) {
        if position == 0 {
            self.reference.reset();
            self.reference.step(self.start_token);
        } else {
            self.reference.step(last);
        }
        self.reference.frequencies(&mut self.frequencies);
    }

    /// The bytes of a chunk.
    pub(crate) fn encode(&mut self, tokens: &[u32]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        let mut last = self.start_token;
        for (position, &token) in tokens.iter().enumerate() {
            self.predict(position, last);
            let symbol = token as usize;
            let low: u32 = self.frequencies[..symbol].iter().sum();
            encoder.encode(low, low + self.frequencies[symbol], self.total);
            last = token;
        }
        encoder.finish()
    }

    /// The tokens of a chunk.
    pub(crate) fn decode(&mut self, chunk: &[u8], len: usize) -> Vec<u32> {
        let mut decoder = Decoder::new(chunk);
        let mut tokens = Vec::with_capacity(len);
        let mut last = self.start_token;
        for position in 0..len {
            self.predict(position, last);
            let target = decoder.target(self.total);
            let (mut symbol, mut low) = (0, 0);
            while low + self.frequencies[symbol] <= target {
                low += self.frequencies[symbol];
                symbol += 1;
            }
            decoder.consume(low, low + self.frequencies[symbol], self.total);
            last = symbol as u32;
            tokens.push(last);
        }
        decoder.finish().unwrap();
        tokens
    }
}
