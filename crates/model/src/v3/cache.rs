//! The keys and values of a sequence: a ring of the newest positions, and the first ones, which stay.

use std::ops::Range;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use czip_fixed::Factor;
use czip_kernels::{HEAD_DIM, Kernels, KeyValueCache};

use super::{Config, MAX_BATCH};
use crate::slot::CacheSlot;

/// Positions that kernels handle together.
pub(super) const POSITION_GROUP: usize = 16;

/// The most first positions that stay: a group of places.
const SINKS: usize = POSITION_GROUP;

/// The keys and values of one sequence in every layer.
///
/// A position takes the place of one that no window reaches any more, so a text may be of any length. Nothing has to be
/// undone before another token is taken at a position.
#[derive(Debug)]
pub struct Cache {
    pub(super) layers: Vec<RwLock<Vec<HeadCache>>>,
}

/// The keys and values of one key-value head, int8 `[places, h]`, with the factors of their units.
#[derive(Clone, Debug)]
pub(super) struct HeadCache {
    /// For each 64 elements of a head, the last of which may be padding.
    pub(super) parts: Vec<KeyValueCache>,
    pub(super) keys: Factors,
    pub(super) values: Factors,
}

/// Factors of vectors, `[places]`.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    pub(super) mantissas: Vec<u16>,
    pub(super) exponents: Vec<u8>,
}

impl Factors {
    fn new(len: usize) -> Self {
        Self {
            mantissas: vec![0; len],
            exponents: vec![0; len],
        }
    }

    fn set(&mut self, place: usize, factor: Factor) {
        self.mantissas[place] = factor.mantissa;
        self.exponents[place] = factor.exponent;
    }
}

/// Places of the ring.
pub(super) const fn ring_len(config: &Config) -> usize {
    // The rows of a batch reach back as far as a window before the first of them.
    (config.window + MAX_BATCH).next_multiple_of(POSITION_GROUP)
}

/// Parts of a head that kernels handle as heads of their own.
pub(super) const fn head_parts(config: &Config) -> usize {
    config.head_dim.div_ceil(HEAD_DIM)
}

impl Cache {
    pub(super) fn new(kernels: Kernels, config: &Config) -> Self {
        let places = ring_len(config) + SINKS;
        let head = || HeadCache {
            parts: (0..head_parts(config))
                .map(|_| kernels.key_value_cache(places))
                .collect(),
            keys: Factors::new(places),
            values: Factors::new(places),
        };
        let layer = |_| RwLock::new((0..config.kv_heads).map(|_| head()).collect());
        Self {
            layers: (0..config.layers).map(layer).collect(),
        }
    }

    /// The most bytes that a cache takes, on any machine.
    pub(super) const fn len(config: &Config) -> usize {
        let places = ring_len(config) + SINKS;
        // A key is int8; a value is int8 or widened to 16 bits. Two factors of three bytes.
        config.layers * config.kv_heads * places * (head_parts(config) * 3 * HEAD_DIM + 6)
    }

    pub(super) fn read(&self, layer: usize) -> RwLockReadGuard<'_, Vec<HeadCache>> {
        self.layers[layer].read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self, layer: usize) -> RwLockWriteGuard<'_, Vec<HeadCache>> {
        self.layers[layer].write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Cache {
    fn clone(&self) -> Self {
        Self {
            layers: (0..self.layers.len())
                .map(|layer| RwLock::new(self.read(layer).clone()))
                .collect(),
        }
    }
}

impl CacheSlot<Self> for Cache {
    fn cache(&self) -> &Self {
        self
    }

    fn cache_mut(&mut self) -> &mut Self {
        self
    }
}

impl HeadCache {
    /// Stores the key and the value of a position, int8 `[parts * 64]` each.
    pub(super) fn store(
        &mut self,
        kernels: Kernels,
        config: &Config,
        position: usize,
        (key, key_unit): (&[i8], Factor),
        (value, value_unit): (&[i8], Factor),
    ) {
        let ring = ring_len(config);
        let sink = (position < config.sinks).then_some(ring + position);
        for place in [Some(position % ring), sink].into_iter().flatten() {
            let vectors = key
                .as_chunks::<HEAD_DIM>()
                .0
                .iter()
                .zip(value.as_chunks::<HEAD_DIM>().0);
            for (part, (key, value)) in self.parts.iter_mut().zip(vectors) {
                kernels.store(part, place, key, value);
            }
            self.keys.set(place, key_unit);
            self.values.set(place, value_unit);
        }
    }
}

/// Places that are attended to, and whether those of sinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) places: Range<usize>,
    pub(super) of_sinks: bool,
}

impl Span {
    /// The places of whole groups around it.
    pub(super) fn groups(&self) -> Range<usize> {
        let first = self.places.start / POSITION_GROUP * POSITION_GROUP;
        first..self.places.end.next_multiple_of(POSITION_GROUP)
    }

    /// Where its places are among those of its groups.
    pub(super) fn inner(&self) -> Range<usize> {
        let first = self.groups().start;
        self.places.start - first..self.places.end - first
    }
}

/// What a position attends to: its window, in one or two spans, and the sinks outside of it.
pub(super) fn spans(config: &Config, position: usize) -> impl Iterator<Item = Span> + use<> {
    let ring = ring_len(config);
    let low = (position + 1).saturating_sub(config.window);
    let (start, len) = (low % ring, position + 1 - low);
    let first = start..(start + len).min(ring);
    let second = 0..(start + len).saturating_sub(ring);
    let sinks = ring..ring + config.sinks.min(low);
    let span = |places: Range<usize>, of_sinks| Span { places, of_sinks };
    [span(first, false), span(second, false), span(sinks, true)]
        .into_iter()
        .filter(|span| !span.places.is_empty())
}
