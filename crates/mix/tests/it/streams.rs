//! What the mixer codes is what the reference codes, to the byte.

use czip_coder::binary::{Decoder, Encoder};
use czip_kernels::Kernels;
use czip_mix::{Alphabet, Mixer, Tree, Variant};
use proptest::prelude::*;

use crate::data::{
    ENGLISH, Random, as_symbols, log, net, noise, records, shuffled_noise, slices, texts, tokenize,
    vocabulary,
};
use crate::reference::{InitialState, PlainTree, Reference, VariantConfig};

pub(crate) const TOKEN_VARIANTS: [Variant; 3] = [Variant::Light, Variant::Standard, Variant::Max];
pub(crate) const BYTE_VARIANTS: [Variant; 2] = [Variant::LightBytes, Variant::Bytes];

pub(crate) fn config(variant: Variant) -> VariantConfig {
    match variant {
        Variant::Light => VariantConfig::light(),
        Variant::Standard => VariantConfig::standard(),
        Variant::Max => VariantConfig::max(),
        Variant::LightBytes => VariantConfig::light_bytes(),
        Variant::Bytes => VariantConfig::bytes(),
    }
}

/// The shipped priors of tokens.
pub(crate) const TOKEN_PRIORS: [&[u8]; 4] = [
    include_bytes!("../../priors/max.bin"),
    include_bytes!("../../priors/light-alone.bin"),
    include_bytes!("../../priors/standard-alone.bin"),
    include_bytes!("../../priors/max-alone.bin"),
];

/// The shipped priors of bytes.
pub(crate) const BYTE_PRIORS: [&[u8]; 2] = [
    include_bytes!("../../priors/light-bytes.bin"),
    include_bytes!("../../priors/bytes.bin"),
];

/// What is coded, and how.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'a> {
    pub(crate) variant: Variant,
    pub(crate) symbols: &'a [u32],
    /// Frequencies in the order of ids.
    pub(crate) net: Option<&'a [Vec<u32>]>,
    pub(crate) text_len: usize,
}

impl Stream<'_> {
    fn frequencies(&self, at: usize) -> Option<&[u32]> {
        self.net.map(|net| net[at].as_slice())
    }

    fn cumulative(&self, alphabet: &Alphabet, at: usize) -> Option<Vec<u32>> {
        self.frequencies(at).map(|frequencies| {
            let mut cumulative = vec![0; frequencies.len() + 1];
            alphabet.tree().accumulate(frequencies, &mut cumulative);
            cumulative
        })
    }

    pub(crate) fn mixer<'a>(&self, alphabet: &'a Alphabet) -> Mixer<'a> {
        Mixer::new(alphabet, self.variant, self.net.is_some(), self.text_len)
    }

    fn by_reference(&self, tree: &PlainTree, priors: &[&[u8]]) -> Vec<u8> {
        let config = config(self.variant);
        let initial = InitialState::of(&config, self.net.is_some(), tree, priors);
        let mut reference = Reference::new(config, tree, initial, self.text_len);
        for (at, &symbol) in self.symbols.iter().enumerate() {
            reference.encode(symbol as usize, self.frequencies(at));
        }
        reference.finish()
    }

    pub(crate) fn encoded(&self, alphabet: &Alphabet, mixer: &mut Mixer<'_>) -> Vec<u8> {
        let mut encoder = Encoder::new();
        for (at, &symbol) in self.symbols.iter().enumerate() {
            mixer.encode(symbol, self.cumulative(alphabet, at).as_deref(), &mut encoder);
        }
        encoder.finish()
    }

    fn decoded(&self, alphabet: &Alphabet, bytes: &[u8]) -> Vec<u32> {
        let mut mixer = self.mixer(alphabet);
        let mut decoder = Decoder::new(bytes);
        let symbols = (0..self.symbols.len())
            .map(|at| mixer.decode(self.cumulative(alphabet, at).as_deref(), &mut decoder))
            .collect();
        assert_eq!(decoder.finish(), Ok(()));
        symbols
    }

    /// Compares with the reference, and decodes.
    pub(crate) fn check(&self, alphabet: &Alphabet, tree: &PlainTree, priors: &[&[u8]], name: &str) {
        let expected = self.by_reference(tree, priors);
        let name = format!(
            "{name}, {:?}, net: {}, {}",
            self.variant,
            self.net.is_some(),
            self.text_len
        );
        assert!(
            self.encoded(alphabet, &mut self.mixer(alphabet)) == expected,
            "{name}"
        );
        assert!(self.decoded(alphabet, &expected) == self.symbols, "{name}");
    }
}

pub(crate) fn kernels() -> Kernels {
    Kernels::detect()
}

/// All texts for all variants of tokens, with and without a net.
fn check_tokens(alphabet: &Alphabet, tree: &PlainTree, priors: &[&[u8]]) {
    for (name, text) in texts() {
        let symbols = tokenize(&tree.spellings, &text);
        let net = net(&symbols, tree.order.len());
        for variant in TOKEN_VARIANTS {
            for net in [None, Some(net.as_slice())] {
                let stream = Stream {
                    variant,
                    symbols: &symbols,
                    net,
                    text_len: text.len(),
                };
                stream.check(alphabet, tree, priors, name);
            }
        }
    }
}

fn check_bytes(alphabet: &Alphabet, priors: &[&[u8]]) {
    let tree = PlainTree::of_bytes();
    for (name, text) in texts() {
        let symbols = as_symbols(&text);
        for variant in BYTE_VARIANTS {
            let stream = Stream {
                variant,
                symbols: &symbols,
                net: None,
                text_len: text.len(),
            };
            stream.check(alphabet, &tree, priors, name);
        }
    }
}

#[test]
fn tokens_with_shipped_priors() {
    let tokens = vocabulary();
    let alphabet = Alphabet::for_tokens(kernels(), &slices(&tokens));
    check_tokens(&alphabet, &PlainTree::new(&tokens, None), &TOKEN_PRIORS);
}

#[test]
fn tokens_without_priors() {
    let tokens = vocabulary();
    let alphabet = Alphabet::untrained(kernels(), &slices(&tokens), None);
    check_tokens(&alphabet, &PlainTree::new(&tokens, None), &[]);
}

#[test]
fn bytes_with_shipped_priors() {
    check_bytes(&Alphabet::for_bytes(kernels()), &BYTE_PRIORS);
}

#[test]
fn bytes_without_priors() {
    check_bytes(&Alphabet::untrained_for_bytes(kernels()), &[]);
}

#[test]
fn tokens_with_weights() {
    let tokens = vocabulary();
    let mut random = Random(6);
    let weights: Vec<u32> = tokens.iter().map(|_| 1 << random.below(17)).collect();
    let alphabet = Alphabet::untrained(kernels(), &slices(&tokens), Some(&weights));
    let tree = PlainTree::new(&tokens, Some(&weights));
    let symbols = tokenize(&tokens, &ENGLISH[..2_000]);
    let net = net(&symbols, tokens.len());
    for variant in TOKEN_VARIANTS {
        let stream = Stream {
            variant,
            symbols: &symbols,
            net: Some(&net),
            text_len: 2_000,
        };
        stream.check(&alphabet, &tree, &[], "weights");
    }
}

/// Rows are shared above 4,096 symbols; with 65,536 the end of the last span does not fit 16 bits; above that, runs and
/// the hash of the tree have more bits for symbols.
#[test]
fn large_vocabularies() {
    let sizes = [
        (5_000, 600),
        (1 << 16, 150),
        ((1 << 16) + 1, 150),
        ((1 << 17) + 1, 60),
        (Tree::MAX_SYMBOLS, 60),
    ];
    for (count, len) in sizes {
        let tokens: Vec<Vec<u8>> = (0..count as u32)
            .map(|id| match id.to_le_bytes() {
                [low, high, 0, 0] => vec![low, high],
                bytes => bytes[..3].to_vec(),
            })
            .collect();
        let tree = PlainTree::new(&tokens, None);
        let mut random = Random(7);
        let last = count as u32 - 1;
        let mut symbols = vec![0, last, last, 0, last & 0xffff, last];
        symbols.extend((0..len).map(|_| {
            // Some come again, and some are alike modulo the number of rows or in their low bits.
            [3, 4_095, 4_096 + 3, last, last / 2, random.below(count) as u32][random.below(6)]
        }));
        let net = net(&symbols, count);
        let untrained = Alphabet::untrained(kernels(), &slices(&tokens), None);
        let shipped = Alphabet::for_tokens(kernels(), &slices(&tokens));
        for net in [None, Some(net.as_slice())] {
            let stream = Stream {
                variant: Variant::Standard,
                symbols: &symbols,
                net,
                text_len: 3 * symbols.len(),
            };
            stream.check(&untrained, &tree, &[], "large");
            stream.check(&shipped, &tree, &TOKEN_PRIORS, "large");
        }
    }
}

/// The tables' sizes follow from the text's length: small ones for a longer text, where contexts drive each other out,
/// and the largest.
#[test]
fn tables_of_other_sizes() {
    let tokens = vocabulary();
    let tree = PlainTree::new(&tokens, None);
    let alphabet = Alphabet::for_tokens(kernels(), &slices(&tokens));
    let sizes = [
        (log(150), 0),
        (log(20), usize::MAX / 1_024),
        (shuffled_noise(500), 1 << 24),
    ];
    for (text, text_len) in sizes {
        let symbols = tokenize(&tokens, &text);
        for variant in TOKEN_VARIANTS {
            let stream = Stream {
                variant,
                symbols: &symbols,
                net: None,
                text_len,
            };
            stream.check(&alphabet, &tree, &TOKEN_PRIORS, "log");
        }
        let symbols = as_symbols(&text);
        for variant in BYTE_VARIANTS {
            let stream = Stream {
                variant,
                symbols: &symbols,
                net: None,
                text_len,
            };
            stream.check(
                &Alphabet::for_bytes(kernels()),
                &PlainTree::of_bytes(),
                &BYTE_PRIORS,
                "log",
            );
        }
    }
}

/// What is coded with each variant where all texts would take too long.
fn mixed_text() -> Vec<u8> {
    [&ENGLISH[..600], &records(20), &noise(100), &log(6), &[0; 60]].concat()
}

#[test]
fn all_levels_code_alike() {
    let tokens = vocabulary();
    let text = mixed_text();
    let (ids, bytes) = (tokenize(&tokens, &text), as_symbols(&text));
    let net = net(&ids, tokens.len());
    let all = TOKEN_VARIANTS.map(|variant| (variant, &ids, Some(net.as_slice())));
    let all = all
        .into_iter()
        .chain(BYTE_VARIANTS.map(|variant| (variant, &bytes, None)));
    for (variant, symbols, net) in all {
        let stream = Stream {
            variant,
            symbols,
            net,
            text_len: text.len(),
        };
        let codings = |kernels| match net {
            Some(_) => Alphabet::for_tokens(kernels, &slices(&tokens)),
            None => Alphabet::for_bytes(kernels),
        };
        let mut messages = Kernels::available().map(|kernels| {
            let alphabet = codings(kernels);
            let message = stream.encoded(&alphabet, &mut stream.mixer(&alphabet));
            assert!(
                stream.decoded(&alphabet, &message) == *symbols,
                "{variant:?}, {kernels:?}"
            );
            message
        });
        let first = messages.next().unwrap();
        assert!(messages.all(|message| message == first), "{variant:?}");
    }
}

#[test]
fn a_mixer_restarts_as_a_new_one() {
    let tokens = vocabulary();
    let tree = PlainTree::new(&tokens, None);
    let text = mixed_text();
    let (ids, bytes) = (tokenize(&tokens, &text), as_symbols(&text));
    let net = net(&ids, tokens.len());
    let (of_tokens, of_bytes) = (
        Alphabet::for_tokens(kernels(), &slices(&tokens)),
        Alphabet::for_bytes(kernels()),
    );
    let with_net = TOKEN_VARIANTS.map(|variant| (variant, &ids, Some(net.as_slice())));
    let without = TOKEN_VARIANTS.map(|variant| (variant, &ids, None));
    let single = BYTE_VARIANTS.map(|variant| (variant, &bytes, None));
    for (variant, symbols, net) in with_net.into_iter().chain(without).chain(single) {
        let is_of_bytes = BYTE_VARIANTS.contains(&variant);
        let alphabet = if is_of_bytes { &of_bytes } else { &of_tokens };
        let stream = Stream {
            variant,
            symbols,
            net,
            text_len: text.len(),
        };
        let mut mixer = stream.mixer(alphabet);
        let message = stream.encoded(alphabet, &mut mixer);
        assert!(
            stream.encoded(alphabet, &mut mixer) != message,
            "{variant:?} has learnt nothing"
        );

        // With tables of other sizes, and back.
        let half = Stream {
            symbols: &symbols[..symbols.len() / 2],
            text_len: 100,
            ..stream
        };
        mixer.set_rate(3);
        mixer.restart(100);
        let expected = match is_of_bytes {
            true => half.by_reference(&PlainTree::of_bytes(), &BYTE_PRIORS),
            false => half.by_reference(&tree, &TOKEN_PRIORS),
        };
        assert!(half.encoded(alphabet, &mut mixer) == expected, "{variant:?}");
        mixer.restart(text.len());
        assert!(stream.encoded(alphabet, &mut mixer) == message, "{variant:?}");
    }
}

/// A mixer that forgets a text keeps maps and weights, as the reference does if it takes them over.
#[test]
fn a_mixer_forgets_a_text() {
    let tokens = vocabulary();
    let tree = PlainTree::new(&tokens, None);
    let alphabet = Alphabet::for_tokens(kernels(), &slices(&tokens));
    let (first, second) = (tokenize(&tokens, &ENGLISH[..700]), tokenize(&tokens, &log(6)));
    for variant in TOKEN_VARIANTS {
        let stream = Stream {
            variant,
            symbols: &second,
            net: None,
            text_len: 300,
        };
        let mut mixer = Mixer::new(&alphabet, variant, false, 700);
        let mut encoder = Encoder::new();
        first
            .iter()
            .for_each(|&symbol| mixer.encode(symbol, None, &mut encoder));
        mixer.forget_text(300);

        let config = config(variant);
        let initial = InitialState::of(&config, false, &tree, &TOKEN_PRIORS);
        let mut reference = Reference::new(config, &tree, initial, 700);
        first
            .iter()
            .for_each(|&symbol| reference.encode(symbol as usize, None));
        let mut reference = reference.forget_text(300);
        second
            .iter()
            .for_each(|&symbol| reference.encode(symbol as usize, None));
        assert!(
            stream.encoded(&alphabet, &mut mixer) == reference.finish(),
            "{variant:?}"
        );
    }
}

/// At the rate 0 the first layer learns nothing, and everything else does.
#[test]
fn the_rate_is_that_of_the_first_layer() {
    let alphabet = Alphabet::for_bytes(kernels());
    let text = as_symbols(&ENGLISH[..300]);
    let stream = Stream {
        variant: Variant::LightBytes,
        symbols: &text,
        net: None,
        text_len: 300,
    };
    let priors = |rate: Option<u16>| {
        let mut mixer = stream.mixer(&alphabet);
        if let Some(rate) = rate {
            mixer.set_rate(rate);
            stream.encoded(&alphabet, &mut mixer);
            // It stays.
            mixer.forget_text(300);
            stream.encoded(&alphabet, &mut mixer);
        }
        mixer.priors().as_bytes().to_vec()
    };
    let untouched = priors(None);
    // Behind the maps: shifts, rows, and weights of the second layer.
    let weights = 18 + 3 * (5 * 512 + 2 * 256 + 256);
    let outer = untouched.len() - 8 * 256;
    let still = priors(Some(0));
    assert!(still[weights..outer] == untouched[weights..outer]);
    assert!(still[..weights] != untouched[..weights] && still[outer..] != untouched[outer..]);
    assert!(priors(Some(1_000))[weights..outer] != untouched[weights..outer]);
    // The largest is just below one half.
    assert!(priors(Some(u16::MAX)) == priors(Some(i16::MAX as u16)));
}

fn any_variant() -> impl Strategy<Value = Variant> {
    prop::sample::select([&TOKEN_VARIANTS[..], &BYTE_VARIANTS].concat())
}

/// The number of symbols, and some of them: repetitions and all.
fn any_symbols() -> impl Strategy<Value = (usize, Vec<u32>)> {
    prop::sample::select(vec![1_usize, 2, 3, 257]).prop_flat_map(|count| {
        let any = prop::collection::vec(0..count as u32, 0..60);
        let twice = any.prop_map(|symbols| [&symbols[..], &symbols].concat());
        let rare = prop::collection::vec(prop::sample::select(vec![0, count as u32 - 1]), 0..90);
        (Just(count), prop_oneof![twice, rare])
    })
}

/// Symbols of up to two bytes, of which the first has none.
fn spellings(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|id| match id {
            0 => Vec::new(),
            256.. => b"\n ".to_vec(),
            _ => vec![id as u8],
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_symbols_are_coded_as_by_the_reference(
        (count, symbols) in any_symbols(),
        variant in any_variant(),
        with_net: bool,
        text_len in 0_usize..2_000,
    ) {
        let tokens = spellings(count);
        let alphabet = Alphabet::untrained(kernels(), &slices(&tokens), None);
        let net = with_net.then(|| net(&symbols, count));
        let stream = Stream { variant, symbols: &symbols, net: net.as_deref(), text_len };
        stream.check(&alphabet, &PlainTree::new(&tokens, None), &[], "any");
    }

    /// And if their end is right, they are what these symbols are coded as.
    #[test]
    fn any_bytes_are_some_symbols(
        message in prop::collection::vec(any::<u8>(), 0..40),
        count in prop::sample::select(vec![1_usize, 2, 3, 257]),
        symbol_count in 0_usize..60,
        variant in any_variant(),
        with_net: bool,
    ) {
        let tokens = spellings(count);
        let alphabet = Alphabet::untrained(kernels(), &slices(&tokens), None);
        // It predicts other symbols than those that come.
        let net = with_net.then(|| net(&vec![0; symbol_count], count));
        let mut stream = Stream { variant, symbols: &[], net: net.as_deref(), text_len: 40 };
        let mut mixer = stream.mixer(&alphabet);
        let mut decoder = Decoder::new(&message);
        let symbols: Vec<u32> = (0..symbol_count)
            .map(|at| mixer.decode(stream.cumulative(&alphabet, at).as_deref(), &mut decoder))
            .collect();
        prop_assert!(symbols.iter().all(|&symbol| (symbol as usize) < count));
        stream.symbols = &symbols;
        let again = stream.encoded(&alphabet, &mut stream.mixer(&alphabet));
        prop_assert_eq!(decoder.finish().is_ok(), again == message);
    }
}
