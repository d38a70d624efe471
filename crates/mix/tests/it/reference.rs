//! The mixer in its plainest form, written from `docs/spec/mixing.md`: sections are those of that page.
//!
//! Numbers are 64 bits wide, and ranges are asserted where the page gives them.

use crate::range::RangeEncoder;
use crate::tables::{LIMIT, ln, rate, squash, stretch};

/// Section 2.
fn log2up(x: usize) -> u32 {
    (1..).find(|&n| 1 << n >= x.max(2)).unwrap()
}

/// Section 6.
pub(crate) fn combine(h: u64, n: u64) -> u64 {
    let q = (h ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    q ^ (q >> 29)
}

/// 64-bit FNV-1a.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

// Section 3.

/// A tree of symbols.
#[derive(Clone, Debug)]
pub(crate) struct PlainTree {
    pub(crate) spellings: Vec<Vec<u8>>,
    /// Leaf to symbol.
    pub(crate) order: Vec<usize>,
    /// Symbol to leaf.
    pub(crate) leaves: Vec<usize>,
    /// Roots of the left and the right part of each node, 0 for a leaf.
    pub(crate) parts: Vec<[usize; 2]>,
    pub(crate) root: usize,
}

impl PlainTree {
    pub(crate) fn new(spellings: &[Vec<u8>], weights: Option<&[u32]>) -> Self {
        let mut order: Vec<usize> = (0..spellings.len()).collect();
        order.sort_by_key(|&id| (&spellings[id], id));
        let mut leaves = vec![0; order.len()];
        for (leaf, &id) in order.iter().enumerate() {
            leaves[id] = leaf;
        }
        let weight = |id: usize| weights.map_or(0, |weights| i64::from(weights[id])) + 12;
        let weights: Vec<i64> = order.iter().map(|&id| weight(id)).collect();
        let mut parts = vec![[0; 2]; order.len()];
        let root = cut(&weights, 0, order.len(), &mut parts);
        Self {
            spellings: spellings.to_vec(),
            order,
            leaves,
            parts,
            root,
        }
    }

    pub(crate) fn of_bytes() -> Self {
        let spellings: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        Self::new(&spellings, None)
    }

    /// Section 12.
    pub(crate) fn hash(&self) -> u64 {
        let mut bytes = Vec::new();
        for (&id, parts) in self.order.iter().zip(&self.parts) {
            let spelling = &self.spellings[id];
            bytes.extend((spelling.len() as u16).to_le_bytes());
            bytes.extend(spelling);
            for &part in parts {
                if self.order.len() > 65_536 {
                    bytes.extend((part as u32).to_le_bytes());
                } else {
                    bytes.extend((part as u16).to_le_bytes());
                }
            }
        }
        fnv1a(&bytes)
    }

    fn rows(&self) -> usize {
        self.order.len().min(4_096)
    }
}

/// Cuts a span, and returns its node, or 0 for a leaf.
fn cut(weights: &[i64], low: usize, high: usize, parts: &mut [[usize; 2]]) -> usize {
    if high - low == 1 {
        return 0;
    }
    let total: i64 = weights[low..high].iter().sum();
    let mut left = 0;
    let mut best = (i64::MAX, 0);
    for node in low + 1..high {
        left += weights[node - 1];
        best = best.min(((total - 2 * left).abs(), node));
    }
    let (_, node) = best;
    parts[node] = [cut(weights, low, node, parts), cut(weights, node, high, parts)];
    node
}

// Section 4.

/// The ids of contexts, by their names in section 7.
const ORDER0: u64 = 0;
const ORDER1: u64 = 1;
const ORDER2: u64 = 2;
const ORDER3: u64 = 3;
const ORDER4: u64 = 4;
const ORDER6: u64 = 5;
const WORD: u64 = 6;
const WORD2: u64 = 7;
const WORD3: u64 = 8;
const WORD_SKIP: u64 = 9;
const SKIP1: u64 = 10;
const ABOVE: u64 = 11;
const FIELD: u64 = 12;
const SHAPE: u64 = 13;
const BYTES3: u64 = 14;
const BYTES5: u64 = 15;
const SPARSE23: u64 = 16;
const SPARSE34: u64 = 17;
const SPARSE14: u64 = 18;
const COLUMN: u64 = 19;
const RECORD_LAST: u64 = 20;
const RECORDS: u64 = 21;

/// A row of the table of variants.
#[derive(Clone, Debug)]
pub(crate) struct VariantConfig {
    contexts: Vec<u64>,
    runs: Vec<usize>,
    long: usize,
    short: usize,
    records: bool,
    /// Contexts with a joint map, where there is a net.
    joint: usize,
    lines_max: u32,
}

impl VariantConfig {
    pub(crate) fn light() -> Self {
        Self {
            contexts: vec![ORDER0, ORDER1, ORDER2, WORD, SHAPE],
            runs: vec![2, 3],
            long: 6,
            short: 2,
            records: false,
            joint: 0,
            lines_max: 17,
        }
    }

    pub(crate) fn standard() -> Self {
        let mut config = Self::light();
        config.contexts.extend([ORDER3, WORD2, BYTES3]);
        Self {
            runs: vec![2, 3, 5],
            joint: 8,
            lines_max: 18,
            ..config
        }
    }

    pub(crate) fn max() -> Self {
        let mut config = Self::standard();
        config
            .contexts
            .extend([ORDER4, ORDER6, SKIP1, ABOVE, FIELD, WORD3, BYTES5, WORD_SKIP]);
        Self {
            runs: vec![1, 2, 3, 5],
            lines_max: 19,
            ..config
        }
    }

    pub(crate) fn light_bytes() -> Self {
        Self {
            contexts: vec![ORDER1, ORDER2, ORDER3, ORDER4, WORD],
            runs: vec![2, 3],
            long: 8,
            short: 4,
            records: false,
            joint: 0,
            lines_max: 18,
        }
    }

    pub(crate) fn bytes() -> Self {
        let orders = [ORDER0, ORDER1, ORDER2, ORDER3, ORDER4, ORDER6];
        let texts = [WORD, WORD2, SHAPE, ABOVE];
        let sparse = [SPARSE23, SPARSE34, SPARSE14];
        let records = [COLUMN, RECORD_LAST, RECORDS];
        Self {
            contexts: [&orders[..], &texts, &sparse, &records].concat(),
            runs: vec![2, 4, 5],
            long: 8,
            short: 3,
            records: true,
            joint: 0,
            lines_max: 19,
        }
    }

    /// Contexts with a joint map.
    fn joint(&self, net: bool) -> usize {
        if net { self.joint } else { 0 }
    }

    fn inputs(&self, net: bool) -> usize {
        4 + 2 * self.contexts.len() + self.runs.len() + self.joint(net)
    }
}

// Section 9.

/// An entry of a map.
#[derive(Clone, Debug)]
struct Entry {
    /// 22 bits.
    probability: i64,
    count: i64,
}

impl Entry {
    fn new(p: i64, count: i64) -> Self {
        assert!((0..65_536).contains(&p));
        Self {
            probability: p << 6,
            count,
        }
    }

    fn p(&self) -> i64 {
        self.probability >> 6
    }

    fn learn(&mut self, decision: bool) {
        let target = if decision { (1 << 22) - 1 } else { 0 };
        self.probability += ((target - self.probability) * rate(self.count)) >> 16;
        assert!((0..1 << 22).contains(&self.probability));
        self.count = (self.count + 1).min(255);
    }
}

// Section 12.

/// What holds for all texts.
#[derive(Clone, Debug)]
pub(crate) struct InitialState {
    states: Vec<Vec<Entry>>,
    runs: Vec<Vec<Entry>>,
    matches: Vec<Entry>,
    joint: Vec<Vec<Entry>>,
    first: [Vec<Vec<i64>>; 4],
    second: Vec<[i64; 4]>,
}

impl InitialState {
    /// The initial state without priors.
    fn untrained(config: &VariantConfig, net: bool, rows: usize) -> Self {
        let state = |z: i64, o: i64| Entry::new((65_536 * (2 * o + 1) / (2 * (o + z) + 2)).min(65_535), 0);
        let states: Vec<Entry> = (0..512)
            .map(|history| state(history >> 1 & 15, history >> 5))
            .collect();
        let joint: Vec<Entry> = (0..1_024)
            .map(|entry| state(entry / 16 % 8, entry / 128))
            .collect();
        let confident = |entry: i64| Entry::new(65_536 - 32_768 / (entry / 16 + 1), 0);
        let others: Vec<Entry> = (0..256).map(confident).collect();
        let weight = |input: usize| match input {
            0 => 13_107,
            1 => 0,
            _ if input < 2 + 2 * config.contexts.len() => 819,
            _ if input < config.inputs(false) => 1_638,
            _ => 0,
        };
        let row: Vec<i64> = (0..config.inputs(net)).map(weight).collect();
        Self {
            states: vec![states; config.contexts.len()],
            runs: vec![others.clone(); config.runs.len()],
            matches: others,
            joint: vec![joint; config.joint(net)],
            first: [256, 512, rows, rows].map(|rows| vec![row.clone(); rows]),
            second: vec![[1 << 14; 4]; rows],
        }
    }

    /// Reads priors, if they fit.
    fn read(config: &VariantConfig, net: bool, tree_hash: u64, rows: usize, bytes: &[u8]) -> Option<Self> {
        let (contexts, runs) = (config.contexts.len(), config.runs.len());
        if bytes[5..8] != [contexts as u8, runs as u8, u8::from(net)] {
            return None;
        }
        let mut at = 0;
        let mut take = |count: usize| {
            at += count;
            &bytes[at - count..at]
        };
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |number, &byte| number << 8 | u64::from(byte))
        };
        assert_eq!(take(5), b"CZMP\x01");
        take(3);
        let stored_rows = number(take(2)) as usize;
        let stored_hash = number(take(8));
        let mut map = |entries: usize| -> Vec<Entry> {
            (0..entries)
                .map(|_| Entry::new(number(take(2)) as i64, number(take(1)) as i64))
                .collect()
        };
        let states = (0..contexts).map(|_| map(512)).collect();
        let run_maps = (0..runs).map(|_| map(256)).collect();
        let matches = map(256);
        let joint = (0..config.joint(net)).map(|_| map(1_024)).collect();
        let shifts = take(config.inputs(net));
        let mut first = [256, 512, stored_rows, stored_rows].map(|rows| {
            let mut row = || {
                let weight = |(&byte, &shift): (&u8, &u8)| i64::from(byte as i8) << shift;
                take(config.inputs(net)).iter().zip(shifts).map(weight).collect()
            };
            (0..rows).map(|_| row()).collect::<Vec<Vec<i64>>>()
        });
        let mut second = (0..stored_rows)
            .map(|_| [(); 4].map(|()| i64::from(number(take(2)) as i16) << 4))
            .collect::<Vec<[i64; 4]>>();
        assert_eq!(at, bytes.len());
        if stored_hash == tree_hash && stored_rows != rows {
            return None;
        }
        if stored_hash != tree_hash {
            for set in &mut first[2..] {
                let mean = |input: usize| set.iter().map(|row| row[input]).sum::<i64>() / stored_rows as i64;
                let row: Vec<i64> = (0..config.inputs(net)).map(mean).collect();
                *set = vec![row; rows];
            }
            second = vec![[1 << 14; 4]; rows];
        }
        Some(Self {
            states,
            runs: run_maps,
            matches,
            joint,
            first,
            second,
        })
    }

    /// What a stream starts from, from the last of the priors that fits.
    pub(crate) fn of(config: &VariantConfig, net: bool, tree: &PlainTree, priors: &[&[u8]]) -> Self {
        let read = |bytes: &&[u8]| Self::read(config, net, tree.hash(), tree.rows(), bytes);
        let last = priors.iter().rev().find_map(read);
        last.unwrap_or_else(|| Self::untrained(config, net, tree.rows()))
    }
}

// Section 6.

type Bucket = [u32; 8];

/// A decision's slot, taken out of its word.
struct Slot {
    p: i64,
    history: i64,
    count: i64,
}

impl Slot {
    fn new(word: u32) -> Self {
        let word = i64::from(word);
        Self {
            p: word & 0xffff ^ 0x8000,
            history: word >> 16 & 0x1ff,
            count: word >> 25,
        }
    }

    fn word(&self) -> u32 {
        assert!(self.p < 1 << 16 && self.history < 1 << 9 && self.count < 1 << 7);
        u32::try_from((self.p ^ 0x8000) | self.history << 16 | self.count << 25).unwrap()
    }

    fn learn(&mut self, decision: bool) {
        let target = if decision { 65_535 } else { 0 };
        self.p += ((target - self.p) * (rate(self.count) >> 1)) >> 15;
        self.p = self.p.clamp(32, 65_503);
        self.count = (self.count + 1).min(30);
        let mut numbers = [self.history >> 1 & 15, self.history >> 5];
        let (this, other) = (usize::from(decision), usize::from(!decision));
        numbers[this] = (numbers[this] + 1).min(15);
        if numbers[other] > 2 {
            numbers[other] = numbers[other] / 2 + 1;
        }
        self.history = i64::from(decision) | numbers[0] << 1 | numbers[1] << 5;
    }
}

/// Where a context's bucket is, and what is in it.
#[derive(Clone)]
struct Found {
    line: usize,
    place: usize,
    check: u32,
    bucket: Bucket,
}

/// The buckets of all contexts.
struct Table {
    lines_log2: u32,
    /// Bits of a symbol in cell 0.
    symbol_bits: u32,
    lines: Vec<[Bucket; 2]>,
}

impl Table {
    fn check_of(&self, cell: u32) -> u32 {
        cell >> (self.symbol_bits + 4)
    }

    fn count_of(&self, cell: u32) -> u32 {
        cell >> self.symbol_bits & 15
    }

    fn symbol_of(&self, cell: u32) -> usize {
        (cell % (1 << self.symbol_bits)) as usize
    }

    fn look_up(&self, h: u64, node: usize) -> Found {
        let g = combine(h, node as u64);
        let line = (g >> (64 - self.lines_log2)) as usize;
        let check = self.check_of((g >> 8) as u32);
        let pair = &self.lines[line];
        if let Some(place) = (0..2).find(|&place| self.check_of(pair[place][0]) == check) {
            return Found {
                line,
                place,
                check,
                bucket: pair[place],
            };
        }
        let used = |place: usize| Slot::new(pair[place][1]).count;
        let place = usize::from(used(0) > used(1));
        Found {
            line,
            place,
            check,
            bucket: [check << (self.symbol_bits + 4), 0, 0, 0, 0, 0, 0, 0],
        }
    }

    fn write_back(&mut self, found: &[Found]) {
        for found in found {
            self.lines[found.line][found.place] = found.bucket;
        }
    }
}

// Section 7.

/// What has been coded.
struct History {
    /// Ids.
    symbols: Vec<usize>,
    bytes: Vec<u8>,
    /// w, w1 and w2.
    words: [u64; 3],
    shape: u64,
    last_places: [usize; 256],
    distances: [usize; 256],
    candidate: usize,
    votes: usize,
    record_len: usize,
}

impl History {
    fn new() -> Self {
        Self {
            symbols: Vec::new(),
            bytes: Vec::new(),
            words: [0; 3],
            shape: 0,
            last_places: [0; 256],
            distances: [0; 256],
            candidate: 0,
            votes: 0,
            record_len: 1,
        }
    }

    fn push(&mut self, id: usize, spelling: &[u8], records: bool) {
        self.symbols.push(id);
        for &byte in spelling {
            self.bytes.push(byte);
            self.extend_word(byte);
            self.extend_shape(byte);
            if records {
                self.find_records(byte);
            }
        }
    }

    fn extend_word(&mut self, byte: u8) {
        let [w, w1, w2] = &mut self.words;
        if byte.is_ascii_alphanumeric() || byte >= 128 {
            *w = combine(*w, u64::from(byte.to_ascii_lowercase()) + 1);
            return;
        }
        if *w != 0 {
            (*w2, *w1, *w) = (*w1, *w, 0);
        }
        if byte != b' ' {
            *w1 = combine(*w1, byte.into());
        }
    }

    fn extend_shape(&mut self, byte: u8) {
        let class = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | 128.. => b'a',
            b'0'..=b'9' => b'0',
            _ => byte,
        };
        if self.shape % 256 != u64::from(class) {
            self.shape = self.shape << 8 | u64::from(class);
        }
    }

    fn find_records(&mut self, byte: u8) {
        let byte = usize::from(byte);
        let place = self.bytes.len();
        let distance = place - self.last_places[byte];
        if distance == self.distances[byte] && distance >= 2 {
            if distance == self.candidate {
                self.votes += 1;
            } else {
                (self.candidate, self.votes) = (distance, 0);
            }
            if self.votes == 16 {
                (self.record_len, self.votes) = (distance, 0);
            }
        }
        self.last_places[byte] = place;
        self.distances[byte] = distance;
    }

    /// s(n).
    fn s(&self, n: usize) -> u64 {
        let place = self.symbols.len().checked_sub(n);
        place.map_or(0, |place| self.symbols[place] as u64 + 1)
    }

    /// S(n).
    fn folded(&self, n: usize) -> u64 {
        (1..=n).fold(0, |hash, back| combine(hash, self.s(back)))
    }

    /// b(n).
    fn b(&self, n: usize) -> u64 {
        let place = self.bytes.len().checked_sub(n);
        place.map_or(0, |place| self.bytes[place].into())
    }

    /// The last bytes as a number.
    fn last_bytes(&self, n: usize) -> u64 {
        (1..=n).rev().fold(0, |number, back| number << 8 | self.b(back))
    }

    /// The bytes of the last two lines: the one before, with its line feed, and this one.
    fn lines(&self) -> [&[u8]; 2] {
        let mut lines = self.bytes.split_inclusive(|&byte| byte == b'\n').rev();
        match self.bytes.last() {
            None | Some(b'\n') => [lines.next().unwrap_or_default(), &[]],
            Some(_) => {
                let this = lines.next().unwrap();
                [lines.next().unwrap_or_default(), this]
            }
        }
    }

    fn value(&self, context: u64) -> u64 {
        let [w, w1, w2] = self.words;
        match context {
            ORDER0 => 0,
            ORDER1 => self.s(1),
            ORDER2 => self.folded(2),
            ORDER3 => self.folded(3),
            ORDER4 => self.folded(4),
            ORDER6 => self.folded(6),
            WORD => w,
            WORD2 => combine(w, w1),
            WORD3 => combine(combine(w, w1), w2),
            WORD_SKIP => combine(w, w2),
            SKIP1 => self.s(2),
            ABOVE => {
                let [above, line] = self.lines();
                let byte = |column: usize| u64::from(above.get(column).copied().unwrap_or(0));
                let column = line.len();
                let u = byte(column) << 16 | byte(column + 1) << 8 | byte(column + 2);
                combine(u, self.s(1))
            }
            FIELD => {
                let [_, line] = self.lines();
                let head = line
                    .iter()
                    .take(4)
                    .fold(0, |head, &byte| head << 8 | u64::from(byte));
                let field = line.iter().filter(|byte| b" ,\t".contains(byte)).count();
                (head << 32) + field as u64
            }
            SHAPE => self.shape,
            BYTES3 => self.last_bytes(3),
            BYTES5 => self.last_bytes(5),
            SPARSE23 => self.b(3) * 256 + self.b(2),
            SPARSE34 => self.b(4) * 256 + self.b(3),
            SPARSE14 => self.b(4) * 256 + self.b(1),
            COLUMN => (self.bytes.len() % self.record_len * 256) as u64 + self.b(self.record_len),
            RECORD_LAST => self.b(self.record_len) * 256 + self.b(1),
            RECORDS => self.b(self.record_len) * 256 + self.b(2 * self.record_len),
            _ => unreachable!(),
        }
    }

    fn hash(&self, context: u64) -> u64 {
        combine(self.value(context), context + 1)
    }
}

// Section 8.

struct Repetition {
    table_log2: u32,
    /// For `long` and `short`.
    tables: [Vec<usize>; 2],
    position: usize,
    len: usize,
}

impl Repetition {
    const MAX_LEN: usize = 40;

    fn new(text_len: usize) -> Self {
        let table_log2 = log2up(text_len / 2).clamp(8, 18);
        let table = vec![0; 1 << table_log2];
        Self {
            table_log2,
            tables: [table.clone(), table],
            position: 0,
            len: 0,
        }
    }

    fn expected(&self, symbols: &[usize]) -> Option<usize> {
        (self.len > 0).then(|| symbols[self.position])
    }

    /// After a symbol, which is the last of these.
    fn update(&mut self, config: &VariantConfig, symbols: &[usize]) {
        let n = symbols.len();
        if self.len > 0 && symbols[self.position] == symbols[n - 1] {
            self.len = (self.len + 1).min(Self::MAX_LEN);
            self.position += 1;
        } else {
            self.len = 0;
        }
        for (which, min_len) in [config.long, config.short].into_iter().enumerate() {
            if n < min_len {
                continue;
            }
            let hash = symbols[n - min_len..]
                .iter()
                .fold(0, |hash, &id| combine(hash, id as u64 + 1));
            let i = (hash >> (64 - self.table_log2)) as usize;
            let entry = self.tables[which][i];
            let wanted = if which == 0 {
                self.len < config.long
            } else {
                self.len == 0
            };
            if wanted && entry != 0 {
                let equal = |&back: &usize| back <= entry && symbols[entry - back] == symbols[n - back];
                let len = (1..=Self::MAX_LEN).take_while(equal).count();
                if len >= min_len {
                    (self.len, self.position) = (len, entry);
                }
            }
            self.tables[which][i] = n;
        }
    }

    fn class(&self) -> usize {
        match self.len {
            0..=8 => self.len,
            9..=10 => 9,
            11..=12 => 10,
            13..=16 => 11,
            17..=20 => 12,
            21..=28 => 13,
            29..=39 => 14,
            _ => 15,
        }
    }
}

/// The grade of a logit: section 9.
fn grade(logit: i64) -> usize {
    ((logit + 2_048) >> 8).clamp(0, 15) as usize
}

fn signed(number: i64, positive: bool) -> i64 {
    if positive { number } else { -number }
}

/// An expectation within a span: the entry of its map, and the expected bit.
type Expectation = Option<(usize, bool)>;

/// An encoder of one segment.
pub(crate) struct Reference<'a> {
    config: VariantConfig,
    tree: &'a PlainTree,
    rows: usize,
    state: InitialState,
    table: Table,
    history: History,
    repetition: Repetition,
    points_log2: u32,
    points: [Vec<[i64; 25]>; 2],
    rate: i64,
    coder: RangeEncoder,
    pub(crate) decisions: Vec<Decision>,
}

/// A decision that has been coded, and where its probability is from.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) inputs: Vec<i64>,
    pub(crate) rows: [usize; 4],
    pub(crate) outputs: Vec<i64>,
    pub(crate) mixed: i64,
    /// Both refined probabilities.
    pub(crate) refined: Vec<i64>,
    pub(crate) p: i64,
}

impl<'a> Reference<'a> {
    pub(crate) fn new(
        config: VariantConfig,
        tree: &'a PlainTree,
        initial: InitialState,
        text_len: usize,
    ) -> Self {
        let lines_log2 = log2up(text_len * config.contexts.len() / 2).clamp(8, config.lines_max);
        let points_log2 = log2up(text_len / 2).clamp(6, 15);
        let mut line = [0; 25];
        for (j, point) in line.iter_mut().enumerate() {
            *point = squash(256 * j as i64 - 3_072);
        }
        let points = vec![line; 1 << points_log2];
        Self {
            rows: tree.rows(),
            state: initial,
            table: Table {
                lines_log2,
                symbol_bits: log2up(tree.order.len()).max(16),
                lines: vec![[[0; 8]; 2]; 1 << lines_log2],
            },
            history: History::new(),
            repetition: Repetition::new(text_len),
            points_log2,
            points: [points.clone(), points],
            rate: 1_000 << 8,
            coder: RangeEncoder::new(),
            decisions: Vec::new(),
            config,
            tree,
        }
    }

    /// Begins another text with the maps and weights of this one.
    pub(crate) fn forget_text(self, text_len: usize) -> Self {
        Self::new(self.config, self.tree, self.state, text_len)
    }

    /// Section 11. The net's frequencies are in the order of ids.
    pub(crate) fn encode(&mut self, symbol: usize, net: Option<&[u32]>) {
        let tree = self.tree;
        let cumulative: Option<Vec<i64>> = net.map(|frequencies| {
            let mut sum = 0;
            let sums = tree.order.iter().map(|&id| {
                sum += i64::from(frequencies[id]);
                sum
            });
            [0].into_iter().chain(sums).collect()
        });
        let leaf = tree.leaves[symbol];
        let hashes: Vec<u64> = self
            .config
            .contexts
            .iter()
            .map(|&context| self.history.hash(context))
            .collect();
        let repeated = self.repetition.expected(&self.history.symbols);
        let mut found: Vec<Found> = Vec::new();
        let mut roots: Vec<Found> = Vec::new();
        let mut runs: Vec<Option<(usize, usize)>> = Vec::new();
        let (mut low, mut high, mut node) = (0, tree.order.len(), tree.root);
        let mut depth = 0;
        let mut heap = 1;
        while node != 0 {
            if depth % 3 == 0 {
                self.table.write_back(&found);
                found = hashes.iter().map(|&h| self.table.look_up(h, node)).collect();
                heap = 1;
            }
            if depth == 0 {
                roots = found.clone();
                let run = |&context: &usize| {
                    let cell = roots[context].bucket[0];
                    let count = self.table.count_of(cell) as usize;
                    (count != 0).then_some((self.table.symbol_of(cell), count))
                };
                runs = self.config.runs.iter().map(run).collect();
            }
            let net_logit = cumulative.as_ref().map(|f| {
                let quotient = ln(f[high] - f[node]) - ln(f[node] - f[low]);
                ((quotient + 128) >> 8).clamp(-LIMIT, LIMIT)
            });
            let expected = |symbol: Option<usize>, of: usize| -> Expectation {
                let leaf = tree.leaves[symbol?];
                let bit = leaf >= node;
                let grade = net_logit.map_or(0, |logit| grade(signed(logit, bit)));
                (low..high).contains(&leaf).then_some((16 * of + grade, bit))
            };
            let expected_runs: Vec<Expectation> = runs
                .iter()
                .map(|run| run.and_then(|(symbol, count)| expected(Some(symbol), count)))
                .collect();
            let expected_repetition = expected(repeated, self.repetition.class());
            let decision = leaf >= node;
            self.code(
                node,
                depth,
                heap,
                decision,
                net_logit,
                &mut found,
                &expected_runs,
                expected_repetition,
            );
            heap = 2 * heap + usize::from(decision);
            depth += 1;
            if decision {
                low = node;
            } else {
                high = node;
            }
            node = tree.parts[node][usize::from(decision)];
        }
        self.table.write_back(&found);
        if !roots.is_empty() {
            self.update_runs(&roots, symbol);
        }
        self.history
            .push(symbol, &tree.spellings[symbol], self.config.records);
        self.repetition.update(&self.config, &self.history.symbols);
        self.rate = (self.rate - (self.rate >> 11)).max(328 << 8);
    }

    fn update_runs(&mut self, roots: &[Found], symbol: usize) {
        for &context in &self.config.runs {
            let root = &roots[context];
            let cell = self.table.lines[root.line][root.place][0];
            if self.table.check_of(cell) != root.check {
                continue;
            }
            let (last, count) = (self.table.symbol_of(cell), self.table.count_of(cell));
            let count = if count != 0 && last == symbol {
                (count + 1).min(15)
            } else {
                1
            };
            let bits = self.table.symbol_bits;
            let cell = root.check << (bits + 4) | count << bits | symbol as u32;
            self.table.lines[root.line][root.place][0] = cell;
        }
    }

    /// One decision: sections 9 and 10.
    #[expect(clippy::too_many_arguments, reason = "that is what a decision depends on")]
    fn code(
        &mut self,
        node: usize,
        depth: usize,
        heap: usize,
        decision: bool,
        net_logit: Option<i64>,
        found: &mut [Found],
        expected_runs: &[Expectation],
        expected_repetition: Expectation,
    ) {
        let state = &mut self.state;
        let mut slots: Vec<Slot> = found.iter().map(|found| Slot::new(found.bucket[heap])).collect();

        let mut inputs = vec![net_logit.unwrap_or(0), 102];
        for (map, slot) in state.states.iter().zip(&slots) {
            inputs.push(stretch(map[slot.history as usize].p()));
            inputs.push(stretch(slot.p));
        }
        for (map, expected) in state.runs.iter().zip(expected_runs) {
            inputs.push(expected.map_or(0, |(entry, bit)| signed(stretch(map[entry].p()), bit)));
        }
        let q = expected_repetition.map(|(entry, bit)| (state.matches[entry].p(), bit));
        inputs.push(q.map_or(0, |(q, bit)| signed(stretch(q), bit)));
        inputs.push(q.map_or(0, |(q, bit)| signed((q - 32_768) >> 6, bit)));
        let joint_entries: Vec<usize> = match net_logit {
            Some(logit) => slots[..self.config.joint]
                .iter()
                .map(|slot| {
                    let (z, o) = ((slot.history >> 1 & 15).min(7), (slot.history >> 5).min(7));
                    (8 * o + z) as usize * 16 + grade(logit)
                })
                .collect(),
            None => Vec::new(),
        };
        for (map, &entry) in state.joint.iter().zip(&joint_entries) {
            inputs.push(stretch(map[entry].p()));
        }
        assert_eq!(inputs.len(), self.config.inputs(net_logit.is_some()));
        assert!(inputs.iter().all(|x| x.abs() <= LIMIT));

        let known = slots.iter().filter(|slot| slot.history != 0).count();
        let known_of_7 = known * 7 / slots.len();
        let last = self.history.symbols.last().copied().unwrap_or(0);
        let rows = [
            (depth.min(15) * 8 + known_of_7) * 2 + usize::from(expected_repetition.is_some()),
            match expected_repetition {
                Some((entry, bit)) => entry * 2 + usize::from(bit),
                None => net_logit.map_or(0, grade) * 2,
            },
            node % self.rows,
            last % self.rows,
        ];
        let outputs: Vec<i64> = state
            .first
            .iter()
            .zip(rows)
            .map(|(set, row)| {
                let sum: i64 = set[row].iter().zip(&inputs).map(|(weight, x)| weight * x).sum();
                i64::from((sum as i32) >> 14).clamp(-LIMIT, LIMIT)
            })
            .collect();

        let second = &mut state.second[rows[2]];
        let terms = second
            .iter()
            .zip(&outputs)
            .map(|(weight, output)| (weight * output) >> 8);
        let logit = (terms.sum::<i64>() >> 8).clamp(-LIMIT, LIMIT);
        let mixed = squash(logit);

        let t = (logit + 3_072) as usize;
        let (j, v) = ((t >> 8).min(23), (t & 255) as i64);
        let by_node = node as u64 * 0x9e35;
        let refinement_hashes = [
            rows[3] as u64 * 4_096 + by_node,
            (self.history.hash(ORDER2) >> 7) + by_node,
        ];
        let mut lines: Vec<&mut [i64; 25]> = self
            .points
            .iter_mut()
            .zip(refinement_hashes)
            .map(|(table, hash)| &mut table[(hash % (1 << self.points_log2)) as usize])
            .collect();
        let refined: Vec<i64> = lines
            .iter()
            .map(|line| (line[j] * (256 - v) + line[j + 1] * v) >> 8)
            .collect();
        let p = ((2 * mixed + refined.iter().sum::<i64>()) >> 2).clamp(1, 65_535);
        self.coder.encode(decision, p);
        self.decisions.push(Decision {
            inputs: inputs.clone(),
            rows,
            outputs: outputs.clone(),
            mixed,
            refined,
            p,
        });

        let target = if decision { 65_535 } else { 0 };
        let i16_range = |number: i64| number.clamp(-32_768, 32_767);
        for ((set, row), output) in state.first.iter_mut().zip(rows).zip(&outputs) {
            let step = i16_range(((target - squash(*output)) * (self.rate >> 8)) >> 11);
            for (weight, x) in set[row].iter_mut().zip(&inputs) {
                *weight = i16_range(*weight + i16_range((x * step + (1 << 14)) >> 15));
            }
        }
        for (weight, output) in second.iter_mut().zip(&outputs) {
            *weight += (output * ((target - mixed) >> 2)) >> 15;
            *weight = (*weight).clamp(-(1 << 19), 1 << 19);
        }
        for ((map, slot), found) in state.states.iter_mut().zip(&mut slots).zip(found) {
            if slot.history != 0 {
                map[slot.history as usize].learn(decision);
            }
            slot.learn(decision);
            found.bucket[heap] = slot.word();
        }
        for (map, expected) in state.runs.iter_mut().zip(expected_runs) {
            if let Some((entry, bit)) = *expected {
                map[entry].learn(bit == decision);
            }
        }
        if let Some((entry, bit)) = expected_repetition {
            state.matches[entry].learn(bit == decision);
        }
        for (map, &entry) in state.joint.iter_mut().zip(&joint_entries) {
            map[entry].learn(decision);
        }
        for line in &mut lines {
            let point = &mut line[j + (v >> 7) as usize];
            *point += (target - *point) >> 6;
            assert!((0..65_536).contains(point));
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.coder.finish()
    }
}
