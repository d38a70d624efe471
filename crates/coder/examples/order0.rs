//! Compresses a file with the simplest adaptive model: how often each bit was set after the bits of its byte before it.
//!
//! ```sh
//! cargo run -p czip-coder --example order0 -- README.md
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use czip_coder::binary::{Decoder, Encoder};

/// Probabilities of a bit that is set, in Q0.16, by the bits of the byte that came before it, with a 1 in front.
struct Model([u16; 256]);

impl Model {
    const fn new() -> Self {
        Self([1 << 15; 256])
    }

    /// Moves the probability a sixteenth of the way towards the bit that came.
    const fn learn(&mut self, context: usize, bit: bool) {
        let p = self.0[context];
        // It stays within 15..=65,520, and the coder takes 1 to 65,535.
        self.0[context] = if bit { p + (u16::MAX - p) / 16 } else { p - p / 16 };
    }
}

fn encode(text: &[u8]) -> Vec<u8> {
    let (mut model, mut encoder) = (Model::new(), Encoder::new());
    for byte in text {
        let mut context = 1;
        for shift in (0..8).rev() {
            let bit = byte >> shift & 1 == 1;
            encoder.encode(bit, model.0[context]);
            model.learn(context, bit);
            context = context << 1 | usize::from(bit);
        }
    }
    encoder.finish()
}

fn decode(message: &[u8], len: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let (mut model, mut decoder) = (Model::new(), Decoder::new(message));
    let mut text = Vec::new();
    for _ in 0..len {
        let mut context = 1;
        while context < 256 {
            let bit = decoder.decode(model.0[context]);
            model.learn(context, bit);
            context = context << 1 | usize::from(bit);
        }
        text.push(context as u8);
    }
    decoder.finish()?;
    Ok(text)
}

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args_os().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => b"She sells sea shells by the sea shore. ".repeat(25),
    };
    let message = encode(&text);
    println!("{} bytes became {}", text.len(), message.len());
    assert_eq!(decode(&message, text.len())?, text);
    Ok(())
}
