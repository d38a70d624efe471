//! A model file goes in; the same net with other mixing priors comes out.

use std::collections::BTreeMap;

use safetensors::tensor::Dtype;

use super::Weights;
use crate::Error;
use crate::envelope::{self, Envelope};

/// The keys of the metadata that have a meaning in the format.
const KEYS: [&str; 12] = [
    "format",
    "vocab_size",
    "n_layers",
    "n_heads",
    "n_kv_heads",
    "head_dim",
    "d_model",
    "d_ff",
    "context_length",
    "context_length_log2",
    "rope_theta_q16",
    "tokenizer_codec",
];

/// The file of a model with other priors of the mixer, in their stored form, and other weights of its symbols, uint16
/// `[vocab]`. These tensors come last; all others keep their bytes and their order. `facts` are added to what the file says
/// of itself, except under keys that have a meaning in the format.
///
/// # Errors
///
/// As [`Weights::from_bytes`].
///
/// # Panics
///
/// If there is not one weight for each token of the vocabulary.
pub fn with_mixing(
    file: &[u8],
    priors: &[Vec<u8>],
    weights: &[u16],
    facts: BTreeMap<String, String>,
) -> Result<Vec<u8>, Error> {
    let envelope = Envelope::read(file)?;
    let vocab_size = Weights::from_envelope(&envelope)?.config.vocab_size;
    assert_eq!(weights.len(), vocab_size, "weights of symbols");

    let mut metadata: BTreeMap<String, String> = envelope.metadata.into_iter().collect();
    metadata.extend(facts.into_iter().filter(|(key, _)| !KEYS.contains(&key.as_str())));
    let kept = envelope.order.iter().filter(|name| !name.starts_with("mixing."));
    let kept = kept
        .map(|name| Ok((name.as_str(), envelope.tensors.view(name)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    let kept = kept
        .iter()
        .map(|(name, view)| (*name, view.dtype(), view.shape(), view.data()));

    let weights: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let priors: Vec<(String, [usize; 1], &[u8])> = (0..)
        .zip(priors)
        .map(|(number, priors): (usize, _)| (format!("mixing.priors.{number}"), [priors.len()], &priors[..]))
        .collect();
    let shape = [vocab_size];
    let mixing = std::iter::once(("mixing.weights", Dtype::U16, &shape[..], &weights[..])).chain(
        priors
            .iter()
            .map(|(name, shape, data)| (name.as_str(), Dtype::U8, &shape[..], *data)),
    );
    let tensors: Vec<_> = kept.chain(mixing).collect();
    Ok(envelope::to_bytes(metadata, &tensors))
}
