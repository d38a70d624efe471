//! Existing command lines, and the files that existing programs have made with them.

use std::io::Read;

use czip_vectors::{shared, shared_file};

use crate::run::{Finished, Folder, model};

/// Input, model, level, codec: as in the names of the expected files.
const FILES: [(&str, &str, Option<&str>, &str); 13] = [
    ("code.rs", "v001_eng", None, "brotli"),
    ("code.rs", "v001_eng", Some("1"), "brotli"),
    ("code.rs", "v001_eng", Some("3"), "zstd"),
    ("code.rs", "v000_eng", None, "brotli"),
    ("code.rs", "synth_2x4", None, "zstd"),
    ("contractions.txt", "synth_3x8_sink", None, "zstd"),
    ("crlf.txt", "v001_eng", Some("2"), "brotli"),
    ("empty.txt", "v001_eng", None, "brotli"),
    ("json.json", "v001_eng", Some("4"), "brotli"),
    ("one_byte.txt", "v000_eng", None, "brotli"),
    ("special_tokens.txt", "v001_eng", Some("5"), "brotli"),
    ("unicode.txt", "v001_eng", Some("3"), "zstd"),
    ("whitespace.txt", "synth_peaked", None, "zstd"),
];

/// What the outer codec's stream holds: the inner header and the chunks.
fn inner(file: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    match file[7] {
        0 => {
            let mut decoder = zstd::Decoder::new(&file[16..]).unwrap();
            decoder.window_log_max(27).unwrap();
            decoder.read_to_end(&mut inner).unwrap();
        }
        1 => {
            brotli::Decompressor::new(&file[16..], 4096)
                .read_to_end(&mut inner)
                .unwrap();
        }
        codec => panic!("codec {codec}"),
    }
    inner
}

#[cfg(unix)]
#[test]
fn existing_command_lines_make_the_same_files() {
    let Some(models) = shared("conformance/models") else {
        return;
    };
    let folder = Folder::new();
    std::os::unix::fs::symlink(models, folder.path("models")).unwrap();
    for (input, model, level, codec) in FILES {
        let text = shared_file(&format!("conformance/inputs/{input}")).unwrap();
        let name = format!("{input}.{model}.{}.{codec}.czip", level.unwrap_or("d"));
        let expected = shared_file(&format!("conformance/expected/{name}")).unwrap();
        let model = format!("models/{model}.czm");
        folder.write("in", &text);

        let mut command = folder.command_called(env!("CARGO_BIN_EXE_compress_zip"));
        command.args(["compress", "-m", &model, "-i", "in", "-o", &name, "-c", codec]);
        if let Some(level) = level {
            command.args(["-L", level]);
        }
        Finished(command.output().unwrap()).exits(0);
        let file = folder.read(&name);
        assert_eq!(file[..16], expected[..16], "{name}");
        let mut expected_inner = inner(&expected);
        if model == "models/v000_eng.czm" {
            // Its encoder left the context field 0, which stands for 6.
            assert_eq!(expected_inner[11], 0, "{name}");
            expected_inner[11] = 6;
        }
        assert_eq!(inner(&file), expected_inner, "{name}");

        let restored = format!("{name}.txt");
        folder.write("expected.czip", &expected);
        let mut command = folder.command_called(env!("CARGO_BIN_EXE_compress_zip"));
        command.args(["decompress", "-m", &model, "-i", "expected.czip", "-o", &restored]);
        Finished(command.output().unwrap()).exits(0);
        assert_eq!(folder.read(&restored), text, "{name}");
    }
}

#[test]
fn codec_is_brotli_unless_told_otherwise() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    assert_eq!(
        folder
            .czip(&model, ["compress", "--format", "v1", "notes.txt", "-o", "-"])
            .exits(0)
            .stdout()[7],
        1
    );
    let zstd = folder
        .czip(
            &model,
            ["compress", "-c", "zstd", "--format", "v1", "notes.txt", "-o", "-"],
        )
        .exits(0);
    assert_eq!(zstd.stdout()[7], 0);

    // Only the old format has codecs.
    let implied = folder
        .czip(&model, ["compress", "-c", "zstd", "notes.txt", "-o", "-"])
        .exits(0);
    assert_eq!(implied.stdout(), zstd.stdout());
    // Where the data go to standard output, nothing is said.
    assert_eq!(implied.stderr() + &zstd.stderr(), "");
    let arguments = ["compress", "-c", "zstd", "notes.txt", "-o", "out"];
    let implied = folder.czip(&model, arguments).exits(0);
    let note = "note: --codec selects --format v1; czip's own format has no outer codec\n";
    assert!(implied.stderr().starts_with(note), "{}", implied.stderr());
}

#[test]
fn tokenizer_of_the_model_given_apart_changes_nothing() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    let bytes = std::fs::read(&model).unwrap();
    let json = czip::ModelFile::from_bytes(&bytes)
        .unwrap()
        .extras()
        .tokenizer_json()
        .unwrap();
    folder.write("tokenizer.json", json);
    let own = folder
        .czip(&model, ["compress", "--format", "v1", "notes.txt", "-o", "-"])
        .exits(0);
    let apart = folder
        .czip(
            &model,
            [
                "compress",
                "--format",
                "v1",
                "-t",
                "tokenizer.json",
                "notes.txt",
                "-o",
                "-",
            ],
        )
        .exits(0);
    assert_eq!(apart.stdout(), own.stdout());
}
