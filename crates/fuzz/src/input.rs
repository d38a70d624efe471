//! Choices and data from a fuzzer's bytes.

use std::io::{self, Read};

/// Takes choices from the front. When nothing is left, every choice is the first.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// A number of 16 bits.
    pub(crate) fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    /// A number below `count`, which is at least 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let number = if count > 256 {
            self.number()
        } else {
            self.byte().into()
        };
        number % count
    }

    /// Bytes, fewer than 256, and no more than are left.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    /// All that is left, but at most so much.
    pub(crate) fn rest(self, max_len: usize) -> &'a [u8] {
        &self.0[..self.0.len().min(max_len)]
    }

    /// A text of all that is left, several times over, of at most this many bytes.
    pub(crate) fn text(mut self, max_len: usize) -> Vec<u8> {
        let times = 1 + self.below(8);
        let mut text = self.rest(max_len).repeat(times);
        text.truncate(max_len);
        text
    }
}

/// A reader that gives out a few bytes at a time and is interrupted now and then, as its pattern says.
pub(crate) struct Trickle<'a, R> {
    pub(crate) inner: R,
    pub(crate) pattern: &'a [u8],
    pub(crate) at: usize,
}

impl<'a, R> Trickle<'a, R> {
    pub(crate) fn new(inner: R, pattern: &'a [u8]) -> Self {
        Self {
            inner,
            pattern,
            at: 0,
        }
    }
}

impl<R: Read> Read for Trickle<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = match self.pattern {
            [] => usize::MAX,
            pattern => pattern[self.at % pattern.len()].into(),
        };
        self.at += 1;
        // Not twice in a row, so reading comes to an end.
        if step == 0 && self.at.is_multiple_of(2) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buffer.len().min(step.max(1));
        self.inner.read(&mut buffer[..len])
    }
}
