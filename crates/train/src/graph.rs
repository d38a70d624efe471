//! One sequence through the net and back.
//!
//! The forward pass *is* the integer net, run by the same kernels that code texts: nothing has to be proved about an
//! export. The backward pass takes what the integers stand for, and passes gradients through every rounding as if it
//! were not there, and through every clamp only where it did not act (Bengio, Léonard and Courville, "Estimating or
//! propagating gradients through stochastic neurons", 2013).
//!
//! The same net can run in floats instead: to tell what the integers cost, and to test gradients without roundings.

pub(crate) mod floats;
pub(crate) mod integers;

use czip_model::v2::{Config, bigram_bucket, bits, rotation};

use crate::attention;
use crate::matrix::{View, add_product, dot, set_product, sum};
use crate::parameters::{Layout, Tensor, frequencies, power, round};
use crate::tape::{Backward, Normed, Sequence, Tape};
use integers::Integers;

/// What a net computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numerics {
    /// Integers, as models do.
    #[default]
    Integers,
    /// Floats of 32 bits and parameters as they are: for comparison only, since no file holds such a net.
    Floats,
}

/// The net at one step, ready to run.
#[derive(Debug)]
pub(crate) struct Net {
    layout: Layout,
    /// The integer net; without it all runs in floats.
    integers: Option<Integers>,
    /// What is multiplied, laid out as the parameters: what the integers stand for, or the parameters themselves.
    floats: Vec<f32>,
    rotations: Vec<([i16; 32], [i16; 32])>,
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

impl Net {
    pub(crate) fn new(layout: &Layout, parameters: &[f32], positions: usize, numerics: Numerics) -> Self {
        let (integers, floats) = match numerics {
            Numerics::Integers => {
                let (weights, floats) = layout.quantize(parameters);
                (Some(Integers::new(weights)), floats)
            }
            Numerics::Floats => (None, parameters.to_vec()),
        };
        let frequencies = frequencies();
        Self {
            layout: layout.clone(),
            integers,
            floats,
            rotations: (0..positions as u64)
                .map(|position| rotation(&frequencies, position))
                .collect(),
        }
    }

    /// The forward pass; leaves the logits on the tape.
    pub(crate) fn forward(&self, sequence: &Sequence<'_>, tape: &mut Tape) {
        match &self.integers {
            Some(integers) => integers.forward(self, sequence, tape),
            None => floats::forward(self, sequence, tape),
        }
    }

    /// The logits that [`Net::forward`] of an integer net left, in 1/256 octaves.
    pub(crate) fn logits<'t>(&self, tape: &'t Tape) -> &'t [i32] {
        &tape.integers.sums
    }

    /// The logits after one token, in octaves below the largest.
    fn below_maximum(&self, tape: &Tape, index: usize, out: &mut [f32]) {
        let range = index * out.len()..(index + 1) * out.len();
        if self.integers.is_some() {
            let logits = &tape.integers.sums[range];
            let maximum = logits.iter().fold(i32::MIN, |max, &x| max.max(x));
            for (out, &logit) in out.iter_mut().zip(logits) {
                *out = (logit - maximum) as f32 * power(-(bits::LOGIT as i32));
            }
        } else {
            let logits = &tape.floats.logits[range];
            let maximum = logits.iter().fold(f32::NEG_INFINITY, |max, &x| max.max(x));
            for (out, &logit) in out.iter_mut().zip(logits) {
                *out = logit - maximum;
            }
        }
    }

    /// The magnitude at which a number of so many fraction bits is clamped.
    fn limit(&self, bits: u32) -> f32 {
        match self.integers {
            Some(_) => 127.0 * power(-(bits as i32)),
            None => f32::INFINITY,
        }
    }

    /// The cost of the sequence whose logits [`Net::forward`] left.
    pub(crate) fn loss(&self, sequence: &Sequence<'_>, tape: &Tape) -> Loss {
        let mut row = vec![0.0; self.layout.config.vocab_size];
        let mut loss = Loss::default();
        let targets = sequence.tokens[1..].iter().zip(sequence.counted);
        for (index, (&target, &counted)) in targets.enumerate() {
            if counted {
                self.below_maximum(tape, index, &mut row);
                loss.bits += softmax(&mut row, target.into());
                loss.tokens += 1;
            }
        }
        loss
    }

    /// The cost of a sequence, and its gradients, in bits for each parameter's unit, added to `gradients`.
    pub(crate) fn backward(&self, sequence: &Sequence<'_>, tape: &mut Tape, gradients: &mut [f32]) -> Loss {
        self.forward(sequence, tape);
        let config = &self.layout.config;
        let (d, vocab, count) = (config.d_model, config.vocab_size, sequence.starts.len());
        let mut space = std::mem::take(&mut tape.backward);
        let Backward {
            wide,
            dx,
            dy,
            attention: scratch,
        } = &mut space;

        // In bits for each octave: p minus the truth.
        let mut loss = Loss::default();
        wide.resize(count * vocab, 0.0);
        let rows = wide.chunks_exact_mut(vocab).enumerate();
        for ((index, row), (&target, &counted)) in rows.zip(sequence.tokens[1..].iter().zip(sequence.counted))
        {
            if counted {
                self.below_maximum(tape, index, row);
                loss.bits += softmax(row, target.into());
                loss.tokens += 1;
                row[usize::from(target)] -= 1.0;
            } else {
                row.fill(0.0);
            }
        }
        let activation = self.limit(bits::ACTIVATION);
        dy.resize(count * d, 0.0);
        self.linear_backward(&self.layout.head, wide, &tape.head_input, dy, gradients);
        dx.clear();
        dx.resize(count * d, 0.0);
        add_norm_backward(&tape.head_input, activation, dy, dx);

        for (tape, tensors) in tape.layers.iter().zip(&self.layout.layers).rev() {
            // The feed-forward network.
            wide.resize(count * config.d_ff, 0.0);
            self.linear_backward(&tensors.down, dx, &tape.hidden, wide, gradients);
            norm_backward(&tape.hidden, self.limit(bits::HIDDEN), wide);
            for (gradient, &up) in wide.iter_mut().zip(&tape.up) {
                *gradient *= 2.0 * up.max(0.0);
            }
            dy.resize(count * d, 0.0);
            self.linear_backward(&tensors.up, wide, &tape.ffn_input, dy, gradients);
            add_norm_backward(&tape.ffn_input, activation, dy, dx);

            // Attention.
            let attended = &tape.attended;
            wide.resize(attended.values.len(), 0.0);
            self.linear_backward(&tensors.out, dx, attended, wide, gradients);
            norm_backward(attended, activation, wide);
            dy.resize(count * config.qkv_rows(), 0.0);
            attention::backward(
                config,
                sequence.starts,
                &self.floats[tensors.gains.range()],
                activation,
                &tape.attention,
                wide,
                dy,
                scratch,
            );
            add(&mut gradients[tensors.gains.range()], &scratch.gain_gradients);
            add(&mut gradients[tensors.sinks.range()], &scratch.sink_gradients);
            for (position, row) in dy.chunks_exact_mut(config.qkv_rows()).enumerate() {
                attention::turn_back(row, config.heads + 1, &self.rotations[position]);
            }
            wide.resize(count * d, 0.0);
            self.linear_backward(&tensors.qkv, dy, &tape.attention_input, wide, gradients);
            add_norm_backward(&tape.attention_input, activation, wide, dx);
        }

        embed_backward(&self.layout, sequence, dx, gradients);
        tape.backward = space;
        loss
    }

    /// Adds the gradients of a matrix, and sets those of its input.
    fn linear_backward(
        &self,
        tensor: &Tensor,
        dy: &[f32],
        x: &Normed,
        dx: &mut [f32],
        gradients: &mut [f32],
    ) {
        let count = dy.len() / tensor.rows;
        let dy = View::new(dy, count);
        add_product(
            &mut gradients[tensor.range()],
            dy.transposed(),
            View::new(&x.values, count),
        );
        set_product(dx, dy, View::new(&self.floats[tensor.range()], tensor.rows));
    }
}

/// Adds the gradients of the first residual to those of the tables that it was looked up in. There may be more rows than
/// the sequence has.
pub(crate) fn embed_backward(layout: &Layout, sequence: &Sequence<'_>, dx: &[f32], gradients: &mut [f32]) {
    let config = &layout.config;
    let rows = dx.chunks_exact(config.d_model).take(sequence.starts.len());
    for (index, dx) in rows.enumerate() {
        let mut add_to = |tensor: &Tensor, row: usize| {
            add(
                &mut gradients[tensor.range()][row * tensor.cols..][..tensor.cols],
                dx,
            );
        };
        add_to(&layout.embedding, sequence.tokens[index].into());
        if let Some(bucket) = bucket(config, sequence, index) {
            add_to(&layout.bigram, bucket);
        }
    }
}

/// The row of the table of pairs for a token and the one before it in its document.
pub(crate) fn bucket(config: &Config, sequence: &Sequence<'_>, index: usize) -> Option<usize> {
    let buckets = config.bigram_buckets;
    let previous = index
        .checked_sub(1)
        .filter(|&before| before as u32 >= sequence.starts[index])?;
    (buckets > 0).then(|| bigram_bucket(sequence.tokens[previous], sequence.tokens[index], buckets))
}

/// Makes probabilities of octaves below the largest, and returns the bits that the target costs.
fn softmax(row: &mut [f32], target: usize) -> f64 {
    let below = row[target];
    row.iter_mut().for_each(|x| *x = exp2(*x));
    let total = sum(row);
    let inverse = 1.0 / total;
    row.iter_mut().for_each(|p| *p *= inverse);
    f64::from(total.log2()) - f64::from(below)
}

fn add(sums: &mut [f32], terms: &[f32]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}

/// Replaces the gradients of a norm's output by those of its input.
fn norm_backward(y: &Normed, limit: f32, dy: &mut [f32]) {
    let width = y.values.len() / y.factors.len().max(1);
    let rows = y
        .values
        .chunks_exact(width.max(1))
        .zip(dy.chunks_exact_mut(width.max(1)));
    for ((y, dy), &factor) in rows.zip(&y.factors) {
        row_norm_backward(y, limit, factor, dy);
    }
}

/// The same, added to other gradients.
fn add_norm_backward(y: &Normed, limit: f32, dy: &mut [f32], dx: &mut [f32]) {
    norm_backward(y, limit, dy);
    add(dx, dy);
}

/// With y = x / rms(x): dx = (dy - y mean(y dy)) / rms(x); nothing comes through where y was clamped.
pub(crate) fn row_norm_backward(y: &[f32], limit: f32, factor: f32, dy: &mut [f32]) {
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy = if y.abs() >= limit { 0.0 } else { *dy };
    }
    let mean = dot(y, dy) / y.len() as f32;
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy = (*dy - y * mean) * factor;
    }
}

/// `2^x` for x from -126 to 0, by a polynomial, so that every machine trains alike: the relative error is below 3e-7.
#[inline(always)]
pub(crate) fn exp2(x: f32) -> f32 {
    let x = x.max(-126.0);
    let (whole, bits) = round(x);
    let f = x - whole;
    // The series of exp(f ln 2), whose first term left out is below 1.2e-7.
    let p = 1.0
        + f * (std::f32::consts::LN_2
            + f * (0.240_226_5
                + f * (0.055_504_11 + f * (0.009_618_129 + f * (0.001_333_355_8 + f * 0.000_154_035_3)))));
    f32::from_bits((bits << 23).wrapping_add(127 << 23)) * p
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::parameters::Random;
    use czip_bf16::Products;
    use czip_model::v2::Config;

    pub(crate) fn tiny() -> Config {
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

    /// Parameters of a net in which every tensor matters.
    pub(crate) fn parameters(layout: &Layout, random: &mut Random) -> Vec<f32> {
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
        parameters
    }

    /// Steps along each tensor's gradient change the cost as the gradient says: nearly so in floats, and roughly in integers,
    /// where every step crosses thousands of roundings.
    #[test]
    fn gradients_predict_the_cost() {
        let layout = Layout::new(&tiny());
        let mut random = Random(5);
        let parameters = parameters(&layout, &mut random);
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
        for numerics in [Numerics::Integers, Numerics::Floats] {
            check(&layout, &parameters, &sequence, numerics);
        }
    }

    fn check(layout: &Layout, parameters: &[f32], sequence: &Sequence<'_>, numerics: Numerics) {
        let mut tape = Tape::default();
        let mut gradients = vec![0.0; layout.len()];
        let net = Net::new(layout, parameters, 128, numerics);
        let loss = net.backward(sequence, &mut tape, &mut gradients);
        assert_eq!(loss.tokens, 127);
        let again = net.loss(sequence, &tape);
        assert!((again.bits - loss.bits).abs() < 1e-6 * loss.bits);

        for tensor in layout.tensors() {
            let gradient = &gradients[tensor.range()];
            let norm = gradient.iter().map(|x| x * x).sum::<f32>().sqrt();
            let size = parameters[tensor.range()]
                .iter()
                .map(|x| x * x)
                .sum::<f32>()
                .sqrt();
            let scalars = tensor.kind == crate::parameters::Kind::Scalars;
            let (part, expected) = match numerics {
                // Of gains and sinks there are too few to drown what roundings add: they are only held against their sign.
                Numerics::Integers if scalars => (0.3, 0.0..100.0),
                Numerics::Integers => (0.03, 0.7..1.2),
                // The terms of these nearly cancel, which shows where products round their factors.
                Numerics::Floats if scalars && Products::detect().is_some() => (0.003, 0.97..1.03),
                Numerics::Floats => (0.003, 0.99..1.01),
            };
            let step = part * size;
            let cost = |sign: f32, tape: &mut Tape| {
                let mut moved = parameters.to_vec();
                let range = tensor.range();
                for (x, g) in moved[range].iter_mut().zip(gradient) {
                    *x += sign * step * g / norm;
                }
                let net = Net::new(layout, &moved, 128, numerics);
                net.forward(sequence, tape);
                net.loss(sequence, tape).bits
            };
            let change = (cost(1.0, &mut tape) - cost(-1.0, &mut tape)) as f32;
            let ratio = change / (2.0 * step * norm);
            assert!(expected.contains(&ratio), "{numerics:?} {}: {ratio}", tensor.name);
        }
    }
}
