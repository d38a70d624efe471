//! Steps of training: a stream of tokens goes in; the parameters of a net change.

use std::thread;

use czip_model::v2::{Config, Weights};

use crate::device::Device;
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;
use crate::graph::{self, Loss, Net, Numerics, Workspace};
use crate::optimizer::{self, Rates, State};
use crate::parameters::{Layout, Random};
use crate::stream::{Prepared, Stream};
#[cfg(feature = "gpu")]
use crate::tape::Sequence;

/// How a net is trained, apart from its sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyperparameters {
    /// Tokens predicted in one sequence.
    pub sequence_len: usize,
    /// Sequences in one step.
    pub batch_size: usize,
    /// Learning rates and weight decay.
    pub rates: Rates,
    /// The seed of the initial parameters and of the order of texts.
    pub seed: u64,
    /// Threads. Sums over threads are rounded, so the last bits of the result depend on their number.
    pub threads: usize,
    /// The numbers that the net computes in.
    pub numerics: Numerics,
}

impl Default for Hyperparameters {
    /// Sequences of 1,024 tokens, eight in a step, on one thread, in integers.
    fn default() -> Self {
        Self {
            sequence_len: 1024,
            batch_size: 8,
            rates: Rates::default(),
            seed: 0,
            threads: 1,
            numerics: Numerics::Integers,
        }
    }
}

/// A net in training.
#[derive(Debug)]
pub struct Trainer {
    layout: Layout,
    hyperparameters: Hyperparameters,
    parameters: Vec<f32>,
    state: State,
    device: Device,
    workers: Vec<Worker>,
    order: Order,
}

/// The order of sequences in one pass through the text.
#[derive(Debug, Default)]
struct Order {
    epoch: u64,
    /// Each pass begins at another token, so sequences are cut at other places.
    offset: usize,
    indices: Vec<u32>,
    next: usize,
}

impl Order {
    /// The random numbers of a pass, and the token at which it begins.
    fn start(stream: &Stream, hyperparameters: &Hyperparameters, epoch: u64) -> (Random, usize) {
        let mut random = Random(hyperparameters.seed ^ epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let most = hyperparameters.sequence_len.min(stream.tokens.len() / 2).max(1);
        let offset = if epoch == 0 { 0 } else { random.below(most) };
        (random, offset)
    }

    fn new(stream: &Stream, hyperparameters: &Hyperparameters, epoch: u64) -> Self {
        let (mut random, offset) = Self::start(stream, hyperparameters, epoch);
        let mut indices: Vec<u32> =
            (0..stream.sequence_count(offset, hyperparameters.sequence_len) as u32).collect();
        random.shuffle(&mut indices);
        Self {
            epoch,
            offset,
            indices,
            next: 0,
        }
    }
}

#[derive(Debug, Default)]
struct Worker {
    workspace: Workspace,
    prepared: Prepared,
    gradients: Vec<f32>,
}

impl Trainer {
    /// A fresh net.
    #[must_use]
    pub fn new(config: &Config, hyperparameters: Hyperparameters) -> Self {
        let layout = Layout::new(config);
        let parameters = layout.initial(hyperparameters.seed);
        Self::from_parameters(layout, hyperparameters, parameters)
    }

    /// A net to train on.
    ///
    /// # Panics
    ///
    /// If there are not as many parameters as the layout has.
    #[must_use]
    pub fn from_parameters(layout: Layout, hyperparameters: Hyperparameters, parameters: Vec<f32>) -> Self {
        let state = State::new(layout.len());
        Self::from_state(layout, hyperparameters, parameters, state)
    }

    /// A net in the middle of training; [`Trainer::seek`] finds the place in the text.
    ///
    /// # Panics
    ///
    /// If there are not as many parameters or momenta as the layout has.
    #[must_use]
    pub fn from_state(
        layout: Layout,
        hyperparameters: Hyperparameters,
        parameters: Vec<f32>,
        state: State,
    ) -> Self {
        for numbers in [&parameters, &state.first, &state.second] {
            assert_eq!(numbers.len(), layout.len(), "parameters and momenta");
        }
        Self {
            workers: (0..hyperparameters.threads.max(1))
                .map(|_| Worker::default())
                .collect(),
            layout,
            hyperparameters,
            parameters,
            state,
            device: Device::default(),
            order: Order::default(),
        }
    }

    /// The same trainer with gradients from this device. Nets in floats, which are only for comparison, stay on the CPU.
    #[must_use]
    pub fn on(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// The layout of the parameters.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How it is trained.
    #[must_use]
    pub const fn hyperparameters(&self) -> &Hyperparameters {
        &self.hyperparameters
    }

    /// What computes the gradients.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The state of the optimizer.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Tokens trained on so far.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.state.steps * (self.hyperparameters.sequence_len * self.hyperparameters.batch_size) as u64
    }

    /// The current parameters as the integers of a model.
    #[must_use]
    pub fn weights(&self) -> Weights {
        self.layout.quantize(&self.parameters).0
    }

    /// Moves to the place in the order of sequences that a run is at after as many steps.
    pub fn seek(&mut self, stream: &Stream) {
        let mut left = self.state.steps * self.hyperparameters.batch_size as u64;
        let sequences = |epoch| {
            let (_, offset) = Order::start(stream, &self.hyperparameters, epoch);
            stream.sequence_count(offset, self.hyperparameters.sequence_len) as u64
        };
        let (mut epoch, mut count) = (0, sequences(0));
        while count > 0 && left > count {
            left -= count;
            epoch += 1;
            count = sequences(epoch);
        }
        let mut order = Order::new(stream, &self.hyperparameters, epoch);
        order.next = left as usize;
        self.order = order;
    }

    /// The sequences of the next step: the offset and index of each.
    fn take(&mut self, stream: &Stream) -> Vec<(usize, usize)> {
        if self.order.indices.is_empty() {
            self.order = Order::new(stream, &self.hyperparameters, 0);
        }
        let mut taken = Vec::with_capacity(self.hyperparameters.batch_size);
        while taken.len() < self.hyperparameters.batch_size && !self.order.indices.is_empty() {
            if self.order.next == self.order.indices.len() {
                self.order = Order::new(stream, &self.hyperparameters, self.order.epoch + 1);
            }
            taken.push((self.order.offset, self.order.indices[self.order.next] as usize));
            self.order.next += 1;
        }
        taken
    }

    /// One step at `factor` of the full rates; returns the cost of its batch before it.
    ///
    /// # Panics
    ///
    /// If the gradients come from a GPU, and it fails.
    pub fn step(&mut self, stream: &Stream, factor: f32) -> Loss {
        let sequences = self.take(stream);
        let loss = self.backward(stream, &sequences);
        let gradients = &mut self.workers[0].gradients;
        let scale = 1.0 / loss.tokens.max(1) as f32;
        gradients.iter_mut().for_each(|gradient| *gradient *= scale);
        optimizer::step(
            &self.layout,
            &self.hyperparameters.rates,
            factor,
            &mut self.state,
            gradients,
            &mut self.parameters,
            self.hyperparameters.threads.max(1),
        );
        loss
    }

    /// The cost of sequences. Its gradients are left with the first worker.
    fn backward(&mut self, stream: &Stream, sequences: &[(usize, usize)]) -> Loss {
        #[cfg(feature = "gpu")]
        if self.hyperparameters.numerics == Numerics::Integers
            && let Some(gpu) = &self.device().gpu
        {
            return self.backward_on(&gpu.clone(), stream, sequences);
        }
        let len = self.hyperparameters.sequence_len;
        let net = Net::new(&self.layout, &self.parameters, len, self.hyperparameters.numerics);
        let parameters = self.layout.len();
        let loss = on_all(&mut self.workers, sequences, |worker, sequences| {
            worker.gradients.clear();
            worker.gradients.resize(parameters, 0.0);
            let mut loss = Loss::default();
            for &(offset, index) in sequences {
                stream.prepare(offset, index, len, &mut worker.prepared);
                let sequence = worker.prepared.sequence(stream);
                loss += net.backward(&sequence, &mut worker.workspace, &mut worker.gradients);
            }
            loss
        });
        let (first, rest) = self.workers.split_at_mut(1);
        let gradients = &mut first[0].gradients;
        for worker in rest {
            for (sum, &gradient) in gradients.iter_mut().zip(&worker.gradients) {
                *sum += gradient;
            }
        }
        loss
    }

    #[cfg(feature = "gpu")]
    fn backward_on(&mut self, gpu: &Gpu, stream: &Stream, sequences: &[(usize, usize)]) -> Loss {
        let prepare = |&(offset, index): &(usize, usize)| {
            let mut prepared = Prepared::default();
            stream.prepare(offset, index, self.hyperparameters.sequence_len, &mut prepared);
            prepared
        };
        let prepared: Vec<Prepared> = sequences.iter().map(prepare).collect();
        let sequences: Vec<_> = prepared
            .iter()
            .map(|prepared| prepared.sequence(stream))
            .collect();
        let gradients = &mut self.workers[0].gradients;
        gradients.clear();
        gradients.resize(self.layout.len(), 0.0);
        gpu.backward(&self.layout, &self.parameters, &sequences, gradients)
    }

    /// The cost of a text with some parameters, in the chosen numerics: usually in the integers that they stand for.
    pub fn evaluate(&mut self, stream: &Stream, parameters: &[f32]) -> Loss {
        let len = self.hyperparameters.sequence_len;
        let net = Net::new(&self.layout, parameters, len, self.hyperparameters.numerics);
        let sequences: Vec<usize> = (0..stream.sequence_count(0, len)).collect();
        on_all(&mut self.workers, &sequences, |worker, sequences| {
            let mut loss = Loss::default();
            for &index in sequences {
                stream.prepare(0, index, len, &mut worker.prepared);
                let sequence = worker.prepared.sequence(stream);
                net.forward(&sequence, &mut worker.workspace);
                loss += net.loss(&sequence, &mut worker.workspace);
            }
            loss
        })
    }

    /// The logits after each token, in 1/256 octaves, as the trainer computes them: `[tokens, vocab]`.
    #[must_use]
    pub fn logits(&self, parameters: &[f32], tokens: &[u32]) -> Vec<i32> {
        graph::logits(&self.layout.quantize(parameters).0, tokens)
    }
}

/// Gives each worker an equal group of consecutive items, and adds up their losses in order.
fn on_all<T: Sync>(
    workers: &mut [Worker],
    items: &[T],
    work: impl Fn(&mut Worker, &[T]) -> Loss + Sync,
) -> Loss {
    let each = items.len().div_ceil(workers.len()).max(1);
    let groups = items.chunks(each).chain(std::iter::repeat(&[][..]));
    let losses: Vec<Loss> = thread::scope(|scope| {
        let handles: Vec<_> = workers
            .iter_mut()
            .zip(groups)
            .map(|(worker, items)| {
                let work = &work;
                scope.spawn(move || work(worker, items))
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| match handle.join() {
                Ok(loss) => loss,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    });
    let mut loss = Loss::default();
    losses.into_iter().for_each(|one| loss += one);
    loss
}
