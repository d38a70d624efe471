//! Proof that the exported model computes what was trained: a trainer and its export go in; an error comes out where a single
//! logit differs.

use czip_model::v2::{Contents, Weights};
use czip_model::{AnyTransformer, Kernels, ModelFile, Row};

use super::error::Error;
use crate::stream::Stream;
use crate::trainer::Trainer;

/// Tokens of the training text whose logits are compared.
const TOKENS: usize = 512;
/// Rows that share one pass over the net's weights.
const BATCH: usize = 64;

/// Compares the logits of the exported integers, written to a file's bytes, read back and run as texts are coded, with the
/// trainer's, for every instruction set of this machine.
pub(super) fn check(
    trainer: &Trainer,
    parameters: &[f32],
    weights: &Weights,
    tokenizer_json: &[u8],
    text: &Stream,
) -> Result<(), Error> {
    let bytes = Contents::new(weights, tokenizer_json).to_bytes()?;
    let file = ModelFile::from_bytes(&bytes)?;
    let tokens = &text.tokens[..text.tokens.len().min(TOKENS)];
    let expected = trainer.logits(parameters, tokens);
    let (mut largest, mut count) = (0, 0);
    for kernels in Kernels::available() {
        let net = AnyTransformer::new(kernels, file.clone());
        let (mut caches, mut scratch) = ([net.cache(tokens.len())], net.scratch(BATCH));
        let vocab_size = net.config().vocab_size;
        let rows: Vec<Row> = tokens
            .iter()
            .enumerate()
            .map(|(position, &token)| Row {
                sequence: 0,
                position,
                token,
            })
            .collect();
        for (rows, expected) in rows.chunks(BATCH).zip(expected.chunks(BATCH * vocab_size)) {
            net.forward(rows, &mut caches, &mut scratch);
            for (row, expected) in expected.chunks_exact(vocab_size).enumerate() {
                for (&found, &expected) in scratch.logits(row).iter().zip(expected) {
                    let difference = found.abs_diff(expected);
                    largest = largest.max(difference);
                    count += usize::from(difference > 0);
                }
            }
        }
    }
    match count {
        0 => Ok(()),
        count => Err(Error::Disagreement { largest, count }),
    }
}
