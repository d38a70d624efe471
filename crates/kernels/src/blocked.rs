//! Products with matrices in blocks, over any instruction set that multiplies groups of four int8 pairs.
//!
//! A block is [`BLOCK_ROWS`] rows by [`GROUP`] columns, 64 bytes: row by row, four columns each. Vector lanes are then
//! rows, four activations are broadcast to all of them, and sums never have to be added across lanes. Blocks of the
//! same rows follow each other in the order of their columns, so that a product reads the weights in one stream.

use crate::generic;
use crate::matrix::{PackedMatrix, Requantization, Workspace};

/// Rows in a block.
pub(crate) const BLOCK_ROWS: usize = 16;
/// Columns in a block.
pub(crate) const GROUP: usize = PackedMatrix::COLUMN_GROUP;
/// Bytes in a block.
pub(crate) const BLOCK_LEN: usize = BLOCK_ROWS * GROUP;

/// One block, or any other 64 bytes; aligned as the widest vectors want it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [i8; BLOCK_LEN]);

impl Block {
    pub(crate) const ZERO: Self = Self([0; BLOCK_LEN]);
}

/// Puts a row-major matrix into blocks; rows and columns are padded with zeros. `bias` is added to every weight,
/// padding included, modulo 256.
pub(crate) fn pack(weights: &[i8], rows: usize, cols: usize, bias: i8) -> Vec<Block> {
    let groups = cols.div_ceil(GROUP);
    let mut blocks = vec![Block([bias; BLOCK_LEN]); rows.div_ceil(BLOCK_ROWS) * groups];
    for (row, weights) in weights.chunks_exact(cols).enumerate() {
        pack_row(
            &mut blocks[row / BLOCK_ROWS * groups..][..groups],
            row % BLOCK_ROWS,
            weights,
            bias,
        );
    }
    blocks
}

/// Puts one row into its blocks.
#[inline(always)]
pub(crate) fn pack_row(blocks: &mut [Block], row: usize, weights: &[i8], bias: i8) {
    for (block, weights) in blocks.iter_mut().zip(weights.chunks(GROUP)) {
        for (to, &from) in block.0[row * GROUP..].iter_mut().zip(weights) {
            *to = from.wrapping_add(bias);
        }
    }
}

/// Activations made ready for one instruction set.
pub(crate) struct Staged<'a, T> {
    /// `[batch, stride]`.
    pub(crate) elements: &'a [T],
    /// What the sums of each vector start at; empty for zero.
    pub(crate) starts: &'a [i32],
}

/// The instructions of one level.
///
/// # Safety
///
/// An implementation's unsafe methods need the instructions, and have to be inlined into a function with the features
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
    /// One number for each of `ROWS` rows: an array, so that its length is known where it is used.
    type Rows: AsRef<[i32]>;

    /// Makes activations `[batch, stride]` ready.
    fn stage<'a>(x: &'a [i8], stride: usize, workspace: &'a mut Workspace) -> Staged<'a, Self::Element>;
    /// All sums equal to `start`, which is zero where staging gives no starts.
    unsafe fn start(start: i32) -> Self::Sums;
    /// Loads the `4 * ROWS` bytes at `weights`, aligned to that number.
    unsafe fn load(weights: *const i8) -> Self::Weights;
    /// Adds to each row's sum its four products with the four activations at `input`.
    unsafe fn dot(sums: Self::Sums, weights: Self::Weights, input: *const Self::Element) -> Self::Sums;
    /// The sum of each row.
    unsafe fn rows(sums: Self::Sums) -> Self::Rows;
    /// Makes the sums of `ROWS` rows activations: [`czip_fixed::requantize`] with the factor and the shift, given a
    /// limit from [`Requantization::limit`].
    #[inline(always)]
    unsafe fn requantize(sums: &Self::Rows, factor: Narrow, out: &mut [i8]) {
        generic::requantize_narrow(sums.as_ref(), factor, out);
    }
}

/// A requantisation whose arithmetic fits 32 bits.
#[derive(Clone, Copy)]
pub(crate) struct Narrow {
    /// Sums are clamped to this, positive and negative, first.
    pub(crate) limit: i32,
    /// The factor.
    pub(crate) mult: i32,
    /// The shift, at least 1.
    pub(crate) shift: u32,
}

/// Receives the sums of a product.
pub(crate) trait Sink<D: DotProduct> {
    /// Takes the sums of the first `count` of `D::ROWS` rows from `row` on, for one activation vector.
    ///
    /// # Safety
    ///
    /// The instructions of `D` must be there, and their features enabled in the caller.
    unsafe fn put(&mut self, vector: usize, row: usize, count: usize, sums: &D::Rows);
}

/// Keeps the sums: `[batch, stride]`, of which the first elements are rows.
pub(crate) struct Plain<'a> {
    pub(crate) stride: usize,
    pub(crate) out: &'a mut [i32],
}

impl<D: DotProduct> Sink<D> for Plain<'_> {
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

/// Makes the sums activations: `[batch, stride]`.
pub(crate) struct Requantized<'a> {
    pub(crate) requantization: Requantization,
    pub(crate) stride: usize,
    pub(crate) out: &'a mut [i8],
}

impl<D: DotProduct> Sink<D> for Requantized<'_> {
    #[inline(always)]
    unsafe fn put(&mut self, vector: usize, row: usize, count: usize, sums: &D::Rows) {
        let out = &mut self.out[vector * self.stride + row..][..count];
        match self.requantization.limit() {
            Some(limit) if count == D::ROWS => {
                let factor = Narrow {
                    limit,
                    mult: self.requantization.mult(),
                    shift: self.requantization.shift() as u32,
                };
                // SAFETY: the caller vouches for the instructions.
                unsafe { D::requantize(sums, factor, out) };
            }
            _ => generic::requantize_all(&sums.as_ref()[..count], self.requantization, out),
        }
    }
}

/// Products of blocks with a batch of activation vectors `[batch, 4 * groups]`, in tiles of `VECTORS` vectors of rows
/// by up to six activation vectors.
///
/// # Safety
///
/// The instructions of `D` must be there, and their features enabled in the caller.
///
/// # Panics
///
/// If there are fewer blocks than `rows` and `groups` need.
#[inline(always)]
pub(crate) unsafe fn product<D: DotProduct, const VECTORS: usize>(
    blocks: &[Block],
    rows: usize,
    groups: usize,
    x: &[i8],
    workspace: &mut Workspace,
    sink: &mut impl Sink<D>,
) {
    const { assert!(BLOCK_ROWS.is_multiple_of(D::ROWS)) };
    assert!(
        blocks.len() >= rows.div_ceil(BLOCK_ROWS) * groups,
        "blocks of {rows} rows"
    );
    let staged = D::stage(x, groups * GROUP, workspace);
    let mut row = 0;
    while row < rows {
        // SAFETY: the caller vouches for the instructions; the assertion above covers all blocks of `rows` rows.
        unsafe {
            if rows.next_multiple_of(BLOCK_ROWS) - row >= VECTORS * D::ROWS {
                rows_of_tiles::<D, VECTORS>(blocks, row, rows, groups, &staged, sink);
                row += VECTORS * D::ROWS;
            } else {
                rows_of_tiles::<D, 1>(blocks, row, rows, groups, &staged, sink);
                row += D::ROWS;
            }
        }
    }
}

/// The products of `VECTORS` vectors of rows from `row` with the whole batch.
///
/// # Safety
///
/// As [`product`]; `blocks` hold all these rows.
#[inline(always)]
unsafe fn rows_of_tiles<D: DotProduct, const VECTORS: usize>(
    blocks: &[Block],
    row: usize,
    rows: usize,
    groups: usize,
    staged: &Staged<'_, D::Element>,
    sink: &mut impl Sink<D>,
) {
    let mut weights = [std::ptr::null(); VECTORS];
    for (vector, weights) in weights.iter_mut().enumerate() {
        let row = row + vector * D::ROWS;
        let blocks = blocks[row / BLOCK_ROWS * groups..][..groups].as_ptr();
        *weights = blocks.cast::<i8>().wrapping_add(row % BLOCK_ROWS * GROUP);
    }
    let rows = (rows - row).min(VECTORS * D::ROWS);
    let batch = staged.elements.len() / (groups * GROUP);
    let mut first = 0;
    while first < batch {
        // SAFETY: as this function's; `weights` point into `groups` blocks of 16 rows that hold `D::ROWS` more.
        first += unsafe {
            match batch - first {
                1 => tile::<D, VECTORS, 1>(weights, row, rows, groups, staged, first, sink),
                2 => tile::<D, VECTORS, 2>(weights, row, rows, groups, staged, first, sink),
                3 => tile::<D, VECTORS, 3>(weights, row, rows, groups, staged, first, sink),
                4 => tile::<D, VECTORS, 4>(weights, row, rows, groups, staged, first, sink),
                5 => tile::<D, VECTORS, 5>(weights, row, rows, groups, staged, first, sink),
                _ => tile::<D, VECTORS, 6>(weights, row, rows, groups, staged, first, sink),
            }
        };
    }
}

/// One tile; returns the number of activation vectors.
///
/// # Safety
///
/// As [`product`]; each of `weights` points at the first of `groups` blocks.
#[inline(always)]
unsafe fn tile<D: DotProduct, const VECTORS: usize, const BATCH: usize>(
    weights: [*const i8; VECTORS],
    row: usize,
    rows: usize,
    groups: usize,
    staged: &Staged<'_, D::Element>,
    first: usize,
    sink: &mut impl Sink<D>,
) -> usize {
    let stride = groups * GROUP;
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
        for (sums, &start) in sums.iter_mut().zip(staged.starts.iter().skip(first)) {
            *sums = [D::start(start); VECTORS];
        }
        for group in 0..groups {
            let mut loaded = [D::load(weights[0].add(group * BLOCK_LEN)); VECTORS];
            for (loaded, weights) in loaded.iter_mut().zip(weights) {
                *loaded = D::load(weights.add(group * BLOCK_LEN));
            }
            for (sums, input) in sums.iter_mut().zip(inputs) {
                for (sums, weights) in sums.iter_mut().zip(loaded) {
                    *sums = D::dot(*sums, weights, input.add(group * GROUP));
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
                unsafe { sink.put(first + b, row + first_row, count, &sums) };
            }
        }
    }
    BATCH
}
