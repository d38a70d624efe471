//! Views of float matrices, and the space for their packed form.

/// A view of a matrix of 32-bit floats: row by row, or transposed.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    pub(crate) elements: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// From one row to the next.
    pub(crate) row_stride: usize,
    /// From one column to the next.
    pub(crate) col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix of `rows` rows: f32 `[rows, elements.len() / rows]`.
    ///
    /// # Panics
    ///
    /// If `rows` is 0, or the elements don't fill whole rows.
    #[must_use]
    pub fn new(elements: &'a [f32], rows: usize) -> Self {
        let cols = elements.len() / rows;
        assert_eq!(elements.len(), rows * cols, "elements of {rows} rows");
        Self {
            elements,
            rows,
            cols,
            row_stride: cols,
            col_stride: 1,
        }
    }

    /// The transposed matrix.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Self {
            elements: self.elements,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// The number of rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    #[must_use]
    pub const fn cols(&self) -> usize {
        self.cols
    }
}

/// Panics unless `out` can hold the product of two matrices whose shapes fit together.
pub(crate) fn check(out: &[f32], a: Matrix<'_>, b: Matrix<'_>) {
    assert!(
        a.cols == b.rows && a.rows.checked_mul(b.cols) == Some(out.len()),
        "product of {} x {} and {} x {}",
        a.rows,
        a.cols,
        b.rows,
        b.cols
    );
}

/// Working space, kept by the caller so no product has to allocate it again.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// Packed rows of the left factor: pairs of bfloat16.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only x86-64 has units that multiply")
    )]
    pub(crate) left: Vec<u32>,
    /// Packed columns of the right factor.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only x86-64 has units that multiply")
    )]
    pub(crate) right: Vec<u32>,
}
