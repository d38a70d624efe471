//! The backward pass of attention over a sliding window.

use czip_model::v2::{Config, HEAD_DIM};

use crate::graph::row_norm_backward;
use crate::matrix::{View, add_product, dot, set_product};
use crate::parameters::power;
use crate::tape::{AttentionTape, first_of};

/// Working space, and the gradients of gains and sinks.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    queries: Vec<f32>,
    outputs: Vec<f32>,
    probabilities: Vec<f32>,
    scores: Vec<f32>,
    query_gradients: Vec<f32>,
    key_gradients: Vec<f32>,
    value_gradients: Vec<f32>,
    pub(crate) gain_gradients: Vec<f32>,
    pub(crate) sink_gradients: Vec<f32>,
}

/// Positions whose queries are taken together.
const BLOCK: usize = 64;

/// From the gradients of the outputs `[count, heads, 64]` to those of queries, key and value before their norms
/// `[count, heads + 2, 64]`, still turned. Queries, keys and values were clamped at `limit`.
#[expect(clippy::too_many_arguments, reason = "one step of a backward pass")]
pub(crate) fn backward(
    config: &Config,
    starts: &[u32],
    gains: &[f32],
    limit: f32,
    tape: &AttentionTape,
    d_out: &[f32],
    d_qkv: &mut [f32],
    scratch: &mut Scratch,
) {
    let (count, heads, window) = (starts.len(), config.heads, config.window);
    let Scratch {
        queries,
        outputs,
        probabilities,
        scores,
        query_gradients,
        key_gradients,
        value_gradients,
        gain_gradients,
        sink_gradients,
    } = scratch;
    for (sums, len) in [
        (&mut *key_gradients, count * HEAD_DIM),
        (value_gradients, count * HEAD_DIM),
        (gain_gradients, heads),
        (sink_gradients, heads),
    ] {
        sums.clear();
        sums.resize(len, 0.0);
    }
    let row_len = config.qkv_rows();
    let ln2 = std::f32::consts::LN_2;
    for begin in (0..count).step_by(BLOCK) {
        let end = (begin + BLOCK).min(count);
        let rows = end - begin;
        let first = (begin..end)
            .map(|position| first_of(position, starts, window))
            .min()
            .unwrap_or(begin);
        let span = end - first;
        // Stacked by heads, so that one product serves all of them: `[heads, rows, ...]`.
        queries.clear();
        outputs.clear();
        for head in 0..heads {
            for position in begin..end {
                let at = (position * heads + head) * HEAD_DIM;
                queries.extend_from_slice(&tape.queries[at..][..HEAD_DIM]);
                outputs.extend_from_slice(&d_out[at..][..HEAD_DIM]);
            }
        }
        probabilities.clear();
        probabilities.resize(heads * rows * span, 0.0);
        for head in 0..heads {
            for position in begin..end {
                let row = position * heads + head;
                let low = first_of(position, starts, window);
                let len = position + 1 - low;
                let out = &mut probabilities[(head * rows + position - begin) * span..][low - first..][..len];
                out.copy_from_slice(&tape.probabilities[row * window..][..len]);
            }
        }
        let stacked = heads * rows;
        let (keys, values) = (
            &tape.keys[first * HEAD_DIM..end * HEAD_DIM],
            &tape.values[first * HEAD_DIM..end * HEAD_DIM],
        );
        let outputs = View::new(outputs, stacked);
        let p = View::new(probabilities, stacked);
        add_product(
            &mut value_gradients[first * HEAD_DIM..end * HEAD_DIM],
            p.transposed(),
            outputs,
        );
        scores.resize(stacked * span, 0.0);
        set_product(scores, outputs, View::new(values, span).transposed());
        for (head, sink_gradient) in sink_gradients.iter_mut().enumerate() {
            for row in 0..rows {
                let at = (head * rows + row) * span;
                let p = &probabilities[at..][..span];
                let d = &mut scores[at..][..span];
                let mean: f32 = dot(p, d);
                let mut sum = 0.0;
                for (d, &p) in d.iter_mut().zip(p) {
                    *d = p * (*d - mean) * ln2;
                    sum += *d;
                }
                // What all scores together lose, the sink's gains.
                *sink_gradient -= sum;
            }
        }
        query_gradients.resize(stacked * HEAD_DIM, 0.0);
        let d_scores = View::new(scores, stacked);
        set_product(query_gradients, d_scores, View::new(keys, span));
        let per_head = rows * HEAD_DIM;
        let heads_of = query_gradients
            .chunks_exact_mut(per_head)
            .zip(queries.chunks_exact_mut(per_head));
        for ((gradients, queries), (&gain, gain_gradient)) in
            heads_of.zip(gains.iter().zip(&mut *gain_gradients))
        {
            *gain_gradient += dot(gradients, queries);
            gradients.iter_mut().for_each(|x| *x *= gain);
            queries.iter_mut().for_each(|x| *x *= gain);
        }
        add_product(
            &mut key_gradients[first * HEAD_DIM..end * HEAD_DIM],
            d_scores.transposed(),
            View::new(queries, stacked),
        );
        for position in begin..end {
            let row = &mut d_qkv[position * row_len..][..row_len];
            for head in 0..heads {
                let from = &mut query_gradients[(head * rows + position - begin) * HEAD_DIM..][..HEAD_DIM];
                let at = (position * heads + head) * HEAD_DIM;
                let factor = tape.head_factors[position * (heads + 1) + head];
                row_norm_backward(&tape.queries[at..][..HEAD_DIM], limit, factor, from);
                row[head * HEAD_DIM..][..HEAD_DIM].copy_from_slice(from);
            }
        }
    }
    for position in 0..count {
        let row = &mut d_qkv[position * row_len..][..row_len];
        let at = position * HEAD_DIM;
        let key = &mut key_gradients[at..][..HEAD_DIM];
        let factor = tape.head_factors[position * (heads + 1) + heads];
        row_norm_backward(&tape.keys[at..][..HEAD_DIM], limit, factor, key);
        row[heads * HEAD_DIM..][..HEAD_DIM].copy_from_slice(key);
        let gradients = value_gradients[at..][..HEAD_DIM].iter().zip(&tape.values[at..]);
        for (out, (&gradient, &value)) in row[(heads + 1) * HEAD_DIM..].iter_mut().zip(gradients) {
            *out = if value.abs() >= limit { 0.0 } else { gradient };
        }
    }
}

/// Turns the gradients of the first `vectors` vectors of a row back by their position's angles.
pub(crate) fn turn_back(row: &mut [f32], vectors: usize, (cos, sin): &([i16; 32], [i16; 32])) {
    for vector in row[..vectors * HEAD_DIM].as_chunks_mut::<HEAD_DIM>().0 {
        let (low, high) = vector.split_at_mut(HEAD_DIM / 2);
        for ((x, y), (&c, &s)) in low.iter_mut().zip(high).zip(cos.iter().zip(sin)) {
            let (c, s) = (f32::from(c) * power(-15), f32::from(s) * power(-15));
            (*x, *y) = (*x * c + *y * s, *y * c - *x * s);
        }
    }
}
