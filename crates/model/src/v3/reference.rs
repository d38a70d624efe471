//! The transformer in its plainest form: one token at a time in, logits out, `[vocab]`. It is written straight from
//! `docs/spec/czm-v3.md`.
//!
//! This is the oracle of the tests. It shares no arithmetic with [`Transformer`](super::Transformer) or the kernels, only the
//! tables of powers and sines and the reading of the file: numbers are i128, and keys and values are plain lists.

use czip_fixed::tables::{EXP2, LOG2E_OVER_64_Q24, TURN, sine};

use super::{Layer, Matrix, MatrixKind, Weights};

/// A mantissa and an exponent.
type Factor = (i128, i128);

/// A vector of 8 or 16 bits, and the factor of its unit.
struct Rounded {
    /// The elements, or their high parts.
    high: Vec<i128>,
    /// The low parts of 16 bits.
    low: Option<Vec<i128>>,
    unit: Factor,
}

/// A key and a value of 8 bits, with their factors.
#[derive(Clone, Debug)]
struct Stored {
    key: (Vec<i128>, Factor),
    value: (Vec<i128>, Factor),
}

/// One sequence, advanced token by token.
#[derive(Debug)]
pub struct Reference<'a> {
    weights: &'a Weights,
    position: usize,
    /// For each layer and position, those of all key-value heads.
    cache: Vec<Vec<Vec<Stored>>>,
    residual: Vec<i128>,
    logits: Vec<i64>,
    stages: Option<Vec<(String, Vec<i64>)>>,
}

impl<'a> Reference<'a> {
    /// An empty sequence.
    #[must_use]
    pub fn new(weights: &'a Weights) -> Self {
        Self {
            weights,
            position: 0,
            cache: vec![Vec::new(); weights.layers.len()],
            residual: Vec::new(),
            logits: Vec::new(),
            stages: None,
        }
    }

    /// Takes the next token and returns the logits of the one after it, `[vocab]`.
    ///
    /// # Panics
    ///
    /// If the token is not in the vocabulary.
    pub fn step(&mut self, token: u32) -> &[i64] {
        let weights = self.weights;
        let (config, token) = (&weights.config, token as usize);
        let (mantissa, exponent) = row_factor(&weights.embedding, token);
        self.residual = weights
            .embedding
            .row(token)
            .iter()
            .map(|&weight| sat(up(i128::from(weight) * mantissa, exponent)))
            .collect();
        self.observe("embedding", &self.residual.clone());
        for (index, layer) in weights.layers.iter().enumerate() {
            let input = self.normed(config.is_wide(MatrixKind::Qkv));
            let mut qkv = linear(&layer.qkv, &input);
            for (x, &bias) in qkv.iter_mut().zip(&layer.qkv_bias) {
                *x = sat(*x + i128::from(bias));
            }
            self.observe(&format!("{index}.qkv"), &qkv);
            let attended = self.attention(index, layer, &qkv);
            self.observe(&format!("{index}.attended"), &attended);
            let input = round(&attended, config.is_wide(MatrixKind::Out), 16);
            self.add(&linear(&layer.out, &input));

            let input = self.normed(config.is_wide(MatrixKind::GateUp));
            let both = linear(&layer.gate_up, &input);
            let (gates, values) = both.split_at(config.d_ff);
            let hidden: Vec<i128> = gates
                .iter()
                .zip(values)
                .map(|(&gate, &value)| sat(up(silu(gate) * value, 12)))
                .collect();
            self.observe(&format!("{index}.hidden"), &hidden);
            let input = round(&hidden, config.is_wide(MatrixKind::Down), 12);
            self.add(&linear(&layer.down, &input));
            self.observe(&format!("{index}.residual"), &self.residual.clone());
        }
        let input = self.normed(config.is_wide(MatrixKind::Head));
        self.logits = linear(&weights.head, &input).iter().map(|&x| x as i64).collect();
        self.position += 1;
        &self.logits
    }

    /// [`Reference::step`], which also returns the numbers between, each under a name: `embedding`, or `LAYER.STAGE`.
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

    fn observe(&mut self, name: &str, numbers: &[i128]) {
        if let Some(stages) = &mut self.stages {
            let numbers = numbers.iter().map(|&x| x as i64).collect();
            stages.push((name.to_owned(), numbers));
        }
    }

    fn add(&mut self, terms: &[i128]) {
        for (x, term) in self.residual.iter_mut().zip(terms) {
            *x = sat(*x + term);
        }
    }

    /// The residual, normed and rounded.
    fn normed(&self, wide: bool) -> Rounded {
        let Some((t, b, largest)) = level(&self.residual) else {
            return round(&self.residual, wide, 12);
        };
        let unit = normed_unit(&t, b, largest, self.weights.config.epsilon);
        Rounded {
            unit: (unit.0, unit.1 + if wide { 2 } else { 0 }),
            ..round(&self.residual, wide, 12)
        }
    }

    fn attention(&mut self, index: usize, layer: &Layer, qkv: &[i128]) -> Vec<i128> {
        let config = &self.weights.config;
        let (h, p) = (config.head_dim, self.position);
        let (queries, rest) = qkv.split_at(config.heads * h);
        let (keys, values) = rest.split_at(config.kv_heads * h);
        let stored = keys
            .chunks(h)
            .zip(values.chunks(h))
            .map(|(key, value)| {
                let value = round(value, false, 12);
                Stored {
                    key: self.head_vector(key, &layer.key_gains, p),
                    value: (value.high, value.unit),
                }
            })
            .collect();
        self.cache[index].push(stored);
        let low = (p + 1).saturating_sub(config.window);
        let sinks = 0..config.sinks.min(low);
        let mut out = Vec::new();
        for (head, query) in queries.chunks(h).enumerate() {
            let in_window = self.query(query, &layer.query_gains, p);
            let for_sinks = self.query(query, &layer.query_gains, p.min(config.window + config.sinks - 1));
            let kv_head = head * config.kv_heads / config.heads;
            let mut scores = Vec::new();
            let mut stored_values = Vec::new();
            for t in sinks.clone().chain(low..=p) {
                let Stored { key, value } = &self.cache[index][t][kv_head];
                let (q, factor) = if t < low { &for_sinks } else { &in_window };
                let product: i128 = q.iter().zip(&key.0).map(|(a, b)| a * b).sum();
                scores.push(scaled(product, *factor, key.1));
                stored_values.push(value);
            }
            out.extend(attend(&scores, &stored_values));
        }
        out
    }

    /// A query with the factor that makes products scores.
    fn query(&self, y: &[i128], gains: &[i16], position: usize) -> (Vec<i128>, Factor) {
        let config = &self.weights.config;
        let (q, (m, e)) = self.head_vector(y, gains, position);
        let m = (m * i128::from(config.score_mantissa)) >> 15;
        (q, (m, (e + i128::from(config.score_exponent) - 15).max(0)))
    }

    /// A query or key: section 7.1.
    fn head_vector(&self, y: &[i128], gains: &[i16], position: usize) -> (Vec<i128>, Factor) {
        let zero = (vec![0; y.len()], (0, 1));
        let Some((mut t, b, _)) = level(y) else {
            return zero;
        };
        let before = t.clone();
        let mut c = 0;
        if !gains.is_empty() {
            let z: Vec<i128> = t
                .iter()
                .zip(gains)
                .map(|(t, &gain)| t * i128::from(gain))
                .collect();
            let Some((levelled, bits, _)) = level(&z) else {
                return zero;
            };
            (t, c) = (levelled, bits);
        }
        let pairs = self.weights.frequencies.len();
        for (i, &w) in self.weights.frequencies.iter().enumerate() {
            let turns = position as i128 * i128::from(w) % (1 << 32);
            let angle = up(turns, 21) as usize;
            let (cosine, sine) = (i128::from(sine(angle + TURN / 4)), i128::from(sine(angle)));
            let (f, g) = (t[i], t[i + pairs]);
            t[i] = up(f * cosine - g * sine, 15);
            t[i + pairs] = up(f * sine + g * cosine, 15);
        }
        let largest = magnitude(&t);
        let reciprocal = (127 << 23) / largest;
        let rounded = t.iter().map(|&t| up(t * reciprocal, 23)).collect();
        let unit = if gains.is_empty() {
            (largest * 64 / 127, 33 - b)
        } else {
            let (m, e) = normed_unit(&before, b, largest, self.weights.config.head_epsilon);
            (m, e + 25 - c)
        };
        (rounded, unit)
    }
}

/// `floor(x / 2^n + 1/2)`.
fn up(x: i128, n: i128) -> i128 {
    if n == 0 { x } else { (x + (1 << (n - 1))) >> n }
}

fn sat(x: i128) -> i128 {
    let limit = (1 << 28) - 1;
    x.clamp(-limit, limit)
}

fn bits(n: i128) -> i128 {
    i128::from(i128::BITS - n.leading_zeros())
}

fn magnitude(x: &[i128]) -> i128 {
    x.iter().map(|x| x.abs()).max().unwrap_or(0)
}

/// Steps 1 and 2 of section 6.1: t, b and T, unless all elements are 0.
fn level(x: &[i128]) -> Option<(Vec<i128>, i128, i128)> {
    let b = bits(magnitude(x));
    if b == 0 {
        return None;
    }
    let t: Vec<i128> = x
        .iter()
        .map(|&x| if b <= 15 { x << (15 - b) } else { up(x, b - 15) })
        .collect();
    let largest = magnitude(&t);
    Some((t, b, largest))
}

/// Section 6.1.
fn round(x: &[i128], wide: bool, fraction_bits: i128) -> Rounded {
    let Some((t, b, largest)) = level(x) else {
        return Rounded {
            high: vec![0; x.len()],
            low: wide.then(|| vec![0; x.len()]),
            unit: (0, if wide { 3 } else { 1 }),
        };
    };
    let (m, e) = (largest * 64 / 127, fraction_bits + 21 - b);
    if !wide {
        let reciprocal = (127 << 23) / largest;
        return Rounded {
            high: t.iter().map(|&t| up(t * reciprocal, 23)).collect(),
            low: None,
            unit: (m, e),
        };
    }
    let reciprocal = (32_512 << 15) / largest;
    let a: Vec<i128> = t.iter().map(|&t| up(t * reciprocal, 15)).collect();
    let high: Vec<i128> = a.iter().map(|&a| up(a, 8)).collect();
    Rounded {
        low: Some(a.iter().zip(&high).map(|(a, high)| a - 256 * high).collect()),
        high,
        unit: (m, e + 2),
    }
}

/// Section 6.3.
fn normed_unit(t: &[i128], b: i128, largest: i128, epsilon: u32) -> Factor {
    let squares: i128 = t.iter().map(|t| t * t).sum();
    let epsilon = i128::from(epsilon);
    let s = squares
        + if b <= 15 {
            epsilon << (2 * (15 - b))
        } else {
            epsilon >> (2 * (b - 15))
        };
    let a = ((largest * largest * t.len() as i128) << 48) / (16_129 * s);
    let a = a.isqrt();
    let k = (bits(a) - 15).max(0);
    (a >> k, 24 - k)
}

fn scaled(p: i128, (m, e): Factor, (n, g): Factor) -> i128 {
    sat(up(p * m * n, (e + g).clamp(1, 62)))
}

fn row_factor(matrix: &Matrix, row: usize) -> Factor {
    (matrix.mantissas[row].into(), matrix.exponents[row].into())
}

/// Section 6.2.
fn linear(matrix: &Matrix, input: &Rounded) -> Vec<i128> {
    (0..matrix.rows())
        .map(|row| {
            let sum = |x: &[i128]| -> i128 {
                let products = matrix.row(row).iter().zip(x).map(|(&w, x)| i128::from(w) * x);
                products.sum()
            };
            let mut p = sum(&input.high);
            if let Some(low) = &input.low {
                p = 4 * p + up(sum(low), 6);
            }
            scaled(p, row_factor(matrix, row), input.unit)
        })
        .collect()
}

/// Steps 3 to 5 of section 7.2.
fn attend(scores: &[i128], values: &[&(Vec<i128>, Factor)]) -> Vec<i128> {
    let maximum = scores.iter().copied().max().unwrap_or(0);
    let weights: Vec<i128> = scores
        .iter()
        .map(|score| {
            let d = maximum - score;
            if d >= 4352 {
                0
            } else {
                up(EXP2[(d % 256) as usize].into(), d / 256)
            }
        })
        .collect();
    let total: i128 = weights.iter().sum();
    let j = bits(total);
    let g = values.iter().map(|(_, (_, g))| *g).min().unwrap_or(0);
    let mut sums = vec![0i128; values.first().map_or(0, |value| value.0.len())];
    for (w, (value, (n, exponent))) in weights.iter().zip(values) {
        let c = if exponent - g > 16 {
            0
        } else {
            up(w * n, 15 + exponent - g)
        };
        for (sum, v) in sums.iter_mut().zip(value) {
            *sum += c * v;
        }
    }
    let reciprocal = (1 << (j + 14)) / total;
    let shift = (g + j - 17).clamp(1, 62);
    sums.iter().map(|sum| sat(up(sum * reciprocal, shift))).collect()
}

/// Section 7.3.
fn silu(x: i128) -> i128 {
    let sigmoid = |k: i128| {
        let z = up(k * i128::from(LOG2E_OVER_64_Q24), 16);
        (1 << 32) / (65_536 + up(EXP2[(z % 256) as usize].into(), z / 256))
    };
    let (k, r) = (x.abs() / 64, x.abs() % 64);
    let q = if k >= 1024 {
        65_536
    } else {
        up(sigmoid(k) * (64 - r) + sigmoid(k + 1) * r, 6)
    };
    up(x * if x < 0 { 65_536 - q } else { q }, 16)
}

/// Section 8.
fn frequencies(logits: &[i64]) -> Vec<u32> {
    let maximum = logits.iter().copied().max().unwrap_or(0);
    let f = |logit: i64, c: i128| {
        let d = i128::from(maximum - logit);
        let octaves = d / 256;
        if octaves > 60 {
            return 1;
        }
        ((i128::from(EXP2[(d % 256) as usize]) << c) >> (16 + octaves)).max(1)
    };
    let s: i128 = logits.iter().map(|&logit| f(logit, 22)).sum();
    let c = 51 - bits(s);
    logits.iter().map(|&logit| f(logit, c) as u32).collect()
}
