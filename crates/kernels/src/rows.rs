//! Loops over one vector of a version 1 model, in portable Rust shaped for the compiler's vectoriser: norms, rotary
//! embedding, the gated unit. Vectors are int8 `[d]`, the residual int32 `[d]`.

use czip_fixed::inverse_rms;

use crate::layout::HEAD_DIM;
use crate::rounding::rne_shr_i32;

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
        // A residual is a sum of vectors of int8, one from each half of a layer.
        *residual = residual.wrapping_add(normalized(x, gain, inverse));
    }
}

#[inline(always)]
fn inverse_rms_of(x: &[i8]) -> i32 {
    // Squares of int8: it takes 2^17 of them to leave int32.
    let sum_of_squares = x
        .iter()
        .fold(0i32, |sum, &x| sum.wrapping_add(i32::from(x) * i32::from(x)));
    inverse_rms(sum_of_squares as u32, x.len() as u32)
}

#[inline(always)]
fn normalized(x: i8, gain: i8, inverse: i32) -> i32 {
    // A product of two int8 and a number of at most 2^15.
    let product = (i32::from(x) * i32::from(gain)).wrapping_mul(inverse);
    rne_shr_i32(product, 15).clamp(-127, 127)
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
