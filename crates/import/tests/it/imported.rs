//! What is imported, and what it computes.

use std::ops::ControlFlow;
use std::path::Path;

use czip_import::{Imported, Options, Source, float, import, loss, net};
use czip_model::v3::reference::Reference;
use czip_model::v3::{Contents, File, Matrix, MatrixKind, Weights};
use czip_tokenizer::{TokenId, Tokenizer};
use serde_json::{Value as Json, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::fixture::{Kind, LLAMA, Model, Random, Sizes};
use crate::folder::Folder;
use crate::gguf::{Gguf, Value};
use crate::plain::Net;

const QWEN2: Sizes = Sizes {
    architecture: "qwen2",
    d: 36,
    heads: 4,
    kv_heads: 2,
    biases: true,
    ..LLAMA
};

const QWEN3: Sizes = Sizes {
    architecture: "qwen3",
    d: 32,
    heads: 2,
    kv_heads: 2,
    h: 48,
    units: 64,
    tied: false,
    norms: true,
    ..LLAMA
};

const LLAMA3: Sizes = Sizes {
    scaling: Some([8.0, 1.0, 4.0, 512.0]),
    tied: false,
    d: 40,
    heads: 2,
    kv_heads: 1,
    h: 64,
    missing: b"\x04\xf5",
    ..LLAMA
};

const ALL: [Sizes; 4] = [LLAMA, LLAMA3, QWEN2, QWEN3];

fn imported(source: &Source, options: &Options) -> Imported {
    import(source, options, &|_, _| ControlFlow::Continue(())).unwrap()
}

/// Writes a model as a GGUF file, and opens it.
fn gguf_source(folder: &Path, model: &Model, element_type: &str) -> Source {
    let path = folder.join("tiny.gguf");
    Gguf::new(model, element_type).write(&path);
    Source::open(path).unwrap()
}

fn folder_source(path: &Path, model: &Model, element_type: &'static str, files: usize) -> Source {
    Folder::new(model, element_type, files).write(path);
    Source::open(path).unwrap()
}

/// The bytes of the file, without what it says of itself.
fn bytes(mut imported: Imported) -> Vec<u8> {
    imported.facts.clear();
    // The name of the tokenizer is that of the model.
    let mut json: Json = serde_json::from_slice(&imported.tokenizer_json).unwrap();
    json["name"] = "".into();
    imported.tokenizer_json = json.to_string().into_bytes();
    imported.into_bytes().unwrap()
}

#[test]
fn files_and_folders_of_a_model_make_the_same_bytes() {
    for (seed, sizes) in ALL.into_iter().enumerate() {
        let temporary = tempfile::tempdir().unwrap();
        let model = Model::new(sizes, seed as u64);
        let options = Options::default();
        let expected = bytes(imported(&gguf_source(temporary.path(), &model, "F32"), &options));
        for element_type in ["F16", "BF16"] {
            let source = gguf_source(temporary.path(), &model, element_type);
            assert!(
                bytes(imported(&source, &options)) == expected,
                "{sizes:?} {element_type}"
            );
        }
        for (element_type, files) in [("F32", 1), ("F16", 3), ("BF16", 1)] {
            let path = temporary.path().join(element_type);
            let source = folder_source(&path, &model, element_type, files);
            assert!(
                bytes(imported(&source, &options)) == expected,
                "{sizes:?} {element_type}"
            );
        }
    }
}

/// All numbers of a model.
fn numbers(weights: &Weights) -> Vec<u8> {
    let mut bytes: Vec<u8> = weights.frequencies.iter().flat_map(|x| x.to_le_bytes()).collect();
    let matrix = |bytes: &mut Vec<u8>, matrix: &Matrix| {
        bytes.extend(matrix.weights.iter().map(|x| x.cast_unsigned()));
        bytes.extend(matrix.mantissas.iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend(&matrix.exponents);
    };
    matrix(&mut bytes, &weights.embedding);
    for layer in &weights.layers {
        for it in [&layer.qkv, &layer.out, &layer.gate_up, &layer.down] {
            matrix(&mut bytes, it);
        }
        bytes.extend(layer.qkv_bias.iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend(
            layer
                .query_gains
                .iter()
                .chain(&layer.key_gains)
                .flat_map(|x| x.to_le_bytes()),
        );
    }
    matrix(&mut bytes, &weights.head);
    bytes
}

#[test]
fn blocks_make_the_same_bytes_as_their_numbers() {
    let temporary = tempfile::tempdir().unwrap();
    let sizes = Sizes {
        d: 64,
        units: 96,
        ..LLAMA3
    };
    let mut model = Model::new(sizes, 23);
    for tensor in model.tensors.values_mut() {
        if tensor.shape.len() == 2 {
            tensor
                .numbers
                .iter_mut()
                .for_each(|x| *x = x.clamp(-127.0 / 512.0, 127.0 / 512.0));
        }
    }
    let options = Options::default();
    let of_numbers = imported(&gguf_source(temporary.path(), &model, "F16"), &options);
    let of_blocks = imported(&gguf_source(temporary.path(), &model, "Q8_0"), &options);
    assert!(of_blocks.weights == of_numbers.weights);
    assert_eq!(
        (
            &of_blocks.facts["source.types"][..],
            &of_numbers.facts["source.types"][..]
        ),
        ("Q8_0", "F16")
    );
}

#[test]
fn bytes_do_not_change() {
    let hashes = ALL.map(|sizes| {
        let temporary = tempfile::tempdir().unwrap();
        let model = Model::new(sizes, 7);
        let imported = imported(&gguf_source(temporary.path(), &model, "F32"), &Options::default());
        format!("{:032x}", xxh3_128(&numbers(&imported.weights)))
    });
    assert_eq!(
        hashes,
        [
            "565427c9c5dad7a03e78fb9c810fb089",
            "eb89f5c5d101da99c97637e7fd615983",
            "c15ba5e2d3b21793205ce9480c9137ef",
            "9a56f7b6a6ddf06ba99c38b6ca2979db",
        ]
    );
}

#[test]
fn threads_change_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let source = gguf_source(temporary.path(), &Model::new(LLAMA3, 3), "F32");
    let with = |threads| {
        let mut options = Options::default();
        options.threads = threads;
        imported(&source, &options).into_bytes().unwrap()
    };
    let one = with(1);
    assert!([2, 3].map(with).iter().all(|bytes| *bytes == one));
}

#[test]
fn file_reads_back() {
    let temporary = tempfile::tempdir().unwrap();
    let source = gguf_source(temporary.path(), &Model::new(QWEN2, 3), "BF16");
    let mut options = Options::default();
    options.window = Some(100);
    options.sinks = 2;
    options.start_token = Some(5);
    options.wide_inputs = [true, false, false, true, true];
    let imported = imported(&source, &options);
    let config = &imported.weights.config;
    assert_eq!((config.window, config.sinks, config.start_token), (100, 2, 5));
    assert!(config.is_wide(MatrixKind::Qkv) && !config.is_wide(MatrixKind::GateUp));
    let expected = imported.weights.clone();
    let file = File::from_bytes(&imported.into_bytes().unwrap()).unwrap();
    assert!(file.weights == expected);
    let facts: Vec<(&str, &str)> = file
        .facts
        .iter()
        .map(|(key, value)| (&key[..], &value[..]))
        .collect();
    assert_eq!(
        facts,
        [
            ("import.program", concat!("czip ", env!("CARGO_PKG_VERSION"))),
            ("licence", "mit"),
            ("name", "Tiny"),
            ("source.architecture", "qwen2"),
            ("source.files", "tiny.gguf"),
            ("source.format", "GGUF, version 3"),
            ("source.types", "BF16"),
        ]
    );
}

#[test]
fn constants_of_the_arithmetic() {
    let temporary = tempfile::tempdir().unwrap();
    let source = gguf_source(temporary.path(), &Model::new(QWEN3, 3), "F32");
    let imported = imported(&source, &Options::default());
    let config = imported.weights.config;
    // The model was made for 128 positions.
    assert_eq!((config.window, config.sinks), (124, 4));
    assert_eq!(config.wide_inputs, [false, false, false, true, false]);
    // 1e-5 * 32 * 2^24 and 1e-5 * 48 * 2^24.
    assert_eq!((config.epsilon, config.head_epsilon), (5369, 8053));
    // 256 * log2(e) / sqrt(48) = 53.3085 = 27294 / 2^9.
    assert_eq!((config.score_mantissa, config.score_exponent), (27_294, 9));
    // 2^32 / (2 pi) turns for a radian; 10000^(-1/24) is 0.681292.
    assert_eq!(imported.weights.frequencies[..2], [683_565_276, 465_707_601]);
}

/// The largest difference between two nets' logits.
fn difference(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn float_net_computes_what_the_model_defines() {
    for sizes in ALL {
        let temporary = tempfile::tempdir().unwrap();
        let model = Model::new(sizes, 11);
        let source = gguf_source(temporary.path(), &model, "F16");
        let mut random = Random::new(5);
        let vocab = model.tokens.len();
        let tokens: Vec<u32> = (0..40).map(|_| random.below(vocab as u64) as u32).collect();
        let found = float::logits(&source, &tokens).unwrap();
        let found: Vec<Vec<f64>> = found
            .chunks_exact(vocab)
            .map(|row| row.iter().map(|&x| x.into()).collect())
            .collect();
        let wanted = Net::of_model(&model).logits(&tokens);
        let off = difference(&found, &wanted);
        assert!(off < 1e-3, "{sizes:?}: {off}");

        // The text's first token costs what it does after the start token.
        let bits = float::bits(&source, &tokens[1..]).unwrap();
        let inputs = [&[model.start], &tokens[1..]].concat();
        for ((logits, bits), &token) in Net::of_model(&model)
            .logits(&inputs)
            .iter()
            .zip(&bits)
            .zip(&tokens[1..])
        {
            let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
            let wanted = (sum.ln() - logits[token as usize]) / std::f64::consts::LN_2;
            assert!((bits - wanted).abs() < 1e-3, "{sizes:?}: {bits} {wanted}");
        }
    }
}

#[test]
fn integers_stand_for_the_same_net() {
    for (sizes, residual_bits) in ALL.into_iter().zip([12, 9, 12, 16]) {
        let temporary = tempfile::tempdir().unwrap();
        let model = Model::new(sizes, 13);
        let mut options = Options::default();
        options.residual_bits = residual_bits;
        let imported = imported(&gguf_source(temporary.path(), &model, "F32"), &options);
        let tokens: Vec<u32> = (0..40).map(|i| i * 7 % model.tokens.len() as u32).collect();
        let wanted = Net::of_model(&model).logits(&tokens);
        let found = Net::of_weights(&imported.weights, residual_bits as i32).logits(&tokens);
        let found = found.iter().map(|row| row[..model.tokens.len()].to_vec());
        let pairs = found.flatten().zip(wanted.into_iter().flatten());
        let [off, all] = pairs.fold([0.0, 0.0], |[off, all], (found, wanted): (f64, f64)| {
            [off + (found - wanted).powi(2), all + wanted.powi(2)]
        });
        // Weights are off by half of 1/127 of the largest of their row at most. A wrong factor does ten times as much.
        let off = (off / all).sqrt();
        assert!(off < 0.03, "{sizes:?}: {off}");
    }
}

#[test]
fn integer_nets_compute_what_float_nets_do() {
    for sizes in ALL {
        let temporary = tempfile::tempdir().unwrap();
        let model = Model::new(sizes, 29);
        let mut options = Options::default();
        options.wide_inputs = [true; 5];
        let imported = imported(&gguf_source(temporary.path(), &model, "F32"), &options);
        let mut integers = Reference::new(&imported.weights);
        // Within the window of all of them.
        let tokens: Vec<u32> = (0..40).map(|i| i * 11 % model.tokens.len() as u32).collect();
        let floats = Net::of_weights(&imported.weights, 12).logits(&tokens);
        let (mut off, mut all) = (0.0, 0.0);
        for (&token, floats) in tokens.iter().zip(&floats) {
            for (&integer, float) in integers.step(token).iter().zip(floats) {
                let logit = integer as f64 / 256.0 * std::f64::consts::LN_2;
                off += (logit - float).powi(2);
                all += float.powi(2);
            }
        }
        // Queries, keys and values have 8 bits, all else 16. A wrong factor does ten times as much.
        let off: f64 = (off / all).sqrt();
        assert!(off < 0.03, "{sizes:?}: {off}");
    }
}

#[test]
fn heads_may_be_rotated_in_part() {
    let temporary = tempfile::tempdir().unwrap();
    let mut model = Model::new(LLAMA, 17);
    model.rotated = 20;
    let source = gguf_source(temporary.path(), &model, "F32");
    assert_eq!(source.config().rotary_dim, 20);
    let tokens: Vec<u32> = (0..30).collect();
    let found = float::logits(&source, &tokens).unwrap();
    let wanted = Net::of_model(&model).logits(&tokens);
    let found: Vec<Vec<f64>> = found
        .chunks_exact(wanted[0].len())
        .map(|row| row.iter().map(|&x| x.into()).collect())
        .collect();
    assert!(difference(&found, &wanted) < 1e-3);
}

#[test]
fn bytes_without_a_token_get_one() {
    let temporary = tempfile::tempdir().unwrap();
    let model = Model::new(LLAMA3, 19);
    let imported = imported(&gguf_source(temporary.path(), &model, "F32"), &Options::default());
    let count = model.tokens.len();
    let weights = &imported.weights;
    assert_eq!(weights.config.vocab_size, count + 2);
    let tokenizer = Tokenizer::from_json(&imported.tokenizer_json).unwrap();
    for (id, byte) in [(count, 0x04), (count + 1, 0xf5)] {
        let mut decoded = Vec::new();
        tokenizer
            .decode(&[TokenId::try_from(id).unwrap()], &mut decoded)
            .unwrap();
        assert_eq!(decoded, [byte]);
        // They are alike: the mean of all others.
        assert_eq!(weights.head.row(id), weights.head.row(count));
    }
    let logits = Net::of_weights(weights, 12).logits(&[1, 2, 3]);
    for row in &logits {
        let mean = row[..count].iter().sum::<f64>() / count as f64;
        assert!((row[count] - mean).abs() < 0.02, "{} {mean}", row[count]);
    }
}

#[test]
fn tokenizer_spells_texts() {
    let temporary = tempfile::tempdir().unwrap();
    let model = Model::new(LLAMA, 1);
    let imported = imported(&gguf_source(temporary.path(), &model, "F32"), &Options::default());
    let json: Json = serde_json::from_slice(&imported.tokenizer_json).unwrap();
    assert_eq!(json["name"], "Tiny");
    assert_eq!(json["explicit_n_vocab"], 263);
    assert_eq!(
        json["special_tokens"],
        json!({"<|endoftext|>": 0, "<tool> é": 262})
    );
    let ranks = &json["mergeable_ranks"];
    assert_eq!(
        (&ranks[" the"], &ranks["\u{e9}"], &ranks["\n"]),
        (&json!(259), &json!(0xe9 + 1), &json!(11))
    );
    // t h, th e, Ġ the, i n, Ġ a; the byte b is token b + 1.
    assert_eq!(
        json["merges"],
        json!([117, 105, 257, 102, 33, 258, 106, 111, 33, 98])
    );

    let tokenizer = Tokenizer::from_json(&imported.tokenizer_json).unwrap();
    let text = "in the thin a12  é\n";
    let mut ids = Vec::new();
    tokenizer.encode(text, &mut ids).unwrap();
    assert_eq!(
        ids,
        [260, 259, 33, 257, 260, 261, 50, 51, 33, 33, 0xc4, 0xaa, 11],
        "in, the, space, th, in, a, 1, 2, ..."
    );
    let mut decoded = Vec::new();
    tokenizer.decode(&ids, &mut decoded).unwrap();
    assert_eq!(decoded, text.as_bytes());
}

#[test]
fn tokens_that_fill_up_are_left_out() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("tiny.gguf");
    let model = Model::new(LLAMA, 1);
    let options = Options::default();
    // Rows of the embedding without tokens; in GGUF files, tokens without a use.
    let mut larger = model.clone();
    let embedding = larger.tensors.get_mut("model.embed_tokens.weight").unwrap();
    let count = embedding.shape[0];
    embedding.shape[0] += 3;
    embedding.numbers.extend([0.5; 3 * 48]);
    let mut gguf = Gguf::new(&larger, "F32");
    let (mut tokens, mut kinds) = (Vec::new(), Vec::new());
    for (spelling, kind) in &larger.tokens {
        tokens.push(spelling.clone());
        kinds.push(if *kind == Kind::Mergeable { 1 } else { 4 });
    }
    for id in count..count + 3 {
        tokens.push(format!("[PAD{id}]"));
        kinds.push(5);
    }
    gguf.set("tokenizer.ggml.tokens", Value::Texts(tokens));
    gguf.set("tokenizer.ggml.token_type", Value::I32s(kinds));
    gguf.write(&path);
    let expected = bytes(imported(&gguf_source(temporary.path(), &model, "F32"), &options));
    gguf.write(&path);
    assert!(bytes(imported(&Source::open(&path).unwrap(), &options)) == expected);
    let source = folder_source(&temporary.path().join("folder"), &larger, "F32", 1);
    assert!(bytes(imported(&source, &options)) == expected);
}

#[test]
fn gaps_between_ids_are_filled() {
    let temporary = tempfile::tempdir().unwrap();
    let mut model = Model::new(LLAMA, 1);
    model.tokens.insert(262, ("[PAD262]".to_owned(), Kind::Special));
    let embedding = model.tensors.get_mut("model.embed_tokens.weight").unwrap();
    embedding.shape[0] += 1;
    embedding.numbers.extend([0.5; 48]);
    let options = Options::default();
    let expected = bytes(imported(&gguf_source(temporary.path(), &model, "F32"), &options));
    let mut folder = Folder::new(&model, "F32", 1);
    folder.tokenizer["added_tokens"].as_array_mut().unwrap().remove(1);
    folder.write(&temporary.path().join("gap"));
    let source = Source::open(temporary.path().join("gap")).unwrap();
    assert!(bytes(imported(&source, &options)) == expected);
}

#[test]
fn ways_to_name_the_start_token() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("tiny.gguf");
    let mut model = Model::new(LLAMA, 1);
    // Where texts are set apart by this token, that is what they begin with.
    let source = gguf_source(temporary.path(), &model, "F32");
    assert_eq!((model.start, source.start_token()), (0, 0));
    let mut named = Gguf::new(&model, "F32");
    named.set("tokenizer.ggml.bos_token_id", Value::U32(262));
    named.write(&path);
    assert_eq!(Source::open(&path).unwrap().start_token(), 0);

    model.tokens[0].0 = "<|first|>".to_owned();
    let mut gguf = Gguf::new(&model, "F32");
    let mut start = |id: Option<u32>, end: Option<u32>| {
        for (key, id) in [("bos", id), ("eos", end)] {
            let key = format!("tokenizer.ggml.{key}_token_id");
            gguf.remove(&key);
            if let Some(id) = id {
                gguf.set(&key, Value::U32(id));
            }
        }
        gguf.write(&path);
        Source::open(&path).map(|source| source.start_token())
    };
    let mut start = |id, end| start(id, end).map_err(|error| error.to_string());
    let unknown = || Err("tokenizer: does not say which token a text begins with".to_owned());
    assert_eq!(start(Some(262), Some(3)), Ok(262));
    assert_eq!(start(None, Some(3)), Ok(3));
    assert_eq!(start(None, None), unknown());
    assert_eq!(start(Some(100_000), None), unknown());

    let folder = temporary.path().join("folder");
    let start = |config: Json, tokenizer: Option<Json>| {
        let mut files = Folder::new(&model, "F32", 1);
        files.config.as_object_mut().unwrap().remove("bos_token_id");
        files.config.as_object_mut().unwrap().remove("eos_token_id");
        files
            .config
            .as_object_mut()
            .unwrap()
            .extend(config.as_object().unwrap().clone());
        files.tokenizer_config = tokenizer;
        let _ = std::fs::remove_dir_all(&folder);
        files.write(&folder);
        Source::open(&folder).unwrap().start_token()
    };
    assert_eq!(start(json!({"bos_token_id": 7, "eos_token_id": 8}), None), 7);
    assert_eq!(
        start(json!({"bos_token_id": null, "eos_token_id": [8, 9]}), None),
        8
    );
    let named = Some(json!({"bos_token": "<tool> é"}));
    assert_eq!(start(json!({"bos_token_id": 7}), named), 262);
    let named = Some(json!({"bos_token": null, "eos_token": {"content": "<tool> é"}}));
    assert_eq!(start(json!({}), named), 262);
}

#[test]
fn published_patterns_are_known() {
    let temporary = tempfile::tempdir().unwrap();
    let model = Model::new(LLAMA, 1);
    let llama3 = concat!(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    );
    let split = |pattern: &str| {
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        ]})
    };
    let qwen2 = llama3.replace("{1,3}", "");
    let gpt2 = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true});
    for (index, (pre, json)) in [
        ("llama-bpe", split(llama3)),
        ("qwen2", split(&qwen2)),
        ("gpt-2", gpt2),
    ]
    .into_iter()
    .enumerate()
    {
        let path = temporary.path().join("tiny.gguf");
        let mut gguf = Gguf::new(&model, "F32");
        gguf.set("tokenizer.ggml.pre", Value::Text(pre.to_owned()));
        gguf.write(&path);
        let expected = imported(&Source::open(&path).unwrap(), &Options::default());
        let mut folder = Folder::new(&model, "F32", 1);
        folder.tokenizer["pre_tokenizer"] = json;
        // Qwen2's; what it does to texts is left out.
        folder.tokenizer["normalizer"] = json!({"type": "NFC"});
        if pre == "llama-bpe" {
            folder.tokenizer["model"]["ignore_merges"] = true.into();
        }
        let merges = folder.tokenizer["model"]["merges"].as_array().unwrap().iter();
        let pairs = merges.map(|merge| merge.as_str().unwrap().split(' ').collect::<Vec<_>>());
        folder.tokenizer["model"]["merges"] = json!(pairs.collect::<Vec<_>>());
        let name = format!("Tiny{index}");
        folder.write(&temporary.path().join(&name));
        let found = imported(
            &Source::open(temporary.path().join(&name)).unwrap(),
            &Options::default(),
        );
        let text = String::from_utf8(found.tokenizer_json.clone()).unwrap();
        let text = text.replace(&name, "Tiny");
        assert_eq!(text.as_bytes(), expected.tokenizer_json, "{pre}");
        assert_eq!(text.contains("ignore_merges"), pre == "llama-bpe");
        Tokenizer::from_json(&found.tokenizer_json).unwrap();
    }
}

#[test]
fn merges_are_those_of_the_source() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("tiny.gguf");
    let mut model = Model::new(LLAMA, 1);
    // A token after the others, which is merged first: `the` is then `t he`, which is no merge.
    model.tokens.insert(262, ("he".to_owned(), Kind::Mergeable));
    model.merges.insert(0, ("h".to_owned(), "e".to_owned()));
    let embedding = model.tensors.get_mut("model.embed_tokens.weight").unwrap();
    embedding.shape[0] += 1;
    embedding.numbers.extend([0.5; 48]);
    let mut gguf = Gguf::new(&model, "F32");
    for (pre, expected) in [
        ("smollm", [117, 262, 33, 117, 262, 122].as_slice()),
        ("llama-bpe", &[258, 33, 117, 262, 122]),
    ] {
        gguf.set("tokenizer.ggml.pre", Value::Text(pre.to_owned()));
        gguf.write(&path);
        let imported = imported(&Source::open(&path).unwrap(), &Options::default());
        let tokenizer = Tokenizer::from_json(&imported.tokenizer_json).unwrap();
        let mut ids = Vec::new();
        tokenizer.encode_bytes(b"the they", &mut ids).unwrap();
        assert_eq!(ids, expected, "{pre}");
        ids.clear();
        tokenizer.encode_bytes(b"<|endoftext|>", &mut ids).unwrap();
        assert_eq!(ids.len(), 13);
    }
}

#[test]
fn newer_spellings_of_the_rotation() {
    let temporary = tempfile::tempdir().unwrap();
    let model = Model::new(LLAMA3, 1);
    let options = Options::default();
    let expected = imported(
        &folder_source(&temporary.path().join("old"), &model, "F32", 1),
        &options,
    );
    let mut folder = Folder::new(&model, "F32", 1);
    let mut parameters = folder.config["rope_scaling"].take();
    parameters["rope_theta"] = json!(10_000);
    folder.config.as_object_mut().unwrap().remove("rope_theta");
    folder.config["rope_parameters"] = parameters;
    folder.write(&temporary.path().join("new"));
    let found = imported(&Source::open(temporary.path().join("new")).unwrap(), &options);
    assert!(found.weights == expected.weights);

    folder.config["rope_parameters"] = json!({"rope_type": "default", "rope_theta": 500_000});
    folder.write(&temporary.path().join("new"));
    let source = Source::open(temporary.path().join("new")).unwrap();
    assert_eq!(source.config().rope_base, 500_000.0);
    // 2^32 / (2 pi) * 500000^(-1/32)
    assert_eq!(imported(&source, &options).weights.frequencies[1], 453_614_763);
}

#[test]
fn progress_ends_at_the_number_of_weights() {
    let temporary = tempfile::tempdir().unwrap();
    let source = gguf_source(temporary.path(), &Model::new(LLAMA3, 1), "F32");
    let seen = std::sync::Mutex::new(Vec::new());
    let imported = import(&source, &Options::default(), &|done, total| {
        seen.lock().unwrap().push((done, total));
        ControlFlow::Continue(())
    })
    .unwrap();
    let seen = seen.into_inner().unwrap();
    let total = imported.weights.config.parameters() as u64;
    assert_eq!(seen.last(), Some(&(total, total)));
    assert!(
        seen.windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 == total)
    );
}

#[test]
fn importing_ends_when_told_to() {
    let temporary = tempfile::tempdir().unwrap();
    let source = gguf_source(temporary.path(), &Model::new(LLAMA, 1), "F32");
    for last in 1..4 {
        let seen = std::sync::Mutex::new(0);
        let error = import(&source, &Options::default(), &|_, _| {
            let mut seen = seen.lock().unwrap();
            *seen += 1;
            if *seen == last {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap_err();
        assert!(matches!(error, czip_import::Error::Stopped), "{error}");
        assert_eq!(seen.into_inner().unwrap(), last);
    }
}

#[test]
fn contents_take_what_is_imported() {
    let temporary = tempfile::tempdir().unwrap();
    let source = gguf_source(temporary.path(), &Model::new(LLAMA, 1), "F32");
    let imported = imported(&source, &Options::default());
    let mut contents = Contents::new(imported.weights.clone(), &imported.tokenizer_json);
    contents.facts = imported.facts.clone();
    contents.mixing_priors = imported.mixing_priors.clone();
    assert_eq!(contents.mixing_priors.len(), 1);
    assert!(contents.to_bytes().unwrap() == imported.into_bytes().unwrap());
}

#[test]
fn both_nets_are_charged_for_the_same_tokens() {
    let temporary = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.wide_inputs = [true; 5];
    let source = gguf_source(temporary.path(), &Model::new(LLAMA, 31), "F32");
    let imported = imported(&source, &options);
    let window = imported.weights.config.window;
    let tokenizer = imported.tokenizer().unwrap();
    let net = net(imported.weights);
    let text = "in the end, and at the beginning. ".repeat(20);
    let mut tokens = Vec::new();
    tokenizer.encode_bytes(text.as_bytes(), &mut tokens).unwrap();
    // More than the window holds, so they are taken in parts.
    assert!(tokens.len() > 2 * window);
    let whole = loss(&source, &net, &tokenizer, text.as_bytes(), usize::MAX, 1).unwrap();
    let wanted: f64 = tokens
        .chunks(window)
        .flat_map(|part| float::bits(&source, part).unwrap())
        .sum();
    assert_eq!(whole.tokens, tokens.len());
    assert!((whole.float_bits - wanted).abs() < 1e-6 * wanted, "{whole:?}");
    assert!(whole.relative().abs() < 0.03, "{whole:?}");
    assert_eq!(
        whole,
        loss(&source, &net, &tokenizer, text.as_bytes(), usize::MAX, 3).unwrap()
    );
    let first = loss(&source, &net, &tokenizer, text.as_bytes(), 10, 1).unwrap();
    assert_eq!(first.tokens, 10);
    assert!(first.integer_bits < whole.integer_bits);
}
