//! A run between two steps: the trainer, the average of its parameters, and the best parameters so far.

use crate::checkpoint::Checkpoint;
use crate::curve::Point;
use crate::device::Device;
use crate::graph::Loss;
use crate::parameters::Layout;
use crate::stream::Stream;
use crate::trainer::{Hyperparameters, Trainer};

/// A run is over if held-out text costs this many times its lowest cost, and this many times as many tokens have been
/// seen, while training text costs less than it did then. Falling rates and averages make up for far less than that. Where
/// both kinds of text cost more, nothing is memorised: a net that was finished before has got its full rates again.
const OVERFITTED: (f64, f64) = (1.1, 1.5);

/// The state of a run between two steps.
pub(super) struct Run {
    pub(super) trainer: Trainer,
    /// A running average of the parameters.
    pub(super) average: Vec<f32>,
    /// The parameters or the average with the lowest cost of the held-out text so far, in bits per byte.
    pub(super) best: Option<(f64, Vec<f32>)>,
    pub(super) curve: Vec<Point>,
    /// Bits and tokens of the training text since the last point.
    since: (f64, u64),
    /// Seconds of the sessions before this one.
    pub(super) seconds_before: f64,
}

impl Run {
    /// A run that begins with these parameters.
    pub(super) fn begin(
        layout: Layout,
        parameters: Vec<f32>,
        hyperparameters: Hyperparameters,
        device: Device,
    ) -> Self {
        Self {
            average: parameters.clone(),
            trainer: Trainer::from_parameters(layout, hyperparameters, parameters).on(device),
            best: None,
            curve: Vec::new(),
            since: (0.0, 0),
            seconds_before: 0.0,
        }
    }

    /// A run that goes on from a checkpoint.
    pub(super) fn resume(
        checkpoint: Checkpoint,
        text: &Stream,
        hyperparameters: Hyperparameters,
        device: Device,
    ) -> Self {
        let layout = Layout::new(&checkpoint.config);
        let mut trainer =
            Trainer::from_state(layout, hyperparameters, checkpoint.parameters, checkpoint.state);
        trainer.seek(text);
        Self {
            trainer: trainer.on(device),
            average: checkpoint.average,
            best: checkpoint.best,
            curve: checkpoint.curve,
            since: checkpoint.since,
            seconds_before: checkpoint.seconds,
        }
    }

    /// Takes a step at `factor` of the full rates, and moves the average towards the parameters.
    pub(super) fn step(&mut self, text: &Stream, factor: f32) {
        let Loss { bits, tokens } = self.trainer.step(text, factor);
        self.since.0 += bits;
        self.since.1 += tokens as u64;
        let steps = self.trainer.state().steps as f32;
        // At first the average quickly forgets the random start.
        let weight = (9.0 / (steps + 9.0)).max(0.005);
        for (average, &parameter) in self.average.iter_mut().zip(self.trainer.parameters()) {
            *average += (parameter - *average) * weight;
        }
    }

    /// Adds a point to the curve, and keeps the parameters or their average if they are the best so far. The training text
    /// has `train_per_byte` tokens per byte.
    pub(super) fn measure(&mut self, heldout: &Stream, train_per_byte: f64, seconds: f64) {
        let train = self.since.0 / self.since.1.max(1) as f64 * train_per_byte;
        self.since = (0.0, 0);
        let per_byte = heldout.predicted() as f64 / heldout.bytes.max(1) as f64;
        let mut lowest = f64::INFINITY;
        for parameters in [self.trainer.parameters().to_vec(), self.average.clone()] {
            let loss = self.trainer.evaluate(heldout, &parameters);
            if loss.tokens == 0 {
                continue;
            }
            let cost = loss.bits / loss.tokens as f64 * per_byte;
            lowest = lowest.min(cost);
            if self.best.as_ref().is_none_or(|(best, _)| cost < *best) {
                self.best = Some((cost, parameters));
            }
        }
        self.curve.push(Point {
            tokens: self.trainer.tokens(),
            seconds,
            train,
            heldout: lowest,
        });
    }

    /// Whether the net memorises its text.
    pub(super) fn is_overfitted(&self) -> bool {
        is_overfitted(&self.curve)
    }

    /// The state of the run whose fingerprint is `run`.
    pub(super) fn checkpoint(&self, tokenizer_json: &[u8], seconds: f64, run: u64) -> Checkpoint {
        Checkpoint {
            config: self.trainer.layout().config.clone(),
            tokenizer_json: tokenizer_json.to_vec(),
            parameters: self.trainer.parameters().to_vec(),
            state: self.trainer.state().clone(),
            average: self.average.clone(),
            best: self.best.clone(),
            curve: self.curve.clone(),
            since: self.since,
            seconds,
            run,
        }
    }
}

/// Whether held-out text keeps costing more, and training text does not.
fn is_overfitted(curve: &[Point]) -> bool {
    let best = curve.iter().min_by(|a, b| a.heldout.total_cmp(&b.heldout));
    let (cost, tokens) = OVERFITTED;
    curve.last().zip(best).is_some_and(|(last, best)| {
        last.heldout > cost * best.heldout
            && last.train < best.train
            && last.tokens as f64 > tokens * best.tokens as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_more_only_held_out_is_memorised() {
        let curve = |points: &[(u64, f64, f64)]| -> Vec<Point> {
            let point = |&(tokens, train, heldout)| Point {
                tokens,
                seconds: 0.0,
                train,
                heldout,
            };
            points.iter().map(point).collect()
        };
        assert!(!is_overfitted(&[]));
        assert!(is_overfitted(&curve(&[(10, 2.0, 2.0), (16, 1.9, 2.21)])));
        // Not enough more, of cost or of tokens.
        assert!(!is_overfitted(&curve(&[(10, 2.0, 2.0), (16, 1.9, 2.19)])));
        assert!(!is_overfitted(&curve(&[(10, 2.0, 2.0), (15, 1.9, 2.21)])));
        // A finished net that is trained on with full rates.
        assert!(!is_overfitted(&curve(&[
            (10, 2.0, 2.0),
            (16, 2.1, 2.21),
            (22, 2.3, 2.4)
        ])));
    }
}
