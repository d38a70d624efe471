//! Damaged files: what is whole is restored, what is not is named, and nothing else is written.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]

use std::io::Cursor;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::LazyLock;

use czip::v2::container::{Header, Reader, Writer};
use czip::{Error, Level, Limits, Missing, Mode, Model, Options, Recovery, recover_to};
use czip_vectors::read;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(&read("model.czm")).unwrap());

/// Damaged lengths stay cheap.
fn options() -> Options {
    Options::new()
        .threads(NonZeroUsize::MIN)
        .level(Level::new(4).unwrap())
        .limits(Limits::new().with_text_len(1 << 12))
}

fn recover(file: &[u8]) -> (Vec<u8>, Recovery) {
    let mut text = Vec::new();
    let recovery = recover_to(&*MODEL, Cursor::new(file), &mut text, &options()).unwrap();
    assert_eq!(recovery.summary.text_len, text.len() as u64);
    assert_eq!(recovery.summary.file_len, file.len() as u64);
    (text, recovery)
}

/// A file, and where everything in it is.
#[derive(Default)]
struct Made {
    file: Vec<u8>,
    members: Vec<Member>,
    segments: Vec<Segment>,
}

struct Member {
    header: Range<usize>,
    indexed: bool,
    end: usize,
}

struct Segment {
    member: usize,
    place: Range<usize>,
    /// Its two numbers.
    numbers: Range<usize>,
    text: Vec<u8>,
}

impl Made {
    /// Appends a member with a segment of each mode.
    fn with(mut self, modes: &[Mode], indexed: bool) -> Self {
        let start = self.file.len();
        let header = Header {
            level: Level::new(4).unwrap(),
            model: Some(MODEL.id()),
        };
        let mut writer = Writer::new(Vec::new(), header);
        if !indexed {
            writer = writer.without_index();
        }
        let mut texts = Vec::new();
        for (number, &mode) in modes.iter().enumerate() {
            let name = (b'a' + (self.segments.len() + number) as u8) as char;
            let text = format!("<{name}{name}: the same text, the same text.>").into_bytes();
            let coded = czip::compress(&*MODEL, &text, &options().only(mode)).unwrap();
            let coded = Reader::new(&coded[..]).next().unwrap().unwrap();
            assert_eq!(coded.info.header.mode(), mode);
            let last = number + 1 == modes.len();
            writer.write(mode, last, &coded.payload, &text).unwrap();
            texts.push(text);
        }
        self.file.extend(writer.finish().unwrap());
        let segments = Reader::new(&self.file[start..]).map(Result::unwrap);
        for (segment, text) in segments.zip(texts) {
            let info = segment.info;
            let place = start + info.offset as usize;
            self.segments.push(Segment {
                member: self.members.len(),
                place: place..place + info.header.segment_len() as usize,
                numbers: place..place + info.header.to_bytes().len(),
                text,
            });
        }
        self.members.push(Member {
            header: start..start + header.byte_len(),
            indexed: indexed && modes.len() > 1,
            end: self.file.len(),
        });
        self
    }

    fn text(&self, wanted: impl Fn(usize, &Segment) -> bool) -> Vec<u8> {
        let segments = self.segments.iter().enumerate();
        let texts = segments.filter(|(number, segment)| wanted(*number, segment));
        texts.flat_map(|(_, segment)| segment.text.clone()).collect()
    }

    /// Which segments a text is of. It must be of nothing else, and in order.
    fn parse(&self, mut text: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        for (number, segment) in self.segments.iter().enumerate() {
            if let Some(rest) = text.strip_prefix(&segment.text[..]) {
                found.push(number);
                text = rest;
            }
        }
        assert!(text.is_empty(), "{}", text.escape_ascii());
        found
    }
}

/// Files of one member and several, with indexes and without.
fn files() -> Vec<Made> {
    use Mode::{Bytes, Net, Stored, Tokens};
    vec![
        Made::default().with(&[Stored, Bytes, Tokens, Net], true),
        Made::default().with(&[Bytes, Stored, Net, Tokens], false),
        Made::default()
            .with(&[Stored], true)
            .with(&[Bytes, Stored, Tokens], true)
            .with(&[Net], true)
            .with(&[Stored, Bytes], true)
            .with(&[Stored, Stored], true),
        Made::default()
            .with(&[Stored, Bytes], true)
            .with(&[Bytes, Stored, Stored], false)
            .with(&[Stored], true),
    ]
}

#[test]
fn a_whole_file_is_restored_whole() {
    for made in files() {
        let (text, recovery) = recover(&made.file);
        assert_eq!(text, made.text(|_, _| true));
        assert!(recovery.is_whole(), "{:?}", recovery.missing);
        assert_eq!(recovery.summary.segments, made.segments.len() as u64);
    }
}

#[test]
fn any_damaged_byte_costs_no_more_than_it_must() {
    for (number, made) in files().iter().enumerate() {
        for at in 0..made.file.len() {
            for flip in [1u8 << (at % 8), 0x80, 0xff] {
                let mut file = made.file.clone();
                file[at] ^= flip;
                let (text, recovery) = recover(&file);
                let found = made.parse(&text);
                check_change(
                    made,
                    at,
                    &found,
                    &recovery,
                    &format!("file {number}, byte {at}, {flip:#x}"),
                );
            }
        }
    }
}

fn check_change(made: &Made, at: usize, found: &[usize], recovery: &Recovery, place: &str) {
    assert!(!recovery.is_whole(), "{place}");
    let member = made.members.iter().position(|member| at < member.end).unwrap();
    let Member { header, indexed, .. } = &made.members[member];
    let hit = made
        .segments
        .iter()
        .position(|segment| segment.place.contains(&at));
    let all = 0..made.segments.len();
    let in_numbers = hit.is_some_and(|hit| made.segments[hit].numbers.contains(&at));
    let expected: Vec<usize> = if header.contains(&at) {
        // The tag is also in the index; the model id is not.
        let rebuilt = *indexed && at < header.start + 4;
        all.filter(|&number| rebuilt || made.segments[number].member != member)
            .collect()
    } else if let Some(hit) = hit.filter(|_| in_numbers && !indexed) {
        // What follows in the same member may be lost or not.
        let behind = |number: usize| number > hit && made.segments[number].member == member;
        let certain = all.filter(|&number| number != hit && !behind(number));
        let found_for_certain: Vec<usize> = found.iter().copied().filter(|&number| !behind(number)).collect();
        assert_eq!(found_for_certain, certain.collect::<Vec<_>>(), "{place}");
        return;
    } else {
        all.filter(|&number| Some(number) != hit).collect()
    };
    assert_eq!(found, expected, "{place}: {:?}", recovery.missing);

    // What is missing is said.
    if let (Some(hit), [missing]) = (hit, &recovery.missing[..]) {
        let segment = &made.segments[hit];
        let before = made.text(|number, _| number < hit).len() as u64;
        assert_eq!(missing.written, before, "{place}");
        assert_eq!(missing.text_offset, Some(before), "{place}");
        if *indexed
            || !in_numbers
                && made
                    .segments
                    .iter()
                    .any(|other| other.place.start == segment.place.end)
        {
            assert_eq!(missing.text_len, Some(segment.text.len() as u64), "{place}");
            assert_eq!(
                missing.file,
                segment.place.start as u64..segment.place.end as u64,
                "{place}"
            );
        }
    }
    if hit.is_some() {
        assert_eq!(recovery.missing.len(), 1, "{place}: {:?}", recovery.missing);
    }
    if hit.is_none() && !header.contains(&at) {
        // An index costs no text, wherever it is damaged.
        assert_eq!(recovery.missing.len(), 1, "{place}");
        assert_eq!(
            recovery.missing[0].text_len,
            Some(0),
            "{place}: {:?}",
            recovery.missing
        );
    }
}

#[test]
fn whatever_a_file_is_cut_to_is_restored() {
    for (number, made) in files().iter().enumerate() {
        for len in 1..made.file.len() {
            let (text, recovery) = recover(&made.file[..len]);
            let expected = made.text(|_, segment| segment.place.end <= len);
            assert_eq!(text, expected, "file {number}, {len} bytes");
            // The ends of members, and of their segments before an index, are ends of files.
            let of_member = |member: usize| made.segments.iter().filter(move |s| s.member == member);
            let is_end = (0..made.members.len()).any(|member| {
                let segments_end = of_member(member).next_back().unwrap().place.end;
                len == made.members[member].end || len == segments_end
            });
            assert_eq!(recovery.is_whole(), is_end, "file {number}, {len} bytes");
            if let Some(missing) = recovery.missing.first() {
                assert_eq!(recovery.missing.len(), 1, "{:?}", recovery.missing);
                assert_eq!(missing.written, text.len() as u64);
                assert_eq!(missing.text_offset, Some(text.len() as u64));
                // Three bytes tell an index from a header.
                let in_index = made.members.iter().enumerate().any(|(number, member)| {
                    let start = of_member(number).next_back().unwrap().place.end;
                    member.indexed && (start + 3..member.end).contains(&len)
                });
                assert_eq!(
                    missing.text_len,
                    in_index.then_some(0),
                    "file {number}, {len} bytes"
                );
            }
        }
    }
}

#[test]
fn several_damages_are_told_one_by_one() {
    let made = &files()[2];
    let mut file = made.file.clone();
    // In the first member, in the second's second segment, and in the last's first.
    for hit in [0, 2, 7] {
        file[made.segments[hit].place.end - 1] ^= 1;
    }
    let (text, recovery) = recover(&file);
    assert_eq!(made.parse(&text), [1, 3, 4, 5, 6, 8]);
    let lens: Vec<u64> = made
        .segments
        .iter()
        .map(|segment| segment.text.len() as u64)
        .collect();
    let told: Vec<_> = recovery
        .missing
        .iter()
        .map(|m| (m.member, m.segment, m.text_offset, m.text_len))
        .collect();
    let offset = |segment: usize| Some(lens[..segment].iter().sum());
    assert_eq!(
        told,
        [
            (0, Some(0), offset(0), Some(lens[0])),
            (1, Some(1), offset(2), Some(lens[2])),
            (4, Some(0), offset(7), Some(lens[7])),
        ]
    );
    let Missing { reason, .. } = &recovery.missing[1];
    let start = format!(
        "segment 1 of member 1, at byte {}: checksum ",
        made.segments[2].place.start
    );
    assert!(reason.to_string().starts_with(&start), "{reason}");
}

#[test]
fn segments_without_their_model_are_missing() {
    let made = &files()[2];
    let mut text = Vec::new();
    let recovery = recover_to(None, Cursor::new(&made.file), &mut text, &options()).unwrap();
    // Those that are tokens, or of the net.
    assert_eq!(made.parse(&text), [0, 1, 2, 5, 6, 7, 8]);
    let [one, two] = &recovery.missing[..] else {
        panic!("{:?}", recovery.missing)
    };
    assert_eq!((one.member, one.segment, two.member), (1, Some(2), 2));
    let message = format!("needs the model {}, but no model is given", MODEL.id());
    assert_eq!(one.reason.to_string(), message);
    assert_eq!(two.reason.to_string(), message);

    // Many in a row are told as one.
    let made = Made::default().with(&[Mode::Net, Mode::Tokens, Mode::Net, Mode::Stored], true);
    let mut text = Vec::new();
    let recovery = recover_to(None, Cursor::new(&made.file), &mut text, &options()).unwrap();
    assert_eq!(made.parse(&text), [3]);
    let [missing] = &recovery.missing[..] else {
        panic!("{:?}", recovery.missing)
    };
    assert_eq!(missing.segment, None);
    assert_eq!(
        missing.text_len,
        Some(made.text(|number, _| number < 3).len() as u64)
    );
    assert_eq!(
        missing.file,
        made.segments[0].place.start as u64..made.segments[2].place.end as u64
    );
}

/// A czip file that is itself the text of a stored segment is no part of the file, damaged or not.
#[test]
fn a_file_within_a_file_stays_there() {
    let inner = czip::compress(None, b"inner text", &options()).unwrap();
    for (indexed, at) in [(true, 0), (true, 9), (false, 9)] {
        let header = Header {
            level: Level::new(4).unwrap(),
            model: None,
        };
        let mut writer = Writer::new(Vec::new(), header);
        if !indexed {
            writer = writer.without_index();
        }
        writer.write_stored(false, &inner).unwrap();
        writer.write_stored(true, b"outer text").unwrap();
        let mut file = writer.finish().unwrap();
        // In the length of the first segment, or in its text.
        file[header.byte_len() + at] ^= 1;
        let (text, recovery) = recover(&file);
        assert_eq!(text, b"outer text", "{indexed}, {at}");
        assert_eq!(recovery.missing.len(), 1);
        assert_eq!(recovery.missing[0].text_len, Some(inner.len() as u64));
    }
}

#[test]
fn what_is_no_czip_v2_file_is_said() {
    let recover = |file: &[u8]| recover_to(&*MODEL, Cursor::new(file), Vec::new(), &options());
    assert!(matches!(recover(b"").unwrap_err(), Error::UnknownFormat { .. }));
    let old = read("files/short.k7.zstd.czip");
    assert_eq!(
        recover(&old).unwrap_err().to_string(),
        "only files of the format czip v2 can be restored in part: CZIPv1 has no checksums that tell right from wrong"
    );
    let recovery = recover(b"something else").unwrap();
    assert_eq!((recovery.summary.segments, recovery.missing.len()), (0, 1));
    let missing = &recovery.missing[0];
    assert_eq!((missing.file.clone(), missing.text_len), (0..14, None));
    assert_eq!(
        missing.reason.to_string(),
        "not a czip v2 file: it starts with \"som\" instead of \"\\xfacz\""
    );
}

#[test]
fn texts_beyond_the_limit_are_missing() {
    let made = Made::default().with(&[Mode::Stored, Mode::Bytes, Mode::Stored], true);
    let limit = made.segments[0].text.len() as u64;
    let options = options().limits(Limits::new().with_text_len(limit));
    let mut text = Vec::new();
    let recovery = recover_to(None, Cursor::new(&made.file), &mut text, &options).unwrap();
    assert_eq!(made.parse(&text), [0]);
    assert_eq!(recovery.missing.len(), 2);
    assert!(
        recovery
            .missing
            .iter()
            .all(|m| matches!(m.reason, Error::TextLimit { .. }))
    );
}
