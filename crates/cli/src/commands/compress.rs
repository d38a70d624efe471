//! `czip compress`, and czip without a command

use std::time::Instant;

use czip::Model;

use crate::admission::admit;
use crate::args::Format;
use crate::choice::Choice;
use crate::commands::group::{self, Small, Work};
use crate::error::{Error, Failure, unless_reader_is_gone};
use crate::exit::Exit;
use crate::identity::Identities;
use crate::models::ModelFiles;
use crate::progress::Progress;
use crate::report::{Done, Statistics, count};
use crate::selection::Selection;
use crate::transfer::Transfer;
use crate::ui::Ui;

/// Texts to compress.
#[derive(Debug)]
pub(crate) struct Compress {
    pub(crate) selection: Selection,
    pub(crate) model: ModelFiles,
    pub(crate) choice: Choice,
    pub(crate) json: bool,
}

impl Compress {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        if self.choice.format == Format::V1 && !self.model.are_named() {
            return Err(Error::NoModel.into());
        }
        let found = self.selection.find(ui)?;
        self.choice.explain(ui);
        let load = || {
            if self.model.are_none() {
                ui.note("note: no model, so everything is coded as bytes; -m MODEL makes texts smaller");
            }
            self.model.load(self.choice.level, ui)
        };
        let admitted = admit(&found, &self.model, ui);
        let inputs = &admitted.inputs;
        match (&found.transfers[..], &admitted.transfers[..]) {
            (_, []) => return Ok(admitted.exit),
            // Otherwise its failure is not the first, as with several files.
            ([_], [transfer]) if admitted.exit == Exit::Success => {
                return self.one(ui, transfer, inputs, load).map(|_| admitted.exit);
            }
            _ => {}
        }
        let model = load()?;
        let alone = |transfer: &Transfer| self.one(ui, transfer, inputs, || Ok(model.clone()));
        if self.choice.format == Format::V1 {
            let exit = ui.each(&admitted.transfers, |transfer| {
                unless_reader_is_gone(alone(transfer).map(drop))
            })?;
            return Ok(admitted.exit.or(exit));
        }
        let together = |texts: &[&[u8]], progress: &Progress| {
            let files = czip::compress_many(model.as_ref(), texts, &progress.watch(&self.choice.options));
            files.into_iter().map(|file| file.map_err(Error::from)).collect()
        };
        let work = Work {
            done: Done::Compressed,
            json: self.json,
        };
        Ok(group::run(ui, &admitted, work, Small::of_text, alone, together))
    }

    fn one(
        &self,
        ui: &Ui,
        transfer: &Transfer,
        inputs: &Identities,
        load: impl FnOnce() -> Result<Option<Model>, Failure>,
    ) -> Result<Statistics, Failure> {
        let Transfer {
            source,
            target,
            overwrite,
            ..
        } = transfer;
        let mut input = source.open()?;
        let mut output = target.create_compressed(inputs, input.attributes(), *overwrite)?;
        let model = load()?;

        let start = Instant::now();
        let progress = Progress::start(ui, source.to_string(), false);
        let mut statistics = Statistics {
            done: Done::Compressed,
            text_len: 0,
            file_len: 0,
            tokens: None,
            seconds: None,
        };
        match (self.choice.format, &model) {
            (Format::V1, None) => return Err(Error::NoModel.into()),
            (Format::V1, Some(model)) => {
                let options = progress.watch(&self.choice.options);
                let summary = czip::v1::compress_to(model, &mut input, &mut output, &options)
                    .map_err(|error| transfer.failure(error, &input))?;
                drop(progress);
                if summary.level_lowered {
                    ui.warning(format_args!(
                        "{source}: level lowered to chunks of {} tokens, the model's context",
                        summary.chunk_len
                    ));
                }
                statistics.text_len = summary.text_len;
                statistics.file_len = summary.file_len;
                statistics.tokens = Some(summary.tokens);
                ui.detail(format_args!(
                    "{target}: {} of up to {} tokens",
                    count(summary.chunks, "chunk"),
                    summary.chunk_len
                ));
            }
            (Format::V2, model) => {
                let progress = progress.of_bytes(input.file_len());
                let options = progress.watch(&self.choice.options);
                let summary = czip::compress_to(model, &mut input, &mut output, &options)
                    .map_err(|error| transfer.failure(error, &input))?;
                drop(progress);
                statistics.text_len = summary.text_len;
                statistics.file_len = summary.file_len;
                ui.detail(format_args!("{target}: {}", group::segments(&summary)));
            }
        }
        let committed = output.commit().map_err(|error| error.of(target))?;
        input.finish(source, ui)?;
        statistics.seconds = Some(start.elapsed().as_secs_f64());
        transfer.end(&committed, input.version().as_ref(), statistics, self.json, ui)
    }
}
