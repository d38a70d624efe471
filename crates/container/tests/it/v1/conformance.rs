//! Files of an existing encoder.

use std::{env, fs, path::PathBuf};

use czip_container::v1::{self, Codec};

use super::{
    damage::check_header_changes,
    util::{decompress, read, written},
};

/// The conformance data, if there are any here.
fn conformance() -> Option<PathBuf> {
    let shared = env::var_os("CZIP_SHARED").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into(),
        PathBuf::from,
    );
    let folder = shared.join("conformance");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        env::var_os("CZIP_REQUIRE_SHARED").is_none(),
        "no folder {}",
        folder.display()
    );
    eprintln!("skipped: no folder {}", folder.display());
    None
}

#[test]
fn all_files_read_and_write_the_same() {
    let Some(folder) = conformance() else { return };
    let mut count = 0;
    for entry in fs::read_dir(folder.join("expected")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut parts = name.rsplitn(5, '.');
        let mut part = || parts.next().unwrap();
        let (_, codec, level, model, input) = (part(), part(), part(), part(), part());
        let bytes = fs::read(&path).unwrap();
        let file = read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));

        assert_eq!(file.params().codec, codec.parse::<Codec>().unwrap(), "{name}");
        assert_eq!(file.params().flags.bits(), 0, "{name}");
        assert_eq!(file.params().tokenizer_id, 0, "{name}");
        assert_eq!(
            file.params().model_id_hash,
            v1::model_id_hash(&format!("models/{model}.czm")),
            "{name}"
        );
        let log2 = match (level, model) {
            ("d", "v000_eng") => 6,
            ("d", "v001_eng" | "synth_peaked") => 10,
            ("d", "synth_2x4") => 7,
            ("d", "synth_3x8_sink") => 8,
            (level, _) => 5 + level.parse::<u8>().unwrap(),
        };
        assert_eq!(file.params().context.get(), log2, "{name}");
        assert_eq!(file.params().context.field() == 0, model == "v000_eng", "{name}");
        let original = fs::metadata(folder.join("inputs").join(input)).unwrap().len();
        assert_eq!(u64::from(file.original_len()), original, "{name}");
        let tokens = match fs::metadata(folder.join("tokens").join(format!("{input}.u16le"))) {
            Ok(metadata) => metadata.len() / 2,
            Err(_) => 0,
        };
        assert_eq!(file.token_count(), tokens, "{name}");

        let again = written(&file);
        assert_eq!(again[..16], bytes[..16], "{name}");
        let codec = file.params().codec;
        assert_eq!(
            decompress(codec, &again[16..]),
            decompress(codec, &bytes[16..]),
            "{name}"
        );
        assert_eq!(read(&again).unwrap(), file, "{name}");
        count += 1;
    }
    assert_eq!(count, 177);
}

#[test]
fn small_files_damaged() {
    let Some(folder) = conformance() else { return };
    for name in [
        "empty.txt.v001_eng.d.brotli.czip",
        "one_byte.txt.v001_eng.3.zstd.czip",
        "one_byte.txt.v000_eng.d.brotli.czip",
    ] {
        let bytes = fs::read(folder.join("expected").join(name)).unwrap();
        assert!(read(&bytes).is_ok(), "{name}");
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "{name}, {len} bytes");
        }
        check_header_changes(&bytes);
    }
}
