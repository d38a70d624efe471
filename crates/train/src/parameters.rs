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

    /// Initial parameters.
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

/// What gains and attention sinks of a layer stand for.
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

/// The largest magnitude in the embeddings, whose elements have four bits.
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
/// others do not, so they can compare tokens whatever their distance.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout::new(&Config::from_array([300, 2, 64, 2, 96, 24, 64, 32]))
    }

    #[test]
    fn tensors_lie_one_after_another() {
        let layout = layout();
        let mut end = 0;
        for tensor in layout.tensors() {
            assert_eq!(
                tensor.range(),
                end..end + tensor.rows * tensor.cols,
                "{}",
                tensor.name
            );
            end = tensor.range().end;
        }
        assert_eq!([end, layout.len()], [layout.config.parameters(); 2]);
        assert!(!layout.is_empty());
        let names: Vec<&str> = layout.tensors().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(names.len(), 2 + 2 * 6 + 1);
        assert_eq!(
            names[..4],
            ["embed", "bigram", "layers.0.attn.qkv", "layers.0.attn.gains"]
        );
        assert_eq!(names[13..], ["layers.1.ffn.down", "head"]);
        let of = |kind: Kind| layout.tensors().filter(|tensor| tensor.kind == kind).count();
        assert_eq!([Kind::Matrix, Kind::Table, Kind::Scalars].map(of), [8, 3, 4]);
    }

    /// Sublayers add nothing at first, and every token is equally likely.
    #[test]
    fn initial_parameters() {
        let layout = layout();
        let parameters = layout.initial(7);
        assert_eq!(parameters, layout.initial(7));
        assert_ne!(parameters, layout.initial(8));
        for tensor in layout.tensors() {
            let values = &parameters[tensor.range()];
            let mean_square = values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32;
            let deviation = match tensor.name.as_str() {
                "embed" => 0.5,
                name if name.ends_with("qkv") || name.ends_with("up") => 0.125,
                name if name.ends_with("gains") => 0.18,
                _ => 0.0,
            };
            let off = (mean_square.sqrt() - deviation).abs();
            assert!(off <= 0.03 * deviation, "{}: {mean_square}", tensor.name);
        }
    }

    /// Rows become multiples of a power of two, from the largest that is allowed down, and the largest element decides.
    #[test]
    fn rows_of_matrices() {
        // 5 fraction bits fewer in the input than in the output.
        for (row, weights, shift, stands_for) in [
            ([1.0, -0.5, 2.5 / 64.0], [64, -32, 2], 1, [1.0, -0.5, 2.0 / 64.0]),
            (
                [127.0 / 64.0, 0.0, -0.25],
                [127, 0, -16],
                1,
                [127.0 / 64.0, 0.0, -0.25],
            ),
            // One more than fits, and so the next power.
            ([2.0, 0.0, 0.0], [64, 0, 0], 0, [2.0, 0.0, 0.0]),
            (
                [10.0, -10.0, 1.0],
                [127, -127, 32],
                0,
                [127.0 / 32.0, -127.0 / 32.0, 1.0],
            ),
            ([1e-9, 0.0, 0.0], [1, 0, 0], 24, [power(-29), 0.0, 0.0]),
            ([0.0, 0.0, 0.0], [0, 0, 0], 24, [0.0, 0.0, 0.0]),
        ] {
            let (mut floats, mut integers) = (row, vec![99]);
            let found = quantize_row(&mut floats, -5, &mut integers);
            assert_eq!(
                (&integers[1..], found, floats),
                (&weights[..], shift, stands_for),
                "{row:?}"
            );
        }
    }

    #[test]
    fn rows_of_embeddings() {
        for (row, weights, shift, stands_for) in [
            ([0.1, -0.05], [6, -3], 3, [6.0 / 64.0, -3.0 / 64.0]),
            ([5.0, -0.5], [7, -1], 8, [3.5, -0.5]),
            ([1e-9, 0.0], [0, 0], 0, [0.0, 0.0]),
            ([7.0 / 512.0, 1.0 / 512.0], [7, 1], 0, [7.0 / 512.0, 1.0 / 512.0]),
        ] {
            let (mut floats, mut integers) = (row, vec![99]);
            let found = quantize_table_row(&mut floats, &mut integers);
            assert_eq!(
                (&integers[1..], found, floats),
                (&weights[..], shift, stands_for),
                "{row:?}"
            );
        }
    }

    #[test]
    fn gains_as_integers() {
        assert_eq!(
            [0.18, 0.0, -1.0, 3.9999, 5.0].map(gain_of),
            [2949, 0, 0, 65534, 65535]
        );
    }

    /// What quantisation says that the integers stand for is what they stand for.
    #[test]
    fn integers_stand_for_parameters() {
        let layout = layout();
        let mut random = Random(3);
        let mut parameters: Vec<f32> = (0..layout.len()).map(|_| random.normal() * 0.3).collect();
        // A gain below zero, and an attention sink that is too large.
        parameters[layout.layers[0].gains.range().start] = -1.0;
        parameters[layout.layers[1].sinks.range().start] = 1e6;
        let (weights, floats) = layout.quantize(&parameters);
        assert_eq!(layout.dequantize(&weights), floats);
        assert_eq!(layout.quantize(&floats), (weights.clone(), floats.clone()));
        assert_eq!(
            (weights.layers[0].gains[0], weights.layers[1].sinks[0]),
            (0, 32767)
        );
        assert_eq!(weights.frequencies, frequencies());
        // Most elements are off by half a unit of their row at most.
        for tensor in layout.tensors().filter(|tensor| tensor.kind == Kind::Matrix) {
            let rows = parameters[tensor.range()]
                .chunks_exact(tensor.cols)
                .zip(floats[tensor.range()].chunks_exact(tensor.cols));
            for (row, stands_for) in rows {
                let unit = power(exponent(row, 127.0));
                assert!(
                    row.iter()
                        .zip(stands_for)
                        .all(|(x, y)| (x - y).abs() <= unit / 2.0)
                );
            }
        }
    }

    #[test]
    #[should_panic(expected = "the sizes of the model")]
    fn models_of_other_sizes() {
        let layout = layout();
        let (weights, _) = layout.quantize(&layout.initial(1));
        let _ = Layout::new(&Config::from_array([300, 2, 64, 2, 96, 25, 64, 32])).dequantize(&weights);
    }

    #[test]
    fn half_of_the_pairs_turn() {
        let frequencies = frequencies();
        assert_eq!(frequencies[..3], [326, 222, 151]);
        assert_eq!(
            frequencies[13..],
            [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn random_numbers() {
        let mut random = Random(0);
        let bits = [(); 3].map(|()| random.bits());
        assert_eq!(
            bits,
            [
                0xe220_a839_7b1d_cdaf,
                0x6e78_9e6a_a1b9_65f4,
                0x06c4_5d18_8009_454f
            ]
        );
        let mut random = Random(0);
        assert_eq!([(); 8].map(|()| random.below(10)), [8, 4, 0, 9, 1, 3, 1, 7]);
        let mut random = Random(0);
        assert_eq!([(); 2].map(|()| random.normal()), [0.046_463_49, 1.382_945_5]);
        let mut order = [0, 1, 2, 3, 4, 5, 6, 7];
        Random(0).shuffle(&mut order);
        assert_eq!(order, [1, 2, 6, 5, 4, 0, 3, 7]);
    }
}
