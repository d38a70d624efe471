//! Payloads to texts, those of the net side by side.
//!
//! A token is known only when the one before is decoded, so that one segment gives the net batches of one row. Each
//! thread therefore advances several segments together, each in a *lane*: it has a mixer, a window and a cache of its
//! own, and takes the next segment when one has ended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use czip_coder::binary::Decoder;
use czip_container::v2::{Mode, Segment, SegmentInfo};
use czip_mix::{Alphabet, Mixer, Variant};
use czip_model::{AnyCache, AnyScratch, Row, Window};

use super::codec::Codecs;
use super::encode::restarted;
use super::plan::{NetPlan, Plan};
use crate::Model;
use crate::error::{Error, SegmentFault};
use crate::models::Models;
use crate::options::Options;
use crate::work::{self, Counter};

/// Segments that a thread decodes side by side: more hardly make a pass over the weights cheaper for each.
const LANES: usize = 32;

/// Bytes that the lanes of a thread may take together. One lane is always allowed.
const LANE_MEMORY: usize = 128 << 20;

/// Rows of a batch, when a window is laid anew.
const BATCH: usize = 64;

/// What comes of a segment: its text, verified.
pub(crate) type Decoded = Result<Vec<u8>, SegmentFault>;

/// A segment, and the model that it needs.
pub(crate) type WithModel<'s, 'a> = (&'s Segment, Option<&'a Model>);

/// Decodes segments, as many side by side as threads and memory allow.
pub(crate) struct Decoders<'a> {
    codecs: Codecs<'a>,
    threads: usize,
    max_memory: u64,
    workers: Vec<SegmentDecoder<'a>>,
}

impl<'a> Decoders<'a> {
    pub(crate) fn new(models: Models<'a>, options: &Options) -> Self {
        Self {
            codecs: Codecs::new(models),
            threads: work::thread_count(options),
            max_memory: options.limits.max_memory,
            workers: Vec::new(),
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes of segments and their texts that may be held at a time, the last apart.
    pub(crate) fn max_batch_len(&self) -> u64 {
        self.max_memory / 4
    }

    /// The model that a segment needs. It is an error if there is none, or memory does not suffice to decode the segment.
    pub(crate) fn admit(&mut self, info: &SegmentInfo) -> Result<Option<&'a Model>, Error> {
        let model = self.codecs.model(&info.member, info.header.mode())?;
        // Beside a batch that is full but for this segment.
        let allowed = self.max_memory - self.max_batch_len();
        let held = segment_len(info) + memory_of(info, model);
        if held > allowed {
            return Err(Error::MemoryLimit {
                needed: held + (held - 1) / 3,
                limit: self.max_memory,
            });
        }
        Ok(model)
    }

    /// The texts of segments that have been admitted, while `held` bytes are held besides.
    pub(crate) fn decode(
        &mut self,
        segments: &[WithModel<'_, 'a>],
        held: u64,
        counter: &Counter,
    ) -> Result<Vec<Decoded>, Error> {
        let needs = segments
            .iter()
            .map(|(segment, model)| memory_of(&segment.info, *model));
        let need = needs.max().unwrap_or(0).max(1);
        // What is admitted has room.
        let memory = self.max_memory.saturating_sub(held).max(need);
        let possible = usize::try_from(memory / need).unwrap_or(usize::MAX);
        let threads = self.threads.min(segments.len()).min(possible).max(1);
        self.workers.truncate(possible);
        while self.workers.len() < threads {
            self.workers.push(SegmentDecoder::new(self.codecs.bytes));
        }
        let share = usize::try_from(memory / self.workers.len() as u64).unwrap_or(usize::MAX);
        for worker in &mut self.workers {
            worker.set_memory(share);
        }
        // The longest first, so that no thread is left with a long one when the others have ended.
        let mut order: Vec<usize> = (0..segments.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(segments[index].0.info.header.text_len()));
        let (net, others): (Vec<usize>, Vec<usize>) = order
            .into_iter()
            .partition(|&index| segments[index].0.info.header.mode() == Mode::Net);
        let work = Work {
            segments,
            lanes: net.len().div_ceil(threads).clamp(1, LANES),
            nets: by_model(segments, &net),
            others: Mutex::new(others.into()),
            decoded: segments.iter().map(|_| OnceLock::new()).collect(),
            counter,
        };
        let next = AtomicUsize::new(0);
        work::share(&mut self.workers[..threads], |worker| {
            // Each thread begins with another model, so that few share the segments of one.
            let first = next.fetch_add(1, Ordering::Relaxed);
            for turn in 0..work.nets.len() {
                let (model, queue) = &work.nets[(first + turn) % work.nets.len()];
                worker.lockstep(*model, queue, &work);
            }
            while let Some(index) = pop(&work.others, |_| !counter.stops()) {
                let (segment, model) = segments[index];
                work.end(index, worker.decode(segment, model, counter));
                counter.add(segment.info.header.text_len() as usize);
            }
        });
        counter.check()?;
        let decoded: Option<Vec<Decoded>> = work.decoded.into_iter().map(OnceLock::into_inner).collect();
        decoded.ok_or(Error::Interrupted)
    }
}

/// Segments that are waiting.
type Queue = Mutex<VecDeque<usize>>;

/// The numbers of segments of the net, those of each model apart.
fn by_model<'a>(segments: &[WithModel<'_, 'a>], net: &[usize]) -> Vec<(Option<&'a Model>, Queue)> {
    let mut queues: Vec<(Option<&Model>, VecDeque<usize>)> = Vec::new();
    for &index in net {
        let model = segments[index].1;
        match queues.iter_mut().find(|(other, _)| is_same(*other, model)) {
            Some((_, queue)) => queue.push_back(index),
            None => queues.push((model, VecDeque::from([index]))),
        }
    }
    let queues = queues.into_iter();
    queues.map(|(model, queue)| (model, Mutex::new(queue))).collect()
}

/// Whether both are the same place in memory, which is enough where models come from one [`Codecs`].
fn is_same(model: Option<&Model>, other: Option<&Model>) -> bool {
    match (model, other) {
        (Some(model), Some(other)) => std::ptr::eq(model, other),
        (None, None) => true,
        _ => false,
    }
}

/// What threads share.
struct Work<'s, 'a> {
    segments: &'s [WithModel<'s, 'a>],
    /// The most lanes of a thread.
    lanes: usize,
    /// Segments of the net, for each model.
    nets: Vec<(Option<&'a Model>, Queue)>,
    others: Queue,
    decoded: Vec<OnceLock<Decoded>>,
    counter: &'s Counter,
}

impl<'s> Work<'s, '_> {
    fn segment(&self, index: usize) -> &'s Segment {
        self.segments[index].0
    }

    fn end(&self, index: usize, text: Result<Vec<u8>, SegmentFault>) {
        let Segment { info, payload } = self.segment(index);
        let text = text.and_then(|text| match info.verify(payload, &text) {
            Ok(()) => Ok(text),
            Err(error) => Err(error.into()),
        });
        // Nobody else has this number.
        let _ = self.decoded[index].set(text);
    }
}

/// Takes the first of a queue, if it is wanted.
fn pop(queue: &Queue, wanted: impl FnOnce(usize) -> bool) -> Option<usize> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.front().copied().filter(|&first| wanted(first))?;
    queue.pop_front()
}

/// Decodes in the same memory again and again.
struct SegmentDecoder<'a> {
    byte_alphabet: &'a Alphabet,
    /// The most bytes that it may hold.
    memory: usize,
    bytes: Option<Held<'a>>,
    /// What belongs to a model: to one at a time, so that the number of models costs no memory.
    of_model: Option<OfModel<'a>>,
}

/// What a thread has of a model.
struct OfModel<'a> {
    model: &'a Model,
    alone: Option<Held<'a>>,
    lanes: Vec<Lane<'a>>,
    /// The most bytes that the lanes may hold, if there is more than one.
    lane_memory: usize,
    /// One for each lane.
    caches: Vec<AnyCache>,
    net: Option<Net>,
}

/// A mixer that is kept for the next text.
struct Held<'a> {
    mixer: Mixer<'a>,
    variant: Variant,
    /// Bytes that it may have taken.
    len: usize,
}

fn held_len(held: Option<&Held<'_>>) -> usize {
    held.map_or(0, |held| held.len)
}

/// The mixer at the start of a text: the one at hand, if it is of this variant, or a new one.
fn of_variant<'m, 'a>(
    held: &'m mut Option<Held<'a>>,
    alphabet: &'a Alphabet,
    variant: Variant,
    text_len: usize,
) -> &'m mut Mixer<'a> {
    let len = mixer_memory(variant, text_len);
    // One of another variant gives its memory back before a new one takes some.
    let before = held.take().filter(|held| held.variant == variant);
    let now = match before {
        Some(mut held) => {
            held.mixer.restart(text_len);
            held.len = held.len.max(len);
            held
        }
        None => Held {
            mixer: Mixer::new(alphabet, variant, false, text_len),
            variant,
            len,
        },
    };
    &mut held.insert(now).mixer
}

/// What the lanes of a thread share.
struct Net {
    scratch: AnyScratch,
    rows: Vec<Row>,
    frequencies: Vec<u32>,
    cumulative: Vec<u32>,
}

impl Net {
    fn new(model: &Model) -> Self {
        let vocab_size = model.transformer.config().vocab_size;
        Self {
            scratch: model.transformer.scratch(BATCH),
            rows: Vec::with_capacity(LANES),
            frequencies: vec![0; vocab_size],
            cumulative: vec![0; vocab_size + 1],
        }
    }
}

struct Lane<'a> {
    mixer: Option<Mixer<'a>>,
    variant: Variant,
    window: Window,
    /// Bytes that it may have taken.
    held: usize,
    busy: bool,
}

/// A segment in a lane.
struct Active<'s> {
    index: usize,
    lane: usize,
    /// What the net takes next.
    row: Row,
    decoder: Decoder<'s>,
    text: Text,
    /// The last token's outcome.
    step: Result<bool, SegmentFault>,
    token: u16,
}

/// A text as it grows.
struct Text {
    bytes: Vec<u8>,
    len: usize,
}

impl Text {
    fn new(segment: &Segment) -> Self {
        Self {
            bytes: Vec::new(),
            len: segment.info.header.text_len() as usize,
        }
    }

    /// Appends a token. Returns whether more must follow.
    fn push(&mut self, model: &Model, token: u16) -> Result<bool, SegmentFault> {
        let Some(bytes) = model
            .tokenizer
            .token_bytes(token)
            .filter(|bytes| !bytes.is_empty())
        else {
            return Err(SegmentFault::EmptyToken {
                token,
                offset: self.bytes.len(),
            });
        };
        if bytes.len() > self.len - self.bytes.len() {
            return Err(SegmentFault::TooLong { text_len: self.len });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(self.bytes.len() < self.len)
    }
}

impl<'a> SegmentDecoder<'a> {
    fn new(byte_alphabet: &'a Alphabet) -> Self {
        Self {
            byte_alphabet,
            memory: usize::MAX,
            bytes: None,
            of_model: None,
        }
    }

    /// Holds no more than this from now on.
    fn set_memory(&mut self, memory: usize) {
        self.memory = memory;
        let alone = self.of_model.as_ref().map_or(0, OfModel::alone_len);
        let lanes = self.of_model.as_ref().map_or(0, OfModel::lanes_len);
        if held_len(self.bytes.as_ref()) + alone + lanes > memory {
            (self.bytes, self.of_model) = (None, None);
        }
    }

    /// Gives back what is held for other modes, if that and `need` more are too much.
    fn make_room(&mut self, mode: Mode, need: usize) {
        let bytes = held_len(self.bytes.as_ref());
        let alone = self.of_model.as_ref().map_or(0, OfModel::alone_len);
        let lanes = self.of_model.as_ref().map_or(0, OfModel::lanes_len);
        let others = match mode {
            Mode::Stored => 0,
            Mode::Bytes => alone + lanes,
            Mode::Tokens => bytes + lanes,
            Mode::Net => bytes + alone,
        };
        if others.saturating_add(need) <= self.memory {
            return;
        }
        if mode != Mode::Bytes {
            self.bytes = None;
        }
        if let Some(of_model) = &mut self.of_model {
            if mode != Mode::Tokens {
                of_model.alone = None;
            }
            if mode != Mode::Net {
                of_model.lanes.clear();
                of_model.caches.clear();
            }
        }
    }

    /// What this thread has of a model. What it had of another is given back.
    fn of_model(&mut self, model: &'a Model) -> &mut OfModel<'a> {
        let held = self.of_model.take();
        let held = held.filter(|held| std::ptr::eq(held.model, model));
        self.of_model.insert(held.unwrap_or_else(|| OfModel::new(model)))
    }

    /// Decodes a segment without the net, or a part of it if the work is stopped.
    fn decode(&mut self, segment: &Segment, model: Option<&'a Model>, counter: &Counter) -> Decoded {
        let Segment { info, payload } = segment;
        let text_len = info.header.text_len() as usize;
        let mut decoder = Decoder::new(payload);
        let mut text = Text::new(segment);
        match (info.header.mode(), model) {
            (Mode::Stored, _) => return Ok(payload.clone()),
            (Mode::Bytes, _) => {
                let variant = Plan::of(info.member.level).bytes;
                self.make_room(Mode::Bytes, mixer_memory(variant, text_len));
                let mixer = of_variant(&mut self.bytes, self.byte_alphabet, variant, text_len);
                while text.bytes.len() < text_len && !counter.stops() {
                    for _ in 0..Counter::PACE.min(text_len - text.bytes.len()) {
                        // symbols of this alphabet are bytes.
                        text.bytes.push(mixer.decode(None, &mut decoder) as u8);
                    }
                }
            }
            (_, Some(model)) => {
                let variant = Plan::of(info.member.level).tokens;
                self.of_model(model);
                self.make_room(Mode::Tokens, mixer_memory(variant, text_len));
                let alone = &mut self.of_model(model).alone;
                let mixer = of_variant(alone, &model.alphabet, variant, text_len);
                let mut pause = 0;
                while text.push(model, mixer.decode(None, &mut decoder))? {
                    if text.bytes.len() >= pause {
                        if counter.stops() {
                            break;
                        }
                        pause = text.bytes.len() + Counter::PACE;
                    }
                }
            }
            (_, None) => return Err(SegmentFault::NoModel),
        }
        decoder.finish()?;
        Ok(text.bytes)
    }

    /// Decodes the segments of the net that need this model, as long as there are some.
    fn lockstep(&mut self, model: Option<&'a Model>, queue: &Queue, work: &Work<'_, 'a>) {
        match model {
            Some(_) if queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty() => {}
            Some(model) => {
                let memory = self.memory.min(LANE_MEMORY);
                self.of_model(model).lane_memory = memory;
                self.make_room(Mode::Net, memory);
                self.of_model(model).lockstep(queue, work);
            }
            None => {
                while let Some(index) = pop(queue, |_| true) {
                    work.end(index, Err(SegmentFault::NoModel));
                }
            }
        }
    }
}

impl<'a> OfModel<'a> {
    fn new(model: &'a Model) -> Self {
        Self {
            model,
            alone: None,
            lanes: Vec::new(),
            lane_memory: LANE_MEMORY,
            caches: Vec::new(),
            net: None,
        }
    }

    fn alone_len(&self) -> usize {
        held_len(self.alone.as_ref())
    }

    fn lanes_len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.held).sum()
    }

    fn lockstep(&mut self, queue: &Queue, work: &Work<'_, 'a>) {
        let model = self.model;
        let transformer = &*model.transformer;
        let mut active: Vec<Active<'_>> = Vec::with_capacity(work.lanes);
        loop {
            while active.len() < work.lanes {
                match self.admit(queue, work, active.is_empty()) {
                    Admitted::Segment(segment) => active.push(segment),
                    Admitted::Refused => {}
                    Admitted::Nothing => break,
                }
            }
            if active.is_empty() || work.counter.stops() {
                break;
            }
            let net = self.net.get_or_insert_with(|| Net::new(model));
            net.rows.clear();
            net.rows.extend(active.iter().map(|segment| segment.row));
            transformer.forward(&net.rows, &mut self.caches, &mut net.scratch);
            let mut fresh = 0;
            for (row, segment) in active.iter_mut().enumerate() {
                transformer.frequencies(net.scratch.logits(row), &mut net.frequencies);
                model
                    .alphabet
                    .tree()
                    .accumulate(&net.frequencies, &mut net.cumulative);
                let Some(mixer) = &mut self.lanes[segment.lane].mixer else {
                    unreachable!("a lane at work has a mixer")
                };
                segment.token = mixer.decode(Some(&net.cumulative), &mut segment.decoder);
                let before = segment.text.bytes.len();
                segment.step = segment.text.push(model, segment.token);
                fresh += segment.text.bytes.len() - before;
            }
            work.counter.add(fresh);
            // A window that moves uses the scratch, whose logits are not needed any more.
            for place in (0..active.len()).rev() {
                let segment = &mut active[place];
                let lane = &mut self.lanes[segment.lane];
                if matches!(segment.step, Ok(true)) {
                    let (caches, scratch) = (&mut self.caches, &mut net.scratch);
                    segment.row = lane
                        .window
                        .next(segment.lane, segment.token, transformer, caches, scratch);
                    continue;
                }
                lane.busy = false;
                let segment = active.swap_remove(place);
                let ended = segment.step.and_then(|_| Ok(segment.decoder.finish()?));
                work.end(segment.index, ended.map(|()| segment.text.bytes));
            }
        }
    }

    /// Takes the next segment into a lane, if memory allows or nothing is at work.
    fn admit<'s>(&mut self, queue: &Queue, work: &Work<'s, 'a>, idle: bool) -> Admitted<'s> {
        let model = self.model;
        let plan = |index: usize| Plan::of(work.segment(index).info.member.level);
        let Some(index) = pop(queue, |index| {
            let Plan {
                tokens: variant, net, ..
            } = *plan(index);
            let text_len = work.segment(index).info.header.text_len() as usize;
            idle || net.is_none_or(|net| self.fits(memory(model, variant, net, text_len)))
        }) else {
            return Admitted::Nothing;
        };
        let Plan {
            tokens: variant, net, ..
        } = *plan(index);
        let segment = work.segment(index);
        let Some(net) = net else {
            let level = segment.info.member.level;
            work.end(index, Err(SegmentFault::NoNet { level }));
            return Admitted::Refused;
        };
        let lane = self.lane(variant, net, segment.info.header.text_len() as usize);
        Admitted::Segment(Active {
            index,
            lane,
            row: self.lanes[lane].window.first(lane),
            decoder: Decoder::new(&segment.payload),
            text: Text::new(segment),
            step: Ok(true),
            token: 0,
        })
    }

    /// Whether the lanes would stay within their memory with one more at work.
    fn fits(&self, need: usize) -> bool {
        let busy = self.lanes.iter().filter(|lane| lane.busy).map(|lane| lane.held);
        busy.sum::<usize>() + need <= self.lane_memory
    }

    /// A lane made ready for a text of this length.
    fn lane(&mut self, variant: Variant, net: NetPlan, text_len: usize) -> usize {
        let model = self.model;
        let transformer = &*model.transformer;
        let (length, kept) = net.window(transformer.config().context_length);
        let window = transformer.window(model.start_token, length, kept);
        // Of lanes that are free, that with the most memory of the right kind.
        let free = self.lanes.iter().enumerate().filter(|(_, lane)| !lane.busy);
        let index = match free.max_by_key(|(_, lane)| (lane.variant == variant, lane.held)) {
            Some((index, lane)) => {
                let fits = lane.variant == variant;
                let lane = &mut self.lanes[index];
                lane.window = window;
                if !fits {
                    (lane.mixer, lane.held) = (None, 0);
                }
                if self.caches[index].capacity() < length {
                    self.caches[index] = transformer.cache(length);
                }
                index
            }
            None => {
                self.lanes.push(Lane {
                    mixer: None,
                    variant,
                    window,
                    held: 0,
                    busy: false,
                });
                self.caches.push(transformer.cache(length));
                self.lanes.len() - 1
            }
        };
        let need = memory(model, variant, net, text_len).max(self.lanes[index].held);
        // What other free lanes have taken is given back where it would be too much.
        let mut held: usize = self.lanes_len() - self.lanes[index].held + need;
        for (other, lane) in self.lanes.iter_mut().enumerate() {
            if held > self.lane_memory && other != index && !lane.busy {
                held -= lane.held;
                (lane.mixer, lane.held) = (None, 0);
            }
        }
        let lane = &mut self.lanes[index];
        let new = || Mixer::new(&model.alphabet, variant, true, text_len);
        restarted(&mut lane.mixer, new, text_len);
        (lane.variant, lane.held, lane.busy) = (variant, need, true);
        index
    }
}

enum Admitted<'s> {
    Segment(Active<'s>),
    /// There was one, and it was in error.
    Refused,
    Nothing,
}

/// The most bytes that a lane takes for a text.
fn memory(model: &Model, variant: Variant, net: NetPlan, text_len: usize) -> usize {
    let (length, _) = net.window(model.transformer.config().context_length);
    variant.memory(text_len) + model.transformer.cache_len(length) + text_len
}

/// The most bytes that a mixer takes, with what it has learnt.
fn mixer_memory(variant: Variant, text_len: usize) -> usize {
    /// Weights and maps of the greatest variant, rounded up.
    const LEARNT: usize = 4 << 20;
    variant.memory(text_len) + LEARNT
}

/// Bytes of a segment and its text.
pub(super) fn segment_len(info: &SegmentInfo) -> u64 {
    u64::from(info.header.payload_len()) + u64::from(info.header.text_len())
}

/// The most bytes that decoding a segment takes besides it and its text.
fn memory_of(info: &SegmentInfo, model: Option<&Model>) -> u64 {
    let plan = Plan::of(info.member.level);
    let text_len = info.header.text_len() as usize;
    let memory = match (info.header.mode(), model, plan.net) {
        (Mode::Bytes, ..) => mixer_memory(plan.bytes, text_len),
        (Mode::Tokens, Some(_), _) => mixer_memory(plan.tokens, text_len),
        (Mode::Net, Some(model), Some(net)) => {
            memory(model, plan.tokens, net, text_len) + mixer_memory(plan.tokens, text_len)
                - plan.tokens.memory(text_len)
        }
        // They are refused.
        (Mode::Stored | Mode::Tokens | Mode::Net, ..) => 0,
    };
    memory as u64
}
