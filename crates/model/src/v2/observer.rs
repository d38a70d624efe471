//! What a caller can see of a forward pass: the numbers between the matrices.

use czip_fixed::RmsFactor;
use czip_kernels::HEAD_DIM;

/// A norm over a row's whole vector. The layer counts from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Of the residual stream, before a layer's attention: `[d]`.
    AttentionInput(usize),
    /// Of the outputs of a layer's attention: `[H * 64]`.
    Attended(usize),
    /// Of the residual stream, before a layer's feed-forward network: `[d]`.
    FeedForwardInput(usize),
    /// Of the squares in a layer's feed-forward network: `[F]`.
    Hidden(usize),
    /// Of the residual stream, before the output head: `[d]`.
    HeadInput,
}

/// Sees the numbers between the matrices while a batch passes through the net. A trainer records them for the backward
/// pass.
///
/// The formats of the numbers are those of [`bits`](super::bits). Each method is called once for each row of the batch
/// (each row and head, where there is a `head`), in the order of rows; `row` counts from 0 within the batch.
/// `()` observes nothing, at no cost.
pub trait Observer {
    /// Whether there is anything to observe. If not, methods may go uncalled, and nothing is computed only for them.
    const ACTIVE: bool = true;

    /// The output of a norm, and the factor that its input was multiplied by.
    fn normed(&mut self, norm: Norm, row: usize, factor: RmsFactor, normed: &[i8]);

    /// A head's query, rotated and normed.
    fn query(&mut self, layer: usize, row: usize, head: usize, factor: RmsFactor, query: &[i8; HEAD_DIM]);

    /// The key, rotated and normed with this factor, and the value.
    fn key_value(
        &mut self,
        layer: usize,
        row: usize,
        factor: RmsFactor,
        key: &[i8; HEAD_DIM],
        value: &[i8; HEAD_DIM],
    );

    /// The attention weights of a head, 0 to 255, for the positions that the row attends to, oldest first. `total` is
    /// their sum and the attention sink's weight.
    fn attention(&mut self, layer: usize, row: usize, head: usize, weights: &[u8], total: u32);

    /// The inputs of the squares in the feed-forward network, `[F]`.
    fn up(&mut self, layer: usize, row: usize, up: &[i16]);

    /// The logits, `[vocab]`.
    fn logits(&mut self, row: usize, logits: &[i32]);
}

impl Observer for () {
    const ACTIVE: bool = false;

    fn normed(&mut self, _: Norm, _: usize, _: RmsFactor, _: &[i8]) {}

    fn query(&mut self, _: usize, _: usize, _: usize, _: RmsFactor, _: &[i8; HEAD_DIM]) {}

    fn key_value(&mut self, _: usize, _: usize, _: RmsFactor, _: &[i8; HEAD_DIM], _: &[i8; HEAD_DIM]) {}

    fn attention(&mut self, _: usize, _: usize, _: usize, _: &[u8], _: u32) {}

    fn up(&mut self, _: usize, _: usize, _: &[i16]) {}

    fn logits(&mut self, _: usize, _: &[i32]) {}
}
