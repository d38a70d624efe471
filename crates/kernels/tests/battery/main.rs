//! One battery for every instruction set of the machine: each loop equals its oracle.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use czip_fixed::tables::{EXP2, LOGIT_COEFFICIENT, rope_row};
use czip_kernels::{
    Attention, AttentionInput, HEAD_DIM, Interval, Kernels, PackedMatrix, Requantization, Softmax, Workspace,
    oracle,
};
use proptest::prelude::*;

mod factored;
mod mixing;
mod sliding;

/// A small generator, so every run tests the same numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|_| self.next() as i8).collect()
    }

    /// Activations are never -128.
    fn activations(&mut self, len: usize) -> Vec<i8> {
        self.bytes(len).iter().map(|&x| x.max(-127)).collect()
    }

    fn vector(&mut self) -> [i8; HEAD_DIM] {
        self.activations(HEAD_DIM).try_into().unwrap()
    }
}

/// The one or the other: an interpreter, which looks for undefined behaviour, takes some hundred times as long.
fn natively_or_in_miri<T>(natively: T, in_miri: T) -> T {
    if cfg!(miri) { in_miri } else { natively }
}

fn for_each_instruction_set(mut test: impl FnMut(Kernels)) {
    for kernels in Kernels::available() {
        test(kernels);
    }
}

/// Rows of `cols` elements, padded with rubbish to the stride that kernels expect.
fn padded(rows: &[i8], cols: usize, stride: usize) -> Vec<i8> {
    let pad = |row: &[i8]| {
        row.iter()
            .copied()
            .chain(std::iter::repeat(-77))
            .take(stride)
            .collect::<Vec<_>>()
    };
    rows.chunks_exact(cols).flat_map(pad).collect()
}

fn check_matmul(kernels: Kernels, weights: &[i8], rows: usize, cols: usize, x: &[i8]) {
    let batch = x.len() / cols;
    let mut expected = vec![0; batch * rows];
    for (x, out) in x.chunks_exact(cols).zip(expected.chunks_exact_mut(rows)) {
        oracle::matvec(weights, x, out);
    }
    let matrix = kernels.pack(weights, rows, cols);
    assert_eq!((matrix.rows(), matrix.cols()), (rows, cols));
    let x = padded(x, cols, matrix.stride());
    let mut out = vec![i32::MIN; batch * rows];
    let mut workspace = Workspace::default();
    kernels.matmul(&matrix, &x, &mut workspace, &mut out);
    assert_eq!(out, expected, "{} x {rows} x {cols}", batch);

    // From the first row, some in the middle, and up to the last.
    let middle = rows / 2 / PackedMatrix::ROW_GROUP * PackedMatrix::ROW_GROUP;
    for rows_of_part in [0..middle, middle..rows - rows / 5, middle..rows] {
        let mut part = vec![i32::MIN; batch * rows_of_part.len()];
        kernels.matmul_rows(&matrix, rows_of_part.clone(), &x, &mut workspace, &mut part);
        let expected: Vec<i32> = expected
            .chunks_exact(rows)
            .flat_map(|sums| &sums[rows_of_part.clone()])
            .copied()
            .collect();
        assert_eq!(part, expected, "{} x {rows_of_part:?} x {cols}", batch);
    }

    let requantization = Requantization::new(819, 20).unwrap();
    let mut requantized = vec![0; batch * rows];
    oracle::requantize_all(&expected, requantization, &mut requantized);
    let mut made = vec![55; batch * rows];
    kernels.matmul_requantized(&matrix, &x, requantization, &mut workspace, &mut made);
    assert_eq!(made, requantized, "{} x {rows} x {cols}", batch);
}

#[test]
fn products_of_all_pairs_of_bytes() {
    let step = natively_or_in_miri(1, 15);
    let all: Vec<i8> = (i8::MIN..=i8::MAX).step_by(step).collect();
    for_each_instruction_set(|kernels| check_matmul(kernels, &all, all.len(), 1, &all));
}

#[test]
fn products_of_all_small_shapes() {
    let mut random = Random(1);
    let (all_cols, all_rows) = natively_or_in_miri(
        (
            (1..=72).chain([127, 128, 129, 511, 512, 513, 1030]).collect(),
            vec![1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 80, 130],
        ),
        (vec![1, 2, 3, 4, 5, 17, 513], vec![1, 2, 17]),
    );
    for_each_instruction_set(|kernels| {
        for &cols in &all_cols {
            for &rows in &all_rows {
                let weights = random.bytes(rows * cols);
                let batch = 1 + random.below(natively_or_in_miri(14, 5));
                let x = random.bytes(batch * cols);
                check_matmul(kernels, &weights, rows, cols, &x);
            }
        }
    });
}

#[test]
fn products_of_every_batch_size() {
    let mut random = Random(2);
    for_each_instruction_set(|kernels| {
        let (rows, cols) = natively_or_in_miri((84, 96), (3, 8));
        let weights = random.bytes(rows * cols);
        for batch in 0..=natively_or_in_miri(70, 9) {
            check_matmul(kernels, &weights, rows, cols, &random.bytes(batch * cols));
        }
    });
}

fn multiply_rows(rows: std::ops::Range<usize>) {
    let kernels = Kernels::detect();
    let matrix = kernels.pack(&[1; 40 * 4], 40, 4);
    let mut out = vec![0; rows.len()];
    kernels.matmul_rows(&matrix, rows, &[1; 4], &mut Workspace::default(), &mut out);
}

#[test]
#[should_panic(expected = "rows 8..40 of a matrix of 40")]
fn rows_of_a_product_begin_a_group() {
    multiply_rows(8..40);
}

#[test]
#[should_panic(expected = "rows 32..41 of a matrix of 40")]
fn rows_of_a_product_are_there() {
    multiply_rows(32..41);
}

#[test]
fn products_at_every_alignment() {
    let mut random = Random(9);
    let (rows, cols, batch) = natively_or_in_miri((37, 68, 7), (3, 12, 5));
    let weights = random.bytes(rows * cols);
    let x = random.bytes(batch * cols);
    let mut expected = vec![0; batch * rows];
    for (x, out) in x.chunks_exact(cols).zip(expected.chunks_exact_mut(rows)) {
        oracle::matvec(&weights, x, out);
    }
    for_each_instruction_set(|kernels| {
        let matrix = kernels.pack(&weights, rows, cols);
        assert_eq!(matrix.stride(), cols);
        for offset in 0..64 {
            let mut shifted = vec![0; offset];
            shifted.extend(&x);
            let mut out = vec![i32::MIN; offset + batch * rows];
            kernels.matmul(
                &matrix,
                &shifted[offset..],
                &mut Workspace::default(),
                &mut out[offset..],
            );
            assert_eq!(out[offset..], expected, "offset {offset}");
        }
    });
}

#[test]
fn extreme_products_do_not_saturate() {
    for_each_instruction_set(|kernels| {
        for &cols in natively_or_in_miri(&[4, 63, 64, 1024, 4095, PackedMatrix::MAX_COLS][..], &[4, 63]) {
            for (weight, x) in [
                (-128, -128),
                (-128, 127),
                (127, -128),
                (127, 127),
                (-127, 127),
                (-128, 0),
            ] {
                check_matmul(kernels, &vec![weight; 17 * cols], 17, cols, &vec![x; 2 * cols]);
            }
            // Pairs of neighbours of the same sign, where 16-bit sums of products would overflow.
            let zigzag: Vec<i8> = (0..cols).map(|i| if i % 4 < 2 { -128 } else { 127 }).collect();
            check_matmul(kernels, &zigzag, 1, cols, &zigzag);
        }
    });
}

#[test]
fn requantisation_over_all_factors() {
    let mut random = Random(3);
    for_each_instruction_set(|kernels| {
        // A product with a unit matrix is its input, so scale by the weights to reach large accumulators.
        let cols = 64;
        let rows = natively_or_in_miri(48, 3);
        let weights: Vec<i8> = random.bytes(rows * cols);
        let matrix = kernels.pack(&weights, rows, cols);
        let x = random.bytes(4 * cols);
        let (mut workspace, mut out) = (Workspace::default(), vec![0; 4 * rows]);
        let step = natively_or_in_miri(1, 13);
        for shift in (-3..=62).step_by(step).chain([i8::MIN]) {
            for mult in [
                0,
                1,
                -1,
                2,
                819,
                -819,
                1 << 15,
                1 << 24,
                i32::MAX,
                i32::MIN,
                1 << 8,
                3,
            ] {
                let requantization = Requantization::new(mult, shift).unwrap();
                kernels.matmul_requantized(&matrix, &x, requantization, &mut workspace, &mut out);
                let mut sums = vec![0; 4 * rows];
                kernels.matmul(&matrix, &x, &mut workspace, &mut sums);
                let mut expected = vec![0; 4 * rows];
                oracle::requantize_all(&sums, requantization, &mut expected);
                assert_eq!(out, expected, "mult {mult} shift {shift}");
            }
        }
    });
    assert!(Requantization::new(1, 63).is_none());
}

#[test]
fn ties_of_requantisation_go_to_even() {
    for_each_instruction_set(|kernels| {
        let weights: Vec<i8> = (-100..100).collect();
        let matrix = kernels.pack(&weights, weights.len(), 1);
        let mut out = vec![0; weights.len()];
        let half = Requantization::new(1, 1).unwrap();
        kernels.matmul_requantized(&matrix, &[1, 0, 0, 0], half, &mut Workspace::default(), &mut out);
        let expected: Vec<i8> = weights
            .iter()
            .map(|&w| czip_fixed::rne_shr(w.into(), 1) as i8)
            .collect();
        assert_eq!(out, expected);
    });
}

#[test]
fn norms() {
    let mut random = Random(4);
    for_each_instruction_set(|kernels| {
        let step = natively_or_in_miri(1, 23);
        for len in (1..=70).chain([255, 256, 384, 512]).step_by(step) {
            let gain = random.bytes(len);
            let x = random.activations(len);
            let mut expected = vec![0; len];
            oracle::rms_norm(&x, &gain, &mut expected);
            let residual: Vec<i32> = x
                .iter()
                .map(|&x| i32::from(x) * if x.abs() == 127 { 900 } else { 1 })
                .collect();
            let mut out = vec![0; len];
            kernels.rms_norm(&residual, &gain, &mut out);
            assert_eq!(out, expected, "length {len}");
            let mut sum: Vec<i32> = (0..len as i32).map(|i| i * 1000 - 3).collect();
            let expected: Vec<i32> = sum
                .iter()
                .zip(&expected)
                .map(|(sum, &x)| sum + i32::from(x))
                .collect();
            kernels.add_rms_norm(&x, &gain, &mut sum);
            assert_eq!(sum, expected, "length {len}");
        }
        for value in [0, 1, -1, 127, -127] {
            for gain in [-128, -1, 0, 1, 127] {
                let mut expected = vec![0; 64];
                oracle::rms_norm(&[value; 64], &[gain; 64], &mut expected);
                let mut out = vec![0; 64];
                kernels.rms_norm(&[value.into(); 64], &[gain; 64], &mut out);
                assert_eq!(out, expected, "{value} {gain}");
            }
        }
    });
}

#[test]
fn rotations() {
    let mut random = Random(5);
    for_each_instruction_set(|kernels| {
        for position in (0..1024).step_by(natively_or_in_miri(1, 150)) {
            let (cos, sin) = rope_row(position).unwrap();
            let v = random.vector();
            let mut key = v;
            kernels.rotate_key(&mut key, &cos, &sin);
            assert_eq!(key, oracle::rotate_key(&v, &cos, &sin));
            let mut query = v;
            kernels.rotate_query(&mut query, &cos, &sin);
            assert_eq!(query, oracle::rotate_query(&v, &cos, &sin));
        }
        for (cos, sin) in [(i16::MIN, i16::MIN), (i16::MIN, i16::MAX), (i16::MAX, i16::MAX)] {
            for v in [[-128; HEAD_DIM], [127; HEAD_DIM], [-127; HEAD_DIM]] {
                let (mut key, mut query) = (v, v);
                kernels.rotate_key(&mut key, &[cos; 32], &[sin; 32]);
                assert_eq!(key, oracle::rotate_key(&v, &[cos; 32], &[sin; 32]));
                kernels.rotate_query(&mut query, &[cos; 32], &[sin; 32]);
                assert_eq!(query, oracle::rotate_query(&v, &[cos; 32], &[sin; 32]));
            }
        }
    });
}

#[test]
fn gated_units_of_all_pairs() {
    let step = natively_or_in_miri(1, 37);
    let gate: Vec<i8> = (0..=255u8)
        .step_by(step)
        .flat_map(|gate| [gate as i8; 256])
        .collect();
    let value: Vec<i8> = (0..=255u8)
        .map(|value| value as i8)
        .cycle()
        .take(gate.len())
        .collect();
    let mut expected = vec![0; gate.len()];
    oracle::reglu(&gate, &value, &mut expected);
    for_each_instruction_set(|kernels| {
        let mut out = vec![1; gate.len()];
        kernels.reglu(&gate, &value, &mut out);
        assert!(out == expected);
        for len in (0..70).step_by(step) {
            kernels.reglu(&gate[700..][..len], &value[700..][..len], &mut out[..len]);
            assert_eq!(out[..len], expected[700..][..len]);
        }
    });
}

fn check_attention(
    kernels: Kernels,
    attention: &Attention,
    heads: usize,
    queries: &[i8],
    keys: &[[i8; HEAD_DIM]],
    values: &[[i8; HEAD_DIM]],
    lengths: impl IntoIterator<Item = usize>,
) {
    let mut cache = kernels.key_value_cache(keys.len());
    for (position, (key, value)) in keys.iter().zip(values).enumerate() {
        kernels.store(&mut cache, position, key, value);
    }
    let mut workspace = Workspace::default();
    for length in lengths {
        let mut out = vec![99; heads * HEAD_DIM];
        let input = AttentionInput {
            attention,
            cache: &cache,
            length,
            queries,
        };
        kernels.attend(input, &mut workspace, &mut out);
        for head in 0..heads {
            let query: &[i8; HEAD_DIM] = queries[head * HEAD_DIM..][..HEAD_DIM].try_into().unwrap();
            let expected = oracle::attend(attention, head, query, &keys[..length], &values[..length]);
            assert_eq!(
                out[head * HEAD_DIM..][..HEAD_DIM],
                expected,
                "head {head}, length {length}"
            );
        }
    }
}

#[test]
fn attention_over_random_keys() {
    let mut random = Random(6);
    for_each_instruction_set(|kernels| {
        let heads = [
            (1, false),
            (2, true),
            (4, false),
            (6, true),
            (8, false),
            (8, true),
        ];
        for (heads, sink) in heads.into_iter().take(natively_or_in_miri(6, 2)) {
            // Weak, usual and extreme score factors; negative ones turn the order around.
            let mults = [0, 20_000, 1 << 27, 1, 300, 100_000, -40_000, -(1 << 27)];
            for mult in mults.into_iter().take(natively_or_in_miri(8, 3)) {
                let score_mult = (0..heads).map(|head| mult / (head + 1)).collect();
                let powers = if sink { other_powers() } else { EXP2 };
                let attention = Attention::new(score_mult, sink.then(|| random.vector()), &powers).unwrap();
                let heads = heads as usize;
                let count = natively_or_in_miri(150, 33);
                let keys: Vec<_> = (0..count).map(|_| random.vector()).collect();
                let values: Vec<_> = (0..count).map(|_| random.vector()).collect();
                let queries = random.activations(heads * HEAD_DIM);
                let lengths = (1..=20).chain([31, 32, 33, 63, 64, 65, 127, 128, 129, 150]);
                let lengths = lengths.filter(|&length| length <= count);
                let lengths = lengths.step_by(natively_or_in_miri(1, 11));
                check_attention(kernels, &attention, heads, &queries, &keys, &values, lengths);
            }
        }
    });
}

#[test]
fn attention_whose_maximum_keeps_rising() {
    let mut random = Random(7);
    for_each_instruction_set(|kernels| {
        let query = [100; HEAD_DIM];
        for step in [1, 3, 17] {
            // Each key scores a little more than the one before, so every step rescales.
            let key = |t: usize| std::array::from_fn(|i| ((t * step + i) / HEAD_DIM) as i8 - 60);
            let count = natively_or_in_miri(300, 33);
            let keys: Vec<[i8; HEAD_DIM]> = (0..count).map(key).collect();
            let values: Vec<_> = (0..count).map(|_| random.vector()).collect();
            let attention = Attention::new(vec![3000], None, &EXP2).unwrap();
            check_attention(
                kernels,
                &attention,
                1,
                &query,
                &keys,
                &values,
                [1, 2, 5, 33, 100, 299, 300]
                    .into_iter()
                    .take(natively_or_in_miri(7, 4)),
            );
        }
    });
}

#[test]
fn attention_whose_accumulators_wrap() {
    for_each_instruction_set(|kernels| {
        let length = natively_or_in_miri(3000, 300);
        let keys = vec![[1; HEAD_DIM]; length];
        // Equal scores give every key the weight 65535; 127 * 65535 * 300 exceeds 32 bits.
        let values: Vec<[i8; HEAD_DIM]> =
            vec![std::array::from_fn(|i| if i % 2 == 0 { 127 } else { -127 }); length];
        let attention = Attention::new(vec![32768], Some([0; HEAD_DIM]), &EXP2).unwrap();
        check_attention(
            kernels,
            &attention,
            1,
            &[7; HEAD_DIM],
            &keys,
            &values,
            natively_or_in_miri(&[200, 257, 258, 259, 1000, 3000][..], &[300])
                .iter()
                .copied(),
        );
    });
}

fn attend_to(length: usize) {
    let kernels = Kernels::detect();
    let attention = Attention::new(vec![1], None, &EXP2).unwrap();
    let input = AttentionInput {
        attention: &attention,
        cache: &kernels.key_value_cache(16),
        length,
        queries: &[1; HEAD_DIM],
    };
    kernels.attend(input, &mut Workspace::default(), &mut [0; HEAD_DIM]);
}

#[test]
#[should_panic(expected = "attention over 0..0 of 16 positions")]
fn attention_needs_a_position() {
    attend_to(0);
}

#[test]
#[should_panic(expected = "attention over 0..17 of 16 positions")]
fn attention_needs_positions_that_are_there() {
    attend_to(17);
}

/// A table whose first entry is not that of the maximum.
fn other_powers() -> [u16; 256] {
    let mut powers = EXP2;
    powers[0] = 40_000;
    powers
}

fn check_frequencies(kernels: Kernels, coefficient: u32, total: u32, logits: &[i32]) {
    check_frequencies_with(&EXP2, kernels, coefficient, total, logits);
}

fn check_frequencies_with(exp2: &[u16; 256], kernels: Kernels, coefficient: u32, total: u32, logits: &[i32]) {
    let softmax = Softmax::new(coefficient, exp2, total);
    let mut expected = vec![0; logits.len()];
    oracle::frequencies(logits, coefficient, exp2, total, &mut expected);
    let mut out = vec![0; logits.len()];
    kernels.frequencies(&softmax, logits, &mut out);
    assert_eq!(out, expected);
    assert_eq!(out.iter().sum::<u32>(), total);
    let mut low = 0;
    for (symbol, &frequency) in out.iter().enumerate() {
        let interval = Interval {
            symbol,
            low,
            high: low + frequency,
        };
        if symbol % 7 == 0 || frequency > total / 50 || logits.len() < 100 {
            assert_eq!(kernels.interval(&out, symbol), interval);
            assert_eq!(kernels.find(&out, low), interval);
            assert_eq!(kernels.find(&out, interval.high - 1), interval);
        }
        low = interval.high;
    }
    assert_eq!(kernels.find(&out, total).symbol, logits.len() - 1);
}

#[test]
fn frequencies_of_random_logits() {
    let mut random = Random(8);
    for_each_instruction_set(|kernels| {
        let lens = [2, 17, 65, 3, 15, 16, 31, 32, 33, 63, 64, 1000, 1024, 1025, 4096];
        for len in lens.into_iter().take(natively_or_in_miri(15, 3)) {
            for spread in [1, 1000, 100_000, 2_000_000, i32::MAX as usize] {
                let logits: Vec<i32> = (0..len)
                    .map(|_| random.below(spread) as i32 - (spread / 2) as i32)
                    .collect();
                for total in [
                    (1 << 30) - len as u32 - 1024,
                    1 << 30,
                    len as u32 + 1,
                    65536 + len as u32,
                ] {
                    check_frequencies(kernels, LOGIT_COEFFICIENT, total, &logits);
                }
            }
        }
        for coefficient in [
            0,
            1,
            1 << 22,
            (1 << 24) - 1,
            1 << 24,
            (1 << 24) + 12_345,
            u32::MAX,
        ] {
            let far = [i32::MIN, i32::MAX, 0, -1, 1, 5, 9];
            // More than a vector of them, within the octaves that count.
            let close: Vec<i32> = (0..70).map(|i| i * 37 % 700 - 300).collect();
            for logits in [&far[..], &close] {
                check_frequencies(kernels, coefficient, 1 << 30, logits);
                check_frequencies_with(&other_powers(), kernels, coefficient, 1 << 30, logits);
            }
        }
        check_frequencies(
            kernels,
            LOGIT_COEFFICIENT,
            1 << 30,
            &vec![5; natively_or_in_miri(1024, 64)],
        );
        check_frequencies(kernels, LOGIT_COEFFICIENT, 1 << 30, &[i32::MIN; 64]);
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: natively_or_in_miri(256, 4),
        // There are no files in Miri.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn frequencies_of_close_logits(logits in prop::collection::vec(-3_000_000i32..3_000_000, 2..200), total in 300u32..=1 << 30) {
        for kernels in Kernels::available() {
            check_frequencies(kernels, LOGIT_COEFFICIENT, total, &logits);
        }
    }
}
