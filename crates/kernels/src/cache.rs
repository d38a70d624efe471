//! The cache of keys and values of one sequence in one layer: int8 `[positions, 64]` each, laid out for one instruction
//! set.

use std::ops::Range;

use crate::instruction_set::InstructionSet;
use crate::layout::{self, BLOCK_ROWS, Block, GROUP_BLOCKS, HEAD_DIM, ValueLayout, WeightLayout};

/// The rotated keys and the values of one sequence in one layer, in the layout of one [`InstructionSet`]. Made by
/// [`Kernels::key_value_cache`](crate::Kernels::key_value_cache).
///
/// Scalar code has keys one after another; all other instruction sets have them as the rows of a matrix in blocks. For
/// values see `ValueLayout`.
#[derive(Clone, Debug)]
pub struct KeyValueCache {
    instruction_set: InstructionSet,
    key_layout: WeightLayout,
    value_layout: ValueLayout,
    capacity: usize,
    keys: Vec<Block>,
    values: Vec<Block>,
}

impl KeyValueCache {
    /// An empty cache for positions `0..capacity`.
    pub(crate) fn new(
        instruction_set: InstructionSet,
        key_layout: WeightLayout,
        value_layout: ValueLayout,
        capacity: usize,
    ) -> Self {
        let positions = capacity.next_multiple_of(BLOCK_ROWS);
        Self {
            instruction_set,
            key_layout,
            value_layout,
            capacity,
            // A key has as many bytes as a block.
            keys: vec![Block::ZERO; positions],
            values: vec![Block::ZERO; positions / value_layout.group() * GROUP_BLOCKS],
        }
    }

    /// Panics unless the cache is of `instruction_set` and holds the positions, of which there must be at least one.
    pub(crate) fn check(&self, instruction_set: InstructionSet, positions: &Range<usize>) {
        self.check_instruction_set(instruction_set);
        assert!(
            !positions.is_empty() && positions.end <= self.capacity,
            "attention over {positions:?} of {} positions",
            self.capacity
        );
    }

    fn check_instruction_set(&self, instruction_set: InstructionSet) {
        assert_eq!(
            self.instruction_set, instruction_set,
            "cache of another instruction set"
        );
    }

    /// See [`Kernels::store`](crate::Kernels::store).
    pub(crate) fn store(
        &mut self,
        instruction_set: InstructionSet,
        position: usize,
        key: &[i8; HEAD_DIM],
        value: &[i8; HEAD_DIM],
    ) {
        self.check_instruction_set(instruction_set);
        assert!(
            position < self.capacity,
            "position {position} of {}",
            self.capacity
        );
        match self.key_layout {
            WeightLayout::Rows => self.keys[position].0 = *key,
            WeightLayout::Blocks { .. } | WeightLayout::BlockPairs => {
                let first = position / BLOCK_ROWS * BLOCK_ROWS;
                let blocks = &mut self.keys[first..first + BLOCK_ROWS];
                layout::pack_row(blocks, position % BLOCK_ROWS, key, self.key_layout);
            }
        }
        let group_len = self.value_layout.group();
        let first = position / group_len * GROUP_BLOCKS;
        let place = position % group_len;
        let group = &mut self.values[first..first + GROUP_BLOCKS];
        let cells = group
            .iter_mut()
            .flat_map(|block| block.0.as_chunks_mut::<4>().0)
            .zip(value);
        match self.value_layout {
            ValueLayout::Rows => group[place].0 = *value,
            ValueLayout::WidePairs => cells.for_each(|(cell, &value)| {
                let bytes = i16::from(value).to_ne_bytes().map(|byte| byte as i8);
                cell[2 * place..][..2].copy_from_slice(&bytes);
            }),
            ValueLayout::Quads => cells.for_each(|(cell, &value)| cell[place] = value),
        }
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
        self.values
            .copy_within(count / self.value_layout.group() * GROUP_BLOCKS.., 0);
    }

    /// The keys of these positions and of the others in their blocks of 16. In blocks, they are the rows of a matrix; in
    /// either layout there are as many blocks as keys.
    #[inline]
    pub(crate) fn keys(&self, positions: Range<usize>) -> &[Block] {
        let first = positions.start / BLOCK_ROWS * BLOCK_ROWS;
        &self.keys[first..positions.end.next_multiple_of(BLOCK_ROWS)]
    }

    /// The values of these positions, which begin and end with whole groups.
    pub(crate) fn values(&self, positions: Range<usize>) -> &[Block] {
        let group = self.value_layout.group();
        &self.values[positions.start / group * GROUP_BLOCKS..positions.end / group * GROUP_BLOCKS]
    }

    /// The values from the group of `position` on.
    pub(crate) fn values_from(&self, position: usize) -> &[Block] {
        &self.values[position / self.value_layout.group() * GROUP_BLOCKS..]
    }
}
