//! One row of an ablation table: trains a net of any sizes on some tokens, and reports the cost of held-out texts.
//!
//! ```sh
//! cargo run --release -p czip-train --example ablation -- mixture.txt heldout=alice29.txt d_ff=1024
//! cargo run --release -p czip-train --example ablation -- mixture.txt numerics=floats
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks to its user"
)]

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use czip::{Model, Options};
use czip_model::v2::{Config, Contents, Transformer};
use czip_model::{AnyTransformer, Kernels};
use czip_tokenizer::Tokenizer;
use czip_train::adapt::{self, SAMPLE_LEN, Work};
use czip_train::bpe::{self, BOS, BpeOptions, Split};
use czip_train::corpus::{self, Corpus, CorpusOptions, Document, Heldout};
use czip_train::device::Device;
use czip_train::preset::Preset;
use czip_train::session;
use czip_train::stream::Stream;
use czip_train::trainer::{Hyperparameters, Trainer};
use czip_train::{Loss, Numerics};

const USAGE: &str = "ablation TEXT [KEY=VALUE...], where the keys are
  heldout: a file to measure, besides 1 % of the text; may be repeated
  preset, vocab, layers, d_model, heads, d_ff, window, bigram_buckets, bigram_width: the net
  tokens, falling, batch, sequence, threads, seed, numerics, device: the run
  rates, decay: factors of all learning rates, and of all that decays
  measured: tokens of each held-out text
  coded: bytes of each held-out text to compress at level 5, after the mixing priors have been fitted [default: 0]
  out: a model file to write, with mixing priors if they were fitted";

/// The part of the text that is held out.
const HELD_OUT: f64 = 0.01;
/// Steps in which the rates rise.
const WARM_UP: u64 = 100;

struct Run {
    text: PathBuf,
    heldout: Vec<PathBuf>,
    config: Config,
    hyperparameters: Hyperparameters,
    device: Device,
    tokens: u64,
    /// The last part of the run, in which the rates fall to zero.
    falling: f32,
    measured: usize,
    coded: usize,
    out: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let run = Run::from_args(std::env::args().skip(1))?;
    let text = read(&run.text, HELD_OUT)?;
    let texts = text.train.iter().map(|document| document.text.as_str());
    let wanted = BpeOptions {
        vocab_size: run.config.vocab_size,
        split: Split::choose(&session::sample_text(&text)),
    };
    let tokenizer_json = bpe::train(texts, &wanted)?.json;
    let tokenizer = Tokenizer::from_json(&tokenizer_json)?;
    let start_token = tokenizer.special_token(BOS).ok_or("no start token")?;
    let stream = |documents: &[Document], seed: Option<u64>, most: usize| {
        Stream::from_documents(&tokenizer, start_token, documents, seed, most)
    };
    // No pass may start over too early.
    let most = run.tokens as usize + run.hyperparameters.sequence_len * run.hyperparameters.batch_size;
    let training = stream(&text.train, Some(run.hyperparameters.seed), most)?;
    let mut heldout = Vec::new();
    let mut measure = |name: String, documents: &[Document]| -> Result<(), Box<dyn Error>> {
        let stream = stream(documents, None, run.measured)?;
        heldout.push((name, stream, beginning(documents, run.coded)));
        Ok(())
    };
    measure("held out".into(), &text.heldout)?;
    for path in &run.heldout {
        measure(path.display().to_string(), &read(path, 0.0)?.train)?;
    }

    let mut trainer = Trainer::new(&run.config, run.hyperparameters).on(run.device.clone());
    let mut recent = Loss::default();
    while trainer.tokens() < run.tokens {
        let left = 1.0 - trainer.tokens() as f32 / run.tokens as f32;
        let warm = (trainer.state().steps + 1) as f32 / WARM_UP as f32;
        recent += trainer.step(&training, warm.min(left / run.falling).min(1.0));
        if trainer.state().steps.is_multiple_of(50) {
            eprintln!(
                "{} tokens, {:.4} bits a token",
                trainer.tokens(),
                recent.bits / recent.tokens as f64
            );
            recent = Loss::default();
        }
    }

    let Run {
        config,
        hyperparameters,
        ..
    } = &run;
    println!(
        "{config:?}, {} tokens in {:?}",
        trainer.tokens(),
        hyperparameters.numerics
    );
    let layout = trainer.layout().clone();
    let parameters = trainer.parameters().to_vec();
    let weights = trainer.weights();
    let mut contents = Contents::new(&weights, &tokenizer_json);
    if run.coded > 0 {
        let net = AnyTransformer::from(Transformer::new(Kernels::detect(), &weights));
        let sample = adapt::sample(&text, run.hyperparameters.seed, SAMPLE_LEN);
        let work = Work {
            threads: run.hyperparameters.threads,
            observe: &|_, _| ControlFlow::Continue(()),
        };
        let calibration = adapt::calibrate(&net, &tokenizer, sample, work)?;
        contents.mixing_priors = vec![calibration.priors];
        contents.mixing_weights = Some(calibration.counts);
    }
    let file = contents.to_bytes()?;
    let model = Model::from_bytes(&file)?;
    for (name, heldout, coded) in &heldout {
        let per_byte = heldout.predicted() as f64 / heldout.bytes as f64;
        let work = config.multiply_adds() as f64 * per_byte;
        println!("{name}: {work:.0} multiply-adds a byte");
        for numerics in [Numerics::Integers, Numerics::Floats] {
            let hyperparameters = Hyperparameters {
                numerics,
                ..*hyperparameters
            };
            let mut net = Trainer::from_parameters(layout.clone(), hyperparameters, parameters.clone());
            let loss = net.evaluate(heldout, &parameters);
            println!(
                "  {:.4} bits a byte in {numerics:?}",
                loss.bits / loss.tokens as f64 * per_byte
            );
        }
        if !coded.is_empty() {
            let len = czip::compress(&model, coded.as_bytes(), &Options::new())?.len();
            println!(
                "  {:.4} bits a byte in a file: {len} bytes of {}",
                8.0 * len as f64 / coded.len() as f64,
                coded.len()
            );
        }
    }
    if let Some(path) = &run.out {
        fs::write(path, file)?;
    }
    Ok(())
}

/// The first documents, one after the other, in this many bytes or a few less.
fn beginning(documents: &[Document], most: usize) -> String {
    let mut text = String::new();
    for document in documents {
        if text.len() >= most {
            break;
        }
        text.push_str(&document.text);
        text.push('\n');
    }
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

fn read(path: &PathBuf, held_out: f64) -> Result<Corpus, Box<dyn Error>> {
    let options = CorpusOptions {
        heldout: Heldout::Fraction(held_out),
        min_len: 0,
        ..CorpusOptions::default()
    };
    Ok(corpus::read(&[path], &mut &b""[..], &options)?)
}

impl Run {
    fn from_args(args: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let preset = Preset::Standard;
        let mut text = None;
        let mut run = Self {
            text: PathBuf::new(),
            heldout: Vec::new(),
            config: preset.config(preset.vocab_size()),
            hyperparameters: Hyperparameters::default(),
            device: Device::cpu(),
            tokens: 2_500_000,
            falling: 0.5,
            measured: 60_000,
            coded: 0,
            out: None,
        };
        for arg in args {
            let Some((key, value)) = arg.split_once('=') else {
                text = Some(PathBuf::from(arg));
                continue;
            };
            let (config, hyperparameters) = (&mut run.config, &mut run.hyperparameters);
            match key {
                "preset" => *config = value.parse::<Preset>()?.config(config.vocab_size),
                "vocab" => config.vocab_size = value.parse()?,
                "layers" => config.layers = value.parse()?,
                "d_model" => config.d_model = value.parse()?,
                "heads" => config.heads = value.parse()?,
                "d_ff" => config.d_ff = value.parse()?,
                "window" => config.window = value.parse()?,
                "bigram_buckets" => config.bigram_buckets = value.parse()?,
                "bigram_width" => config.bigram_width = value.parse()?,
                "tokens" => run.tokens = value.parse()?,
                "falling" => run.falling = value.parse()?,
                "measured" => run.measured = value.parse()?,
                "coded" => run.coded = value.parse()?,
                "batch" => hyperparameters.batch_size = value.parse()?,
                "sequence" => hyperparameters.sequence_len = value.parse()?,
                "threads" => hyperparameters.threads = value.parse()?,
                "device" if value == "cpu" => run.device = Device::cpu(),
                "device" if value == "gpu" => run.device = Device::gpu()?,
                "seed" => hyperparameters.seed = value.parse()?,
                "numerics" if value == "integers" => hyperparameters.numerics = Numerics::Integers,
                "numerics" if value == "floats" => hyperparameters.numerics = Numerics::Floats,
                "rates" => {
                    hyperparameters.rates = hyperparameters.rates.scaled(value.parse()?);
                }
                "decay" => {
                    let factor: f32 = value.parse()?;
                    let decay = &mut hyperparameters.rates.decay;
                    for decay in [&mut decay.matrix, &mut decay.table, &mut decay.bigram] {
                        *decay *= factor;
                    }
                }
                "heldout" => run.heldout.push(value.into()),
                "out" => run.out = Some(value.into()),
                _ => return Err(USAGE.into()),
            }
        }
        if run.config.bigram_buckets == 0 {
            run.config.bigram_width = 0;
        }
        run.text = text.ok_or(USAGE)?;
        Ok(run)
    }
}
