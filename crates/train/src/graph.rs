//! One sequence through the net and back: tokens in, cost and gradients out, `[parameters]`.
//!
//! The forward pass *is* the integer net, run by the code that codes texts, with an observer that records it on a tape:
//! there is nothing to prove about an export. The backward pass takes what the integers stand for, and passes gradients
//! through every rounding as if it were not there, and through every clamp only where it did not act (Bengio, Léonard and
//! Courville, "Estimating or propagating gradients through stochastic neurons", 2013).
//!
//! The same net can also run in floats: to measure what the integers cost, and to test gradients without roundings.

mod floats;
mod recorder;

use czip_kernels::Kernels;
use czip_model::v2::{self, HEAD_DIM, MAX_BATCH, Row, Weights, bits, rotation};

use crate::attention::{self, Attention};
use crate::matrix::{View, add_product, set_product, sum};
use crate::norm::Normed;
use crate::numbers::{exp2, power};
use crate::parameters::{LayerTensors, Layout, Tensor, frequencies};
use crate::tape::{LayerTape, Sequence, Tape};
use floats::Floats;
use recorder::Recorder;

/// The numbers that a net computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numerics {
    /// Integers, as models do.
    #[default]
    Integers,
    /// 32-bit floats, with parameters as they are: for comparison only, since no file holds such a net.
    Floats,
}

/// The net at one step, ready to run.
#[derive(Debug)]
pub(crate) struct Net {
    layout: Layout,
    /// The integer net; without it everything runs in floats.
    integers: Option<v2::Transformer>,
    /// The factors of products, laid out as the parameters: what the integers stand for, or the parameters themselves.
    floats: Vec<f32>,
    /// The cosines and sines of each position.
    rotations: Vec<([i16; HEAD_DIM / 2], [i16; HEAD_DIM / 2])>,
}

/// The cost of some text.
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

/// The tape of one thread, and its working space.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    tape: Tape,
    integers: Option<(v2::Scratch, [v2::Cache; 1])>,
    floats: floats::Scratch,
    gradients: Gradients,
}

/// The gradients of what passes between the matrices.
#[derive(Debug, Default)]
struct Gradients {
    /// Of outputs: `[count, width]`, whatever the width.
    wide: Vec<f32>,
    /// Of the residual stream: `[count, d]`.
    dx: Vec<f32>,
    /// Of inputs: `[count, width]`.
    dy: Vec<f32>,
    attention: attention::Scratch,
}

impl Net {
    /// The net with these parameters, for sequences of up to so many positions.
    pub(crate) fn new(layout: &Layout, parameters: &[f32], positions: usize, numerics: Numerics) -> Self {
        let (integers, floats) = match numerics {
            Numerics::Integers => {
                let (weights, floats) = layout.quantize(parameters);
                (Some(v2::Transformer::new(Kernels::detect(), &weights)), floats)
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

    /// The forward pass; leaves a record of it on the tape.
    pub(crate) fn forward(&self, sequence: &Sequence<'_>, workspace: &mut Workspace) {
        let Some(net) = &self.integers else {
            let net = Floats {
                layout: &self.layout,
                parameters: &self.floats,
                rotations: &self.rotations,
            };
            net.forward(sequence, &mut workspace.floats, &mut workspace.tape);
            return;
        };
        let (config, tape) = (&self.layout.config, &mut workspace.tape);
        tape.reset(sequence.len(), config);
        let (scratch, caches) = workspace
            .integers
            .get_or_insert_with(|| (net.scratch(MAX_BATCH), [net.cache()]));
        let tokens = &sequence.tokens[..sequence.len()];
        in_batches(tokens, sequence.starts, |rows| {
            let mut recorder = Recorder {
                config,
                first: rows[0].position,
                tape,
            };
            net.forward_observed(rows, caches, scratch, &mut recorder);
        });
    }

    /// The magnitude at which a number of this many fraction bits is clamped.
    fn limit(&self, bits: u32) -> f32 {
        match self.integers {
            Some(_) => 127.0 * power(-(bits as i32)),
            None => f32::INFINITY,
        }
    }

    /// The cost of the sequence that [`Net::forward`] recorded. The recorded logits are used up.
    pub(crate) fn loss(&self, sequence: &Sequence<'_>, workspace: &mut Workspace) -> Loss {
        let mut loss = Loss::default();
        let logits = workspace
            .tape
            .logits
            .chunks_exact_mut(self.layout.config.vocab_size);
        for (row, target) in logits.zip(sequence.targets()) {
            if let Some(target) = target {
                loss.bits += softmax(row, target as usize);
                loss.tokens += 1;
            }
        }
        loss
    }

    /// The cost of a sequence, and its gradients, in bits for each parameter's unit, added to `gradients`.
    pub(crate) fn backward(
        &self,
        sequence: &Sequence<'_>,
        workspace: &mut Workspace,
        gradients: &mut [f32],
    ) -> Loss {
        self.forward(sequence, workspace);
        let Workspace {
            tape,
            gradients: space,
            ..
        } = workspace;
        let loss = self.head_backward(sequence, tape, space, gradients);
        for (tape, tensors) in tape.layers.iter().zip(&self.layout.layers).rev() {
            self.feed_forward_backward(tensors, tape, space, gradients);
            self.attention_backward(sequence, tensors, tape, space, gradients);
        }
        embed_backward(&self.layout, sequence, &space.dx, gradients);
        loss
    }

    /// The cost, and the gradients of the residual stream after the last layer. The tape's logits are used up.
    fn head_backward(
        &self,
        sequence: &Sequence<'_>,
        tape: &mut Tape,
        space: &mut Gradients,
        gradients: &mut [f32],
    ) -> Loss {
        let vocab_size = self.layout.config.vocab_size;
        let mut loss = Loss::default();
        let rows = tape.logits.chunks_exact_mut(vocab_size);
        for (row, target) in rows.zip(sequence.targets()) {
            // In bits for each octave: p minus the truth.
            if let Some(target) = target {
                loss.bits += softmax(row, target as usize);
                loss.tokens += 1;
                row[target as usize] -= 1.0;
            } else {
                row.fill(0.0);
            }
        }
        let len = sequence.len() * self.layout.config.d_model;
        space.dx.clear();
        space.dx.resize(len, 0.0);
        space.dy.resize(len, 0.0);
        self.linear_backward(
            &self.layout.head,
            &tape.logits,
            &tape.head_input,
            &mut space.dy,
            gradients,
        );
        self.norm_to_residual(&tape.head_input, &mut space.dy, &mut space.dx);
        loss
    }

    fn feed_forward_backward(
        &self,
        tensors: &LayerTensors,
        tape: &LayerTape,
        space: &mut Gradients,
        gradients: &mut [f32],
    ) {
        let Gradients { wide, dx, dy, .. } = space;
        wide.resize(tape.hidden.values.len(), 0.0);
        self.linear_backward(&tensors.down, dx, &tape.hidden, wide, gradients);
        tape.hidden.backward(self.limit(bits::HIDDEN), wide);
        for (gradient, &up) in wide.iter_mut().zip(&tape.up) {
            *gradient *= 2.0 * up.max(0.0);
        }
        dy.resize(dx.len(), 0.0);
        self.linear_backward(&tensors.up, wide, &tape.ffn_input, dy, gradients);
        self.norm_to_residual(&tape.ffn_input, dy, dx);
    }

    fn attention_backward(
        &self,
        sequence: &Sequence<'_>,
        tensors: &LayerTensors,
        tape: &LayerTape,
        space: &mut Gradients,
        gradients: &mut [f32],
    ) {
        let config = &self.layout.config;
        let limit = self.limit(bits::ACTIVATION);
        let Gradients {
            wide,
            dx,
            dy,
            attention: scratch,
        } = space;
        wide.resize(tape.attended.values.len(), 0.0);
        self.linear_backward(&tensors.out, dx, &tape.attended, wide, gradients);
        tape.attended.backward(limit, wide);
        dy.resize(sequence.len() * config.qkv_rows(), 0.0);
        let attention = Attention {
            config,
            sequence,
            gains: &self.floats[tensors.gains.range()],
            limit,
            tape: &tape.attention,
        };
        attention.backward(wide, dy, scratch);
        add(&mut gradients[tensors.gains.range()], &scratch.gain_gradients);
        add(&mut gradients[tensors.sinks.range()], &scratch.sink_gradients);
        for (position, row) in dy.chunks_exact_mut(config.qkv_rows()).enumerate() {
            attention::rotate_back(row, config.heads + 1, &self.rotations[position]);
        }
        wide.resize(dx.len(), 0.0);
        self.linear_backward(&tensors.qkv, dy, &tape.attention_input, wide, gradients);
        self.norm_to_residual(&tape.attention_input, wide, dx);
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

    /// Takes the gradients of a normed residual stream back through the norm, and adds them to those of the stream.
    fn norm_to_residual(&self, y: &Normed, dy: &mut [f32], dx: &mut [f32]) {
        y.backward(self.limit(bits::ACTIVATION), dy);
        add(dx, dy);
    }
}

/// Consecutive tokens as rows of one sequence, in batches as large as they may be.
fn in_batches(tokens: &[u32], starts: &[u32], mut each: impl FnMut(&[Row])) {
    let mut rows = Vec::with_capacity(MAX_BATCH);
    let mut positions = (0..tokens.len()).peekable();
    while positions.peek().is_some() {
        rows.clear();
        rows.extend(positions.by_ref().take(MAX_BATCH).map(|position| Row {
            sequence: 0,
            position,
            start: starts[position] as usize,
            token: tokens[position],
        }));
        each(&rows);
    }
}

/// The logits after each token of a text, in 1/256 octaves, in the largest batches: `[tokens, vocab]`.
pub(crate) fn logits(weights: &Weights, tokens: &[u32]) -> Vec<i32> {
    let net = v2::Transformer::new(Kernels::detect(), weights);
    let (mut scratch, mut caches) = (net.scratch(MAX_BATCH), [net.cache()]);
    let mut logits = Vec::with_capacity(tokens.len() * weights.config.vocab_size);
    in_batches(tokens, &vec![0; tokens.len()], |rows| {
        net.forward(rows, &mut caches, &mut scratch);
        (0..rows.len()).for_each(|row| logits.extend_from_slice(scratch.logits(row)));
    });
    logits
}

/// Adds the gradients of the first residual to those of the embeddings that it was looked up in. There may be more rows
/// than the sequence has.
pub(crate) fn embed_backward(layout: &Layout, sequence: &Sequence<'_>, dx: &[f32], gradients: &mut [f32]) {
    let config = &layout.config;
    let rows = dx.chunks_exact(config.d_model).take(sequence.len());
    for (index, dx) in rows.enumerate() {
        let mut add_to = |tensor: &Tensor, row: usize| {
            add(
                &mut gradients[tensor.range()][row * tensor.cols..][..tensor.cols],
                dx,
            );
        };
        add_to(&layout.embedding, sequence.tokens[index] as usize);
        if let Some(bucket) = sequence.bucket(config, index) {
            add_to(&layout.bigram, bucket);
        }
    }
}

/// Turns octaves below the largest into probabilities, and returns the bits that the target costs.
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::parameters::Random;
    use czip_bf16::Products;
    use czip_model::v2::Config;

    pub(crate) fn tiny() -> Config {
        Config::from_array([300, 2, 64, 2, 96, 24, 64, 32])
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

    /// Steps along each tensor's gradient change the cost as the gradient says: nearly so in floats, and roughly in
    /// integers, where every step crosses thousands of roundings.
    #[test]
    fn gradients_predict_the_cost() {
        let layout = Layout::new(&tiny());
        let mut random = Random(5);
        let parameters = parameters(&layout, &mut random);
        // Texts with repetitions, so attention has something to find.
        let mut tokens: Vec<u32> = (0..129).map(|_| random.below(300) as u32).collect();
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
        let mut workspace = Workspace::default();
        let mut gradients = vec![0.0; layout.len()];
        let net = Net::new(layout, parameters, 128, numerics);
        let loss = net.backward(sequence, &mut workspace, &mut gradients);
        assert_eq!(loss.tokens, 127);
        net.forward(sequence, &mut workspace);
        let again = net.loss(sequence, &mut workspace);
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
                // Gains and attention sinks are too few to drown what roundings add: only their sign is checked.
                Numerics::Integers if scalars => (0.3, 0.0..100.0),
                Numerics::Integers => (0.03, 0.7..1.2),
                // The terms of these nearly cancel, which shows where products round their factors.
                Numerics::Floats if scalars && Products::detect().is_some() => (0.003, 0.97..1.03),
                Numerics::Floats => (0.003, 0.99..1.01),
            };
            let step = part * size;
            let cost = |sign: f32, workspace: &mut Workspace| {
                let mut moved = parameters.to_vec();
                let range = tensor.range();
                for (x, g) in moved[range].iter_mut().zip(gradient) {
                    *x += sign * step * g / norm;
                }
                let net = Net::new(layout, &moved, 128, numerics);
                net.forward(sequence, workspace);
                net.loss(sequence, workspace).bits
            };
            let change = (cost(1.0, &mut workspace) - cost(-1.0, &mut workspace)) as f32;
            let ratio = change / (2.0 * step * norm);
            assert!(expected.contains(&ratio), "{numerics:?} {}: {ratio}", tensor.name);
        }
    }

    #[test]
    fn bits_of_a_target() {
        let mut row = [0.0, -1.0, -2.0, -2.0];
        assert_eq!(softmax(&mut row, 1), 2.0);
        assert_eq!(row, [0.5, 0.25, 0.125, 0.125]);
    }

    #[test]
    fn batches_follow_each_other() {
        let tokens: Vec<u32> = (0..600).collect();
        let starts: Vec<u32> = (0..600).map(|position| position / 100 * 100).collect();
        let (mut sizes, mut all) = (Vec::new(), Vec::new());
        in_batches(&tokens, &starts, |rows| {
            sizes.push(rows.len());
            all.extend_from_slice(rows);
        });
        assert_eq!(sizes, [256, 256, 88]);
        for (position, row) in all.into_iter().enumerate() {
            let expected = Row {
                sequence: 0,
                position,
                start: position / 100 * 100,
                token: position as u32,
            };
            assert_eq!(row, expected);
        }
        in_batches(&[], &[], |_| panic!("a batch of nothing"));
    }

    /// What is recorded of a sequence longer than a batch, and of a shorter one after it.
    #[test]
    fn recorded_logits() {
        let layout = Layout::new(&tiny());
        let mut random = Random(6);
        let parameters = parameters(&layout, &mut random);
        let tokens: Vec<u32> = (0..=300).map(|_| random.below(300) as u32).collect();
        let weights = layout.quantize(&parameters).0;
        let net = Net::new(&layout, &parameters, 300, Numerics::Integers);
        let mut workspace = Workspace::default();
        for len in [300, 7] {
            let sequence = Sequence {
                tokens: &tokens[..=len],
                starts: &vec![0; len],
                counted: &vec![true; len],
            };
            net.forward(&sequence, &mut workspace);
            let logits = logits(&weights, &tokens[..len]);
            let expected = logits.chunks_exact(300).flat_map(|row| {
                let maximum = row.iter().max().unwrap();
                row.iter().map(move |logit| (logit - maximum) as f32 / 256.0)
            });
            assert!(workspace.tape.logits.iter().copied().eq(expected));
            let tape = &workspace.tape;
            assert_eq!(tape.head_input.factors.len(), len);
            for layer in &tape.layers {
                let normed = [
                    &layer.attention_input,
                    &layer.attended,
                    &layer.ffn_input,
                    &layer.hidden,
                ];
                assert_eq!(normed.map(|normed| normed.factors.len()), [len; 4]);
                assert_eq!(
                    normed.map(|normed| normed.values.len()),
                    [64, 128, 64, 96].map(|width| width * len)
                );
                // Squares are those of what was recorded.
                let rows = layer
                    .hidden
                    .values
                    .chunks_exact(96)
                    .zip(layer.up.chunks_exact(96));
                for (row, (hidden, up)) in rows.enumerate() {
                    for (&hidden, &up) in hidden.iter().zip(up) {
                        let factor = layer.hidden.factors[row];
                        let square = up.max(0.0) * up.max(0.0) * factor;
                        // The square is rounded to 6 bits, what the norm makes of it to 3.
                        let most = factor / 128.0 + 1.0 / 16.0 + 0.01 * square;
                        let close = (hidden - square).abs() <= most;
                        assert!(close || hidden == 127.0 / 8.0, "{hidden} for {square}");
                    }
                }
                // Vectors of heads have a mean square of one.
                for vectors in [&layer.attention.queries, &layer.attention.keys] {
                    for vector in vectors.chunks_exact(HEAD_DIM) {
                        let square = vector.iter().map(|x| x * x).sum::<f32>();
                        assert!((60.0..68.0).contains(&square), "{square}");
                    }
                }
            }
        }
    }
}
