//! `import`: an open model becomes one of czip, and every command takes it.

use std::collections::BTreeMap;
use std::fs;

use czip_vectors::{ModelFile, Tensor};
use serde_json::json;

use crate::run::{Finished, Folder};

const D: usize = 16;
const HEAD: usize = 32;
const UNITS: usize = 12;

/// A folder as Hugging Face's libraries write it, with a net of one layer and a vocabulary of two letters.
fn write_model(folder: &Folder) {
    let mut state = 1u32;
    let mut tensor = |shape: &[usize]| {
        let numbers = (0..shape.iter().product::<usize>()).flat_map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 24) as f32 / 128.0 - 1.0).to_le_bytes()
        });
        Tensor {
            dtype: "F32".to_owned(),
            data: numbers.collect(),
            shape: shape.to_vec(),
        }
    };
    let tensors = [
        ("model.embed_tokens.weight", &[2, D][..]),
        ("model.norm.weight", &[D]),
        ("model.layers.0.input_layernorm.weight", &[D]),
        ("model.layers.0.self_attn.q_proj.weight", &[HEAD, D]),
        ("model.layers.0.self_attn.k_proj.weight", &[HEAD, D]),
        ("model.layers.0.self_attn.v_proj.weight", &[HEAD, D]),
        ("model.layers.0.self_attn.o_proj.weight", &[D, HEAD]),
        ("model.layers.0.post_attention_layernorm.weight", &[D]),
        ("model.layers.0.mlp.gate_proj.weight", &[UNITS, D]),
        ("model.layers.0.mlp.up_proj.weight", &[UNITS, D]),
        ("model.layers.0.mlp.down_proj.weight", &[D, UNITS]),
    ];
    let file = ModelFile {
        metadata: BTreeMap::from([("format".to_owned(), "pt".to_owned())]),
        tensors: tensors
            .into_iter()
            .map(|(name, shape)| (name.to_owned(), tensor(shape)))
            .collect(),
    };
    let config = json!({
        "model_type": "llama",
        "hidden_size": D,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "head_dim": HEAD,
        "intermediate_size": UNITS,
        "vocab_size": 2,
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": true,
        "bos_token_id": 0,
    });
    let tokenizer = json!({
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "added_tokens": [],
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
    });
    fs::create_dir(folder.path("tiny")).unwrap();
    folder.write("tiny/config.json", config.to_string());
    folder.write("tiny/tokenizer.json", tokenizer.to_string());
    folder.write("tiny/README.md", "---\nlicense: mit\n---\n");
    folder.write("tiny/model.safetensors", file.to_bytes());
}

fn import(folder: &Folder, arguments: &[&str]) -> Finished {
    let mut command = folder.command();
    command.arg("import").args(arguments);
    Finished(command.output().unwrap())
}

#[cfg(unix)]
#[test]
fn model_that_is_not_there_is_named_once() {
    import(&Folder::new(), &["none", "-o", "out.czm"])
        .fails(1, "none: cannot read: No such file or directory (os error 2)");
}

#[test]
fn an_imported_model_works_with_every_command() {
    let folder = Folder::new();
    write_model(&folder);
    let report = import(&folder, &["tiny", "-o", "tiny.czm", "--name", "Tiny"])
        .exits(0)
        .stderr();
    for part in [
        "1 layer, 16 elements",
        "wrote tiny.czm: ",
        "licence: mit",
        "256 tokens of text: ",
        " in floats, ",
        "4096 bytes of text: ",
        " of memory",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    // The same model makes the same bytes.
    import(&folder, &["tiny", "-o", "again.czm", "--name", "Tiny", "-T", "1"]).exits(0);
    assert_eq!(folder.read("again.czm"), folder.read("tiny.czm"));

    let run = |arguments: &[&str]| {
        let mut command = folder.command();
        Finished(command.args(arguments).output().unwrap()).exits(0)
    };
    let info = run(&["info", "tiny.czm"]);
    let info = String::from_utf8(info.stdout().to_vec()).unwrap();
    for part in [
        "czip-model-v3",
        "Tiny",
        "mit",
        "1 a layer, for one key and value",
        "60 tokens, and the first 4",
    ] {
        assert!(info.contains(part), "{part}: {info}");
    }
    // Longer than the window.
    let text = "abba, \u{e9}\u{4e2d} baab\n".repeat(20);
    folder.write("text", &text);
    for level in ["4", "5", "6", "7", "8", "9"] {
        run(&[
            "compress", "-f", "-m", "tiny.czm", "-L", level, "text", "-o", "t.czip",
        ]);
        run(&["decompress", "-f", "-m", "tiny.czm", "t.czip", "-o", "back"]);
        assert_eq!(folder.read("back"), text.as_bytes(), "level {level}");
    }
    run(&[
        "compress", "-f", "-m", "tiny.czm", "-c", "brotli", "text", "-o", "t.czip",
    ]);
    run(&["decompress", "-f", "-m", "tiny.czm", "t.czip", "-o", "back"]);
    assert_eq!(folder.read("back"), text.as_bytes(), "CZIPv1");
    run(&["verify", "-m", "tiny.czm", "text"]);
    folder.write("texts", text.repeat(40));
    run(&[
        "adapt",
        "tiny.czm",
        "texts",
        "-o",
        "adapted.czm",
        "--heldout",
        "0",
    ]);
    run(&["verify", "-m", "adapted.czm", "text"]);
}

#[test]
fn calibration_and_options() {
    let folder = Folder::new();
    write_model(&folder);
    fs::create_dir(folder.path("letters")).unwrap();
    folder.write("letters/one", "abba baba\n".repeat(2000));
    folder.write("measured", "abab".repeat(100));
    import(&folder, &["tiny", "-o", "plain.czm"]).exits(0);
    let calibrated = |output: &str, threads: &str| {
        let calibrate = [
            "--calibrate",
            "letters",
            "--sample",
            "10K",
            "--measure",
            "measured",
        ];
        let arguments = [&["tiny", "-o", output, "-T", threads][..], &calibrate].concat();
        import(&folder, &arguments).exits(0).stderr()
    };
    let report = calibrated("calibrated.czm", "2");
    for part in [
        "fitting the mixing priors to ",
        "400 tokens of text: ",
        "400 bytes of text: ",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    calibrated("again.czm", "1");
    assert_eq!(folder.read("again.czm"), folder.read("calibrated.czm"));
    let len = |model: &str| {
        let mut command = folder.command();
        command.args(["compress", "-f", "-m", model, "letters/one", "-o", "t.czip"]);
        Finished(command.output().unwrap()).exits(0);
        folder.read("t.czip").len()
    };
    assert!(len("calibrated.czm") < len("plain.czm"));

    let metadata = |arguments: &[&str]| {
        import(
            &folder,
            &[&["tiny", "-q", "-f", "-o", "m.czm"], arguments].concat(),
        )
        .exits(0);
        ModelFile::parse(&folder.read("m.czm")).metadata
    };
    let found = metadata(&["--wide-inputs", "qkv,head", "--start-token", "1", "--sinks", "2"]);
    let found = ["wide_inputs", "start_token", "sinks"].map(|key| found[key].as_str());
    assert_eq!(found, ["qkv,head", "1", "2"]);
    assert_eq!(metadata(&["--wide-inputs", "none"])["wide_inputs"], "");
    assert_eq!(metadata(&[])["wide_inputs"], "down");

    let fails = |arguments: &[&str], exit: i32| {
        import(&folder, &[&["tiny", "-f", "-o", "m.czm"], arguments].concat()).exits(exit);
    };
    fails(&["--wide-inputs", "up"], 2);
    fails(&["--start-token", "258"], 2);
    fails(&["--sample", "10K"], 2);
    fails(&["--measure", "missing"], 1);
    fails(&["--calibrate", "missing"], 1);
    fails(&["--calibrate", "m.czm"], 2);
    fails(&["--measure", "m.czm"], 2);
}

#[test]
fn what_cannot_be_imported() {
    let folder = Folder::new();
    folder.write("notes.txt", "not a model");
    import(&folder, &["missing", "-o", "m.czm"]).exits(1);
    import(&folder, &["notes.txt", "-o", "m.czm"]).exits(4);
    write_model(&folder);
    folder.write("m.czm", "precious");
    import(&folder, &["tiny", "-o", "m.czm"]).exits(1);
    import(&folder, &["tiny", "-f", "-o", "tiny/config.json"]).exits(2);
    import(&folder, &["tiny", "-o", "n.czm", "--window", "0"]).exits(2);
    assert_eq!(folder.read("m.czm"), b"precious");
    assert_eq!(folder.names(), ["m.czm", "notes.txt", "tiny"]);
}
