//! Texts longer than a model's context: a window that moves on without forgetting all.

use crate::{Cache, Row, Scratch, Transformer};

/// The positions of one sequence of any length, within a bounded number of them.
///
/// Rotary embeddings need a position, and there are only as many as the model has. When all are taken, the sequence is
/// laid anew: position 0 has the start token, and the newest tokens follow it. Their keys and values are computed once
/// more, which costs next to nothing in a model of one layer and a part of a forward pass in others; what is predicted
/// then depends on the tokens since that start alone, on every machine.
#[derive(Clone, Debug)]
pub struct Window {
    start_token: u16,
    length: usize,
    kept: usize,
    /// The tokens that have been taken since the window was laid, without the start token.
    tokens: Vec<u16>,
}

impl Window {
    /// A sequence that has seen nothing yet, with `length` positions, of which the newest `kept` tokens stay when all
    /// are taken.
    ///
    /// # Panics
    ///
    /// If there is no room for a token besides the start token and those that stay.
    #[must_use]
    pub fn new(start_token: u16, length: usize, kept: usize) -> Self {
        assert!(kept + 1 < length, "window of {length} keeping {kept}");
        Self {
            start_token,
            length,
            kept,
            tokens: Vec::with_capacity(length),
        }
    }

    /// Begins another sequence.
    pub fn restart(&mut self) {
        self.tokens.clear();
    }

    /// Positions that are free before the window has to move.
    #[must_use]
    pub fn free(&self) -> usize {
        self.length - 1 - self.tokens.len()
    }

    /// The row that predicts a sequence's first token.
    #[must_use]
    pub fn first(&self, sequence: usize) -> Row {
        Row {
            sequence,
            position: 0,
            token: self.start_token,
        }
    }

    /// The row that takes `token` and predicts the next. Where no position is free it moves the window first: it lays
    /// the cache of `sequence` anew, and the logits in `scratch` are gone.
    pub fn next(
        &mut self,
        sequence: usize,
        token: u16,
        transformer: &Transformer,
        caches: &mut [Cache],
        scratch: &mut Scratch,
    ) -> Row {
        if self.free() == 0 {
            self.tokens.drain(..self.tokens.len() - self.kept);
            let mut rows = Vec::with_capacity(scratch.capacity());
            let tokens = std::iter::once(&self.start_token).chain(&self.tokens);
            for (position, &token) in tokens.enumerate() {
                rows.push(Row {
                    sequence,
                    position,
                    token,
                });
                if rows.len() == scratch.capacity() {
                    transformer.remember(&rows, caches, scratch);
                    rows.clear();
                }
            }
            transformer.remember(&rows, caches, scratch);
        }
        self.tokens.push(token);
        Row {
            sequence,
            position: self.tokens.len(),
            token,
        }
    }
}
