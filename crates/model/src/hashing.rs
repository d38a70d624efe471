//! The hash of what a reader gives.

use std::fmt;
use std::io::{self, Read};

use xxhash_rust::xxh3::Xxh3;

/// A reader whose bytes are hashed on their way.
#[derive(Clone)]
pub struct Hashing<R> {
    reader: R,
    hash: Xxh3,
}

impl<R> Hashing<R> {
    /// Hashes what is read from now on.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            hash: Xxh3::new(),
        }
    }

    /// XXH3-128, with the seed 0, of what has been read.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.hash.digest128()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // In pieces that are still in a cache when they are hashed.
        const PIECE: usize = 1 << 18;
        let piece = buffer.len().min(PIECE);
        let count = self.reader.read(&mut buffer[..piece])?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

impl<R: fmt::Debug> fmt::Debug for Hashing<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashing")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}
