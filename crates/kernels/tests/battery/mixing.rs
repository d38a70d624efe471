//! The loops of the mixer.

use czip_kernels::{Kernels, WeightRow, oracle};

use crate::{Random, natively_or_in_miri};

impl Random {
    /// Any number, an extreme one, or a small one.
    fn number(&mut self) -> i16 {
        match self.below(4) {
            0 => EXTREMES[self.below(EXTREMES.len())],
            1 => self.below(7) as i16 - 3,
            _ => self.next() as i16,
        }
    }

    fn row<const N: usize>(&mut self) -> [i16; N] {
        std::array::from_fn(|_| self.number())
    }
}

const EXTREMES: [i16; 6] = [i16::MIN, i16::MIN + 1, -1, 1, i16::MAX - 1, i16::MAX];

/// Both loops on these rows, which may be the same.
fn check<const N: usize, const ROWS: usize>(
    weights: &[WeightRow<N>],
    rows: [usize; ROWS],
    x: &[i16; N],
    steps: [i16; ROWS],
) {
    let sums = rows.map(|row| oracle::mix(&weights[row].0, x));
    let mut moved = weights.to_vec();
    for (row, step) in rows.into_iter().zip(steps) {
        for (weight, &x) in moved[row].0.iter_mut().zip(x) {
            *weight = oracle::trained(*weight, x, step);
        }
    }
    for kernels in Kernels::available() {
        assert_eq!(
            kernels.mix(weights, rows, x),
            sums,
            "{kernels:?}, {N} inputs, rows {rows:?}"
        );
        let mut trained = weights.to_vec();
        kernels.train(&mut trained, rows, x, steps);
        assert!(
            trained == moved,
            "{kernels:?}, {N} inputs, rows {rows:?}, steps {steps:?}"
        );
    }
}

fn random_values<const N: usize>() {
    let mut random = Random(N as u64);
    let mut weights: Vec<WeightRow<N>> = (0..9).map(|_| WeightRow(random.row())).collect();
    for round in 0..natively_or_in_miri(1_000, 5) {
        let x = random.row();
        // About one round in three has a row twice.
        let rows: [usize; 4] = std::array::from_fn(|_| random.below(9));
        let steps: [i16; 4] = std::array::from_fn(|_| random.number());
        check(&weights, rows, &x, steps);
        check(&weights, [rows[0]], &x, [steps[0]]);
        check(
            &weights,
            [rows[1], rows[1], rows[2]],
            &x,
            [steps[1], steps[2], steps[3]],
        );
        check(&weights, [], &x, []);
        weights[round % 9] = WeightRow(random.row());
    }
}

#[test]
fn random_rows() {
    random_values::<16>();
    random_values::<32>();
    random_values::<48>();
}

fn extreme_values<const N: usize>() {
    for weight in EXTREMES.into_iter().step_by(natively_or_in_miri(1, 3)) {
        for x in EXTREMES {
            for step in EXTREMES {
                let weights = [WeightRow([weight; N]), WeightRow([-1; N])];
                check(&weights, [0, 1, 0, 0], &[x; N], [step, step, 1, -1]);
            }
        }
    }
}

#[test]
fn extreme_rows() {
    extreme_values::<16>();
    extreme_values::<32>();
    extreme_values::<48>();
}

#[test]
fn sums_wrap() {
    for kernels in Kernels::available() {
        // 16 * 2^30 = 2^34, and 2 * 2^30 = 2^31.
        assert_eq!(
            kernels.mix(&[WeightRow([i16::MIN; 16])], [0], &[i16::MIN; 16]),
            [0]
        );
        let mut x = [0; 48];
        x[5] = i16::MIN;
        x[40] = i16::MIN;
        assert_eq!(kernels.mix(&[WeightRow([i16::MIN; 48])], [0], &x), [i32::MIN]);
        // One pair less one unit does not wrap, and with one unit more it does.
        x[40] = i16::MIN + 1;
        let sum = (1 << 30) + (1 << 15) * ((1 << 15) - 1);
        assert_eq!(kernels.mix(&[WeightRow([i16::MIN; 48])], [0], &x), [sum]);
        x[41] = -1;
        assert_eq!(kernels.mix(&[WeightRow([i16::MIN; 48])], [0], &x), [i32::MIN]);
    }
}

#[test]
fn weights_move_and_stop() {
    // Rounding is to the nearest, ties upwards; the term and the weight stop at the ends of 16 bits.
    let cases = [
        // weight, x, step, weight after it
        (10, 128, 127, 10),
        (10, 128, 128, 11),
        (10, -128, 128, 10),
        (10, -128, 129, 9),
        (0, i16::MAX, i16::MAX, 32_766),
        (0, i16::MIN, i16::MIN, i16::MAX),
        (-1, i16::MIN, i16::MIN, 32_766),
        (0, i16::MIN, i16::MAX, -32_767),
        (32_000, 1_000, i16::MAX, i16::MAX),
        (-32_000, 1_000, i16::MIN, i16::MIN),
    ];
    for kernels in Kernels::available() {
        for (weight, x, step, after) in cases {
            let mut weights = [WeightRow([weight; 32]), WeightRow([7; 32])];
            kernels.train(&mut weights, [0], &[x; 32], [step]);
            assert_eq!(
                weights,
                [WeightRow([after; 32]), WeightRow([7; 32])],
                "{kernels:?}"
            );
        }
        // Twice the same row: first up to the end, then down from there.
        let mut weights = [WeightRow([32_000; 16])];
        kernels.train(&mut weights, [0, 0], &[16_384; 16], [2_000, -2_000]);
        assert_eq!(weights, [WeightRow([31_767; 16])], "{kernels:?}");
    }
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn a_row_that_there_is_not() {
    let _ = Kernels::detect().mix(&[WeightRow([0; 16])], [1], &[0; 16]);
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn a_row_that_there_is_not_to_train() {
    Kernels::detect().train(&mut [WeightRow([0; 16])], [1], &[0; 16], [0]);
}
