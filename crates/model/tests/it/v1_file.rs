//! Files of version 1: what is read from one, and everything that must be refused.

use czip_model::v1::{FORMAT, Weights};
use czip_model::{Error, Kernels, TensorProblem};
use czip_vectors::{ModelFile, Tensor, read};

/// The golden model after a change.
fn changed(change: impl FnOnce(&mut ModelFile)) -> Vec<u8> {
    let mut file = ModelFile::parse(&read("model.czm"));
    change(&mut file);
    file.to_bytes()
}

fn error_of(bytes: &[u8]) -> Error {
    let error = Weights::from_bytes(bytes).err().unwrap();
    if !matches!(error, Error::BadMetadata { key: "format", .. }) {
        assert_eq!(czip_model::ModelFile::from_bytes(bytes).err().unwrap(), error);
    }
    error
}

fn set(file: &mut ModelFile, name: &str, dtype: &str, shape: &[usize], data: &[u8]) {
    let tensor = Tensor {
        dtype: dtype.to_owned(),
        shape: shape.to_vec(),
        data: data.to_vec(),
    };
    file.tensors.insert(name.to_owned(), tensor);
}

#[test]
fn what_a_file_holds() {
    let bytes = read("model.czm");
    let parsed = ModelFile::parse(&bytes);
    let weights = Weights::from_bytes(&bytes).unwrap();
    let config = &weights.config;
    assert_eq!(FORMAT, "czip-model-v1");
    assert_eq!(
        [
            config.vocab_size,
            config.layers,
            config.heads,
            config.d_model,
            config.d_ff
        ],
        [283, 2, 4, 256, 33]
    );
    assert_eq!((config.context_length, config.context_log2()), (128, 7));
    assert_eq!(config.rope_theta_q16, 655_360_000);

    let elements = |ending: &str| -> usize {
        let of_kind = parsed.tensors.iter().filter(|(name, _)| name.ends_with(ending));
        of_kind
            .map(|(_, tensor)| tensor.shape.iter().product::<usize>())
            .sum()
    };
    let all = elements(".weight");
    assert_eq!(config.parameters(), all);
    // All but the gains and the embedding are multiplied.
    assert_eq!(config.multiply_adds(), all - elements("norm.weight") - 283 * 256);
    let layer = &weights.layers[1];
    assert_eq!((layer.up.rows, layer.up.cols), (66, 256));
    assert_eq!((layer.down.rows, layer.down.cols), (256, 33));
    assert_eq!(layer.attention.heads(), 4);
    assert_eq!(weights.softmax.coefficient(), Weights::DEFAULT_COEFFICIENT);
    assert_eq!(weights.softmax.total(), (1 << 30) - 283 - 1024);
    assert_eq!(weights.extras.tokenizer_json().unwrap(), read("tokenizer.json"));
}

#[test]
fn optional_tensors() {
    let sink_key: Vec<u8> = (0..64).collect();
    let bytes = changed(|file| {
        set(file, "softmax.coef_q24", "U32", &[], &7u32.to_le_bytes());
        set(file, "softmax.target_total", "U32", &[], &284u32.to_le_bytes());
        file.tensors.remove("layers.1.attn.sink_key").unwrap();
        set(file, "layers.0.attn.sink_key", "I8", &[64], &sink_key);
        set(file, "mixing.priors.0", "U8", &[3], b"abc");
        set(file, "mixing.priors.2", "U8", &[1], b"d");
        set(file, "mixing.weights", "U16", &[283], &[1, 2].repeat(283));
    });
    let weights = Weights::from_bytes(&bytes).unwrap();
    assert_eq!((weights.softmax.coefficient(), weights.softmax.total()), (7, 284));
    let sinks = weights.layers.iter().map(|layer| layer.attention.has_sink_key());
    assert_eq!(sinks.collect::<Vec<_>>(), [true, false]);
    assert_eq!(weights.extras.mixing_priors, [&b"abc"[..]]);
    assert_eq!(weights.extras.mixing_weights, Some(vec![0x0201; 283]));
    let weights = changed(|_| ());
    let extras = Weights::from_bytes(&weights).unwrap().extras;
    assert!(extras.mixing_priors.is_empty() && extras.mixing_weights.is_none());
}

#[test]
fn the_context_length_has_three_sources() {
    let length = |bytes: &[u8]| Weights::from_bytes(bytes).map(|weights| weights.config.context_length);
    let with = |key: &str, value: &str| {
        changed(|file| {
            file.metadata.remove("context_length").unwrap();
            file.metadata.insert(key.to_owned(), value.to_owned());
        })
    };
    assert_eq!(length(&with("context_length", "128")).unwrap(), 128);
    assert_eq!(length(&with("context_length_log2", "7")).unwrap(), 128);
    assert_eq!(length(&with("another", "7")).unwrap(), 128);
    // The tables must have as many rows.
    for (key, value, rows) in [
        ("context_length", "64", 64),
        ("context_length_log2", "15", 1 << 15),
    ] {
        let problem = TensorProblem::Shape {
            found: vec![128, 32],
            wanted: vec![rows, 32],
        };
        let error = error_of(&with(key, value));
        assert_eq!(
            error,
            Error::Tensor {
                name: "lut.rope_cos".to_owned(),
                problem
            }
        );
    }
    for (key, value, shown, reason) in [
        (
            "context_length",
            "96",
            "96",
            "must be a power of two from 2 to 32768",
        ),
        (
            "context_length",
            "1",
            "1",
            "must be a power of two from 2 to 32768",
        ),
        (
            "context_length",
            "65536",
            "65536",
            "must be a power of two from 2 to 32768",
        ),
        ("context_length_log2", "0", "0", "must be 1 to 15"),
        ("context_length_log2", "16", "16", "must be 1 to 15"),
    ] {
        let expected = Error::BadMetadata {
            key,
            value: shown.to_owned(),
            reason,
        };
        assert_eq!(error_of(&with(key, value)), expected);
    }
    // From the tables, that can be any number.
    for rows in [0usize, 1, 3, 1 << 16] {
        let bytes = changed(|file| {
            file.metadata.remove("context_length").unwrap();
            for name in ["lut.rope_cos", "lut.rope_sin"] {
                set(file, name, "I16", &[rows, 32], &vec![0; rows * 64]);
            }
        });
        let expected = Error::BadMetadata {
            key: "context_length",
            value: rows.to_string(),
            reason: "must be a power of two from 2 to 32768",
        };
        assert_eq!(error_of(&bytes), expected);
    }
}

#[test]
fn metadata_out_of_range() {
    let heads = "must be 4, 6 or 8";
    let decimal = "must be a decimal number";
    for (key, value, reason) in [
        ("format", "czip-model-v2", "must be czip-model-v1"),
        ("vocab_size", "1", "must be 2 to 65536"),
        ("vocab_size", "65537", "must be 2 to 65536"),
        ("n_layers", "0", "must be 1 to 64"),
        ("n_layers", "65", "must be 1 to 64"),
        ("n_heads", "3", heads),
        ("n_heads", "5", heads),
        ("n_heads", "7", heads),
        ("n_heads", "9", heads),
        ("n_kv_heads", "2", "must be 1"),
        ("head_dim", "63", "must be 64"),
        ("d_model", "255", "must be 64 * n_heads"),
        ("d_ff", "0", "must be 1 to 65536"),
        ("d_ff", "65537", "must be 1 to 65536"),
        ("rope_theta_q16", "1e4", decimal),
        ("tokenizer_codec", "gzip", "must be zstd or brotli"),
    ] {
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
    for key in [
        "vocab_size",
        "n_layers",
        "n_heads",
        "n_kv_heads",
        "head_dim",
        "d_model",
        "d_ff",
        "rope_theta_q16",
    ] {
        let bytes = changed(|file| {
            file.metadata.remove(key).unwrap();
        });
        assert_eq!(error_of(&bytes), Error::MissingMetadata { key });
    }
}

/// Heads, layers and units at their bounds.
#[test]
fn metadata_within_range_lead_to_the_tensors() {
    for (key, value) in [
        ("vocab_size", "2"),
        ("vocab_size", "65536"),
        ("n_layers", "3"),
        ("n_layers", "64"),
        ("d_ff", "1"),
        ("d_ff", "65536"),
    ] {
        let bytes = changed(|file| {
            file.metadata.insert(key.to_owned(), value.to_owned());
        });
        assert!(matches!(error_of(&bytes), Error::Tensor { .. }), "{key} {value}");
    }
    for heads in [6, 8] {
        let bytes = changed(|file| {
            file.metadata.insert("n_heads".to_owned(), heads.to_string());
            file.metadata
                .insert("d_model".to_owned(), (heads * 64).to_string());
        });
        assert!(matches!(error_of(&bytes), Error::Tensor { .. }), "{heads} heads");
    }
}

#[test]
fn tensors_that_are_missing_or_unfit() {
    let names: Vec<String> = ModelFile::parse(&read("model.czm")).tensors.into_keys().collect();
    assert_eq!(names.len(), 46);
    // The head's stand in known models and mean nothing, the others need not be there.
    let unneeded = |name: &String| {
        ["head.mult", "head.shift"].contains(&name.as_str())
            || name.starts_with("mixing.")
            || name.ends_with("sink_key")
    };
    for name in names.iter().filter(|name| !unneeded(name)) {
        let error = |problem| Error::Tensor {
            name: name.clone(),
            problem,
        };
        let bytes = changed(|file| {
            file.tensors.remove(name).unwrap();
        });
        assert_eq!(error_of(&bytes), error(TensorProblem::Missing));

        let mut wanted = "";
        let mut found = "";
        let bytes = changed(|file| {
            let tensor = file.tensors.get_mut(name).unwrap();
            (wanted, found) = match tensor.dtype.as_str() {
                "I8" => ("I8", "U8"),
                "U8" => ("U8", "I8"),
                "I16" => ("I16", "U16"),
                "U16" => ("U16", "I16"),
                "I32" => ("I32", "U32"),
                other => panic!("{other}"),
            };
            tensor.dtype = found.to_owned();
        });
        let problem = TensorProblem::Type {
            found: found.to_owned(),
            wanted,
        };
        assert_eq!(error_of(&bytes), error(problem));

        let bytes = changed(|file| file.tensors.get_mut(name).unwrap().shape.push(1));
        let Error::Tensor {
            name: of,
            problem: TensorProblem::Shape { found, wanted },
        } = error_of(&bytes)
        else {
            panic!("{name}")
        };
        assert_eq!((&of, &found[..wanted.len()]), (name, &wanted[..]));
    }
    let bytes = changed(|file| set(file, "softmax.coef_q24", "I32", &[], &[0; 4]));
    let error = error_of(&bytes).to_string();
    assert_eq!(error, "tensor `softmax.coef_q24` has type I32, not U32");
}

#[test]
fn elements_out_of_range() {
    let range = |name: &str, value: i64, low: i64, high: i64| Error::Tensor {
        name: name.to_owned(),
        problem: TensorProblem::Range { value, low, high },
    };
    let name = "layers.1.ffn.up.shift";
    for (shift, valid) in [(62i8, true), (63, false), (127, false), (-128, true), (0, true)] {
        let bytes = changed(|file| set(file, name, "I8", &[], &shift.to_le_bytes()));
        match Weights::from_bytes(&bytes) {
            Ok(weights) => assert!(valid && weights.layers[1].up.requantization.shift() == shift),
            Err(error) => assert_eq!((valid, error), (false, range(name, shift.into(), -128, 62))),
        }
    }
    let name = "layers.0.attn.score_mult";
    let most = 1i32 << 27;
    for (mult, valid) in [(most, true), (-most, true), (most + 1, false), (-most - 1, false)] {
        let bytes = changed(|file| {
            file.tensors.get_mut(name).unwrap().data[12..].copy_from_slice(&mult.to_le_bytes());
        });
        match Weights::from_bytes(&bytes) {
            Ok(_) => assert!(valid, "{mult}"),
            Err(error) => {
                let expected = range(name, mult.into(), -i64::from(most), most.into());
                assert_eq!((valid, error), (false, expected));
            }
        }
    }
    let name = "softmax.target_total";
    for (total, valid) in [
        (283u32, false),
        (284, true),
        (1 << 30, true),
        ((1 << 30) + 1, false),
    ] {
        let bytes = changed(|file| set(file, name, "U32", &[], &total.to_le_bytes()));
        match Weights::from_bytes(&bytes) {
            Ok(weights) => assert!(valid && weights.softmax.total() == total),
            Err(error) => assert_eq!((valid, error), (false, range(name, total.into(), 284, 1 << 30))),
        }
    }
}

#[test]
fn sizes_of_a_transformer() {
    let bytes = read("model.czm");
    let weights = Weights::from_bytes(&bytes).unwrap();
    for kernels in Kernels::available() {
        let net = czip_model::v1::Transformer::new(kernels, &weights);
        assert_eq!(net.config(), &weights.config);
        assert_eq!(net.kernels().instruction_set(), kernels.instruction_set());
        assert_eq!(net.total(), weights.softmax.total());
        assert_eq!(net.cache(17).capacity(), 17);
        // Two layers of 32 positions: 17, in groups of 16.
        assert_eq!(net.cache_len(17), 2 * 32 * 3 * 64);
        assert_eq!(net.scratch(5).capacity(), 5);
    }
}

#[test]
#[should_panic(expected = "cache of 129 positions for a context of 128")]
fn caches_are_no_longer_than_the_context() {
    let bytes = read("model.czm");
    let weights = Weights::from_bytes(&bytes).unwrap();
    let net = czip_model::v1::Transformer::new(Kernels::detect(), &weights);
    assert_eq!(net.cache(128).capacity(), 128);
    let _ = net.cache(129);
}
