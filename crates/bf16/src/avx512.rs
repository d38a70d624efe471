//! Products by AVX-512 BF16: a block of sums, six rows by four vectors, stays in registers while the packed factors stream by.
//!
//! Takes f32 `[rows, terms]` and f32 `[terms, cols]`, gives f32 `[rows, cols]`. Factors are packed in pairs of terms,
//! bfloat16 in the two halves of 32 bits, as the instruction reads them: rows one by one, columns in panels.

use std::arch::x86_64::*;

use crate::matrix::{Matrix, Workspace};
use crate::pack::{Order, TILE, tile, write};

/// Rows of a block of sums.
const MR: usize = 6;
/// Vectors in a row of a block.
const VECTORS: usize = 4;
/// Columns of a block.
const NR: usize = VECTORS * TILE;
/// Terms that are summed at a time.
const TERMS: usize = 512;
/// Rows whose factors are packed at a time, a multiple of [`MR`] and of [`TILE`].
const ROWS: usize = 96;
/// Columns whose factors are packed at a time, a multiple of [`NR`].
const COLS: usize = 512;

/// `out = a * b`, or with `add` `out += a * b`. The shapes fit together.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn product(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, add: bool, workspace: &mut Workspace) {
    let (rows, cols) = (a.rows, b.cols);
    let Workspace { left, right } = workspace;
    for first_col in (0..cols).step_by(COLS) {
        let col_count = COLS.min(cols - first_col);
        for first in (0..a.cols).step_by(TERMS) {
            let terms = (first, TERMS.min(a.cols - first));
            let pairs = terms.1.div_ceil(2);
            let line = pairs.next_multiple_of(TILE);
            pack_right(b.transposed(), (first_col, col_count), terms, right);
            for first_row in (0..rows).step_by(ROWS) {
                let row_count = ROWS.min(rows - first_row);
                pack_left(a, (first_row, row_count), terms, left);
                for (panel, right) in right.as_chunks::<NR>().0.chunks_exact(line).enumerate() {
                    let col = first_col + panel * NR;
                    for (block, left) in left.chunks_exact(MR * line).enumerate() {
                        let row = first_row + block * MR;
                        let sums = multiply(left, &right[..pairs]);
                        let add = add || first > 0;
                        for (r, sums) in sums.iter().enumerate().take(rows - row) {
                            let out = &mut out[(row + r) * cols + col..(row + r + 1) * cols];
                            store(sums, add, out);
                        }
                    }
                }
            }
        }
    }
}

/// Packs `count` columns from `first` on of the left factor: each row by itself, its pairs in order, up to a whole tile of
/// them. Rows that are missing in the last block of sums are zero.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn pack_left(
    matrix: Matrix<'_>,
    (first_row, row_count): (usize, usize),
    (first, count): (usize, usize),
    out: &mut Vec<u32>,
) {
    let line = count.div_ceil(2).next_multiple_of(TILE);
    out.resize(row_count.next_multiple_of(MR) * line, 0);
    // Terms outside: what lies together in a transposed matrix is read together.
    for col in (0..count).step_by(2 * TILE) {
        for (out, row) in out.chunks_mut(TILE * line).zip((0..).step_by(TILE)) {
            let rows = (first_row + row, row_count.saturating_sub(row));
            let tile = tile(matrix, rows, (first + col, count - col), Order::Rows);
            for (out, packed) in out.chunks_exact_mut(line).zip(tile) {
                let out = &mut out[col / 2..];
                write(packed, out.first_chunk_mut().expect("lines hold whole tiles"));
            }
        }
    }
}

/// Packs `count` columns from `first` on of the right factor, transposed: panels of [`NR`] rows, pair by pair. What is
/// missing is zero.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn pack_right(
    matrix: Matrix<'_>,
    (first_row, row_count): (usize, usize),
    (first, count): (usize, usize),
    out: &mut Vec<u32>,
) {
    let pairs = count.div_ceil(2).next_multiple_of(TILE);
    out.resize(row_count.div_ceil(NR) * pairs * NR, 0);
    for (out, panel) in out.chunks_exact_mut(pairs * NR).zip((0..).step_by(NR)) {
        for (out, col) in out.chunks_exact_mut(TILE * NR).zip((0..).step_by(2 * TILE)) {
            for vector in 0..VECTORS {
                let row = panel + vector * TILE;
                let rows = (first_row + row, row_count.saturating_sub(row));
                let tile = tile(matrix, rows, (first + col, count - col), Order::Columns);
                for (out, packed) in out
                    .as_chunks_mut::<TILE>()
                    .0
                    .iter_mut()
                    .skip(vector)
                    .step_by(VECTORS)
                    .zip(tile)
                {
                    write(packed, out);
                }
            }
        }
    }
}

/// The products of the packed rows of a block, whose lines follow each other, with a packed panel of columns.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn multiply(left: &[u32], right: &[[u32; NR]]) -> [[__m512; VECTORS]; MR] {
    let line = left.len() / MR;
    let left: [&[u32]; MR] = std::array::from_fn(|row| &left[row * line..][..right.len()]);
    let mut sums = [[_mm512_setzero_ps(); VECTORS]; MR];
    for (pair, right) in right.iter().enumerate() {
        let mut columns = [_mm512_setzero_si512(); VECTORS];
        for (columns, right) in columns.iter_mut().zip(right.as_chunks::<TILE>().0) {
            // SAFETY: 16 numbers of 32 bits are one vector.
            *columns = unsafe { _mm512_loadu_si512(right.as_ptr().cast()) };
        }
        for (sums, left) in sums.iter_mut().zip(left) {
            let left = _mm512_set1_epi32(left[pair] as i32);
            for (sum, &columns) in sums.iter_mut().zip(&columns) {
                // SAFETY: both types are 512 bits without any that are invalid.
                let (left, columns) = unsafe {
                    (
                        std::mem::transmute::<__m512i, __m512bh>(left),
                        std::mem::transmute::<__m512i, __m512bh>(columns),
                    )
                };
                *sum = _mm512_dpbf16_ps(*sum, left, columns);
            }
        }
    }
    sums
}

/// Writes or adds a row of a block to the beginning of `out`, as far as that goes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn store(sums: &[__m512], add: bool, out: &mut [f32]) {
    for (&sum, out) in sums.iter().zip(out.chunks_mut(TILE)) {
        let mask = u16::MAX >> (16 - out.len());
        // SAFETY: the mask lets through as many lanes as `out` has elements.
        unsafe {
            let sum = if add {
                _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, out.as_ptr()))
            } else {
                sum
            };
            _mm512_mask_storeu_ps(out.as_mut_ptr(), mask, sum);
        }
    }
}
