//! Every single fault of small files: each bit changed, and each length that they can be cut to.
//!
//! What a reader notices of a czip v2 file, and the little that it cannot, is in section 11 of
//! `docs/spec/czip-v2.md`. CZIPv1 has no checksums, so only a text or an error is asked of it.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::iter::repeat_n;
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use czip::v2::container::{Header, Reader, Writer};
use czip::{Decoder, Index, Level, Limits, Mode, Model, Options};
use czip_vectors::read;

static MODEL_1: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(&read("model.czm")).unwrap());
static MODEL_2: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(&read("model2.czm")).unwrap());

/// One thread, which small files are done by fastest, and a limit that keeps damaged lengths cheap.
fn options() -> Options {
    Options::new()
        .threads(NonZeroUsize::MIN)
        .limits(Limits::new().with_text_len(1 << 9))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// Only this many bytes are left.
    Cut(usize),
    /// This bit of this byte is another.
    Bit(usize, u8),
}

/// Each file that is one fault away from this one: nine for each byte.
fn faults(file: &[u8]) -> Vec<(Fault, Vec<u8>)> {
    let cuts = (0..file.len()).map(|len| (Fault::Cut(len), file[..len].to_vec()));
    let bits = (0..file.len()).flat_map(|at| (0..8).map(move |bit| (at, bit)));
    let changed = bits.map(|(at, bit)| {
        let mut changed = file.to_vec();
        changed[at] ^= 1 << bit;
        (Fault::Bit(at, bit), changed)
    });
    cuts.chain(changed).collect()
}

/// What a byte of a file is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Magic,
    Tag,
    ModelId,
    Kind,
    StoredLen,
    CodedLen,
    Payload,
    Checksum,
    Index,
}

/// A file, made of members.
struct Sample {
    name: String,
    model: Option<&'static Model>,
    file: Vec<u8>,
    text: Vec<u8>,
    /// What each byte of the file is part of.
    parts: Vec<Part>,
    /// Where cutting the file leaves a whole one, and the length of that one's text.
    borders: BTreeMap<usize, usize>,
    /// From here on, members are found by their indexes.
    indexed_from: usize,
}

/// A segment: its mode and its text.
type Piece = (Mode, &'static str);

impl Sample {
    fn new(name: String, model: Option<&'static Model>) -> Self {
        Self {
            name,
            model,
            file: Vec::new(),
            text: Vec::new(),
            parts: Vec::new(),
            borders: BTreeMap::new(),
            indexed_from: 0,
        }
    }

    /// Joins a member, with a segment for each piece.
    fn with(mut self, level: u8, index: bool, pieces: &[Piece]) -> Self {
        if !self.file.is_empty() {
            self.borders.insert(self.file.len(), self.text.len());
        }
        let level = Level::new(level).unwrap();
        let header = Header {
            level,
            model: self.model.map(Model::id),
        };
        self.parts
            .extend([Part::Magic, Part::Magic, Part::Magic, Part::Tag]);
        self.parts.extend(repeat_n(Part::ModelId, header.byte_len() - 4));
        let mut writer = Writer::new(Vec::new(), header);
        if !index {
            writer = writer.without_index();
        }
        for (number, &(mode, text)) in (1..).zip(pieces) {
            let alone =
                czip::compress(self.model, text.as_bytes(), &options().level(level).only(mode)).unwrap();
            let segment = Reader::new(&alone[..]).next().unwrap().unwrap();
            assert_eq!(segment.info.header.mode(), mode, "{}", self.name);
            let last = number == pieces.len();
            writer
                .write(mode, last, &segment.payload, text.as_bytes())
                .unwrap();

            // A text of less than 128 bytes has its length in one.
            let kind_len = segment.info.header.to_bytes().len() - 1;
            self.parts.extend(repeat_n(Part::Kind, kind_len));
            self.parts.push(match mode {
                Mode::Stored => Part::StoredLen,
                _ => Part::CodedLen,
            });
            self.parts.extend(repeat_n(Part::Payload, segment.payload.len()));
            self.parts.extend([Part::Checksum; 4]);
            self.text.extend_from_slice(text.as_bytes());
        }
        self.file.extend(writer.finish().unwrap());
        if self.parts.len() < self.file.len() {
            self.borders.insert(self.parts.len(), self.text.len());
            self.parts.resize(self.file.len(), Part::Index);
        } else {
            self.indexed_from = self.file.len();
        }
        self
    }

    /// What a reader of all must find.
    fn left_by(&self, fault: Fault) -> Option<&[u8]> {
        match fault {
            Fault::Cut(len) => self.borders.get(&len).map(|&len| &self.text[..len]),
            Fault::Bit(..) => None,
        }
    }

    fn decoder<'f>(&self, file: &'f [u8]) -> Decoder<'static, Cursor<&'f [u8]>> {
        Decoder::new(self.model, Cursor::new(file), &options())
    }
}

/// Files of every mode at a level, and of members of all kinds.
fn samples(level: u8) -> Vec<Sample> {
    const EMPTY: Piece = (Mode::Stored, "");
    const STORED: Piece = (Mode::Stored, "x.Q");
    const BYTES: Piece = (Mode::Bytes, "text and text and text");
    const TOKENS: Piece = (Mode::Tokens, "vector of vector of vector");
    const NET: Piece = (Mode::Net, "vector vector vector, vector");

    let modes = [STORED, BYTES, TOKENS, NET];
    let mut samples = Vec::new();
    for (name, model) in [
        ("no model", None),
        ("model 1", Some(&*MODEL_1)),
        ("model 2", Some(&*MODEL_2)),
    ] {
        let pieces = match (model, level) {
            (None, _) => &modes[..2],
            (Some(_), ..4) => &modes[..3],
            (Some(_), _) => &modes[..],
        };
        let file = |what: &str| Sample::new(format!("{what}, {name}, level {level}"), model);
        for piece in [&[EMPTY], pieces].concat() {
            samples.push(file(&format!("{piece:?}")).with(level, true, &[piece]));
        }
        samples.push(file("several, then an index").with(level, true, pieces));
        let joined = file("joined, one of each");
        samples.push(
            pieces
                .iter()
                .fold(joined, |file, &piece| file.with(level, true, &[piece])),
        );
    }

    for (name, model, coded) in [("no model", None, BYTES), ("model 2", Some(&*MODEL_2), TOKENS)] {
        let file = |what: &str| Sample::new(format!("{what}, {name}, level {level}"), model);
        let (two, ended) = (&[coded, STORED][..], &[coded, EMPTY][..]);
        samples.extend([
            file("several").with(level, false, &[STORED, coded, STORED]),
            file("nothing at the end").with(level, false, ended),
            file("nothing at the end, then an index").with(level, true, ended),
            file("joined")
                .with(level, true, &[coded])
                .with(level, true, &[STORED])
                .with(level, true, &[coded]),
            file("joined, both with an index")
                .with(level, true, two)
                .with(level, true, two),
            file("joined, the first with an index")
                .with(level, true, two)
                .with(level, true, &[STORED]),
            file("joined, the last with an index")
                .with(level, true, &[coded])
                .with(level, true, two),
            file("joined with empty ones")
                .with(level, true, &[EMPTY])
                .with(level, true, ended)
                .with(level, true, &[EMPTY]),
        ]);
    }
    samples
}

type Reading = Result<Vec<u8>, String>;

/// Each error says something.
fn told<T, E: Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| {
        let message = error.to_string();
        assert!(!message.is_empty());
        message
    })
}

fn to_end(mut reader: impl Read) -> Reading {
    let mut text = Vec::new();
    told(reader.read_to_end(&mut text))?;
    Ok(text)
}

/// Reads all of a faulty file.
type Whole = fn(&Sample, &[u8]) -> Reading;

const WHOLE: [(&str, Whole); 5] = [
    ("decompress", |sample, file| {
        told(czip::decompress(sample.model, file, &options()))
    }),
    ("a stream", |sample, file| to_end(sample.decoder(file))),
    ("a stream, sought in halfway", |sample, file| {
        let mut decoder = sample.decoder(file);
        let half = sample.text.len() as u64 / 2;
        let mut text = to_end((&mut decoder).take(half))?;
        told(decoder.seek(SeekFrom::Start(half)))?;
        text.extend(to_end(decoder)?);
        Ok(text)
    }),
    ("the second half, then the first", |sample, file| {
        let mut decoder = sample.decoder(file);
        let half = sample.text.len() as u64 / 2;
        told(decoder.seek(SeekFrom::Start(half)))?;
        let end = to_end(&mut decoder)?;
        told(decoder.rewind())?;
        let mut text = to_end(decoder.take(half))?;
        text.extend(end);
        Ok(text)
    }),
    ("a range of all", |sample, file| {
        told(sample.decoder(file).read_range(0..sample.text.len() as u64))
    }),
];

/// Ranges around the places where segments meet, at the end, and beyond it.
fn ranges(index: &Index) -> BTreeSet<(u64, u64)> {
    let len = index.text_len();
    let starts = index.segments().iter().map(|segment| segment.text_offset);
    starts
        .map(|start| (start.saturating_sub(1), start + 1))
        .chain([(len.saturating_sub(1), len), (len, len + 9)])
        .collect()
}

/// Reads each faulty file in each way. There are to be as many `readings` as given.
///
/// Without an index, where a range is in the text is what the headers of other segments say, which are not verified. As
/// many are to be `misplaced` as given, by what the faults are in.
fn check_faults(level: u8, readings: usize, misplaced: &[(Part, usize)]) {
    let mut count = 0;
    let mut found_misplaced: BTreeMap<Part, usize> = BTreeMap::new();
    for sample in samples(level) {
        let name = &sample.name;
        assert_eq!(sample.parts.len(), sample.file.len(), "{name}");
        let faults = faults(&sample.file);

        for (reader, whole) in WHOLE {
            let place = format!("{name}, {reader}");
            assert_eq!(whole(&sample, &sample.file).as_ref(), Ok(&sample.text), "{place}");
            for (fault, file) in &faults {
                let found = whole(&sample, file);
                assert_eq!(
                    found.as_deref().ok(),
                    sample.left_by(*fault),
                    "{place}, {fault:?}: {found:?}"
                );
                count += 1;
            }
        }

        // All of them side by side with one that has no fault.
        let mut files: Vec<&[u8]> = faults.iter().map(|(_, file)| &file[..]).collect();
        files.push(&sample.file);
        let mut texts = czip::decompress_many(sample.model, &files, &options());
        assert_eq!(texts.pop().unwrap().unwrap(), sample.text, "{name}");
        for (found, (fault, _)) in texts.into_iter().zip(&faults) {
            let found = told(found);
            assert_eq!(
                found.as_deref().ok(),
                sample.left_by(*fault),
                "{name}, {fault:?}: {found:?}"
            );
            count += 1;
        }

        let index = Index::open(Cursor::new(&sample.file)).unwrap();
        let ranges = ranges(&index);
        for (fault, file) in &faults {
            let place = format!("{name}, {fault:?}");
            let text = sample.left_by(*fault).unwrap_or(&sample.text);
            let unverified = match *fault {
                Fault::Bit(at, _) if at < sample.indexed_from => Some(sample.parts[at]),
                _ => None,
            };

            let mut decoder = sample.decoder(file);
            for &(start, end) in &ranges {
                let clipped = |at: u64| text.len().min(at as usize);
                let right = &text[clipped(start)..clipped(end)];
                if let Ok(found) = told(decoder.read_range(start..end))
                    && found != right
                {
                    let part = unverified.unwrap_or_else(|| panic!("{place}, {start}..{end}: {found:?}"));
                    *found_misplaced.entry(part).or_default() += 1;
                }
                count += 1;
            }

            // What is read to find segments is verified then: all that frames members, and where the file ends. A model
            // id and the segments are when they are decoded.
            let framing = |at: usize| matches!(sample.parts[at], Part::Magic | Part::Index);
            let noticed = match *fault {
                Fault::Cut(_) => sample.left_by(*fault).is_none(),
                Fault::Bit(at, _) => framing(at) || sample.text.is_empty(),
            };
            if let Ok(found) = told(Index::open(Cursor::new(file))) {
                assert!(!noticed, "{place}");
                let shorter = index.segments().starts_with(found.segments());
                let model = matches!(*fault, Fault::Bit(at, _) if sample.parts[at] == Part::ModelId);
                assert!(shorter || model || unverified.is_some(), "{place}");
            }
            count += 1;
        }
    }
    assert_eq!(
        (count, found_misplaced),
        (readings, misplaced.iter().copied().collect())
    );
}

#[test]
fn faults_at_level_1() {
    check_faults(1, 161_001, &[(Part::Tag, 2), (Part::CodedLen, 104)]);
}

#[test]
fn faults_at_level_5() {
    check_faults(5, 179_370, &[(Part::CodedLen, 139)]);
}

/// Without checksums a fault may give another text, but of the length that the file states, and the same to all.
#[test]
fn faults_of_czip_v1() {
    let mut count = 0;
    for name in [
        "empty.k6.brotli",
        "byte.k7.brotli",
        "short.k3.brotli",
        "short.k7.zstd",
        "special.k5.zstd",
    ] {
        let file = read(&format!("files/{name}.czip"));
        let faults = faults(&file);
        let files: Vec<&[u8]> = faults.iter().map(|(_, file)| &file[..]).collect();
        let together = czip::decompress_many(&*MODEL_1, &files, &options());
        for ((fault, file), together) in faults.iter().zip(together) {
            let place = format!("{name}, {fault:?}");
            let alone = told(czip::decompress(&*MODEL_1, file, &options()));
            assert_eq!(told(together), alone, "{place}");
            if let Ok(text) = &alone {
                assert!(matches!(fault, Fault::Bit(..)), "{place}");
                assert_eq!(file[8..12], (text.len() as u32).to_le_bytes(), "{place}");
            }
            count += 2;
        }
    }
    assert_eq!(count, 4_950);
}
