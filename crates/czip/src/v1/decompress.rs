//! Files to texts.

use std::io::{Read, Write};

use czip_container::v1::{self as container, FormatError, Inspection, ReadError};
use czip_tokenizer::Error as TokenizerError;

use super::chunks::ChunkDecoders;
use super::error::Error as V1Error;
use super::summary::Summary;
use crate::counted::Counted;
use crate::error::Error;
use crate::model::Model;
use crate::options::{Options, Unit};
use crate::work::{Counter, Stopped};

/// Restores the text of a CZIPv1 file.
///
/// # Errors
///
/// A file that is malformed, wants more than the [`Limits`](crate::Limits), was made with another model, or has been
/// damaged in a way that shows. The format has no checksum: damage and wrong models are found by what does not fit
/// (lengths, and the ends of chunks), which finds most of them but not all.
pub fn decompress(model: &Model, file: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    decompress_to(model, file, &mut text, options)?;
    Ok(text)
}

/// Restores the text of the CZIPv1 file that `input` holds up to its end.
///
/// Text is written as it is decoded, so `output` may have received some of it by the time an error is found.
///
/// # Errors
///
/// As [`decompress`], and what reader and writer report.
pub fn decompress_to(
    model: &Model,
    mut input: impl Read,
    mut output: impl Write,
    options: &Options,
) -> Result<Summary, Error> {
    restore(model, &mut input, &mut output, options)
}

/// Dynamic, and so compiled once, and here.
fn restore(
    model: &Model,
    input: &mut dyn Read,
    output: &mut dyn Write,
    options: &Options,
) -> Result<Summary, Error> {
    let mut input = Counted::new(input);
    let mut file = open(&mut input, options)?;
    let text_len = decode_text(model, &mut file, output, options)?;
    output.flush()?;
    let summary = Summary {
        text_len,
        file_len: 0,
        tokens: file.token_count(),
        chunks: file.header().chunk_count().into(),
        chunk_len: file.params().context.chunk_tokens(),
        level_lowered: false,
    };
    Ok(Summary {
        file_len: input.count,
        ..summary
    })
}

/// What a CZIPv1 file says about itself. Its chunks are read, and checked as far as that goes without decoding them, but
/// not held: memory is some 100 KiB, and the window of the outer codec, at most 128 MiB.
///
/// # Errors
///
/// What the reader reports, a file that is malformed, or one with more text than the [`Limits`](crate::Limits).
pub fn inspect(input: impl Read, options: &Options) -> Result<Inspection, Error> {
    container::inspect(input, &limits(options)).map_err(of_reading)
}

fn of_reading(error: ReadError) -> Error {
    match error {
        ReadError::Format(FormatError::OriginalLenLimit { len, max }) => Error::TextLimit {
            declared: len.into(),
            limit: max.into(),
        },
        error => error.into(),
    }
}

fn limits(options: &Options) -> container::Limits {
    let mut limits = container::Limits::default();
    limits.max_original_len = u32::try_from(options.limits.max_text_len).unwrap_or(u32::MAX);
    limits
}

/// Reads a file up to its chunks, whose table of lengths must fit the limit of memory.
fn open<R: Read>(input: R, options: &Options) -> Result<container::Reader<R>, Error> {
    // The table has two bytes for each chunk; the chunks themselves are not held.
    let limit = options.limits.max_memory;
    let mut limits = limits(options);
    limits.max_chunks = limits
        .max_chunks
        .min(u32::try_from(limit / 2).unwrap_or(u32::MAX));
    container::Reader::new(input, &limits).map_err(|error| match error {
        ReadError::Format(FormatError::ChunkCountLimit { count, .. }) if u64::from(count) > limit / 2 => {
            Error::MemoryLimit {
                needed: 2 * u64::from(count),
                limit,
            }
        }
        error => of_reading(error),
    })
}

/// Checks what a file says of its tokens against the model, before anything is decoded. Returns the tokens in a chunk.
fn check_tokens<R: Read>(model: &Model, file: &container::Reader<R>) -> Result<usize, V1Error> {
    let id = file.params().tokenizer_id;
    if id != 0 {
        return Err(V1Error::UnknownTokenizer { id });
    }
    let chunk_len = file.params().context.chunk_tokens() as usize;
    let context = model.config().context_length;
    if chunk_len > context {
        return Err(V1Error::ContextMismatch {
            file: chunk_len,
            model: context,
        });
    }
    // Every token stands for at least one byte, so more tokens than bytes need no decoding to be found wrong.
    let (tokens, declared) = (file.token_count(), u64::from(file.header().original_len()));
    if tokens > declared {
        return Err(V1Error::LengthMismatch {
            declared,
            found: tokens,
        });
    }
    Ok(chunk_len)
}

/// Writes the text of all chunks. Returns its length.
fn decode_text<R: Read>(
    model: &Model,
    file: &mut container::Reader<R>,
    output: &mut dyn Write,
    options: &Options,
) -> Result<u64, Error> {
    let chunk_len = check_tokens(model, file)?;
    let table_len = 2 * u64::from(file.header().chunk_count());
    let mut decoders = ChunkDecoders::new(model, chunk_len, table_len, options)?;
    let counter = Counter::new(Unit::Tokens, Some(file.token_count()), options);
    let declared = u64::from(file.header().original_len());
    let mut found = 0;
    let (mut payload, mut text) = (Vec::new(), Vec::new());
    // A file without chunks must end as others do, so it is read as well.
    let mut ended = false;
    while !ended {
        if counter.stops() {
            return Err(Stopped.into());
        }
        ended = file.chunks_left() <= decoders.batch_len();
        let last_len = if ended {
            file.last_chunk_tokens().into()
        } else {
            chunk_len
        };
        let first = file.header().chunk_count() as usize - file.chunks_left();
        let lens = file
            .read_chunks(decoders.batch_len(), &mut payload)
            .map_err(of_reading)?;
        let tokens = decoders.decode(&split(&payload, lens), last_len, &counter)?;
        text.clear();
        model
            .tokenizer
            .decode(&tokens, &mut text)
            .map_err(|error| of_ids(error, first, chunk_len))?;
        found += text.len() as u64;
        if found > declared {
            return Err(V1Error::LengthMismatch { declared, found }.into());
        }
        output.write_all(&text)?;
    }
    if found != declared {
        return Err(V1Error::LengthMismatch { declared, found }.into());
    }
    Ok(found)
}

/// An id that no token has is a fault of the chunk that it is in, and none of the tokenizer. `first` is the chunk that the ids
/// begin with.
fn of_ids(mut error: TokenizerError, first: usize, chunk_len: usize) -> Error {
    let (TokenizerError::UnknownId { index, .. } | TokenizerError::UnusedId { index, .. }) = &mut error
    else {
        return error.into();
    };
    let chunk = first + *index / chunk_len;
    *index %= chunk_len;
    V1Error::of_chunk(chunk, error).into()
}

/// Chunks of these lengths, which sum to that of the payload.
fn split<'p>(payload: &'p [u8], lens: &[u16]) -> Vec<&'p [u8]> {
    let mut rest = payload;
    let chunks = lens.iter().map(|&len| {
        let (chunk, after) = rest.split_at(len.into());
        rest = after;
        chunk
    });
    chunks.collect()
}
