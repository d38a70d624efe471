//! Copies: what they restore, and each rule on them, broken.

use czip_container::v2::{
    CopiedPassage, Copies, CopiesError, FormatError, MAX_TEXT_LEN, Mode, Reader, Segment, SegmentError,
    SegmentHeader, Writer,
};
use proptest::prelude::*;

use super::{header, read_err};

fn passage((rest, len, distance): (u32, u32, u32)) -> CopiedPassage {
    CopiedPassage { rest, len, distance }
}

fn copies(passages: &[(u32, u32, u32)], text_len: u32) -> Result<Copies, CopiesError> {
    Copies::new(passages.iter().copied().map(passage).collect(), text_len)
}

/// A segment of mode `mode` with this payload, which says that it begins with copies.
fn segment(mode: Mode, payload: &[u8], text_len: usize) -> Segment {
    let mut writer = Writer::new(Vec::new(), header(5, Some([1, 2, 3, 4])));
    let text = vec![0; text_len];
    writer.write_with_copies(mode, true, payload, &text).unwrap();
    let file = writer.finish().unwrap();
    let segment = Reader::new(&file[..]).read().unwrap().unwrap();
    assert!(segment.info.header.has_copies());
    assert_eq!(segment.payload, payload);
    segment
}

#[test]
fn passages_may_touch_repeat_themselves_and_reach_the_end() {
    let copies = copies(&[(3, 2, 3), (0, 6, 1), (1, 4, 12)], 16).unwrap();
    assert_eq!(copies.rest_len(), 4);
    assert_eq!(copies.restore(b"abcX"), b"abcabbbbbbbXabca");
    assert_eq!(copies.rest_of(b"abcabbbbbbbXabca"), b"abcX");
    let bytes = [3, 3, 2, 3, 0, 6, 1, 1, 4, 12];
    assert_eq!(copies.to_bytes(), bytes);
    assert_eq!(
        Copies::parse(&[&bytes[..], b"!"].concat(), 16),
        Ok((copies, &b"!"[..]))
    );
}

#[test]
fn rules_on_passages() {
    assert_eq!(copies(&[], 9), Err(CopiesError::None));
    let len = |start, len, text_len| Err(CopiesError::Len { start, len, text_len });
    assert_eq!(copies(&[(1, 0, 1)], 9), len(1, 0, 9));
    assert!(copies(&[(1, 8, 1)], 9).is_ok());
    assert_eq!(copies(&[(1, 9, 1)], 9), len(1, 9, 9));
    assert_eq!(copies(&[(10, 1, 1)], 9), len(10, 1, 9));
    assert_eq!(copies(&[(1, 4, 1), (0, 5, 1)], 9), len(5, 5, 9));
    assert_eq!(
        copies(&[(u32::MAX, u32::MAX, 1)], 9),
        len(u32::MAX.into(), u32::MAX, 9)
    );
    let distance = |start, distance| Err(CopiesError::Distance { start, distance });
    assert_eq!(copies(&[(0, 1, 1)], 9), distance(0, 1));
    assert_eq!(copies(&[(1, 1, 0)], 9), distance(1, 0));
    assert_eq!(copies(&[(1, 1, 2)], 9), distance(1, 2));
    assert_eq!(copies(&[(1, 3, 1), (2, 1, 7)], 9), distance(6, 7));
}

#[test]
fn rules_on_payloads() {
    let error = |mode, payload: &[u8]| segment(mode, payload, 100).copies().unwrap_err();
    assert_eq!(error(Mode::Bytes, b""), CopiesError::Truncated);
    assert_eq!(error(Mode::Bytes, b"\0x"), CopiesError::None);
    assert_eq!(error(Mode::Bytes, b"\x01\x01\x05"), CopiesError::Truncated);
    assert_eq!(
        error(Mode::Bytes, b"\xff\xff\xff\xff\x0f\x01\x05\x01"),
        CopiesError::Truncated
    );
    assert_eq!(error(Mode::Bytes, b"\x81\x00\x01\x05\x01"), CopiesError::Number);

    // Copies of 95 bytes leave five.
    let payload = |coded: &[u8]| [&b"\x01\x01\x5f\x01"[..], coded].concat();
    for (mode, allowed) in [(Mode::Stored, 5..6), (Mode::Bytes, 0..5), (Mode::Net, 0..5)] {
        for coded_len in 0..8 {
            let payload = payload(&vec![7; coded_len]);
            let segment = segment(mode, &payload, 100);
            let found = segment.copies().map(|(_, coded)| coded.len());
            let expected = if allowed.contains(&coded_len) {
                Ok(coded_len)
            } else {
                Err(CopiesError::Rest {
                    coded_len,
                    rest_len: 5,
                })
            };
            assert_eq!(found, expected, "{mode}");
        }
    }
}

#[test]
fn rules_on_headers() {
    let with = |mode, payload_len, text_len| SegmentHeader::with_copies(mode, true, payload_len, text_len);
    let not_shorter = |payload_len, text_len| {
        Err(SegmentError::NotShorter {
            payload_len,
            text_len,
        })
    };
    for mode in [Mode::Stored, Mode::Bytes] {
        assert_eq!(with(mode, 9, 9), not_shorter(9, 9));
        assert_eq!(with(mode, 0, 0), not_shorter(0, 0));
        let most = with(mode, 9, MAX_TEXT_LEN).unwrap();
        assert_eq!(most.to_bytes()[1..], [0x80, 0x80, 0x80, 0x18]);
        assert_eq!(most.segment_len(), 1 + 4 + 9 + 8);
        let more = MAX_TEXT_LEN + 1;
        assert_eq!(with(mode, 9, more), Err(SegmentError::TextTooLong { len: more }));
    }
    // Other bits above the length have no meaning.
    for bit in [24, 26, 31] {
        let second = 1 << 25 | 1 << bit | 100;
        let len = (second - (1 << 25)) as usize;
        let found = SegmentHeader::from_numbers(9 << 3 | 4, second);
        assert_eq!(found, Err(SegmentError::TextTooLong { len }));
    }
    // A segment without text has no copies.
    let FormatError::Segment { error, .. } = read_err(b"\xfacz\x45\x04\x80\x80\x80\x10\0\0\0\0") else {
        panic!("another error");
    };
    assert_eq!(Err(error), not_shorter(0, 0));
}

proptest! {
    #[test]
    fn whatever_is_copied_comes_back(
        rest in prop::collection::vec(any::<u8>(), 1..200),
        wanted in prop::collection::vec((0u32..50, 1u32..300, 1u32..400), 1..20),
    ) {
        let (mut passages, mut left, mut end) = (Vec::new(), rest.len() as u32, 0);
        for (before, len, distance) in wanted {
            let before = before.min(left).max(u32::from(end == 0));
            left -= before;
            let start = end + before;
            passages.push(CopiedPassage { rest: before, len, distance: 1 + distance % start });
            end = start + len;
        }
        let copies = Copies::new(passages, end + left).unwrap();
        prop_assert_eq!(copies.rest_len() as usize, rest.len());
        let text = copies.restore(&rest);
        prop_assert_eq!(text.len() as u32, end + left);
        // Byte by byte, as the page has it.
        let (mut plain, mut at) = (Vec::new(), 0);
        for passage in copies.passages() {
            plain.extend_from_slice(&rest[at..at + passage.rest as usize]);
            at += passage.rest as usize;
            for _ in 0..passage.len {
                plain.push(plain[plain.len() - passage.distance as usize]);
            }
        }
        plain.extend_from_slice(&rest[at..]);
        prop_assert_eq!(&text, &plain);
        prop_assert_eq!(copies.rest_of(&text), rest);
        let bytes = copies.to_bytes();
        prop_assert_eq!(Copies::parse(&bytes, end + left), Ok((copies, &b""[..])));
    }
}
