//! Reading the JSON: what's refused, and with which error.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use czip_tokenizer::{Error, Tokenizer};
use serde_json::{Value, json};

fn small() -> Value {
    common::tokenizer_json("(?s:.+)", &["ab"], &["<s>"])
}

fn read(json: &Value) -> Result<Tokenizer, Error> {
    Tokenizer::from_json(json.to_string().as_bytes())
}

fn message(json: &Value) -> String {
    read(json).unwrap_err().to_string()
}

/// The small tokenizer with a change.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut json = small();
    change(&mut json);
    json
}

#[test]
fn the_small_tokenizer_is_fine() {
    let tokenizer = read(&small()).unwrap();
    assert_eq!((tokenizer.name(), tokenizer.vocab_size()), ("small", 258));
    assert_eq!(
        format!("{tokenizer:?}"),
        r#"Tokenizer { name: "small", vocab_size: 258, special: [("<s>", 257)], .. }"#
    );
    for vocab_size in [json!(258), json!(null)] {
        read(&changed(|json| json["explicit_n_vocab"] = vocab_size)).unwrap();
    }
    read(&changed(|json| {
        drop(json.as_object_mut().unwrap().remove("explicit_n_vocab"))
    }))
    .unwrap();
    read(&changed(|json| json["unknown"] = json!([1]))).unwrap();
}

#[test]
fn not_json_of_the_right_shape() {
    let message = |json: &str| Tokenizer::from_json(json.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        message(""),
        "malformed tokenizer JSON: EOF while parsing a value at line 1 column 0"
    );
    assert_eq!(
        message(r#"{"name": 1}"#),
        "malformed tokenizer JSON: invalid type: integer `1`, expected a string at line 1 column 10"
    );
    assert_eq!(
        message(r#"{"name": "x"}"#),
        "malformed tokenizer JSON: missing field `pat_str` at line 1 column 13"
    );
    assert_eq!(
        message(r#"{"mergeable_ranks": []}"#),
        "malformed tokenizer JSON: invalid type: sequence, expected an object of token ids at line 1 column 20"
    );
    assert_eq!(
        message(r#"{"mergeable_ranks": {"a": -1}}"#),
        "malformed tokenizer JSON: invalid value: integer `-1`, expected u64 at line 1 column 28"
    );
    assert!(matches!(
        Tokenizer::from_json(b"{\"name\": \"\xff\"}"),
        Err(Error::Json(_))
    ));
}

#[test]
fn a_key_twice() {
    let json = small()
        .to_string()
        .replacen(r#""ab":256"#, r#""ab":256,"ab":258"#, 1);
    let error = Tokenizer::from_json(json.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "`mergeable_ranks` has the key `ab` twice");
    let json = small()
        .to_string()
        .replacen(r#""<s>":257"#, r#""<s>":257,"<s>":258"#, 1);
    let error = Tokenizer::from_json(json.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "`special_tokens` has the key `<s>` twice");
}

#[test]
fn empty_tokens() {
    assert_eq!(
        message(&changed(|json| json["mergeable_ranks"][""] = json!(258))),
        "`mergeable_ranks` gives the id 258 to an empty token"
    );
    assert_eq!(
        message(&changed(|json| json["special_tokens"][""] = json!(258))),
        "`special_tokens` gives the id 258 to an empty token"
    );
}

#[test]
fn characters_that_are_no_bytes() {
    assert_eq!(
        message(&changed(|json| json["mergeable_ranks"]["a\u{100}"] = json!(258))),
        "token of rank 258 has the character U+0100, which is no byte"
    );
}

#[test]
fn token_lengths() {
    for (object, max) in [("mergeable_ranks", 65_535), ("special_tokens", 255)] {
        let longest = read(&changed(|json| json[object]["x".repeat(max)] = json!(258))).unwrap();
        assert_eq!(longest.token_bytes(258).map(<[u8]>::len), Some(max));
        assert_eq!(
            message(&changed(|json| json[object]["x".repeat(max + 1)] = json!(258))),
            format!("token 258 has {} bytes, more than {max}", max + 1)
        );
    }
}

#[test]
fn vocabulary_sizes() {
    // Tokens of ten bytes, so that no two make another.
    let with = |count: usize| with_tokens((0..count).map(|index| format!("{index:010}")));
    let largest = read(&with(262_144 - 256)).unwrap();
    assert_eq!(largest.vocab_size(), 262_144);
    let mut ids = Vec::new();
    largest.encode("0000261887", &mut ids).unwrap();
    assert_eq!(ids, [262_143]);
    assert_eq!(
        message(&with(262_144 - 255)),
        "vocabulary of 262145 tokens, more than 262144"
    );

    assert_eq!(
        message(&changed(|json| json["explicit_n_vocab"] = json!(257))),
        "`explicit_n_vocab` is 257, but there are 258 tokens"
    );
    assert_eq!(
        message(&changed(|json| json["explicit_n_vocab"] = json!(u64::MAX))),
        "`explicit_n_vocab` is 18446744073709551615, but there are 258 tokens"
    );
}

/// Nothing of what is beyond the largest vocabulary is kept, but it's counted.
#[test]
fn far_too_many_tokens() {
    for object in ["mergeable_ranks", "special_tokens"] {
        let excess: String = (0..300_000)
            .map(|index| format!(r#""<{index}>":{index},"#))
            .collect();
        let json = small().to_string().replacen(
            &format!(r#""{object}":{{"#),
            &format!(r#""{object}":{{{excess}"#),
            1,
        );
        let error = Tokenizer::from_json(json.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "vocabulary of 300258 tokens, more than 262144");
    }
}

/// A tokenizer whose mergeable tokens are the bytes and these.
fn with_tokens(tokens: impl Iterator<Item = String>) -> Value {
    changed(|json| {
        json["special_tokens"] = json!({});
        let ranks = json["mergeable_ranks"].as_object_mut().unwrap();
        ranks.remove("ab");
        for token in tokens {
            ranks.insert(token, ranks.len().into());
        }
    })
}

#[test]
fn lengths_of_all_tokens_together() {
    // 64 tokens of 65,535 bytes and less, one more, and the single bytes.
    let longest = (0..64).map(|index| "x".repeat(65_535 - index));
    let rest = (1 << 22) - 256 - longest.clone().map(|token| token.len()).sum::<usize>();
    let with_last = |len| with_tokens(longest.clone().chain(["x".repeat(len)]));
    read(&with_last(rest)).unwrap();
    assert_eq!(
        message(&with_last(rest + 1)),
        "the tokens of `mergeable_ranks` have 4194305 bytes together, more than 4194304"
    );

    let special = |count: usize, last: usize| {
        let mut literals: Vec<String> = (0..count).map(|index| format!("{index:0255}")).collect();
        literals.push("x".repeat(last));
        let literals: Vec<&str> = literals.iter().map(String::as_str).collect();
        common::tokenizer_json("(?s:.+)", &[], &literals)
    };
    read(&special(4112, 16)).unwrap();
    assert_eq!(
        message(&special(4112, 17)),
        "the tokens of `special_tokens` have 1048577 bytes together, more than 1048576"
    );
}

/// Each of these tokens can be made of two others in as many ways as it has bytes, less one.
#[test]
fn merges() {
    let chain = |longest| with_tokens((2..=longest).map(|len| "a".repeat(len)));
    read(&chain(1448)).unwrap();
    assert_eq!(
        message(&chain(1449)),
        "more than 1048576 ways to make a token of two others"
    );
}

/// The small tokenizer with merges.
fn with_merges(merges: impl Into<Value>) -> Value {
    changed(|json| json["merges"] = merges.into())
}

#[test]
fn a_list_of_merges() {
    for merges in [json!([]), json!([97, 98]), json!(null)] {
        read(&with_merges(merges)).unwrap();
    }
    assert_eq!(
        message(&with_merges(json!([97, 98, 97]))),
        "`merges` has 3 ids, which are no pairs"
    );
    assert_eq!(
        message(&with_merges(json!([97, 98, 97, 98]))),
        "merge 1 is of the tokens 97 and 98, as one before"
    );
    // `ba` is no token. Nor may a special token be merged, or an id that no token has.
    for [left, right] in [[98, 97], [257, 98], [97, 300], [u32::MAX, 0]] {
        assert_eq!(
            message(&with_merges(json!([97, 98, left, right]))),
            format!("merge 1 of the tokens {left} and {right} makes no token")
        );
    }
    for unfit in [
        json!(7),
        json!([[97, 98]]),
        json!([97, 4_294_967_296_u64]),
        json!([-1, 98]),
    ] {
        let error = read(&with_merges(unfit.clone())).unwrap_err();
        assert!(matches!(error, Error::Json(_)), "{unfit}: {error}");
    }
    assert!(matches!(
        read(&changed(|json| json["ignore_merges"] = json!(1))),
        Err(Error::Json(_))
    ));
}

/// Two ids are kept for each of the merges that there may be, and the others only counted.
#[test]
fn too_many_merges_in_a_list() {
    let most = 2 << 20;
    assert_eq!(
        message(&with_merges(vec![97; most])),
        "merge 0 of the tokens 97 and 97 makes no token"
    );
    assert_eq!(
        message(&with_merges(vec![97; most + 1])),
        "`merges` has 2097153 ids, which are no pairs"
    );
    assert_eq!(
        message(&with_merges(vec![97; most + 2])),
        "more than 1048576 ways to make a token of two others"
    );
}

#[test]
fn ids_without_tokens() {
    let gap = |size: Value| {
        changed(|json| {
            json["merges"] = json!([97, 98]);
            json["mergeable_ranks"]["ab"] = json!(300);
            json["special_tokens"]["<s>"] = json!(400);
            json["explicit_n_vocab"] = size;
        })
    };
    assert_eq!(read(&gap(json!(null))).unwrap().vocab_size(), 401);
    let tokenizer = read(&gap(json!(500))).unwrap();
    assert_eq!(tokenizer.vocab_size(), 500);
    let mut ids = Vec::new();
    tokenizer.encode("ab<s>", &mut ids).unwrap();
    assert_eq!(ids, [300, 400]);
    for id in [256, 299, 301, 399, 401, 499, 500] {
        assert_eq!(tokenizer.token_bytes(id), None);
    }
    let mut bytes = b"x".to_vec();
    let mut message_of = |id| tokenizer.decode(&[97, id], &mut bytes).unwrap_err().to_string();
    assert_eq!(message_of(299), "token id 299 at index 1 is unused");
    assert_eq!(
        message_of(500),
        "token id 500 at index 1 in a vocabulary of 500 tokens"
    );
    assert_eq!(bytes, b"x");

    assert_eq!(
        message(&gap(json!(400))),
        "token id 400 in a vocabulary of 400 tokens"
    );
    assert_eq!(
        message(&gap(json!(262_145))),
        "vocabulary of 262145 tokens, more than 262144"
    );
    assert_eq!(
        message(&gap(json!(u64::MAX))),
        "vocabulary of 18446744073709551615 tokens, more than 262144"
    );
    let mut json = gap(json!(null));
    json["special_tokens"]["<s>"] = json!(262_143);
    assert_eq!(read(&json).unwrap().vocab_size(), 262_144);
    json["special_tokens"]["<s>"] = json!(262_144);
    assert_eq!(message(&json), "token id 262144 in a vocabulary of 262144 tokens");
    // Without `merges` ids are ranks, of which none is left out.
    json["merges"] = json!(null);
    assert_eq!(message(&json), "token id 300 in a vocabulary of 258 tokens");
}

#[test]
fn what_is_quoted_is_cut() {
    let long = "\u{1b}[31m".to_owned() + &"x".repeat(1000);
    let shown = r"\u{1b}[31m".to_owned() + &"x".repeat(95) + "...";
    let json = changed(|json| json["mergeable_ranks"][&long] = json!(258))
        .to_string()
        .replacen(r#""ab":256"#, &format!(r#""ab":256,{}:259"#, json!(long)), 1);
    let error = Tokenizer::from_json(json.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`mergeable_ranks` has the key `{shown}` twice")
    );

    let error = message(&changed(|json| json["explicit_n_vocab"] = json!(long)));
    assert_eq!(error.len(), "malformed tokenizer JSON: ".len() + 103, "{error}");
    let error = message(&changed(|json| json["pat_str"] = json!(format!("(?<{long}"))));
    assert!(error.len() < 150 && !error.contains('\u{1b}'), "{error}");
}

#[test]
fn nested_values_of_keys_that_do_not_count() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let with = |key: &str| {
        let json = small().to_string();
        let json = json.replacen('{', &format!(r#"{{"{key}":{deep},"#), 1);
        Tokenizer::from_json(json.as_bytes())
    };
    with("deep").unwrap();
    let error = with("name").unwrap_err().to_string();
    assert_eq!(
        error,
        "malformed tokenizer JSON: invalid type: sequence, expected a string at line 1 column 8"
    );
}

#[test]
fn ids_with_holes_or_twice() {
    assert_eq!(
        message(&changed(|json| json["mergeable_ranks"]["ab"] = json!(258))),
        "token id 258 in a vocabulary of 258 tokens"
    );
    assert_eq!(
        message(&changed(|json| json["special_tokens"]["<s>"] = json!(65_536))),
        "token id 65536 in a vocabulary of 258 tokens"
    );
    assert_eq!(
        message(&changed(|json| json["mergeable_ranks"]["ab"] = json!(97))),
        "two tokens have the id 97"
    );
    assert_eq!(
        message(&changed(|json| json["special_tokens"]["<s>"] = json!(256))),
        "two tokens have the id 256"
    );
}

#[test]
fn a_byte_without_a_token() {
    let json = changed(|json| {
        let ranks = json["mergeable_ranks"].as_object_mut().unwrap();
        let rank = ranks.remove("\u{e9}").unwrap();
        ranks.insert("cd".to_owned(), rank);
    });
    assert_eq!(message(&json), "no token for the byte 0xe9");
}

#[test]
fn patterns_that_do_not_compile() {
    assert_eq!(
        message(&changed(|json| json["pat_str"] = json!("a(b"))),
        "`pat_str` does not compile: Parsing error at position 3: Opening parenthesis without closing parenthesis"
    );
    let pattern = |pattern: String| changed(|json| json["pat_str"] = json!(pattern));
    read(&pattern("x".repeat(8192))).unwrap();
    for (unfit, reason) in [
        ("x".repeat(8193), "it has 8193 bytes, more than 8192"),
        ("(?:ab|c){5000}".into(), "it needs more than 16384 instructions"),
        (
            "(?:(?:ab|c){1000}){1000}".into(),
            "it needs more than 16384 instructions",
        ),
        (
            "(?:(?:ab){0}){18446744073709551615}".into(),
            "it needs more than 16384 instructions",
        ),
        (
            (0..257).map(|index| format!("[a\\x{{{index:x}}}]")).collect(),
            "it needs more than 256 classes of characters",
        ),
        (
            "(?:".repeat(100) + &")".repeat(100),
            "Parsing error at position 189: Pattern too deeply nested",
        ),
        (r"(a)\2".into(), "reference to group 2 of 1"),
        (r"(?<a>x\g<a>)".into(), "a subroutine is not known here"),
        (r"(a)?(?(1)b|c)".into(), "a condition is not known here"),
    ] {
        assert_eq!(
            message(&pattern(unfit.clone())),
            format!("`pat_str` does not compile: {reason}"),
            "{unfit}"
        );
    }
    // These are one run of a class each, however large the count.
    read(&pattern(r"(?:\p{L}{1000}){1000}".into())).unwrap();
    read(&pattern(r"(?i:\p{L}{60000}){16}|\w{4000000000}".into())).unwrap();
}
