//! Containers, without what is in them.

use std::io::Cursor;

use czip_container::v1::{self, Codec, ContextLog2, Flags, Params};
use czip_container::v2::{Header, Index, Mode, ModelId, Reader, Segment, Writer};

use crate::fixtures;
use crate::input::Input;

/// Containers of both formats: what can be read is the same when it is written and read again; what is written is read;
/// and the index finds what the stream has.
pub fn container(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => read_v2(input.rest(8 << 10)),
        1 => write_v2(input),
        2 => read_v1(input.rest(8 << 10)),
        _ => write_v1(input),
    }
}

fn read_v2(file: &[u8]) {
    let segments: Result<Vec<Segment>, _> = Reader::new(file).collect();
    let index = Index::open(Cursor::new(file));
    segments.iter().flatten().for_each(check_copies);
    match (segments, index) {
        (Ok(segments), Ok(index)) => check_index(file, &index, &segments),
        // The index compares what no range would: the checksum of a file without text.
        (Ok(segments), Err(error)) => {
            let is_whole = |segment: &Segment| {
                segment.info.header.mode() != Mode::Stored
                    || segment.info.header.has_copies()
                    || segment.verify(&segment.payload).is_ok()
            };
            assert!(
                !segments.iter().all(is_whole),
                "the index of a whole file: {error}"
            );
        }
        // An index knows nothing of payloads and only repeats what the file says of itself.
        (Err(_), Ok(index)) => {
            for segment in 0..index.segments().len() {
                let _ = index.read_segment(Cursor::new(file), segment);
            }
        }
        (Err(_), Err(_)) => {}
    }
}

/// Whatever copies a segment is said to have, they make a text of its length from any rest, or are an error.
fn check_copies(segment: &Segment) {
    let text_len = segment.info.header.text_len() as usize;
    // Others take long, and nothing else.
    if text_len < 1 << 16
        && let Ok((Some(copies), coded)) = segment.copies()
    {
        let rest = vec![0; copies.rest_len() as usize];
        let text = copies.restore(&rest);
        assert_eq!(text.len(), text_len);
        assert!(copies.rest_of(&text) == rest, "another rest");
        let payload = [&copies.to_bytes()[..], coded].concat();
        assert!(payload == segment.payload, "other copies");
    }
}

fn check_index(file: &[u8], index: &Index, segments: &[Segment]) {
    assert_eq!(index.segments().len(), segments.len());
    let mut text_len = 0;
    for (number, segment) in segments.iter().enumerate() {
        let info = &segment.info;
        assert_eq!(info.text_offset, text_len);
        let found = index
            .read_segment(Cursor::new(file), number)
            .expect("a segment that the stream has");
        assert!(found == *segment, "another segment {number}");
        let segment_len = u64::from(info.header.text_len());
        if segment_len > 0 {
            assert_eq!(index.find(text_len), Some(number));
            assert_eq!(index.find(text_len + segment_len - 1), Some(number));
        }
        text_len += segment_len;
    }
    assert_eq!(index.text_len(), text_len);
    assert_eq!(index.find(text_len), None);
}

fn write_v2(mut input: Input<'_>) {
    let mut file = Vec::new();
    let mut written = Vec::new();
    for _ in 0..1 + input.below(4) {
        let level = fixtures::level(input.byte());
        let model = input.flag().then(|| ModelId([input.byte(); 4]));
        let mut writer = Writer::new(&mut file, Header { level, model });
        if input.flag() {
            writer = writer.without_index();
        }
        let before = written.len();
        for _ in 0..input.below(20) {
            let mode = [Mode::Stored, Mode::Bytes, Mode::Tokens, Mode::Net][input.below(4)];
            let (text, payload, last) = (input.bytes(), input.bytes(), input.byte() == 255);
            let copies = input.byte().is_multiple_of(4);
            let payload = if mode == Mode::Stored && !copies {
                text
            } else {
                payload
            };
            let result = if copies {
                writer.write_with_copies(mode, last, payload, text)
            } else {
                writer.write(mode, last, payload, text)
            };
            match result {
                Ok(()) => written.push((mode, payload, text)),
                // A segment refused leaves nothing behind.
                Err(_) => continue,
            }
            if last {
                break;
            }
        }
        let count = written.len() - before;
        let ended = writer.finish().expect("writing to memory").len();
        assert!(ended > 0);
        let in_member = Reader::new(&file[..]).count() - before;
        // If none was the last, there is one more.
        assert!(in_member == count || in_member == count + 1);
        if in_member > count {
            written.push((Mode::Stored, &[], &[]));
        }
    }
    let segments: Result<Vec<Segment>, _> = Reader::new(&file[..]).collect();
    let segments = segments.expect("what was written can be read");
    assert_eq!(segments.len(), written.len());
    for (segment, (mode, payload, text)) in segments.iter().zip(written) {
        assert_eq!(segment.info.header.mode(), mode);
        assert!(segment.payload == payload, "another payload");
        assert_eq!(segment.verify(text), Ok(()));
        check_copies(segment);
    }
    let index = Index::open(Cursor::new(&file)).expect("what was written has an index");
    check_index(&file, &index, &segments);
}

fn read_v1(file: &[u8]) {
    let mut limits = v1::Limits::default();
    // A header may ask for much memory, which is not what is tested here.
    limits.max_chunks = 1 << 12;
    limits.max_payload_len = 1 << 16;
    let Ok(read) = v1::read(file, &limits) else {
        return;
    };
    // With the faster codec.
    let params = Params {
        codec: Codec::Zstd,
        ..*read.params()
    };
    let mut builder = v1::Builder::new(params);
    for chunk in read.chunks() {
        builder.push(chunk).expect("a chunk of a file");
    }
    let built = builder
        .finish(read.original_len().into(), read.token_count())
        .expect("the chunks of a file");
    let mut bytes = Vec::new();
    v1::write(&built, &mut bytes).expect("writing to memory");
    let again = v1::read(&bytes[..], &limits).expect("what was written can be read");
    assert_eq!(again, built);
    assert_eq!(again.last_chunk_tokens(), read.last_chunk_tokens());
    assert_eq!(again.payload(), read.payload());
}

fn write_v1(mut input: Input<'_>) {
    let params = Params {
        flags: Flags::from_bits(input.byte() & 3).expect("two flags are defined"),
        codec: if input.flag() { Codec::Zstd } else { Codec::Brotli },
        model_id_hash: input.number() as u32,
        tokenizer_id: input.byte(),
        context: ContextLog2::new(1 + input.byte() % 15).expect("1 to 15 are in range"),
    };
    let (original_len, token_count) = (input.number() as u64, input.number() as u64);
    let mut builder = v1::Builder::new(params);
    let mut chunks = Vec::new();
    while !input.is_empty() {
        let chunk = input.bytes();
        if builder.push(chunk).is_ok() {
            chunks.push(chunk);
        } else {
            assert!(chunk.is_empty());
        }
    }
    let Ok(built) = builder.finish(original_len, token_count) else {
        return;
    };
    let mut bytes = Vec::new();
    v1::write(&built, &mut bytes).expect("writing to memory");
    let read = v1::read(&bytes[..], &v1::Limits::default()).expect("what was written can be read");
    assert_eq!(read, built);
    assert!(read.chunks().eq(chunks), "other chunks");
    assert_eq!(read.token_count(), token_count);
}
