//! The state of one stream: symbols and the net's frequencies in, decisions of the range coder out, or the other way
//! round.

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
/// The mixers of the encoder and of the decoder must be made with the same arguments and given the same frequencies. Then
/// they are in the same state after each symbol, on any machine.
#[derive(Debug)]
pub struct Mixer<'a> {
    alphabet: &'a Alphabet,
    engine: AnyEngine,
    with_net: bool,
}

struct Encoding<'a> {
    encoder: &'a mut Encoder,
    leaf: u32,
}

impl Decide for Encoding<'_> {
    #[inline(always)]
    fn decide(&mut self, node: u32, p: u16) -> bool {
        let bit = self.leaf >= node;
        self.encoder.encode(bit, p);
        bit
    }
}

impl Decide for Decoder<'_> {
    #[inline(always)]
    fn decide(&mut self, _node: u32, p: u16) -> bool {
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
    /// A mixer for a text of `text_len` bytes, which determines the sizes of its tables. `with_net` tells whether symbols
    /// come with a net's frequencies. Variants for tokens suit an alphabet of tokens, and those for bytes one of bytes.
    #[must_use]
    pub fn new(alphabet: &'a Alphabet, variant: Variant, with_net: bool, text_len: usize) -> Self {
        let config = variant.config();
        let shape = config.shape(with_net, alphabet.tree().symbol_count());
        macro_rules! engine {
            ($engine:ident, $states:ident) => {
                AnyEngine::$engine(Engine::new(
                    config,
                    alphabet.kernels,
                    alphabet.tree().symbol_count(),
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

    /// Begins another text of `text_len` bytes as [`Mixer::new`] does, but in the same memory.
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

    /// Begins another text of `text_len` bytes, but keeps the maps and weights, which hold for all texts. For the training
    /// of priors.
    pub fn forget_text(&mut self, text_len: usize) {
        each!(&mut self.engine, engine => engine.forget_text(text_len));
    }

    /// Sets the rate at which weights are learnt from now on, Q0.16, at most one half. For the training of priors.
    pub fn set_rate(&mut self, rate: u16) {
        // An error of 16 bits times a rate of 15 fits an i32.
        let rate = rate.min(i16::MAX as u16);
        each!(&mut self.engine, engine => engine.set_rate(rate));
    }

    /// The maps and weights learnt so far, without the text itself.
    #[must_use]
    pub fn priors(&self) -> Priors {
        let hash = self.alphabet.tree_hash;
        let shape = self.shape();
        each!(&self.engine, engine => Priors::of(shape, hash, &engine.learnt))
    }

    /// Encodes a symbol. `net` has the net's cumulative frequencies in the order that [`Tree::accumulate`] gives them:
    /// uint32 `[symbols + 1]`, strictly increasing.
    ///
    /// # Panics
    ///
    /// If there is no such symbol, if `net` is missing or unexpected, or if it is too short.
    ///
    /// [`Tree::accumulate`]: crate::Tree::accumulate
    pub fn encode(&mut self, symbol: u32, net: Option<&[u32]>, encoder: &mut Encoder) {
        assert_eq!(net.is_some(), self.with_net, "frequencies of a net");
        let leaf = self.alphabet.tree().leaves()[symbol as usize];
        let mut encoding = Encoding { encoder, leaf };
        each!(&mut self.engine, engine => engine.code(&self.alphabet.symbols, net, &mut encoding));
    }

    /// Decodes a symbol. Any message decodes to some symbol.
    ///
    /// # Panics
    ///
    /// If `net` is missing or unexpected, or if it is too short, as for [`Mixer::encode`].
    pub fn decode(&mut self, net: Option<&[u32]>, decoder: &mut Decoder<'_>) -> u32 {
        assert_eq!(net.is_some(), self.with_net, "frequencies of a net");
        each!(&mut self.engine, engine => engine.code(&self.alphabet.symbols, net, decoder))
    }
}
