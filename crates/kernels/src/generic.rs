//! The loops in portable Rust, shaped for the compiler's vectoriser.

use czip_fixed::{inverse_rms, requantize, rne_shr_i32};

use crate::blocked::Narrow;
use crate::{HEAD_DIM, Interval, Requantization, Softmax};

/// Activation vectors that share one pass over the weights.
const BATCH: usize = 4;
/// Columns widened at a time: four vectors of this many 16-bit numbers stay in the first-level cache.
const COLUMNS: usize = 512;

/// Products of a widened matrix `[rows, stride]` with a batch of vectors `[batch, stride]`.
#[inline(always)]
pub(crate) fn matmul(wide: &[i16], rows: usize, stride: usize, x: &[i8], out: &mut [i32]) {
    for (x, out) in x.chunks(BATCH * stride).zip(out.chunks_mut(BATCH * rows)) {
        let batch = x.len() / stride;
        for first in (0..stride).step_by(COLUMNS) {
            let columns = COLUMNS.min(stride - first);
            let mut widened = [[0i16; COLUMNS]; BATCH];
            for (x, widened) in x.chunks_exact(stride).zip(&mut widened) {
                widened
                    .iter_mut()
                    .zip(&x[first..first + columns])
                    .for_each(|(to, &from)| *to = i16::from(from));
            }
            let [x0, x1, x2, x3] = widened.each_ref().map(|x| &x[..columns]);
            for (row, weights) in wide.chunks_exact(stride).enumerate() {
                let weights = &weights[first..first + columns];
                let sums = if batch == 1 {
                    [dot_wide(weights, x0), 0, 0, 0]
                } else {
                    dots(weights, [x0, x1, x2, x3])
                };
                for (b, &sum) in sums[..batch].iter().enumerate() {
                    let out = &mut out[b * rows + row];
                    *out = if first == 0 { sum } else { out.wrapping_add(sum) };
                }
            }
        }
    }
}

#[inline(always)]
fn dot_wide(w: &[i16], x: &[i16]) -> i32 {
    w.iter().zip(x).fold(0i32, |sum, (&w, &x)| {
        sum.wrapping_add(i32::from(w) * i32::from(x))
    })
}

#[inline(always)]
fn dots(w: &[i16], x: [&[i16]; BATCH]) -> [i32; BATCH] {
    // What compilers make of several sums in one loop is slower than of a loop for each where vectors are long: a fifth
    // of the speed with AVX-512.
    if cfg!(target_feature = "avx2") {
        let [x0, x1, x2, x3] = x;
        return [dot_wide(w, x0), dot_wide(w, x1), dot_wide(w, x2), dot_wide(w, x3)];
    }
    let mut sums = [0i32; BATCH];
    for (i, &w) in w.iter().enumerate() {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum = sum.wrapping_add(i32::from(w) * i32::from(x[i]));
        }
    }
    sums
}

/// The sum of 16-bit products, wrapped to 32 bits.
#[inline(always)]
pub(crate) fn dot_words<const N: usize>(weights: &[i16; N], x: &[i16; N]) -> i32 {
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

/// Requantises sums: most factors allow 32-bit arithmetic.
#[inline(always)]
pub(crate) fn requantize_all(acc: &[i32], requantization: Requantization, out: &mut [i8]) {
    let (mult, shift) = (requantization.mult(), requantization.shift());
    if let Some(limit) = requantization.limit() {
        let shift = shift as u32;
        requantize_narrow(acc, Narrow { limit, mult, shift }, out);
    } else {
        for (&acc, out) in acc.iter().zip(out) {
            *out = requantize(acc, mult, shift);
        }
    }
}

/// Requantises sums in 32 bits.
#[inline(always)]
pub(crate) fn requantize_narrow(acc: &[i32], factor: Narrow, out: &mut [i8]) {
    for (&acc, out) in acc.iter().zip(out) {
        let product = acc.clamp(-factor.limit, factor.limit) * factor.mult;
        *out = rne_shr_i32(product, factor.shift).clamp(-127, 127) as i8;
    }
}

/// RMSNorm of the residual: clamps to int8, normalises.
#[inline(always)]
pub(crate) fn rms_norm(x: &[i32], gain: &[i8], out: &mut [i8]) {
    for (&x, out) in x.iter().zip(&mut *out) {
        *out = x.clamp(-127, 127) as i8;
    }
    let inverse = inverse_rms_of(out);
    for (out, &gain) in out.iter_mut().zip(gain) {
        *out = normalized(*out, gain, inverse) as i8;
    }
}

/// Adds the RMSNorm of an int8 vector to the residual.
#[inline(always)]
pub(crate) fn add_rms_norm(x: &[i8], gain: &[i8], residual: &mut [i32]) {
    let inverse = inverse_rms_of(x);
    for ((&x, &gain), residual) in x.iter().zip(gain).zip(residual) {
        *residual += normalized(x, gain, inverse);
    }
}

#[inline(always)]
fn inverse_rms_of(x: &[i8]) -> i32 {
    let sum_of_squares: i32 = x.iter().map(|&x| i32::from(x) * i32::from(x)).sum();
    inverse_rms(sum_of_squares as u32, x.len() as u32)
}

#[inline(always)]
fn normalized(x: i8, gain: i8, inverse: i32) -> i32 {
    rne_shr_i32(i32::from(x) * i32::from(gain) * inverse, 15).clamp(-127, 127)
}

/// Rotates a vector in place; `halve` is for queries.
#[inline(always)]
pub(crate) fn rotate(v: &mut [i8; HEAD_DIM], cos: &[i16; 32], sin: &[i16; 32], halve: bool) {
    let (low, high) = v.split_at_mut(HEAD_DIM / 2);
    for (((x, y), &c), &s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        let (a, b) = (i32::from(*x), i32::from(*y));
        let (c, s) = (i32::from(c), i32::from(s));
        let (mut p, mut q) = (rne_shr_i32(a * c - b * s, 15), rne_shr_i32(a * s + b * c, 15));
        if halve {
            (p, q) = (rne_shr_i32(p, 1), rne_shr_i32(q, 1));
        }
        (*x, *y) = (p.clamp(-127, 127) as i8, q.clamp(-127, 127) as i8);
    }
}

/// The gated unit.
#[inline(always)]
pub(crate) fn reglu(gate: &[i8], value: &[i8], out: &mut [i8]) {
    for ((&gate, &value), out) in gate.iter().zip(value).zip(out) {
        *out = rne_shr_i32(i32::from(gate.max(0)) * i32::from(value), 7).clamp(-127, 127) as i8;
    }
}

/// The product of a query and a key.
#[inline(always)]
pub(crate) fn dot(query: &[i8; HEAD_DIM], key: &[i8; HEAD_DIM]) -> i32 {
    query
        .iter()
        .zip(key)
        .map(|(&q, &k)| i32::from(q) * i32::from(k))
        .sum()
}

/// Products of queries and keys to scores: `RNE(RNE(product / 4) * mult / 2^15)`.
#[inline(always)]
pub(crate) fn scale_scores(products: &mut [i32], mult: i32) {
    for product in products {
        let scaled = i64::from(rne_shr_i32(*product, 2)) * i64::from(mult);
        // `rne_shr` of 15, with logical shifts: the result fits 32 bits, so that what they bring in is cut off. Few
        // instruction sets have arithmetic shifts of 64 bits.
        let odd = (scaled as u64 >> 15) & 1;
        *product = ((scaled as u64).wrapping_add((1 << 14) - 1 + odd) >> 15) as i32;
    }
}

/// Scores looked at together by [`first_above`].
const SCAN: usize = 32;

/// The index of the first score above `maximum`, or the number of scores.
#[inline(always)]
pub(crate) fn first_above(scores: &[i32], maximum: i32) -> usize {
    let above = |scores: &[i32]| scores.iter().fold(i32::MIN, |max, &score| max.max(score)) > maximum;
    let whole = scores
        .chunks_exact(SCAN)
        .take_while(|scores| !above(scores))
        .count()
        * SCAN;
    scores[whole..]
        .iter()
        .position(|&score| score > maximum)
        .map_or(scores.len(), |index| whole + index)
}

/// Distances that [`exp_weights`] handles at a time.
const EXP: usize = 16;

/// Replaces each distance below the maximum by its weight: [`czip_fixed::exp_weight`].
///
/// Three short loops rather than one, so that the first and the last are vectorised and the look-ups between them stay
/// plain loads.
#[inline(always)]
pub(crate) fn exp_weights(distances: &mut [u32], coefficient: u32, exp2: &[u16; 256]) {
    let (blocks, rest) = distances.as_chunks_mut::<EXP>();
    for distances in blocks {
        exp_weights_of_block(distances, coefficient, exp2);
    }
    if !rest.is_empty() {
        let mut block = [0; EXP];
        block[..rest.len()].copy_from_slice(rest);
        exp_weights_of_block(&mut block, coefficient, exp2);
        rest.copy_from_slice(&block[..rest.len()]);
    }
}

#[inline(always)]
fn exp_weights_of_block(distances: &mut [u32; EXP], coefficient: u32, exp2: &[u16; 256]) {
    let (mut fractions, mut powers) = ([0u8; EXP], [0u16; EXP]);
    for (distance, fraction) in distances.iter_mut().zip(&mut fractions) {
        let z = (u64::from(*distance) * u64::from(coefficient) + (1 << 23)) >> 24;
        // From 17 octaves on the weight is 1 in any case, and the clamp keeps the shift in range.
        let octaves = (z >> 8).min(17) as u32;
        *fraction = z as u8;
        *distance = octaves;
    }
    for (power, &fraction) in powers.iter_mut().zip(&fractions) {
        *power = exp2[usize::from(fraction)];
    }
    for (octaves, &power) in distances.iter_mut().zip(&powers) {
        // ((65536 >> octaves) * exp2 + 32768) >> 16, with the powers of two cancelled. At 17 octaves it is 0,
        // whatever the fraction.
        let weight = (u32::from(power) + ((1 << *octaves) >> 1)) >> *octaves;
        *octaves = weight.max(1);
    }
}

/// [`oracle::rescale`](crate::oracle::rescale) in 32 bits.
///
/// With `acc = high * 2^16 + low` the product is `high * scale * 2^16 + low * scale`, and only the second part is
/// rounded. Subtracting the half before the floor, as for negative products, gives one less than adding it.
#[inline(always)]
pub(crate) fn rescale(acc: &mut [i32; HEAD_DIM], scale: u32) {
    for acc in acc {
        let (high, low) = (*acc >> 16, *acc as u32 & 0xffff);
        let rounded = (low * scale + 32768) >> 16;
        let negative = (*acc >> 31) & 1;
        *acc = high.wrapping_mul(scale as i32).wrapping_add(rounded as i32) - negative;
    }
}

/// `clamp127(RNE(acc / sum))` for all elements. `sum` is at least 65535, the weight of a maximum, or 0 with `acc` 0.
///
/// The division is a multiplication by the reciprocal `floor(2^47 / sum)`: it is too small by less than 1, so that the
/// quotient of a 32-bit number is too small by less than 2^-15, and as an integer by at most 1.
#[inline(always)]
pub(crate) fn divide(acc: &[i32; HEAD_DIM], sum: u64, out: &mut [i8; HEAD_DIM]) {
    // Sums do not exceed 65535 * (2^15 + 1), less than 2^32.
    let sum = sum.max(65535) as u32;
    let reciprocal = (1u64 << 47) / u64::from(sum);
    for (&acc, out) in acc.iter().zip(out) {
        let magnitude = acc.unsigned_abs();
        let mut quotient = ((u64::from(magnitude) * reciprocal) >> 47) as u32;
        let mut remainder = magnitude - quotient * sum;
        if remainder >= sum {
            quotient += 1;
            remainder -= sum;
        }
        let to_next = sum - remainder;
        let up = remainder > to_next || (remainder == to_next && quotient & 1 == 1);
        let rounded = (quotient + u32::from(up)).min(127) as i32;
        *out = (if acc < 0 { -rounded } else { rounded }) as i8;
    }
}

/// Frequencies of all symbols.
#[inline(always)]
pub(crate) fn frequencies(softmax: &Softmax, logits: &[i32], out: &mut [u32]) {
    let maximum = distances(logits, out);
    exp_weights(out, softmax.coefficient, &softmax.exp2);
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

/// Makes weights frequencies whose sum is the total: what rounding leaves goes to the first symbol with the maximum.
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
/// that the quotient of a 16-bit weight, Q32, is too small by less than 2^16. Only where its fraction is in the last
/// 2^16 of 2^32 below an integer can the floor be one short: one symbol in 65,536, and only then all are divided.
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
        *weight = 1 + weight.wrapping_mul(whole).wrapping_add((low >> 32) as u32);
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
