//! Where the forward passes find the caches of their sequences.

/// A place that holds the cache of one sequence: a cache of type `C` itself, or an [`AnyCache`](crate::AnyCache).
///
/// The caches of this crate implement it, for [`forward`](crate::v2::Transformer::forward) of either version.
pub trait CacheSlot<C> {
    /// The cache.
    ///
    /// # Panics
    ///
    /// If this is an [`AnyCache`](crate::AnyCache) of a model of another version.
    fn cache(&self) -> &C;

    /// The cache.
    ///
    /// # Panics
    ///
    /// As [`CacheSlot::cache`].
    fn cache_mut(&mut self) -> &mut C;
}
