//! `train`: texts go in; a model comes out, and the curve of its training.

#![allow(
    clippy::float_arithmetic,
    reason = "figures are for people; no coded bit depends on them"
)]

mod outputs;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use czip::{Model, ModelContents as Contents, ModelFile, Options};
use czip_peers::Compressor;
use czip_train::adapt::{self, SAMPLE_LEN, Work};
use czip_train::checkpoint;
use czip_train::corpus::{Corpus, CorpusOptions};
use czip_train::curve;
use czip_train::session::{self, Base, Budget, End, Progress, Trained, Vocabulary};

use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::interrupt;
use crate::progress;
use crate::report;
use crate::ui::Ui;

use self::outputs::Outputs;
pub(crate) use self::outputs::checkpoint_of;
use crate::commands::texts::{Texts, describe, heldout_text};

/// The command, with all choices made.
#[derive(Debug)]
pub(crate) struct Train {
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) output: PathBuf,
    pub(crate) overwrite: bool,
    pub(crate) corpus: CorpusOptions,
    pub(crate) session: session::Options,
    pub(crate) from: Option<PathBuf>,
    pub(crate) new_tokenizer: bool,
    /// The learning rates of `session` as a part of the usual ones.
    pub(crate) rate: f32,
    pub(crate) facts: BTreeMap<String, String>,
}

/// The held-out text is also measured in pieces of this size, as texts of its kind may come in small files.
const PIECE: usize = 32 << 10;

impl Train {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        let wishes = self.session.vocab_size.is_some() || self.session.split.is_some();
        if wishes && self.from.is_some() && !self.new_tokenizer {
            return Err(Error::TokenizerKept.into());
        }
        let mut texts = Texts::find(&self.inputs, &self.corpus, &outputs::paths(&self.output), ui)?;
        self.from.iter().for_each(|path| texts.inputs.add(path));
        let inputs = std::mem::take(&mut texts.inputs);
        // Checked now: hours later would be too late to say that something is in the way.
        let outputs = Outputs::check(&self.output, inputs, self.overwrite, self.session.resume)?;

        let mut options = self.session.clone();
        options.base = self.base()?;
        let mut corpus = texts.read()?;
        corpus.split_calibration(self.corpus.seed);
        describe(&corpus, ui);
        if let Some(name) = self.session.device.gpu_name() {
            // The fastest one may be a slow one, or a program that stands in for one.
            ui.note(format_args!("GPU: {name}"));
        }
        let trained = self.train(&corpus, &options, ui)?;
        self.finish(&trained, &corpus, &outputs, ui).inspect_err(|_| {
            if outputs.checkpoint.exists() {
                ui.note(format_args!(
                    "the training is kept in {}, and --resume continues from there",
                    outputs.checkpoint.display()
                ));
            }
        })
    }

    fn train(&self, corpus: &Corpus, options: &session::Options, ui: &Ui) -> Result<Trained, Failure> {
        let mut progress = progress::Training::start(ui);
        let mut is_first = true;
        interrupt::ask_to_stop();
        let trained = session::train(corpus, options, |now: &Progress| {
            if std::mem::take(&mut is_first) {
                tell_of_vocabulary(now.vocabulary, ui);
            }
            progress.show(now);
            if interrupt::asked() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        interrupt::end_at_once();
        progress.end();
        trained.map_err(|error| {
            let error = match error {
                session::Error::Checkpoint(checkpoint::Error::Malformed { .. })
                | session::Error::OtherRun { .. } => Error::Resume(Box::new(error)),
                error => Error::Training(Box::new(error)),
            };
            error.into()
        })
    }

    /// Makes and writes the model, and says what it is worth.
    fn finish(
        &self,
        trained: &Trained,
        corpus: &Corpus,
        outputs: &Outputs,
        ui: &Ui,
    ) -> Result<Exit, Failure> {
        match trained.end {
            End::Overfitted => {
                ui.note("ended early, since held-out text costs more and more, and training text less; the best model is kept");
            }
            End::Whole | End::Stopped => {}
        }
        ui.note(format_args!(
            "net without mixer: {:.3} bits/byte of the held-out text after {} in {:.0} s",
            trained.heldout,
            report::tokens(trained.tokens),
            trained.seconds
        ));

        if trained.end == End::Stopped && trained.curve.len() < 2 && self.output.exists() {
            // A model that has hardly begun to learn must not replace an existing one.
            return Err(Error::StoppedEarly.of(self.output.display()));
        }
        ui.note("fitting the mixing priors");
        let file = self.file(corpus, trained)?;
        outputs.write(&outputs.model, &file)?;
        outputs.write(&outputs.table, curve::csv(&trained.curve).as_bytes())?;
        outputs.write(&outputs.picture, curve::svg(&trained.curve).as_bytes())?;
        if trained.end == End::Stopped {
            ui.note("stopped; the model is the best so far, and --resume -f continues");
        } else {
            // It may never have been written.
            let _ = fs::remove_file(&outputs.checkpoint);
        }
        let model = Model::from_bytes(&file).map_err(|error| Error::from(error).of(self.output.display()))?;
        ui.note(format_args!(
            "wrote {}: {} bytes, model {}",
            self.output.display(),
            file.len(),
            model.id()
        ));
        measure(&model, file.len(), corpus, ui)?;
        Ok(Exit::Success)
    }

    fn base(&self) -> Result<Option<Base>, Failure> {
        let Some(path) = &self.from else {
            return Ok(None);
        };
        let bytes = fs::read(path).map_err(|error| Error::Read(error).of(path.display()))?;
        let failed = |error| Error::from(czip::Error::from(error)).of(path.display());
        let ModelFile::V2(file) = ModelFile::from_bytes(&bytes).map_err(failed)? else {
            return Err(Error::CannotTrainOn.of(path.display()));
        };
        Ok(Some(Base {
            tokenizer_json: file.extras.tokenizer_json().map_err(failed)?,
            weights: file.weights,
            new_tokenizer: self.new_tokenizer,
        }))
    }

    /// The model's file.
    fn file(&self, corpus: &Corpus, trained: &Trained) -> Result<Vec<u8>, Failure> {
        let mut facts = self.facts.clone();
        let mut fact = |key: &str, value: String| {
            facts.insert(key.to_owned(), value);
        };
        let budget = match self.session.budget {
            Budget::Seconds(seconds) => format!("{:.1} minutes", seconds / 60.0),
            Budget::Tokens(tokens) => format!("{tokens} tokens"),
        };
        fact(
            "training.program",
            concat!("czip ", env!("CARGO_PKG_VERSION")).into(),
        );
        fact("training.budget", budget);
        fact("training.seed", self.session.hyperparameters.seed.to_string());
        fact("training.text_bytes", corpus.train_len().to_string());
        fact("training.text_tokens", trained.text_tokens.to_string());
        fact("training.tokens", trained.tokens.to_string());
        fact("training.seconds", format!("{:.0}", trained.seconds));
        fact(
            "training.heldout_bits_per_byte",
            format!("{:.4}", trained.heldout),
        );
        if let Some(split) = trained.split {
            fact("training.split", split.to_string());
        }
        if self.rate != 1.0 {
            fact("training.rate", self.rate.to_string());
        }
        if let Some(from) = &self.from {
            fact("training.from", from.display().to_string());
        }
        let contents = Contents {
            facts,
            ..Contents::new(&trained.weights, &trained.tokenizer_json)
        };
        let failed = |error| Error::from(czip::Error::from(error)).of(self.output.display());
        let file = contents.to_bytes().map_err(failed)?;
        let sample = adapt::sample(corpus, self.session.hyperparameters.seed, SAMPLE_LEN);
        let work = Work {
            threads: self.session.hyperparameters.threads,
            observe: &|_, _| ControlFlow::Continue(()),
        };
        adapt::adapt(&file, sample, BTreeMap::new(), work)
            .map_err(|error| Error::Fitting(Box::new(error)).into())
    }
}

/// Says that there are fewer tokens than wanted, and why.
fn tell_of_vocabulary(vocabulary: Option<Vocabulary>, ui: &Ui) {
    if let Some(Vocabulary { wanted, made }) = vocabulary
        && made < wanted
    {
        ui.warning(format_args!(
            "the vocabulary has {made} tokens, not {wanted}: no other pair of tokens occurs twice in the text"
        ));
    }
}

/// The held-out text in files of czip and of others.
fn measure(model: &Model, model_len: usize, corpus: &Corpus, ui: &Ui) -> Result<(), Failure> {
    let text = heldout_text(corpus);
    if text.is_empty() {
        return Ok(());
    }
    let built_in = Model::builtin();
    let whole = sizes(model, &built_in, &[&text], None)?;
    ui.note(format_args!("held-out text as one file, {} bytes:", text.len()));
    table(&whole, text.len(), ui);

    let pieces: Vec<&[u8]> = text.chunks(PIECE).collect();
    if pieces.len() > 1 {
        let dictionary = dictionary(corpus);
        let pieces = sizes(model, &built_in, &pieces, dictionary.as_deref())?;
        ui.note(format_args!("in pieces of {} bytes:", PIECE));
        table(&pieces, text.len(), ui);
        let ours = pieces[0].1 as f64;
        let best = pieces[1..].iter().map(|&(_, len)| len).min().unwrap_or(0) as f64;
        if best > ours {
            let bytes = model_len as f64 / ((best - ours) / text.len() as f64);
            ui.note(format_args!(
                "sent along once, the model pays for itself after {:.1} MB of such pieces",
                bytes / 1e6
            ));
        } else {
            ui.note("the model does not pay for itself");
        }
    }
    compare_with_built_in(whole[0].1, whole[1].1, ui);
    Ok(())
}

/// Says whether the model is of any use: every czip has the built-in one.
fn compare_with_built_in(ours: usize, built_in: usize, ui: &Ui) {
    let percent = (ours as f64 / built_in as f64 - 1.0) * 100.0;
    if ours < built_in {
        ui.note(format_args!(
            "files are {:.1} % smaller than with the built-in model",
            -percent
        ));
    } else {
        ui.warning(format_args!(
            "files are {percent:.1} % larger than with the built-in model, which is the better one for such texts; train longer \
             or on more text, or fit the built-in one to them with czip adapt standard"
        ));
    }
}

/// What each program makes of some texts, czip first, then czip with the built-in model.
fn sizes(
    model: &Model,
    built_in: &Model,
    texts: &[&[u8]],
    dictionary: Option<&[u8]>,
) -> Result<Vec<(String, usize)>, Failure> {
    let options = Options::new();
    let mut all = Vec::new();
    for (name, model) in [("czip", model), ("czip with the built-in model", built_in)] {
        let mut sum = 0;
        for file in czip::compress_many(model, texts, &options) {
            sum += file.map_err(Error::from)?.len();
        }
        all.push((name.to_owned(), sum));
    }
    for compressor in [Compressor::Brotli, Compressor::Zstd] {
        let mut sum = 0;
        for text in texts {
            sum += compressor.compress(text).map_err(Error::OtherCompressor)?.len();
        }
        all.push((compressor.name().to_owned(), sum));
    }
    if let Some(dictionary) = dictionary {
        let sizes = czip_peers::zstd_sizes(dictionary, texts.iter().copied());
        all.push((
            format!("zstd-19 with a dictionary of {} bytes", dictionary.len()),
            sizes.map_err(Error::OtherCompressor)?.iter().sum(),
        ));
    }
    Ok(all)
}

/// A dictionary for zstd of the usual size, trained on the training text; none if zstd finds too little to make one of.
fn dictionary(corpus: &Corpus) -> Option<Vec<u8>> {
    const LEN: usize = 112_640;
    let mut samples: Vec<&[u8]> = Vec::new();
    let mut taken = 0;
    for document in &corpus.train {
        let pieces = document.text.as_bytes().chunks(PIECE);
        samples.extend(pieces.clone());
        taken += document.text.len();
        if taken > 100 * LEN {
            break;
        }
    }
    czip_peers::zstd_dictionary(&samples, LEN).ok()
}

fn table(sizes: &[(String, usize)], text_len: usize, ui: &Ui) {
    let ours = sizes[0].1;
    for (name, len) in sizes {
        let more = if *len == ours {
            String::new()
        } else {
            format!(", czip {:+.1} %", (ours as f64 / *len as f64 - 1.0) * 100.0)
        };
        ui.note(format_args!(
            "  {len:>9} bytes {:.3} bits/byte  {name}{more}",
            *len as f64 * 8.0 / text_len as f64
        ));
    }
}
