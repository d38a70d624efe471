//! Int8 matrices, packed once for one instruction-set level, and their products with batches of activations.

use crate::blocked::{self, Block};
use crate::instruction_set::dispatch;
use crate::{InstructionSet, Kernels};

/// How accumulators become activations again: `clamp127(RNE(acc * mult / 2^shift))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requantization {
    mult: i32,
    shift: i8,
    /// See [`narrow_limit`].
    limit: Option<i32>,
}

impl Requantization {
    /// The factor and the shift. `None` where the shift is above [`czip_fixed::MAX_SHIFT`].
    #[must_use]
    pub const fn new(mult: i32, shift: i8) -> Option<Self> {
        if shift <= czip_fixed::MAX_SHIFT {
            Some(Self {
                mult,
                shift,
                limit: narrow_limit(mult, shift),
            })
        } else {
            None
        }
    }

    /// The factor.
    #[must_use]
    pub const fn mult(self) -> i32 {
        self.mult
    }

    /// The shift; zero or less means none.
    #[must_use]
    pub const fn shift(self) -> i8 {
        self.shift
    }

    /// The accumulator beyond which the result is certainly clamped, if arithmetic up to there fits 32 bits.
    pub(crate) const fn limit(self) -> Option<i32> {
        self.limit
    }
}

/// The accumulator beyond which the result is certainly clamped, where `limit * mult` and its rounding fit 32 bits.
///
/// Then clamping the accumulator first changes nothing, and the product needs no more than 32 bits.
const fn narrow_limit(mult: i32, shift: i8) -> Option<i32> {
    if shift < 1 || shift > 22 || mult <= 0 {
        return None;
    }
    // The smallest accumulator whose product reaches 128 * 2^shift, which rounds to 128 and so clamps.
    let limit = (128u64 << shift).div_ceil(mult as u64) as i64;
    let product = limit * mult as i64 + (1 << shift);
    if product <= i32::MAX as i64 {
        Some(limit as i32)
    } else {
        None
    }
}

/// Working space of the kernels, kept by the caller so that nothing is allocated per token.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "some levels of x86-64 alone use all of it")
)]
pub struct Workspace {
    /// Activations widened to 16 bits.
    pub(crate) widened: Vec<i16>,
    /// What the sums of each activation vector start at.
    pub(crate) starts: Vec<i32>,
    /// Sums of a product on their way to activations.
    pub(crate) sums: Vec<i32>,
    /// Products of queries and keys, then scores.
    pub(crate) scores: Vec<i32>,
    /// Weights of a stretch of keys.
    pub(crate) weights: Vec<u32>,
    /// The bytes of those weights, low and high.
    pub(crate) weight_bytes: [Vec<u8>; 2],
    /// Those weights in pairs.
    pub(crate) weight_pairs: Vec<i16>,
    /// The pairs that a sign bit got lost in.
    pub(crate) weight_halves: Vec<(usize, [i16; 2])>,
}

/// A matrix of int8 weights in the layout that one [`InstructionSet`] wants. Made by [`Kernels::pack`].
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
    /// units do best, and widening once at load beats widening at each pass.
    Wide(Vec<i16>),
    /// See [`blocked`].
    Blocks(Vec<Block>),
}

impl PackedMatrix {
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
    pub const COLUMN_GROUP: usize = 4;

    /// The widest matrix whose products cannot overflow 32 bits: 2^31 / 128^2.
    pub const MAX_COLS: usize = (1 << 17) - 1;

    /// The rows, widened, of a matrix packed for scalar code.
    pub(crate) fn wide(&self) -> &[i16] {
        match &self.layout {
            Layout::Wide(wide) => wide,
            Layout::Blocks(_) => unreachable!("scalar code has matrices row by row"),
        }
    }

    /// Blocks, rows, and column groups of a matrix packed for vector code.
    pub(crate) fn blocks(&self) -> (&[Block], usize, usize) {
        match &self.layout {
            Layout::Blocks(blocks) => (blocks, self.rows, self.cols.div_ceil(Self::COLUMN_GROUP)),
            Layout::Wide(_) => unreachable!("vector code has matrices in blocks"),
        }
    }
}

impl Kernels {
    /// Packs a row-major matrix of `rows * cols` weights for this level.
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
        let layout = match self.instruction_set().block_bias() {
            Some(bias) => Layout::Blocks(blocked::pack(weights, rows, cols, bias)),
            None => {
                let stride = cols.next_multiple_of(PackedMatrix::COLUMN_GROUP);
                let padding = vec![0; stride - cols];
                let widen = |row: &[i8]| {
                    row.iter()
                        .chain(&padding)
                        .map(|&w| i16::from(w))
                        .collect::<Vec<_>>()
                };
                Layout::Wide(weights.chunks_exact(cols).flat_map(widen).collect())
            }
        };
        PackedMatrix {
            instruction_set: self.instruction_set(),
            rows,
            cols,
            layout,
        }
    }

    /// `out[b][r] = sum over c of matrix[r][c] * x[b][c]`, for a batch of activation vectors.
    ///
    /// `x` is int8 `[batch, matrix.stride()]`, `out` is int32 `[batch, matrix.rows()]`.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit together, or the matrix was packed for another instruction set.
    pub fn matmul(self, matrix: &PackedMatrix, x: &[i8], workspace: &mut Workspace, out: &mut [i32]) {
        self.check(matrix, x, out.len());
        dispatch!(self, matmul(matrix, x, workspace, out));
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
        self.check(matrix, x, out.len());
        dispatch!(
            self,
            matmul_requantized(matrix, x, requantization, workspace, out)
        );
    }

    fn check(self, matrix: &PackedMatrix, x: &[i8], out: usize) {
        assert_eq!(
            matrix.instruction_set,
            self.instruction_set(),
            "matrix packed for another instruction set"
        );
        assert_eq!(
            x.len() % matrix.stride(),
            0,
            "batch of vectors of {}",
            matrix.stride()
        );
        let batch = x.len() / matrix.stride();
        assert_eq!(
            out,
            batch * matrix.rows,
            "output of a product with {batch} vectors"
        );
    }
}
