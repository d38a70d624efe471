//! czip v2: texts come back whatever they are, and files are the same however they are made.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]

use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use czip::v2::container::Reader;
use czip::{Decoder, Encoder, Error, ErrorKind, Format, Kernels, Level, Limits, Mode, Model, Options};
use czip_vectors::{ModelFile, Tensor, read};
use proptest::prelude::*;

static MODEL_FILE: LazyLock<Vec<u8>> = LazyLock::new(|| read("model.czm"));

/// The synthetic model with every instruction set of this machine.
static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    Kernels::available()
        .map(|kernels| Model::with_kernels(&MODEL_FILE, kernels).unwrap())
        .collect()
});

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(&MODEL_FILE).unwrap());

const MODES: [Mode; 4] = [Mode::Stored, Mode::Bytes, Mode::Tokens, Mode::Net];

fn level(level: u8) -> Level {
    Level::new(level).unwrap()
}

fn options(threads: usize) -> Options {
    Options::new().threads(NonZeroUsize::new(threads).unwrap())
}

/// Bytes that do not compress, from a fixed seed.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Text, then noise, then text, with enough repetition to be compressed in any mode.
fn mixed(len: usize) -> Vec<u8> {
    let line = "Integers are the same everywhere: 1, 2, 3.\r\nNaïvely <|bos|> or not.\0\n".as_bytes();
    let mut bytes: Vec<u8> = line.iter().copied().cycle().take(len).collect();
    let third = len / 3;
    bytes[third..third + third / 8].copy_from_slice(&noise(third / 8));
    bytes
}

fn modes(file: &[u8]) -> Vec<Mode> {
    Reader::new(file)
        .map(|segment| segment.unwrap().info.header.mode())
        .collect()
}

/// Every way to make a file gives this one, and every way to restore it gives the text.
fn check(text: &[u8], options_of: impl Fn(usize) -> Options) -> Vec<u8> {
    let file = czip::compress(&*MODEL, text, &options_of(1)).unwrap();
    for (number, model) in MODELS.iter().enumerate() {
        let place = model.transformer().kernels().instruction_set();
        let threads = 1 + (number + 1) % 3;
        let options = options_of(threads);
        let made = czip::compress(model, text, &options).unwrap();
        assert!(made == file, "{place}, {threads} threads, {} bytes", text.len());
        let restored = czip::decompress(model, &file, &options).unwrap();
        assert!(
            restored == text,
            "{place}, {threads} threads, {} bytes",
            text.len()
        );
    }
    file
}

#[test]
fn levels_and_modes_at_every_kernel_level() {
    let text = mixed(1500);
    // From 4 on, levels mix alike.
    for number in [1, 2, 3, 4, 9] {
        for mode in MODES {
            let options_of = |threads| options(threads).level(level(number)).only(mode).segment_len(1024);
            let file = check(&text, options_of);
            let expected = match mode {
                Mode::Net if number < 4 => Mode::Tokens,
                mode => mode,
            };
            assert_eq!(modes(&file), [expected; 2], "level {number}");
        }
        check(&text, |threads| {
            options(threads).level(level(number)).segment_len(1024)
        });
    }
}

#[test]
fn threads_do_not_change_anything() {
    let text = mixed(9000);
    for mode in [None, Some(Mode::Net)] {
        let options_of = |threads| {
            let options = options(threads).segment_len(1024);
            match mode {
                Some(mode) => options.only(mode),
                None => options,
            }
        };
        let file = czip::compress(&*MODEL, &text, &options_of(1)).unwrap();
        for threads in 1..=3 {
            let options = options_of(threads);
            assert!(
                czip::compress(&*MODEL, &text, &options).unwrap() == file,
                "{threads}"
            );
            assert!(
                czip::decompress(&*MODEL, &file, &options).unwrap() == text,
                "{threads}"
            );
        }
    }
}

#[test]
fn texts_of_all_kinds_come_back_without_much_around_them() {
    let texts: [&[u8]; 10] = [
        b"",
        b"a",
        b"\0",
        b"\xff",
        b"\0\0\0\0\0\0\0\0\0\0\0\0",
        b"one\r\ntwo\r\n\r\n",
        b"\xf0\x9f\x98\xe2\x82\xff\xfe\xc0\x80",
        "<|bos|><|eos|> na\u{ef}ve \u{1f600}".as_bytes(),
        b"\xfacz\x45 CZIPv1",
        &mixed(600),
    ];
    for text in texts {
        for number in [1, 5, 9] {
            for mode in [None, Some(Mode::Bytes), Some(Mode::Tokens), Some(Mode::Net)] {
                let mut options = options(1).level(level(number));
                if let Some(mode) = mode {
                    options = options.only(mode);
                }
                let file = czip::compress(&*MODEL, text, &options).unwrap();
                let place = format!("{} at level {number}, {mode:?}", text.escape_ascii());
                assert_eq!(
                    czip::decompress(&*MODEL, &file, &options).unwrap(),
                    text,
                    "{place}"
                );
                let segment = Reader::new(&file[..]).next().unwrap().unwrap();
                assert!(file.len() <= segment.payload.len() + 16, "{place}");
                assert!(file.len() <= text.len() + 16, "{place}");
                // A model is named where it is needed.
                let mode = segment.info.header.mode();
                assert_eq!(segment.info.member.model.is_some(), mode.needs_model(), "{place}");
            }
            let bare = czip::compress(None, text, &options(1).level(level(number))).unwrap();
            assert_eq!(czip::decompress(None, &bare, &options(1)).unwrap(), text);
        }
    }
}

/// Bytes as they come: pieces of text, of noise, and of repetitions.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "\\PC{0,40}".prop_map(String::into_bytes),
        "[a-z ,.\r\n]{0,60}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..40),
        (any::<u8>(), 0..80usize).prop_map(|(byte, count)| vec![byte; count]),
        Just(b"<|bos|>".to_vec()),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_come_back(
        text in any_bytes(),
        number in 1u8..=9,
        mode in proptest::option::of(proptest::sample::select(&MODES[..])),
        threads in 1usize..=3,
        kernels in any::<proptest::sample::Index>(),
    ) {
        let model = kernels.get(&MODELS[..]);
        let mut options = options(threads).level(level(number));
        if let Some(mode) = mode {
            options = options.only(mode);
        }
        let file = czip::compress(model, &text, &options).unwrap();
        prop_assert!(file.len() <= text.len() + 32);
        prop_assert_eq!(czip::decompress(&*MODEL, &file, &options).unwrap(), &text[..]);
        prop_assert_eq!(czip::compress(&*MODEL, &text, &options).unwrap(), file);
    }

    #[test]
    fn any_bytes_are_no_reason_to_panic(file in proptest::collection::vec(any::<u8>(), 0..60), tag in 0u8..=255) {
        let _ = czip::decompress(&*MODEL, &file, &options(1).limits(Limits::new().with_text_len(1 << 12)));
        let file = [&[0xfa, b'c', b'z', tag], &file[..]].concat();
        let _ = czip::decompress(&*MODEL, &file, &options(1).limits(Limits::new().with_text_len(1 << 12)));
    }
}

#[test]
fn data_that_do_not_compress_hardly_grow() {
    for len in [1, 100, 5000, 1 << 20] {
        let text = noise(len);
        let model = (len <= 5000).then_some(&*MODEL);
        let file = czip::compress(model, &text, &options(2)).unwrap();
        assert!(file.len() <= len + 32, "{len}: {}", file.len());
        assert!(czip::decompress(model, &file, &options(2)).unwrap() == text);
    }
}

/// Text in which a long passage comes twice, the second time with its start over and over.
fn repetitive() -> Vec<u8> {
    let passage: Vec<u8> = (0..700)
        .flat_map(|n: u32| format!("{} sheep\n", n * n * n % 9973).into_bytes())
        .collect();
    [
        &passage[..],
        &mixed(300),
        &passage,
        &passage[..50].repeat(200),
        b"the end",
    ]
    .concat()
}

#[test]
fn long_passages_that_repeat_are_copied_in_every_mode() {
    let text = repetitive();
    for number in [1, 5] {
        for mode in MODES {
            let file = check(&text, |threads| options(threads).level(level(number)).only(mode));
            let segment = Reader::new(&file[..]).next().unwrap().unwrap();
            let (copies, coded) = segment.copies().unwrap();
            let Some(copies) = copies else {
                assert_eq!(mode, Mode::Stored, "level {number}");
                continue;
            };
            let rest = copies.rest_of(&text);
            assert!(rest.len() < text.len() / 2, "{}", rest.len());
            // The rest is coded as if it were a text of its own.
            let alone = czip::compress(&*MODEL, &rest, &options(1).level(level(number)).only(mode)).unwrap();
            let alone = Reader::new(&alone[..]).next().unwrap().unwrap();
            assert_eq!(segment.info.header.mode(), alone.info.header.mode());
            assert!(coded == alone.payload, "level {number}, {mode}");
        }
    }
    // In each segment by itself, and a stored rest.
    let text = [noise(9000), noise(9000), mixed(500)].concat();
    for segment_len in [9000, 1 << 20] {
        let file = check(&text, |threads| options(threads).segment_len(segment_len));
        let stored = if segment_len == 9000 { 18_000 } else { 9000 };
        let expected = stored..stored + 600;
        assert!(expected.contains(&file.len()), "{segment_len}: {}", file.len());
        let mut decoder = Decoder::new(&*MODEL, Cursor::new(&file), &options(2));
        assert!(decoder.read_range(8000..12_345).unwrap() == text[8000..12_345]);
    }
}

#[test]
fn damaged_copies_are_errors() {
    let text = [noise(9000), noise(9000), mixed(500)].concat();
    let file = czip::compress(&*MODEL, &text, &options(1)).unwrap();
    let segment = Reader::new(&file[..]).next().unwrap().unwrap();
    let start =
        segment.info.header.to_bytes().len() + file.len() - segment.info.header.segment_len() as usize;
    for at in start..start + 12 {
        for flip in [1, 0x40, 0x80] {
            let mut damaged = file.clone();
            damaged[at] ^= flip;
            let error = czip::decompress(&*MODEL, &damaged, &options(1)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{at}: {error}");
        }
    }
    let mut damaged = file;
    // No copied passage.
    damaged[start] = 0;
    let error = czip::decompress(&*MODEL, &damaged, &options(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "segment 0 of member 0, at byte 4: it is said to have copied passages, but has none: the file is damaged"
    );
}

#[test]
fn joined_files_hold_the_joined_texts() {
    let texts = [mixed(2500), Vec::new(), b"middle".to_vec(), noise(1500)];
    let [a, b, c, d] = [Mode::Net, Mode::Bytes, Mode::Stored, Mode::Bytes];
    let mut file = Vec::new();
    for (text, mode) in texts.iter().zip([a, b, c, d]) {
        let options = options(1).segment_len(1024).only(mode);
        file.extend(czip::compress(&*MODEL, text, &options).unwrap());
    }
    let joined = texts.concat();
    assert_eq!(czip::decompress(&*MODEL, &file, &options(2)).unwrap(), joined);
    let many = czip::decompress_many(&*MODEL, &[&file[..], &file[..]], &options(2));
    assert!(many.into_iter().all(|text| text.unwrap() == joined));

    let mut decoder = Decoder::new(&*MODEL, Cursor::new(&file), &options(2));
    assert_eq!(decoder.index().unwrap().text_len(), joined.len() as u64);
    assert_eq!(decoder.read_range(2400..2600).unwrap(), joined[2400..2600]);
}

#[test]
fn pieces_do_not_change_anything() {
    // Stored segments cost nothing, so there can be more of them than are encoded or decoded at a time.
    for (text, options) in [
        (mixed(5000), options(2).segment_len(1024).only(Mode::Tokens)),
        (noise(600_000), options(1).segment_len(1024).only(Mode::Stored)),
        (noise(600_000), options(2).segment_len(1024).only(Mode::Stored)),
        (noise(256 << 10), options(1).segment_len(1024).only(Mode::Stored)),
        (Vec::new(), options(1)),
    ] {
        let whole = czip::compress(&*MODEL, &text, &options).unwrap();
        for len in [7, 1024, 99_991] {
            let mut encoder = Encoder::new(&*MODEL, Vec::new(), &options);
            for piece in text.chunks(len) {
                encoder.write_all(piece).unwrap();
            }
            let (file, summary) = encoder.finish().unwrap();
            assert!(file == whole, "{} bytes in pieces of {len}", text.len());
            assert_eq!(summary.file_len, whole.len() as u64);
            assert_eq!(summary.text_len, text.len() as u64);
            assert_eq!(summary.segments, text.len().div_ceil(1024).max(1) as u64);
            assert_eq!(summary.format, Format::V2);

            let mut decoder = Decoder::new(&*MODEL, &file[..], &options);
            let (mut restored, mut buffer) = (Vec::new(), vec![0; len]);
            loop {
                let read = decoder.read(&mut buffer).unwrap();
                if read == 0 {
                    break;
                }
                restored.extend_from_slice(&buffer[..read]);
            }
            assert!(restored == text, "{} bytes in pieces of {len}", text.len());
        }
        let mut file = Vec::new();
        let made = czip::compress_to(&*MODEL, &text[..], &mut file, &options).unwrap();
        assert!(file == whole);
        let mut restored = Vec::new();
        let read = czip::decompress_to(&*MODEL, &file[..], &mut restored, &options).unwrap();
        assert!(restored == text);
        assert_eq!(made, read);
    }
}

#[test]
fn encoder_that_is_not_finished_leaves_a_file_cut_short() {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(None, &mut file, &options(1).segment_len(1024).only(Mode::Stored));
    encoder.write_all(&noise(300 << 10)).unwrap();
    drop(encoder);
    let error = czip::decompress(None, &file, &options(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
}

#[test]
fn any_place_of_the_text_can_be_sought() {
    let text = mixed(6000);
    for (mode, index) in [(Mode::Net, true), (Mode::Bytes, false), (Mode::Tokens, true)] {
        let options = options(2).segment_len(1024).only(mode).index(index);
        let file = czip::compress(&*MODEL, &text, &options).unwrap();
        let mut decoder = Decoder::new(&*MODEL, Cursor::new(&file), &options);
        let mut start = [0; 10];
        decoder.read_exact(&mut start).unwrap();
        assert_eq!(start, text[..10]);
        assert_eq!(decoder.stream_position().unwrap(), 10);
        for (from, len) in [
            (0, 1),
            (5999, 1),
            (1023, 2),
            (3000, 2000),
            (6000, 0),
            (1024, 1024),
            (10, 3),
        ] {
            assert_eq!(decoder.seek(SeekFrom::Start(from as u64)).unwrap(), from as u64);
            let mut piece = vec![0; len];
            decoder.read_exact(&mut piece).unwrap();
            assert!(piece == text[from..from + len], "{from}, {len}");
            assert_eq!(decoder.stream_position().unwrap(), (from + len) as u64);
            let range = from as u64..(from + len) as u64;
            assert!(
                decoder.read_range(range).unwrap() == text[from..from + len],
                "{from}, {len}"
            );
        }
        assert_eq!(decoder.seek(SeekFrom::End(-5)).unwrap(), 5995);
        assert_eq!(decoder.seek(SeekFrom::Current(-1000)).unwrap(), 4995);
        let mut rest = Vec::new();
        decoder.read_to_end(&mut rest).unwrap();
        assert!(rest == text[4995..]);
        assert_eq!(decoder.seek(SeekFrom::Start(9000)).unwrap(), 9000);
        assert_eq!(decoder.read(&mut start).unwrap(), 0);
        assert!(decoder.seek(SeekFrom::Current(-9001)).is_err());
        decoder.seek(SeekFrom::Start(0)).unwrap();
        let mut whole = Vec::new();
        decoder.read_to_end(&mut whole).unwrap();
        assert!(whole == text);
        assert_eq!(decoder.read_range(5990..7000).unwrap(), text[5990..]);
        assert_eq!(decoder.read_range(7000..8000).unwrap(), b"");
    }
}

#[test]
fn a_place_can_be_sought_before_the_last_one_was_read() {
    let text = mixed(4000);
    let options = options(1).segment_len(1024).only(Mode::Bytes);
    let file = czip::compress(None, &text, &options).unwrap();
    let mut decoder = Decoder::new(None, Cursor::new(&file), &options);
    let mut found = [0; 10];
    for from in [3000, 2048, 2050, 2048, 0, 4000, 3990] {
        decoder.seek(SeekFrom::Start(from)).unwrap();
        assert_eq!(decoder.stream_position().unwrap(), from);
    }
    decoder.read_exact(&mut found).unwrap();
    assert_eq!(found, text[3990..]);
    decoder.seek(SeekFrom::Start(3000)).unwrap();
    decoder.seek(SeekFrom::Start(2048)).unwrap();
    decoder.read_exact(&mut found).unwrap();
    assert_eq!(found, text[2048..2058]);
}

#[test]
fn seeking_after_an_error_does_not_pass_over_it() {
    let text = mixed(4000);
    let options = options(2).segment_len(1024).only(Mode::Bytes);
    let mut file = czip::compress(None, &text, &options).unwrap();
    let second = Reader::new(&file[..]).nth(1).unwrap().unwrap();
    file[second.info.offset as usize + 20] ^= 1;
    let mut decoder = Decoder::new(None, Cursor::new(&file), &options);
    for from in [0, 1000, 1024, 10] {
        decoder.seek(SeekFrom::Start(from as u64)).unwrap();
        let mut found = Vec::new();
        let error = decoder.read_to_end(&mut found).unwrap_err();
        assert!(error.to_string().starts_with("segment 1 of member 0"), "{error}");
        assert!(found == text[from..1024], "{from}");
    }
    let mut rest = Vec::new();
    decoder.seek(SeekFrom::Start(2048)).unwrap();
    decoder.read_to_end(&mut rest).unwrap();
    assert!(rest == text[2048..]);
}

#[test]
fn many_texts_give_the_files_of_each() {
    let texts: Vec<Vec<u8>> = (0..20).map(|number| mixed(number * 74)).collect();
    for mode in [None, Some(Mode::Net)] {
        for threads in 1..=3 {
            let mut options = options(threads).segment_len(1024);
            if let Some(mode) = mode {
                options = options.only(mode);
            }
            let files: Vec<Vec<u8>> = czip::compress_many(&*MODEL, &texts, &options)
                .into_iter()
                .map(Result::unwrap)
                .collect();
            for (text, file) in texts.iter().zip(&files).step_by(5) {
                assert!(
                    czip::compress(&*MODEL, text, &options).unwrap() == *file,
                    "{}",
                    text.len()
                );
            }
            let restored = czip::decompress_many(&*MODEL, &files, &options);
            for (text, restored) in texts.iter().zip(restored) {
                assert!(restored.unwrap() == *text, "{}", text.len());
            }
        }
    }
}

#[test]
fn one_file_in_error_does_not_concern_the_others() {
    let text = mixed(700);
    let options = options(2).only(Mode::Net);
    let good = czip::compress(&*MODEL, &text, &options).unwrap();
    let mut damaged = good.clone();
    damaged[20] ^= 1;
    let old = read("files/short.k7.zstd.czip");
    let files = [&good[..], &damaged, b"junk", &old, &good[..30], b"", &good];
    let mut texts = czip::decompress_many(&*MODEL, &files, &options).into_iter();
    let mut next = || texts.next().unwrap();
    assert_eq!(next().unwrap(), text);
    assert!(matches!(
        next().unwrap_err(),
        Error::Segment {
            member: 0,
            segment: 0,
            ..
        }
    ));
    assert_eq!(
        next().unwrap_err().to_string(),
        "neither a czip nor a CZIPv1 file: it starts with \"junk\""
    );
    assert_eq!(
        next().unwrap(),
        czip::v1::decompress(&MODEL, &old, &options).unwrap()
    );
    assert!(matches!(next().unwrap_err(), Error::Format(_)));
    assert!(matches!(next().unwrap_err(), Error::UnknownFormat { .. }));
    assert_eq!(next().unwrap(), text);
}

#[test]
fn damage_anywhere_is_found() {
    let text = mixed(2600);
    for mode in [Mode::Stored, Mode::Bytes, Mode::Tokens, Mode::Net] {
        let options = options(1)
            .level(level(4))
            .segment_len(1024)
            .only(mode)
            .limits(Limits::new().with_text_len(1 << 13));
        let file = czip::compress(&*MODEL, &text, &options).unwrap();
        let step = if mode == Mode::Stored { 1 } else { 5 };
        for at in (0..file.len()).step_by(step) {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(
                czip::decompress(&*MODEL, &damaged, &options).is_err(),
                "{mode}, byte {at}"
            );
        }
        // Without its index the file is still a whole one.
        let bare = czip::compress(&*MODEL, &text, &options.clone().index(false)).unwrap();
        assert!(file.starts_with(&bare));
        for len in (0..file.len()).step_by(step).filter(|&len| len != bare.len()) {
            assert!(
                czip::decompress(&*MODEL, &file[..len], &options).is_err(),
                "{mode}, {len} bytes"
            );
        }
    }
}

#[test]
fn errors_name_the_segment_and_what_is_wrong() {
    use czip::v2::container::{Header, Writer};

    let header = |number| Header {
        level: level(number),
        model: Some(MODEL.id()),
    };
    let mut file = czip::compress(&*MODEL, b"first", &options(1)).unwrap();
    let start = file.len();
    let mut writer = Writer::new(&mut file, header(5));
    writer.write_stored(false, b"good").unwrap();
    writer.write(Mode::Net, true, &[0xff; 9], &[b'x'; 50]).unwrap();
    writer.finish().unwrap();
    let error = czip::decompress(&*MODEL, &file, &options(1)).unwrap_err();
    let expected = format!("segment 1 of member 1, at byte {}: ", start + 18);
    let message = error.to_string();
    assert!(
        message.starts_with(&expected) && message.ends_with(": the file is damaged"),
        "{message}"
    );
    // What is before the damage is handed out.
    let mut text = Vec::new();
    Decoder::new(&*MODEL, &file[..], &options(1))
        .read_to_end(&mut text)
        .unwrap_err();
    assert_eq!(text, b"firstgood");

    let mut writer = Writer::new(Vec::new(), header(2));
    writer.write(Mode::Net, true, b"net", b"without").unwrap();
    let file = writer.finish().unwrap();
    assert_eq!(
        czip::decompress(&*MODEL, &file, &options(1))
            .unwrap_err()
            .to_string(),
        "segment 0 of member 0, at byte 8: a segment of the net at level 2, which has none: the file is damaged"
    );
}

#[test]
fn text_beyond_the_limit_is_refused() {
    let options = options(1).segment_len(1024).only(Mode::Stored);
    let file = czip::compress(None, &noise(3000), &options).unwrap();
    let limited = |bytes| options.clone().limits(Limits::new().with_text_len(bytes));
    assert!(czip::decompress(None, &file, &limited(3000)).is_ok());
    for result in [
        czip::decompress(None, &file, &limited(2999)),
        czip::decompress_many(None, &[&file], &limited(2999)).remove(0),
        Decoder::new(None, Cursor::new(&file), &limited(2999)).read_range(0..1),
    ] {
        assert_eq!(
            result.unwrap_err().to_string(),
            "file declares 3000 bytes of text, more than the limit of 2999"
        );
    }
}

/// The synthetic model with one more tensor.
fn with_tensor(name: &str, dtype: &str, shape: &[usize], data: Vec<u8>) -> Vec<u8> {
    let mut model = ModelFile::parse(&MODEL_FILE);
    let tensor = Tensor {
        dtype: dtype.to_owned(),
        shape: shape.to_vec(),
        data,
    };
    model.tensors.insert(name.to_owned(), tensor);
    model.to_bytes()
}

#[test]
fn a_model_that_does_not_fit_is_named() {
    let other = Model::from_bytes(&with_tensor("unknown", "U8", &[1], vec![7])).unwrap();
    assert_ne!(other.id(), MODEL.id());
    let hash = format!("{:032x}", MODEL.content_hash());
    assert!(hash.starts_with(&MODEL.id().to_string()), "{hash}");

    let text = mixed(3000);
    let options = options(2).segment_len(1024);
    for mode in [Mode::Tokens, Mode::Net] {
        let file = czip::compress(&*MODEL, &text, &options.clone().only(mode)).unwrap();
        let (ours, theirs) = (MODEL.id(), other.id());
        let wrong = format!("needs the model {ours}, but the model given is {theirs}");
        let missing = format!("needs the model {ours}, but no model is given");
        for (model, message) in [(Some(&other), wrong), (None, missing)] {
            let mut output = Vec::new();
            let error = czip::decompress_to(model, &file[..], &mut output, &options).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert_eq!(output, b"");
            let many = czip::decompress_many(model, &[&file], &options).remove(0);
            assert_eq!(many.unwrap_err().to_string(), message);
            let mut decoder = Decoder::new(model, Cursor::new(&file), &options);
            assert_eq!(decoder.read_range(0..1).unwrap_err().to_string(), message);
        }
    }
    // Bytes need none.
    let file = czip::compress(&*MODEL, &text, &options.clone().only(Mode::Bytes)).unwrap();
    assert_eq!(czip::decompress(None, &file, &options).unwrap(), text);
    // CZIPv1 needs one.
    let error = czip::decompress(None, &read("files/short.k7.zstd.czip"), &options).unwrap_err();
    assert!(matches!(error, Error::MissingModel { file: None, .. }));
}

#[test]
fn another_tokenizer_makes_another_model() {
    let json = read("tokenizer.json");
    let again = MODEL.with_tokenizer(&json).unwrap();
    assert_ne!(again.id(), MODEL.id());
    assert_eq!(again.id(), MODEL.with_tokenizer(&json).unwrap().id());
    let text = mixed(900);
    let file = czip::compress(&again, &text, &options(1).only(Mode::Net)).unwrap();
    assert_eq!(czip::decompress(&again, &file, &options(1)).unwrap(), text);
    assert!(matches!(
        czip::decompress(&*MODEL, &file, &options(1)).unwrap_err(),
        Error::MissingModel { .. }
    ));
}

#[test]
fn priors_in_a_model_file_count() {
    let vocab_size = MODEL.config().vocab_size;
    let tokens: Vec<&[u8]> = (0..vocab_size)
        .map(|token| MODEL.tokenizer().token_bytes(token as u32).unwrap_or(b""))
        .collect();
    let text = mixed(1000);
    let compressed = |model: &Model| {
        let options = options(1).level(level(1)).only(Mode::Tokens);
        let file = czip::compress(model, &text, &options).unwrap();
        assert_eq!(czip::decompress(model, &file, &options).unwrap(), text);
        Reader::new(&file[..]).next().unwrap().unwrap().payload
    };

    // The text coded with its own alphabet, and the mixer afterwards.
    fn coded<'a>(alphabet: &'a czip_mix::Alphabet, text: &[u8]) -> (Vec<u8>, czip_mix::Mixer<'a>) {
        let mut mixer = czip_mix::Mixer::new(alphabet, czip_mix::Variant::Light, false, text.len());
        let (mut symbols, mut encoder) = (Vec::new(), czip_coder::binary::Encoder::new());
        MODEL.tokenizer().encode_bytes(text, &mut symbols).unwrap();
        for symbol in symbols {
            mixer.encode(symbol, None, &mut encoder);
        }
        (encoder.finish(), mixer)
    }

    // The tree is another, and the priors are those that are held for all trees.
    let weights: Vec<u16> = (0..vocab_size)
        .map(|token| if token < 256 { 1000 } else { 0 })
        .collect();
    let bytes = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let weighted = with_tensor("mixing.weights", "U16", &[vocab_size], bytes);
    let weights: Vec<u32> = weights.into_iter().map(u32::from).collect();
    let alphabet = czip_mix::Alphabet::for_weighted_tokens(Kernels::detect(), &tokens, &weights);
    let (expected, _) = coded(&alphabet, &text);
    assert_eq!(compressed(&Model::from_bytes(&weighted).unwrap()), expected);
    assert_ne!(compressed(&MODEL), expected);

    // What this very text has taught is worth a lot.
    let alphabet = czip_mix::Alphabet::untrained(Kernels::detect(), &tokens, None);
    let (_, mixer) = coded(&alphabet, &text);
    let priors = mixer.priors().as_bytes().to_vec();
    let learnt = Model::from_bytes(&with_tensor("mixing.priors.0", "U8", &[priors.len()], priors)).unwrap();
    assert_ne!(compressed(&learnt), compressed(&MODEL));

    // The next number is missing, so this one is not looked for.
    assert!(Model::from_bytes(&with_tensor("mixing.priors.1", "U8", &[3], vec![1; 3])).is_ok());
    for (file, message) in [
        (
            with_tensor("mixing.priors.0", "U8", &[3], vec![1; 3]),
            "bad model: tensor `mixing.priors.0`: not priors: they begin with [01, 01, 01]",
        ),
        (
            with_tensor("mixing.priors.0", "I8", &[3], vec![1; 3]),
            "bad model: tensor `mixing.priors.0` has type I8, not U8",
        ),
        (
            with_tensor("mixing.weights", "U16", &[1], vec![1; 2]),
            &format!("bad model: tensor `mixing.weights` has shape [1], not [{vocab_size}]"),
        ),
    ] {
        assert_eq!(Model::from_bytes(&file).unwrap_err().to_string(), message);
    }
}

#[test]
fn progress_is_that_of_the_text() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    let text = mixed(5000);
    let seen = Arc::new(AtomicU64::new(0));
    let watched = {
        let seen = Arc::clone(&seen);
        options(2).segment_len(1024).on_progress(move |progress| {
            seen.fetch_max(progress.done, Ordering::Relaxed);
        })
    };
    for mode in MODES {
        let options = watched.clone().only(mode);
        let file = czip::compress(&*MODEL, &text, &options).unwrap();
        assert_eq!(seen.swap(0, Ordering::Relaxed), 5000, "{mode}");
        czip::decompress(&*MODEL, &file, &options).unwrap();
        assert_eq!(seen.swap(0, Ordering::Relaxed), 5000, "{mode}");
    }
}
