//! The index after a member: how it is made, and how it is compared with the member's segments.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::fields::Header;
use super::segment::SegmentHeader;
use super::varint;

/// The first three bytes of an index.
pub(super) const INDEX_MAGIC: [u8; 3] = [0xfa, b'c', b'i'];

/// The last four bytes of an index.
pub(super) const INDEX_END: [u8; 4] = [b'z', b'i', b'c', 0xfa];

/// Bytes of an index before the length of its body.
pub(super) const START_LEN: u32 = 4;
/// Bytes of its checksum.
pub(super) const CHECKSUM_LEN: u32 = 4;
/// Bytes of its end: its length, and [`INDEX_END`].
pub(super) const FOOTER_LEN: u32 = 8;

/// The length of an index with a body of this many bytes; `None` if 32 bits can't hold it.
pub(super) fn frame_len(body_len: u32) -> Option<u32> {
    body_len.checked_add(START_LEN + varint::len(body_len) + CHECKSUM_LEN + FOOTER_LEN)
}

/// Appends what the index says of a segment.
fn push_entry(segment: &SegmentHeader, bytes: &mut Vec<u8>) {
    varint::push(segment.segment_len(), bytes);
    varint::push(segment.text_len(), bytes);
}

/// Collects an index while its member is written.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    count: u64,
    entries: Vec<u8>,
}

impl IndexBuilder {
    pub(super) fn push(&mut self, segment: &SegmentHeader) {
        self.count += 1;
        push_entry(segment, &mut self.entries);
    }

    /// The index's bytes; `None` if there are fewer than two segments, or too many for it.
    pub(super) fn finish(self, header: &Header) -> Option<Vec<u8>> {
        if self.count < 2 {
            return None;
        }
        let count = u32::try_from(self.count).ok()?;
        let entries_len = u32::try_from(self.entries.len()).ok()?;
        let body_len = entries_len.checked_add(varint::len(count))?;
        let frame_len = frame_len(body_len)?;

        let mut frame = INDEX_MAGIC.to_vec();
        frame.push(header.tag());
        varint::push(body_len, &mut frame);
        varint::push(count, &mut frame);
        frame.extend_from_slice(&self.entries);
        let checksum = xxh3_64(&frame) as u32;
        frame.extend_from_slice(&checksum.to_le_bytes());
        frame.extend_from_slice(&frame_len.to_le_bytes());
        frame.extend_from_slice(&INDEX_END);
        Some(frame)
    }
}

/// What the index of a member must say, without the memory that it would take.
pub(super) struct Expected {
    count: u64,
    entries_len: u64,
    entries: Xxh3,
    scratch: Vec<u8>,
}

impl Expected {
    pub(super) fn new() -> Self {
        Self {
            count: 0,
            entries_len: 0,
            entries: Xxh3::new(),
            scratch: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, segment: &SegmentHeader) {
        self.scratch.clear();
        push_entry(segment, &mut self.scratch);
        self.count += 1;
        self.entries_len += self.scratch.len() as u64;
        self.entries.update(&self.scratch);
    }

    /// Number of segments.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Whether an index with a body of `body_len` bytes, which has `count` entries, has the right sizes.
    pub(super) fn fits(&self, body_len: u32, count: u32) -> bool {
        self.count == u64::from(count)
            && u64::from(body_len) == u64::from(varint::len(count)) + self.entries_len
    }

    /// XXH3-64 of all entries.
    pub(super) fn digest(&self) -> u64 {
        self.entries.digest()
    }
}
