//! Shows what the built-in model expects after a text.
//!
//! ```sh
//! cargo run -p czip-model --example next_token -- "The capital of"
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use czip_model::{AnyTransformer, Kernels, ModelFile, Row};
use czip_tokenizer::Tokenizer;

fn main() -> Result<(), Box<dyn Error>> {
    let text = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "The capital of".to_owned());

    let file = ModelFile::from_bytes(czip_models::STANDARD)?;
    let tokenizer = Tokenizer::from_json(&file.extras().tokenizer_json()?)?;
    let mut tokens = vec![tokenizer.special_token("<|bos|>").ok_or("no start token")?];
    tokenizer.encode(&text, &mut tokens)?;

    // One sequence, one token at a time. Whole batches are faster and give the same.
    let net = AnyTransformer::new(Kernels::detect(), file);
    let mut caches = [net.cache(tokens.len())];
    let mut scratch = net.scratch(1);
    for (position, &token) in tokens.iter().enumerate() {
        let row = Row {
            sequence: 0,
            position,
            token,
        };
        net.forward(&[row], &mut caches, &mut scratch);
    }
    let mut frequencies = vec![0; net.config().vocab_size];
    net.frequencies(scratch.logits(0), &mut frequencies);

    let total: u64 = frequencies.iter().copied().map(u64::from).sum();
    let mut best: Vec<usize> = (0..frequencies.len()).collect();
    best.sort_by_key(|&token| std::cmp::Reverse(frequencies[token]));
    for token in best.into_iter().take(10) {
        let bytes = tokenizer.token_bytes(token as u32).unwrap_or_default();
        let percent = 100 * u64::from(frequencies[token]) / total;
        println!("{percent:>3} % {:?}", String::from_utf8_lossy(bytes));
    }
    assert!(
        frequencies.iter().all(|&frequency| frequency > 0),
        "any token can follow"
    );
    Ok(())
}
