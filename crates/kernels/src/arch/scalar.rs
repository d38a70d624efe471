//! Portable Rust, compiled for the target's baseline.

use std::ops::Range;

use crate::arch::{portable_entry_points, portable_lookups};
use crate::attention::{self, AttentionInput, Portable, RunSums};
use crate::layout::{Block, HEAD_DIM, ValueLayout, WeightLayout};
use crate::matrix::{self, PackedMatrix};
use crate::requantization::{Requantization, requantize_all};
use crate::sliding::{self, WeightsObserver, WindowInput};
use crate::workspace::{Staging, Workspace};

portable_entry_points!();
portable_lookups!();

/// Weights and keys lie row by row.
pub(crate) const WEIGHTS: WeightLayout = WeightLayout::Rows;
/// How values are stored.
pub(crate) const VALUES: ValueLayout = Portable::VALUES;

pub(crate) fn matmul(
    matrix: &PackedMatrix,
    rows: Range<usize>,
    x: &[i8],
    _workspace: &mut Workspace,
    out: &mut [i32],
) {
    matrix::matmul(matrix.wide(rows.clone()), rows.len(), matrix.stride(), x, out);
}

pub(crate) fn matmul_requantized(
    matrix: &PackedMatrix,
    x: &[i8],
    requantization: Requantization,
    workspace: &mut Workspace,
    out: &mut [i8],
) {
    let sums = &mut workspace.sums;
    sums.resize(out.len(), 0);
    let rows = matrix.rows();
    matrix::matmul(matrix.wide(0..rows), rows, matrix.stride(), x, sums);
    requantize_all(sums, requantization, out);
}

pub(crate) fn attend(input: AttentionInput<'_>, workspace: &mut Workspace, out: &mut [i8]) {
    let Workspace {
        staging,
        scores,
        weights,
        ..
    } = workspace;
    let keys = &input.cache.keys(0..input.length)[..input.length];
    key_products(keys, input.queries, staging, scores);
    // SAFETY: portable sums need no instructions.
    unsafe { attention::attend::<Portable>(input, scores, keys.len(), weights, out) };
}

pub(crate) fn attend_window(
    input: WindowInput<'_>,
    workspace: &mut Workspace,
    out: &mut [i16],
    observer: WeightsObserver<'_>,
) {
    let Workspace {
        staging,
        scores,
        weights,
        ..
    } = workspace;
    let keys = input.cache.keys(input.window.clone());
    key_products(keys, input.queries, staging, scores);
    // SAFETY: portable sums need no instructions.
    unsafe { sliding::attend::<Portable>(input, scores, keys.len(), weights, out, observer) };
}

/// The products of queries, int8 `[heads, 64]`, with keys: int32 `[heads, keys.len()]`.
pub(crate) fn key_products(keys: &[Block], queries: &[i8], _staging: &mut Staging, products: &mut Vec<i32>) {
    products.clear();
    for query in queries.as_chunks::<HEAD_DIM>().0 {
        products.extend(keys.iter().map(|key| attention::dot(query, &key.0)));
    }
}

pub(crate) fn weighted_values(weights: &[u8], values: &[Block], sums: &mut [i32; HEAD_DIM]) {
    // SAFETY: portable sums need no instructions.
    unsafe { <Portable as sliding::WeightedSums>::weighted_sums(weights, values, sums) };
}
