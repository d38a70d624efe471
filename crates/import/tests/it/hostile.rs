//! Files that were cut off, disturbed, or made to mislead. They are errors, or models, and never panics; and no memory is
//! taken for what is not there.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use czip_import::{Error, Options, Source, import};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::fixture::{LLAMA, Model, Sizes};
use crate::folder::Folder;
use crate::gguf::Gguf;

const SIZES: Sizes = Sizes {
    scaling: Some([8.0, 1.0, 4.0, 64.0]),
    tied: false,
    ..LLAMA
};

/// A file's name and its bytes.
struct Place {
    _temporary: TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
}

fn gguf() -> Place {
    let temporary = tempfile::tempdir().unwrap();
    Place {
        path: temporary.path().join("tiny.gguf"),
        _temporary: temporary,
        bytes: Gguf::new(&Model::new(SIZES, 1), "F16").bytes(),
    }
}

impl Place {
    fn open(&self, bytes: &[u8]) -> Result<Source, Error> {
        fs::write(&self.path, bytes).unwrap();
        Source::open(&self.path)
    }
}

/// Where the data of a GGUF file's tensors begin, with all 41 tensors and this alignment.
fn data_start(bytes: &[u8]) -> usize {
    let last = b"rope_freqs.weight";
    let name = bytes.windows(last.len()).position(|it| it == last).unwrap();
    // One dimension, a type, an offset.
    (name + last.len() + 4 + 8 + 4 + 8).next_multiple_of(32)
}

#[test]
fn cut_files() {
    let place = gguf();
    let start = data_start(&place.bytes);
    let lens = (0..64).chain((64..start).step_by(97)).chain(start..start + 3);
    for len in lens.chain([place.bytes.len() - 1]) {
        let error = place.open(&place.bytes[..len]).unwrap_err();
        assert!(
            matches!(error, Error::Malformed { .. } | Error::BadTensor { .. }),
            "{len}: {error}"
        );
    }
    place.open(&place.bytes).unwrap();
}

#[test]
fn files_that_shrink_later() {
    let place = gguf();
    let source = place.open(&place.bytes).unwrap();
    fs::write(&place.path, &place.bytes[..place.bytes.len() / 2]).unwrap();
    let error = import(&source, &Options::default(), &|_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn counts_and_lengths_that_no_file_has() {
    let place = gguf();
    let with = |at: usize, number: u64| {
        let mut bytes = place.bytes.clone();
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        place.open(&bytes).unwrap_err().to_string()
    };
    assert_eq!(with(8, 1 << 40), "file: 1099511627776 tensors, more than 65536");
    assert_eq!(
        with(16, u64::MAX),
        "file: 18446744073709551615 keys, more than 65536"
    );
    // More tensors than there are: data are read as one.
    assert_eq!(with(8, 1 << 16), "tensor : the shape [] of type F32");
    // The length of the first key.
    assert_eq!(
        with(24, u64::MAX),
        "key: a string of 18446744073709551615 bytes, more than 65536"
    );
    // That of its value: 8 + 20 bytes of the key, 4 of the type.
    let wanted = format!(
        "a string of 281474976710656 bytes, more than {}",
        place.bytes.len()
    );
    assert_eq!(with(56, 1 << 48), format!("key general.architecture: {wanted}"));
    // The number of tokens.
    let key = b"tokenizer.ggml.tokens";
    let tokens = place.bytes.windows(key.len()).position(|it| it == key).unwrap() + key.len() + 8;
    let wanted = "key tokenizer.ggml.tokens: an array of 1152921504606846976 elements, more than 4194304";
    assert_eq!(with(tokens, 1 << 60), wanted);
    // More tokens than there are bytes for.
    let message = with(tokens, 4_000_000);
    assert!(
        message.starts_with("key tokenizer.ggml.tokens: a string of "),
        "{message}"
    );
    // The first dimension of a tensor, and its offset.
    let name = b"token_embd.weight";
    let tensor = place.bytes.windows(name.len()).position(|it| it == name).unwrap() + name.len() + 4;
    let message = with(tensor, 1 << 62);
    assert_eq!(
        message,
        "tensor token_embd.weight: the shape [263, 4611686018427387904] of type F16"
    );
    let message = with(tensor + 8 + 8 + 4, u64::MAX);
    assert!(
        message.starts_with("tensor token_embd.weight: 25248 bytes from byte "),
        "{message}"
    );
}

#[test]
fn values_of_other_types() {
    let place = gguf();
    let key = b"general.architecture";
    let kind = place.bytes.windows(key.len()).position(|it| it == key).unwrap() + key.len();
    let with = |number: u32| {
        let mut bytes = place.bytes.clone();
        bytes[kind..kind + 4].copy_from_slice(&number.to_le_bytes());
        place.open(&bytes).unwrap_err().to_string()
    };
    assert_eq!(
        with(13),
        "key general.architecture: there is no type 13 of values"
    );
    // Its length is 5.
    assert_eq!(with(7), "key general.architecture: 5 is not a truth value");
    let mut bytes = place.bytes.clone();
    bytes[kind..kind + 12].copy_from_slice(&[9, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0]);
    bytes[kind + 12..kind + 16].fill(0);
    assert_eq!(
        place.open(&bytes).unwrap_err().to_string(),
        "key general.architecture: an array of arrays"
    );
    bytes = place.bytes.clone();
    bytes[kind + 12] = 0xff;
    assert_eq!(
        place.open(&bytes).unwrap_err().to_string(),
        "key general.architecture: a string that is not UTF-8"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn disturbed_gguf_files(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let place = gguf();
        let mut bytes = place.bytes.clone();
        let start = data_start(&bytes);
        for (at, byte) in changes {
            bytes[at.index(start)] = byte;
        }
        if let Ok(source) = place.open(&bytes) {
            let _ = import(&source, &Options::default(), &|_, _| ControlFlow::Continue(()));
        }
    }

    #[test]
    fn disturbed_folders(
        name in prop::sample::select(vec!["config.json", "tokenizer.json", "model.safetensors"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let temporary = tempfile::tempdir().unwrap();
        Folder::new(&Model::new(SIZES, 1), "BF16", 1).write(temporary.path());
        let path = temporary.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        // Of the weights only the header, which has some 5,000 bytes.
        let len = bytes.len().min(5000);
        for (at, byte) in changes {
            bytes[at.index(len)] = byte;
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(source) = Source::open(temporary.path()) {
            let _ = import(&source, &Options::default(), &|_, _| ControlFlow::Continue(()));
        }
    }
}
