//! Bytes that have arrived and are not read yet.

use std::io::{self, Read};

/// A reader of what is pushed to it.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
    /// Of these, how many were read.
    read: usize,
}

impl Pending {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    pub(crate) fn skip(&mut self, len: usize) {
        self.read = self.bytes.len().min(self.read + len);
    }
}

impl Read for Pending {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.rest().len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.rest()[..len]);
        self.skip(len);
        Ok(len)
    }
}
