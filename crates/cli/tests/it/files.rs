//! Which files are read and written, and what becomes of them.

use std::fs;
use std::io::pipe;

use crate::run::{Folder, TEXT, model};

/// What is said of an output that would destroy an input.
pub(crate) const IS_INPUT: &str =
    "is also an input, and inputs are never overwritten; name another output with -o";

#[test]
fn round_trip_by_default_names() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    let compressed = folder.czip(&model, ["compress", "notes.txt"]).exits(0);
    assert_eq!(compressed.stdout(), b"");
    assert_eq!(folder.names(), ["notes.txt", "notes.txt.czip"]);
    assert_eq!(folder.read("notes.txt"), TEXT.as_bytes());
    assert_eq!(folder.read("notes.txt.czip")[..3], *b"\xfacz");

    fs::remove_file(folder.path("notes.txt")).unwrap();
    let restored = folder.czip(&model, ["decompress", "notes.txt.czip"]).exits(0);
    assert_eq!(restored.stdout(), b"");
    assert_eq!(folder.names(), ["notes.txt", "notes.txt.czip"]);
    assert_eq!(folder.read("notes.txt"), TEXT.as_bytes());
}

#[test]
fn standard_streams_carry_data_alone() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.czip(&model, ["compress", "notes.txt"]).exits(0);
    let file = folder.read("notes.txt.czip");

    assert_eq!(
        folder
            .pipe(&model, ["compress", "-"], TEXT.as_bytes())
            .exits(0)
            .stdout(),
        file
    );
    assert_eq!(
        folder
            .czip(&model, ["compress", "notes.txt", "-o", "-"])
            .exits(0)
            .stdout(),
        file
    );
    assert_eq!(
        folder.pipe(&model, ["decompress", "-"], &file).exits(0).stdout(),
        TEXT.as_bytes()
    );
    let restored = folder
        .czip(&model, ["decompress", "-v", "-i", "notes.txt.czip", "-o", "-"])
        .exits(0);
    assert_eq!(restored.stdout(), TEXT.as_bytes());

    folder
        .pipe(&model, ["decompress", "-", "-o", "again.txt"], &file)
        .exits(0);
    assert_eq!(folder.read("again.txt"), TEXT.as_bytes());
    assert_eq!(folder.names(), ["again.txt", "notes.txt", "notes.txt.czip"]);
}

#[test]
fn empty_text() {
    let Some(model) = model() else { return };
    let folder = Folder::new();
    let file = folder.pipe(&model, ["compress", "-"], b"").exits(0);
    assert_eq!(
        folder
            .pipe(&model, ["decompress", "-"], file.stdout())
            .exits(0)
            .stdout(),
        b""
    );
}

#[test]
fn output_is_the_same_for_any_number_of_threads() {
    let Some(model) = model() else { return };
    let folder = Folder::new();
    let text = TEXT.repeat(10);
    let compress = |threads| {
        let arguments = ["compress", "-", "-L", "1", "-T", threads];
        folder
            .pipe(&model, arguments, text.as_bytes())
            .exits(0)
            .stdout()
            .to_owned()
    };
    let one = compress("1");
    assert_eq!(compress("2"), one);
    assert_eq!(compress("0"), one);
    for threads in ["1", "2"] {
        let restored = folder
            .pipe(&model, ["decompress", "-T", threads, "-"], &one)
            .exits(0);
        assert_eq!(restored.stdout(), text.as_bytes());
    }
}

#[test]
fn several_files_at_once() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.write("empty", "");
    folder.write("noise", [0xff, 0, 0x80, 0xc0]);
    folder.write("long", TEXT.repeat(30));
    // Longer than what is read and held: it is compressed by itself.
    folder.write("zeros", vec![0; (4 << 20) + 1]);
    folder.write("taken", "taken");
    folder.write("taken.czip", "precious");
    fs::create_dir(folder.path("sub")).unwrap();
    let names = [
        "notes.txt",
        "empty",
        "none",
        "noise",
        "taken",
        "long",
        "sub",
        "zeros",
    ];
    let arguments = ["compress", "-L", "1"].into_iter().chain(names);
    let finished = folder.czip(&model, arguments).exits(1);
    let stderr = finished.stderr();
    for message in [
        "czip: none: cannot read: ",
        "czip: taken.czip: already exists; -f overwrites it",
        "czip: sub: is a folder; -r takes all files in it",
        "notes.txt: 88 -> ",
        "5 files: ",
    ] {
        assert!(stderr.contains(message), "{message} in {stderr}");
    }
    assert_eq!(folder.read("taken.czip"), b"precious");
    let good = ["notes.txt", "empty", "noise", "long", "zeros"];
    let files = good.map(|name| format!("{name}.czip"));
    for (name, file) in good.iter().zip(&files).take(4) {
        let alone = folder
            .czip(&model, ["compress", "-L", "1", name, "-o", "-"])
            .exits(0);
        assert_eq!(folder.read(file), alone.stdout(), "{name}");
    }

    let texts = good.map(|name| folder.read(name));
    for name in good {
        fs::remove_file(folder.path(name)).unwrap();
    }
    folder.write("cut.czip", &folder.read("long.czip")[..20]);
    let arguments = ["decompress", "cut.czip"].into_iter();
    let finished = folder
        .czip(&model, arguments.chain(files.iter().map(String::as_str)))
        .exits(4);
    assert!(
        finished
            .stderr()
            .starts_with("czip: cut.czip: file ends at byte 20, "),
        "{}",
        finished.stderr()
    );
    for (name, text) in good.iter().zip(&texts) {
        assert!(folder.read(name) == *text, "{name}");
    }
    assert!(!folder.path("cut").exists());

    folder
        .czip(&model, ["compress", "notes.txt", "long", "-o", "out"])
        .fails(2, "-o names one output, but there are 2 inputs");
}

#[test]
fn old_and_new_files_at_once() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.write("new.txt", TEXT);
    let arguments = ["compress", "--format", "v1", "notes.txt", "new.txt"];
    folder.czip(&model, arguments).exits(0);
    assert_eq!(folder.read("notes.txt.czip")[..6], *b"CZIPv1");
    folder.czip(&model, ["compress", "-f", "new.txt"]).exits(0);
    fs::remove_file(folder.path("new.txt")).unwrap();
    fs::remove_file(folder.path("notes.txt")).unwrap();
    let arguments = ["decompress", "notes.txt.czip", "new.txt.czip"];
    folder.czip(&model, arguments).exits(0);
    assert_eq!(folder.read("notes.txt"), TEXT.as_bytes());
    assert_eq!(folder.read("new.txt"), TEXT.as_bytes());
}

#[test]
fn no_model_is_needed() {
    let folder = Folder::new();
    let text = TEXT.repeat(20);
    folder.write("notes.txt", &text);
    let none = "none".as_ref();
    let compressed = folder.czip(none, ["compress", "notes.txt"]).exits(0);
    let hint = "note: no model, so everything is coded as bytes; -m MODEL makes texts smaller\n";
    assert!(compressed.stderr().starts_with(hint), "{}", compressed.stderr());
    assert!(folder.read("notes.txt.czip").len() < text.len() / 4);
    let restored = folder
        .czip(none, ["decompress", "notes.txt.czip", "-o", "-"])
        .exits(0);
    assert_eq!(restored.stdout(), text.as_bytes());
    let bytes: Vec<u8> = (0..=255).rev().cycle().take(2000).collect();
    let file = folder
        .pipe(
            none,
            ["compress", "-", "--segment", "1K", "--no-index", "-q"],
            &bytes,
        )
        .exits(0);
    assert_eq!(
        folder
            .pipe(none, ["decompress", "-"], file.stdout())
            .exits(0)
            .stdout(),
        bytes
    );
}

#[test]
fn output_is_overwritten_only_by_force() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.write("out", "precious");
    let refused = folder.czip(&model, ["compress", "notes.txt", "-o", "out"]);
    refused.fails(1, "out: already exists; -f overwrites it");
    assert_eq!(folder.read("out"), b"precious");

    folder
        .czip(&model, ["compress", "-f", "notes.txt", "-o", "out"])
        .exits(0);
    assert_eq!(folder.read("out")[..3], *b"\xfacz");
    assert_eq!(folder.names(), ["notes.txt", "out"]);
}

#[test]
fn existing_output_is_refused_before_the_model_is_read() {
    let folder = Folder::with_text();
    folder.write("notes.txt.czip", "precious");
    let refused = folder.czip("no.czm".as_ref(), ["compress", "notes.txt"]);
    refused.fails(1, "notes.txt.czip: already exists; -f overwrites it");
}

#[test]
fn output_that_is_the_input_is_refused() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    fs::hard_link(folder.path("notes.txt"), folder.path("hard")).unwrap();
    fs::create_dir(folder.path("sub")).unwrap();
    for output in ["notes.txt", "./notes.txt", "sub/../notes.txt", "hard"] {
        let refused = folder.czip(&model, ["compress", "-f", "notes.txt", "-o", output]);
        refused.fails(2, &format!("{output}: {IS_INPUT}"));
    }
    let mut command = folder.command();
    command
        .env("CZIP_MODEL", &model)
        .args(["compress", "-f", "-", "-o", "notes.txt"]);
    command.stdin(fs::File::open(folder.path("notes.txt")).unwrap());
    assert_eq!(command.output().unwrap().status.code(), Some(2));
    assert_eq!(folder.read("notes.txt"), TEXT.as_bytes());
    assert_eq!(folder.names(), ["hard", "notes.txt", "sub"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed() {
    use std::os::unix::fs::symlink;

    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    symlink("notes.txt", folder.path("input")).unwrap();
    folder
        .czip(&model, ["compress", "-f", "input", "-o", "notes.txt"])
        .fails(2, &format!("notes.txt: {IS_INPUT}"));
    folder
        .czip(&model, ["compress", "-f", "notes.txt", "-o", "input"])
        .fails(2, &format!("input: {IS_INPUT}"));

    folder.write("old", "old");
    symlink("old", folder.path("output")).unwrap();
    folder
        .czip(&model, ["compress", "-f", "input", "-o", "output"])
        .exits(0);
    assert!(folder.path("output").is_symlink());
    assert_eq!(folder.read("old")[..3], *b"\xfacz");

    symlink("nowhere", folder.path("dangling")).unwrap();
    folder
        .czip(&model, ["compress", "input", "-o", "dangling"])
        .fails(1, "dangling: already exists; -f overwrites it");
}

#[cfg(unix)]
#[test]
fn permissions_are_those_of_the_input_or_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;

    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o7777;
    for bits in [0o600, 0o640, 0o444] {
        fs::set_permissions(folder.path("notes.txt"), fs::Permissions::from_mode(bits)).unwrap();
        folder.czip(&model, ["compress", "-f", "notes.txt"]).exits(0);
        assert_eq!(mode("notes.txt.czip"), bits, "{bits:o}");
    }
    folder.write("new", "");
    folder
        .pipe(&model, ["compress", "-", "-o", "piped"], TEXT.as_bytes())
        .exits(0);
    assert_eq!(mode("piped"), mode("new"));
}

#[cfg(unix)]
#[test]
fn device_is_written_to_and_not_replaced() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder
        .czip(&model, ["compress", "-f", "notes.txt", "-o", "/dev/null"])
        .exits(0);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn no_file_is_left_after_an_error() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.czip(&model, ["compress", "notes.txt"]).exits(0);
    let mut file = folder.read("notes.txt.czip");
    file.truncate(file.len() - 3);
    folder.write("cut.czip", file);
    folder.write("bytes", [b'a', 0xff]);
    folder.write("old", "precious");
    let names = folder.names();

    folder.czip(&model, ["decompress", "cut.czip"]).exits(4);
    folder
        .czip(&model, ["decompress", "-f", "cut.czip", "-o", "old"])
        .exits(4);
    folder
        .czip(&model, ["compress", "--format", "v1", "bytes"])
        .exits(1);
    folder
        .czip("no.czm".as_ref(), ["compress", "notes.txt", "-o", "out"])
        .exits(1);
    assert_eq!(folder.names(), names);
    assert_eq!(folder.read("old"), b"precious");
}

#[test]
fn reader_that_stops_is_no_error() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder.czip(&model, ["compress", "notes.txt"]).exits(0);
    for arguments in [
        &["compress", "notes.txt", "-o", "-"][..],
        &["decompress", "notes.txt.czip", "-o", "-"],
        &["info", "notes.txt.czip", "notes.txt.czip"],
        &["verify", "--json", "notes.txt"],
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = folder
            .command()
            .env("CZIP_MODEL", &model)
            .args(arguments)
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.stderr, b"", "{arguments:?}");
    }
}

#[test]
fn built_in_model_is_the_file_that_is_shipped() {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let shipped = fs::read(models.join("standard.czm")).unwrap();
    assert!(shipped.len() <= 4_000_000, "{}", shipped.len());
    // Existing command lines name this one.
    assert_eq!(fs::read(models.join("v000_eng.czm")).unwrap(), shipped);

    let folder = Folder::with_text();
    let run = |arguments: &[&str]| {
        let output = folder.command().args(arguments).output().unwrap();
        crate::run::Finished(output).exits(0)
    };
    run(&["compress", "notes.txt"]);
    // Two sentences that no text has taught it.
    assert!(folder.read("notes.txt.czip").len() < 60);
    let model = models.join("v000_eng.czm");
    folder
        .czip(&model, ["decompress", "notes.txt.czip", "-o", "back"])
        .exits(0);
    assert_eq!(folder.read("back"), TEXT.as_bytes());
    run(&["compress", "-m", "standard", "-L", "1", "notes.txt", "-o", "fast"]);
    run(&["decompress", "fast", "-o", "again"]);
    assert_eq!(folder.read("again"), TEXT.as_bytes());
    // As compress_zip is called: its files have to name a model, which reads as they do.
    let name = model.to_str().unwrap();
    run(&["compress", "-m", name, "-c", "brotli", "notes.txt", "-o", "v1"]);
    run(&["decompress", "-m", name, "v1", "-o", "old"]);
    assert_eq!(folder.read("old"), TEXT.as_bytes());
}

#[test]
fn the_other_shipped_model_has_a_quarter_of_the_work() {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let folder = Folder::with_text();
    let mut work = Vec::new();
    for name in ["standard.czm", "fast.czm"] {
        let model = models.join(name);
        let info = folder
            .czip(&model, ["info", "--json", model.to_str().unwrap()])
            .exits(0);
        let info: serde_json::Value = serde_json::from_slice(info.stdout()).unwrap();
        work.push(info["multiply_adds_per_token"].as_u64().unwrap());
        folder
            .czip(&model, ["compress", "notes.txt", "-o", name])
            .exits(0);
        assert!(folder.read(name).len() < 60, "{name}");
        folder.czip(&model, ["decompress", name, "-o", "back"]).exits(0);
        assert_eq!(folder.read("back"), TEXT.as_bytes(), "{name}");
        fs::remove_file(folder.path("back")).unwrap();
    }
    assert!(work[1] * 4 <= work[0], "{work:?}");
}
