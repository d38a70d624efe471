//! Files that come in pieces.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use czip::{Error, ErrorKind, Level, Limits, Options, PushDecoder};

fn options() -> Options {
    Options::new().level(Level::MIN).segment_len(1 << 10)
}

fn text() -> Vec<u8> {
    b"Integers are the same everywhere. ".repeat(200)
}

/// All that a file restores to in pieces of some length, and the end of it.
fn restore(file: &[u8], piece_len: usize, options: &Options) -> Result<Vec<u8>, Error> {
    let mut decoder = PushDecoder::new(None, options);
    let mut text = Vec::new();
    for piece in file.chunks(piece_len) {
        assert!(decoder.needs_input() || decoder.is_whole());
        text.extend(decoder.push(piece, usize::MAX)?);
    }
    text.extend(decoder.finish()?);
    Ok(text)
}

#[test]
fn pieces_do_not_affect_the_text() {
    let (text, options) = (text(), options());
    let file = czip::compress(None, &text, &options).unwrap();
    let plain = czip::compress(None, &text, &options.clone().index(false)).unwrap();
    let empty = czip::compress(None, b"", &options).unwrap();
    let small = czip::compress(None, b"small", &options).unwrap();
    let joined = [&file[..], &empty, &small, &plain, &empty].concat();
    let joined_text = [&text[..], b"small", &text].concat();
    for len in [1, 7, 100, 1000, usize::MAX] {
        assert_eq!(restore(&file, len, &options).unwrap(), text);
        assert_eq!(restore(&plain, len, &options).unwrap(), text);
        assert_eq!(restore(&empty, len, &options).unwrap(), b"");
        assert_eq!(restore(&joined, len, &options).unwrap(), joined_text);
    }
}

#[test]
fn text_is_there_with_its_segment_and_in_pieces() {
    let (text, options) = (text(), options());
    let file = czip::compress(None, &text, &options).unwrap();
    let mut decoder = PushDecoder::new(None, &options);
    let mut pushed = 0;
    let first = loop {
        let restored = decoder.push(&file[pushed..=pushed], 1000).unwrap();
        pushed += 1;
        if !restored.is_empty() {
            break restored;
        }
        assert!(decoder.needs_input());
    };
    assert!(pushed < file.len() / 4);
    assert_eq!(first, text[..1000]);
    assert!(!decoder.needs_input() && !decoder.is_whole());
    assert_eq!(decoder.push(b"", 1000).unwrap(), text[1000..1024]);
    assert_eq!(decoder.push(&file[pushed..], usize::MAX).unwrap(), text[1024..]);
    assert!(decoder.is_whole());
    assert_eq!(decoder.push(b"something else", 1).unwrap(), b"");
    assert_eq!(decoder.unused(), b"something else");
    let error = decoder.finish().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert_eq!(
        error.to_string(),
        r#"neither a czip nor a CZIPv1 file: it starts with "someth""#
    );
}

#[test]
fn every_cut_and_damage_is_found() {
    let options = options();
    let file = czip::compress(None, &text()[..1500], &options).unwrap();
    // Where the text has ended the index may still be missing: it need not be there.
    let text_end = file.len() - 24;
    for len in (0..text_end).chain(text_end + 1..file.len()) {
        match restore(&file[..len], 100, &options) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Truncated, "{len}: {error}"),
            Ok(_) => assert_eq!(
                czip::decompress(None, &file[..len], &options).unwrap(),
                text()[..1500]
            ),
        }
    }
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        assert!(restore(&damaged, 100, &options).is_err(), "{at}");
    }
}

#[test]
fn limits_are_of_the_whole_text() {
    let options = options();
    let half = czip::compress(None, &text()[..600], &options).unwrap();
    let twice = [&half[..], &half].concat();
    let limited = |len| options.clone().limits(Limits::new().with_text_len(len));
    assert_eq!(restore(&twice, 100, &limited(1200)).unwrap().len(), 1200);
    let error = restore(&twice, 100, &limited(1199)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

#[test]
fn what_cannot_be_restored_is_said() {
    let mut decoder = PushDecoder::new(None, &Options::new());
    assert!(matches!(decoder.push(b"CZIPv1\0\0", 1), Err(Error::WholeOnly)));
    for start in [
        &b"hello"[..],
        b"\xfacz\x65\0\0",
        b"\xfacz\x4a\0\0",
        // A stored segment of one byte whose text has two.
        b"\xfacz\x41\x0c\x02",
    ] {
        let mut decoder = PushDecoder::new(None, &Options::new());
        assert_eq!(decoder.push(start, 1).unwrap_err().kind(), ErrorKind::Malformed);
        assert!(matches!(decoder.push(b"", 1), Err(Error::AfterError)));
        assert!(matches!(decoder.finish(), Err(Error::AfterError)));
    }
}
