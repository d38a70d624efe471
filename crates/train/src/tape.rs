//! What the forward pass of a sequence records for the backward pass.
//!
//! All numbers are real: those of the integer net are what its integers stand for.

use czip_model::v2::{Config, HEAD_DIM, bigram_bucket};

use crate::norm::Normed;

/// A sequence of tokens of one or more documents.
pub(crate) struct Sequence<'a> {
    /// The tokens that the net sees, and after them one more to predict, where there are predictions that count.
    pub(crate) tokens: &'a [u32],
    /// For each token seen, the position at which its document begins: the first that it may attend to.
    pub(crate) starts: &'a [u32],
    /// Whether the prediction after each token counts.
    pub(crate) counted: &'a [bool],
}

impl Sequence<'_> {
    /// The number of tokens that the net sees.
    pub(crate) const fn len(&self) -> usize {
        self.starts.len()
    }

    /// The positions that a position attends to begin with this one.
    pub(crate) fn first(&self, position: usize, window: usize) -> usize {
        (position + 1)
            .saturating_sub(window)
            .max(self.starts[position] as usize)
    }

    /// The row of the bigram embedding for a token and the one before it in its document.
    pub(crate) fn bucket(&self, config: &Config, position: usize) -> Option<usize> {
        let buckets = config.bigram_buckets;
        let previous = position
            .checked_sub(1)
            .filter(|&before| before as u32 >= self.starts[position])?;
        (buckets > 0).then(|| bigram_bucket(self.tokens[previous], self.tokens[position], buckets))
    }

    /// The token to predict after each token seen, if the prediction counts.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Option<u32>> {
        let targets = self.tokens[1..].iter().zip(self.counted);
        targets.map(|(&target, &counted)| counted.then_some(target))
    }
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
    /// Rotated and normed, `[count, heads, 64]`.
    pub(crate) queries: Vec<f32>,
    /// Rotated and normed, `[count, 64]`.
    pub(crate) keys: Vec<f32>,
    /// `[count, 64]`.
    pub(crate) values: Vec<f32>,
    /// What one unit of each query and of the key became in their norms, `[count, heads + 1]`.
    pub(crate) head_factors: Vec<f32>,
    /// `[count, heads, window]`, from the first position of each window on.
    pub(crate) probabilities: Vec<f32>,
}

impl AttentionTape {
    /// Makes room; old values may remain.
    fn reset(&mut self, count: usize, config: &Config) {
        self.queries.resize(count * config.heads * HEAD_DIM, 0.0);
        self.keys.resize(count * HEAD_DIM, 0.0);
        self.values.resize(count * HEAD_DIM, 0.0);
        self.head_factors.resize(count * (config.heads + 1), 0.0);
        self.probabilities
            .resize(count * config.heads * config.window, 0.0);
    }
}

/// The record of one sequence.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    pub(crate) layers: Vec<LayerTape>,
    pub(crate) head_input: Normed,
    /// The logits in octaves below the largest of their row: `[count, vocab]`.
    pub(crate) logits: Vec<f32>,
}

impl Tape {
    /// Makes the tape ready for a sequence of this many tokens.
    pub(crate) fn reset(&mut self, count: usize, config: &Config) {
        self.layers.resize_with(config.layers, LayerTape::default);
        for layer in &mut self.layers {
            layer.attention_input.clear();
            layer.attention.reset(count, config);
            layer.attended.clear();
            layer.ffn_input.clear();
            layer.up.clear();
            layer.hidden.clear();
        }
        self.head_input.clear();
        self.logits.resize(count * config.vocab_size, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_bound_windows_and_bigrams() {
        let sequence = Sequence {
            tokens: &[7, 8, 9, 7, 8],
            starts: &[0, 0, 2, 2],
            counted: &[true, false, true, true],
        };
        assert_eq!(sequence.len(), 4);
        assert_eq!(
            [0, 1, 2, 3].map(|position| sequence.first(position, 1)),
            [0, 1, 2, 3]
        );
        assert_eq!(
            [0, 1, 2, 3].map(|position| sequence.first(position, 9)),
            [0, 0, 2, 2]
        );
        let mut config = Config::from_array([10, 1, 4, 1, 4, 9, 64, 4]);
        let bucket = |previous, token| Some(bigram_bucket(previous, token, 64));
        assert_eq!(
            [0, 1, 2, 3].map(|position| sequence.bucket(&config, position)),
            [None, bucket(7, 8), None, bucket(9, 7)]
        );
        config.bigram_buckets = 0;
        assert_eq!(
            [0, 1, 2, 3].map(|position| sequence.bucket(&config, position)),
            [None; 4]
        );
        let targets: Vec<Option<u32>> = sequence.targets().collect();
        assert_eq!(targets, [Some(8), None, Some(7), Some(8)]);
    }
}
