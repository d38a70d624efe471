//! Loops over the 16-bit values between the matrices of a version 2 model.

use czip_fixed::{RmsFactor, RmsScale};

use super::{Kernels, dispatch};
use crate::layout::HEAD_DIM;

impl Kernels {
    /// `out[b][r] = sat16(floor(sums[b][r] / 2^shifts[r] + 1/2))`: int32 `[batch, rows]` to int16 `[batch, rows]`. Shifts,
    /// `[rows]`, are at most 24.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit together.
    pub fn to_i16(self, sums: &[i32], shifts: &[u8], out: &mut [i16]) {
        assert!(
            sums.len() == out.len() && sums.len().is_multiple_of(shifts.len()),
            "16-bit values"
        );
        for (sums, out) in sums
            .chunks_exact(shifts.len())
            .zip(out.chunks_exact_mut(shifts.len()))
        {
            dispatch!(self, to_i16(sums, shifts, out));
        }
    }

    /// `residual[b][r] = sat16(residual[b][r] + floor(sums[b][r] / 2^shifts[r] + 1/2))`: adds int32 `[batch, rows]` to int16
    /// `[batch, rows]`. Shifts, `[rows]`, are at most 24.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit together.
    pub fn add_i16(self, sums: &[i32], shifts: &[u8], residual: &mut [i16]) {
        assert!(
            sums.len() == residual.len() && sums.len().is_multiple_of(shifts.len()),
            "16-bit values"
        );
        for (sums, residual) in sums
            .chunks_exact(shifts.len())
            .zip(residual.chunks_exact_mut(shifts.len()))
        {
            dispatch!(self, add_i16(sums, shifts, residual));
        }
    }

    /// `logits[b][r] = floor(logits[b][r] / 2^shifts[r] + 1/2)`, int32 `[batch, rows]`. Shifts, `[rows]`, are at most 24.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit together.
    pub fn to_logits(self, logits: &mut [i32], shifts: &[u8]) {
        assert!(logits.len().is_multiple_of(shifts.len()), "logits");
        for logits in logits.chunks_exact_mut(shifts.len()) {
            dispatch!(self, to_logits(logits, shifts));
        }
    }

    /// RMSNorm of 16-bit values to int8, both `[d]`; returns the factor that it multiplied with.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn normalize(self, x: &[i16], scale: RmsScale, out: &mut [i8]) -> RmsFactor {
        assert_eq!(x.len(), out.len(), "norm");
        dispatch!(self, normalize(x, scale, out))
    }

    /// `x[i] = sat16(floor(max(x[i], 0)^2 / 2^shift + 1/2))`. The shift is at most 24.
    pub fn square_relu(self, x: &mut [i16], shift: u32) {
        dispatch!(self, square_relu(x, shift));
    }

    /// Rotary embedding of 16-bit values, in place: pairs element i with i + 32, by the angle of `cos[i]` and `sin[i]`,
    /// Q1.15. Those must be the cosine and the sine of some angle: the arithmetic has 32 bits for pairs no longer than 1.
    pub fn rotate_i16(self, v: &mut [i16; HEAD_DIM], cos: &[i16; HEAD_DIM / 2], sin: &[i16; HEAD_DIM / 2]) {
        dispatch!(self, rotate_i16(v, cos, sin));
    }
}
