//! The same net in floats, without a rounding or a clamp: the twin that the integers are measured against.

use czip_bf16::product_f32;
use czip_model::v2::HEAD_DIM;

use crate::matrix::{View, dot};
use crate::norm::Normed;
use crate::numbers::{exp2, power};
use crate::parameters::{Layout, Tensor};
use crate::tape::{AttentionTape, Sequence, Tape};

/// Working space.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    residual: Vec<f32>,
    products: Vec<f32>,
    attended: Vec<f32>,
}

/// The net: its parameters, and the cosines and sines of each position.
#[derive(Clone, Copy)]
pub(super) struct Floats<'n> {
    pub(super) layout: &'n Layout,
    pub(super) parameters: &'n [f32],
    pub(super) rotations: &'n [([i16; HEAD_DIM / 2], [i16; HEAD_DIM / 2])],
}

impl Floats<'_> {
    /// The forward pass, recorded on the tape.
    pub(super) fn forward(self, sequence: &Sequence<'_>, scratch: &mut Scratch, tape: &mut Tape) {
        let config = &self.layout.config;
        let Scratch {
            residual,
            products,
            attended,
        } = scratch;
        tape.reset(sequence.len(), config);
        self.embed(sequence, residual);
        for (tape, tensors) in tape.layers.iter_mut().zip(&self.layout.layers) {
            normalize(residual, config.d_model, &mut tape.attention_input);
            self.linear(&tensors.qkv, &tape.attention_input.values, products);
            let scalars = (&tensors.gains, &tensors.sinks);
            self.attend(scalars, sequence, products, &mut tape.attention, attended);
            normalize(attended, config.heads * HEAD_DIM, &mut tape.attended);
            self.linear(&tensors.out, &tape.attended.values, products);
            add(residual, products);

            normalize(residual, config.d_model, &mut tape.ffn_input);
            self.linear(&tensors.up, &tape.ffn_input.values, &mut tape.up);
            products.clear();
            products.extend(tape.up.iter().map(|up| up.max(0.0) * up.max(0.0)));
            normalize(products, config.d_ff, &mut tape.hidden);
            self.linear(&tensors.down, &tape.hidden.values, products);
            add(residual, products);
        }
        normalize(residual, config.d_model, &mut tape.head_input);
        self.linear(&self.layout.head, &tape.head_input.values, &mut tape.logits);
        for row in tape.logits.chunks_exact_mut(config.vocab_size) {
            let maximum = row.iter().fold(f32::NEG_INFINITY, |max, &x| max.max(x));
            row.iter_mut().for_each(|x| *x -= maximum);
        }
    }

    fn embed(self, sequence: &Sequence<'_>, residual: &mut Vec<f32>) {
        let row = |tensor: &Tensor, row: usize| {
            &self.parameters[tensor.range()][row * tensor.cols..][..tensor.cols]
        };
        residual.clear();
        for (index, &token) in sequence.tokens[..sequence.len()].iter().enumerate() {
            let start = residual.len();
            residual.extend_from_slice(row(&self.layout.embedding, token as usize));
            if let Some(bucket) = sequence.bucket(&self.layout.config, index) {
                add(&mut residual[start..], row(&self.layout.bigram, bucket));
            }
        }
    }

    fn attend(
        self,
        (gains, sinks): (&Tensor, &Tensor),
        sequence: &Sequence<'_>,
        qkv: &mut [f32],
        tape: &mut AttentionTape,
        attended: &mut Vec<f32>,
    ) {
        let config = &self.layout.config;
        let (heads, window, count) = (config.heads, config.window, sequence.len());
        for (position, qkv) in qkv.chunks_exact_mut(config.qkv_rows()).enumerate() {
            let vectors = qkv.as_chunks_mut::<HEAD_DIM>().0;
            for (head, vector) in vectors[..=heads].iter_mut().enumerate() {
                rotate(vector, &self.rotations[position]);
                let out = if head < heads {
                    &mut tape.queries[(position * heads + head) * HEAD_DIM..]
                } else {
                    &mut tape.keys[position * HEAD_DIM..]
                };
                let factor = rms_factor(vector);
                out.iter_mut().zip(vector).for_each(|(out, x)| *out = *x * factor);
                tape.head_factors[position * (heads + 1) + head] = factor;
            }
            tape.values[position * HEAD_DIM..][..HEAD_DIM].copy_from_slice(&vectors[heads + 1]);
        }
        attended.clear();
        attended.resize(count * heads * HEAD_DIM, 0.0);
        let scalars = self.parameters[gains.range()]
            .iter()
            .zip(&self.parameters[sinks.range()]);
        for (head, (&gain, &sink)) in scalars.enumerate() {
            for position in 0..count {
                let first = sequence.first(position, window);
                let row = position * heads + head;
                let query = &tape.queries[row * HEAD_DIM..][..HEAD_DIM];
                let keys = tape.keys[first * HEAD_DIM..].chunks_exact(HEAD_DIM);
                let probabilities = &mut tape.probabilities[row * window..][..position + 1 - first];
                let mut maximum = sink;
                for (p, key) in probabilities.iter_mut().zip(keys) {
                    *p = dot(query, key) * gain;
                    maximum = maximum.max(*p);
                }
                let mut total = exp2(sink - maximum);
                for p in &mut *probabilities {
                    *p = exp2(*p - maximum);
                    total += *p;
                }
                let out = &mut attended[row * HEAD_DIM..][..HEAD_DIM];
                let values = tape.values[first * HEAD_DIM..].chunks_exact(HEAD_DIM);
                for (p, value) in probabilities.iter_mut().zip(values) {
                    *p /= total;
                    out.iter_mut().zip(value).for_each(|(out, x)| *out += *p * x);
                }
            }
        }
    }

    fn linear(self, tensor: &Tensor, x: &[f32], out: &mut Vec<f32>) {
        let count = x.len() / tensor.cols;
        out.resize(count * tensor.rows, 0.0);
        let matrix = View::new(&self.parameters[tensor.range()], tensor.rows);
        product_f32(out, View::new(x, count), matrix.transposed(), false);
    }
}

/// Rotates the pairs of a vector by their position's angles.
fn rotate(vector: &mut [f32; HEAD_DIM], (cos, sin): &([i16; 32], [i16; 32])) {
    let (low, high) = vector.split_at_mut(HEAD_DIM / 2);
    for ((x, y), (&c, &s)) in low.iter_mut().zip(high).zip(cos.iter().zip(sin)) {
        let (c, s) = (f32::from(c) * power(-15), f32::from(s) * power(-15));
        (*x, *y) = (*x * c - *y * s, *x * s + *y * c);
    }
}

fn normalize(x: &[f32], width: usize, normed: &mut Normed) {
    let Normed { values, factors } = normed;
    values.clear();
    factors.clear();
    for x in x.chunks_exact(width) {
        let factor = rms_factor(x);
        values.extend(x.iter().map(|x| x * factor));
        factors.push(factor);
    }
}

/// The reciprocal root mean square.
fn rms_factor(x: &[f32]) -> f32 {
    1.0 / (dot(x, x) / x.len() as f32 + 1e-12).sqrt()
}

fn add(x: &mut [f32], more: &[f32]) {
    x.iter_mut().zip(more).for_each(|(x, more)| *x += more);
}
