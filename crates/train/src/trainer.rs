//! The training loop.

use czip_model::v2::{Config, Weights};

use crate::graph::{Loss, Net, Sequence, Tape};
use crate::optimizer::{self, Rates, State};
use crate::parameters::{Layout, Random};

/// What a training run is made of, besides the sizes of the net.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Tokens of a sequence.
    pub sequence: usize,
    /// Sequences of a step.
    pub batch: usize,
    /// Rates.
    pub rates: Rates,
    /// The seed of initial parameters and of the order of texts.
    pub seed: u64,
    /// Threads. The result depends on their number in the last bits.
    pub threads: usize,
}

/// A tokenised text of documents, each behind a start token.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The tokens.
    pub tokens: Vec<u16>,
    /// The start token.
    pub start_token: u16,
}

/// A sequence whose beginning is not that of a document predicts from too little for so many tokens, which do not count.
const UNCOUNTED: usize = 16;

impl Stream {
    /// Whole sequences of `len` tokens and one more.
    fn sequences(&self, len: usize) -> usize {
        self.tokens.len().saturating_sub(1) / len
    }

    fn prepare(&self, index: usize, len: usize, prepared: &mut Prepared) {
        let from = index * len;
        let to = (from + len + 1).min(self.tokens.len());
        prepared.from = from;
        prepared.to = to;
        prepared.starts.clear();
        prepared.counted.clear();
        let tokens = &self.tokens[from..to];
        let mut start = 0;
        for (position, &token) in tokens[..tokens.len() - 1].iter().enumerate() {
            if token == self.start_token {
                start = position as u32;
            }
            prepared.starts.push(start);
            let known = start > 0 || tokens[0] == self.start_token || position >= UNCOUNTED;
            prepared
                .counted
                .push(known && tokens[position + 1] != self.start_token);
        }
    }
}

#[derive(Default)]
struct Prepared {
    from: usize,
    to: usize,
    starts: Vec<u32>,
    counted: Vec<bool>,
}

/// A net in training.
pub struct Trainer {
    layout: Layout,
    plan: Plan,
    parameters: Vec<f32>,
    state: State,
    workers: Vec<Worker>,
    order: Vec<u32>,
    epoch: u64,
    next: usize,
}

#[derive(Default)]
struct Worker {
    tape: Tape,
    prepared: Prepared,
    gradients: Vec<f32>,
}

impl Trainer {
    /// A fresh net.
    #[must_use]
    pub fn new(config: &Config, plan: Plan) -> Self {
        let layout = Layout::new(config);
        let parameters = layout.initial(plan.seed);
        let state = State::new(layout.len());
        Self::from_state(layout, plan, parameters, state)
    }

    /// A net in the middle of training.
    #[must_use]
    pub fn from_state(layout: Layout, plan: Plan, parameters: Vec<f32>, state: State) -> Self {
        Self {
            workers: (0..plan.threads).map(|_| Worker::default()).collect(),
            layout,
            plan,
            parameters,
            state,
            order: Vec::new(),
            epoch: 0,
            next: 0,
        }
    }

    /// The layout of the parameters.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// Replaces the parameters.
    pub fn set_parameters(&mut self, parameters: &[f32]) {
        self.parameters.copy_from_slice(parameters);
    }

    /// The state of the optimizer.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The integers of the net as it is.
    #[must_use]
    pub fn weights(&self) -> Weights {
        self.layout.quantize(&self.parameters).0
    }

    /// Takes up the order of sequences where a run that has taken `steps` steps left it.
    pub fn seek(&mut self, stream: &Stream, steps: u64) {
        let all = stream.sequences(self.plan.sequence).max(1) as u64;
        let done = steps * self.plan.batch as u64;
        self.shuffle(all as usize, done / all);
        self.next = (done % all) as usize;
    }

    fn shuffle(&mut self, sequences: usize, epoch: u64) {
        self.epoch = epoch;
        self.order = (0..sequences as u32).collect();
        let mut random = Random(self.plan.seed ^ epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.shuffle(&mut self.order);
        self.next = 0;
    }

    fn take(&mut self, stream: &Stream) -> Vec<u32> {
        let all = stream.sequences(self.plan.sequence);
        let mut taken = Vec::with_capacity(self.plan.batch);
        while taken.len() < self.plan.batch && all > 0 {
            if self.order.len() != all {
                self.shuffle(all, 0);
            } else if self.next == all {
                self.shuffle(all, self.epoch + 1);
            }
            taken.push(self.order[self.next]);
            self.next += 1;
        }
        taken
    }

    /// One step at `factor` of the full rates; returns the cost of its batch before it.
    pub fn step(&mut self, stream: &Stream, factor: f32) -> Loss {
        let indices = self.take(stream);
        let len = self.plan.sequence;
        let net = Net::new(&self.layout, &self.parameters, len);
        let threads = self.workers.len();
        let parameters = self.layout.len();
        let mut loss = Loss::default();
        let losses: Vec<Loss> = std::thread::scope(|scope| {
            let handles: Vec<_> = self
                .workers
                .iter_mut()
                .enumerate()
                .map(|(thread, worker)| {
                    let (net, indices) = (&net, &indices);
                    scope.spawn(move || {
                        worker.gradients.clear();
                        worker.gradients.resize(parameters, 0.0);
                        let mut loss = Loss::default();
                        for &index in indices.iter().skip(thread).step_by(threads) {
                            stream.prepare(index as usize, len, &mut worker.prepared);
                            let sequence = worker.prepared.sequence(stream);
                            loss += net.backward(&sequence, &mut worker.tape, &mut worker.gradients);
                        }
                        loss
                    })
                })
                .collect();
            handles
                .into_iter()
                .filter_map(|handle| handle.join().ok())
                .collect()
        });
        losses.into_iter().for_each(|one| loss += one);
        let (first, rest) = self.workers.split_at_mut(1);
        let gradients = &mut first[0].gradients;
        let scale = 1.0 / loss.tokens.max(1) as f32;
        for worker in rest {
            for (sum, &gradient) in gradients.iter_mut().zip(&worker.gradients) {
                *sum += gradient;
            }
        }
        gradients.iter_mut().for_each(|gradient| *gradient *= scale);
        optimizer::step(
            &self.layout,
            &self.plan.rates,
            factor,
            &mut self.state,
            gradients,
            &mut self.parameters,
            threads,
        );
        loss
    }

    /// The cost of a text with these parameters, on all threads.
    pub fn evaluate(&mut self, stream: &Stream, parameters: &[f32]) -> Loss {
        let len = self.plan.sequence;
        let net = Net::new(&self.layout, parameters, len);
        let all = stream.sequences(len).max(1);
        let threads = self.workers.len();
        let mut loss = Loss::default();
        let losses: Vec<Loss> = std::thread::scope(|scope| {
            let handles: Vec<_> = self
                .workers
                .iter_mut()
                .enumerate()
                .map(|(thread, worker)| {
                    let net = &net;
                    scope.spawn(move || {
                        let mut loss = Loss::default();
                        for index in (thread..all).step_by(threads) {
                            stream.prepare(index, len, &mut worker.prepared);
                            let sequence = worker.prepared.sequence(stream);
                            net.forward(&sequence, &mut worker.tape);
                            loss += net.loss(&sequence, &mut worker.tape);
                        }
                        loss
                    })
                })
                .collect();
            handles
                .into_iter()
                .filter_map(|handle| handle.join().ok())
                .collect()
        });
        losses.into_iter().for_each(|one| loss += one);
        loss
    }
}

impl Prepared {
    fn sequence<'a>(&'a self, stream: &'a Stream) -> Sequence<'a> {
        Sequence {
            tokens: &stream.tokens[self.from..self.to],
            starts: &self.starts,
            counted: &self.counted,
        }
    }
}
