//! From the bytes of a `czip-model-v1` file to its sizes and tensors, checked against each other.

use std::collections::HashMap;

use czip_kernels::{Attention, HEAD_DIM, PackedMatrix, Requantization, Softmax};

use crate::Error;
use crate::envelope::{Envelope, Extras, Metadata, PriorsAre, Tensors, out_of_range};

/// The value of the metadata's key `format`.
pub const FORMAT: &str = "czip-model-v1";

/// The sizes of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Tokens in the vocabulary, 2 to 65,536.
    pub vocab_size: usize,
    /// Transformer layers, 1 to 64.
    pub layers: usize,
    /// Query heads of 64 elements: 4, 6 or 8. There is one key and value head.
    pub heads: usize,
    /// Elements of the residual: 64 for each head.
    pub d_model: usize,
    /// Units of the feed-forward network, 1 to 65,536.
    pub d_ff: usize,
    /// The most positions of a chunk: a power of two, 2 to 2^15.
    pub context_length: usize,
    /// The base of the rotary frequencies, Q16.16, as the metadata state it. Only the tables count.
    pub rope_theta_q16: u64,
}

impl Config {
    /// Rows of a layer's first matrix: queries, then one key, then one value.
    #[must_use]
    pub const fn qkv_rows(&self) -> usize {
        self.d_model + 2 * HEAD_DIM
    }

    /// Int8 multiply-adds per token, without attention.
    #[must_use]
    pub const fn multiply_adds(&self) -> usize {
        let layer = self.d_model * (self.qkv_rows() + self.d_model + 3 * self.d_ff);
        self.layers * layer + self.vocab_size * self.d_model
    }

    /// Elements of all matrices and gains.
    #[must_use]
    pub const fn parameters(&self) -> usize {
        // Four gains in each layer, one before the head; and the embedding is no multiply-add.
        self.multiply_adds() + self.vocab_size * self.d_model + (4 * self.layers + 1) * self.d_model
    }

    /// The number of bits in a position: the logarithm of the context length.
    #[must_use]
    pub const fn context_log2(&self) -> u8 {
        self.context_length.trailing_zeros() as u8
    }

    fn from_metadata(metadata: &HashMap<String, String>, rope_rows: usize) -> Result<Self, Error> {
        let numbers = Metadata(metadata);
        let format = numbers.text("format")?;
        if format != FORMAT {
            return Err(numbers.bad("format", "must be czip-model-v1"));
        }
        let heads = numbers.within("n_heads", 4, 8, "must be 4, 6 or 8")?;
        if heads % 2 != 0 {
            return Err(numbers.bad("n_heads", "must be 4, 6 or 8"));
        }
        numbers.within("n_kv_heads", 1, 1, "must be 1")?;
        numbers.within("head_dim", HEAD_DIM, HEAD_DIM, "must be 64")?;
        let d_model = HEAD_DIM * heads;
        numbers.within("d_model", d_model, d_model, "must be 64 * n_heads")?;
        let context_length = if metadata.contains_key("context_length") {
            numbers.within(
                "context_length",
                2,
                1 << 15,
                "must be a power of two from 2 to 32768",
            )?
        } else if metadata.contains_key("context_length_log2") {
            1 << numbers.within("context_length_log2", 1, 15, "must be 1 to 15")?
        } else {
            rope_rows
        };
        if !context_length.is_power_of_two() || !(2..=1 << 15).contains(&context_length) {
            let key = "context_length";
            let reason = "must be a power of two from 2 to 32768";
            return Err(Error::BadMetadata {
                key,
                value: context_length.to_string(),
                reason,
            });
        }
        Ok(Self {
            vocab_size: numbers.within("vocab_size", 2, 1 << 16, "must be 2 to 65536")?,
            layers: numbers.within("n_layers", 1, 64, "must be 1 to 64")?,
            heads,
            d_model,
            d_ff: numbers.within("d_ff", 1, 1 << 16, "must be 1 to 65536")?,
            context_length,
            rope_theta_q16: numbers.number("rope_theta_q16")?,
        })
    }
}

/// A matrix with the requantisation of its products.
#[derive(Clone, Debug)]
pub struct Linear<'a> {
    /// Row-major int8 weights, `[rows, cols]`.
    pub weight: &'a [i8],
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub cols: usize,
    /// How its products become activations.
    pub requantization: Requantization,
}

/// The tensors of one layer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LayerWeights<'a> {
    /// Gain of the norm before attention, int8 `[d]` (tensor `attn_norm`).
    pub attention_norm: &'a [i8],
    /// Queries, key and value: `[d + 128, d]`.
    pub qkv: Linear<'a>,
    /// Score factors, sink key and exponential table.
    pub attention: Attention,
    /// Output projection of attention: `[d, d]`.
    pub out: Linear<'a>,
    /// Gain of the norm after attention, int8 `[d]` (tensor `ffn_norm`).
    pub attention_out_norm: &'a [i8],
    /// Gain of the norm before the feed-forward network, int8 `[d]` (tensor `post_attn_norm`).
    pub feed_forward_norm: &'a [i8],
    /// Gates, then values: `[2 * d_ff, d]`.
    pub up: Linear<'a>,
    /// `[d, d_ff]`.
    pub down: Linear<'a>,
    /// Gain of the norm after the feed-forward network, int8 `[d]` (tensor `post_ffn_norm`).
    pub feed_forward_out_norm: &'a [i8],
}

/// Cosines and sines of a position, Q1.15.
pub(crate) type Rotation = ([i16; HEAD_DIM / 2], [i16; HEAD_DIM / 2]);

/// A model file, validated. Matrices and gains are views of the file's bytes.
///
/// [`Weights::from_bytes`] is the only way to make one. It has checked every rule of `docs/spec/czm-v1.md` about metadata and
/// tensors: all that is needed is there, with its type and shape, and scores, shifts and the sum of frequencies are in
/// range. Nothing that runs the model checks again. Whoever then replaces a field by a slice of another length makes later
/// calls panic. It has not checked the tokenizer (rules 14 and 15) and the priors (rule 16), which are text and bytes to
/// this crate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Weights<'a> {
    /// The sizes.
    pub config: Config,
    /// Token embeddings, int8 `[vocab, d]`.
    pub embedding: &'a [i8],
    /// The layers in order.
    pub layers: Vec<LayerWeights<'a>>,
    /// Gain of the last norm, int8 `[d]`.
    pub norm: &'a [i8],
    /// The output head, int8 `[vocab, d]`.
    pub head: &'a [i8],
    /// How logits become frequencies.
    pub softmax: Softmax,
    /// The tokenizer, and the mixer's priors.
    pub extras: Extras<'a>,
    pub(crate) rotations: Vec<Rotation>,
}

impl<'a> Weights<'a> {
    /// The factor of logits, Q24, of a model without `softmax.coef_q24`.
    pub const DEFAULT_COEFFICIENT: u32 = czip_fixed::tables::LOGIT_COEFFICIENT;

    /// Reads a model file and checks every tensor's type, shape and range against the metadata.
    ///
    /// # Errors
    ///
    /// Any deviation from `docs/spec/czm-v1.md`, by the name of the key or tensor.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::from_envelope(&Envelope::read(bytes)?)
    }

    pub(crate) fn from_envelope(envelope: &Envelope<'a>) -> Result<Self, Error> {
        let Envelope {
            tensors, metadata, ..
        } = envelope;
        let rope_rows = tensors
            .view("lut.rope_cos")?
            .shape()
            .first()
            .copied()
            .unwrap_or(0);
        let config = Config::from_metadata(metadata, rope_rows)?;
        let (d, vocab) = (config.d_model, config.vocab_size);

        let exp2 = tensors.numbers("lut.exp2", &[256], u16::from_le_bytes)?;
        let exp2: [u16; 256] = array(&exp2);
        let rotations = rotations(tensors, config.context_length)?;
        let layers = (0..config.layers)
            .map(|layer| LayerWeights::read(tensors, &format!("layers.{layer}"), &config, &exp2))
            .collect::<Result<_, _>>()?;
        let coefficient = match tensors.optional("softmax.coef_q24") {
            Some(_) => tensors.scalar("softmax.coef_q24", u32::from_le_bytes)?,
            None => Self::DEFAULT_COEFFICIENT,
        };
        let total = match tensors.optional("softmax.target_total") {
            Some(_) => tensors.scalar("softmax.target_total", u32::from_le_bytes)?,
            None => (1 << 30) - vocab as u32 - 1024,
        };
        if !(vocab as u32 + 1..=1 << 30).contains(&total) {
            return Err(out_of_range(
                "softmax.target_total",
                total.into(),
                vocab as i64 + 1,
                1 << 30,
            ));
        }
        let extras = Extras::read(envelope, vocab, PriorsAre::Plain)?;
        Ok(Self {
            embedding: tensors.int8("embed.weight", &[vocab, d])?,
            layers,
            norm: tensors.int8("norm.weight", &[d])?,
            head: tensors.int8("head.weight", &[vocab, d])?,
            softmax: Softmax::new(coefficient, &exp2, total),
            extras,
            rotations,
            config,
        })
    }
}

impl<'a> LayerWeights<'a> {
    fn read(tensors: &Tensors<'a>, layer: &str, config: &Config, exp2: &[u16; 256]) -> Result<Self, Error> {
        let (d, d_ff) = (config.d_model, config.d_ff);
        let gain = |name: &str| tensors.int8(&format!("{layer}.{name}.weight"), &[d]);
        let linear = |name: &str, rows, cols| linear(tensors, &format!("{layer}.{name}"), rows, cols);
        Ok(Self {
            attention_norm: gain("attn_norm")?,
            qkv: linear("attn.qkv", config.qkv_rows(), d)?,
            attention: attention(tensors, layer, config.heads, exp2)?,
            out: linear("attn.out", d, d)?,
            attention_out_norm: gain("ffn_norm")?,
            feed_forward_norm: gain("post_attn_norm")?,
            up: linear("ffn.up", 2 * d_ff, d)?,
            down: linear("ffn.down", d, d_ff)?,
            feed_forward_out_norm: gain("post_ffn_norm")?,
        })
    }
}

fn attention(
    tensors: &Tensors<'_>,
    layer: &str,
    heads: usize,
    exp2: &[u16; 256],
) -> Result<Attention, Error> {
    let name = format!("{layer}.attn.score_mult");
    let score_mult = tensors.numbers(&name, &[heads], i32::from_le_bytes)?;
    // The shift of the scores is always 15; the tensor must be there but its value is not used.
    tensors.scalar(&format!("{layer}.attn.score_shift"), i8::from_le_bytes)?;
    let sink_key = format!("{layer}.attn.sink_key");
    let sink_key = match tensors.optional(&sink_key) {
        Some(_) => Some(array(tensors.int8(&sink_key, &[HEAD_DIM])?)),
        None => None,
    };
    let high = i64::from(Attention::MAX_SCORE_MULT);
    Attention::new(score_mult, sink_key, exp2).map_err(|mult| out_of_range(&name, mult.into(), -high, high))
}

fn rotations(tensors: &Tensors<'_>, rows: usize) -> Result<Vec<Rotation>, Error> {
    let table = |name| tensors.numbers(name, &[rows, HEAD_DIM / 2], i16::from_le_bytes);
    let (cos, sin) = (table("lut.rope_cos")?, table("lut.rope_sin")?);
    let rows = cos.chunks_exact(HEAD_DIM / 2).zip(sin.chunks_exact(HEAD_DIM / 2));
    Ok(rows.map(|(cos, sin)| (array(cos), array(sin))).collect())
}

/// A copy of a slice whose length has been checked.
fn array<T: Copy + Default, const N: usize>(slice: &[T]) -> [T; N] {
    let mut array = [T::default(); N];
    array.copy_from_slice(slice);
    array
}

fn linear<'a>(tensors: &Tensors<'a>, name: &str, rows: usize, cols: usize) -> Result<Linear<'a>, Error> {
    debug_assert!(cols <= PackedMatrix::MAX_COLS);
    let weight = tensors.int8(&format!("{name}.weight"), &[rows, cols])?;
    let mult = tensors.scalar(&format!("{name}.mult"), i32::from_le_bytes)?;
    let shift_name = format!("{name}.shift");
    let shift = tensors.scalar(&shift_name, i8::from_le_bytes)?;
    let requantization = Requantization::new(mult, shift).ok_or_else(|| {
        out_of_range(
            &shift_name,
            shift.into(),
            i8::MIN.into(),
            czip_fixed::MAX_SHIFT.into(),
        )
    })?;
    Ok(Linear {
        weight,
        rows,
        cols,
        requantization,
    })
}
