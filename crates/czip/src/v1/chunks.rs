//! Chunks of tokens to bytes and back: the transformer and the arithmetic coder together.

use czip_coder::v1::{DecodeError, Decoder, Encoder};
use czip_model::{AnyCache, AnyScratch, AnyTransformer, Row};

use super::error::Error as V1Error;
use crate::error::Error;
use crate::model::Model;
use crate::options::Options;
use crate::work::{self, Counter, Stopped};

/// Rows that share one pass over the weights. More rows amortise the pass better, until their activations crowd the
/// weights out of the cache.
const BATCH: usize = 64;

/// Chunks that are decoded in lockstep.
const GROUP: usize = 32;

/// Bytes of keys and values that a thread may hold; those of one chunk are always allowed.
const CACHE_LIMIT: usize = 64 << 20;

/// Tokens in a unit of parallel work of the encoder: enough to hide its set-up.
const TASK_TOKENS: usize = 8192;

/// The bytes of consecutive chunks, and where each ends.
#[derive(Debug, Default)]
pub(super) struct EncodedChunks {
    payload: Vec<u8>,
    ends: Vec<usize>,
}

impl EncodedChunks {
    /// The bytes of each chunk, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts
            .zip(&self.ends)
            .map(|(&start, &end)| &self.payload[start..end])
    }
}

/// Encodes chunks of `chunk_len` tokens, on as many threads as the options allow.
pub(super) struct ChunkEncoders<'a> {
    model: &'a Model,
    chunk_len: usize,
    threads: usize,
}

impl<'a> ChunkEncoders<'a> {
    pub(super) fn new(model: &'a Model, chunk_len: usize, options: &Options) -> Self {
        Self {
            model,
            chunk_len,
            threads: work::thread_count(options),
        }
    }

    /// Encodes all tokens of a text; the last chunk may be shorter. The pieces hold some chunks each, in order. They do not
    /// depend on the number of threads.
    pub(super) fn encode(&self, tokens: &[u32], counter: &Counter) -> Result<Vec<EncodedChunks>, Stopped> {
        let pieces = tokens.chunks(TASK_TOKENS.next_multiple_of(self.chunk_len));
        let pieces: Vec<&[u32]> = pieces.collect();
        let order: Vec<usize> = (0..pieces.len()).collect();
        let threads = self.threads.min(pieces.len());
        let mut workers: Vec<ChunkEncoder<'_>> = (0..threads)
            .map(|_| ChunkEncoder::new(self.model, self.chunk_len))
            .collect();
        work::map(&mut workers, &order, counter, |worker, piece| {
            let mut encoded = EncodedChunks::default();
            for tokens in pieces[piece].chunks(self.chunk_len * worker.caches.len()) {
                worker.encode(tokens, &mut encoded, counter);
                counter.add(tokens.len());
            }
            encoded
        })
    }
}

/// All tokens of a chunk are known, so they go through the net as the rows of one batch; short chunks share one.
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
    fn encode(&mut self, tokens: &[u32], out: &mut EncodedChunks, counter: &Counter) {
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

/// A chunk of a group whose bytes no encoder writes.
struct BadChunk {
    /// Its number in the group.
    index: usize,
    fault: DecodeError,
}

/// Decodes the chunks of a file, some batches of them one after the other, on as many threads as options and memory
/// allow.
///
/// Any bytes decode to some tokens, but damaged bytes or another model rarely end where the chunk does.
pub(super) struct ChunkDecoders<'a> {
    model: &'a Model,
    chunk_len: usize,
    threads: usize,
    /// The most chunks that a thread decodes in lockstep.
    group_limit: usize,
    workers: Vec<GroupDecoder<'a>>,
    /// Chunks decoded before.
    done: usize,
}

impl<'a> ChunkDecoders<'a> {
    /// For chunks of `chunk_len` tokens. It is an error if the limit of memory does not allow for one chunk at a time
    /// beside `held` bytes.
    pub(super) fn new(
        model: &'a Model,
        chunk_len: usize,
        held: u64,
        options: &Options,
    ) -> Result<Self, Error> {
        let cache_len = model.transformer.cache_len(chunk_len);
        let need = cache_len as u64 + group_memory(chunk_len);
        let limit = options.limits.max_memory;
        let Some(memory) = limit.checked_sub(held).filter(|&memory| memory >= need) else {
            return Err(Error::MemoryLimit {
                needed: held + need,
                limit,
            });
        };
        let possible = usize::try_from(memory / need).unwrap_or(usize::MAX);
        let threads = work::thread_count(options).min(possible);
        // Fewer where keys and values would take more memory than is left, or more than a thread may hold at all.
        let of_thread = (memory / threads as u64).saturating_sub(group_memory(chunk_len));
        let of_thread = usize::try_from(of_thread).unwrap_or(usize::MAX);
        let of_thread = of_thread.min(CACHE_LIMIT);
        Ok(Self {
            model,
            chunk_len,
            threads,
            group_limit: (of_thread / cache_len.max(1)).clamp(1, GROUP),
            workers: Vec::new(),
            done: 0,
        })
    }

    /// The number of chunks to decode at a time: a group for each thread.
    pub(super) fn batch_len(&self) -> usize {
        GROUP * self.threads
    }

    /// The tokens of the next chunks, the last of which has `last_len`.
    pub(super) fn decode(
        &mut self,
        chunks: &[&[u8]],
        last_len: usize,
        counter: &Counter,
    ) -> Result<Vec<u32>, Error> {
        let group_len = chunks.len().div_ceil(self.threads).clamp(1, self.group_limit);
        let groups: Vec<&[&[u8]]> = chunks.chunks(group_len).collect();
        let order: Vec<usize> = (0..groups.len()).collect();
        let threads = self.threads.min(groups.len());
        while self.workers.len() < threads {
            self.workers.push(GroupDecoder::new(self.model, self.chunk_len));
        }
        let tokens = work::map(&mut self.workers[..threads], &order, counter, |worker, number| {
            let is_last = number + 1 == groups.len();
            worker.decode(
                groups[number],
                if is_last { last_len } else { self.chunk_len },
                counter,
            )
        })?;
        // The first error in the order of the chunks, not of time.
        let named = tokens.into_iter().zip(0..).map(|(tokens, group): (_, usize)| {
            tokens.map_err(|bad| V1Error::of_chunk(self.done + group * group_len + bad.index, bad.fault))
        });
        let tokens = named.collect::<Result<Vec<_>, _>>()?.concat();
        self.done += chunks.len();
        Ok(tokens)
    }
}

/// Bytes of a group of chunks, with tokens and text.
fn group_memory(chunk_len: usize) -> u64 {
    GROUP as u64 * (u64::from(u16::MAX) + 20 * chunk_len as u64)
}

/// The next token is known only when the one before is decoded, so one chunk can't fill a batch: chunks advance
/// side by side.
struct GroupDecoder<'a> {
    model: &'a Model,
    chunk_len: usize,
    caches: Vec<AnyCache>,
    scratch: AnyScratch,
    frequencies: Vec<u32>,
}

impl<'a> GroupDecoder<'a> {
    fn new(model: &'a Model, chunk_len: usize) -> Self {
        let transformer = &model.transformer;
        Self {
            model,
            chunk_len,
            caches: Vec::new(),
            scratch: transformer.scratch(1),
            frequencies: vec![0; transformer.config().vocab_size],
        }
    }

    fn decode(&mut self, chunks: &[&[u8]], last_len: usize, counter: &Counter) -> Result<Vec<u32>, BadChunk> {
        let transformer: &AnyTransformer = &self.model.transformer;
        if self.caches.len() < chunks.len() {
            self.scratch = transformer.scratch(chunks.len());
            let cache = || transformer.cache(self.chunk_len);
            self.caches.resize_with(chunks.len(), cache);
        }
        let full = chunks.len() - 1;
        let mut tokens = vec![0u32; full * self.chunk_len + last_len];
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
                let token = interval.symbol as u32;
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
            decoder.finish().map_err(|fault| BadChunk { index, fault })?;
        }
        Ok(tokens)
    }
}
