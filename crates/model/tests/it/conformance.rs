//! Logits and frequencies of existing models, as another implementation computed them.

use czip_model::v1::reference::Reference;
use czip_model::v1::{self, Weights};
use czip_model::{AnyTransformer, Kernels, Row};
use czip_vectors::shared_file;

struct Step {
    position: usize,
    previous: u32,
    coded: u32,
    logits: Vec<i32>,
    cumulative: Vec<u32>,
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word))
}

fn trace(model: &str) -> Option<Vec<Step>> {
    let bytes = shared_file(&format!("conformance/trace/python.{model}.trace"))?;
    let records = bytes.chunks_exact(12 + 8 * 1024);
    assert!(records.remainder().is_empty());
    Some(
        records
            .map(|record| {
                let header: Vec<u32> = words(&record[..12]).collect();
                Step {
                    position: header[0] as usize,
                    previous: header[1],
                    coded: header[2],
                    logits: words(&record[12..][..4096]).map(|word| word as i32).collect(),
                    cumulative: words(&record[12 + 4096..]).collect(),
                }
            })
            .collect(),
    )
}

/// The tokens that the net sees in the first chunk: `<|bos|>`, then all of the chunk but its last.
fn inputs(length: usize) -> Vec<u32> {
    let tokens = shared_file("conformance/tokens/python.txt.u16le").unwrap();
    let tokens = tokens
        .as_chunks()
        .0
        .iter()
        .map(|&token| u16::from_le_bytes(token).into());
    std::iter::once(1022).chain(tokens).take(length).collect()
}

fn cumulative(frequencies: &[u32]) -> Vec<u32> {
    frequencies
        .iter()
        .scan(0, |sum, &frequency| {
            *sum += frequency;
            Some(*sum)
        })
        .collect()
}

fn check(model: &str) {
    let Some(steps) = trace(model) else { return };
    let file = shared_file(&format!("conformance/models/{model}.czm")).unwrap();
    let weights = Weights::from_bytes(&file).unwrap();
    let length = steps.last().unwrap().position + 1;
    let inputs = inputs(length);
    for step in &steps {
        assert_eq!(step.previous, inputs[step.position]);
    }

    let mut reference = Reference::new(&weights);
    let mut frequencies = vec![0; weights.config.vocab_size];
    for (position, &token) in inputs.iter().enumerate() {
        reference.step(token);
        if let Some(step) = steps.iter().find(|step| step.position == position) {
            assert_eq!(
                reference.logits(),
                step.logits,
                "{model}, reference, position {position}"
            );
            reference.frequencies(&mut frequencies);
            assert_eq!(
                cumulative(&frequencies),
                step.cumulative,
                "{model}, reference, position {position}"
            );
        }
    }

    for kernels in Kernels::available() {
        let transformer = AnyTransformer::from(v1::Transformer::new(kernels, &weights));
        for batch in [1, 7, 64] {
            let mut caches = [transformer.cache(length)];
            let mut scratch = transformer.scratch(batch);
            let rows: Vec<Row> = inputs
                .iter()
                .enumerate()
                .map(|(position, &token)| Row {
                    sequence: 0,
                    position,
                    token,
                })
                .collect();
            for rows in rows.chunks(batch) {
                transformer.forward(rows, &mut caches, &mut scratch);
                for (row, &Row { position, .. }) in rows.iter().enumerate() {
                    let Some(step) = steps.iter().find(|step| step.position == position) else {
                        continue;
                    };
                    let place = format!(
                        "{model}, {}, batch {batch}, position {position}",
                        kernels.instruction_set()
                    );
                    assert_eq!(scratch.logits(row), step.logits, "{place}");
                    transformer.frequencies(scratch.logits(row), &mut frequencies);
                    assert_eq!(cumulative(&frequencies), step.cumulative, "{place}");
                    let interval = transformer.interval(&frequencies, step.coded);
                    assert_eq!(interval.high, step.cumulative[step.coded as usize]);
                    for target in [interval.low, interval.high - 1] {
                        assert_eq!(transformer.find(&frequencies, target), interval);
                    }
                }
            }
        }
    }
}

#[test]
fn traces_of_v001() {
    check("v001_eng");
}

#[test]
fn traces_of_two_layers() {
    check("synth_2x4");
}

#[test]
fn traces_of_three_layers_with_sinks() {
    check("synth_3x8_sink");
}
