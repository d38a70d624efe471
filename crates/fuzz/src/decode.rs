//! Arbitrary bytes to text.

use std::io::Read;

use czip::{Decoder, Format, Model, ModelId, Options};
use czip_container::v1::{self, ContextLog2, Flags, Params};
use czip_container::v2::{Header, Mode, Reader, Writer};

use crate::fixtures;
use crate::input::Input;

/// Arbitrary files of both formats: what they are decoded to is within the limit, the same by every function, and
/// what the file declares; a checksum that belongs to another text is an error.
pub fn decode(data: &[u8]) {
    let mut input = Input::new(data);
    let model = fixtures::model(input.byte());
    let options = fixtures::options_for(max_text_len(model));
    match input.byte() % 4 {
        2 => pieces_of_v1(input, model),
        3 => payloads_of_v2(input, model, &options),
        _ => file(input.rest(8 << 10), model, &options),
    }
}

/// Twice what other targets have: here a text is coded in only one direction.
fn max_text_len(model: Option<&Model>) -> usize {
    2 * fixtures::max_text_len(model)
}

fn file(file: &[u8], model: Option<&Model>, options: &Options) {
    let max_len = max_text_len(model);
    // For CZIPv1 threads are those of one pool, as otherwise each call has to make another.
    let is_v1 = Format::detect(file) == Some(Format::V1);
    let of_v1 = Options::new().limits(czip::Limits::new().with_text_len(max_len as u64));
    let options = if is_v1 { &of_v1 } else { options };
    let text = czip::decompress(model, file, options);

    let mut other = czip::decompress_many(model, &[file, b"neither"], options);
    assert!(other.pop().is_some_and(|text| text.is_err()));
    let other = other.pop().expect("two results");
    match (&text, &other) {
        (Ok(text), Ok(other)) => assert!(text == other, "another text"),
        (Err(_), Err(_)) => {}
        _ => panic!("{text:?} here, {other:?} there"),
    }
    let Ok(text) = text else {
        return;
    };
    assert!(text.len() <= max_len);
    if is_v1 {
        let file = v1::read(file, &v1::Limits::default()).expect("it has been read");
        assert_eq!(u64::from(file.original_len()), text.len() as u64);
    } else {
        let segments = Reader::new(file).map(|segment| segment.expect("it has been read"));
        let len: u64 = segments
            .map(|segment| u64::from(segment.info.header.text_len()))
            .sum();
        assert_eq!(len, text.len() as u64);
    }
}

/// A CZIPv1 file with any chunks, within a sound container.
fn pieces_of_v1(mut input: Input<'_>, model: Option<&Model>) {
    let params = Params {
        flags: Flags::default(),
        codec: czip::v1::Codec::Zstd,
        model_id_hash: 0,
        tokenizer_id: 0,
        context: ContextLog2::new(6 + input.byte() % 3).expect("6 to 8 are in range"),
    };
    let (original_len, token_count) = (input.below(300), input.below(300));
    let mut builder = v1::Builder::new(params);
    while !input.is_empty() {
        // A chunk without bytes is refused.
        let _ = builder.push(input.bytes());
    }
    let Ok(built) = builder.finish(original_len as u64, token_count as u64) else {
        return;
    };
    let mut bytes = Vec::new();
    v1::write(&built, &mut bytes).expect("writing to memory");
    file(&bytes, model, &Options::new());
}

/// A czip v2 file with any payloads, whose checksums fit these payloads and any text.
fn payloads_of_v2(mut input: Input<'_>, model: Option<&Model>, options: &Options) {
    let model_id = match input.byte() % 4 {
        0 => None,
        1 => Some(ModelId([0; 4])),
        _ => model.map(Model::id),
    };
    let level = fixtures::level(input.byte());
    let mut file = Vec::new();
    let mut text = Vec::new();
    let mut writer = Writer::new(
        &mut file,
        Header {
            level,
            model: model_id,
        },
    );
    while !input.is_empty() {
        let mode = [Mode::Stored, Mode::Bytes, Mode::Tokens, Mode::Net][input.below(4)];
        let (segment, payload) = (input.bytes(), input.bytes());
        let payload = if mode == Mode::Stored { segment } else { payload };
        if writer.write(mode, false, payload, segment).is_ok() {
            text.extend_from_slice(segment);
        }
    }
    writer.finish().expect("writing to memory");

    let mut decoder = Decoder::new(model, &file[..], options);
    let mut found = Vec::new();
    let end = decoder.read_to_end(&mut found);
    assert!(text.starts_with(&found), "text that no checksum is of");
    if end.is_ok() {
        assert!(text == found, "a part of the text, and no error");
    }
}
