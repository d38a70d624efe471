//! Makes a tiny tokenizer, and shows the tokens of a text.
//!
//! ```sh
//! cargo run -p czip-tokenizer --example tokens -- "the other weather"
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use czip_tokenizer::{Tokenizer, definition_json};

/// Words with the space before them; numbers; anything else.
const PATTERN: &str = r" ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s";

fn main() -> Result<(), Box<dyn Error>> {
    let text = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "the other weather".to_owned());

    // A token for each byte, and some longer ones. Those that stand first are merged first.
    let bytes: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
    let merges: [&[u8]; 6] = [b"th", b"he", b"the", b"er", b"ther", b" o"];
    let tokens = bytes.iter().map(|byte| &byte[..]).chain(merges);
    let json = definition_json("tiny", PATTERN, tokens, &["<|end|>"])?;

    let tokenizer = Tokenizer::from_json(&json)?;
    let mut ids = Vec::new();
    tokenizer.encode(&text, &mut ids)?;
    for &id in &ids {
        let token = tokenizer.token_bytes(id).expect("the tokenizer made it");
        println!("{id:>3} {:?}", String::from_utf8_lossy(token));
    }

    let mut restored = Vec::new();
    tokenizer.decode(&ids, &mut restored)?;
    assert_eq!(restored, text.as_bytes());
    Ok(())
}
