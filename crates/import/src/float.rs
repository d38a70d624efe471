//! The net in floats, as its source defines it: for comparison with the integer net, and for tests.
//!
//! It is slow, and its results may differ from machine to machine in the last digits. Nothing that is written depends on it.

use rayon::prelude::*;

use crate::error::Error;
use crate::layer::FloatLayer;
use crate::net::NetConfig;
use crate::rows::Rows;
use crate::source::Source;
use crate::store::Role;

/// The cost in bits of each of a text's tokens, after the start token and all tokens before it.
///
/// All of them are in view, whatever the window of the integer net. The weights are read layer by layer, so memory is taken
/// for one layer and the values of all tokens.
///
/// # Errors
///
/// [`Error::Io`] if a file cannot be read; [`Error::Option`] for a token that the source does not have.
pub fn bits(source: &Source, tokens: &[u32]) -> Result<Vec<f64>, Error> {
    let parts = &source.0;
    let count = parts.vocabulary.source_len();
    if let Some(&token) = tokens.iter().find(|&&token| token as usize >= count) {
        return Err(Error::Option {
            option: "token",
            value: token.into(),
            allowed: format!("below {count}"),
        });
    }
    let Some((_, before)) = tokens.split_last() else {
        return Ok(Vec::new());
    };
    let mut inputs = vec![parts.start_token];
    inputs.extend(before);
    let normed = hidden(source, &inputs)?;
    let head = head(source)?;
    // log2 of the sum of 2^logit, and the logit of the token that comes.
    let d = normed.cols;
    let cost = |(x, &token): (&[f32], &u32)| {
        let logits = head
            .numbers
            .chunks_exact(d)
            .take(count)
            .map(|row| f64::from(dot(row, x)));
        let logits: Vec<f64> = logits.collect();
        let largest = logits.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
        (largest + sum.ln() - logits[token as usize]) / std::f64::consts::LN_2
    };
    Ok(normed.numbers.par_chunks_exact(d).zip(tokens).map(cost).collect())
}

/// The logits, natural logarithms, `[tokens, rows of the embedding]`, after each token of a sequence. The first is not
/// preceded by the start token.
///
/// # Errors
///
/// [`Error::Io`] if a file cannot be read.
///
/// # Panics
///
/// If the embedding does not have a token.
pub fn logits(source: &Source, tokens: &[u32]) -> Result<Vec<f32>, Error> {
    let normed = hidden(source, tokens)?;
    Ok(product(&head(source)?, &normed).numbers)
}

fn head(source: &Source) -> Result<Rows, Error> {
    let net = &source.0.net;
    net.store.read(if net.config.tied {
        Role::Embedding
    } else {
        Role::Head
    })
}

/// What the head takes, `[tokens, d]`.
fn hidden(source: &Source, tokens: &[u32]) -> Result<Rows, Error> {
    let net = &source.0.net;
    let mut x = Rows {
        numbers: Vec::new(),
        cols: net.config.d_model,
    };
    for &token in tokens {
        let token = token as usize;
        x.numbers
            .extend(net.store.read_rows(Role::Embedding, token..token + 1)?.numbers);
    }
    let frequencies = net.frequencies()?;
    for index in 0..net.config.layers {
        advance(&net.config, &frequencies, &FloatLayer::read(net, index)?, &mut x);
    }
    let gains = net.store.read(Role::HeadNorm)?.numbers;
    Ok(normed(&x, &gains, net.config.epsilon))
}

/// Applies a layer to the residual of all tokens, `[tokens, d]`.
fn advance(config: &NetConfig, frequencies: &[f64], layer: &FloatLayer, x: &mut Rows) {
    let (h, epsilon) = (config.head_dim, config.epsilon);
    let before = normed(x, &layer.attention_gains, epsilon);
    let [mut queries, mut keys, values] = [0, 1, 2].map(|i| {
        let mut y = product(&layer.queries_keys_values[i], &before);
        if let Some(biases) = &layer.biases {
            for row in y.numbers.chunks_exact_mut(y.cols) {
                row.iter_mut()
                    .zip(&biases[i].numbers)
                    .for_each(|(y, bias)| *y += bias);
            }
        }
        y
    });
    for (kind, heads) in [&mut queries, &mut keys].into_iter().enumerate() {
        let width = heads.cols;
        for (position, row) in heads.numbers.chunks_exact_mut(width).enumerate() {
            for head in row.chunks_exact_mut(h) {
                if let Some(gains) = &layer.head_gains {
                    norm(head, &gains[kind], epsilon);
                }
                rotate(head, frequencies, position);
            }
        }
    }
    let attended = attend(config, &queries, &keys, &values);
    add(x, &product(&layer.out, &attended));

    let before = normed(x, &layer.feed_forward_gains, epsilon);
    let [gate, up] = [0, 1].map(|i| product(&layer.gate_up[i], &before));
    let mut hidden = gate;
    for (gate, up) in hidden.numbers.iter_mut().zip(&up.numbers) {
        *gate = *gate / (1.0 + (-*gate).exp()) * up;
    }
    add(x, &product(&layer.down, &hidden));
}

/// `[tokens, H h]`: each token sees itself and those before it.
fn attend(config: &NetConfig, queries: &Rows, keys: &Rows, values: &Rows) -> Rows {
    let h = config.head_dim;
    let group = config.heads / config.kv_heads;
    let scale = 1.0 / (h as f64).sqrt();
    let mut out = Rows {
        numbers: vec![0.0; queries.numbers.len()],
        cols: queries.cols,
    };
    out.numbers
        .par_chunks_exact_mut(queries.cols)
        .enumerate()
        .for_each(|(position, out)| {
            let query = &queries.numbers[position * queries.cols..];
            for (head, out) in out.chunks_exact_mut(h).enumerate() {
                let of_head = |rows: &Rows, at: usize| {
                    let start = at * rows.cols + head / group * h;
                    start..start + h
                };
                let query = &query[head * h..][..h];
                let scores: Vec<f64> = (0..=position)
                    .map(|at| f64::from(dot(query, &keys.numbers[of_head(keys, at)])) * scale)
                    .collect();
                let largest = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for (at, weight) in weights.into_iter().enumerate() {
                    let share = (weight / sum) as f32;
                    let value = &values.numbers[of_head(values, at)];
                    out.iter_mut()
                        .zip(value)
                        .for_each(|(out, value)| *out += share * value);
                }
            }
        });
    out
}

fn add(x: &mut Rows, y: &Rows) {
    x.numbers.iter_mut().zip(&y.numbers).for_each(|(x, y)| *x += y);
}

/// Each row over its root mean square, times gains.
fn normed(x: &Rows, gains: &[f32], epsilon: f64) -> Rows {
    let mut normed = x.clone();
    normed
        .numbers
        .chunks_exact_mut(x.cols)
        .for_each(|row| norm(row, gains, epsilon));
    normed
}

fn norm(x: &mut [f32], gains: &[f32], epsilon: f64) {
    let sum: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let scale = 1.0 / (sum / x.len() as f64 + epsilon).sqrt();
    for (x, gain) in x.iter_mut().zip(gains) {
        *x = (f64::from(*x) * scale) as f32 * gain;
    }
}

/// Turns the pairs `i` and `i + R/2` of a head.
fn rotate(head: &mut [f32], frequencies: &[f64], position: usize) {
    let half = frequencies.len();
    for (i, frequency) in frequencies.iter().enumerate() {
        let (sine, cosine) = (position as f64 * frequency).sin_cos();
        let (sine, cosine) = (sine as f32, cosine as f32);
        let (f, g) = (head[i], head[i + half]);
        head[i] = f * cosine - g * sine;
        head[i + half] = f * sine + g * cosine;
    }
}

/// The rows of `inputs`, each multiplied by a matrix: `[rows of inputs, rows of the matrix]`.
fn product(matrix: &Rows, inputs: &Rows) -> Rows {
    let mut columns = Rows {
        numbers: vec![0.0; matrix.count() * inputs.count()],
        cols: inputs.count(),
    };
    columns
        .numbers
        .par_chunks_exact_mut(inputs.count())
        .zip(matrix.numbers.par_chunks_exact(matrix.cols))
        .for_each(|(out, row)| {
            for (out, x) in out.iter_mut().zip(inputs.numbers.chunks_exact(inputs.cols)) {
                *out = dot(row, x);
            }
        });
    columns.transposed()
}

/// In sixteen sums, of which the compiler makes vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let ((a, last_a), (b, last_b)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    let last: f32 = last_a.iter().zip(last_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Architecture;
    use crate::turn::Turn;

    /// A matrix of numbers that look random, from -1 to 1 times `unit`.
    fn matrix(rows: usize, cols: usize, unit: f32, seed: &mut u64) -> Rows {
        let mut next = || {
            *seed = seed
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            (*seed >> 33) as f32 / (1_u64 << 30) as f32 - 1.0
        };
        let numbers = (0..rows * cols).map(|_| next() * unit).collect();
        Rows { numbers, cols }
    }

    fn gains(n: usize, seed: &mut u64) -> Vec<f32> {
        matrix(1, n, 0.5, seed).numbers.iter().map(|x| 1.0 + x).collect()
    }

    #[test]
    fn turning_changes_no_logit() {
        for (d, heads, kv_heads, h, with_biases) in
            [(48, 3, 1, 32, false), (36, 4, 2, 48, true), (64, 2, 2, 64, true)]
        {
            let config = NetConfig {
                architecture: Architecture::Qwen3,
                vocab_size: 50,
                layers: 2,
                d_model: d,
                heads,
                kv_heads,
                head_dim: h,
                rotary_dim: h,
                d_ff: 44,
                epsilon: 1e-5,
                rope_base: 10_000.0,
                context_len: 100,
                qkv_bias: with_biases,
                head_norms: with_biases,
                tied: true,
            };
            let mut seed = d as u64;
            let s = &mut seed;
            let embedding = matrix(config.vocab_size, d, 1.0, s);
            let last_gains = gains(d, s);
            let (queries, keys) = config.head_rows();
            let layers: [FloatLayer; 2] = std::array::from_fn(|_| FloatLayer {
                attention_gains: gains(d, s),
                queries_keys_values: [queries, keys, keys].map(|rows| matrix(rows, d, 0.5, s)),
                biases: with_biases.then(|| [queries, keys, keys].map(|rows| matrix(rows, 1, 1.0, s))),
                head_gains: with_biases.then(|| [gains(h, s), gains(h, s)]),
                out: matrix(d, queries, 0.3, s),
                feed_forward_gains: gains(d, s),
                gate_up: [44, 44].map(|rows| matrix(rows, d, 0.5, s)),
                down: matrix(d, 44, 0.5, s),
            });
            let frequencies = crate::frequencies::powers(config.rope_base, h / 2);
            let logits = |layers: &[FloatLayer], embedding: &Rows, head: &Rows, gains: &[f32]| {
                let mut x = embedding.clone();
                layers
                    .iter()
                    .for_each(|layer| advance(&config, &frequencies, layer, &mut x));
                product(head, &normed(&x, gains, config.epsilon)).numbers
            };
            let before = logits(&layers, &embedding, &embedding, &last_gains);

            let (turn, head_turn) = (Turn::with_signs(d), Turn::new(h));
            let ones = vec![1.0; d];
            let mut turned = embedding.clone();
            turned.fold_and_turn(&ones, &turn);
            let mut head = embedding.clone();
            head.fold_and_turn(&last_gains, &turn);
            let mut turned_layers = layers.clone();
            turned_layers
                .iter_mut()
                .for_each(|layer| layer.fold_and_turn(&turn, &head_turn));
            assert_ne!(turned_layers[0].down.numbers, layers[0].down.numbers);
            let after = logits(&turned_layers, &turned, &head, &ones);
            for (after, before) in after.iter().zip(&before) {
                assert!((after - before).abs() < 1e-3, "{d}: {after} {before}");
            }
        }
    }
}
