//! Each loop in its plainest form, written straight from the specification.
//!
//! These are the oracles that the tests compare every instruction set with, and the baseline that the benchmarks measure
//! against. They take the natural layouts: matrices row by row, keys and values one vector after another.

use czip_fixed::tables::EXP2;
use czip_fixed::{RmsScale, clamp127, exp_weight, inverse_rms, requantize, rne_div, rne_shr};

use crate::attention::Attention;
use crate::layout::HEAD_DIM;
use crate::requantization::Requantization;
use crate::sliding::SlidingAttention;

/// `out[r] = sum over c of weights[r][c] * x[c]`: the product of a row-major matrix and one vector.
pub fn matvec(weights: &[i8], x: &[i8], out: &mut [i32]) {
    for (row, out) in weights.chunks_exact(x.len()).zip(out) {
        *out = dot(row, x);
    }
}

/// The dot product of two vectors of int8, in 32 bits.
#[must_use]
pub fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).fold(0i32, |sum, (&a, &b)| {
        sum.wrapping_add(i32::from(a) * i32::from(b))
    })
}

/// `out[i] = clamp127(RNE(acc[i] * mult / 2^shift))`.
pub fn requantize_all(acc: &[i32], requantization: Requantization, out: &mut [i8]) {
    for (&acc, out) in acc.iter().zip(out) {
        *out = requantize(acc, requantization.mult(), requantization.shift());
    }
}

/// RMSNorm of an int8 vector with an int8 gain per element.
pub fn rms_norm(x: &[i8], gain: &[i8], out: &mut [i8]) {
    let sum_of_squares = x.iter().map(|&x| i32::from(x).pow(2) as u32).sum();
    let inverse = inverse_rms(sum_of_squares, x.len() as u32);
    for ((&x, &gain), out) in x.iter().zip(gain).zip(out) {
        *out = clamp127(rne_shr(i64::from(i32::from(x) * i32::from(gain) * inverse), 15));
    }
}

/// Rotary embedding of a key: pairs element i with i + 32, rotated by the angle of (`cos[i]`, `sin[i]`), Q1.15.
#[must_use]
pub fn rotate(v: &[i8; HEAD_DIM], cos: &[i16; HEAD_DIM / 2], sin: &[i16; HEAD_DIM / 2]) -> [i32; HEAD_DIM] {
    let mut out = [0; HEAD_DIM];
    for i in 0..HEAD_DIM / 2 {
        let (x, y) = (i64::from(v[i]), i64::from(v[i + 32]));
        let (c, s) = (i64::from(cos[i]), i64::from(sin[i]));
        out[i] = rne_shr(x * c - y * s, 15) as i32;
        out[i + 32] = rne_shr(x * s + y * c, 15) as i32;
    }
    out
}

/// A key as it is stored: rotated, then clamped.
#[must_use]
pub fn rotate_key(
    k: &[i8; HEAD_DIM],
    cos: &[i16; HEAD_DIM / 2],
    sin: &[i16; HEAD_DIM / 2],
) -> [i8; HEAD_DIM] {
    rotate(k, cos, sin).map(|x| clamp127(x.into()))
}

/// A query as it meets the keys: rotated, halved, then clamped.
#[must_use]
pub fn rotate_query(
    q: &[i8; HEAD_DIM],
    cos: &[i16; HEAD_DIM / 2],
    sin: &[i16; HEAD_DIM / 2],
) -> [i8; HEAD_DIM] {
    rotate(q, cos, sin).map(|x| clamp127(rne_shr(x.into(), 1)))
}

/// The gated unit: `out[i] = clamp127(RNE(max(0, gate[i]) * value[i] / 2^7))`.
pub fn reglu(gate: &[i8], value: &[i8], out: &mut [i8]) {
    for ((&gate, &value), out) in gate.iter().zip(value).zip(out) {
        *out = clamp127(rne_shr(i64::from(gate.max(0)) * i64::from(value), 7));
    }
}

/// Attention of one head's rotated query over the keys and values given, in their order, with an online softmax.
///
/// The accumulators wrap at 32 bits, and are read as signed by the rescaling and the last division: the outputs of
/// existing encoders depend on it.
#[must_use]
pub fn attend(
    attention: &Attention,
    head: usize,
    query: &[i8; HEAD_DIM],
    keys: &[[i8; HEAD_DIM]],
    values: &[[i8; HEAD_DIM]],
) -> [i8; HEAD_DIM] {
    let score = |key| {
        rne_shr(
            rne_shr(dot(query, key).into(), 2) * i64::from(attention.score_mult[head]),
            15,
        )
    };
    let weight = |diff| exp_weight(diff, czip_fixed::tables::ATTENTION_COEFFICIENT, &attention.exp2);
    let mut maximum = attention.sink_key.as_ref().map(|key| score(key));
    let mut sum = if maximum.is_some() { 65535 } else { 0u64 };
    let mut acc = [0i32; HEAD_DIM];
    for (key, value) in keys.iter().zip(values) {
        let score = score(key);
        if maximum.is_none_or(|maximum| score > maximum) {
            if let Some(maximum) = maximum {
                let scale = weight(maximum - score);
                sum = (sum * u64::from(scale) + 32768) >> 16;
                acc = acc.map(|acc| rescale(acc, scale));
            }
            maximum = Some(score);
        }
        let weight = weight(score - maximum.unwrap_or(score));
        sum += u64::from(weight);
        for (acc, &value) in acc.iter_mut().zip(value) {
            *acc = acc.wrapping_add(weight as i32 * i32::from(value));
        }
    }
    acc.map(|acc| clamp127(rne_div(acc.into(), sum.max(1) as i64)))
}

/// `acc * scale / 2^16`, rounded as the format has it: for negative products the half is subtracted before the floor.
#[must_use]
pub fn rescale(acc: i32, scale: u32) -> i32 {
    let product = i64::from(acc) * i64::from(scale);
    (if product >= 0 {
        (product + 32768) >> 16
    } else {
        (product - 32768) >> 16
    }) as i32
}

/// The frequencies of all symbols, each at least 1, with sum `total`, from `logits`.
pub fn frequencies(logits: &[i32], coefficient: u32, exp2: &[u16; 256], total: u32, out: &mut [u32]) {
    let maximum = logits.iter().copied().max().unwrap_or(0);
    let weight = |logit: i32| {
        u64::from(exp_weight(
            i64::from(logit) - i64::from(maximum),
            coefficient,
            exp2,
        ))
    };
    let sum: u64 = logits.iter().map(|&logit| weight(logit)).sum();
    let rest = u64::from(total) - logits.len() as u64;
    let mut shortfall = total;
    for (&logit, out) in logits.iter().zip(&mut *out) {
        *out = 1 + (weight(logit) * rest / sum) as u32;
        shortfall -= *out;
    }
    if let Some(first) = logits.iter().position(|&logit| logit == maximum) {
        out[first] += shortfall;
    }
}

/// `floor(x / 2^shift + 1/2)`.
#[must_use]
pub fn round(x: i64, shift: u32) -> i64 {
    (2 * x + (1 << shift)).div_euclid(2 << shift)
}

/// The 16-bit value nearest to `x`.
#[must_use]
pub fn saturated(x: i64) -> i16 {
    x.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// RMSNorm of 16-bit values, with the factor that [`RmsScale`] gives for their sum of squares.
#[must_use]
pub fn normalize(x: &[i16], scale: RmsScale) -> Vec<i8> {
    let sum = x.iter().map(|&x| i64::from(x).pow(2) as u64).sum();
    let factor = scale.factor(sum);
    let element = |&x: &i16| clamp127(round(i64::from(x) * i64::from(factor.factor), factor.shift));
    x.iter().map(element).collect()
}

/// `sat16(round(max(x, 0)^2 / 2^shift))`.
#[must_use]
pub fn square_relu(x: i16, shift: u32) -> i16 {
    saturated(round(i64::from(x.max(0)).pow(2), shift))
}

/// [`rotate`] for 16-bit values, rounded with ties up and saturated.
#[must_use]
pub fn rotate_i16(
    v: &[i16; HEAD_DIM],
    cos: &[i16; HEAD_DIM / 2],
    sin: &[i16; HEAD_DIM / 2],
) -> [i16; HEAD_DIM] {
    let mut out = [0; HEAD_DIM];
    for i in 0..HEAD_DIM / 2 {
        let (x, y) = (i64::from(v[i]), i64::from(v[i + 32]));
        let (c, s) = (i64::from(cos[i]), i64::from(sin[i]));
        out[i] = saturated(round(x * c - y * s, 15));
        out[i + 32] = saturated(round(x * s + y * c, 15));
    }
    out
}

/// Attention of one head's query over the keys and values of a window, with a softmax in two passes: the output, the
/// weight of each key, and the sum of these and the attention sink's.
#[must_use]
pub fn attend_window(
    attention: &SlidingAttention,
    head: usize,
    query: &[i8; HEAD_DIM],
    keys: &[[i8; HEAD_DIM]],
    values: &[[i8; HEAD_DIM]],
) -> ([i16; HEAD_DIM], Vec<u8>, u32) {
    let (gain, sink) = attention.head(head);
    let score = |key| (i64::from(dot(query, key)) * i64::from(gain)).div_euclid(1 << 14);
    let scores: Vec<i64> = keys.iter().map(|key| score(key)).collect();
    let maximum = scores.iter().fold(i64::from(sink), |max, &score| max.max(score));
    let weight = |score: i64| {
        let distance = maximum - score;
        let power = i64::from(EXP2[(distance & 255) as usize]);
        round(power, 8 + (distance >> 8).min(30) as u32).min(255) as u8
    };
    let weights: Vec<u8> = scores.iter().map(|&score| weight(score)).collect();
    let total = weights.iter().map(|&weight| u32::from(weight)).sum::<u32>() + u32::from(weight(sink.into()));
    let out = std::array::from_fn(|i| {
        let weighted = weights.iter().zip(values);
        let sum: i64 = weighted
            .map(|(&weight, value)| i64::from(weight) * i64::from(value[i]))
            .sum();
        (32 * sum + i64::from(total)).div_euclid(2 * i64::from(total)) as i16
    });
    (out, weights, total)
}

/// The frequency of a symbol whose logit is so far below the maximum, in 1/256 octaves.
#[must_use]
pub fn unscaled_frequency(distance: u32, bits: u32) -> u32 {
    let power = u64::from(EXP2[(distance & 255) as usize]) << bits;
    ((power >> (16 + (distance >> 8).min(47))) as u32).max(1)
}

/// A mixer's sum: `weights` times `x`, wrapped to 32 bits.
#[must_use]
pub fn mix(weights: &[i16], x: &[i16]) -> i32 {
    let products = weights.iter().zip(x).map(|(&w, &x)| i64::from(w) * i64::from(x));
    products.sum::<i64>() as i32
}

/// A mixer's weight after a step along its input.
#[must_use]
pub fn trained(weight: i16, x: i16, step: i16) -> i16 {
    let rounded = (2 * i64::from(x) * i64::from(step) + (1 << 15)).div_euclid(1 << 16);
    let clamp = |number: i64| number.clamp(i16::MIN.into(), i16::MAX.into());
    clamp(i64::from(weight) + clamp(rounded)) as i16
}
