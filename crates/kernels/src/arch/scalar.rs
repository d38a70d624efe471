//! Portable Rust, compiled for the target's baseline.

use std::ops::Range;

use crate::arch::portable_entry_points;
use crate::attention::{self, Portable, Scores, Steps, ValueLayout};
use crate::blocked::BLOCK_ROWS;
use crate::matrix::Workspace;
use crate::sliding::{self, PortableSums, WeightsObserver};
use crate::{
    Attention, HEAD_DIM, KeyValueCache, PackedMatrix, Requantization, SlidingAttention, Softmax, generic,
};

portable_entry_points!();

/// How values are stored.
pub(crate) const VALUES: ValueLayout = Portable::VALUES;

pub(crate) fn matmul(matrix: &PackedMatrix, x: &[i8], _workspace: &mut Workspace, out: &mut [i32]) {
    generic::matmul(matrix.wide(), matrix.rows(), matrix.stride(), x, out);
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
    generic::matmul(matrix.wide(), matrix.rows(), matrix.stride(), x, sums);
    generic::requantize_all(sums, requantization, out);
}

pub(crate) fn attend(
    attention: &Attention,
    cache: &KeyValueCache,
    length: usize,
    queries: &[i8],
    workspace: &mut Workspace,
    out: &mut [i8],
) {
    let mut products = std::mem::take(&mut workspace.scores);
    products.clear();
    for query in queries.as_chunks::<HEAD_DIM>().0 {
        products.extend(
            cache
                .key_rows(length)
                .iter()
                .map(|key| generic::dot(query, &key.0)),
        );
    }
    let scores = Scores {
        products: &mut products,
        stride: length,
    };
    attention::attend(
        Portable,
        attention,
        cache.values(),
        length,
        queries,
        scores,
        workspace,
        out,
    );
    workspace.scores = products;
}

pub(crate) fn attend_window(
    attention: &SlidingAttention,
    cache: &KeyValueCache,
    window: Range<usize>,
    queries: &[i8],
    workspace: &mut Workspace,
    out: &mut [i16],
    weights: WeightsObserver<'_>,
) {
    let first = window.start / BLOCK_ROWS * BLOCK_ROWS;
    let stride = window.end.next_multiple_of(BLOCK_ROWS) - first;
    let mut products = std::mem::take(&mut workspace.scores);
    products.clear();
    for query in queries.as_chunks::<HEAD_DIM>().0 {
        let keys = cache.key_rows(first + stride)[first..].iter();
        products.extend(keys.map(|key| generic::dot(query, &key.0)));
    }
    sliding::attend(
        PortableSums(VALUES),
        attention,
        cache.values(),
        window,
        first,
        &mut products,
        stride,
        workspace,
        out,
        weights,
    );
    workspace.scores = products;
}

pub(crate) fn frequencies(softmax: &Softmax, logits: &[i32], out: &mut [u32]) {
    generic::frequencies(softmax, logits, out);
}
