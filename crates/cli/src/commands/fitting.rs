//! Fitting mixing priors to a sample of texts, which `adapt` and `import` do.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use czip_train::adapt::{self, Work};
use czip_train::corpus::Corpus;

use crate::error::{Error, Failure};
use crate::progress::Progress;
use crate::ui::Ui;

/// What priors are fitted to, and how.
#[derive(Debug)]
pub(super) struct Fitting<'f> {
    /// The model, by the name that the user knows.
    pub(super) model: &'f Path,
    pub(super) corpus: &'f Corpus,
    pub(super) seed: u64,
    /// Bytes of text to learn from.
    pub(super) sample_len: usize,
    pub(super) threads: usize,
}

impl Fitting<'_> {
    /// Shows the progress of what `fit` does with a sample. It also gets what a model file says of the sample.
    pub(super) fn run<T>(
        &self,
        ui: &Ui,
        fit: impl FnOnce(Vec<&[u8]>, BTreeMap<String, String>, Work<'_>) -> Result<T, adapt::Error>,
    ) -> Result<T, Failure> {
        let sample = adapt::sample(self.corpus, self.seed, self.sample_len);
        let sample_len: usize = sample.iter().map(|text| text.len()).sum();
        let facts = adapt::facts(concat!("czip ", env!("CARGO_PKG_VERSION")), self.seed, &sample);
        ui.note(format_args!("fitting the mixing priors to {sample_len} bytes"));
        let progress = Progress::start(ui, self.model.display().to_string(), false);
        let work = Work {
            threads: self.threads,
            observe: &|done, total| {
                progress.show(done, Some(total));
                ControlFlow::Continue(())
            },
        };
        fit(sample, facts, work).map_err(|error| Error::Fitting(Box::new(error)).into())
    }
}
