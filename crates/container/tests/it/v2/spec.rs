//! The examples and figures of the specification page.

use czip_container::v2::{
    CopiedPassage, Copies, Header, MAX_TEXT_LEN, Mode, ModelId, Reader, SegmentHeader, Writer, is_v2,
};

use super::{MODEL, Plan, header, member, read, stored};

const PAGE: &str = include_str!("../../../../../docs/spec/czip-v2.md");

/// The bytes of the page's example blocks. A line is bytes, then perhaps a word on them after three spaces.
fn blocks() -> Vec<Vec<u8>> {
    let blocks = PAGE
        .split("```hex\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap());
    let bytes = |line: &'static str| line.split("   ").next().unwrap().split_whitespace();
    blocks
        .map(|block| {
            block
                .lines()
                .flat_map(bytes)
                .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                .collect()
        })
        .collect()
}

#[test]
fn examples_are_right() {
    let blocks = blocks();
    assert_eq!(blocks.len(), 5);
    let hello = b"Hello, world\n";
    let files = [
        (header(5, None), vec![stored(b"")], b"".to_vec()),
        (header(5, None), vec![stored(hello)], hello.to_vec()),
        (
            header(9, MODEL),
            vec![stored(b"Hello, "), stored(b"world\n")],
            hello.to_vec(),
        ),
    ];
    for ((header, segments, text), bytes) in files.iter().zip(&blocks) {
        assert_eq!(member(*header, segments, true), *bytes);
        let (found, found_text) = read(&bytes[..]).unwrap();
        assert_eq!(found_text, *text);
        assert_eq!(found.len(), segments.len());
        assert!(found.iter().all(|segment| segment.info.member == *header));
        assert!(is_v2(bytes));
    }

    let text = ["ab".repeat(1000), "\n".to_owned()].concat();
    let passage = CopiedPassage {
        rest: 2,
        len: 1998,
        distance: 2,
    };
    let copies = Copies::new(vec![passage], 2001).unwrap();
    let payload = [copies.to_bytes(), copies.rest_of(text.as_bytes())].concat();
    let mut writer = Writer::new(Vec::new(), header(5, None));
    let written = writer.write_with_copies(Mode::Stored, true, &payload, text.as_bytes());
    written.unwrap();
    assert_eq!(writer.finish().unwrap(), blocks[3]);
    let segment = Reader::new(&blocks[3][..]).read().unwrap().unwrap();
    assert_eq!(segment.copies().unwrap(), (Some(copies), &b"ab\n"[..]));
    segment.verify(text.as_bytes()).unwrap();

    // The last one's text isn't that of these tests' code.
    let text = [b'a'; 65_536];
    let mut writer = Writer::new(Vec::new(), header(1, None));
    writer.write(Mode::Bytes, true, &[], &text).unwrap();
    assert_eq!(writer.finish().unwrap(), blocks[4]);
    let segment = Reader::new(&blocks[4][..]).read().unwrap().unwrap();
    assert_eq!(segment.info.checksum, 0x73fb_d9ca_bd6b_be37);
    segment.verify(&text).unwrap();
}

#[test]
fn model_ids_are_shown_as_they_are_stored() {
    assert_eq!(ModelId([0x12, 0x34, 0xab, 0xcd]).to_string(), "1234abcd");
    assert_eq!(ModelId([0, 0, 0, 1]).to_string(), "00000001");
}

fn overhead(header: Header, plan: Plan) -> usize {
    let payload_len = plan.1.len();
    member(header, &[plan], true).len() - payload_len
}

#[test]
fn overhead_of_one_segment() {
    let with_model = header(9, MODEL);
    assert_eq!(overhead(with_model, (Mode::Net, vec![7; 2047], 16_383)), 16);
    assert_eq!(overhead(with_model, (Mode::Net, vec![7; 15], 127)), 14);
    assert_eq!(overhead(with_model, (Mode::Net, vec![7; 2048], 16_384)), 18);
    assert_eq!(overhead(with_model, (Mode::Net, vec![7; 2048], 65_536)), 22);
    assert_eq!(overhead(with_model, stored(&vec![7; MAX_TEXT_LEN])), 24);
    for len in [0, 1, 127, 1 << 14, (1 << 16) - 1, 1 << 16, 1 << 20] {
        assert!(overhead(with_model, stored(&vec![7; len])) <= 23, "{len}");
    }
}

#[test]
fn checksums_have_4_or_8_bytes() {
    let len = |text_len| {
        SegmentHeader::new(Mode::Bytes, false, 1, text_len)
            .unwrap()
            .checksum_len()
    };
    assert_eq!((len(2), len(65_535), len(65_536), len(1 << 24)), (4, 4, 8, 8));
}
