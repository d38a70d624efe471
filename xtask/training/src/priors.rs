//! The priors that `czip-mix` and `czip-import` are compiled with: mixers and maps after they have coded a sample of training
//! text.
//!
//! The sample is a fixed choice of documents of `../shared/train`; the net is that of the model named. Nothing here
//! depends on the machine, so the same text and the same model give the same files.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use czip_mix::{Alphabet, Priors, Variant, vocabulary_hash};
use czip_model::{AnyTransformer, Kernels, ModelFile};
use czip_tokenizer::Tokenizer;
use czip_train::adapt::{Work, adapt, calibrate};
use czip_train::parameters::Random;
use czip_train::priors::{Predictor, Sample, TOKEN_VARIANTS, alphabet, spellings, with_net, without_net};
use xtask::{Result, files::root};

use crate::source::{documents, folder, read, write_documents};

const FOLDER: &str = "crates/mix/priors";
const GENERAL_FOLDER: &str = "crates/import/priors";

/// What is taken of each file: a number of documents, and the least and most bytes of each.
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

/// English prose, with some of every other kind, since mixers learn from each which predictions to trust.
const SOURCES: [Source; 7] = [
    source("wikipedia.txt.xz", 59_000_000, 40, 6_000, 30_000),
    source("books.txt.xz", 60_000_000, 6, 200_000, 70_000),
    source("domains/code_rust.rs.xz", 12_000_000, 10, 4_000, 20_000),
    source("domains/chat_sgd.txt.xz", 12_000_000, 20, 2_000, 20_000),
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

/// The names of [`TOKEN_VARIANTS`], without a net; with one only the last is used.
const TOKEN_NAMES: [&str; 3] = ["light", "standard", "max"];
/// The name of the priors with a net.
const NET_NAME: &str = "max";
const BYTE_VARIANTS: [(Variant, &str); 2] = [(Variant::LightBytes, "light-bytes"), (Variant::Bytes, "bytes")];

/// Documents of the sample that priors are fitted to with an imported net, which takes its time.
const IMPORTED_DOCUMENTS: usize = 40;

/// Trains priors for any vocabulary with an imported net, and writes them.
pub(crate) fn train_general(model: &Path) -> Result<()> {
    let file = fs::read(model).map_err(|error| format!("{}: {error}", model.display()))?;
    let weights = ModelFile::from_bytes(&file)?;
    let tokenizer = Tokenizer::from_json(&weights.extras().tokenizer_json()?)?;
    let net = AnyTransformer::new(Kernels::detect(), weights);
    let texts = sample(&folder())?;
    let texts = texts.iter().take(IMPORTED_DOCUMENTS).map(Vec::as_slice);
    let work = Work {
        threads: thread::available_parallelism()?.get(),
        observe: &|_, _| ControlFlow::Continue(()),
    };
    let calibration = calibrate(&net, &tokenizer, texts, work)?;
    let general = Priors::from_bytes(&calibration.priors)?.general();
    write(GENERAL_FOLDER, NET_NAME, general.as_bytes())
}

/// Trains and writes all priors.
pub(crate) fn train(model: &Path) -> Result<()> {
    let file = fs::read(model).map_err(|error| format!("{}: {error}", model.display()))?;
    let weights = ModelFile::from_bytes(&file)?;
    let tokenizer = Tokenizer::from_json(&weights.extras().tokenizer_json()?)?;
    let kernels = Kernels::detect();
    let transformer = AnyTransformer::new(kernels, weights);
    let texts = sample(&folder())?;
    println!(
        "{} documents, {} bytes",
        texts.len(),
        texts.iter().map(Vec::len).sum::<usize>()
    );

    let spellings = spellings(&tokenizer, transformer.config().vocab_size);
    let texts = || texts.iter().map(Vec::as_slice);
    let tokens = Sample::of_tokens(&tokenizer, texts())?;
    let counts = tokens.counts(spellings.len());
    let known: Vec<&[u8]> = spellings.iter().map(Vec::as_slice).collect();
    let mut vocabulary = vocabulary_hash(&known).to_le_bytes().to_vec();
    vocabulary.extend(counts.iter().flat_map(|count| count.to_le_bytes()));
    write(FOLDER, "vocabulary", &vocabulary)?;

    let alphabet = alphabet(kernels, &spellings, &counts);
    let bytes = Alphabet::untrained_for_bytes(kernels);
    let letters = Sample::of_bytes(texts());
    let start_token = tokenizer.special_token("<|bos|>").unwrap_or(0);
    let results = Mutex::new(Vec::new());
    let keep = |name: String, priors: Priors| {
        if let Ok(mut results) = results.lock() {
            results.push((name, priors));
        }
    };
    let predictor = Predictor {
        net: &transformer,
        start_token,
    };
    let threads = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        let with_net = scope.spawn(|| {
            with_net(predictor, &alphabet, &tokens, threads, &|_| {
                ControlFlow::Continue(())
            })
        });
        for (variant, name) in TOKEN_VARIANTS.into_iter().zip(TOKEN_NAMES) {
            keep(format!("{name}-alone"), without_net(&alphabet, variant, &tokens));
        }
        for (variant, name) in BYTE_VARIANTS {
            keep(name.to_owned(), without_net(&bytes, variant, &letters));
        }
        if let Ok(Some(trained)) = with_net.join() {
            keep(NET_NAME.to_owned(), trained);
        }
    });
    let results = results.into_inner()?;
    if results.len() != TOKEN_NAMES.len() + BYTE_VARIANTS.len() + 1 {
        return Err("training ended early".into());
    }
    results
        .iter()
        .try_for_each(|(name, priors)| write(FOLDER, name, priors.as_bytes()))
}

/// Fits a model that is to be shipped to the sample, and writes it. Its tree of tokens is then that of the shipped priors, which for
/// another tree would only hold on average.
pub(crate) fn adapt_model(model: &Path, out: &Path) -> Result<()> {
    let file = fs::read(model).map_err(|error| format!("{}: {error}", model.display()))?;
    let texts = sample(&folder())?;
    let facts = [
        ("language", "English"),
        (
            "training.data",
            "Wikipedia, Project Gutenberg, Rust code, dialogues, JSON: docs/training.md",
        ),
    ];
    let facts = facts.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let work = Work {
        threads: thread::available_parallelism()?.get(),
        observe: &|_, _| ControlFlow::Continue(()),
    };
    let adapted = adapt(&file, texts.iter().map(Vec::as_slice), facts.into(), work)?;
    fs::write(out, &adapted).map_err(|error| format!("{}: {error}", out.display()))?;
    println!("wrote {}, {} bytes", out.display(), adapted.len());
    Ok(())
}

/// Writes the sample to a file. A character at the end of a document that is cut in two is left out.
pub(crate) fn write_sample(out: &Path) -> Result<()> {
    let texts = sample(&folder())?;
    let texts: Vec<&str> = texts.iter().map(|text| whole_characters(text)).collect();
    let bytes = write_documents(out, &texts)?;
    println!(
        "wrote {}: {} documents, {bytes} bytes",
        out.display(),
        texts.len()
    );
    Ok(())
}

/// The text up to where it is cut within a character.
fn whole_characters(text: &[u8]) -> &str {
    match str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default(),
    }
}

fn write(folder: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let path: PathBuf = root().join(folder).join(format!("{name}.bin"));
    fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("wrote {folder}/{name}.bin, {} bytes", bytes.len());
    Ok(())
}

/// The documents, in a random order that is always the same.
fn sample(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut random = Random(1);
    let mut texts = Vec::new();
    for source in &SOURCES {
        let path = folder.join(source.file);
        let text = read(&path, source.within)?;
        let documents: Vec<&[u8]> = documents(&text)
            .into_iter()
            .map(str::as_bytes)
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
    random.shuffle(&mut texts);
    Ok(texts)
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
