//! What holds of all files: what is read is what was written, however it is read.

use czip_container::v1::{self, Builder, Codec, ContextLog2, File, Flags, Limits, Params, Reader};
use proptest::prelude::*;

use super::util::{read, written};

/// Any file of a few chunks.
fn files() -> impl Strategy<Value = File> {
    let chunks = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20);
    (
        chunks,
        any::<bool>(),
        any::<u32>(),
        any::<u32>(),
        any::<u8>(),
        1..=15u8,
        1..=64u64,
        0..=3u8,
    )
        .prop_map(
            |(chunks, brotli, original_len, model_id_hash, tokenizer_id, log2, last, flags)| {
                let context = ContextLog2::new(log2).unwrap();
                let mut builder = Builder::new(Params {
                    flags: Flags::from_bits(flags).unwrap(),
                    codec: if brotli { Codec::Brotli } else { Codec::Zstd },
                    model_id_hash,
                    tokenizer_id,
                    context,
                });
                chunks.iter().for_each(|chunk| builder.push(chunk).unwrap());
                let chunk_tokens = u64::from(context.chunk_tokens());
                let tokens = match chunks.len() as u64 {
                    0 => 0,
                    count => (count - 1) * chunk_tokens + last.min(chunk_tokens),
                };
                builder.finish(original_len.into(), tokens).unwrap()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_read_is_what_was_written(file in files(), counts in prop::collection::vec(0..5usize, 1..5)) {
        let bytes = written(&file);
        prop_assert_eq!(&read(&bytes).unwrap(), &file);

        let found = v1::inspect(&bytes[..], &Limits::default()).unwrap();
        prop_assert_eq!(found.header, file.header());
        prop_assert_eq!(&found.params, file.params());
        prop_assert_eq!(found.token_count, file.token_count());
        prop_assert_eq!(found.payload_len, file.payload().len() as u64);

        // Some chunks at a time, and at last all that are left.
        let mut reader = Reader::new(&bytes[..], &Limits::default()).unwrap();
        let (mut payload, mut all, mut lens) = (Vec::new(), Vec::new(), Vec::new());
        for count in counts.into_iter().chain([usize::MAX]) {
            let left = reader.chunks_left();
            let read = reader.read_chunks(count, &mut payload).unwrap();
            prop_assert_eq!(read.len(), count.min(left));
            lens.extend_from_slice(read);
            all.extend_from_slice(&payload);
        }
        prop_assert_eq!(all, file.payload());
        let expected: Vec<u16> = file.chunks().map(|chunk| chunk.len() as u16).collect();
        prop_assert_eq!(lens, expected);
    }
}
