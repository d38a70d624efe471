//! Reading a file.

use std::fmt;
use std::io::{self, Read};

use super::error::{FormatError, ReadError};
use super::fields::{ContextLog2, Header, INNER_FIXED_LEN};
use super::file::{File, Params};
use super::outer::Stream;

/// Memory is taken in steps of this many bytes, or of what has arrived already, whichever is more.
const STEP: usize = 64 << 10;

/// How much a file may ask for.
///
/// The defaults allow every file of English text that the format can carry. Memory in use is at most about
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
/// The reader may be unbuffered: it is read in pieces of 32 KiB. [`Reader`] does the same without holding all chunks.
pub fn read<R: Read>(reader: R, limits: &Limits) -> Result<File, ReadError> {
    let mut reader = Reader::new(reader, limits)?;
    let mut payload = Vec::new();
    reader.read_chunks(usize::MAX, &mut payload)?;
    Ok(File::from_checked(
        reader.params,
        reader.header.original_len(),
        reader.last_chunk_tokens,
        reader.chunk_lens,
        payload,
    ))
}

/// What a file says about itself, without its chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The file's first 16 bytes.
    pub header: Header,
    /// The parameters.
    pub params: Params,
    /// Number of tokens in the last chunk, or in a full chunk if there is none.
    pub last_chunk_tokens: u16,
    /// Number of tokens in all chunks together.
    pub token_count: u64,
    /// Bytes of all chunks.
    pub payload_len: u64,
}

/// Reads a file to its end and checks what [`read`] checks, but keeps nothing of its chunks.
///
/// Memory in use is some 100 KiB and the window of the outer codec, at most 128 MiB, whatever the limits are.
pub fn inspect<R: Read>(reader: R, limits: &Limits) -> Result<Inspection, ReadError> {
    let Opened {
        header,
        params,
        last_chunk_tokens,
        mut stream,
    } = open(reader, limits)?;
    let mut payload_len = 0;
    read_chunk_lens(&mut stream, &header, limits, |lens| {
        payload_len += lens.iter().copied().map(u64::from).sum::<u64>();
    })?;
    let mut buffer = vec![0; STEP];
    let mut found = 0;
    loop {
        let len = stream.read_full(&mut buffer)?;
        found += len as u64;
        if len < buffer.len() || found > payload_len {
            break;
        }
    }
    if found > payload_len {
        return Err(FormatError::TrailingPayload { len: payload_len }.into());
    }
    if found < payload_len {
        return Err(FormatError::PayloadShort {
            len: payload_len,
            found,
        }
        .into());
    }
    stream.finish()?;
    Ok(Inspection {
        header,
        params,
        last_chunk_tokens,
        token_count: params.token_count(header.chunk_count(), last_chunk_tokens),
        payload_len,
    })
}

/// Reads a file some chunks at a time.
///
/// Memory in use is two bytes for each chunk, the chunks that are asked for, and the window of the outer codec, at most
/// 128 MiB.
pub struct Reader<R> {
    header: Header,
    params: Params,
    last_chunk_tokens: u16,
    chunk_lens: Vec<u16>,
    /// Chunks that have been read.
    next: usize,
    /// `None` after the end.
    stream: Option<Stream<R>>,
}

impl<R: Read> Reader<R> {
    /// Reads all that comes before the chunks, and checks it. The reader may be unbuffered.
    pub fn new(reader: R, limits: &Limits) -> Result<Self, ReadError> {
        let Opened {
            header,
            params,
            last_chunk_tokens,
            mut stream,
        } = open(reader, limits)?;
        let count = header.chunk_count() as usize;
        let mut chunk_lens = Vec::new();
        read_chunk_lens(&mut stream, &header, limits, |lens| {
            reserve_step(&mut chunk_lens, lens.len(), count);
            chunk_lens.extend_from_slice(lens);
        })?;
        Ok(Self {
            header,
            params,
            last_chunk_tokens,
            chunk_lens,
            next: 0,
            stream: Some(stream),
        })
    }

    /// The file's first 16 bytes.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Number of tokens in the last chunk, or in a full chunk if there is none.
    pub fn last_chunk_tokens(&self) -> u16 {
        self.last_chunk_tokens
    }

    /// Number of tokens in all chunks together.
    pub fn token_count(&self) -> u64 {
        self.params
            .token_count(self.header.chunk_count(), self.last_chunk_tokens)
    }

    /// Number of chunks that have not been read.
    pub fn chunks_left(&self) -> usize {
        self.chunk_lens.len() - self.next
    }

    /// Reads the next `count` chunks, or those that are left, and puts them into `payload` back to back. Returns their
    /// lengths.
    ///
    /// With the last of them the rest of the file is checked: neither the decompressed stream nor the file goes on. Nothing
    /// can be read after an error.
    pub fn read_chunks(&mut self, count: usize, payload: &mut Vec<u8>) -> Result<&[u16], ReadError> {
        payload.clear();
        let first = self.next;
        let end = first + count.min(self.chunks_left());
        let lens = &self.chunk_lens[first..end];
        let Some(mut stream) = self.stream.take() else {
            return Ok(&[]);
        };
        let total = lens.iter().map(|&len| usize::from(len)).sum();
        read_payload(&mut stream, total, payload).map_err(|error| match error {
            Truncated::At(len) => payload_truncated(lens, first, len).into(),
            Truncated::Read(error) => error,
        })?;
        self.next = end;
        if end < self.chunk_lens.len() {
            self.stream = Some(stream);
            return Ok(lens);
        }
        if stream.read(&mut [0])? > 0 {
            let len = self.chunk_lens.iter().copied().map(u64::from).sum();
            return Err(FormatError::TrailingPayload { len }.into());
        }
        stream.finish()?;
        Ok(lens)
    }
}

/// Says how far the file is read.
impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("header", &self.header)
            .field("params", &self.params)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// A file that has been read up to its chunk lengths.
struct Opened<R> {
    header: Header,
    params: Params,
    last_chunk_tokens: u16,
    stream: Stream<R>,
}

fn open<R: Read>(mut reader: R, limits: &Limits) -> Result<Opened<R>, ReadError> {
    let header = read_header(&mut reader)?;
    check_limits(&header, limits)?;

    let max_payload_len = u64::from(header.chunk_count()) * u64::from(u16::MAX);
    let max_len = u64::from(header.inner_len()) + max_payload_len.min(limits.max_payload_len);
    let mut stream = Stream::new(header.codec(), reader, Header::LEN as u64, max_len)?;

    let (params, last_chunk_tokens) = read_inner_fixed(&mut stream, &header)?;
    Ok(Opened {
        header,
        params,
        last_chunk_tokens,
        stream,
    })
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

/// Reads the chunk lengths and hands them to `take`, some at a time.
fn read_chunk_lens<R: Read>(
    stream: &mut Stream<R>,
    header: &Header,
    limits: &Limits,
    mut take: impl FnMut(&[u16]),
) -> Result<(), ReadError> {
    let count = header.chunk_count() as usize;
    let mut lens = Vec::new();
    let mut buffer = vec![0; STEP.min(2 * count)];
    // Where addresses have 32 bits, the longest possible vector is a further limit.
    let max = limits.max_payload_len.min(isize::MAX as u64);
    let mut payload_len = 0;
    let mut done = 0;
    while done < count {
        let wanted = buffer.len().min(2 * (count - done));
        let found = stream.read_full(&mut buffer[..wanted])?;
        if found < wanted {
            let found = INNER_FIXED_LEN + (2 * done + found) as u32;
            return Err(FormatError::InnerTruncated {
                expected: header.inner_len(),
                found,
            }
            .into());
        }
        lens.clear();
        for len in buffer[..wanted].as_chunks().0 {
            let len = u16::from_le_bytes(*len);
            let chunk = (done + lens.len()) as u32;
            if len == 0 {
                return Err(FormatError::ChunkEmpty { chunk }.into());
            }
            payload_len += u64::from(len);
            if payload_len > max {
                return Err(FormatError::PayloadLenLimit { chunk, max }.into());
            }
            lens.push(len);
        }
        take(&lens);
        done += lens.len();
    }
    Ok(())
}

/// Why a payload could not be read.
enum Truncated {
    /// The stream ends after this many bytes.
    At(usize),
    Read(ReadError),
}

fn read_payload<R: Read>(
    stream: &mut Stream<R>,
    total: usize,
    payload: &mut Vec<u8>,
) -> Result<(), Truncated> {
    while payload.len() < total {
        let len = payload.len();
        let wanted = STEP.min(total - len);
        reserve_step(payload, wanted, total);
        payload.resize(len + wanted, 0);
        let found = stream.read_full(&mut payload[len..]).map_err(Truncated::Read)?;
        if found < wanted {
            return Err(Truncated::At(len + found));
        }
    }
    Ok(())
}

/// The chunk in which a payload of `len` bytes ends too early, of chunks with these lengths from number `first` on.
fn payload_truncated(chunk_lens: &[u16], first: usize, len: usize) -> FormatError {
    let (mut chunk, mut found) = (0, len);
    while found >= usize::from(chunk_lens[chunk]) {
        found -= usize::from(chunk_lens[chunk]);
        chunk += 1;
    }
    FormatError::PayloadTruncated {
        chunk: (first + chunk) as u32,
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
