//! What a mixer starts from and goes on learning: maps and weights, everything that does not belong to one text.

use czip_kernels::WeightRow;

use crate::adaptive::Adaptive;
use crate::shape::{GRADES, MATCH_ENTRIES, RUN_COUNTS, SETS, Shape};

/// A weight of 1 in the first layer: Q1.14.
const ONE: i32 = 1 << 14;

/// The weights of a row of the second layer that takes the mean: Q16.
pub(crate) const MEAN_WEIGHTS: [i32; SETS] = [(1 << 16) / SETS as i32; SETS];

/// Maps and weights for up to `N` inputs.
#[derive(Clone, Debug)]
pub(crate) struct InitialState<const N: usize> {
    /// `[contexts, histories]`.
    pub(crate) state_maps: Vec<Adaptive>,
    /// `[runs, counts, grades]`.
    pub(crate) run_maps: Vec<Adaptive>,
    /// `[classes of lengths, grades]`.
    pub(crate) match_map: Vec<Adaptive>,
    /// `[joint contexts, ones, zeros, grades]`.
    pub(crate) joint_maps: Vec<Adaptive>,
    /// The first layer's weights, int16 `[rows, N]`, Q1.14: the rows of all sets, one set after the other.
    pub(crate) weights: Vec<WeightRow<N>>,
    /// The second layer's weights, int32 `[symbol rows, SETS]`, Q16.
    pub(crate) outer: Vec<[i32; SETS]>,
}

impl<const N: usize> InitialState<N> {
    /// The state without any training: only the meaning of counts is known, and the net is trusted most.
    pub(crate) fn untrained(shape: Shape) -> Self {
        let mut row = WeightRow([0; N]);
        // The net; the constant input starts at 0.
        row.0[0] = (ONE * 8 / 10) as i16;
        let [contexts_at, runs_at, joint_at] = [2, 2 + 2 * shape.contexts, shape.inputs() - shape.joint];
        row.0[contexts_at..runs_at].fill((ONE / 20) as i16);
        row.0[runs_at..joint_at].fill((ONE / 10) as i16);
        let of_counts = |zeros: usize, ones: usize| {
            let p = 65536 * (2 * ones + 1) / (2 * (ones + zeros) + 2);
            Adaptive::new(p.min(65535) as u16, 0)
        };
        let of_count = |count: usize| Adaptive::new((65536 - 32768 / (count + 1)) as u16, 0);
        Self {
            state_maps: (0..shape.state_entries())
                .map(|i| of_counts((i >> 1) & 15, (i >> 5) & 15))
                .collect(),
            run_maps: (0..shape.run_entries())
                .map(|i| of_count(i / GRADES % RUN_COUNTS))
                .collect(),
            match_map: (0..MATCH_ENTRIES).map(|i| of_count(i / GRADES)).collect(),
            joint_maps: (0..shape.joint_entries())
                .map(|i| of_counts(i / GRADES % 8, i / (8 * GRADES) % 8))
                .collect(),
            weights: vec![row; shape.rows()],
            outer: vec![MEAN_WEIGHTS; shape.symbol_rows],
        }
    }

    /// The entries of all maps, in the order of the stored form.
    pub(crate) fn maps(&self) -> impl Iterator<Item = Adaptive> {
        self.state_maps
            .iter()
            .chain(&self.run_maps)
            .chain(&self.match_map)
            .chain(&self.joint_maps)
            .copied()
    }

    /// Copies another of the same shape, without allocating.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.state_maps.copy_from_slice(&other.state_maps);
        self.run_maps.copy_from_slice(&other.run_maps);
        self.match_map.copy_from_slice(&other.match_map);
        self.joint_maps.copy_from_slice(&other.joint_maps);
        self.weights.copy_from_slice(&other.weights);
        self.outer.copy_from_slice(&other.outer);
    }
}
