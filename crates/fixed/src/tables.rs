//! The look-up tables of the format, computed exactly and committed: powers of two, the rotations of RoPE for the base
//! 10000, and sines.
//!
//! A model file of version 1 carries its own tables and runs with those. The tables here are for making a model, for
//! checking one, and for tests. Models of version 2 carry no tables and use [`EXP2`] and [`sine`].
//! `cargo xtask codegen tables` regenerates `tables/exp2.rs`, `tables/rope_10000.bin` and `tables/sine_2048.bin`;
//! `docs/spec/fixed-point.md` says how the entries are defined.

use std::array;

mod exp2;

pub use exp2::{EXP2, LOG2E_OVER_64_Q24, LOG2E_OVER_640_Q24};

/// The coefficient of attention scores in [`exp_weight`](crate::exp_weight): 2^14 score units make a factor
/// of e.
pub const ATTENTION_COEFFICIENT: u32 = LOG2E_OVER_64_Q24;

/// The coefficient of logits in [`exp_weight`](crate::exp_weight) unless a model has its own: 10 * 2^14
/// logit units make a factor of e.
pub const LOGIT_COEFFICIENT: u32 = LOG2E_OVER_640_Q24;

/// The base of the RoPE frequencies, 10000, as model files write it: Q16.16.
pub const ROPE_THETA_Q16: u32 = 10_000 << 16;

/// The number of positions that the RoPE table covers.
pub const ROPE_ROWS: usize = 1024;

/// The number of frequencies, and of rotated pairs in a head of 64.
pub const ROPE_PAIRS: usize = 32;

/// 32 cosines and 32 sines of two bytes each.
const ROW_BYTES: usize = 2 * ROPE_PAIRS * 2;

static ROPE: &[u8; ROPE_ROWS * ROW_BYTES] = include_bytes!("tables/rope_10000.bin");

/// Cosines and sines of position `pos`, Q1.15; `None` from [`ROPE_ROWS`] on.
///
/// Entry `i` is round(x * 2^15), at most 32767, where x is the cosine or sine of `pos` * 10000^(-i/32).
#[must_use]
pub fn rope_row(pos: usize) -> Option<([i16; ROPE_PAIRS], [i16; ROPE_PAIRS])> {
    let (rows, _) = ROPE.as_chunks::<ROW_BYTES>();
    let (entries, _) = rows.get(pos)?.as_chunks::<2>();
    let cos = array::from_fn(|i| i16::from_le_bytes(entries[i]));
    let sin = array::from_fn(|i| i16::from_le_bytes(entries[ROPE_PAIRS + i]));
    Some((cos, sin))
}

/// The number of steps that make a full turn in [`sine`].
pub const TURN: usize = 2048;

const QUARTER: usize = TURN / 4;

static SINE: &[u8; 2 * (QUARTER + 1)] = include_bytes!("tables/sine_2048.bin");

/// round(sin(2 pi `angle` / [`TURN`]) * 2^15), at most 32767 in magnitude, Q1.15. The cosine is the sine a quarter turn
/// later.
#[must_use]
pub fn sine(angle: usize) -> i16 {
    let angle = angle % TURN;
    let (half, angle) = (angle / (TURN / 2), angle % (TURN / 2));
    let entry = angle.min(TURN / 2 - angle);
    let sine = i16::from_le_bytes([SINE[2 * entry], SINE[2 * entry + 1]]);
    if half == 0 { sine } else { -sine }
}
