//! What to train, and for how long.

use std::path::PathBuf;

use czip_model::v2::{Config, Weights};

use crate::bpe::Split;
use crate::device::Device;
use crate::preset::Preset;
use crate::trainer::{Hyperparameters, Trainer};

/// What to train, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The sizes of the net, unless `base` or `config` gives them.
    pub preset: Preset,
    /// Other sizes than the preset's; the vocabulary is that of the tokenizer.
    pub config: Option<Config>,
    /// Tokens of the vocabulary; by default as many as suit the preset.
    pub vocab_size: Option<usize>,
    /// The split pattern; by default it is chosen by the text.
    pub split: Option<Split>,
    /// How long to train.
    pub budget: Budget,
    /// How the net is trained.
    pub hyperparameters: Hyperparameters,
    /// What computes the gradients. A run may be resumed on another device.
    pub device: Device,
    /// A model to start from.
    pub base: Option<Base>,
    /// A file to keep the state of the run in.
    pub checkpoint: Option<PathBuf>,
    /// Whether to resume the run of that file.
    pub resume: bool,
}

impl Options {
    /// The sizes of the net for a tokenizer's vocabulary.
    pub(super) fn net_config(&self, vocab_size: usize) -> Config {
        let config = match (&self.base, &self.config) {
            (Some(base), _) if !base.new_tokenizer => return base.weights.config.clone(),
            (Some(base), _) => &base.weights.config,
            (None, Some(config)) => config,
            (None, None) => return self.preset.config(vocab_size),
        };
        Config {
            vocab_size,
            ..config.clone()
        }
    }

    /// Tokens that a new tokenizer is to have.
    pub(super) fn wanted_vocab_size(&self) -> usize {
        self.vocab_size.unwrap_or(self.preset.vocab_size())
    }
}

/// A model to start from.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its weights.
    pub weights: Weights,
    /// Its tokenizer's JSON.
    pub tokenizer_json: Vec<u8>,
    /// Whether to train a new tokenizer; tokens that both have keep their embeddings.
    pub new_tokenizer: bool,
}

/// How long to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// So many seconds. The result depends on the machine's speed.
    Seconds(f64),
    /// So many tokens, each counted every time it is seen.
    Tokens(u64),
}

impl Budget {
    /// So many minutes; none if the number is negative.
    #[must_use]
    pub fn minutes(minutes: f64) -> Self {
        Self::Seconds(minutes.max(0.0) * 60.0)
    }

    /// The part that is used up.
    pub(super) fn used(self, trainer: &Trainer, seconds: f64) -> f64 {
        match self {
            Self::Seconds(all) => seconds / all,
            Self::Tokens(all) => trainer.tokens() as f64 / all.max(1) as f64,
        }
    }
}
