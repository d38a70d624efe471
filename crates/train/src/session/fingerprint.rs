//! What tells one run from another: a corpus and options go in; a hash comes out.

use czip_model::v2::Contents;
use xxhash_rust::xxh3::Xxh3;

use super::error::Error;
use super::options::Options;
use crate::corpus::Corpus;

/// A hash of the text and of all options that change the result by more than rounding. Checkpoints store it.
pub(super) fn fingerprint(corpus: &Corpus, options: &Options) -> Result<u64, Error> {
    let mut hash = Xxh3::new();
    for documents in [&corpus.train, &corpus.heldout, &corpus.calibration] {
        hash.update(&(documents.len() as u64).to_le_bytes());
        for document in documents {
            hash.update(&(document.text.len() as u64).to_le_bytes());
            hash.update(document.text.as_bytes());
        }
    }
    if let Some(base) = &options.base {
        hash.update(&[1, base.new_tokenizer.into()]);
        hash.update(&Contents::new(&base.weights, &base.tokenizer_json).to_bytes()?);
    }
    // The number of threads and the device only change the last bits, and a run may be resumed on another machine.
    let hyperparameters = &options.hyperparameters;
    let rates = &hyperparameters.rates;
    let decay = &rates.decay;
    // This text is part of the format of checkpoints. Names that changed elsewhere stay as they are here.
    let rest = format!(
        "{} {:?} {:?} {:?} {:?} Plan {{ sequence: {:?}, batch: {:?}, \
         rates: Rates {{ matrix: {:?}, embedding: {:?}, head: {:?}, scalars: {:?}, \
         decay: Decay {{ matrix: {:?}, table: {:?}, pairs: {:?} }} }}, seed: {:?}, threads: 1, numerics: {:?} }}",
        options.preset,
        options.config,
        options.vocab_size,
        options.split,
        options.budget,
        hyperparameters.sequence_len,
        hyperparameters.batch_size,
        rates.matrix,
        rates.embedding,
        rates.head,
        rates.scalars,
        decay.matrix,
        decay.table,
        decay.bigram,
        hyperparameters.seed,
        hyperparameters.numerics,
    );
    hash.update(rest.as_bytes());
    Ok(hash.digest())
}
