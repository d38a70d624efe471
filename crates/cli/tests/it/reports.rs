//! What is said on either stream.

use czip::{InstructionSet, Kernels};
use czip_vectors::{shared, shared_file};
use serde_json::Value;

use crate::run::{Finished, Folder, TEXT, model};

fn lines_of_json(finished: &Finished) -> Vec<Value> {
    let text = std::str::from_utf8(finished.stdout()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Reading JSON may cost a float its last bit.
fn assert_close(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap();
    assert!(
        (value - expected).abs() <= expected * 1e-15,
        "{value} is not {expected}"
    );
}

#[test]
fn quiet_is_quiet() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    for arguments in [
        &["compress", "-q", "-v", "notes.txt"][..],
        &["decompress", "-q", "notes.txt.czip", "-o", "again.txt"],
        &["-q", "decompress", "notes.txt.czip", "-f"],
    ] {
        let finished = folder.czip(&model, arguments).exits(0);
        assert_eq!(finished.stderr(), "", "{arguments:?}");
        assert_eq!(finished.stdout(), b"", "{arguments:?}");
    }
    assert_eq!(folder.read("again.txt"), TEXT.as_bytes());
}

#[test]
fn statistics_are_one_line() {
    let Some(model) = shared("conformance/models/v001_eng.czm") else {
        return;
    };
    let folder = Folder::new();
    folder.write("code.rs", shared_file("conformance/inputs/code.rs").unwrap());
    let seconds = |finished: Finished, start: &str| {
        let stderr = finished.stderr();
        let line = stderr.strip_suffix(" s\n").unwrap_or_else(|| panic!("{stderr}"));
        let seconds = line.strip_prefix(start).unwrap_or_else(|| panic!("{stderr}"));
        assert!(seconds.parse::<f64>().unwrap() >= 0.0);
    };
    // The length of the file depends on the version of the outer codec.
    let compressed = folder
        .czip(&model, ["compress", "--format", "v1", "code.rs"])
        .exits(0);
    let len = folder.read("code.rs.czip").len();
    let (ratio, bits) = (570.0 / len as f64, 8.0 * len as f64 / 570.0);
    let figures = format!("{ratio:.2}x, {bits:.3} bits/byte, 456 tokens, ");
    seconds(compressed, &format!("code.rs: 570 -> {len} bytes, {figures}"));
    let restored = folder.czip(&model, ["decompress", "-f", "code.rs.czip"]).exits(0);
    seconds(restored, &format!("code.rs.czip: {len} -> 570 bytes, {figures}"));
}

#[test]
fn info_on_a_compressed_file() {
    let Some(file) = shared_file("conformance/expected/code.rs.v001_eng.3.zstd.czip") else {
        return;
    };
    let folder = Folder::new();
    folder.write("a", &file);
    let finished = Finished(folder.command().args(["info", "a"]).output().unwrap()).exits(0);
    let len = file.len();
    let text = String::from_utf8(finished.stdout().to_owned()).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("a: compressed text, CZIPv1"));
    assert_eq!(lines.next(), Some("  text          570 bytes, 456 tokens"));
    assert!(
        text.contains("\n  chunks        2 of up to 256 tokens\n"),
        "{text}"
    );
    assert!(text.contains("\n  model id      271bf17f, "), "{text}");

    let json = Finished(
        folder
            .command()
            .args(["info", "--json", "a", "a"])
            .output()
            .unwrap(),
    )
    .exits(0);
    let [first, second] = &lines_of_json(&json)[..] else {
        panic!("{json:?}")
    };
    assert_eq!(first, second);
    assert_eq!(first["path"], "a");
    assert_eq!(first["kind"], "compressed_file");
    assert_eq!(first["format"], "CZIPv1");
    assert_eq!(first["codec"], "zstd");
    assert_eq!(first["flags"], Value::Array(Vec::new()));
    assert_eq!(first["text_len"], 570);
    assert_eq!(first["file_len"], len);
    assert_eq!(first["tokens"], 456);
    assert_eq!(first["chunks"], 2);
    assert_eq!(first["chunk_tokens"], 256);
    assert_eq!(first["model_id"], "271bf17f");
    assert_close(&first["ratio"], 570.0 / len as f64);
    assert_close(&first["bits_per_byte"], 8.0 * len as f64 / 570.0);
}

/// The variable limits the instruction sets that the program uses, and adds none.
#[test]
fn a_ceiling_lowers_the_instruction_set() {
    let Some(model) = model() else { return };
    let folder = Folder::new();
    let kernels_with = |ceiling: &str| {
        let mut command = folder.command();
        command.env(Kernels::CEILING_VARIABLE, ceiling);
        let json = Finished(command.args(["info", "--json"]).arg(&model).output().unwrap()).exits(0);
        lines_of_json(&json)[0]["kernels"].as_str().unwrap().to_owned()
    };
    let available: Vec<InstructionSet> = Kernels::available().map(Kernels::instruction_set).collect();
    for &ceiling in InstructionSet::ALL {
        let expected = available
            .iter()
            .rfind(|&&instruction_set| instruction_set <= ceiling)
            .unwrap();
        assert_eq!(kernels_with(ceiling.name()), expected.name(), "{ceiling}");
    }
    assert_eq!(kernels_with(""), available.last().unwrap().name());
}

/// A name that means nothing is an error, also of commands that use no kernels.
#[test]
fn an_unknown_ceiling_is_refused() {
    let folder = Folder::new();
    folder.write("a.txt", b"a");
    let mut command = folder.command();
    command.env(Kernels::CEILING_VARIABLE, "none such");
    let refused = Finished(
        command
            .args(["compress", "-m", "none", "a.txt"])
            .output()
            .unwrap(),
    );
    let known: Vec<&str> = InstructionSet::ALL.iter().map(|known| known.name()).collect();
    let known = known.join(", ");
    refused.fails(
        2,
        &format!("CZIP_CPU: unknown instruction set `none such`; this build knows {known}"),
    );
}

#[test]
fn info_on_a_model() {
    let Some(model) = shared("conformance/models/synth_3x8_sink.czm") else {
        return;
    };
    let folder = Folder::new();
    let mut command = folder.command();
    let json = Finished(command.args(["info", "--json"]).arg(&model).output().unwrap()).exits(0);
    let [model_info] = &lines_of_json(&json)[..] else {
        panic!("{json:?}")
    };
    assert_eq!(model_info["kind"], "model");
    assert_eq!(model_info["format"], "czip-model-v1");
    assert_eq!(model_info["file_len"], 5_818_599);
    assert_eq!(model_info["layers"], 3);
    assert_eq!(model_info["heads"], 8);
    assert_eq!(model_info["kv_heads"], 1);
    assert_eq!(model_info["d_model"], 512);
    assert_eq!(model_info["d_ff"], 640);
    assert_eq!(model_info["context_length"], 256);
    // Embedding, head and last norm; then four norms, qkv, output, up and down of each layer.
    let layer = 4 * 512 + 640 * 512 + 512 * 512 + 3 * 640 * 512;
    assert_eq!(model_info["parameters"], 2 * 1024 * 512 + 512 + 3 * layer);
    assert_eq!(
        model_info["multiply_adds_per_token"],
        1024 * 512 + 3 * (layer - 4 * 512)
    );
    assert_eq!(model_info["sink_keys"], 3);
    assert_eq!(model_info["rope_theta"], 10000.0);
    let tokenizer = &model_info["tokenizer"];
    assert_eq!(tokenizer["name"], "compress-tokenizer");
    assert_eq!(tokenizer["tokens"], 1024);
    assert_eq!(tokenizer["special_tokens"]["<|bos|>"], 1022);
    assert!(
        tokenizer["pattern"]
            .as_str()
            .unwrap()
            .starts_with("'(?i:[sdmt]|ll|ve|re)|")
    );

    let text = Finished(folder.command().arg("info").arg(&model).output().unwrap()).exits(0);
    let text = String::from_utf8(text.stdout().to_owned()).unwrap();
    assert!(text.contains("\n  sink keys     in 3 of 3 layers\n"), "{text}");
    assert!(
        text.contains("\n  special       <|bos|> 1022, <|eos|> 1023\n"),
        "{text}"
    );
}

#[test]
fn file_that_fails_does_not_keep_the_others_from_their_turn() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.write("junk", "junk");
    let finished = folder
        .czip(
            &model,
            ["info", "--json", "junk", model.to_str().unwrap(), "none"],
        )
        .exits(4);
    assert_eq!(lines_of_json(&finished).len(), 1);
    let stderr = finished.stderr();
    assert!(
        stderr.starts_with(
            "czip: junk: is neither a compressed file nor a model, which is what can be described\n"
        ),
        "{stderr}"
    );
    assert!(stderr.contains("\nczip: none: cannot read: "), "{stderr}");
}

#[test]
fn verify_texts() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.write("empty", "");
    let finished = folder
        .czip(
            &model,
            [
                "verify",
                "--json",
                "--format",
                "v1",
                "-L",
                "1",
                "notes.txt",
                "empty",
            ],
        )
        .exits(0);
    let [notes, empty] = &lines_of_json(&finished)[..] else {
        panic!("{finished:?}")
    };
    folder
        .czip(&model, ["compress", "--format", "v1", "-L", "1", "notes.txt"])
        .exits(0);
    let len = folder.read("notes.txt.czip").len();
    assert_eq!(notes["path"], "notes.txt");
    assert_eq!(notes["kind"], "text");
    assert_eq!(notes["text_len"], TEXT.len());
    assert_eq!(notes["file_len"], len);
    assert_close(&notes["ratio"], TEXT.len() as f64 / len as f64);
    assert_eq!(notes["chunk_tokens"], 64);
    let tokens = notes["tokens"].as_u64().unwrap();
    assert_close(&notes["bits_per_token"], 8.0 * len as f64 / tokens as f64);
    assert!(notes["compress_tokens_per_second"].as_f64().unwrap() > 0.0);
    assert!(notes["decompress_tokens_per_second"].as_f64().unwrap() > 0.0);
    let names: Vec<_> = notes["others"]
        .as_array()
        .unwrap()
        .iter()
        .map(|other| &other["name"])
        .collect();
    assert_eq!(names, ["brotli-11", "xz-9", "zstd-19", "gzip-9"]);

    assert_eq!(empty["text_len"], 0);
    assert_eq!(empty["chunks"], 0);
    assert_eq!(empty["ratio"], Value::Null);

    let text = folder.czip(&model, ["verify", "notes.txt"]).exits(0);
    assert!(text.stdout().starts_with(b"notes.txt: comes back as it was\n"));
}

#[test]
fn verify_compressed_files() {
    let Some(model) = shared("conformance/models/v001_eng.czm") else {
        return;
    };
    let folder = Folder::new();
    for (name, chunk_tokens) in [
        ("code.rs.v001_eng.2.brotli", 128),
        ("code.rs.v001_eng.3.zstd", 256),
    ] {
        let file = shared_file(&format!("conformance/expected/{name}.czip")).unwrap();
        folder.write("a", &file);
        // The file's own level and codec count.
        let finished = folder.czip(&model, ["verify", "--json", "-L", "1", "a"]).exits(0);
        let [report] = &lines_of_json(&finished)[..] else {
            panic!("{finished:?}")
        };
        assert_eq!(report["kind"], "compressed_file");
        assert_eq!(report["reencodes"], true);
        assert_eq!(report["chunk_tokens"], chunk_tokens);
        assert_eq!(report["file_len"], file.len());
        assert_eq!(report["text_len"], 570);
    }
}

#[test]
fn bench_texts() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.write("again.txt", TEXT.repeat(2));
    folder.write("binary", [0xff]);
    let arguments = [
        "bench",
        "--json",
        "--format",
        "v1",
        "-L1",
        "-T1",
        "notes.txt",
        "binary",
        "again.txt",
    ];
    let finished = folder.czip(&model, arguments).exits(1);
    assert_eq!(
        finished.stderr(),
        "czip: binary: not UTF-8 text: invalid byte at offset 0; format v1 holds text only\n"
    );
    let [notes, again, total] = &lines_of_json(&finished)[..] else {
        panic!("{finished:?}")
    };
    folder
        .czip(&model, ["compress", "--format", "v1", "-L1", "notes.txt"])
        .exits(0);
    let len = folder.read("notes.txt.czip").len();
    assert_eq!(notes["path"], "notes.txt");
    assert_eq!(again["path"], "again.txt");
    assert_eq!(total["path"], Value::Null);
    assert_eq!(total["files"], 2);
    assert_eq!(total["text_len"], 3 * TEXT.len());
    let names = ["czipv1-1", "brotli-11", "xz-9", "zstd-19", "gzip-9"];
    for report in [notes, again, total] {
        let methods = report["methods"].as_array().unwrap();
        assert!(methods.iter().map(|method| &method["method"]).eq(names));
    }
    for index in 0..names.len() {
        let [notes, again, total] = [notes, again, total].map(|report| &report["methods"][index]);
        let file_len = |method: &Value| method["file_len"].as_u64().unwrap();
        assert_eq!(file_len(notes) + file_len(again), file_len(total));
        assert_close(&total["ratio"], 3.0 * TEXT.len() as f64 / file_len(total) as f64);
        assert!(total["encode"]["bytes_per_second"].as_f64().unwrap() > 0.0);
        assert_eq!(total["decode"]["tokens_per_second"].is_f64(), index == 0);
        assert_eq!(total["threads"], 1);
    }
    assert_eq!(notes["methods"][0]["file_len"], len);
}

#[test]
fn info_and_verify_know_segments() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.write("long", TEXT.repeat(30));
    folder.write("noise", [0xff, 0x80, 0]);
    let compress = |name: &str| {
        let arguments = ["compress", "-q", "-L", "6", "--segment", "1K", name];
        folder.czip(&model, arguments).exits(0);
    };
    compress("long");
    compress("noise");
    let id = czip::Model::open(&model).unwrap().id().to_string();
    let file = folder.read("long.czip");
    let model_name = model.to_str().unwrap();

    let finished = folder
        .czip("none".as_ref(), ["info", "--json", "long.czip", "noise.czip"])
        .exits(0);
    let [long, noise] = &lines_of_json(&finished)[..] else {
        panic!("{finished:?}")
    };
    assert_eq!(long["kind"], "compressed_file");
    assert_eq!(long["format"], "czip v2");
    assert_eq!(long["file_len"], file.len());
    assert_eq!(long["text_len"], 30 * TEXT.len());
    assert_eq!(long["members"], 1);
    assert_eq!(long["levels"][0], 6);
    assert_eq!(long["segments"], 3);
    assert_eq!(long["longest_segment"], 1024);
    let modes = long["modes"].as_object().unwrap();
    assert_eq!(
        modes.values().map(|count| count.as_u64().unwrap()).sum::<u64>(),
        3
    );
    assert_eq!(long["models"][0], id);
    assert_eq!(long["model_matches"], Value::Null);
    assert!(long["index_len"].as_u64().unwrap() > 20);
    assert_eq!(noise["modes"]["stored"], 1);
    assert_eq!(noise["models"], Value::Array(Vec::new()));
    assert_eq!(noise["index_len"], 0);

    let text = folder
        .czip("none".as_ref(), ["info", "-m", model_name, "long.czip"])
        .exits(0);
    let text = String::from_utf8(text.stdout().to_owned()).unwrap();
    assert!(
        text.starts_with("long.czip: compressed, czip v2\n  text          2640 bytes\n"),
        "{text}"
    );
    assert!(
        text.contains(&format!("\n  model         {id} {model_name}, as -m names it\n")),
        "{text}"
    );
    assert!(
        text.contains("\n  segments      3 of up to 1024 bytes\n"),
        "{text}"
    );
    if let Some(other) = shared("conformance/models/v000_eng.czm") {
        let arguments = ["info", "-m", other.to_str().unwrap(), "long.czip"];
        let text = folder.czip("none".as_ref(), arguments).exits(0);
        let text = String::from_utf8(text.stdout().to_owned()).unwrap();
        assert!(
            text.contains(&format!(
                "\n  model         {id}, not at hand, not as -m names it\n"
            )),
            "{text}"
        );
    }

    let finished = folder
        .czip(&model, ["verify", "--json", "-L", "4", "long.czip", "long"])
        .exits(0);
    let [restored, text] = &lines_of_json(&finished)[..] else {
        panic!("{finished:?}")
    };
    assert_eq!(restored["kind"], "compressed_file");
    assert_eq!(restored["format"], "czip v2");
    assert_eq!(restored["segments"], 3);
    assert_eq!(restored["file_len"], file.len());
    assert_eq!(text["kind"], "text");
    assert_eq!(text["segments"], 1);
    assert_eq!(text["tokens"], restored["tokens"]);
    assert!(text["compress_bytes_per_second"].as_f64().unwrap() > 0.0);
    let damaged = [&file[..30], &[file[30] ^ 1], &file[31..]].concat();
    folder.write("damaged", damaged);
    let finished = folder.czip(&model, ["verify", "damaged", "long.czip"]).exits(4);
    assert!(
        finished
            .stderr()
            .starts_with("czip: damaged: segment 0 of member 0, at byte "),
        "{finished:?}"
    );
    let restored = b"long.czip: can be restored, and all checksums are right\n";
    assert!(finished.stdout().starts_with(restored));
}

#[test]
fn bench_measures_both_formats() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.write("binary", [0xff; 100]);
    let arguments = ["bench", "--json", "-L1", "-T1", "notes.txt", "binary"];
    let finished = folder.czip(&model, arguments).exits(0);
    let [notes, binary, total] = &lines_of_json(&finished)[..] else {
        panic!("{finished:?}")
    };
    let names = |report: &Value| {
        let methods = report["methods"].as_array().unwrap();
        let names: Vec<String> = methods
            .iter()
            .map(|method| method["method"].as_str().unwrap().to_owned())
            .collect();
        names.join(" ")
    };
    assert_eq!(names(notes), "czip-1 czipv1-1 brotli-11 xz-9 zstd-19 gzip-9");
    // The old format holds only text.
    assert_eq!(names(binary), "czip-1 brotli-11 xz-9 zstd-19 gzip-9");
    assert_eq!(names(total), names(binary));
    let finished = folder
        .czip("none".as_ref(), ["bench", "--json", "-L1", "-T1", "notes.txt"])
        .exits(0);
    assert_eq!(names(&lines_of_json(&finished)[0]), names(binary));
}

#[test]
fn version_and_help() {
    let folder = Folder::new();
    for (program, name) in [
        (env!("CARGO_BIN_EXE_czip"), "czip"),
        (env!("CARGO_BIN_EXE_compress_zip"), "compress_zip"),
    ] {
        let run = |argument| {
            let finished = Finished(folder.command_called(program).arg(argument).output().unwrap()).exits(0);
            assert_eq!(finished.stderr(), "");
            String::from_utf8(finished.stdout().to_owned()).unwrap()
        };
        assert_eq!(
            run("--version"),
            format!("{name} {}\n", env!("CARGO_PKG_VERSION"))
        );
        for help in ["-h", "--help", "-H"] {
            let usage = format!("Usage: {name} [OPTIONS] [FILE]...\n       {name} <COMMAND>\n");
            assert!(run(help).contains(&usage), "{help}");
        }
        assert!(run("-h").len() < run("--help").len() / 2);
        assert_eq!(run("-H"), run("--help"));
        assert_eq!(run("-V"), run("--version"));
    }
}
