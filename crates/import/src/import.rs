//! From a source to the integers of a model of version 3.
//!
//! Everything that decides a byte is computed with sums, products, quotients and square roots of f64, in a fixed order,
//! which are the same on every machine.

use std::collections::BTreeMap;
use std::f64::consts::LOG2_E;
use std::io::Write;
use std::ops::ControlFlow;

use czip_model::v3::{self, Config, Contents, Layer, Matrix, MatrixKind, StreamError, Weights};
use czip_model::{AnyTransformer, Kernels};
use czip_tokenizer::Tokenizer;

use crate::error::Error;
use crate::frequencies;
use crate::layer::FloatLayer;
use crate::net::Net;
use crate::priors;
use crate::quantize::{self, VECTOR_SCALE};
use crate::rows::Rows;
use crate::source::Source;
use crate::store::{LayerRole, Role};
use crate::turn::Turn;

/// Units of a score or logit for a natural unit: 1/256 octaves.
const LOGIT_SCALE: f64 = 256.0 * LOG2_E;
/// The most elements that are worked on at once.
const PART_LEN: usize = 1 << 24;

/// What an importer may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Positions of the window. If none is given: 1,024, or fewer if the net was made for fewer.
    pub window: Option<usize>,
    /// First positions that stay in view.
    pub sinks: usize,
    /// Whether each of [`MatrixKind::ALL`] takes inputs of 16 bits.
    pub wide_inputs: [bool; 5],
    /// Fraction bits of the residual. With 12, its elements may be up to 65,536 in magnitude.
    pub residual_bits: u32,
    /// The token that a text begins with, if not the source's.
    pub start_token: Option<u32>,
    /// Threads to work with; 0 for as many as there are cores. The result does not depend on it.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: None,
            sinks: 4,
            wide_inputs: MatrixKind::ALL.map(|kind| kind == MatrixKind::Down),
            residual_bits: 12,
            start_token: None,
            threads: 0,
        }
    }
}

/// A model in integers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The weights.
    pub weights: Weights,
    /// The tokenizer's JSON.
    pub tokenizer_json: Vec<u8>,
    /// Priors of the mixer in their stored form: at first those that this crate has, which suit any vocabulary.
    pub mixing_priors: Vec<Vec<u8>>,
    /// How often each symbol is to be expected, uint16 `[vocab]`: at first nothing is known of it.
    pub mixing_weights: Option<Vec<u16>>,
    /// What the file will say of itself: `name`, `licence`, and where it comes from.
    pub facts: BTreeMap<String, String>,
}

impl Imported {
    /// The bytes of a model file.
    ///
    /// # Errors
    ///
    /// Those of [`Contents::to_bytes`].
    pub fn into_bytes(self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes a model file, without a copy of it in memory. Returns its length, and the weights, which [`net`] takes.
    ///
    /// # Errors
    ///
    /// [`Error::Write`], and those of [`Contents::write_to`].
    pub fn write_to(self, writer: &mut impl Write) -> Result<(u64, Weights), Error> {
        let mut contents = Contents::new(self.weights, &self.tokenizer_json);
        contents.mixing_priors = self.mixing_priors;
        contents.mixing_weights = self.mixing_weights;
        contents.facts = self.facts;
        let len = contents.write_to(writer).map_err(|error| match error {
            StreamError::Io(error) => Error::Write(error),
            StreamError::Invalid(error) => error.into(),
            _ => unreachable!("every reason is named"),
        })?;
        Ok((len, contents.weights))
    }

    /// The tokenizer.
    ///
    /// # Errors
    ///
    /// [`Error::Split`] if it has more tokens, or longer ones, than a tokenizer may have.
    pub fn tokenizer(&self) -> Result<Tokenizer, Error> {
        Ok(Tokenizer::from_json(&self.tokenizer_json)?)
    }
}

/// The net of imported weights, ready to run on this machine.
#[must_use]
pub fn net(weights: Weights) -> AnyTransformer {
    v3::Transformer::new(Kernels::detect(), weights).into()
}

/// Makes integers of a source's weights. `progress` is called with the number of weights that are done, and that of all, and
/// may end the work. It is called from another thread than the caller's.
///
/// # Errors
///
/// [`Error::Option`] for options that the model does not allow, [`Error::BadTensor`] for weights that the format cannot
/// hold, [`Error::Io`] if a file cannot be read, [`Error::Stopped`] if `progress` has ended the work.
pub fn import(
    source: &Source,
    options: &Options,
    progress: &(dyn Fn(u64, u64) -> ControlFlow<()> + Sync),
) -> Result<Imported, Error> {
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(Error::Threads)?;
    threads.install(|| Importer::new(source, options, progress)?.run())
}

struct Importer<'i> {
    source: &'i Source,
    net: &'i Net,
    config: Config,
    /// Units of the residual for 1.
    residual_scale: f64,
    turn: Turn,
    head_turn: Turn,
    progress: &'i (dyn Fn(u64, u64) -> ControlFlow<()> + Sync),
    done: u64,
}

impl<'i> Importer<'i> {
    fn new(
        source: &'i Source,
        options: &Options,
        progress: &'i (dyn Fn(u64, u64) -> ControlFlow<()> + Sync),
    ) -> Result<Self, Error> {
        let net = &source.0.net;
        Ok(Self {
            source,
            net,
            config: config(source, options)?,
            residual_scale: quantize::power_of_two(options.residual_bits as i32),
            turn: Turn::with_signs(net.config.d_model),
            head_turn: Turn::new(net.config.head_dim),
            progress,
            done: 0,
        })
    }

    fn run(mut self) -> Result<Imported, Error> {
        let frequencies = self.frequencies()?;
        let ones = vec![1.0; self.config.d_model];
        let embedding = self.table(Role::Embedding, &ones, self.residual_scale)?;
        let layers: Result<Vec<Layer>, Error> =
            (0..self.config.layers).map(|layer| self.layer(layer)).collect();
        let layers = layers?;
        let gains = self.vector(Role::HeadNorm)?;
        let head = if self.net.config.tied {
            Role::Embedding
        } else {
            Role::Head
        };
        let head = self.table(head, &gains, LOGIT_SCALE)?;
        Ok(Imported {
            tokenizer_json: self
                .source
                .0
                .vocabulary
                .to_json(self.source.name().unwrap_or_default())?,
            mixing_priors: vec![priors::GENERAL.to_vec()],
            mixing_weights: None,
            facts: self.source.facts(),
            weights: Weights {
                config: self.config,
                frequencies,
                embedding,
                layers,
                head,
            },
        })
    }

    /// Turns of each pair for each position, in 1/2^32.
    fn frequencies(&self) -> Result<Vec<u32>, Error> {
        let radians = self.net.frequencies()?;
        let turns: Option<Vec<u32>> = radians.into_iter().map(frequencies::turns).collect();
        turns.ok_or_else(|| Error::Malformed {
            place: "rotations".to_owned(),
            reason: "not all frequencies are less than a turn for each position".to_owned(),
        })
    }

    fn advance(&mut self, weights: usize) -> Result<(), Error> {
        self.done += weights as u64;
        match (self.progress)(self.done, self.config.parameters() as u64) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }

    fn vector(&self, role: Role) -> Result<Vec<f32>, Error> {
        Ok(self.net.store.read(role)?.numbers)
    }

    /// A matrix with a row for each token, and its columns multiplied by gains.
    fn table(&mut self, role: Role, gains: &[f32], scale: f64) -> Result<Matrix, Error> {
        let (store, name) = (&self.net.store, self.net.store.name(role));
        let count = self.source.0.vocabulary.source_len();
        let extra = self.source.0.vocabulary.missing_len();
        let mut sums = vec![0.0; self.config.d_model];
        let mut matrix = Matrix::default();
        let step = (PART_LEN / self.config.d_model).max(1);
        for first in (0..count).step_by(step) {
            let mut rows = store.read_rows(role, first..count.min(first + step))?;
            if extra > 0 {
                rows.add_to(&mut sums);
            }
            rows.fold_and_turn(gains, &self.turn);
            quantize::append(&mut matrix, &rows, scale, name)?;
            self.advance(rows.numbers.len())?;
        }
        if extra > 0 {
            // Tokens that the net has never seen are like the mean of those that it has (Hewitt, 2021).
            let mean = sums.iter().map(|sum| (sum / count as f64) as f32);
            let mean: Vec<f32> = mean.collect();
            let mut rows = Rows {
                numbers: mean.repeat(extra),
                cols: self.config.d_model,
            };
            rows.fold_and_turn(gains, &self.turn);
            quantize::append(&mut matrix, &rows, scale, name)?;
            self.advance(rows.numbers.len())?;
        }
        Ok(matrix)
    }

    fn layer(&mut self, index: usize) -> Result<Layer, Error> {
        let name = |role| self.net.store.name(Role::Layer(index, role));
        let mut floats = FloatLayer::read(self.net, index)?;
        floats.fold_and_turn(&self.turn, &self.head_turn);
        let mut layer = Layer::default();
        let (residual, vectors) = (self.residual_scale, VECTOR_SCALE);
        let roles = [LayerRole::Query, LayerRole::Key, LayerRole::Value];
        for (rows, role) in floats.queries_keys_values.iter().zip(roles) {
            quantize::append(&mut layer.qkv, rows, vectors, name(role))?;
        }
        let roles = [LayerRole::QueryBias, LayerRole::KeyBias, LayerRole::ValueBias];
        for (biases, role) in floats.biases.iter().flatten().zip(roles) {
            if let Some(biases) = quantize::biases(&biases.numbers) {
                layer.qkv_bias.extend(biases);
            } else {
                return Err(too_large(name(role), "a bias of 65536 or more"));
            }
        }
        for (gains, (to, role)) in floats.head_gains.iter().flatten().zip([
            (&mut layer.query_gains, LayerRole::QueryNorm),
            (&mut layer.key_gains, LayerRole::KeyNorm),
        ]) {
            *to = quantize::gains(gains).ok_or_else(|| too_large(name(role), "a gain of 32 or more"))?;
        }
        quantize::append(&mut layer.out, &floats.out, residual, name(LayerRole::Out))?;
        for (rows, role) in floats.gate_up.iter().zip([LayerRole::Gate, LayerRole::Up]) {
            quantize::append(&mut layer.gate_up, rows, vectors, name(role))?;
        }
        quantize::append(&mut layer.down, &floats.down, residual, name(LayerRole::Down))?;
        for matrix in [&layer.qkv, &layer.out, &layer.gate_up, &layer.down] {
            self.advance(matrix.weights.len())?;
        }
        Ok(layer)
    }
}

fn too_large(name: &str, what: &str) -> Error {
    Error::BadTensor {
        name: name.to_owned(),
        reason: format!("has {what}"),
    }
}

/// The sizes and constants of the integer net.
fn config(source: &Source, options: &Options) -> Result<Config, Error> {
    let net = &source.0.net.config;
    let refuse = |option, value: usize, allowed: String| {
        Err(Error::Option {
            option,
            value: value as u64,
            allowed,
        })
    };
    if options.sinks > 16 {
        return refuse("sinks", options.sinks, "0 to 16".to_owned());
    }
    let most = net.context_len.saturating_sub(options.sinks).clamp(1, 1 << 13);
    let window = options.window.unwrap_or(most.min(1024));
    if !(1..=most).contains(&window) {
        return refuse("window", window, format!("1 to {most}"));
    }
    if !(9..=17).contains(&options.residual_bits) {
        return refuse(
            "residual_bits",
            options.residual_bits as usize,
            "9 to 17".to_owned(),
        );
    }
    let vocab_size = source.0.vocabulary.source_len() + source.0.vocabulary.missing_len();
    if vocab_size > 1 << 18 {
        return Err(Error::Size {
            what: "the size of the vocabulary",
            value: vocab_size as u64,
            allowed: "2 to 262144",
        });
    }
    let start_token = options.start_token.unwrap_or(source.0.start_token);
    if start_token as usize >= vocab_size {
        return refuse("start_token", start_token as usize, format!("below {vocab_size}"));
    }
    let epsilon = |len: usize, bits: u32| {
        let epsilon = (net.epsilon * len as f64 * quantize::power_of_two(bits as i32)).round_ties_even();
        if epsilon < 4_294_967_296.0 {
            Ok(epsilon as u32)
        } else {
            Err(Error::Malformed {
                place: "norms".to_owned(),
                reason: format!("the epsilon {} is too large", net.epsilon),
            })
        }
    };
    let (score_mantissa, score_exponent) =
        quantize::factor(LOGIT_SCALE / (net.head_dim as f64).sqrt(), 30).expect("a factor of 23 to 66");
    Ok(Config {
        vocab_size,
        layers: net.layers,
        d_model: net.d_model,
        heads: net.heads,
        kv_heads: net.kv_heads,
        head_dim: net.head_dim,
        rotary_dim: net.rotary_dim,
        d_ff: net.d_ff,
        window,
        sinks: options.sinks,
        start_token,
        wide_inputs: options.wide_inputs,
        qkv_bias: net.qkv_bias,
        head_norms: net.head_norms,
        epsilon: epsilon(net.d_model, 2 * options.residual_bits)?,
        head_epsilon: if net.head_norms {
            epsilon(net.head_dim, 24)?
        } else {
            0
        },
        score_mantissa,
        score_exponent,
    })
}
