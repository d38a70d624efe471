//! The model of version 2: small and random, with sizes that no vector's length divides, and what it makes of a text.

use std::collections::BTreeMap;

use czip_model::v2::{Config, Contents, HEAD_DIM, Layer, Matrix, Weights, reference::Reference};

use super::model::VOCAB;
use super::plain::Random;
use super::trace::Step;
use xtask::Result;

const SEED: u64 = 0x637a_6970_5f76_3200;

fn config() -> Config {
    Config {
        vocab_size: VOCAB,
        layers: 2,
        d_model: 36,
        heads: 2,
        d_ff: 50,
        window: 18,
        bigram_buckets: 64,
        bigram_width: 20,
    }
}

/// A matrix whose shift is `shift` or one more, with a row that a shift of 24 silences.
fn matrix(random: &mut Random, rows: usize, cols: usize, shift: i64) -> Matrix {
    let weights = (0..rows * cols).map(|_| random.within(-128, 127) as i8).collect();
    let mut shifts: Vec<u8> = (0..rows).map(|_| random.within(shift, shift + 1) as u8).collect();
    shifts[rows / 2] = 24;
    Matrix { weights, shifts }
}

fn table(random: &mut Random, rows: usize, cols: usize) -> Matrix {
    Matrix {
        weights: (0..rows * cols).map(|_| random.within(-8, 7) as i8).collect(),
        shifts: (0..rows).map(|_| random.within(5, 8) as u8).collect(),
    }
}

fn weights() -> Weights {
    let mut random = Random::new(SEED);
    let random = &mut random;
    let config = config();
    let Config {
        d_model, heads, d_ff, ..
    } = config;
    let width = heads * HEAD_DIM;
    let mut frequencies = [0; HEAD_DIM / 2];
    for (i, frequency) in frequencies.iter_mut().enumerate().take(20) {
        *frequency = random.within(1, 700) as u16 >> (i / 4);
    }
    // More than a turn for each position.
    frequencies[20] = 40_000;
    let parameters = [
        ([3000, 9000], [-400, 250]),
        ([u16::MAX, 500], [1 << 20, -(1 << 20)]),
    ];
    let layers = parameters.map(|(gains, sinks)| Layer {
        qkv: matrix(random, config.qkv_rows(), d_model, 3),
        gains: gains.to_vec(),
        sinks: sinks.to_vec(),
        out: matrix(random, d_model, width, 5),
        up: matrix(random, d_ff, d_model, 3),
        down: matrix(random, d_model, d_ff, 3),
    });
    Weights {
        frequencies,
        embedding: table(random, VOCAB, d_model),
        bigram: table(random, config.bigram_buckets, config.bigram_width),
        layers: layers.into(),
        head: matrix(random, VOCAB, d_model, 3),
        config,
    }
}

/// The bytes of `model2.czm`: except for the tokenizer's compression, the same with every version of every library.
pub(super) fn model(tokenizer_json: &str) -> Result<Vec<u8>> {
    let contents = Contents {
        weights: &weights(),
        tokenizer_json: tokenizer_json.as_bytes(),
        mixing_priors: Vec::new(),
        mixing_weights: Some((0..VOCAB).map(|symbol| (symbol * symbol) as u16).collect()),
        facts: BTreeMap::from([("name".to_owned(), "vectors".to_owned())]),
    };
    Ok(contents.to_bytes()?)
}

/// Hands over the net, which takes one token after another.
pub(super) fn with_net<T>(run: impl FnOnce(&mut dyn FnMut(u32) -> Step) -> T) -> T {
    let weights = weights();
    let mut reference = Reference::new(&weights);
    run(&mut |input| {
        let (stages, logits) = reference.step_observed(input);
        let logits = logits.to_vec();
        Step {
            input,
            stages,
            logits,
            frequencies: reference.frequencies(),
        }
    })
}

/// The most zeros, in percent, that a stage may have.
pub(super) fn most_zeros(stage: &str) -> usize {
    match stage {
        // Half of all squares are those of negative numbers, and small ones vanish in the norm.
        _ if stage.ends_with("squares") || stage.ends_with("hidden") => 75,
        // A head whose sink is at its bound gives nothing.
        _ if stage.ends_with("1.attended") => 55,
        _ => 15,
    }
}
