//! Trained tokenizers, read and used as any other.

use czip_tokenizer::Tokenizer;
use czip_train::bpe::{self, BOS, BpeOptions, EOS, Error, Split, Trained};
use proptest::prelude::*;

fn train(texts: &[&str], vocab_size: usize, split: Split) -> Trained {
    let options = BpeOptions { vocab_size, split };
    bpe::train(texts.iter().copied(), &options).unwrap()
}

const SAMPLE: &str = "fn main() {\n    let x_y = self.items[12];\n}\n\
    2016-12-19 18:02:24,454 INFO the cat and the hat\n私たちはこれから九州の南端を発して、私たちは\n";

#[test]
fn ids_are_bytes_then_merges_then_special_tokens() {
    let trained = train(&["the the then"], 999, Split::Text);
    let tokenizer = Tokenizer::from_json(&trained.json).unwrap();
    let token = |id| tokenizer.token_bytes(id).unwrap();
    for byte in 0..=u8::MAX {
        assert_eq!(token(byte.into()), [byte]);
    }
    assert_eq!(
        (256..259).map(token).collect::<Vec<_>>(),
        [b"he".as_slice(), b"the", b" the"]
    );
    assert_eq!(
        (tokenizer.special_token(BOS), tokenizer.special_token(EOS)),
        (Some(259), Some(260))
    );
    assert_eq!(trained.vocab_size, 261);
    assert_eq!(trained.distinct_pieces, 3);
    assert_eq!(tokenizer.vocab_size(), 261);
    assert_eq!(tokenizer.name(), "bpe-text-261");
}

#[test]
fn the_vocabulary_has_the_size_asked_for() {
    for split in Split::ALL {
        let text = SAMPLE.repeat(3);
        for size in [258, 259, 300] {
            let trained = train(&[&text], size, split);
            assert_eq!(trained.vocab_size, size);
            assert_eq!(Tokenizer::from_json(&trained.json).unwrap().vocab_size(), size);
        }
    }
}

#[test]
fn sizes_out_of_range_are_refused() {
    for (size, message) in [
        (257, "a vocabulary of 257 tokens is out of range: 258 to 65536"),
        (
            65_537,
            "a vocabulary of 65537 tokens is out of range: 258 to 65536",
        ),
    ] {
        let error = bpe::train(
            ["a"],
            &BpeOptions {
                vocab_size: size,
                split: Split::Text,
            },
        )
        .unwrap_err();
        assert!(matches!(error, Error::VocabSize { size: found } if found == size));
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn no_text_makes_a_tokenizer_of_bytes() {
    let trained = train(&[], 4096, Split::Logs);
    assert_eq!((trained.vocab_size, trained.distinct_pieces), (258, 0));
    Tokenizer::from_json(&trained.json).unwrap();
}

#[test]
fn a_long_line_without_spaces_is_no_trouble() {
    let text = "a".repeat(3_000_000);
    let trained = train(&[&text], 400, Split::Code);
    // Pieces are cut at 128 bytes, so no token is longer.
    let tokenizer = Tokenizer::from_json(&trained.json).unwrap();
    let longest = (0..trained.vocab_size as u32 - 2)
        .map(|id| tokenizer.token_bytes(id).unwrap().len())
        .max();
    assert_eq!(longest, Some(128));
}

#[test]
fn no_run_of_characters_is_given_up_on() {
    for split in Split::ALL {
        for character in [
            'a', '1', '-', ' ', '\n', '\u{3042}', '\u{30a2}', '\u{4e2d}', '\u{301}',
        ] {
            let text = character.to_string().repeat(300_000);
            let trained = train(&[&text], 300, split);
            let tokenizer = Tokenizer::from_json(&trained.json).unwrap();
            tokenizer.encode(&text, &mut Vec::new()).unwrap();
        }
    }
}

#[test]
fn neither_threads_nor_the_order_of_texts_matter() {
    let texts: Vec<String> = (0..300)
        .map(|index| format!("{SAMPLE}{index} ").repeat(40))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    for split in Split::ALL {
        let with_threads = |count: usize, texts: &[&str]| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(count)
                .build()
                .unwrap();
            pool.install(|| train(texts, 500, split))
        };
        let one = with_threads(1, &texts);
        assert_eq!(with_threads(3, &texts), one);
        assert_eq!(with_threads(2, &reversed), one);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_text_comes_back(
        texts in proptest::collection::vec("(?s)[a-c \n.12\u{3042}\u{4e2d}]{0,40}", 0..8),
        text in any::<String>(),
        vocab_size in 258..320usize,
    ) {
        for split in Split::ALL {
            let trained = train(&texts.iter().map(String::as_str).collect::<Vec<_>>(), vocab_size, split);
            let tokenizer = Tokenizer::from_json(&trained.json).unwrap();
            for text in texts.iter().chain([&text]) {
                let mut ids = Vec::new();
                tokenizer.encode(text, &mut ids).unwrap();
                let mut bytes = Vec::new();
                tokenizer.decode(&ids, &mut bytes).unwrap();
                prop_assert_eq!(text.as_bytes(), bytes);
            }
        }
    }
}
