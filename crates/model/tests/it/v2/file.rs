//! The file: its bytes, and everything that must be refused.

use std::sync::LazyLock;

use czip_model::v2::{FORMAT, File, Matrix, Weights};
use czip_model::{Error, TensorProblem};
use czip_vectors::{ModelFile, Tensor};
use proptest::prelude::*;
use proptest::sample::Index;
use xxhash_rust::xxh3::xxh3_128;

use super::random::{Random, config, contents};

static WEIGHTS: LazyLock<Weights> = LazyLock::new(|| Random(9).weights(&config([6, 2, 8, 2, 10, 33, 4, 6])));

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| contents(&WEIGHTS).to_bytes().unwrap());

/// The hash of the tensors, from the specification.
pub(crate) fn content_hash(file: &ModelFile) -> String {
    let mut bytes = Vec::new();
    // A map of strings is in the order of their bytes.
    for (name, tensor) in &file.tensors {
        bytes.extend_from_slice(format!("{name}\0{}\0", tensor.dtype).as_bytes());
        bytes.extend((tensor.shape.len() as u64).to_le_bytes());
        bytes.extend(tensor.shape.iter().flat_map(|&n| (n as u64).to_le_bytes()));
        bytes.extend_from_slice(&tensor.data);
    }
    format!("{:032x}", xxh3_128(&bytes))
}

/// The file after a change, with the hash that its tensors have then.
fn changed(change: impl FnOnce(&mut ModelFile)) -> Vec<u8> {
    let mut file = ModelFile::parse(&FILE);
    change(&mut file);
    let hash = content_hash(&file);
    file.metadata.insert("content_hash".to_owned(), hash);
    file.to_bytes()
}

fn error_of(bytes: &[u8]) -> Error {
    let error = File::from_bytes(bytes).unwrap_err();
    // Both ways of reading say the same, except for the format.
    if !matches!(error, Error::BadMetadata { key: "format", .. }) {
        assert_eq!(czip_model::ModelFile::from_bytes(bytes).unwrap_err(), error);
    }
    error
}

#[test]
fn files_come_back_byte_for_byte() {
    for sizes in [
        [6, 2, 8, 2, 10, 33, 4, 6],
        [2, 1, 4, 1, 4, 1, 0, 0],
        [300, 3, 12, 5, 7, 1024, 2, 2],
    ] {
        let weights = Random(3).weights(&config(sizes));
        let contents = contents(&weights);
        let bytes = contents.to_bytes().unwrap();
        let file = File::from_bytes(&bytes).unwrap();
        assert_eq!(file.weights, weights);
        assert_eq!(file.extras.tokenizer_json().unwrap(), contents.tokenizer_json);
        assert_eq!(file.extras.mixing_priors, [&b"first"[..], b"second"]);
        assert_eq!(file.extras.mixing_weights, contents.mixing_weights);
        assert_eq!(
            file.facts.into_iter().collect::<Vec<_>>(),
            [("name".to_owned(), "noise".to_owned())]
        );
        assert_eq!(contents.to_bytes().unwrap(), bytes);

        let parsed = ModelFile::parse(&bytes);
        assert_eq!(parsed.metadata["content_hash"], content_hash(&parsed));
        assert_eq!(
            parsed.metadata["content_hash"],
            format!("{:032x}", file.content_hash)
        );
        assert_eq!(parsed.metadata["window"], sizes[5].to_string());
        let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        assert!(header_len.is_multiple_of(8));
    }
}

#[test]
fn what_a_file_need_not_have() {
    let bytes = changed(|file| {
        for name in ["mixing.priors.0", "mixing.priors.1", "mixing.weights"] {
            file.tensors.remove(name).unwrap();
        }
        file.metadata.remove("tokenizer_codec").unwrap();
        file.metadata.insert("n_heads".to_owned(), "+02".to_owned());
        let other = Tensor {
            dtype: "I16".to_owned(),
            shape: vec![1],
            data: vec![1, 2],
        };
        file.tensors.insert("other".to_owned(), other);
    });
    let file = File::from_bytes(&bytes).unwrap();
    assert_eq!(file.weights, *WEIGHTS);
    assert!(file.extras.mixing_priors.is_empty() && file.extras.mixing_weights.is_none());
}

#[test]
fn half_bytes_are_read_low_half_first() {
    let bytes = changed(|file| file.tensors.get_mut("embed.weight").unwrap().data[0] = 0x8f);
    let file = File::from_bytes(&bytes).unwrap();
    assert_eq!(file.weights.embedding.row(0)[..2], [-1, -8]);
    let Matrix { shifts, .. } = &file.weights.embedding;
    assert_eq!(shifts.len(), 6);
}

#[test]
fn metadata_out_of_range() {
    let d_model = "must be a multiple of 4 from 4 to 4096";
    let buckets = "must be 0 or a power of two from 2 to 2^24";
    let width = "must be even and at most d_model, and 0 if and only if bigram_buckets is";
    let decimal = "must be a decimal number";
    let cases = [
        ("format", "czip-model-v1", "must be czip-model-v2"),
        ("vocab_size", "1", "must be 2 to 65536"),
        ("vocab_size", "65537", "must be 2 to 65536"),
        ("vocab_size", "-6", decimal),
        ("vocab_size", "18446744073709551616", decimal),
        ("n_layers", "0", "must be 1 to 64"),
        ("n_layers", "65", "must be 1 to 64"),
        ("n_heads", "0", "must be 1 to 64"),
        ("n_heads", "65", "must be 1 to 64"),
        ("d_model", "0", d_model),
        ("d_model", "6", d_model),
        ("d_model", "4100", d_model),
        ("d_model", "", decimal),
        ("d_ff", "3", "must be 4 to 16384"),
        ("d_ff", "16385", "must be 4 to 16384"),
        ("window", "0", "must be 1 to 1024"),
        ("window", "1025", "must be 1 to 1024"),
        ("window", "18446744073709551615", "must be 1 to 1024"),
        ("bigram_buckets", "1", buckets),
        ("bigram_buckets", "6", buckets),
        ("bigram_buckets", "33554432", buckets),
        ("bigram_width", "0", width),
        ("bigram_width", "5", width),
        ("bigram_width", "10", "must be even and at most d_model"),
        ("tokenizer_codec", "gzip", "must be zstd or brotli"),
    ];
    for (key, value, reason) in cases {
        let bytes = changed(|file| {
            file.metadata.insert(key.to_owned(), value.to_owned());
        });
        let expected = Error::BadMetadata {
            key,
            value: value.to_owned(),
            reason,
        };
        assert_eq!(error_of(&bytes), expected);
    }
    let bytes = changed(|file| {
        file.metadata.insert("bigram_buckets".to_owned(), "0".to_owned());
    });
    let expected = Error::BadMetadata {
        key: "bigram_width",
        value: "6".to_owned(),
        reason: width,
    };
    assert_eq!(error_of(&bytes), expected);
    for key in [
        "vocab_size",
        "n_layers",
        "n_heads",
        "d_model",
        "d_ff",
        "window",
        "bigram_buckets",
        "bigram_width",
    ] {
        let bytes = changed(|file| {
            file.metadata.remove(key).unwrap();
        });
        assert_eq!(error_of(&bytes), Error::MissingMetadata { key });
    }
    let mut file = ModelFile::parse(&FILE);
    file.metadata.remove("content_hash").unwrap();
    assert_eq!(
        error_of(&file.to_bytes()),
        Error::MissingMetadata { key: "content_hash" }
    );
    // Hexadecimal digits are in lower case, as the number's name and not its value counts.
    let hash = ModelFile::parse(&FILE).metadata["content_hash"].to_uppercase();
    file.metadata.insert("content_hash".to_owned(), hash);
    assert_eq!(error_of(&file.to_bytes()), Error::Damaged);
}

#[test]
fn unknown_formats_name_those_that_are_known() {
    let bytes = changed(|file| {
        file.metadata
            .insert("format".to_owned(), "czip-model-v4".to_owned());
    });
    let error = czip_model::ModelFile::from_bytes(&bytes).unwrap_err().to_string();
    let expected =
        "model metadata have `format` = `czip-model-v4`: only czip-model-v1, -v2 and -v3 are known";
    assert_eq!(error, expected);
    let parsed = czip_model::ModelFile::from_bytes(&FILE).unwrap();
    assert!(matches!(parsed, czip_model::ModelFile::V2(_)));
    assert_eq!(FORMAT, "czip-model-v2");
}

/// Every tensor of the file that must be there: its type and shape.
fn tensors() -> Vec<(String, &'static str, Vec<usize>)> {
    let mut tensors = vec![
        ("embed.weight".to_owned(), "U8", vec![6, 4]),
        ("embed.shift".to_owned(), "U8", vec![6]),
        ("bigram.weight".to_owned(), "U8", vec![4, 3]),
        ("bigram.shift".to_owned(), "U8", vec![4]),
        ("rope.frequencies".to_owned(), "U16", vec![32]),
        ("head.weight".to_owned(), "I8", vec![6, 8]),
        ("head.shift".to_owned(), "U8", vec![6]),
    ];
    for layer in 0..2 {
        let mut add = |name: &str, dtype, shape: &[usize]| {
            tensors.push((format!("layers.{layer}.{name}"), dtype, shape.to_vec()));
        };
        add("attn.qkv.weight", "I8", &[256, 8]);
        add("attn.qkv.shift", "U8", &[256]);
        add("attn.gains", "U16", &[2]);
        add("attn.sinks", "I32", &[2]);
        add("attn.out.weight", "I8", &[8, 128]);
        add("attn.out.shift", "U8", &[8]);
        add("ffn.up.weight", "I8", &[10, 8]);
        add("ffn.up.shift", "U8", &[10]);
        add("ffn.down.weight", "I8", &[8, 10]);
        add("ffn.down.shift", "U8", &[8]);
    }
    tensors
}

fn tensor_error(name: &str, problem: TensorProblem) -> Error {
    Error::Tensor {
        name: name.to_owned(),
        problem,
    }
}

#[test]
fn tensors_that_are_missing_or_unfit() {
    let all = tensors();
    // Those, the tokenizer and what the mixer may have.
    assert_eq!(ModelFile::parse(&FILE).tensors.len(), all.len() + 4);
    for (name, dtype, shape) in &all {
        let of_file = &ModelFile::parse(&FILE).tensors[name];
        assert_eq!(
            (of_file.dtype.as_str(), &of_file.shape),
            (*dtype, shape),
            "{name}"
        );

        let bytes = changed(|file| {
            file.tensors.remove(name).unwrap();
        });
        assert_eq!(error_of(&bytes), tensor_error(name, TensorProblem::Missing));

        let (other, factor) = match *dtype {
            "I8" => ("U8", 1),
            "U8" => ("I8", 1),
            "U16" => ("I16", 1),
            _ => ("U32", 1),
        };
        let bytes = changed(|file| file.tensors.get_mut(name).unwrap().dtype = other.to_owned());
        let problem = TensorProblem::Type {
            found: other.to_owned(),
            wanted: dtype,
        };
        assert_eq!(error_of(&bytes), tensor_error(name, problem));

        let mut longer = shape.clone();
        longer[0] += factor;
        let bytes = changed(|file| {
            let tensor = file.tensors.get_mut(name).unwrap();
            let row = tensor.data.len() / shape[0];
            tensor.data.extend(vec![0; row]);
            tensor.shape = longer.clone();
        });
        let problem = TensorProblem::Shape {
            found: longer,
            wanted: shape.clone(),
        };
        assert_eq!(error_of(&bytes), tensor_error(name, problem));
    }
    let bytes = changed(|file| {
        file.tensors.remove("tokenizer.data").unwrap();
    });
    assert_eq!(
        error_of(&bytes),
        tensor_error("tokenizer.data", TensorProblem::Missing)
    );
    let bytes = changed(|file| file.tensors.get_mut("tokenizer.data").unwrap().shape.push(1));
    let error = error_of(&bytes);
    assert!(
        matches!(&error, Error::Tensor { name, problem: TensorProblem::Shape { .. } } if name == "tokenizer.data")
    );
    let bytes = changed(|file| file.tensors.get_mut("mixing.weights").unwrap().dtype = "I16".to_owned());
    let problem = TensorProblem::Type {
        found: "I16".to_owned(),
        wanted: "U16",
    };
    assert_eq!(error_of(&bytes), tensor_error("mixing.weights", problem));
}

#[test]
fn elements_out_of_range() {
    let range = |name: &str, value: i64, low: i64, high: i64| {
        tensor_error(name, TensorProblem::Range { value, low, high })
    };
    for (name, dtype, shape) in tensors() {
        if !name.ends_with(".shift") {
            continue;
        }
        assert_eq!(dtype, "U8");
        let most = if name.starts_with("embed") || name.starts_with("bigram") {
            8
        } else {
            24
        };
        for (value, valid) in [(most, true), (most + 1, false), (255, false)] {
            let bytes = changed(|file| file.tensors.get_mut(&name).unwrap().data[shape[0] - 1] = value);
            match File::from_bytes(&bytes) {
                Ok(_) => assert!(valid, "{name}"),
                Err(error) => {
                    assert!(!valid, "{name}");
                    assert_eq!(error, range(&name, value.into(), 0, most.into()));
                }
            }
        }
    }
    let name = "layers.1.attn.sinks";
    for value in [
        1 << 20,
        -(1 << 20),
        (1 << 20) + 1,
        -(1 << 20) - 1,
        i32::MIN,
        i32::MAX,
    ] {
        let bytes = changed(|file| {
            file.tensors.get_mut(name).unwrap().data[4..].copy_from_slice(&value.to_le_bytes());
        });
        match File::from_bytes(&bytes) {
            Ok(_) => assert_eq!(value.unsigned_abs(), 1 << 20),
            Err(error) => assert_eq!(error, range(name, value.into(), -(1 << 20), 1 << 20)),
        }
    }
}

/// What would be refused is not written.
#[test]
fn weights_out_of_range_are_not_written() {
    type Change = fn(&mut Weights);
    let cases: [(Change, &str, [i64; 3]); 7] = [
        (|w| w.embedding.weights[9] = 8, "embed.weight", [8, -8, 7]),
        (|w| w.bigram.weights[1] = -9, "bigram.weight", [-9, -8, 7]),
        (|w| w.embedding.shifts[5] = 9, "embed.shift", [9, 0, 8]),
        (|w| w.head.shifts[0] = 25, "head.shift", [25, 0, 24]),
        (
            |w| w.layers[1].down.shifts[7] = 255,
            "layers.1.ffn.down.shift",
            [255, 0, 24],
        ),
        (
            |w| w.layers[0].sinks[1] = (1 << 20) + 1,
            "layers.0.attn.sinks",
            [(1 << 20) + 1, -(1 << 20), 1 << 20],
        ),
        (
            |w| w.layers[1].sinks[0] = i32::MIN,
            "layers.1.attn.sinks",
            [-(1 << 31), -(1 << 20), 1 << 20],
        ),
    ];
    for (change, name, [value, low, high]) in cases {
        let mut weights = WEIGHTS.clone();
        change(&mut weights);
        let problem = TensorProblem::Range { value, low, high };
        assert_eq!(contents(&weights).to_bytes(), Err(tensor_error(name, problem)));
    }
}

fn write(change: impl FnOnce(&mut Weights)) {
    let mut weights = WEIGHTS.clone();
    change(&mut weights);
    let _ = contents(&weights).to_bytes();
}

#[test]
#[should_panic(expected = "elements of the tensor layers.1.ffn.up.weight")]
fn matrices_have_their_sizes() {
    write(|weights| _ = weights.layers[1].up.weights.pop());
}

#[test]
#[should_panic(expected = "layers")]
fn layers_have_their_number() {
    write(|weights| _ = weights.layers.pop());
}

#[test]
#[should_panic(expected = "heads")]
fn gains_have_their_number() {
    write(|weights| _ = weights.layers[0].gains.pop());
}

#[test]
#[should_panic(expected = "heads")]
fn sinks_have_their_number() {
    write(|weights| _ = weights.layers[1].sinks.pop());
}

#[test]
fn a_tokenizer_that_does_not_decompress() {
    let bytes = changed(|file| {
        file.tensors.get_mut("tokenizer.data").unwrap().data[0] ^= 1;
    });
    let file = File::from_bytes(&bytes).unwrap();
    assert!(matches!(
        file.extras.tokenizer_json(),
        Err(Error::Tokenizer { codec: "zstd", .. })
    ));
}

#[test]
fn priors_are_compressed() {
    let set = |file: &mut ModelFile, number: usize, data: Vec<u8>| {
        let tensor = Tensor {
            dtype: "U8".to_owned(),
            shape: vec![data.len()],
            data,
        };
        file.tensors.insert(format!("mixing.priors.{number}"), tensor);
    };
    let bytes = changed(|file| set(file, 0, b"first".to_vec()));
    let error = error_of(&bytes);
    assert!(
        matches!(&error, Error::Compressed { name, .. } if name == "mixing.priors.0"),
        "{error}"
    );

    let zeros = |len| zstd::bulk::compress(&vec![0; len], 1).unwrap();
    let bytes = changed(|file| {
        set(file, 0, zeros(10 << 20));
        set(file, 1, zeros(6 << 20));
    });
    let lengths: Vec<usize> = File::from_bytes(&bytes)
        .unwrap()
        .extras
        .mixing_priors
        .iter()
        .map(|priors| priors.len())
        .collect();
    assert_eq!(lengths, [10 << 20, 6 << 20]);
    // Many small ones could ask for more than a large one.
    let bytes = changed(|file| {
        set(file, 0, zeros(10 << 20));
        set(file, 1, zeros((6 << 20) + 1));
    });
    let reason = "all priors together have more than 16777216 bytes".to_owned();
    let expected = Error::Compressed {
        name: "mixing.priors.1".to_owned(),
        reason,
    };
    assert_eq!(error_of(&bytes), expected);

    // A frame that declares a window of 32 MiB, with nothing in it.
    let frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (25 - 10) << 3, 1, 0, 0];
    let bytes = changed(|file| set(file, 1, frame));
    let error = error_of(&bytes);
    assert!(
        matches!(&error, Error::Compressed { name, .. } if name == "mixing.priors.1"),
        "{error}"
    );
}

/// Whatever byte of the tensors changes is noticed.
#[test]
fn damaged_bytes() {
    let header_len = u64::from_le_bytes(FILE[..8].try_into().unwrap()) as usize;
    for place in 8 + header_len..FILE.len() {
        let mut bytes = FILE.clone();
        bytes[place] ^= 1 << (place % 8);
        assert_eq!(error_of(&bytes), Error::Damaged, "byte {place}");
    }
}

#[test]
fn truncated_files() {
    for len in 9..FILE.len() {
        let error = error_of(&FILE[..len]);
        assert!(
            matches!(error, Error::NotSafetensors { .. }),
            "{len} bytes: {error}"
        );
    }
    assert!(matches!(
        error_of(&[&FILE[..], &[0]].concat()),
        Error::NotSafetensors { .. }
    ));
    let header_len = u64::from_le_bytes(FILE[..8].try_into().unwrap());
    assert_eq!(
        error_of(&FILE[..100]).to_string(),
        format!(
            "not a safetensors file: header of {header_len} bytes, of which 92 are there: the file is cut off"
        )
    );
}

#[test]
fn files_that_are_no_models() {
    let without_format = changed(|file| drop(file.metadata.remove("format")));
    let of_arrays = changed(|file| drop(file.metadata.insert("format".to_owned(), "pt".to_owned())));
    let no_tensors = b"\x02\0\0\0\0\0\0\0{}".to_vec();
    let cases = [
        (Vec::new(), "an empty file"),
        (b"x".to_vec(), "a text"),
        (b"Call me Ishmael.\n".repeat(100_000), "a text"),
        (
            b"\xfacz\x02 and so on".to_vec(),
            "a file that czip has compressed",
        ),
        (b"GGUF\x03\0\0\0\0\0".to_vec(), "a GGUF file"),
        (without_format, "a safetensors file of another program"),
        (of_arrays, "a safetensors file of another program"),
        (no_tensors, "a safetensors file of another program"),
        (FILE[..7].to_vec(), "a file of another kind"),
        (FILE[..8].to_vec(), "a file of another kind"),
        (vec![0; 100], "a file of another kind"),
    ];
    for (bytes, kind) in cases {
        assert_eq!(
            error_of(&bytes).to_string(),
            format!("this is {kind}, not a model of czip (a .czm file)")
        );
    }
}

#[test]
fn header_length() {
    let file = |len: usize| [&len.to_le_bytes()[..], b"{}", &vec![b' '; len - 2]].concat();
    assert!(matches!(error_of(&file(1 << 20)), Error::NotAModel { .. }));
    assert_eq!(
        error_of(&file((1 << 20) + 1)).to_string(),
        "not a safetensors file: header of 1048577 bytes, more than 1048576"
    );
}

#[test]
fn what_errors_quote_is_cut() {
    let long = "\u{1b}[31m".to_owned() + &"x".repeat(1000);
    let shown = r"\u{1b}[31m".to_owned() + &"x".repeat(95) + "...";
    let bytes = changed(|file| drop(file.metadata.insert("d_ff".to_owned(), long.clone())));
    assert_eq!(
        error_of(&bytes).to_string(),
        format!("model metadata have `d_ff` = `{shown}`: must be a decimal number")
    );
    let bytes = changed(|file| file.tensors.get_mut("embed.weight").unwrap().shape.resize(500, 1));
    assert_eq!(
        error_of(&bytes).to_string(),
        format!(
            "tensor `embed.weight` has shape [6, 4{}..., not [6, 4]",
            ", 1".repeat(31) + ", "
        )
    );
    // An offset that does not fit names the tensor.
    let header = format!(
        r#"{{"{}":{{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}}}"#,
        "x".repeat(1000)
    );
    let bytes = [&header.len().to_le_bytes()[..], header.as_bytes(), b"12"].concat();
    let error = error_of(&bytes).to_string();
    assert_eq!(error.len(), "not a safetensors file: ".len() + 103, "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    /// Bytes of header and tensors change, with a hash that fits where that is still possible.
    #[test]
    fn edited_files_do_not_panic(edits in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4), seal: bool) {
        let mut bytes = FILE.clone();
        let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for (place, byte) in edits {
            // Most of the bytes are weights, of which all are valid.
            let place = if byte % 2 == 0 { 8 + place.index(header_len) } else { place.index(bytes.len()) };
            bytes[place] = byte;
        }
        if let Err(error) = File::from_bytes(&bytes) {
            prop_assert!(!error.to_string().is_empty());
            if seal && error == Error::Damaged {
                let mut file = ModelFile::parse(&bytes);
                file.metadata.insert("content_hash".to_owned(), content_hash(&file));
                let _ = File::from_bytes(&file.to_bytes());
            }
        }
    }

    /// Sizes in the metadata and the shapes become others.
    #[test]
    fn other_sizes_do_not_panic(key in prop::sample::select(vec![
        "vocab_size", "n_layers", "n_heads", "d_model", "d_ff", "window", "bigram_buckets", "bigram_width",
    ]), value in prop_oneof![0u64..40, Just(u64::MAX), any::<u64>()], tensor: Index, size in 0usize..20) {
        let bytes = changed(|file| {
            file.metadata.insert(key.to_owned(), value.to_string());
            let name = file.tensors.keys().nth(tensor.index(file.tensors.len())).unwrap().clone();
            let tensor = file.tensors.get_mut(&name).unwrap();
            if size > 0 {
                let row = tensor.data.len() / tensor.shape[0];
                tensor.shape[0] = size;
                tensor.data.resize(size * row, 1);
            }
        });
        if let Err(error) = File::from_bytes(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
