//! The integer net forward, run by the kernels that code texts.

use czip_fixed::{RmsFactor, RmsScale};
use czip_kernels::{Kernels, KeyValueCache, PackedMatrix, SlidingAttention, WindowInput, Workspace};
use czip_model::v2::{HEAD_DIM, Norms, SQUARE_SHIFT, Weights, bits};

use super::{Net, bucket};
use crate::parameters::power;
use crate::tape::{AttentionTape, LayerTape, Normed, Sequence, Tape};

/// The integers of the net, packed for the kernels.
#[derive(Debug)]
pub(super) struct Integers {
    kernels: Kernels,
    weights: Weights,
    norms: Norms,
    layers: Vec<PackedLayer>,
    head: PackedMatrix,
}

#[derive(Debug)]
struct PackedLayer {
    qkv: PackedMatrix,
    attention: SlidingAttention,
    out: PackedMatrix,
    up: PackedMatrix,
    down: PackedMatrix,
}

/// Working space.
#[derive(Debug, Default)]
pub(crate) struct Space {
    residual: Vec<i16>,
    words: Vec<i16>,
    activations: Vec<i8>,
    /// The logits in the end, in 1/256 octaves.
    pub(super) sums: Vec<i32>,
    workspace: Workspace,
    attention: AttentionSpace,
}

#[derive(Debug, Default)]
struct AttentionSpace {
    queries: Vec<i8>,
    /// What comes out.
    attended: Vec<i16>,
    workspace: Workspace,
    cache: Option<KeyValueCache>,
}

impl Integers {
    pub(super) fn new(weights: Weights) -> Self {
        let kernels = Kernels::detect();
        let pack =
            |matrix: &czip_model::v2::Matrix| kernels.pack(&matrix.weights, matrix.rows(), matrix.cols());
        Self {
            kernels,
            norms: Norms::new(&weights.config),
            layers: weights
                .layers
                .iter()
                .map(|layer| PackedLayer {
                    qkv: pack(&layer.qkv),
                    attention: SlidingAttention::new(layer.gains.clone(), layer.sinks.clone()),
                    out: pack(&layer.out),
                    up: pack(&layer.up),
                    down: pack(&layer.down),
                })
                .collect(),
            head: pack(&weights.head),
            weights,
        }
    }

    /// Leaves the logits in `tape.integers.sums`.
    pub(super) fn forward(&self, net: &Net, sequence: &Sequence<'_>, tape: &mut Tape) {
        let config = &self.weights.config;
        let (kernels, d) = (self.kernels, config.d_model);
        let Tape {
            layers,
            head_input,
            integers:
                Space {
                    residual,
                    words,
                    activations,
                    sums,
                    workspace,
                    attention,
                },
            ..
        } = tape;
        layers.resize_with(config.layers, LayerTape::default);
        self.embed(sequence, residual);
        // Norms of the residual stream, of what heads attended to, and of the squares.
        let norm = Format {
            scale: self.norms.residual,
            width: d,
            input: bits::WORD,
            output: bits::ACTIVATION,
        };
        let attended_norm = Format {
            scale: self.norms.attended,
            width: config.heads * HEAD_DIM,
            input: bits::ATTENDED,
            ..norm
        };
        let hidden_norm = Format {
            scale: self.norms.hidden,
            width: config.d_ff,
            input: bits::SQUARE,
            output: bits::HIDDEN,
        };
        for ((tape, packed), weights) in layers.iter_mut().zip(&self.layers).zip(&self.weights.layers) {
            self.normalize(residual, norm, activations, &mut tape.attention_input);
            linear(kernels, &packed.qkv, activations, workspace, sums);
            words.resize(sums.len(), 0);
            kernels.to_i16(sums, &weights.qkv.shifts, words);
            self.attend(net, packed, sequence, words, attention, &mut tape.attention);
            let attended = &attention.attended;
            self.normalize(attended, attended_norm, activations, &mut tape.attended);
            linear(kernels, &packed.out, activations, workspace, sums);
            kernels.add_i16(sums, &weights.out.shifts, residual);

            self.normalize(residual, norm, activations, &mut tape.ffn_input);
            linear(kernels, &packed.up, activations, workspace, sums);
            words.resize(sums.len(), 0);
            kernels.to_i16(sums, &weights.up.shifts, words);
            let scale = power(-(bits::WORD as i32));
            tape.up.clear();
            tape.up.extend(words.iter().map(|&x| f32::from(x) * scale));
            kernels.square_relu(words, SQUARE_SHIFT);
            self.normalize(words, hidden_norm, activations, &mut tape.hidden);
            linear(kernels, &packed.down, activations, workspace, sums);
            kernels.add_i16(sums, &weights.down.shifts, residual);
        }
        self.normalize(residual, norm, activations, head_input);
        linear(kernels, &self.head, activations, workspace, sums);
        kernels.to_logits(sums, &self.weights.head.shifts);
    }

    fn embed(&self, sequence: &Sequence<'_>, residual: &mut Vec<i16>) {
        let weights = &self.weights;
        residual.clear();
        for (index, &token) in sequence.tokens[..sequence.starts.len()].iter().enumerate() {
            let start = residual.len();
            let row = usize::from(token);
            let shift = weights.embedding.shifts[row];
            residual.extend(weights.embedding.row(row).iter().map(|&x| i16::from(x) << shift));
            if let Some(bucket) = bucket(&weights.config, sequence, index) {
                let shift = weights.bigram.shifts[bucket];
                for (x, &more) in residual[start..].iter_mut().zip(weights.bigram.row(bucket)) {
                    *x = x.saturating_add(i16::from(more) << shift);
                }
            }
        }
    }

    /// Norms of rows, as integers and as what they stand for.
    fn normalize(&self, x: &[i16], format: Format, out: &mut Vec<i8>, normed: &mut Normed) {
        out.resize(x.len(), 0);
        normed.factors.clear();
        let rows = x
            .chunks_exact(format.width)
            .zip(out.chunks_exact_mut(format.width));
        for (x, out) in rows {
            let factor = self.kernels.normalize(x, format.scale, out);
            normed.factors.push(real(factor, format.input, format.output));
        }
        let scale = power(-(format.output as i32));
        normed.values.clear();
        normed.values.extend(out.iter().map(|&x| f32::from(x) * scale));
    }

    fn attend(
        &self,
        net: &Net,
        packed: &PackedLayer,
        sequence: &Sequence<'_>,
        qkv: &mut [i16],
        space: &mut AttentionSpace,
        tape: &mut AttentionTape,
    ) {
        let config = &self.weights.config;
        let (kernels, count) = (self.kernels, sequence.starts.len());
        let AttentionSpace {
            queries: all_queries,
            attended,
            workspace,
            cache,
        } = space;
        let cache = cache.get_or_insert_with(|| kernels.key_value_cache(net.rotations.len()));
        let width = config.heads * HEAD_DIM;
        all_queries.resize(count * width, 0);
        attended.resize(count * width, 0);
        tape.reset(count, config);
        let scale = power(-(bits::ACTIVATION as i32));
        let keep = |from: &[i8], to: &mut [f32]| {
            to.iter_mut()
                .zip(from)
                .for_each(|(to, &from)| *to = f32::from(from) * scale);
        };
        for (position, qkv) in qkv.chunks_exact_mut(config.qkv_rows()).enumerate() {
            let (cos, sin) = &net.rotations[position];
            let vectors = qkv.as_chunks_mut::<HEAD_DIM>().0;
            let queries = &mut all_queries[position * width..][..width];
            let mut key = [0; HEAD_DIM];
            let outputs = queries.as_chunks_mut::<HEAD_DIM>().0.iter_mut().chain([&mut key]);
            let factors = tape.head_factors[position * (config.heads + 1)..].iter_mut();
            for ((vector, out), kept) in vectors.iter_mut().zip(outputs).zip(factors) {
                kernels.rotate_i16(vector, cos, sin);
                let factor = kernels.normalize(vector, self.norms.head, out);
                *kept = real(factor, bits::WORD, bits::ACTIVATION);
            }
            let value: [i8; HEAD_DIM] = vectors[config.heads + 1].map(|x| x.clamp(-127, 127) as i8);
            keep(queries, &mut tape.queries[position * width..]);
            keep(&key, &mut tape.keys[position * HEAD_DIM..]);
            keep(&value, &mut tape.values[position * HEAD_DIM..]);
            kernels.store(cache, position, &key, &value);
        }
        for position in 0..count {
            let first = sequence.first(position, config.window);
            let probabilities = &mut tape.probabilities;
            let mut keep = |head: usize, weights: &[u8], total: u32| {
                let row = position * config.heads + head;
                let inverse = 1.0 / total as f32;
                let out = &mut probabilities[row * config.window..][..weights.len()];
                for (out, &weight) in out.iter_mut().zip(weights) {
                    *out = f32::from(weight) * inverse;
                }
            };
            let input = WindowInput {
                attention: &packed.attention,
                cache,
                window: first..position + 1,
                queries: &all_queries[position * width..][..width],
            };
            let out = &mut attended[position * width..][..width];
            kernels.attend_window(input, workspace, out, Some(&mut keep));
        }
    }
}

/// A norm, and the fraction bits of its input and output.
#[derive(Clone, Copy)]
struct Format {
    scale: RmsScale,
    width: usize,
    input: u32,
    output: u32,
}

fn linear(kernels: Kernels, matrix: &PackedMatrix, x: &[i8], workspace: &mut Workspace, sums: &mut Vec<i32>) {
    sums.resize(x.len() / matrix.cols() * matrix.rows(), 0);
    kernels.matmul(matrix, x, workspace, sums);
}

/// What one unit of a norm's input became in units of its output.
fn real(factor: RmsFactor, input: u32, output: u32) -> f32 {
    factor.factor as f32 * power(input as i32 - output as i32 - factor.shift as i32)
}
