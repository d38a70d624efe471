//! Trains a tokenizer and a tiny net on a text of few words, in some seconds, and compresses other such text with them.
//!
//! ```sh
//! cargo run --release -p czip-train --example tiny
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Cursor;
use std::ops::ControlFlow;

use czip::{Model, Options};
use czip_model::v2::{Config, Contents};
use czip_train::corpus::{self, CorpusOptions};
use czip_train::device::Device;
use czip_train::parameters::Random;
use czip_train::preset::Preset;
use czip_train::session::{self, Budget};
use czip_train::trainer::Hyperparameters;

/// Sentences made of a few words.
fn text(seed: u64, sentences: usize) -> String {
    let words = [
        ["The cat", "A dog", "Nobody", "Every bird"],
        ["sees", "likes", "has forgotten", "remembers"],
        ["the moon.", "a violin.", "the sea.", "two apples."],
    ];
    let mut random = Random(seed);
    let mut sentence = || words.map(|words| words[random.below(words.len())]).join(" ");
    (0..sentences).map(|_| sentence() + "\n").collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = corpus::read(
        &["-"],
        &mut Cursor::new(text(1, 4_000)),
        &CorpusOptions::default(),
    )?;
    let options = session::Options {
        preset: Preset::Fast,
        config: Some(Config {
            vocab_size: 0, // that of the tokenizer
            layers: 1,
            d_model: 48,
            heads: 1,
            d_ff: 64,
            window: 32,
            bigram_buckets: 256,
            bigram_width: 16,
        }),
        vocab_size: Some(300),
        split: None,
        budget: Budget::Tokens(100_000),
        hyperparameters: Hyperparameters {
            sequence_len: 256,
            batch_size: 4,
            ..Hyperparameters::default()
        },
        device: Device::cpu(),
        base: None,
        checkpoint: None,
        resume: false,
    };
    let trained = session::train(&corpus, &options, |_| ControlFlow::Continue(()))?;
    println!("held-out text takes {:.2} bits a byte", trained.heldout);

    let file = Contents {
        weights: &trained.weights,
        tokenizer_json: &trained.tokenizer_json,
        mixing_priors: Vec::new(),
        mixing_weights: None,
        facts: BTreeMap::new(),
    };
    let model = Model::from_bytes(&file.to_bytes()?)?;
    let text = text(2, 50);
    let options = Options::new();
    let with_model = czip::compress(&model, text.as_bytes(), &options)?;
    let without = czip::compress(None, text.as_bytes(), &options)?;
    println!(
        "{} bytes became {}, without the model {}",
        text.len(),
        with_model.len(),
        without.len()
    );
    assert!(with_model.len() < without.len());
    assert_eq!(czip::decompress(&model, &with_model, &options)?, text.as_bytes());
    Ok(())
}
