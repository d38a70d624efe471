//! What other crates rely on: what types can be used for, readers and writers that come back, and errors.

use std::error::Error as _;
use std::io::{self, BufRead, Cursor, Read, Write};

use czip::{
    Cause, Decoder, Encoder, Error, ErrorKind, Format, Index, InvalidLevel, Kernels, Level, Limits, Missing,
    Mode, Model, ModelId, Models, Options, Progress, PushDecoder, Recovery, SegmentFault, Summary, Tokenizer,
};

const TEXT: &[u8] = b"Integers are the same everywhere. Integers are the same everywhere.\n";

#[test]
fn types_can_be_sent_and_shared() {
    fn check<T: Send + Sync>() {}

    check::<Cause>();
    check::<Decoder<'_, Cursor<Vec<u8>>>>();
    check::<Encoder<'_, Vec<u8>>>();
    check::<Error>();
    check::<ErrorKind>();
    check::<Format>();
    check::<Index>();
    check::<InvalidLevel>();
    check::<Kernels>();
    check::<Level>();
    check::<Limits>();
    check::<Missing>();
    check::<Mode>();
    check::<Model>();
    check::<ModelId>();
    check::<Models<'_>>();
    check::<Options>();
    check::<Progress>();
    check::<PushDecoder<'_>>();
    check::<Recovery>();
    check::<SegmentFault>();
    check::<Summary>();
    check::<Tokenizer>();
    #[cfg(feature = "v1")]
    {
        use czip::v1;

        check::<v1::ChunkLevel>();
        check::<v1::Codec>();
        check::<v1::Error>();
        check::<v1::Inspection>();
        check::<v1::Summary>();
        check::<v1::container::Reader<Cursor<Vec<u8>>>>();
    }
}

#[test]
fn levels_are_read_from_text_and_numbers() {
    assert_eq!(
        [Level::MIN, Level::DEFAULT, Level::MAX].map(Level::get),
        [1, 5, 9]
    );
    assert_eq!(Level::default(), Level::DEFAULT);
    for number in 0..=255u8 {
        let level = Level::new(number);
        assert_eq!(level.is_some(), (1..=9).contains(&number), "{number}");
        assert_eq!(Level::try_from(number).ok(), level);
        assert_eq!(number.to_string().parse().ok(), level);
        if let Some(level) = level {
            assert_eq!(u8::from(level), number);
            assert_eq!(level.to_string(), number.to_string());
        }
    }
    for bad in ["", "+", "x", "10", "-1", "256", " 5"] {
        let error = bad.parse::<Level>().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("level \"{bad}\" is not a number from 1 to 9")
        );
        assert_eq!(error.found, bad);
    }
    #[cfg(feature = "v1")]
    for number in 0..=255u8 {
        use czip::v1::ChunkLevel;

        let level = ChunkLevel::new(number);
        assert_eq!(level.is_some(), (1..=5).contains(&number), "{number}");
        assert_eq!(ChunkLevel::try_from(number).ok(), level);
        assert_eq!(number.to_string().parse().ok(), level);
        if let Some(level) = level {
            assert_eq!((u8::from(level), level.get()), (number, number));
            assert_eq!(level.to_string(), number.to_string());
            assert_eq!(level.context_log2(), 5 + number);
        }
    }
}

#[test]
fn readers_and_writers_come_back() {
    let options = Options::new().segment_len(1024);
    let mut encoder = Encoder::new(None, Vec::new(), &options);
    encoder.get_mut().reserve(100);
    encoder.write_all(TEXT).unwrap();
    // The text is held.
    assert!(encoder.get_ref().is_empty());
    let (file, _) = encoder.finish().unwrap();
    assert_eq!(czip::decompress(None, &file, &options).unwrap(), TEXT);

    let mut decoder = Decoder::new(None, Cursor::new(&file), &options);
    assert_eq!(decoder.get_ref().position(), 0);
    let mut text = Vec::new();
    decoder.read_to_end(&mut text).unwrap();
    assert_eq!(text, TEXT);
    assert_eq!(decoder.get_mut().position(), file.len() as u64);
    assert_eq!(decoder.into_inner().into_inner(), &file);

    // From one that has been sought in, and from one that cannot be read on.
    let mut decoder = Decoder::new(None, Cursor::new(&file), &options);
    assert_eq!(decoder.read_range(0..8).unwrap(), b"Integers");
    assert_eq!(decoder.into_inner().into_inner(), &file);
    let mut decoder = Decoder::new(None, Cursor::new(&file[..9]), &options);
    assert_eq!(decoder.index().unwrap_err().kind(), ErrorKind::Truncated);
    assert!(matches!(decoder.index().unwrap_err(), Error::AfterError));
    assert_eq!(decoder.into_inner().into_inner(), &file[..9]);
}

#[test]
fn text_is_read_by_the_line() {
    let text = TEXT.repeat(100);
    let file = czip::compress(None, &text, &Options::new().segment_len(1024)).unwrap();
    let mut decoder = Decoder::new(None, &file[..], &Options::new());
    for number in 0..100 {
        let mut line = Vec::new();
        decoder.read_until(b'\n', &mut line).unwrap();
        assert_eq!(line, TEXT, "{number}");
    }
    assert_eq!(decoder.fill_buf().unwrap(), b"");
    // More than there is does not go beyond the end.
    decoder.consume(10);
    assert_eq!(decoder.fill_buf().unwrap(), b"");
}

#[test]
fn an_encoder_writes_nothing_after_an_error() {
    #[derive(Debug)]
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    let one = std::num::NonZeroUsize::MIN;
    let options = Options::new().threads(one).segment_len(1024).only(Mode::Stored);
    let mut encoder = Encoder::new(None, Full, &options);
    // More than is held at a time.
    let text = vec![b'x'; 5 << 20];
    assert_eq!(encoder.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    let error = encoder.write_all(&text).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    for error in [encoder.write(b"x").unwrap_err(), encoder.flush().unwrap_err()] {
        assert!(matches!(Error::from(error), Error::AfterError));
    }
    let _: &Full = encoder.get_ref();
    assert!(matches!(encoder.finish().unwrap_err(), Error::AfterError));
}

#[test]
fn errors_go_through_io_and_back() {
    let file = czip::compress(None, TEXT, &Options::new()).unwrap();
    let limited = Options::new().limits(Limits::new().with_text_len(10));
    let error = Decoder::new(None, &file[..], &limited)
        .read_to_end(&mut Vec::new())
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Other);
    assert!(matches!(
        Error::from(error),
        Error::TextLimit {
            declared: 68,
            limit: 10
        }
    ));

    let refused = io::Error::new(io::ErrorKind::PermissionDenied, "not for you");
    let error = Error::from(refused);
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.to_string(), "not for you");
    let read = Error::Read {
        offset: 5,
        source: io::ErrorKind::BrokenPipe.into(),
    };
    assert_eq!(read.to_string(), "cannot read on from byte 5");
    assert_eq!(read.kind(), ErrorKind::Io);
    assert_eq!(io::Error::from(read).kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(io::Error::from(Error::Stopped).kind(), io::ErrorKind::Other);
}

#[test]
fn errors_say_what_kind_they_are() {
    let missing = std::path::Path::new("no such model");
    let error = Model::open(missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);

    let error = Model::from_bytes(b"{}").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let expected = "this is a text, not a model of czip (a .czm file)";
    assert_eq!(error.to_string(), format!("bad model: {expected}"));
    let Error::Model(cause) = error else { panic!() };
    assert_eq!(cause.to_string(), expected);
    assert_eq!(cause.get_ref().to_string(), expected);
    assert_eq!(cause.clone().kind(), ErrorKind::Malformed);
    assert!(format!("{cause:?}").starts_with("NotAModel"), "{cause:?}");
    assert!(cause.source().is_none());

    let decompress = |file: &[u8]| czip::decompress(None, file, &Options::new()).unwrap_err();
    assert_eq!(decompress(b"junk").kind(), ErrorKind::Malformed);
    assert_eq!(decompress(b"").kind(), ErrorKind::Truncated);
    assert_eq!(decompress(b"\xfacz\x40").kind(), ErrorKind::Malformed);
    // A file of the mode `tokens` that names a model.
    let error = decompress(b"\xfacz\x55\x01\x02\x03\x04\x0e\x02\x00\x00\x00\x00\x00");
    assert_eq!(
        error.to_string(),
        "needs the model 01020304, but no model is given"
    );
    assert_eq!(error.kind(), ErrorKind::MissingModel);
}

/// Each variant that has a fixed kind, and the I/O error that it becomes.
#[test]
fn every_error_has_its_kind() {
    use io::ErrorKind as Io;

    let id = ModelId([1, 2, 3, 4]);
    let fault = SegmentFault::TooLong { text_len: 5 };
    let cases = [
        (
            Error::VocabularyMismatch {
                tokenizer: 2,
                model: 1,
            },
            ErrorKind::Mismatch,
            Io::InvalidData,
        ),
        (Error::NoStartToken, ErrorKind::Mismatch, Io::InvalidData),
        (
            Error::UnknownFormat { found: b"x".to_vec() },
            ErrorKind::Malformed,
            Io::InvalidData,
        ),
        (
            Error::UnknownFormat { found: Vec::new() },
            ErrorKind::Truncated,
            Io::UnexpectedEof,
        ),
        (
            Error::Segment {
                member: 0,
                segment: 0,
                offset: 4,
                fault,
            },
            ErrorKind::Malformed,
            Io::InvalidData,
        ),
        (
            Error::MissingModel {
                file: Some(id),
                offered: Vec::new(),
            },
            ErrorKind::MissingModel,
            Io::Other,
        ),
        (
            Error::TextLimit {
                declared: 2,
                limit: 1,
            },
            ErrorKind::Limit,
            Io::Other,
        ),
        (
            Error::MemoryLimit { needed: 2, limit: 1 },
            ErrorKind::Limit,
            Io::Other,
        ),
        (Error::FindModel("gone".into()), ErrorKind::Other, Io::Other),
        (Error::CannotRecover, ErrorKind::Unsupported, Io::Unsupported),
        (Error::V1NotBuilt, ErrorKind::Unsupported, Io::Unsupported),
        (Error::Stopped, ErrorKind::Stopped, Io::Other),
        (Error::AfterError, ErrorKind::Other, Io::Other),
        (
            czip::TokenizerError::MissingByte { byte: 7 }.into(),
            ErrorKind::Malformed,
            Io::InvalidData,
        ),
        (
            czip::TokenizerError::UnknownId {
                id: 7,
                index: 0,
                vocab_size: 5,
            }
            .into(),
            ErrorKind::Mismatch,
            Io::InvalidData,
        ),
        (
            czip::TokenizerError::UnusedId { id: 7, index: 0 }.into(),
            ErrorKind::Mismatch,
            Io::InvalidData,
        ),
    ];
    for (error, kind, io) in cases {
        assert_eq!(error.kind(), kind, "{error}");
        let message = error.to_string();
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io, "{message}");
        assert_eq!(Error::from(error).to_string(), message);
    }
}

#[cfg(feature = "v1")]
#[test]
fn every_error_of_czipv1_has_its_kind() {
    use czip::v1::container::{FormatError, ReadError};
    use czip::v1::{Codec, Error as V1};

    for (error, kind) in [
        (V1::NotText { valid_up_to: 3 }, ErrorKind::Unsupported),
        (V1::UnknownTokenizer { id: 1 }, ErrorKind::Unsupported),
        (V1::ContextMismatch { file: 64, model: 32 }, ErrorKind::Mismatch),
        (
            V1::LengthMismatch {
                declared: 1,
                found: 2,
            },
            ErrorKind::Mismatch,
        ),
        (V1::SeveralModels { given: 2 }, ErrorKind::MissingModel),
    ] {
        assert_eq!(Error::from(error).kind(), kind);
    }
    let codec = Codec::Zstd;
    for (error, kind) in [
        (FormatError::HeaderTruncated { len: 3 }, ErrorKind::Truncated),
        (
            FormatError::StreamTruncated { codec, offset: 20 },
            ErrorKind::Truncated,
        ),
        // The file itself is whole.
        (
            FormatError::PayloadShort { len: 2, found: 1 },
            ErrorKind::Malformed,
        ),
        (FormatError::OriginalLenLimit { len: 2, max: 1 }, ErrorKind::Limit),
        (
            FormatError::ChunkCountLimit { count: 2, max: 1 },
            ErrorKind::Limit,
        ),
        (
            FormatError::PayloadLenLimit { chunk: 0, max: 1 },
            ErrorKind::Limit,
        ),
        (
            FormatError::OriginalTooLong { len: 1 << 32 },
            ErrorKind::Unsupported,
        ),
        (
            FormatError::ChunkTooLong {
                chunk: 0,
                len: 1 << 16,
            },
            ErrorKind::Unsupported,
        ),
        (FormatError::TooManyChunks { max: 1 }, ErrorKind::Unsupported),
    ] {
        let message = error.to_string();
        let error = Error::from(ReadError::from(error));
        assert!(matches!(error, Error::V1(V1::Format(_))), "{message}");
        assert_eq!(error.kind(), kind, "{message}");
        assert_eq!(error.to_string(), message);
    }
    let refused = ReadError::Io {
        offset: 5,
        source: io::ErrorKind::PermissionDenied.into(),
    };
    assert!(matches!(Error::from(refused), Error::Read { offset: 5, .. }));
}

#[test]
fn what_is_made_says_what_it_is() {
    let options = Options::new().level(Level::new(3).unwrap()).segment_len(2048);
    let shown = format!("{options:?}");
    assert!(
        shown.starts_with("Options { level: Level(3), segment_len: Some(2048), index: true, only: None"),
        "{shown}"
    );
    let encoder = Encoder::new(None, Vec::new(), &options);
    let shown = format!("{encoder:?}");
    assert!(shown.starts_with("Encoder { options: Options {"), "{shown}");
    let file = czip::compress(None, TEXT, &options).unwrap();
    let mut decoder = Decoder::new(None, &file[..], &options);
    decoder.read_exact(&mut [0; 10]).unwrap();
    assert_eq!(format!("{decoder:?}"), "Decoder { position: 10, .. }");
    assert_eq!(format!("{:?}", Models::from(None)), "Models([])");
    let none: Vec<Model> = Vec::new();
    assert_eq!(format!("{:?}", Models::from(&none)), "Models([])");
    assert_eq!(format!("{:?}", Models::from(&[] as &[Model; 0])), "Models([])");
    let unit = czip::Unit::Bytes;
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let watched = std::sync::Arc::clone(&seen);
    let options = options.on_progress(move |progress| watched.lock().unwrap().push(progress));
    czip::compress(None, TEXT, &options).unwrap();
    let last = seen.lock().unwrap().last().copied().unwrap();
    assert_eq!((last.done, last.total, last.unit), (68, Some(68), unit));
}
