//! A training run from beginning to end.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use czip_model::v2::{Config, Contents, Weights};
use czip_model::{AnyTransformer, Kernels, Row};
use czip_tokenizer::{MAX_VOCAB_SIZE, Tokenizer};
use thiserror::Error as ThisError;
use xxhash_rust::xxh3::Xxh3;

use crate::bpe::{self, BOS, BpeOptions, Split};
use crate::checkpoint::{Checkpoint, Stored};
use crate::corpus::{Corpus, Document};
use crate::device::Device;
use crate::parameters::{Layout, Random};
use crate::preset::Preset;
use crate::priors::{self, Sample};
use crate::shown;
use crate::trainer::{Plan, Stream, Trainer};

/// Why a run failed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The tokenizer could not be trained.
    #[error(transparent)]
    Bpe(#[from] bpe::Error),
    /// The tokenizer refuses a text.
    #[error(transparent)]
    Tokenizer(#[from] czip_tokenizer::Error),
    /// The model that was made cannot be read again.
    #[error("the model that was made cannot be read")]
    Model(#[from] czip_model::Error),
    /// The model to start from has no start token.
    #[error("the model to start from has no token <|bos|>")]
    NoStartToken,
    /// The vocabulary of the model to start from is not that of its tokenizer.
    #[error("the model to start from has {model} tokens, its tokenizer {tokenizer}")]
    Vocabulary {
        /// Tokens that the model has rows for.
        model: usize,
        /// Tokens of the tokenizer.
        tokenizer: usize,
    },
    /// A checkpoint cannot be written. The one before, if there is one, is whole.
    #[error("cannot write the checkpoint {}", shown::path(path))]
    SaveCheckpoint {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A checkpoint cannot be read.
    #[error("cannot read the checkpoint {}", shown::path(path))]
    ReadCheckpoint {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process writes the checkpoint.
    #[error("another run is writing {}", shown::path(path))]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A file that is no checkpoint.
    #[error("{} is no checkpoint of a training run: {problem}", shown::path(path))]
    NoCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A checkpoint of another run.
    #[error("{} is of a run with other text or options", shown::path(path))]
    OtherRun {
        /// The file.
        path: PathBuf,
    },
    /// The exported model does not compute what was trained.
    #[error(
        "the exported model differs from the trained one by up to {largest}/256 octaves in {count} logits"
    )]
    Disagreement {
        /// The largest difference.
        largest: u32,
        /// How many logits differ.
        count: usize,
    },
}

/// How long to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// So many seconds. The result depends on the machine's speed.
    Seconds(f64),
    /// So many tokens, counted each time they are seen.
    Tokens(u64),
}

/// A model to start from.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its weights.
    pub weights: Weights,
    /// Its tokenizer's JSON.
    pub tokenizer_json: Vec<u8>,
    /// Whether a new tokenizer is trained; tokens that both know keep their embeddings.
    pub new_tokenizer: bool,
}

/// What to train, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The sizes of the net; those of the base, if there is one.
    pub preset: Preset,
    /// Other sizes than the preset's; the vocabulary is that of the tokenizer.
    pub config: Option<Config>,
    /// Tokens; as many as suit the preset without a wish.
    pub vocab_size: Option<usize>,
    /// The split pattern; chosen by the text without a wish.
    pub split: Option<Split>,
    /// How long.
    pub budget: Budget,
    /// The steps.
    pub plan: Plan,
    /// What computes gradients. A run may go on with another one.
    pub device: Device,
    /// A model to start from.
    pub base: Option<Base>,
    /// A file to keep the state of the run in.
    pub checkpoint: Option<PathBuf>,
    /// Whether to go on from that file.
    pub resume: bool,
}

/// A point of the curve of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds taken.
    pub seconds: f64,
    /// The cost of the training text since the last point, in bits per byte.
    pub train: f64,
    /// The cost of the held-out text, in bits per byte.
    pub heldout: f64,
}

/// The tokens of a tokenizer that was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// As many as there were to be.
    pub wanted: usize,
    /// As many as there are: fewer, if no more pairs of tokens came twice in the text.
    pub made: usize,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The vocabulary, if it was made for this run.
    pub vocabulary: Option<Vocabulary>,
    /// The part of the budget that is used up.
    pub done: f64,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds taken.
    pub seconds: f64,
    /// Tokens a second in this session.
    pub speed: f64,
    /// The last point of the curve.
    pub last: Option<Point>,
}

/// A trained net.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The weights, the best by the held-out text.
    pub weights: Weights,
    /// The tokenizer's JSON.
    pub tokenizer_json: Vec<u8>,
    /// How the text is split.
    pub split: Option<Split>,
    /// The curve.
    pub curve: Vec<Point>,
    /// The cost of the held-out text by the net alone, in bits per byte; infinite without such a text.
    pub heldout: f64,
    /// Tokens seen.
    pub tokens: u64,
    /// Tokens of the text.
    pub text_tokens: usize,
    /// Seconds taken.
    pub seconds: f64,
    /// Why it ended.
    pub end: End,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its budget was used up.
    Whole,
    /// It was stopped.
    Stopped,
    /// The net was learning its text by heart: other text cost more and more.
    Overfitted,
}

/// Tokens of held-out text that the curve is measured on.
const HELDOUT_TOKENS: usize = 1 << 15;
/// The most points of a curve.
const POINTS: f64 = 50.0;
/// How many times as many tokens are trained on between two points as are measured for one.
const TRAINED_TO_MEASURED: f64 = 10.0;
/// How many times as long as it takes to measure a point there is none.
const REST: f64 = 15.0;
/// Seconds after which there is another checkpoint, at the latest, unless writing takes long.
const SAVED_EACH: f64 = 60.0;
/// More tokens than any machine trains on in a second.
const MOST_SPEED: f64 = 1e8;
/// Steps in which the rates rise to their full height.
const WARM_UP: u64 = 60;
/// The part of the budget after which rates begin to fall, in a straight line to zero.
const PLATEAU: f64 = 0.35;
/// A run is over if held-out text costs so many times what it cost at best, and so many times as many tokens have been seen.
/// Falling rates and averages make up for far less than that.
const OVERFITTED: (f64, f64) = (1.1, 1.5);
/// Bytes of the texts that the priors are trained on, and of each at most.
const SAMPLE: (usize, usize) = (1_000_000, 40_000);

/// Trains a tokenizer and a net. `watch` is called after every step, and can stop the run; what is best by then is kept.
///
/// # Errors
///
/// See [`Error`].
pub fn train(
    corpus: &Corpus,
    options: &Options,
    mut watch: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Trained, Error> {
    if let Some(base) = &options.base {
        let tokenizer = Tokenizer::from_json(&base.tokenizer_json)?.vocab_size();
        let model = base.weights.config.vocab_size;
        if tokenizer != model {
            return Err(Error::Vocabulary { model, tokenizer });
        }
    }
    let run = run_hash(corpus, options)?;
    let saved = match &options.checkpoint {
        Some(path) if options.resume => Some(load(path, run, options)?),
        _ => None,
    };
    let vocab_size = options.vocab_size.unwrap_or(options.preset.vocab_size());
    let mut split = None;
    let tokenizer_json = match (&saved, &options.base) {
        (Some(checkpoint), _) => checkpoint.tokenizer_json.clone(),
        (None, Some(base)) if !base.new_tokenizer => base.tokenizer_json.clone(),
        _ => {
            let chosen = options
                .split
                .unwrap_or_else(|| Split::choose(&sample_text(corpus)));
            split = Some(chosen);
            let texts = corpus.train.iter().map(|document| document.text.as_str());
            let wanted = BpeOptions {
                vocab_size,
                split: chosen,
            };
            bpe::train(texts, &wanted)?.json
        }
    };
    let tokenizer = Tokenizer::from_json(&tokenizer_json)?;
    let start_token = tokenizer.special_token(BOS).ok_or(Error::NoStartToken)?;
    let is_new = options.base.as_ref().is_none_or(|base| base.new_tokenizer);
    let vocabulary = is_new.then_some(Vocabulary {
        wanted: vocab_size,
        made: tokenizer.vocab_size(),
    });
    let text = stream(
        &tokenizer,
        start_token,
        &corpus.train,
        Some(options.plan.seed),
        usize::MAX,
    )?;
    let heldout = stream(&tokenizer, start_token, &corpus.heldout, None, HELDOUT_TOKENS)?;

    let (plan, device) = (options.plan, options.device.clone());
    let mut state = match saved {
        Some(checkpoint) => {
            let layout = Layout::new(&checkpoint.config);
            let mut trainer = Trainer::from_state(layout, plan, checkpoint.parameters, checkpoint.state);
            trainer.seek(&text);
            Running {
                trainer: trainer.on(device),
                average: checkpoint.average,
                best: checkpoint.best,
                curve: checkpoint.curve,
                since: checkpoint.since,
                before: checkpoint.seconds,
            }
        }
        None => {
            let (layout, parameters) = initial(&tokenizer, options)?;
            Running {
                average: parameters.clone(),
                trainer: Trainer::from_parameters(layout, plan, parameters).on(device),
                best: None,
                curve: Vec::new(),
                since: (0.0, 0),
                before: 0.0,
            }
        }
    };

    let began = Instant::now();
    let already = state.trainer.tokens();
    let per_byte = text.predicted() as f64 / text.bytes.max(1) as f64;
    // When the last point was measured, and how long that took; and the same of the last checkpoint.
    let mut measured = (0.0, 0.0);
    let mut saved = (state.before, 0.0);
    let mut end = End::Whole;
    loop {
        let seconds = state.before + began.elapsed().as_secs_f64();
        let done = options.budget.used(&state.trainer, seconds);
        if done >= 1.0 {
            break;
        }
        // A run that goes on may have been at its end.
        if state.is_overfitted() {
            end = End::Overfitted;
            break;
        }
        let loss = state
            .trainer
            .step(&text, factor(done, state.trainer.state().steps));
        state.since.0 += loss.bits;
        state.since.1 += loss.tokens as u64;
        state.follow();
        let seconds = state.before + began.elapsed().as_secs_f64();
        let now = options.budget.used(&state.trainer, seconds);
        let due = match options.budget {
            // Not by the clock, so that a run can be repeated.
            Budget::Tokens(tokens) => {
                let each = TRAINED_TO_MEASURED * heldout.tokens.len().max(1) as f64;
                let points = (tokens as f64 / each).clamp(1.0, POINTS);
                (done * points).floor() < (now * points).floor()
            }
            Budget::Seconds(_) => {
                (done * POINTS).floor() < (now * POINTS).floor() && seconds - measured.0 > REST * measured.1
            }
        };
        if due || now >= 1.0 {
            state.measure(&heldout, per_byte, seconds);
            measured.0 = state.before + began.elapsed().as_secs_f64();
            measured.1 = measured.0 - seconds;
        }
        let has_rested = seconds - saved.0 > SAVED_EACH.max(REST * saved.1);
        if let Some(path) = &options.checkpoint
            && (due || now >= 1.0 || has_rested)
        {
            let before = began.elapsed().as_secs_f64();
            state.checkpoint(&tokenizer_json, seconds, run).save(path)?;
            saved = (seconds, began.elapsed().as_secs_f64() - before);
        }
        let session = began.elapsed().as_secs_f64();
        let progress = Progress {
            vocabulary,
            done: now.min(1.0),
            tokens: state.trainer.tokens(),
            seconds,
            speed: (state.trainer.tokens() - already) as f64 / session.max(1e-9),
            last: state.curve.last().copied(),
        };
        if watch(&progress).is_break() && now < 1.0 {
            end = End::Stopped;
            // Before the last point, which a run that goes on does not have.
            if let Some(path) = &options.checkpoint {
                state.checkpoint(&tokenizer_json, seconds, run).save(path)?;
            }
            // What was learnt since the point before may be the best.
            state.measure(&heldout, per_byte, seconds);
            break;
        }
    }
    let seconds = state.before + began.elapsed().as_secs_f64();
    let tokens = state.trainer.tokens();
    let (cost, parameters) = match state.best {
        Some((cost, parameters)) => (cost, parameters),
        None => (f64::INFINITY, state.average),
    };
    let layout = state.trainer.layout();
    let trained = Trained {
        weights: layout.quantize(&parameters).0,
        tokenizer_json,
        split,
        curve: state.curve,
        heldout: cost,
        tokens,
        text_tokens: text.tokens.len(),
        seconds,
        end,
    };
    agree(&state.trainer, &parameters, &trained, &text)?;
    Ok(trained)
}

/// The priors of a trained net, and how often each token occurs.
#[derive(Clone, Debug)]
pub struct Adapted {
    /// Priors of each variant with a net, in their stored form.
    pub priors: Vec<Vec<u8>>,
    /// How often each symbol occurs.
    pub counts: Vec<u16>,
}

/// Trains what the adaptive coder knows of texts like these, with a net.
///
/// # Errors
///
/// A text that the tokenizer refuses.
pub fn adapt<'t>(
    weights: &Weights,
    tokenizer_json: &[u8],
    texts: impl IntoIterator<Item = &'t [u8]>,
) -> Result<Adapted, Error> {
    let kernels = Kernels::detect();
    let tokenizer = Tokenizer::from_json(tokenizer_json)?;
    let start_token = tokenizer.special_token(BOS).ok_or(Error::NoStartToken)?;
    let net = AnyTransformer::from(czip_model::v2::Transformer::new(kernels, weights));
    let sample = Sample::of_tokens(&tokenizer, texts)?;
    let vocab_size = weights.config.vocab_size;
    let counts = sample.counts(vocab_size);
    let alphabet = priors::alphabet(kernels, &priors::spellings(&tokenizer, vocab_size), &counts);
    let priors = priors::with_net(&net, start_token, &alphabet, &sample);
    Ok(Adapted {
        priors: priors.iter().map(|priors| priors.as_bytes().to_vec()).collect(),
        counts,
    })
}

/// Parts of a corpus to adapt to: at most about a megabyte, from documents spread over all that was trained on, and at the
/// end, where they count most, those set aside.
#[must_use]
pub fn sample(corpus: &Corpus, seed: u64) -> Vec<&[u8]> {
    let (total, longest) = SAMPLE;
    let total = total - corpus.aside_len().min(total);
    let mut random = Random(seed ^ 0x5a11_b1e5);
    let mut order: Vec<usize> = (0..corpus.train.len()).collect();
    random.shuffle(&mut order);
    let mut texts = Vec::new();
    let mut taken = 0;
    let all = corpus.train_len();
    let mut visits = 0;
    while taken < total.min(all) && visits < 4 {
        for &index in &order {
            if taken >= total {
                break;
            }
            let text = corpus.train[index].text.as_bytes();
            let first = random.below(text.len().saturating_sub(longest) + 1);
            // From a whole line on, so that a text begins as texts do.
            let first = match first {
                0 => 0,
                first => text[first..]
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .map_or(0, |newline| first + newline + 1),
            };
            let part = &text[first..(first + longest).min(text.len())];
            taken += part.len();
            texts.push(part);
        }
        visits += 1;
    }
    let aside = corpus.aside.iter();
    texts.extend(aside.flat_map(|document| document.text.as_bytes().chunks(longest)));
    texts
}

impl Budget {
    /// So many minutes, or none.
    #[must_use]
    pub fn minutes(minutes: f64) -> Self {
        Self::Seconds(minutes.max(0.0) * 60.0)
    }

    /// The part that is used up.
    fn used(self, trainer: &Trainer, seconds: f64) -> f64 {
        match self {
            Self::Seconds(all) => seconds / all,
            Self::Tokens(all) => trainer.tokens() as f64 / all.max(1) as f64,
        }
    }
}

/// The rates' factor when a part of the budget is used up.
fn factor(done: f64, steps: u64) -> f32 {
    let warm = (steps + 1) as f64 / WARM_UP as f64;
    let falling = (1.0 - done) / (1.0 - PLATEAU);
    warm.min(falling).clamp(0.0, 1.0) as f32
}

/// A run between two steps.
struct Running {
    trainer: Trainer,
    average: Vec<f32>,
    best: Option<(f64, Vec<f32>)>,
    curve: Vec<Point>,
    /// Bits and tokens of the training text since the last point.
    since: (f64, u64),
    before: f64,
}

impl Running {
    /// Moves the average towards the parameters.
    fn follow(&mut self) {
        let steps = self.trainer.state().steps as f32;
        // At first the average forgets fast what was random.
        let weight = (9.0 / (steps + 9.0)).max(0.005);
        for (average, &parameter) in self.average.iter_mut().zip(self.trainer.parameters()) {
            *average += (parameter - *average) * weight;
        }
    }

    /// Adds a point to the curve, and keeps the parameters or their average if they are the best so far. The training text
    /// has so many tokens for each byte.
    fn measure(&mut self, heldout: &Stream, train_per_byte: f64, seconds: f64) {
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

    fn is_overfitted(&self) -> bool {
        let best = self.curve.iter().min_by(|a, b| a.heldout.total_cmp(&b.heldout));
        let (cost, tokens) = OVERFITTED;
        self.curve.last().zip(best).is_some_and(|(last, best)| {
            last.heldout > cost * best.heldout && last.tokens as f64 > tokens * best.tokens as f64
        })
    }

    fn checkpoint(&self, tokenizer_json: &[u8], seconds: f64, run: u64) -> Checkpoint {
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

/// The checkpoint of this run.
fn load(path: &Path, run: u64, options: &Options) -> Result<Checkpoint, Error> {
    let stored = Stored::open(path)?;
    if stored.run() != run {
        return Err(Error::OtherRun {
            path: path.to_owned(),
        });
    }
    let bad = |problem| Error::NoCheckpoint {
        path: path.to_owned(),
        problem,
    };
    // That bounds what is read.
    let vocab_size = stored.config().vocab_size;
    if vocab_size > MAX_VOCAB_SIZE || *stored.config() != config(options, vocab_size) {
        return Err(bad("its net has other sizes than the run's"));
    }
    let checkpoint = stored.read()?;
    if Tokenizer::from_json(&checkpoint.tokenizer_json)?.vocab_size() != vocab_size {
        return Err(bad("its net and its tokenizer have other vocabularies"));
    }
    let step = (options.plan.sequence * options.plan.batch) as u64;
    let most = match options.budget {
        Budget::Tokens(tokens) => tokens.saturating_add(step),
        Budget::Seconds(_) => ((checkpoint.seconds * MOST_SPEED) as u64).saturating_add(step),
    };
    if checkpoint.state.steps.saturating_mul(step) > most {
        return Err(bad("it has taken more steps than the run can have"));
    }
    Ok(checkpoint)
}

/// The sizes of the net, with the vocabulary of the tokenizer.
fn config(options: &Options, vocab_size: usize) -> Config {
    match (&options.base, &options.config) {
        (Some(base), _) if !base.new_tokenizer => base.weights.config.clone(),
        (Some(base), _) => Config {
            vocab_size,
            ..base.weights.config.clone()
        },
        (None, Some(config)) => Config {
            vocab_size,
            ..config.clone()
        },
        (None, None) => options.preset.config(vocab_size),
    }
}

/// The parameters to begin with.
fn initial(tokenizer: &Tokenizer, options: &Options) -> Result<(Layout, Vec<f32>), Error> {
    let layout = Layout::new(&config(options, tokenizer.vocab_size()));
    let Some(base) = &options.base else {
        let parameters = layout.initial(options.plan.seed);
        return Ok((layout, parameters));
    };
    let from = Layout::new(&base.weights.config);
    let known = from.dequantize(&base.weights);
    if !base.new_tokenizer {
        return Ok((from, known));
    }
    let mut parameters = layout.initial(options.plan.seed);
    for (tensor, old) in layout.tensors().zip(from.tensors()) {
        if tensor.range().len() == old.range().len() {
            parameters[tensor.range()].copy_from_slice(&known[old.range()]);
        }
    }
    // The pairs are of other tokens.
    parameters[layout.bigram.range()].fill(0.0);
    let old = Tokenizer::from_json(&base.tokenizer_json)?;
    let ids: HashMap<&[u8], u16> = (0..old.vocab_size())
        .filter_map(|id| old.token_bytes(id as u16).map(|bytes| (bytes, id as u16)))
        .collect();
    let d = layout.config.d_model;
    for (tensor, old) in [(&layout.embedding, &from.embedding), (&layout.head, &from.head)] {
        let (range, old) = (tensor.range(), &known[old.range()]);
        for (id, row) in parameters[range].chunks_exact_mut(d).enumerate() {
            let known = tokenizer.token_bytes(id as u16).and_then(|bytes| ids.get(bytes));
            if let Some(&id) = known {
                row.copy_from_slice(&old[usize::from(id) * d..][..d]);
            }
        }
    }
    Ok((layout, parameters))
}

/// The documents as one stream, in a random order if there is a seed, up to about `most` tokens.
///
/// # Errors
///
/// A text that the tokenizer refuses.
pub fn stream(
    tokenizer: &Tokenizer,
    start_token: u16,
    documents: &[Document],
    seed: Option<u64>,
    most: usize,
) -> Result<Stream, Error> {
    let mut order: Vec<usize> = (0..documents.len()).collect();
    if let Some(seed) = seed {
        Random(seed).shuffle(&mut order);
    }
    let mut stream = Stream {
        start_token,
        ..Stream::default()
    };
    for index in order {
        let text = &documents[index].text;
        // A token has a byte at least; what is left out would not fit.
        let mut end = text.len().min((most - stream.tokens.len()).saturating_mul(8));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        stream.tokens.push(start_token);
        tokenizer.encode_ordinary(&text[..end], &mut stream.tokens)?;
        stream.bytes += end;
        if stream.tokens.len() >= most {
            break;
        }
    }
    Ok(stream)
}

/// Some of the corpus, to choose a split pattern by.
#[must_use]
pub fn sample_text(corpus: &Corpus) -> String {
    let mut sample = String::new();
    let step = (corpus.train.len() / 64).max(1);
    for document in corpus.train.iter().step_by(step) {
        let mut end = document.text.len().min(16_384);
        while !document.text.is_char_boundary(end) {
            end -= 1;
        }
        sample.push_str(&document.text[..end]);
        sample.push('\n');
    }
    sample
}

/// What tells one run from another.
fn run_hash(corpus: &Corpus, options: &Options) -> Result<u64, Error> {
    let mut hash = Xxh3::new();
    for documents in [&corpus.train, &corpus.heldout, &corpus.aside] {
        hash.update(&(documents.len() as u64).to_le_bytes());
        for document in documents {
            hash.update(&(document.text.len() as u64).to_le_bytes());
            hash.update(document.text.as_bytes());
        }
    }
    if let Some(base) = &options.base {
        hash.update(&[1, base.new_tokenizer.into()]);
        hash.update(&Contents::new(&base.weights, &base.tokenizer_json).to_bytes()?);
    }
    // The number of threads and the device change last bits alone, and the machine may be another.
    let plan = Plan {
        threads: 1,
        ..options.plan
    };
    let rest = format!(
        "{} {:?} {:?} {:?} {:?} {:?}",
        options.preset, options.config, options.vocab_size, options.split, options.budget, plan
    );
    hash.update(rest.as_bytes());
    Ok(hash.digest())
}

/// Proves that the exported integers, read back and run as texts are coded, compute what the trainer computed.
fn agree(trainer: &Trainer, parameters: &[f32], trained: &Trained, text: &Stream) -> Result<(), Error> {
    let bytes = Contents::new(&trained.weights, &trained.tokenizer_json).to_bytes()?;
    let weights = czip_model::ModelFile::from_bytes(&bytes)?;
    let tokens = &text.tokens[..text.tokens.len().min(512)];
    let expected = trainer.logits(parameters, tokens);
    let (mut largest, mut count) = (0, 0);
    for kernels in Kernels::available() {
        let net = AnyTransformer::new(kernels, &weights);
        let (mut caches, mut scratch) = ([net.cache(tokens.len())], net.scratch(64));
        let vocab_size = net.config().vocab_size;
        let rows: Vec<Row> = tokens
            .iter()
            .enumerate()
            .map(|(position, &token)| Row {
                sequence: 0,
                position,
                token,
            })
            .collect();
        for (rows, expected) in rows.chunks(64).zip(expected.chunks(64 * vocab_size)) {
            net.forward(rows, &mut caches, &mut scratch);
            for (row, expected) in expected.chunks_exact(vocab_size).enumerate() {
                for (&found, &expected) in scratch.logits(row).iter().zip(expected) {
                    let difference = found.abs_diff(expected);
                    largest = largest.max(difference);
                    count += usize::from(difference > 0);
                }
            }
        }
    }
    match count {
        0 => Ok(()),
        count => Err(Error::Disagreement { largest, count }),
    }
}
