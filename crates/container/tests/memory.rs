//! Hostile files must not make the reader reserve memory they cannot fill.
//!
//! One test in its own process, since address space is counted for all threads together.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;

use czip_container::v1::{self, Limits};

/// A line of the process's status, in KiB.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One after the other: the counts are those of the process.
#[test]
fn memory_is_bounded() {
    declared_sizes_reserve_nothing();
    looking_at_a_file_does_not_hold_its_chunks();
}

fn declared_sizes_reserve_nothing() {
    let header = |codec: u8, inner_len: u32| {
        let mut bytes = b"CZIPv1\0".to_vec();
        bytes.extend([codec, 0xff, 0xff, 0xff, 0xff]);
        bytes.extend(inner_len.to_le_bytes());
        bytes
    };
    let frame = |window: u8, content: &[u8]| {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
        frame.extend([(content.len() << 3 | 1) as u8, 0, 0]);
        frame.extend(content);
        frame
    };
    let files = [
        // Windows of 128 MiB, around nothing and around a chunk that the table gives 65,535 bytes.
        [header(0, 12), frame(0x88, &[])].concat(),
        [
            header(0, 14),
            frame(0x88, &[0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 6, 0xff, 0xff]),
        ]
        .concat(),
        // A content size of 128 MiB.
        [
            header(0, 14),
            vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 8, 1, 0, 0],
        ]
        .concat(),
        // 2^26 chunks with nothing in the table.
        [
            header(1, 12 + (2 << 26)),
            vec![0x0b, 0x05, 0x80, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 6, 3],
        ]
        .concat(),
    ];

    // The peak already holds what the allocator reserved for this thread, so 128 MiB show up as 64 or more.
    let before = status("VmPeak");
    for file in &files {
        v1::read(&file[..], &Limits::default()).unwrap_err();
    }
    let reserved = status("VmPeak") - before;
    assert!(reserved < 8 << 10, "{reserved} KiB reserved");
}

fn looking_at_a_file_does_not_hold_its_chunks() {
    const CHUNKS: usize = 2048;
    // Blocks of one byte repeated, of 128 KiB at most.
    let repeated = |byte: u8, len: usize, last: bool| {
        let mut blocks = Vec::new();
        let count = len.div_ceil(1 << 17);
        for number in 0..count {
            let len = (len - (number << 17)).min(1 << 17);
            let is_last = u32::from(last && number + 1 == count);
            blocks.extend(&((len as u32) << 3 | 1 << 1 | is_last).to_le_bytes()[..3]);
            blocks.push(byte);
        }
        blocks
    };
    let mut file = b"CZIPv1\0\0\xff\xff\xff\xff".to_vec();
    file.extend((12 + 2 * CHUNKS as u32).to_le_bytes());
    // A window of 128 KiB, then a block as it is.
    file.extend([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38, 12 << 3, 0, 0]);
    file.extend([0, 0, 0, 0]);
    file.extend((CHUNKS as u32).to_le_bytes());
    file.extend([1, 0, 0, 6]);
    file.extend(repeated(0xff, 2 * CHUNKS, false));
    file.extend(repeated(0, CHUNKS * 65_535, true));
    assert!(file.len() < 5000, "{}", file.len());

    let before = status("VmPeak");
    let found = v1::inspect(&file[..], &Limits::default()).unwrap();
    assert_eq!(found.payload_len, 2048 * 65_535);
    assert_eq!(found.token_count, 2047 * 64 + 1);
    let error = v1::inspect(&file[..file.len() - 4], &Limits::default()).unwrap_err();
    assert!(error.to_string().starts_with("file ends at byte "), "{error}");
    let mut reader = v1::Reader::new(&file[..], &Limits::default()).unwrap();
    let mut payload = Vec::new();
    while reader.chunks_left() > 0 {
        let lens = reader.read_chunks(10, &mut payload).unwrap();
        assert_eq!(payload.len(), lens.len() * 65_535);
    }
    let taken = status("VmPeak") - before;
    assert!(taken < 16 << 10, "{taken} KiB taken");
}
