//! Places in a text, of files that may be damaged.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::LazyLock;

use czip::{Decoder, Mode, Model};

use crate::fixtures;
use crate::input::Input;

struct Whole {
    model: Option<&'static Model>,
    text: Vec<u8>,
    file: Vec<u8>,
}

static FILES: LazyLock<Vec<Whole>> = LazyLock::new(|| {
    // Two segments.
    let prose = czip_vectors::read("texts/prose.txt")[..1_100].to_vec();
    let make = |choice: u8, mode: Mode, text: &[u8], index: bool| {
        let options = fixtures::options()
            .level(fixtures::level(match mode {
                Mode::Bytes | Mode::Tokens => 2,
                _ => 4,
            }))
            .segment_len(1 << 10)
            .only(mode)
            .index(index);
        let model = fixtures::model(choice);
        Whole {
            model,
            text: text.to_vec(),
            file: czip::compress(model, text, &options).expect("any text can be compressed"),
        }
    };
    let join = |a: &Whole, b: &Whole| Whole {
        model: a.model.or(b.model),
        text: [&a.text[..], &b.text].concat(),
        file: [&a.file[..], &b.file].concat(),
    };
    let indexed = make(0, Mode::Bytes, &prose, true);
    let plain = make(0, Mode::Bytes, &prose, false);
    // The index of one file after the segments of another, equally many: it is valid, but wrong.
    let other = make(0, Mode::Stored, &prose, true);
    let other_plain = make(0, Mode::Stored, &prose, false);
    let lying = Whole {
        model: None,
        text: prose.clone(),
        file: [&plain.file[..], &other.file[other_plain.file.len()..]].concat(),
    };
    let net = make(2, Mode::Net, &prose[..160], true);
    vec![
        join(&plain, &indexed),
        join(&indexed, &net),
        join(&make(0, Mode::Bytes, b"", true), &plain),
        make(0, Mode::Stored, b"", true),
        make(0, Mode::Stored, b"x", true),
        make(1, Mode::Tokens, &prose, true),
        other,
        indexed,
        plain,
        lying,
        net,
    ]
});

/// Ranges and seeks in files with up to eight changed places: every answer is an error, or the text that is there. In a
/// file cut at the end of a member the text ends there.
pub fn seek(data: &[u8]) {
    let mut input = Input::new(data);
    let Whole { model, text, file } = &FILES[input.below(FILES.len())];
    let mut file = file.clone();
    for _ in 0..input.below(9) {
        change(&mut file, &mut input);
    }
    let options = fixtures::options_for(text.len() + 1_000);
    let mut decoder = Decoder::new(*model, Cursor::new(file), &options);
    let mut position = 0;
    for _ in 0..8 {
        if input.is_empty() {
            break;
        }
        let (kind, place, len) = (input.byte(), input.below(text.len() + 2), input.below(1 << 11));
        match kind % 5 {
            0 => {
                if let Ok(found) = decoder.read_range(place as u64..(place + len) as u64) {
                    assert!(found.len() <= len);
                    check(text, place, &found);
                }
            }
            1 => {
                if let Ok(to) = decoder.seek(SeekFrom::Start(place as u64)) {
                    assert_eq!(to, place as u64);
                    position = place;
                }
            }
            2 => {
                let by = place as i64 - len as i64;
                if let Ok(to) = decoder.seek(SeekFrom::Current(by)) {
                    assert_eq!(to as i64, position as i64 + by);
                    position = to as usize;
                }
            }
            3 => {
                // The end is where the file says.
                if let Ok(to) = decoder.seek(SeekFrom::End(-(place as i64))) {
                    position = to as usize;
                }
            }
            _ => {
                let mut found = vec![0; len];
                if let Ok(len) = decoder.read(&mut found) {
                    check(text, position, &found[..len]);
                    position += len;
                }
            }
        }
        if let Ok(here) = decoder.stream_position() {
            assert_eq!(here, position as u64);
        }
    }
}

fn check(text: &[u8], place: usize, found: &[u8]) {
    let right = text.get(place..).unwrap_or_default();
    assert!(right.starts_with(found), "wrong text at {place}");
}

fn change(file: &mut Vec<u8>, input: &mut Input<'_>) {
    let (kind, from_end, place, value) = (input.byte(), input.flag(), input.number(), input.byte());
    let place = place % (file.len() + 1);
    let place = if from_end { file.len() - place } else { place };
    match (kind % 5, file.get_mut(place)) {
        (0, Some(byte)) => *byte = value,
        (1, Some(byte)) => *byte ^= 1 << (value % 8),
        (2, Some(_)) => drop(file.drain(place..file.len().min(place + 1 + usize::from(value % 4)))),
        (3, _) => file.insert(place, value),
        (4, _) => file.truncate(place),
        _ => {}
    }
}
