//! Products in 32-bit floats, by the crate matrixmultiply: f32 `[rows, terms]` times f32 `[terms, cols]` is f32
//! `[rows, cols]`.

use crate::matrix::{Matrix, check};

/// `out = a * b`, or with `add` `out += a * b`, in 32 bits on every machine: f32 `[a.rows(), b.cols()]`, row by row.
///
/// # Panics
///
/// If the shapes don't fit together.
pub fn product_f32(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    check(out, a, b);
    let keep = if add { 1.0 } else { 0.0 };
    // SAFETY: the elements of a matrix are as many as its rows and columns say, at distances that stay within them; as `check`
    // has found, `out` has a row for each of `a` and a column for each of `b`; and it is borrowed by nobody else.
    unsafe {
        matrixmultiply::sgemm(
            a.rows,
            a.cols,
            b.cols,
            1.0,
            a.elements.as_ptr(),
            a.row_stride as isize,
            a.col_stride as isize,
            b.elements.as_ptr(),
            b.row_stride as isize,
            b.col_stride as isize,
            keep,
            out.as_mut_ptr(),
            b.cols as isize,
            1,
        );
    }
}
