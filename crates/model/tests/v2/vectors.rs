//! The golden vectors: a small model stage by stage.

use czip_model::v2::reference::Reference;
use czip_model::v2::{self, File};
use czip_model::{AnyTransformer, Kernels, Row};
use czip_vectors::{array, hash_words, json, numbers, read, text};
use serde_json::Value;

fn check(step: &Value, logits: &[i32], frequencies: &[u32], place: &str) {
    let words = logits.iter().map(|&logit| logit as u32);
    assert_eq!(hash_words(words), text(&step["logits_hash"]), "{place}");
    assert_eq!(
        hash_words(frequencies.iter().copied()),
        text(&step["frequencies_hash"]),
        "{place}"
    );
    assert_eq!(
        step["total"].as_u64(),
        Some(frequencies.iter().map(|&f| u64::from(f)).sum()),
        "{place}"
    );
}

#[test]
fn stages_of_the_reference() {
    let trace = json("model2.json");
    let bytes = read("model2.czm");
    assert!(bytes.len() < 100_000);
    let file = File::from_bytes(&bytes).unwrap();
    assert_eq!(file.facts["name"], "vectors");
    let mut reference = Reference::new(&file.weights);
    let mut observed = array(&trace["observed"]).iter().peekable();
    let steps = array(&trace["steps"]);
    assert_eq!(steps.len(), 60);
    for (index, step) in steps.iter().enumerate() {
        let (stages, logits) = reference.step_observed(step["input"].as_u64().unwrap() as u32);
        let logits: Vec<i32> = logits.iter().map(|&logit| logit as i32).collect();
        let frequencies = reference.frequencies();
        check(step, &logits, &frequencies, &format!("step {index}"));
        if let Some(expected) = observed.next_if(|expected| expected["step"] == index) {
            let values = |value: &Value| (text(&value["stage"]).to_owned(), numbers(&value["values"]));
            let expected_stages: Vec<(String, Vec<i64>)> =
                array(&expected["stages"]).iter().map(values).collect();
            assert_eq!(stages, expected_stages, "step {index}");
            assert_eq!(logits, numbers::<i32>(&expected["logits"]), "step {index}");
            assert_eq!(
                frequencies,
                numbers::<u32>(&expected["frequencies"]),
                "step {index}"
            );
        }
    }
    assert!(observed.next().is_none(), "a step out of order");
}

#[test]
fn every_instruction_set_in_batches_of_every_size() {
    let trace = json("model2.json");
    let steps = array(&trace["steps"]);
    let rows: Vec<Row> = steps
        .iter()
        .enumerate()
        .map(|(position, step)| Row {
            sequence: 0,
            position,
            token: step["input"].as_u64().unwrap() as u32,
        })
        .collect();
    let bytes = read("model2.czm");
    let file = File::from_bytes(&bytes).unwrap();
    let mut frequencies = vec![0; file.weights.config.vocab_size];
    for kernels in Kernels::available() {
        let transformer = AnyTransformer::from(v2::Transformer::new(kernels, &file.weights));
        for batch in [1, 2, 3, 7, 16, 60] {
            let (mut caches, mut scratch) = ([transformer.cache(1)], transformer.scratch(batch));
            for (rows, steps) in rows.chunks(batch).zip(steps.chunks(batch)) {
                transformer.forward(rows, &mut caches, &mut scratch);
                for (row, step) in steps.iter().enumerate() {
                    let place = format!(
                        "{}, batches of {batch}, {:?}",
                        kernels.instruction_set(),
                        rows[row]
                    );
                    transformer.frequencies(scratch.logits(row), &mut frequencies);
                    check(step, scratch.logits(row), &frequencies, &place);
                }
            }
        }
    }
}
