//! Requantisation: 32-bit sums become int8 activations, element by element, each rounded to nearest, ties to even.

use czip_fixed::requantize;

use crate::rounding::rne_shr_i32;

/// How accumulators become activations: `clamp127(RNE(acc * mult / 2^shift))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requantization {
    mult: i32,
    shift: i8,
    /// See [`narrow_limit`].
    limit: Option<i32>,
}

impl Requantization {
    /// The factor and the shift. `None` where the shift is above [`czip_fixed::MAX_SHIFT`].
    #[must_use]
    pub const fn new(mult: i32, shift: i8) -> Option<Self> {
        if shift <= czip_fixed::MAX_SHIFT {
            Some(Self {
                mult,
                shift,
                limit: narrow_limit(mult, shift),
            })
        } else {
            None
        }
    }

    /// The factor.
    #[must_use]
    pub const fn mult(self) -> i32 {
        self.mult
    }

    /// The shift; zero or less means none.
    #[must_use]
    pub const fn shift(self) -> i8 {
        self.shift
    }

    /// The same in 32 bits, where that is exact.
    #[inline(always)]
    pub(crate) const fn narrow(self) -> Option<Narrow> {
        match self.limit {
            Some(limit) => Some(Narrow {
                limit,
                mult: self.mult,
                shift: self.shift as u32,
            }),
            None => None,
        }
    }
}

/// A requantisation whose arithmetic fits 32 bits.
#[derive(Clone, Copy)]
pub(crate) struct Narrow {
    /// Sums are clamped to this, positive and negative, first.
    pub(crate) limit: i32,
    /// The factor.
    pub(crate) mult: i32,
    /// The shift, at least 1.
    pub(crate) shift: u32,
}

/// The accumulator beyond which the result is certainly clamped, where `limit * mult` and its rounding fit 32 bits.
///
/// Then clamping the accumulator first changes nothing, and the product needs no more than 32 bits.
const fn narrow_limit(mult: i32, shift: i8) -> Option<i32> {
    if shift < 1 || shift > 22 || mult <= 0 {
        return None;
    }
    // The smallest accumulator whose product reaches 128 * 2^shift, which rounds to 128 and so clamps.
    let limit = (128u64 << shift).div_ceil(mult as u64) as i64;
    let product = limit * mult as i64 + (1 << shift);
    if product <= i32::MAX as i64 {
        Some(limit as i32)
    } else {
        None
    }
}

/// Requantises sums: most factors allow 32-bit arithmetic.
#[inline(always)]
pub(crate) fn requantize_all(acc: &[i32], requantization: Requantization, out: &mut [i8]) {
    if let Some(narrow) = requantization.narrow() {
        requantize_narrow(acc, narrow, out);
    } else {
        for (&acc, out) in acc.iter().zip(out) {
            *out = requantize(acc, requantization.mult(), requantization.shift());
        }
    }
}

/// Requantises sums in 32 bits.
#[inline(always)]
pub(crate) fn requantize_narrow(acc: &[i32], narrow: Narrow, out: &mut [i8]) {
    for (&acc, out) in acc.iter().zip(out) {
        let product = acc.clamp(-narrow.limit, narrow.limit).wrapping_mul(narrow.mult);
        *out = rne_shr_i32(product, narrow.shift).clamp(-127, 127) as i8;
    }
}
