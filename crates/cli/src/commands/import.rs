//! `import`: a language model of another program goes in; a model in integers comes out.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use czip_import::{Options, Source};

use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::identity::Identities;
use crate::output::Target;
use crate::progress::Progress;
use crate::ui::Ui;

/// The command, with all choices made.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) model: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) overwrite: bool,
    pub(crate) options: Options,
    pub(crate) facts: BTreeMap<String, String>,
}

impl Import {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        let failed = |error| Error::Import(Box::new(error)).of(self.model.display());
        let source = Source::open(&self.model).map_err(failed)?;
        let mut inputs: Identities = source.files().collect();
        inputs.add(&self.model);
        let target = Target::from(self.output.clone());
        let mut output = target.create_compressed(&inputs, None, self.overwrite)?;

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
        });
        drop(progress);
        let mut imported = imported.map_err(failed)?;
        imported.facts.extend(self.facts.clone());
        let licence = imported.facts.get("licence").cloned();
        let bytes = imported.into_bytes().map_err(failed)?;
        output.write_all(&bytes).map_err(|error| target.failed(error))?;
        output.commit().map_err(|error| error.of(&target))?;
        ui.note(format_args!(
            "wrote {target}: {} bytes, licence: {}",
            bytes.len(),
            licence.as_deref().unwrap_or("not known")
        ));
        Ok(Exit::Success)
    }
}
