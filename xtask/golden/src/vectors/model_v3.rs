//! The model of version 3: small and random, with every option, and what it makes of a text.

use std::collections::BTreeMap;

use czip_model::v3::{Config, Contents, Layer, Matrix, Weights, reference::Reference};

use super::model::{BOS, VOCAB};
use super::plain::Random;
use super::trace::Step;
use xtask::Result;

const SEED: u64 = 0x637a_6970_5f76_3300;

fn config() -> Config {
    Config {
        vocab_size: VOCAB,
        layers: 2,
        d_model: 36,
        heads: 4,
        kv_heads: 2,
        head_dim: 40,
        rotary_dim: 24,
        d_ff: 52,
        window: 18,
        sinks: 3,
        start_token: BOS,
        wide_inputs: [false, true, false, true, true],
        qkv_bias: true,
        head_norms: true,
        epsilon: 6000,
        head_epsilon: 7000,
        // 256 * log2(e) / sqrt(40) = 58.4.
        score_mantissa: 29_899,
        score_exponent: 9,
    }
}

/// A matrix whose outputs are some `2^octaves` for inputs of about 1, with a row of zeros.
fn matrix(random: &mut Random, rows: usize, cols: usize, octaves: i64) -> Matrix {
    let mut mantissas: Vec<u16> = (0..rows).map(|_| random.within(1 << 14, 32_767) as u16).collect();
    mantissas[rows / 2] = 0;
    let exponent = 23 - octaves;
    Matrix {
        weights: (0..rows * cols).map(|_| random.within(-128, 127) as i8).collect(),
        mantissas,
        exponents: (0..rows)
            .map(|_| random.within(exponent, exponent + 2) as u8)
            .collect(),
    }
}

fn weights() -> Weights {
    let mut random = Random::new(SEED);
    let random = &mut random;
    let config = config();
    let d = config.d_model;
    let layers = (0..config.layers).map(|_| Layer {
        qkv: matrix(random, config.qkv_rows(), d, 12),
        qkv_bias: (0..config.qkv_rows())
            .map(|_| random.within(-20_000, 20_000) as i32)
            .collect(),
        query_gains: (0..config.head_dim)
            .map(|_| random.within(-500, 4000) as i16)
            .collect(),
        key_gains: (0..config.head_dim)
            .map(|_| random.within(-500, 4000) as i16)
            .collect(),
        out: matrix(random, d, config.attended(), 12),
        gate_up: matrix(random, 2 * config.d_ff, d, 12),
        down: matrix(random, d, config.d_ff, 12),
    });
    let layers = layers.collect();
    Weights {
        frequencies: (0..config.rotary_dim / 2)
            .map(|pair| (683_565_276_u64 >> pair) as u32 + random.within(0, 99) as u32)
            .collect(),
        embedding: matrix(random, VOCAB, d, 13),
        layers,
        head: matrix(random, VOCAB, d, 9),
        config,
    }
}

/// The bytes of `model3.czm`: except for the tokenizer's compression, the same with every version of every library.
pub(super) fn model(tokenizer_json: &str) -> Result<Vec<u8>> {
    let mut contents = Contents::new(weights(), tokenizer_json.as_bytes());
    contents.facts = BTreeMap::from([("name".to_owned(), "vectors".to_owned())]);
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
