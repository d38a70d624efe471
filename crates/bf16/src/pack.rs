//! Packing by the instructions of AVX-512: tiles of 16 lines with 16 pairs of terms, rounded to bfloat16.

use std::arch::x86_64::*;

use crate::matrix::Matrix;

/// Lines of a tile, and pairs of terms in one.
pub(crate) const TILE: usize = 16;

/// What is a line of a tile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// A row of the matrix, with 16 pairs of its columns.
    Rows,
    /// A pair of columns, with 16 rows.
    Columns,
}

/// The tile of 16 rows and 16 pairs of columns that begins at `row` and `col`. What is missing is zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn tile(
    matrix: Matrix<'_>,
    (row, row_count): (usize, usize),
    (col, col_count): (usize, usize),
    order: Order,
) -> [__m512i; TILE] {
    let (row_count, col_count) = (row_count.min(TILE), col_count.min(2 * TILE));
    let (tile, found) = if matrix.col_stride == 1 {
        (rows_of(matrix, row, row_count, col, col_count), Order::Rows)
    } else {
        (columns_of(matrix, row, row_count, col, col_count), Order::Columns)
    };
    if order == found { tile } else { transposed(tile) }
}

/// Writes a line of a tile.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn write(line: __m512i, out: &mut [u32; TILE]) {
    // SAFETY: 16 numbers of 32 bits are one vector.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), line) };
}

/// A tile whose rows are those of a matrix that lies row by row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn rows_of(
    matrix: Matrix<'_>,
    row: usize,
    row_count: usize,
    col: usize,
    col_count: usize,
) -> [__m512i; TILE] {
    let mut tile = [_mm512_setzero_si512(); TILE];
    for (r, line) in tile.iter_mut().enumerate().take(row_count) {
        let from = &matrix.elements[(row + r) * matrix.row_stride + col..][..col_count];
        let (low, high) = from.split_at(col_count.min(TILE));
        let pairs = _mm512_cvtne2ps_pbh(load(high), load(low));
        // SAFETY: both types are 512 bits without any that are invalid.
        *line = unsafe { std::mem::transmute::<__m512bh, __m512i>(pairs) };
    }
    tile
}

/// A tile whose rows are pairs of columns of a matrix that lies column by column.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn columns_of(
    matrix: Matrix<'_>,
    row: usize,
    row_count: usize,
    col: usize,
    col_count: usize,
) -> [__m512i; TILE] {
    let mut tile = [_mm512_setzero_si512(); TILE];
    let column = |c: usize| -> __m512i {
        let count = if c < col_count { row_count } else { 0 };
        let from = match count {
            0 => &[][..],
            count => &matrix.elements[(col + c) * matrix.col_stride + row..][..count],
        };
        // SAFETY: both types are 256 bits without any that are invalid.
        let rounded = unsafe { std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(load(from))) };
        _mm512_cvtepu16_epi32(rounded)
    };
    for (pair, line) in tile.iter_mut().enumerate() {
        *line = _mm512_or_si512(column(2 * pair), _mm512_slli_epi32::<16>(column(2 * pair + 1)));
    }
    tile
}

/// A vector of at most 16 numbers, and zeros after them.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(from: &[f32]) -> __m512 {
    let mask = (1u32 << from.len().min(TILE)) - 1;
    // SAFETY: the mask lets through at most as many lanes as there are elements.
    unsafe { _mm512_maskz_loadu_ps(mask as u16, from.as_ptr()) }
}

/// Rows become columns: by numbers, by pairs of them, by fours and by eights.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(x: [__m512i; TILE]) -> [__m512i; TILE] {
    let mut y = x;
    for i in (0..TILE).step_by(2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    // Each vector has four groups of four; in group g of x[4 q + i] stands column 4 g + i of rows 4 q to 4 q + 3.
    let mut x = y;
    for q in (0..TILE).step_by(4) {
        x[q] = _mm512_unpacklo_epi64(y[q], y[q + 2]);
        x[q + 1] = _mm512_unpackhi_epi64(y[q], y[q + 2]);
        x[q + 2] = _mm512_unpacklo_epi64(y[q + 1], y[q + 3]);
        x[q + 3] = _mm512_unpackhi_epi64(y[q + 1], y[q + 3]);
    }
    // What is left is to transpose four by four groups.
    for i in 0..4 {
        let (a, b, c, d) = (x[i], x[i + 4], x[i + 8], x[i + 12]);
        let (low_even, low_odd) = (
            _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b),
        );
        let (high_even, high_odd) = (
            _mm512_shuffle_i32x4::<0b10_00_10_00>(c, d),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d),
        );
        y[i] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low_even, high_even);
        y[i + 4] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low_odd, high_odd);
        y[i + 8] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low_even, high_even);
        y[i + 12] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low_odd, high_odd);
    }
    y
}
