//! The loop over one symbol's decisions: contexts and the net's frequencies in, a probability for each decision out, and
//! what is learnt from its outcome.
//!
//! Each decision is predicted and then learnt from. [`Decision`] is what passes from the one to the other; `C` is the
//! number of contexts, `R` that of runs, and `N` that of inputs, rounded up to whole vectors.

use czip_kernels::Kernels;

use crate::decision::{Decision, Evidence, NOWHERE, Position, Subtree};
use crate::history::{Context, History};
use crate::initial_state::InitialState;
use crate::logistic::{LOGIT_LIMIT, logit_of, squash, stretch};
use crate::matching::MatchModel;
use crate::refinement::Refinement;
use crate::run::RunLayout;
use crate::shape::{COUNT_PAIRS, DEPTH_ROWS, GRADES, MATCH_ROWS, RUN_COUNTS, SETS, Shape};
use crate::slots::{Buckets, HISTORIES, Place, Slot};
use crate::symbols::Symbols;
use crate::variant::VariantConfig;

/// What makes the decisions: an encoder that knows the symbol, or a decoder.
pub(crate) trait Decide {
    /// Whether the symbol's leaf is `node` or after, where `p` is the probability of that, Q0.16.
    fn decide(&mut self, node: u32, p: u16) -> bool;
}

/// The constant input: 0.4.
const BIAS: i16 = 102;

/// How fast the first layer learns at the start of a text: 0.015, with 24 fraction bits.
const START_RATE: u32 = 1000 << 8;

/// The rate that it falls to: 0.005.
const LEAST_RATE: u32 = 328 << 8;

/// The largest magnitude of a weight of the second layer: 8, Q16.
const OUTER_LIMIT: i32 = 1 << 19;

/// The state of a stream with `C` contexts, `R` of which have runs, and rows of up to `N` inputs.
#[derive(Debug)]
pub(crate) struct Engine<const C: usize, const R: usize, const N: usize> {
    config: &'static VariantConfig,
    kernels: Kernels,
    /// What has been learnt that also holds for other texts.
    pub(crate) learnt: InitialState<N>,
    history: History,
    buckets: Buckets,
    runs: RunLayout,
    repetition: MatchModel,
    refinements: [Refinement; 2],
    /// How fast the first layer learns, with 24 fraction bits.
    rate: u32,
    start_rate: u32,
    symbol_rows: usize,
}

/// The grade of a logit, 0 to 15.
#[inline(always)]
fn grade(logit: i32) -> usize {
    ((logit + 2048) >> 8).clamp(0, GRADES as i32 - 1) as usize
}

/// The logit of a true bit, where `logit` is that of the bit that is expected.
#[inline(always)]
fn towards(bit: bool, logit: i16) -> i16 {
    if bit { logit } else { -logit }
}

impl<const C: usize, const R: usize, const N: usize> Engine<C, R, N> {
    /// Where the inputs are: the net, a constant, two for each context, one for each run, two for the repetition, one for
    /// each joint map.
    const NET_AT: usize = 0;
    const BIAS_AT: usize = 1;
    const CONTEXTS_AT: usize = 2;
    const RUNS_AT: usize = Self::CONTEXTS_AT + 2 * C;
    const MATCH_AT: usize = Self::RUNS_AT + R;
    const JOINT_AT: usize = Self::MATCH_AT + 2;

    pub(crate) fn new(
        config: &'static VariantConfig,
        kernels: Kernels,
        symbol_count: usize,
        initial: &InitialState<N>,
    ) -> Self {
        assert!(config.contexts.len() == C && config.runs.len() == R && Self::JOINT_AT + config.joint <= N);
        let runs = RunLayout::of(symbol_count);
        Self {
            config,
            kernels,
            learnt: initial.clone(),
            history: History::default(),
            buckets: Buckets::new(runs.check_mask()),
            runs,
            repetition: MatchModel::default(),
            refinements: Default::default(),
            rate: START_RATE,
            start_rate: START_RATE,
            symbol_rows: initial.outer.len(),
        }
    }

    /// Begins another text from the initial state.
    pub(crate) fn restart(&mut self, initial: &InitialState<N>, text_len: usize) {
        self.learnt.copy_from(initial);
        self.start_rate = START_RATE;
        self.forget_text(text_len);
    }

    /// Forgets the text and what the tables hold of it; keeps maps and weights.
    pub(crate) fn forget_text(&mut self, text_len: usize) {
        let sizes = self.config.table_sizes(text_len);
        self.history.reset();
        self.buckets.reset(sizes.lines_log2);
        self.repetition.reset(sizes.matches_log2, self.config.repetition);
        for refinement in &mut self.refinements {
            refinement.reset(sizes.refinements_log2);
        }
        self.rate = self.start_rate;
    }

    pub(crate) fn shape(&self, with_net: bool) -> Shape {
        self.config.shape(with_net, self.symbol_rows)
    }

    /// Learns at this rate from now on, Q0.16.
    pub(crate) fn set_rate(&mut self, rate: u16) {
        self.start_rate = u32::from(rate) << 8;
        self.rate = self.start_rate;
    }

    /// Codes one symbol, where `net` are the cumulative frequencies of the leaves.
    pub(crate) fn code(&mut self, symbols: &Symbols, net: Option<&[u32]>, coder: &mut impl Decide) -> u32 {
        let tree = &symbols.tree;
        let mut position = Position {
            node: tree.root(),
            low: 0,
            high: tree.symbol_count(),
            depth: 0,
        };
        let mut evidence = self.evidence(symbols, net);
        self.prefetch_buckets(&evidence.hashes, position.node);
        let mut subtree = self.enter(&evidence.hashes, position.node);
        let (root_places, root_indices) = (subtree.places, subtree.indices);
        self.read_runs(&subtree, tree.leaves(), &mut evidence);
        let mut inputs = [0; N];
        inputs[Self::BIAS_AT] = BIAS;
        while position.node != 0 {
            self.prefetch_next(symbols, &evidence, position.node, subtree.slot);
            let decision = self.predict(&evidence, &position, &subtree, &mut inputs);
            let bit = coder.decide(position.node, decision.p);
            self.learn(&decision, &mut subtree, bit);

            position.advance(bit, tree.next(position.node, bit));
            let same_subtree = subtree.advance(bit);
            if !same_subtree || position.node == 0 {
                self.leave(&subtree);
                if position.node != 0 {
                    subtree = self.enter(&evidence.hashes, position.node);
                }
            }
        }
        let symbol = tree.order()[position.low];
        for &context in self.config.runs {
            self.learn_run(root_places[context], root_indices[context], symbol);
        }
        self.history
            .push(symbol, symbols.spelling(symbol), self.config.track_records);
        self.repetition.update(&self.history.symbols);
        self.rate = (self.rate - (self.rate >> 11)).max(LEAST_RATE.min(self.start_rate));
        symbol
    }

    /// What the history says about the next symbol, except for the runs, which are in the buckets of the root.
    #[inline(always)]
    fn evidence<'a>(&self, symbols: &Symbols, net: Option<&'a [u32]>) -> Evidence<'a, C, R> {
        let mut hashes = [0; C];
        for (hash, &context) in hashes.iter_mut().zip(self.config.contexts) {
            *hash = self.history.context(context);
        }
        let expected = self.repetition.expected(&self.history.symbols);
        Evidence {
            hashes,
            net,
            run_leaves: [NOWHERE; R],
            run_counts: [0; R],
            match_leaf: expected.map_or(NOWHERE, |symbol| symbols.tree.leaves()[symbol as usize] as usize),
            match_class: self.repetition.class(),
            last_row: self.symbol_row(self.history.last_symbol()),
            bigram: self.history.context(Context::Order2) as usize >> 7,
        }
    }

    /// What came last in the contexts that have runs, and how often in a row: it is in their buckets at the root.
    #[inline(always)]
    fn read_runs(&self, root: &Subtree<C>, leaves: &[u32], evidence: &mut Evidence<'_, C, R>) {
        for (run, &context) in self.config.runs.iter().enumerate() {
            let cell = root.buckets[context][0];
            let count = self.runs.count(cell) as usize;
            if count > 0 {
                evidence.run_leaves[run] = leaves
                    .get(self.runs.symbol(cell) as usize)
                    .map_or(NOWHERE, |&leaf| leaf as usize);
                evidence.run_counts[run] = count;
            }
        }
    }

    /// Fills in all inputs but the constant one, which is there already, and turns them into a probability.
    #[inline(always)]
    fn predict<'a>(
        &self,
        evidence: &Evidence<'_, C, R>,
        position: &Position,
        subtree: &Subtree<C>,
        inputs: &'a mut [i16; N],
    ) -> Decision<'a, C, R, N> {
        let net_logit = evidence.net.map(|net| {
            let middle = net[position.middle()];
            logit_of(middle - net[position.low], net[position.high] - middle)
        });
        // How probable the net thinks a bit, where there is a net.
        let net_grade = |bit: bool| net_logit.map_or(0, |logit| grade(if bit { logit } else { -logit }));
        inputs[Self::NET_AT] = net_logit.unwrap_or(0) as i16;
        let known = self.read_contexts(subtree, inputs);
        let runs = self.read_run_maps(evidence, position, net_grade, inputs);
        let repetition = self.read_match_map(evidence, position, net_grade, inputs);
        let (joint, joint_count) = self.read_joint_maps(subtree, net_logit, inputs);

        let outer_row = self.symbol_row(position.node);
        let match_row = match repetition {
            Some((entry, bit)) => entry * 2 + usize::from(bit),
            None => net_grade(true) * 2,
        };
        let rows = [
            (position.depth.min(15) * 8 + known * 7 / C) * 2 + usize::from(repetition.is_some()),
            DEPTH_ROWS + match_row,
            DEPTH_ROWS + MATCH_ROWS + outer_row,
            DEPTH_ROWS + MATCH_ROWS + self.symbol_rows + evidence.last_row,
        ];
        let (logits, logit) = self.mix(rows, outer_row, inputs);
        let mixed = i32::from(squash(logit));
        let lines = self.refinement_lines(evidence, position.node);
        let (first, first_point) = self.refinements[0].refine(lines[0], logit);
        let (second, second_point) = self.refinements[1].refine(lines[1], logit);
        Decision {
            inputs,
            runs,
            repetition,
            joint,
            joint_count,
            rows,
            logits,
            outer_row,
            mixed,
            points: [first_point, second_point],
            p: ((2 * mixed + first + second) >> 2).clamp(1, 65535) as u16,
        }
    }

    /// The inputs of the contexts: what their histories mean, and their own probabilities. Returns how many contexts have
    /// been here before.
    #[inline(always)]
    fn read_contexts(&self, subtree: &Subtree<C>, inputs: &mut [i16; N]) -> usize {
        let mut known = 0;
        for (i, slot) in subtree.slots().enumerate() {
            let history = slot.history();
            known += usize::from(history != 0);
            let p = self.learnt.state_maps[i * HISTORIES + history].p();
            inputs[Self::CONTEXTS_AT + 2 * i] = stretch(p);
            inputs[Self::CONTEXTS_AT + 2 * i + 1] = stretch(slot.p());
        }
        known
    }

    /// The inputs of the runs: how often what they expect came, given the grade of the net's logit. Returns the entries,
    /// and the bits that are expected.
    #[inline(always)]
    fn read_run_maps(
        &self,
        evidence: &Evidence<'_, C, R>,
        position: &Position,
        net_grade: impl Fn(bool) -> usize,
        inputs: &mut [i16; N],
    ) -> [Option<(usize, bool)>; R] {
        let mut entries = [None; R];
        for run in 0..R {
            inputs[Self::RUNS_AT + run] = 0;
            if let Some(bit) = position.bit_towards(evidence.run_leaves[run]) {
                let entry = (run * RUN_COUNTS + evidence.run_counts[run]) * GRADES + net_grade(bit);
                let p = self.learnt.run_maps[entry].p();
                inputs[Self::RUNS_AT + run] = towards(bit, stretch(p));
                entries[run] = Some((entry, bit));
            }
        }
        entries
    }

    /// The inputs of the repetition, in the same way.
    #[inline(always)]
    fn read_match_map(
        &self,
        evidence: &Evidence<'_, C, R>,
        position: &Position,
        net_grade: impl Fn(bool) -> usize,
        inputs: &mut [i16; N],
    ) -> Option<(usize, bool)> {
        inputs[Self::MATCH_AT..Self::MATCH_AT + 2].fill(0);
        let bit = position.bit_towards(evidence.match_leaf)?;
        let entry = evidence.match_class * GRADES + net_grade(bit);
        let p = self.learnt.match_map[entry].p();
        inputs[Self::MATCH_AT] = towards(bit, stretch(p));
        inputs[Self::MATCH_AT + 1] = towards(bit, ((i32::from(p) - 32768) >> 6) as i16);
        Some((entry, bit))
    }

    /// The inputs of the joint maps: what contexts and net say together. Returns the entries and their number.
    #[inline(always)]
    fn read_joint_maps(
        &self,
        subtree: &Subtree<C>,
        net_logit: Option<i32>,
        inputs: &mut [i16; N],
    ) -> ([usize; C], usize) {
        let mut entries = [0; C];
        let Some(logit) = net_logit else {
            return (entries, 0);
        };
        let count = self.config.joint.min(C);
        for (i, slot) in subtree.slots().enumerate().take(count) {
            let entry = (i * COUNT_PAIRS + slot.counts()) * GRADES + grade(logit);
            entries[i] = entry;
            inputs[Self::JOINT_AT + i] = stretch(self.learnt.joint_maps[entry].p());
        }
        (entries, count)
    }

    /// The outputs of the first layer and of the second, logits.
    #[inline(always)]
    fn mix(&self, rows: [usize; SETS], outer_row: usize, inputs: &[i16; N]) -> ([i32; SETS], i32) {
        let sums = self.kernels.mix(&self.learnt.weights, rows, inputs);
        let logits = sums.map(|sum| (sum >> 14).clamp(-LOGIT_LIMIT, LOGIT_LIMIT));
        let products = self.learnt.outer[outer_row].iter().zip(logits);
        let sum: i32 = products.map(|(weight, logit)| (weight * logit) >> 8).sum();
        (logits, (sum >> 8).clamp(-LOGIT_LIMIT, LOGIT_LIMIT))
    }

    /// Everything that predicted a decision learns from its outcome.
    #[inline(always)]
    fn learn(&mut self, decision: &Decision<'_, C, R, N>, subtree: &mut Subtree<C>, bit: bool) {
        for &entry in &decision.joint[..decision.joint_count] {
            self.learnt.joint_maps[entry].update(bit);
        }
        self.learn_contexts(subtree, bit);
        for (entry, expected) in decision.runs.into_iter().flatten() {
            self.learnt.run_maps[entry].update(bit == expected);
        }
        if let Some((entry, expected)) = decision.repetition {
            self.learnt.match_map[entry].update(bit == expected);
        }
        self.learn_weights(decision, bit);
        for (refinement, point) in self.refinements.iter_mut().zip(decision.points) {
            refinement.update(point, bit);
        }
    }

    /// The slots of all contexts, and what their histories mean.
    #[inline(always)]
    fn learn_contexts(&mut self, subtree: &mut Subtree<C>, bit: bool) {
        for (i, word) in subtree.slots_mut().enumerate() {
            let slot = Slot(*word);
            // The entry of an unused slot stays at one half, so it says nothing.
            if slot.history() != 0 {
                self.learnt.state_maps[i * HISTORIES + slot.history()].update(bit);
            }
            *word = slot.update(bit).0;
        }
    }

    /// Both layers of weights, along the gradient of the coding cost.
    #[inline(always)]
    fn learn_weights(&mut self, decision: &Decision<'_, C, R, N>, bit: bool) {
        let target = if bit { 65535 } else { 0 };
        let rate = (self.rate >> 8) as i32;
        let steps = decision.logits.map(|logit| {
            let error = target - i32::from(squash(logit));
            ((error * rate) >> 11).clamp(i16::MIN.into(), i16::MAX.into()) as i16
        });
        self.kernels
            .train(&mut self.learnt.weights, decision.rows, decision.inputs, steps);
        let error = (target - decision.mixed) >> 2;
        for (weight, logit) in self.learnt.outer[decision.outer_row]
            .iter_mut()
            .zip(decision.logits)
        {
            *weight = (*weight + ((logit * error) >> 15)).clamp(-OUTER_LIMIT, OUTER_LIMIT);
        }
    }

    /// The run of a context, in the bucket that it had at the root.
    #[inline(always)]
    fn learn_run(&mut self, place: Place, index: usize, symbol: u32) {
        // Another context may have taken the bucket since.
        if self.buckets.holds(index, place) {
            let cell = &mut self.buckets.bucket(index)[0];
            *cell = self.runs.after(*cell, symbol);
        }
    }

    /// Asks for the memory that the decision after this one needs, whichever it is: it takes as long to come as a
    /// decision takes to make.
    #[inline(always)]
    fn prefetch_next(&self, symbols: &Symbols, evidence: &Evidence<'_, C, R>, node: u32, slot: usize) {
        for bit in [false, true] {
            let next = symbols.tree.next(node, bit);
            if next != 0 {
                let lines = self.refinement_lines(evidence, next);
                for (refinement, line) in self.refinements.iter().zip(lines) {
                    refinement.prefetch(line);
                }
                // The last of three levels: new buckets follow.
                if slot >= 4 {
                    self.prefetch_buckets(&evidence.hashes, next);
                }
            }
        }
    }

    #[inline(always)]
    fn prefetch_buckets(&self, hashes: &[u64; C], node: u32) {
        for &hash in hashes {
            self.buckets.prefetch(self.buckets.place(hash, node));
        }
    }

    /// The lines of the refinements at a node: one chosen by the last symbol, one by the last two.
    #[inline(always)]
    fn refinement_lines(&self, evidence: &Evidence<'_, C, R>, node: u32) -> [usize; 2] {
        let node = (node as usize).wrapping_mul(0x9e35);
        [
            self.refinements[0].line(evidence.last_row * 4096 + node),
            self.refinements[1].line(evidence.bigram.wrapping_add(node)),
        ]
    }

    /// The buckets of all contexts at a node.
    #[inline(always)]
    fn enter(&self, hashes: &[u64; C], node: u32) -> Subtree<C> {
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

    /// Writes the buckets back.
    #[inline(always)]
    fn leave(&mut self, subtree: &Subtree<C>) {
        for (&index, bucket) in subtree.indices.iter().zip(&subtree.buckets) {
            *self.buckets.bucket(index) = *bucket;
        }
    }

    /// The row of a symbol or node within its set.
    #[inline(always)]
    fn symbol_row(&self, number: u32) -> usize {
        number as usize % self.symbol_rows
    }
}
