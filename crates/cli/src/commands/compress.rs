//! `czip compress`

use std::time::Instant;

use czip::Options;

use crate::error::Failure;
use crate::job::{ModelFiles, Transfer};
use crate::progress::Progress;
use crate::report::Statistics;
use crate::ui::Ui;

/// A text to compress.
#[derive(Debug)]
pub(crate) struct Compress {
    pub(crate) transfer: Transfer,
    pub(crate) model: ModelFiles,
    pub(crate) options: Options,
}

impl Compress {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        let Transfer {
            source,
            target,
            overwrite,
        } = &self.transfer;
        let mut input = source.open()?;
        let mut output = target.create_compressed(&input, *overwrite)?;
        let model = self.model.load(ui)?;

        let start = Instant::now();
        let progress = Progress::start(ui, source.to_string(), false);
        let options = progress.watch(&self.options);
        let summary = czip::compress_to(&model, &mut input, &mut output, &options)
            .map_err(|error| self.transfer.failure(error, &input))?;
        output.commit().map_err(|error| error.of(target))?;
        drop(progress);

        if summary.level_lowered {
            ui.warning(format_args!(
                "{source}: level lowered to chunks of {} tokens, the model's context",
                summary.chunk_len
            ));
        }
        let statistics = Statistics {
            text_len: summary.text_len,
            file_len: summary.file_len,
            tokens: summary.tokens,
            seconds: start.elapsed().as_secs_f64(),
            restored: false,
        };
        ui.note(format_args!("{source}: {statistics}"));
        ui.detail(format_args!(
            "{target}: {} chunks of up to {} tokens",
            summary.chunks, summary.chunk_len
        ));
        Ok(())
    }
}
