//! The example of the specification page.

use czip_container::v1::{self, Builder, Codec, ContextLog2, File, Flags, Params};

use super::util::{decompress, read, written};

const PAGE: &str = include_str!("../../../../../docs/spec/czip-v1.md");

/// The bytes of the page's example blocks. A line is bytes, then perhaps a word on them after three spaces.
fn blocks() -> Vec<Vec<u8>> {
    let blocks = PAGE
        .split("```hex\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap());
    let bytes = |line: &'static str| line.split("   ").next().unwrap().split_whitespace();
    blocks
        .map(|block| {
            block
                .lines()
                .flat_map(bytes)
                .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                .collect()
        })
        .collect()
}

fn example(codec: Codec) -> File {
    let mut builder = Builder::new(Params {
        flags: Flags::default(),
        codec,
        model_id_hash: v1::model_id_hash("models/v001_eng.czm"),
        tokenizer_id: 0,
        context: ContextLog2::new(2).unwrap(),
    });
    builder.push(&[0x2c]).unwrap();
    builder.push(&[0x50]).unwrap();
    builder.finish(6, 6).unwrap()
}

#[test]
fn example_is_right() {
    let blocks = blocks();
    assert_eq!(blocks.len(), 3);
    for (codec, bytes) in [(Codec::Zstd, &blocks[1]), (Codec::Brotli, &blocks[2])] {
        let file = example(codec);
        assert_eq!(read(bytes).unwrap(), file);
        assert_eq!(decompress(codec, &bytes[16..]), blocks[0]);

        let again = written(&file);
        assert_eq!(again[..16], bytes[..16]);
        assert_eq!(decompress(codec, &again[16..]), blocks[0]);
    }
}
