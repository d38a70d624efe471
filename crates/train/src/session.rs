//! A training run from beginning to end: a corpus and options go in; a net, its tokenizer and the curve of the run come
//! out.

mod agreement;
mod error;
mod fingerprint;
mod initial;
mod options;
mod run;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use czip_model::v2::Weights;
use czip_tokenizer::Tokenizer;

use crate::bpe::{self, BOS, BpeOptions, MAX_VOCAB_SIZE, Split};
use crate::checkpoint::{self, Checkpoint, Stored};
use crate::corpus::Corpus;
use crate::curve::Point;
use crate::schedule::rate_factor;
use crate::stream::Stream;

pub use self::error::Error;
use self::fingerprint::fingerprint;
pub use self::options::{Base, Budget, Options};
use self::run::Run;

/// The vocabulary of a newly trained tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Tokens asked for.
    pub wanted: usize,
    /// Tokens made: fewer than asked for if no more pairs of tokens occur twice in the text.
    pub made: usize,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The vocabulary, if it was made for this run.
    pub vocabulary: Option<Vocabulary>,
    /// The part of the budget that is used up, 0 to 1.
    pub done: f64,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds taken.
    pub seconds: f64,
    /// Tokens per second since the run began or was resumed.
    pub speed: f64,
    /// The last point of the curve.
    pub last: Option<Point>,
}

/// A trained net.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The weights: the best by the held-out text.
    pub weights: Weights,
    /// The tokenizer's JSON.
    pub tokenizer_json: Vec<u8>,
    /// How the text is split, if the tokenizer was trained in this session.
    pub split: Option<Split>,
    /// The curve.
    pub curve: Vec<Point>,
    /// The cost of the held-out text by the net, without a mixer, in bits per byte; infinite if there is no such text.
    pub heldout: f64,
    /// Tokens seen.
    pub tokens: u64,
    /// Tokens of the training text.
    pub text_tokens: usize,
    /// Seconds taken.
    pub seconds: f64,
    /// Why the run ended.
    pub end: End,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its budget was used up.
    Whole,
    /// It was stopped.
    Stopped,
    /// The net was memorising its text: held-out text cost more and more, training text less.
    Overfitted,
}

/// Tokens of held-out text that the curve is measured on.
const HELDOUT_TOKENS: usize = 1 << 15;
/// The most points of a curve.
const POINTS: f64 = 50.0;
/// Between two points, at least this many times as many tokens are trained on as a point is measured on.
const TRAINED_TO_MEASURED: f64 = 10.0;
/// After measuring a point or writing a checkpoint, at least this many times as long is spent on training.
const REST: f64 = 15.0;
/// Seconds after which a checkpoint is written at the latest, unless writing takes long.
const SAVE_AFTER: f64 = 60.0;
/// More tokens per second than any machine trains on.
const MAX_SPEED: f64 = 1e8;

/// Trains a tokenizer and a net. `watch` is called after every step, and can stop the run; the best net so far is kept.
///
/// # Errors
///
/// See [`Error`].
pub fn train(
    corpus: &Corpus,
    options: &Options,
    mut watch: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Trained, Error> {
    check_base(options)?;
    let fingerprint = fingerprint(corpus, options)?;
    let saved = match &options.checkpoint {
        Some(path) if options.resume => Some(load(path, fingerprint, options)?),
        _ => None,
    };
    let (tokenizer_json, split) = tokenizer(corpus, options, saved.as_ref())?;
    let tokenizer = Tokenizer::from_json(&tokenizer_json)?;
    let start_token = tokenizer.special_token(BOS).ok_or(Error::NoStartToken)?;
    let seed = Some(options.hyperparameters.seed);
    let text = Stream::from_documents(&tokenizer, start_token, &corpus.train, seed, usize::MAX)?;
    let heldout = Stream::from_documents(&tokenizer, start_token, &corpus.heldout, None, HELDOUT_TOKENS)?;

    let (hyperparameters, device) = (options.hyperparameters, options.device.clone());
    let run = match saved {
        Some(checkpoint) => Run::resume(checkpoint, &text, hyperparameters, device),
        None => {
            let (layout, parameters) = initial::initial(&tokenizer, options)?;
            Run::begin(layout, parameters, hyperparameters, device)
        }
    };
    let is_new = options.base.as_ref().is_none_or(|base| base.new_tokenizer);
    let mut session = Session {
        options,
        fingerprint,
        tokenizer_json,
        vocabulary: is_new.then_some(Vocabulary {
            wanted: options.wanted_vocab_size(),
            made: tokenizer.vocab_size(),
        }),
        text,
        heldout,
        began: Instant::now(),
        tokens_before: run.trainer.tokens(),
        measured: Pause::default(),
        saved: Pause::at(run.seconds_before),
        run,
    };
    let end = session.run(&mut watch)?;
    session.finish(split, end)
}

/// Refuses a model to start from whose parts do not belong together.
fn check_base(options: &Options) -> Result<(), Error> {
    let Some(base) = &options.base else {
        return Ok(());
    };
    let tokenizer = Tokenizer::from_json(&base.tokenizer_json)?.vocab_size();
    let model = base.weights.config.vocab_size;
    if tokenizer != model {
        return Err(Error::Vocabulary { model, tokenizer });
    }
    Ok(())
}

/// The tokenizer of the checkpoint or the base, or else a new one and how it splits text.
fn tokenizer(
    corpus: &Corpus,
    options: &Options,
    saved: Option<&Checkpoint>,
) -> Result<(Vec<u8>, Option<Split>), Error> {
    if let Some(checkpoint) = saved {
        return Ok((checkpoint.tokenizer_json.clone(), None));
    }
    if let Some(base) = options.base.as_ref().filter(|base| !base.new_tokenizer) {
        return Ok((base.tokenizer_json.clone(), None));
    }
    let split = options
        .split
        .unwrap_or_else(|| Split::choose(&sample_text(corpus)));
    let texts = corpus.train.iter().map(|document| document.text.as_str());
    let wanted = BpeOptions {
        vocab_size: options.wanted_vocab_size(),
        split,
    };
    Ok((bpe::train(texts, &wanted)?.json, Some(split)))
}

/// A run in progress.
struct Session<'o> {
    options: &'o Options,
    fingerprint: u64,
    tokenizer_json: Vec<u8>,
    vocabulary: Option<Vocabulary>,
    text: Stream,
    heldout: Stream,
    run: Run,
    began: Instant,
    /// Tokens seen before this session.
    tokens_before: u64,
    measured: Pause,
    saved: Pause,
}

/// When an activity that takes time was last done.
#[derive(Default)]
struct Pause {
    /// The seconds of the run when it ended.
    since: f64,
    /// The seconds that it took.
    took: f64,
}

impl Pause {
    fn at(since: f64) -> Self {
        Self { since, took: 0.0 }
    }

    /// Whether it may be done again: it should take only a small part of the time.
    fn is_over(&self, now: f64, at_least: f64) -> bool {
        now - self.since > at_least.max(REST * self.took)
    }
}

impl Session<'_> {
    /// Seconds that the run has taken, with those of earlier sessions.
    fn seconds(&self) -> f64 {
        self.run.seconds_before + self.began.elapsed().as_secs_f64()
    }

    /// The part of the budget that is used up after this many seconds.
    fn used(&self, seconds: f64) -> f64 {
        self.options.budget.used(&self.run.trainer, seconds)
    }

    /// Trains until the budget is used up, the net overfits, or `watch` stops the run.
    fn run(&mut self, watch: &mut impl FnMut(&Progress) -> ControlFlow<()>) -> Result<End, Error> {
        loop {
            let before = self.used(self.seconds());
            if before >= 1.0 {
                return Ok(End::Whole);
            }
            // A resumed run may have been at its end.
            if self.run.is_overfitted() {
                return Ok(End::Overfitted);
            }
            let steps = self.run.trainer.state().steps;
            self.run.step(&self.text, rate_factor(before, steps));

            let seconds = self.seconds();
            let done = self.used(seconds);
            let is_point = done >= 1.0 || self.is_point_due(before, done, seconds);
            if is_point {
                self.measure(seconds);
            }
            if is_point || self.saved.is_over(seconds, SAVE_AFTER) {
                self.save(seconds)?;
            }
            if watch(&self.progress(done, seconds)).is_break() && done < 1.0 {
                // Saved before the last point, which a run that is resumed does not have.
                self.save(seconds)?;
                // What was learnt since the point before may be the best.
                self.measure(seconds);
                return Ok(End::Stopped);
            }
        }
    }

    /// Whether a step that took the run from one part of its budget to another passed a point of the curve.
    fn is_point_due(&self, before: f64, done: f64, seconds: f64) -> bool {
        let passes = |points: f64| (before * points).floor() < (done * points).floor();
        match self.options.budget {
            // Not by the clock, so a run can be repeated.
            Budget::Tokens(tokens) => {
                let each = TRAINED_TO_MEASURED * self.heldout.tokens.len().max(1) as f64;
                passes((tokens as f64 / each).clamp(1.0, POINTS))
            }
            Budget::Seconds(_) => passes(POINTS) && self.measured.is_over(seconds, 0.0),
        }
    }

    fn measure(&mut self, seconds: f64) {
        let per_byte = self.text.predicted() as f64 / self.text.bytes.max(1) as f64;
        self.run.measure(&self.heldout, per_byte, seconds);
        let now = self.seconds();
        self.measured = Pause {
            since: now,
            took: now - seconds,
        };
    }

    /// Writes the checkpoint, if there is to be one.
    fn save(&mut self, seconds: f64) -> Result<(), Error> {
        let Some(path) = &self.options.checkpoint else {
            return Ok(());
        };
        let before = self.seconds();
        self.run
            .checkpoint(&self.tokenizer_json, seconds, self.fingerprint)
            .save(path)?;
        self.saved = Pause {
            since: seconds,
            took: self.seconds() - before,
        };
        Ok(())
    }

    fn progress(&self, done: f64, seconds: f64) -> Progress {
        let tokens = self.run.trainer.tokens();
        let session = self.began.elapsed().as_secs_f64();
        Progress {
            vocabulary: self.vocabulary,
            done: done.min(1.0),
            tokens,
            seconds,
            speed: (tokens - self.tokens_before) as f64 / session.max(1e-9),
            last: self.run.curve.last().copied(),
        }
    }

    /// The best net, checked against the trainer's own.
    fn finish(self, split: Option<Split>, end: End) -> Result<Trained, Error> {
        let seconds = self.seconds();
        let Run {
            trainer,
            average,
            best,
            curve,
            ..
        } = self.run;
        let (heldout, parameters) = best.unwrap_or((f64::INFINITY, average));
        let weights = trainer.layout().quantize(&parameters).0;
        agreement::check(&trainer, &parameters, &weights, &self.tokenizer_json, &self.text)?;
        Ok(Trained {
            weights,
            tokenizer_json: self.tokenizer_json,
            split,
            curve,
            heldout,
            tokens: trainer.tokens(),
            text_tokens: self.text.tokens.len(),
            seconds,
            end,
        })
    }
}

/// The checkpoint of the run with this fingerprint.
fn load(path: &Path, fingerprint: u64, options: &Options) -> Result<Checkpoint, Error> {
    let stored = Stored::open(path)?;
    if stored.run() != fingerprint {
        return Err(Error::OtherRun {
            path: path.to_owned(),
        });
    }
    let malformed = |problem| checkpoint::Error::Malformed {
        path: path.to_owned(),
        problem,
    };
    // This bounds what is read.
    let vocab_size = stored.config().vocab_size;
    if vocab_size > MAX_VOCAB_SIZE || *stored.config() != options.net_config(vocab_size) {
        return Err(malformed("its net has other sizes than the run's").into());
    }
    let checkpoint = stored.read()?;
    if Tokenizer::from_json(&checkpoint.tokenizer_json)?.vocab_size() != vocab_size {
        return Err(malformed("its net and its tokenizer have other vocabularies").into());
    }
    let hyperparameters = &options.hyperparameters;
    let step = (hyperparameters.sequence_len * hyperparameters.batch_size) as u64;
    let most = match options.budget {
        Budget::Tokens(tokens) => tokens.saturating_add(step),
        Budget::Seconds(_) => ((checkpoint.seconds * MAX_SPEED) as u64).saturating_add(step),
    };
    if checkpoint.state.steps.saturating_mul(step) > most {
        return Err(malformed("it has taken more steps than the run can have").into());
    }
    Ok(checkpoint)
}

/// Some of the corpus, by which to choose a split pattern.
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
