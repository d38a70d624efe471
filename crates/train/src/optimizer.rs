//! The optimizer: Muon for the matrices between two vectors (Jordan et al., "Muon: an optimizer for hidden layers in neural
//! networks", 2024), Adam (Kingma and Ba, 2015) for all else.

use crate::matrix::{View, set_product};
use crate::parameters::{Kind, Layout, Tensor};

/// The rates at which parameters move, before the schedule's factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Of matrices: the spectral norm of a step.
    pub matrix: f32,
    /// Of embeddings.
    pub embedding: f32,
    /// Of the output head.
    pub head: f32,
    /// Of gains and sinks.
    pub scalars: f32,
    /// How fast parameters decay.
    pub decay: Decay,
}

/// The part of a parameter that is lost in a step, for each unit of its rate (decoupled weight decay: Loshchilov and Hutter,
/// 2019). What stands before a norm has no size of its own, and grows without end where nothing decays: until 16 bits no
/// longer hold its products.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decay {
    /// Of matrices.
    pub matrix: f32,
    /// Of the embedding of tokens and of the output head.
    pub table: f32,
    /// Of the table of pairs, most of whose rows are seldom seen.
    pub pairs: f32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            matrix: 0.04,
            embedding: 0.02,
            head: 0.008,
            scalars: 0.02,
            decay: Decay {
                matrix: 0.03,
                table: 0.02,
                pairs: 0.005,
            },
        }
    }
}

/// Momenta of all parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Steps taken.
    pub steps: u64,
    /// Means of gradients.
    pub first: Vec<f32>,
    /// Means of squared gradients; unused for matrices.
    pub second: Vec<f32>,
}

impl State {
    /// A fresh state for so many parameters.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self {
            steps: 0,
            first: vec![0.0; len],
            second: vec![0.0; len],
        }
    }
}

const ADAM_BETAS: (f32, f32) = (0.9, 0.95);
const ADAM_EPSILON: f32 = 1e-10;
const MUON_MOMENTUM: f32 = 0.95;

/// Moves the parameters against their gradients, on so many threads.
pub(crate) fn step(
    layout: &Layout,
    rates: &Rates,
    factor: f32,
    state: &mut State,
    gradients: &[f32],
    parameters: &mut [f32],
    threads: usize,
) {
    state.steps += 1;
    let steps = state.steps as i32;
    let corrections = (1.0 - ADAM_BETAS.0.powi(steps), 1.0 - ADAM_BETAS.1.powi(steps));
    // One job for each tensor, the largest first, so that threads finish together.
    let mut jobs = Vec::new();
    let (mut first, mut second, mut rest) = (&mut state.first[..], &mut state.second[..], parameters);
    for tensor in layout.tensors() {
        let len = tensor.range().len();
        let (a, b, c);
        (a, first) = first.split_at_mut(len);
        (b, second) = second.split_at_mut(len);
        (c, rest) = rest.split_at_mut(len);
        jobs.push((tensor, a, b, c));
    }
    jobs.sort_by_key(|(tensor, ..)| (tensor.kind == Kind::Matrix, tensor.range().len()));
    let jobs = std::sync::Mutex::new(jobs);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().map(|mut jobs| jobs.pop());
                    let Ok(Some((tensor, first, second, parameters))) = job else {
                        return;
                    };
                    let gradients = &gradients[tensor.range()];
                    let decay = &rates.decay;
                    let (rate, decay) = match (tensor.kind, tensor.name.as_str()) {
                        (Kind::Matrix, _) => (rates.matrix, decay.matrix),
                        (Kind::Scalars, _) => (rates.scalars, 0.0),
                        (Kind::Table, "head") => (rates.head, decay.table),
                        (Kind::Table, "bigram") => (rates.embedding, decay.pairs),
                        (Kind::Table, _) => (rates.embedding, decay.table),
                    };
                    let rate = rate * factor;
                    match tensor.kind {
                        Kind::Matrix => muon(tensor, rate, gradients, first, parameters),
                        _ => adam(rate, corrections, gradients, first, second, parameters),
                    }
                    let kept = 1.0 - rate * decay;
                    parameters.iter_mut().for_each(|parameter| *parameter *= kept);
                }
            });
        }
    });
}

fn adam(
    rate: f32,
    corrections: (f32, f32),
    gradients: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    parameters: &mut [f32],
) {
    let (b1, b2) = ADAM_BETAS;
    let step = rate / corrections.0;
    let inverse = 1.0 / corrections.1;
    let state = first.iter_mut().zip(second);
    for ((parameter, &gradient), (m, v)) in parameters.iter_mut().zip(gradients).zip(state) {
        *m += (gradient - *m) * (1.0 - b1);
        *v += (gradient * gradient - *v) * (1.0 - b2);
        *parameter -= step * *m / ((*v * inverse).sqrt() + ADAM_EPSILON);
    }
}

fn muon(tensor: &Tensor, rate: f32, gradients: &[f32], momentum: &mut [f32], parameters: &mut [f32]) {
    for (m, &gradient) in momentum.iter_mut().zip(gradients) {
        *m += (gradient - *m) * (1.0 - MUON_MOMENTUM);
    }
    // Nesterov's look ahead.
    let mut update: Vec<f32> = momentum
        .iter()
        .zip(gradients)
        .map(|(&m, &gradient)| m + (gradient - m) * (1.0 - MUON_MOMENTUM))
        .collect();
    let (rows, cols) = (tensor.rows, tensor.cols);
    if rows > cols {
        update = orthogonalize(transpose(&update, rows), cols);
        update = transpose(&update, cols);
    } else {
        update = orthogonalize(update, rows);
    }
    let step = rate * (rows as f32 / cols as f32).sqrt().max(1.0);
    for (parameter, update) in parameters.iter_mut().zip(update) {
        *parameter -= step * update;
    }
}

fn transpose(x: &[f32], rows: usize) -> Vec<f32> {
    let cols = x.len() / rows;
    (0..cols)
        .flat_map(|col| (0..rows).map(move |row| x[row * cols + col]))
        .collect()
}

/// The nearest matrix with orthonormal rows, roughly: all singular values come near 1 by a Newton-Schulz iteration.
fn orthogonalize(mut x: Vec<f32>, rows: usize) -> Vec<f32> {
    const STEPS: usize = 5;
    const COEFFICIENTS: (f32, f32, f32) = (3.4445, -4.775, 2.0315);
    let norm = x.iter().map(|x| x * x).sum::<f32>().sqrt();
    let inverse = 1.0 / (norm + 1e-20);
    x.iter_mut().for_each(|x| *x *= inverse);
    let (a, b, c) = COEFFICIENTS;
    let mut gram = vec![0.0; rows * rows];
    let mut polynomial = vec![0.0; rows * rows];
    let mut product = vec![0.0; x.len()];
    for _ in 0..STEPS {
        set_product(&mut gram, View::new(&x, rows), View::new(&x, rows).transposed());
        set_product(&mut polynomial, View::new(&gram, rows), View::new(&gram, rows));
        for (p, &g) in polynomial.iter_mut().zip(&gram) {
            *p = b * g + c * *p;
        }
        set_product(&mut product, View::new(&polynomial, rows), View::new(&x, rows));
        for (x, &p) in x.iter_mut().zip(&product) {
            *x = a * *x + p;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use czip_model::v2::Config;

    /// Without a gradient, parameters but scalars shrink by their share of the rate.
    #[test]
    fn parameters_decay() {
        let layout = Layout::new(&Config {
            vocab_size: 300,
            layers: 1,
            d_model: 64,
            heads: 1,
            d_ff: 96,
            window: 24,
            bigram_buckets: 64,
            bigram_width: 32,
        });
        let rates = Rates::default();
        let mut parameters = vec![2.0; layout.len()];
        let gradients = vec![0.0; layout.len()];
        let mut state = State::new(layout.len());
        step(&layout, &rates, 0.5, &mut state, &gradients, &mut parameters, 2);
        for tensor in layout.tensors() {
            let lost = match tensor.name.as_str() {
                "embed" => rates.embedding * rates.decay.table,
                "bigram" => rates.embedding * rates.decay.pairs,
                "head" => rates.head * rates.decay.table,
                _ if tensor.kind == Kind::Scalars => 0.0,
                _ => rates.matrix * rates.decay.matrix,
            };
            for &parameter in &parameters[tensor.range()] {
                assert!(
                    (parameter - 2.0 * (1.0 - 0.5 * lost)).abs() < 1e-6,
                    "{}",
                    tensor.name
                );
            }
        }
    }
}
