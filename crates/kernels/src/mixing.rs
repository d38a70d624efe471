//! The inner loops of a gated linear mixer, in portable Rust shaped for the compiler's vectoriser: a row of weights,
//! int16 `[N]`, times a vector of inputs, int16 `[N]`, and what the row learns from the outcome.

use crate::matrix::dot_wide;

/// One row of a mixer's weights, int16 `[N]`, aligned for vector loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(32))]
pub struct WeightRow<const N: usize>(pub [i16; N]);

/// The sum of 16-bit products, wrapped to 32 bits.
#[inline(always)]
pub(crate) fn dot<const N: usize>(weights: &[i16; N], x: &[i16; N]) -> i32 {
    dot_wide(weights, x)
}

/// Moves a mixer's weights along its inputs.
#[inline(always)]
pub(crate) fn train<const N: usize>(weights: &mut [i16; N], x: &[i16; N], step: i16) {
    for (weight, &x) in weights.iter_mut().zip(x) {
        // -2^15 times itself is the one product whose term leaves 16 bits.
        let term = (i32::from(x) * i32::from(step) + (1 << 14)) >> 15;
        *weight = weight.saturating_add(term.min(i16::MAX.into()) as i16);
    }
}
