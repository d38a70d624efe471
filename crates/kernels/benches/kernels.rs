//! Every kernel with every instruction set of the machine, beside its oracle.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use czip_fixed::tables::{EXP2, LOGIT_COEFFICIENT};
use czip_kernels::{
    Attention, AttentionInput, HEAD_DIM, Kernels, Requantization, SlidingAttention, Softmax, WeightRow,
    WindowInput, Workspace, oracle,
};

/// Sizes of a small trained model.
const D_MODEL: usize = 384;
const D_FF: usize = 1024;
const VOCAB_SIZE: usize = 1024;
const HEADS: usize = D_MODEL / HEAD_DIM;

/// Rows and columns of its matrices: queries, key and value; attention's output; up; down; head.
const SHAPES: [(usize, usize); 5] = [
    (D_MODEL + 2 * HEAD_DIM, D_MODEL),
    (D_MODEL, D_MODEL),
    (2 * D_FF, D_MODEL),
    (D_MODEL, D_FF),
    (VOCAB_SIZE, D_MODEL),
];

const BATCHES: [usize; 5] = [1, 4, 8, 16, 64];

/// The name of the baseline.
const ORACLE: &str = "oracle";

/// Numbers that look random: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Activations are never -128.
    fn activations(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|_| (self.next() as i8).max(-127)).collect()
    }

    fn vectors(&mut self, count: usize) -> Vec<[i8; HEAD_DIM]> {
        self.activations(count * HEAD_DIM).as_chunks().0.to_vec()
    }

    /// Sums of a product of the model's width.
    fn sums(&mut self, len: usize) -> Vec<i32> {
        (0..len).map(|_| (self.next() as i32) >> 12).collect()
    }
}

/// A group of one kernel.
fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(150));
    group
}

/// A product in multiply-adds, as sums and requantised.
fn matmul(criterion: &mut Criterion) {
    let requantization = Requantization::new(819, 20).unwrap();
    for requantized in [false, true] {
        let name = if requantized {
            "matmul_requantized"
        } else {
            "matmul"
        };
        let mut group = group(criterion, name);
        let mut random = Random(1);
        for ((rows, cols), batch) in SHAPES
            .iter()
            .flat_map(|&shape| BATCHES.map(|batch| (shape, batch)))
        {
            let size = format!("{rows}x{cols}, batch of {batch}");
            let weights = random.activations(rows * cols);
            let x = random.activations(batch * cols);
            let mut sums = vec![0; batch * rows];
            let mut out = vec![0; batch * rows];
            group.throughput(Throughput::Elements((rows * cols * batch) as u64));
            group.bench_function(BenchmarkId::new(ORACLE, &size), |b| {
                b.iter(|| {
                    for (x, sums) in x.chunks_exact(cols).zip(sums.chunks_exact_mut(rows)) {
                        oracle::matvec(black_box(&weights), x, sums);
                    }
                    if requantized {
                        oracle::requantize_all(&sums, requantization, &mut out);
                    }
                    black_box((&sums, &out));
                });
            });
            for kernels in Kernels::available() {
                let matrix = kernels.pack(&weights, rows, cols);
                assert_eq!(matrix.stride(), cols, "no padding");
                let mut workspace = Workspace::default();
                group.bench_function(BenchmarkId::new(kernels.instruction_set().name(), &size), |b| {
                    b.iter(|| {
                        if requantized {
                            let x = black_box(&x);
                            kernels.matmul_requantized(&matrix, x, requantization, &mut workspace, &mut out);
                        } else {
                            kernels.matmul(&matrix, black_box(&x), &mut workspace, &mut sums);
                        }
                        black_box((&sums, &out));
                    });
                });
            }
        }
        group.finish();
    }
}

/// Norms in elements.
fn norms(criterion: &mut Criterion) {
    let mut random = Random(2);
    let x = random.activations(D_MODEL);
    let gain = random.activations(D_MODEL);
    let residual: Vec<i32> = x.iter().map(|&x| x.into()).collect();
    let mut normed = vec![0; D_MODEL];

    let mut rms_norm = group(criterion, "rms_norm");
    rms_norm.throughput(Throughput::Elements(D_MODEL as u64));
    rms_norm.bench_function(ORACLE, |b| {
        b.iter(|| {
            oracle::rms_norm(black_box(&x), &gain, &mut normed);
            black_box(&normed);
        });
    });
    for kernels in Kernels::available() {
        rms_norm.bench_function(kernels.instruction_set().name(), |b| {
            b.iter(|| {
                kernels.rms_norm(black_box(&residual), &gain, &mut normed);
                black_box(&normed);
            });
        });
    }
    rms_norm.finish();

    // The residual is added to again and again and must not overflow.
    let mut sum = residual.clone();
    let mut add_rms_norm = group(criterion, "add_rms_norm");
    add_rms_norm.throughput(Throughput::Elements(D_MODEL as u64));
    add_rms_norm.bench_function(ORACLE, |b| {
        b.iter(|| {
            sum.copy_from_slice(&residual);
            oracle::rms_norm(black_box(&x), &gain, &mut normed);
            sum.iter_mut()
                .zip(&normed)
                .for_each(|(sum, &normed)| *sum += i32::from(normed));
            black_box(&sum);
        });
    });
    for kernels in Kernels::available() {
        add_rms_norm.bench_function(kernels.instruction_set().name(), |b| {
            b.iter(|| {
                sum.copy_from_slice(&residual);
                kernels.add_rms_norm(black_box(&x), &gain, &mut sum);
                black_box(&sum);
            });
        });
    }
    add_rms_norm.finish();
}

/// Rotations of the vectors of one position, in elements.
fn rotate(criterion: &mut Criterion) {
    let mut random = Random(3);
    let vectors = random.vectors(HEADS);
    let (cos, sin) = czip_fixed::tables::rope_row(100).unwrap();
    let mut group = group(criterion, "rotate");
    group.throughput(Throughput::Elements((HEADS * HEAD_DIM) as u64));
    group.bench_function(ORACLE, |b| {
        b.iter(|| {
            for vector in black_box(&vectors) {
                black_box(oracle::rotate_query(vector, &cos, &sin));
            }
        });
    });
    let mut rotated = vectors.clone();
    for kernels in Kernels::available() {
        group.bench_function(kernels.instruction_set().name(), |b| {
            b.iter(|| {
                rotated.copy_from_slice(black_box(&vectors));
                for vector in &mut rotated {
                    kernels.rotate_query(vector, &cos, &sin);
                }
                black_box(&rotated);
            });
        });
    }
    group.finish();
}

/// The gated unit in elements.
fn reglu(criterion: &mut Criterion) {
    let mut random = Random(4);
    let (gate, value) = (random.activations(D_FF), random.activations(D_FF));
    let mut out = vec![0; D_FF];
    let mut group = group(criterion, "reglu");
    group.throughput(Throughput::Elements(D_FF as u64));
    group.bench_function(ORACLE, |b| {
        b.iter(|| {
            oracle::reglu(black_box(&gate), &value, &mut out);
            black_box(&out);
        });
    });
    for kernels in Kernels::available() {
        group.bench_function(kernels.instruction_set().name(), |b| {
            b.iter(|| {
                kernels.reglu(black_box(&gate), &value, &mut out);
                black_box(&out);
            });
        });
    }
    group.finish();
}

/// Attention of one position in multiply-adds: each element of a key and of a value counts once for each head.
fn attention(criterion: &mut Criterion) {
    let mut random = Random(5);
    let attention = Attention::new(vec![59_000; HEADS], None, &EXP2).unwrap();
    let mut group = group(criterion, "attention");
    for length in [32, 512] {
        // As small as trained ones, so more than a few keys count.
        let small = |vectors: Vec<[i8; HEAD_DIM]>| -> Vec<[i8; HEAD_DIM]> {
            vectors.into_iter().map(|vector| vector.map(|x| x / 8)).collect()
        };
        let keys = small(random.vectors(length));
        let values = random.vectors(length);
        let queries = small(random.vectors(HEADS));
        let mut out = vec![[0; HEAD_DIM]; HEADS];
        group.throughput(Throughput::Elements((2 * HEADS * HEAD_DIM * length) as u64));
        let size = format!("{length} keys");
        group.bench_function(BenchmarkId::new(ORACLE, &size), |b| {
            b.iter(|| {
                for (head, (query, out)) in black_box(&queries).iter().zip(&mut out).enumerate() {
                    *out = oracle::attend(&attention, head, query, &keys, &values);
                }
                black_box(&out);
            });
        });
        for kernels in Kernels::available() {
            let mut cache = kernels.key_value_cache(length);
            for (position, (key, value)) in keys.iter().zip(&values).enumerate() {
                kernels.store(&mut cache, position, key, value);
            }
            let mut workspace = Workspace::default();
            let mut made = vec![[0; HEAD_DIM]; HEADS];
            group.bench_function(BenchmarkId::new(kernels.instruction_set().name(), &size), |b| {
                b.iter(|| {
                    let input = AttentionInput {
                        attention: &attention,
                        cache: &cache,
                        length,
                        queries: black_box(&queries).as_flattened(),
                    };
                    kernels.attend(input, &mut workspace, made.as_flattened_mut());
                    black_box(&made);
                });
            });
        }
    }
    group.finish();
}

/// Attention of one position over a window, in multiply-adds as above.
fn window_attention(criterion: &mut Criterion) {
    let mut random = Random(7);
    let attention = SlidingAttention::new(vec![4000; HEADS], vec![-300; HEADS]);
    let mut group = group(criterion, "window_attention");
    for length in [32, 512] {
        let keys = random
            .vectors(length)
            .iter()
            .map(|v| v.map(|x| x / 8))
            .collect::<Vec<_>>();
        let values = random.vectors(length);
        let queries = random
            .vectors(HEADS)
            .iter()
            .map(|v| v.map(|x| x / 8))
            .collect::<Vec<_>>();
        group.throughput(Throughput::Elements((2 * HEADS * HEAD_DIM * length) as u64));
        let size = format!("{length} keys");
        group.bench_function(BenchmarkId::new(ORACLE, &size), |b| {
            b.iter(|| {
                for (head, query) in black_box(&queries).iter().enumerate() {
                    black_box(oracle::attend_window(&attention, head, query, &keys, &values));
                }
            });
        });
        for kernels in Kernels::available() {
            let mut cache = kernels.key_value_cache(length);
            for (position, (key, value)) in keys.iter().zip(&values).enumerate() {
                kernels.store(&mut cache, position, key, value);
            }
            let mut workspace = Workspace::default();
            let mut out = vec![0; HEADS * HEAD_DIM];
            group.bench_function(BenchmarkId::new(kernels.instruction_set().name(), &size), |b| {
                b.iter(|| {
                    let input = WindowInput {
                        attention: &attention,
                        cache: &cache,
                        window: 0..length,
                        queries: black_box(&queries).as_flattened(),
                    };
                    kernels.attend_window(input, &mut workspace, &mut out, None);
                    black_box(&out);
                });
            });
        }
    }
    group.finish();
}

/// Sums and steps of the mixer, in weights: three rows of 32, as for one decision.
fn mixing(criterion: &mut Criterion) {
    const N: usize = 32;
    const ROWS: [usize; 3] = [3, 40, 57];
    let mut random = Random(8);
    let mut row = || -> [i16; N] { std::array::from_fn(|_| random.next() as i16 >> 3) };
    let x = row();
    let mut weights: Vec<WeightRow<N>> = (0..64).map(|_| WeightRow(row())).collect();
    for training in [false, true] {
        let mut group = group(criterion, if training { "mix_and_train" } else { "mix" });
        group.throughput(Throughput::Elements((N * ROWS.len()) as u64));
        group.bench_function(ORACLE, |b| {
            b.iter(|| {
                let x = black_box(&x);
                for row in ROWS {
                    black_box(oracle::mix(&weights[row].0, x));
                    if training {
                        for (weight, &x) in weights[row].0.iter_mut().zip(x) {
                            *weight = oracle::trained(*weight, x, 100);
                        }
                    }
                }
            });
        });
        for kernels in Kernels::available() {
            group.bench_function(kernels.instruction_set().name(), |b| {
                b.iter(|| {
                    let x = black_box(&x);
                    black_box(kernels.mix(&weights, ROWS, x));
                    if training {
                        kernels.train(&mut weights, ROWS, x, [100, -100, 7]);
                    }
                });
            });
        }
        group.finish();
    }
}

/// Frequencies from logits and look-ups in them, in symbols.
fn symbols(criterion: &mut Criterion) {
    const TOTAL: u32 = (1 << 30) - 2048;
    let mut random = Random(6);
    let logits = random.sums(VOCAB_SIZE);
    let softmax = Softmax::new(LOGIT_COEFFICIENT, &EXP2, TOTAL);
    let mut frequencies = vec![0; VOCAB_SIZE];
    let mut group_of_frequencies = group(criterion, "frequencies");
    group_of_frequencies.throughput(Throughput::Elements(VOCAB_SIZE as u64));
    group_of_frequencies.bench_function(ORACLE, |b| {
        b.iter(|| {
            oracle::frequencies(
                black_box(&logits),
                LOGIT_COEFFICIENT,
                &EXP2,
                TOTAL,
                &mut frequencies,
            );
            black_box(&frequencies);
        });
    });
    for kernels in Kernels::available() {
        group_of_frequencies.bench_function(kernels.instruction_set().name(), |b| {
            b.iter(|| {
                kernels.frequencies(&softmax, black_box(&logits), &mut frequencies);
                black_box(&frequencies);
            });
        });
    }
    group_of_frequencies.finish();

    // All symbols are alike, so the one looked for is in the middle.
    let frequencies = vec![TOTAL / VOCAB_SIZE as u32; VOCAB_SIZE];
    let mut find = group(criterion, "find");
    find.throughput(Throughput::Elements(VOCAB_SIZE as u64));
    find.bench_function(ORACLE, |b| {
        b.iter(|| {
            let target = black_box(TOTAL / 2);
            let mut high = 0;
            frequencies.iter().position(|&frequency| {
                high += frequency;
                high > target
            })
        });
    });
    for kernels in Kernels::available() {
        find.bench_function(kernels.instruction_set().name(), |b| {
            b.iter(|| kernels.find(black_box(&frequencies), black_box(TOTAL / 2)));
        });
    }
    find.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = matmul, norms, rotate, reglu, attention, window_attention, mixing, symbols
}
criterion_main!(benches);
