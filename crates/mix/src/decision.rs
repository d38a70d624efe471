//! One binary decision: where it is in the tree, and what it is predicted from and changes. Only data: the engine fills
//! them in when it predicts, and reads them when it learns.

use crate::refinement::Point;
use crate::shape::SETS;
use crate::slots::{Bucket, Place, Slot};

/// A leaf that does not exist.
pub(crate) const NOWHERE: usize = usize::MAX;

/// What is known before a symbol's first decision, and the same for all of them.
pub(crate) struct Evidence<'a, const C: usize, const R: usize> {
    /// The hash of each context.
    pub(crate) hashes: [u64; C],
    /// The net's cumulative frequencies in the order of the leaves, uint32 `[symbols + 1]`.
    pub(crate) net: Option<&'a [u32]>,
    /// What each run expects: a leaf, or [`NOWHERE`], and how often it came in a row.
    pub(crate) run_leaves: [usize; R],
    pub(crate) run_counts: [usize; R],
    /// What the repetition expects: a leaf, or [`NOWHERE`], and the class of its length.
    pub(crate) match_leaf: usize,
    pub(crate) match_class: usize,
    /// The row of the last symbol in its set.
    pub(crate) last_row: usize,
    /// A hash of the last two symbols.
    pub(crate) bigram: usize,
}

/// A node on the way to a symbol, and the part of the tree below it: leaves from `low` up to, but not including, `high`.
pub(crate) struct Position {
    pub(crate) node: u32,
    pub(crate) low: usize,
    pub(crate) high: usize,
    pub(crate) depth: usize,
}

impl Position {
    /// The first leaf of the right part.
    #[inline(always)]
    pub(crate) fn middle(&self) -> usize {
        self.node as usize
    }

    /// The bit that leads to a leaf; `None` if the leaf is not below this node.
    #[inline(always)]
    pub(crate) fn bit_towards(&self, leaf: usize) -> Option<bool> {
        (self.low..self.high)
            .contains(&leaf)
            .then_some(leaf >= self.middle())
    }

    /// Moves to the next node, which is 0 for a leaf.
    #[inline(always)]
    pub(crate) fn advance(&mut self, bit: bool, next: u32) {
        if bit {
            self.low = self.middle();
        } else {
            self.high = self.middle();
        }
        self.node = next;
        self.depth += 1;
    }
}

/// Copies of the buckets of all contexts for three levels of decisions.
pub(crate) struct Subtree<const C: usize> {
    pub(crate) places: [Place; C],
    /// Where the buckets are in the table.
    pub(crate) indices: [usize; C],
    pub(crate) buckets: [Bucket; C],
    /// Which slot of each bucket is this decision's: 1 at first, then as in a heap.
    pub(crate) slot: usize,
}

impl<const C: usize> Subtree<C> {
    /// The contexts' slots for this decision.
    #[inline(always)]
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        // The mask spares the check of a bound.
        let slot = self.slot & 7;
        self.buckets.iter().map(move |bucket| Slot(bucket[slot]))
    }

    /// The slots inside the buckets, to be changed.
    #[inline(always)]
    pub(crate) fn slots_mut(&mut self) -> impl Iterator<Item = &mut u32> {
        let slot = self.slot & 7;
        self.buckets.iter_mut().map(move |bucket| &mut bucket[slot])
    }

    /// Moves to the next decision, and returns whether it is still in these buckets.
    #[inline(always)]
    pub(crate) fn advance(&mut self, bit: bool) -> bool {
        self.slot = 2 * self.slot + usize::from(bit);
        self.slot < 8
    }
}

/// What one decision was predicted from, and what its outcome updates.
///
/// The inputs are elsewhere, behind a reference: kernels read them from memory, and everything else can then stay in
/// registers.
pub(crate) struct Decision<'a, const C: usize, const R: usize, const N: usize> {
    /// The inputs: logits, int16 `[N]`.
    pub(crate) inputs: &'a [i16; N],
    /// The entry of each run's map, and the bit that the run expects; `None` if it expects nothing here.
    pub(crate) runs: [Option<(usize, bool)>; R],
    /// The entry of the match map, and the bit that the repetition expects.
    pub(crate) repetition: Option<(usize, bool)>,
    /// Entries of the joint maps.
    pub(crate) joint: [usize; C],
    /// How many of them there are: 0 without a net.
    pub(crate) joint_count: usize,
    /// The row of each set of the first layer, and its output, a logit.
    pub(crate) rows: [usize; SETS],
    pub(crate) logits: [i32; SETS],
    /// The row of the second layer.
    pub(crate) outer_row: usize,
    /// The second layer's output as a probability, Q0.16.
    pub(crate) mixed: i32,
    /// The entry that each refinement updates.
    pub(crate) points: [Point; 2],
    /// The probability of a true bit, Q0.16, at least 1.
    pub(crate) p: u16,
}
