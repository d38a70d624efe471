//! Loops over one vector of a version 1 model: norms, rotary embedding, the gated unit.

use super::{Kernels, dispatch};
use crate::layout::HEAD_DIM;

impl Kernels {
    /// RMSNorm of a residual, int32 `[d]`, that is clamped to -127..=127 first; gains and result int8 `[d]`.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn rms_norm(self, x: &[i32], gain: &[i8], out: &mut [i8]) {
        assert!(
            x.len() == gain.len() && x.len() == out.len(),
            "norm of {} with {} gains",
            x.len(),
            gain.len()
        );
        dispatch!(self, rms_norm(x, gain, out));
    }

    /// Adds the RMSNorm of `x`, int8 `[d]`, to the residual, int32 `[d]`.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn add_rms_norm(self, x: &[i8], gain: &[i8], residual: &mut [i32]) {
        assert!(
            x.len() == gain.len() && x.len() == residual.len(),
            "norm of {} with {} gains",
            x.len(),
            gain.len()
        );
        dispatch!(self, add_rms_norm(x, gain, residual));
    }

    /// Rotary embedding of a key in place: element i is paired with i + 32 and turned by the angle whose cosine and
    /// sine are given, Q1.15.
    pub fn rotate_key(self, key: &mut [i8; HEAD_DIM], cos: &[i16; HEAD_DIM / 2], sin: &[i16; HEAD_DIM / 2]) {
        dispatch!(self, rotate(key, cos, sin, false));
    }

    /// Rotary embedding of a query in place, which is also halved.
    pub fn rotate_query(
        self,
        query: &mut [i8; HEAD_DIM],
        cos: &[i16; HEAD_DIM / 2],
        sin: &[i16; HEAD_DIM / 2],
    ) {
        dispatch!(self, rotate(query, cos, sin, true));
    }

    /// The gated unit: `out[i] = clamp127(RNE(max(0, gate[i]) * value[i] / 2^7))`, all int8 `[d_ff]`.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn reglu(self, gate: &[i8], value: &[i8], out: &mut [i8]) {
        assert!(
            gate.len() == value.len() && gate.len() == out.len(),
            "gated unit of {}",
            gate.len()
        );
        dispatch!(self, reglu(gate, value, out));
    }
}
