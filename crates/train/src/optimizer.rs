//! The optimizer: gradients and its state go in; the parameters and the state change.
//!
//! Matrices between two vectors are moved by Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural
//! networks", 2024), everything else by Adam (Kingma and Ba, "Adam: a method for stochastic optimization", 2015).

use crate::matrix::{View, set_product};
use crate::parameters::{Kind, Layout, Tensor};

/// Learning rates, before the schedule's factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Of matrices: the spectral norm of a step.
    pub matrix: f32,
    /// Of embeddings.
    pub embedding: f32,
    /// Of the output head.
    pub head: f32,
    /// Of gains and attention sinks.
    pub scalars: f32,
    /// Weight decay.
    pub decay: Decay,
}

/// The part of a parameter that is lost in a step, per unit of its learning rate (decoupled weight decay: Loshchilov
/// and Hutter, 2019). The scale of a matrix in front of a norm has no effect, so without decay it grows without end,
/// until 16 bits no longer hold the products.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decay {
    /// Of matrices.
    pub matrix: f32,
    /// Of the token embeddings and of the output head.
    pub table: f32,
    /// Of the bigram embeddings, most of whose rows are seldom used.
    pub bigram: f32,
}

impl Rates {
    /// All learning rates times `factor`. What decays in a step follows from them.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        Self {
            matrix: factor * self.matrix,
            embedding: factor * self.embedding,
            head: factor * self.head,
            scalars: factor * self.scalars,
            decay: self.decay,
        }
    }
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
                bigram: 0.005,
            },
        }
    }
}

/// The state of the optimizer: two moments of each parameter's gradient.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Steps taken.
    pub steps: u64,
    /// Running means of the gradients, `[parameters]`.
    pub first: Vec<f32>,
    /// Running means of the squared gradients, `[parameters]`; unused for matrices.
    pub second: Vec<f32>,
}

impl State {
    /// A fresh state for this many parameters.
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

/// Moves the parameters against their gradients at `factor` of the learning rates, on this many threads. The number of
/// threads does not change the result.
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
    // One job for each tensor, the largest first, so threads finish together.
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
                    let (rate, decay) = rate_and_decay(tensor, rates);
                    let rate = rate * factor;
                    let gradients = &gradients[tensor.range()];
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

/// A tensor's learning rate and weight decay.
fn rate_and_decay(tensor: &Tensor, rates: &Rates) -> (f32, f32) {
    let decay = &rates.decay;
    match (tensor.kind, tensor.name.as_str()) {
        (Kind::Matrix, _) => (rates.matrix, decay.matrix),
        (Kind::Scalars, _) => (rates.scalars, 0.0),
        (Kind::Table, "head") => (rates.head, decay.table),
        (Kind::Table, "bigram") => (rates.embedding, decay.bigram),
        (Kind::Table, _) => (rates.embedding, decay.table),
    }
}

/// A step of Adam. `corrections` are 1 - β^t of both moments, which begin at zero.
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

/// A step of Muon: the direction is that of the momentum, with all its singular values brought near 1.
fn muon(tensor: &Tensor, rate: f32, gradients: &[f32], momentum: &mut [f32], parameters: &mut [f32]) {
    for (m, &gradient) in momentum.iter_mut().zip(gradients) {
        *m += (gradient - *m) * (1.0 - MUON_MOMENTUM);
    }
    // Nesterov's momentum.
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

/// Roughly the nearest matrix with orthonormal rows: a Newton-Schulz iteration brings all singular values near 1.
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

    fn layout() -> Layout {
        Layout::new(&Config {
            vocab_size: 300,
            layers: 1,
            d_model: 64,
            heads: 1,
            d_ff: 96,
            window: 24,
            bigram_buckets: 64,
            bigram_width: 32,
        })
    }

    /// Asserts that each number is as near to the expected one.
    fn assert_within(tolerance: f64, found: &[f32], expected: &[f64], what: &str) {
        assert_eq!(found.len(), expected.len());
        for (&found, &expected) in found.iter().zip(expected) {
            let difference = (f64::from(found) - expected).abs();
            assert!(difference < tolerance, "{what}: {found}, not {expected}");
        }
    }

    /// Three steps by hand: first moments 0.2, 0.08 and 0.122; second moments 0.2, 0.24 and 0.2405; divided by 0.1, 0.19
    /// and 0.271 and by 0.05, 0.0975 and 0.142625.
    #[test]
    fn adam_takes_the_steps_of_its_paper() {
        let layout = layout();
        let none = Decay {
            matrix: 0.0,
            table: 0.0,
            bigram: 0.0,
        };
        let rates = Rates {
            matrix: 0.0,
            embedding: 0.2,
            head: 0.2,
            scalars: 0.2,
            decay: none,
        };
        let mut parameters = vec![1.0; layout.len()];
        let mut state = State::new(layout.len());
        let expected = [
            (2.0, 0.9, 0.2, 0.2),
            (-1.0, 0.873_163_055, 0.08, 0.24),
            (0.5, 0.838_494_892, 0.122, 0.2405),
        ];
        for (gradient, parameter, first, second) in expected {
            let gradients = vec![gradient; layout.len()];
            step(&layout, &rates, 0.5, &mut state, &gradients, &mut parameters, 1);
            for tensor in layout.tensors().filter(|tensor| tensor.kind != Kind::Matrix) {
                let at = tensor.range().end - 1;
                let found = [parameters[at], state.first[at], state.second[at]];
                assert_within(2e-6, &found, &[parameter, first, second], &tensor.name);
            }
        }
        assert_eq!(state.steps, 3);
        // A gradient far below the others moves its parameter just as far, down to the epsilon of 1e-10.
        let (mut first, mut second, mut parameter) = ([0.0], [0.0], [0.0]);
        adam(
            1.0,
            (0.1, 0.05),
            &[1e-10],
            &mut first,
            &mut second,
            &mut parameter,
        );
        assert_within(2e-6, &parameter, &[-0.5], "epsilon");
    }

    /// The polynomial that the iteration applies to each singular value s of a matrix of norm 1, five times:
    /// 3.4445 s - 4.775 s^3 + 2.0315 s^5.
    fn newton_schulz(s: f64) -> f64 {
        // Some machines round the factors of products to bf16, which may change the result by a fifth.
        let is_rounded = czip_bf16::Products::detect().is_some();
        let factor = |x: f64| {
            let bits = (x as f32).to_bits();
            let nearest = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
            if is_rounded {
                f32::from_bits(nearest).into()
            } else {
                x
            }
        };
        (0..5).fold(s, |s, _| {
            let square = factor(s) * factor(s);
            let fourth = factor(square) * factor(square);
            3.4445 * s + factor(-4.775 * square + 2.0315 * fourth) * factor(s)
        })
    }

    #[test]
    fn muon_brings_singular_values_near_one() {
        // Singular values 3 and 4, of norm 5.
        let first_step = [0.6, 0.8].map(newton_schulz);
        assert!(first_step.iter().all(|s| (0.69..1.14).contains(s)));
        if czip_bf16::Products::detect().is_none() {
            assert!((first_step[0] - 0.722_876_169).abs() < 1e-9);
            assert!((first_step[1] - 1.119_203_930).abs() < 1e-9);
        }
        // Momenta 0.05 g; then 0.0475 g + 0.05 h. Looking ahead, the direction is 0.045125 g + 0.0975 h.
        let norm = 0.525_375_f64.hypot(0.112);
        let second_step = [newton_schulz(0.525_375 / norm), -newton_schulz(0.112 / norm)];
        for (rows, cols) in [(2, 3), (2, 2), (3, 2)] {
            let mut tensor = layout().layers[0].up.clone();
            (tensor.rows, tensor.cols) = (rows, cols);
            let diagonal = |a: f32, b: f32| {
                let mut matrix = vec![0.0; rows * cols];
                (matrix[0], matrix[cols + 1]) = (a, b);
                matrix
            };
            let (mut momentum, mut parameters) = (diagonal(0.0, 0.0), diagonal(0.0, 0.0));
            // Tall matrices take longer steps.
            let rate = 0.1 * if rows > cols { 1.5_f64.sqrt() } else { 1.0 };
            muon(&tensor, 0.1, &diagonal(3.0, 4.0), &mut momentum, &mut parameters);
            assert_within(2e-6, &[momentum[0], momentum[cols + 1]], &[0.15, 0.2], "momentum");
            let expected = first_step.map(|s| -rate * s);
            let at = [0, cols + 1];
            assert_within(1e-4, &at.map(|at| parameters[at]), &expected, "first step");
            muon(&tensor, 0.1, &diagonal(4.0, -3.0), &mut momentum, &mut parameters);
            let expected = [0, 1].map(|i| expected[i] - rate * second_step[i]);
            assert_within(1e-4, &at.map(|at| parameters[at]), &expected, "second step");
            assert!((0..rows * cols).all(|i| at.contains(&i) || parameters[i] == 0.0));
        }
    }

    #[test]
    fn threads_do_not_change_a_step() {
        let layout = layout();
        let mut random = crate::parameters::Random(3);
        let gradients: Vec<f32> = (0..layout.len()).map(|_| random.normal()).collect();
        let stepped = |threads| {
            let (mut parameters, mut state) = (vec![0.5; layout.len()], State::new(layout.len()));
            step(
                &layout,
                &Rates::default(),
                1.0,
                &mut state,
                &gradients,
                &mut parameters,
                threads,
            );
            (parameters, state)
        };
        assert_eq!(stepped(3), stepped(1));
    }

    /// Without a gradient, all parameters but the scalars shrink by their share of the rate.
    #[test]
    fn parameters_decay() {
        let layout = layout();
        let rates = Rates::default();
        let mut parameters = vec![2.0; layout.len()];
        let gradients = vec![0.0; layout.len()];
        let mut state = State::new(layout.len());
        step(&layout, &rates, 0.5, &mut state, &gradients, &mut parameters, 2);
        for tensor in layout.tensors() {
            let lost = match tensor.name.as_str() {
                "embed" => rates.embedding * rates.decay.table,
                "bigram" => rates.embedding * rates.decay.bigram,
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
