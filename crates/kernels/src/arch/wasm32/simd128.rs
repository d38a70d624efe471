//! WebAssembly with 128-bit vectors: 16-bit products of pairs, exact for all of int8.
//!
//! WebAssembly has no way to ask for instructions at run time: a module that has some the machine lacks isn't valid
//! there. So this instruction set is there when the whole program is compiled with `simd128`. The relaxed instructions
//! are not used, as their results differ from machine to machine.

use std::arch::wasm32::*;

use crate::arch::{blocked_entry_points, portable_entry_points, portable_lookups};
use crate::attention::{Portable, Run, RunSums};
use crate::blocked::{Blocked, DotProduct, Staged};
use crate::layout::{Block, HEAD_DIM, ValueLayout};
use crate::product::RowVector;
use crate::sliding::WeightedSums;
use crate::workspace::{Staging, WeightSpace};

portable_entry_points!();
portable_lookups!();
blocked_entry_points!(Blocked<Dot, 1>, Sums,);

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

/// Sums over values one after another.
struct Sums;

// SAFETY: the method is that of the portable sums.
unsafe impl RunSums for Sums {
    const VALUES: ValueLayout = Portable::VALUES;

    #[inline(always)]
    unsafe fn add_run(
        exp2: &[u16; 256],
        run: Run<'_>,
        values: &[Block],
        space: &mut WeightSpace,
        acc: &mut [i32; HEAD_DIM],
    ) -> u64 {
        // SAFETY: as this function's.
        unsafe { Portable::add_run(exp2, run, values, space, acc) }
    }
}

// SAFETY: the method reads and writes what the trait says, and needs only 128-bit vectors.
unsafe impl WeightedSums for Sums {
    #[inline(always)]
    unsafe fn weighted_sums(weights: &[u8], values: &[Block], acc: &mut [i32; HEAD_DIM]) {
        /// Elements whose sums fit the registers of most machines.
        const PART: usize = HEAD_DIM / 2;
        /// Elements of a vector.
        const BYTES: usize = 16;

        let pairs = weights.as_chunks::<2>().0.iter().zip(values.as_chunks::<2>().0);
        for (part, acc) in acc.as_chunks_mut::<PART>().0.iter_mut().enumerate() {
            let mut sums = [i32x4_splat(0); PART / 4];
            for (&[first, second], values) in pairs.clone() {
                let pair = i32x4_splat(i32::from(first) | i32::from(second) << 16);
                for (vector, sums) in sums.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                    let [first, second] = values.each_ref().map(|value| {
                        let elements = value.0[part * PART + vector * BYTES..][..BYTES].as_ptr();
                        // SAFETY: the slice has 16 bytes.
                        unsafe { v128_load(elements.cast()) }
                    });
                    // The elements of both by turns.
                    let low = i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(
                        first, second,
                    );
                    let high = i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(
                        first, second,
                    );
                    let elements = [
                        i16x8_extend_low_i8x16(low),
                        i16x8_extend_high_i8x16(low),
                        i16x8_extend_low_i8x16(high),
                        i16x8_extend_high_i8x16(high),
                    ];
                    for (sum, elements) in sums.iter_mut().zip(elements) {
                        *sum = i32x4_add(*sum, i32x4_dot_i16x8(elements, pair));
                    }
                }
            }
            for (sum, acc) in sums.iter().zip(acc.as_chunks_mut::<4>().0) {
                // SAFETY: `acc` has room for four numbers.
                unsafe { v128_store(acc.as_mut_ptr().cast(), *sum) };
            }
        }
    }
}
