//! CZIPv1: text to file and back.
//!
//! The format of the compress.zip service, read and written as it is. It holds UTF-8 text of less than 4 GiB, needs a
//! model, and has no checksum.

mod chunks;

use std::io::{Read, Write};

pub use czip_container::v1 as container;
pub use czip_container::v1::Inspection;
use czip_container::v1::{Builder, ContextLog2, FormatError, Params, ReadError};

use crate::options::Options;
use crate::summary::Counted;
use crate::work::{Counter, Threads};
use crate::{Error, Model};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Bytes of text.
    pub text_len: u64,
    /// Bytes of the compressed file.
    pub file_len: u64,
    /// Tokens of the text.
    pub tokens: u64,
    /// Chunks that the tokens were cut into.
    pub chunks: u64,
    /// Tokens in a chunk, the last apart.
    pub chunk_len: u32,
    /// The level asked for was above the model's context and has been lowered to it.
    pub level_lowered: bool,
}

/// Compresses a text to the bytes of a CZIPv1 file.
///
/// # Errors
///
/// A text that is not UTF-8 or too long for the format.
pub fn compress(model: &Model, text: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    let mut file = Vec::new();
    compress_text(model, text, &mut file, options)?;
    Ok(file)
}

/// Compresses all of `input` to a CZIPv1 file.
///
/// The format states lengths first, so that the input is read whole before anything is written.
///
/// # Errors
///
/// As [`compress`], and what reader and writer report.
pub fn compress_to(
    model: &Model,
    mut input: impl Read,
    output: impl Write,
    options: &Options,
) -> Result<Summary, Error> {
    let mut text = Vec::new();
    input.read_to_end(&mut text)?;
    compress_text(model, text, output, options)
}

/// Restores the text of a CZIPv1 file.
///
/// # Errors
///
/// A file that is malformed, wants more than the [`Limits`](crate::Limits), was made with another model, or has been
/// damaged in a way that shows. The format has no checksum: damage and wrong models are found by what does not fit
/// (lengths, and the ends of chunks), which finds most of them and promises none.
pub fn decompress(model: &Model, file: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    decompress_to(model, file, &mut text, options)?;
    Ok(text)
}

/// Restores the text of the CZIPv1 file that `input` holds up to its end.
///
/// Text is written as it is decoded, so that `output` has had some of it by the time an error is found.
///
/// # Errors
///
/// As [`decompress`], and what reader and writer report.
pub fn decompress_to(
    model: &Model,
    input: impl Read,
    mut output: impl Write,
    options: &Options,
) -> Result<Summary, Error> {
    let mut input = Counted::new(input);
    // The table of lengths has two bytes for each chunk; the chunks themselves are not held.
    let limit = options.limits.max_memory;
    let mut limits = limits(options);
    limits.max_chunks = limits
        .max_chunks
        .min(u32::try_from(limit / 2).unwrap_or(u32::MAX));
    let mut file = container::Reader::new(&mut input, &limits).map_err(|error| match error {
        ReadError::Format(FormatError::ChunkCountLimit { count, .. }) if u64::from(count) > limit / 2 => {
            Error::MemoryLimit {
                needed: 2 * u64::from(count),
                limit,
            }
        }
        error => of_reading(error),
    })?;
    let text_len = decode_text(model, &mut file, &mut output, options)?;
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

/// What a CZIPv1 file says about itself. Its chunks are read and checked as far as that goes without decoding them, but not
/// held: memory is some 100 KiB, and the window of the outer codec, at most 128 MiB.
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

fn compress_text(
    model: &Model,
    input: impl AsRef<[u8]>,
    output: impl Write,
    options: &Options,
) -> Result<Summary, Error> {
    let text = input.as_ref();
    let text_len = text.len() as u64;
    if u32::try_from(text_len).is_err() {
        return Err(FormatError::OriginalTooLong { len: text_len }.into());
    }
    let text = std::str::from_utf8(text).map_err(|error| Error::NotText {
        valid_up_to: error.valid_up_to(),
    })?;
    let context_log2 = model.config().context_log2();
    let wanted = options
        .chunk_level
        .map_or(context_log2, |level| level.context_log2());
    let log2 = wanted.min(context_log2);
    let context = ContextLog2::new(log2).ok_or(FormatError::Context { field: log2 })?;
    let chunk_len = context.chunk_tokens();

    let mut tokens = Vec::with_capacity(text.len() / 2);
    model.tokenizer.encode(text, &mut tokens)?;
    // Text, tokens and payload are the largest things there are: none is held for longer than it is needed.
    drop(input);
    let token_count = tokens.len() as u64;
    let counter = Counter::new(Some(token_count), options);
    let threads = Threads::new(options)?;
    let encoded = chunks::encode(model, &tokens, chunk_len as usize, &threads, &counter);
    counter.check()?;
    drop(tokens);

    let mut builder = Builder::new(Params {
        flags: container::Flags::default(),
        codec: options.codec,
        model_id_hash: container::model_id_hash(&model.path),
        tokenizer_id: 0,
        context,
    });
    for piece in encoded {
        piece.iter().try_for_each(|chunk| builder.push(chunk))?;
    }
    let file = builder.finish(text_len, token_count)?;
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

fn decode_text<R: Read>(
    model: &Model,
    file: &mut container::Reader<R>,
    output: &mut impl Write,
    options: &Options,
) -> Result<u64, Error> {
    let tokenizer = file.params().tokenizer_id;
    if tokenizer != 0 {
        return Err(Error::UnknownTokenizer { id: tokenizer });
    }
    let declared = u64::from(file.header().original_len());
    let chunk_len = file.params().context.chunk_tokens() as usize;
    let context = model.config().context_length;
    if chunk_len > context {
        return Err(Error::ContextMismatch {
            file: chunk_len,
            model: context,
        });
    }
    // Every token stands for at least one byte, so more tokens than bytes need no decoding to be found wrong.
    let tokens = file.token_count();
    if tokens > declared {
        return Err(Error::LengthMismatch {
            declared,
            found: tokens,
        });
    }
    let table = 2 * u64::from(file.header().chunk_count());
    let need = chunks::least_memory(model, chunk_len);
    let limit = options.limits.max_memory;
    let Some(memory) = limit.checked_sub(table).filter(|&memory| memory >= need) else {
        return Err(Error::MemoryLimit {
            needed: table + need,
            limit,
        });
    };
    let counter = Counter::new(Some(tokens), options);
    let threads = Threads::at_most(usize::try_from(memory / need).unwrap_or(usize::MAX), options)?;
    let mut found = 0;
    let (mut payload, mut text) = (Vec::new(), Vec::new());
    let mut first = 0;
    // A file without chunks must end as others do, so that it is read, too.
    let mut ended = false;
    while !ended {
        if counter.stops() {
            return Err(Error::Stopped);
        }
        let last_len = file.last_chunk_tokens().into();
        ended = file.chunks_left() <= chunks::decoding_stretch(&threads);
        let lens = file
            .read_chunks(chunks::decoding_stretch(&threads), &mut payload)
            .map_err(of_reading)?;
        let mut rest = &payload[..];
        let stretch: Vec<&[u8]> = lens
            .iter()
            .map(|&len| {
                let (chunk, after) = rest.split_at(len.into());
                rest = after;
                chunk
            })
            .collect();
        let last_len = if ended { last_len } else { chunk_len };
        let tokens = chunks::decode(model, &stretch, chunk_len, last_len, memory, &threads, &counter);
        counter.check()?;
        let tokens = tokens.map_err(|bad| Error::Chunk {
            index: first + bad.index,
            source: bad.source,
        })?;
        text.clear();
        model.tokenizer.decode(&tokens, &mut text)?;
        found += text.len() as u64;
        if found > declared {
            return Err(Error::LengthMismatch { declared, found });
        }
        output.write_all(&text)?;
        first += stretch.len();
    }
    if found != declared {
        return Err(Error::LengthMismatch { declared, found });
    }
    Ok(found)
}
