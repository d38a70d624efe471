//! The forward pass on every instruction set, in batches of all kinds, against the plainest form.

use std::collections::BTreeMap;

use czip_model::v2::reference::Reference;
use czip_model::v2::{self, MAX_BATCH, Matrix, Weights};
use czip_model::{AnyTransformer, Kernels, Row};

use super::random::{Random, config};

/// The logits and frequencies after each token.
struct Expected {
    logits: Vec<Vec<i32>>,
    frequencies: Vec<Vec<u32>>,
}

impl Expected {
    fn new(weights: &Weights, tokens: &[u32]) -> Self {
        let mut reference = Reference::new(weights);
        let (mut logits, mut frequencies) = (Vec::new(), Vec::new());
        for &token in tokens {
            let step = reference.step(token);
            logits.push(step.iter().map(|&logit| i32::try_from(logit).unwrap()).collect());
            frequencies.push(reference.frequencies());
        }
        Self { logits, frequencies }
    }

    fn check(&self, transformer: &AnyTransformer, logits: &[i32], row: Row) {
        let place = format!("{:?}, {row:?}", transformer.kernels().instruction_set());
        assert_eq!(logits, self.logits[row.position], "{place}");
        let mut frequencies = vec![0; logits.len()];
        let total = transformer.frequencies(logits, &mut frequencies);
        assert_eq!(frequencies, self.frequencies[row.position], "{place}");
        assert_eq!(
            u64::from(total),
            frequencies.iter().map(|&f| u64::from(f)).sum::<u64>()
        );
        assert!(total <= 1 << 30 && !frequencies.contains(&0), "{place}");
    }
}

fn row(sequence: usize, position: usize, tokens: &[u32]) -> Row {
    Row {
        sequence,
        position,
        token: tokens[position],
    }
}

/// One sequence in batches of each size.
fn check(sizes: [usize; 8], count: usize, batches: &[usize]) {
    let mut random = Random(
        sizes
            .iter()
            .fold(count as u64, |seed, &size| seed * 31 + size as u64),
    );
    let weights = random.weights(&config(sizes));
    let tokens = random.tokens(&weights.config, count);
    check_weights(&weights, &tokens, batches);
}

fn check_weights(weights: &Weights, tokens: &[u32], batches: &[usize]) {
    let count = tokens.len();
    let expected = Expected::new(weights, tokens);
    for kernels in Kernels::available() {
        let transformer = AnyTransformer::from(v2::Transformer::new(kernels, weights));
        // The same cache again and again: a sequence begins where its position is 0.
        let mut caches = [transformer.cache(0)];
        for &batch in batches {
            let mut scratch = transformer.scratch(batch);
            let mut first = 0;
            while first < count {
                // The batch grows to its size, so blocks of positions begin at all places.
                let end = count.min(first + batch.min(first + 1));
                let rows: Vec<Row> = (first..end).map(|position| row(0, position, tokens)).collect();
                transformer.forward(&rows, &mut caches, &mut scratch);
                for (index, &row) in rows.iter().enumerate() {
                    expected.check(&transformer, scratch.logits(index), row);
                }
                first = end;
            }
        }
    }
}

#[test]
fn one_layer() {
    check([70, 1, 68, 3, 100, 16, 0, 0], 90, &[1, 3, 64]);
    check([64, 1, 64, 1, 64, 33, 64, 64], 90, &[5, 16]);
}

#[test]
fn layers_and_bigrams() {
    check([67, 2, 68, 3, 101, 33, 32, 20], 120, &[1, 50]);
    check([33, 3, 36, 2, 7, 5, 2, 36], 80, &[2, 64]);
}

#[test]
fn the_smallest_sizes() {
    check([2, 1, 4, 1, 4, 1, 2, 2], 40, &[1, 7]);
}

/// Positions come round after 2048, and a cache forgets what no window reaches. The shorter the window is, the sooner:
/// some forget 16 positions at a time.
#[test]
fn sequences_longer_than_a_turn() {
    for window in [1, 5, 16, 33] {
        check([40, 1, 20, 2, 12, window, 8, 20], 2200, &[1, 63, MAX_BATCH]);
    }
}

/// Caches that are full at the last row of the largest batch still hold the window of its first row.
#[test]
fn full_caches_keep_a_batch_and_a_window() {
    // Every multiple of 16 and the one before: what is kept is rounded up to one.
    for window in [15, 16, 31, 47] {
        let mut random = Random(window as u64);
        let weights = random.weights(&config([40, 1, 20, 1, 12, window, 8, 20]));
        let tokens = random.tokens(&weights.config, 1 + 3 * MAX_BATCH);
        let expected = Expected::new(&weights, &tokens);
        let transformer = AnyTransformer::from(v2::Transformer::new(Kernels::detect(), &weights));
        let (mut caches, mut scratch) = ([transformer.cache(0)], transformer.scratch(MAX_BATCH));
        let rows: Vec<Row> = (0..tokens.len())
            .map(|position| row(0, position, &tokens))
            .collect();
        // From 16 positions on, one of each 16 batches begins where the last row makes the cache move.
        for first in 1..=16 {
            for rows in [&rows[..first]]
                .into_iter()
                .chain(rows[first..].chunks(MAX_BATCH))
            {
                transformer.forward(rows, &mut caches, &mut scratch);
                for (index, &row) in rows.iter().enumerate() {
                    expected.check(&transformer, scratch.logits(index), row);
                }
            }
        }
    }
}

/// Texts one after another in one sequence know nothing of each other. Without rotation, positions make no difference.
#[test]
fn texts_in_one_sequence() {
    let mut random = Random(11);
    let config = config([40, 2, 20, 2, 12, 16, 8, 20]);
    let mut weights = random.weights(&config);
    weights.frequencies = [0; 32];
    let texts = [1, 5, 40, 1, 3, 300].map(|count| random.tokens(&config, count));
    let expected: Vec<Expected> = texts.iter().map(|text| Expected::new(&weights, text)).collect();
    let mut rows = Vec::new();
    let mut places = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let start = rows.len();
        for (offset, &token) in text.iter().enumerate() {
            places.push((number, offset));
            rows.push(v2::Row {
                sequence: 0,
                position: start + offset,
                start,
                token,
            });
        }
    }
    for kernels in Kernels::available() {
        let net = v2::Transformer::new(kernels, &weights);
        for batch in [1, 3, 64, MAX_BATCH] {
            let (mut caches, mut scratch) = ([net.cache()], net.scratch(batch));
            for (rows, places) in rows.chunks(batch).zip(places.chunks(batch)) {
                net.forward(rows, &mut caches, &mut scratch);
                for (row, &(number, offset)) in places.iter().enumerate() {
                    assert_eq!(
                        scratch.logits(row),
                        expected[number].logits[offset],
                        "{}, batches of {batch}, token {offset} of text {number}",
                        kernels.instruction_set()
                    );
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "start: 1")]
fn texts_begin_before_they_go_on() {
    let config = config([2, 1, 4, 1, 4, 1, 0, 0]);
    let net = v2::Transformer::new(Kernels::detect(), &Random(1).weights(&config));
    let row = v2::Row {
        sequence: 0,
        position: 0,
        start: 1,
        token: 0,
    };
    net.forward(&[row], &mut [net.cache()], &mut net.scratch(1));
}

#[test]
fn the_longest_window() {
    check([20, 1, 8, 1, 8, 1024, 0, 0], 2600, &[64, MAX_BATCH]);
}

/// Sequences of their own lengths side by side, some of them with several rows in a batch.
#[test]
fn several_sequences_in_a_batch() {
    let mut random = Random(5);
    let config = config([50, 2, 68, 2, 50, 16, 16, 34]);
    let weights = random.weights(&config);
    let texts: Vec<Vec<u32>> = [400, 300, 37, 1]
        .map(|count| random.tokens(&config, count))
        .into();
    let expected: Vec<Expected> = texts.iter().map(|text| Expected::new(&weights, text)).collect();
    for kernels in Kernels::available() {
        let transformer = AnyTransformer::from(v2::Transformer::new(kernels, &weights));
        let mut caches: Vec<_> = texts.iter().map(|_| transformer.cache(1)).collect();
        let mut scratch = transformer.scratch(MAX_BATCH);
        let mut taken = vec![0; texts.len()];
        while taken.iter().zip(&texts).any(|(&taken, text)| taken < text.len()) {
            let mut rows = Vec::new();
            // Rows of different sequences in turn, so those of one are not neighbours.
            for _ in 0..random.within(1, 40) {
                for (sequence, text) in texts.iter().enumerate() {
                    if taken[sequence] < text.len() && random.next().is_multiple_of(2) {
                        rows.push(row(sequence, taken[sequence], text));
                        taken[sequence] += 1;
                    }
                }
            }
            transformer.forward(&rows, &mut caches, &mut scratch);
            for (index, &row) in rows.iter().enumerate() {
                expected[row.sequence].check(&transformer, scratch.logits(index), row);
            }
        }
    }
}

/// Guesses that turn out wrong leave nothing behind, wherever a cache forgets positions.
#[test]
fn guesses() {
    // Where 16 positions are forgotten at a time, and where many are.
    for window in [1, 16, 33] {
        let mut random = Random(9);
        let config = config([40, 2, 20, 2, 12, window, 8, 20]);
        let weights = random.weights(&config);
        let tokens = random.tokens(&config, 3 * MAX_BATCH);
        let expected = Expected::new(&weights, &tokens);
        for kernels in Kernels::available() {
            let transformer = AnyTransformer::from(v2::Transformer::new(kernels, &weights));
            let (mut caches, mut scratch) = ([transformer.cache(0)], transformer.scratch(MAX_BATCH));
            let mut known = 0;
            while known < tokens.len() {
                // As many as there may be, or few; the first is known, some that follow are right, all others wrong.
                let count = if random.next().is_multiple_of(4) {
                    MAX_BATCH
                } else {
                    random.within(1, 8) as usize
                };
                let right = (1 + random.within(0, 3) as usize).min(count);
                let rows: Vec<Row> = (0..count)
                    .map(|index| {
                        let position = known + index;
                        let token = tokens.get(position).copied().unwrap_or(0);
                        Row {
                            sequence: 0,
                            position,
                            token: if index < right { token } else { (token + 1) % 40 },
                        }
                    })
                    .collect();
                transformer.forward(&rows, &mut caches, &mut scratch);
                for (index, &row) in rows.iter().enumerate().take(right) {
                    if row.position < tokens.len() {
                        expected.check(&transformer, scratch.logits(index), row);
                    }
                }
                // A full batch may be taken once more as a whole.
                if count < MAX_BATCH || random.next().is_multiple_of(2) {
                    known += right;
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "position: 191, start: 0, token: 1 } goes too far back")]
fn too_far_back() {
    let config = config([2, 1, 4, 1, 4, 16, 0, 0]);
    let net = AnyTransformer::from(v2::Transformer::new(
        Kernels::detect(),
        &Random(1).weights(&config),
    ));
    let (mut caches, mut scratch) = ([net.cache(0)], net.scratch(1));
    let mut take = |position: usize| {
        let row = Row {
            sequence: 0,
            position,
            token: 1,
        };
        net.forward(&[row], &mut caches, &mut scratch);
    };
    // A cache has room for 288 positions and keeps 272: from 176 on.
    (0..449).for_each(&mut take);
    take(192);
    take(191);
}

/// Sums as large as they get, without a shift, and with the greatest.
#[test]
fn extreme_weights() {
    let mut random = Random(6);
    for (shift, weight) in [
        (0, None),
        (24, None),
        (0, Some(-128)),
        (0, Some(127)),
        (12, Some(127)),
    ] {
        let config = config([40, 2, 68, 2, 4096, 33, 8, 68]);
        let mut weights = random.weights(&config);
        let set = |matrix: &mut Matrix| {
            matrix.shifts.fill(shift);
            if let Some(weight) = weight {
                matrix.weights.fill(weight);
            }
        };
        for layer in &mut weights.layers {
            for matrix in [&mut layer.qkv, &mut layer.out, &mut layer.up, &mut layer.down] {
                set(matrix);
            }
            layer.gains.fill(u16::MAX);
        }
        set(&mut weights.head);
        weights.embedding.shifts.fill(8);
        weights.bigram.shifts.fill(8);
        check_weights(&weights, &random.tokens(&config, 40), &[40]);
    }
}

/// Every number between the matrices takes many values: a model whose numbers vanish would show nothing.
#[test]
fn random_models_are_lively() {
    let mut random = Random(8);
    let config = config([70, 2, 68, 3, 100, 16, 32, 68]);
    let weights = random.weights(&config);
    let mut reference = Reference::new(&weights);
    let mut values: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for token in random.tokens(&config, 40) {
        let (stages, logits) = reference.step_observed(token);
        let logits = ("logits".to_owned(), logits.to_vec());
        for (name, stage) in stages.into_iter().chain([logits]) {
            values.entry(name).or_default().extend(stage);
        }
    }
    assert_eq!(values.len(), 2 + 2 * 10 + 1);
    for (name, mut values) in values {
        let zeros = values.iter().filter(|&&value| value == 0).count();
        assert!(
            zeros * 10 < values.len() * 7,
            "{name}: {zeros} zeros of {}",
            values.len()
        );
        values.sort_unstable();
        values.dedup();
        assert!(values.len() > 50, "{name}: {} values", values.len());
    }
}

#[test]
#[should_panic(expected = "batches of 257 rows")]
fn batches_have_a_bound() {
    let config = config([2, 1, 4, 1, 4, 1, 0, 0]);
    let weights = Random(1).weights(&config);
    let _ = v2::Transformer::new(Kernels::detect(), &weights).scratch(MAX_BATCH + 1);
}
