//! Encoding and decoding with small tokenizers.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use std::collections::BTreeSet;

use czip_tokenizer::{Definition, Error, Pattern, TokenId, Tokenizer};
use proptest::prelude::*;

/// The pattern of CZIPv1's models.
const KNOWN_PATTERN: &str = concat!(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+",
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
);

/// The whole text as one piece.
const ONE_PIECE: &str = "(?s:.+)";

fn tokenizer(pattern: &str, tokens: &[&str], special: &[&str]) -> Tokenizer {
    let json = common::tokenizer_json(pattern, tokens, special).to_string();
    Tokenizer::from_json(json.as_bytes()).unwrap()
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<TokenId> {
    let mut ids = Vec::new();
    tokenizer.encode(text, &mut ids).unwrap();
    ids
}

fn encode_ordinary(tokenizer: &Tokenizer, text: &str) -> Vec<TokenId> {
    let mut ids = Vec::new();
    tokenizer.encode_ordinary(text, &mut ids).unwrap();
    ids
}

fn decode(tokenizer: &Tokenizer, ids: &[TokenId]) -> Vec<u8> {
    let mut bytes = Vec::new();
    tokenizer.decode(ids, &mut bytes).unwrap();
    bytes
}

/// BPE as the rule says it, with no regard for time. `tokens` have the ranks from 256 on.
fn naive_bpe(tokens: &[&str], piece: &str) -> Vec<TokenId> {
    let rank = |bytes: &[u8]| match bytes {
        [byte] => Some(usize::from(*byte)),
        _ => tokens
            .iter()
            .position(|token| token.as_bytes() == bytes)
            .map(|index| 256 + index),
    };
    let mut parts: Vec<Vec<u8>> = piece.bytes().map(|byte| vec![byte]).collect();
    if rank(piece.as_bytes()).is_some() {
        parts = vec![piece.as_bytes().to_vec()];
    }
    while let Some((_, index)) = parts
        .windows(2)
        .enumerate()
        .filter_map(|(index, pair)| Some((rank(&pair.concat())?, index)))
        .min()
    {
        let right = parts.remove(index + 1);
        parts[index].extend(right);
    }
    parts.iter().map(|part| rank(part).unwrap() as TokenId).collect()
}

#[test]
fn lowest_rank_first_then_leftmost() {
    let tokenizer = tokenizer(ONE_PIECE, &["bc", "ab", "aa", "abcd"], &[]);
    assert_eq!(encode(&tokenizer, "abc"), [97, 256]);
    assert_eq!(encode(&tokenizer, "abb"), [257, 98]);
    assert_eq!(encode(&tokenizer, "aaa"), [258, 97]);
    // No merges lead to `abcd`, but a piece that is a token is that token.
    assert_eq!(encode(&tokenizer, "abcd"), [259]);
    assert_eq!(encode(&tokenizer, "abcda"), [97, 256, 100, 97]);
    assert!(encode(&tokenizer, "").is_empty());
}

/// A tokenizer whose merges are listed: the ids of the tokens go down from 1000.
fn listed(tokens: &[&str], merges: &[(&str, &str)], ignore_merges: Option<bool>) -> Tokenizer {
    let id = |token: &str| match token.as_bytes() {
        [byte] => TokenId::from(*byte),
        _ => 1000 - tokens.iter().position(|&other| other == token).unwrap() as TokenId,
    };
    let mut json = common::tokenizer_json("[a-z]+", &[], &[]);
    for token in tokens {
        json["mergeable_ranks"][token] = id(token).into();
    }
    let merges = merges.iter().flat_map(|(left, right)| [id(left), id(right)]);
    json["merges"] = merges.collect::<Vec<_>>().into();
    json["ignore_merges"] = ignore_merges.into();
    Tokenizer::from_json(json.to_string().as_bytes()).unwrap()
}

#[test]
fn listed_merges_have_the_ranks_of_the_list() {
    let tokens = ["bc", "ab", "abc", "abcd"];
    let merges = [("a", "b"), ("b", "c"), ("ab", "c")];
    let tokenizer = listed(&tokens, &merges, None);
    assert_eq!(encode(&tokenizer, "abc"), [998]);
    assert_eq!(encode(&tokenizer, "bcab"), [1000, 999]);
    // No merge makes `abcd`: only where merges are ignored does it occur, and only as a whole piece.
    assert_eq!(encode(&tokenizer, "abcd"), [998, 100]);
    let tokenizer = listed(&tokens, &merges, Some(true));
    assert_eq!(encode(&tokenizer, "abcd abcda"), [997, 32, 998, 100, 97]);
    assert_eq!(decode(&tokenizer, &[997, 32, 998]), b"abcd abc");
    // Only one of the two ways to make `abc` is a merge, and here its parts are made too late.
    let tokenizer = listed(&tokens, &[("a", "bc"), ("a", "b"), ("b", "c")], Some(false));
    assert_eq!(encode(&tokenizer, "abc bcbc"), [999, 99, 32, 1000, 1000]);
    // None at all.
    let tokenizer = listed(&tokens, &[], Some(false));
    assert_eq!(encode(&tokenizer, "abc"), [97, 98, 99]);
}

/// A merge that makes a token of lower rank than its own goes on with pairs that were there before.
#[test]
fn late_merges_of_a_long_piece() {
    let tokens = ["ab", "aba", "ba"];
    let tokenizer = listed(&tokens, &[("ab", "a"), ("b", "a"), ("a", "b")], None);
    // 200 times `ab`: all `ba` first, from the left, and then nothing joins.
    let piece = "ab".repeat(200);
    let expected: Vec<TokenId> = [97]
        .into_iter()
        .chain(std::iter::repeat_n(998, 199))
        .chain([98])
        .collect();
    assert_eq!(encode(&tokenizer, &piece), expected);
}

#[test]
fn merges_of_ranks_may_be_told_from_whole_pieces() {
    let mut json = common::tokenizer_json(ONE_PIECE, &["bc", "ab", "abcd"], &[]);
    json["ignore_merges"] = false.into();
    let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!(encode(&tokenizer, "abcd"), [97, 256, 100]);
    assert_eq!(encode(&tokenizer, "ab"), [257]);
}

/// The example of the specification.
#[test]
fn specified_example() {
    let tokenizer = tokenizer(KNOWN_PATTERN, &["th", "e ", "he", "the"], &["<|eos|>"]);
    let ids = encode(&tokenizer, "then th\u{e9}<|eos|>");
    assert_eq!(ids, [259, 110, 32, 256, 195, 169, 260]);
    assert_eq!(decode(&tokenizer, &ids), b"then th\xc3\xa9<|eos|>");
}

/// The same with listed merges.
#[test]
fn specified_example_of_listed_merges() {
    let mut json = common::tokenizer_json(KNOWN_PATTERN, &["th", "e ", "he", "the"], &["<|eos|>"]);
    json["special_tokens"]["<|eos|>"] = 270.into();
    json["merges"] = vec![104, 101, 116, 258].into();
    json["explicit_n_vocab"] = 271.into();
    let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
    let ids = encode(&tokenizer, "then th\u{e9}<|eos|>");
    assert_eq!(ids, [259, 110, 32, 116, 104, 195, 169, 270]);
    assert_eq!(encode(&tokenizer, "th"), [116, 104]);
    assert_eq!(tokenizer.vocab_size(), 271);
    assert!((260..270).all(|id| tokenizer.token_bytes(id).is_none()));
    json["ignore_merges"] = true.into();
    let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!(encode(&tokenizer, "th"), [256]);
}

#[test]
fn tokens_are_appended() {
    let tokenizer = tokenizer(ONE_PIECE, &[], &["<s>"]);
    let mut ids = vec![7];
    tokenizer.encode("a<s>", &mut ids).unwrap();
    tokenizer.encode_ordinary("<s>", &mut ids).unwrap();
    assert_eq!(ids, [7, 97, 256, 60, 115, 62]);
    let mut bytes = b"x".to_vec();
    tokenizer.decode(&ids, &mut bytes).unwrap();
    assert_eq!(bytes, b"x\x07a<s><s>");
}

#[test]
fn special_tokens_cut_the_text() {
    let tokenizer = tokenizer(
        r"\s+$|[a-z]+|\s",
        &["ab", "  "],
        &["<s>", "<s>>", "ab<", "\u{e9}"],
    );
    // The text between is split on its own, so `$` matches before a special token.
    assert_eq!(encode(&tokenizer, "  <s>  a"), [257, 258, 32, 32, 97]);
    assert_eq!(encode(&tokenizer, "<s>>>"), [259, 62]);
    assert_eq!(encode(&tokenizer, "<s><s>ab<s>"), [258, 258, 260, 115, 62]);
    assert_eq!(encode(&tokenizer, "a\u{e9}\u{e8}"), [97, 261, 0xc3, 0xa8]);
    assert_eq!(encode_ordinary(&tokenizer, "ab<s>"), [256, 60, 115, 62]);
    assert_eq!(tokenizer.special_token("<s>>"), Some(259));
    assert_eq!(tokenizer.special_token("ab"), None);
    assert_eq!(tokenizer.token_bytes(260), Some(b"ab<".as_slice()));
    assert_eq!(tokenizer.token_bytes(0), Some([0].as_slice()));
    assert_eq!(tokenizer.token_bytes(262), None);
    assert_eq!(tokenizer.vocab_size(), 262);
}

#[test]
fn bytes_that_are_no_text_are_tokens_of_their_own() {
    let tokenizer = tokenizer("[a-z]+|.", &["ab"], &["<s>"]);
    let encode_bytes = |bytes: &[u8]| {
        let mut out = vec![7];
        tokenizer.encode_bytes(bytes, &mut out).unwrap();
        let mut decoded = Vec::new();
        tokenizer.decode(&out[1..], &mut decoded).unwrap();
        assert_eq!(decoded, bytes);
        assert_eq!(out.remove(0), 7);
        out
    };
    assert_eq!(encode_bytes(b""), [] as [TokenId; 0]);
    assert_eq!(encode_bytes(b"ab<s>\0"), [256, 60, 115, 62, 0]);
    // A character that is cut short, one that is overlong, and a stray byte; splitting starts over after each.
    assert_eq!(
        encode_bytes(b"ab\xc3ab\xc3\xa9\xc0\x80a\xffb"),
        [256, 0xc3, 256, 0xc3, 0xa9, 0xc0, 0x80, 97, 0xff, 98]
    );
}

#[test]
fn text_outside_every_match_is_kept() {
    let tokenizer = tokenizer("[a-z]+", &["--", "-a"], &[]);
    assert_eq!(encode(&tokenizer, "--a--"), [256, 97, 256]);
}

#[test]
fn an_unknown_id_is_named() {
    let tokenizer = tokenizer(ONE_PIECE, &[], &[]);
    let mut bytes = b"before".to_vec();
    let error = tokenizer.decode(&[97, 98, 256, 300], &mut bytes).unwrap_err();
    assert!(matches!(
        error,
        Error::UnknownId {
            id: 256,
            index: 2,
            vocab_size: 256
        }
    ));
    assert_eq!(
        error.to_string(),
        "token id 256 at index 2 in a vocabulary of 256 tokens"
    );
    assert_eq!(bytes, b"before");
}

#[test]
fn when_the_regex_engine_gives_up_nothing_is_appended() {
    let tokenizer = tokenizer(r"(?:a|a|ab)*(?!\w)c|x", &[], &["<s>"]);
    let text = format!("x<s>x-{}", "a".repeat(64));
    let mut ids = vec![1];
    let error = tokenizer.encode(&text, &mut ids).unwrap_err();
    assert!(matches!(error, Error::Split { offset: 5, .. }), "{error}");
    assert_eq!(ids, [1]);
    // The same after bytes that are no text: the offset counts them, too.
    let bytes = [b"\xffx\xc3x", &text.as_bytes()[5..]].concat();
    let error = tokenizer.encode_bytes(&bytes, &mut ids).unwrap_err();
    assert!(matches!(error, Error::Split { offset: 4, .. }), "{error}");
    assert_eq!(ids, [1]);
}

#[test]
fn a_megabyte_of_anything() {
    const LEN: usize = 1 << 20;
    let tokenizer = tokenizer(
        KNOWN_PATTERN,
        &["aa", "aaaa", "  ", "    ", "777", "th", "the", "eth"],
        &["<s>"],
    );

    let ids = encode(&tokenizer, &"a".repeat(LEN));
    assert_eq!(ids.len(), LEN / 4);
    assert!(ids.iter().all(|&id| id == 257));

    // The space before the letter goes with it, and an odd space is left over.
    let ids = encode(&tokenizer, &(" ".repeat(LEN) + "a"));
    assert_eq!(ids.len(), LEN / 4 + 3);
    assert_eq!(ids[LEN / 4 - 2..], [259, 258, 32, 32, 97]);

    let ids = encode(&tokenizer, &"7".repeat(LEN));
    assert_eq!(ids.len(), LEN / 3 + 1);
    assert_eq!(ids[LEN / 3 - 1..], [260, 55]);

    let ids = encode(&tokenizer, &"the".repeat(LEN));
    assert_eq!(ids.len(), LEN);
    assert!(ids.iter().all(|&id| id == 262));

    for pattern in [
        KNOWN_PATTERN,
        Pattern::GPT2,
        Pattern::LLAMA3,
        Pattern::QWEN2,
        Pattern::SMOLLM,
    ] {
        let tokenizer = self::tokenizer(pattern, &["aa", "  ", "the"], &["<s>"]);
        for unit in [
            "a", " ", "7", "the", "\u{4e2d}", "\n ", " \n", "\r\n", "\t ", "'", "<s>", "<s", "\u{a0}",
            "a\u{301}", "x1 ", " 1", "\t1", "'s",
        ] {
            let text = unit.repeat(LEN / unit.len());
            let ids = encode(&tokenizer, &text);
            assert!(decode(&tokenizer, &ids) == text.as_bytes(), "{pattern} {unit:?}");
        }
    }
}

#[test]
fn threads_can_share_a_tokenizer() {
    fn assert_shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    assert_shared::<Tokenizer>();
}

/// Strings over few letters, in which many merges overlap.
fn tokens() -> impl Strategy<Value = Vec<String>> {
    (
        proptest::collection::btree_set("[ab]{2,8}|[abc]{2,4}", 0..60),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(tokens, turn): (BTreeSet<String>, _)| {
            // The ranks must not follow the order of the strings.
            let mut tokens: Vec<String> = tokens.into_iter().collect();
            tokens.sort_by_key(|token| {
                token
                    .bytes()
                    .map(u64::from)
                    .fold(7, |hash, byte| (hash * 31 + byte) % 997)
            });
            if !tokens.is_empty() {
                let by = turn.index(tokens.len());
                tokens.rotate_left(by);
            }
            tokens
        })
}

proptest! {
    /// Pieces of all lengths: those in the cache, those merged by search and those merged with the queue.
    #[test]
    fn merges_are_those_of_the_rule(
        tokens in tokens(),
        pieces in proptest::collection::vec("[ab]{1,20}|[abc]{1,200}|a{90,200}|(ab|abc){30,200}", 1..6),
    ) {
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let tokenizer = tokenizer("[a-z]+", &tokens, &[]);
        let text = pieces.join(" ");
        let mut expected = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                expected.push(32);
            }
            expected.extend(naive_bpe(&tokens, piece));
        }
        prop_assert_eq!(encode(&tokenizer, &text), expected);
    }

    /// Lists of merges: in any order, with several ways to make a token, and tokens that nothing makes.
    #[test]
    fn listed_merges_are_those_of_the_rule(
        tokens in tokens(),
        order in any::<u64>(),
        ignore_merges in any::<bool>(),
        pieces in proptest::collection::vec("[ab]{1,20}|[abc]{1,200}|a{90,200}|(ab|abc){30,200}", 1..6),
    ) {
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let known: BTreeSet<&str> = tokens.iter().copied().chain(["a", "b", "c"]).collect();
        let all = tokens
            .iter()
            .flat_map(|token| (1..token.len()).map(|at| token.split_at(at)))
            .filter(|(left, right)| known.contains(left) && known.contains(right));
        let mut hashed: Vec<(u64, (&str, &str))> = all
            .map(|(left, right)| {
                let bytes = left.bytes().chain([0]).chain(right.bytes());
                (bytes.fold(order, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)), (left, right))
            })
            // Every fourth or so is left out.
            .filter(|(hash, _)| hash >> 40 & 3 > 0)
            .collect();
        hashed.sort_unstable();
        let merges: Vec<(&str, &str)> = hashed.into_iter().map(|(_, merge)| merge).collect();
        let tokenizer = listed(&tokens, &merges, Some(ignore_merges));
        for piece in &pieces {
            let mut parts: Vec<String> = piece.chars().map(String::from).collect();
            if ignore_merges && tokens.contains(&piece.as_str()) {
                parts = vec![piece.clone()];
            }
            while let Some((_, index)) = parts
                .windows(2)
                .enumerate()
                .filter_map(|(index, pair)| {
                    let rank = merges.iter().position(|&(left, right)| (left, right) == (&pair[0], &pair[1]))?;
                    Some((rank, index))
                })
                .min()
            {
                let right = parts.remove(index + 1);
                parts[index] += &right;
            }
            let found = encode(&tokenizer, piece);
            let found: Vec<&str> =
                found.iter().map(|&id| std::str::from_utf8(tokenizer.token_bytes(id).unwrap()).unwrap()).collect();
            prop_assert_eq!(found, parts);
        }
    }

    #[test]
    fn any_bytes_come_back(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(0xc3), Just(0xa9)], 0..200),
        ],
        ignore_merges in any::<bool>(),
        pattern in prop_oneof![
            Just(Pattern::CL100K), Just(Pattern::GPT2), Just(Pattern::LLAMA3), Just(Pattern::QWEN2), Just(Pattern::SMOLLM),
        ],
    ) {
        let mut definition = Definition::new("any", pattern);
        definition.mergeable = [b"ab".as_slice(), b"\xc3\xa9", b"bab", b"\xa9b"].map(<[u8]>::to_vec).into_iter().zip(7..).collect();
        definition.special = vec![("ab".to_owned(), 3)];
        prop_assert_eq!(definition.add_missing_bytes(), 11..267);
        definition.merges = Some(vec![[11 + 0xa9, 11 + 98], [11 + 97, 11 + 98], [11 + 98, 7], [11 + 0xc3, 11 + 0xa9]]);
        definition.ignore_merges = Some(ignore_merges);
        let tokenizer = Tokenizer::from_json(&definition.to_json().unwrap()).unwrap();
        let mut ids = Vec::new();
        tokenizer.encode_bytes(&bytes, &mut ids).unwrap();
        prop_assert_eq!(decode(&tokenizer, &ids), bytes);
        // The special token is never made of the bytes that it has in common with another.
        prop_assert!(!ids.contains(&3));
    }

    #[test]
    fn every_text_comes_back(text in any::<String>(), pattern in prop_oneof![
        Just(KNOWN_PATTERN), Just(ONE_PIECE), Just("[a-z]*"), Just(r"\w+(?=\s)|^"),
    ]) {
        let tokenizer = tokenizer(pattern, &["\u{c3}\u{a9}", "ab", " a"], &["<s>", "\u{e9}"]);
        prop_assert_eq!(decode(&tokenizer, &encode(&tokenizer, &text)), text.as_bytes());
        prop_assert_eq!(decode(&tokenizer, &encode_ordinary(&tokenizer, &text)), text.as_bytes());
    }
}
