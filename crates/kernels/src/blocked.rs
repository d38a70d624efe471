//! The [`Product`] of any instruction set that multiplies groups of four int8 pairs.

use std::marker::PhantomData;

use crate::layout::{BLOCK_COLS, BLOCK_LEN, BLOCK_ROWS, Block, WeightLayout};
use crate::product::{Output, Product, RowVector};
use crate::workspace::Staging;

/// Activations made ready for one instruction set.
pub(crate) struct Staged<'a, T> {
    /// `[batch, stride]`.
    pub(crate) elements: &'a [T],
    /// What the sums of each vector start at; empty for zero.
    pub(crate) starts: &'a [i32],
}

impl<'a> Staged<'a, i8> {
    /// Activations as they are.
    #[cfg_attr(
        not(target_arch = "aarch64"),
        allow(dead_code, reason = "only some instruction sets want it")
    )]
    #[inline(always)]
    pub(crate) fn as_they_are(x: &'a [i8]) -> Self {
        Self {
            elements: x,
            starts: &[],
        }
    }
}

#[cfg_attr(
    target_arch = "aarch64",
    allow(dead_code, reason = "NEON widens bytes as it multiplies them")
)]
impl<'a> Staged<'a, i16> {
    /// Activations widened to 16 bits.
    #[inline(always)]
    pub(crate) fn widened(x: &[i8], staging: &'a mut Staging) -> Self {
        let widened = &mut staging.widened;
        widened.resize(x.len(), 0);
        for (widened, &x) in widened.iter_mut().zip(x) {
            *widened = x.into();
        }
        Self {
            elements: widened,
            starts: &[],
        }
    }
}

/// The instructions of one instruction set.
///
/// # Safety
///
/// An implementation's unsafe methods need its instructions, and have to be inlined into a function with the features
/// enabled. They access what their descriptions say and nothing else.
pub(crate) unsafe trait DotProduct: RowVector {
    /// What is added to every weight when it is packed, modulo 256.
    const BIAS: i8;
    /// An activation after staging.
    type Element: Copy;
    /// Sums of `ROWS` rows, one or more lanes each.
    type Sums: Copy;
    /// Weights of `ROWS` rows and four columns.
    type Weights: Copy;

    /// Makes activations `[batch, stride]` ready.
    fn stage<'a>(x: &'a [i8], stride: usize, staging: &'a mut Staging) -> Staged<'a, Self::Element>;
    /// All sums equal to `start`, which is zero where staging gives no starts.
    ///
    /// # Safety
    ///
    /// The machine must have the instructions.
    unsafe fn start(start: i32) -> Self::Sums;
    /// Loads weights.
    ///
    /// # Safety
    ///
    /// The machine must have the instructions. At `weights` there must be `4 * ROWS` bytes, aligned to that number.
    unsafe fn load(weights: *const i8) -> Self::Weights;
    /// Adds to each row's sum its four products with the four activations at `input`.
    ///
    /// # Safety
    ///
    /// The machine must have the instructions. At `input` there must be four activations.
    unsafe fn dot(sums: Self::Sums, weights: Self::Weights, input: *const Self::Element) -> Self::Sums;
    /// The sum of each row.
    ///
    /// # Safety
    ///
    /// The machine must have the instructions.
    unsafe fn rows(sums: Self::Sums) -> Self::Rows;
}

/// Products by `D`, in tiles of `VECTORS` vectors of rows by up to six activation vectors.
pub(crate) struct Blocked<D, const VECTORS: usize>(PhantomData<D>);

// SAFETY: all that is read of the blocks are the rows and groups that the assertion is about.
unsafe impl<D: DotProduct, const VECTORS: usize> Product for Blocked<D, VECTORS> {
    const WEIGHTS: WeightLayout = WeightLayout::Blocks { bias: D::BIAS };
    type Vector = D;

    #[inline(always)]
    unsafe fn product(
        blocks: &[Block],
        rows: usize,
        groups: usize,
        x: &[i8],
        staging: &mut Staging,
        output: &mut impl Output<D>,
    ) {
        const { assert!(BLOCK_ROWS.is_multiple_of(D::ROWS)) };
        assert!(
            blocks.len() >= rows.div_ceil(BLOCK_ROWS) * groups,
            "blocks of {rows} rows"
        );
        let staged = D::stage(x, groups * BLOCK_COLS, staging);
        let mut row = 0;
        while row < rows {
            // SAFETY: the caller vouches for the instructions; the assertion above covers all blocks of `rows` rows.
            unsafe {
                if rows.next_multiple_of(BLOCK_ROWS) - row >= VECTORS * D::ROWS {
                    rows_of_tiles::<D, VECTORS>(blocks, row, rows, groups, &staged, output);
                    row += VECTORS * D::ROWS;
                } else {
                    rows_of_tiles::<D, 1>(blocks, row, rows, groups, &staged, output);
                    row += D::ROWS;
                }
            }
        }
    }
}

/// The products of `VECTORS` vectors of rows from `row` with the whole batch.
///
/// # Safety
///
/// As [`Product::product`]; the matrix has blocks for all these rows.
#[inline(always)]
unsafe fn rows_of_tiles<D: DotProduct, const VECTORS: usize>(
    blocks: &[Block],
    row: usize,
    rows: usize,
    groups: usize,
    staged: &Staged<'_, D::Element>,
    output: &mut impl Output<D>,
) {
    let mut weights = [std::ptr::null(); VECTORS];
    for (vector, weights) in weights.iter_mut().enumerate() {
        let row = row + vector * D::ROWS;
        let blocks = blocks[row / BLOCK_ROWS * groups..][..groups].as_ptr();
        *weights = blocks.cast::<i8>().wrapping_add(row % BLOCK_ROWS * BLOCK_COLS);
    }
    let rows = (rows - row).min(VECTORS * D::ROWS);
    let batch = staged.elements.len() / (groups * BLOCK_COLS);
    let mut first = 0;
    while first < batch {
        // SAFETY: as this function's; `weights` point into `groups` blocks of 16 rows that hold `D::ROWS` more.
        first += unsafe {
            match batch - first {
                1 => tile::<D, VECTORS, 1>(weights, row, rows, groups, staged, first, output),
                2 => tile::<D, VECTORS, 2>(weights, row, rows, groups, staged, first, output),
                3 => tile::<D, VECTORS, 3>(weights, row, rows, groups, staged, first, output),
                4 => tile::<D, VECTORS, 4>(weights, row, rows, groups, staged, first, output),
                5 => tile::<D, VECTORS, 5>(weights, row, rows, groups, staged, first, output),
                _ => tile::<D, VECTORS, 6>(weights, row, rows, groups, staged, first, output),
            }
        };
    }
}

/// One tile; returns the number of activation vectors.
///
/// # Safety
///
/// As [`Product::product`]; each of `weights` points at the first of `groups` blocks.
#[inline(always)]
unsafe fn tile<D: DotProduct, const VECTORS: usize, const BATCH: usize>(
    weights: [*const i8; VECTORS],
    row: usize,
    rows: usize,
    groups: usize,
    staged: &Staged<'_, D::Element>,
    first: usize,
    output: &mut impl Output<D>,
) -> usize {
    let stride = groups * BLOCK_COLS;
    let mut inputs = [staged.elements.as_ptr(); BATCH];
    for (b, input) in inputs.iter_mut().enumerate() {
        *input = staged.elements[(first + b) * stride..][..stride].as_ptr();
    }
    // Loops here and below, since `array::map` and `array::from_fn` call their closures in functions that lack the
    // features.
    //
    // SAFETY: the caller vouches for the instructions. `weights` and `inputs` are read at `groups` groups, the extent
    // of the blocks and of the slices that `inputs` were made from.
    let sums = unsafe {
        let mut sums = [[D::start(0); VECTORS]; BATCH];
        // A loop of known length, so the sums are in registers from the start.
        for (b, sums) in sums.iter_mut().enumerate() {
            let start = staged.starts.get(first + b).copied().unwrap_or(0);
            *sums = [D::start(start); VECTORS];
        }
        for group in 0..groups {
            let mut loaded = [D::load(weights[0].add(group * BLOCK_LEN)); VECTORS];
            for (loaded, weights) in loaded.iter_mut().zip(weights) {
                *loaded = D::load(weights.add(group * BLOCK_LEN));
            }
            for (sums, input) in sums.iter_mut().zip(inputs) {
                for (sums, weights) in sums.iter_mut().zip(loaded) {
                    *sums = D::dot(*sums, weights, input.add(group * BLOCK_COLS));
                }
            }
        }
        sums
    };
    // By reference: iterating over arrays by value copies them.
    for (b, vectors) in sums.iter().enumerate() {
        for (vector, &sums) in vectors.iter().enumerate() {
            // SAFETY: the caller vouches for the instructions.
            let sums = unsafe { D::rows(sums) };
            let first_row = vector * D::ROWS;
            if first_row < rows {
                let count = (rows - first_row).min(D::ROWS);
                // SAFETY: as above.
                unsafe { output.put(first + b, row + first_row, count, &sums) };
            }
        }
    }
    BATCH
}
