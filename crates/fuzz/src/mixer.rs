//! The mixer and its plain reference.

use std::sync::LazyLock;

use czip_coder::binary::{Decoder, Encoder};
use czip_kernels::Kernels;
use czip_mix::{Alphabet, Mixer, Priors, Variant};

use crate::input::Input;
use crate::reference::{InitialState, PlainTree, Reference, VariantConfig};

/// What all streams of one vocabulary share, here and in the reference.
struct Vocabulary {
    alphabet: Alphabet,
    tree: PlainTree,
    priors: Vec<&'static [u8]>,
}

static BYTES: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary {
    alphabet: Alphabet::for_bytes(Kernels::detect()),
    tree: PlainTree::of_bytes(),
    priors: vec![
        include_bytes!("../../mix/priors/light-bytes.bin"),
        include_bytes!("../../mix/priors/bytes.bin"),
    ],
});

/// Of 1, 2, 3, 257 and 300 symbols: one without bytes, single bytes, and longer ones of which some are alike.
static TOKENS: LazyLock<[Vocabulary; 5]> = LazyLock::new(|| {
    [1, 2, 3, 257, 300].map(|count| {
        let spelling = |id: usize| match id {
            0 => Vec::new(),
            257.. => b" the "[id % 3..].to_vec(),
            id => vec![id as u8],
        };
        let tokens: Vec<Vec<u8>> = (0..count).map(spelling).collect();
        let slices: Vec<&[u8]> = tokens.iter().map(Vec::as_slice).collect();
        Vocabulary {
            alphabet: Alphabet::for_tokens(Kernels::detect(), &slices),
            tree: PlainTree::new(&tokens, None),
            priors: vec![
                include_bytes!("../../mix/priors/max.bin"),
                include_bytes!("../../mix/priors/light-alone.bin"),
                include_bytes!("../../mix/priors/standard-alone.bin"),
                include_bytes!("../../mix/priors/max-alone.bin"),
            ],
        }
    })
});

/// Any symbols, with any predictions of a net: the mixer codes them to the same bytes as its plain reference, and decodes
/// them. Any bytes decode to symbols, and if their end is right they are what these symbols are coded as.
pub fn mixer(data: &[u8]) {
    let mut input = Input::new(data);
    let (variant, config) = match input.byte() % 5 {
        0 => (Variant::Light, VariantConfig::light()),
        1 => (Variant::Standard, VariantConfig::standard()),
        2 => (Variant::Max, VariantConfig::max()),
        3 => (Variant::LightBytes, VariantConfig::light_bytes()),
        _ => (Variant::Bytes, VariantConfig::bytes()),
    };
    let of_bytes = matches!(variant, Variant::LightBytes | Variant::Bytes);
    let vocabulary = match input.below(5) {
        _ if of_bytes => &*BYTES,
        number => &TOKENS[number],
    };
    let seed = (input.flag() && !of_bytes).then(|| input.byte());
    let text_len = input.below(5_000);
    let is_message = input.flag();
    let priors = input
        .flag()
        .then(|| wild_priors(&mut input, vocabulary, variant, seed.is_some()));
    let rest = input.rest(160);

    let count = vocabulary.tree.order.len();
    let symbols: Vec<usize> = match count {
        257.. => rest
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |n, &byte| n << 8 | usize::from(byte)) % count)
            .collect(),
        _ => rest.iter().map(|&byte| usize::from(byte) % count).collect(),
    };
    let untrained;
    let (alphabet, stored) = match &priors {
        None => (&vocabulary.alphabet, vocabulary.priors.clone()),
        Some((bytes, read)) => {
            let spellings: Vec<&[u8]> = vocabulary.tree.spellings.iter().map(Vec::as_slice).collect();
            untrained = match of_bytes {
                true => Alphabet::untrained_for_bytes(Kernels::detect()),
                false => Alphabet::untrained(Kernels::detect(), &spellings, None),
            }
            .with_priors([read.clone()]);
            (&untrained, vec![bytes.as_slice()])
        }
    };
    let stream = Stream {
        alphabet,
        variant,
        nets: seed.map(|seed| nets(seed, &symbols, count)),
        text_len,
    };
    if is_message {
        stream.check_message(rest, symbols.len());
        return;
    }

    let initial = InitialState::of(&config, seed.is_some(), &vocabulary.tree, &stored);
    let mut reference = Reference::new(config, &vocabulary.tree, initial, text_len);
    for (at, &symbol) in symbols.iter().enumerate() {
        reference.encode(symbol, stream.frequencies(at));
    }
    let expected = reference.finish();
    assert!(
        stream.encode(&symbols) == expected,
        "other bytes than the reference"
    );
    let (decoded, end) = stream.decode(&expected, symbols.len());
    assert!(decoded == symbols && end, "other symbols");
}

/// Priors that fit, of any bytes.
fn wild_priors(
    input: &mut Input<'_>,
    vocabulary: &Vocabulary,
    variant: Variant,
    with_net: bool,
) -> (Vec<u8>, Priors) {
    let rows = vocabulary.tree.order.len();
    let mut mixer = Mixer::new(&vocabulary.alphabet, variant, with_net, 0);
    let pattern = input.bytes();
    if !pattern.is_empty() {
        mixer.set_rate(pattern[0].into());
    }
    let mut bytes = mixer.priors().as_bytes().to_vec();
    // The header has 18 bytes; after it every byte is free except shifts, which are at most 8.
    let start = 18 + input.number() % (bytes.len() - 18);
    for (byte, &new) in bytes[start..]
        .iter_mut()
        .zip(pattern.iter().cycle().take(rows * 64))
    {
        *byte = new;
    }
    let read = Priors::from_bytes(&bytes).unwrap_or_else(|_| mixer.priors());
    (read.as_bytes().to_vec(), read)
}

/// Frequencies with the total 2^30 for each symbol to come.
fn nets(seed: u8, symbols: &[usize], count: usize) -> Vec<Vec<u32>> {
    let mut state = u64::from(seed);
    let mut random = || {
        // Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u32
    };
    let frequencies = |&symbol: &usize| {
        let shift = 18 + random() % 14;
        let mut frequencies: Vec<u32> = (0..count).map(|_| 1 + (random() >> shift)).collect();
        let total: u32 = frequencies.iter().sum();
        // The right one, or any.
        let peak = if random() % 3 == 0 {
            random() as usize % count
        } else {
            symbol
        };
        frequencies[peak] += (1 << 30) - total;
        frequencies
    };
    symbols.iter().map(frequencies).collect()
}

struct Stream<'a> {
    alphabet: &'a Alphabet,
    variant: Variant,
    nets: Option<Vec<Vec<u32>>>,
    text_len: usize,
}

impl Stream<'_> {
    fn mixer(&self) -> Mixer<'_> {
        Mixer::new(self.alphabet, self.variant, self.nets.is_some(), self.text_len)
    }

    fn frequencies(&self, at: usize) -> Option<&[u32]> {
        self.nets.as_ref().map(|nets| nets[at].as_slice())
    }

    fn cumulative(&self, at: usize) -> Option<Vec<u32>> {
        self.frequencies(at).map(|frequencies| {
            let mut cumulative = vec![0; frequencies.len() + 1];
            self.alphabet.tree().accumulate(frequencies, &mut cumulative);
            cumulative
        })
    }

    fn encode(&self, symbols: &[usize]) -> Vec<u8> {
        let (mut mixer, mut encoder) = (self.mixer(), Encoder::new());
        for (at, &symbol) in symbols.iter().enumerate() {
            mixer.encode(symbol as u32, self.cumulative(at).as_deref(), &mut encoder);
        }
        encoder.finish()
    }

    /// The symbols, and whether the end is right.
    fn decode(&self, message: &[u8], count: usize) -> (Vec<usize>, bool) {
        let (mut mixer, mut decoder) = (self.mixer(), Decoder::new(message));
        let symbols = (0..count)
            .map(|at| mixer.decode(self.cumulative(at).as_deref(), &mut decoder) as usize)
            .collect();
        (symbols, decoder.finish().is_ok())
    }

    fn check_message(&self, message: &[u8], count: usize) {
        let (symbols, end) = self.decode(message, count);
        let symbol_count = self.alphabet.tree().symbol_count();
        assert!(symbols.iter().all(|&symbol| symbol < symbol_count));
        assert_eq!(self.encode(&symbols) == message, end);
    }
}
