//! Products by AMX. Its tiles are registers of 16 rows with 64 bytes each; one instruction multiplies 16 by 32 with 32
//! by 16 numbers.
//!
//! Takes f32 `[rows, terms]` and f32 `[terms, cols]`, gives f32 `[rows, cols]`. Factors are packed, with the
//! instructions of AVX-512, into tiles of 16 rows or columns by 16 pairs of terms; sums are made in blocks of two tiles
//! by two.

use std::arch::asm;
use std::arch::x86_64::*;

use crate::avx512::store;
use crate::matrix::{Matrix, Workspace};
use crate::pack::{Order, TILE, tile, write};

/// Numbers of 32 bits in a tile.
const TILE_LEN: usize = TILE * TILE;
/// Rows and columns of a block of sums, which has two tiles by two.
const BLOCK: usize = 2 * TILE;
/// Terms that are summed at a time, a multiple of those in a tile.
const TERMS: usize = 512;
/// Rows whose factors are packed at a time, a multiple of [`BLOCK`].
const ROWS: usize = 96;
/// Columns whose factors are packed at a time, a multiple of [`BLOCK`].
const COLS: usize = 512;

/// Assembly that writes all tiles, or makes what they hold undefined.
macro_rules! with_tiles {
    ($($operand:tt)*) => {
        asm!(
            $($operand)*,
            out("tmm0") _,
            out("tmm1") _,
            out("tmm2") _,
            out("tmm3") _,
            out("tmm4") _,
            out("tmm5") _,
            out("tmm6") _,
            out("tmm7") _,
        )
    };
}

/// The shape of each tile. All of them are whole.
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static TILE_CONFIG: TileConfig = {
    let mut config = TileConfig {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        row_bytes: [0; 16],
        rows: [0; 16],
    };
    let mut tile = 0;
    while tile < 8 {
        config.row_bytes[tile] = 64;
        config.rows[tile] = TILE as u8;
        tile += 1;
    }
    config
};

/// `out = a * b`, or with `add` `out += a * b`. The shapes fit together.
///
/// # Safety
///
/// The machine must have AMX-BF16 and the vectors, and the system must let the process use tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) unsafe fn product(
    out: &mut [f32],
    a: Matrix<'_>,
    b: Matrix<'_>,
    add: bool,
    workspace: &mut Workspace,
) {
    let (rows, cols) = (a.rows, b.cols);
    let Workspace { left, right } = workspace;
    let mut sums = [0.0; BLOCK * BLOCK];
    // SAFETY: the caller vouches for the tiles, and the configuration is 64 bytes of a valid one.
    unsafe { with_tiles!("ldtilecfg [{}]", in(reg) &raw const TILE_CONFIG, options(nostack, readonly)) };
    for first_col in (0..cols).step_by(COLS) {
        let col_count = COLS.min(cols - first_col);
        for first in (0..a.cols).step_by(TERMS) {
            let count = TERMS.min(a.cols - first);
            let panel = count.div_ceil(2 * TILE) * 2 * TILE_LEN;
            pack(
                b.transposed(),
                first_col..first_col + col_count,
                first..first + count,
                Order::Columns,
                right,
            );
            for first_row in (0..rows).step_by(ROWS) {
                let row_count = ROWS.min(rows - first_row);
                pack(
                    a,
                    first_row..first_row + row_count,
                    first..first + count,
                    Order::Rows,
                    left,
                );
                for (right, col) in right.chunks_exact(panel).zip((first_col..).step_by(BLOCK)) {
                    for (left, row) in left.chunks_exact(panel).zip((first_row..).step_by(BLOCK)) {
                        // SAFETY: the tiles are configured.
                        unsafe { multiply(left, right, &mut sums) };
                        let add = add || first > 0;
                        let sums = sums.as_chunks::<BLOCK>().0;
                        for (r, sums) in sums.iter().enumerate().take(rows - row) {
                            let out = &mut out[(row + r) * cols + col..(row + r + 1) * cols];
                            // SAFETY: a row of a block is two vectors.
                            let sums = unsafe {
                                [
                                    _mm512_loadu_ps(sums.as_ptr()),
                                    _mm512_loadu_ps(sums.as_ptr().add(TILE)),
                                ]
                            };
                            store(&sums, add, out);
                        }
                    }
                }
            }
        }
    }
    // SAFETY: as above.
    unsafe { with_tiles!("tilerelease", options(nostack, nomem)) };
}

/// The products of two panels of rows with two of columns: the sums of a block, row by row.
///
/// # Safety
///
/// The tiles must be configured by [`TILE_CONFIG`].
#[inline]
unsafe fn multiply(left: &[u32], right: &[u32], sums: &mut [f32; BLOCK * BLOCK]) {
    assert!(left.len() == right.len() && left.len().is_multiple_of(2 * TILE_LEN) && !left.is_empty());
    let half = left.len() / 2;
    // SAFETY: each panel is one half, some tiles of 1,024 bytes one after another, of which there is one at least. The sums
    // are 32 rows of 128 bytes.
    unsafe {
        with_tiles!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{left} + {row}]",
            "tileloadd tmm6, [{right} + {row}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{lower_right} + {row}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{lower_left} + {row}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {left}, 1024",
            "add {lower_left}, 1024",
            "add {right}, 1024",
            "add {lower_right}, 1024",
            "dec {tiles}",
            "jnz 2b",
            "mov {row}, 128",
            "tilestored [{sums} + {row}], tmm0",
            "tilestored [{sums} + {row} + 64], tmm1",
            "add {sums}, 2048",
            "tilestored [{sums} + {row}], tmm2",
            "tilestored [{sums} + {row} + 64], tmm3",
            left = inout(reg) left.as_ptr() => _,
            lower_left = inout(reg) left.as_ptr().add(half) => _,
            right = inout(reg) right.as_ptr() => _,
            lower_right = inout(reg) right.as_ptr().add(half) => _,
            sums = inout(reg) sums.as_mut_ptr() => _,
            tiles = inout(reg) half / TILE_LEN => _,
            row = inout(reg) 64usize => _,
            options(nostack)
        );
    }
}

/// Packs some columns of some rows, rounded, in pairs of columns: tiles of 16 rows by 16 pairs, those of the same rows
/// one after another, an even number of panels. The left factor has rows as lines, the right one, transposed, columns. What is
/// missing is zero.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn pack(
    matrix: Matrix<'_>,
    rows: std::ops::Range<usize>,
    cols: std::ops::Range<usize>,
    order: Order,
    out: &mut Vec<u32>,
) {
    let panel = cols.len().div_ceil(2 * TILE) * TILE_LEN;
    out.resize(rows.len().div_ceil(BLOCK) * 2 * panel, 0);
    for (out, row) in out.chunks_exact_mut(panel).zip((rows.start..).step_by(TILE)) {
        let row_count = rows.end.saturating_sub(row);
        for (out, col) in out
            .as_chunks_mut::<TILE_LEN>()
            .0
            .iter_mut()
            .zip(cols.clone().step_by(2 * TILE))
        {
            let tile = tile(matrix, (row, row_count), (col, cols.end - col), order);
            for (out, line) in out.as_chunks_mut::<TILE>().0.iter_mut().zip(tile) {
                write(line, out);
            }
        }
    }
}
