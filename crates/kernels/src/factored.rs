//! Loops over vectors whose magnitude is found as they come, in portable Rust shaped for the compiler's vectoriser: int32
//! between the matrices of a version 3 model, with a [`Factor`] for each row of a matrix and for each vector.
//! `docs/spec/czm-v3.md` defines what they compute.

use czip_fixed::tables::EXP2;
use czip_fixed::{Factor, Level, SIGMOID, round_shr, round_shr_i64};

/// The largest magnitude of an int32 between matrices.
pub(crate) const LIMIT: i32 = (1 << 28) - 1;

#[inline(always)]
fn largest(x: &[i32]) -> u32 {
    x.iter().fold(0, |max, &x| max.max(x.unsigned_abs()))
}

/// Shifts a vector until its largest element has 15 bits.
#[inline(always)]
pub(crate) fn level(x: &[i32], out: &mut [i32]) -> Level {
    let bits = u32::BITS - largest(x).leading_zeros();
    if bits <= 15 {
        for (&x, out) in x.iter().zip(&mut *out) {
            *out = x << (15 - bits);
        }
    } else {
        for (&x, out) in x.iter().zip(&mut *out) {
            *out = round_shr(x, bits - 15);
        }
    }
    Level {
        bits,
        largest: largest(out),
    }
}

/// The sum of squares of elements of at most 2^15 in magnitude.
#[inline(always)]
pub(crate) fn sum_of_squares_i32(x: &[i32]) -> u64 {
    // Eight squares fit 32 bits with room for the two that are 2^30 each.
    let mut sum = 0u64;
    let (chunks, rest) = x.as_chunks::<64>();
    for chunk in chunks {
        let (mut high, mut low) = (0u32, 0u32);
        for &x in chunk {
            let square = (x * x) as u32;
            high += square >> 16;
            low += square & 0xffff;
        }
        sum += (u64::from(high) << 16) + u64::from(low);
    }
    for &x in rest {
        sum += (x * x) as u64;
    }
    sum
}

/// A levelled vector in 8 bits: -127 to 127.
#[inline(always)]
pub(crate) fn to_i8(x: &[i32], largest: u32, out: &mut [i8]) {
    let reciprocal = reciprocal(127 << 23, largest);
    for (&x, out) in x.iter().zip(out) {
        *out = round_shr(x * reciprocal, 23) as i8;
    }
}

/// A levelled vector in 16 bits, as two parts of 8: it is `256 * high + low`.
#[inline(always)]
pub(crate) fn to_i8_pair(x: &[i32], largest: u32, high: &mut [i8], low: &mut [i8]) {
    let reciprocal = reciprocal(32_512 << 15, largest);
    for ((&x, high), low) in x.iter().zip(high).zip(low) {
        let wide = round_shr(x * reciprocal, 15);
        let upper = round_shr(wide, 8);
        *high = upper as i8;
        *low = (wide - (upper << 8)) as i8;
    }
}

fn reciprocal(of: u32, largest: u32) -> i32 {
    of.checked_div(largest).unwrap_or(0) as i32
}

/// `high[i] = 4 * high[i] + round(low[i] / 2^6)`: the sums of a vector of 16 bits.
#[inline(always)]
pub(crate) fn join_sums(high: &mut [i32], low: &[i32]) {
    for (high, &low) in high.iter_mut().zip(low) {
        *high = (*high << 2) + round_shr(low, 6);
    }
}

/// A sum times two factors, saturated.
#[inline(always)]
fn scaled(sum: i32, mantissa: u16, exponent: u8, unit: Factor) -> i32 {
    // 16 bits by 15.
    let factor = i32::from(mantissa) * i32::from(unit.mantissa);
    let shift = (u32::from(exponent) + u32::from(unit.exponent)).clamp(1, 62);
    let rounded = round_shr_i64(i64::from(sum) * i64::from(factor), shift);
    rounded.clamp((-LIMIT).into(), LIMIT.into()) as i32
}

/// `x[i] = scaled(x[i], row i's factor, unit)`.
#[inline(always)]
pub(crate) fn scale(x: &mut [i32], mantissas: &[u16], exponents: &[u8], unit: Factor) {
    for ((x, &mantissa), &exponent) in x.iter_mut().zip(mantissas).zip(exponents) {
        *x = scaled(*x, mantissa, exponent, unit);
    }
}

/// `residual[i] = sat(residual[i] + scaled(sums[i], row i's factor, unit))`.
#[inline(always)]
pub(crate) fn add_scaled(
    sums: &[i32],
    mantissas: &[u16],
    exponents: &[u8],
    unit: Factor,
    residual: &mut [i32],
) {
    let rows = sums.iter().zip(mantissas).zip(exponents);
    for (((&sum, &mantissa), &exponent), residual) in rows.zip(residual) {
        *residual = (*residual + scaled(sum, mantissa, exponent, unit)).clamp(-LIMIT, LIMIT);
    }
}

/// Rotates a levelled vector: pairs element i with i + pairs, by the angle of `cos[i]` and `sin[i]`, Q1.15.
#[inline(always)]
pub(crate) fn rotate_i32(x: &mut [i32], cos: &[i16], sin: &[i16]) {
    let (low, high) = x.split_at_mut(cos.len());
    for (((x, y), &c), &s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        let (a, b, c, s) = (*x, *y, i32::from(c), i32::from(s));
        *x = round_shr(a * c - b * s, 15);
        *y = round_shr(a * s + b * c, 15);
    }
}

/// `out[i] = sat(round(silu(gates[i]) * values[i] / 2^12))`, all with 12 fraction bits.
#[inline(always)]
pub(crate) fn gate(gates: &[i32], values: &[i32], out: &mut [i32]) {
    const BLOCK: usize = 16;
    let (whole_gates, last_gates) = gates.as_chunks::<BLOCK>();
    let (whole_values, last_values) = values.as_chunks::<BLOCK>();
    let (whole_out, last_out) = out.as_chunks_mut::<BLOCK>();
    for ((gates, values), out) in whole_gates.iter().zip(whole_values).zip(whole_out) {
        gate_block(gates, values, out);
    }
    for ((&gate, &value), out) in last_gates.iter().zip(last_values).zip(last_out) {
        let mut block = [0; 1];
        gate_block(&[gate], &[value], &mut block);
        *out = block[0];
    }
}

#[inline(always)]
fn gate_block<const N: usize>(gates: &[i32; N], values: &[i32; N], out: &mut [i32; N]) {
    let (mut low, mut high) = ([0u32; N], [0u32; N]);
    for i in 0..N {
        let entry = (gates[i].unsigned_abs() >> 6).min(1024) as usize;
        (low[i], high[i]) = (SIGMOID[entry], SIGMOID[entry + 1]);
    }
    for i in 0..N {
        let gate = gates[i];
        let rest = gate.unsigned_abs() & 63;
        let sigmoid = (low[i] * (64 - rest) + high[i] * rest + 32) >> 6;
        let sigmoid = if gate < 0 { (1 << 16) - sigmoid } else { sigmoid };
        let silu = round_shr_i64(i64::from(gate) * i64::from(sigmoid), 16);
        let product = round_shr_i64(silu * i64::from(values[i]), 12);
        out[i] = product.clamp((-LIMIT).into(), LIMIT.into()) as i32;
    }
}

#[inline(always)]
pub(crate) fn maximum(x: &[i32]) -> i32 {
    x.iter().fold(i32::MIN, |max, &x| max.max(x))
}

/// Scores, in 1/256 octaves, to weights of 16 bits below the maximum; returns their sum.
#[inline(always)]
pub(crate) fn weigh_scores(scores: &[i32], maximum: i32, out: &mut [u32]) -> u32 {
    let mut sum = 0u32;
    for (&score, out) in scores.iter().zip(out) {
        let distance = maximum.wrapping_sub(score) as u32;
        let weight = round_shr(EXP2[(distance & 255) as usize].into(), (distance >> 8).min(17));
        *out = weight as u32;
        sum = sum.wrapping_add(*out);
    }
    sum
}

/// Weights times the factors of their values' units, relative to the exponent `least`, as low and high bytes.
#[inline(always)]
pub(crate) fn weigh_values(
    weights: &[u32],
    mantissas: &[u16],
    exponents: &[u8],
    least: u8,
    low: &mut [u8],
    high: &mut [u8],
) {
    let factors = weights.iter().zip(mantissas).zip(exponents);
    for (((&weight, &mantissa), &exponent), (low, high)) in factors.zip(low.iter_mut().zip(high)) {
        // What is outside the window may have any exponent, and no weight.
        let shift = 15 + u32::from(exponent.saturating_sub(least));
        let product = weight.wrapping_mul(mantissa.into());
        let rounded = if shift > 31 {
            0
        } else {
            product.wrapping_add(1 << (shift - 1)) >> shift
        };
        *low = rounded as u8;
        *high = (rounded >> 8) as u8;
    }
}
