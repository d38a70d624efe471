//! Hostile files must not make the reader reserve memory they cannot fill.
//!
//! A test of its own process, since address space is counted for all threads together.
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

#[test]
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

    // The peak already holds what the allocator set aside for this thread, so 128 MiB show up as 64 or more.
    let before = status("VmPeak");
    for file in &files {
        v1::read(&file[..], &Limits::default()).unwrap_err();
    }
    let reserved = status("VmPeak") - before;
    assert!(reserved < 8 << 10, "{reserved} KiB reserved");
}
