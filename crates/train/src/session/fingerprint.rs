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
    hash.update(text_of(options).as_bytes());
    Ok(hash.digest())
}

/// The options as a text, which is part of the format of checkpoints: names that change elsewhere stay as they are here.
fn text_of(options: &Options) -> String {
    let hyperparameters = &options.hyperparameters;
    let rates = &hyperparameters.rates;
    let decay = &rates.decay;
    // The number of threads and the device only change the last bits, and a run may be resumed on another machine.
    format!(
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
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpe::Split;
    use crate::device::Device;
    use crate::graph::Numerics;
    use crate::preset::Preset;
    use crate::session::Budget;
    use crate::trainer::Hyperparameters;

    #[test]
    fn the_text_of_options_does_not_change() {
        let options = Options {
            preset: Preset::Standard,
            config: None,
            vocab_size: Some(300),
            split: None,
            budget: Budget::Tokens(7),
            hyperparameters: Hyperparameters {
                threads: 5,
                ..Hyperparameters::default()
            },
            device: Device::cpu(),
            base: None,
            checkpoint: None,
            resume: false,
        };
        assert_eq!(
            text_of(&options),
            "standard None Some(300) None Tokens(7) Plan { sequence: 1024, batch: 8, rates: Rates { matrix: 0.04, \
             embedding: 0.02, head: 0.008, scalars: 0.02, decay: Decay { matrix: 0.03, table: 0.02, pairs: 0.005 } }, \
             seed: 0, threads: 1, numerics: Integers }"
        );
        let options = Options {
            config: Some(Preset::Fast.config(300)),
            split: Some(Split::Code),
            budget: Budget::Seconds(1.5),
            hyperparameters: Hyperparameters {
                numerics: Numerics::Floats,
                ..options.hyperparameters
            },
            ..options
        };
        let text = text_of(&options);
        let start = "standard Some(Config { vocab_size: 300, layers: 2, d_model: 128, heads: 2, d_ff: 224, window: 128, \
                     bigram_buckets: 32768, bigram_width: 128 }) Some(300) Some(Code) Seconds(1.5) Plan { ";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with("numerics: Floats }"), "{text}");
    }
}
