//! The trained numbers of a model, and how they become integers.

use std::ops::Range;

use czip_fixed::tables::TURN;
use czip_model::v2::{Config, HEAD_DIM, Layer, Matrix, Weights, bits};

use crate::numbers::{power, round};

/// How the optimizer treats a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A matrix between two vectors of the net.
    Matrix,
    /// Rows that are looked up, or compared with the last vector.
    Table,
    /// A number for each head.
    Scalars,
}

/// Where a tensor lies among all parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// As in the model file.
    pub name: String,
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub cols: usize,
    /// What it is.
    pub kind: Kind,
    start: usize,
}

impl Tensor {
    /// Its place among all parameters.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.rows * self.cols
    }
}

/// The tensors of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerTensors {
    pub(crate) qkv: Tensor,
    pub(crate) gains: Tensor,
    pub(crate) sinks: Tensor,
    pub(crate) out: Tensor,
    pub(crate) up: Tensor,
    pub(crate) down: Tensor,
}

/// The tensors of a model, one after another in one vector of floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The sizes.
    pub config: Config,
    pub(crate) embedding: Tensor,
    pub(crate) bigram: Tensor,
    pub(crate) layers: Vec<LayerTensors>,
    pub(crate) head: Tensor,
    len: usize,
}

impl Layout {
    /// The layout of a model of these sizes.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut len = 0;
        let mut tensor = |name: String, rows: usize, cols: usize, kind: Kind| {
            let start = len;
            len += rows * cols;
            Tensor {
                name,
                rows,
                cols,
                kind,
                start,
            }
        };
        let d = config.d_model;
        let embedding = tensor("embed".into(), config.vocab_size, d, Kind::Table);
        let bigram = tensor(
            "bigram".into(),
            config.bigram_buckets,
            config.bigram_width,
            Kind::Table,
        );
        let layers = (0..config.layers)
            .map(|layer| {
                let mut tensor =
                    |name: &str, rows, cols, kind| tensor(format!("layers.{layer}.{name}"), rows, cols, kind);
                LayerTensors {
                    qkv: tensor("attn.qkv", config.qkv_rows(), d, Kind::Matrix),
                    gains: tensor("attn.gains", 1, config.heads, Kind::Scalars),
                    sinks: tensor("attn.sinks", 1, config.heads, Kind::Scalars),
                    out: tensor("attn.out", d, config.heads * HEAD_DIM, Kind::Matrix),
                    up: tensor("ffn.up", config.d_ff, d, Kind::Matrix),
                    down: tensor("ffn.down", d, config.d_ff, Kind::Matrix),
                }
            })
            .collect();
        let head = tensor("head".into(), config.vocab_size, d, Kind::Table);
        Self {
            config: config.clone(),
            embedding,
            bigram,
            layers,
            head,
            len,
        }
    }

    /// The number of parameters.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All tensors, in order.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let layers = self.layers.iter().flat_map(|layer| {
            [
                &layer.qkv,
                &layer.gains,
                &layer.sinks,
                &layer.out,
                &layer.up,
                &layer.down,
            ]
        });
        [&self.embedding, &self.bigram]
            .into_iter()
            .chain(layers)
            .chain([&self.head])
    }

    /// Parameters to begin with.
    #[must_use]
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut random = Random(seed);
        let mut parameters = vec![0.0; self.len];
        let mut fill = |tensor: &Tensor, deviation: f32| {
            for x in &mut parameters[tensor.range()] {
                *x = random.normal() * deviation;
            }
        };
        let root = |n: usize| 1.0 / (n as f32).sqrt();
        fill(&self.embedding, 0.5);
        for layer in &self.layers {
            fill(&layer.qkv, root(layer.qkv.cols));
            fill(&layer.up, root(layer.up.cols));
            // Sublayers add nothing at first.
            fill(&layer.out, 0.0);
            fill(&layer.down, 0.0);
        }
        fill(&self.head, 0.0);
        for layer in &self.layers {
            // 1 / sqrt(64) in octaves.
            parameters[layer.gains.range()].fill(0.18);
        }
        parameters
    }

    /// Parameters that stand for the integers of a model: [`Layout::quantize`] gives these back.
    ///
    /// # Panics
    ///
    /// If the model is of other sizes.
    #[must_use]
    pub fn dequantize(&self, weights: &Weights) -> Vec<f32> {
        assert_eq!(self.config, weights.config, "the sizes of the model");
        let mut parameters = vec![0.0; self.len];
        let residual = bits::RESIDUAL as i32;
        let table = |_: usize, shift: u8| i32::from(shift) - residual;
        multiples(&weights.embedding, table, &mut parameters[self.embedding.range()]);
        multiples(&weights.bigram, table, &mut parameters[self.bigram.range()]);
        let matrix = |input: u32, output: u32| {
            move |_: usize, shift: u8| input as i32 - output as i32 - i32::from(shift)
        };
        let values = (self.config.heads + 1) * HEAD_DIM;
        for (tensors, layer) in self.layers.iter().zip(&weights.layers) {
            let qkv = |row: usize, shift: u8| {
                let output = if row < values {
                    bits::RESIDUAL
                } else {
                    bits::ACTIVATION
                };
                matrix(bits::ACTIVATION, output)(row, shift)
            };
            multiples(&layer.qkv, qkv, &mut parameters[tensors.qkv.range()]);
            let from_activation = matrix(bits::ACTIVATION, bits::RESIDUAL);
            multiples(&layer.out, from_activation, &mut parameters[tensors.out.range()]);
            multiples(&layer.up, from_activation, &mut parameters[tensors.up.range()]);
            let from_hidden = matrix(bits::HIDDEN, bits::RESIDUAL);
            multiples(&layer.down, from_hidden, &mut parameters[tensors.down.range()]);
            scalars(layer, tensors, &mut parameters);
        }
        let logits = matrix(bits::ACTIVATION, bits::LOGIT);
        multiples(&weights.head, logits, &mut parameters[self.head.range()]);
        parameters
    }

    /// The integers that parameters stand for, and what these integers stand for: the floats that the backward pass
    /// multiplies with.
    #[must_use]
    pub fn quantize(&self, parameters: &[f32]) -> (Weights, Vec<f32>) {
        let mut floats = parameters.to_vec();
        let mut matrix = |tensor: &Tensor, format: &dyn Fn(usize) -> (i32, i32)| {
            let mut weights = Vec::with_capacity(tensor.rows * tensor.cols);
            let mut shifts = Vec::with_capacity(tensor.rows);
            let rows = floats[tensor.range()].chunks_exact_mut(tensor.cols.max(1));
            for (index, row) in rows.enumerate() {
                let (input, output) = format(index);
                shifts.push(quantize_row(row, input - output, &mut weights));
            }
            Matrix { weights, shifts }
        };
        // Shifts of rows that are looked up are to the left: as if the input had no fraction bits.
        let residual = |_| (bits::ACTIVATION as i32, bits::RESIDUAL as i32);
        let config = &self.config;
        let values = (config.heads + 1) * HEAD_DIM;
        let table = |floats: &mut Vec<f32>, tensor: &Tensor| {
            let mut weights = Vec::with_capacity(tensor.rows * tensor.cols);
            let mut shifts = Vec::with_capacity(tensor.rows);
            for row in floats[tensor.range()].chunks_exact_mut(tensor.cols.max(1)) {
                shifts.push(quantize_table_row(row, &mut weights));
            }
            Matrix { weights, shifts }
        };
        let layers = self
            .layers
            .iter()
            .map(|layer| Layer {
                qkv: matrix(&layer.qkv, &|row| {
                    let output = if row < values {
                        bits::RESIDUAL
                    } else {
                        bits::ACTIVATION
                    };
                    (bits::ACTIVATION as i32, output as i32)
                }),
                gains: parameters[layer.gains.range()]
                    .iter()
                    .map(|&gain| gain_of(gain))
                    .collect(),
                sinks: parameters[layer.sinks.range()]
                    .iter()
                    .map(|&sink| {
                        (sink * (1 << bits::LOGIT) as f32)
                            .round()
                            .clamp(-32768.0, 32767.0) as i32
                    })
                    .collect(),
                out: matrix(&layer.out, &residual),
                up: matrix(&layer.up, &residual),
                down: matrix(&layer.down, &|_| (bits::HIDDEN as i32, bits::RESIDUAL as i32)),
            })
            .collect();
        let head = matrix(&self.head, &|_| (bits::ACTIVATION as i32, bits::LOGIT as i32));
        let weights = Weights {
            config: config.clone(),
            frequencies: frequencies(),
            embedding: table(&mut floats, &self.embedding),
            bigram: table(&mut floats, &self.bigram),
            layers,
            head,
        };
        for (tensors, layer) in self.layers.iter().zip(&weights.layers) {
            scalars(layer, tensors, &mut floats);
        }
        (weights, floats)
    }
}

/// What gains and sinks of a layer stand for.
fn scalars(layer: &Layer, tensors: &LayerTensors, out: &mut [f32]) {
    for (out, &gain) in out[tensors.gains.range()].iter_mut().zip(&layer.gains) {
        *out = f32::from(gain) * power(-14);
    }
    for (out, &sink) in out[tensors.sinks.range()].iter_mut().zip(&layer.sinks) {
        *out = sink as f32 * power(-(bits::LOGIT as i32));
    }
}

/// What integers of these formats stand for.
fn multiples(matrix: &Matrix, exponent: impl Fn(usize, u8) -> i32, out: &mut [f32]) {
    let cols = matrix.cols().max(1);
    let rows = matrix.weights.chunks_exact(cols).zip(out.chunks_exact_mut(cols));
    for (row, (weights, out)) in rows.enumerate() {
        let scale = power(exponent(row, matrix.shifts[row]));
        for (out, &weight) in out.iter_mut().zip(weights) {
            *out = f32::from(weight) * scale;
        }
    }
}

/// A gain as an integer: octaves for each unit of the product of query and key, Q2.14.
fn gain_of(gain: f32) -> u16 {
    (gain * (1 << 14) as f32).round().clamp(0.0, 65535.0) as u16
}

/// The largest magnitude in the tables that are looked up, whose elements have four bits.
const TABLE_MOST: f32 = 7.0;

/// The largest shift of a model.
pub(crate) const MAX_SHIFT: i32 = 24;

/// Replaces a row by the multiples of a power of two that int8 can hold, appends the integers, and returns the shift from
/// sums of products to the output, where `fraction` is how many more fraction bits the input has than the output.
///
/// The power is the smallest with which the row fits; a row too large for a shift of zero is clipped.
fn quantize_row(row: &mut [f32], fraction: i32, weights: &mut Vec<i8>) -> u8 {
    let exponent = exponent(row, 127.0).min(fraction).max(fraction - MAX_SHIFT);
    round_row(row, exponent, 127.0, weights);
    (fraction - exponent) as u8
}

/// The same for a row that is looked up and shifted to the left.
fn quantize_table_row(row: &mut [f32], weights: &mut Vec<i8>) -> u8 {
    let least = -(bits::RESIDUAL as i32);
    let exponent = exponent(row, TABLE_MOST).clamp(least, least + 8);
    round_row(row, exponent, TABLE_MOST, weights);
    (exponent - least) as u8
}

/// The least e with `most * 2^e` no smaller than any element's magnitude.
fn exponent(row: &[f32], most: f32) -> i32 {
    let largest = row.iter().fold(0.0f32, |max, x| max.max(x.abs()));
    let mut exponent = -40;
    while most * power(exponent) < largest && exponent < 40 {
        exponent += 1;
    }
    exponent
}

fn round_row(row: &mut [f32], exponent: i32, most: f32, weights: &mut Vec<i8>) {
    let (scale, inverse) = (power(exponent), power(-exponent));
    // Rounded twice, in loops plain enough for vector code; one that also appends numbers one by one is not.
    weights.extend(
        row.iter()
            .map(|x| round((x * inverse).clamp(-most, most)).1 as i8),
    );
    for x in row {
        *x = round((*x * inverse).clamp(-most, most)).0 * scale;
    }
}

/// Half of the pairs turn, at geometrically spaced frequencies from about one radian to one turn in 2048 positions; the
/// others do not, so that they can compare tokens whatever their distance.
pub(crate) fn frequencies() -> [u16; HEAD_DIM / 2] {
    let mut frequencies = [0; HEAD_DIM / 2];
    let turning = HEAD_DIM / 4;
    for (i, frequency) in frequencies[..turning].iter_mut().enumerate() {
        let most = TURN as f64 / std::f64::consts::TAU;
        *frequency = most.powf(1.0 - i as f64 / (turning - 1) as f64).round() as u16;
    }
    frequencies
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random(pub u64);

impl Random {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `limit - 1`.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }

    /// A number that is nearly normally distributed: the sum of twelve uniform ones (Irwin and Hall), without a logarithm
    /// that machines may round differently.
    pub fn normal(&mut self) -> f32 {
        let sum: f32 = (0..12)
            .map(|_| (self.bits() >> 40) as f32 / (1 << 24) as f32)
            .sum();
        sum - 6.0
    }

    /// Puts a slice in a random order.
    pub fn shuffle<T>(&mut self, slice: &mut [T]) {
        for i in (1..slice.len()).rev() {
            slice.swap(i, self.below(i + 1));
        }
    }
}
