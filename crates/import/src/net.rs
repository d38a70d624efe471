//! What is known of a net before its weights are read: sizes and constants, from a GGUF file's metadata or a `config.json`.

use crate::error::Error;
use crate::frequencies::{self, Llama3Scaling};
use crate::store::{LayerRole, Role, Store};

/// A kind of net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Architecture {
    /// Llama 2 and 3, SmolLM, TinyLlama.
    Llama,
    /// Qwen2 and Qwen2.5: queries, keys and values have biases.
    Qwen2,
    /// Qwen3: queries and keys are normed.
    Qwen3,
}

impl Architecture {
    const ALL: [Self; 3] = [Self::Llama, Self::Qwen2, Self::Qwen3];

    /// The name in GGUF files and in `config.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    pub(crate) fn of_name(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|it| it.name() == name);
        found.ok_or_else(|| Error::Unsupported {
            what: "architecture",
            value: czip_model::quote::cut(name),
            supported: "llama, qwen2 and qwen3 are",
        })
    }
}

/// Sizes and constants of a net.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NetConfig {
    /// The kind of net.
    pub architecture: Architecture,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Layers.
    pub layers: usize,
    /// Elements of the residual, d.
    pub d_model: usize,
    /// Query heads, H.
    pub heads: usize,
    /// Key-value heads, G: a divisor of H.
    pub kv_heads: usize,
    /// Elements of a head, h.
    pub head_dim: usize,
    /// Elements of a head that are rotated, R: pairs are `i` and `i + R/2`.
    pub rotary_dim: usize,
    /// Units of the feed-forward network, F.
    pub d_ff: usize,
    /// What is added to mean squares in norms.
    pub epsilon: f64,
    /// The base of the frequencies of rotations.
    pub rope_base: f64,
    /// Positions that the net was made for.
    pub context_len: usize,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Whether queries and keys are normed.
    pub head_norms: bool,
    /// Whether the embedding is also the output head.
    pub tied: bool,
}

impl NetConfig {
    /// Queries' rows, and keys' or values' rows.
    pub(crate) const fn head_rows(&self) -> (usize, usize) {
        (self.heads * self.head_dim, self.kv_heads * self.head_dim)
    }

    /// Refuses sizes that the format cannot hold.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let sizes = [
            ("the number of layers", self.layers, 1, 128, "1 to 128"),
            (
                "the size of the vocabulary",
                self.vocab_size,
                2,
                1 << 18,
                "2 to 262144",
            ),
            ("the width of the residual", self.d_model, 4, 8192, "4 to 8192"),
            ("the number of query heads", self.heads, 1, 128, "1 to 128"),
            (
                "the number of key-value heads",
                self.kv_heads,
                1,
                self.heads,
                "a divisor of the number of query heads",
            ),
            ("the size of a head", self.head_dim, 32, 256, "even, 32 to 256"),
            (
                "the number of rotated elements",
                self.rotary_dim,
                2,
                self.head_dim,
                "even, 2 to the size of a head",
            ),
            (
                "the number of feed-forward units",
                self.d_ff,
                4,
                1 << 14,
                "4 to 16384",
            ),
            (
                "the width of all heads",
                self.heads.saturating_mul(self.head_dim),
                1,
                1 << 14,
                "at most 16384",
            ),
            ("the context length", self.context_len, 1, usize::MAX, "1 or more"),
        ];
        let size = |what, value: usize, allowed| {
            Err(Error::Size {
                what,
                value: value as u64,
                allowed,
            })
        };
        for (what, value, least, most, allowed) in sizes {
            if !(least..=most).contains(&value) {
                return size(what, value, allowed);
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return size(sizes[4].0, self.kv_heads, sizes[4].4);
        }
        for at in [5, 6] {
            if sizes[at].1 % 2 != 0 {
                return size(sizes[at].0, sizes[at].1, sizes[at].4);
            }
        }
        Ok(())
    }

    /// The roles of all tensors, with their shapes.
    pub(crate) fn tensors(&self) -> Vec<(Role, Vec<usize>)> {
        let d = self.d_model;
        let (queries, keys) = self.head_rows();
        let mut roles = vec![
            (Role::Embedding, vec![self.vocab_size, d]),
            (Role::HeadNorm, vec![d]),
        ];
        if !self.tied {
            roles.push((Role::Head, vec![self.vocab_size, d]));
        }
        for layer in 0..self.layers {
            for role in LayerRole::ALL {
                let shape = match role {
                    LayerRole::QueryBias | LayerRole::KeyBias | LayerRole::ValueBias if !self.qkv_bias => {
                        continue;
                    }
                    LayerRole::QueryNorm | LayerRole::KeyNorm if !self.head_norms => continue,
                    LayerRole::AttentionNorm | LayerRole::FeedForwardNorm => vec![d],
                    LayerRole::Query => vec![queries, d],
                    LayerRole::Key | LayerRole::Value => vec![keys, d],
                    LayerRole::QueryBias => vec![queries],
                    LayerRole::KeyBias | LayerRole::ValueBias => vec![keys],
                    LayerRole::QueryNorm | LayerRole::KeyNorm => vec![self.head_dim],
                    LayerRole::Out => vec![d, queries],
                    LayerRole::Gate | LayerRole::Up => vec![self.d_ff, d],
                    LayerRole::Down => vec![d, self.d_ff],
                };
                roles.push((Role::Layer(layer, role), shape));
            }
        }
        roles
    }
}

/// Where the frequencies of rotations come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scaling {
    /// From the base alone.
    None,
    /// The tensor [`Role::RotationFactors`] has a divisor for each.
    Tensor,
    /// By a formula.
    Llama3(Llama3Scaling),
}

/// A net that can be read: its configuration, and all of its tensors, with the shapes that this demands.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) config: NetConfig,
    pub(crate) scaling: Scaling,
    /// Whether pairs of rotated elements are neighbours in the rows of queries and keys, as in GGUF files of llama.
    pub(crate) pairs_are_adjacent: bool,
    pub(crate) store: Store,
}

impl Net {
    /// Checks sizes and tensors. `name` gives the name of a tensor in the source, for errors.
    pub(crate) fn new(
        config: NetConfig,
        scaling: Scaling,
        pairs_are_adjacent: bool,
        store: Store,
        name: impl Fn(Role) -> String,
    ) -> Result<Self, Error> {
        config.check()?;
        for (role, shape) in config.tensors() {
            store.check(role, &name(role), &shape)?;
        }
        if scaling == Scaling::Tensor {
            let role = Role::RotationFactors;
            store.check(role, &name(role), &[config.rotary_dim / 2])?;
        }
        Ok(Self {
            config,
            scaling,
            pairs_are_adjacent,
            store,
        })
    }

    /// By how many radians each pair of elements is turned for each position.
    pub(crate) fn frequencies(&self) -> Result<Vec<f64>, Error> {
        let mut radians = frequencies::powers(self.config.rope_base, self.config.rotary_dim / 2);
        let divisors = match self.scaling {
            Scaling::None => return Ok(radians),
            Scaling::Tensor => self.store.read(Role::RotationFactors)?.numbers,
            Scaling::Llama3(scaling) => scaling.divisors(&radians),
        };
        for (radians, divisor) in radians.iter_mut().zip(divisors) {
            *radians /= f64::from(divisor);
        }
        Ok(radians)
    }
}
