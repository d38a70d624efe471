//! The state of one stream.

use czip_coder::binary::{Decoder, Encoder};

use crate::alphabet::Alphabet;
use crate::engine::{Decide, Engine, Plan, Shape, sizes};
use crate::history::Context::*;
use crate::priors::Priors;

/// How much is mixed. What each consists of is a part of the format: `docs/spec/mixing.md`, section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Five contexts.
    Light,
    /// Eight contexts.
    Standard,
    /// Sixteen contexts.
    Max,
    /// For bytes: five contexts.
    LightBytes,
    /// For bytes: sixteen contexts.
    Bytes,
}

static LIGHT: Plan = Plan {
    contexts: &[Order0, Order1, Order2, Word, Shape],
    runs: &[2, 3],
    joint: 0,
    repetition: [6, 2],
    track_records: false,
    max_lines_log2: 17,
};

static STANDARD: Plan = Plan {
    contexts: &[Order0, Order1, Order2, Word, Shape, Order3, Word2, Bytes3],
    runs: &[2, 3, 5],
    joint: 8,
    repetition: [6, 2],
    track_records: false,
    max_lines_log2: 18,
};

static MAX: Plan = Plan {
    contexts: &[
        Order0, Order1, Order2, Word, Shape, Order3, Word2, Bytes3, Order4, Order6, Skip1, Above, Field,
        Word3, Bytes5, WordSkip,
    ],
    runs: &[1, 2, 3, 5],
    joint: 8,
    repetition: [6, 2],
    track_records: false,
    max_lines_log2: 19,
};

static LIGHT_BYTES: Plan = Plan {
    contexts: &[Order1, Order2, Order3, Order4, Word],
    runs: &[2, 3],
    joint: 0,
    repetition: [8, 4],
    track_records: false,
    max_lines_log2: 18,
};

static BYTES: Plan = Plan {
    contexts: &[
        Order0, Order1, Order2, Order3, Order4, Order6, Word, Word2, Shape, Above, Sparse23, Sparse34,
        Sparse14, Column, RecordLast, Records,
    ],
    runs: &[2, 4, 5],
    joint: 0,
    repetition: [8, 3],
    track_records: true,
    max_lines_log2: 19,
};

#[derive(Debug)]
enum AnyEngine {
    Light(Engine<5, 2, 16>),
    Standard(Engine<8, 3, 32>),
    Max(Engine<16, 4, 48>),
    LightBytes(Engine<5, 2, 16>),
    Bytes(Engine<16, 3, 48>),
}

/// The state of one stream: a text that is coded symbol by symbol, from its start.
///
/// An encoder's and a decoder's mixers must be made alike, and must be given the same net. Then they are in the same
/// state after each symbol, on any machine.
#[derive(Debug)]
pub struct Mixer<'a> {
    alphabet: &'a Alphabet,
    engine: AnyEngine,
    with_net: bool,
}

struct Encoding<'a> {
    encoder: &'a mut Encoder,
    leaf: u16,
}

impl Decide for Encoding<'_> {
    #[inline(always)]
    fn decide(&mut self, node: u16, p: u16) -> bool {
        let bit = self.leaf >= node;
        self.encoder.encode(bit, p);
        bit
    }
}

impl Decide for Decoder<'_> {
    #[inline(always)]
    fn decide(&mut self, _node: u16, p: u16) -> bool {
        self.decode(p)
    }
}

macro_rules! each {
    ($engine:expr, $name:ident => $body:expr) => {
        match $engine {
            AnyEngine::Light($name) => $body,
            AnyEngine::Standard($name) => $body,
            AnyEngine::Max($name) => $body,
            AnyEngine::LightBytes($name) => $body,
            AnyEngine::Bytes($name) => $body,
        }
    };
}

impl Shape {
    /// The sizes of the variant with so many contexts and runs, if there is one.
    pub(crate) fn find(contexts: usize, runs: usize, with_net: bool, symbol_rows: usize) -> Option<Self> {
        [&LIGHT, &STANDARD, &MAX, &LIGHT_BYTES, &BYTES]
            .into_iter()
            .find(|plan| (plan.contexts.len(), plan.runs.len()) == (contexts, runs))
            .map(|plan| Self {
                symbol_rows,
                ..Self::of(plan, with_net, 1)
            })
            .filter(|_| symbol_rows > 0)
    }
}

impl Variant {
    /// The most bytes that a [`Mixer`] for a text of `text_len` bytes takes, without the text.
    #[must_use]
    pub fn memory(self, text_len: usize) -> usize {
        let plan = self.plan();
        let (lines, matches, refinements) = sizes(plan.contexts.len(), plan.max_lines_log2, text_len);
        // Lines of buckets, two match tables, two tables of refinement lines, and a symbol and a byte for each byte.
        (64 << lines) + (8 << matches) + (128 << refinements) + text_len.saturating_mul(3)
    }

    fn plan(self) -> &'static Plan {
        match self {
            Self::Light => &LIGHT,
            Self::Standard => &STANDARD,
            Self::Max => &MAX,
            Self::LightBytes => &LIGHT_BYTES,
            Self::Bytes => &BYTES,
        }
    }
}

impl<'a> Mixer<'a> {
    /// A new stream for a text of `text_len` bytes, which decides how much memory it takes; `with_net` tells whether
    /// symbols come with a net's frequencies.
    #[must_use]
    pub fn new(alphabet: &'a Alphabet, variant: Variant, with_net: bool, text_len: usize) -> Self {
        let symbols = alphabet.tree().symbol_count();
        macro_rules! start {
            ($plan:expr, $field:ident, $engine:ident) => {{
                let start = alphabet.start(|starts| &starts.$field, Shape::of($plan, with_net, symbols));
                AnyEngine::$engine(Engine::new($plan, alphabet.kernels, start))
            }};
        }
        let engine = match variant {
            Variant::Light => start!(&LIGHT, light, Light),
            Variant::Standard => start!(&STANDARD, standard, Standard),
            Variant::Max => start!(&MAX, max, Max),
            Variant::LightBytes => start!(&LIGHT_BYTES, light, LightBytes),
            Variant::Bytes => start!(&BYTES, bytes, Bytes),
        };
        let mut mixer = Self {
            alphabet,
            engine,
            with_net,
        };
        mixer.forget_text(text_len);
        mixer
    }

    /// Begins another text of about `text_len` bytes, as [`Mixer::new`] does, in the same memory.
    pub fn restart(&mut self, text_len: usize) {
        let shape = self.shape();
        let alphabet = self.alphabet;
        match &mut self.engine {
            AnyEngine::Light(engine) => {
                engine.restart(alphabet.start(|starts| &starts.light, shape), text_len)
            }
            AnyEngine::Standard(engine) => {
                engine.restart(alphabet.start(|starts| &starts.standard, shape), text_len)
            }
            AnyEngine::Max(engine) => engine.restart(alphabet.start(|starts| &starts.max, shape), text_len),
            AnyEngine::LightBytes(engine) => {
                engine.restart(alphabet.start(|starts| &starts.light, shape), text_len)
            }
            AnyEngine::Bytes(engine) => {
                engine.restart(alphabet.start(|starts| &starts.bytes, shape), text_len)
            }
        }
    }

    fn shape(&self) -> Shape {
        each!(&self.engine, engine => engine.shape(self.with_net))
    }

    /// Forgets the text but keeps what holds for all texts.
    pub fn forget_text(&mut self, text_len: usize) {
        each!(&mut self.engine, engine => engine.forget_text(text_len));
    }

    /// Learns at this rate from now on, Q0.16 below one half, for the training of priors.
    pub fn set_rate(&mut self, rate: u16) {
        // An error of 16 bits times a rate of 15 fits an i32.
        let rate = rate.min(i16::MAX as u16);
        each!(&mut self.engine, engine => engine.set_rate(rate));
    }

    /// What has been learnt so far, but for the text itself.
    #[must_use]
    pub fn priors(&self) -> Priors {
        let hash = self.alphabet.tree_hash;
        let shape = self.shape();
        each!(&self.engine, engine => Priors::of(shape, hash, &engine.learnt))
    }

    /// Encodes a symbol. `net` are the cumulative frequencies that the net gives it, as [`Tree::accumulate`] makes them:
    /// uint32 `[symbols + 1]`, each above the one before.
    ///
    /// # Panics
    ///
    /// If there is no such symbol, frequencies are there and should not be or the other way round, or there are too few.
    ///
    /// [`Tree::accumulate`]: crate::Tree::accumulate
    pub fn encode(&mut self, symbol: u16, net: Option<&[u32]>, encoder: &mut Encoder) {
        assert_eq!(net.is_some(), self.with_net, "frequencies of a net");
        let leaf = self.alphabet.tree().leaves()[usize::from(symbol)];
        let mut encoding = Encoding { encoder, leaf };
        each!(&mut self.engine, engine => engine.code(&self.alphabet.symbols, net, &mut encoding));
    }

    /// Decodes a symbol. Any message gives some symbol.
    ///
    /// # Panics
    ///
    /// As [`Mixer::encode`], but for the symbol.
    pub fn decode(&mut self, net: Option<&[u32]>, decoder: &mut Decoder<'_>) -> u16 {
        assert_eq!(net.is_some(), self.with_net, "frequencies of a net");
        each!(&mut self.engine, engine => engine.code(&self.alphabet.symbols, net, decoder))
    }
}
