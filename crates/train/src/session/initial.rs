//! The parameters that a run begins with: a tokenizer and perhaps a model go in; a layout and its parameters come out.

use std::collections::HashMap;

use czip_tokenizer::Tokenizer;

use super::error::Error;
use super::options::{Base, Options};
use crate::parameters::Layout;

/// Random parameters, or those of the model to start from.
pub(super) fn initial(tokenizer: &Tokenizer, options: &Options) -> Result<(Layout, Vec<f32>), Error> {
    let layout = Layout::new(&options.net_config(tokenizer.vocab_size()));
    let seed = options.hyperparameters.seed;
    match &options.base {
        None => {
            let parameters = layout.initial(seed);
            Ok((layout, parameters))
        }
        Some(base) if !base.new_tokenizer => {
            let parameters = layout.dequantize(&base.weights);
            Ok((layout, parameters))
        }
        Some(base) => {
            let mut parameters = layout.initial(seed);
            keep_known(&layout, &mut parameters, tokenizer, base)?;
            Ok((layout, parameters))
        }
    }
}

/// Takes over from a model what does not depend on its tokenizer, and the embeddings of the tokens that both have.
fn keep_known(
    layout: &Layout,
    parameters: &mut [f32],
    tokenizer: &Tokenizer,
    base: &Base,
) -> Result<(), Error> {
    let from = Layout::new(&base.weights.config);
    let known = from.dequantize(&base.weights);
    for (tensor, old) in layout.tensors().zip(from.tensors()) {
        if tensor.range().len() == old.range().len() {
            parameters[tensor.range()].copy_from_slice(&known[old.range()]);
        }
    }
    // The bigrams are of other tokens.
    parameters[layout.bigram.range()].fill(0.0);
    let old = Tokenizer::from_json(&base.tokenizer_json)?;
    let ids: HashMap<&[u8], u32> = (0..old.vocab_size())
        .filter_map(|id| old.token_bytes(id as u32).map(|bytes| (bytes, id as u32)))
        .collect();
    let d = layout.config.d_model;
    for (tensor, old) in [(&layout.embedding, &from.embedding), (&layout.head, &from.head)] {
        let (range, old) = (tensor.range(), &known[old.range()]);
        for (id, row) in parameters[range].chunks_exact_mut(d).enumerate() {
            let known = tokenizer.token_bytes(id as u32).and_then(|bytes| ids.get(bytes));
            if let Some(&id) = known {
                row.copy_from_slice(&old[id as usize * d..][..d]);
            }
        }
    }
    Ok(())
}
