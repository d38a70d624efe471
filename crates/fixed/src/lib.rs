#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod factor;
pub mod tables;

pub use factor::{Factor, Level, SIGMOID, round_shr_i64};

/// `RNE(x / 2^shift)`: arithmetic shift right, rounded to nearest, ties to even.
///
/// Symmetric in sign: `rne_shr(-x, s) == -rne_shr(x, s)`. A shift of 0 returns `x`.
///
/// `|x| + 2^(shift - 1)` must be below 2^63, and `shift` below 63. The arguments of all callers are far from both.
#[inline(always)]
#[must_use]
pub const fn rne_shr(x: i64, shift: u32) -> i64 {
    if shift == 0 {
        return x;
    }
    // Adding half minus one, and one more if the quotient is odd, sends exact ties to the even side and everything else
    // to the nearest, for both signs, because the arithmetic shift floors.
    (x + ((1 << (shift - 1)) - 1) + ((x >> shift) & 1)) >> shift
}

/// [`rne_shr`] in 32 bits, for `1 <= shift <= 30` and `|x| + 2^(shift - 1) < 2^31`.
#[inline(always)]
#[must_use]
pub const fn rne_shr_i32(x: i32, shift: u32) -> i32 {
    (x + ((1 << (shift - 1)) - 1) + ((x >> shift) & 1)) >> shift
}

/// `RNE(x / n)`: division rounded to nearest, ties to even, symmetric in sign. `n` must be positive.
#[inline]
#[must_use]
pub const fn rne_div(x: i64, n: i64) -> i64 {
    let (q, r) = (x.div_euclid(n), x.rem_euclid(n));
    // 0 <= r < n, so `n - r` cannot overflow where `2 * r` could.
    let to_next = n - r;
    if r > to_next || (r == to_next && q & 1 == 1) {
        q + 1
    } else {
        q
    }
}

/// `x` clamped to the symmetric range of an activation, -127 to 127 (Q0.7).
#[inline(always)]
#[must_use]
pub const fn clamp127(x: i64) -> i8 {
    match x {
        ..-127 => -127,
        128.. => 127,
        _ => x as i8,
    }
}

/// Requantisation of an accumulator to an activation: `clamp127(RNE(acc * mult / 2^shift))`.
///
/// A shift of zero or less does not shift the product. `shift` must be at most [`MAX_SHIFT`].
#[inline]
#[must_use]
pub const fn requantize(acc: i32, mult: i32, shift: i8) -> i8 {
    let product = acc as i64 * mult as i64;
    clamp127(if shift <= 0 {
        product
    } else {
        rne_shr(product, shift as u32)
    })
}

/// The largest shift that [`requantize`] takes: with it, rounding the product cannot overflow 64 bits.
pub const MAX_SHIFT: i8 = 62;

/// `floor(sqrt(x))`.
#[inline]
#[must_use]
pub const fn isqrt(x: u64) -> u64 {
    x.isqrt()
}

/// The reciprocal root mean square of an activation vector, Q1.15: `RNE(2^23 / floor(sqrt(ms << 16)))` with
/// `ms = floor(sum_of_squares / len) + 1` (the epsilon is the integer 1). At most 32768, which is 1.0.
///
/// # Panics
///
/// If `len` is 0.
#[inline]
#[must_use]
pub const fn inverse_rms(sum_of_squares: u32, len: u32) -> i32 {
    let mean_square = (sum_of_squares / len) as u64 + 1;
    let root = isqrt(mean_square << 16);
    // `root` is at least 256, so the quotient is at most 32768.
    rne_div(1 << 23, root as i64) as i32
}

/// The weight of a value that lies `-diff` below the maximum, in units of 1/65536 and never 0: about
/// `2^(diff * coefficient / 2^24 / 256) * 65536`, clamped to 1..=65535.
///
/// `coefficient` says how many 1/256 octaves a unit of `diff` is, Q24 (see [`tables::ATTENTION_COEFFICIENT`]); `exp2` is
/// the table `round(2^(-i/256) * 65536)`. A `diff` of 0 or more gives 65535. `-diff * coefficient` must be below
/// 2^64 - 2^23.
#[inline]
#[must_use]
pub const fn exp_weight(diff: i64, coefficient: u32, exp2: &[u16; 256]) -> u32 {
    if diff >= 0 {
        return 65535;
    }
    let z = (diff.unsigned_abs() * coefficient as u64 + (1 << 23)) >> 24;
    let (octaves, fraction) = (z >> 8, (z & 255) as usize);
    if octaves >= 31 {
        return 1;
    }
    let weight = ((65536 >> octaves) * exp2[fraction] as u64 + 32768) >> 16;
    if weight == 0 { 1 } else { weight as u32 }
}

/// Turns sums of squares into the factors of an RMSNorm. It holds `scale * sqrt(len)` as `mantissa / 2^exponent`, with a
/// mantissa of 15 bits.
///
/// The norm of `len` numbers x is `x * scale / rms(x)`, which is `x * scale * sqrt(len) / sqrt(sum of squares)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RmsScale {
    mantissa: u32,
    exponent: u32,
}

impl RmsScale {
    /// For `len` numbers, and a norm that makes their root mean square `scale`.
    ///
    /// # Panics
    ///
    /// Unless `scale * scale * len` is 1 to 2^28 - 1 and `scale` is below 2^14.
    #[must_use]
    pub const fn new(len: u32, scale: u32) -> Self {
        assert!(scale < 1 << 14 && len < 1 << 28, "scale of a norm");
        let square = scale as u64 * scale as u64 * len as u64;
        assert!(square > 0 && square < 1 << 28, "scale of a norm");
        let square = square as u32;
        // `square << 2 * exponent` has 29 or 30 bits, so its root has 15.
        let exponent = (square.leading_zeros() - 2) / 2;
        Self {
            mantissa: (square << (2 * exponent)).isqrt(),
            exponent,
        }
    }

    /// A factor of 2^13 to 2^15 - 1 and a shift of 1 to 29 such that the norm of x is `x * factor / 2^shift`: see
    /// [`RmsFactor::apply`]. The sum must be that of `len` 16-bit numbers, at most 2^16 of them, which makes it less than
    /// 2^47. A sum of 0 counts as 1.
    ///
    /// Everything except the shift of the sum fits 32 bits.
    #[inline]
    #[must_use]
    pub const fn factor(self, sum_of_squares: u64) -> RmsFactor {
        let sum = if sum_of_squares == 0 { 1 } else { sum_of_squares };
        // t = sum * 4^octaves has 31 or 32 bits.
        let bits = u64::BITS - sum.leading_zeros();
        let octaves = (32 - bits as i32).div_euclid(2);
        let t = if octaves >= 0 {
            sum << (2 * octaves)
        } else {
            sum >> (-2 * octaves)
        } as u32;
        // 1 / sqrt(sum) = reciprocal * 2^octaves / 2^31.
        let reciprocal = (1 << 31) / t.isqrt();
        RmsFactor {
            factor: ((reciprocal * self.mantissa) >> 16) as i32,
            shift: (15 + self.exponent as i32 - octaves) as u32,
        }
    }
}

/// The factor of an RMSNorm for one vector, made by [`RmsScale::factor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RmsFactor {
    /// Below 2^15.
    pub factor: i32,
    /// 1 to 29.
    pub shift: u32,
}

impl RmsFactor {
    /// `clamp127(floor(x * factor / 2^shift + 1/2))`.
    #[inline(always)]
    #[must_use]
    pub const fn apply(self, x: i16) -> i8 {
        match round_shr(x as i32 * self.factor, self.shift) {
            ..-127 => -127,
            128.. => 127,
            rounded => rounded as i8,
        }
    }
}

/// `floor(x / 2^shift + 1/2)`: arithmetic shift right, rounded to nearest, ties up. `shift` is at most 30, and
/// `x + 2^(shift - 1)` must fit 32 bits.
#[inline(always)]
#[must_use]
pub const fn round_shr(x: i32, shift: u32) -> i32 {
    // With a shift of 0 this adds 1 >> 1, which is 0.
    (x + ((1 << shift) >> 1)) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Round half to even from the definition: the nearer neighbour, or the even one of two as near.
    fn rne_oracle(x: i128, n: i128) -> i128 {
        let floor = x.div_euclid(n);
        let twice = 2 * (x - floor * n);
        match twice.cmp(&n) {
            std::cmp::Ordering::Less => floor,
            std::cmp::Ordering::Greater => floor + 1,
            std::cmp::Ordering::Equal => floor + (floor & 1),
        }
    }

    #[test]
    fn ties_go_to_even_on_both_sides() {
        let halves: Vec<i64> = (-6..=6).map(|x| rne_shr(x, 1)).collect();
        assert_eq!(halves, [-3, -2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2, 3]);
        let quarters: Vec<i64> = (-10..=10).map(|x| rne_div(x, 4)).collect();
        assert_eq!(
            quarters,
            [
                -2, -2, -2, -2, -2, -1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2
            ]
        );
    }

    #[test]
    fn inverse_rms_of_extremes() {
        assert_eq!(inverse_rms(0, 384), 32768);
        assert_eq!(inverse_rms(127 * 127 * 384, 384), 258);
    }

    #[test]
    fn exp_weight_of_extremes() {
        let w = |diff| exp_weight(diff, tables::ATTENTION_COEFFICIENT, &tables::EXP2);
        assert_eq!(w(0), 65535);
        assert_eq!(w(5), 65535);
        // One natural unit is 64 * 256 scores' worth: 2^24 / 378194 scores are 1/256 octave.
        assert_eq!(w(-22), 65535);
        assert_eq!(w(-11357), 32768);
        assert_eq!(w(-193_100), 1);
        assert_eq!(w(i64::from(i32::MIN) * 2), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            // Miri takes some hundred times as long, and has no files.
            cases: if cfg!(miri) { 8 } else { 256 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn shifts_match_the_definition(x in -(1i64 << 61)..(1i64 << 61), shift in 0u32..=61) {
            let want = rne_oracle(x.into(), 1i128 << shift);
            prop_assert_eq!(i128::from(rne_shr(x, shift)), want);
            prop_assert_eq!(rne_shr(-x, shift), -rne_shr(x, shift));
        }

        #[test]
        fn narrow_shifts_match_wide_ones(x in -(1i32 << 30)..(1i32 << 30), shift in 1u32..=30) {
            prop_assert_eq!(i64::from(rne_shr_i32(x, shift)), rne_shr(x.into(), shift));
        }

        #[test]
        fn divisions_match_the_definition(x in any::<i64>(), n in 1i64..) {
            prop_assert_eq!(i128::from(rne_div(x, n)), rne_oracle(x.into(), n.into()));
        }

        #[test]
        fn requantisation_matches_the_definition(acc in any::<i32>(), mult in any::<i32>(), shift in -128i8..=MAX_SHIFT) {
            let product = i128::from(acc) * i128::from(mult);
            let want = rne_oracle(product, 1 << shift.max(0)).clamp(-127, 127);
            prop_assert_eq!(i128::from(requantize(acc, mult, shift)), want);
        }

        #[test]
        fn rounding_up_matches_the_definition(x in -(1i32 << 30)..(1i32 << 30), shift in 0u32..=30) {
            let want = (2 * i128::from(x) + (1 << shift)).div_euclid(2 << shift);
            prop_assert_eq!(i128::from(round_shr(x, shift)), want);
        }

        #[test]
        fn inverse_rms_matches_the_definition(sum in any::<u32>(), len in 1u32..) {
            let scaled = i128::from(sum / len + 1) << 16;
            let root = i128::from(isqrt(scaled as u64));
            prop_assert!(root * root <= scaled && scaled < (root + 1) * (root + 1));
            prop_assert_eq!(i128::from(inverse_rms(sum, len)), rne_oracle(1 << 23, root));
        }

        #[test]
        fn weights_match_the_definition(diff in -(1i64 << 31)..16, coefficient in 0u32..=1 << 24) {
            let z = (i128::from(-diff.min(0)) * i128::from(coefficient) + (1 << 23)).div_euclid(1 << 24);
            let power = i128::from(tables::EXP2[z.rem_euclid(256) as usize]);
            let octaves = z.div_euclid(256).min(40);
            // The power of two is cut to an integer first: 0 from 17 octaves on.
            let weight = ((65_536 >> octaves) * power + 32_768).div_euclid(65_536);
            let want = if diff >= 0 { 65_535 } else { weight.clamp(1, 65_535) };
            prop_assert_eq!(i128::from(exp_weight(diff, coefficient, &tables::EXP2)), want);
        }

        #[test]
        fn factors_apply_with_rounding_and_clamping(x in any::<i16>(), factor in 1i32 << 13..1 << 15, shift in 1u32..=29) {
            let product = i128::from(x) * i128::from(factor);
            let want = (2 * product + (1 << shift)).div_euclid(2 << shift).clamp(-127, 127);
            prop_assert_eq!(i128::from(RmsFactor { factor, shift }.apply(x)), want);
        }
    }
}
