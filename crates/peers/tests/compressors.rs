//! All compressors, by what the crate offers.
//!
//! They are not beside the code: what they test would be built twice, which takes long.

use czip_peers::{Compressor, zstd_dictionary, zstd_sizes};

#[test]
fn texts_come_back() {
    let text = b"Integers are the same everywhere. ".repeat(100);
    let starts: [&[u8]; 4] = [&[], b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"];
    for (compressor, start) in Compressor::ALL.into_iter().zip(starts) {
        for text in [&text[..], b""] {
            let file = compressor.compress(text).unwrap();
            assert!(file.starts_with(start), "{}: {file:x?}", compressor.name());
            assert_eq!(compressor.decompress(&file).unwrap(), text);
        }
    }
}

#[test]
fn file_cut_short_is_an_error() {
    for compressor in Compressor::ALL {
        let file = compressor.compress(b"Integers are the same everywhere.").unwrap();
        let cut = compressor.decompress(&file[..file.len() - 9]);
        assert!(cut.is_err(), "{}", compressor.name());
    }
}

/// With a dictionary of such lines, another one is hardly more than a reference to it.
#[test]
fn dictionaries_are_used() {
    let lines: Vec<String> = (0..2_000)
        .map(|i| {
            format!(
                "request {} took {} ms, status 200, by user {}",
                i * 7919,
                i * i % 977,
                i % 31
            )
        })
        .collect();
    let samples: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    let dictionary = zstd_dictionary(&samples, 4_096).unwrap();
    let text = b"request 1234567 took 89 ms, status 200, by user 12".as_slice();
    let sizes = zstd_sizes(&dictionary, [text, text]).unwrap();
    let alone = Compressor::Zstd.compress(text).unwrap().len();
    assert!(sizes[0] < alone - 10, "{sizes:?} {alone}");
    assert_eq!(sizes[0], sizes[1]);
    assert!(zstd_dictionary(&[], 4_096).is_err());
}
