//! WebAssembly with 128-bit vectors: 16-bit products of pairs, exact for all of int8.
//!
//! WebAssembly has no way to ask for instructions at run time: a module that has some the machine lacks isn't valid
//! there. So this instruction set is there when the whole program is compiled with `simd128`. The relaxed instructions
//! are not used, as their results differ from machine to machine.

use std::arch::wasm32::*;

use crate::arch::{blocked_entry_points, portable_entry_points, portable_lookups};
use crate::attention::Portable;
use crate::blocked::{Blocked, DotProduct, Staged};
use crate::product::RowVector;
use crate::workspace::Staging;

portable_entry_points!();
portable_lookups!();
blocked_entry_points!(Blocked<Dot, 1>, Portable,);

/// Four rows a vector; weights and activations are widened to 16 bits, and each row's sum is in two lanes.
struct Dot;

// SAFETY: there is no method of its own.
unsafe impl RowVector for Dot {
    const ROWS: usize = 4;
    type Rows = [i32; 4];
}

// SAFETY: the methods read and write what the trait says, and need only 128-bit vectors.
unsafe impl DotProduct for Dot {
    const BIAS: i8 = 0;
    type Element = i16;
    /// Rows 0 and 1, then 2 and 3.
    type Sums = [v128; 2];
    type Weights = [v128; 2];

    #[inline(always)]
    fn stage<'a>(x: &'a [i8], _stride: usize, staging: &'a mut Staging) -> Staged<'a, i16> {
        Staged::widened(x, staging)
    }

    #[inline(always)]
    unsafe fn start(start: i32) -> Self::Sums {
        debug_assert_eq!(start, 0, "staging gives no starts");
        [i32x4_splat(0); 2]
    }

    #[inline(always)]
    unsafe fn load(weights: *const i8) -> Self::Weights {
        // SAFETY: the caller has 16 bytes at `weights`.
        let weights = unsafe { v128_load(weights.cast()) };
        [i16x8_extend_low_i8x16(weights), i16x8_extend_high_i8x16(weights)]
    }

    #[inline(always)]
    unsafe fn dot(sums: Self::Sums, weights: Self::Weights, input: *const i16) -> Self::Sums {
        // SAFETY: the caller has four elements at `input`.
        let input = unsafe { v128_load64_splat(input.cast()) };
        [
            i32x4_add(sums[0], i32x4_dot_i16x8(weights[0], input)),
            i32x4_add(sums[1], i32x4_dot_i16x8(weights[1], input)),
        ]
    }

    #[inline(always)]
    unsafe fn rows(sums: Self::Sums) -> [i32; 4] {
        let even = i32x4_shuffle::<0, 2, 4, 6>(sums[0], sums[1]);
        let odd = i32x4_shuffle::<1, 3, 5, 7>(sums[0], sums[1]);
        let sums = i32x4_add(even, odd);
        let mut rows = [0; 4];
        // SAFETY: `rows` has room for four numbers.
        unsafe { v128_store(rows.as_mut_ptr().cast(), sums) };
        rows
    }
}
