//! Streams in pieces.

use std::io::{Read, Write};

use czip::{Decoder, Encoder, Options};

use crate::fixtures;
use crate::input::{Input, Trickle};

/// Readers that give a few bytes at a time and are interrupted, and writers that are given a few: the file and the text are
/// those of the whole. Of a damaged file only right text comes out, and then an error.
pub fn stream(data: &[u8]) {
    let mut input = Input::new(data);
    let model = fixtures::model(input.byte());
    let level = fixtures::level(input.byte());
    let options = fixtures::options()
        .level(level)
        .segment_len(1 << 10 | input.number() & 0xff)
        .index(input.flag());
    let damage = (input.number(), input.byte());
    let cuts = [input.bytes(), input.bytes()];
    let text = input.text(fixtures::max_text_len(model));
    let file = czip::compress(model, &text, &options).expect("any text can be compressed");

    let mut encoder = Encoder::new(model, Vec::new(), &options);
    in_pieces(&text, cuts[0], |piece| {
        encoder.write_all(piece).expect("writing to memory");
        if piece.len() == 7 {
            encoder.flush().expect("writing to memory");
        }
    });
    let (pieces, summary) = encoder.finish().expect("writing to memory");
    assert!(pieces == file, "another file in pieces");
    assert_eq!(
        (summary.text_len, summary.file_len),
        (text.len() as u64, file.len() as u64)
    );

    let mut pieces = Vec::new();
    let reader = Trickle::new(&text[..], cuts[1]);
    czip::compress_to(model, reader, &mut pieces, &options).expect("reading from memory");
    assert!(pieces == file, "another file of a reader");

    let mut back = Vec::new();
    let mut decoder = Decoder::new(model, Trickle::new(&file[..], cuts[0]), &options);
    read_in_pieces(&mut decoder, cuts[1], &mut back).expect("what was compressed can be restored");
    assert!(back == text, "another text in pieces");

    let mut back = Vec::new();
    let reader = Trickle::new(&file[..], cuts[1]);
    let summary = czip::decompress_to(model, reader, &mut back, &options).expect("reading from memory");
    assert!(back == text, "another text of a reader");
    assert_eq!(
        (summary.text_len, summary.file_len),
        (text.len() as u64, file.len() as u64)
    );

    damaged(file, damage, cuts, model, &text, &options);
}

fn damaged(
    mut file: Vec<u8>,
    (place, change): (usize, u8),
    cuts: [&[u8]; 2],
    model: Option<&czip::Model>,
    text: &[u8],
    options: &Options,
) {
    let place = place % file.len();
    match change {
        0 => file.truncate(place),
        change => file[place] ^= change,
    }
    let options = options
        .clone()
        .limits(czip::Limits::new().with_text_len(text.len() as u64));
    let mut back = Vec::new();
    let mut decoder = Decoder::new(model, Trickle::new(&file[..], cuts[1]), &options);
    let end = read_in_pieces(&mut decoder, cuts[0], &mut back);
    assert!(text.starts_with(&back), "wrong text");
    if end.is_ok() {
        assert!(back == text, "a part of the text, and no error");
    } else {
        let again = decoder.read(&mut [0]);
        assert!(again.is_err(), "after an error there is {again:?}");
    }
}

fn in_pieces(mut bytes: &[u8], cuts: &[u8], mut take: impl FnMut(&[u8])) {
    for &cut in cuts.iter().cycle().take(4_096) {
        let (piece, rest) = bytes.split_at(bytes.len().min(cut.into()));
        take(piece);
        bytes = rest;
    }
    take(bytes);
}

fn read_in_pieces(reader: &mut impl Read, cuts: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut buffer = [0; 256];
    for &cut in [64].iter().chain(cuts).cycle() {
        let len = match reader.read(&mut buffer[..usize::from(cut).max(1)]) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        out.extend_from_slice(&buffer[..len]);
    }
    Ok(())
}
