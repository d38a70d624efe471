//! From logits to the integer frequencies of an arithmetic coder, and look-ups in them.

use crate::Kernels;
use crate::instruction_set::dispatch;

/// How logits become frequencies.
#[derive(Clone, Debug)]
pub struct Softmax {
    pub(crate) coefficient: u32,
    pub(crate) exp2: Box<[u16; 256]>,
    pub(crate) total: u32,
}

impl Softmax {
    /// The largest vocabulary.
    pub const MAX_SYMBOLS: usize = 1 << 16;

    /// `coefficient` is the scale of a logit in Q24 per 1/256 octave, `exp2` the table `round(2^(-i/256) * 65536)`,
    /// `total` the sum of all frequencies.
    #[must_use]
    pub fn new(coefficient: u32, exp2: &[u16; 256], total: u32) -> Self {
        Self {
            coefficient,
            exp2: Box::new(*exp2),
            total,
        }
    }

    /// The scale of a logit.
    #[must_use]
    pub const fn coefficient(&self) -> u32 {
        self.coefficient
    }

    /// The exponential table.
    #[must_use]
    pub const fn exp2(&self) -> &[u16; 256] {
        &self.exp2
    }

    /// The sum of all frequencies.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }
}

/// A symbol and its half-open interval of cumulative frequencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The symbol.
    pub symbol: usize,
    /// The sum of the frequencies of all smaller symbols.
    pub low: u32,
    /// `low` plus the frequency of the symbol.
    pub high: u32,
}

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
