//! Every rule, kept and broken, with the error that says so.

use std::io::{self, Read};

use czip_container::v2::{
    FormatError, Level, Mode, ModelId, Part, ReadError, Reader, SegmentError, SegmentHeader, WriteError,
    Writer, is_v2,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{Dripping, MODEL, header, member, read, read_err, stored};

const TEXT: &[u8] = b"some text";

/// A member of stored segments whose header and checksums are right, and the numbers as given.
fn raw(tag: &[u8], segments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [b"\xfacz", tag].concat();
    let head = bytes.clone();
    for (number, segment) in (0..).zip(segments) {
        let hash = xxh3_64_with_seed(&[&head[..], segment, TEXT].concat(), number);
        bytes.extend_from_slice(segment);
        bytes.extend((hash as u32).to_le_bytes());
    }
    bytes
}

/// Nine bytes stored, with `last` or not.
fn nine(last: bool) -> Vec<u8> {
    [&[9 << 3 | u8::from(last) << 2, 9], TEXT].concat()
}

#[test]
fn raw_members_are_what_the_writer_writes() {
    let plans = [stored(TEXT), stored(TEXT)];
    assert_eq!(
        raw(b"\x43", &[&nine(false), &nine(true)]),
        member(header(3, None), &plans, false)
    );
}

#[test]
fn start_of_the_file() {
    let magic = |found: &[u8]| FormatError::Magic {
        found: found.to_vec(),
    };
    let truncated = |offset| FormatError::Truncated {
        offset,
        part: Part::Header,
    };
    assert_eq!(read_err(b""), truncated(0));
    assert_eq!(read_err(b"\xfa"), truncated(1));
    assert_eq!(read_err(b"\xfacz"), truncated(3));
    assert_eq!(read_err(b"\xfacz\x55abc"), truncated(7));
    assert_eq!(read_err(b"C"), magic(b"C"));
    assert_eq!(read_err(b"CZIPv1\0\0"), magic(b"CZI"));
    // An index is no beginning.
    assert_eq!(read_err(b"\xfaci\x45\x02"), magic(b"\xfaci"));

    assert!(is_v2(b"\xfacz"));
    assert!(!is_v2(b"\xfaci\x45"));
    assert!(!is_v2(b""));
}

#[test]
fn versions_and_levels() {
    for tag in 0..=255u8 {
        let bytes = raw(&[tag], &[&nine(true)]);
        let (version, level) = (tag >> 5, tag & 15);
        if version != 2 {
            assert_eq!(read_err(&bytes), FormatError::Version { version, offset: 3 });
        } else if !(1..=9).contains(&level) {
            assert_eq!(read_err(&bytes), FormatError::Level { level, offset: 3 });
        } else if tag & 16 == 0 {
            assert_eq!(read(&bytes[..]).unwrap().1, TEXT);
        } else {
            let bytes = raw(&[tag, 1, 2, 3, 4], &[&nine(true)]);
            let (segments, text) = read(&bytes[..]).unwrap();
            assert_eq!(segments[0].info.member, header(level, Some([1, 2, 3, 4])));
            assert_eq!(text, TEXT);
        }
    }
    assert_eq!(Level::new(0), None);
    assert_eq!(Level::new(10), None);
    assert_eq!(Level::new(9).unwrap().to_string(), "9");
    // The second member's.
    let bytes = [raw(b"\x41", &[&nine(true)]), raw(b"\x61", &[&nine(true)])].concat();
    assert_eq!(
        read_err(&bytes),
        FormatError::Version {
            version: 3,
            offset: 22
        }
    );
}

#[test]
fn numbers() {
    for numbers in [
        &[0x80, 0][..],
        &[0xc8, 0x80, 0],
        &[0x80, 0x80, 0x80, 0x80, 0x10],
        &[0xff; 6],
    ] {
        let first = raw(b"\x41", &[numbers]);
        assert_eq!(read_err(&first), FormatError::Number { offset: 4 });
        let second = raw(b"\x41", &[&[&[9 << 3], numbers].concat()]);
        assert_eq!(read_err(&second), FormatError::Number { offset: 5 });
    }
}

#[test]
fn segments() {
    let error = |tag: &[u8], first: u8, text_len: &[u8]| {
        read_err(&raw(tag, &[&[&[first], text_len, &[0; 40]].concat()]))
    };
    let segment = |offset, error| FormatError::Segment { offset, error };
    for payload_len in [0, 3, 5] {
        let expected = SegmentError::StoredLen {
            payload_len,
            text_len: 4,
        };
        assert_eq!(
            error(b"\x41", (payload_len as u8) << 3 | 4, &[4]),
            segment(4, expected)
        );
    }
    for payload_len in [0, 4, 5] {
        for mode in 1..4 {
            let text_len = payload_len.min(4);
            let expected = SegmentError::NotShorter {
                payload_len,
                text_len,
            };
            let first = (payload_len as u8) << 3 | 4 | mode;
            assert_eq!(error(b"\x51abcd", first, &[text_len as u8]), segment(8, expected));
        }
    }
    assert_eq!(error(b"\x41", 0, &[0]), segment(4, SegmentError::Empty));
    let expected = SegmentError::TextTooLong { len: (1 << 24) + 1 };
    assert_eq!(error(b"\x41", 1, &[0x81, 0x80, 0x80, 0x08]), segment(4, expected));
    for (number, mode) in [(2, Mode::Tokens), (3, Mode::Net)] {
        let expected = SegmentError::NoModel { mode };
        assert_eq!(error(b"\x41", 1 << 3 | number, &[4]), segment(4, expected));
    }
}

#[test]
fn modes_and_their_numbers() {
    let modes = [Mode::Stored, Mode::Bytes, Mode::Tokens, Mode::Net];
    let names = ["stored", "bytes", "tokens", "net"];
    for (number, (mode, name)) in (0..).zip(modes.into_iter().zip(names)) {
        assert_eq!((mode.number(), mode.to_string().as_str()), (number, name));
        assert_eq!(mode.needs_model(), number >= 2);
        let payload = vec![1; if number == 0 { 4 } else { 2 }];
        let bytes = member(header(1, MODEL), &[(mode, payload.clone(), 4)], true);
        assert_eq!(bytes[8], (payload.len() as u8) << 3 | 4 | number);
        assert_eq!(read(&bytes[..]).unwrap().0[0].info.header.mode(), mode);
    }
}

#[test]
fn what_follows_the_last_segment() {
    let bytes = member(header(1, None), &[stored(TEXT)], true);
    let len = bytes.len() as u64;
    let with = |tail: &[u8]| [&bytes[..], tail].concat();
    for tail in [&b"\0"[..], b"x\n", b"\xfac!", b"\xfac", &[0; 50]] {
        let expected = if tail == b"\xfac" {
            FormatError::Truncated {
                offset: len + 2,
                part: Part::Header,
            }
        } else {
            FormatError::TrailingBytes { offset: len }
        };
        assert_eq!(read_err(&with(tail)), expected);
    }
    assert_eq!(
        read_err(&with(b"\xfaci")),
        FormatError::Truncated {
            offset: len + 3,
            part: Part::Index
        }
    );
    // After an index there is no other one.
    let two = member(header(1, None), &[stored(TEXT), stored(TEXT)], true);
    let plain = member(header(1, None), &[stored(TEXT), stored(TEXT)], false);
    let twice = [&two[..], &two[plain.len()..]].concat();
    assert_eq!(
        read_err(&twice),
        FormatError::TrailingBytes {
            offset: two.len() as u64
        }
    );
    // And segments that end without a last one are no member.
    let bytes = raw(b"\x41", &[&nine(false), &nine(false)]);
    assert_eq!(
        read_err(&bytes),
        FormatError::Truncated {
            offset: bytes.len() as u64,
            part: Part::SegmentHeader
        }
    );
}

/// An index whose checksum and length are right, whatever it says.
fn index(tag: u8, body_len: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = [b"\xfaci", &[tag, body_len][..], body].concat();
    frame.extend((xxh3_64(&frame) as u32).to_le_bytes());
    let len = frame.len() as u32 + 8;
    frame.extend(len.to_le_bytes());
    frame.extend(b"zic\xfa");
    frame
}

#[test]
fn indexes() {
    let plain = raw(b"\x41", &[&nine(false), &nine(true)]);
    let offset = plain.len() as u64;
    let with = |frame: &[u8]| [&plain[..], frame].concat();
    let right = index(0x41, 5, &[2, 15, 9, 15, 9]);
    assert_eq!(
        with(&right),
        member(header(1, None), &[stored(TEXT), stored(TEXT)], true)
    );
    assert_eq!(read(&with(&right)[..]).unwrap().0.len(), 2);

    for wrong in [
        index(0x42, 5, &[2, 15, 9, 15, 9]),
        index(0x51, 5, &[2, 15, 9, 15, 9]),
        index(0x41, 4, &[2, 15, 9, 15, 9]),
        index(0x41, 6, &[2, 15, 9, 15, 9]),
        index(0x41, 5, &[1, 15, 9, 15, 9]),
        index(0x41, 5, &[3, 15, 9, 15, 9]),
        index(0x41, 5, &[2, 15, 9, 15, 8]),
        index(0x41, 5, &[2, 16, 9, 14, 9]),
        index(0x41, 3, &[1, 15, 9]),
        index(0x41, 1, &[0]),
        index(0x41, 0, &[2]),
        index(0x41, 7, &[3, 15, 9, 15, 9, 15, 9]),
    ] {
        assert_eq!(read_err(&with(&wrong)), FormatError::IndexMismatch { offset });
    }
    assert_eq!(
        read_err(&with(&index(0x61, 5, &[2, 15, 9, 15, 9]))),
        FormatError::Version {
            version: 3,
            offset: offset + 3
        }
    );
    assert_eq!(
        read_err(&with(&index(0x41, 0x85, &[0, 2, 15, 9, 15, 9]))),
        FormatError::Number { offset: offset + 4 }
    );
    let changed = |at: usize| {
        let mut frame = right.clone();
        frame[at] ^= 1;
        read_err(&with(&frame))
    };
    let found = xxh3_64(&right[..10]) as u32;
    assert_eq!(
        changed(10),
        FormatError::IndexChecksum {
            offset,
            expected: found ^ 1,
            found
        }
    );
    for at in 14..22 {
        assert_eq!(changed(at), FormatError::IndexEnd { offset });
    }
}

#[test]
fn a_member_of_one_segment_may_have_an_index() {
    let bytes = [raw(b"\x41", &[&nine(true)]), index(0x41, 3, &[1, 15, 9])].concat();
    assert_eq!(read(&bytes[..]).unwrap().1, TEXT);
}

#[test]
fn segments_have_their_place() {
    let a = nine(false);
    let b = [&[9 << 3, 9], &b"more text"[..]].concat();
    let check = |segments: &[&[u8]]| -> Vec<u8> {
        // Both with the checksums of places 0 and 1.
        let head = b"\xfacz\x41";
        let mut bytes = head.to_vec();
        for segment in segments {
            let number = u64::from(*segment == b);
            let hash = xxh3_64_with_seed(&[head, *segment, &segment[2..]].concat(), number);
            bytes.extend_from_slice(segment);
            bytes.extend((hash as u32).to_le_bytes());
        }
        let end: &[u8] = &[4, 0];
        let hash = xxh3_64_with_seed(&[head, end].concat(), 2);
        bytes.extend_from_slice(end);
        bytes.extend((hash as u32).to_le_bytes());
        bytes
    };
    assert_eq!(read(&check(&[&a, &b])[..]).unwrap().1, b"some textmore text");
    for order in [&[&b[..], &a][..], &[&a, &a, &b], &[&b], &[&a], &[&a, &b, &b]] {
        assert!(matches!(
            read_err(&check(order)),
            FormatError::Checksum { model: None, .. }
        ));
    }
}

#[test]
fn wrong_texts() {
    let bytes = member(header(1, MODEL), &[(Mode::Net, vec![1, 2], 5)], true);
    let segment = Reader::new(&bytes[..]).read().unwrap().unwrap();
    assert!(segment.verify(&[1, 2, 1, 2, 1]).is_ok());
    assert_eq!(
        segment.verify(&[1, 2, 1, 2]),
        Err(FormatError::TextLen {
            offset: 8,
            expected: 5,
            found: 4
        })
    );
    let Err(FormatError::Checksum {
        offset: 8,
        expected,
        found,
        model,
    }) = segment.verify(&[1, 2, 1, 2, 0])
    else {
        panic!("no checksum error");
    };
    assert_eq!(expected, segment.info.checksum);
    assert_ne!(expected, found);
    assert_eq!(model, segment.info.member.model);
}

#[test]
fn the_writer_keeps_the_rules() {
    let mut writer = Writer::new(Vec::new(), header(1, None));
    let segment = |result: Result<(), WriteError>| match result {
        Err(WriteError::Segment(error)) => error,
        other => panic!("{other:?}"),
    };
    let mode = Mode::Net;
    assert_eq!(
        segment(writer.write(mode, true, b"", b"a")),
        SegmentError::NoModel { mode }
    );
    assert_eq!(
        segment(writer.write(Mode::Bytes, true, b"a", b"a")),
        SegmentError::NotShorter {
            payload_len: 1,
            text_len: 1
        }
    );
    assert_eq!(
        segment(writer.write(Mode::Stored, true, b"a", b"ab")),
        SegmentError::StoredLen {
            payload_len: 1,
            text_len: 2
        }
    );
    assert_eq!(segment(writer.write_stored(false, b"")), SegmentError::Empty);
    let len = (1 << 24) + 1;
    assert_eq!(
        segment(writer.write_stored(false, &vec![0; len])),
        SegmentError::TextTooLong { len }
    );
    writer.write_stored(true, TEXT).unwrap();
    assert!(matches!(
        writer.write_stored(true, TEXT),
        Err(WriteError::AfterLast)
    ));
    // Nothing refused has left a trace.
    let bytes = writer.finish().unwrap();
    assert_eq!(bytes, member(header(1, None), &[stored(TEXT)], true));
}

#[test]
fn the_writer_ends_what_was_not_ended() {
    let mut writer = Writer::new(Vec::new(), header(1, None));
    writer.write_stored(false, TEXT).unwrap();
    let bytes = writer.finish().unwrap();
    assert_eq!(bytes, member(header(1, None), &[stored(TEXT), stored(b"")], true));
    assert_eq!(read(&bytes[..]).unwrap().1, TEXT);

    let bytes = Writer::new(Vec::new(), header(1, None)).finish().unwrap();
    assert_eq!(bytes, member(header(1, None), &[stored(b"")], true));
}

#[test]
fn readers_may_be_slow_or_fail() {
    let plans = [stored(TEXT), stored(TEXT)];
    let bytes = [
        member(header(1, MODEL), &plans, true),
        member(header(2, None), &plans, true),
    ]
    .concat();
    let (segments, text) = read(Dripping(&bytes, false)).unwrap();
    assert_eq!((segments, text), read(&bytes[..]).unwrap());

    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no more"))
        }
    }
    let mut reader = Reader::new(bytes[..30].chain(Failing));
    assert!(reader.read().unwrap().is_some());
    assert!(matches!(reader.read(), Err(ReadError::Io { offset: 30, .. })));
    // And nothing after an error.
    assert!(reader.read().unwrap().is_none());
}

#[test]
fn declared_lengths_reserve_nothing() {
    // 2^24 bytes declared, 100 there.
    let bytes = [b"\xfacz\x41\x84\x80\x80\x40\x80\x80\x80\x08", &[7; 100][..]].concat();
    let mut payload = Vec::new();
    let error = Reader::new(&bytes[..]).read_into(&mut payload).unwrap_err();
    assert_eq!(
        error.to_string(),
        "file ends at byte 112, inside or before a payload"
    );
    assert_eq!(payload, [7; 100]);
    assert!(payload.capacity() < 1000);
    // An index that declares 2^32 - 1 bytes and as many entries.
    let mut bytes = member(header(1, None), &[stored(TEXT)], true);
    bytes.extend(b"\xfaci\x41\xff\xff\xff\xff\x0f\xff\xff\xff\xff\x0f");
    assert_eq!(read_err(&bytes), FormatError::IndexMismatch { offset: 19 });
}

#[test]
fn the_longest_segment() {
    let text: Vec<u8> = (0..1 << 24).map(|i: u32| (i >> 8 ^ i) as u8).collect();
    let bytes = member(header(1, None), &[stored(&text)], true);
    assert_eq!(read(&bytes[..]).unwrap().1, text);
    let segment = SegmentHeader::new(Mode::Stored, true, 1 << 24, 1 << 24).unwrap();
    assert_eq!(segment.segment_len() as usize, bytes.len() - 4);
}

#[test]
fn errors_say_what_and_where() {
    let message = |bytes: &[u8]| read_err(bytes).to_string();
    assert_eq!(
        message(b"CZIPv1"),
        "not a czip v2 file: it starts with \"CZI\" instead of \"\\xfacz\""
    );
    assert_eq!(
        message(b"\xfacz\x81"),
        "unsupported version 4 at byte 3: only version 2 is known"
    );
    assert_eq!(
        message(b"\xfacz\x4a"),
        "unsupported level 10 at byte 3: levels 1 to 9 are known"
    );
    assert_eq!(
        message(b"\xfacz\x41\x80\0"),
        "malformed number at byte 4, not in its shortest form or of more than 32 bits"
    );
    assert_eq!(
        message(b"\xfacz\x41\x0a\x04"),
        "malformed segment header at byte 4: mode tokens needs a model, but the header names none"
    );
    assert_eq!(
        message(&[&raw(b"\x41", &[&nine(true)])[..], b"??"].concat()),
        "trailing bytes from byte 19, where a member has ended"
    );
}

#[test]
fn files_that_end_early_are_told_from_others() {
    let file = member(header(5, None), &[stored(TEXT)], true);
    for len in 0..file.len() {
        assert!(read_err(&file[..len]).is_truncation(), "{len} bytes");
    }
    for bad in [&b"x"[..], b"\xfacz\x4a", &[&file[..], b"x"].concat()] {
        assert!(!read_err(bad).is_truncation(), "{bad:?}");
    }
}

#[test]
fn readers_and_writers_come_back() {
    let mut writer = Writer::new(Vec::new(), header(5, None));
    writer.set_model(MODEL.map(ModelId));
    writer.get_mut().reserve(100);
    assert!(writer.get_ref().is_empty());
    writer.write_stored(false, TEXT).unwrap();
    // The header is written with the first segment.
    assert_eq!(writer.get_ref()[..8], *b"\xfacz\x55\x12\x34\xab\xcd");
    writer.write_stored(true, TEXT).unwrap();
    let file = writer.finish().unwrap();
    assert_eq!(
        file,
        member(header(5, MODEL), &[stored(TEXT), stored(TEXT)], true)
    );

    let mut reader = Reader::new(&file[..]);
    assert_eq!(reader.get_ref().len(), file.len());
    assert_eq!(reader.read().unwrap().unwrap().payload, TEXT);
    assert_eq!(reader.get_mut().len(), 0, "a short file is read at once");
    assert_eq!(reader.into_inner().len(), 0);
}

#[test]
#[should_panic(expected = "the header has been written")]
fn a_header_that_is_written_stays() {
    let mut writer = Writer::new(Vec::new(), header(5, None));
    writer.write_stored(false, TEXT).unwrap();
    writer.set_model(MODEL.map(ModelId));
}
