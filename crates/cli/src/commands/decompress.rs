//! `czip decompress`

use std::time::Instant;

use czip::Options;

use crate::error::Failure;
use crate::job::{ModelFiles, Transfer};
use crate::progress::Progress;
use crate::report::Statistics;
use crate::ui::Ui;

/// A text to restore.
#[derive(Debug)]
pub(crate) struct Decompress {
    pub(crate) transfer: Transfer,
    pub(crate) model: ModelFiles,
    pub(crate) options: Options,
}

impl Decompress {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        let Transfer {
            source,
            target,
            overwrite,
        } = &self.transfer;
        let mut input = source.open_compressed()?;
        let mut output = target.create(&input, *overwrite)?;
        let model = self.model.load(ui)?;

        let start = Instant::now();
        // A text that appears on the screen is progress enough.
        let progress = Progress::start(ui, source.to_string(), target.is_terminal());
        let options = progress.watch(&self.options);
        let summary = czip::decompress_to(&model, &mut input, &mut output, &options)
            .map_err(|error| self.transfer.failure(error, &input))?;
        output.commit().map_err(|error| error.of(target))?;
        drop(progress);

        let statistics = Statistics {
            text_len: summary.text_len,
            file_len: summary.file_len,
            tokens: summary.tokens,
            seconds: start.elapsed().as_secs_f64(),
            restored: true,
        };
        ui.note(format_args!("{source}: {statistics}"));
        ui.detail(format_args!(
            "{source}: {} chunks of up to {} tokens",
            summary.chunks, summary.chunk_len
        ));
        Ok(())
    }
}
