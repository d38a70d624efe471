//! Models that cannot be imported, and what is said of them.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use czip_import::{Error, Options, Source, float, import};
use serde_json::{Value as Json, json};

use crate::fixture::{LLAMA, Model, Sizes, Tensor, encode};
use crate::folder::{Folder, safetensors};
use crate::gguf::{Gguf, Stored, Value};

/// Opens and imports, and gives the error as users see it.
fn message(path: &Path) -> String {
    let made = Source::open(path)
        .and_then(|source| import(&source, &Options::default(), &|_, _| ControlFlow::Continue(())));
    made.map(|_| ()).unwrap_err().to_string()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn gguf_files() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("tiny.gguf");
    let model = Model::new(LLAMA, 1);
    let check = |change: &dyn Fn(&mut Gguf), wanted: &str| {
        let mut gguf = Gguf::new(&model, "F32");
        change(&mut gguf);
        gguf.write(&path);
        assert_eq!(message(&path), wanted);
    };
    let set =
        |key: &'static str, value: Value, wanted: &str| check(&|gguf| gguf.set(key, value.clone()), wanted);
    let unset = |key: &'static str, wanted: &str| check(&|gguf| gguf.remove(key), wanted);

    check(
        &|gguf| gguf.version = 1,
        "GGUF version 1, where 2 and 3 are known",
    );
    check(
        &|gguf| gguf.version = 3_u32.swap_bytes(),
        "file: numbers are big-endian, which is not supported",
    );
    set(
        "general.architecture",
        text("gpt2"),
        "architecture gpt2 is not supported; llama, qwen2 and qwen3 are",
    );
    unset("general.architecture", "there is no key general.architecture");
    set(
        "general.architecture",
        Value::U32(7),
        "key general.architecture is not a text",
    );
    set(
        "general.alignment",
        Value::U32(0),
        "key general.alignment is not 1 to 65536",
    );
    unset("llama.block_count", "there is no key llama.block_count");
    set(
        "llama.block_count",
        text("2"),
        "key llama.block_count is not an integer",
    );
    set(
        "llama.block_count",
        Value::U64(1 << 32),
        "key llama.block_count is not 0 to 2^32 - 1",
    );
    set(
        "llama.block_count",
        Value::U32(3),
        "there is no tensor blk.2.attn_norm.weight",
    );
    set(
        "llama.block_count",
        Value::U32(1),
        "tensor blk.1.attn_norm.weight: is not one of those that such nets have in models of czip",
    );
    set(
        "llama.block_count",
        Value::U32(129),
        "the number of layers is 129, but must be 1 to 128",
    );
    set(
        "llama.context_length",
        Value::U32(0),
        "the context length is 0, but must be 1 or more",
    );
    set(
        "llama.attention.head_count",
        Value::U32(129),
        "the number of query heads is 129, but must be 1 to 128",
    );
    set(
        "llama.attention.head_count",
        Value::I32s(vec![3, 3]),
        "key llama.attention.head_count is not an integer",
    );
    let divisor = "the number of key-value heads is 2, but must be a divisor of the number of query heads";
    set("llama.attention.head_count_kv", Value::U32(2), divisor);
    set(
        "llama.attention.value_length",
        Value::U32(64),
        "key llama.attention.value_length is not the length of keys",
    );
    let rotated = |count: u32| {
        format!("the number of rotated elements is {count}, but must be even, 2 to the size of a head")
    };
    for count in [0, 5, 34] {
        set("llama.rope.dimension_count", Value::U32(count), &rotated(count));
    }
    set(
        "llama.rope.freq_base",
        Value::F32(-1.0),
        "key llama.rope.freq_base is not a positive number",
    );
    set(
        "llama.rope.freq_base",
        Value::F32(f32::NAN),
        "key llama.rope.freq_base is not a positive number",
    );
    set(
        "llama.rope.freq_base",
        Value::F32(1e-30),
        "rotations: not all frequencies are less than a turn for each position",
    );
    set(
        "llama.rope.scaling.type",
        text("yarn"),
        "scaling of rotations yarn is not supported; none and rope_freqs.weight are",
    );
    unset(
        "llama.attention.layer_norm_rms_epsilon",
        "there is no key llama.attention.layer_norm_rms_epsilon",
    );
    set(
        "llama.attention.layer_norm_rms_epsilon",
        Value::F32(6.0),
        "norms: the epsilon 6 is too large",
    );
    set(
        "llama.expert_count",
        Value::U32(8),
        "key llama.expert_count is not supported; nets without it are",
    );

    set(
        "tokenizer.ggml.model",
        text("llama"),
        "tokenizer llama is not supported; byte-level BPE (gpt2) is",
    );
    set(
        "tokenizer.ggml.pre",
        text("deepseek-llm"),
        "splitting of text deepseek-llm is not supported; gpt-2, smollm, llama-bpe and qwen2 are",
    );
    unset("tokenizer.ggml.pre", "there is no key tokenizer.ggml.pre");
    unset("tokenizer.ggml.merges", "there is no key tokenizer.ggml.merges");
    set(
        "tokenizer.ggml.merges",
        Value::U32(0),
        "key tokenizer.ggml.merges is not an array of texts",
    );
    let pair = "tokenizer: merge 0 is not of two tokens";
    for merge in ["th", "t \u{4e2d}", "t  h", ""] {
        set(
            "tokenizer.ggml.merges",
            Value::Texts(vec![merge.to_owned()]),
            pair,
        );
    }
    unset(
        "tokenizer.ggml.token_type",
        "there is no key tokenizer.ggml.token_type",
    );
    set(
        "tokenizer.ggml.token_type",
        Value::I32s(vec![1]),
        "key tokenizer.ggml.token_type is not an array of a number for each token",
    );
    let mut tokens = Vec::from_iter(model.tokens.iter().map(|(spelling, _)| spelling.clone()));
    tokens[5] = "a b".to_owned();
    set(
        "tokenizer.ggml.tokens",
        Value::Texts(tokens.clone()),
        "tokenizer: token 5, a b, is not in the spelling of bytes",
    );
    tokens[5] = tokens[6].clone();
    set(
        "tokenizer.ggml.tokens",
        Value::Texts(tokens),
        "tokenizer: `mergeable_ranks` has the key `\\u{5}` twice",
    );
    check(
        &|gguf| {
            gguf.set("tokenizer.ggml.tokens", Value::Texts(vec!["a".to_owned()]));
            gguf.set("tokenizer.ggml.token_type", Value::I32s(vec![1]));
            gguf.set("tokenizer.ggml.merges", Value::Texts(Vec::new()));
            gguf.remove("tokenizer.ggml.bos_token_id");
        },
        "tokenizer: does not say which token a text begins with",
    );
    check(
        &|gguf| {
            let embedding = gguf.tensor("token_embd.weight");
            embedding.dimensions[1] -= 1;
            embedding.bytes.truncate(262 * 48 * 4);
        },
        "tokenizer: has 263 tokens, but the net has 262",
    );
}

#[test]
fn tensors_of_gguf_files() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("tiny.gguf");
    let model = Model::new(LLAMA, 1);
    let check = |change: &dyn Fn(&mut Gguf), wanted: &str| {
        let mut gguf = Gguf::new(&model, "F32");
        change(&mut gguf);
        gguf.write(&path);
        assert_eq!(message(&path), wanted);
    };
    let tensor = |name: &str, dimensions: &[u64], numbers: &[f32]| Stored {
        name: name.to_owned(),
        dimensions: dimensions.to_vec(),
        element_type: 0,
        bytes: encode("F32", numbers),
    };
    check(
        &|gguf| gguf.tensor("blk.0.ffn_up.weight").element_type = 10,
        "tensor blk.0.ffn_up.weight: type Q2_K is not supported; F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K \
         and Q6_K are",
    );
    check(
        &|gguf| gguf.tensor("blk.0.ffn_up.weight").element_type = 12,
        "tensor blk.0.ffn_up.weight: the shape [44, 48] of type Q4_K",
    );
    check(
        &|gguf| gguf.tensor("blk.0.ffn_up.weight").dimensions = vec![1; 5],
        "tensor blk.0.ffn_up.weight: 5 dimensions, more than 4",
    );
    check(
        &|gguf| gguf.tensor("blk.0.ffn_up.weight").dimensions = vec![],
        "tensor blk.0.ffn_up.weight: the shape [] of type F32",
    );
    check(
        &|gguf| gguf.tensor("blk.0.ffn_up.weight").dimensions.swap(0, 1),
        "tensor blk.0.ffn_up.weight: shape [48, 44] instead of [44, 48]",
    );
    check(
        &|gguf| gguf.tensors.retain(|tensor| tensor.name != "output_norm.weight"),
        "there is no tensor output_norm.weight",
    );
    for name in [
        "blk.0.attn_output.bias",
        "blk.0.ffn_gate_inp.weight",
        "blk.0.attn_qkv.weight",
        "x",
    ] {
        check(
            &|gguf| gguf.tensors.push(tensor(name, &[4], &[0.0; 4])),
            &format!("tensor {name}: is not one of those that such nets have in models of czip"),
        );
    }
    // One bias calls for all.
    check(
        &|gguf| gguf.tensors.push(tensor("blk.0.attn_q.bias", &[96], &[0.0; 96])),
        "there is no tensor blk.0.attn_k.bias",
    );
    check(
        &|gguf| gguf.tensors.push(tensor("rope_freqs.weight", &[15], &[1.0; 15])),
        "tensor rope_freqs.weight: shape [15] instead of [16]",
    );
    check(
        &|gguf| gguf.tensors.push(tensor("rope_freqs.weight", &[16], &[0.0; 16])),
        "rotations: not all frequencies are less than a turn for each position",
    );
    check(
        &|gguf| gguf.tensors.push(tensor("output_norm.weight", &[48], &[0.0; 48])),
        "tensor output_norm.weight: is there twice",
    );
    for number in [f32::NAN, f32::INFINITY] {
        check(
            &|gguf| gguf.tensor("blk.1.ffn_down.weight").bytes[28..32].copy_from_slice(&number.to_le_bytes()),
            "tensor blk.1.ffn_down.weight: element 7 is not a finite number",
        );
    }
    check(
        &|gguf| {
            gguf.tensor("token_embd.weight").bytes[48 * 4..][..4].copy_from_slice(&1e10_f32.to_le_bytes())
        },
        "tensor token_embd.weight: the weights of row 1 are too large",
    );
}

#[test]
fn biases_and_gains_that_are_too_large() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("tiny.gguf");
    let sizes = Sizes {
        architecture: "qwen3",
        biases: true,
        norms: true,
        ..LLAMA
    };
    for (name, number, reason) in [
        ("blk.1.attn_k.bias", 70_000.0_f32, "has a bias of 65536 or more"),
        ("blk.0.attn_k_norm.weight", -40.0, "has a gain of 32 or more"),
    ] {
        let mut gguf = Gguf::new(&Model::new(sizes, 1), "F32");
        gguf.tensor(name).bytes[..4].copy_from_slice(&number.to_le_bytes());
        gguf.write(&path);
        assert_eq!(message(&path), format!("tensor {name}: {reason}"));
    }
}

#[test]
fn folders() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("tiny");
    let model = Model::new(LLAMA, 1);
    let check = |change: &dyn Fn(&mut Folder), wanted: &str| {
        let mut folder = Folder::new(&model, "F32", 1);
        change(&mut folder);
        let _ = fs::remove_dir_all(&path);
        folder.write(&path);
        assert_eq!(message(&path), wanted);
    };
    let config = |key: &'static str, value: Json, wanted: &str| {
        check(&|folder| folder.config[key] = value.clone(), wanted);
    };
    let tokenizer = |pointer: &'static str, value: Json, wanted: &str| {
        check(
            &|folder| *folder.tokenizer.pointer_mut(pointer).unwrap() = value.clone(),
            wanted,
        );
    };
    config(
        "model_type",
        json!("gemma3"),
        "architecture gemma3 is not supported; llama, qwen2 and qwen3 are",
    );
    config(
        "model_type",
        json!(null),
        "there is no key model_type in config.json",
    );
    config(
        "model_type",
        json!(3),
        "key model_type in config.json is not a text",
    );
    config(
        "hidden_act",
        json!("gelu"),
        "the value \"gelu\" of hidden_act in config.json is not supported; silu is",
    );
    config(
        "quantization_config",
        json!({}),
        "the value {} of quantization_config in config.json is not supported; F32, F16 and BF16 are",
    );
    config(
        "partial_rotary_factor",
        json!(0.5),
        "the value 0.5 of partial_rotary_factor in config.json is not supported; 1 is",
    );
    config(
        "use_sliding_window",
        json!(true),
        "the value true of use_sliding_window in config.json is not supported; false is",
    );
    config(
        "layer_types",
        json!(["full_attention", "sliding_attention"]),
        "the value [\"full_attention\",\"sliding_attention\"] of layer_types in config.json is not supported; full_attention is",
    );
    config(
        "hidden_size",
        json!(-1),
        "key hidden_size in config.json is not 0 to 2^32 - 1",
    );
    config(
        "hidden_size",
        json!(50),
        "tensor model.embed_tokens.weight: shape [263, 48] instead of [263, 50]",
    );
    config(
        "head_dim",
        json!(30),
        "the size of a head is 30, but must be even, 32 to 256",
    );
    config(
        "head_dim",
        json!(33),
        "the size of a head is 33, but must be even, 32 to 256",
    );
    config(
        "rms_norm_eps",
        json!(0),
        "key rms_norm_eps in config.json is not a positive number",
    );
    config(
        "tie_word_embeddings",
        json!(false),
        "there is no tensor lm_head.weight",
    );
    config(
        "tie_word_embeddings",
        json!(0),
        "key tie_word_embeddings in config.json is not true or false",
    );
    config(
        "rope_scaling",
        json!({"type": "linear", "factor": 2}),
        "the value \"linear\" of rope_scaling.type in config.json is not supported; default and llama3 are",
    );
    config(
        "rope_scaling",
        json!([]),
        "key rope_scaling in config.json is not an object",
    );
    config(
        "rope_scaling",
        json!({"rope_type": "llama3", "factor": 2}),
        "there is no key rope_scaling.low_freq_factor in config.json",
    );

    tokenizer(
        "/model/type",
        json!("Unigram"),
        "the value \"Unigram\" of model.type in tokenizer.json is not supported; byte-level BPE is",
    );
    check(
        &|folder| folder.tokenizer["model"]["byte_fallback"] = json!(true),
        "the value true of model.byte_fallback in tokenizer.json is not supported; byte-level BPE is",
    );
    check(
        &|folder| folder.tokenizer["model"]["end_of_word_suffix"] = json!("</w>"),
        "the value \"</w>\" of model.end_of_word_suffix in tokenizer.json is not supported; byte-level BPE is",
    );
    check(
        &|folder| folder.tokenizer["model"]["dropout"] = json!(0.1),
        "the value 0.1 of model.dropout in tokenizer.json is not supported; none is",
    );
    check(
        &|folder| folder.tokenizer["model"]["ignore_merges"] = json!("no"),
        "key model.ignore_merges in tokenizer.json is not true or false",
    );
    tokenizer(
        "/model/merges",
        json!(["t h", "h t"]),
        "tokenizer: merge 1 of the tokens 105 and 117 makes no token",
    );
    tokenizer(
        "/normalizer",
        json!({"type": "Lowercase"}),
        "the value \"Lowercase\" of normalizer.type in tokenizer.json is not supported; no normalizer or NFC is",
    );
    let split =
        "of pre_tokenizer in tokenizer.json is not supported; those of GPT-2, SmolLM, Llama 3 and Qwen2 are";
    tokenizer("/pre_tokenizer", json!(null), &format!("the value  {split}"));
    for value in [
        json!({"type": "Whitespace"}),
        json!({"type": "ByteLevel", "add_prefix_space": true}),
        json!({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}),
        json!({"type": "Sequence", "pretokenizers": [{"type": "Digits"}]}),
    ] {
        tokenizer(
            "/pre_tokenizer",
            value.clone(),
            &format!("the value {value} {split}"),
        );
    }
    tokenizer(
        "/model/vocab",
        json!({"a": -1}),
        "key model.vocab in tokenizer.json is not of ids",
    );
    tokenizer(
        "/model/vocab",
        json!({"a": 262_144}),
        "key model.vocab in tokenizer.json is not of ids below 262144",
    );
    tokenizer(
        "/model/merges",
        json!(["th"]),
        "key model.merges in tokenizer.json is not an array of pairs",
    );
    tokenizer(
        "/model/merges",
        json!([["t"]]),
        "key model.merges in tokenizer.json is not an array of pairs",
    );
    tokenizer(
        "/added_tokens",
        json!([{"id": 1}]),
        "key added_tokens in tokenizer.json is not an array of objects with id and content",
    );
}

#[test]
fn files_of_folders() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path();
    let file = |name: &str| path.join(name);
    assert_eq!(
        message(path),
        "neither a GGUF file nor a folder with a config.json"
    );
    fs::write(file("config.json"), "{").unwrap();
    assert_eq!(
        message(path),
        "config.json: EOF while parsing an object at line 1 column 1"
    );
    fs::write(file("config.json"), "[]").unwrap();
    assert_eq!(
        message(path),
        "config.json: invalid type: sequence, expected a map at line 1 column 0"
    );

    let model = Model::new(LLAMA, 1);
    let folder = Folder::new(&model, "F32", 2);
    folder.write(path);
    let missing = |name: &str| format!("{}: cannot read", file(name).display());
    fs::remove_file(file("tokenizer.json")).unwrap();
    assert_eq!(message(path), missing("tokenizer.json"));
    folder.write(path);
    let second = "model-00002-of-00002.safetensors";
    fs::remove_file(file(second)).unwrap();
    assert_eq!(message(path), missing(second));
    folder.write(path);
    let index = "model.safetensors.index.json";
    for name in [json!("../secret"), json!("/etc/passwd"), json!(".."), json!(3)] {
        fs::write(file(index), json!({"weight_map": {"x": name}}).to_string()).unwrap();
        let wanted = format!("key weight_map in {index} is not of names of files in the folder");
        assert_eq!(message(path), wanted);
    }
    fs::write(file(index), "{}").unwrap();
    assert_eq!(message(path), format!("there is no key weight_map in {index}"));
    fs::remove_file(file(index)).unwrap();
    assert_eq!(message(path), missing("model.safetensors"));

    let whole = |tensors: &BTreeMap<String, Tensor>| safetensors("F32", tensors);
    let weights = |bytes: &[u8], wanted: &str| {
        fs::write(file("model.safetensors"), bytes).unwrap();
        assert_eq!(message(path), wanted);
    };
    weights(&[1, 2, 3], &missing("model.safetensors"));
    let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    let wanted = "model.safetensors: a header of 18446744073709551615 bytes in a file of 10";
    weights(&huge, wanted);
    let bytes = whole(&model.tensors);
    weights(
        &bytes[..bytes.len() - 1],
        "tensor model.norm.weight: in model.safetensors: bytes 200256 to 200448 of 200447 for the shape [48]",
    );
    let with = |extra: &str| {
        let mut tensors = model.tensors.clone();
        let (shape, numbers) = (vec![2], vec![1.0; 2]);
        tensors.insert(extra.to_owned(), Tensor { shape, numbers });
        whole(&tensors)
    };
    for name in [
        "model.layers.0.self_attn.o_proj.bias",
        "model.layers.0.mlp.up_proj.bias",
        "score.weight",
    ] {
        let wanted = format!("tensor {name}: is not one of those that such nets have in models of czip");
        weights(&with(name), &wanted);
    }
    // Both are left out: the head is the embedding again, and frequencies are computed.
    for name in ["lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"] {
        fs::write(file("model.safetensors"), with(name)).unwrap();
        Source::open(path).unwrap();
    }
    let header = br#"{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
    let other = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
    let wanted = "tensor x: type I64 is not supported; F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K are";
    weights(&other, wanted);
}

#[test]
fn other_files() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("x");
    let missing = Source::open(&path).unwrap_err();
    assert!(
        matches!(&missing, Error::Io { path: it, .. } if *it == path),
        "{missing}"
    );
    fs::write(&path, "GGML and so on").unwrap();
    assert!(matches!(Source::open(&path), Err(Error::NotAModel)));
    fs::write(&path, "GG").unwrap();
    assert_eq!(
        message(&path),
        "file: ends at byte 2, where 4 more bytes are needed"
    );
}

#[test]
fn options() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("tiny.gguf");
    Gguf::new(&Model::new(LLAMA, 1), "F32").write(&path);
    let source = Source::open(&path).unwrap();
    let check = |change: &dyn Fn(&mut Options), wanted: &str| {
        let mut options = Options::default();
        change(&mut options);
        let error = import(&source, &options, &|_, _| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.to_string(), wanted);
    };
    check(&|it| it.window = Some(0), "option window: 0 is not 1 to 124");
    check(&|it| it.window = Some(125), "option window: 125 is not 1 to 124");
    check(&|it| it.sinks = 17, "option sinks: 17 is not 0 to 16");
    check(
        &|it| it.residual_bits = 8,
        "option residual_bits: 8 is not 9 to 17",
    );
    check(
        &|it| it.residual_bits = 18,
        "option residual_bits: 18 is not 9 to 17",
    );
    check(
        &|it| it.start_token = Some(263),
        "option start_token: 263 is not below 263",
    );
    let error = float::bits(&source, &[1, 263]).unwrap_err();
    assert_eq!(error.to_string(), "option token: 263 is not below 263");
}
