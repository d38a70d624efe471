//! `czip decompress`, `czip -d`, `czip -t` and `czip cat`

use std::borrow::Borrow;
use std::io;
use std::time::Instant;

use czip::{Format, Options};

use crate::admission::admit;
use crate::commands::group::{self, Small, Work};
use crate::error::{Error, Failure, unless_reader_is_gone};
use crate::exit::Exit;
use crate::identity::Identities;
use crate::input::Input;
use crate::models::{ModelFiles, ModelSet};
use crate::output::{Output, Target};
use crate::progress::Progress;
use crate::report::{Done, Statistics, count};
use crate::selection::Selection;
use crate::transfer::Transfer;
use crate::ui::Ui;

/// Files to restore.
#[derive(Debug)]
pub(crate) struct Decompress {
    pub(crate) selection: Selection,
    pub(crate) models: ModelFiles,
    pub(crate) options: Options,
    /// Whether to restore what can be restored of damaged files.
    pub(crate) recover: bool,
    /// Whether files of other formats go to standard output as they are.
    pub(crate) pass_through: bool,
    pub(crate) json: bool,
}

impl Decompress {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        let load = || self.models.set(ui);
        let found = self.selection.find(ui)?;
        let admitted = admit(&found, &self.models, ui);
        let inputs = &admitted.inputs;
        match (&found.transfers[..], &admitted.transfers[..]) {
            (_, []) => return Ok(admitted.exit),
            // Otherwise its failure is not the first, as with several files.
            ([_], [transfer]) if admitted.exit == Exit::Success => {
                return self.one(ui, transfer, inputs, load).map(|_| admitted.exit);
            }
            _ => {}
        }
        let models = &load()?;
        if self.recover {
            let exit = ui.each(&admitted.transfers, |transfer| {
                unless_reader_is_gone(self.one(ui, transfer, inputs, || Ok(models)).map(drop))
            })?;
            return Ok(admitted.exit.or(exit));
        }
        let alone = |transfer: &Transfer| self.one(ui, transfer, inputs, || Ok(models));
        let together = |files: &[&[u8]], progress: &Progress| {
            let options = progress.watch(&self.options);
            let texts = czip::decompress_many(models, files, &options);
            let explained = texts
                .into_iter()
                .map(|text| text.map_err(|error| models.explain(error)));
            explained.collect()
        };
        let done = match admitted.transfers[0].target {
            Target::Nowhere => Done::Tested,
            _ => Done::Restored,
        };
        let work = Work {
            done,
            json: self.json,
        };
        Ok(group::run(ui, &admitted, work, Small::of_file, alone, together))
    }

    fn one<'u, M: Borrow<ModelSet<'u>>>(
        &self,
        ui: &'u Ui,
        transfer: &Transfer,
        inputs: &Identities,
        load: impl FnOnce() -> Result<M, Failure>,
    ) -> Result<Statistics, Failure> {
        let Transfer {
            source,
            target,
            overwrite,
            ..
        } = transfer;
        let mut input = source.open_compressed()?;
        let mut output = target.create(inputs, input.attributes(), *overwrite)?;
        if self.pass_through
            && *target == Target::Stdout
            && is_other(&mut input).map_err(|error| Error::Read(error).of(source))?
        {
            return self.pass(ui, transfer, input, output);
        }
        let models = load()?;
        let models = models.borrow();
        if self.recover {
            return self.recover(ui, transfer, input, output, models);
        }

        let start = Instant::now();
        // A text that appears on the screen is progress enough.
        let progress = Progress::start(ui, source.to_string(), target.is_terminal()).of_bytes(None);
        let options = progress.watch(&self.options);
        let summary = czip::decompress_to(models, &mut input, &mut output, &options)
            .map_err(|error| transfer.failure(models.explain(error), &input))?;
        drop(progress);
        match summary.v1 {
            Some(v1) => ui.detail(format_args!(
                "{source}: {} of up to {} tokens",
                count(v1.chunks, "chunk"),
                v1.chunk_len
            )),
            None => ui.detail(format_args!("{source}: {}", group::segments(&summary))),
        }
        let committed = output.commit().map_err(|error| error.of(target))?;
        input.finish(source, ui)?;
        if transfer.remove && summary.v1.is_some() {
            return Err(Error::KeptWithoutChecksum.of(source));
        }
        let statistics = Statistics {
            done: if *target == Target::Nowhere {
                Done::Tested
            } else {
                Done::Restored
            },
            text_len: summary.text_len,
            file_len: summary.file_len,
            tokens: summary.v1.map(|v1| v1.tokens),
            seconds: Some(start.elapsed().as_secs_f64()),
        };
        transfer.end(&committed, input.version().as_ref(), statistics, self.json, ui)
    }

    /// Copies what is no compressed file.
    fn pass(
        &self,
        ui: &Ui,
        transfer: &Transfer,
        mut input: Input,
        mut output: Output,
    ) -> Result<Statistics, Failure> {
        let Transfer { source, target, .. } = transfer;
        let len = io::copy(&mut input, &mut output)
            .map_err(|error| transfer.failure(czip::Error::Io(error), &input))?;
        let committed = output.commit().map_err(|error| error.of(target))?;
        input.finish(source, ui)?;
        let statistics = Statistics {
            done: Done::Restored,
            text_len: len,
            file_len: len,
            tokens: None,
            seconds: None,
        };
        transfer.end(&committed, None, statistics, self.json, ui)
    }

    /// Restores what can be restored. Missing parts are reported and make it a failure, but the output is kept.
    fn recover(
        &self,
        ui: &Ui,
        transfer: &Transfer,
        input: Input,
        mut output: Output,
        models: &ModelSet<'_>,
    ) -> Result<Statistics, Failure> {
        let Transfer { source, target, .. } = transfer;
        let start = Instant::now();
        let progress = Progress::start(ui, source.to_string(), target.is_terminal()).of_bytes(None);
        let failed_read = |error| Error::Read(error).of(source);
        let input = input.into_seekable().map_err(failed_read)?;
        let options = progress.watch(&self.options);
        let recovery = czip::recover_to(models, input, &mut output, &options);
        let recovery = recovery.map_err(|error| match error {
            czip::Error::Io(error) => target.failed(error),
            error => models.explain(error).of(source),
        })?;
        drop(progress);
        let restored = recovery.summary.text_len;
        let mut exit = Exit::Success;
        for missing in recovery.missing {
            let missing = Error::TextMissing {
                text_offset: missing.text_offset,
                text_len: missing.text_len,
                file: missing.file,
                reason: Box::new(models.explain(missing.reason)),
            };
            exit = exit.or(missing.exit());
            ui.failure(&missing.of(source));
        }
        if exit != Exit::Success && (restored == 0 || output.replaces()) {
            // The file that is there may hold more.
            let error = if output.replaces() {
                Error::NotReplaced { restored, exit }
            } else {
                Error::PartlyRestored { restored, exit }
            };
            return Err(error.of(target));
        }
        let committed = output.commit().map_err(|error| error.of(target))?;
        if exit != Exit::Success {
            return Err(Error::PartlyRestored { restored, exit }.of(target));
        }
        let statistics = Statistics {
            done: Done::Restored,
            text_len: restored,
            file_len: recovery.summary.file_len,
            tokens: None,
            seconds: Some(start.elapsed().as_secs_f64()),
        };
        transfer.end(&committed, None, statistics, self.json, ui)
    }
}

/// Whether an input begins like none of ours. What is too short to tell is no compressed file.
pub(super) fn is_other(input: &mut Input) -> io::Result<bool> {
    let start = input.peek(Format::DETECTION_LEN)?;
    Ok(start.len() < Format::DETECTION_LEN || Format::detect(start).is_none())
}
