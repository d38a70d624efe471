//! The golden vectors of versions 2 and 3: small models stage by stage.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use czip_model::{AnyTransformer, Kernels, ModelFile, Row, v2, v3};
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

/// What a reference makes of a token: stages by their names, logits, frequencies.
type Observed = (Vec<(String, Vec<i64>)>, Vec<i64>, Vec<u32>);

fn check_stages(name: &str, mut step_of: impl FnMut(u32) -> Observed) {
    let trace = json(name);
    let mut observed = array(&trace["observed"]).iter().peekable();
    let steps = array(&trace["steps"]);
    assert_eq!(steps.len(), 60);
    for (index, step) in steps.iter().enumerate() {
        let (stages, logits, frequencies) = step_of(step["input"].as_u64().unwrap() as u32);
        let logits: Vec<i32> = logits.iter().map(|&logit| logit as i32).collect();
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
fn stages_of_the_reference_of_version_2() {
    let bytes = read("model2.czm");
    assert!(bytes.len() < 100_000);
    let file = v2::File::from_bytes(&bytes).unwrap();
    assert_eq!(file.facts["name"], "vectors");
    let mut reference = v2::reference::Reference::new(&file.weights);
    check_stages("model2.json", |input| {
        let (stages, logits) = reference.step_observed(input);
        let logits = logits.to_vec();
        (stages, logits, reference.frequencies())
    });
}

#[test]
fn stages_of_the_reference_of_version_3() {
    let bytes = read("model3.czm");
    assert!(bytes.len() < 100_000);
    let file = v3::File::from_bytes(&bytes).unwrap();
    assert_eq!(file.facts["name"], "vectors");
    let mut reference = v3::reference::Reference::new(&file.weights);
    check_stages("model3.json", |input| {
        let (stages, logits) = reference.step_observed(input);
        let logits = logits.to_vec();
        (stages, logits, reference.frequencies())
    });
}

#[test]
fn every_instruction_set_in_batches_of_every_size() {
    for model in ["model2", "model3"] {
        let trace = json(&format!("{model}.json"));
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
        let bytes = read(&format!("{model}.czm"));
        let file = ModelFile::from_bytes(&bytes).unwrap();
        for kernels in Kernels::available() {
            let transformer = AnyTransformer::new(kernels, file.clone());
            let mut frequencies = vec![0; transformer.config().vocab_size];
            for batch in [1, 2, 3, 7, 16, 60] {
                let (mut caches, mut scratch) = ([transformer.cache(1)], transformer.scratch(batch));
                for (rows, steps) in rows.chunks(batch).zip(steps.chunks(batch)) {
                    transformer.forward(rows, &mut caches, &mut scratch);
                    for (row, step) in steps.iter().enumerate() {
                        let place = format!(
                            "{model}, {}, batches of {batch}, {:?}",
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
}
