//! Products of int8 matrices, `[rows, cols]`, with batches of activations, int8 `[batch, stride]`.

use std::ops::Range;

use super::{Kernels, dispatch};
use crate::matrix::PackedMatrix;
use crate::requantization::Requantization;
use crate::workspace::Workspace;

impl Kernels {
    /// Packs a row-major matrix, int8 `[rows, cols]`, for this instruction set.
    ///
    /// # Panics
    ///
    /// If `weights` has another length, if a side is zero, or if `cols` exceeds [`PackedMatrix::MAX_COLS`].
    #[must_use]
    pub fn pack(self, weights: &[i8], rows: usize, cols: usize) -> PackedMatrix {
        assert!(
            rows > 0 && cols > 0 && cols <= PackedMatrix::MAX_COLS,
            "matrix of {rows} x {cols}"
        );
        assert_eq!(
            weights.len(),
            rows * cols,
            "weights of a matrix of {rows} x {cols}"
        );
        PackedMatrix::new(self.instruction_set(), self.weight_layout(), weights, rows, cols)
    }

    /// `out[b][r] = sum over c of matrix[r][c] * x[b][c]`, for a batch of activation vectors.
    ///
    /// `x` is int8 `[batch, matrix.stride()]`, `out` is int32 `[batch, matrix.rows()]`.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit together, or the matrix was packed for another instruction set.
    pub fn matmul(self, matrix: &PackedMatrix, x: &[i8], workspace: &mut Workspace, out: &mut [i32]) {
        self.matmul_rows(matrix, 0..matrix.rows(), x, workspace, out);
    }

    /// [`Kernels::matmul`] with some rows of the matrix, so that threads can share a product: `out` is int32
    /// `[batch, rows.len()]`.
    ///
    /// # Panics
    ///
    /// As [`Kernels::matmul`], or if the matrix doesn't have these rows, or `rows.start` is not a multiple of
    /// [`PackedMatrix::ROW_GROUP`].
    pub fn matmul_rows(
        self,
        matrix: &PackedMatrix,
        rows: Range<usize>,
        x: &[i8],
        workspace: &mut Workspace,
        out: &mut [i32],
    ) {
        matrix.check(self.instruction_set(), &rows, x, out.len());
        if !rows.is_empty() {
            dispatch!(self, matmul(matrix, rows, x, workspace, out));
        }
    }

    /// [`Kernels::matmul`], with its sums requantised to activations: `out` is int8 `[batch, matrix.rows()]`.
    ///
    /// # Panics
    ///
    /// As [`Kernels::matmul`].
    pub fn matmul_requantized(
        self,
        matrix: &PackedMatrix,
        x: &[i8],
        requantization: Requantization,
        workspace: &mut Workspace,
        out: &mut [i8],
    ) {
        matrix.check(self.instruction_set(), &(0..matrix.rows()), x, out.len());
        dispatch!(
            self,
            matmul_requantized(matrix, x, requantization, workspace, out)
        );
    }
}
