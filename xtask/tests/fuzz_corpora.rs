//! The corpora of the fuzz targets, through the same functions that fuzzers run.

use std::fs;
use std::panic;
use std::path::Path;

/// What a fuzzer has ever found stays found. The corpora are kept small, so this takes seconds.
#[test]
fn every_file_keeps_the_laws() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/fuzz/corpus");
    let mut folders: Vec<String> = fs::read_dir(&corpora)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, czip_fuzz::TARGETS.map(|(name, _)| name));
    let mut failures = Vec::new();
    for (name, target) in czip_fuzz::TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpora.join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!((1..=150).contains(&files.len()), "{name}: {} files", files.len());
        for file in files {
            let data = fs::read(&file).unwrap();
            assert!(data.len() <= 8 << 10, "{}: {} bytes", file.display(), data.len());
            if panic::catch_unwind(|| target(&data)).is_err() {
                failures.push(file);
            }
        }
    }
    assert!(failures.is_empty(), "laws are broken by {failures:?}");
}
