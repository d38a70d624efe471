//! The state of one stream: symbols and the net's frequencies in, decisions of the range coder out, or the other way round.

use czip_coder::binary::{Decoder, Encoder};

use crate::alphabet::Alphabet;
use crate::engine::{Decide, Engine};
use crate::priors::Priors;
use crate::shape::Shape;
use crate::variant::Variant;

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

impl<'a> Mixer<'a> {
    /// A new stream for a text of `text_len` bytes, which decides how much memory it takes; `with_net` tells whether
    /// symbols come with a net's frequencies.
    #[must_use]
    pub fn new(alphabet: &'a Alphabet, variant: Variant, with_net: bool, text_len: usize) -> Self {
        let config = variant.config();
        let shape = config.shape(with_net, alphabet.tree().symbol_count());
        macro_rules! engine {
            ($engine:ident, $states:ident) => {
                AnyEngine::$engine(Engine::new(
                    config,
                    alphabet.kernels,
                    alphabet.initial_state(|states| &states.$states, shape),
                ))
            };
        }
        let engine = match variant {
            Variant::Light => engine!(Light, light),
            Variant::Standard => engine!(Standard, standard),
            Variant::Max => engine!(Max, max),
            Variant::LightBytes => engine!(LightBytes, light),
            Variant::Bytes => engine!(Bytes, bytes),
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
        let (alphabet, shape) = (self.alphabet, self.shape());
        macro_rules! restart {
            ($engine:expr, $states:ident) => {
                $engine.restart(
                    alphabet.initial_state(|states| &states.$states, shape),
                    text_len,
                )
            };
        }
        match &mut self.engine {
            AnyEngine::Light(engine) | AnyEngine::LightBytes(engine) => restart!(engine, light),
            AnyEngine::Standard(engine) => restart!(engine, standard),
            AnyEngine::Max(engine) => restart!(engine, max),
            AnyEngine::Bytes(engine) => restart!(engine, bytes),
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
