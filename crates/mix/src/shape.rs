//! How much a mixer learns: the sizes of its maps and of its layers, and where each input is.

use crate::matching::LENGTH_CLASSES;
use crate::slots::HISTORIES;

/// Sets of weights in the first layer, each with an output; the second layer mixes these.
pub(crate) const SETS: usize = 4;

/// Classes of probabilities, where they choose among maps and weights: 16 of the same width on the scale of logits.
pub(crate) const GRADES: usize = 16;

/// Rows of set 0: for 16 depths, 8 grades of knowledge, and whether a repetition is expected.
pub(crate) const DEPTH_ROWS: usize = 16 * 8 * 2;

/// Rows of set 1: for each entry of the match map and each expected bit.
pub(crate) const MATCH_ROWS: usize = MATCH_ENTRIES * 2;

/// Counts of a run, 0 to 15.
pub(crate) const RUN_COUNTS: usize = 16;

/// Entries of one run's map: grades of the net's logit for each count.
const RUN_ENTRIES: usize = RUN_COUNTS * GRADES;

/// Entries of the match map: grades of the net's logit for each class of lengths.
pub(crate) const MATCH_ENTRIES: usize = LENGTH_CLASSES * GRADES;

/// Pairs of counts of a history, up to 7 each: what [`Slot::counts`](crate::slots::Slot::counts) tells apart.
pub(crate) const COUNT_PAIRS: usize = 8 * 8;

/// Entries of one context's joint map: grades of the net's logit for each pair of counts.
const JOINT_ENTRIES: usize = COUNT_PAIRS * GRADES;

/// Inputs that do not depend on the variant: the net, a constant, and two of the repetition.
const FIXED_INPUTS: usize = 4;

/// The sizes of what is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) contexts: usize,
    pub(crate) runs: usize,
    /// Contexts that are mapped jointly with the net; without a net there are none.
    pub(crate) joint: usize,
    pub(crate) with_net: bool,
    /// Rows of set 2, of set 3, and of the second layer.
    pub(crate) symbol_rows: usize,
}

impl Shape {
    /// The length of a row of weights: the net, a constant, two for each context, one for each run, two for the
    /// repetition, one for each joint map.
    pub(crate) fn inputs(self) -> usize {
        FIXED_INPUTS + 2 * self.contexts + self.runs + self.joint
    }

    /// Rows of weights in all sets of the first layer.
    pub(crate) fn rows(self) -> usize {
        DEPTH_ROWS + MATCH_ROWS + 2 * self.symbol_rows
    }

    pub(crate) fn state_entries(self) -> usize {
        self.contexts * HISTORIES
    }

    pub(crate) fn run_entries(self) -> usize {
        self.runs * RUN_ENTRIES
    }

    pub(crate) fn joint_entries(self) -> usize {
        self.joint * JOINT_ENTRIES
    }

    /// Entries of all maps.
    pub(crate) fn map_entries(self) -> usize {
        self.state_entries() + self.run_entries() + MATCH_ENTRIES + self.joint_entries()
    }
}
