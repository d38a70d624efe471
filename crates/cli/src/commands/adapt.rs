//! `adapt`: a model and texts go in; a model with the same net comes out, whose mixing priors are fitted to the texts.

#![allow(
    clippy::float_arithmetic,
    reason = "figures are for people; no coded bit depends on them"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use czip::{Model, Options};
use czip_train::adapt;
use czip_train::corpus::{Corpus, CorpusOptions};

use crate::commands::fitting::Fitting;
use crate::commands::texts::{Texts, describe, heldout_text};
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::models;
use crate::output::Target;
use crate::ui::Ui;

/// The command, with all choices made.
#[derive(Debug)]
pub(crate) struct Adapt {
    pub(crate) model: PathBuf,
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) output: PathBuf,
    pub(crate) overwrite: bool,
    pub(crate) corpus: CorpusOptions,
    /// The bytes of text to learn from.
    pub(crate) sample_len: usize,
    pub(crate) threads: usize,
    pub(crate) facts: BTreeMap<String, String>,
}

impl Adapt {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        let mut texts = Texts::find(&self.inputs, &self.corpus, std::slice::from_ref(&self.output), ui)?;
        texts.inputs.add(&self.model);
        // Checked now: a minute later would be too late to say that something is in the way.
        let target = Target::from(self.output.clone());
        let mut output = target.create_compressed(&texts.inputs, None, self.overwrite)?;

        let before = models::read(&self.model)?;
        let model = |bytes: &[u8]| {
            Model::from_bytes(bytes).map_err(|error| Error::from(error).of(self.model.display()))
        };
        let old = model(&before)?;
        let corpus = texts.read()?;
        describe(&corpus, ui);
        let after = self.adapt(&before, &corpus, ui)?;
        let new = model(&after)?;
        output.write_all(&after).map_err(|error| target.failed(error))?;
        output.commit().map_err(|error| error.of(&target))?;
        ui.note(format_args!(
            "wrote {target}: {} bytes, model {}",
            after.len(),
            new.id()
        ));
        self.compare(&old, &new, &heldout_text(&corpus), ui)?;
        Ok(Exit::Success)
    }

    /// The new model's file.
    fn adapt(&self, model: &[u8], corpus: &Corpus, ui: &Ui) -> Result<Vec<u8>, Failure> {
        let fitting = Fitting {
            model: &self.model,
            corpus,
            seed: self.corpus.seed,
            sample_len: self.sample_len,
            threads: self.threads,
        };
        fitting.run(ui, |sample, of_sample, work| {
            let mut facts = self.facts.clone();
            facts.extend(of_sample);
            adapt::adapt(model, sample, facts, work)
        })
    }

    /// Says what the new model is worth.
    fn compare(&self, old: &Model, new: &Model, text: &[u8], ui: &Ui) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        let mut options = Options::new();
        if let Some(threads) = NonZeroUsize::new(self.threads) {
            options = options.threads(threads);
        }
        let len = |model: &Model| {
            let file = czip::compress(model, text, &options).map_err(Error::from);
            file.map(|file| file.len())
        };
        let (before, after) = (len(old)?, len(new)?);
        ui.note(format_args!(
            "held-out text, {} bytes, at level 5: {before} bytes before, {after} after, {:+.1} %",
            text.len(),
            (after as f64 / before as f64 - 1.0) * 100.0
        ));
        Ok(())
    }
}
