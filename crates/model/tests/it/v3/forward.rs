//! The packed net equals the reference: at every instruction set, however rows are grouped, with any number of threads.

use czip_model::v3::reference::Reference;
use czip_model::v3::{Config, Transformer, Weights};
use czip_model::{Kernels, Row};

use super::random::{Random, config, weights};

/// The frequencies after each of `tokens`, by the reference.
fn expected(weights: &Weights, tokens: &[u32]) -> Vec<(Vec<i64>, Vec<u32>)> {
    let mut reference = Reference::new(weights);
    tokens
        .iter()
        .map(|&token| {
            reference.step(token);
            (reference.logits().to_vec(), reference.frequencies())
        })
        .collect()
}

fn row(position: usize, token: u32) -> Row {
    Row {
        sequence: 0,
        position,
        token,
    }
}

fn check(config: Config, seed: u64, len: usize) {
    let weights = weights(config, seed);
    let mut random = Random(seed);
    let vocab_size = weights.config.vocab_size;
    let tokens: Vec<u32> = (0..len).map(|_| random.below(vocab_size as u64) as u32).collect();
    let expected = expected(&weights, &tokens);
    let distinct: std::collections::BTreeSet<i64> = expected[len - 1].0.iter().copied().collect();
    assert!(
        distinct.len() > vocab_size / 2,
        "logits of a net that says nothing"
    );
    for kernels in Kernels::available() {
        let net = Transformer::new(kernels, weights.clone());
        for (threads, batch) in [(1, 1), (1, 7), (2, 2), (2, 40), (3, 5)] {
            let mut caches = [net.cache()];
            let mut scratch = net.scratch(batch, threads);
            let mut frequencies = vec![0; vocab_size];
            for (number, chunk) in tokens.chunks(batch).enumerate() {
                let first = number * batch;
                let rows: Vec<Row> = (first..).zip(chunk).map(|(p, &token)| row(p, token)).collect();
                net.forward(&rows, &mut caches, &mut scratch);
                for place in 0..rows.len() {
                    let (logits, wanted) = &expected[first + place];
                    let found: Vec<i64> = scratch.logits(place).iter().map(|&x| x.into()).collect();
                    assert_eq!(&found, logits, "{kernels:?} {threads} {batch} {}", first + place);
                    let total = net.frequencies(scratch.logits(place), &mut frequencies);
                    assert_eq!(&frequencies, wanted);
                    assert_eq!(
                        u64::from(total),
                        wanted.iter().map(|&x| u64::from(x)).sum::<u64>()
                    );
                }
            }
        }
    }
}

#[test]
fn the_packed_net_is_the_reference() {
    check(config(), 1, 170);
}

#[test]
fn every_option() {
    let base = config();
    for (seed, config) in [
        Config {
            qkv_bias: true,
            ..base.clone()
        },
        Config {
            head_norms: true,
            ..base.clone()
        },
        Config {
            wide_inputs: [true; 5],
            ..base.clone()
        },
        Config {
            wide_inputs: [false; 5],
            kv_heads: 4,
            ..base.clone()
        },
        Config {
            kv_heads: 1,
            heads: 3,
            head_dim: 96,
            rotary_dim: 40,
            ..base.clone()
        },
        Config {
            heads: 2,
            kv_heads: 1,
            head_dim: 128,
            rotary_dim: 128,
            head_norms: true,
            qkv_bias: true,
            ..base.clone()
        },
        Config {
            heads: 1,
            kv_heads: 1,
            head_dim: 256,
            rotary_dim: 2,
            d_model: 5,
            d_ff: 7,
            ..base.clone()
        },
        Config {
            head_dim: 34,
            rotary_dim: 34,
            sinks: 0,
            ..base.clone()
        },
        Config {
            window: 1,
            sinks: 16,
            epsilon: 0,
            head_epsilon: u32::MAX,
            ..base.clone()
        },
        Config {
            epsilon: u32::MAX,
            head_norms: true,
            head_epsilon: 0,
            score_exponent: 0,
            ..base
        },
    ]
    .into_iter()
    .enumerate()
    {
        check(config, seed as u64 + 10, 40);
    }
}
