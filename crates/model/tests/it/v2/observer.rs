//! What an observer sees is what the plainest form computes between the matrices.

use std::collections::BTreeMap;

use czip_fixed::RmsFactor;
use czip_model::Kernels;
use czip_model::v2::reference::Reference;
use czip_model::v2::{Cache, HEAD_DIM, Norm, Observer, Row, Transformer};

use super::random::{Random, config};

/// The numbers of a batch by stage and row, under the names that the plainest form gives them.
#[derive(Default)]
struct Seen {
    values: BTreeMap<(String, usize), Vec<i64>>,
    factors: BTreeMap<(String, usize), RmsFactor>,
    /// Of each layer, row and head: weights and their total.
    weights: BTreeMap<(usize, usize, usize), (Vec<u8>, u32)>,
    /// Of each layer and row.
    stored: BTreeMap<(usize, usize), Vec<i8>>,
}

impl Seen {
    fn add<T: Copy + Into<i64>>(&mut self, name: String, row: usize, values: &[T]) {
        let values = values.iter().map(|&x| x.into());
        self.values.entry((name, row)).or_default().extend(values);
    }
}

impl Observer for Seen {
    fn normed(&mut self, norm: Norm, row: usize, factor: RmsFactor, normed: &[i8]) {
        let name = match norm {
            Norm::AttentionInput(layer) => format!("{layer}.attention_norm"),
            Norm::Attended(layer) => format!("{layer}.attended_norm"),
            Norm::FeedForwardInput(layer) => format!("{layer}.feed_forward_norm"),
            Norm::Hidden(layer) => format!("{layer}.hidden"),
            Norm::HeadInput => "norm".to_owned(),
        };
        self.factors.insert((name.clone(), row), factor);
        self.add(name, row, normed);
    }

    fn query(&mut self, layer: usize, row: usize, head: usize, factor: RmsFactor, query: &[i8; HEAD_DIM]) {
        self.factors.insert((format!("{layer}.{head}"), row), factor);
        self.add(format!("{layer}.queries"), row, query);
    }

    fn key_value(
        &mut self,
        layer: usize,
        row: usize,
        factor: RmsFactor,
        key: &[i8; HEAD_DIM],
        value: &[i8; HEAD_DIM],
    ) {
        self.factors.insert((format!("{layer}.key"), row), factor);
        self.add(format!("{layer}.key"), row, key);
        self.stored.insert((layer, row), value.to_vec());
    }

    fn attention(&mut self, layer: usize, row: usize, head: usize, weights: &[u8], total: u32) {
        self.weights.insert((layer, row, head), (weights.to_vec(), total));
    }

    fn up(&mut self, layer: usize, row: usize, up: &[i16]) {
        self.add(format!("{layer}.up"), row, up);
    }

    fn logits(&mut self, row: usize, logits: &[i32]) {
        self.add("logits".to_owned(), row, logits);
    }
}

#[test]
fn observed_numbers() {
    const HEADS: usize = 3;
    const COUNT: usize = 40;
    let mut random = Random(12);
    // Nothing is a multiple of four.
    let config = config([70, 2, 68, HEADS, 101, 16, 32, 20]);
    let weights = random.weights(&config);
    let tokens = random.tokens(&config, COUNT);
    let rows: Vec<Row> = tokens
        .iter()
        .enumerate()
        .map(|(position, &token)| Row {
            sequence: 0,
            position,
            start: 0,
            token,
        })
        .collect();
    let mut reference = Reference::new(&weights);
    let stages = tokens.iter().map(|&token| {
        let (mut stages, logits) = reference.step_observed(token);
        stages.push(("logits".to_owned(), logits.to_vec()));
        stages.into_iter().collect::<BTreeMap<_, _>>()
    });
    let stages: Vec<_> = stages.collect();
    for kernels in Kernels::available() {
        let net = Transformer::new(kernels, &weights);
        let mut caches: [Cache; 1] = [net.cache()];
        let mut seen = Seen::default();
        net.forward_observed(&rows, &mut caches, &mut net.scratch(COUNT), &mut seen);
        for (row, stages) in stages.iter().enumerate() {
            let place = format!("{}, row {row}", kernels.instruction_set());
            for layer in 0..2 {
                for name in ["attention_norm", "queries", "key", "up", "hidden"] {
                    let name = format!("{layer}.{name}");
                    assert_eq!(
                        seen.values[&(name.clone(), row)],
                        stages[&name],
                        "{place}, {name}"
                    );
                }
                check_attention(&seen, layer, row, &stages[&format!("{layer}.attended")]);
                for head in ["0", "1", "2", "key"] {
                    assert!(
                        seen.factors.contains_key(&(format!("{layer}.{head}"), row)),
                        "{place}"
                    );
                }
            }
            for name in ["norm", "logits"] {
                assert_eq!(
                    seen.values[&(name.to_owned(), row)],
                    stages[name],
                    "{place}, {name}"
                );
            }
            // What a norm's factor makes of its input is its output.
            for (name, input) in [
                ("0.attention_norm", "embedding"),
                ("0.attended_norm", "0.attended"),
                ("0.feed_forward_norm", "0.attention"),
                ("0.hidden", "0.squares"),
                ("1.attention_norm", "0.feed_forward"),
                ("1.attended_norm", "1.attended"),
                ("1.feed_forward_norm", "1.attention"),
                ("1.hidden", "1.squares"),
                ("norm", "1.feed_forward"),
            ] {
                let factor = seen.factors[&(name.to_owned(), row)];
                let apply = |&x: &i64| i64::from(factor.apply(x as i16));
                let normed: Vec<i64> = stages[input].iter().map(apply).collect();
                assert_eq!(seen.values[&(name.to_owned(), row)], normed, "{place}, {name}");
            }
        }
        assert_eq!(seen.weights.len(), 2 * COUNT * HEADS);
    }

    /// The weights of the newest 16 positions, applied to what was stored for them, give the outputs.
    fn check_attention(seen: &Seen, layer: usize, row: usize, attended: &[i64]) {
        let first = (row + 1).saturating_sub(16);
        for (head, attended) in attended.chunks(HEAD_DIM).enumerate() {
            let (weights, total) = &seen.weights[&(layer, row, head)];
            assert_eq!(weights.len(), row + 1 - first);
            let total = i64::from(*total);
            for (i, &attended) in attended.iter().enumerate() {
                let terms = weights.iter().zip(first..).map(|(&weight, position)| {
                    i64::from(weight) * i64::from(seen.stored[&(layer, position)][i])
                });
                let sum: i64 = terms.sum();
                assert_eq!((32 * sum + total).div_euclid(2 * total), attended);
            }
        }
    }
}
