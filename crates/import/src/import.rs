//! From a source to the integers of a model of version 3.
//!
//! Everything that decides a byte is computed with sums, products, quotients and square roots of f64, in a fixed order,
//! which are the same on every machine.

use std::collections::BTreeMap;
use std::f64::consts::LOG2_E;

use czip_model::v3::{Config, Contents, Layer, Matrix, MatrixKind, Weights};

use crate::error::Error;
use crate::frequencies;
use crate::net::{Net, NetConfig, Scaling};
use crate::quantize;
use crate::rows::Rows;
use crate::source::Source;
use crate::store::{LayerRole, Role};
use crate::turn::Turn;

/// Units of queries, keys, values, gates and biases for 1.
const VECTOR_SCALE: f64 = 4096.0;
/// Units of gains of queries and keys for 1.
const GAIN_SCALE: f64 = 1024.0;
/// Units of a score or logit for a natural unit: 1/256 octaves.
const LOGIT_SCALE: f64 = 256.0 * LOG2_E;
/// The largest magnitude of a bias.
const MAX_BIAS: f64 = ((1 << 28) - 1) as f64;
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
        let mut contents = Contents::new(self.weights, &self.tokenizer_json);
        contents.facts = self.facts;
        Ok(contents.to_bytes()?)
    }
}

/// Makes integers of a source's weights. `progress` is called with the number of weights that are done, and that of all.
///
/// # Errors
///
/// [`Error::Option`] for options that the model does not allow, [`Error::BadTensor`] for weights that the format cannot
/// hold, [`Error::Io`] if a file cannot be read.
pub fn import(
    source: &Source,
    options: &Options,
    progress: &(dyn Fn(u64, u64) + Sync),
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
    progress: &'i dyn Fn(u64, u64),
    done: u64,
}

impl<'i> Importer<'i> {
    fn new(source: &'i Source, options: &Options, progress: &'i dyn Fn(u64, u64)) -> Result<Self, Error> {
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
        let frequencies = frequencies(self.net)?;
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

    fn advance(&mut self, rows: &Rows) {
        self.done += rows.numbers.len() as u64;
        (self.progress)(self.done, self.config.parameters() as u64);
    }

    fn vector(&self, role: Role) -> Result<Vec<f32>, Error> {
        Ok(self.net.store.read(role)?.numbers)
    }

    /// A matrix with a row for each token, and its columns multiplied by gains.
    fn table(&mut self, role: Role, gains: &[f32], scale: f64) -> Result<Matrix, Error> {
        let (store, name) = (&self.net.store, self.net.store.name(role));
        let count = self.source.0.vocabulary.source_len();
        let extra = self.source.0.vocabulary.missing_bytes().len();
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
            self.advance(&rows);
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
            self.advance(&rows);
        }
        Ok(matrix)
    }

    fn layer(&mut self, index: usize) -> Result<Layer, Error> {
        let mut layer = Layer::default();
        let gains = self.vector(Role::Layer(index, LayerRole::AttentionNorm))?;
        for role in [LayerRole::Query, LayerRole::Key, LayerRole::Value] {
            let role = Role::Layer(index, role);
            let mut rows = self.head_rows(role)?;
            rows.fold_and_turn(&gains, &self.turn);
            self.append(&mut layer.qkv, &rows, VECTOR_SCALE, role)?;
        }
        if self.config.qkv_bias {
            for role in [LayerRole::QueryBias, LayerRole::KeyBias, LayerRole::ValueBias] {
                let role = Role::Layer(index, role);
                let biases = self.head_rows(role)?;
                let biases = biases.numbers.iter().map(|&bias| {
                    let bias = (f64::from(bias) * VECTOR_SCALE).round_ties_even();
                    (bias.abs() <= MAX_BIAS).then_some(bias as i32)
                });
                let biases: Option<Vec<i32>> = biases.collect();
                layer
                    .qkv_bias
                    .extend(self.within(biases, role, "a bias of 65536 or more")?);
            }
        }
        if self.config.head_norms {
            layer.query_gains = self.gains(Role::Layer(index, LayerRole::QueryNorm))?;
            layer.key_gains = self.gains(Role::Layer(index, LayerRole::KeyNorm))?;
        }

        let role = Role::Layer(index, LayerRole::Out);
        let mut rows = self.net.store.read(role)?;
        rows.turn(&self.head_turn);
        rows.turn_columns(&self.turn);
        self.append(&mut layer.out, &rows, self.residual_scale, role)?;

        let gains = self.vector(Role::Layer(index, LayerRole::FeedForwardNorm))?;
        for role in [LayerRole::Gate, LayerRole::Up] {
            let role = Role::Layer(index, role);
            let mut rows = self.net.store.read(role)?;
            rows.fold_and_turn(&gains, &self.turn);
            self.append(&mut layer.gate_up, &rows, VECTOR_SCALE, role)?;
        }

        let role = Role::Layer(index, LayerRole::Down);
        let mut rows = self.net.store.read(role)?;
        rows.turn_columns(&self.turn);
        self.append(&mut layer.down, &rows, self.residual_scale, role)?;
        Ok(layer)
    }

    fn append(&mut self, matrix: &mut Matrix, rows: &Rows, scale: f64, role: Role) -> Result<(), Error> {
        quantize::append(matrix, rows, scale, self.net.store.name(role))?;
        self.advance(rows);
        Ok(())
    }

    /// Rows of queries or keys, or their biases, with pairs `i` and `i + R/2`; or of values, turned. Biases are rows of one
    /// element.
    fn head_rows(&self, role: Role) -> Result<Rows, Error> {
        let mut rows = self.net.store.read(role)?;
        let Role::Layer(_, of_layer) = role else {
            return Ok(rows);
        };
        if matches!(
            of_layer,
            LayerRole::QueryBias | LayerRole::KeyBias | LayerRole::ValueBias
        ) {
            rows.cols = 1;
        }
        match of_layer {
            LayerRole::Value | LayerRole::ValueBias => rows.turn_columns(&self.head_turn),
            _ if self.net.pairs_are_adjacent => {
                let NetConfig {
                    head_dim, rotary_dim, ..
                } = self.net.config;
                rows = rows.reordered(|row| split_pairs(row, head_dim, rotary_dim));
            }
            _ => {}
        }
        Ok(rows)
    }

    /// Gains of queries or keys.
    fn gains(&self, role: Role) -> Result<Vec<i16>, Error> {
        let gains = self.vector(role)?;
        let gains = gains.iter().map(|&gain| {
            let gain = (f64::from(gain) * GAIN_SCALE).round_ties_even();
            (-32_768.0..=32_767.0).contains(&gain).then_some(gain as i16)
        });
        self.within(gains.collect(), role, "a gain of 32 or more")
    }

    fn within<T>(&self, found: Option<T>, role: Role, reason: &str) -> Result<T, Error> {
        found.ok_or_else(|| Error::BadTensor {
            name: self.net.store.name(role).to_owned(),
            reason: format!("has {reason}"),
        })
    }
}

/// Where a row of a head is if its pairs are adjacent: `2 i` and `2 i + 1` become `i` and `i + R/2`.
pub(crate) const fn split_pairs(row: usize, head_dim: usize, rotary_dim: usize) -> usize {
    let (start, at) = (row - row % head_dim, row % head_dim);
    if at >= rotary_dim {
        row
    } else {
        start + at % (rotary_dim / 2) * 2 + at / (rotary_dim / 2)
    }
}

/// Turns of each pair for each position.
fn frequencies(net: &Net) -> Result<Vec<u32>, Error> {
    let mut radians = frequencies::powers(net.config.rope_base, net.config.rotary_dim / 2);
    let divisors = match net.scaling {
        Scaling::None => vec![1.0; radians.len()],
        Scaling::Tensor => net.store.read(Role::RotationFactors)?.numbers,
        Scaling::Llama3(scaling) => scaling.divisors(&radians),
    };
    for (radians, divisor) in radians.iter_mut().zip(divisors) {
        *radians /= f64::from(divisor);
    }
    let turns: Option<Vec<u32>> = radians.into_iter().map(frequencies::turns).collect();
    turns.ok_or_else(|| Error::BadKey {
        key: "frequencies of rotations".to_owned(),
        reason: "are not all less than a turn for each position".to_owned(),
    })
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
    let vocab_size = source.0.vocabulary.source_len() + source.0.vocabulary.missing_bytes().len();
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
            Err(Error::BadKey {
                key: "epsilon of norms".to_owned(),
                reason: format!("{} is too large", net.epsilon),
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
