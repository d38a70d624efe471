//! One stream: from contexts to probabilities, and what is learnt from each decision.

use czip_kernels::{Kernels, WeightRow};

use crate::alphabet::Symbols;
use crate::history::{Context, History};
use crate::maps::{Adaptive, Point, Refinement};
use crate::matching::{self, Match};
use crate::numbers::{LOGIT_LIMIT, logit_of, squash, stretch};
use crate::slots::{Bucket, Buckets, CHECK, HISTORIES, Place, Slot};

/// What makes the decisions: an encoder that knows the symbol, or a decoder.
pub(crate) trait Decide {
    /// Whether the symbol's leaf is `node` or after, where `p` is the probability of that, Q0.16.
    fn decide(&mut self, node: u16, p: u16) -> bool;
}

/// What a variant is made of.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) contexts: &'static [Context],
    /// Indices of the contexts whose last symbol predicts the next.
    pub(crate) runs: &'static [usize],
    /// With a net, so many of the first contexts are also mapped jointly with it.
    pub(crate) joint: usize,
    /// The lengths of the repetitions that are looked for, in symbols: of the longer kind, and of the shorter.
    pub(crate) repetition: [usize; 2],
    pub(crate) track_records: bool,
    /// The most lines of two buckets.
    pub(crate) max_lines_log2: u32,
}

/// Mixers that see each decision; their outputs are mixed again.
pub(crate) const SETS: usize = 4;

/// Of probabilities, where they choose among maps and mixers: 16 of the same width on the scale of logits.
const GRADES: usize = 16;

/// 16 depths, 8 grades of knowledge, with or without a repetition.
pub(crate) const DEPTH_ROWS: usize = 16 * 8 * 2;
pub(crate) const MATCH_ROWS: usize = matching::CLASSES * GRADES * 2;

/// Entries of one context's joint map: grades of the net's logit for each pair of counts up to 7.
pub(crate) const JOINT_ENTRIES: usize = 8 * 8 * GRADES;

/// Rows of the sets that are chosen by node and by the last symbol: larger vocabularies share them.
const MAX_SYMBOL_ROWS: usize = 4096;

/// A weight of 1.
pub(crate) const ONE: i32 = 1 << 14;

/// What a constant input is: 0.4.
const BIAS: i16 = 102;

/// The sizes of what is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) contexts: usize,
    pub(crate) runs: usize,
    /// Contexts that are mapped jointly with the net; there are none without a net.
    pub(crate) joint: usize,
    pub(crate) with_net: bool,
    pub(crate) symbol_rows: usize,
}

impl Shape {
    pub(crate) fn of(plan: &Plan, with_net: bool, symbols: usize) -> Self {
        Self {
            contexts: plan.contexts.len(),
            runs: plan.runs.len(),
            joint: if with_net { plan.joint } else { 0 },
            with_net,
            symbol_rows: symbols.min(MAX_SYMBOL_ROWS),
        }
    }

    /// The net, a constant, two for each context, one for each run, two for the repetition, one for each joint map.
    pub(crate) fn inputs(self) -> usize {
        2 + 2 * self.contexts + self.runs + 2 + self.joint
    }

    pub(crate) fn rows(self) -> usize {
        DEPTH_ROWS + MATCH_ROWS + 2 * self.symbol_rows
    }

    pub(crate) fn state_entries(self) -> usize {
        self.contexts * HISTORIES
    }

    pub(crate) fn run_entries(self) -> usize {
        self.runs * 256
    }

    pub(crate) fn match_entries(self) -> usize {
        matching::CLASSES * GRADES
    }

    pub(crate) fn map_entries(self) -> usize {
        self.state_entries() + self.run_entries() + self.match_entries() + self.joint * JOINT_ENTRIES
    }
}

/// What a stream starts from and learns on: all that does not belong to one text.
#[derive(Clone, Debug)]
pub(crate) struct Start<const N: usize> {
    pub(crate) state_maps: Vec<Adaptive>,
    pub(crate) run_maps: Vec<Adaptive>,
    pub(crate) match_map: Vec<Adaptive>,
    pub(crate) joint_maps: Vec<Adaptive>,
    pub(crate) weights: Vec<WeightRow<N>>,
    /// The outer mixer's weights for each node, Q16.
    pub(crate) outer: Vec<[i32; SETS]>,
}

impl<const N: usize> Start<N> {
    pub(crate) fn maps(&self) -> impl Iterator<Item = Adaptive> {
        self.state_maps
            .iter()
            .chain(&self.run_maps)
            .chain(&self.match_map)
            .chain(&self.joint_maps)
            .copied()
    }

    fn copy_from(&mut self, other: &Self) {
        self.state_maps.copy_from_slice(&other.state_maps);
        self.run_maps.copy_from_slice(&other.run_maps);
        self.match_map.copy_from_slice(&other.match_map);
        self.joint_maps.copy_from_slice(&other.joint_maps);
        self.weights.copy_from_slice(&other.weights);
        self.outer.copy_from_slice(&other.outer);
    }
}

/// The state of a stream with `C` contexts, `R` of which have runs, and mixers of up to `N` inputs.
#[derive(Debug)]
pub(crate) struct Engine<const C: usize, const R: usize, const N: usize> {
    plan: &'static Plan,
    kernels: Kernels,
    pub(crate) learnt: Start<N>,
    history: History,
    buckets: Buckets,
    repetition: Match,
    refinements: [Refinement; 2],
    /// How fast mixers learn, with 24 fraction bits.
    rate: u32,
    start_rate: u32,
    symbol_rows: usize,
}

/// 0.015.
const START_RATE: u32 = 1000 << 8;
/// 0.005.
const LEAST_RATE: u32 = 328 << 8;

/// Memory of a text of this many bytes: log2 of lines of buckets, of match tables, of refinement lines.
pub(crate) fn sizes(contexts: usize, max_lines_log2: u32, text_len: usize) -> (u32, u32, u32) {
    let log2 = |number: usize| usize::BITS - number.max(2).saturating_sub(1).leading_zeros();
    let lines = log2(text_len.saturating_mul(contexts) / 2).clamp(8, max_lines_log2);
    let matches = log2(text_len / 2).clamp(8, 18);
    let refinements = log2(text_len / 2).clamp(6, 15);
    (lines, matches, refinements)
}

/// The decisions that are still open: leaves from `low` up to, but not including, `high`.
#[derive(Clone, Copy)]
struct Span {
    low: usize,
    high: usize,
}

impl Span {
    /// Whether a leaf that is expected is after the middle; `None` if it is out of the question.
    #[inline(always)]
    fn side(self, middle: usize, expected: usize) -> Option<bool> {
        (self.low..self.high)
            .contains(&expected)
            .then_some(expected >= middle)
    }
}

/// The buckets of all contexts for three levels of decisions.
struct Subtree<const C: usize> {
    places: [Place; C],
    indices: [usize; C],
    buckets: [Bucket; C],
    /// Which slot of each bucket is this decision's: 1 at first, then as in a heap.
    slot: usize,
}

/// What the last symbols of contexts expect.
struct Runs<const R: usize> {
    leaves: [usize; R],
    counts: [usize; R],
}

/// A leaf that there is not.
const NOWHERE: usize = usize::MAX;

/// The grade of a logit.
#[inline(always)]
fn grade(logit: i32) -> usize {
    ((logit + 2048) >> 8).clamp(0, GRADES as i32 - 1) as usize
}

/// The logit of a bit that is expected with the probability `p`, seen from the true bit.
#[inline(always)]
fn towards(bit: bool, logit: i16) -> i16 {
    if bit { logit } else { -logit }
}

impl<const C: usize, const R: usize, const N: usize> Engine<C, R, N> {
    /// Where the inputs are: the net, a constant, two for each context, one for each run, two for the repetition.
    const CONTEXTS_AT: usize = 2;
    const RUNS_AT: usize = Self::CONTEXTS_AT + 2 * C;
    const MATCH_AT: usize = Self::RUNS_AT + R;
    const JOINT_AT: usize = Self::MATCH_AT + 2;

    pub(crate) fn new(plan: &'static Plan, kernels: Kernels, start: &Start<N>) -> Self {
        assert!(plan.contexts.len() == C && plan.runs.len() == R && Self::JOINT_AT + plan.joint <= N);
        Self {
            plan,
            kernels,
            learnt: start.clone(),
            history: History::default(),
            buckets: Buckets::default(),
            repetition: Match::default(),
            refinements: Default::default(),
            rate: START_RATE,
            start_rate: START_RATE,
            symbol_rows: start.outer.len(),
        }
    }

    pub(crate) fn restart(&mut self, start: &Start<N>, text_len: usize) {
        self.learnt.copy_from(start);
        self.start_rate = START_RATE;
        self.forget_text(text_len);
    }

    /// Forgets the text, and what was learnt of it in tables; keeps mixers and maps.
    pub(crate) fn forget_text(&mut self, text_len: usize) {
        let (lines, matches, refinements) = sizes(C, self.plan.max_lines_log2, text_len);
        self.history.reset();
        self.buckets.reset(lines);
        self.repetition.reset(matches, self.plan.repetition);
        for refinement in &mut self.refinements {
            refinement.reset(refinements);
        }
        self.rate = self.start_rate;
    }

    pub(crate) fn shape(&self, with_net: bool) -> Shape {
        Shape::of(self.plan, with_net, self.symbol_rows)
    }

    /// Learns at this rate from now on, Q0.16.
    pub(crate) fn set_rate(&mut self, rate: u16) {
        self.start_rate = u32::from(rate) << 8;
        self.rate = self.start_rate;
    }

    /// Codes one symbol, where `net` are the cumulative frequencies of the leaves.
    pub(crate) fn code(&mut self, symbols: &Symbols, net: Option<&[u32]>, decide: &mut impl Decide) -> u16 {
        let tree = &symbols.tree;
        let mut hashes = [0; C];
        for (hash, &context) in hashes.iter_mut().zip(self.plan.contexts) {
            *hash = self.history.context(context);
        }
        let last_row = self.symbol_row(self.history.last_symbol());
        let bigram = self.history.context(Context::Order2) as usize >> 7;
        let match_leaf = self
            .repetition
            .expected(&self.history.symbols)
            .map_or(NOWHERE, |symbol| usize::from(tree.leaves()[usize::from(symbol)]));
        let match_class = self.repetition.class();

        let mut span = Span {
            low: 0,
            high: tree.symbol_count(),
        };
        let mut node = tree.root();
        let mut depth = 0;
        hashes
            .iter()
            .for_each(|&hash| self.buckets.prefetch(self.buckets.place(hash, node)));
        let mut subtree = self.enter(&hashes, node);
        let (first_places, first_indices) = (subtree.places, subtree.indices);
        let runs = self.runs(&subtree, tree.leaves());
        let mut x = [0i16; N];
        x[1] = BIAS;
        while node != 0 {
            let middle = usize::from(node);
            let lines = self.refinement_lines(last_row, bigram, node);
            self.prefetch_next(symbols, &hashes, node, subtree.slot, last_row, bigram);

            // The net.
            let net_logit = net.map_or(0, |net| {
                logit_of(net[middle] - net[span.low], net[span.high] - net[middle])
            });
            x[0] = net_logit as i16;
            // How probable the net thinks a bit, where there is a net.
            let net_grade = |bit: bool| match net {
                Some(_) => grade(if bit { net_logit } else { -net_logit }),
                None => 0,
            };

            // The contexts.
            let mut known = 0;
            for (i, bucket) in subtree.buckets.iter().enumerate() {
                let slot = Slot(bucket[subtree.slot & 7]);
                let history = slot.history();
                known += usize::from(history != 0);
                x[Self::CONTEXTS_AT + 2 * i] = stretch(self.learnt.state_maps[i * HISTORIES + history].p());
                x[Self::CONTEXTS_AT + 2 * i + 1] = stretch(slot.p());
            }

            // The runs.
            let mut run_places = [None; R];
            for r in 0..R {
                x[Self::RUNS_AT + r] = 0;
                if let Some(bit) = span.side(middle, runs.leaves[r]) {
                    let place = (r * GRADES + runs.counts[r]) * GRADES + net_grade(bit);
                    x[Self::RUNS_AT + r] = towards(bit, stretch(self.learnt.run_maps[place].p()));
                    run_places[r] = Some((place, bit));
                }
            }

            // The repetition.
            let match_place = span
                .side(middle, match_leaf)
                .map(|bit| (match_class * GRADES + net_grade(bit), bit));
            let mut match_row = net_grade(true) * 2;
            x[Self::MATCH_AT..Self::MATCH_AT + 2].fill(0);
            if let Some((place, bit)) = match_place {
                let p = self.learnt.match_map[place].p();
                x[Self::MATCH_AT] = towards(bit, stretch(p));
                x[Self::MATCH_AT + 1] = towards(bit, ((i32::from(p) - 32768) >> 6) as i16);
                match_row = place * 2 + usize::from(bit);
            }

            // What contexts and net say together.
            let mut joint_places = [0; C];
            let joint = if net.is_some() { self.plan.joint.min(C) } else { 0 };
            for j in 0..joint {
                let slot = Slot(subtree.buckets[j][subtree.slot & 7]);
                let place = (j * 64 + slot.counts()) * GRADES + grade(net_logit);
                joint_places[j] = place;
                x[Self::JOINT_AT + j] = stretch(self.learnt.joint_maps[place].p());
            }

            // The mixers.
            let node_row = self.symbol_row(node);
            let rows = [
                (depth.min(15) * 8 + known * 7 / C) * 2 + usize::from(match_place.is_some()),
                DEPTH_ROWS + match_row,
                DEPTH_ROWS + MATCH_ROWS + node_row,
                DEPTH_ROWS + MATCH_ROWS + self.symbol_rows + last_row,
            ];
            let sums = self.kernels.mix(&self.learnt.weights, rows, &x);
            let logits = sums.map(|sum| (sum >> 14).clamp(-LOGIT_LIMIT, LOGIT_LIMIT));
            let outer = &mut self.learnt.outer[node_row];
            let sum: i32 = outer.iter().zip(logits).map(|(w, logit)| (w * logit) >> 8).sum();
            let logit = (sum >> 8).clamp(-LOGIT_LIMIT, LOGIT_LIMIT);
            let mixed = i32::from(squash(logit));

            // The refinements.
            let (first, first_point) = self.refinements[0].refine(lines[0], logit);
            let (second, second_point) = self.refinements[1].refine(lines[1], logit);
            let p = ((2 * mixed + first + second) >> 2).clamp(1, 65535) as u16;

            let bit = decide.decide(node, p);

            // Learning, in the same order.
            for &place in &joint_places[..joint] {
                self.learnt.joint_maps[place].update(bit);
            }
            self.learn_contexts(&mut subtree, bit);
            for (place, expected) in run_places.into_iter().flatten() {
                self.learnt.run_maps[place].update(bit == expected);
            }
            if let Some((place, expected)) = match_place {
                self.learnt.match_map[place].update(bit == expected);
            }
            let target = if bit { 65535 } else { 0 };
            let rate = (self.rate >> 8) as i32;
            let steps = logits.map(|logit| {
                let error = target - i32::from(squash(logit));
                ((error * rate) >> 11).clamp(i16::MIN.into(), i16::MAX.into()) as i16
            });
            self.kernels.train(&mut self.learnt.weights, rows, &x, steps);
            let error = (target - mixed) >> 2;
            for (weight, logit) in self.learnt.outer[node_row].iter_mut().zip(logits) {
                *weight = (*weight + ((logit * error) >> 15)).clamp(-OUTER_LIMIT, OUTER_LIMIT);
            }
            self.learn_refinements([first_point, second_point], bit);

            if bit {
                span.low = middle;
            } else {
                span.high = middle;
            }
            node = tree.next(node, bit);
            depth += 1;
            subtree.slot = 2 * subtree.slot + usize::from(bit);
            if subtree.slot >= 8 || node == 0 {
                self.leave(&subtree);
                if node != 0 {
                    subtree = self.enter(&hashes, node);
                }
            }
        }
        let symbol = tree.order()[span.low];
        for &i in self.plan.runs {
            self.learn_run(first_places[i], first_indices[i], symbol);
        }
        self.history
            .push(symbol, symbols.spelling(symbol), self.plan.track_records);
        self.repetition.update(&self.history.symbols);
        self.rate = (self.rate - (self.rate >> 11)).max(LEAST_RATE.min(self.start_rate));
        symbol
    }

    /// Asks for the memory that the decision after this one needs, whichever it is: it takes as long to come as a
    /// decision takes to make.
    #[inline(always)]
    fn prefetch_next(
        &self,
        symbols: &Symbols,
        hashes: &[u64; C],
        node: u16,
        slot: usize,
        last_row: usize,
        bigram: usize,
    ) {
        for bit in [false, true] {
            let next = symbols.tree.next(node, bit);
            if next != 0 {
                for (refinement, line) in self
                    .refinements
                    .iter()
                    .zip(self.refinement_lines(last_row, bigram, next))
                {
                    refinement.prefetch(line);
                }
                if slot >= 4 {
                    for &hash in hashes {
                        self.buckets.prefetch(self.buckets.place(hash, next));
                    }
                }
            }
        }
    }

    /// The lines of the refinements at a node: one chosen by the last symbol, one by the last two.
    #[inline(always)]
    fn refinement_lines(&self, last_row: usize, bigram: usize, node: u16) -> [usize; 2] {
        let node = usize::from(node) * 0x9e35;
        [
            self.refinements[0].line(last_row * 4096 + node),
            self.refinements[1].line(bigram.wrapping_add(node)),
        ]
    }

    /// The buckets of all contexts at a node.
    #[inline(always)]
    fn enter(&self, hashes: &[u64; C], node: u16) -> Subtree<C> {
        let places = hashes.map(|hash| self.buckets.place(hash, node));
        let mut indices = [0; C];
        let mut buckets = [[0; 8]; C];
        for i in 0..C {
            (indices[i], buckets[i]) = self.buckets.find(places[i]);
        }
        Subtree {
            places,
            indices,
            buckets,
            slot: 1,
        }
    }

    #[inline(always)]
    fn leave(&mut self, subtree: &Subtree<C>) {
        for (&index, bucket) in subtree.indices.iter().zip(&subtree.buckets) {
            *self.buckets.bucket(index) = *bucket;
        }
    }

    /// What came last in the contexts that have runs: in the first word of their buckets at the root, the symbol in bits
    /// 0 to 15, and how often in a row in bits 16 to 19.
    #[inline(always)]
    fn runs(&self, root: &Subtree<C>, leaves: &[u16]) -> Runs<R> {
        let mut runs = Runs {
            leaves: [NOWHERE; R],
            counts: [0; R],
        };
        for (r, &i) in self.plan.runs.iter().enumerate() {
            let word = root.buckets[i][0];
            let count = (word >> 16 & 15) as usize;
            if count > 0 {
                runs.leaves[r] = leaves
                    .get(usize::from(word as u16))
                    .map_or(NOWHERE, |&leaf| leaf.into());
                runs.counts[r] = count;
            }
        }
        runs
    }

    #[inline(always)]
    fn learn_run(&mut self, place: Place, index: usize, symbol: u16) {
        let word = &mut self.buckets.bucket(index)[0];
        // Another context may have taken the bucket meanwhile.
        if *word & CHECK == place.check {
            let same = *word as u16 == symbol;
            let count = if same { (*word >> 16 & 15) + 1 } else { 1 };
            *word = place.check | count.min(15) << 16 | u32::from(symbol);
        }
    }

    #[inline(always)]
    fn learn_contexts(&mut self, subtree: &mut Subtree<C>, bit: bool) {
        for (i, bucket) in subtree.buckets.iter_mut().enumerate() {
            let word = &mut bucket[subtree.slot & 7];
            let slot = Slot(*word);
            // The map of an unused slot stays at one half, so that it says nothing.
            if slot.history() != 0 {
                self.learnt.state_maps[i * HISTORIES + slot.history()].update(bit);
            }
            *word = slot.update(bit).0;
        }
    }

    #[inline(always)]
    fn learn_refinements(&mut self, points: [Point; 2], bit: bool) {
        for (refinement, point) in self.refinements.iter_mut().zip(points) {
            refinement.update(point, bit);
        }
    }

    /// The mixer row of a symbol or node within its set.
    #[inline(always)]
    fn symbol_row(&self, number: u16) -> usize {
        usize::from(number) % self.symbol_rows
    }
}

/// The largest magnitude of a weight of the outer mixers: 8.
const OUTER_LIMIT: i32 = 1 << 19;
