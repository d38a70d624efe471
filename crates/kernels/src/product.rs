//! Products with matrices in blocks: activations, int8 `[batch, stride]`, give int32 sums `[batch, rows]`, which an
//! [`Output`] takes as they leave the registers.

use crate::layout::{BLOCK_COLS, BLOCK_ROWS, Block, HEAD_DIM, WeightLayout};
use crate::requantization::{Narrow, Requantization, requantize_all, requantize_narrow};
use crate::workspace::Staging;

/// The product of one instruction set.
///
/// # Safety
///
/// An implementation needs only its instructions, which have to be enabled in the function it is inlined into, and accesses
/// nothing but its arguments.
pub(crate) unsafe trait Product {
    /// How weights and keys lie.
    const WEIGHTS: WeightLayout;
    /// What sums come in.
    type Vector: RowVector;

    /// Multiplies the first `rows` rows of a matrix in blocks by a batch of activation vectors, int8 `[batch, 4 * groups]`.
    ///
    /// # Safety
    ///
    /// The instructions must be there, and their features enabled in the caller.
    ///
    /// # Panics
    ///
    /// If there are fewer blocks than `rows` and `groups` of four columns need.
    unsafe fn product(
        blocks: &[Block],
        rows: usize,
        groups: usize,
        x: &[i8],
        staging: &mut Staging,
        output: &mut impl Output<Self::Vector>,
    );
}

/// The sums of some rows with one activation vector, which a product hands out together.
///
/// # Safety
///
/// An implementation's method needs its instructions, and has to be inlined into a function with the features enabled. It
/// accesses its arguments and nothing else.
pub(crate) unsafe trait RowVector {
    /// The rows; divides [`BLOCK_ROWS`].
    const ROWS: usize;
    /// One number for each of `ROWS` rows: an array, so its length is known where it is used.
    type Rows: AsRef<[i32]>;

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
pub(crate) trait Output<V: RowVector> {
    /// Takes the sums of the first `count` of `V::ROWS` rows from `row` on, for one activation vector.
    ///
    /// # Safety
    ///
    /// The instructions of `V` must be there, and their features enabled in the caller.
    unsafe fn put(&mut self, vector: usize, row: usize, count: usize, sums: &V::Rows);
}

/// Keeps the sums: `[batch, stride]`, of which the first elements are rows.
pub(crate) struct Sums<'a> {
    pub(crate) stride: usize,
    pub(crate) out: &'a mut [i32],
}

impl<V: RowVector> Output<V> for Sums<'_> {
    #[inline(always)]
    unsafe fn put(&mut self, vector: usize, row: usize, count: usize, sums: &V::Rows) {
        let (out, sums) = (&mut self.out[vector * self.stride + row..], sums.as_ref());
        // The test makes the usual length a constant in its branch.
        if count == V::ROWS {
            out[..V::ROWS].copy_from_slice(&sums[..V::ROWS]);
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

impl<V: RowVector> Output<V> for NarrowActivations<'_> {
    #[inline(always)]
    unsafe fn put(&mut self, vector: usize, row: usize, count: usize, sums: &V::Rows) {
        let out = &mut self.out[vector * self.stride + row..][..count];
        if count == V::ROWS {
            // SAFETY: the caller vouches for the instructions.
            unsafe { V::requantize(sums, self.narrow, out) };
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

impl<V: RowVector> Output<V> for Activations<'_> {
    #[inline(always)]
    unsafe fn put(&mut self, vector: usize, row: usize, count: usize, sums: &V::Rows) {
        let out = &mut self.out[vector * self.stride + row..][..count];
        requantize_all(&sums.as_ref()[..count], self.requantization, out);
    }
}

/// The products of queries, int8 `[heads, 64]`, with whole blocks of keys: int32 `[heads, keys.len()]`.
///
/// # Safety
///
/// As [`Product::product`].
#[inline(always)]
pub(crate) unsafe fn key_products<P: Product>(
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
    unsafe { P::product(keys, stride, groups, queries, staging, &mut output) };
}
