//! Reading of a file.

use std::io::{self, Read};

use super::outer::Stream;
use super::{ContextLog2, File, FormatError, Header, INNER_FIXED_LEN, Params, ReadError};

/// Memory is taken in steps of this many bytes, or of what has arrived already, whichever is more.
const STEP: usize = 64 << 10;

/// How much a file may ask for.
///
/// The defaults let every file of English text through that the format can carry. Memory in use is at most about
/// `max_payload_len` + 2 * `max_chunks` bytes, and the window of the outer codec, at most 128 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The greatest original length in bytes; 2^32 - 1 by default, the greatest there is.
    pub max_original_len: u32,
    /// The greatest number of chunks; 2^26 by default, 4 GiB of text at one byte a token and 64 tokens a chunk.
    pub max_chunks: u32,
    /// The greatest sum of the chunk lengths in bytes; 2^30 by default, 4 GiB of text at a quarter.
    pub max_payload_len: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_original_len: u32::MAX,
            max_chunks: 1 << 26,
            max_payload_len: 1 << 30,
        }
    }
}

/// Reads a file to its end.
///
/// All rules of the format that concern the container are checked, in the order of the fields, and then that neither
/// the decompressed stream nor the file goes on after the last chunk. What the chunks decode to is not known here.
///
/// The reader may be unbuffered: it is read in pieces of 32 KiB.
pub fn read<R: Read>(mut reader: R, limits: &Limits) -> Result<File, ReadError> {
    let header = read_header(&mut reader)?;
    check_limits(&header, limits)?;

    let max_payload_len = u64::from(header.chunk_count()) * u64::from(u16::MAX);
    let max_len = u64::from(header.inner_len()) + max_payload_len.min(limits.max_payload_len);
    let mut stream = Stream::new(header.codec(), reader, Header::LEN as u64, max_len)?;

    let (params, last_chunk_tokens) = read_inner_fixed(&mut stream, &header)?;
    let chunk_lens = read_chunk_lens(&mut stream, &header, limits)?;
    let payload = read_payload(&mut stream, &chunk_lens)?;
    if stream.read(&mut [0])? > 0 {
        return Err(FormatError::TrailingPayload {
            len: payload.len() as u64,
        }
        .into());
    }
    stream.finish()?;
    Ok(File::from_checked(
        params,
        header.original_len(),
        last_chunk_tokens,
        chunk_lens,
        payload,
    ))
}

fn read_header<R: Read>(reader: &mut R) -> Result<Header, ReadError> {
    let mut bytes = [0; Header::LEN];
    let mut len = 0;
    while len < bytes.len() {
        match reader.read(&mut bytes[len..]) {
            Ok(0) => return Err(FormatError::HeaderTruncated { len }.into()),
            Ok(n) => len += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(ReadError::Io {
                    offset: len as u64,
                    source,
                });
            }
        }
    }
    Ok(Header::parse(&bytes)?)
}

fn check_limits(header: &Header, limits: &Limits) -> Result<(), FormatError> {
    let (len, max) = (header.original_len(), limits.max_original_len);
    if len > max {
        return Err(FormatError::OriginalLenLimit { len, max });
    }
    let (count, max) = (header.chunk_count(), limits.max_chunks);
    if count > max {
        return Err(FormatError::ChunkCountLimit { count, max });
    }
    Ok(())
}

/// Reads the 12 bytes before the chunk lengths. Returns what they say, and the tokens in the last chunk.
fn read_inner_fixed<R: Read>(stream: &mut Stream<R>, header: &Header) -> Result<(Params, u16), ReadError> {
    let mut bytes = [0; INNER_FIXED_LEN as usize];
    let found = stream.read_full(&mut bytes)? as u32;
    if found < INNER_FIXED_LEN {
        return Err(FormatError::InnerTruncated {
            expected: header.inner_len(),
            found,
        }
        .into());
    }
    let [m0, m1, m2, m3, c0, c1, c2, c3, l0, l1, tokenizer_id, context] = bytes;

    let count = u32::from_le_bytes([c0, c1, c2, c3]);
    if count != header.chunk_count() {
        return Err(FormatError::ChunkCount {
            count,
            inner_len: header.inner_len(),
        }
        .into());
    }
    let context = ContextLog2::from_field(context)?;
    let chunk_tokens = context.chunk_tokens();
    let last_chunk_tokens = u16::from_le_bytes([l0, l1]);
    // Without chunks there is no last one, and encoders write a full chunk's number.
    let least = if count == 0 { chunk_tokens } else { 1 };
    if !(least..=chunk_tokens).contains(&last_chunk_tokens.into()) {
        return Err(FormatError::LastChunkTokens {
            tokens: last_chunk_tokens,
            chunks: count,
            chunk_tokens,
        }
        .into());
    }
    let params = Params {
        flags: header.flags(),
        codec: header.codec(),
        model_id_hash: u32::from_le_bytes([m0, m1, m2, m3]),
        tokenizer_id,
        context,
    };
    Ok((params, last_chunk_tokens))
}

fn read_chunk_lens<R: Read>(
    stream: &mut Stream<R>,
    header: &Header,
    limits: &Limits,
) -> Result<Vec<u16>, ReadError> {
    let count = header.chunk_count() as usize;
    let mut lens = Vec::new();
    let mut buffer = vec![0; STEP.min(2 * count)];
    // What a vector can hold at all is a limit of its own where addresses have 32 bits.
    let max = limits.max_payload_len.min(isize::MAX as u64);
    let mut payload_len = 0;
    while lens.len() < count {
        let wanted = buffer.len().min(2 * (count - lens.len()));
        let found = stream.read_full(&mut buffer[..wanted])?;
        if found < wanted {
            let found = INNER_FIXED_LEN + (2 * lens.len() + found) as u32;
            return Err(FormatError::InnerTruncated {
                expected: header.inner_len(),
                found,
            }
            .into());
        }
        reserve_step(&mut lens, wanted / 2, count);
        for len in buffer[..wanted].as_chunks().0 {
            let len = u16::from_le_bytes(*len);
            let chunk = lens.len() as u32;
            if len == 0 {
                return Err(FormatError::ChunkEmpty { chunk }.into());
            }
            payload_len += u64::from(len);
            if payload_len > max {
                return Err(FormatError::PayloadLenLimit { chunk, max }.into());
            }
            lens.push(len);
        }
    }
    Ok(lens)
}

fn read_payload<R: Read>(stream: &mut Stream<R>, chunk_lens: &[u16]) -> Result<Vec<u8>, ReadError> {
    let total = chunk_lens.iter().map(|&len| usize::from(len)).sum();
    let mut payload = Vec::new();
    while payload.len() < total {
        let len = payload.len();
        let wanted = STEP.min(total - len);
        reserve_step(&mut payload, wanted, total);
        payload.resize(len + wanted, 0);
        let found = stream.read_full(&mut payload[len..])?;
        if found < wanted {
            return Err(payload_truncated(chunk_lens, len + found).into());
        }
    }
    Ok(payload)
}

/// The chunk in which a payload of `len` bytes ends too early.
fn payload_truncated(chunk_lens: &[u16], len: usize) -> FormatError {
    let (mut chunk, mut found) = (0, len);
    while found >= usize::from(chunk_lens[chunk]) {
        found -= usize::from(chunk_lens[chunk]);
        chunk += 1;
    }
    FormatError::PayloadTruncated {
        chunk: chunk as u32,
        expected: chunk_lens[chunk],
        found: found as u16,
    }
}

/// Makes room for `additional` elements, doubling the capacity when it is used up, but not beyond `total`.
fn reserve_step<T>(vec: &mut Vec<T>, additional: usize, total: usize) {
    if vec.capacity() - vec.len() < additional {
        vec.reserve_exact(additional.max(vec.len()).min(total - vec.len()));
    }
}
