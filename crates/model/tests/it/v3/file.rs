//! The file: its bytes, and everything that must be refused.

use std::sync::LazyLock;

use czip_model::v3::{Config, Contents, FORMAT, File, StreamError, Weights};
use czip_model::{Error, TensorProblem};
use czip_vectors::{ModelFile, Tensor};
use xxhash_rust::xxh3::xxh3_128;

use super::random::{config, weights};

fn small() -> Weights {
    weights(
        Config {
            qkv_bias: true,
            head_norms: true,
            layers: 1,
            ..config()
        },
        5,
    )
}

fn bytes_of(weights: Weights) -> Vec<u8> {
    let mut contents = Contents::new(weights, b"{}");
    contents.facts.insert("name".to_owned(), "a small one".to_owned());
    contents
        .facts
        .insert("window".to_owned(), "not a fact".to_owned());
    contents.to_bytes().unwrap()
}

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| bytes_of(small()));

/// The file after a change, with the hash that its data have then.
fn changed(change: impl FnOnce(&mut ModelFile)) -> Vec<u8> {
    let mut file = ModelFile::parse(&FILE);
    change(&mut file);
    let bytes = file.to_bytes();
    let header_len = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let hash = format!("{:032x}", xxh3_128(&bytes[8 + header_len..]));
    file.metadata.insert("data_hash".to_owned(), hash);
    file.to_bytes()
}

fn error_of(bytes: &[u8]) -> Error {
    File::from_bytes(bytes).unwrap_err()
}

fn metadata(key: &'static str, value: &str) -> Error {
    error_of(&changed(|file| {
        file.metadata.insert(key.to_owned(), value.to_owned());
    }))
}

#[test]
fn files_come_back_byte_for_byte() {
    let file = File::from_bytes(&FILE).unwrap();
    assert_eq!(file.weights, small());
    assert_eq!(file.extras.tokenizer_json().unwrap(), b"{}");
    assert_eq!(file.facts.len(), 1);
    assert_eq!(bytes_of(file.weights), *FILE);
    assert_eq!(File::from_bytes(&changed(|_| ())).unwrap().weights, small());
}

#[test]
fn a_stream_is_read_once_and_told_from_others() {
    let file = File::read_if_v3(FILE.as_slice(), FILE.len() as u64).unwrap();
    assert_eq!(file.unwrap().weights, small());
    for other in [&b""[..], b"x", b"some text that is no model", &FILE[9..]] {
        let bytes = File::read_if_v3(other, other.len() as u64).unwrap().unwrap_err();
        assert_eq!(bytes, other);
    }
    // A stream that ends before the length that it was said to have.
    let error = File::read(&FILE[..FILE.len() - 1], FILE.len() as u64).unwrap_err();
    assert!(matches!(error, StreamError::Io(_)), "{error}");
}

#[test]
fn damage_and_cuts() {
    let mut damaged = FILE.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(error_of(&damaged), Error::Damaged);
    for len in [0, 7, 8, 9, 100, FILE.len() / 2, FILE.len() - 1] {
        error_of(&FILE[..len]);
    }
    let mut longer = FILE.clone();
    longer.push(0);
    assert!(matches!(error_of(&longer), Error::NotSafetensors { .. }));
}

#[test]
fn metadata_out_of_range() {
    for (key, values) in [
        ("vocab_size", &["1", "262145", "x"][..]),
        ("n_layers", &["0", "129"]),
        ("d_model", &["3", "8193"]),
        ("n_heads", &["0", "129"]),
        ("n_kv_heads", &["0", "3", "5"]),
        ("head_dim", &["30", "33", "258"]),
        ("rotary_dim", &["0", "3", "34"]),
        ("d_ff", &["3", "16385"]),
        ("window", &["0", "8193"]),
        ("sinks", &["17"]),
        ("start_token", &["37"]),
        ("qkv_bias", &["2"]),
        ("head_norms", &["-1"]),
        ("epsilon", &["4294967296"]),
        ("head_epsilon", &["4294967296"]),
        ("score_mantissa", &["32768"]),
        ("score_exponent", &["31"]),
        ("wide_inputs", &["down,out", "all", ",", "down,"]),
        ("format", &["czip-model-v2"]),
    ] {
        for value in values {
            let error = metadata(key, value);
            assert!(
                matches!(&error, Error::BadMetadata { key: found, .. } if *found == key),
                "{key} = {value}: {error}"
            );
        }
        let error = error_of(&changed(|file| {
            file.metadata.remove(key);
        }));
        assert_eq!(error, Error::MissingMetadata { key });
    }
    let error = metadata("tokenizer_codec", "xz");
    assert!(matches!(error, Error::BadMetadata { .. }), "{error}");
    assert_eq!(FORMAT, "czip-model-v3");
}

#[test]
fn tensors_that_do_not_fit() {
    let problem = |change: &dyn Fn(&mut ModelFile)| match error_of(&changed(change)) {
        Error::Tensor { name, problem } => (name, problem),
        error => panic!("{error}"),
    };
    for name in [
        "embed.weight",
        "layers.0.attn.qkv.bias",
        "layers.0.ffn.down.mantissa",
        "tokenizer.data",
    ] {
        let (found, problem) = problem(&|file| {
            file.tensors.remove(name).unwrap();
        });
        assert_eq!((found.as_str(), problem), (name, TensorProblem::Missing));
    }
    let (_, found) = problem(&|file| file.tensors.get_mut("head.weight").unwrap().dtype = "U8".into());
    assert!(matches!(found, TensorProblem::Type { .. }), "{found}");
    let (_, found) = problem(&|file| file.tensors.get_mut("head.weight").unwrap().shape.reverse());
    assert!(matches!(found, TensorProblem::Shape { .. }), "{found}");
    let (_, found) = problem(&|file| file.tensors.get_mut("head.exponent").unwrap().data[3] = 49);
    assert_eq!(
        found,
        TensorProblem::Range {
            value: 49,
            low: 0,
            high: 48
        }
    );
    let (_, found) = problem(&|file| {
        let bias = file.tensors.get_mut("layers.0.attn.qkv.bias").unwrap();
        bias.data[..4].copy_from_slice(&(1i32 << 28).to_le_bytes());
    });
    assert!(
        matches!(
            found,
            TensorProblem::Range {
                value: 268_435_456,
                ..
            }
        ),
        "{found}"
    );
    // Tensors that the format does not know are ignored.
    let file = changed(|file| {
        let tensor = Tensor {
            dtype: "U8".to_owned(),
            shape: vec![3],
            data: vec![1, 2, 3],
        };
        file.tensors.insert("unknown".to_owned(), tensor);
    });
    assert_eq!(File::from_bytes(&file).unwrap().weights, small());
}
