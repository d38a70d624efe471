//! Records what the integer net computes, as the numbers that its integers stand for.

use czip_fixed::RmsFactor;
use czip_model::v2::{Config, HEAD_DIM, Norm, Observer, bits};

use crate::norm::Normed;
use crate::numbers::power;
use crate::tape::Tape;

/// Writes a batch of consecutive positions onto a tape, which was made ready for the whole sequence.
pub(super) struct Recorder<'t> {
    pub(super) config: &'t Config,
    /// The position of the batch's first row.
    pub(super) first: usize,
    pub(super) tape: &'t mut Tape,
}

impl Observer for Recorder<'_> {
    fn normed(&mut self, norm: Norm, _: usize, factor: RmsFactor, normed: &[i8]) {
        let tape = &mut *self.tape;
        let (input, output, to) = match norm {
            Norm::AttentionInput(layer) => (
                bits::RESIDUAL,
                bits::ACTIVATION,
                &mut tape.layers[layer].attention_input,
            ),
            Norm::Attended(layer) => (bits::ATTENDED, bits::ACTIVATION, &mut tape.layers[layer].attended),
            Norm::FeedForwardInput(layer) => (
                bits::RESIDUAL,
                bits::ACTIVATION,
                &mut tape.layers[layer].ffn_input,
            ),
            Norm::Hidden(layer) => (bits::SQUARE, bits::HIDDEN, &mut tape.layers[layer].hidden),
            Norm::HeadInput => (bits::RESIDUAL, bits::ACTIVATION, &mut tape.head_input),
        };
        let Normed { values, factors } = to;
        factors.push(real(factor, input, output));
        let scale = power(-(output as i32));
        values.extend(normed.iter().map(|&x| f32::from(x) * scale));
    }

    fn query(&mut self, layer: usize, row: usize, head: usize, factor: RmsFactor, query: &[i8; HEAD_DIM]) {
        let (position, heads) = (self.first + row, self.config.heads);
        let tape = &mut self.tape.layers[layer].attention;
        tape.head_factors[position * (heads + 1) + head] = real(factor, bits::RESIDUAL, bits::ACTIVATION);
        activations(query, &mut tape.queries[(position * heads + head) * HEAD_DIM..]);
    }

    fn key_value(
        &mut self,
        layer: usize,
        row: usize,
        factor: RmsFactor,
        key: &[i8; HEAD_DIM],
        value: &[i8; HEAD_DIM],
    ) {
        let (position, heads) = (self.first + row, self.config.heads);
        let tape = &mut self.tape.layers[layer].attention;
        tape.head_factors[position * (heads + 1) + heads] = real(factor, bits::RESIDUAL, bits::ACTIVATION);
        activations(key, &mut tape.keys[position * HEAD_DIM..]);
        activations(value, &mut tape.values[position * HEAD_DIM..]);
    }

    fn attention(&mut self, layer: usize, row: usize, head: usize, weights: &[u8], total: u32) {
        let Config { heads, window, .. } = *self.config;
        let at = (self.first + row) * heads + head;
        let inverse = 1.0 / total as f32;
        let out = &mut self.tape.layers[layer].attention.probabilities[at * window..][..weights.len()];
        for (out, &weight) in out.iter_mut().zip(weights) {
            *out = f32::from(weight) * inverse;
        }
    }

    fn up(&mut self, layer: usize, _: usize, up: &[i16]) {
        let scale = power(-(bits::RESIDUAL as i32));
        let to = &mut self.tape.layers[layer].up;
        to.extend(up.iter().map(|&x| f32::from(x) * scale));
    }

    fn logits(&mut self, row: usize, logits: &[i32]) {
        let out = &mut self.tape.logits[(self.first + row) * logits.len()..][..logits.len()];
        let maximum = logits.iter().fold(i32::MIN, |max, &x| max.max(x));
        for (out, &logit) in out.iter_mut().zip(logits) {
            *out = (logit - maximum) as f32 * power(-(bits::LOGIT as i32));
        }
    }
}

/// What int8 activations stand for.
fn activations(from: &[i8; HEAD_DIM], to: &mut [f32]) {
    let scale = power(-(bits::ACTIVATION as i32));
    for (to, &from) in to.iter_mut().zip(from) {
        *to = f32::from(from) * scale;
    }
}

/// What one unit of a norm's input became in units of its output, both as the numbers that they stand for.
fn real(factor: RmsFactor, input: u32, output: u32) -> f32 {
    factor.factor as f32 * power(input as i32 - output as i32 - factor.shift as i32)
}
