//! Texts to files.

use std::io::{Read, Write};

use czip_container::v1::{self as container, Builder, ContextLog2, FormatError, Params};

use super::chunks::ChunkEncoders;
use super::error::Error as V1Error;
use super::summary::Summary;
use crate::counted::Counted;
use crate::error::Error;
use crate::model::Model;
use crate::options::{Options, Unit};
use crate::work::Counter;

/// Compresses a text to the bytes of a CZIPv1 file.
///
/// # Errors
///
/// A text that is not UTF-8 or too long for the format, or an outer codec that this program is built without.
pub fn compress(model: &Model, text: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    let mut file = Vec::new();
    compress_text(model, text, &mut file, options)?;
    Ok(file)
}

/// Compresses all of `input` to a CZIPv1 file.
///
/// The format states lengths first, so the input is read to its end before anything is written.
///
/// # Errors
///
/// As [`compress`], and what reader and writer report.
pub fn compress_to(
    model: &Model,
    mut input: impl Read,
    mut output: impl Write,
    options: &Options,
) -> Result<Summary, Error> {
    let mut text = Vec::new();
    input.read_to_end(&mut text)?;
    compress_text(model, text, &mut output, options)
}

fn compress_text(
    model: &Model,
    input: impl AsRef<[u8]>,
    output: &mut dyn Write,
    options: &Options,
) -> Result<Summary, Error> {
    let of_format = |error| Error::from(V1Error::of_format(error));
    // Before any work is done.
    options.v1_codec.check_built().map_err(V1Error::of_codec)?;
    let text = input.as_ref();
    let text_len = text.len() as u64;
    if u32::try_from(text_len).is_err() {
        return Err(of_format(FormatError::OriginalTooLong { len: text_len }));
    }
    let text = std::str::from_utf8(text).map_err(|error| V1Error::NotText {
        valid_up_to: error.valid_up_to(),
    })?;
    let context_log2 = model.config().context_log2();
    let wanted = options
        .v1_level
        .map_or(context_log2, |level| level.context_log2());
    let log2 = wanted.min(context_log2);
    let context = ContextLog2::new(log2).ok_or_else(|| of_format(FormatError::Context { field: log2 }))?;
    let chunk_len = context.chunk_tokens();

    let mut tokens = Vec::with_capacity(text.len() / 2);
    model.tokenizer.encode(text, &mut tokens)?;
    // Text, tokens and payload take the most memory: none is held for longer than it is needed.
    drop(input);
    let token_count = tokens.len() as u64;
    let counter = Counter::new(Unit::Tokens, Some(token_count), options);
    let encoded = ChunkEncoders::new(model, chunk_len as usize, options).encode(&tokens, &counter)?;
    drop(tokens);

    let mut builder = Builder::new(Params {
        flags: container::Flags::default(),
        codec: options.v1_codec,
        model_id_hash: container::model_id_hash(&model.path),
        tokenizer_id: 0,
        context,
    });
    for piece in encoded {
        piece
            .iter()
            .try_for_each(|chunk| builder.push(chunk))
            .map_err(of_format)?;
    }
    let file = builder.finish(text_len, token_count).map_err(of_format)?;
    let mut output = Counted::new(output);
    container::write(&file, &mut output)?;
    output.flush()?;
    Ok(Summary {
        text_len,
        file_len: output.count,
        tokens: token_count,
        chunks: file.chunk_count().into(),
        chunk_len,
        level_lowered: log2 < wanted,
    })
}
