//! The cache of keys and values, and attention over it: version 1 over all positions, version 2 over a window.

use super::{Kernels, dispatch};
use crate::attention::AttentionInput;
use crate::cache::KeyValueCache;
use crate::layout::HEAD_DIM;
use crate::sliding::{SlidingAttention, WeightsObserver, WindowInput};
use crate::workspace::Workspace;

impl Kernels {
    /// An empty cache for positions `0..capacity`.
    #[must_use]
    pub fn key_value_cache(self, capacity: usize) -> KeyValueCache {
        KeyValueCache::new(
            self.instruction_set(),
            self.weight_layout(),
            self.value_layout(),
            capacity,
        )
    }

    /// Stores the rotated key and the value of `position`.
    ///
    /// # Panics
    ///
    /// If `position` is not below the capacity, or the cache is of another instruction set.
    pub fn store(
        self,
        cache: &mut KeyValueCache,
        position: usize,
        key: &[i8; HEAD_DIM],
        value: &[i8; HEAD_DIM],
    ) {
        cache.store(self.instruction_set(), position, key, value);
    }

    /// Attention of all heads of one position over the first positions of a cache; `out` is int8 `[heads, 64]`.
    ///
    /// See [`oracle::attend`](crate::oracle::attend) for the arithmetic.
    ///
    /// # Panics
    ///
    /// If there is no position to attend to or more than the capacity, if `queries` or `out` is not as long as the number of
    /// heads wants it, or if the cache is of another instruction set.
    pub fn attend(self, input: AttentionInput<'_>, workspace: &mut Workspace, out: &mut [i8]) {
        input.cache.check(self.instruction_set(), &(0..input.length));
        check_heads(input.attention.heads(), input.queries, out);
        dispatch!(self, attend(input, workspace, out));
    }

    /// Attention of all heads of one position over a window of a cache; `out` is int16 `[heads, 64]`, in 1/16 of a value.
    ///
    /// See [`oracle::attend_window`](crate::oracle::attend_window) for the arithmetic.
    ///
    /// # Panics
    ///
    /// If the window is empty, longer than [`SlidingAttention::MAX_WINDOW`] or exceeds the capacity, if `queries` or `out` is
    /// not as long as the number of heads wants it, or if the cache is of another instruction set.
    pub fn attend_window(
        self,
        input: WindowInput<'_>,
        workspace: &mut Workspace,
        out: &mut [i16],
        observer: WeightsObserver<'_>,
    ) {
        input.cache.check(self.instruction_set(), &input.window);
        assert!(
            input.window.len() <= SlidingAttention::MAX_WINDOW,
            "window {:?}",
            input.window
        );
        check_heads(input.attention.heads(), input.queries, out);
        dispatch!(self, attend_window(input, workspace, out, observer));
    }
}

fn check_heads<T>(heads: usize, queries: &[i8], out: &[T]) {
    assert_eq!(queries.len(), heads * HEAD_DIM, "queries");
    assert_eq!(out.len(), queries.len(), "attention output");
}
