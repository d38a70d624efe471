//! The priors that `czip-mix` is compiled with: mixers and maps after they have coded a sample of training text.
//!
//! The sample is a fixed choice of documents of `../shared/train`; the net is the model that is named. Nothing here
//! depends on the machine, so that the same text and the same model give the same files.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use czip_coder::binary::Encoder;
use czip_mix::{Coding, Mixer, Priors, Tree, Variant, vocabulary_hash};
use czip_model::{Kernels, Transformer, Weights};
use czip_tokenizer::Tokenizer;
use liblzma::read::XzDecoder;

use crate::Result;
use crate::files::root;

const FOLDER: &str = "crates/mix/priors";

/// What is taken of each file: so many documents of at least, and at most, so many bytes.
struct Source {
    file: &'static str,
    /// Bytes of the unpacked file that are looked at.
    within: usize,
    documents: usize,
    shortest: usize,
    longest: usize,
}

const fn source(
    file: &'static str,
    within: usize,
    documents: usize,
    shortest: usize,
    longest: usize,
) -> Source {
    Source {
        file,
        within,
        documents,
        shortest,
        longest,
    }
}

/// English prose, with some of everything, as mixers learn from each kind whom to trust.
const SOURCES: [Source; 8] = [
    source("wikipedia.txt.xz", 59_000_000, 40, 6_000, 30_000),
    source("books.txt.xz", 60_000_000, 6, 200_000, 70_000),
    source("domains/code_rust.rs.xz", 12_000_000, 10, 4_000, 20_000),
    source("domains/chat_sgd.txt.xz", 12_000_000, 20, 2_000, 20_000),
    source("domains/logs.log.xz", 11_000_000, 3, 0, 50_000),
    source("domains/json_movies.ndjson.xz", 11_000_000, 2, 0, 40_000),
    source("domains/json_pokeapi.ndjson.xz", 11_000_000, 2, 0, 40_000),
    source(
        "domains/lang_japanese_aozora.txt.xz",
        12_000_000,
        2,
        5_000,
        40_000,
    ),
];

/// The rates at which each pass through the sample learns, Q0.16: at last slowly, so that the end of the sample does not
/// count for more than the rest.
const RATES: [u16; 2] = [1500, 330];

/// The net's window: that of the default level.
const WINDOW: (usize, usize) = (256, 128);

/// Rows that share one pass over the net's weights.
const BATCH: usize = 64;

const TOKEN_VARIANTS: [(Variant, &str); 3] = [
    (Variant::Light, "light"),
    (Variant::Standard, "standard"),
    (Variant::Max, "max"),
];
const BYTE_VARIANTS: [(Variant, &str); 2] = [(Variant::LightBytes, "light-bytes"), (Variant::Bytes, "bytes")];

/// Trains and writes all priors.
pub(crate) fn train(model: &Path) -> Result<()> {
    let file = fs::read(model).map_err(|error| format!("{}: {error}", model.display()))?;
    let weights = Weights::from_bytes(&file)?;
    let net = Net {
        tokenizer: Tokenizer::from_json(&weights.extras().tokenizer_json()?)?,
        transformer: Transformer::new(Kernels::detect(), &weights),
    };
    let texts = sample(&root().join("../shared/train"))?;
    println!(
        "{} documents, {} bytes",
        texts.len(),
        texts.iter().map(Vec::len).sum::<usize>()
    );

    let spellings = net.spellings();
    let spellings: Vec<&[u8]> = spellings.iter().map(Vec::as_slice).collect();
    let tokens = texts
        .iter()
        .map(|text| net.tokens(text))
        .collect::<Result<Vec<_>>>()?;
    let counts = counts(&tokens, spellings.len());
    let mut vocabulary = vocabulary_hash(&spellings).to_le_bytes().to_vec();
    vocabulary.extend(counts.iter().flat_map(|count| count.to_le_bytes()));
    write("vocabulary", &vocabulary)?;

    let kernels = Kernels::detect();
    let counts: Vec<u32> = counts.into_iter().map(u32::from).collect();
    let coding = Coding::untrained(kernels, &spellings, Some(&counts));
    let bytes = Coding::untrained_for_bytes(kernels);
    let letters: Vec<Vec<u16>> = texts
        .iter()
        .map(|text| text.iter().map(|&byte| byte.into()).collect())
        .collect();
    let results = Mutex::new(Vec::new());
    let keep = |name: String, priors: Priors| {
        if let Ok(mut results) = results.lock() {
            results.push((name, priors));
        }
    };
    thread::scope(|scope| {
        let with_net = scope.spawn(|| net.train(&coding, &tokens, &texts));
        for (variant, name) in TOKEN_VARIANTS {
            keep(format!("{name}-alone"), alone(&coding, variant, &tokens, &texts));
        }
        for (variant, name) in BYTE_VARIANTS {
            keep(name.to_owned(), alone(&bytes, variant, &letters, &texts));
        }
        if let Ok(trained) = with_net.join() {
            for (name, priors) in trained {
                keep(name.to_owned(), priors);
            }
        }
    });
    let results = results.into_inner()?;
    if results.len() != 2 * TOKEN_VARIANTS.len() + BYTE_VARIANTS.len() {
        return Err("training ended early".into());
    }
    results
        .iter()
        .try_for_each(|(name, priors)| write(name, priors.as_bytes()))
}

fn write(name: &str, bytes: &[u8]) -> Result<()> {
    let path: PathBuf = root().join(FOLDER).join(format!("{name}.bin"));
    fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("wrote {FOLDER}/{name}.bin, {} bytes", bytes.len());
    Ok(())
}

/// How often each token occurs, at most 65,535.
fn counts(tokens: &[Vec<u16>], vocabulary: usize) -> Vec<u16> {
    let mut counts = vec![0u16; vocabulary];
    for &token in tokens.iter().flatten() {
        let count = &mut counts[usize::from(token)];
        *count = count.saturating_add(1);
    }
    counts
}

/// Priors without a net.
fn alone(coding: &Coding, variant: Variant, symbols: &[Vec<u16>], texts: &[Vec<u8>]) -> Priors {
    let mut mixer = Mixer::new(coding, variant, false, 0);
    for rate in RATES {
        mixer.set_rate(rate);
        for (symbols, text) in symbols.iter().zip(texts) {
            let mut encoder = Encoder::new();
            mixer.forget_text(text.len());
            symbols
                .iter()
                .for_each(|&symbol| mixer.encode(symbol, None, &mut encoder));
        }
    }
    mixer.priors()
}

struct Net {
    transformer: Transformer,
    tokenizer: Tokenizer,
}

impl Net {
    /// The bytes of every token of the model.
    fn spellings(&self) -> Vec<Vec<u8>> {
        (0..self.transformer.config().vocab_size)
            .map(|token| {
                self.tokenizer
                    .token_bytes(token as u16)
                    .unwrap_or_default()
                    .to_vec()
            })
            .collect()
    }

    fn tokens(&self, text: &[u8]) -> Result<Vec<u16>> {
        let mut tokens = Vec::new();
        self.tokenizer.encode_bytes(text, &mut tokens)?;
        Ok(tokens)
    }

    /// Priors with the net, of all variants in one go: its predictions are the same for each.
    fn train(&self, coding: &Coding, tokens: &[Vec<u16>], texts: &[Vec<u8>]) -> Vec<(&'static str, Priors)> {
        let mut mixers = TOKEN_VARIANTS.map(|(variant, name)| (name, Mixer::new(coding, variant, true, 0)));
        for rate in RATES {
            mixers.iter_mut().for_each(|(_, mixer)| mixer.set_rate(rate));
            for (tokens, text) in tokens.iter().zip(texts) {
                for (_, mixer) in &mut mixers {
                    mixer.forget_text(text.len());
                }
                self.predict(coding.tree(), tokens, |token, cumulative| {
                    for (_, mixer) in &mut mixers {
                        mixer.encode(token, Some(cumulative), &mut Encoder::new());
                    }
                });
            }
        }
        mixers
            .iter()
            .map(|(name, mixer)| (*name, mixer.priors()))
            .collect()
    }

    /// Calls back with each token and the cumulative frequencies that the net predicts for it.
    fn predict(&self, tree: &Tree, tokens: &[u16], mut each: impl FnMut(u16, &[u32])) {
        let transformer = &self.transformer;
        let start = self.tokenizer.special_token("<|bos|>").unwrap_or(0);
        let length = WINDOW.0.min(transformer.config().context_length);
        let mut window = transformer.window(start, length, WINDOW.1.min(length / 2));
        let mut caches = [transformer.cache(length)];
        let mut scratch = transformer.scratch(BATCH);
        let mut frequencies = vec![0; transformer.config().vocab_size];
        let mut cumulative = vec![0; frequencies.len() + 1];
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
            for row in 0..rows.len() {
                transformer.frequencies(scratch.logits(row), &mut frequencies);
                tree.accumulate(&frequencies, &mut cumulative);
                each(tokens[coded + row], &cumulative);
            }
            coded += rows.len();
        }
    }
}

/// The documents, in a random order that is always the same.
fn sample(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut random = Random(1);
    let mut texts = Vec::new();
    for source in &SOURCES {
        let path = folder.join(source.file);
        let describe = |error| format!("{}: {error}", path.display());
        let mut bytes = Vec::new();
        XzDecoder::new(File::open(&path).map_err(describe)?)
            .take(source.within as u64)
            .read_to_end(&mut bytes)
            .map_err(describe)?;
        let documents: Vec<&[u8]> = documents(&bytes)
            .into_iter()
            .filter(|document| document.len() >= source.shortest)
            .collect();
        if documents.is_empty() {
            return Err(format!("{} has no documents long enough", path.display()).into());
        }
        for _ in 0..source.documents {
            let document = documents[random.below(documents.len())];
            let first = random.below(document.len().saturating_sub(source.longest) + 1);
            texts.push(from_line(&document[first..], first > 0, source.longest));
        }
    }
    for i in (1..texts.len()).rev() {
        texts.swap(i, random.below(i + 1));
    }
    Ok(texts)
}

/// Documents are separated by a line that has a mark only; records without marks are one document.
fn documents(bytes: &[u8]) -> Vec<&[u8]> {
    const MARK: &[u8] = b"<|doc|>";
    let mut documents = Vec::new();
    let (mut start, mut line_start) = (0, 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let line_end = line_start + line.len();
        if line.trim_ascii() == MARK {
            documents.push(&bytes[start..line_start]);
            start = line_end;
        }
        line_start = line_end;
    }
    documents.push(&bytes[start..]);
    documents
}

/// At most `longest` bytes, from the first whole line on if the text was `cut` before.
fn from_line(text: &[u8], cut: bool, longest: usize) -> Vec<u8> {
    let first = if cut {
        text.iter()
            .position(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1)
    } else {
        0
    };
    let text = &text[first..];
    text[..longest.min(text.len())].to_vec()
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}
