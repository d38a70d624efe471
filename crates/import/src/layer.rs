//! A layer in floats: as its source has it, and turned.

use crate::error::Error;
use crate::net::Net;
use crate::rows::Rows;
use crate::store::{LayerRole, Role};
use crate::turn::Turn;

/// A layer. The pairs of rotated elements of queries and keys are `i` and `i + R/2`.
#[derive(Clone, Debug)]
pub(crate) struct FloatLayer {
    /// Gains of the norm before attention, `[d]`.
    pub(crate) attention_gains: Vec<f32>,
    /// `[H h, d]`, `[G h, d]`, `[G h, d]`.
    pub(crate) queries_keys_values: [Rows; 3],
    /// Biases of these, each a column.
    pub(crate) biases: Option<[Rows; 3]>,
    /// Gains of the norms of queries and of keys, `[h]`.
    pub(crate) head_gains: Option<[Vec<f32>; 2]>,
    /// `[d, H h]`.
    pub(crate) out: Rows,
    /// Gains of the norm before the feed-forward network, `[d]`.
    pub(crate) feed_forward_gains: Vec<f32>,
    /// `[F, d]` each.
    pub(crate) gate_up: [Rows; 2],
    /// `[d, F]`.
    pub(crate) down: Rows,
}

impl FloatLayer {
    pub(crate) fn read(net: &Net, index: usize) -> Result<Self, Error> {
        let read = |role| net.store.read(Role::Layer(index, role));
        let column = |role| {
            let mut rows = read(role)?;
            rows.cols = 1;
            Ok::<_, Error>(rows)
        };
        let mut layer = Self {
            attention_gains: read(LayerRole::AttentionNorm)?.numbers,
            queries_keys_values: [
                read(LayerRole::Query)?,
                read(LayerRole::Key)?,
                read(LayerRole::Value)?,
            ],
            biases: if net.config.qkv_bias {
                Some([
                    column(LayerRole::QueryBias)?,
                    column(LayerRole::KeyBias)?,
                    column(LayerRole::ValueBias)?,
                ])
            } else {
                None
            },
            head_gains: if net.config.head_norms {
                Some([
                    read(LayerRole::QueryNorm)?.numbers,
                    read(LayerRole::KeyNorm)?.numbers,
                ])
            } else {
                None
            },
            out: read(LayerRole::Out)?,
            feed_forward_gains: read(LayerRole::FeedForwardNorm)?.numbers,
            gate_up: [read(LayerRole::Gate)?, read(LayerRole::Up)?],
            down: read(LayerRole::Down)?,
        };
        if net.pairs_are_adjacent {
            let (h, rotated) = (net.config.head_dim, net.config.rotary_dim);
            let biases = layer.biases.iter_mut().flat_map(|biases| &mut biases[..2]);
            for rows in layer.queries_keys_values[..2].iter_mut().chain(biases) {
                *rows = rows.reordered(|row| adjacent_place(row, h, rotated));
            }
        }
        Ok(layer)
    }

    /// Moves the gains of norms into the columns of the matrices that follow, and turns the residual around them, and the
    /// values of each head between `value` and `out`.
    pub(crate) fn fold_and_turn(&mut self, turn: &Turn, head_turn: &Turn) {
        let [_, _, values] = &mut self.queries_keys_values;
        values.turn_columns(head_turn);
        if let Some([_, _, value_bias]) = &mut self.biases {
            value_bias.turn_columns(head_turn);
        }
        self.out.turn(head_turn);
        for rows in &mut self.queries_keys_values {
            rows.fold_and_turn(&self.attention_gains, turn);
        }
        self.out.turn_columns(turn);
        for rows in &mut self.gate_up {
            rows.fold_and_turn(&self.feed_forward_gains, turn);
        }
        self.down.turn_columns(turn);
        self.attention_gains.fill(1.0);
        self.feed_forward_gains.fill(1.0);
    }
}

/// Where row `row` of queries or keys is in a source whose pairs are adjacent: `i` and `i + R/2` of a head are at `2 i` and
/// `2 i + 1`.
const fn adjacent_place(row: usize, head_dim: usize, rotary_dim: usize) -> usize {
    let (start, at, half) = (row - row % head_dim, row % head_dim, rotary_dim / 2);
    if at >= rotary_dim {
        row
    } else {
        start + at % half * 2 + at / half
    }
}

#[cfg(test)]
mod tests {
    use super::adjacent_place;

    #[test]
    fn pairs_are_half_a_head_apart() {
        let places = |h, rotated| {
            (0..2 * h)
                .map(|row| adjacent_place(row, h, rotated))
                .collect::<Vec<_>>()
        };
        assert_eq!(places(6, 6), [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
        assert_eq!(places(6, 4), [0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11]);
    }
}
