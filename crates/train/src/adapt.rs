//! Adapting a model to texts: a model file and texts go in; a file with the same net and other mixing priors comes out.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use czip_model::v2::{Contents, File};
use czip_model::{AnyTransformer, Kernels, ModelFile, v1, v3};
use czip_tokenizer::Tokenizer;

use crate::bpe::BOS;
use crate::corpus::Corpus;
use crate::parameters::Random;
use crate::priors::{self, Predictor, Sample};

/// Why a model could not be adapted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model cannot be read or written.
    #[error(transparent)]
    Model(#[from] czip_model::Error),
    /// The model's tokenizer is malformed, or refuses a text.
    #[error(transparent)]
    Tokenizer(#[from] czip_tokenizer::Error),
    /// The model's tokenizer has no start token.
    #[error("the model has no token <|bos|>")]
    NoStartToken,
    /// The tokenizer has more tokens than the model.
    #[error("the tokenizer has {tokenizer} tokens, the model {model}")]
    Vocabulary {
        /// Tokens of the tokenizer.
        tokenizer: usize,
        /// Symbols of the model.
        model: usize,
    },
    /// [`Work::observe`] has ended the work.
    #[error("stopped")]
    Stopped,
}

/// What a mixer knows before a text begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// The priors of mixing with a net, in their stored form.
    pub priors: Vec<u8>,
    /// How often each symbol occurs, `[vocab]`.
    pub counts: Vec<u16>,
}

/// How the fitting of priors is carried out. None of it changes the result, if there is one.
#[derive(Clone, Copy)]
pub struct Work<'w> {
    /// The most threads to use.
    pub threads: usize,
    /// An observer of the progress: it is called with the tokens coded so far, and those to code in all, and may end the
    /// work with [`Error::Stopped`]. It is called from other threads than the caller's.
    pub observe: &'w (dyn Fn(u64, u64) -> ControlFlow<()> + Sync),
}

impl fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, .. } = self;
        f.debug_struct("Work")
            .field("threads", threads)
            .finish_non_exhaustive()
    }
}

/// Fits the priors of the mixers that use a net to texts.
///
/// # Errors
///
/// [`Error::NoStartToken`], [`Error::Vocabulary`], a text that the tokenizer refuses, or [`Error::Stopped`].
pub fn calibrate<'t>(
    net: &AnyTransformer,
    tokenizer: &Tokenizer,
    texts: impl IntoIterator<Item = &'t [u8]>,
    work: Work<'_>,
) -> Result<Calibration, Error> {
    let named = net.config().start_token;
    let start_token = named
        .or_else(|| tokenizer.special_token(BOS))
        .ok_or(Error::NoStartToken)?;
    let model = net.config().vocab_size;
    if tokenizer.vocab_size() > model {
        return Err(Error::Vocabulary {
            tokenizer: tokenizer.vocab_size(),
            model,
        });
    }
    let sample = Sample::of_tokens(tokenizer, texts)?;
    let counts = sample.counts(model);
    let spellings = priors::spellings(tokenizer, model);
    let alphabet = priors::alphabet(net.kernels(), &spellings, &counts);
    let total = priors::token_count(&sample);
    let done = AtomicU64::new(0);
    let observe = |tokens: u64| {
        let before = done.fetch_add(tokens, Ordering::Relaxed);
        (work.observe)(before + tokens, total)
    };
    let predictor = Predictor { net, start_token };
    let priors = priors::with_net(predictor, &alphabet, &sample, work.threads, &observe);
    let priors = priors.ok_or(Error::Stopped)?;
    Ok(Calibration {
        priors: priors.as_bytes().to_vec(),
        counts,
    })
}

/// The file of a model of either version with its mixing priors and the weights of its symbols fitted to texts. The net
/// and the tokenizer stay as they are; `facts` are added to what the file says of itself.
///
/// # Errors
///
/// A malformed model, and those of [`calibrate`].
pub fn adapt<'t>(
    model: &[u8],
    texts: impl IntoIterator<Item = &'t [u8]>,
    facts: BTreeMap<String, String>,
    work: Work<'_>,
) -> Result<Vec<u8>, Error> {
    let file = ModelFile::from_bytes(model)?;
    let tokenizer_json = file.extras().tokenizer_json()?;
    let tokenizer = Tokenizer::from_json(&tokenizer_json)?;
    let net = AnyTransformer::new(Kernels::detect(), file.clone());
    let calibration = calibrate(&net, &tokenizer, texts, work)?;
    match file {
        ModelFile::V1(_) => {
            let Calibration { priors, counts } = calibration;
            Ok(v1::with_mixing(model, &[priors], &counts, facts)?)
        }
        ModelFile::V2(file) => replace_v2(*file, &tokenizer_json, calibration, facts),
        ModelFile::V3(file) => {
            let v3::File {
                weights,
                facts: mut all,
                ..
            } = *file;
            all.extend(facts);
            let mut contents = v3::Contents {
                weights,
                tokenizer_json: &tokenizer_json,
                mixing_priors: vec![calibration.priors],
                mixing_weights: Some(calibration.counts),
                facts: all,
            };
            Ok(contents.to_bytes()?)
        }
    }
}

fn replace_v2(
    file: File<'_>,
    tokenizer_json: &[u8],
    calibration: Calibration,
    facts: BTreeMap<String, String>,
) -> Result<Vec<u8>, Error> {
    let mut all = file.facts;
    all.extend(facts);
    let contents = Contents {
        weights: &file.weights,
        tokenizer_json,
        mixing_priors: vec![calibration.priors],
        mixing_weights: Some(calibration.counts),
        facts: all,
    };
    Ok(contents.to_bytes()?)
}

/// What a model's file says of the sample that its priors are fitted to, and of the program that does it. `seed` is that
/// by which the sample was chosen.
#[must_use]
pub fn facts(program: &str, seed: u64, sample: &[&[u8]]) -> BTreeMap<String, String> {
    let sample_len: usize = sample.iter().map(|text| text.len()).sum();
    let facts = [
        ("program", program.to_owned()),
        ("seed", seed.to_string()),
        ("text_bytes", sample_len.to_string()),
    ];
    facts
        .map(|(key, value)| (format!("adaptation.{key}"), value))
        .into()
}

/// The bytes of text that priors are fitted to by default.
pub const SAMPLE_LEN: usize = 1_000_000;

/// The most bytes of one text of a sample.
const LONGEST: usize = 40_000;

/// Parts of a corpus to fit priors to: parts of documents spread over the whole training set, and after them, where texts
/// count most, the whole calibration set. They have `max_len` bytes, and up to 40,000 more; or all of the calibration set,
/// if that is longer.
#[must_use]
pub fn sample(corpus: &Corpus, seed: u64, max_len: usize) -> Vec<&[u8]> {
    let from_train = max_len - corpus.calibration_len().min(max_len);
    let mut random = Random(seed ^ 0x5a11_b1e5);
    let mut order: Vec<usize> = (0..corpus.train.len()).collect();
    random.shuffle(&mut order);
    let mut texts = Vec::new();
    let mut taken = 0;
    let all = corpus.train_len();
    let mut visits = 0;
    while taken < from_train.min(all) && visits < 4 {
        for &index in &order {
            if taken >= from_train {
                break;
            }
            let text = corpus.train[index].text.as_bytes();
            let first = random.below(text.len().saturating_sub(LONGEST) + 1);
            // From the start of a line, so a text begins as texts do.
            let first = match first {
                0 => 0,
                first => text[first..]
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .map_or(0, |newline| first + newline + 1),
            };
            let part = &text[first..(first + LONGEST).min(text.len())];
            taken += part.len();
            texts.push(part);
        }
        visits += 1;
    }
    let calibration = corpus.calibration.iter();
    texts.extend(calibration.flat_map(|document| document.text.as_bytes().chunks(LONGEST)));
    texts
}
