//! Writes the built-in model to a file, for programs that want one.
//!
//! ```sh
//! cargo run -p czip-models --example export -- standard.czm
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => std::env::temp_dir().join("standard.czm"),
    };
    std::fs::write(&path, czip_models::STANDARD)?;
    println!(
        "{}: {} bytes, CC BY-SA 4.0",
        path.display(),
        czip_models::STANDARD.len()
    );
    Ok(())
}
