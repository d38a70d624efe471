//! The model of version 2: small and random, with sizes that no vector's length divides, and what it makes of a text.

use std::collections::BTreeMap;

use czip_model::v2::{Config, Contents, HEAD_DIM, Layer, Matrix, Weights, reference::Reference};
use czip_vectors::hash_words;
use serde_json::{Value, json};

use super::model::{BOS, VOCAB};
use super::plain::{Random, code};
use xtask::Result;

const SEED: u64 = 0x637a_6970_5f76_3200;

/// Steps of which all numbers are written, in addition to the hashes of every step. The last two have more before them
/// than the window reaches.
const OBSERVED: [usize; 5] = [0, 1, 2, 20, 59];

const STEPS: usize = 60;

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

/// The bytes of a chunk of CZIPv1.
pub(super) fn code_chunk(tokens: &[u32]) -> Vec<u8> {
    let weights = weights();
    let mut reference = Reference::new(&weights);
    let share = |(&input, &coded): (&u32, &u32)| {
        reference.step(input);
        let frequencies = reference.frequencies();
        let (before, rest) = frequencies.split_at(coded as usize);
        let low = before.iter().sum::<u32>();
        [low, low + rest[0], low + rest.iter().sum::<u32>()]
    };
    code(std::iter::once(&BOS).chain(tokens).zip(tokens).map(share))
}

/// Logits and frequencies of the first tokens of a text, and the numbers between.
pub(super) fn trace(tokens: &[u32]) -> Result<Value> {
    let weights = weights();
    let mut reference = Reference::new(&weights);
    let inputs = std::iter::once(&BOS).chain(tokens).take(STEPS);
    let (mut steps, mut observed) = (Vec::new(), Vec::new());
    let mut values: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (position, &input) in inputs.enumerate() {
        let (stages, logits) = reference.step_observed(input);
        let logits = logits.to_vec();
        let frequencies = reference.frequencies();
        steps.push(json!({
            "input": input,
            "total": frequencies.iter().sum::<u32>(),
            "logits_hash": hash_words(logits.iter().map(|&logit| logit as u32)),
            "frequencies_hash": hash_words(frequencies.iter().copied()),
        }));
        if OBSERVED.contains(&position) {
            let stages: Vec<_> = stages
                .iter()
                .map(|(name, values)| json!({ "stage": name, "values": values }))
                .collect();
            observed.push(json!({
                "step": position,
                "stages": stages,
                "logits": logits,
                "frequencies": frequencies,
            }));
        }
        for (name, stage) in stages {
            values.entry(name).or_default().extend(stage);
        }
    }
    check_liveliness(&values)?;
    Ok(json!({ "steps": steps, "observed": observed }))
}

/// Vectors that are mostly zero or mostly at a bound would check little.
fn check_liveliness(stages: &BTreeMap<String, Vec<i64>>) -> Result<()> {
    for (name, values) in stages {
        let percent =
            |is: &dyn Fn(i64) -> bool| values.iter().filter(|&&value| is(value)).count() * 100 / values.len();
        let most = values.iter().map(|value| value.abs()).max().unwrap_or(0);
        let zeros = percent(&|value| value == 0);
        let bounds = percent(&|value| value.abs() == most);
        let mut distinct = values.clone();
        distinct.sort_unstable();
        distinct.dedup();
        // Half of all squares are those of negative numbers, and small ones vanish in the norm.
        let of_squares = name.ends_with("squares") || name.ends_with("hidden");
        let most_zeros = match () {
            () if of_squares => 75,
            // A head whose sink is at its bound gives nothing.
            () if name.ends_with("1.attended") => 55,
            () => 15,
        };
        if zeros > most_zeros || bounds > 25 || distinct.len() < 40 {
            let found = format!(
                "{} values, {zeros} % zeros, {bounds} % at a bound",
                distinct.len()
            );
            return Err(format!("stage {name} of the model of version 2 is not lively: {found}").into());
        }
    }
    Ok(())
}
