//! The positions of the tokens of a text: a token in, the row that takes it out. Texts may be longer than a model's
//! context.

use crate::{AnyCache, AnyScratch, AnyTransformer, Row};

/// The positions of one sequence of any length.
///
/// Models of version 1 have a bounded number of positions. When all are taken, the sequence is laid out again: the
/// start token goes to position 0 and the newest tokens follow it. Their keys and values are computed once more, which
/// costs next to nothing in a model of one layer and part of a forward pass in others. What is predicted then depends
/// only on the tokens since that start, on every machine. Models of version 2 have positions without end.
#[derive(Clone, Debug)]
pub struct Window {
    start_token: u32,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Bounded {
        length: usize,
        kept: usize,
        /// The tokens taken since the window was laid out, without the start token.
        tokens: Vec<u32>,
    },
    Endless {
        /// Tokens taken after the start token.
        taken: usize,
    },
}

impl Window {
    /// A sequence that has seen nothing yet, with `length` positions, of which the newest `kept` tokens stay when all
    /// are taken.
    ///
    /// # Panics
    ///
    /// If there is no room for a token beyond the start token and those that stay.
    #[must_use]
    pub fn new(start_token: u32, length: usize, kept: usize) -> Self {
        assert!(kept + 1 < length, "window of {length} keeping {kept}");
        let tokens = Vec::with_capacity(length);
        Self {
            start_token,
            kind: Kind::Bounded { length, kept, tokens },
        }
    }

    /// A sequence that has seen nothing yet, with positions without end.
    fn endless(start_token: u32) -> Self {
        Self {
            start_token,
            kind: Kind::Endless { taken: 0 },
        }
    }

    /// Begins another sequence.
    pub fn restart(&mut self) {
        match &mut self.kind {
            Kind::Bounded { tokens, .. } => tokens.clear(),
            Kind::Endless { taken } => *taken = 0,
        }
    }

    /// Positions that are free before the window has to move.
    #[must_use]
    pub fn free(&self) -> usize {
        match &self.kind {
            Kind::Bounded { length, tokens, .. } => length - 1 - tokens.len(),
            Kind::Endless { taken } => usize::MAX - 1 - taken,
        }
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

    /// The row that takes `token` and predicts the next. If no position is free, it first moves the window: it fills
    /// the cache of `sequence` again, and the logits in `scratch` are lost.
    pub fn next(
        &mut self,
        sequence: usize,
        token: u32,
        transformer: &AnyTransformer,
        caches: &mut [AnyCache],
        scratch: &mut AnyScratch,
    ) -> Row {
        let full = self.free() == 0;
        let position = match &mut self.kind {
            Kind::Bounded { kept, tokens, .. } => {
                if full {
                    tokens.drain(..tokens.len() - *kept);
                    let mut rows = Vec::with_capacity(scratch.capacity());
                    let kept = std::iter::once(&self.start_token).chain(&*tokens);
                    for (position, &token) in kept.enumerate() {
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
                tokens.push(token);
                tokens.len()
            }
            Kind::Endless { taken } => {
                *taken += 1;
                *taken
            }
        };
        Row {
            sequence,
            position,
            token,
        }
    }
}

impl AnyTransformer {
    /// The positions of a text of any length. In a model without a window they stay within `length`, and when all are taken
    /// the newest `kept` tokens are laid out again from position 0; in one with a window they go on without end.
    ///
    /// # Panics
    ///
    /// If the model has no window, and `length` has no room for a token beyond the start token and those that are kept.
    #[must_use]
    pub fn window(&self, start_token: u32, length: usize, kept: usize) -> Window {
        match self.config().window {
            None => Window::new(start_token, length, kept),
            Some(_) => Window::endless(start_token),
        }
    }
}
