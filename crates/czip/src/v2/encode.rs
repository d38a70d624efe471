//! Segments to payloads: the texts of segments in, for each the mode chosen and the payload out.

use czip_coder::binary::Encoder;
use czip_container::v2::Mode;
use czip_mix::{Mixer, Variant};
use czip_model::{AnyCache, AnyScratch, Row, Window};

use super::copies;
use super::levels::{LevelParameters, NetWindow};
use super::models::EncodingModel;
use crate::model::Model;
use crate::options::Options;
use crate::work::{self, Counter, Stopped};

/// Rows that share one pass over the weights, for each thread: see CZIPv1.
const BATCH: usize = 64;

/// A shorter text is its own sample.
const MIN_SAMPLE: usize = 1 << 10;
const MAX_SAMPLE: usize = 16 << 10;

/// A sample is this part of the text, so coding it costs little compared with the whole.
const SAMPLE_SHARE: usize = 32;

/// Pieces that a sample is taken in.
const SLICES: usize = 4;

/// The net must make a payload smaller by this part: it takes many times as long, for decoders too.
const NET_GAIN: usize = 1000;

/// Data are stored unless mixing makes a sample smaller by this part.
const STORED_GAIN: usize = 128;

/// What is done with a segment.
enum Choice {
    Mode(Mode),
    /// It has been coded already, to find out.
    Encoded(Encoded),
    /// Every mode without the net is tried: a sample tells too little of data that are no text.
    SmallestWithoutNet,
}

/// What became of a segment. The payload of a stored one without copies is empty here: it is the text.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) mode: Mode,
    /// Whether the payload begins with copies.
    pub(crate) copies: bool,
    pub(crate) payload: Vec<u8>,
}

impl Encoded {
    fn new(mode: Mode, payload: Vec<u8>) -> Self {
        Self {
            mode,
            copies: false,
            payload,
        }
    }

    fn stored() -> Self {
        Self::new(Mode::Stored, Vec::new())
    }

    pub(crate) fn payload<'s>(&'s self, text: &'s [u8]) -> &'s [u8] {
        if self.mode == Mode::Stored && !self.copies {
            text
        } else {
            &self.payload
        }
    }
}

/// Encodes segments, as many side by side as there are threads. The result for each depends only on its text.
pub(crate) struct Encoders<'a> {
    model: EncodingModel<'a>,
    options: Options,
    workers: Vec<SegmentEncoder<'a>>,
}

impl<'a> Encoders<'a> {
    pub(crate) fn new(model: EncodingModel<'a>, options: &Options) -> Self {
        Self {
            model,
            options: options.clone(),
            workers: Vec::new(),
        }
    }

    pub(crate) fn encode(&mut self, texts: &[&[u8]], counter: &Counter) -> Result<Vec<Encoded>, Stopped> {
        let all = work::thread_count(&self.options);
        let threads = all.clamp(1, texts.len().max(1));
        while self.workers.len() < threads {
            let worker = SegmentEncoder::new(self.model, &self.options);
            self.workers.push(worker);
        }
        // Threads without a segment of their own help with the others' nets.
        for worker in &mut self.workers {
            worker.set_net_threads(all / threads);
        }
        let order = work::largest_first(texts.iter().map(|text| text.len()));
        work::map(&mut self.workers[..threads], &order, counter, |worker, text| {
            worker.encode(texts[text], counter)
        })
    }
}

/// Encodes one segment after another in the same memory.
struct SegmentEncoder<'a> {
    model: EncodingModel<'a>,
    parameters: &'static LevelParameters,
    only: Option<Mode>,
    tokens: Vec<u32>,
    sample: Vec<u8>,
    bytes: Option<Mixer<'a>>,
    without_net: Option<Mixer<'a>>,
    net: Option<NetEncoder<'a>>,
    net_threads: usize,
}

impl<'a> SegmentEncoder<'a> {
    fn new(model: EncodingModel<'a>, options: &Options) -> Self {
        Self {
            model,
            parameters: LevelParameters::of(options.level),
            only: options.only,
            tokens: Vec::new(),
            sample: Vec::new(),
            bytes: None,
            without_net: None,
            net: None,
            net_threads: 1,
        }
    }

    /// How many threads compute the net from now on.
    fn set_net_threads(&mut self, threads: usize) {
        if self.net_threads != threads {
            (self.net, self.net_threads) = (None, threads);
        }
    }

    fn encode(&mut self, text: &[u8], counter: &Counter) -> Encoded {
        let wanted = self.only != Some(Mode::Stored);
        let Some(copies) = wanted.then(|| copies::find(text)).flatten() else {
            return self.encode_whole(text, counter);
        };
        let rest = copies.rest_of(text);
        counter.add(text.len() - rest.len());
        let encoded = self.encode_whole(&rest, counter);
        let mut payload = copies.to_bytes();
        payload.extend_from_slice(encoded.payload(&rest));
        Encoded {
            mode: encoded.mode,
            copies: true,
            payload,
        }
    }

    /// Encodes a text without copies.
    fn encode_whole(&mut self, text: &[u8], counter: &Counter) -> Encoded {
        let encoded = self.encode_as_chosen(text, counter);
        if encoded.mode != Mode::Stored && encoded.payload.len() >= text.len() {
            return Encoded::stored();
        }
        encoded
    }

    fn encode_as_chosen(&mut self, text: &[u8], counter: &Counter) -> Encoded {
        if text.is_empty() || self.only == Some(Mode::Stored) {
            counter.add(text.len());
            return Encoded::stored();
        }
        let choice = match self.only {
            Some(mode) => Choice::Mode(self.possible(mode)),
            None => self.choose(text, counter),
        };
        let encoded = match choice {
            Choice::Mode(Mode::Stored) => Encoded::stored(),
            Choice::Mode(mode) => return self.encode_in(mode, text, counter),
            Choice::Encoded(encoded) => encoded,
            Choice::SmallestWithoutNet => self.smallest_without_net(text, counter),
        };
        counter.add(text.len());
        encoded
    }

    fn encode_in(&mut self, mode: Mode, text: &[u8], counter: &Counter) -> Encoded {
        // A split pattern may take more than its engine allows. The text is then coded as bytes.
        let mode = if mode.needs_model() && !self.tokenize(text) {
            Mode::Bytes
        } else {
            mode
        };
        self.code(mode, text, &mut SegmentProgress::new(text.len(), counter))
    }

    /// The mode, or the next simpler one where level or model lack it.
    fn possible(&self, mode: Mode) -> Mode {
        match (mode, self.model.model, self.parameters.net) {
            (Mode::Net, Some(_), None) => Mode::Tokens,
            (Mode::Net | Mode::Tokens, None, _) => Mode::Bytes,
            _ => mode,
        }
    }

    fn smallest_without_net(&mut self, text: &[u8], counter: &Counter) -> Encoded {
        let bytes = self.trial(Mode::Bytes, text, counter);
        if !self.tokenize(text) {
            return bytes;
        }
        let tokens = self.trial(Mode::Tokens, text, counter);
        if tokens.payload.len() < bytes.payload.len() {
            tokens
        } else {
            bytes
        }
    }

    /// The mode that promises the smallest payload by a sample, or the payload itself.
    fn choose(&mut self, text: &[u8], counter: &Counter) -> Choice {
        let len = (text.len() / SAMPLE_SHARE).clamp(MIN_SAMPLE, MAX_SAMPLE);
        if text.len() <= len {
            return self.choose_by(text, counter);
        }
        let mut sample = std::mem::take(&mut self.sample);
        sample.clear();
        for slice in 0..SLICES {
            let start = (text.len() - len / SLICES) * slice / (SLICES - 1);
            sample.extend_from_slice(&text[start..start + len / SLICES]);
        }
        let choice = self.choose_by(&sample, counter);
        self.sample = sample;
        match choice {
            Choice::Encoded(encoded) => Choice::Mode(encoded.mode),
            choice => choice,
        }
    }

    fn choose_by(&mut self, sample: &[u8], counter: &Counter) -> Choice {
        let is_text = self.model.model.is_some() && self.tokenize(sample);
        let tokens = self.tokens.len();
        if is_text && self.parameters.net.is_some() && tokens * 5 / 2 < sample.len() {
            // Long tokens: the model knows such text, and nothing makes it smaller than the net and mixing together.
            return Choice::Mode(Mode::Net);
        }
        // The net rarely helps where tokens are hardly longer than bytes: such data are no text, or none that the model
        // knows.
        let is_known = is_text && tokens < sample.len() - sample.len() / 8;
        let bytes = self.trial(Mode::Bytes, sample, counter);
        let bytes_len = bytes.payload.len();
        let gain = if self.parameters.thorough {
            0
        } else {
            sample.len() / STORED_GAIN
        };
        if !is_known && bytes_len >= sample.len() - gain {
            return Choice::Mode(Mode::Stored);
        }
        if !is_text {
            return Choice::Encoded(bytes);
        }
        let tokens = self.trial(Mode::Tokens, sample, counter);
        let tokens_len = tokens.payload.len();
        let simple = if bytes_len < tokens_len { bytes } else { tokens };
        if self.parameters.net.is_none() || !is_known {
            return if self.parameters.thorough {
                Choice::SmallestWithoutNet
            } else {
                Choice::Encoded(simple)
            };
        }
        // Mixing with the net is nearly always smaller than without, but so slow that it is only tried in doubt.
        if simple.mode == Mode::Tokens {
            return Choice::Mode(Mode::Net);
        }
        if bytes_len > tokens_len - tokens_len / 4 {
            let net = self.trial(Mode::Net, sample, counter);
            if net.payload.len() + bytes_len / NET_GAIN <= bytes_len {
                return Choice::Encoded(net);
            }
        }
        Choice::Encoded(simple)
    }

    fn trial(&mut self, mode: Mode, sample: &[u8], counter: &Counter) -> Encoded {
        self.code(mode, sample, &mut SegmentProgress::uncounted(counter))
    }

    /// Cuts a text into tokens, none without a model.
    fn tokenize(&mut self, text: &[u8]) -> bool {
        self.tokens.clear();
        let Some(model) = self.model.model else {
            return true;
        };
        model.tokenizer.encode_bytes(text, &mut self.tokens).is_ok()
    }

    /// Codes a text, or its tokens where they are known.
    fn code(&mut self, mode: Mode, text: &[u8], progress: &mut SegmentProgress<'_>) -> Encoded {
        let mut encoder = Encoder::new();
        match (mode, self.model.model, self.parameters.net) {
            (Mode::Net, Some(model), Some(net)) => {
                let (variant, threads) = (self.parameters.tokens, self.net_threads);
                self.net
                    .get_or_insert_with(|| NetEncoder::new(model, variant, net, threads))
                    .encode(&self.tokens, text.len(), &mut encoder, progress);
            }
            (Mode::Tokens | Mode::Net, Some(model), _) => {
                let new = || Mixer::new(&model.alphabet, self.parameters.tokens, false, text.len());
                let mixer = restarted(&mut self.without_net, new, text.len());
                code_each(mixer, self.tokens.iter().copied(), &mut encoder, progress);
            }
            _ => {
                let new = || Mixer::new(self.model.bytes, self.parameters.bytes, false, text.len());
                let mixer = restarted(&mut self.bytes, new, text.len());
                code_each(
                    mixer,
                    text.iter().map(|&byte| byte.into()),
                    &mut encoder,
                    progress,
                );
            }
        }
        progress.end();
        Encoded::new(mode, encoder.finish())
    }
}

fn code_each(
    mixer: &mut Mixer<'_>,
    symbols: impl ExactSizeIterator<Item = u32>,
    encoder: &mut Encoder,
    progress: &mut SegmentProgress<'_>,
) {
    let count = symbols.len();
    for (index, symbol) in symbols.enumerate() {
        mixer.encode(symbol, None, encoder);
        if index % Counter::PACE == Counter::PACE - 1 && !progress.at(index, count) {
            break;
        }
    }
}

/// A mixer at the start of a text: the one kept, or a new one.
pub(super) fn restarted<'m, 'a>(
    mixer: &'m mut Option<Mixer<'a>>,
    new: impl FnOnce() -> Mixer<'a>,
    text_len: usize,
) -> &'m mut Mixer<'a> {
    match mixer {
        Some(mixer) => {
            mixer.restart(text_len);
            mixer
        }
        None => mixer.insert(new()),
    }
}

/// All tokens are known, so many positions go through the net at once.
struct NetEncoder<'a> {
    model: &'a Model,
    variant: Variant,
    mixer: Option<Mixer<'a>>,
    window: Window,
    caches: [AnyCache; 1],
    scratch: AnyScratch,
    rows: Vec<Row>,
    frequencies: Vec<u32>,
    cumulative: Vec<u32>,
}

impl<'a> NetEncoder<'a> {
    fn new(model: &'a Model, variant: Variant, window: NetWindow, threads: usize) -> Self {
        let transformer = &model.transformer;
        let config = transformer.config();
        let NetWindow { len, kept } = window.within(config.context_length);
        let threads = threads.min(transformer.max_threads());
        let batch = (BATCH * threads).min(transformer.max_batch());
        Self {
            model,
            variant,
            mixer: None,
            window: transformer.window(model.start_token, len, kept),
            caches: [transformer.cache(len)],
            scratch: transformer.scratch_for(batch, threads),
            rows: Vec::with_capacity(batch),
            frequencies: vec![0; config.vocab_size],
            cumulative: vec![0; config.vocab_size + 1],
        }
    }

    fn encode(
        &mut self,
        tokens: &[u32],
        text_len: usize,
        encoder: &mut Encoder,
        progress: &mut SegmentProgress<'_>,
    ) {
        let Self {
            model,
            variant,
            mixer,
            window,
            caches,
            scratch,
            ..
        } = self;
        let (transformer, alphabet) = (&model.transformer, &*model.alphabet);
        let mixer = restarted(mixer, || Mixer::new(alphabet, *variant, true, text_len), text_len);
        window.restart();
        let mut coded = 0;
        while coded < tokens.len() {
            self.rows.clear();
            self.rows.push(match coded.checked_sub(1) {
                None => window.first(0),
                // Only the first row of a batch may move the window.
                Some(last) => window.next(0, tokens[last], transformer, caches, scratch),
            });
            let batch = scratch
                .capacity()
                .min(window.free() + 1)
                .min(tokens.len() - coded);
            for &token in &tokens[coded..coded + batch - 1] {
                self.rows
                    .push(window.next(0, token, transformer, caches, scratch));
            }
            transformer.forward(&self.rows, caches, scratch);
            for (row, &token) in tokens[coded..coded + batch].iter().enumerate() {
                transformer.frequencies(scratch.logits(row), &mut self.frequencies);
                alphabet
                    .tree()
                    .accumulate(&self.frequencies, &mut self.cumulative);
                mixer.encode(token, Some(&self.cumulative), encoder);
            }
            coded += batch;
            if !progress.at(coded, tokens.len()) {
                break;
            }
        }
    }
}

/// How much of a segment has been reported as done.
struct SegmentProgress<'c> {
    counter: &'c Counter,
    silent: bool,
    text_len: usize,
    done: usize,
}

impl<'c> SegmentProgress<'c> {
    fn new(text_len: usize, counter: &'c Counter) -> Self {
        Self {
            counter,
            silent: false,
            text_len,
            done: 0,
        }
    }

    /// For work that may be stopped but does not count.
    fn uncounted(counter: &'c Counter) -> Self {
        Self {
            silent: true,
            ..Self::new(0, counter)
        }
    }

    /// Records that this many of the symbols are coded. Returns whether to go on.
    fn at(&mut self, coded: usize, symbols: usize) -> bool {
        self.count(coded, symbols);
        !self.counter.stops()
    }

    fn end(&mut self) {
        self.count(1, 1);
    }

    fn count(&mut self, coded: usize, symbols: usize) {
        if !self.silent {
            let done = (self.text_len as u64 * coded as u64 / symbols.max(1) as u64) as usize;
            self.counter.add(done - self.done);
            self.done = done;
        }
    }
}
