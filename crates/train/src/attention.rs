//! The backward pass of attention over a sliding window.
//!
//! The gradients of the outputs, `[count, heads, 64]`, go in; those of queries, key and value before their norms come
//! out, `[count, heads + 2, 64]`, and those of gains and attention sinks, `[heads]` each. Positions are taken in
//! blocks, and the heads of a block are stacked, `[heads, rows, ...]`, so one product serves all of them: they share
//! keys and values.

use czip_model::v2::{Config, HEAD_DIM};

use crate::matrix::{View, add_product, dot, set_product};
use crate::norm::backward_row;
use crate::numbers::power;
use crate::tape::{AttentionTape, Sequence};

/// Positions whose queries are taken together.
const BLOCK: usize = 64;

/// Working space, and the gradients of gains and attention sinks.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Of a block, `[heads, rows, 64]`.
    queries: Vec<f32>,
    /// The gradients of a block's outputs, `[heads, rows, 64]`.
    outputs: Vec<f32>,
    /// `[heads, rows, span]`; zero where a row attends to nothing.
    probabilities: Vec<f32>,
    /// The gradients of scores, `[heads, rows, span]`.
    scores: Vec<f32>,
    /// `[heads, rows, 64]`.
    query_gradients: Vec<f32>,
    /// Of all positions, `[count, 64]`.
    key_gradients: Vec<f32>,
    /// Of all positions, `[count, 64]`.
    value_gradients: Vec<f32>,
    pub(crate) gain_gradients: Vec<f32>,
    pub(crate) sink_gradients: Vec<f32>,
}

/// What the backward pass needs.
#[derive(Clone, Copy)]
pub(crate) struct Attention<'a> {
    pub(crate) config: &'a Config,
    pub(crate) sequence: &'a Sequence<'a>,
    /// `[heads]`.
    pub(crate) gains: &'a [f32],
    /// The magnitude at which queries, keys and values were clamped.
    pub(crate) limit: f32,
    pub(crate) tape: &'a AttentionTape,
}

/// Some consecutive positions, and the keys that they attend to: from `first` on, to the end of the block.
#[derive(Clone, Copy)]
struct Block {
    begin: usize,
    end: usize,
    first: usize,
}

impl Block {
    const fn rows(self) -> usize {
        self.end - self.begin
    }

    const fn span(self) -> usize {
        self.end - self.first
    }

    /// The keys, values or their gradients of the span.
    const fn keys(self) -> std::ops::Range<usize> {
        self.first * HEAD_DIM..self.end * HEAD_DIM
    }
}

impl Attention<'_> {
    /// From the gradients of the outputs to those of queries, key and value before their norms, still rotated; those of
    /// gains and attention sinks are left in `scratch`.
    pub(crate) fn backward(self, d_out: &[f32], d_qkv: &mut [f32], scratch: &mut Scratch) {
        let (count, heads) = (self.sequence.len(), self.config.heads);
        for (sums, len) in [
            (&mut scratch.key_gradients, count * HEAD_DIM),
            (&mut scratch.value_gradients, count * HEAD_DIM),
            (&mut scratch.gain_gradients, heads),
            (&mut scratch.sink_gradients, heads),
        ] {
            sums.clear();
            sums.resize(len, 0.0);
        }
        for begin in (0..count).step_by(BLOCK) {
            let end = (begin + BLOCK).min(count);
            let first = (begin..end)
                .map(|position| self.sequence.first(position, self.config.window))
                .min()
                .unwrap_or(begin);
            let block = Block { begin, end, first };
            self.stack(block, d_out, scratch);
            self.values_and_scores(block, scratch);
            self.queries_and_keys(block, scratch);
            self.query_norms(block, d_qkv, &mut scratch.query_gradients);
        }
        self.keys_and_values(d_qkv, scratch);
    }

    /// Stacks a block's queries, gradients of outputs, and probabilities by heads.
    fn stack(self, block: Block, d_out: &[f32], scratch: &mut Scratch) {
        let Config { heads, window, .. } = *self.config;
        let (rows, span) = (block.rows(), block.span());
        scratch.queries.clear();
        scratch.outputs.clear();
        scratch.probabilities.clear();
        scratch.probabilities.resize(heads * rows * span, 0.0);
        let stacked = scratch.probabilities.chunks_exact_mut(span);
        let places =
            (0..heads).flat_map(|head| (block.begin..block.end).map(move |position| (head, position)));
        for ((head, position), probabilities) in places.zip(stacked) {
            let row = position * heads + head;
            let vector = row * HEAD_DIM..(row + 1) * HEAD_DIM;
            scratch
                .queries
                .extend_from_slice(&self.tape.queries[vector.clone()]);
            scratch.outputs.extend_from_slice(&d_out[vector]);
            let first = self.sequence.first(position, window);
            let len = position + 1 - first;
            probabilities[first - block.first..][..len]
                .copy_from_slice(&self.tape.probabilities[row * window..][..len]);
        }
    }

    /// Adds to the gradients of values and attention sinks, and sets those of scores.
    fn values_and_scores(self, block: Block, scratch: &mut Scratch) {
        let heads = self.config.heads;
        let (stacked, span) = (heads * block.rows(), block.span());
        let outputs = View::new(&scratch.outputs, stacked);
        let probabilities = View::new(&scratch.probabilities, stacked);
        add_product(
            &mut scratch.value_gradients[block.keys()],
            probabilities.transposed(),
            outputs,
        );
        scratch.scores.resize(stacked * span, 0.0);
        let values = View::new(&self.tape.values[block.keys()], span);
        set_product(&mut scratch.scores, outputs, values.transposed());
        let rows = scratch
            .scores
            .chunks_exact_mut(span)
            .zip(scratch.probabilities.chunks_exact(span));
        for (index, (d, p)) in rows.enumerate() {
            let mean = dot(p, d);
            let mut sum = 0.0;
            for (d, &p) in d.iter_mut().zip(p) {
                *d = p * (*d - mean) * std::f32::consts::LN_2;
                sum += *d;
            }
            // What all scores together lose, the attention sink's gains.
            scratch.sink_gradients[index / block.rows()] -= sum;
        }
    }

    /// Sets the gradients of queries, and adds to those of gains and keys. Queries come out multiplied by their gains.
    fn queries_and_keys(self, block: Block, scratch: &mut Scratch) {
        let (stacked, span) = (self.config.heads * block.rows(), block.span());
        scratch.query_gradients.resize(stacked * HEAD_DIM, 0.0);
        let d_scores = View::new(&scratch.scores, stacked);
        let keys = View::new(&self.tape.keys[block.keys()], span);
        set_product(&mut scratch.query_gradients, d_scores, keys);
        let per_head = block.rows() * HEAD_DIM;
        let heads = scratch
            .query_gradients
            .chunks_exact_mut(per_head)
            .zip(scratch.queries.chunks_exact_mut(per_head));
        let gains = self.gains.iter().zip(&mut scratch.gain_gradients);
        for ((gradients, queries), (&gain, gain_gradient)) in heads.zip(gains) {
            *gain_gradient += dot(gradients, queries);
            gradients.iter_mut().for_each(|x| *x *= gain);
            queries.iter_mut().for_each(|x| *x *= gain);
        }
        add_product(
            &mut scratch.key_gradients[block.keys()],
            d_scores.transposed(),
            View::new(&scratch.queries, stacked),
        );
    }

    /// Takes the gradients of a block's queries back through their norms.
    fn query_norms(self, block: Block, d_qkv: &mut [f32], query_gradients: &mut [f32]) {
        let (heads, rows) = (self.config.heads, block.rows());
        let row_len = self.config.qkv_rows();
        for position in block.begin..block.end {
            let row = &mut d_qkv[position * row_len..][..row_len];
            for (head, to) in row.chunks_exact_mut(HEAD_DIM).take(heads).enumerate() {
                let from =
                    &mut query_gradients[(head * rows + position - block.begin) * HEAD_DIM..][..HEAD_DIM];
                let query = &self.tape.queries[(position * heads + head) * HEAD_DIM..][..HEAD_DIM];
                let factor = self.tape.head_factors[position * (heads + 1) + head];
                backward_row(query, self.limit, factor, from);
                to.copy_from_slice(from);
            }
        }
    }

    /// Takes the gradients of all keys back through their norms, and those of values through their clamp.
    fn keys_and_values(self, d_qkv: &mut [f32], scratch: &mut Scratch) {
        let heads = self.config.heads;
        for (position, row) in d_qkv.chunks_exact_mut(self.config.qkv_rows()).enumerate() {
            let vector = position * HEAD_DIM..(position + 1) * HEAD_DIM;
            let key = &mut scratch.key_gradients[vector.clone()];
            let factor = self.tape.head_factors[position * (heads + 1) + heads];
            backward_row(&self.tape.keys[vector.clone()], self.limit, factor, key);
            row[heads * HEAD_DIM..][..HEAD_DIM].copy_from_slice(key);
            let gradients = scratch.value_gradients[vector.clone()]
                .iter()
                .zip(&self.tape.values[vector]);
            for (out, (&gradient, &value)) in row[(heads + 1) * HEAD_DIM..].iter_mut().zip(gradients) {
                *out = if value.abs() >= self.limit { 0.0 } else { gradient };
            }
        }
    }
}

/// Rotates the gradients of the first `vectors` vectors of a row back by their position's angles.
pub(crate) fn rotate_back(row: &mut [f32], vectors: usize, (cos, sin): &([i16; 32], [i16; 32])) {
    for vector in row[..vectors * HEAD_DIM].as_chunks_mut::<HEAD_DIM>().0 {
        let (low, high) = vector.split_at_mut(HEAD_DIM / 2);
        for ((x, y), (&c, &s)) in low.iter_mut().zip(high).zip(cos.iter().zip(sin)) {
            let (c, s) = (f32::from(c) * power(-15), f32::from(s) * power(-15));
            (*x, *y) = (*x * c + *y * s, *y * c - *x * s);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_is_undone() {
        let mut row = vec![0.0; 3 * HEAD_DIM];
        for vector in row.chunks_exact_mut(HEAD_DIM) {
            (vector[0], vector[32], vector[31], vector[63]) = (1.0, 2.0, 3.0, 5.0);
        }
        // A quarter of a turn, at half the length, and no turn.
        let (mut cos, mut sin) = ([1 << 14; 32], [0; 32]);
        (cos[0], sin[0]) = (0, 1 << 14);
        rotate_back(&mut row, 2, &(cos, sin));
        for (vector, expected) in row.chunks_exact(HEAD_DIM).zip([
            [1.0, -0.5, 1.5, 2.5],
            [1.0, -0.5, 1.5, 2.5],
            [1.0, 2.0, 3.0, 5.0],
        ]) {
            assert_eq!([vector[0], vector[32], vector[31], vector[63]], expected);
        }
    }

    /// One head whose query finds one of two keys: gradients worked out by hand.
    #[test]
    fn gradients_of_two_positions() {
        let config = Config::from_array([10, 1, 64, 1, 4, 2, 0, 0]);
        let sequence = Sequence {
            tokens: &[1, 2, 3],
            starts: &[0, 0],
            counted: &[true, true],
        };
        let vector = |element: usize, value: f32| {
            let mut vector = vec![0.0; HEAD_DIM];
            vector[element] = value;
            vector
        };
        // The first position sees only itself. Of the second's weight the first has 1/2, itself 1/4, and the sink 1/4.
        let tape = AttentionTape {
            queries: [vector(0, 1.0), vector(0, 2.0)].concat(),
            keys: [vector(1, 1.0), vector(1, 3.0)].concat(),
            values: [vector(2, 1.0), vector(2, -8.0)].concat(),
            head_factors: vec![1.0; 4],
            probabilities: vec![0.5, 9.9, 0.5, 0.25],
        };
        // Only the second position's output counts: by how much element 2 raises the cost.
        let d_out = [vector(2, 0.0), vector(2, 4.0)].concat();
        let attention = Attention {
            config: &config,
            sequence: &sequence,
            gains: &[0.5],
            limit: 8.0,
            tape: &tape,
        };
        let (mut d_qkv, mut scratch) = (vec![9.9; 2 * config.qkv_rows()], Scratch::default());
        attention.backward(&d_out, &mut d_qkv, &mut scratch);

        // Products of the gradient and the values: 4 and -32, in the mean 2 - 8 = -6. Scores: 1/2 * 10, 1/4 * -26.
        let ln2 = std::f32::consts::LN_2;
        let scores = [5.0 * ln2, -6.5 * ln2];
        assert!((scratch.sink_gradients[0] - 1.5 * ln2).abs() < 1e-5);
        // The query's is the sum of keys: 5 - 19.5 in element 1, where the query is 0.
        assert_eq!(scratch.gain_gradients, [0.0]);
        let qkv = d_qkv.as_chunks::<HEAD_DIM>().0;
        // Products may round their factors to 8 bits.
        let close = |found: &[f32], element: usize, value: f32| {
            let elements = found.iter().enumerate();
            let expected = |i: usize| if i == element { value } else { 0.0 };
            elements
                .map(|(i, &x)| (x - expected(i)).abs())
                .all(|off| off <= 0.01 * value.abs())
        };
        assert!(close(&qkv[0], 0, 0.0));
        assert!(
            close(&qkv[3], 1, (scores[0] + 3.0 * scores[1]) * 0.5),
            "{:?}",
            qkv[3]
        );
        // The keys' are the query and the gain times the scores'.
        assert!(close(&qkv[1], 0, scores[0] * 2.0 * 0.5), "{:?}", qkv[1]);
        assert!(close(&qkv[4], 0, scores[1] * 2.0 * 0.5), "{:?}", qkv[4]);
        // The values' are the probabilities; that of the second was clamped.
        assert!(close(&qkv[2], 2, 4.0 * 0.5), "{:?}", qkv[2]);
        assert!(close(&qkv[5], 2, 0.0), "{:?}", qkv[5]);
    }
}
