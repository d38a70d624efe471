//! Attention: the cache of keys and values of one sequence, and its weighted sums.
//!
//! The format's softmax runs online: in the order of the keys, and rescaling what it has at each new maximum. The
//! rescaling rounds, so that its places matter; but from one new maximum to the next, sums are free of order. Those
//! *stretches* are what the vector code works on. In a random order the k-th key is a new maximum with probability
//! 1/k, so that there are about ln(n) stretches.

use czip_fixed::exp_weight;
use czip_fixed::tables::ATTENTION_COEFFICIENT;

use crate::blocked::{self, BLOCK_ROWS, Block};
use crate::instruction_set::dispatch;
use crate::matrix::Workspace;
use crate::{HEAD_DIM, InstructionSet, Kernels, generic};

/// What attention of one layer needs besides keys and values.
#[derive(Clone, Debug)]
pub struct Attention {
    /// The score factor of each head, Q15.
    pub(crate) score_mult: Vec<i32>,
    /// A key without rotation and with a zero value, that takes up attention which no other key deserves.
    pub(crate) sink_key: Option<[i8; HEAD_DIM]>,
    /// `round(2^(-i/256) * 65536)`.
    pub(crate) exp2: Box<[u16; 256]>,
}

impl Attention {
    /// Score factors above this in magnitude are refused: up to here scores and their differences fit 32 bits.
    pub const MAX_SCORE_MULT: u32 = 1 << 27;

    /// The parameters of one layer: a factor per head (Q15), the sink key if there is one, and the table
    /// `round(2^(-i/256) * 65536)`.
    ///
    /// # Errors
    ///
    /// A factor that exceeds [`Attention::MAX_SCORE_MULT`] in magnitude.
    pub fn new(
        score_mult: Vec<i32>,
        sink_key: Option<[i8; HEAD_DIM]>,
        exp2: &[u16; 256],
    ) -> Result<Self, i32> {
        match score_mult
            .iter()
            .find(|mult| mult.unsigned_abs() > Self::MAX_SCORE_MULT)
        {
            Some(&mult) => Err(mult),
            None => Ok(Self {
                score_mult,
                sink_key,
                exp2: Box::new(*exp2),
            }),
        }
    }

    /// Whether there is a sink key.
    #[must_use]
    pub fn has_sink_key(&self) -> bool {
        self.sink_key.is_some()
    }

    /// The number of heads.
    #[must_use]
    pub fn heads(&self) -> usize {
        self.score_mult.len()
    }
}

/// The rotated keys and the values of one sequence in one layer, in the layout of one [`InstructionSet`].
///
/// Scalar code has keys one after another; all other levels have them as the rows of a matrix in blocks. For values see
/// `ValueLayout`.
#[derive(Clone, Debug)]
pub struct KeyValueCache {
    instruction_set: InstructionSet,
    capacity: usize,
    keys: Vec<Block>,
    values: Vec<Block>,
}

/// How a level has its values, so that one instruction multiplies the same element of several positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueLayout {
    /// One after another, a block each.
    Rows,
    /// In pairs of positions, element by element, widened to 16 bits: four blocks a pair.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only some instruction sets want it")
    )]
    WidePairs,
    /// In groups of four positions, element by element: four blocks a group.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only some instruction sets want it")
    )]
    Quads,
}

impl ValueLayout {
    /// Positions whose elements lie together, in [`GROUP_BLOCKS`] blocks.
    pub(crate) const fn group(self) -> usize {
        match self {
            Self::Rows => GROUP_BLOCKS,
            Self::WidePairs => 2,
            Self::Quads => 4,
        }
    }
}

/// Blocks of a group of values: 64 elements of four bytes, in every layout.
pub(crate) const GROUP_BLOCKS: usize = 4;

impl KeyValueCache {
    /// Keys one after another.
    pub(crate) fn key_rows(&self, length: usize) -> &[Block] {
        &self.keys[..length]
    }

    /// Blocks with the first `length` keys as rows, and that number rounded up to whole blocks.
    pub(crate) fn key_blocks(&self, length: usize) -> (&[Block], usize) {
        let padded = length.next_multiple_of(BLOCK_ROWS);
        (&self.keys[..padded], padded)
    }

    /// Values, in the level's layout.
    pub(crate) fn values(&self) -> &[Block] {
        &self.values
    }

    /// Blocks with the keys from `first` on, a multiple of 16, to `end` as rows, and their number in whole blocks.
    pub(crate) fn key_blocks_within(&self, first: usize, end: usize) -> (&[Block], usize) {
        let end = end.next_multiple_of(BLOCK_ROWS);
        (&self.keys[first..end], end - first)
    }

    /// Forgets the first `count` positions: what was at `count` is then at 0.
    ///
    /// # Panics
    ///
    /// If `count` is not a multiple of 16, or exceeds the capacity.
    pub fn discard(&mut self, count: usize) {
        assert!(
            count.is_multiple_of(BLOCK_ROWS) && count <= self.keys.len(),
            "forgetting {count} of {} positions",
            self.capacity
        );
        self.keys.copy_within(count.., 0);
        let group = self.instruction_set.value_layout().group();
        self.values.copy_within(count / group * GROUP_BLOCKS.., 0);
    }

    pub(crate) fn check(&self, instruction_set: InstructionSet, end: usize) {
        assert_eq!(
            self.instruction_set, instruction_set,
            "cache of another instruction set"
        );
        assert!(
            end <= self.capacity,
            "attention over {end} of {} positions",
            self.capacity
        );
    }
}

impl Kernels {
    /// An empty cache for positions `0..capacity`.
    #[must_use]
    pub fn key_value_cache(self, capacity: usize) -> KeyValueCache {
        let positions = capacity.next_multiple_of(BLOCK_ROWS);
        let value_blocks = positions / self.instruction_set().value_layout().group() * GROUP_BLOCKS;
        KeyValueCache {
            instruction_set: self.instruction_set(),
            capacity,
            // A key has as many bytes as a block.
            keys: vec![Block::ZERO; positions],
            values: vec![Block::ZERO; value_blocks],
        }
    }

    /// Stores the rotated key and the value of `position`.
    ///
    /// # Panics
    ///
    /// If `position` is not below the capacity, or the cache is of another level.
    pub fn store(
        self,
        cache: &mut KeyValueCache,
        position: usize,
        key: &[i8; HEAD_DIM],
        value: &[i8; HEAD_DIM],
    ) {
        assert_eq!(
            cache.instruction_set,
            self.instruction_set(),
            "cache of another instruction set"
        );
        assert!(
            position < cache.capacity,
            "position {position} of {}",
            cache.capacity
        );
        match self.instruction_set().block_bias() {
            None => cache.keys[position].0 = *key,
            Some(bias) => {
                let first = position / BLOCK_ROWS * BLOCK_ROWS;
                let blocks = &mut cache.keys[first..first + BLOCK_ROWS];
                blocked::pack_row(blocks, position % BLOCK_ROWS, key, bias);
            }
        }
        let layout = self.instruction_set().value_layout();
        let first = position / layout.group() * GROUP_BLOCKS;
        let place = position % layout.group();
        let group = &mut cache.values[first..first + GROUP_BLOCKS];
        let cells = group
            .iter_mut()
            .flat_map(|block| block.0.as_chunks_mut::<4>().0)
            .zip(value);
        match layout {
            ValueLayout::Rows => group[place].0 = *value,
            ValueLayout::WidePairs => cells.for_each(|(cell, &value)| {
                let bytes = i16::from(value).to_ne_bytes().map(|byte| byte as i8);
                cell[2 * place..][..2].copy_from_slice(&bytes);
            }),
            ValueLayout::Quads => cells.for_each(|(cell, &value)| cell[place] = value),
        }
    }

    /// Attention of all heads of one position over the first `length` positions of a cache.
    ///
    /// `queries` and `out` are int8 `[heads, 64]`, the queries rotated. See [`oracle::attend`](crate::oracle::attend)
    /// for the arithmetic.
    ///
    /// # Panics
    ///
    /// If `length` exceeds the capacity, if a length doesn't fit the number of heads, or if the cache is of another
    /// level.
    pub fn attend(
        self,
        attention: &Attention,
        cache: &KeyValueCache,
        length: usize,
        queries: &[i8],
        workspace: &mut Workspace,
        out: &mut [i8],
    ) {
        assert_eq!(
            cache.instruction_set,
            self.instruction_set(),
            "cache of another instruction set"
        );
        assert!(
            length <= cache.capacity,
            "attention over {length} of {} positions",
            cache.capacity
        );
        assert_eq!(queries.len(), attention.heads() * HEAD_DIM, "queries");
        assert_eq!(out.len(), queries.len(), "attention output");
        dispatch!(self, attend(attention, cache, length, queries, workspace, out));
    }
}

/// The steps of attention that levels do in their own ways.
pub(crate) trait Steps: Copy {
    /// How the level has values.
    const VALUES: ValueLayout;

    /// Adds the weights of the stretch of `scores` from position `first` below its `maximum` to `acc`, and returns
    /// their sum.
    #[expect(
        clippy::too_many_arguments,
        reason = "the state of a loop, handed to one step of it"
    )]
    fn stretch(
        self,
        attention: &Attention,
        values: &[Block],
        first: usize,
        scores: &[i32],
        maximum: i32,
        workspace: &mut Workspace,
        acc: &mut [i32; HEAD_DIM],
    ) -> u64;
}

/// Portable steps, over values one after another.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Steps for Portable {
    const VALUES: ValueLayout = ValueLayout::Rows;

    #[inline(always)]
    fn stretch(
        self,
        attention: &Attention,
        values: &[Block],
        first: usize,
        scores: &[i32],
        maximum: i32,
        workspace: &mut Workspace,
        acc: &mut [i32; HEAD_DIM],
    ) -> u64 {
        let weights = stretch_weights(attention, scores, maximum, &mut workspace.weights);
        for (&weight, value) in weights
            .iter()
            .zip(&values[first * GROUP_BLOCKS / Self::VALUES.group()..])
        {
            for (acc, &value) in acc.iter_mut().zip(&value.0) {
                *acc = acc.wrapping_add(weight as i32 * i32::from(value));
            }
        }
        u64::from(generic::sum(weights))
    }
}

/// The weights of a stretch of scores below its maximum. Their sum fits 32 bits: a context has at most 2^15 positions.
#[inline(always)]
pub(crate) fn stretch_weights<'a>(
    attention: &Attention,
    scores: &[i32],
    maximum: i32,
    weights: &'a mut Vec<u32>,
) -> &'a [u32] {
    weights.clear();
    weights.extend(scores.iter().map(|&score| maximum.wrapping_sub(score) as u32));
    generic::exp_weights(weights, ATTENTION_COEFFICIENT, &attention.exp2);
    weights
}

/// The products of all queries with all keys.
pub(crate) struct Scores<'a> {
    /// `[heads, stride]`.
    pub(crate) products: &'a mut [i32],
    /// The number of keys, or more.
    pub(crate) stride: usize,
}

/// Attention of all heads, from the products of queries and keys.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "what callers have in common, without a type made for one call"
)]
pub(crate) fn attend(
    steps: impl Steps,
    attention: &Attention,
    values: &[Block],
    length: usize,
    queries: &[i8],
    scores: Scores<'_>,
    workspace: &mut Workspace,
    out: &mut [i8],
) {
    let vectors = queries
        .as_chunks::<HEAD_DIM>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<HEAD_DIM>().0);
    let scores = scores.products.chunks_exact_mut(scores.stride);
    for (((query, out), scores), &mult) in vectors.zip(scores).zip(&attention.score_mult) {
        // Those beyond the length too: whole vectors are faster than a remainder.
        generic::scale_scores(scores, mult);
        let scores = &scores[..length];
        let mut acc = [0; HEAD_DIM];
        let (mut sum, mut maximum, mut first) = (0, i32::MIN, 0);
        if let Some(key) = &attention.sink_key {
            let mut score = [generic::dot(query, key)];
            generic::scale_scores(&mut score, mult);
            (sum, maximum) = (65535, score[0]);
            first = generic::first_above(scores, maximum);
            sum += steps.stretch(
                attention,
                values,
                0,
                &scores[..first],
                maximum,
                workspace,
                &mut acc,
            );
        }
        while first < length {
            if sum > 0 {
                let scale = exp_weight(
                    i64::from(maximum) - i64::from(scores[first]),
                    ATTENTION_COEFFICIENT,
                    &attention.exp2,
                );
                sum = (sum * u64::from(scale) + 32768) >> 16;
                generic::rescale(&mut acc, scale);
            }
            maximum = scores[first];
            let end = first + 1 + generic::first_above(&scores[first + 1..], maximum);
            sum += steps.stretch(
                attention,
                values,
                first,
                &scores[first..end],
                maximum,
                workspace,
                &mut acc,
            );
            first = end;
        }
        generic::divide(&acc, sum, out);
    }
}
