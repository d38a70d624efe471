//! Imports a model, and says what its weights take.
//!
//! ```sh
//! cargo run --release -p czip-import --example import -- MODEL OUT.czm
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::ops::ControlFlow;

use czip_import::{Options, Source, import};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, output] = arguments.as_slice() else {
        return Err("usage: import MODEL OUT.czm".into());
    };
    let source = Source::open(model)?;
    let imported = import(&source, &Options::default(), &|_, _| ControlFlow::Continue(()))?;
    let bytes = imported.into_bytes()?;
    std::fs::write(output, &bytes)?;
    println!(
        "{output}: {} layers, {} bytes",
        source.config().layers,
        bytes.len()
    );
    Ok(())
}
