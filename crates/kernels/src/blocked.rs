//! Products with matrices in blocks, over any instruction set that multiplies groups of four int8 pairs: activations,
//! int8 `[batch, stride]`, give int32 sums `[batch, rows]`, which an [`Output`] takes.

use crate::layout::{BLOCK_COLS, BLOCK_ROWS, Block, HEAD_DIM, panel_len};
use crate::requantization::{Narrow, Requantization, requantize_all, requantize_narrow};
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
        widened.clear();
        widened.extend(x.iter().map(|&x| i16::from(x)));
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
pub(crate) unsafe trait DotProduct {
    /// Rows in one vector; divides [`BLOCK_ROWS`].
    const ROWS: usize;
    /// What is added to every weight when it is packed, modulo 256.
    const BIAS: i8;
    /// An activation after staging.
    type Element: Copy;
    /// Sums of `ROWS` rows, one or more lanes each.
    type Sums: Copy;
    /// Weights of `ROWS` rows and four columns.
    type Weights: Copy;
    /// One number for each of `ROWS` rows: an array, so its length is known where it is used.
    type Rows: AsRef<[i32]>;

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
    /// Makes the sums of `ROWS` rows as many activations: [`czip_fixed::requantize`] with the factor and the shift.
    ///
    /// # Safety
    ///
    /// The machine must have the instructions.
    #[inline(always)]
    unsafe fn requantize(sums: &Self::Rows, narrow: Narrow, out: &mut [i8]) {
        requantize_narrow(sums.as_ref(), narrow, out);
    }
}

/// Takes the sums of a product.
pub(crate) trait Output<D: DotProduct> {
    /// Takes the sums of the first `count` of `D::ROWS` rows from `row` on, for one activation vector.
    ///
    /// # Safety
    ///
    /// The instructions of `D` must be there, and their features enabled in the caller.
    unsafe fn put(&mut self, vector: usize, row: usize, count: usize, sums: &D::Rows);
}

/// Keeps the sums: `[batch, stride]`, of which the first elements are rows.
pub(crate) struct Sums<'a> {
    pub(crate) stride: usize,
    pub(crate) out: &'a mut [i32],
}

impl<D: DotProduct> Output<D> for Sums<'_> {
    #[inline(always)]
    unsafe fn put(&mut self, vector: usize, row: usize, count: usize, sums: &D::Rows) {
        let (out, sums) = (&mut self.out[vector * self.stride + row..], sums.as_ref());
        // The test makes the usual length a constant in its branch.
        if count == D::ROWS {
            out[..D::ROWS].copy_from_slice(&sums[..D::ROWS]);
        } else {
            out[..count].copy_from_slice(&sums[..count]);
        }
    }
}

/// Makes the sums activations, in 32 bits: int8 `[batch, stride]`.
pub(crate) struct NarrowActivations<'a> {
    pub(crate) narrow: Narrow,
    pub(crate) stride: usize,
    pub(crate) out: &'a mut [i8],
}

impl<D: DotProduct> Output<D> for NarrowActivations<'_> {
    #[inline(always)]
    unsafe fn put(&mut self, vector: usize, row: usize, count: usize, sums: &D::Rows) {
        let out = &mut self.out[vector * self.stride + row..][..count];
        if count == D::ROWS {
            // SAFETY: the caller vouches for the instructions.
            unsafe { D::requantize(sums, self.narrow, out) };
        } else {
            requantize_narrow(&sums.as_ref()[..count], self.narrow, out);
        }
    }
}

/// Makes the sums activations, whatever the factor: int8 `[batch, stride]`.
pub(crate) struct Activations<'a> {
    pub(crate) requantization: Requantization,
    pub(crate) stride: usize,
    pub(crate) out: &'a mut [i8],
}

impl<D: DotProduct> Output<D> for Activations<'_> {
    #[inline(always)]
    unsafe fn put(&mut self, vector: usize, row: usize, count: usize, sums: &D::Rows) {
        let out = &mut self.out[vector * self.stride + row..][..count];
        requantize_all(&sums.as_ref()[..count], self.requantization, out);
    }
}

/// Rows in a panel of a matrix whose products take tiles of `VECTORS` vectors of rows: those of a tile, and at least those
/// of a block.
pub(crate) const fn panel_rows<D: DotProduct, const VECTORS: usize>() -> usize {
    if VECTORS * D::ROWS > BLOCK_ROWS {
        VECTORS * D::ROWS
    } else {
        BLOCK_ROWS
    }
}

/// Products of a matrix in panels of `PANEL` rows with a batch of activation vectors, int8 `[batch, 4 * groups]`, in tiles
/// of `VECTORS` vectors of rows by up to six activation vectors, or of `FEW` vectors of rows if there are one or two
/// activation vectors.
///
/// # Safety
///
/// The instructions of `D` must be there, and their features enabled in the caller.
///
/// # Panics
///
/// If there are fewer blocks than `rows` and `groups` of four columns need.
#[inline(always)]
pub(crate) unsafe fn product<D: DotProduct, const VECTORS: usize, const FEW: usize, const PANEL: usize>(
    blocks: &[Block],
    rows: usize,
    groups: usize,
    x: &[i8],
    staging: &mut Staging,
    output: &mut impl Output<D>,
) {
    const { assert!(BLOCK_ROWS.is_multiple_of(D::ROWS) && PANEL.is_multiple_of(BLOCK_ROWS)) };
    assert!(
        blocks.len() >= rows.div_ceil(PANEL) * panel_len(PANEL, groups),
        "blocks of {rows} rows"
    );
    let staged = D::stage(x, groups * BLOCK_COLS, staging);
    // SAFETY: the caller vouches for the instructions; the assertion above covers all panels of `rows` rows.
    unsafe {
        if FEW != VECTORS && x.len() <= 2 * groups * BLOCK_COLS {
            tiles::<D, FEW, PANEL>(blocks, rows, groups, &staged, output);
        } else {
            tiles::<D, VECTORS, PANEL>(blocks, rows, groups, &staged, output);
        }
    }
}

/// The products of all rows with the whole batch, in tiles of `VECTORS` vectors of rows, and of one where fewer are left.
///
/// # Safety
///
/// As [`product`]; the matrix has panels for `rows` rows.
#[inline(always)]
unsafe fn tiles<D: DotProduct, const VECTORS: usize, const PANEL: usize>(
    blocks: &[Block],
    rows: usize,
    groups: usize,
    staged: &Staged<'_, D::Element>,
    output: &mut impl Output<D>,
) {
    let mut row = 0;
    while row < rows {
        // SAFETY: as this function's.
        unsafe {
            if rows.next_multiple_of(BLOCK_ROWS) - row >= VECTORS * D::ROWS {
                rows_of_tiles::<D, VECTORS, PANEL>(blocks, row, rows, groups, staged, output);
                row += VECTORS * D::ROWS;
            } else {
                rows_of_tiles::<D, 1, PANEL>(blocks, row, rows, groups, staged, output);
                row += D::ROWS;
            }
        }
    }
}

/// The products of `VECTORS` vectors of rows from `row` with the whole batch.
///
/// # Safety
///
/// As [`product`]; the matrix has panels for all these rows.
#[inline(always)]
unsafe fn rows_of_tiles<D: DotProduct, const VECTORS: usize, const PANEL: usize>(
    blocks: &[Block],
    row: usize,
    rows: usize,
    groups: usize,
    staged: &Staged<'_, D::Element>,
    output: &mut impl Output<D>,
) {
    let at = |row: usize| {
        let len = panel_len(PANEL, groups);
        let panel = blocks[row / PANEL * len..][..len].as_ptr();
        panel.cast::<i8>().wrapping_add(row % PANEL * BLOCK_COLS)
    };
    let mut weights = [at(row); VECTORS];
    for (vector, weights) in weights.iter_mut().enumerate().skip(1) {
        let next = vector * D::ROWS;
        // In one panel, the compiler knows the distances, and needs one register for all of them.
        *weights = if VECTORS * D::ROWS <= PANEL {
            weights.wrapping_add(next * BLOCK_COLS)
        } else {
            at(row + next)
        };
    }
    let rows = (rows - row).min(VECTORS * D::ROWS);
    let batch = staged.elements.len() / (groups * BLOCK_COLS);
    let mut first = 0;
    while first < batch {
        // SAFETY: as this function's; `weights` point into panels of `PANEL` rows that hold `D::ROWS` more.
        first += unsafe {
            match batch - first {
                1 => tile::<D, VECTORS, PANEL, 1>(weights, row, rows, groups, staged, first, output),
                2 => tile::<D, VECTORS, PANEL, 2>(weights, row, rows, groups, staged, first, output),
                3 => tile::<D, VECTORS, PANEL, 3>(weights, row, rows, groups, staged, first, output),
                4 => tile::<D, VECTORS, PANEL, 4>(weights, row, rows, groups, staged, first, output),
                5 => tile::<D, VECTORS, PANEL, 5>(weights, row, rows, groups, staged, first, output),
                _ => tile::<D, VECTORS, PANEL, 6>(weights, row, rows, groups, staged, first, output),
            }
        };
    }
}

/// The products of queries, int8 `[heads, 64]`, with whole blocks of keys: int32 `[heads, keys.len()]`.
///
/// # Safety
///
/// As [`product`].
#[inline(always)]
pub(crate) unsafe fn key_products<D: DotProduct, const VECTORS: usize>(
    keys: &[Block],
    queries: &[i8],
    staging: &mut Staging,
    products: &mut Vec<i32>,
) {
    // A key has as many bytes as a block. The compiler need not know that there are whole blocks, but gains by it.
    let stride = keys.len() / BLOCK_ROWS * BLOCK_ROWS;
    products.resize(queries.len() / HEAD_DIM * stride, 0);
    let mut output = Sums {
        stride,
        out: products,
    };
    let groups = HEAD_DIM / BLOCK_COLS;
    // SAFETY: as this function's.
    unsafe {
        product::<D, VECTORS, VECTORS, BLOCK_ROWS>(keys, stride, groups, queries, staging, &mut output)
    };
}

/// One tile; returns the number of activation vectors.
///
/// # Safety
///
/// As [`product`]; each of `weights` points at the first columns of its rows in a panel.
#[inline(always)]
unsafe fn tile<D: DotProduct, const VECTORS: usize, const PANEL: usize, const BATCH: usize>(
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
    // of the panels and of the slices that `inputs` were made from.
    let sums = unsafe {
        let mut sums = [[D::start(0); VECTORS]; BATCH];
        // A loop of known length, so the sums are in registers from the start.
        for (b, sums) in sums.iter_mut().enumerate() {
            let start = staged.starts.get(first + b).copied().unwrap_or(0);
            *sums = [D::start(start); VECTORS];
        }
        for group in 0..groups {
            let mut loaded = [D::load(weights[0].add(group * PANEL * BLOCK_COLS)); VECTORS];
            for (loaded, weights) in loaded.iter_mut().zip(weights) {
                *loaded = D::load(weights.add(group * PANEL * BLOCK_COLS));
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
