//! What a net computes of a text, step by step, and the chunks that it codes: the same for every version.

use std::collections::BTreeMap;

use czip_vectors::hash_words;
use serde_json::{Value, json};

use super::model::BOS;
use super::plain::code;
use xtask::Result;

/// Steps of which all numbers are written, in addition to the hashes of every step. The last two have more before them
/// than the windows of the models reach.
const OBSERVED: [usize; 5] = [0, 1, 2, 20, 59];

const STEPS: usize = 60;

/// What a net makes of one token.
pub(super) struct Step {
    pub(super) input: u32,
    /// The numbers between, by their names.
    pub(super) stages: Vec<(String, Vec<i64>)>,
    pub(super) logits: Vec<i64>,
    pub(super) frequencies: Vec<u32>,
}

/// Logits and frequencies of the first tokens of a text, and the numbers between. `most_zeros` gives the most zeros, in
/// percent, that a stage may have.
pub(super) fn of_text(
    tokens: &[u32],
    net: &mut dyn FnMut(u32) -> Step,
    most_zeros: impl Fn(&str) -> usize,
) -> Result<Value> {
    let (mut all, mut observed) = (Vec::new(), Vec::new());
    let mut values: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let inputs = std::iter::once(BOS).chain(tokens.iter().copied());
    for (position, step) in inputs.take(STEPS).map(net).enumerate() {
        let Step {
            input,
            stages,
            logits,
            frequencies,
        } = step;
        all.push(json!({
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
    for (name, values) in &values {
        check_liveliness(name, values, most_zeros(name))?;
    }
    Ok(json!({ "steps": all, "observed": observed }))
}

/// Vectors that are mostly zero or mostly at a bound would check little.
fn check_liveliness(name: &str, values: &[i64], most_zeros: usize) -> Result<()> {
    let percent =
        |is: &dyn Fn(i64) -> bool| values.iter().filter(|&&value| is(value)).count() * 100 / values.len();
    let most = values.iter().map(|value| value.abs()).max().unwrap_or(0);
    let zeros = percent(&|value| value == 0);
    let bounds = percent(&|value| value.abs() == most);
    let mut distinct = values.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if zeros > most_zeros || bounds > 25 || distinct.len() < 40 {
        let found = format!(
            "{} values, {zeros} % zeros, {bounds} % at a bound",
            distinct.len()
        );
        return Err(format!("stage {name} is not lively: {found}").into());
    }
    Ok(())
}

/// The bytes of a chunk of CZIPv1.
pub(super) fn code_chunk(tokens: &[u32], net: &mut dyn FnMut(u32) -> Step) -> Vec<u8> {
    let share = |(&input, &coded): (&u32, &u32)| {
        let frequencies = net(input).frequencies;
        let (before, rest) = frequencies.split_at(coded as usize);
        let low = before.iter().sum::<u32>();
        [low, low + rest[0], low + rest.iter().sum::<u32>()]
    };
    code(std::iter::once(&BOS).chain(tokens).zip(tokens).map(share))
}
