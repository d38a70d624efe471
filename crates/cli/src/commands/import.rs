//! `import`: a language model of another program goes in; a model in integers comes out.

#![allow(
    clippy::float_arithmetic,
    reason = "figures are for people; no coded bit depends on them"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::mem;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use czip::{Model, Options};
use czip_import::{Imported, Loss, Source, Tokenizer, net};
use czip_train::adapt;
use czip_train::corpus::{Corpus, CorpusOptions, Heldout};

use crate::args;
use crate::commands::fitting::Fitting;
use crate::commands::texts::{Texts, describe};
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::identity::Identities;
use crate::memory;
use crate::output::Target;
use crate::progress::Progress;
use crate::report::{bits_per, cell, speed, to_mega};
use crate::ui::Ui;

/// What the nets are compared on, if no text is named: English prose, as it happens to be at hand.
const SAMPLE: &str = include_str!("../../README.md");

/// The most tokens that they are compared on: the net in floats is slow.
const MAX_SAMPLE_TOKENS: usize = 256;

/// The same for a text that is named.
const MAX_MEASURED_TOKENS: usize = 20_000;

/// The most bytes that the model's speed is measured on.
const MAX_TIMED_LEN: usize = 4096;

/// The command, with all choices made.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) model: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) overwrite: bool,
    pub(crate) options: czip_import::Options,
    /// Texts to fit the mixing priors to, and the bytes that are taken of them.
    pub(crate) calibration: Vec<PathBuf>,
    pub(crate) sample_len: usize,
    /// Text to compare the nets on.
    pub(crate) measured: Option<PathBuf>,
    pub(crate) facts: BTreeMap<String, String>,
}

impl Import {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        let failed = |error| Error::Import(Box::new(error)).of(self.model.display());
        let source = Source::open(&self.model).map_err(failed)?;
        let corpus_options = self.corpus_options();
        let mut inputs = Identities::default();
        let mut texts = None;
        if !self.calibration.is_empty() {
            let outputs = std::slice::from_ref(&self.output);
            let mut found = Texts::find(&self.calibration, &corpus_options, outputs, ui)?;
            inputs = mem::take(&mut found.inputs);
            texts = Some(found);
        }
        source.files().for_each(|path| inputs.add(path));
        inputs.add(&self.model);
        self.measured.iter().for_each(|path| inputs.add(path));
        let target = Target::from(self.output.clone());
        let mut output = target.create_compressed(&inputs, None, self.overwrite)?;
        // Read now: minutes later would be too late to say that something is missing.
        let corpus = texts.map(Texts::read).transpose()?;
        let read = |path: &PathBuf| fs::read(path).map_err(|error| Error::Read(error).of(path.display()));
        let measured = self.measured.as_ref().map(read).transpose()?;

        let config = source.config();
        ui.note(format_args!(
            "{}: {}, {} layers, {} elements, vocabulary of {}",
            source.name().unwrap_or("a model without a name"),
            config.architecture.name(),
            config.layers,
            config.d_model,
            config.vocab_size,
        ));
        let progress = Progress::start(ui, self.model.display().to_string(), false).of("weights");
        let imported = czip_import::import(&source, &self.options, &|done, total| {
            progress.show(done, Some(total));
            ControlFlow::Continue(())
        });
        drop(progress);
        let mut imported = imported.map_err(failed)?;
        imported.facts.extend(self.facts.clone());
        let tokenizer = imported.tokenizer().map_err(failed)?;
        if let Some(corpus) = &corpus {
            describe(corpus, ui);
            self.calibrate(&mut imported, &tokenizer, corpus, ui)?;
        }
        let licence = imported.facts.get("licence").cloned();
        let (len, weights) = imported.write_to(&mut output).map_err(|error| match error {
            czip_import::Error::Write(error) => target.failed(error),
            error => failed(error),
        })?;
        output.commit().map_err(|error| error.of(&target))?;
        ui.note(format_args!(
            "wrote {target}: {len} bytes, licence: {}",
            licence.as_deref().unwrap_or("not known")
        ));
        if ui.shows_notes() {
            let (text, max_tokens) = match &measured {
                Some(text) => (text.as_slice(), MAX_MEASURED_TOKENS),
                None => (SAMPLE.as_bytes(), MAX_SAMPLE_TOKENS),
            };
            let loss = czip_import::loss(
                &source,
                &net(weights),
                &tokenizer,
                text,
                max_tokens,
                self.threads(),
            );
            ui.note(Comparison(loss.map_err(failed)?));
            // It may be as large as the model.
            drop(source);
            self.time(text, ui)?;
        }
        Ok(Exit::Success)
    }

    fn threads(&self) -> usize {
        match self.options.threads {
            0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            threads => threads,
        }
    }

    /// How texts to fit the priors to are read: all of them are learnt from.
    fn corpus_options(&self) -> CorpusOptions {
        CorpusOptions {
            heldout: Heldout::Fraction(0.0),
            min_len: args::MIN_SAMPLE_LEN,
            ..CorpusOptions::default()
        }
    }

    /// Fits the mixing priors to texts.
    fn calibrate(
        &self,
        imported: &mut Imported,
        tokenizer: &Tokenizer,
        corpus: &Corpus,
        ui: &Ui,
    ) -> Result<(), Failure> {
        let net = net(imported.weights.clone());
        let fitting = Fitting {
            model: &self.model,
            corpus,
            seed: self.corpus_options().seed,
            sample_len: self.sample_len,
            threads: self.threads(),
        };
        fitting.run(ui, |sample, of_sample, work| {
            let calibration = adapt::calibrate(&net, tokenizer, sample, work)?;
            imported.mixing_priors = vec![calibration.priors];
            imported.mixing_weights = Some(calibration.counts);
            imported.facts.extend(of_sample);
            Ok(())
        })
    }

    /// Says what the model does on this machine.
    fn time(&self, text: &[u8], ui: &Ui) -> Result<(), Failure> {
        let text = &text[..text.len().min(MAX_TIMED_LEN)];
        let threads = self.threads();
        let options =
            NonZeroUsize::new(threads).map_or_else(Options::new, |threads| Options::new().threads(threads));
        let (result, memory) = memory::with_growth(|| {
            let model = Model::open(&self.output)?;
            let start = Instant::now();
            let file = czip::compress(&model, text, &options)?;
            Ok::<_, czip::Error>((file.len() as u64, start.elapsed()))
        });
        let (len, time) = result.map_err(Error::from)?;
        let text_len = text.len() as u64;
        ui.note(format_args!(
            "{text_len} bytes of text: {len} bytes, {} bits a byte; {} bytes a second with {threads} threads, {} of memory",
            cell(bits_per(len, text_len), 3),
            cell(speed(text_len, time.as_secs_f64()), 0),
            memory.map_or_else(|| String::from("an unknown amount"), |bytes| format!("{:.0} MB", to_mega(bytes as f64))),
        ));
        Ok(())
    }
}

/// The nets in integers and in floats side by side.
struct Comparison(Loss);

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = |bits: f64| bits / self.0.tokens.max(1) as f64;
        write!(
            f,
            "{} tokens of text: {:.4} bits a token, {:.4} in floats, {:+.2} %",
            self.0.tokens,
            mean(self.0.integer_bits),
            mean(self.0.float_bits),
            self.0.relative() * 100.0
        )
    }
}
