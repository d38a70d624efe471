//! Several files in one run: small ones are read, coded side by side, and written; large ones come one by one.

use std::fmt;
use std::io::{Read, Write};
use std::time::Instant;

use czip::v2::container::Reader;
use czip::{Format, Summary};

use crate::admission::Admitted;
use crate::attributes::Attributes;
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::identity::Identities;
use crate::input::Version;
use crate::output::Target;
use crate::progress::Progress;
use crate::report::{Done, Statistics};
use crate::transfer::Transfer;
use crate::ui::Ui;

/// Texts of more bytes are not small.
const SMALL: u64 = 4 << 20;

/// Bytes of text in a group, not counting the last text.
const GROUP: u64 = 32 << 20;

/// Files of a group.
const GROUP_FILES: usize = 128;

/// A small file's contents.
pub(crate) struct Small {
    bytes: Vec<u8>,
    text_len: u64,
}

impl Small {
    /// A text to compress.
    pub(crate) fn of_text(bytes: Vec<u8>) -> Option<Self> {
        let text_len = bytes.len() as u64;
        Some(Self { bytes, text_len })
    }

    /// A file to restore, if its text is known to be small. Errors are for whoever restores it to find.
    pub(crate) fn of_file(bytes: Vec<u8>) -> Option<Self> {
        if Format::detect(&bytes) != Some(Format::V2) {
            return None;
        }
        let mut text_len = 0;
        for segment in Reader::new(&bytes[..]) {
            text_len += u64::from(segment.ok()?.info.header.text_len());
            if text_len > SMALL {
                return None;
            }
        }
        Some(Self { bytes, text_len })
    }
}

/// The small file that is being processed. It has been read and closed.
struct Member<'t> {
    transfer: &'t Transfer,
    attributes: Option<Attributes>,
    version: Option<Version>,
    small: Small,
    /// Whether all of it was read.
    end: Result<(), Failure>,
}

/// Does something with each file. As with [`Ui::each`], the others are still processed after a failure.
pub(crate) fn run(
    ui: &Ui,
    admitted: &Admitted<'_>,
    work: Work,
    small: impl Fn(Vec<u8>) -> Option<Small>,
    alone: impl Fn(&Transfer) -> Result<Statistics, Failure>,
    together: impl Fn(&[&[u8]], &Progress) -> Vec<Result<Vec<u8>, Error>>,
) -> Exit {
    let mut run = Run {
        ui,
        work,
        inputs: &admitted.inputs,
        together,
        start: Instant::now(),
        sum: Sum::default(),
        exit: admitted.exit,
    };
    let mut group = Vec::new();
    let mut group_len = 0;
    for &transfer in &admitted.transfers {
        match open(transfer, &small, &admitted.inputs, ui) {
            Ok(Some(member)) => {
                group_len += member.small.text_len;
                group.push(member);
                if group_len >= GROUP || group.len() >= GROUP_FILES {
                    run.flush(&mut group);
                    group_len = 0;
                }
            }
            Ok(None) => {
                if transfer.target == Target::Stdout {
                    // There, the order of the texts is that of their names.
                    run.flush(&mut group);
                    group_len = 0;
                }
                let result = alone(transfer);
                run.count(result);
            }
            Err(failure) => run.count(Err(failure)),
        }
    }
    run.flush(&mut group);
    if run.sum.files > 1 {
        let statistics = run.sum.statistics(run.start, work.done);
        ui.note(format_args!("{} files: {statistics}", run.sum.files));
    }
    run.exit
}

/// What is done with each file, and how it is reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) done: Done,
    pub(crate) json: bool,
}

/// What has become of the files so far.
struct Run<'r, T> {
    ui: &'r Ui,
    work: Work,
    inputs: &'r Identities,
    together: T,
    start: Instant,
    sum: Sum,
    exit: Exit,
}

impl<T: Fn(&[&[u8]], &Progress) -> Vec<Result<Vec<u8>, Error>>> Run<'_, T> {
    fn count(&mut self, result: Result<Statistics, Failure>) {
        match result {
            Ok(statistics) => self.sum.add(&statistics),
            Err(failure) if matches!(failure.error, Error::ReaderGone) => {}
            Err(failure) => {
                self.ui.failure(&failure);
                self.exit = self.exit.or(failure.error.exit());
            }
        }
    }

    /// Processes the small files that have been read.
    fn flush(&mut self, group: &mut Vec<Member<'_>>) {
        let members = std::mem::take(group);
        if members.is_empty() {
            return;
        }
        let total = members.iter().map(|member| member.small.text_len).sum();
        let progress =
            Progress::start(self.ui, format!("{} files", members.len()), false).of_bytes(Some(total));
        let inputs: Vec<&[u8]> = members.iter().map(|member| &member.small.bytes[..]).collect();
        let outputs = (self.together)(&inputs, &progress);
        drop(progress);
        for (member, output) in members.into_iter().zip(outputs) {
            let written = member.write(output, self.work, self.inputs, self.ui);
            self.count(written);
        }
    }
}

/// Reads a file if it is small, and checks that its output can be made. What is not a file, or cannot be examined, is
/// processed on its own.
fn open<'t>(
    transfer: &'t Transfer,
    small: impl Fn(Vec<u8>) -> Option<Small>,
    inputs: &Identities,
    ui: &Ui,
) -> Result<Option<Member<'t>>, Failure> {
    let Transfer {
        source,
        target,
        overwrite,
        ..
    } = transfer;
    if !source.is_file() {
        return Ok(None);
    }
    let mut input = source.open()?;
    let is_file = target.check(inputs, *overwrite)?;
    // What goes to a screen is shown as it comes.
    let fits = is_file || *target == Target::Nowhere || *target == Target::Stdout && !target.is_terminal();
    if input.file_len().is_none_or(|len| len > SMALL) || !fits {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    (&mut input)
        .take(SMALL + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::Read(error).of(source))?;
    // It may have grown since.
    Ok((bytes.len() as u64 <= SMALL)
        .then_some(bytes)
        .and_then(small)
        .map(|small| Member {
            transfer,
            attributes: input.attributes(),
            version: input.version(),
            small,
            end: input.finish(source, ui),
        }))
}

impl Member<'_> {
    fn write(
        self,
        output: Result<Vec<u8>, Error>,
        work: Work,
        inputs: &Identities,
        ui: &Ui,
    ) -> Result<Statistics, Failure> {
        let transfer = self.transfer;
        let target = &transfer.target;
        let bytes = output.map_err(|error| error.of(&transfer.source))?;
        let mut output = target.create(inputs, self.attributes, transfer.overwrite)?;
        output.write_all(&bytes).map_err(|error| target.failed(error))?;
        let committed = output.commit().map_err(|error| error.of(target))?;
        self.end?;
        let (input_len, output_len) = (self.small.bytes.len() as u64, bytes.len() as u64);
        let (text_len, file_len) = match work.done {
            Done::Compressed => (input_len, output_len),
            Done::Restored | Done::Tested => (output_len, input_len),
        };
        let statistics = Statistics {
            done: work.done,
            text_len,
            file_len,
            tokens: None,
            seconds: None,
        };
        transfer.end(&committed, self.version.as_ref(), statistics, work.json, ui)
    }
}

#[derive(Default)]
struct Sum {
    files: usize,
    text_len: u64,
    file_len: u64,
}

impl Sum {
    fn add(&mut self, statistics: &Statistics) {
        self.files += 1;
        self.text_len += statistics.text_len;
        self.file_len += statistics.file_len;
    }

    fn statistics(&self, start: Instant, done: Done) -> Statistics {
        Statistics {
            done,
            text_len: self.text_len,
            file_len: self.file_len,
            tokens: None,
            seconds: Some(start.elapsed().as_secs_f64()),
        }
    }
}

/// `3 segments: 2 net, 1 stored`, `1 segment: 1 net`
pub(crate) fn segments(summary: &Summary) -> impl fmt::Display {
    let modes = summary.modes.each().into_iter().rev();
    let modes: Vec<String> = modes
        .filter(|(_, count)| *count > 0)
        .map(|(mode, count)| format!("{count} {mode}"))
        .collect();
    let noun = if summary.segments == 1 {
        "segment"
    } else {
        "segments"
    };
    format!("{} {noun}: {}", summary.segments, modes.join(", "))
}
