//! Mixing priors: a sample of text goes in, and perhaps a net; the weights and maps of mixers that have coded it come
//! out.

use std::ops::ControlFlow;

use czip_coder::binary::Encoder;
use czip_kernels::Kernels;
use czip_mix::{Alphabet, Mixer, Priors, Tree, Variant};
use czip_model::AnyTransformer;
use czip_tokenizer::{TokenId, Tokenizer};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

/// The learning rate of each pass through the sample, Q0.16. The last pass learns slowly, so the end of the sample does
/// not count for more than the rest.
const RATES: [u16; 2] = [1500, 330];

/// The window for nets without one, and how many of its tokens stay when it moves: those of all levels with a net.
const WINDOW: (usize, usize) = (512, 256);

/// Rows that share one pass over the net's weights.
const BATCH: usize = 64;

/// The variants that code tokens without a net, the cheapest first.
pub const TOKEN_VARIANTS: [Variant; 3] = [Variant::Light, Variant::Standard, Variant::Max];

/// The variant of all levels with a net.
const NET_VARIANT: Variant = Variant::Max;

/// A sample of text as the symbols of one alphabet.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The symbols of each text.
    pub symbols: Vec<Vec<u32>>,
    /// The bytes of each text.
    pub lengths: Vec<usize>,
}

impl Sample {
    /// Texts as tokens.
    ///
    /// # Errors
    ///
    /// A text that the tokenizer cannot split.
    pub fn of_tokens<'t>(
        tokenizer: &Tokenizer,
        texts: impl IntoIterator<Item = &'t [u8]>,
    ) -> Result<Self, czip_tokenizer::Error> {
        let mut sample = Self::default();
        for text in texts {
            let mut tokens = Vec::new();
            tokenizer.encode_bytes(text, &mut tokens)?;
            sample.symbols.push(tokens);
            sample.lengths.push(text.len());
        }
        Ok(sample)
    }

    /// Texts as bytes.
    pub fn of_bytes<'t>(texts: impl IntoIterator<Item = &'t [u8]>) -> Self {
        let mut sample = Self::default();
        for text in texts {
            sample
                .symbols
                .push(text.iter().map(|&byte| byte.into()).collect());
            sample.lengths.push(text.len());
        }
        sample
    }

    /// How often each of `symbols` symbols occurs, at most 65,535.
    #[must_use]
    pub fn counts(&self, symbols: usize) -> Vec<u16> {
        let mut counts = vec![0u16; symbols];
        for &symbol in self.symbols.iter().flatten() {
            let count = &mut counts[symbol as usize];
            *count = count.saturating_add(1);
        }
        counts
    }

    fn texts(&self) -> impl Iterator<Item = (&[u32], usize)> {
        self.symbols
            .iter()
            .map(Vec::as_slice)
            .zip(self.lengths.iter().copied())
    }
}

/// The bytes of every symbol of a net; empty for those that are not tokens.
#[must_use]
pub fn spellings(tokenizer: &Tokenizer, vocab_size: usize) -> Vec<Vec<u8>> {
    (0..vocab_size)
        .map(|symbol| {
            let token = tokenizer.token_bytes(symbol as TokenId);
            token.unwrap_or_default().to_vec()
        })
        .collect()
}

/// The alphabet of a vocabulary whose symbols occur this often, without priors.
#[must_use]
pub fn alphabet(kernels: Kernels, spellings: &[Vec<u8>], counts: &[u16]) -> Alphabet {
    let spellings: Vec<&[u8]> = spellings.iter().map(Vec::as_slice).collect();
    let counts: Vec<u32> = counts.iter().map(|&count| count.into()).collect();
    Alphabet::untrained(kernels, &spellings, Some(&counts))
}

/// Priors of a variant that uses no net.
#[must_use]
pub fn without_net(alphabet: &Alphabet, variant: Variant, sample: &Sample) -> Priors {
    let mut mixer = Mixer::new(alphabet, variant, false, 0);
    for rate in RATES {
        mixer.set_rate(rate);
        for (symbols, len) in sample.texts() {
            let mut encoder = Encoder::new();
            mixer.forget_text(len);
            symbols
                .iter()
                .for_each(|&symbol| mixer.encode(symbol, None, &mut encoder));
        }
    }
    mixer.priors()
}

/// A net, and what it needs to predict the tokens of a sample.
#[derive(Clone, Copy, Debug)]
pub struct Predictor<'a> {
    /// The net.
    pub net: &'a AnyTransformer,
    /// The token before a text.
    pub start_token: TokenId,
}

/// Priors of mixing with a net, on at most this many threads. `observe` is called with numbers of tokens that have been coded,
/// which add up to [`token_count`], and may end the work: the result then is `None`.
#[must_use]
pub fn with_net(
    predictor: Predictor<'_>,
    alphabet: &Alphabet,
    sample: &Sample,
    threads: usize,
    observe: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Option<Priors> {
    let work = || fit(predictor, alphabet, sample, threads, observe);
    match ThreadPoolBuilder::new().num_threads(threads.max(1)).build() {
        Ok(pool) => pool.install(work),
        // Threads that cannot be started: the ones that there are do it.
        Err(_) => work(),
    }
}

fn fit(
    predictor: Predictor<'_>,
    alphabet: &Alphabet,
    sample: &Sample,
    threads: usize,
    observe: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Option<Priors> {
    let mut mixer = Mixer::new(alphabet, NET_VARIANT, true, 0);
    for rate in RATES {
        mixer.set_rate(rate);
        for (tokens, len) in sample.texts() {
            let mut encoder = Encoder::new();
            mixer.forget_text(len);
            let flow = predictor.predict(alphabet.tree(), tokens, threads, |tokens, predicted| {
                for (&token, cumulative) in tokens.iter().zip(predicted) {
                    mixer.encode(token, Some(cumulative), &mut encoder);
                }
                observe(tokens.len() as u64)
            });
            if flow.is_break() {
                return None;
            }
        }
    }
    Some(mixer.priors())
}

/// The number of tokens that [`with_net`] codes: each of the sample in each pass.
#[must_use]
pub fn token_count(sample: &Sample) -> u64 {
    let tokens: usize = sample.symbols.iter().map(Vec::len).sum();
    (tokens * RATES.len()) as u64
}

impl Predictor<'_> {
    /// Calls back with a batch of tokens, and the cumulative frequencies that the net predicts for each, until that ends it.
    fn predict(
        self,
        tree: &Tree,
        tokens: &[TokenId],
        threads: usize,
        mut each: impl FnMut(&[TokenId], &[Vec<u32>]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Self {
            net: transformer,
            start_token,
        } = self;
        let length = WINDOW.0.min(transformer.config().context_length);
        let mut window = transformer.window(start_token, length, WINDOW.1.min(length / 2));
        let mut caches = [transformer.cache(length)];
        let threads = threads.clamp(1, transformer.max_threads());
        let mut scratch = transformer.scratch_for(BATCH, threads);
        let vocab_size = transformer.config().vocab_size;
        let mut predicted = vec![vec![0; vocab_size + 1]; BATCH];
        let mut coded = 0;
        while coded < tokens.len() {
            let mut rows = vec![match coded.checked_sub(1) {
                Some(last) => window.next(0, tokens[last], transformer, &mut caches, &mut scratch),
                None => window.first(0),
            }];
            let more = (tokens.len() - coded).min(BATCH).min(1 + window.free());
            for &token in &tokens[coded..coded + more - 1] {
                rows.push(window.next(0, token, transformer, &mut caches, &mut scratch));
            }
            transformer.forward(&rows, &mut caches, &mut scratch);
            predicted[..more].par_iter_mut().enumerate().for_each_init(
                || vec![0; vocab_size],
                |frequencies, (row, cumulative)| {
                    transformer.frequencies(scratch.logits(row), frequencies);
                    tree.accumulate(frequencies, cumulative);
                },
            );
            each(&tokens[coded..coded + more], &predicted[..more])?;
            coded += more;
        }
        ControlFlow::Continue(())
    }
}
