//! `czip cat --range`: parts of texts go to standard output.

use std::io::{self, Read, Write};
use std::ops::Range;

use czip::{Decoder, Format, Options};

use crate::admission::{Admitted, admit};
use crate::commands::decompress::is_other;
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::models::{ModelFiles, ModelSet};
use crate::selection::Selection;
use crate::transfer::Transfer;
use crate::ui::Ui;

/// Files, and which part of their texts is wanted.
#[derive(Debug)]
pub(crate) struct CatRange {
    pub(crate) selection: Selection,
    pub(crate) models: ModelFiles,
    pub(crate) options: Options,
    /// In bytes of the text.
    pub(crate) range: Range<u64>,
    /// Whether files of other formats are texts themselves.
    pub(crate) pass_through: bool,
}

/// The most bytes of text that are decoded at a time. The segments at its ends are decoded whole.
const PIECE: u64 = 32 << 20;

impl CatRange {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        let found = self.selection.find(ui)?;
        let admitted = admit(&found, &self.models, ui);
        let models = self.models.set(ui)?;
        let exit = ui.each(&admitted.transfers, |transfer| {
            self.one(transfer, &models, &admitted)
        })?;
        Ok(admitted.exit.or(exit))
    }

    fn one(
        &self,
        transfer: &Transfer,
        models: &ModelSet<'_>,
        admitted: &Admitted<'_>,
    ) -> Result<(), Failure> {
        let Transfer { source, target, .. } = transfer;
        let failed_read = |error| Error::Read(error).of(source);
        let mut input = source.open_compressed()?;
        let mut output = target.create(&admitted.inputs, None, false)?;
        if self.pass_through && is_other(&mut input).map_err(failed_read)? {
            let Range { start, end } = self.range;
            io::copy(&mut (&mut input).take(start), &mut io::sink()).map_err(failed_read)?;
            let copied = io::copy(&mut (&mut input).take(end.saturating_sub(start)), &mut output);
            copied.map_err(|error| transfer.failure(czip::Error::Io(error), &input))?;
            return output.commit().map(drop).map_err(|error| error.of(target));
        }
        if Format::detect(input.peek(Format::DETECTION_LEN).map_err(failed_read)?) == Some(Format::V1) {
            return Err(Error::RangeOfV1.of(source));
        }
        let input = input.into_seekable().map_err(failed_read)?;
        let mut decoder = Decoder::new(models, input, &self.options);
        let failed = |error| models.explain(error).of(source);
        let end = self.range.end.min(decoder.index().map_err(failed)?.text_len());
        let mut start = self.range.start;
        while start < end {
            let piece_end = end.min(start.saturating_add(PIECE));
            let text = decoder.read_range(start..piece_end).map_err(failed)?;
            output.write_all(&text).map_err(|error| target.failed(error))?;
            start = piece_end;
        }
        output.commit().map(drop).map_err(|error| error.of(target))
    }
}
