//! Damaged files: cut short, changed in one byte, edited at random.

use czip_container::v1::Codec;
use proptest::prelude::*;

use super::util::{compress, decompress, header, read, sample, written};

#[test]
fn every_truncation_is_found() {
    for codec in [Codec::Zstd, Codec::Brotli] {
        let bytes = written(&sample(codec));
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "{codec}, {len} bytes");
        }
    }
}

#[test]
fn every_change_of_the_header() {
    for codec in [Codec::Zstd, Codec::Brotli] {
        let bytes = written(&sample(codec));
        check_header_changes(&bytes);
    }
}

/// Of the header's bytes only the known flags and the original length can change unseen.
pub(super) fn check_header_changes(bytes: &[u8]) {
    for at in 0..16 {
        for value in (0..=255).filter(|&value| value != bytes[at]) {
            let mut changed = bytes.to_vec();
            changed[at] = value;
            let unseen = at == 6 && value < 4 || (8..12).contains(&at);
            assert_eq!(read(&changed).is_ok(), unseen, "byte {at}: {value:#04x}");
        }
    }
}

/// Of the inner header's bytes only the model and tokenizer ids and, within bounds, the counts of tokens.
#[test]
fn every_change_of_the_inner_header() {
    for codec in [Codec::Zstd, Codec::Brotli] {
        let bytes = written(&sample(codec));
        let inner = decompress(codec, &bytes[16..]);
        for at in 0..18 {
            for value in (0..=255).filter(|&value| value != inner[at]) {
                let mut changed = inner.clone();
                changed[at] = value;
                let unseen = match at {
                    0..4 | 10 => true,
                    8 => (1..=64).contains(&value),
                    // The last chunk holds 5 tokens, so chunks of 2 or 4 are too small.
                    11 => value == 0 || (3..=15).contains(&value),
                    _ => false,
                };
                let mut file = header(codec.to_byte(), 1000, 18);
                file.extend(compress(codec, &changed));
                assert_eq!(read(&file).is_ok(), unseen, "byte {at}: {value:#04x}");
            }
        }
    }
}

proptest! {
    #[test]
    fn random_edits(
        codec in prop_oneof![Just(Codec::Zstd), Just(Codec::Brotli)],
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = written(&sample(codec));
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        // What can be read can be written and read again.
        if let Ok(file) = read(&bytes) {
            prop_assert_eq!(read(&written(&file)).unwrap(), file);
        }
    }

    #[test]
    fn random_streams(codec in 0u8..2, chunks in 0u32..4, stream in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = header(codec, 1, 12 + 2 * chunks);
        if codec == 0 {
            bytes.extend([0x28, 0xb5, 0x2f, 0xfd]);
        }
        bytes.extend(stream);
        if let Ok(file) = read(&bytes) {
            prop_assert_eq!(file.chunk_count(), chunks);
        }
    }
}
