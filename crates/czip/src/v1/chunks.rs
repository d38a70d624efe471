//! Chunks of tokens to bytes and back: the transformer and the arithmetic coder together.

use czip_coder::v1::{DecodeError, Decoder, Encoder};
use czip_model::{AnyCache, AnyScratch, AnyTransformer, Row};
use rayon::prelude::*;

use crate::Model;
use crate::work::{Counter, Threads};

/// Rows that share one pass over the weights. More rows amortise the pass better, until their activations crowd the
/// weights out of the cache.
const BATCH: usize = 64;

/// Chunks that are decoded in lockstep.
const GROUP: usize = 32;

/// Bytes of keys and values that a thread may hold, more than one chunk's apart.
const CACHE_LIMIT: usize = 64 << 20;

/// Tokens in a unit of parallel work of the encoder: enough to hide its set-up.
const TASK_TOKENS: usize = 8192;

/// The bytes of consecutive chunks, and where each ends.
#[derive(Debug, Default)]
pub(crate) struct EncodedChunks {
    payload: Vec<u8>,
    ends: Vec<usize>,
}

impl EncodedChunks {
    /// The bytes of each chunk, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts
            .zip(&self.ends)
            .map(|(&start, &end)| &self.payload[start..end])
    }
}

/// A chunk whose bytes no encoder writes.
#[derive(Debug)]
pub(crate) struct BadChunk {
    pub(crate) index: usize,
    pub(crate) source: DecodeError,
}

/// Encodes chunks of `chunk_len` tokens, the last of which may be shorter.
///
/// The pieces, in order, hold some chunks each; they do not depend on the number of threads. If the work is stopped, they
/// are not to be looked at.
pub(crate) fn encode(
    model: &Model,
    tokens: &[u16],
    chunk_len: usize,
    threads: &Threads,
    counter: &Counter,
) -> Vec<EncodedChunks> {
    let encode = |encoder: &mut ChunkEncoder<'_>, tokens: &[u16]| {
        let mut encoded = EncodedChunks::default();
        for tokens in tokens.chunks(chunk_len * encoder.caches.len()) {
            encoder.encode(tokens, &mut encoded, counter);
            counter.add(tokens.len());
        }
        encoded
    };
    let pieces = tokens.par_chunks(TASK_TOKENS.next_multiple_of(chunk_len));
    threads.run(|| {
        pieces
            .map_init(|| ChunkEncoder::new(model, chunk_len), encode)
            .collect()
    })
}

/// All tokens of a chunk are known, so that they go through the net as the rows of one batch; short chunks share one.
struct ChunkEncoder<'a> {
    model: &'a Model,
    chunk_len: usize,
    caches: Vec<AnyCache>,
    scratch: AnyScratch,
    rows: Vec<Row>,
    frequencies: Vec<u32>,
}

impl<'a> ChunkEncoder<'a> {
    fn new(model: &'a Model, chunk_len: usize) -> Self {
        let transformer = &model.transformer;
        let chunks = (BATCH / chunk_len).max(1);
        Self {
            model,
            chunk_len,
            caches: (0..chunks).map(|_| transformer.cache(chunk_len)).collect(),
            scratch: transformer.scratch(BATCH),
            rows: Vec::with_capacity(BATCH),
            frequencies: vec![0; transformer.config().vocab_size],
        }
    }

    /// Encodes at most as many chunks as there are caches.
    fn encode(&mut self, tokens: &[u16], out: &mut EncodedChunks, counter: &Counter) {
        let transformer: &AnyTransformer = &self.model.transformer;
        let mut encoder = Encoder::new();
        for (batch, coded) in tokens.chunks(BATCH).enumerate() {
            if counter.stops() {
                break;
            }
            self.rows.clear();
            self.rows.extend((batch * BATCH..).take(coded.len()).map(|index| {
                let (sequence, position) = (index / self.chunk_len, index % self.chunk_len);
                let token = if position == 0 {
                    self.model.start_token
                } else {
                    tokens[index - 1]
                };
                Row {
                    sequence,
                    position,
                    token,
                }
            }));
            transformer.forward(&self.rows, &mut self.caches, &mut self.scratch);
            for (index, (row, &token)) in self.rows.iter().zip(coded).enumerate() {
                let total = transformer.frequencies(self.scratch.logits(index), &mut self.frequencies);
                let interval = transformer.interval(&self.frequencies, token);
                if row.position == 0 {
                    encoder = Encoder::from_vec(std::mem::take(&mut out.payload));
                }
                encoder.encode(interval.low, interval.high, total);
                if row.position + 1 == self.chunk_len || batch * BATCH + index + 1 == tokens.len() {
                    out.payload = std::mem::take(&mut encoder).finish();
                    out.ends.push(out.payload.len());
                }
            }
        }
    }
}

/// Decodes consecutive chunks of `chunk_len` tokens, the last of which has `last_len`, with some `memory` bytes of keys and
/// values.
///
/// Any bytes decode to some tokens, but damaged bytes or another model rarely end where the chunk does.
pub(crate) fn decode(
    model: &Model,
    chunks: &[&[u8]],
    chunk_len: usize,
    last_len: usize,
    memory: u64,
    threads: &Threads,
    counter: &Counter,
) -> Result<Vec<u16>, BadChunk> {
    let group_len = chunks
        .len()
        .div_ceil(threads.count())
        .clamp(1, group_limit(model, chunk_len, memory / threads.count() as u64));
    let decode = |decoder: &mut GroupDecoder<'_>, (index, group): (usize, &[&[u8]])| {
        let first = index * group_len;
        let is_last = first + group.len() == chunks.len();
        let tokens = decoder.decode(group, if is_last { last_len } else { chunk_len }, counter);
        tokens.map_err(|bad| BadChunk {
            index: first + bad.index,
            ..bad
        })
    };
    let groups = chunks.par_chunks(group_len).enumerate();
    let groups: Vec<_> = threads.run(|| {
        groups
            .map_init(|| GroupDecoder::new(model, chunk_len, group_len), decode)
            .collect()
    });
    // The first error in the order of the chunks, not of time.
    Ok(groups.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

/// The most chunks of a group: fewer where keys and values would take more than `memory` bytes, or more than a thread may
/// hold at all.
fn group_limit(model: &Model, chunk_len: usize, memory: u64) -> usize {
    let memory = memory.saturating_sub(stretch_memory(chunk_len));
    let memory = usize::try_from(memory).unwrap_or(usize::MAX).min(CACHE_LIMIT);
    (memory / model.transformer.cache_len(chunk_len).max(1)).clamp(1, GROUP)
}

/// The chunks that [`decode`] handles well at a time: a group for each thread.
pub(crate) fn decoding_stretch(threads: &Threads) -> usize {
    GROUP * threads.count()
}

/// The most bytes that a thread takes to decode one chunk at a time.
pub(crate) fn least_memory(model: &Model, chunk_len: usize) -> u64 {
    model.transformer.cache_len(chunk_len) as u64 + stretch_memory(chunk_len)
}

/// Bytes of a group of chunks, with tokens and text.
fn stretch_memory(chunk_len: usize) -> u64 {
    GROUP as u64 * (u64::from(u16::MAX) + 16 * chunk_len as u64)
}

/// The next token is known only when the one before is decoded, so that one chunk can't fill a batch: chunks advance
/// side by side.
struct GroupDecoder<'a> {
    model: &'a Model,
    chunk_len: usize,
    caches: Vec<AnyCache>,
    scratch: AnyScratch,
    frequencies: Vec<u32>,
}

impl<'a> GroupDecoder<'a> {
    fn new(model: &'a Model, chunk_len: usize, group_len: usize) -> Self {
        let transformer = &model.transformer;
        Self {
            model,
            chunk_len,
            caches: (0..group_len).map(|_| transformer.cache(chunk_len)).collect(),
            scratch: transformer.scratch(group_len),
            frequencies: vec![0; transformer.config().vocab_size],
        }
    }

    fn decode(&mut self, chunks: &[&[u8]], last_len: usize, counter: &Counter) -> Result<Vec<u16>, BadChunk> {
        let transformer: &AnyTransformer = &self.model.transformer;
        let full = chunks.len() - 1;
        let mut tokens = vec![0u16; full * self.chunk_len + last_len];
        let mut decoders: Vec<Decoder<'_>> = chunks.iter().map(|chunk| Decoder::new(chunk)).collect();
        let mut rows: Vec<Row> = (0..chunks.len())
            .map(|sequence| Row {
                sequence,
                position: 0,
                token: self.model.start_token,
            })
            .collect();
        let longest = if full > 0 { self.chunk_len } else { last_len };
        for position in 0..longest {
            if counter.stops() {
                break;
            }
            if position == last_len {
                rows.truncate(full);
            }
            transformer.forward(&rows, &mut self.caches, &mut self.scratch);
            for (row, decoder) in rows.iter_mut().zip(&mut decoders) {
                let total = transformer.frequencies(self.scratch.logits(row.sequence), &mut self.frequencies);
                let interval = transformer.find(&self.frequencies, decoder.target(total));
                decoder.consume(interval.low, interval.high, total);
                let token = interval.symbol as u16;
                tokens[row.sequence * self.chunk_len + position] = token;
                *row = Row {
                    sequence: row.sequence,
                    position: position + 1,
                    token,
                };
            }
            counter.add(rows.len());
        }
        for (index, decoder) in decoders.into_iter().enumerate() {
            decoder.finish().map_err(|source| BadChunk { index, source })?;
        }
        Ok(tokens)
    }
}
