//! The transformer in its plainest form: one token at a time in, logits out, `[vocab]`. It is written straight from
//! `docs/spec/czm-v2.md`.
//!
//! This is the oracle of the tests. It shares no arithmetic with [`Transformer`] or the kernels, only the tables of
//! powers and sines and the reading of the file: all numbers are i64, and keys and values are plain lists.
//!
//! [`Transformer`]: super::Transformer

use czip_fixed::tables::{EXP2, TURN, sine};

use super::{HEAD_DIM, Layer, Matrix, Weights};

const HALF: usize = HEAD_DIM / 2;

/// What a norm makes of a root mean square of 1, as the page has it.
const UNIT: i64 = 16;
/// That of the squares.
const HIDDEN_UNIT: i64 = 8;

/// One sequence, advanced token by token.
#[derive(Debug)]
pub struct Reference<'a> {
    weights: &'a Weights,
    tokens: Vec<u32>,
    /// The keys and values of each layer, rotated and normed.
    cache: Vec<Vec<(Vec<i64>, Vec<i64>)>>,
    residual: Vec<i64>,
    logits: Vec<i64>,
    /// What [`Reference::step_observed`] reports to.
    stages: Option<Vec<(String, Vec<i64>)>>,
}

impl<'a> Reference<'a> {
    /// An empty sequence.
    #[must_use]
    pub fn new(weights: &'a Weights) -> Self {
        Self {
            weights,
            tokens: Vec::new(),
            cache: vec![Vec::new(); weights.layers.len()],
            residual: Vec::new(),
            logits: Vec::new(),
            stages: None,
        }
    }

    /// Forgets the sequence.
    pub fn reset(&mut self) {
        self.tokens.clear();
        self.cache.iter_mut().for_each(Vec::clear);
    }

    /// Takes the next token and returns the logits of the one after it, `[vocab]`.
    ///
    /// # Panics
    ///
    /// If the token is not in the vocabulary.
    pub fn step(&mut self, token: u32) -> &[i64] {
        self.embed(token);
        for (index, layer) in self.weights.layers.iter().enumerate() {
            self.attention(index, layer);
            self.feed_forward(index, layer);
        }
        let normed = norm(&self.residual, UNIT);
        self.observe("norm", &normed);
        self.logits = linear(&self.weights.head, &normed);
        &self.logits
    }

    /// [`Reference::step`], which also returns the numbers between, each under a name: `LAYER.STAGE`, `embedding` or
    /// `norm`.
    ///
    /// # Panics
    ///
    /// As [`Reference::step`].
    pub fn step_observed(&mut self, token: u32) -> (Vec<(String, Vec<i64>)>, &[i64]) {
        self.stages = Some(Vec::new());
        self.step(token);
        (self.stages.take().unwrap_or_default(), &self.logits)
    }

    /// The logits of the last step, `[vocab]`.
    #[must_use]
    pub fn logits(&self) -> &[i64] {
        &self.logits
    }

    /// The frequencies of the next token, `[vocab]`, from the logits of the last step.
    #[must_use]
    pub fn frequencies(&self) -> Vec<u32> {
        frequencies(&self.logits)
    }

    fn embed(&mut self, token: u32) {
        let weights = self.weights;
        self.residual = table_row(&weights.embedding, token as usize);
        if let Some(&previous) = self.tokens.last()
            && weights.config.bigram_buckets > 0
        {
            let bucket = bigram_hash(
                previous.into(),
                token.into(),
                weights.config.bigram_buckets as u64,
            );
            let bigram = table_row(&weights.bigram, bucket as usize);
            for (x, bigram) in self.residual.iter_mut().zip(bigram) {
                *x = sat16(*x + bigram);
            }
        }
        self.tokens.push(token);
        let embedding = self.residual.clone();
        self.observe("embedding", &embedding);
    }

    fn attention(&mut self, index: usize, layer: &Layer) {
        let config = &self.weights.config;
        let position = self.tokens.len() - 1;
        let normed = norm(&self.residual, UNIT);
        self.observe(&format!("{index}.attention_norm"), &normed);
        let qkv = linear_int16(&layer.qkv, &normed);
        self.observe(&format!("{index}.qkv"), &qkv);
        let rotated_and_normed =
            |vector: &[i64]| norm(&rotate(vector, position, &self.weights.frequencies), UNIT);
        let (queries, rest) = qkv.split_at(config.heads * HEAD_DIM);
        let (key, value) = rest.split_at(HEAD_DIM);
        let key = rotated_and_normed(key);
        let queries: Vec<Vec<i64>> = queries.chunks(HEAD_DIM).map(rotated_and_normed).collect();
        self.observe(&format!("{index}.queries"), &queries.concat());
        self.observe(&format!("{index}.key"), &key);
        let value = value.iter().map(|&value| clamp127(value)).collect();
        self.cache[index].push((key, value));

        let oldest = (position + 1).saturating_sub(config.window);
        let window = &self.cache[index][oldest..];
        let heads = queries.iter().zip(&layer.gains).zip(&layer.sinks);
        let attended: Vec<i64> = heads
            .flat_map(|((query, &gain), &sink)| attend(query, window, gain.into(), sink.into()))
            .collect();
        self.observe(&format!("{index}.attended"), &attended);
        let normed = norm(&attended, UNIT);
        // The sum is saturated, not the terms.
        self.add(&linear(&layer.out, &normed));
        let residual = self.residual.clone();
        self.observe(&format!("{index}.attention"), &residual);
    }

    fn feed_forward(&mut self, index: usize, layer: &Layer) {
        let normed = norm(&self.residual, UNIT);
        let up = linear_int16(&layer.up, &normed);
        self.observe(&format!("{index}.up"), &up);
        let squares: Vec<i64> = up
            .iter()
            .map(|&u| sat16(round_shift(u.max(0) * u.max(0), 12)))
            .collect();
        self.observe(&format!("{index}.squares"), &squares);
        let hidden = norm(&squares, HIDDEN_UNIT);
        self.observe(&format!("{index}.hidden"), &hidden);
        self.add(&linear(&layer.down, &hidden));
        let residual = self.residual.clone();
        self.observe(&format!("{index}.feed_forward"), &residual);
    }

    fn add(&mut self, terms: &[i64]) {
        for (x, term) in self.residual.iter_mut().zip(terms) {
            *x = sat16(*x + term);
        }
    }

    fn observe(&mut self, name: &str, values: &[i64]) {
        if let Some(stages) = &mut self.stages {
            stages.push((name.to_owned(), values.to_vec()));
        }
    }
}

/// Attention of one head.
fn attend(query: &[i64], window: &[(Vec<i64>, Vec<i64>)], gain: i64, sink: i64) -> Vec<i64> {
    let score = |key: &[i64]| {
        let product: i64 = query.iter().zip(key).map(|(q, k)| q * k).sum();
        (product * gain).div_euclid(1 << 14)
    };
    let scores: Vec<i64> = window.iter().map(|(key, _)| score(key)).collect();
    let maximum = scores.iter().fold(sink, |max, &score| max.max(score));
    let weight = |score: i64| {
        let distance = maximum - score;
        let (octaves, fraction) = (distance / 256, distance % 256);
        if octaves > 16 {
            return 0;
        }
        round_shift(i64::from(EXP2[fraction as usize]), 8 + octaves as u32).min(255)
    };
    let weights: Vec<i64> = scores.iter().map(|&score| weight(score)).collect();
    let total = weight(sink) + weights.iter().sum::<i64>();
    let element = |i: usize| {
        let weighted = weights
            .iter()
            .zip(window)
            .map(|(weight, (_, value))| weight * value[i]);
        (32 * weighted.sum::<i64>() + total).div_euclid(2 * total)
    };
    (0..HEAD_DIM).map(element).collect()
}

/// Rotation of the pairs of a vector for a position.
fn rotate(vector: &[i64], position: usize, frequencies: &[u16; HALF]) -> Vec<i64> {
    let mut rotated = vec![0; HEAD_DIM];
    for (i, &frequency) in frequencies.iter().enumerate() {
        let angle = (position % TURN) * usize::from(frequency) % TURN;
        let (c, s) = (i64::from(sine((angle + TURN / 4) % TURN)), i64::from(sine(angle)));
        let (e, f) = (vector[i], vector[i + HALF]);
        rotated[i] = sat16(round_shift(e * c - f * s, 15));
        rotated[i + HALF] = sat16(round_shift(e * s + f * c, 15));
    }
    rotated
}

/// The norm of 16-bit numbers, int8: `unit` for each root mean square.
fn norm(x: &[i64], unit: i64) -> Vec<i64> {
    let sum = x.iter().map(|x| x * x).sum::<i64>().max(1);
    let mut square = unit * unit * x.len() as i64;
    let mut shift = 15;
    while square < 1 << 28 {
        square *= 4;
        shift += 1;
    }
    // t = floor(sum * 4^k), with 31 or 32 bits.
    let mut k = 0;
    while floor_times_power_of_4(sum, k) < 1 << 30 {
        k += 1;
    }
    while floor_times_power_of_4(sum, k) >= 1 << 32 {
        k -= 1;
    }
    let reciprocal = (1 << 31) / root(floor_times_power_of_4(sum, k));
    let factor = (reciprocal * root(square)) >> 16;
    let shift = (shift - k) as u32;
    x.iter()
        .map(|x| clamp127(round_shift(x * factor, shift)))
        .collect()
}

fn floor_times_power_of_4(x: i64, k: i32) -> i64 {
    if k >= 0 { x << (2 * k) } else { x >> (-2 * k) }
}

/// floor(sqrt(x)), by bisection.
fn root(x: i64) -> i64 {
    let (mut low, mut high) = (0, 1 << 31);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if middle * middle <= x {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The products of a matrix, in the format of its output.
fn linear(matrix: &Matrix, x: &[i64]) -> Vec<i64> {
    let row = |(row, &shift): (usize, &u8)| {
        let products = matrix.row(row).iter().zip(x).map(|(&w, x)| i64::from(w) * x);
        round_shift(products.sum(), shift.into())
    };
    matrix.shifts.iter().enumerate().map(row).collect()
}

fn linear_int16(matrix: &Matrix, x: &[i64]) -> Vec<i64> {
    linear(matrix, x).into_iter().map(sat16).collect()
}

fn table_row(table: &Matrix, row: usize) -> Vec<i64> {
    let shift = table.shifts[row];
    table
        .row(row)
        .iter()
        .map(|&weight| i64::from(weight) << shift)
        .collect()
}

/// The hash of a bigram, modulo 2^32 at every step.
fn bigram_hash(previous: u64, token: u64, buckets: u64) -> u64 {
    const MODULUS: u64 = 1 << 32;
    let h = (previous * 0x9e37_79b1 + token * 0x85eb_ca77) % MODULUS;
    let h = (h ^ h >> 15) * 0x2c1b_3c6d % MODULUS;
    h / (MODULUS / buckets)
}

/// The frequencies of all tokens from their logits.
fn frequencies(logits: &[i64]) -> Vec<u32> {
    let mut bits = 30;
    while (logits.len() as u64) << bits > 1 << 30 {
        bits -= 1;
    }
    let maximum = logits.iter().copied().max().unwrap_or(0);
    let frequency = |&logit: &i64| {
        let distance = maximum - logit;
        let power = u64::from(EXP2[(distance % 256) as usize]) << bits;
        let octaves = (distance / 256).min(47) as u32;
        ((power >> (16 + octaves)) as u32).max(1)
    };
    logits.iter().map(frequency).collect()
}

/// floor(x / 2^shift + 1/2).
fn round_shift(x: i64, shift: u32) -> i64 {
    (2 * x + (1 << shift)).div_euclid(2 << shift)
}

fn sat16(x: i64) -> i64 {
    x.clamp(-32768, 32767)
}

fn clamp127(x: i64) -> i64 {
    x.clamp(-127, 127)
}
