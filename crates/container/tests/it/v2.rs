//! The format czip v2: its rules, its examples, damage, and the index.

mod copies;
mod damage;
mod index;
mod rules;
mod spec;

use std::io::{self, Read};

use czip_container::v2::{FormatError, Header, Level, Mode, ModelId, ReadError, Reader, Segment, Writer};

fn header(level: u8, model: Option<[u8; 4]>) -> Header {
    Header {
        level: Level::new(level).unwrap(),
        model: model.map(ModelId),
    }
}

const MODEL: Option<[u8; 4]> = Some([0x12, 0x34, 0xab, 0xcd]);

/// The text of a segment in a code made up for these tests: the payload over and over, or zeros without one.
fn decoded(segment: &Segment) -> Vec<u8> {
    let len = segment.info.header.text_len() as usize;
    match segment.info.header.mode() {
        Mode::Stored => segment.payload.clone(),
        _ if segment.payload.is_empty() => vec![0; len],
        _ => segment.payload.iter().copied().cycle().take(len).collect(),
    }
}

/// A segment to write: mode, payload, and length of the text.
type Plan = (Mode, Vec<u8>, usize);

fn text_of((mode, payload, len): &Plan) -> Vec<u8> {
    match mode {
        Mode::Stored => payload.clone(),
        _ if payload.is_empty() => vec![0; *len],
        _ => payload.iter().copied().cycle().take(*len).collect(),
    }
}

fn member(header: Header, segments: &[Plan], index: bool) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), header);
    if !index {
        writer = writer.without_index();
    }
    for (i, plan) in segments.iter().enumerate() {
        let last = i + 1 == segments.len();
        writer.write(plan.0, last, &plan.1, &text_of(plan)).unwrap();
    }
    writer.finish().unwrap()
}

fn stored(text: &[u8]) -> Plan {
    (Mode::Stored, text.to_vec(), text.len())
}

/// All segments of a file, verified, and its text.
fn read(reader: impl Read) -> Result<(Vec<Segment>, Vec<u8>), ReadError> {
    let (mut segments, mut text) = (Vec::new(), Vec::new());
    for segment in Reader::new(reader) {
        let segment = segment?;
        let decoded = decoded(&segment);
        segment.verify(&decoded)?;
        assert_eq!(segment.info.text_offset, text.len() as u64);
        text.extend(decoded);
        segments.push(segment);
    }
    Ok((segments, text))
}

fn read_err(bytes: &[u8]) -> FormatError {
    match read(bytes) {
        Err(ReadError::Format(error)) => error,
        other => panic!("expected a format error, got {other:?}"),
    }
}

/// Gives a byte at a time, and is interrupted before each.
struct Dripping<'a>(&'a [u8], bool);

impl Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buffer.len().min(1);
        self.0.read(&mut buffer[..len])
    }
}
