//! What needs a feature says so without it, and all else works.

use czip::{ErrorKind, Format, Level, Mode, Model, Options};
use czip_vectors::read;

const BROTLI: bool = cfg!(feature = "brotli");
#[cfg(feature = "v1")]
const ZSTD: bool = cfg!(feature = "zstd");
/// Whether models whose parts are compressed with zstd can be read.
const ZSTD_MODELS: bool = cfg!(any(feature = "zstd", feature = "zstd-decoder"));

/// A model, or why there is none: the tokenizer of one is compressed with brotli, and that of the other with zstd.
#[test]
fn models_take_their_codecs() {
    for (name, codec, built) in [
        ("model.czm", "brotli", BROTLI),
        ("model2.czm", "zstd", ZSTD_MODELS),
    ] {
        match Model::from_bytes(&read(name)) {
            Ok(model) => {
                assert!(built, "{name}");
                let text = b"Integers are the same everywhere.";
                let file = czip::compress(&model, text, &Options::new()).unwrap();
                assert_eq!(czip::decompress(&model, &file, &Options::new()).unwrap(), text);
            }
            Err(error) => {
                assert!(!built, "{name}: {error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert_eq!(
                    error.to_string(),
                    format!(
                        "bad model: tensor `tokenizer.data` needs {codec}, and this program is built without it"
                    )
                );
            }
        }
    }
}

#[test]
fn bytes_take_no_feature() {
    let text = b"Integers are the same everywhere. ".repeat(100);
    for level in (1..=9).filter_map(Level::new) {
        for mode in [Mode::Stored, Mode::Bytes] {
            let options = Options::new().level(level).segment_len(1024).only(mode);
            let file = czip::compress(None, &text, &options).unwrap();
            assert_eq!(czip::decompress(None, &file, &options).unwrap(), text);
        }
    }
}

#[cfg(not(feature = "v1"))]
#[test]
fn files_of_czipv1_are_known_but_not_read() {
    let file = read("files/short.k7.zstd.czip");
    assert_eq!(Format::detect(&file), Some(Format::V1));
    for error in [
        czip::decompress(None, &file, &Options::new()).unwrap_err(),
        czip::decompress_many(None, &[&file], &Options::new())
            .remove(0)
            .unwrap_err(),
    ] {
        assert!(matches!(error, czip::Error::V1NotBuilt));
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

#[cfg(feature = "v1")]
#[test]
fn files_of_czipv1_take_their_codecs() {
    for (name, codec, built) in [
        ("files/short.k7.zstd.czip", "zstd", ZSTD),
        ("files/short.k3.brotli.czip", "brotli", BROTLI),
    ] {
        let file = read(name);
        assert_eq!(Format::detect(&file), Some(Format::V1));
        match czip::v1::inspect(&file[..], &Options::new()) {
            Ok(found) => assert!(built && found.params.codec.to_string() == codec, "{name}"),
            Err(error) => {
                assert!(!built, "{name}: {error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert_eq!(
                    error.to_string(),
                    format!("the outer codec {codec} is needed, and this program is built without it")
                );
            }
        }
    }
}

#[cfg(all(feature = "v1", any(feature = "brotli", feature = "zstd")))]
#[test]
fn texts_are_written_with_the_codecs_that_there_are() {
    use czip::v1::Codec;

    let model = Model::from_bytes(&read(if BROTLI { "model.czm" } else { "model2.czm" })).unwrap();
    let text = b"Integers are the same everywhere.";
    for (codec, built) in [(Codec::Brotli, BROTLI), (Codec::Zstd, ZSTD)] {
        let options = Options::new().v1_codec(codec);
        match czip::v1::compress(&model, text, &options) {
            Ok(file) => {
                assert!(built, "{codec}");
                assert_eq!(czip::decompress(&model, &file, &options).unwrap(), text);
            }
            Err(error) => {
                assert!(!built, "{codec}: {error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported);
            }
        }
    }
    // The default is one of them.
    assert!(czip::v1::compress(&model, text, &Options::new()).is_ok());
}
