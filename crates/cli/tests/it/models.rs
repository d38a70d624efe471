//! Which model is taken, where several may be.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Finished, Folder, TEXT};

/// The smaller of the two built-in models, as a file.
fn fast() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/fast.czm")
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../vectors/data")
        .join(name)
}

/// A folder with a text, its files with two models and without, and one that is joined of them.
fn folder() -> Folder {
    let folder = Folder::with_text();
    fs::create_dir(folder.path("models")).unwrap();
    fs::copy(fast(), folder.path("models/fast.czm")).unwrap();
    fs::copy(golden("model.czm"), folder.path("small.czm")).unwrap();
    folder.write("models/none.czm", "no model at all");
    folder.write("models/readme.txt", "not looked at");
    let mut joined = Vec::new();
    for model in ["standard", "models/fast.czm", "none"] {
        let file = run(&folder, &["compress", "-m", model, "notes.txt", "-o", "-"]).exits(0);
        joined.extend_from_slice(file.stdout());
        let name = Path::new(model).file_stem().unwrap().to_str().unwrap();
        folder.write(&format!("{name}.czip"), file.stdout());
    }
    folder.write("joined.czip", joined);
    folder
}

fn run(folder: &Folder, arguments: &[&str]) -> Finished {
    Finished(folder.command().args(arguments).output().unwrap())
}

#[test]
fn files_choose_among_models() {
    let folder = folder();
    let text = TEXT.repeat(3);
    for models in [
        &["-m", "models/fast.czm"][..],
        &["-m", "models"],
        &["-m", "small.czm", "-m", "models/fast.czm"],
        &["-m", "models", "-m", "small.czm"],
        &["-m", "small.czm", "-m", "models", "-m", "standard"],
    ] {
        let arguments = [&["decompress", "joined.czip", "-o", "-"], models].concat();
        let restored = run(&folder, &arguments).exits(0);
        assert_eq!(restored.stdout(), text.as_bytes(), "{models:?}");

        let names = ["standard", "fast", "none"].map(|name| format!("{name}.czip"));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        run(&folder, &[&["decompress"], models, &names].concat()).exits(0);
        for name in ["standard", "fast", "none"] {
            assert_eq!(folder.read(name), TEXT.as_bytes(), "{models:?}");
            fs::remove_file(folder.path(name)).unwrap();
        }
        let verified = [&["verify", "-q"], models, &names, &["joined.czip"]].concat();
        run(&folder, &verified).exits(0);
    }
    // The environment's are looked at too, and name several as paths do.
    let paths = std::env::join_paths(["small.czm", "models"]).unwrap();
    for arguments in [
        &["decompress", "joined.czip", "-o", "-"][..],
        &["decompress", "-m", "small.czm", "joined.czip", "-o", "-"],
    ] {
        let mut command = folder.command();
        let output = command.env("CZIP_MODEL", &paths).args(arguments).output();
        let restored = Finished(output.unwrap()).exits(0);
        assert_eq!(restored.stdout(), text.as_bytes());
    }
    // To compress, the first of them is taken that is no folder.
    let paths = std::env::join_paths(["models", "models/fast.czm"]).unwrap();
    let mut command = folder.command();
    command
        .env("CZIP_MODEL", &paths)
        .args(["compress", "notes.txt", "-o", "-"]);
    let compressed = Finished(command.output().unwrap()).exits(0);
    assert_eq!(compressed.stdout(), folder.read("fast.czip"));
}

#[test]
fn model_that_is_missing_is_named() {
    let folder = folder();
    let id = |path: &Path| czip::Model::id_of(&fs::read(path).unwrap());
    let standard = id(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/standard.czm"));
    let (fast, small) = (id(&fast()), id(&golden("model2.czm")));
    for (name, built_in) in [("standard", standard), ("fast", fast)] {
        let file = format!("{name}.czip");
        run(&folder, &["decompress", "-m", "none", &file, "-o", "out"]).fails(
            3,
            &format!("{file}: needs the built-in model {built_in}: name it with -m {name}, or in CZIP_MODEL"),
        );
    }
    // Nets with random weights are never chosen, so this file comes from elsewhere.
    fs::copy(golden("v2/special.5.net.model2.czip"), folder.path("small.czip")).unwrap();
    run(&folder, &["decompress", "small.czip", "-o", "out"]).fails(
        3,
        &format!(
            "small.czip: needs the model {small}: name it, or a folder that contains it, with -m; standard ({standard}), \
             fast ({fast}) are available"
        ),
    );
    // Also among several files.
    let finished = run(
        &folder,
        &["decompress", "-m", "models/fast.czm", "small.czip", "none.czip"],
    )
    .exits(3);
    let message = format!(
        "czip: small.czip: needs the model {small}: name it, or a folder that contains it, with -m; models/fast.czm ("
    );
    assert!(finished.stderr().contains(&message), "{}", finished.stderr());
    assert_eq!(folder.read("none"), TEXT.as_bytes());
    assert!(!folder.path("small").exists());
}

#[test]
fn each_level_has_its_built_in_model() {
    let folder = Folder::with_text();
    let fast = czip::Model::id_of(&fs::read(fast()).unwrap());
    let standard = czip::Model::builtin_id();
    for (arguments, id) in [
        (&["-1"][..], Some(standard)),
        (&["-4"], Some(fast)),
        (&["-5"], Some(standard)),
        (&["-9"], Some(standard)),
        (&["-4", "-m", "standard"], Some(standard)),
        (&["-5", "-m", "fast"], Some(fast)),
    ] {
        let arguments = [arguments, &["-cf", "notes.txt"]].concat();
        let compressed = run(&folder, &arguments).exits(0);
        let file = compressed.stdout();
        let found = czip::v2::container::Reader::new(file).next().unwrap().unwrap();
        assert_eq!(found.info.member.model, id, "{arguments:?}");
        folder.write("file.czip", file);
        let restored = run(&folder, &["-dc", "file.czip"]).exits(0);
        assert_eq!(restored.stdout(), TEXT.as_bytes(), "{arguments:?}");
    }
    // A file with such a name is a model only with a path.
    fs::copy(golden("model.czm"), folder.path("fast")).unwrap();
    let built_in = run(&folder, &["-m", "fast", "-c", "notes.txt"]).exits(0);
    let own = run(&folder, &["-m", "./fast", "-c", "notes.txt"]).exits(0);
    assert_eq!(built_in.stdout()[4..8], fast.0);
    assert_ne!(own.stdout()[4..8], fast.0);
}

#[test]
fn models_have_names() {
    let folder = folder();
    fs::copy(golden("v2/special.5.net.model2.czip"), folder.path("small.czip")).unwrap();
    fs::copy(golden("model2.czm"), folder.path("small.czm")).unwrap();
    let small = czip::Model::id_of(&folder.read("small.czm"));
    let standard = czip::Model::builtin_id();
    let line = |models: &[&str], file: &str| {
        let info = run(&folder, &[&["info", file], models].concat()).exits(0);
        let info = String::from_utf8(info.stdout().to_owned()).unwrap();
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("  model         "));
        line.unwrap().to_owned()
    };
    assert_eq!(line(&[], "standard.czip"), format!("{standard} standard"));
    assert_eq!(line(&[], "small.czip"), format!("{small}, not at hand"));
    assert_eq!(
        line(&["-m", "small.czm"], "small.czip"),
        format!("{small} small.czm, as -m names it")
    );
    assert_eq!(
        line(&["-m", "small.czm"], "standard.czip"),
        format!("{standard} standard, not as -m names it")
    );
    let mut command = folder.command();
    command
        .env("CZIP_MODEL", "small.czm")
        .args(["-l", "small.czip", "standard.czip"]);
    let listed = Finished(command.output().unwrap()).exits(0);
    let listed = String::from_utf8(listed.stdout().to_owned()).unwrap();
    assert!(listed.contains(&format!("  {small} small.czm  ")), "{listed}");
    assert!(listed.contains(&format!("  {standard} standard  ")), "{listed}");
    // The built-in models can be described without a file.
    for name in ["standard", "fast"] {
        let built_in = run(&folder, &["info", "--json", name]).exits(0);
        let built_in: serde_json::Value = serde_json::from_slice(built_in.stdout()).unwrap();
        assert_eq!(built_in["kind"], "model");
        assert_eq!(
            built_in["facts"]["name"].as_str().map(|it| it.contains(name)),
            Some(true),
            "{built_in}"
        );
    }
}

#[test]
fn models_are_named_as_each_command_can_use_them() {
    let folder = folder();
    let compress = ["compress", "notes.txt", "-o", "out"];
    for (arguments, message) in [
        (
            &["-m", "standard", "-m", "small.czm"][..],
            "-m takes one model when compressing; only restoring takes several",
        ),
        (&["-m", "models"], "models: is a folder"),
        (
            &["-m", "none", "-t", "t.json"],
            "-t replaces the tokenizer of a model: name that model with -m; to test files, use czip -t FILE, without a \
             command",
        ),
    ] {
        let finished = run(&folder, &[&compress, arguments].concat());
        assert_eq!(finished.stderr(), format!("czip: {message}\n"));
        assert_eq!(finished.stdout(), b"");
    }
    let decompress = ["decompress", "standard.czip", "-o", "out"];
    for (arguments, message) in [
        (
            &["-m", "none", "-m", "small.czm"][..],
            "-m none cannot be combined with other models",
        ),
        (
            &["-m", "standard", "-m", "small.czm", "-t", "t.json"],
            "-t replaces the tokenizer of one model: name that model with -m",
        ),
    ] {
        run(&folder, &[&decompress, arguments].concat()).fails(2, message);
    }
    // A model that is named is looked at, if only for its hash; one that is needed must be one.
    let missing = run(&folder, &[&decompress[..], &["-m", "missing.czm"]].concat()).exits(1);
    assert!(
        missing
            .stderr()
            .starts_with("czip: missing.czm: cannot read the model: "),
        "{}",
        missing.stderr()
    );
    let bad = fs::read(fast()).unwrap()[..1000].to_vec();
    let id = czip::Model::id_of(&bad);
    let mut file = folder.read("fast.czip");
    file[4..8].copy_from_slice(&id.0);
    folder.write("bad.czm", bad);
    folder.write("bad.czip", file);
    let refused = run(&folder, &["decompress", "-m", "bad.czm", "bad.czip", "-o", "out"]).exits(4);
    assert!(
        refused
            .stderr()
            .starts_with("czip: bad.czip: bad.czm: bad model: "),
        "{}",
        refused.stderr()
    );
    assert!(!folder.path("out").exists());
}

#[test]
fn old_files_need_one_model_to_be_named() {
    let folder = folder();
    let small = "small.czm";
    run(
        &folder,
        &[
            "compress",
            "-m",
            small,
            "-c",
            "brotli",
            "notes.txt",
            "-o",
            "v1.czip",
        ],
    )
    .exits(0);
    let decompress = ["decompress", "v1.czip", "-o", "out"];
    let no_model = "no model: name one with -m MODEL or in the environment variable CZIP_MODEL";
    run(&folder, &decompress).fails(2, no_model);
    run(&folder, &[&decompress[..], &["-m", "models"]].concat()).fails(2, no_model);
    run(
        &folder,
        &[&decompress[..], &["-m", small, "-m", "standard"]].concat(),
    )
    .fails(
        2,
        "CZIPv1 files do not record which model they need, and -m names 2 models; name only the right one",
    );
    run(&folder, &[&decompress[..], &["-m", small]].concat()).exits(0);
    assert_eq!(folder.read("out"), TEXT.as_bytes());
}

#[test]
fn info_compares_with_several_models() {
    let folder = folder();
    let matches = |models: &[&str]| {
        let arguments = [&["info", "--json", "joined.czip"], models].concat();
        let report = run(&folder, &arguments).exits(0);
        let report: serde_json::Value = serde_json::from_slice(report.stdout()).unwrap();
        report["model_matches"].as_bool()
    };
    assert_eq!(matches(&[]), None);
    assert_eq!(matches(&["-m", "standard"]), Some(false));
    assert_eq!(matches(&["-m", "models"]), Some(false));
    assert_eq!(matches(&["-m", "models", "-m", "standard"]), Some(true));
}
