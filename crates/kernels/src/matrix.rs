//! Int8 matrices `[rows, cols]`, packed once for one instruction set, and the portable product: int8 `[batch, stride]`
//! in, int32 `[batch, rows]` out.

use std::ops::Range;

use crate::instruction_set::InstructionSet;
use crate::layout::{self, BLOCK_COLS, BLOCK_ROWS, Block, WeightLayout};

/// A matrix of int8 weights in the layout that one [`InstructionSet`] wants. Made by
/// [`Kernels::pack`](crate::Kernels::pack).
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    instruction_set: InstructionSet,
    rows: usize,
    cols: usize,
    layout: Layout,
}

#[derive(Clone, Debug)]
enum Layout {
    /// Row by row, each padded with zeros to the stride, widened: 16-bit products of pairs are what baseline vector
    /// units do best, and widening once at load is faster than widening in each pass.
    Wide(Vec<i16>),
    /// See [`layout`].
    Blocks(Vec<Block>),
}

impl PackedMatrix {
    /// Packs a row-major matrix for an instruction set: in blocks, or widened if it has weights row by row. The matrix has
    /// rows and columns.
    pub(crate) fn new(
        instruction_set: InstructionSet,
        layout: WeightLayout,
        weights: &[i8],
        rows: usize,
        cols: usize,
    ) -> Self {
        let layout = match layout {
            WeightLayout::Blocks { .. } | WeightLayout::BlockPairs => {
                Layout::Blocks(layout::pack(weights, rows, cols, layout))
            }
            WeightLayout::Rows => {
                let stride = cols.next_multiple_of(Self::COLUMN_GROUP);
                let mut wide = vec![0; rows * stride];
                for (row, wide) in weights.chunks_exact(cols).zip(wide.chunks_exact_mut(stride)) {
                    for (&weight, wide) in row.iter().zip(wide) {
                        *wide = weight.into();
                    }
                }
                Layout::Wide(wide)
            }
        };
        Self {
            instruction_set,
            rows,
            cols,
            layout,
        }
    }

    /// The number of rows: the length of one output vector.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns: the elements of an activation vector that count.
    #[must_use]
    pub const fn cols(&self) -> usize {
        self.cols
    }

    /// The distance between two activation vectors in a batch: `cols`, rounded up to a multiple of
    /// [`PackedMatrix::COLUMN_GROUP`]. What stands in the padding does not matter.
    #[must_use]
    pub const fn stride(&self) -> usize {
        self.cols.next_multiple_of(Self::COLUMN_GROUP)
    }

    /// Activation vectors are padded to a multiple of this many elements.
    pub const COLUMN_GROUP: usize = BLOCK_COLS;

    /// Where a range of rows may start: at a multiple of this many.
    pub const ROW_GROUP: usize = BLOCK_ROWS;

    /// The widest matrix whose products cannot overflow 32 bits: 2^31 / 128^2.
    pub const MAX_COLS: usize = (1 << 17) - 1;

    /// Panics unless the matrix is packed for `instruction_set` and has these rows, the first of which begins a block, `x`
    /// is a batch of activation vectors, and the output has `out_len` elements, a vector for each.
    pub(crate) fn check(
        &self,
        instruction_set: InstructionSet,
        rows: &Range<usize>,
        x: &[i8],
        out_len: usize,
    ) {
        assert_eq!(
            self.instruction_set, instruction_set,
            "matrix packed for another instruction set"
        );
        assert!(
            rows.start <= rows.end && rows.end <= self.rows && rows.start.is_multiple_of(Self::ROW_GROUP),
            "rows {rows:?} of a matrix of {}",
            self.rows
        );
        assert_eq!(
            x.len() % self.stride(),
            0,
            "batch of vectors of {}",
            self.stride()
        );
        let batch = x.len() / self.stride();
        assert_eq!(
            out_len,
            batch * rows.len(),
            "output of a product with {batch} vectors"
        );
    }

    /// Some rows, widened, of a matrix packed for scalar code: int16 `[rows, stride]`.
    pub(crate) fn wide(&self, rows: Range<usize>) -> &[i16] {
        match &self.layout {
            Layout::Wide(wide) => &wide[rows.start * self.stride()..rows.end * self.stride()],
            Layout::Blocks(_) => unreachable!("scalar code has matrices row by row"),
        }
    }

    /// The blocks of some rows, of which the first begins a block, their number, and the groups of columns, of a matrix
    /// packed for vector code.
    pub(crate) fn blocks(&self, rows: Range<usize>) -> (&[Block], usize, usize) {
        match &self.layout {
            Layout::Blocks(blocks) => {
                let groups = self.cols.div_ceil(BLOCK_COLS);
                (&blocks[rows.start / BLOCK_ROWS * groups..], rows.len(), groups)
            }
            Layout::Wide(_) => unreachable!("vector code has matrices in blocks"),
        }
    }
}

/// Activation vectors that share one pass over the weights.
const BATCH: usize = 4;
/// Columns widened at a time: four vectors of this many 16-bit numbers stay in the first-level cache.
const COLUMNS: usize = 512;

/// Products of a widened matrix `[rows, stride]` with a batch of vectors `[batch, stride]`.
#[inline(always)]
pub(crate) fn matmul(wide: &[i16], rows: usize, stride: usize, x: &[i8], out: &mut [i32]) {
    for (x, out) in x.chunks(BATCH * stride).zip(out.chunks_mut(BATCH * rows)) {
        let batch = x.len() / stride;
        for first in (0..stride).step_by(COLUMNS) {
            let columns = COLUMNS.min(stride - first);
            let mut widened = [[0i16; COLUMNS]; BATCH];
            for (x, widened) in x.chunks_exact(stride).zip(&mut widened) {
                widened
                    .iter_mut()
                    .zip(&x[first..first + columns])
                    .for_each(|(to, &from)| *to = i16::from(from));
            }
            let [x0, x1, x2, x3] = widened.each_ref().map(|x| &x[..columns]);
            for (row, weights) in wide.chunks_exact(stride).enumerate() {
                let weights = &weights[first..first + columns];
                let sums = if batch == 1 {
                    [dot_wide(weights, x0), 0, 0, 0]
                } else {
                    dots(weights, [x0, x1, x2, x3])
                };
                for (b, &sum) in sums[..batch].iter().enumerate() {
                    let out = &mut out[b * rows + row];
                    *out = if first == 0 { sum } else { out.wrapping_add(sum) };
                }
            }
        }
    }
}

/// The sum of 16-bit products, wrapped to 32 bits.
#[inline(always)]
pub(crate) fn dot_wide(w: &[i16], x: &[i16]) -> i32 {
    w.iter().zip(x).fold(0i32, |sum, (&w, &x)| {
        sum.wrapping_add(i32::from(w) * i32::from(x))
    })
}

#[inline(always)]
fn dots(w: &[i16], x: [&[i16]; BATCH]) -> [i32; BATCH] {
    // Where vectors are long, compilers turn several sums in one loop into slower code than a loop for each: a fifth of
    // the speed with AVX-512.
    if cfg!(target_feature = "avx2") {
        let [x0, x1, x2, x3] = x;
        return [dot_wide(w, x0), dot_wide(w, x1), dot_wide(w, x2), dot_wide(w, x3)];
    }
    let mut sums = [0i32; BATCH];
    for (i, &w) in w.iter().enumerate() {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum = sum.wrapping_add(i32::from(w) * i32::from(x[i]));
        }
    }
    sums
}
