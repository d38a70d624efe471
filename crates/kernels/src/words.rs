//! Loops over the 16-bit numbers between the matrices of models of version 2, in portable Rust, shaped for the
//! compiler's vectoriser. `docs/spec/czm-v2.md` defines what they compute.

use czip_fixed::{RmsFactor, RmsScale, round_shr};

use crate::HEAD_DIM;
use crate::sliding::WEIGHT_SHIFT;

/// Saturates to 16 bits.
#[inline(always)]
fn saturate(x: i32) -> i16 {
    x.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// `out[i] = sat16(round(sums[i] / 2^shifts[i]))`.
#[inline(always)]
pub(crate) fn to_words(sums: &[i32], shifts: &[u8], out: &mut [i16]) {
    for ((&sum, &shift), out) in sums.iter().zip(shifts).zip(out) {
        *out = saturate(round_shr(sum, shift.into()));
    }
}

/// `residual[i] = sat16(residual[i] + round(sums[i] / 2^shifts[i]))`.
#[inline(always)]
pub(crate) fn add_words(sums: &[i32], shifts: &[u8], residual: &mut [i16]) {
    for ((&sum, &shift), residual) in sums.iter().zip(shifts).zip(residual) {
        *residual = saturate(i32::from(*residual) + round_shr(sum, shift.into()));
    }
}

/// `logits[i] = round(logits[i] / 2^shifts[i])`.
#[inline(always)]
pub(crate) fn to_logits(logits: &mut [i32], shifts: &[u8]) {
    for (logit, &shift) in logits.iter_mut().zip(shifts) {
        *logit = round_shr(*logit, shift.into());
    }
}

/// The sum of squares: below 2^46 for up to 2^16 numbers.
#[inline(always)]
pub(crate) fn sum_of_squares(x: &[i16]) -> u64 {
    // In two halves, each of which fits 32 bits for up to 2^16 numbers.
    let (mut high, mut low) = (0u32, 0u32);
    for &x in x {
        let square = (i32::from(x) * i32::from(x)) as u32;
        high = high.wrapping_add(square >> 16);
        low = low.wrapping_add(square & 0xffff);
    }
    (u64::from(high) << 16) + u64::from(low)
}

/// RMSNorm to int8.
#[inline(always)]
pub(crate) fn normalize(x: &[i16], scale: RmsScale, out: &mut [i8]) -> RmsFactor {
    let factor = scale.factor(sum_of_squares(x));
    for (&x, out) in x.iter().zip(out) {
        *out = factor.apply(x);
    }
    factor
}

/// `x[i] = sat16(round(max(x[i], 0)^2 / 2^shift))`.
#[inline(always)]
pub(crate) fn square_relu(x: &mut [i16], shift: u32) {
    for x in x {
        let positive = i32::from((*x).max(0));
        *x = saturate(round_shr(positive * positive, shift));
    }
}

/// Rotates a vector of 16-bit numbers in place: pairs element i with i + 32, by the angle of `cos[i]` and `sin[i]`, Q1.15.
#[inline(always)]
pub(crate) fn rotate_words(v: &mut [i16; HEAD_DIM], cos: &[i16; HEAD_DIM / 2], sin: &[i16; HEAD_DIM / 2]) {
    let (low, high) = v.split_at_mut(HEAD_DIM / 2);
    for (((x, y), &c), &s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        let (a, b) = (i32::from(*x), i32::from(*y));
        let (c, s) = (i32::from(c), i32::from(s));
        // The length of (c, s) is 2^15 but for rounding, and that of (a, b) at most sqrt(2) * 2^15: a sum is below 1.52e9,
        // and the half fits above.
        *x = saturate(round_shr(a * c - b * s, 15));
        *y = saturate(round_shr(a * s + b * c, 15));
    }
}

/// Products of queries and keys to scores in 1/256 octaves: `floor(product * gain / 2^14)`.
///
/// Products with keys of the window are at most 2^15. Around it lie positions that may never have been stored: zeros,
/// which biased levels take for -128 everywhere. Those products may be larger, and what they wrap to does not count.
#[inline(always)]
pub(crate) fn scale_products(products: &mut [i32], gain: u16) {
    for product in products {
        *product = product.wrapping_mul(gain.into()) >> 14;
    }
}

/// Scores that [`weigh_block`] handles at a time.
const BLOCK: usize = 16;

/// The weight of each score below the maximum, 0 to 255. All lengths are multiples of 16.
#[inline(always)]
pub(crate) fn weigh(scores: &[i32], maximum: i32, exp2: &[u16; 256], weights: &mut [u8]) {
    for (scores, weights) in scores
        .as_chunks::<BLOCK>()
        .0
        .iter()
        .zip(weights.as_chunks_mut::<BLOCK>().0)
    {
        weigh_block(scores, maximum, exp2, weights);
    }
}

#[inline(always)]
fn weigh_block(scores: &[i32; BLOCK], maximum: i32, exp2: &[u16; 256], weights: &mut [u8; BLOCK]) {
    let (mut fractions, mut octaves, mut powers) = ([0u8; BLOCK], [0u32; BLOCK], [0u16; BLOCK]);
    for ((&score, fraction), octaves) in scores.iter().zip(&mut fractions).zip(&mut octaves) {
        // Scores above the maximum are outside the window: whatever they weigh, it does not count.
        let distance = maximum.wrapping_sub(score) as u32;
        *fraction = distance as u8;
        *octaves = (distance >> 8).min(16);
    }
    for (power, &fraction) in powers.iter_mut().zip(&fractions) {
        *power = exp2[usize::from(fraction)];
    }
    for ((&octaves, &power), weight) in octaves.iter().zip(&powers).zip(weights) {
        *weight = round_shr(power.into(), WEIGHT_SHIFT + octaves).min(255) as u8;
    }
}

/// `out[i] = floor(sums[i] * 16 / total + 1/2)`, where no sum exceeds `127 * total` in magnitude, and the total is 255 to
/// 2^18.
///
/// The division is a multiplication by the reciprocal, rounded down, so that the quotient is too small by at most 1.
#[inline(always)]
pub(crate) fn divide_words(sums: &[i32; HEAD_DIM], total: u32, out: &mut [i16; HEAD_DIM]) {
    /// More than a quotient's magnitude, so that there are no negative ones.
    const OFFSET: u32 = 2048;
    let divisor = 2 * total;
    let reciprocal = (1u64 << 40) / u64::from(divisor);
    for (&sum, out) in sums.iter().zip(out) {
        let dividend = ((sum * 32) as u32)
            .wrapping_add(total)
            .wrapping_add(divisor * OFFSET);
        let mut quotient = ((u64::from(dividend) * reciprocal) >> 40) as u32;
        let remainder = dividend - quotient * divisor;
        quotient += u32::from(remainder >= divisor);
        *out = (quotient as i32 - OFFSET as i32) as i16;
    }
}

/// The frequencies of all symbols from their logits in 1/256 octaves: `max(1, floor(2^(logit - maximum) * 2^bits))`, with
/// the powers of the table.
#[inline(always)]
pub(crate) fn unscaled_frequencies(logits: &[i32], bits: u32, exp2: &[u16; 256], out: &mut [u32]) {
    crate::generic::distances(logits, out);
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    for distances in blocks {
        frequencies_of_block(distances, bits, exp2);
    }
    if !rest.is_empty() {
        let mut block = [0; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        frequencies_of_block(&mut block, bits, exp2);
        rest.copy_from_slice(&block[..rest.len()]);
    }
}

#[inline(always)]
fn frequencies_of_block(distances: &mut [u32; BLOCK], bits: u32, exp2: &[u16; 256]) {
    let (mut fractions, mut powers) = ([0u8; BLOCK], [0u16; BLOCK]);
    for (distance, fraction) in distances.iter_mut().zip(&mut fractions) {
        *fraction = *distance as u8;
        // From 30 octaves on nothing is left of the most bits that there are.
        *distance = (*distance >> 8).min(30);
    }
    for (power, &fraction) in powers.iter_mut().zip(&fractions) {
        *power = exp2[usize::from(fraction)];
    }
    for (octaves, &power) in distances.iter_mut().zip(&powers) {
        // A power has 16 bits; at most 30 are wanted, and 14 more fit above it.
        let weight = (u32::from(power) << 14 >> (30 - bits) >> *octaves).max(1);
        *octaves = weight;
    }
}
