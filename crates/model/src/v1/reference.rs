//! The transformer in its plainest form: one token at a time in, logits out, int32 `[vocab]`. It is written straight from
//! the specification.
//!
//! This is the oracle of the tests and the baseline of the benchmarks. All that it shares with [`Transformer`] is the
//! kernels' `oracle` module and the reading of the file.
//!
//! [`Transformer`]: super::Transformer

use czip_fixed::clamp127;
use czip_kernels::{HEAD_DIM, oracle};

use super::weights::{LayerWeights, Linear, Weights};

type Vector = [i8; HEAD_DIM];

/// One sequence, advanced token by token.
#[derive(Debug)]
pub struct Reference<'a> {
    weights: &'a Weights<'a>,
    /// The rotated keys and the values of each layer.
    cache: Vec<(Vec<Vector>, Vec<Vector>)>,
    residual: Vec<i32>,
    activation: Vec<i8>,
    acc: Vec<i32>,
    logits: Vec<i32>,
    /// What [`Reference::step_observed`] reports to.
    stages: Option<Vec<(String, Vec<i32>)>>,
}

impl<'a> Reference<'a> {
    /// An empty sequence.
    #[must_use]
    pub fn new(weights: &'a Weights<'a>) -> Self {
        Self {
            weights,
            cache: vec![(Vec::new(), Vec::new()); weights.layers.len()],
            residual: vec![0; weights.config.d_model],
            activation: Vec::new(),
            acc: Vec::new(),
            logits: vec![0; weights.config.vocab_size],
            stages: None,
        }
    }

    /// Forgets the sequence.
    pub fn reset(&mut self) {
        for (keys, values) in &mut self.cache {
            keys.clear();
            values.clear();
        }
    }

    /// Takes the next token and returns the logits of the one after it, int32 `[vocab]`.
    ///
    /// # Panics
    ///
    /// If the token is not in the vocabulary or the context is full.
    pub fn step(&mut self, token: u32) -> &[i32] {
        let weights = self.weights;
        let d = weights.config.d_model;
        let embedding = &weights.embedding[token as usize * d..][..d];
        self.residual.clear();
        self.residual.extend(embedding.iter().map(|&x| i32::from(x)));
        for (index, layer) in weights.layers.iter().enumerate() {
            self.attention(index, layer);
            self.feed_forward(index, layer);
        }
        self.normalized_residual(weights.norm);
        self.observe("norm", 0);
        self.logits.resize(weights.config.vocab_size, 0);
        oracle::matvec(weights.head, &self.activation, &mut self.logits);
        &self.logits
    }

    /// [`Reference::step`], which also returns the activations between, each under a name: `LAYER.STAGE` or `norm`.
    ///
    /// # Panics
    ///
    /// As [`Reference::step`].
    pub fn step_observed(&mut self, token: u32) -> (Vec<(String, Vec<i32>)>, &[i32]) {
        self.stages = Some(Vec::new());
        self.step(token);
        (self.stages.take().unwrap_or_default(), &self.logits)
    }

    /// The logits of the last step, int32 `[vocab]`.
    #[must_use]
    pub fn logits(&self) -> &[i32] {
        &self.logits
    }

    /// The frequencies of the next token, uint32 `[vocab]`, from the logits of the last step.
    pub fn frequencies(&self, out: &mut [u32]) {
        let softmax = &self.weights.softmax;
        oracle::frequencies(
            &self.logits,
            softmax.coefficient(),
            softmax.exp2(),
            softmax.total(),
            out,
        );
    }

    fn attention(&mut self, index: usize, layer: &LayerWeights<'_>) {
        self.normalized_residual(layer.attention_norm);
        self.observe("attention_norm", index);
        self.linear(&layer.qkv);
        self.observe("qkv", index);
        let d = self.weights.config.d_model;
        let (vectors, _) = self.activation.as_chunks::<HEAD_DIM>();
        let (queries, [key, value]) = vectors.split_at(d / HEAD_DIM) else {
            unreachable!("d queries, a key, a value")
        };
        let (keys, values) = &mut self.cache[index];
        let (cos, sin) = &self.weights.rotations[keys.len()];
        keys.push(oracle::rotate_key(key, cos, sin));
        values.push(*value);
        let heads = queries.iter().enumerate().map(|(head, query)| {
            oracle::attend(
                &layer.attention,
                head,
                &oracle::rotate_query(query, cos, sin),
                keys,
                values,
            )
        });
        self.activation = heads.flatten().collect();
        self.observe("attention", index);
        self.linear(&layer.out);
        self.observe("attention_out", index);
        self.add_normalized(layer.attention_out_norm);
    }

    fn feed_forward(&mut self, index: usize, layer: &LayerWeights<'_>) {
        self.normalized_residual(layer.feed_forward_norm);
        self.observe("feed_forward_norm", index);
        self.linear(&layer.up);
        self.observe("up", index);
        let (gate, value) = self.activation.split_at(self.weights.config.d_ff);
        let mut gated = vec![0; gate.len()];
        oracle::reglu(gate, value, &mut gated);
        self.activation = gated;
        self.observe("gated", index);
        self.linear(&layer.down);
        self.observe("down", index);
        self.add_normalized(layer.feed_forward_out_norm);
    }

    /// `activation = rmsnorm(clamp127(residual), gain)`.
    fn normalized_residual(&mut self, gain: &[i8]) {
        let clamped: Vec<i8> = self.residual.iter().map(|&x| clamp127(x.into())).collect();
        self.activation.resize(clamped.len(), 0);
        oracle::rms_norm(&clamped, gain, &mut self.activation);
    }

    /// `residual += rmsnorm(activation, gain)`.
    fn add_normalized(&mut self, gain: &[i8]) {
        let mut normalized = vec![0; self.activation.len()];
        oracle::rms_norm(&self.activation, gain, &mut normalized);
        self.residual
            .iter_mut()
            .zip(normalized)
            .for_each(|(x, y)| *x += i32::from(y));
    }

    /// `activation = requant(weight . activation)`.
    fn linear(&mut self, linear: &Linear<'_>) {
        self.acc.resize(linear.rows, 0);
        oracle::matvec(linear.weight, &self.activation, &mut self.acc);
        self.activation.resize(linear.rows, 0);
        oracle::requantize_all(&self.acc, linear.requantization, &mut self.activation);
    }

    fn observe(&mut self, stage: &str, layer: usize) {
        if let Some(stages) = &mut self.stages {
            let name = if stage == "norm" {
                stage.to_owned()
            } else {
                format!("{layer}.{stage}")
            };
            stages.push((name, self.activation.iter().map(|&x| i32::from(x)).collect()));
        }
    }
}
