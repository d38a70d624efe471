//! Files and members that need different models.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use czip::{Decoder, Error, FindModel, Mode, Model, ModelId, Models, Options};
use czip_vectors::read;

/// Of different versions, vocabularies and tokenizers.
static MODELS: LazyLock<[Model; 3]> = LazyLock::new(|| {
    let first = Model::from_bytes(&read("model.czm")).unwrap();
    let third = first.with_tokenizer(&read("tokenizer.json")).unwrap();
    [first, Model::from_bytes(&read("model2.czm")).unwrap(), third]
});

fn options(threads: usize) -> Options {
    Options::new()
        .threads(NonZeroUsize::new(threads).unwrap())
        .segment_len(1024)
}

fn text(number: usize, len: usize) -> Vec<u8> {
    let line = format!("Text {number}: integers are the same everywhere, naïvely. ");
    line.bytes().cycle().take(len).collect()
}

/// Texts of all models and modes, and the file of each.
fn members() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut texts = Vec::new();
    let mut files = Vec::new();
    for (number, mode) in [Mode::Net, Mode::Tokens, Mode::Bytes, Mode::Net]
        .into_iter()
        .enumerate()
    {
        for (place, model) in MODELS.iter().enumerate() {
            let text = text(number * 3 + place, 700 + 900 * ((number + place) % 3));
            files.push(czip::compress(model, &text, &options(1).only(mode)).unwrap());
            texts.push(text);
        }
    }
    texts.push(text(99, 1500));
    files.push(czip::compress(None, &texts[12], &options(1)).unwrap());
    (texts, files)
}

#[test]
fn members_of_different_models_are_decoded_side_by_side() {
    let (texts, files) = members();
    let (whole, file) = (texts.concat(), files.concat());
    for threads in 1..=3 {
        let options = options(threads);
        assert!(czip::decompress(&MODELS[..], &file, &options).unwrap() == whole);

        let mut text = Vec::new();
        let summary = czip::decompress_to(&MODELS[..], &file[..], &mut text, &options).unwrap();
        assert!(text == whole);
        assert_eq!(summary.text_len, whole.len() as u64);

        let many = czip::decompress_many(&MODELS[..], &files, &options);
        for (number, (found, expected)) in many.into_iter().zip(&texts).enumerate() {
            assert!(found.unwrap() == *expected, "{threads} threads, file {number}");
        }

        let mut decoder = Decoder::new(&MODELS[..], Cursor::new(&file), &options);
        for (from, to) in [(0, 1), (600, 2500), (2000, 9000), (5000, 5001), (0, whole.len())] {
            let range = from as u64..to as u64;
            assert!(
                decoder.read_range(range).unwrap() == whole[from..to],
                "{from}..{to}"
            );
            decoder.seek(SeekFrom::Start(from as u64)).unwrap();
            let mut piece = vec![0; to - from];
            decoder.read_exact(&mut piece).unwrap();
            assert!(piece == whole[from..to], "{from}..{to}");
        }
    }
}

#[test]
fn a_model_that_is_missing_is_named_beside_those_that_are_there() {
    let (texts, files) = members();
    let ids: Vec<String> = MODELS.iter().map(|model| model.id().to_string()).collect();
    let file = files.concat();
    let none: &[Model] = &[];
    for (models, offered) in [
        (Models::from(none), String::from("no model is given")),
        (Models::from(None), String::from("no model is given")),
        (Models::from(&MODELS[1]), format!("the model given is {}", ids[1])),
        (
            Models::from(&MODELS[1..2]),
            format!("the model given is {}", ids[1]),
        ),
        (
            Models::from(&MODELS[1..]),
            format!("the models given are {}, {}", ids[1], ids[2]),
        ),
    ] {
        let expected = format!("needs the model {}, but {offered}", ids[0]);
        let mut output = Vec::new();
        let error = czip::decompress_to(models, &file[..], &mut output, &options(2)).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(output, b"");
        let mut decoder = Decoder::new(models, Cursor::new(&file), &options(2));
        assert_eq!(decoder.read_range(0..1).unwrap_err().to_string(), expected);
        // What needs no model is read all the same.
        let start = file.len() - files[12].len();
        let text_start = (texts.concat().len() - texts[12].len()) as u64;
        assert!(czip::decompress(models, &file[start..], &options(2)).unwrap() == texts[12]);
        let mut decoder = Decoder::new(models, Cursor::new(&file), &options(2));
        assert!(decoder.read_range(text_start..u64::MAX).unwrap() == texts[12]);
    }

    // One file without its model does not concern the others.
    let many = czip::decompress_many(&MODELS[..2], &files, &options(2));
    for (number, found) in many.into_iter().enumerate() {
        match found {
            // The third model's texts that are tokens.
            Err(Error::MissingModel { file, offered }) => {
                assert_eq!((number % 3, number == 8, number < 12), (2, false, true));
                assert_eq!(file, Some(MODELS[2].id()));
                assert_eq!(offered, [MODELS[0].id(), MODELS[1].id()]);
            }
            found => assert!(found.unwrap() == texts[number], "{number}"),
        }
    }

    // Of many models some are named.
    let error = Error::MissingModel {
        file: Some(ModelId([0; 4])),
        offered: vec![ModelId([1; 4]); 1000],
    };
    let shown = ["01010101"; 8].join(", ");
    assert_eq!(
        error.to_string(),
        format!("needs the model 00000000, but the models given are {shown} and 992 more")
    );
}

/// Counts how often it is asked for each model.
struct Shelf {
    asked: [AtomicUsize; 3],
    choice: Option<usize>,
    broken: Option<usize>,
}

impl Shelf {
    fn new() -> Self {
        Self {
            asked: Default::default(),
            choice: None,
            broken: None,
        }
    }

    fn asked(&self) -> [usize; 3] {
        [0, 1, 2].map(|number| self.asked[number].load(Ordering::Relaxed))
    }
}

impl FindModel for Shelf {
    fn find(&self, id: ModelId) -> Result<Option<&Model>, Error> {
        let Some(number) = MODELS.iter().position(|model| model.id() == id) else {
            return Ok(None);
        };
        self.asked[number].fetch_add(1, Ordering::Relaxed);
        if self.broken == Some(number) {
            return Err(Error::NoStartToken);
        }
        Ok(Some(&MODELS[number]))
    }

    fn for_v1(&self) -> Result<Option<&Model>, Error> {
        Ok(self.choice.map(|number| &MODELS[number]))
    }
}

#[test]
fn models_are_looked_for_once_and_only_where_they_are_needed() {
    let (texts, files) = members();
    let shelf = Shelf::new();
    let finder = &shelf as &dyn FindModel;
    // Bytes need none.
    let bytes = [&files[6][..], &files[7], &files[8], &files[12]].concat();
    let expected = [&texts[6][..], &texts[7], &texts[8], &texts[12]].concat();
    assert!(czip::decompress(finder, &bytes, &options(2)).unwrap() == expected);
    assert_eq!(shelf.asked(), [0, 0, 0]);
    // The second is asked for once, however many of its segments there are.
    let second = [&files[1][..], &files[4], &files[10]].concat();
    let mut decoder = Decoder::new(finder, Cursor::new(&second), &options(2));
    let expected = [&texts[1][..], &texts[4], &texts[10]].concat();
    assert!(decoder.read_range(0..u64::MAX).unwrap() == expected);
    let mut all = Vec::new();
    decoder.read_to_end(&mut all).unwrap();
    assert!(all == expected);
    assert_eq!(shelf.asked(), [0, 1, 0]);

    // What keeps one from being loaded is the error of the files that need it.
    let shelf = Shelf {
        broken: Some(0),
        ..Shelf::new()
    };
    let many = czip::decompress_many(&shelf as &dyn FindModel, &files, &options(2));
    for (number, found) in many.into_iter().enumerate() {
        match found {
            Err(Error::NoStartToken) => assert!([0, 3, 9].contains(&number), "{number}"),
            found => assert!(found.unwrap() == texts[number], "{number}"),
        }
    }
    assert_eq!(shelf.asked(), [3, 1, 1]);
}

#[test]
fn a_czipv1_file_takes_the_one_model_there_is() {
    let text = text(0, 900);
    let text = std::str::from_utf8(&text).unwrap();
    let file = czip::v1::compress(&MODELS[0], text.as_bytes(), &options(1)).unwrap();
    let restore = |models: Models<'_>| czip::decompress(models, &file, &options(1));
    let many = |models: Models<'_>| czip::decompress_many(models, &[&file], &options(1)).remove(0);
    let chosen = Shelf {
        choice: Some(0),
        ..Shelf::new()
    };
    for models in [
        Models::from(&MODELS[0]),
        Models::from(&MODELS[..1]),
        Models::from(&chosen as &dyn FindModel),
    ] {
        assert_eq!(restore(models).unwrap(), text.as_bytes());
        assert_eq!(many(models).unwrap(), text.as_bytes());
    }
    let none = Shelf::new();
    for models in [
        Models::from(None),
        Models::from(&MODELS[..0]),
        Models::from(&none as &dyn FindModel),
    ] {
        assert!(matches!(
            restore(models).unwrap_err(),
            Error::MissingModel { file: None, .. }
        ));
        assert!(matches!(
            many(models).unwrap_err(),
            Error::MissingModel { file: None, .. }
        ));
    }
    assert_eq!(
        restore(Models::from(&MODELS[..])).unwrap_err().to_string(),
        "CZIPv1 files do not say which model they need, and 3 are given: give only the right one"
    );
}

#[test]
fn ids_are_known_without_loading() {
    for (model, name) in MODELS.iter().zip(["model.czm", "model2.czm"]) {
        assert_eq!(Model::id_of(&read(name)), model.id(), "{name}");
    }
    // Whether it is a model at all is not looked at.
    assert_eq!(Model::id_of(b"").to_string(), "99aa06d3");
}
