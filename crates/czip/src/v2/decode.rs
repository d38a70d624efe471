//! Payloads to texts: segments in, their verified texts out, those of the net side by side.
//!
//! A token is known only when the one before is decoded, so one segment gives the net batches of one row. Each thread
//! therefore advances several segments together, each in a *lane*: it has its own mixer, window and cache, and takes the
//! next segment when one has ended. If there are only a few, the next tokens of each are guessed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use czip_coder::binary::Decoder;
use czip_container::v2::{Copies, Level, Mode, Segment, SegmentInfo};
use czip_mix::{Alphabet, Mixer, Variant};
use czip_model::{AnyCache, AnyScratch, Row, Window};

use super::encode::restarted;
use super::guess::{Costs, Guesser};
use super::levels::{LevelParameters, NetWindow, WINDOW};
use super::models::{Coding, DecodingModels, WithoutNet};
use crate::error::{Error, SegmentFault};
use crate::model::Model;
use crate::models::Models;
use crate::options::Options;
use crate::work::{self, Counter, Stopped};

/// Segments that a thread decodes side by side: more hardly make a pass over the weights cheaper for each.
const LANES: usize = 32;

/// Bytes that the lanes of a thread may take together, besides the caches of all of them. One lane is always allowed.
const LANE_MEMORY: usize = 144 << 20;

/// The most bytes that the lanes of a thread may take together with their caches. One lane is always allowed.
fn lane_memory(model: &Model) -> usize {
    let window = WINDOW.within(model.transformer.config().context_length);
    LANE_MEMORY.saturating_add(LANES.saturating_mul(model.transformer.cache_len(window.len)))
}

/// Lanes that threads rather advance together than each some of them, if the model allows it: what takes the time of so few
/// is to read the weights.
const SHARED_LANES: usize = 4;

/// Rows of a batch when a window moves, and the most with guesses.
const BATCH: usize = 64;

/// The result of a segment: its text, verified.
pub(crate) type Decoded = Result<Vec<u8>, SegmentFault>;

/// A segment, and how it is decoded.
pub(crate) type WithCoding<'s, 'a> = (&'s Segment, Coding<'a>);

/// Decodes segments, as many side by side as threads and memory allow.
pub(crate) struct Decoders<'a> {
    models: DecodingModels<'a>,
    threads: usize,
    max_memory: u64,
    workers: Vec<SegmentDecoder<'a>>,
}

impl<'a> Decoders<'a> {
    pub(crate) fn new(models: Models<'a>, options: &Options) -> Self {
        Self {
            models: DecodingModels::new(models),
            threads: work::thread_count(options),
            max_memory: options.limits.max_memory,
            workers: Vec::new(),
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes of segments and their texts that may be held at a time, not counting the last.
    pub(crate) fn max_batch_len(&self) -> u64 {
        self.max_memory / 4
    }

    /// How a segment is decoded. It is an error if the model for it is missing, or there is not enough memory.
    pub(crate) fn admit(&mut self, info: &SegmentInfo) -> Result<Coding<'a>, Error> {
        let coding = self.models.coding(&info.member, info.header.mode())?;
        // In a batch that has room only for this segment.
        let allowed = self.max_memory - self.max_batch_len();
        let held = segment_len(info) + memory_of(info, coding);
        if held > allowed {
            return Err(Error::MemoryLimit {
                needed: held + (held - 1) / 3,
                limit: self.max_memory,
            });
        }
        Ok(coding)
    }

    /// The texts of segments that have been admitted, while another `held` bytes are in use.
    pub(crate) fn decode(
        &mut self,
        segments: &[WithCoding<'_, 'a>],
        held: u64,
        counter: &Counter,
    ) -> Result<Vec<Decoded>, Stopped> {
        let needs = segments
            .iter()
            .map(|(segment, coding)| memory_of(&segment.info, *coding));
        let need = needs.max().unwrap_or(0).max(1);
        // Segments that were admitted have room.
        let memory = self.max_memory.saturating_sub(held).max(need);
        let possible = usize::try_from(memory / need).unwrap_or(usize::MAX);
        let threads = self.threads.min(places(segments)).min(possible).max(1);
        self.workers.truncate(possible);
        while self.workers.len() < threads {
            self.workers.push(SegmentDecoder::new(self.models.bytes));
        }
        let share = usize::try_from(memory / self.workers.len() as u64).unwrap_or(usize::MAX);
        for worker in &mut self.workers {
            worker.set_memory(share);
            // Threads without segments of their own help with the others' nets.
            worker.net_threads = self.threads / threads;
        }
        let work = Work::new(segments, threads, counter);
        let next = AtomicUsize::new(0);
        work::share(&mut self.workers[..threads], |worker| {
            // Each thread begins with another model, so few share the segments of one.
            let first = next.fetch_add(1, Ordering::Relaxed);
            for turn in 0..work.nets.len() {
                let (model, queue) = &work.nets[(first + turn) % work.nets.len()];
                worker.lockstep(model, queue, &work);
            }
            while let Some((index, coding)) = pop(&work.others, |_| !counter.stops()) {
                let segment = work.segment(index);
                match Rest::of(segment) {
                    Ok(rest) => {
                        let text = worker.decode(segment, &rest, coding, counter);
                        work.end(index, text, rest.copies.as_ref());
                    }
                    Err(fault) => work.end(index, Err(fault), None),
                }
                counter.add(segment.info.header.text_len() as usize);
            }
        });
        counter.check()?;
        Ok(work.decoded.into_iter().map(work::done).collect())
    }
}

/// The number of threads that have something to do on their own.
fn places(segments: &[WithCoding<'_, '_>]) -> usize {
    let shared = segments
        .iter()
        .filter(|(_, coding)| matches!(coding, Coding::Net(model) if model.transformer.max_threads() > 1))
        .count();
    segments.len() - shared + shared.div_ceil(SHARED_LANES)
}

/// Segments that are waiting: their numbers, and perhaps how they are decoded.
type Queue<T> = Mutex<VecDeque<T>>;

/// What threads share.
struct Work<'s, 'a> {
    segments: &'s [WithCoding<'s, 'a>],
    /// The most lanes of a thread.
    lanes: usize,
    /// Segments of the net, for each model.
    nets: Vec<(&'a Model, Queue<usize>)>,
    others: Queue<(usize, WithoutNet<'a>)>,
    decoded: Vec<OnceLock<Decoded>>,
    counter: &'s Counter,
}

impl<'s, 'a> Work<'s, 'a> {
    fn new(segments: &'s [WithCoding<'s, 'a>], threads: usize, counter: &'s Counter) -> Self {
        let mut nets: Vec<(&Model, VecDeque<usize>)> = Vec::new();
        let mut others = VecDeque::new();
        let lens = segments.iter().map(|(segment, _)| segment.info.header.text_len());
        for index in work::largest_first(lens.map(|len| len as usize)) {
            match segments[index].1 {
                Coding::WithoutNet(coding) => others.push_back((index, coding)),
                // Equal models are at the same place.
                Coding::Net(model) => match nets.iter_mut().find(|(other, _)| std::ptr::eq(*other, model)) {
                    Some((_, queue)) => queue.push_back(index),
                    None => nets.push((model, VecDeque::from([index]))),
                },
            }
        }
        let net_count: usize = nets.iter().map(|(_, queue)| queue.len()).sum();
        let nets = nets.into_iter();
        Self {
            segments,
            lanes: net_count.div_ceil(threads).clamp(1, LANES),
            nets: nets.map(|(model, queue)| (model, Mutex::new(queue))).collect(),
            others: Mutex::new(others),
            decoded: segments.iter().map(|_| OnceLock::new()).collect(),
            counter,
        }
    }

    fn segment(&self, index: usize) -> &'s Segment {
        self.segments[index].0
    }

    /// The end of a segment: what of its text is not copied, or what is wrong. The whole is compared with what the segment
    /// says.
    fn end(&self, index: usize, rest: Decoded, copies: Option<&Copies>) {
        let Segment { info, payload } = self.segment(index);
        let text = rest.map(|rest| match copies {
            Some(copies) if copies.rest_len() as usize == rest.len() => copies.restore(&rest),
            _ => rest,
        });
        let text = text.and_then(|text| match info.verify(payload, &text) {
            Ok(()) => Ok(text),
            Err(error) => Err(SegmentFault::of_text(error)),
        });
        // No other thread has this number.
        let _ = self.decoded[index].set(text);
    }
}

fn lock<T>(queue: &Queue<T>) -> MutexGuard<'_, VecDeque<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the first of a queue, if it is wanted.
fn pop<T: Copy>(queue: &Queue<T>, wanted: impl FnOnce(T) -> bool) -> Option<T> {
    let mut queue = lock(queue);
    queue.front().copied().filter(|&first| wanted(first))?;
    queue.pop_front()
}

/// Decodes one segment after another in the same memory.
struct SegmentDecoder<'a> {
    byte_alphabet: &'a Alphabet,
    /// The most bytes that it may hold.
    memory: usize,
    /// How many threads compute the net.
    net_threads: usize,
    bytes: Option<Held<'a>>,
    /// The state for one model at a time, so more models do not take more memory.
    of_model: Option<OfModel<'a>>,
}

/// A thread's state for a model.
struct OfModel<'a> {
    model: &'a Model,
    without_net: Option<Held<'a>>,
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

/// The mixer at the start of a text: the one kept, if it is of this variant, or a new one.
fn of_variant<'m, 'a>(
    held: &'m mut Option<Held<'a>>,
    alphabet: &'a Alphabet,
    variant: Variant,
    text_len: usize,
) -> &'m mut Mixer<'a> {
    let len = mixer_memory(variant, text_len);
    // The memory of one of another variant is freed before a new one takes some.
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
    threads: usize,
    scratch: AnyScratch,
    rows: Vec<Row>,
    frequencies: Vec<u32>,
    cumulative: Vec<u32>,
}

impl Net {
    fn new(model: &Model, threads: usize) -> Self {
        let vocab_size = model.transformer.config().vocab_size;
        Self {
            threads,
            scratch: model.transformer.scratch_for(BATCH, threads),
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
    /// There is one if guesses may pay.
    guesser: Option<Guesser>,
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
    /// Where that is in the batch. Rows of guesses follow.
    place: usize,
    guesses: usize,
    decoder: Decoder<'s>,
    copies: Option<Box<Copies>>,
    text: Text,
    /// The last token's outcome.
    step: Result<bool, SegmentFault>,
    token: u32,
}

/// What is coded of a segment: all of its text, or what is not copied.
struct Rest<'s> {
    copies: Option<Copies>,
    coded: &'s [u8],
    /// Length in bytes.
    len: usize,
}

impl<'s> Rest<'s> {
    fn of(segment: &'s Segment) -> Result<Self, SegmentFault> {
        let (copies, coded) = segment.copies().map_err(SegmentFault::of_payload)?;
        let whole = segment.info.header.text_len();
        let len = copies.as_ref().map_or(whole, Copies::rest_len) as usize;
        Ok(Self { copies, coded, len })
    }
}

/// A text as it grows.
struct Text {
    bytes: Vec<u8>,
    len: usize,
}

impl Text {
    fn new(len: usize) -> Self {
        Self {
            bytes: Vec::new(),
            len,
        }
    }

    /// Appends a token. Returns whether more must follow.
    fn push(&mut self, model: &Model, token: u32) -> Result<bool, SegmentFault> {
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
            net_threads: 1,
            bytes: None,
            of_model: None,
        }
    }

    /// Holds no more than this from now on.
    fn set_memory(&mut self, memory: usize) {
        self.memory = memory;
        let of_model = self
            .of_model
            .as_ref()
            .map_or(0, |it| it.without_net_len() + it.lanes_len());
        if held_len(self.bytes.as_ref()) + of_model > memory {
            (self.bytes, self.of_model) = (None, None);
        }
    }

    /// Frees what is held for other modes, if it and `need` more bytes are too much.
    fn make_room(&mut self, mode: Mode, need: usize) {
        let bytes = held_len(self.bytes.as_ref());
        let tokens = self.of_model.as_ref().map_or(0, OfModel::without_net_len);
        let lanes = self.of_model.as_ref().map_or(0, OfModel::lanes_len);
        let others = match mode {
            Mode::Stored => 0,
            Mode::Bytes => tokens + lanes,
            Mode::Tokens => bytes + lanes,
            Mode::Net => bytes + tokens,
        };
        if others.saturating_add(need) <= self.memory {
            return;
        }
        if mode != Mode::Bytes {
            self.bytes = None;
        }
        if let Some(of_model) = &mut self.of_model {
            if mode != Mode::Tokens {
                of_model.without_net = None;
            }
            if mode != Mode::Net {
                of_model.lanes.clear();
                of_model.caches.clear();
            }
        }
    }

    /// This thread's state for a model. That for another model is freed.
    fn of_model(&mut self, model: &'a Model) -> &mut OfModel<'a> {
        let held = self.of_model.take();
        let held = held.filter(|held| std::ptr::eq(held.model, model));
        self.of_model.insert(held.unwrap_or_else(|| OfModel::new(model)))
    }

    /// Decodes a segment without the net, or a part of it if the work is stopped.
    fn decode(
        &mut self,
        segment: &Segment,
        rest: &Rest<'_>,
        coding: WithoutNet<'a>,
        counter: &Counter,
    ) -> Decoded {
        let level = segment.info.member.level;
        match coding {
            WithoutNet::Stored => Ok(rest.coded.to_vec()),
            WithoutNet::Bytes => self.decode_bytes(rest, level, counter),
            WithoutNet::Tokens(model) => self.decode_tokens(rest, level, model, counter),
        }
    }

    fn decode_bytes(&mut self, rest: &Rest<'_>, level: Level, counter: &Counter) -> Decoded {
        let text_len = rest.len;
        let variant = LevelParameters::of(level).bytes;
        self.make_room(Mode::Bytes, mixer_memory(variant, text_len));
        let mixer = of_variant(&mut self.bytes, self.byte_alphabet, variant, text_len);
        let mut decoder = Decoder::new(rest.coded);
        let mut text = Vec::new();
        while text.len() < text_len && !counter.stops() {
            for _ in 0..Counter::PACE.min(text_len - text.len()) {
                // Symbols of this alphabet are bytes.
                text.push(mixer.decode(None, &mut decoder) as u8);
            }
        }
        decoder.finish().map_err(SegmentFault::of_payload)?;
        Ok(text)
    }

    fn decode_tokens(
        &mut self,
        rest: &Rest<'_>,
        level: Level,
        model: &'a Model,
        counter: &Counter,
    ) -> Decoded {
        let text_len = rest.len;
        let variant = LevelParameters::of(level).tokens;
        self.of_model(model);
        self.make_room(Mode::Tokens, mixer_memory(variant, text_len));
        let held = &mut self.of_model(model).without_net;
        let mixer = of_variant(held, &model.alphabet, variant, text_len);
        let mut decoder = Decoder::new(rest.coded);
        let mut text = Text::new(text_len);
        let mut pause = 0;
        while text.push(model, mixer.decode(None, &mut decoder))? {
            if text.bytes.len() >= pause {
                if counter.stops() {
                    break;
                }
                pause = text.bytes.len() + Counter::PACE;
            }
        }
        decoder.finish().map_err(SegmentFault::of_payload)?;
        Ok(text.bytes)
    }

    /// Decodes the segments of the net that need this model, as long as there are some.
    fn lockstep(&mut self, model: &'a Model, queue: &Queue<usize>, work: &Work<'_, 'a>) {
        if lock(queue).is_empty() {
            return;
        }
        let memory = self.memory.min(lane_memory(model));
        self.of_model(model).lane_memory = memory;
        self.make_room(Mode::Net, memory);
        let threads = self.net_threads.min(model.transformer.max_threads());
        self.of_model(model).lockstep(queue, work, threads);
    }
}

impl<'a> OfModel<'a> {
    fn new(model: &'a Model) -> Self {
        Self {
            model,
            without_net: None,
            lanes: Vec::new(),
            lane_memory: 0,
            caches: Vec::new(),
            net: None,
        }
    }

    fn without_net_len(&self) -> usize {
        held_len(self.without_net.as_ref())
    }

    fn lanes_len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.held).sum()
    }

    /// Decodes segments with a net that `threads` threads compute.
    fn lockstep(&mut self, queue: &Queue<usize>, work: &Work<'_, 'a>, threads: usize) {
        let model = self.model;
        let transformer = &*model.transformer;
        if self.net.as_ref().is_some_and(|net| net.threads != threads) {
            self.net = None;
        }
        let mut costs = Costs::of(transformer, work.lanes);
        let mut active: Vec<Active<'_>> = Vec::with_capacity(work.lanes);
        loop {
            while active.len() < work.lanes {
                match self.admit(queue, work, active.is_empty(), costs.is_some()) {
                    Admitted::Segment(segment) => active.push(segment),
                    Admitted::Refused => {}
                    Admitted::Nothing => break,
                }
            }
            if active.is_empty() || work.counter.stops() {
                break;
            }
            let net = self.net.get_or_insert_with(|| Net::new(model, threads));
            net.rows.clear();
            let lanes = active.len();
            for (before, segment) in active.iter_mut().enumerate() {
                segment.place = net.rows.len();
                net.rows.push(segment.row);
                let lane = &mut self.lanes[segment.lane];
                if let (Some(costs), Some(guesser)) = (&costs, &mut lane.guesser) {
                    // Each lane after this one has at least a row.
                    let rows = segment.place + lanes - before;
                    let most = lane.window.free().min(BATCH - rows);
                    let least = |guess: usize| costs.least_chance(rows + guess);
                    for (token, position) in guesser.guess(most, least).zip(segment.row.position + 1..) {
                        net.rows.push(Row {
                            position,
                            token,
                            ..segment.row
                        });
                    }
                }
                segment.guesses = net.rows.len() - segment.place - 1;
            }
            transformer.forward(&net.rows, &mut self.caches, &mut net.scratch);
            let (mut fresh, mut decoded) = (0, 0);
            for segment in &mut active {
                let lane = &mut self.lanes[segment.lane];
                let Some(mixer) = &mut lane.mixer else {
                    unreachable!("a lane at work has a mixer")
                };
                let before = segment.text.bytes.len();
                for place in segment.place..=segment.place + segment.guesses {
                    if place > segment.place {
                        // The guess came true, and there is a position for it.
                        segment.row = lane.window.next(
                            segment.lane,
                            segment.token,
                            transformer,
                            &mut self.caches,
                            &mut net.scratch,
                        );
                    }
                    transformer.frequencies(net.scratch.logits(place), &mut net.frequencies);
                    model
                        .alphabet
                        .tree()
                        .accumulate(&net.frequencies, &mut net.cumulative);
                    segment.token = mixer.decode(Some(&net.cumulative), &mut segment.decoder);
                    decoded += 1;
                    segment.step = segment.text.push(model, segment.token);
                    if let Some(guesser) = &mut lane.guesser {
                        guesser.learn(segment.token);
                    }
                    let guess = net.rows.get(place + 1);
                    if !matches!(segment.step, Ok(true))
                        || guess.is_none_or(|guess| guess.token != segment.token)
                    {
                        break;
                    }
                }
                fresh += segment.text.bytes.len() - before;
            }
            work.counter.add(fresh);
            if let Some(costs) = &mut costs {
                costs.count(net.rows.len(), decoded);
            }
            // A window that moves uses the scratch, whose logits are no longer needed.
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
                let finish = |_| segment.decoder.finish().map_err(SegmentFault::of_payload);
                let ended = segment.step.and_then(finish);
                let copied = work.segment(segment.index).info.header.text_len() as usize - segment.text.len;
                work.counter.add(copied);
                let text = ended.map(|()| segment.text.bytes);
                work.end(segment.index, text, segment.copies.as_deref());
            }
        }
    }

    /// Takes the next segment into a lane, which may guess, if memory allows or no lane is at work.
    fn admit<'s>(
        &mut self,
        queue: &Queue<usize>,
        work: &Work<'s, 'a>,
        idle: bool,
        guesses: bool,
    ) -> Admitted<'s> {
        let model = self.model;
        let parameters = |index: usize| LevelParameters::of(work.segment(index).info.member.level);
        let text_len = |index: usize| work.segment(index).info.header.text_len() as usize;
        let Some(index) = pop(queue, |index| {
            let LevelParameters { tokens, net, .. } = *parameters(index);
            idle || net.is_none_or(|net| self.fits(memory(model, tokens, net, text_len(index))))
        }) else {
            return Admitted::Nothing;
        };
        let segment = work.segment(index);
        let LevelParameters { tokens, net, .. } = *parameters(index);
        let Some(net) = net else {
            let level = segment.info.member.level;
            work.end(index, Err(SegmentFault::NoNet { level }), None);
            return Admitted::Refused;
        };
        let Rest { copies, coded, len } = match Rest::of(segment) {
            Ok(rest) => rest,
            Err(fault) => {
                work.end(index, Err(fault), None);
                return Admitted::Refused;
            }
        };
        let lane = self.lane(tokens, net, len);
        self.lanes[lane].restart_guesser(guesses, len);
        Admitted::Segment(Active {
            index,
            lane,
            row: self.lanes[lane].window.first(lane),
            place: 0,
            guesses: 0,
            decoder: Decoder::new(coded),
            copies: copies.map(Box::new),
            text: Text::new(len),
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
    fn lane(&mut self, variant: Variant, net: NetWindow, text_len: usize) -> usize {
        let model = self.model;
        let window = net.within(model.transformer.config().context_length);
        let index = self.free_lane(variant, window);
        let need = memory(model, variant, net, text_len).max(self.lanes[index].held);
        self.release_others(index, need);
        let lane = &mut self.lanes[index];
        lane.window = model
            .transformer
            .window(model.start_token, window.len, window.kept);
        let new = || Mixer::new(&model.alphabet, variant, true, text_len);
        restarted(&mut lane.mixer, new, text_len);
        (lane.variant, lane.held, lane.busy) = (variant, need, true);
        index
    }

    /// A lane that is free, with a cache for the window, and no mixer or one of this variant.
    fn free_lane(&mut self, variant: Variant, window: NetWindow) -> usize {
        let transformer = &self.model.transformer;
        // The one with the most memory of the right kind.
        let free = self.lanes.iter().enumerate().filter(|(_, lane)| !lane.busy);
        let best = free.max_by_key(|(_, lane)| (lane.variant == variant, lane.held));
        let Some((index, _)) = best else {
            self.lanes.push(Lane {
                mixer: None,
                variant,
                window: transformer.window(self.model.start_token, window.len, window.kept),
                guesser: None,
                held: 0,
                busy: false,
            });
            self.caches.push(transformer.cache(window.len));
            return self.lanes.len() - 1;
        };
        let lane = &mut self.lanes[index];
        if lane.variant != variant {
            lane.release();
        }
        if self.caches[index].capacity() < window.len {
            self.caches[index] = transformer.cache(window.len);
        }
        index
    }

    /// Frees what other idle lanes have taken, as far as the total would be too much with `need` bytes for this lane.
    fn release_others(&mut self, index: usize, need: usize) {
        let mut held = self.lanes_len() - self.lanes[index].held + need;
        for (other, lane) in self.lanes.iter_mut().enumerate() {
            if held > self.lane_memory && other != index && !lane.busy {
                held -= lane.held;
                lane.release();
            }
        }
    }
}

impl Lane<'_> {
    /// Makes a guesser ready for a text of this length, or frees it if none is wanted.
    fn restart_guesser(&mut self, wanted: bool, text_len: usize) {
        match &mut self.guesser {
            Some(guesser) if wanted => guesser.restart(text_len),
            guesser => *guesser = wanted.then(|| Guesser::new(text_len)),
        }
    }

    /// Frees the memory of the mixer.
    fn release(&mut self) {
        (self.mixer, self.held) = (None, 0);
    }
}

enum Admitted<'s> {
    Segment(Active<'s>),
    /// There was one, and it was in error.
    Refused,
    Nothing,
}

/// The most bytes that a lane takes for a text.
fn memory(model: &Model, variant: Variant, net: NetWindow, text_len: usize) -> usize {
    let window = net.within(model.transformer.config().context_length);
    variant.memory(text_len) + model.transformer.cache_len(window.len) + Guesser::memory(text_len) + text_len
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

/// The most bytes that decoding a segment takes, beyond the segment and its text.
fn memory_of(info: &SegmentInfo, coding: Coding<'_>) -> u64 {
    let LevelParameters {
        tokens, bytes, net, ..
    } = *LevelParameters::of(info.member.level);
    let text_len = info.header.text_len() as usize;
    let memory = match coding {
        Coding::WithoutNet(WithoutNet::Stored) => 0,
        Coding::WithoutNet(WithoutNet::Bytes) => mixer_memory(bytes, text_len),
        Coding::WithoutNet(WithoutNet::Tokens(_)) => mixer_memory(tokens, text_len),
        Coding::Net(model) => match net {
            Some(net) => {
                memory(model, tokens, net, text_len) + mixer_memory(tokens, text_len)
                    - tokens.memory(text_len)
            }
            // It is refused.
            None => 0,
        },
    };
    // The rest, and what is copied: 12 bytes for each passage, which takes three and more of the payload.
    let copies = if info.header.has_copies() {
        segment_len(info) + 4 * u64::from(info.header.payload_len())
    } else {
        0
    };
    memory as u64 + copies
}
