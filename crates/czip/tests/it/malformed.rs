//! Damaged files and models: whatever the bytes are, the answer is a text of the declared length or an error.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]

use std::num::NonZeroUsize;
use std::sync::LazyLock;

use czip::{Limits, Model, Options};
use czip_vectors::read;
use proptest::prelude::*;
use proptest::sample::Index;

/// Three small files: both codecs, one chunk and several, plain text and special tokens.
const FILES: [&str; 3] = [
    "files/short.k7.zstd.czip",
    "files/short.k3.brotli.czip",
    "files/special.k5.zstd.czip",
];

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(&read("model.czm")).unwrap());

/// One thread, which small files are done by fastest, and a limit that keeps damaged lengths cheap.
fn options() -> Options {
    Options::new()
        .threads(NonZeroUsize::MIN)
        .limits(Limits::new().with_text_len(1 << 16))
}

/// Restores a damaged file. Returns whether it was taken for a valid one.
fn restore(file: &[u8], options: &Options) -> bool {
    match czip::v1::decompress(&MODEL, file, options) {
        Ok(text) => {
            let declared = u32::from_le_bytes(file[8..12].try_into().unwrap());
            assert_eq!(text.len(), declared as usize, "{file:02x?}");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    for name in FILES {
        let file = read(name);
        assert!(restore(&file, &options()), "{name}");
        for len in 0..file.len() {
            assert!(
                !restore(&file[..len], &options()),
                "{name}, the first {len} bytes"
            );
        }
    }
}

#[test]
fn any_byte_may_change() {
    for name in FILES {
        let mut file = read(name);
        let mut valid = 0;
        for place in 0..file.len() {
            let original = file[place];
            // The header in every way, the rest bit by bit.
            let changes: Vec<u8> = match place {
                0..16 => (1..=255).collect(),
                _ => (0..8).map(|bit| 1 << bit).collect(),
            };
            for change in changes {
                file[place] = original ^ change;
                valid += usize::from(restore(&file, &options()));
            }
            file[place] = original;
        }
        // Both ids, the flags and what a codec does not look at are free; and as the format has no checksum, some bits
        // of a chunk can become those of another text.
        assert!((3..100).contains(&valid), "{name}: {valid}");
    }
}

/// A change somewhere in some bytes.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// Copies bytes from one place to another.
    Copy(Index, Index, usize),
}

impl Edit {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            4 => (any::<Index>(), any::<u8>()).prop_map(|(place, byte)| Self::Set(place, byte)),
            1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(place, bytes)| Self::Insert(place, bytes)),
            1 => (any::<Index>(), 1..8usize).prop_map(|(place, len)| Self::Remove(place, len)),
            1 => (any::<Index>(), any::<Index>(), 1..16usize).prop_map(|(from, to, len)| Self::Copy(from, to, len)),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        if len == 0 {
            return;
        }
        match self {
            Self::Set(place, byte) => bytes[place.index(len)] = *byte,
            Self::Insert(place, new) => {
                let place = place.index(len + 1);
                bytes.splice(place..place, new.iter().copied());
            }
            Self::Remove(place, count) => {
                let place = place.index(len);
                bytes.drain(place..len.min(place + count));
            }
            Self::Copy(from, to, count) => {
                let (from, to) = (from.index(len), to.index(len));
                let count = (*count).min(len - from.max(to));
                bytes.copy_within(from..from + count, to);
            }
        }
    }
}

fn edited(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    edits.iter().for_each(|edit| edit.apply(&mut bytes));
    bytes
}

/// Failures are shown, and not kept in a file.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(count)
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn edited_files_do_not_panic(
        name in prop::sample::select(FILES.to_vec()),
        edits in prop::collection::vec(Edit::any(), 1..6),
    ) {
        restore(&edited(&read(name), &edits), &options());
    }

    /// The header stays, so more of the edits reach the codec and the coder.
    #[test]
    fn edited_streams_do_not_panic(
        name in prop::sample::select(FILES.to_vec()),
        edits in prop::collection::vec(Edit::any(), 1..4),
    ) {
        let file = read(name);
        let (header, stream) = file.split_at(16);
        restore(&[header, &edited(stream, &edits)].concat(), &options());
    }
}

/// The model file and where its JSON header ends.
static MODEL_FILE: LazyLock<(Vec<u8>, usize)> = LazyLock::new(|| {
    let file = read("model.czm");
    let header_len = u64::from_le_bytes(*file.first_chunk().unwrap());
    (file, 8 + header_len as usize)
});

#[test]
fn a_truncated_model_is_an_error() {
    let (file, header_end) = &*MODEL_FILE;
    let inside = (0..100).map(|part| header_end * part / 100);
    let beyond = (0..100).map(|part| header_end + (file.len() - header_end) * part / 100);
    for len in inside.chain(beyond).chain([file.len() - 1]) {
        let error = Model::from_bytes(&file[..len]).unwrap_err().to_string();
        // Less than the length of the header and its first byte could be of anything.
        let expected = match len {
            0 => "bad model: this is an empty file, not a model of czip (a .czm file)",
            1..9 => "bad model: this is a file of another kind, not a model of czip (a .czm file)",
            _ => "bad model: not a safetensors file: ",
        };
        assert!(error.starts_with(expected), "{len} bytes: {error}");
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn edited_models_do_not_panic(edits in prop::collection::vec(Edit::any(), 1..4), fix_length: bool) {
        let (file, header_end) = &*MODEL_FILE;
        let (header, data) = file.split_at(*header_end);
        let mut header = edited(header, &edits);
        // Otherwise an insertion would only be found to shift everything.
        if fix_length && header.len() > 8 {
            let len = header.len() as u64 - 8;
            header[..8].copy_from_slice(&len.to_le_bytes());
        }
        if let Err(error) = Model::from_bytes(&[&header, data].concat()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Numbers in the header become others: sizes, shapes and offsets that fit no more.
    #[test]
    fn other_numbers_in_a_model_do_not_panic(place: Index, number in prop_oneof![
        "[0-9]{1,3}", "[0-9]{4,20}", Just("18446744073709551615".to_owned()), Just("-1".to_owned()),
    ]) {
        let (file, header_end) = &*MODEL_FILE;
        let header = std::str::from_utf8(&file[8..*header_end]).unwrap();
        let starts = header.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at);
        let starts: Vec<usize> = starts.filter(|&at| !header.as_bytes()[at - 1].is_ascii_digit()).collect();
        let start = starts[place.index(starts.len())];
        let rest = header[start..].trim_start_matches(|c: char| c.is_ascii_digit());
        let header = format!("{}{number}{rest}", &header[..start]);
        let len = (header.len() as u64).to_le_bytes();
        if let Err(error) = Model::from_bytes(&[&len, header.as_bytes(), &file[*header_end..]].concat()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
