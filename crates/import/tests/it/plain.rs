//! The net in f64, in the plainest way, with a product for each weight: of a source's numbers, or of what the integers of
//! a model stand for.

use czip_model::v3::{Matrix, Weights};

use crate::fixture::Model;

pub(crate) struct Layer {
    attention_gains: Vec<f64>,
    /// `[(H + 2 G) h, d]`
    qkv: Vec<f64>,
    bias: Vec<f64>,
    query_gains: Vec<f64>,
    key_gains: Vec<f64>,
    out: Vec<f64>,
    feed_forward_gains: Vec<f64>,
    gate_up: Vec<f64>,
    down: Vec<f64>,
}

pub(crate) struct Net {
    d: usize,
    heads: usize,
    kv_heads: usize,
    h: usize,
    units: usize,
    epsilon: f64,
    head_epsilon: f64,
    /// Of a product of query and key.
    score_scale: f64,
    /// Radians for each position.
    frequencies: Vec<f64>,
    embedding: Vec<f64>,
    layers: Vec<Layer>,
    gains: Vec<f64>,
    head: Vec<f64>,
}

fn product(matrix: &[f64], x: &[f64]) -> Vec<f64> {
    let dot = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum();
    matrix.chunks_exact(x.len()).map(dot).collect()
}

fn normed(x: &[f64], gains: &[f64], epsilon: f64) -> Vec<f64> {
    let mean_square = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (mean_square + epsilon).sqrt();
    x.iter().zip(gains).map(|(x, gain)| x * scale * gain).collect()
}

impl Net {
    /// Of a source's own numbers.
    pub(crate) fn of_model(model: &Model) -> Self {
        let get = |name: &str| -> Vec<f64> {
            let found = model.tensors.get(name);
            found.map_or(Vec::new(), |tensor| {
                tensor.numbers.iter().map(|&x| x.into()).collect()
            })
        };
        let layers = (0..model.layers).map(|layer| {
            let get = |name: &str| get(&format!("model.layers.{layer}.{name}"));
            let joined = |kind: &str| {
                ["q", "k", "v"]
                    .map(|it| get(&format!("self_attn.{it}_proj.{kind}")))
                    .concat()
            };
            Layer {
                attention_gains: get("input_layernorm.weight"),
                qkv: joined("weight"),
                bias: joined("bias"),
                query_gains: get("self_attn.q_norm.weight"),
                key_gains: get("self_attn.k_norm.weight"),
                out: get("self_attn.o_proj.weight"),
                feed_forward_gains: get("post_attention_layernorm.weight"),
                gate_up: [get("mlp.gate_proj.weight"), get("mlp.up_proj.weight")].concat(),
                down: get("mlp.down_proj.weight"),
            }
        });
        let divisors = model.divisors().unwrap_or(vec![1.0; model.rotated / 2]);
        let frequencies = divisors.iter().enumerate().map(|(i, &divisor)| {
            f64::from(model.base).powf(-2.0 * i as f64 / model.rotated as f64) / f64::from(divisor)
        });
        Self {
            d: model.d,
            heads: model.heads,
            kv_heads: model.kv_heads,
            h: model.h,
            units: model.units,
            epsilon: model.epsilon.into(),
            head_epsilon: model.epsilon.into(),
            score_scale: 1.0 / (model.h as f64).sqrt(),
            frequencies: frequencies.collect(),
            layers: layers.collect(),
            gains: get("model.norm.weight"),
            head: get(if model.tied {
                "model.embed_tokens.weight"
            } else {
                "lm_head.weight"
            }),
            embedding: get("model.embed_tokens.weight"),
        }
    }

    /// Of what integers stand for, where the residual has so many fraction bits.
    pub(crate) fn of_weights(weights: &Weights, residual_bits: i32) -> Self {
        let config = &weights.config;
        let octave = std::f64::consts::LN_2 / 256.0;
        let residual = 2_f64.powi(-residual_bits);
        let vectors = 2_f64.powi(-12);
        let matrix = |matrix: &Matrix, unit: f64| -> Vec<f64> {
            let rows = 0..matrix.rows();
            let row = |row: usize| {
                let factor =
                    f64::from(matrix.mantissas[row]) / 2_f64.powi(matrix.exponents[row].into()) * unit;
                matrix.row(row).iter().map(move |&w| f64::from(w) * factor)
            };
            rows.flat_map(row).collect()
        };
        let gains = |gains: &[i16]| gains.iter().map(|&gain| f64::from(gain) / 1024.0).collect();
        let ones = vec![1.0; config.d_model];
        let layers = weights.layers.iter().map(|layer| Layer {
            attention_gains: ones.clone(),
            qkv: matrix(&layer.qkv, vectors),
            bias: layer
                .qkv_bias
                .iter()
                .map(|&bias| f64::from(bias) * vectors)
                .collect(),
            query_gains: gains(&layer.query_gains),
            key_gains: gains(&layer.key_gains),
            out: matrix(&layer.out, residual),
            feed_forward_gains: ones.clone(),
            gate_up: matrix(&layer.gate_up, vectors),
            down: matrix(&layer.down, residual),
        });
        let score = f64::from(config.score_mantissa) / 2_f64.powi(config.score_exponent.into());
        let turn = std::f64::consts::TAU / 2_f64.powi(32);
        Self {
            d: config.d_model,
            heads: config.heads,
            kv_heads: config.kv_heads,
            h: config.head_dim,
            units: config.d_ff,
            epsilon: f64::from(config.epsilon) * residual * residual / config.d_model as f64,
            head_epsilon: f64::from(config.head_epsilon) * vectors * vectors / config.head_dim as f64,
            score_scale: score * octave,
            frequencies: weights.frequencies.iter().map(|&w| f64::from(w) * turn).collect(),
            layers: layers.collect(),
            gains: ones,
            head: matrix(&weights.head, octave),
            embedding: matrix(&weights.embedding, residual),
        }
    }

    /// The logits after each token.
    pub(crate) fn logits(&self, tokens: &[u32]) -> Vec<Vec<f64>> {
        let (d, h) = (self.d, self.h);
        let mut xs: Vec<Vec<f64>> = tokens
            .iter()
            .map(|&token| self.embedding[token as usize * d..][..d].to_vec())
            .collect();
        for layer in &self.layers {
            let mut keys: Vec<Vec<f64>> = Vec::new();
            let mut values: Vec<Vec<f64>> = Vec::new();
            for (position, x) in xs.iter_mut().enumerate() {
                let mut y = product(&layer.qkv, &normed(x, &layer.attention_gains, self.epsilon));
                y.iter_mut().zip(&layer.bias).for_each(|(y, bias)| *y += bias);
                let (queries, rest) = y.split_at(self.heads * h);
                let (key, value) = rest.split_at(self.kv_heads * h);
                keys.push(self.turned(key, &layer.key_gains, position));
                values.push(value.to_vec());
                let queries = self.turned(queries, &layer.query_gains, position);
                let mut attended = Vec::new();
                for (head, query) in queries.chunks_exact(h).enumerate() {
                    let start = head * self.kv_heads / self.heads * h;
                    let weights: Vec<f64> = keys
                        .iter()
                        .map(|key| {
                            let dot: f64 = query.iter().zip(&key[start..]).map(|(q, k)| q * k).sum();
                            (dot * self.score_scale).exp()
                        })
                        .collect();
                    let sum: f64 = weights.iter().sum();
                    for i in 0..h {
                        let weighted = weights.iter().zip(&values).map(|(w, value)| w * value[start + i]);
                        attended.push(weighted.sum::<f64>() / sum);
                    }
                }
                let out = product(&layer.out, &attended);
                x.iter_mut().zip(out).for_each(|(x, y)| *x += y);
                let y = product(
                    &layer.gate_up,
                    &normed(x, &layer.feed_forward_gains, self.epsilon),
                );
                let (gates, ups) = y.split_at(self.units);
                let hidden = gates
                    .iter()
                    .zip(ups)
                    .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up);
                let down = product(&layer.down, &hidden.collect::<Vec<_>>());
                x.iter_mut().zip(down).for_each(|(x, y)| *x += y);
            }
        }
        xs.iter()
            .map(|x| product(&self.head, &normed(x, &self.gains, self.epsilon)))
            .collect()
    }

    fn turned(&self, heads: &[f64], gains: &[f64], position: usize) -> Vec<f64> {
        let mut turned = Vec::new();
        for head in heads.chunks_exact(self.h) {
            let head = if gains.is_empty() {
                head.to_vec()
            } else {
                normed(head, gains, self.head_epsilon)
            };
            let mut out = head.clone();
            let half = self.frequencies.len();
            for (i, frequency) in self.frequencies.iter().enumerate() {
                let (sine, cosine) = (position as f64 * frequency).sin_cos();
                out[i] = head[i] * cosine - head[i + half] * sine;
                out[i + half] = head[i] * sine + head[i + half] * cosine;
            }
            turned.extend(out);
        }
        turned
    }
}
