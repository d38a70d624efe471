//! Products by AVX-512 BF16: a tile of sums, six rows by four vectors, stays in registers while the packed factors stream by.
//!
//! Takes f32 `[rows, terms]` and f32 `[terms, cols]`, gives f32 `[rows, cols]`. Factors are packed in pairs of terms,
//! bfloat16 in the two halves of 32 bits, as the instruction reads them.

use std::arch::x86_64::*;

use crate::matrix::{Matrix, Workspace};

/// Rows of a tile of sums.
const MR: usize = 6;
/// Vectors in a row of a tile.
const VECTORS: usize = 4;
/// Columns of a tile.
const NR: usize = VECTORS * 16;
/// Pairs of terms that are summed at a time.
const PAIRS: usize = 256;
/// Rows whose factors are packed at a time, a multiple of [`MR`].
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
        for first in (0..a.cols).step_by(2 * PAIRS) {
            let count = (2 * PAIRS).min(a.cols - first);
            let pairs = count.div_ceil(2);
            pack::<NR>(b.transposed(), first_col, col_count, first, count, right);
            for first_row in (0..rows).step_by(ROWS) {
                let row_count = ROWS.min(rows - first_row);
                pack::<MR>(a, first_row, row_count, first, count, left);
                for (panel, right) in right.chunks_exact(pairs * NR).enumerate() {
                    let col = first_col + panel * NR;
                    for (tile, left) in left.chunks_exact(pairs * MR).enumerate() {
                        let row = first_row + tile * MR;
                        let sums = multiply(left, right);
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

/// Packs `count` columns from `first` on of some rows, rounded, in pairs of columns: panels of `WIDTH` rows, each with
/// all pairs of its first row's columns and so on, pair by pair. What is missing is zero.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn pack<const WIDTH: usize>(
    matrix: Matrix<'_>,
    first_row: usize,
    row_count: usize,
    first: usize,
    count: usize,
    out: &mut Vec<u32>,
) {
    let pairs = count.div_ceil(2);
    out.resize(row_count.div_ceil(WIDTH) * pairs * WIDTH, 0);
    let Matrix {
        elements,
        row_stride,
        col_stride,
        ..
    } = matrix;
    for (panel, out) in out.chunks_exact_mut(pairs * WIDTH).enumerate() {
        let row = first_row + panel * WIDTH;
        let width = WIDTH.min(row_count - panel * WIDTH);
        if row_stride == 1 {
            // Neighbours are of the same column.
            for (pair, out) in out.chunks_exact_mut(WIDTH).enumerate() {
                let col = first + 2 * pair;
                let low = &elements[col * col_stride + row..][..width];
                if col + 1 < first + count {
                    let high = &elements[(col + 1) * col_stride + row..][..width];
                    if width == WIDTH {
                        for ((out, &low), &high) in out.iter_mut().zip(&low[..WIDTH]).zip(&high[..WIDTH]) {
                            *out = pair_of(low, high);
                        }
                    } else {
                        out[width..].fill(0);
                        for ((out, &low), &high) in out.iter_mut().zip(low).zip(high) {
                            *out = pair_of(low, high);
                        }
                    }
                } else {
                    out[width..].fill(0);
                    for (out, &low) in out.iter_mut().zip(low) {
                        *out = pair_of(low, 0.0);
                    }
                }
            }
        } else {
            for r in 0..WIDTH {
                if r >= width {
                    out.iter_mut().skip(r).step_by(WIDTH).for_each(|out| *out = 0);
                    continue;
                }
                let line = &elements[(row + r) * row_stride + first..][..count];
                let (whole, rest) = line.as_chunks::<2>();
                let mut out = out.iter_mut().skip(r).step_by(WIDTH);
                // The pairs first: a zip takes from its first part before it finds that the second has ended.
                for (&[low, high], out) in whole.iter().zip(&mut out) {
                    *out = pair_of(low, high);
                }
                if let (Some(out), [low]) = (out.next(), rest) {
                    *out = pair_of(*low, 0.0);
                }
            }
        }
    }
}

/// Two numbers in bfloat16, rounded to nearest, ties to even.
#[inline(always)]
fn pair_of(low: f32, high: f32) -> u32 {
    let round = |x: f32| {
        let bits = x.to_bits();
        bits.wrapping_add(0x7fff + ((bits >> 16) & 1))
    };
    round(low) >> 16 | round(high) & 0xffff_0000
}

/// The products of a packed tile of rows with a packed panel of columns.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn multiply(left: &[u32], right: &[u32]) -> [[__m512; VECTORS]; MR] {
    let mut sums = [[_mm512_setzero_ps(); VECTORS]; MR];
    let pairs = left.as_chunks::<MR>().0.iter().zip(right.as_chunks::<NR>().0);
    for (left, right) in pairs {
        let mut columns = [_mm512_setzero_si512(); VECTORS];
        for (columns, right) in columns.iter_mut().zip(right.as_chunks::<16>().0) {
            // SAFETY: 16 numbers of 32 bits are one vector.
            *columns = unsafe { _mm512_loadu_si512(right.as_ptr().cast()) };
        }
        for (sums, &left) in sums.iter_mut().zip(left) {
            let left = _mm512_set1_epi32(left as i32);
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

/// Writes or adds a row of a tile to the beginning of `out`, as far as that goes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn store(sums: &[__m512], add: bool, out: &mut [f32]) {
    for (&sum, out) in sums.iter().zip(out.chunks_mut(16)) {
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
