//! What a sequence leaves behind on its way through the net, for the way back.
//!
//! All numbers are real: those of the integer net are what its integers stand for.

use czip_model::v2::{Config, HEAD_DIM};

use crate::attention;
use crate::graph::{floats, integers};

/// A sequence of tokens of one or more documents.
pub(crate) struct Sequence<'a> {
    /// The tokens that the net sees, and after them one more to predict, where there are predictions that count.
    pub(crate) tokens: &'a [u16],
    /// For each token seen, the first that it may attend to.
    pub(crate) starts: &'a [u32],
    /// Whether the prediction after each token counts.
    pub(crate) counted: &'a [bool],
}

impl Sequence<'_> {
    /// The positions that a position attends to begin with this one.
    pub(crate) fn first(&self, position: usize, window: usize) -> usize {
        first_of(position, self.starts, window)
    }
}

/// The first position that a position attends to.
pub(crate) fn first_of(position: usize, starts: &[u32], window: usize) -> usize {
    (position + 1)
        .saturating_sub(window)
        .max(starts[position] as usize)
}

/// The output of a norm of many rows.
#[derive(Debug, Default)]
pub(crate) struct Normed {
    pub(crate) values: Vec<f32>,
    /// What one unit of each row became.
    pub(crate) factors: Vec<f32>,
}

/// One layer's part.
#[derive(Debug, Default)]
pub(crate) struct LayerTape {
    pub(crate) attention_input: Normed,
    pub(crate) attention: AttentionTape,
    pub(crate) attended: Normed,
    pub(crate) ffn_input: Normed,
    /// `[count, d_ff]`, before they are squared.
    pub(crate) up: Vec<f32>,
    pub(crate) hidden: Normed,
}

/// The part of attention.
#[derive(Debug, Default)]
pub(crate) struct AttentionTape {
    /// Turned and normed, `[count, heads, 64]`.
    pub(crate) queries: Vec<f32>,
    /// Turned and normed, `[count, 64]`.
    pub(crate) keys: Vec<f32>,
    /// `[count, 64]`.
    pub(crate) values: Vec<f32>,
    /// What one unit of each query and of the key became in their norms, `[count, heads + 1]`.
    pub(crate) head_factors: Vec<f32>,
    /// `[count, heads, window]`, from the first position of each window on.
    pub(crate) probabilities: Vec<f32>,
}

impl AttentionTape {
    pub(crate) fn reset(&mut self, count: usize, config: &Config) {
        self.queries.resize(count * config.heads * HEAD_DIM, 0.0);
        self.keys.resize(count * HEAD_DIM, 0.0);
        self.values.resize(count * HEAD_DIM, 0.0);
        self.head_factors.resize(count * (config.heads + 1), 0.0);
        self.probabilities
            .resize(count * config.heads * config.window, 0.0);
    }
}

/// The tape of one thread, and its working space.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    pub(crate) layers: Vec<LayerTape>,
    pub(crate) head_input: Normed,
    pub(crate) integers: integers::Space,
    pub(crate) floats: floats::Space,
    pub(crate) backward: Backward,
}

/// Working space of the way back.
#[derive(Debug, Default)]
pub(crate) struct Backward {
    pub(crate) wide: Vec<f32>,
    pub(crate) dx: Vec<f32>,
    pub(crate) dy: Vec<f32>,
    pub(crate) attention: attention::Scratch,
}
