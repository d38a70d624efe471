//! NEON: 16-bit products of bytes, added in pairs to 32-bit sums.
//!
//! A product of two bytes is at most (-128)^2 = 2^14, so it fits 16 bits; a sum of two such products would not.

use std::arch::aarch64::*;

use crate::arch::{blocked_entry_points, portable_entry_points, portable_lookups};
use crate::attention::Portable;
use crate::blocked::{Blocked, DotProduct, Staged};
use crate::product::RowVector;
use crate::workspace::Staging;

portable_entry_points!(#[target_feature(enable = "neon")]);
portable_lookups!(#[target_feature(enable = "neon")]);
// With two accumulators for a vector of rows, two vectors by six activations leave 8 of the 32 registers.
blocked_entry_points!(Blocked<Widening, 2>, Portable, #[target_feature(enable = "neon")]);

/// Four rows a vector; each row's sum is in two lanes.
struct Widening;

// SAFETY: there is no method of its own.
unsafe impl RowVector for Widening {
    const ROWS: usize = 4;
    type Rows = [i32; 4];
}

// SAFETY: the methods read and write what the trait says, and need only NEON.
unsafe impl DotProduct for Widening {
    const BIAS: i8 = 0;
    type Element = i8;
    /// Rows 0 and 1, then 2 and 3.
    type Sums = [int32x4_t; 2];
    type Weights = int8x16_t;

    #[inline(always)]
    fn stage<'a>(x: &'a [i8], _stride: usize, _staging: &'a mut Staging) -> Staged<'a, i8> {
        Staged::as_they_are(x)
    }

    #[inline(always)]
    unsafe fn start(start: i32) -> Self::Sums {
        debug_assert_eq!(start, 0, "staging gives no starts");
        // SAFETY: the caller has NEON.
        [unsafe { vdupq_n_s32(0) }; 2]
    }

    #[inline(always)]
    unsafe fn load(weights: *const i8) -> int8x16_t {
        // SAFETY: the caller has NEON, and 16 bytes at `weights`.
        unsafe { vld1q_s8(weights) }
    }

    #[inline(always)]
    unsafe fn dot(sums: Self::Sums, weights: int8x16_t, input: *const i8) -> Self::Sums {
        // SAFETY: the caller has NEON, and four elements at `input`.
        unsafe {
            let input = vreinterpretq_s8_s32(vdupq_n_s32(input.cast::<i32>().read_unaligned()));
            let low = vmull_s8(vget_low_s8(weights), vget_low_s8(input));
            let high = vmull_high_s8(weights, input);
            [vpadalq_s16(sums[0], low), vpadalq_s16(sums[1], high)]
        }
    }

    #[inline(always)]
    unsafe fn rows(sums: Self::Sums) -> [i32; 4] {
        let mut rows = [0; 4];
        // SAFETY: the caller has NEON, and `rows` has room for four numbers.
        unsafe { vst1q_s32(rows.as_mut_ptr(), vpaddq_s32(sums[0], sums[1])) };
        rows
    }
}
