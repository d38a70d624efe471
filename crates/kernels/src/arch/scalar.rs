//! Portable Rust, compiled for the target's baseline.

use crate::arch::portable_entry_points;
use crate::attention::{self, Portable, Scores, Steps, ValueLayout};
use crate::matrix::Workspace;
use crate::{Attention, HEAD_DIM, KeyValueCache, PackedMatrix, Requantization, Softmax, generic};

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

pub(crate) fn frequencies(softmax: &Softmax, logits: &[i32], out: &mut [u32]) {
    generic::frequencies(softmax, logits, out);
}
