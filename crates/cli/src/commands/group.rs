//! Several files in one run: small ones are read, coded side by side, and written; large ones come one by one.

use std::fmt;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::time::Instant;

use czip::v2::container::Reader;
use czip::{Format, Summary};

use crate::admission::Admitted;
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::identity::Identities;
use crate::progress::Progress;
use crate::report::Statistics;
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
    permissions: Option<Permissions>,
    small: Small,
    /// Whether all of it was read.
    end: Result<(), Failure>,
}

/// Does something with each file. As with [`Ui::each`], the others are still processed after a failure.
pub(crate) fn run(
    ui: &Ui,
    admitted: &Admitted<'_>,
    restored: bool,
    small: impl Fn(Vec<u8>) -> Option<Small>,
    alone: impl Fn(&Transfer) -> Result<(), Failure>,
    together: impl Fn(&[&[u8]], &Progress) -> Vec<Result<Vec<u8>, Error>>,
) -> Exit {
    let mut exit = admitted.exit;
    let mut failed = |failure: Failure| {
        if matches!(failure.error, Error::ReaderGone) {
            return;
        }
        ui.failure(&failure);
        exit = exit.or(failure.error.exit());
    };
    let flush = |group: &mut Vec<Member<'_>>, failed: &mut dyn FnMut(Failure)| {
        let members = std::mem::take(group);
        if members.is_empty() {
            return;
        }
        let start = Instant::now();
        let total = members.iter().map(|member| member.small.text_len).sum();
        let progress = Progress::start(ui, format!("{} files", members.len()), false).of_bytes(Some(total));
        let inputs: Vec<&[u8]> = members.iter().map(|member| &member.small.bytes[..]).collect();
        let outputs = together(&inputs, &progress);
        drop(progress);
        let mut sum = Sum::default();
        for (member, output) in members.into_iter().zip(outputs) {
            match member.write(output, restored, &admitted.inputs) {
                Ok(statistics) => {
                    ui.note(format_args!("{}: {statistics}", member.transfer.source));
                    sum.add(&statistics);
                }
                Err(failure) => failed(failure),
            }
            if let Err(failure) = member.end {
                failed(failure);
            }
        }
        if sum.files > 1 {
            let statistics = sum.statistics(start, restored);
            ui.note(format_args!("{} files: {statistics}", sum.files));
        }
    };
    let mut group = Vec::new();
    let mut group_len = 0;
    for &transfer in &admitted.transfers {
        match open(transfer, &small, &admitted.inputs, ui) {
            Ok(Some(member)) => {
                group_len += member.small.text_len;
                group.push(member);
                if group_len >= GROUP || group.len() >= GROUP_FILES {
                    flush(&mut group, &mut failed);
                    group_len = 0;
                }
            }
            Ok(None) => alone(transfer).unwrap_or_else(&mut failed),
            Err(failure) => failed(failure),
        }
    }
    flush(&mut group, &mut failed);
    exit
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
    } = transfer;
    if !source.is_file() {
        return Ok(None);
    }
    let mut input = source.open()?;
    if input.file_len().is_none_or(|len| len > SMALL) || !target.check(inputs, *overwrite)? {
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
            permissions: input.permissions(),
            small,
            end: input.finish(source, ui),
        }))
}

impl Member<'_> {
    fn write(
        &self,
        output: Result<Vec<u8>, Error>,
        restored: bool,
        inputs: &Identities,
    ) -> Result<Statistics, Failure> {
        let Transfer {
            source,
            target,
            overwrite,
        } = self.transfer;
        let bytes = output.map_err(|error| error.of(source))?;
        let mut output = target.create(inputs, self.permissions.clone(), *overwrite)?;
        output
            .write_all(&bytes)
            .map_err(Error::Write)
            .and_then(|()| output.commit())
            .map_err(|error| error.of(target))?;
        let (input_len, output_len) = (self.small.bytes.len() as u64, bytes.len() as u64);
        let (text_len, file_len) = if restored {
            (output_len, input_len)
        } else {
            (input_len, output_len)
        };
        Ok(Statistics {
            text_len,
            file_len,
            tokens: None,
            seconds: None,
            restored,
        })
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

    fn statistics(&self, start: Instant, restored: bool) -> Statistics {
        Statistics {
            text_len: self.text_len,
            file_len: self.file_len,
            tokens: None,
            seconds: Some(start.elapsed().as_secs_f64()),
            restored,
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
