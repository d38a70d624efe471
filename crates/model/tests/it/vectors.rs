//! The golden vectors: fixed-point functions, then a small model stage by stage.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use czip_model::v1::reference::Reference;
use czip_model::v1::{self, Weights};
use czip_model::{AnyTransformer, Kernels, Row};
use czip_vectors::{array, hash_words, json, numbers, read, text};
use serde_json::Value;

/// The rows of a table of `fixed.json`: arguments, then the result.
fn table<const N: usize>(name: &str) -> Vec<[i64; N]> {
    let tables = json("fixed.json");
    let rows = array(&tables[name]).iter();
    rows.map(|row| numbers(row).try_into().unwrap()).collect()
}

#[test]
fn fixed_point_functions() {
    use czip_fixed::{
        exp_weight, inverse_rms, isqrt, requantize, rne_div, rne_shr, rne_shr_i32, tables::EXP2,
    };
    for [x, shift, result] in table("rne_shr") {
        assert_eq!(rne_shr(x, shift as u32), result, "{x} >> {shift}");
        if (1..=30).contains(&shift) && x.abs() < 1 << 30 {
            assert_eq!(
                i64::from(rne_shr_i32(x as i32, shift as u32)),
                result,
                "{x} >> {shift}"
            );
        }
    }
    for [x, n, result] in table("rne_div") {
        assert_eq!(rne_div(x, n), result, "{x} / {n}");
    }
    for [acc, mult, shift, result] in table("requantize") {
        let found = requantize(acc as i32, mult as i32, shift as i8);
        assert_eq!(i64::from(found), result, "{acc} * {mult} >> {shift}");
    }
    for [x, result] in table("isqrt") {
        assert_eq!(isqrt(x as u64), result as u64, "root of {x}");
    }
    for [sum, len, result] in table("inverse_rms") {
        let found = inverse_rms(sum as u32, len as u32);
        assert_eq!(i64::from(found), result, "{sum} of {len}");
    }
    for [diff, coefficient, result] in table("exp_weight") {
        let found = exp_weight(diff, coefficient as u32, &EXP2);
        assert_eq!(i64::from(found), result, "{diff} by {coefficient}");
    }
}

/// A step of `model.json`.
struct Step {
    row: Row,
    coded: u32,
    interval: [u32; 3],
    hashes: [String; 2],
}

impl Step {
    /// Chunks are sequences of their own.
    fn all(trace: &Value) -> Vec<Self> {
        let chunk_len = trace["chunk_len"].as_u64().unwrap() as usize;
        let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
        let step = |(index, step): (usize, &Value)| Self {
            row: Row {
                sequence: index / chunk_len,
                position: number(&step["position"]) as usize,
                token: number(&step["input"]),
            },
            coded: number(&step["coded"]),
            interval: ["low", "high", "total"].map(|key| number(&step[key])),
            hashes: ["logits_hash", "cumulative_hash"].map(|key| text(&step[key]).to_owned()),
        };
        array(&trace["steps"]).iter().enumerate().map(step).collect()
    }

    fn check(&self, logits: &[i32], cumulative: &[u32], place: &str) {
        let [low, high, total] = self.interval;
        let token = self.coded as usize;
        assert_eq!(
            hash_words(logits.iter().map(|&logit| logit as u32)),
            self.hashes[0],
            "{place}"
        );
        assert_eq!(hash_words(cumulative.iter().copied()), self.hashes[1], "{place}");
        let before = token.checked_sub(1).map_or(0, |before| cumulative[before]);
        assert_eq!(
            [before, cumulative[token], *cumulative.last().unwrap()],
            [low, high, total],
            "{place}"
        );
    }
}

fn cumulative(frequencies: &[u32]) -> Vec<u32> {
    let sums = frequencies.iter().scan(0, |sum, &frequency| {
        *sum += frequency;
        Some(*sum)
    });
    sums.collect()
}

#[test]
fn stages_of_the_reference() {
    let trace = json("model.json");
    let steps = Step::all(&trace);
    assert_eq!(steps.len(), 40);
    let file = read("model.czm");
    let weights = Weights::from_bytes(&file).unwrap();
    let mut reference = Reference::new(&weights);
    let mut frequencies = vec![0; weights.config.vocab_size];
    let mut observed = array(&trace["observed"]).iter().peekable();
    for (index, step) in steps.iter().enumerate() {
        if step.row.position == 0 {
            reference.reset();
        }
        let (stages, logits) = reference.step_observed(step.row.token);
        let logits = logits.to_vec();
        reference.frequencies(&mut frequencies);
        let cumulative = cumulative(&frequencies);
        step.check(&logits, &cumulative, &format!("step {index}"));
        if let Some(expected) = observed.next_if(|expected| expected["step"] == index) {
            assert_eq!(stages.len(), 17);
            let values = |value: &Value| (text(&value["stage"]).to_owned(), numbers(&value["values"]));
            let expected_stages: Vec<(String, Vec<i32>)> =
                array(&expected["stages"]).iter().map(values).collect();
            assert_eq!(stages, expected_stages, "step {index}");
            assert_eq!(logits, numbers::<i32>(&expected["logits"]), "step {index}");
            assert_eq!(
                cumulative,
                numbers::<u32>(&expected["cumulative"]),
                "step {index}"
            );
        }
    }
    assert!(observed.next().is_none(), "a step out of order");
}

#[test]
fn every_instruction_set_in_batches_of_every_size() {
    let steps = Step::all(&json("model.json"));
    let rows: Vec<Row> = steps.iter().map(|step| step.row).collect();
    let file = read("model.czm");
    let weights = Weights::from_bytes(&file).unwrap();
    let mut frequencies = vec![0; weights.config.vocab_size];
    for kernels in Kernels::available() {
        let transformer = AnyTransformer::from(v1::Transformer::new(kernels, &weights));
        for batch in [1, 2, 3, 7, 16, 40, 64] {
            let mut caches = [transformer.cache(32), transformer.cache(8)];
            let mut scratch = transformer.scratch(batch);
            for (rows, steps) in rows.chunks(batch).zip(steps.chunks(batch)) {
                transformer.forward(rows, &mut caches, &mut scratch);
                for (row, step) in steps.iter().enumerate() {
                    let place = format!(
                        "{}, batches of {batch}, {:?}",
                        kernels.instruction_set(),
                        step.row
                    );
                    let total = transformer.frequencies(scratch.logits(row), &mut frequencies);
                    step.check(scratch.logits(row), &cumulative(&frequencies), &place);
                    let interval = transformer.interval(&frequencies, step.coded);
                    assert_eq!([interval.low, interval.high, total], step.interval, "{place}");
                    for target in [interval.low, interval.high - 1] {
                        assert_eq!(transformer.find(&frequencies, target), interval, "{place}");
                    }
                }
            }
        }
    }
}

#[test]
fn chunks_side_by_side() {
    let steps = Step::all(&json("model.json"));
    let file = read("model.czm");
    let weights = Weights::from_bytes(&file).unwrap();
    let mut frequencies = vec![0; weights.config.vocab_size];
    for kernels in Kernels::available() {
        let transformer = AnyTransformer::from(v1::Transformer::new(kernels, &weights));
        let mut caches = [transformer.cache(32), transformer.cache(8)];
        let mut scratch = transformer.scratch(2);
        for position in 0..32 {
            let together: Vec<&Step> = steps
                .iter()
                .filter(|step| step.row.position == position)
                .collect();
            assert_eq!(together.len(), if position < 8 { 2 } else { 1 });
            let rows: Vec<Row> = together.iter().map(|step| step.row).collect();
            transformer.forward(&rows, &mut caches, &mut scratch);
            for (row, step) in together.into_iter().enumerate() {
                let place = format!("{}, {:?}", kernels.instruction_set(), step.row);
                transformer.frequencies(scratch.logits(row), &mut frequencies);
                step.check(scratch.logits(row), &cumulative(&frequencies), &place);
            }
        }
    }
}
