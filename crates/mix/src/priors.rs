//! Priors: bytes of the stored form in, an [`InitialState`] out, and the other way round.
//!
//! Maps are stored as `p`, uint16, and a count, uint8; the first layer as int8 `[rows, inputs]` with a shift for each
//! input; the second as int16 `[symbol rows, SETS]`, Q12.

use czip_kernels::WeightRow;
use thiserror::Error;

use crate::adaptive::Adaptive;
use crate::initial_state::{InitialState, MEAN_WEIGHTS};
use crate::shape::{DEPTH_ROWS, MATCH_ENTRIES, MATCH_ROWS, SETS, Shape};
use crate::variant::find_shape;

/// What mixers of one variant start from, learnt from other texts, in its stored form. The layout is in
/// `docs/spec/mixing.md`, section 12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priors {
    pub(crate) shape: Shape,
    pub(crate) tree_hash: u64,
    bytes: Vec<u8>,
}

/// Why bytes are not priors.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PriorsError {
    /// The magic number is missing.
    #[error("not priors: they begin with {found:02x?}")]
    Magic {
        /// The first bytes, at most four.
        found: Vec<u8>,
    },
    /// The version is unknown to this library.
    #[error("version {version} of priors at byte 4 is unknown; only 1 is supported")]
    Version {
        /// The version.
        version: u8,
    },
    /// No variant has these sizes.
    #[error("sizes {sizes:?} of priors at byte 5 do not belong to any variant")]
    Shape {
        /// Contexts, runs, and whether there is a net.
        sizes: [u8; 3],
    },
    /// There are too few bytes or too many.
    #[error("priors of {found} bytes should have {expected}")]
    Length {
        /// The right length.
        expected: usize,
        /// The length given.
        found: usize,
    },
    /// A shift would move weights out of 16 bits.
    #[error("shift {shift} of priors at byte {at} is above 8")]
    WeightShift {
        /// The shift.
        shift: u8,
        /// Its place.
        at: usize,
    },
}

const MAGIC: [u8; 4] = *b"CZMP";
const VERSION: u8 = 1;
/// Magic, version, contexts, runs, net, symbol rows, hash of the tree.
const HEADER_LEN: usize = 18;
/// The highest count of a map's entry: above it a map would be too slow to follow a text of another kind.
const MAX_COUNT: u8 = 127;

impl Priors {
    /// Reads the stored form.
    ///
    /// # Errors
    ///
    /// [`PriorsError`] if the bytes are not priors of one of the variants.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PriorsError> {
        let Some(header) = bytes
            .first_chunk::<HEADER_LEN>()
            .filter(|header| header[..4] == MAGIC)
        else {
            let found = bytes[..bytes.len().min(4)].to_vec();
            return Err(PriorsError::Magic { found });
        };
        if header[4] != VERSION {
            return Err(PriorsError::Version { version: header[4] });
        }
        let [contexts, runs, with_net] = [header[5], header[6], header[7]];
        let symbol_rows = u16::from_le_bytes([header[8], header[9]]);
        let shape = find_shape(contexts.into(), runs.into(), with_net == 1, symbol_rows.into())
            .filter(|_| with_net <= 1)
            .ok_or(PriorsError::Shape {
                sizes: [contexts, runs, with_net],
            })?;
        let expected = HEADER_LEN + Self::body_len(shape);
        if bytes.len() != expected {
            let found = bytes.len();
            return Err(PriorsError::Length { expected, found });
        }
        let shifts = HEADER_LEN + 3 * shape.map_entries();
        for (index, &shift) in bytes[shifts..shifts + shape.inputs()].iter().enumerate() {
            if shift > 8 {
                let at = shifts + index;
                return Err(PriorsError::WeightShift { shift, at });
            }
        }
        let mut hash = [0; 8];
        hash.copy_from_slice(&header[10..]);
        Ok(Self {
            shape,
            tree_hash: u64::from_le_bytes(hash),
            bytes: bytes.to_vec(),
        })
    }

    fn body_len(shape: Shape) -> usize {
        3 * shape.map_entries() + shape.inputs() * (1 + shape.rows()) + 2 * SETS * shape.symbol_rows
    }

    /// The stored form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What a stream has learnt.
    pub(crate) fn of<const N: usize>(shape: Shape, tree_hash: u64, learnt: &InitialState<N>) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([
            VERSION,
            shape.contexts as u8,
            shape.runs as u8,
            u8::from(shape.with_net),
        ]);
        bytes.extend((shape.symbol_rows as u16).to_le_bytes());
        bytes.extend(tree_hash.to_le_bytes());
        for entry in learnt.maps() {
            bytes.extend(entry.p().to_le_bytes());
            bytes.push(entry.count().min(MAX_COUNT));
        }
        // The finest step of each input that its largest weight allows.
        let mut shifts = vec![0; shape.inputs()];
        for (input, shift) in shifts.iter_mut().enumerate() {
            let fits = |shift: u8| {
                let mut weights = learnt.weights.iter().map(|row| row.0[input]);
                weights.all(|weight| i8::try_from(rounded(weight, shift)).is_ok())
            };
            *shift = (0..8).find(|&shift| fits(shift)).unwrap_or(8);
        }
        bytes.extend(&shifts);
        for row in &learnt.weights {
            let stored = row.0.iter().zip(&shifts);
            bytes.extend(stored.map(|(&weight, &shift)| rounded(weight, shift).clamp(-128, 127) as u8));
        }
        for weights in &learnt.outer {
            // The largest weight is 8, which is 2^15 steps.
            let stored = weights.map(|weight| (weight >> 4).min(i16::MAX.into()) as i16);
            bytes.extend(stored.into_iter().flat_map(i16::to_le_bytes));
        }
        Self {
            shape,
            tree_hash,
            bytes,
        }
    }

    /// The same for any vocabulary: what they say about single nodes and symbols is averaged, as it would be where they are
    /// used for another tree. They are as small as priors can be.
    #[must_use]
    pub fn general(&self) -> Self {
        // Of any length that has room for all inputs: only these are stored.
        const LONGEST: usize = 48;
        let symbol_rows = 1;
        let averaged: InitialState<LONGEST> = self.initial_state(symbol_rows, false);
        // No tree has this hash but by chance.
        Self::of(
            Shape {
                symbol_rows,
                ..self.shape
            },
            0,
            &averaged,
        )
    }

    /// What a stream starts from. Unless the priors were learnt with the `same_tree`, what they say about single nodes
    /// and symbols is averaged.
    pub(crate) fn initial_state<const N: usize>(
        &self,
        symbol_rows: usize,
        same_tree: bool,
    ) -> InitialState<N> {
        let shape = self.shape;
        let inputs = shape.inputs();
        let (maps, rest) = self.bytes[HEADER_LEN..].split_at(3 * shape.map_entries());
        let mut entries = maps
            .chunks_exact(3)
            .map(|entry| Adaptive::new(u16::from_le_bytes([entry[0], entry[1]]), entry[2]));
        let (shifts, rest) = rest.split_at(inputs);
        let (weights, outer) = rest.split_at(inputs * shape.rows());
        let mut weights: Vec<WeightRow<N>> = weights
            .chunks_exact(inputs)
            .map(|stored| {
                let mut row = WeightRow([0; N]);
                for ((weight, &stored), &shift) in row.0.iter_mut().zip(stored).zip(shifts) {
                    *weight = i16::from(stored as i8) << shift;
                }
                row
            })
            .collect();
        let mut outer: Vec<[i32; SETS]> = outer
            .chunks_exact(2 * SETS)
            .map(|stored| {
                std::array::from_fn(|i| {
                    i32::from(i16::from_le_bytes([stored[2 * i], stored[2 * i + 1]])) << 4
                })
            })
            .collect();
        if !same_tree {
            let fixed = DEPTH_ROWS + MATCH_ROWS;
            let [by_node, by_symbol] = [fixed, fixed + shape.symbol_rows]
                .map(|first| mean(&weights[first..first + shape.symbol_rows]));
            weights.truncate(fixed);
            weights.resize(fixed + symbol_rows, by_node);
            weights.resize(fixed + 2 * symbol_rows, by_symbol);
            outer = vec![MEAN_WEIGHTS; symbol_rows];
        }
        InitialState {
            state_maps: entries.by_ref().take(shape.state_entries()).collect(),
            run_maps: entries.by_ref().take(shape.run_entries()).collect(),
            match_map: entries.by_ref().take(MATCH_ENTRIES).collect(),
            joint_maps: entries.collect(),
            weights,
            outer,
        }
    }
}

/// A weight in steps of `2^shift`.
fn rounded(weight: i16, shift: u8) -> i32 {
    (i32::from(weight) + ((1 << shift) >> 1)) >> shift
}

fn mean<const N: usize>(rows: &[WeightRow<N>]) -> WeightRow<N> {
    let mut mean = WeightRow([0; N]);
    for (input, weight) in mean.0.iter_mut().enumerate() {
        let sum: i32 = rows.iter().map(|row| i32::from(row.0[input])).sum();
        *weight = (sum / rows.len() as i32) as i16;
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_rounded_half_up() {
        assert_eq!(
            [-3, -2, -1, 0, 1, 2, 3].map(|weight| rounded(weight, 0)),
            [-3, -2, -1, 0, 1, 2, 3]
        );
        assert_eq!(
            [-6, -5, -4, 1, 2, 5, 6].map(|weight| rounded(weight, 2)),
            [-1, -1, -1, 0, 1, 1, 2]
        );
        assert_eq!([i16::MIN, i16::MAX].map(|weight| rounded(weight, 8)), [-128, 128]);
    }

    /// Each input has the finest step that its largest weight allows.
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn the_stored_form_of_what_was_learnt() {
        let shape = find_shape(5, 2, false, 1).unwrap();
        let mut learnt = InitialState::<16>::untrained(shape);
        learnt.state_maps[0] = Adaptive::new(0x1234, 127);
        learnt.state_maps[1] = Adaptive::new(0xffff, 128);
        learnt.state_maps[2] = Adaptive::new(0, 255);
        let columns = [
            [127, -128],
            [128, 0],
            [300, -301],
            [i16::MAX, 127],
            [i16::MIN, 128],
        ];
        for (input, column) in columns.into_iter().enumerate() {
            for row in &mut learnt.weights {
                row.0[input] = 0;
            }
            (learnt.weights[0].0[input], learnt.weights[1].0[input]) = (column[0], column[1]);
        }
        learnt.outer[0] = [1 << 19, -(1 << 19), 31, -1];

        let priors = Priors::of(shape, 0x0102_0304_0506_0708, &learnt);
        let bytes = priors.as_bytes();
        assert_eq!(bytes[..10], *b"CZMP\x01\x05\x02\0\x01\0");
        assert_eq!(bytes[10..18], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes[18..27], [0x34, 0x12, 127, 0xff, 0xff, 127, 0, 0, 127]);
        let shifts = 18 + 3 * (5 * 512 + 2 * 256 + 256);
        assert_eq!(bytes[shifts..shifts + 5], [0, 1, 2, 8, 8]);
        let stored = |row: usize| &bytes[shifts + 16 * (row + 1)..][..5];
        assert_eq!(
            stored(0).iter().map(|&byte| byte as i8).collect::<Vec<_>>(),
            [127, 64, 75, 127, -128]
        );
        assert_eq!(
            stored(1).iter().map(|&byte| byte as i8).collect::<Vec<_>>(),
            [-128, 0, -75, 0, 1]
        );
        assert_eq!(bytes[bytes.len() - 8..], [0xff, 0x7f, 0, 0x80, 1, 0, 0xff, 0xff]);
        assert_eq!(bytes.len(), shifts + 16 * (1 + 256 + 512 + 2) + 8);
        assert_eq!(Priors::from_bytes(bytes), Ok(priors.clone()));

        // Read again, it is what was stored, with the steps' resolution.
        let read: InitialState<16> = priors.initial_state(1, true);
        assert_eq!(
            read.state_maps[..3],
            [(0x1234, 127), (0xffff, 127), (0, 127)].map(|(p, count)| Adaptive::new(p, count))
        );
        assert_eq!(read.weights[0].0[..5], [127, 128, 300, 127 << 8, i16::MIN]);
        assert_eq!(read.outer, [[32_767 << 4, -(1 << 19), 1 << 4, -(1 << 4)]]);
        // For another tree, rows of nodes and symbols are averaged.
        let other: InitialState<16> = priors.initial_state(3, false);
        assert_eq!(
            (other.weights.len(), other.outer),
            (256 + 512 + 6, vec![MEAN_WEIGHTS; 3])
        );
    }
}
