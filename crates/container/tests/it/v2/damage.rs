//! Round trips, and damaged files: cut short, changed in one bit, edited at random.

use czip_container::v2::{Mode, Reader};
use proptest::prelude::*;

use super::{Dripping, MODEL, Plan, header, member, read, stored, text_of};

/// Files, and the lengths to which they can be cut and stay whole.
fn samples() -> Vec<(Vec<u8>, Vec<usize>)> {
    let one = member(header(5, None), &[stored(b"Hello, world\n")], true);
    let empty = member(header(1, None), &[stored(b"")], true);
    let plans = [
        stored(b"Hello, "),
        (Mode::Bytes, vec![1, 2, 3], 20),
        (Mode::Net, vec![0xfa, 0x63], 300),
        (Mode::Tokens, vec![], 1),
    ];
    let four = member(header(9, MODEL), &plans, true);
    let four_plain = member(header(9, MODEL), &plans, false);
    let long = member(header(3, None), &[(Mode::Bytes, vec![9; 5], 70_000)], true);
    let joined = [&one[..], &four, &one].concat();
    let in_joined = |len| one.len() + len;
    vec![
        (one.clone(), vec![]),
        (empty, vec![]),
        (four_plain.clone(), vec![]),
        (four.clone(), vec![four_plain.len()]),
        (long, vec![]),
        (
            joined,
            vec![one.len(), in_joined(four_plain.len()), in_joined(four.len())],
        ),
    ]
}

#[test]
fn every_truncation_is_found() {
    for (bytes, whole) in samples() {
        let text = read(&bytes[..]).unwrap().1;
        for len in 0..bytes.len() {
            match read(&bytes[..len]) {
                Ok((_, part)) => {
                    assert!(whole.contains(&len), "{len} bytes");
                    assert!(text.starts_with(&part), "{len} bytes");
                }
                Err(_) => assert!(!whole.contains(&len), "{len} bytes"),
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_found() {
    for (bytes, _) in samples() {
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&changed[..]).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn joined_files_are_the_joined_text() {
    let samples = samples();
    let files: Vec<_> = samples
        .iter()
        .map(|(bytes, _)| read(&bytes[..]).unwrap())
        .collect();
    let joined: Vec<u8> = samples.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    let (segments, text) = read(&joined[..]).unwrap();
    assert_eq!(
        text,
        files
            .iter()
            .flat_map(|(_, text)| text.clone())
            .collect::<Vec<_>>()
    );

    // Each segment is what it was, except for its place in the file.
    let mut expected = files.iter().flat_map(|(segments, _)| segments);
    for segment in &segments {
        let expected = expected.next().unwrap();
        assert_eq!(segment.payload, expected.payload);
        assert_eq!(segment.info.header, expected.info.header);
        assert_eq!(segment.info.number, expected.info.number);
        assert_eq!(segment.info.member, expected.info.member);
        let offset = segment.info.offset as usize;
        assert_eq!(&joined[offset..][..2], &segment.info.header.to_bytes()[..2],);
    }
    assert_eq!(expected.next(), None);
}

fn plan() -> impl Strategy<Value = Plan> {
    let mode = prop_oneof![
        Just(Mode::Stored),
        Just(Mode::Bytes),
        Just(Mode::Tokens),
        Just(Mode::Net)
    ];
    let more = prop_oneof![4 => 0usize..200, 1 => 65_400usize..65_600];
    (mode, prop::collection::vec(any::<u8>(), 1..100), more).prop_map(|(mode, payload, more)| match mode {
        Mode::Stored => stored(&payload),
        _ => (mode, payload.clone(), payload.len() + 1 + more),
    })
}

type MemberPlan = (u8, Vec<Plan>, bool, bool);

/// Members of one to five segments: level, segments, whether there is an index, and a last segment without text.
pub(super) fn members() -> impl Strategy<Value = Vec<MemberPlan>> {
    let member = (
        1u8..10,
        prop::collection::vec(plan(), 1..6),
        any::<bool>(),
        any::<bool>(),
    );
    prop::collection::vec(member, 1..4)
}

/// The file of such members, and its text.
pub(super) fn written(members: &[MemberPlan]) -> (Vec<u8>, Vec<u8>) {
    let (mut bytes, mut text) = (Vec::new(), Vec::new());
    for (level, plans, index, end) in members {
        let mut plans = plans.clone();
        if *end {
            plans.push(stored(b""));
        }
        bytes.extend(member(header(*level, MODEL), &plans, *index));
        text.extend(plans.iter().flat_map(text_of));
    }
    (bytes, text)
}

proptest! {
    #[test]
    fn round_trips(members in members()) {
        let (bytes, text) = written(&members);
        let (segments, found) = read(&bytes[..]).unwrap();
        prop_assert_eq!(&found, &text);
        let plans = members.iter().map(|(_, plans, _, end)| plans.len() + usize::from(*end));
        prop_assert_eq!(segments.len(), plans.sum::<usize>());
        prop_assert_eq!(&read(Dripping(&bytes, true)).unwrap().0, &segments);

        // Memory used again makes no difference.
        let mut reader = Reader::new(&bytes[..]);
        let mut payload = vec![1, 2, 3];
        for segment in segments {
            prop_assert_eq!(reader.read_into(&mut payload).unwrap(), Some(segment.info));
            prop_assert_eq!(&payload, &segment.payload);
        }
        prop_assert_eq!(reader.read_into(&mut payload).unwrap(), None);
        prop_assert_eq!(reader.read_into(&mut payload).unwrap(), None);
    }

    #[test]
    fn random_edits(
        members in members(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (bytes, text) = written(&members);
        let mut changed = bytes.clone();
        for (at, value) in edits {
            let at = at.index(changed.len());
            changed[at] = value;
        }
        if let Some(cut) = cut {
            changed.truncate(cut.index(changed.len()));
        }
        if let Ok((_, found)) = read(&changed[..]) {
            prop_assert!(bytes.starts_with(&changed));
            prop_assert!(text.starts_with(&found));
        }
    }

    #[test]
    fn random_bytes(tag in 0x40u8..0x60, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&b"\xfacz"[..], &[tag], &bytes].concat();
        // A checksum of 32 bits that is right by chance is not to be expected.
        prop_assert!(read(&bytes[..]).is_err());
    }
}
