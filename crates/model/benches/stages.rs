//! Tokens per second of the transformer: the naive loop, one token at a time, against batches with every instruction set.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use czip_model::v1::reference::Reference;
use czip_model::v1::{self, Weights};
use czip_model::{AnyTransformer, Kernels, Row};

/// v001 if it is there, else the golden model, with the name to show.
fn model() -> (&'static str, Vec<u8>) {
    match czip_vectors::shared_file("conformance/models/v001_eng.czm") {
        Some(file) => ("v001", file),
        None => ("golden", czip_vectors::read("model.czm")),
    }
}

/// Chunks of 64 tokens, through the net and to an interval each, as the encoder needs them.
fn encode(c: &mut Criterion) {
    let (name, file) = model();
    let weights = Weights::from_bytes(&file).unwrap();
    let length = weights.config.context_length.min(64);
    let tokens: Vec<u32> = (0..length)
        .map(|i| (i * i * 31 % weights.config.vocab_size) as u32)
        .collect();
    let mut frequencies = vec![0; weights.config.vocab_size];
    let mut group = c.benchmark_group(format!("{name}: chunk of {length} tokens"));
    group
        .throughput(Throughput::Elements(length as u64))
        .sample_size(10);
    group.bench_function("naive", |b| {
        let mut reference = Reference::new(&weights);
        b.iter(|| {
            reference.reset();
            for &token in &tokens {
                reference.step(token);
                reference.frequencies(&mut frequencies);
            }
        });
    });
    for kernels in Kernels::available() {
        let transformer = AnyTransformer::from(v1::Transformer::new(kernels, &weights));
        for batch in [1, 8, length] {
            let mut caches = [transformer.cache(length)];
            let mut scratch = transformer.scratch(batch);
            let row = |(position, &token)| Row {
                sequence: 0,
                position,
                token,
            };
            let rows: Vec<Row> = tokens.iter().enumerate().map(row).collect();
            group.bench_function(
                format!("{}, batches of {batch}", kernels.instruction_set()),
                |b| {
                    b.iter(|| {
                        for rows in rows.chunks(batch) {
                            transformer.forward(rows, &mut caches, &mut scratch);
                            for (index, row) in rows.iter().enumerate() {
                                transformer.frequencies(scratch.logits(index), &mut frequencies);
                                std::hint::black_box(transformer.interval(&frequencies, row.token));
                            }
                        }
                    });
                },
            );
        }
    }
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
