//! Loops over the 16-bit values between the matrices of a version 2 model, in portable Rust shaped for the compiler's
//! vectoriser: int32 sums of a product to int16, int16 to int8 activations, or int16 in place, one row at a time.
//! `docs/spec/czm-v2.md` defines what they compute.

use czip_fixed::{RmsFactor, RmsScale, round_shr};

use crate::layout::HEAD_DIM;

/// Saturates to 16 bits.
#[inline(always)]
fn saturate(x: i32) -> i16 {
    x.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// `out[i] = sat16(round(sums[i] / 2^shifts[i]))`.
#[inline(always)]
pub(crate) fn to_i16(sums: &[i32], shifts: &[u8], out: &mut [i16]) {
    for ((&sum, &shift), out) in sums.iter().zip(shifts).zip(out) {
        *out = saturate(round_shr(sum, shift.into()));
    }
}

/// `residual[i] = sat16(residual[i] + round(sums[i] / 2^shifts[i]))`.
#[inline(always)]
pub(crate) fn add_i16(sums: &[i32], shifts: &[u8], residual: &mut [i16]) {
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

/// Rotates a vector of 16-bit values in place: pairs element i with i + 32, by the angle of `cos[i]` and `sin[i]`, Q1.15.
#[inline(always)]
pub(crate) fn rotate_i16(v: &mut [i16; HEAD_DIM], cos: &[i16; HEAD_DIM / 2], sin: &[i16; HEAD_DIM / 2]) {
    let (low, high) = v.split_at_mut(HEAD_DIM / 2);
    for (((x, y), &c), &s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        let (a, b) = (i32::from(*x), i32::from(*y));
        let (c, s) = (i32::from(c), i32::from(s));
        // Up to rounding, (c, s) has the length 2^15, and (a, b) at most sqrt(2) * 2^15: a sum is below 1.52e9, and the
        // half fits above.
        *x = saturate(round_shr(a * c - b * s, 15));
        *y = saturate(round_shr(a * s + b * c, 15));
    }
}
