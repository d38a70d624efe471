//! Each loop in its plainest form, written straight from the specification.
//!
//! These are the oracles that the tests compare every level with, and the baseline that the benchmarks measure
//! against. They take the natural layouts: matrices row by row, keys and values one vector after another.

use crate::{Attention, HEAD_DIM, Requantization};
use czip_fixed::{clamp127, exp_weight, inverse_rms, requantize, rne_div, rne_shr};

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
