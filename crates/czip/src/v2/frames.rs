//! How long the parts of a czip v2 file are, as its first bytes tell: see sections 6.1 to 6.3 of `docs/spec/czip-v2.md`.

use czip_container::v2::{MAGIC, SegmentHeader};

/// The first three bytes of an index.
const INDEX_MAGIC: [u8; 3] = [0xfa, b'c', b'i'];

/// Bytes of a header without a model id, and those before the length of an index's body.
const START_LEN: usize = 4;

/// Bytes of an index after its body: checksum, length and end.
const INDEX_END_LEN: usize = 12;

/// What some bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins<T> {
    /// A whole part.
    Whole(T),
    /// The beginning of one; more bytes are needed.
    Part,
    /// No such part.
    Other,
}

/// A segment, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its bytes.
    pub(super) len: usize,
    pub(super) text_len: usize,
    /// Whether it is its member's last.
    pub(super) last: bool,
}

/// The length of the header of a member.
pub(super) fn header(bytes: &[u8]) -> Begins<usize> {
    match magic(bytes, MAGIC) {
        Begins::Whole(tag) if tag >> 5 == 2 && (1..=9).contains(&(tag & 15)) => {
            whole(bytes, if tag & 16 == 0 { START_LEN } else { START_LEN + 4 })
        }
        Begins::Part => Begins::Part,
        _ => Begins::Other,
    }
}

/// The segment.
pub(super) fn segment(bytes: &[u8]) -> Begins<Frame> {
    let (kind, kind_len) = match number(bytes) {
        Begins::Whole(number) => number,
        Begins::Part => return Begins::Part,
        Begins::Other => return Begins::Other,
    };
    let text_len = match number(&bytes[kind_len..]) {
        Begins::Whole((number, _)) => number,
        Begins::Part => return Begins::Part,
        Begins::Other => return Begins::Other,
    };
    let Ok(header) = SegmentHeader::from_numbers(kind, text_len) else {
        return Begins::Other;
    };
    match whole(bytes, header.segment_len() as usize) {
        Begins::Whole(len) => Begins::Whole(Frame {
            len,
            text_len: header.text_len() as usize,
            last: header.last(),
        }),
        _ => Begins::Part,
    }
}

/// The length of an index, which may be malformed.
pub(super) fn index(bytes: &[u8]) -> Begins<usize> {
    match magic(bytes, INDEX_MAGIC) {
        Begins::Whole(_) => {}
        Begins::Part => return Begins::Part,
        Begins::Other => return Begins::Other,
    }
    match number(&bytes[START_LEN..]) {
        Begins::Whole((body_len, len)) => whole(bytes, START_LEN + len + body_len as usize + INDEX_END_LEN),
        Begins::Part => Begins::Part,
        // The decoder says what is wrong.
        Begins::Other => Begins::Whole(bytes.len()),
    }
}

fn whole(bytes: &[u8], len: usize) -> Begins<usize> {
    if bytes.len() < len {
        Begins::Part
    } else {
        Begins::Whole(len)
    }
}

/// The tag after three bytes.
fn magic(bytes: &[u8], magic: [u8; 3]) -> Begins<u8> {
    let len = bytes.len().min(magic.len());
    match bytes.get(magic.len()) {
        _ if bytes[..len] != magic[..len] => Begins::Other,
        Some(&tag) => Begins::Whole(tag),
        None => Begins::Part,
    }
}

/// A number and its length.
fn number(bytes: &[u8]) -> Begins<(u32, usize)> {
    const MAX_LEN: usize = 5;
    let mut number: u64 = 0;
    for (at, &byte) in bytes.iter().take(MAX_LEN).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return u32::try_from(number).map_or(Begins::Other, |number| Begins::Whole((number, at + 1)));
        }
    }
    if bytes.len() < MAX_LEN {
        Begins::Part
    } else {
        Begins::Other
    }
}
