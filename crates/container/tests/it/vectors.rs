//! The golden vectors: files, their parts, and files that must be refused.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]

use std::io::Read;

use czip_container::v1::{self, Codec, Limits};
use czip_vectors::{array, from_hex, json, read, text};

/// The outer codec undone without the crate's own reader.
fn decompressed(codec: Codec, stream: &[u8]) -> Vec<u8> {
    let mut contents = Vec::new();
    match codec {
        Codec::Zstd => {
            let mut decoder = zstd::Decoder::new(stream).unwrap();
            decoder.window_log_max(27).unwrap();
            decoder.read_to_end(&mut contents).unwrap();
        }
        Codec::Brotli => {
            brotli::Decompressor::new(stream, 4096)
                .read_to_end(&mut contents)
                .unwrap();
        }
        _ => panic!("{codec}"),
    }
    contents
}

#[test]
fn files_and_their_parts() {
    let index = json("files.json");
    let files = array(&index["files"]);
    assert_eq!(files.len(), 13);
    let model_id = v1::model_id_hash(text(&index["model_path"]));
    for entry in files {
        let name = text(&entry["file"]);
        let bytes = read(name);
        let file = v1::read(&bytes[..], &Limits::default()).unwrap();
        let params = file.params();
        assert_eq!(params.model_id_hash, model_id, "{name}");
        assert_eq!(params.codec.to_string(), text(&entry["codec"]), "{name}");
        assert_eq!(params.flags.bits(), entry["flags"], "{name}");
        assert_eq!(params.context.field(), entry["context_field"], "{name}");
        assert_eq!(file.token_count(), entry["tokens"], "{name}");
        let chunks: Vec<Vec<u8>> = array(&entry["chunks"]).iter().map(from_hex).collect();
        assert_eq!(file.chunks().collect::<Vec<_>>(), chunks, "{name}");

        // Both the file as it is and one written now.
        let header = from_hex(&entry["header"]);
        let contents = [from_hex(&entry["inner_header"]), chunks.concat()].concat();
        let mut written = Vec::new();
        v1::write(&file, &mut written).unwrap();
        for bytes in [bytes, written] {
            assert_eq!(bytes[..16], header, "{name}");
            assert_eq!(decompressed(params.codec, &bytes[16..]), contents, "{name}");
        }
    }
}

#[test]
fn malformed_files_say_what_is_wrong() {
    let index = json("errors.json");
    let entries = array(&index["files"]);
    let mut refused = 0;
    for entry in entries {
        let name = text(&entry["file"]);
        let result = v1::read(&read(name)[..], &Limits::default());
        if entry["needs_model"] == true {
            assert!(result.is_ok(), "{name}");
        } else {
            assert_eq!(result.unwrap_err().to_string(), text(&entry["error"]), "{name}");
            refused += 1;
        }
    }
    assert_eq!((refused, entries.len()), (29, 38));
}
