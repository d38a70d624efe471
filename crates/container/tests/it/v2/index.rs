//! The index against what a reader finds from the start.

use std::io::{Cursor, Read, Seek, SeekFrom};

use czip_container::v2::{FormatError, Index, IndexEntry, Mode, Part, ReadError, Segment};
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::damage::{members, written};
use super::{MODEL, Plan, decoded, header, member, read, stored};

fn open(bytes: &[u8]) -> Result<Index, ReadError> {
    Index::open(Cursor::new(bytes))
}

fn open_err(bytes: &[u8]) -> FormatError {
    match open(bytes) {
        Err(ReadError::Format(error)) => error,
        other => panic!("expected a format error, got {other:?}"),
    }
}

/// All segments through the index, verified, in the reverse order.
fn read_back(bytes: &[u8]) -> Result<Vec<Segment>, ReadError> {
    let index = open(bytes)?;
    let mut segments = Vec::new();
    for i in (0..index.segments().len()).rev() {
        let segment = index.read_segment(Cursor::new(bytes), i)?;
        segment.verify(&decoded(&segment))?;
        segments.push(segment);
    }
    segments.reverse();
    Ok(segments)
}

fn check(bytes: &[u8]) {
    let (segments, text) = read(bytes).unwrap();
    let index = open(bytes).unwrap();
    assert_eq!(index.text_len(), text.len() as u64);
    let expected = segments.iter().map(|segment| segment.info);
    assert_eq!(index.segments().len(), segments.len());
    for (entry, info) in index.segments().iter().zip(expected) {
        let IndexEntry {
            offset,
            len,
            text_offset,
            text_len,
            member,
            number,
            last,
            ..
        } = *entry;
        assert_eq!(
            (offset, text_offset, number),
            (info.offset, info.text_offset, info.number)
        );
        assert_eq!(
            (len, text_len),
            (info.header.segment_len(), info.header.text_len())
        );
        assert_eq!((member, last), (info.member, info.header.last()));
    }
    assert_eq!(read_back(bytes).unwrap(), segments);
}

fn plans() -> Vec<Plan> {
    vec![stored(b"Hello, "), (Mode::Net, vec![1, 2, 3], 20), stored(b"!")]
}

/// All lengths may be right, and the segment still not the one that the index says.
#[test]
fn a_segment_that_is_the_last_by_mistake_or_not_at_all() {
    let bytes = member(header(5, MODEL), &plans(), true);
    let index = open(&bytes).unwrap();
    for (number, entry) in index.segments().iter().enumerate() {
        let mut changed = bytes.clone();
        // Bit 2 of a segment's first number marks the last one.
        changed[entry.offset as usize] ^= 4;
        assert_eq!(open(&changed).unwrap(), index);
        match index.read_segment(Cursor::new(&changed), number) {
            Err(ReadError::Format(error)) => {
                assert_eq!(error, FormatError::IndexEntry { offset: entry.offset });
            }
            other => panic!("segment {number}: {other:?}"),
        }
    }
}

#[test]
fn with_and_without_an_index() {
    let yes = member(header(5, MODEL), &plans(), true);
    let no = member(header(5, None), &[stored(b"abc"), stored(b"defg")], false);
    let one = member(header(9, None), &[stored(b"x")], true);
    for parts in [
        &[&yes][..],
        &[&no],
        &[&one],
        &[&yes, &yes],
        &[&no, &yes],
        &[&yes, &no],
        &[&yes, &no, &yes, &yes],
        &[&one, &one, &yes, &one],
    ] {
        check(&parts.iter().flat_map(|part| (*part).clone()).collect::<Vec<_>>());
    }
}

#[test]
fn finds_by_text_offset() {
    let plans = [stored(b"abc"), stored(b"defg"), stored(b"")];
    let bytes = [
        member(header(1, None), &plans, true),
        member(header(1, None), &[stored(b"")], true),
        member(header(1, None), &plans, false),
    ]
    .concat();
    check(&bytes);
    let index = open(&bytes).unwrap();
    let found: Vec<_> = (0..16).map(|offset| index.find(offset)).collect();
    let expected = [(3, Some(0)), (4, Some(1)), (3, Some(4)), (4, Some(5)), (2, None)];
    assert_eq!(
        found,
        expected
            .iter()
            .flat_map(|&(len, segment)| vec![segment; len])
            .collect::<Vec<_>>()
    );
    let empty = open(&member(header(1, None), &[stored(b"")], true)).unwrap();
    assert_eq!(
        (empty.find(0), empty.text_len(), empty.segments().len()),
        (None, 0, 1)
    );
}

/// Counts the bytes read through it.
struct Counting<R>(R, u64);

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.0.read(buffer)?;
        self.1 += len as u64;
        Ok(len)
    }
}

impl<R: Seek> Seek for Counting<R> {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(position)
    }
}

#[test]
fn payloads_are_not_read() {
    let large = vec![stored(&vec![1; 1 << 20]); 3];
    // With an index its 8 last bytes, itself, of 36 bytes, and the header, of 4; without, pieces of 32 KiB at the
    // headers.
    for (index, most) in [(true, 2 * (8 + 36 + 4)), (false, 7 * (32 << 10))] {
        let bytes = member(header(1, None), &large, index).repeat(2);
        let mut reader = Counting(Cursor::new(&bytes), 0);
        assert_eq!(Index::open(&mut reader).unwrap().text_len(), 6 << 20);
        assert!(reader.1 <= most, "{} bytes", reader.1);
    }
}

/// No range of text asks for a segment without text, so the index itself has to notice its faults.
#[test]
fn empty_segments_are_verified_at_once() {
    let empty = member(header(5, MODEL), &[stored(b"")], true);
    for bytes in [
        empty.clone(),
        [member(header(5, MODEL), &plans(), true), empty].concat(),
    ] {
        let start = bytes.len() - 14;
        assert!(open(&bytes).is_ok());
        for bit in 8 * start..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&changed).is_err(), "bit {bit}");
        }
    }
    // The end of a member: its header, the segment and the index.
    let ended = [&plans()[..], &[stored(b"")]].concat();
    let plain_len = member(header(5, MODEL), &ended, false).len();
    let bytes = member(header(5, MODEL), &ended, true);
    for bit in (0..8 * 8).chain(8 * (plain_len - 6)..8 * bytes.len()) {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&changed).is_err(), "bit {bit}");
    }
}

/// An index whose checksum and length are right, whatever it says.
fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = [b"\xfaci", &[tag, body.len() as u8][..], body].concat();
    frame.extend((xxh3_64(&frame) as u32).to_le_bytes());
    let len = frame.len() as u32 + 8;
    frame.extend(len.to_le_bytes());
    frame.extend(b"zic\xfa");
    frame
}

#[test]
fn text_that_looks_like_an_index() {
    // A stored text with an index at its end, right before a checksum; then a file without its checksum.
    let text = [&b"text"[..], &frame(0x45, &[2, 15, 9, 15, 9])].concat();
    let bytes = member(header(5, None), &[stored(&text)], true);
    check(&bytes);
    let cut = &bytes[..bytes.len() - 4];
    let truncated = FormatError::Truncated {
        offset: cut.len() as u64,
        part: Part::Checksum,
    };
    assert_eq!(open_err(cut), truncated);
    // Only the end of an index, with lengths of nothing and of more than there is.
    for len in [0u32, 7, 8, 20, 4000, u32::MAX] {
        let text = [&[0; 30], &len.to_le_bytes()[..], b"zic\xfa"].concat();
        let bytes = member(header(5, None), &[stored(&text)], true);
        let cut = &bytes[..bytes.len() - 4];
        let offset = cut.len() as u64;
        assert!(matches!(open_err(cut), FormatError::Truncated { offset: o, .. } if o == offset));
    }
}

#[test]
fn lies_are_found() {
    let plain = member(
        header(5, None),
        &[stored(b"abcdefghi"), stored(b"abcdefghi")],
        false,
    );
    assert_eq!(plain.len(), 34);
    let with = |tag, body: &[u8]| [&plain[..], &frame(tag, body)].concat();
    check(&with(0x45, &[2, 15, 9, 15, 9]));

    // Lengths that add up to the member: only the segments show.
    for body in [&[2, 14, 9, 16, 9][..], &[2, 15, 8, 15, 10], &[1, 30, 18]] {
        let bytes = with(0x45, body);
        assert_eq!(open(&bytes).unwrap().segments().len(), body.len() / 2);
        assert!(read_back(&bytes).is_err());
        assert_eq!(super::read_err(&bytes), FormatError::IndexMismatch { offset: 34 });
    }
    let bytes = with(0x45, &[2, 15, 8, 15, 10]);
    let error = open(&bytes)
        .unwrap()
        .read_segment(Cursor::new(&bytes), 1)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "segment at byte 19 has other lengths than the index says"
    );

    // A segment without text is read at once.
    for (body, offset) in [(&[2, 15, 9, 15, 0][..], 19), (&[1, 30, 0], 4)] {
        assert_eq!(open_err(&with(0x45, body)), FormatError::IndexEntry { offset });
    }

    // Others lead nowhere, so the file is read from its start.
    for (tag, body) in [
        (0x45, &[2, 15, 9, 14, 9][..]),
        (0x45, &[2, 15, 9, 16, 9]),
        (0x45, &[2, 25, 9, 5, 9]),
        (0x45, &[2, 15, 9, 15]),
        (0x45, &[2, 15, 0, 15, 9]), // only the last segment may be without text
        (0x45, &[0]),
        (0x46, &[2, 15, 9, 15, 9]),
        (0x55, &[2, 15, 9, 15, 9]),
        (0x45, &[2, 0xff, 0xff, 0xff, 0xff, 0x0f, 9, 15, 9]),
        (0x45, &[2, 15, 0x81, 0x80, 0x80, 0x08, 15, 9]),
    ] {
        assert_eq!(
            open_err(&with(tag, body)),
            FormatError::IndexMismatch { offset: 34 }
        );
    }
}

#[test]
fn every_truncation_and_flipped_bit() {
    let yes = member(header(5, MODEL), &plans(), true);
    let no = member(header(5, MODEL), &plans(), false);
    let bytes = [&yes[..], &no, &yes].concat();
    let segments = read(&bytes[..]).unwrap().0;
    let whole = [
        no.len(),
        yes.len(),
        yes.len() + no.len(),
        yes.len() + 2 * no.len(),
    ];
    for len in 0..bytes.len() {
        let result = read_back(&bytes[..len]);
        assert_eq!(result.is_ok(), whole.contains(&len), "{len} bytes");
        if let Ok(found) = result {
            assert!(segments.starts_with(&found));
        }
    }
    for bit in 0..8 * bytes.len() {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(read_back(&changed).is_err(), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn equals_reading_from_the_start(members in members()) {
        check(&written(&members).0);
    }

    #[test]
    fn random_edits(
        members in members(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (mut bytes, _) = written(&members);
        let segments = read(&bytes[..]).unwrap().0;
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(found) = read_back(&bytes) {
            prop_assert_eq!(found, segments);
        }
    }
}
