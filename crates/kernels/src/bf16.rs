//! Products of float matrices in bfloat16 with 32-bit sums, for training on processors that have them.
//!
//! bfloat16 holds int8 exactly, so that of the factors of a gradient only the gradient itself is rounded. The blocking is
//! that of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008).

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// A matrix of 32-bit floats: row by row, or transposed.
#[derive(Clone, Copy, Debug)]
pub struct FloatMatrix<'a> {
    elements: &'a [f32],
    rows: usize,
    cols: usize,
    /// From one row to the next.
    row_stride: usize,
    /// From one column to the next.
    col_stride: usize,
}

impl<'a> FloatMatrix<'a> {
    /// A row-major matrix of `rows` rows.
    ///
    /// # Panics
    ///
    /// If the elements don't fill whole rows.
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

    /// The elements, and the distances between them from one row to the next and from one column to the next.
    #[must_use]
    pub const fn elements(&self) -> (&'a [f32], usize, usize) {
        (self.elements, self.row_stride, self.col_stride)
    }
}

/// Products in bfloat16. A value of this type is the proof that the machine has the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bf16Products(Unit);

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// AVX-512 BF16.
    Vectors,
    /// AMX, which packs with the instructions of AVX-512.
    Tiles,
}

/// Working space, kept by the caller.
#[derive(Clone, Debug, Default)]
pub struct Bf16Workspace {
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Bf16Products {
    /// The fastest that the machine has: those of AMX on Linux, or those of AVX-512.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Self::available().last()
    }

    /// All that the machine has, the slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        [
            (Unit::Vectors, has_vectors()),
            (Unit::Tiles, has_vectors() && has_tiles()),
        ]
        .into_iter()
        .filter(|&(_, there)| there)
        .map(|(unit, _)| Self(unit))
    }

    /// `out = a * b`, or `out += a * b`, row by row.
    ///
    /// # Panics
    ///
    /// If the shapes don't fit together.
    pub fn product(
        self,
        out: &mut [f32],
        a: FloatMatrix<'_>,
        b: FloatMatrix<'_>,
        add: bool,
        workspace: &mut Bf16Workspace,
    ) {
        assert!(
            a.cols == b.rows && out.len() == a.rows * b.cols,
            "product of {} x {} and {} x {}",
            a.rows,
            a.cols,
            b.rows,
            b.cols
        );
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this unit is only named where the instructions are.
            Unit::Vectors => unsafe { avx512::product(out, a, b, add, workspace) },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            // SAFETY: this unit is only named where the instructions are, and the system lets the process use them.
            Unit::Tiles => unsafe { amx::product(out, a, b, add, workspace) },
            #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
            _ => {
                // No unit is named on other machines.
                let _ = (out, add, workspace);
            }
        }
    }
}

fn has_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    let there = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let there = false;
    there
}

fn has_tiles() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    let there = amx::detect();
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    let there = false;
    there
}

/// Writes or adds a row of a tile to the beginning of `out`, as far as that goes.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn store(sums: &[__m512], add: bool, out: &mut [f32]) {
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
