//! NEON with matrix products of bytes (FEAT_I8MM): `smmla` multiplies two activation vectors by two rows, eight columns at a
//! time. That is twice what the dot product does, so batches and the queries of attention gain; a single vector does not.
//!
//! Weights and keys lie in pairs of blocks, so that eight columns of two rows are one load.

use std::arch::aarch64::*;
use std::arch::asm;
use std::ops::Range;

use crate::arch::{blocked_entry_points, portable_entry_points, portable_lookups};
use crate::attention::Portable;
use crate::layout::{BLOCK_COLS, BLOCK_ROWS, Block, WeightLayout};
use crate::product::{Output, Product, RowVector};
use crate::workspace::Staging;

use super::dotprod::Sdot;

portable_entry_points!(#[target_feature(enable = "neon,dotprod,i8mm")]);
portable_lookups!(#[target_feature(enable = "neon,dotprod,i8mm")]);
blocked_entry_points!(Smmla, Portable, #[target_feature(enable = "neon,dotprod,i8mm")]);

/// The columns of an instruction.
const COLS: usize = 2 * BLOCK_COLS;
/// Pairs of rows in a block.
const ROW_PAIRS: usize = BLOCK_ROWS / 2;

/// Two vectors by two rows.
struct Smmla;

// SAFETY: all that is read of the blocks are the rows and groups that the assertion is about, and of activations what is in
// slices; all else that is needed are NEON and its matrix products.
unsafe impl Product for Smmla {
    const WEIGHTS: WeightLayout = WeightLayout::BlockPairs;
    type Vector = Sdot;

    #[inline(always)]
    unsafe fn product(
        blocks: &[Block],
        rows: usize,
        groups: usize,
        x: &[i8],
        staging: &mut Staging,
        output: &mut impl Output<Sdot>,
    ) {
        assert!(
            blocks.len() >= rows.div_ceil(BLOCK_ROWS) * groups,
            "blocks of {rows} rows"
        );
        let batch = x.len() / (groups * BLOCK_COLS);
        stage(x, groups * BLOCK_COLS, &mut staging.pairs);
        for (blocks, row) in blocks.chunks_exact(groups).zip((0..rows).step_by(BLOCK_ROWS)) {
            let rows = row..rows.min(row + BLOCK_ROWS);
            let mut pairs = &staging.pairs[..];
            let mut vector = 0;
            while vector < batch {
                let vectors = vector..batch;
                // SAFETY: the caller vouches for the instructions.
                let count = unsafe {
                    match vectors.len().div_ceil(2) {
                        1 => tile::<1>(blocks, rows.clone(), pairs, vectors, output),
                        2 => tile::<2>(blocks, rows.clone(), pairs, vectors, output),
                        _ => tile::<3>(blocks, rows.clone(), pairs, vectors, output),
                    }
                };
                pairs = &pairs[count * groups.div_ceil(2)..];
                vector += 2 * count;
            }
        }
    }
}

/// Puts activations, int8 `[batch, stride]`, into pairs of vectors, eight columns of each at a time. What is missing is zero.
#[inline(always)]
fn stage(x: &[i8], stride: usize, pairs: &mut Vec<[[i8; COLS]; 2]>) {
    pairs.clear();
    for x in x.chunks(2 * stride) {
        let (first, second) = x.split_at(stride);
        let mut second = second.chunks(COLS);
        for first in first.chunks(COLS) {
            let mut pair = [[0; COLS]; 2];
            for (to, from) in pair.iter_mut().zip([first, second.next().unwrap_or_default()]) {
                // The test makes the usual length a constant in its branch.
                if let Ok(whole) = from.try_into() {
                    *to = whole;
                } else {
                    to[..from.len()].copy_from_slice(from);
                }
            }
            pairs.push(pair);
        }
    }
}

/// The products of the rows of a block with the first of `vectors`, which are `PAIRS` pairs; returns their number. With three
/// pairs, sums take 24 of the 32 registers.
///
/// # Safety
///
/// NEON and its matrix products must be there, and their features enabled in the caller.
#[inline(always)]
unsafe fn tile<const PAIRS: usize>(
    blocks: &[Block],
    rows: Range<usize>,
    pairs: &[[[i8; COLS]; 2]],
    vectors: Range<usize>,
    output: &mut impl Output<Sdot>,
) -> usize {
    let steps = blocks.len().div_ceil(2);
    let mut inputs = [pairs.as_ptr(); PAIRS];
    for (p, input) in inputs.iter_mut().enumerate() {
        *input = pairs[p * steps..][..steps].as_ptr();
    }
    let (block_pairs, last) = blocks.as_chunks::<2>();
    // Of two rows, the sums with the first vector of a pair and then those with the second.
    //
    // SAFETY: the caller vouches for the instructions. `inputs` are read at `steps` places, the extent of the slices that
    // they were made from. A pair of blocks is 16 rows of 8 bytes, and a block 16 rows of 4.
    let sums = unsafe {
        let mut sums = [[vdupq_n_s32(0); PAIRS]; ROW_PAIRS];
        let mut x = [vdupq_n_s8(0); PAIRS];
        for (step, pair) in block_pairs.iter().enumerate() {
            for (x, input) in x.iter_mut().zip(inputs) {
                *x = vld1q_s8(input.add(step).cast());
            }
            let weights = pair.as_ptr().cast::<i8>();
            for (r, sums) in sums.iter_mut().enumerate() {
                let weights = vld1q_s8(weights.add(r * 2 * COLS));
                for (sums, &x) in sums.iter_mut().zip(&x) {
                    *sums = smmla(*sums, x, weights);
                }
            }
        }
        if let [block] = last {
            for (x, input) in x.iter_mut().zip(inputs) {
                *x = vld1q_s8(input.add(block_pairs.len()).cast());
            }
            let (sums, _) = sums.as_chunks_mut::<2>();
            for (r, [lower, upper]) in sums.iter_mut().enumerate() {
                // Four rows of four columns, and zeros in place of another four columns.
                let weights = vld1q_s8(block.0.as_ptr().add(r * 4 * BLOCK_COLS));
                let (weights, none) = (vreinterpretq_s32_s8(weights), vdupq_n_s32(0));
                for (sums, weights) in [
                    (lower, vzip1q_s32(weights, none)),
                    (upper, vzip2q_s32(weights, none)),
                ] {
                    for (sums, &x) in sums.iter_mut().zip(&x) {
                        *sums = smmla(*sums, x, vreinterpretq_s8_s32(weights));
                    }
                }
            }
        }
        sums
    };
    for p in 0..PAIRS {
        for second in [false, true] {
            let vector = vectors.start + 2 * p + usize::from(second);
            if vector >= vectors.end {
                break;
            }
            for (sums, row) in sums
                .as_chunks::<2>()
                .0
                .iter()
                .zip(rows.clone().step_by(Sdot::ROWS))
            {
                let mut four = [0; Sdot::ROWS];
                // SAFETY: the caller vouches for the instructions, and there is room for four numbers.
                unsafe {
                    let lower = vreinterpretq_s64_s32(sums[0][p]);
                    let upper = vreinterpretq_s64_s32(sums[1][p]);
                    let sums = if second {
                        vzip2q_s64(lower, upper)
                    } else {
                        vzip1q_s64(lower, upper)
                    };
                    vst1q_s32(four.as_mut_ptr(), vreinterpretq_s32_s64(sums));
                    output.put(vector, row, (rows.end - row).min(Sdot::ROWS), &four);
                }
            }
        }
    }
    PAIRS
}

/// Adds to each of four sums eight products: of one of two vectors and one of two rows.
///
/// # Safety
///
/// The machine must have the instruction.
#[inline(always)]
unsafe fn smmla(mut sums: int32x4_t, x: int8x16_t, weights: int8x16_t) -> int32x4_t {
    // The intrinsic for it, `vmmlaq_s32`, is not stable yet.
    //
    // SAFETY: the caller has the instruction. The assembly touches no more than its operands.
    unsafe {
        asm!(
            "smmla {sums:v}.4s, {x:v}.16b, {weights:v}.16b",
            sums = inout(vreg) sums,
            x = in(vreg) x,
            weights = in(vreg) weights,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}
