//! Presets: a name goes in; the sizes of a net come out.

use std::fmt;
use std::str::FromStr;

use czip_model::v2::Config;

/// A trade-off between small files and speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// A quarter of the work of [`Preset::Standard`].
    Fast,
    /// The default.
    #[default]
    Standard,
    /// Several times the work of [`Preset::Standard`], for machines that train fast.
    Large,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fast, Self::Standard, Self::Large];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Standard => "standard",
            Self::Large => "large",
        }
    }

    /// The sizes, for a vocabulary.
    #[must_use]
    pub const fn config(self, vocab_size: usize) -> Config {
        match self {
            Self::Fast => Config {
                vocab_size,
                layers: 2,
                d_model: 128,
                heads: 2,
                d_ff: 224,
                window: 128,
                bigram_buckets: 1 << 15,
                bigram_width: 128,
            },
            Self::Standard => Config {
                vocab_size,
                layers: 2,
                d_model: 256,
                heads: 4,
                d_ff: 1024,
                window: 128,
                bigram_buckets: 1 << 15,
                bigram_width: 80,
            },
            Self::Large => Config {
                vocab_size,
                layers: 6,
                d_model: 512,
                heads: 8,
                d_ff: 2048,
                window: 512,
                bigram_buckets: 1 << 16,
                bigram_width: 128,
            },
        }
    }

    /// The vocabulary that suits most texts.
    #[must_use]
    pub const fn vocab_size(self) -> usize {
        match self {
            Self::Fast | Self::Standard => 2048,
            Self::Large => 4096,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or(UnknownPreset)
    }
}

/// No preset has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("presets are fast, standard and large")]
pub struct UnknownPreset;
