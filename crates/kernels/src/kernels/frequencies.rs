//! From logits, int32 `[vocab]`, to the integer frequencies of an arithmetic coder, uint32 `[vocab]`, and look-ups in them.

use czip_fixed::tables::EXP2;

use super::{Kernels, dispatch};
use crate::frequencies::{Interval, Softmax};

impl Kernels {
    /// The frequency of each symbol, at least 1, from its logit; their sum is the softmax's total. Both `[vocab]`.
    ///
    /// # Panics
    ///
    /// If the lengths differ, there are no symbols or more than [`Softmax::MAX_SYMBOLS`], or the total does not exceed
    /// their number.
    pub fn frequencies(self, softmax: &Softmax, logits: &[i32], out: &mut [u32]) {
        assert_eq!(logits.len(), out.len(), "frequencies");
        let most = Softmax::MAX_SYMBOLS.min(softmax.total as usize - 1);
        assert!(
            (1..=most).contains(&logits.len()),
            "total {} for {} symbols",
            softmax.total,
            logits.len()
        );
        dispatch!(self, frequencies(softmax, logits, out));
    }

    /// The frequency of each symbol from its logit in 1/256 octaves: `max(1, floor(2^bits * exp2 / 2^16))`, where `exp2` is
    /// the power of the distance below the maximum, Q16. Both `[vocab]`; `bits` is at most 30.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn unscaled_frequencies(self, logits: &[i32], bits: u32, out: &mut [u32]) {
        assert_eq!(logits.len(), out.len(), "frequencies");
        dispatch!(self, unscaled_frequencies(logits, bits, &EXP2, out));
    }

    /// The interval of `symbol`.
    ///
    /// # Panics
    ///
    /// If there is no such symbol.
    #[must_use]
    pub fn interval(self, frequencies: &[u32], symbol: usize) -> Interval {
        let low = dispatch!(self, sum(&frequencies[..symbol]));
        Interval {
            symbol,
            low,
            high: low + frequencies[symbol],
        }
    }

    /// The sum of frequencies; it must not exceed 32 bits.
    #[must_use]
    pub fn sum(self, frequencies: &[u32]) -> u32 {
        dispatch!(self, sum(frequencies))
    }

    /// The interval that `target` lies in: the first whose upper end exceeds it. A target beyond the total gives the
    /// last symbol's.
    ///
    /// # Panics
    ///
    /// If there are no symbols.
    #[must_use]
    pub fn find(self, frequencies: &[u32], target: u32) -> Interval {
        dispatch!(self, find(frequencies, target))
    }
}
