//! AMX: products of bytes by tiles of 16 rows with 64 bytes. All else is as with AVX-512 VNNI.
//!
//! Sixteen blocks of the same rows, one after another, are a tile as the instruction wants its right factor, so matrices
//! lie as they do for AVX-512 VNNI, with the same bias, and batches too small for tiles are multiplied by vectors. The
//! instruction for signed activations and unsigned weights is `tdpbsud`; its sums wrap in 32 bits.
//!
//! The products of queries and keys stay with the vectors: the heads of one position fill less than half a tile.
//!
//! Built with `--cfg czip_emulated_tiles`, this module uses tiles in memory, so its code can be tested on machines that
//! have only AVX-512 VNNI.

#[cfg(any(test, czip_emulated_tiles))]
mod emulated;
#[cfg(not(czip_emulated_tiles))]
mod registers;
mod tiled;
mod tiles;

use crate::arch::product_entry_points;
use crate::blocked::Blocked;
use crate::layout::{BLOCK_COLS, Block, WeightLayout};
use crate::product::{Output, Product};
use crate::workspace::Staging;

use super::avx512vnni::BytesBy16;
use super::vnni;
use tiled::Plan;

#[cfg(czip_emulated_tiles)]
use emulated::Emulated as Configured;
#[cfg(not(czip_emulated_tiles))]
use registers::Registers as Configured;

pub(crate) use super::avx512vnni::*;

product_entry_points!(
    ByTiles,
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
);

/// The smallest batch that tiles are for. In the 16 cycles that a product of whole tiles takes, vectors multiply the same
/// weights by two activation vectors, and tiles have to be configured, staged and stored besides.
const MIN_BATCH: usize = 4;

/// Tiles of weights by tiles of activations.
struct ByTiles;

// SAFETY: of blocks and activations, tiles are loaded from slices; all else that is needed are AVX-512 and VNNI.
unsafe impl Product for ByTiles {
    const WEIGHTS: WeightLayout = WeightLayout::Blocks { bias: vnni::BIAS };
    type Vector = BytesBy16;

    #[inline(always)]
    unsafe fn product(
        blocks: &[Block],
        rows: usize,
        groups: usize,
        x: &[i8],
        staging: &mut Staging,
        output: &mut impl Output<BytesBy16>,
    ) {
        let batch = x.len() / (groups * BLOCK_COLS);
        if batch < MIN_BATCH {
            // SAFETY: as this function's.
            return unsafe { Blocked::<BytesBy16, 4>::product(blocks, rows, groups, x, staging, output) };
        }
        let plan = Plan::new(batch, groups);
        vnni::stage_starts(x, groups * BLOCK_COLS, staging);
        plan.stage(x, &mut staging.tiles);
        // SAFETY: the caller vouches for the instructions, and no other tiles are configured here.
        unsafe {
            let mut tiles = Configured::new(&plan.config());
            tiled::product(&plan, blocks, rows, staging, &mut tiles, output);
        }
    }
}
