//! The factors of norms against their definition in big numbers, at all sizes that models have and at the extremes.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use czip_fixed::{RmsScale, round_shr, tables::TURN, tables::sine};

/// The largest r with r * r <= x, by bisection.
fn root(x: u128) -> u128 {
    let (mut low, mut high) = (0, 1 << 60);
    while high - low > 1 {
        let middle: u128 = low + (high - low) / 2;
        if middle * middle <= x {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Factor and shift from `docs/spec/fixed-point.md`, section 3.5.
fn definition(len: u32, scale: u32, sum: u64) -> (u128, i32) {
    let square = u128::from(scale).pow(2) * u128::from(len);
    let e = (0..15).find(|e| square << (2 * e) >= 1 << 28).unwrap();
    // The one k for which floor(sum * 4^k) has 31 or 32 bits.
    let times = |k: i32| {
        let sum = u128::from(sum.max(1));
        if k >= 0 { sum << (2 * k) } else { sum >> (-2 * k) }
    };
    let k = (-20..16)
        .find(|&k| (1 << 30..1 << 32).contains(&times(k)))
        .unwrap();
    let reciprocal = (1u128 << 31) / root(times(k));
    ((reciprocal * root(square << (2 * e))) >> 16, 15 + e - k)
}

fn sizes() -> impl Iterator<Item = (u32, u32)> {
    let lengths = [
        1, 2, 3, 4, 5, 7, 64, 68, 192, 384, 1000, 1024, 4096, 16384, 65535, 65536,
    ];
    let scales = [1, 2, 3, 8, 16, 17, 60];
    let all = lengths
        .into_iter()
        .flat_map(move |len| scales.map(|scale| (len, scale)));
    let all = all.filter(|(len, scale)| len * scale * scale < 1 << 28);
    all.step_by(if cfg!(miri) { 51 } else { 1 }) // Miri takes some hundred times as long
}

/// Sums around all powers of two that as many 16-bit numbers can have.
fn sums(len: u32) -> Vec<u64> {
    let most = u64::from(len) << 30;
    let powers = (0..=46).flat_map(|bits| [-3, -1, 0, 1, 5].map(|near| (1i64 << bits) + near));
    let mut sums: Vec<u64> = powers.filter_map(|sum| u64::try_from(sum).ok()).collect();
    sums.extend([1_000_003, 0x1234_5678, 0x3fff_0001_0000].map(|sum| sum % most));
    sums.push(most);
    sums.retain(|&sum| sum <= most);
    sums
}

#[test]
fn factors_are_those_of_the_definition() {
    let (mut smallest, mut largest) = (u32::MAX, 0);
    for (len, scale) in sizes() {
        let norm = RmsScale::new(len, scale);
        for sum in sums(len) {
            let found = norm.factor(sum);
            let (factor, shift) = definition(len, scale, sum);
            let place = format!("{sum} of {len} at {scale}");
            assert_eq!(u128::from(found.factor.unsigned_abs()), factor, "{place}");
            assert_eq!(found.shift as i32, shift, "{place}");
            assert!(
                (1 << 13..1 << 15).contains(&found.factor),
                "{place}: {}",
                found.factor
            );
            assert!((1..=29).contains(&found.shift), "{place}: {}", found.shift);
            (smallest, largest) = (smallest.min(found.shift), largest.max(found.shift));
        }
    }
    if !cfg!(miri) {
        assert_eq!([smallest, largest], [1, 29]);
    }
}

/// The factor is within 2^-12 of scale * sqrt(len / sum): its square, times the sum, within 2^-11 of scale^2 * len.
#[test]
fn factors_are_nearly_the_true_ones() {
    for (len, scale) in sizes() {
        for sum in sums(len).into_iter().filter(|&sum| sum > 0) {
            let found = RmsScale::new(len, scale).factor(sum);
            let square = u128::from(found.factor.unsigned_abs()).pow(2) * u128::from(sum);
            let wanted = (u128::from(scale).pow(2) * u128::from(len)) << (2 * found.shift);
            assert!(
                square.abs_diff(wanted) << 11 < wanted,
                "{sum} of {len} at {scale}"
            );
        }
    }
}

/// What keeps scores within 32 bits: no query or key is longer than 133, whatever it was made from.
#[test]
fn normed_heads_have_a_bounded_length() {
    let norm = RmsScale::new(64, 16);
    let mut longest = 0;
    let step = if cfg!(miri) { 7001 } else { 7 };
    for value in (1..=32767).step_by(step).chain([32767]) {
        for count in [1, 2, 7, 33, 63, 64] {
            for rest in [0, 1, -(value >> 3)] {
                let x: Vec<i16> = (0..64)
                    .map(|i| if i < count { -(value as i16) } else { rest as i16 })
                    .collect();
                let sum: u64 = x.iter().map(|&x| i64::from(x).pow(2) as u64).sum();
                let factor = norm.factor(sum);
                let square: i32 = x.iter().map(|&x| i32::from(factor.apply(x)).pow(2)).sum();
                longest = longest.max(square);
            }
        }
    }
    assert!(longest < 133 * 133, "{longest}");
    assert!(133 * 133 * i64::from(u16::MAX) < 1 << 31);
}

#[test]
fn norms_of_extremes() {
    let norm = RmsScale::new(64, 16);
    // A single number is sqrt(64) * 16 = 128, which does not fit.
    assert_eq!(norm.factor(1 << 30).apply(i16::MIN), -127);
    assert_eq!(norm.factor(0).apply(0), 0);
    assert_eq!(norm.factor(1).apply(1), 127);
    // All alike are 16.
    for value in [i16::MIN, -1000, -1, 1, 3, 1000, i16::MAX] {
        let factor = norm.factor(64 * i64::from(value).pow(2) as u64);
        assert_eq!(factor.apply(value).abs(), 16, "{value}");
    }
}

#[test]
#[should_panic(expected = "scale of a norm")]
fn scales_have_a_bound() {
    let _ = RmsScale::new(1 << 14, 1 << 7);
}

#[test]
#[should_panic(expected = "scale of a norm")]
fn scales_whose_square_is_no_number_are_refused() {
    let _ = RmsScale::new(1, 1 << 16);
}

#[test]
fn rounding_goes_up_from_ties() {
    assert_eq!(
        [5, 7, -5, -7, 4, -4].map(|x| round_shr(x, 1)),
        [3, 4, -2, -3, 2, -2]
    );
    assert_eq!([10, 11, 13, -10, -13].map(|x| round_shr(x, 2)), [3, 3, 3, -2, -3]);
    assert_eq!(
        [i32::MIN, -1, 0, i32::MAX].map(|x| round_shr(x, 0)),
        [i32::MIN, -1, 0, i32::MAX]
    );
    assert_eq!(
        [1 << 29, (1 << 29) - 1, -(1 << 29), i32::MIN].map(|x| round_shr(x, 30)),
        [1, 0, 0, -2]
    );
}

// The worked examples of docs/spec/fixed-point.md, sections 1, 2.4 and 3.5.

#[test]
fn examples_of_sines() {
    assert_eq!(
        [0, 1, 256, 341, 512, 1024, 1536, 2047].map(sine),
        [0, 101, 23170, 28361, 32767, 0, -32767, -101]
    );
    assert_eq!([2048, 2049, 2560].map(sine), [0, 101, 32767]);
}

#[test]
fn sines_are_on_the_circle() {
    for angle in 0..TURN {
        let (s, c) = (i64::from(sine(angle)), i64::from(sine(angle + TURN / 4)));
        assert_eq!(sine(angle + TURN / 2), -sine(angle));
        // Each is off by at most 1/2, and 32767 by at most 1.
        assert!((s * s + c * c - (1 << 30)).abs() <= (1 << 16) + 182, "{angle}");
        // Double angles: 2 s c, off by at most |s| + |c| + 1/2, and the rounding of the other side.
        let twice = i64::from(sine(2 * angle)) << 15;
        assert!(
            (2 * s * c - twice).abs() <= 2 * (s.abs() + c.abs()) + (1 << 15),
            "{angle}"
        );
    }
}

#[test]
fn examples_of_norms() {
    let norm = RmsScale::new(64, 16);
    let example = |sum| {
        let factor = norm.factor(sum);
        (factor.factor, factor.shift)
    };
    let found = [0, 1, 64, 6400, 1 << 30, 64 << 30].map(example);
    assert_eq!(found, EXAMPLES);
    assert_eq!(
        [1000, -1000, 625, 15].map(|x| norm.factor(64_000_000).apply(x)),
        [16, -16, 10, 0]
    );
}

/// Factor and shift for sums of squares of 64 numbers in units of 1/16.
const EXAMPLES: [(i32, u32); 6] = [
    (16384, 7),
    (16384, 7),
    (16384, 10),
    (13107, 13),
    (16384, 22),
    (16384, 25),
];
