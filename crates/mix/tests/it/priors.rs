//! Priors: their stored form, and what a stream takes of them.

use czip_mix::{Alphabet, Mixer, Priors, PriorsError, Variant};
use proptest::prelude::*;

use crate::data::{ENGLISH, Random, as_symbols, net, slices, tokenize, vocabulary};
use crate::reference::PlainTree;
use crate::streams::{BYTE_VARIANTS, Stream, TOKEN_VARIANTS, kernels};

const HEADER_LEN: usize = 18;

/// A text that priors are made of, and one that they are used for.
fn texts() -> [&'static [u8]; 2] {
    [&ENGLISH[2_000..4_000], &ENGLISH[..1_000]]
}

/// What a stream has learnt of a text.
fn trained(alphabet: &Alphabet, stream: Stream<'_>) -> Priors {
    let mut mixer = stream.mixer(alphabet);
    stream.encoded(alphabet, &mut mixer);
    mixer.priors()
}

/// Small ones: of two symbols.
fn small() -> Priors {
    let alphabet = Alphabet::untrained(kernels(), &[b"a", b"b"], None);
    trained(
        &alphabet,
        Stream {
            variant: Variant::Light,
            symbols: &[0, 1, 1, 0, 1],
            net: None,
            text_len: 5,
        },
    )
}

/// C and R of each variant.
pub(crate) fn sizes(variant: Variant) -> [usize; 2] {
    match variant {
        Variant::Light | Variant::LightBytes => [5, 2],
        Variant::Standard => [8, 3],
        Variant::Max => [16, 4],
        Variant::Bytes => [16, 3],
    }
}

/// How many inputs there are, and how many of them have a joint map.
fn inputs([contexts, runs]: [usize; 2], net: bool) -> [usize; 2] {
    let joint = if net && contexts >= 8 { 8 } else { 0 };
    [4 + 2 * contexts + runs + joint, joint]
}

/// Where the shifts are, and the length of all, by the table of the specification's section 12.
fn layout(sizes: [usize; 2], net: bool, rows: usize) -> [usize; 2] {
    let ([contexts, runs], [inputs, joint]) = (sizes, inputs(sizes, net));
    let shifts = HEADER_LEN + 3 * (512 * contexts + 256 * runs + 256 + 1_024 * joint);
    [
        shifts,
        shifts + inputs + inputs * (256 + 512 + 2 * rows) + 8 * rows,
    ]
}

/// Priors for these sizes, of random bytes.
fn random_priors(sizes: [usize; 2], net: bool, rows: usize, tree_hash: u64, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = b"CZMP\x01".to_vec();
    bytes.extend([sizes[0] as u8, sizes[1] as u8, u8::from(net)]);
    bytes.extend((rows as u16).to_le_bytes());
    bytes.extend(tree_hash.to_le_bytes());
    let [shifts, len] = layout(sizes, net, rows);
    bytes.extend((HEADER_LEN..len).map(|_| random.next() as u8));
    for shift in &mut bytes[shifts..shifts + inputs(sizes, net)[0]] {
        *shift %= 9;
    }
    bytes
}

#[test]
fn trained_priors_of_tokens_are_taken_up() {
    let tokens = vocabulary();
    let (tree, plain) = (
        PlainTree::new(&tokens, None),
        Alphabet::untrained(kernels(), &slices(&tokens), None),
    );
    let other_tokens = &tokens[..290];
    let other_tree = PlainTree::new(other_tokens, None);
    let [before, text] = texts().map(|text| tokenize(other_tokens, text));
    let (net_before, net) = (net(&before, tokens.len()), net(&text, tokens.len()));
    let other_net: Vec<Vec<u32>> = net.iter().map(|net| net[..290].to_vec()).collect();
    for variant in TOKEN_VARIANTS {
        for with_net in [false, true] {
            let stream = Stream {
                variant,
                symbols: &before,
                net: with_net.then_some(&net_before),
                text_len: 2_000,
            };
            let priors = trained(&plain, stream);
            assert_eq!(priors.as_bytes().len(), layout(sizes(variant), with_net, 300)[1]);
            assert_eq!(priors.as_bytes()[7], u8::from(with_net));

            // For the same tree, after the shipped ones, and for another.
            let alphabet = Alphabet::for_tokens(kernels(), &slices(&tokens)).with_priors([priors.clone()]);
            let stream = Stream {
                symbols: &text,
                net: with_net.then_some(&net),
                text_len: 1_000,
                ..stream
            };
            stream.check(&alphabet, &tree, &[priors.as_bytes()], "same tree");
            let alphabet =
                Alphabet::for_tokens(kernels(), &slices(other_tokens)).with_priors([priors.clone()]);
            let stream = Stream {
                net: with_net.then_some(&other_net),
                ..stream
            };
            stream.check(&alphabet, &other_tree, &[priors.as_bytes()], "other tree");
        }
    }
}

#[test]
fn trained_priors_of_bytes_are_taken_up() {
    let [before, text] = texts().map(as_symbols);
    for variant in BYTE_VARIANTS {
        let stream = Stream {
            variant,
            symbols: &before,
            net: None,
            text_len: 2_000,
        };
        let priors = trained(&Alphabet::untrained_for_bytes(kernels()), stream);
        assert_eq!(priors.as_bytes().len(), layout(sizes(variant), false, 256)[1]);
        let alphabet = Alphabet::for_bytes(kernels()).with_priors([priors.clone()]);
        let stream = Stream {
            symbols: &text,
            text_len: 1_000,
            ..stream
        };
        stream.check(&alphabet, &PlainTree::of_bytes(), &[priors.as_bytes()], "bytes");
    }
}

#[test]
fn the_last_of_fitting_priors_counts() {
    let tokens = vocabulary();
    let tree = PlainTree::new(&tokens, None);
    let light = sizes(Variant::Light);
    let (first, second) = (
        random_priors(light, true, 300, tree.hash(), 1),
        random_priors(light, true, 70, 0, 2),
    );
    // None of these fit: without a net, of other sizes, and of this tree but with another number of rows.
    let others = [
        random_priors(light, false, 300, tree.hash(), 3),
        random_priors(sizes(Variant::Standard), true, 300, tree.hash(), 4),
        random_priors(light, true, 299, tree.hash(), 5),
    ];
    let all: Vec<&[u8]> = [&first, &second]
        .into_iter()
        .chain(&others)
        .map(Vec::as_slice)
        .collect();
    let read = all.iter().map(|bytes| Priors::from_bytes(bytes).unwrap());
    let alphabet = Alphabet::untrained(kernels(), &slices(&tokens), None).with_priors(read);
    let symbols = tokenize(&tokens, &ENGLISH[..300]);
    let net = net(&symbols, 300);
    let stream = Stream {
        variant: Variant::Light,
        symbols: &symbols,
        net: Some(&net),
        text_len: 300,
    };
    stream.check(&alphabet, &tree, &[&second], "last");
    stream.check(&alphabet, &tree, &all, "all");
}

/// Weights of all sizes: sums wrap, and steps are clamped.
#[test]
fn wild_priors_are_taken_up() {
    let tokens = vocabulary();
    let tree = PlainTree::new(&tokens, None);
    let [_, text] = texts();
    let symbols = tokenize(&tokens, text);
    let net = net(&symbols, 300);
    for variant in TOKEN_VARIANTS {
        for (rows, hash) in [(300, tree.hash()), (1, 0), (5_000, 0)] {
            let bytes = random_priors(sizes(variant), true, rows, hash, 8);
            let priors = Priors::from_bytes(&bytes).unwrap();
            let alphabet = Alphabet::untrained(kernels(), &slices(&tokens), None).with_priors([priors]);
            let stream = Stream {
                variant,
                symbols: &symbols,
                net: Some(&net),
                text_len: 1_000,
            };
            stream.check(&alphabet, &tree, &[&bytes], "wild");
        }
    }
    let symbols = as_symbols(text);
    for variant in BYTE_VARIANTS {
        let bytes = random_priors(sizes(variant), false, 256, PlainTree::of_bytes().hash(), 9);
        let alphabet = Alphabet::for_bytes(kernels()).with_priors([Priors::from_bytes(&bytes).unwrap()]);
        let stream = Stream {
            variant,
            symbols: &symbols,
            net: None,
            text_len: 1_000,
        };
        stream.check(&alphabet, &PlainTree::of_bytes(), &[&bytes], "wild");
    }
}

/// The mean of the rows of sets 2 and 3 is of as many as there can be, and rounded towards 0.
#[test]
fn extreme_rows_have_a_mean() {
    let tree = PlainTree::of_bytes();
    let text = as_symbols(&ENGLISH[..200]);
    let [contexts, runs] = sizes(Variant::LightBytes);
    let inputs = 4 + 2 * contexts + runs;
    for (weight, odd_one) in [(0x80, 0x80), (0x7f, 0x7f), (0, 0xff), (0xff, 0)] {
        let mut bytes = random_priors([contexts, runs], false, 65_535, 0, 10);
        let [shifts, _] = layout([contexts, runs], false, 65_535);
        bytes[shifts..shifts + inputs].fill(8);
        let rows = shifts + inputs + inputs * 768;
        bytes[rows..rows + inputs * 2 * 65_535].fill(weight);
        bytes[rows..rows + inputs].fill(odd_one);
        let alphabet = Alphabet::for_bytes(kernels()).with_priors([Priors::from_bytes(&bytes).unwrap()]);
        let stream = Stream {
            variant: Variant::LightBytes,
            symbols: &text,
            net: None,
            text_len: 200,
        };
        stream.check(&alphabet, &tree, &[&bytes], "mean");
    }
}

#[test]
fn the_stored_form_round_trips() {
    let mut all = vec![small().as_bytes().to_vec()];
    all.extend(
        [TOKEN_VARIANTS.as_slice(), &BYTE_VARIANTS]
            .concat()
            .into_iter()
            .flat_map(|variant| {
                [1, 300, 65_535].map(|rows| random_priors(sizes(variant), false, rows, 11, 12))
            }),
    );
    for bytes in all {
        let priors = Priors::from_bytes(&bytes).unwrap();
        assert!(priors.as_bytes() == bytes);
        assert_eq!(Priors::from_bytes(priors.as_bytes()).unwrap(), priors);
    }
}

/// Without anything learnt, what is stored is what has been read: weights are the finest that fit 8 bits.
#[test]
fn nothing_learnt_is_stored_as_it_was_read() {
    let alphabet = Alphabet::untrained(kernels(), &[b"a", b"b"], None).with_priors([small()]);
    let again = Mixer::new(&alphabet, Variant::Light, false, 0).priors();
    assert_eq!(again, small());
}

/// The largest weight of the second layer is one more than what is stored can say.
#[test]
fn the_largest_weights_of_the_second_layer_are_stored() {
    let hash = PlainTree::new(&[b"a".to_vec(), b"b".to_vec()], None).hash();
    let mut bytes = random_priors(sizes(Variant::Light), false, 2, hash, 13);
    let len = bytes.len();
    // All sets say true. The second layer takes two of them for false, so it is wrong and trusts the first more.
    let [shifts, _] = layout(sizes(Variant::Light), false, 2);
    bytes[shifts..shifts + 16].fill(8);
    bytes[shifts + 16..len - 16].fill(0);
    for row in bytes[shifts + 16..len - 16].chunks_exact_mut(16) {
        row[1] = 4;
    }
    for weights in bytes[len - 16..].chunks_exact_mut(8) {
        weights.copy_from_slice(&[0xff, 0x7f, 0, 0x80, 0, 0x80, 0, 0]);
    }
    let alphabet = Alphabet::untrained(kernels(), &[b"a", b"b"], None)
        .with_priors([Priors::from_bytes(&bytes).unwrap()]);
    let stream = Stream {
        variant: Variant::Light,
        symbols: &[1; 60],
        net: None,
        text_len: 2,
    };
    let stored = trained(&alphabet, stream).as_bytes()[len - 8..].to_vec();
    assert_eq!(stored[..2], [0xff, 0x7f]);
}

#[test]
fn every_truncation_is_an_error() {
    let small = small();
    let bytes = small.as_bytes();
    let expected = bytes.len();
    assert_eq!(expected, layout([5, 2], false, 2)[1]);
    for len in 0..HEADER_LEN {
        let found = bytes[..len.min(4)].to_vec();
        assert_eq!(
            Priors::from_bytes(&bytes[..len]),
            Err(PriorsError::Magic { found })
        );
    }
    for found in HEADER_LEN..expected {
        assert_eq!(
            Priors::from_bytes(&bytes[..found]),
            Err(PriorsError::Length { expected, found })
        );
    }
}

/// What is said about bytes with one change.
fn error_after(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = small().as_bytes().to_vec();
    change(&mut bytes);
    Priors::from_bytes(&bytes).unwrap_err().to_string()
}

#[test]
fn errors_say_what_and_where() {
    assert_eq!(
        Priors::from_bytes(b"").unwrap_err().to_string(),
        "not priors: they begin with []"
    );
    assert_eq!(
        error_after(|bytes| bytes[0] = 7),
        "not priors: they begin with [07, 5a, 4d, 50]"
    );
    assert_eq!(
        error_after(|bytes| bytes[3] = b'M'),
        "not priors: they begin with [43, 5a, 4d, 4d]"
    );
    assert_eq!(
        error_after(|bytes| bytes.truncate(17)),
        "not priors: they begin with [43, 5a, 4d, 50]"
    );
    assert_eq!(
        error_after(|bytes| bytes[4] = 2),
        "version 2 of priors at byte 4 is unknown; only 1 is supported"
    );
    assert_eq!(
        error_after(|bytes| bytes[4] = 0),
        "version 0 of priors at byte 4 is unknown; only 1 is supported"
    );
    let shape = |sizes: &str| format!("sizes {sizes} of priors at byte 5 do not belong to any variant");
    assert_eq!(error_after(|bytes| bytes[5] = 6), shape("[6, 2, 0]"));
    assert_eq!(error_after(|bytes| bytes[6] = 3), shape("[5, 3, 0]"));
    assert_eq!(error_after(|bytes| bytes[7] = 2), shape("[5, 2, 2]"));
    assert_eq!(error_after(|bytes| bytes[8] = 0), shape("[5, 2, 0]"));
    let len = layout([5, 2], false, 2)[1];
    let lengths = |found: usize, expected: usize| format!("priors of {found} bytes should have {expected}");
    assert_eq!(error_after(|bytes| bytes[8] = 3), lengths(len, len + 40));
    assert_eq!(
        error_after(|bytes| bytes[9] = 255),
        lengths(len, len + 40 * 65_280)
    );
    assert_eq!(error_after(|bytes| bytes.push(0)), lengths(len + 1, len));
    assert_eq!(error_after(|bytes| bytes.truncate(18)), lengths(18, len));
    assert_eq!(
        error_after(|bytes| bytes[5..7].copy_from_slice(&[8, 3])),
        lengths(len, layout([8, 3], false, 2)[1])
    );
    assert_eq!(
        error_after(|bytes| bytes[10_002] = 9),
        "shift 9 of priors at byte 10002 is above 8"
    );
    assert_eq!(
        error_after(|bytes| bytes[10_017] = 255),
        "shift 255 of priors at byte 10017 is above 8"
    );
    // The net and the hash may be any.
    let mut bytes = small().as_bytes().to_vec();
    bytes[7] = 1;
    bytes[10..18].fill(0xff);
    assert!(Priors::from_bytes(&bytes).is_ok());
}

/// Reads bytes that may be priors, and codes with them if they are.
fn use_priors(bytes: &[u8]) {
    let Ok(priors) = Priors::from_bytes(bytes) else {
        return;
    };
    assert!(priors.as_bytes() == bytes);
    let alphabet = Alphabet::untrained(kernels(), &[b"a", b"b"], None).with_priors([priors]);
    let stream = Stream {
        variant: Variant::Light,
        symbols: &[0, 1, 1, 1, 0],
        net: None,
        text_len: 5,
    };
    stream.encoded(&alphabet, &mut stream.mixer(&alphabet));
}

proptest! {
    #[test]
    fn any_bytes_are_priors_or_an_error(
        mut bytes in prop::collection::vec(any::<u8>(), 0..64),
        prefix_len in 0..=HEADER_LEN,
    ) {
        let small = small();
        let prefix_len = prefix_len.min(bytes.len());
        bytes[..prefix_len].copy_from_slice(&small.as_bytes()[..prefix_len]);
        prop_assert!(Priors::from_bytes(&bytes).is_err());
    }

    #[test]
    fn priors_with_any_changes(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_header: bool,
    ) {
        let mut bytes = small().as_bytes().to_vec();
        let len = if in_header { HEADER_LEN } else { bytes.len() };
        for (at, byte) in changes {
            bytes[at.index(len)] = byte;
        }
        use_priors(&bytes);
    }
}
