//! The inner loops of a gated linear mixer: several rows of weights, chosen anew for each decision, times one vector of
//! inputs, and what the rows learn from the outcome.

use crate::Kernels;
use crate::instruction_set::dispatch;

/// One row of a mixer's weights, int16 `[N]`, aligned for vector loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(32))]
pub struct WeightRow<const N: usize>(pub [i16; N]);

impl Kernels {
    /// The products of the chosen rows with the inputs, int16 `[N]`: int32 sums that wrap, so that their order is free.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[inline]
    #[must_use]
    pub fn mix<const N: usize, const ROWS: usize>(
        self,
        weights: &[WeightRow<N>],
        rows: [usize; ROWS],
        x: &[i16; N],
    ) -> [i32; ROWS] {
        dispatch!(self, mix(weights, rows, x))
    }

    /// Moves the chosen rows: `weight += (x * step + 2^14) >> 15`, where steps are int16, one for each row, and both
    /// the term and the sum are clamped to int16. A row that is chosen twice is moved twice, in the order of `rows`.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[inline]
    pub fn train<const N: usize, const ROWS: usize>(
        self,
        weights: &mut [WeightRow<N>],
        rows: [usize; ROWS],
        x: &[i16; N],
        steps: [i16; ROWS],
    ) {
        dispatch!(self, train(weights, rows, x, steps));
    }
}
