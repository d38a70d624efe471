//! One sequence through the quantised net and back.
//!
//! The forward pass *is* the integer net, run by the same kernels that code texts: nothing has to be proved about an
//! export. The backward pass takes what the integers stand for, and passes gradients through every rounding as if it
//! were not there, and through every clamp only where it did not act (Bengio, Léonard and Courville, "Estimating or
//! propagating gradients through stochastic neurons", 2013).

use czip_fixed::RmsFactor;
use czip_kernels::{Kernels, KeyValueCache, PackedMatrix, SlidingAttention, Workspace};
use czip_model::v2::{HEAD_DIM, Norms, SQUARE_SHIFT, Weights, bigram_bucket, bits, rotation};

use crate::attention::{self, AttentionTape};
use crate::matrix::{View, add_product, set_product};
use crate::parameters::{Layout, Tensor, power};

/// The net at one step, ready to run.
pub(crate) struct Net {
    kernels: Kernels,
    layout: Layout,
    weights: Weights,
    /// What the integers stand for, laid out as the parameters.
    floats: Vec<f32>,
    norms: Norms,
    layers: Vec<PackedLayer>,
    head: PackedMatrix,
    rotations: Vec<([i16; 32], [i16; 32])>,
}

struct PackedLayer {
    qkv: PackedMatrix,
    attention: SlidingAttention,
    out: PackedMatrix,
    up: PackedMatrix,
    down: PackedMatrix,
}

/// The cost of a stretch of text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// Bits of all tokens that count.
    pub bits: f64,
    /// Their number.
    pub tokens: usize,
}

impl std::ops::AddAssign for Loss {
    fn add_assign(&mut self, other: Self) {
        self.bits += other.bits;
        self.tokens += other.tokens;
    }
}

/// What one sequence leaves behind for the way back.
#[derive(Debug, Default)]
struct LayerTape {
    normed: Vec<i8>,
    norm_factors: Vec<f32>,
    attention: AttentionTape,
    attended: Vec<i8>,
    attended_factors: Vec<f32>,
    ffn_normed: Vec<i8>,
    ffn_norm_factors: Vec<f32>,
    up: Vec<i16>,
    hidden: Vec<i8>,
    hidden_factors: Vec<f32>,
}

/// Working space of one thread.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    layers: Vec<LayerTape>,
    final_normed: Vec<i8>,
    final_factors: Vec<f32>,
    residual: Vec<i16>,
    sums: Vec<i32>,
    words: Vec<i16>,
    workspace: Workspace,
    cache: Option<KeyValueCache>,
    floats: [Vec<f32>; 4],
    attention_scratch: attention::Scratch,
}

impl Tape {
    /// What [`Net::forward`] left.
    pub(crate) fn logits(&self) -> &[i32] {
        &self.sums
    }
}

/// A sequence of tokens of one or more documents.
pub(crate) struct Sequence<'a> {
    /// The tokens that the net sees, and after them one more to predict, where there are predictions that count.
    pub(crate) tokens: &'a [u16],
    /// For each token seen, the first that it may attend to.
    pub(crate) starts: &'a [u32],
    /// Whether the prediction after each token counts.
    pub(crate) counted: &'a [bool],
}

impl Net {
    pub(crate) fn new(layout: &Layout, parameters: &[f32], positions: usize) -> Self {
        let kernels = Kernels::detect();
        let (weights, floats) = layout.quantize(parameters);
        let pack =
            |matrix: &czip_model::v2::Matrix| kernels.pack(&matrix.weights, matrix.rows(), matrix.cols());
        Self {
            kernels,
            layout: layout.clone(),
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
            rotations: (0..positions as u64)
                .map(|position| rotation(&weights.frequencies, position))
                .collect(),
            weights,
            floats,
        }
    }

    /// The integer forward pass; leaves the logits in `tape.sums`, in 1/256 octaves.
    pub(crate) fn forward(&self, sequence: &Sequence<'_>, tape: &mut Tape) {
        let config = &self.weights.config;
        let (kernels, d, count) = (self.kernels, config.d_model, sequence.starts.len());
        let Tape {
            layers,
            final_normed,
            final_factors,
            residual,
            sums,
            words,
            workspace,
            cache,
            ..
        } = tape;
        layers.resize_with(config.layers, LayerTape::default);
        self.embed(sequence, residual);
        for ((tape, packed), weights) in layers.iter_mut().zip(&self.layers).zip(&self.weights.layers) {
            self.normalize(
                residual,
                self.norms.residual,
                d,
                bits::WORD,
                bits::ACTIVATION,
                &mut tape.normed,
                &mut tape.norm_factors,
            );
            linear(kernels, &packed.qkv, &tape.normed, workspace, sums);
            words.resize(sums.len(), 0);
            kernels.to_words(sums, &weights.qkv.shifts, words);
            self.attend(packed, sequence, words, workspace, cache, &mut tape.attention);
            let width = config.heads * HEAD_DIM;
            self.normalize(
                &tape.attention.out,
                self.norms.attended,
                width,
                bits::ATTENDED,
                bits::ACTIVATION,
                &mut tape.attended,
                &mut tape.attended_factors,
            );
            linear(kernels, &packed.out, &tape.attended, workspace, sums);
            kernels.add_words(sums, &weights.out.shifts, residual);

            self.normalize(
                residual,
                self.norms.residual,
                d,
                bits::WORD,
                bits::ACTIVATION,
                &mut tape.ffn_normed,
                &mut tape.ffn_norm_factors,
            );
            linear(kernels, &packed.up, &tape.ffn_normed, workspace, sums);
            tape.up.resize(sums.len(), 0);
            kernels.to_words(sums, &weights.up.shifts, &mut tape.up);
            words.clear();
            words.extend_from_slice(&tape.up);
            kernels.square_relu(words, SQUARE_SHIFT);
            self.normalize(
                words,
                self.norms.hidden,
                config.d_ff,
                bits::SQUARE,
                bits::HIDDEN,
                &mut tape.hidden,
                &mut tape.hidden_factors,
            );
            linear(kernels, &packed.down, &tape.hidden, workspace, sums);
            kernels.add_words(sums, &weights.down.shifts, residual);
        }
        self.normalize(
            residual,
            self.norms.residual,
            d,
            bits::WORD,
            bits::ACTIVATION,
            final_normed,
            final_factors,
        );
        linear(kernels, &self.head, final_normed, workspace, sums);
        kernels.to_logits(sums, &self.weights.head.shifts);
        debug_assert_eq!(sums.len(), count * config.vocab_size);
    }

    fn embed(&self, sequence: &Sequence<'_>, residual: &mut Vec<i16>) {
        let weights = &self.weights;
        residual.clear();
        for (index, &token) in sequence.tokens[..sequence.starts.len()].iter().enumerate() {
            let start = residual.len();
            let row = usize::from(token);
            let shift = weights.embedding.shifts[row];
            residual.extend(weights.embedding.row(row).iter().map(|&x| i16::from(x) << shift));
            if let Some(bucket) = self.bucket(sequence, index) {
                let shift = weights.bigram.shifts[bucket];
                for (x, &more) in residual[start..].iter_mut().zip(weights.bigram.row(bucket)) {
                    *x = x.saturating_add(i16::from(more) << shift);
                }
            }
        }
    }

    /// The row of the table of pairs for a token and the one before it in its document.
    fn bucket(&self, sequence: &Sequence<'_>, index: usize) -> Option<usize> {
        let buckets = self.weights.config.bigram_buckets;
        let previous = index
            .checked_sub(1)
            .filter(|&before| before as u32 >= sequence.starts[index])?;
        (buckets > 0).then(|| bigram_bucket(sequence.tokens[previous], sequence.tokens[index], buckets))
    }

    /// Norms of rows of `width`; keeps for each row what one unit of input became in units of output.
    #[expect(clippy::too_many_arguments, reason = "one step of a forward pass")]
    fn normalize(
        &self,
        x: &[i16],
        scale: czip_fixed::RmsScale,
        width: usize,
        input: u32,
        output: u32,
        out: &mut Vec<i8>,
        factors: &mut Vec<f32>,
    ) {
        out.resize(x.len(), 0);
        factors.clear();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            factors.push(real(self.kernels.normalize(x, scale, out), input, output));
        }
    }

    fn attend(
        &self,
        packed: &PackedLayer,
        sequence: &Sequence<'_>,
        qkv: &mut [i16],
        workspace: &mut Workspace,
        cache: &mut Option<KeyValueCache>,
        tape: &mut AttentionTape,
    ) {
        let config = &self.weights.config;
        let (kernels, count) = (self.kernels, sequence.starts.len());
        let cache = cache.get_or_insert_with(|| kernels.key_value_cache(self.rotations.len()));
        let queries = config.heads * HEAD_DIM;
        tape.reset(count, config.heads, config.window);
        for (position, qkv) in qkv.chunks_exact_mut(config.qkv_rows()).enumerate() {
            let (cos, sin) = &self.rotations[position];
            let vectors = qkv.as_chunks_mut::<HEAD_DIM>().0;
            let mut key = [0; HEAD_DIM];
            for (head, vector) in vectors[..=config.heads].iter_mut().enumerate() {
                kernels.rotate_words(vector, cos, sin);
                let out = if head < config.heads {
                    &mut tape.queries[position * queries + head * HEAD_DIM..][..HEAD_DIM]
                } else {
                    &mut key[..]
                };
                let factor = kernels.normalize(vector, self.norms.head, out);
                tape.head_factors[position * (config.heads + 1) + head] =
                    real(factor, bits::WORD, bits::ACTIVATION);
            }
            let value: [i8; HEAD_DIM] = vectors[config.heads + 1].map(|x| x.clamp(-127, 127) as i8);
            tape.keys[position * HEAD_DIM..][..HEAD_DIM].copy_from_slice(&key);
            tape.values[position * HEAD_DIM..][..HEAD_DIM].copy_from_slice(&value);
            kernels.store(cache, position, &key, &value);
        }
        for position in 0..count {
            let first = (position + 1)
                .saturating_sub(config.window)
                .max(sequence.starts[position] as usize);
            let AttentionTape {
                queries: all,
                out,
                weights,
                totals,
                ..
            } = tape;
            let mut keep = |head: usize, from: &[u8], total: u32| {
                let row = position * config.heads + head;
                weights[row * config.window..][..from.len()].copy_from_slice(from);
                totals[row] = total;
            };
            kernels.attend_window(
                &packed.attention,
                cache,
                first..position + 1,
                &all[position * queries..][..queries],
                workspace,
                &mut out[position * queries..][..queries],
                Some(&mut keep),
            );
        }
    }

    /// The cost of the sequence whose logits [`Net::forward`] left.
    pub(crate) fn loss(&self, sequence: &Sequence<'_>, tape: &mut Tape) -> Loss {
        let vocab = self.weights.config.vocab_size;
        let mut loss = Loss::default();
        let targets = sequence.tokens[1..].iter().zip(sequence.counted);
        for (logits, (&target, &counted)) in tape.sums.chunks_exact(vocab).zip(targets) {
            if counted {
                let maximum = logits.iter().fold(i32::MIN, |max, &x| max.max(x));
                let sum: f32 = logits.iter().map(|&x| exp2((x - maximum) as f32 / 256.0)).sum();
                loss.bits += f64::from(sum.log2()) - f64::from(logits[usize::from(target)] - maximum) / 256.0;
                loss.tokens += 1;
            }
        }
        loss
    }

    /// The cost of a sequence, and its gradients, in bits for each parameter's unit, added to `gradients`.
    pub(crate) fn backward(&self, sequence: &Sequence<'_>, tape: &mut Tape, gradients: &mut [f32]) -> Loss {
        self.forward(sequence, tape);
        let config = &self.weights.config;
        let (d, vocab, count) = (config.d_model, config.vocab_size, sequence.starts.len());
        let Tape {
            layers,
            final_normed,
            final_factors,
            sums,
            floats: [wide, input, dx, dy],
            attention_scratch,
            ..
        } = tape;

        // Softmax: in bits for each octave, p minus the truth.
        let mut loss = Loss::default();
        wide.resize(count * vocab, 0.0);
        let rows = sums.chunks_exact(vocab).zip(wide.chunks_exact_mut(vocab));
        let targets = sequence.tokens[1..].iter().zip(sequence.counted);
        for ((logits, out), (&target, &counted)) in rows.zip(targets) {
            if !counted {
                out.fill(0.0);
                continue;
            }
            let maximum = logits.iter().fold(i32::MIN, |max, &x| max.max(x));
            for (out, &logit) in out.iter_mut().zip(logits) {
                *out = exp2((logit - maximum) as f32 / 256.0);
            }
            let sum: f32 = out.iter().sum();
            let inverse = 1.0 / sum;
            out.iter_mut().for_each(|p| *p *= inverse);
            let target = usize::from(target);
            loss.bits += f64::from(sum.log2()) - f64::from(logits[target] - maximum) / 256.0;
            loss.tokens += 1;
            out[target] -= 1.0;
        }
        let head = &self.layout.head;
        to_floats(final_normed, power(-(bits::ACTIVATION as i32)), input);
        dy.resize(count * d, 0.0);
        self.linear_backward(head, wide, input, dy, gradients);
        dx.clear();
        dx.resize(count * d, 0.0);
        add_norm_backward(final_normed, bits::ACTIVATION, final_factors, dy, d, dx);

        for (tape, tensors) in layers.iter_mut().zip(&self.layout.layers).rev() {
            // The feed-forward network.
            to_floats(&tape.hidden, power(-(bits::HIDDEN as i32)), input);
            wide.resize(count * config.d_ff, 0.0);
            self.linear_backward(&tensors.down, dx, input, wide, gradients);
            norm_backward(
                &tape.hidden,
                bits::HIDDEN,
                &tape.hidden_factors,
                wide,
                config.d_ff,
            );
            let twice = 2.0 * power(-(bits::WORD as i32));
            for (gradient, &up) in wide.iter_mut().zip(&tape.up) {
                *gradient *= f32::from(up.max(0)) * twice;
            }
            to_floats(&tape.ffn_normed, power(-(bits::ACTIVATION as i32)), input);
            dy.resize(count * d, 0.0);
            self.linear_backward(&tensors.up, wide, input, dy, gradients);
            add_norm_backward(
                &tape.ffn_normed,
                bits::ACTIVATION,
                &tape.ffn_norm_factors,
                dy,
                d,
                dx,
            );

            // Attention.
            let width = config.heads * HEAD_DIM;
            to_floats(&tape.attended, power(-(bits::ACTIVATION as i32)), input);
            wide.resize(count * width, 0.0);
            self.linear_backward(&tensors.out, dx, input, wide, gradients);
            norm_backward(
                &tape.attended,
                bits::ACTIVATION,
                &tape.attended_factors,
                wide,
                width,
            );
            let layer = &self.floats;
            let gains: Vec<f32> = layer[tensors.gains.range()]
                .iter()
                .map(|&gain| f32::from(crate::parameters::gain_of(gain)) * power(-14))
                .collect();
            dy.resize(count * config.qkv_rows(), 0.0);
            attention::backward(
                config,
                sequence.starts,
                &gains,
                &tape.attention,
                wide,
                dy,
                attention_scratch,
            );
            for (gradient, more) in gradients[tensors.gains.range()]
                .iter_mut()
                .zip(&attention_scratch.gain_gradients)
            {
                *gradient += more;
            }
            for (gradient, more) in gradients[tensors.sinks.range()]
                .iter_mut()
                .zip(&attention_scratch.sink_gradients)
            {
                *gradient += more;
            }
            for (position, row) in dy.chunks_exact_mut(config.qkv_rows()).enumerate() {
                attention::turn_back(row, config.heads + 1, &self.rotations[position]);
            }
            to_floats(&tape.normed, power(-(bits::ACTIVATION as i32)), input);
            wide.resize(count * d, 0.0);
            self.linear_backward(&tensors.qkv, dy, input, wide, gradients);
            add_norm_backward(&tape.normed, bits::ACTIVATION, &tape.norm_factors, wide, d, dx);
        }

        for (index, dx) in dx.chunks_exact(d).enumerate() {
            let mut add = |tensor: &Tensor, row: usize| {
                let gradients = &mut gradients[tensor.range()][row * tensor.cols..][..tensor.cols];
                gradients
                    .iter_mut()
                    .zip(dx)
                    .for_each(|(gradient, dx)| *gradient += dx);
            };
            add(&self.layout.embedding, sequence.tokens[index].into());
            if let Some(bucket) = self.bucket(sequence, index) {
                add(&self.layout.bigram, bucket);
            }
        }
        loss
    }

    /// Adds the gradients of a matrix, and sets those of its input.
    fn linear_backward(&self, tensor: &Tensor, dy: &[f32], x: &[f32], dx: &mut [f32], gradients: &mut [f32]) {
        let count = dy.len() / tensor.rows;
        let dy = View::new(dy, count);
        add_product(
            &mut gradients[tensor.range()],
            dy.transposed(),
            View::new(x, count),
        );
        set_product(dx, dy, View::new(&self.floats[tensor.range()], tensor.rows));
    }
}

fn linear(kernels: Kernels, matrix: &PackedMatrix, x: &[i8], workspace: &mut Workspace, sums: &mut Vec<i32>) {
    sums.resize(x.len() / matrix.cols() * matrix.rows(), 0);
    kernels.matmul(matrix, x, workspace, sums);
}

/// What one unit of a norm's input became in units of its output.
fn real(factor: RmsFactor, input: u32, output: u32) -> f32 {
    factor.factor as f32 * power(input as i32 - output as i32 - factor.shift as i32)
}

fn to_floats(x: &[i8], scale: f32, out: &mut Vec<f32>) {
    out.clear();
    out.extend(x.iter().map(|&x| f32::from(x) * scale));
}

/// Replaces the gradients of a norm's output by those of its input.
fn norm_backward(y: &[i8], bits: u32, factors: &[f32], dy: &mut [f32], width: usize) {
    let scale = power(-(bits as i32));
    for ((y, dy), &factor) in y.chunks_exact(width).zip(dy.chunks_exact_mut(width)).zip(factors) {
        row_norm_backward(y, scale, factor, dy);
    }
}

/// The same, added to other gradients.
fn add_norm_backward(y: &[i8], bits: u32, factors: &[f32], dy: &mut [f32], width: usize, dx: &mut [f32]) {
    norm_backward(y, bits, factors, dy, width);
    dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += *dy);
}

/// With y = x / rms(x): dx = (dy - y mean(y dy)) / rms(x); nothing comes through where y was clamped.
pub(crate) fn row_norm_backward(y: &[i8], scale: f32, factor: f32, dy: &mut [f32]) {
    let mut product = 0.0;
    for (dy, &y) in dy.iter_mut().zip(y) {
        if y.unsigned_abs() == 127 {
            *dy = 0.0;
        }
        product += f32::from(y) * *dy;
    }
    let mean = product * scale * scale / y.len() as f32;
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy = (*dy - f32::from(y) * mean) * factor;
    }
}

/// `2^x` for x from -126 to 0, by a polynomial, so that every machine trains alike: the relative error is below 3e-7.
#[inline(always)]
pub(crate) fn exp2(x: f32) -> f32 {
    let x = x.max(-126.0);
    let whole = x.floor();
    let f = x - whole;
    // Coefficients: the minimax polynomial of degree 6 is close to the series of exp(f ln 2) at this precision.
    let p = 1.0
        + f * (std::f32::consts::LN_2
            + f * (0.240_226_5
                + f * (0.055_504_11 + f * (0.009_618_13 + f * (0.001_333_36 + f * 0.000_154_7)))));
    f32::from_bits(((whole as i32 + 127) as u32) << 23) * p
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Random;
    use czip_model::v2::Config;

    fn tiny() -> Config {
        Config {
            vocab_size: 300,
            layers: 2,
            d_model: 64,
            heads: 2,
            d_ff: 96,
            window: 24,
            bigram_buckets: 64,
            bigram_width: 32,
        }
    }

    /// Steps along each tensor's gradient change the cost as the gradient says, though every step crosses thousands of
    /// roundings.
    #[test]
    fn gradients_predict_the_cost() {
        let layout = Layout::new(&tiny());
        let mut random = Random(5);
        let mut parameters = layout.initial(3);
        for tensor in layout.tensors() {
            let deviation = match tensor.name.as_str() {
                "head" => 0.5,
                "bigram" => 0.3,
                name if name.ends_with("out") || name.ends_with("down") => 0.2,
                name if name.ends_with("sinks") => 1.0,
                _ => continue,
            };
            parameters[tensor.range()]
                .iter_mut()
                .for_each(|x| *x = random.normal() * deviation);
        }
        // Texts with repetitions, so that attention has something to find.
        let mut tokens: Vec<u16> = (0..129).map(|_| random.below(300) as u16).collect();
        tokens.copy_within(0..40, 60);
        let starts: Vec<u32> = (0..128)
            .map(|position| if position < 50 { 0 } else { 50 })
            .collect();
        let counted: Vec<bool> = (0..128).map(|position| position != 49).collect();
        let sequence = Sequence {
            tokens: &tokens,
            starts: &starts,
            counted: &counted,
        };
        let mut tape = Tape::default();
        let mut gradients = vec![0.0; layout.len()];
        let net = Net::new(&layout, &parameters, 128);
        let loss = net.backward(&sequence, &mut tape, &mut gradients);
        assert_eq!(loss.tokens, 127);
        let again = net.loss(&sequence, &mut tape);
        assert!((again.bits - loss.bits).abs() < 1e-6 * loss.bits);

        for tensor in layout.tensors() {
            let gradient = &gradients[tensor.range()];
            let norm = gradient.iter().map(|x| x * x).sum::<f32>().sqrt();
            let size = parameters[tensor.range()]
                .iter()
                .map(|x| x * x)
                .sum::<f32>()
                .sqrt();
            let step = if tensor.kind == crate::parameters::Kind::Scalars {
                0.3
            } else {
                0.03
            } * size;
            let cost = |sign: f32, tape: &mut Tape| {
                let mut moved = parameters.clone();
                let range = tensor.range();
                for (x, g) in moved[range].iter_mut().zip(gradient) {
                    *x += sign * step * g / norm;
                }
                let net = Net::new(&layout, &moved, 128);
                net.forward(&sequence, tape);
                net.loss(&sequence, tape).bits
            };
            let change = (cost(1.0, &mut tape) - cost(-1.0, &mut tape)) as f32;
            let ratio = change / (2.0 * step * norm);
            // Of gains and sinks there are too few to drown what roundings add: they are only held against their sign.
            let expected = if tensor.kind == crate::parameters::Kind::Scalars {
                0.0..100.0
            } else {
                0.7..1.2
            };
            assert!(expected.contains(&ratio), "{}: {ratio}", tensor.name);
        }
    }
}
