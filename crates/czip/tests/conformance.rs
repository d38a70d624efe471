//! Files made by another encoder: they open here, and this encoder makes the same.
//!
//! The outer codec's bytes depend on its library's version, so everything inside it is compared instead.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "a test over levels says which they were")]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use czip::v1::ChunkLevel;
use czip::v1::container::{self, File, Header};
use czip::{Kernels, Model, Options};
use czip_vectors::{shared, shared_file};

/// Inputs of more than 5,000 tokens.
const LONG: [&str; 5] = [
    "alice29.txt",
    "americas.txt",
    "einstein.txt",
    "python.txt",
    "runs.txt",
];

/// Inputs that an emulator has done in seconds: several scripts, and what looks like special tokens.
const SAMPLE: [&str; 3] = ["empty.txt", "special_tokens.txt", "unicode.txt"];

struct Case {
    name: String,
    input: String,
    model: String,
    options: Options,
}

/// The cases, from names as `INPUT.MODEL.LEVEL.CODEC.czip`.
fn cases() -> Option<Vec<Case>> {
    let folder = shared("conformance/expected")?;
    let mut names: Vec<String> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 177);
    let case = |name: String| {
        let parts: Vec<&str> = name.rsplitn(5, '.').collect();
        let [suffix, codec, level, model, input] = parts[..] else {
            panic!("{name}")
        };
        assert_eq!(suffix, "czip");
        let mut options = Options::new().v1_codec(codec.parse().unwrap());
        if level != "d" {
            options = options.v1_level(level.parse().unwrap());
        }
        let (input, model) = (input.to_owned(), model.to_owned());
        Case {
            name,
            input,
            model,
            options,
        }
    };
    Some(names.into_iter().map(case).collect())
}

fn models(cases: &[Case], kernels: Kernels) -> BTreeMap<String, Model> {
    let model = |name: &str| {
        let bytes = shared_file(&format!("conformance/models/{name}.czm")).unwrap();
        Model::with_kernels(&bytes, kernels)
            .unwrap()
            .named(&format!("models/{name}.czm"))
    };
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.model).collect();
    names
        .into_iter()
        .map(|name| (name.clone(), model(name)))
        .collect()
}

fn parse(file: &[u8]) -> File {
    container::read(file, &container::Limits::default()).unwrap()
}

/// The parts of a file that encoders must agree on.
fn contents(file: &[u8], old_context_field: bool) -> (Vec<u8>, Header, String, u16, Vec<Vec<u8>>) {
    let parsed = parse(file);
    // The context field of v000's files is 0, which an early encoder wrote for 6.
    let mut params = *parsed.params();
    if old_context_field {
        assert_eq!(params.context.get(), 6);
        params.context = container::ContextLog2::new(6).unwrap();
    }
    let chunks = parsed.chunks().map(<[u8]>::to_vec).collect();
    (
        file[..16].to_vec(),
        parsed.header(),
        format!("{params:?}"),
        parsed.last_chunk_tokens(),
        chunks,
    )
}

/// Restores the files whose input is wanted and makes them again, at each level of the machine.
fn check_at_every_level(cases: &[Case], wanted: impl Fn(&str) -> bool) {
    for kernels in Kernels::available() {
        let models = models(cases, kernels);
        let wanted = cases.iter().filter(|case| wanted(&case.input));
        for case in wanted.clone() {
            let Case {
                name,
                input,
                model,
                options,
            } = case;
            let place = format!("{name} at {}", kernels.instruction_set());
            let text = shared_file(&format!("conformance/inputs/{input}")).unwrap();
            let expected = shared_file(&format!("conformance/expected/{name}")).unwrap();
            assert!(
                czip::v1::decompress(&models[model], &expected, options).unwrap() == text,
                "{place}: text"
            );
            let made = czip::v1::compress(&models[model], &text, options).unwrap();
            let old = model == "v000_eng";
            assert_eq!(contents(&made, old), contents(&expected, old), "{place}");
        }
        eprintln!("{} files at {}", wanted.count(), kernels.instruction_set());
    }
}

#[test]
fn a_sample_opens_and_is_made_again() {
    let Some(cases) = cases() else { return };
    check_at_every_level(&cases, |input| SAMPLE.contains(&input));
}

#[test]
fn every_file_opens_and_is_made_again() {
    let Some(cases) = cases() else { return };
    // Without optimisation the long texts would take minutes; CI runs this test with it.
    let all = !cfg!(debug_assertions);
    check_at_every_level(&cases, |input| all || !LONG.contains(&input));
}

#[test]
fn threads_do_not_change_the_output() {
    let Some(cases) = cases() else { return };
    let models = models(&cases, Kernels::detect());
    let case = |name: &str| cases.iter().find(|case| case.name == name).unwrap();
    for name in [
        "json.json.v001_eng.1.brotli.czip",
        "code.rs.v001_eng.1.brotli.czip",
    ] {
        let Case {
            input,
            model,
            options,
            ..
        } = case(name);
        let text = shared_file(&format!("conformance/inputs/{input}")).unwrap();
        let made = |threads| {
            let options = options.clone().threads(NonZeroUsize::new(threads).unwrap());
            let file = czip::v1::compress(&models[model], &text, &options).unwrap();
            assert!(czip::v1::decompress(&models[model], &file, &options).unwrap() == text);
            file
        };
        let one = made(1);
        assert!((2..=5).all(|threads| made(threads) == one), "{name}");
    }
}

#[test]
fn a_level_above_the_context_is_lowered() {
    let Some(cases) = cases() else { return };
    let models = models(&cases, Kernels::detect());
    let text = shared_file("conformance/inputs/python.txt").unwrap();
    let options = Options::new().v1_level(ChunkLevel::new(5).unwrap());
    let mut file = Vec::new();
    let summary = czip::v1::compress_to(&models["synth_2x4"], &text[..], &mut file, &options).unwrap();
    assert!(summary.level_lowered);
    assert_eq!(summary.chunk_len, 128);
    assert_eq!(
        file,
        czip::v1::compress(&models["synth_2x4"], &text, &Options::new()).unwrap()
    );
}

#[test]
fn a_file_of_longer_context_is_refused() {
    let Some(cases) = cases() else { return };
    let models = models(&cases, Kernels::detect());
    let file = shared_file("conformance/expected/einstein.txt.v001_eng.5.brotli.czip").unwrap();
    let error = czip::v1::decompress(&models["v000_eng"], &file, &Options::new()).unwrap_err();
    let expected =
        "file has chunks of 1024 tokens, but the model's context is 64: it was made with another model";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn another_model_of_the_same_context_shows() {
    let Some(cases) = cases() else { return };
    let models = models(&cases, Kernels::detect());
    let file = shared_file("conformance/expected/einstein.txt.v001_eng.5.brotli.czip").unwrap();
    let error = czip::v1::decompress(&models["synth_peaked"], &file, &Options::new()).unwrap_err();
    assert!(
        matches!(error, czip::Error::V1(czip::v1::Error::Chunk { index: 0, .. })),
        "{error}"
    );
}
