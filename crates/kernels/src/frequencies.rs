//! From logits, int32 `[vocab]`, to the integer frequencies of an arithmetic coder, uint32 `[vocab]`, and look-ups in
//! them: portable Rust, shaped for the compiler's vectoriser.

use crate::exp;

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

/// Frequencies of all symbols.
#[inline(always)]
pub(crate) fn frequencies(softmax: &Softmax, logits: &[i32], out: &mut [u32]) {
    let maximum = distances(logits, out);
    exp::weights(out, softmax.coefficient, &softmax.exp2);
    share_total(softmax, logits, maximum, out);
}

/// The distances of logits below their maximum; returns the maximum.
#[inline(always)]
pub(crate) fn distances(logits: &[i32], out: &mut [u32]) -> i32 {
    let maximum = logits.iter().copied().fold(i32::MIN, i32::max);
    for (&logit, out) in logits.iter().zip(out) {
        *out = maximum.wrapping_sub(logit) as u32;
    }
    maximum
}

/// Turns weights into frequencies whose sum is the total: what rounding leaves goes to the first symbol with the maximum.
#[inline(always)]
pub(crate) fn share_total(softmax: &Softmax, logits: &[i32], maximum: i32, out: &mut [u32]) {
    // At most 65,536 symbols of at most 65,535.
    let sum = sum(out);
    share(out, sum.into(), softmax.total);
    let shortfall = softmax.total - self::sum(out);
    if let Some(first) = logits.iter().position(|&logit| logit == maximum) {
        out[first] += shortfall;
    }
}

/// The sum of numbers; it must not exceed 32 bits.
#[inline(always)]
pub(crate) fn sum(numbers: &[u32]) -> u32 {
    numbers.iter().fold(0, |sum, &number| sum.wrapping_add(number))
}

/// Replaces each weight w by `1 + floor(w * rest / sum)`, where `rest = total - len`.
///
/// The division is a multiplication by the reciprocal `floor(rest * 2^32 / sum)`, which is too small by less than 1, so
/// the quotient of a 16-bit weight, Q32, is too small by less than 2^16. Only where its fraction is in the last 2^16 of
/// 2^32 below an integer can the floor be one short: one symbol in 65,536, and only then all are divided.
#[inline(always)]
pub(crate) fn share(weights: &mut [u32], sum: u64, total: u32) {
    let rest = u64::from(total) - weights.len() as u64;
    let reciprocal = (rest << 32) / sum;
    let (whole, fraction) = ((reciprocal >> 32) as u32, reciprocal & u64::from(u32::MAX));
    // Blocks of one length: the compiler knows it, and copies without a call.
    let (blocks, last) = weights.as_chunks_mut::<SHARE>();
    for weights in blocks {
        share_block(weights, rest, sum, whole, fraction);
    }
    if !last.is_empty() {
        let mut block = [0; SHARE];
        block[..last.len()].copy_from_slice(last);
        share_block(&mut block, rest, sum, whole, fraction);
        last.copy_from_slice(&block[..last.len()]);
    }
}

/// A block of [`share`], given the two halves of the reciprocal.
#[inline(always)]
fn share_block(weights: &mut [u32; SHARE], rest: u64, sum: u64, whole: u32, fraction: u64) {
    let kept = *weights;
    let mut close = 0;
    for weight in &mut *weights {
        let low = u64::from(*weight) * fraction;
        close |= u32::from(low as u32 >= 0xffff_0000);
        *weight = weight
            .wrapping_mul(whole)
            .wrapping_add((low >> 32) as u32)
            .wrapping_add(1);
    }
    if close != 0 {
        for (weight, kept) in weights.iter_mut().zip(kept) {
            *weight = 1 + (u64::from(kept) * rest / sum) as u32;
        }
    }
}

/// Symbols that [`share`] handles at a time.
const SHARE: usize = 64;

/// Symbols summed at a time by [`find`].
const BLOCK: usize = 32;

/// The interval that `target` lies in.
#[inline(always)]
pub(crate) fn find(frequencies: &[u32], target: u32) -> Interval {
    let (mut low, mut first) = (0u32, 0);
    while first + BLOCK < frequencies.len() {
        let high = low + sum(&frequencies[first..first + BLOCK]);
        if high > target {
            break;
        }
        (low, first) = (high, first + BLOCK);
    }
    let last = frequencies.len() - 1;
    for (symbol, &frequency) in frequencies.iter().enumerate().skip(first) {
        if low + frequency > target || symbol == last {
            return Interval {
                symbol,
                low,
                high: low + frequency,
            };
        }
        low += frequency;
    }
    unreachable!("the loop returns at the last symbol")
}

/// Distances that [`unscaled_frequencies`] handles at a time.
const POWERS: usize = 16;

/// Octaves below the maximum from which on nothing is left even of the most bits allowed.
pub(crate) const MAX_OCTAVES: u32 = 30;

/// The frequencies of all symbols from their logits in 1/256 octaves: `max(1, floor(2^(logit - maximum) * 2^bits))`, with
/// the powers of the table.
#[inline(always)]
pub(crate) fn unscaled_frequencies(logits: &[i32], bits: u32, exp2: &[u16; 256], out: &mut [u32]) {
    distances(logits, out);
    frequencies_of_distances(out, bits, exp2);
}

/// The same from their distances below the maximum, in place.
#[inline(always)]
pub(crate) fn frequencies_of_distances(distances: &mut [u32], bits: u32, exp2: &[u16; 256]) {
    let (blocks, rest) = distances.as_chunks_mut::<POWERS>();
    for distances in blocks {
        frequencies_of_block(distances, bits, exp2);
    }
    if !rest.is_empty() {
        let mut block = [0; POWERS];
        block[..rest.len()].copy_from_slice(rest);
        frequencies_of_block(&mut block, bits, exp2);
        rest.copy_from_slice(&block[..rest.len()]);
    }
}

#[inline(always)]
fn frequencies_of_block(distances: &mut [u32; POWERS], bits: u32, exp2: &[u16; 256]) {
    let (mut fractions, mut powers) = ([0u8; POWERS], [0u16; POWERS]);
    for (distance, fraction) in distances.iter_mut().zip(&mut fractions) {
        *fraction = *distance as u8;
        *distance = (*distance >> 8).min(MAX_OCTAVES);
    }
    for (power, &fraction) in powers.iter_mut().zip(&fractions) {
        *power = exp2[usize::from(fraction)];
    }
    for (octaves, &power) in distances.iter_mut().zip(&powers) {
        // A power has 16 bits; at most 30 are wanted, and 14 more fit above it.
        *octaves = (u32::from(power) << 14)
            .wrapping_shr(30 - bits)
            .wrapping_shr(*octaves)
            .max(1);
    }
}
