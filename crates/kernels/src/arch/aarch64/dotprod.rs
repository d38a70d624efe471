//! NEON with the dot product extension (FEAT_DotProd): sums of four products of bytes in one instruction.

use std::arch::aarch64::*;
use std::arch::asm;

use crate::arch::{blocked_entry_points, portable_entry_points, portable_lookups};
use crate::attention::Portable;
use crate::blocked::{Blocked, DotProduct, Staged};
use crate::product::RowVector;
use crate::workspace::Staging;

portable_entry_points!(#[target_feature(enable = "neon,dotprod")]);
portable_lookups!(#[target_feature(enable = "neon,dotprod")]);
// Four vectors by six activations leave 8 of the 32 registers, four of them for the weights.
blocked_entry_points!(Blocked<Sdot, 4>, Portable, #[target_feature(enable = "neon,dotprod")]);

/// Four rows a vector.
pub(super) struct Sdot;

// SAFETY: there is no method of its own.
unsafe impl RowVector for Sdot {
    const ROWS: usize = 4;
    type Rows = [i32; 4];
}

// SAFETY: the methods read and write what the trait says, and need only NEON and its dot product.
unsafe impl DotProduct for Sdot {
    const BIAS: i8 = 0;
    type Element = i8;
    type Sums = int32x4_t;
    type Weights = int8x16_t;

    #[inline(always)]
    fn stage<'a>(x: &'a [i8], _stride: usize, _staging: &'a mut Staging) -> Staged<'a, i8> {
        Staged::as_they_are(x)
    }

    #[inline(always)]
    unsafe fn start(start: i32) -> int32x4_t {
        // SAFETY: the caller has the instructions.
        unsafe { vdupq_n_s32(start) }
    }

    #[inline(always)]
    unsafe fn load(weights: *const i8) -> int8x16_t {
        // SAFETY: the caller has the instructions, and 16 bytes at `weights`.
        unsafe { vld1q_s8(weights) }
    }

    #[inline(always)]
    unsafe fn dot(mut sums: int32x4_t, weights: int8x16_t, input: *const i8) -> int32x4_t {
        // SAFETY: the caller has the instructions, and four elements at `input`. The assembly touches no more than its
        // operands.
        unsafe {
            let input = vreinterpretq_s8_s32(vdupq_n_s32(input.cast::<i32>().read_unaligned()));
            // The intrinsic for it, `vdotq_s32`, is not stable yet.
            asm!(
                "sdot {sums:v}.4s, {weights:v}.16b, {input:v}.16b",
                sums = inout(vreg) sums,
                weights = in(vreg) weights,
                input = in(vreg) input,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sums
    }

    #[inline(always)]
    unsafe fn rows(sums: int32x4_t) -> [i32; 4] {
        let mut rows = [0; 4];
        // SAFETY: the caller has the instructions, and `rows` has room for four numbers.
        unsafe { vst1q_s32(rows.as_mut_ptr(), sums) };
        rows
    }
}
