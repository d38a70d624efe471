//! A binary range coder: one bit at a time, each with a probability of its own.
//!
//! This is range coding (Martin, "Range encoding", 1979) of two symbols, with whole bytes as output, in the way of
//! Schindler's range coder and LZMA's. It differs from LZMA's in three points: a probability has 16 bits and is used in
//! full, no byte goes to waste at the start, and the message ends as early as it can. The rules are in
//! `docs/spec/czip-v2.md`.
//!
//! # State
//!
//! A message is a number in [0, 1), written to base 256, and every bit narrows the interval the number lies in. After
//! `n` bytes have settled, the interval is `low..low + range` in units of 256^-(n + 4). `range` has 32 bits, and at
//! first `n = 0`, `low = 0` and `range = 2^32 - 1`. A bit that is true with the probability `p`, in Q0.16, splits the
//! interval at
//!
//! ```text
//! bound = floor(range * p / 2^16)
//! ```
//!
//! A true bit takes the lower part, `bound` units, and a false one the rest.
//!
//! # Renormalisation
//!
//! While `range` is below 2^24, it is multiplied by 256, `low` with it, and `n` grows by one. So `range` is at least
//! 2^24 before every bit, and as `p` is 1 to 65,535, each part has at least 2^8 units. Two rounds are thus always
//! enough, and what rounding can cost is in proportion to the rarity of a bit: a part of the share `q` is off by less
//! than one unit out of `q * 2^24`.
//!
//! # Carries
//!
//! `low` grows, so a byte that has left its lowest four may still change, by a carry. The encoder keeps up to 24 bits
//! above the lowest 32, and one for the carry, in a word of 64. When two bytes leave the word, a carry found above them
//! is added to the bytes written before: those that are 0xFF become 0, and the one before them grows by one. One bit is
//! enough, as an interval that lies across a carry only shrinks. There is always a byte to take the carry, for the
//! whole message stays below 1.
//!
//! # The end
//!
//! The decoder reads zeros past the end, so the encoder writes the shortest bytes that name a number in the final
//! interval: a multiple of 2^32 if it holds one, with trailing zeros left out, and else its lowest multiple of 2^24,
//! which there always is. An empty message takes no byte, and the end of another takes at most one byte beyond the `n`
//! settled.
//!
//! For each sequence of bits and probabilities there is thus exactly one right sequence of bytes, and the decoder can
//! check that it has been given this one.

use std::hint::select_unpredictable;

/// Below this the range is renormalised.
const MIN_RANGE: u32 = 1 << 24;

/// The interval's range at the start of a message.
const FULL_RANGE: u32 = u32::MAX;

/// Units of the part of a true bit, which `p` is the probability of.
#[inline(always)]
fn bound(range: u32, p: u16) -> u32 {
    debug_assert!(p != 0, "a probability of 0");
    ((u64::from(range) * u64::from(p)) >> 16) as u32
}

/// How many bits, 8 or 16, a range of 2^8 to 2^24 - 1 must move up to be at least 2^24.
#[inline(always)]
fn settled_bits(range: u32) -> u32 {
    debug_assert!((1 << 8..MIN_RANGE).contains(&range), "a range of {range}");
    range.leading_zeros() & 24
}

/// Turns bits into bytes.
///
/// ```
/// use czip_coder::binary::{Decoder, Encoder};
///
/// // Seven of eight bits are true, and the coder knows: 0.54 bits each, in place of 1.
/// let p = 57_344;
/// let message: Vec<bool> = (0..1000).map(|i| i % 8 != 5).collect();
/// let mut encoder = Encoder::new();
/// for &bit in &message {
///     encoder.encode(bit, p);
/// }
/// let bytes = encoder.finish();
/// assert_eq!(bytes.len(), 68);
///
/// let mut decoder = Decoder::new(&bytes);
/// assert!(message.iter().all(|&bit| decoder.decode(p) == bit));
/// assert_eq!(decoder.finish(), Ok(()));
/// ```
#[derive(Clone, Debug)]
pub struct Encoder {
    /// The lowest `32 + held` bits of the interval's lower end, and above them a carry if there is one.
    low: u64,
    range: u32,
    /// Bits of `low` that have settled but for a carry: 0 or 8 between calls.
    held: u32,
    bytes: Vec<u8>,
    /// Length of `bytes` when the message began.
    start: usize,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder at the start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::from_vec(Vec::new())
    }

    /// An encoder at the start of a message that appends its bytes to `bytes`.
    ///
    /// Pass an empty vector with capacity to reuse an allocation, or one that holds other data; those stay as they are.
    /// The coder itself does not mark where a message begins or ends.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self {
            low: 0,
            range: FULL_RANGE,
            held: 0,
            start: bytes.len(),
            bytes,
        }
    }

    /// Codes `bit`, where `p` is the probability of a true bit in Q0.16, 1 to 65,535.
    ///
    /// Debug builds assert that `p` is not 0; release builds then write bytes that do not decode to the message.
    #[inline]
    pub fn encode(&mut self, bit: bool, p: u16) {
        let bound = bound(self.range, p);
        let range = select_unpredictable(bit, bound, self.range - bound);
        let low = self.low + u64::from(select_unpredictable(bit, 0, bound));
        (self.low, self.range) = (low, range);
        // Bytes settle seldom enough for a branch to be cheaper than shifts that mostly do nothing.
        if range < MIN_RANGE {
            let settled = settled_bits(range);
            self.range = range << settled;
            self.low = low << settled;
            self.held += settled;
            // At most 8 bits were held and 16 came: with 32 below and the carry, 57 bits are in use.
            if self.held >= 16 {
                self.write_two();
            }
        }
    }

    /// Ends the message and returns the vector with its bytes appended, perhaps none.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let round_up = |unit: u64| (self.low + (unit - 1)) & !(unit - 1);
        let end = self.low + u64::from(self.range);
        let coarse = round_up(1 << 32);
        let number = if coarse < end {
            coarse
        } else {
            round_up(MIN_RANGE.into())
        };

        // The carry, then the bytes held and those of the window, of which only the first can be more than 0.
        let number = number << (24 - self.held);
        if number >> 56 != 0 {
            self.carry();
        }
        self.bytes
            .extend_from_slice(&number.to_be_bytes()[1..][..self.held as usize / 8 + 1]);
        let zeros = self.bytes[self.start..]
            .iter()
            .rev()
            .take_while(|&&byte| byte == 0)
            .count();
        self.bytes.truncate(self.bytes.len() - zeros);
        self.bytes
    }

    /// Writes the highest two of the two or three bytes held.
    #[inline]
    fn write_two(&mut self) {
        let below = 16 + self.held;
        let top = (self.low >> below) as u32;
        if top >> 16 != 0 {
            self.carry();
        }
        self.bytes.extend_from_slice(&(top as u16).to_be_bytes());
        self.low &= (1 << below) - 1;
        self.held -= 16;
    }

    /// Adds one to the bytes written.
    #[cold]
    fn carry(&mut self) {
        for byte in self.bytes[self.start..].iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }
}

/// Turns bytes back into bits.
///
/// Any bytes decode to some bits, and never fail on the way; [`finish`](Self::finish) tells whether an encoder would
/// have written them.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    /// The message less `low`. The upper 32 bits are in the units of `range`, and less than it unless the data begin
    /// with four bytes 0xFF, which no encoder writes. Of the lower 32 the first `ahead` are bits of the message that
    /// follow, and the rest are zeros.
    offset: u64,
    range: u32,
    /// 16 to 32 between calls.
    ahead: u32,
    data: &'a [u8],
    /// The end of `data`, from the first byte that is not in `offset` on.
    rest: &'a [u8],
    /// Bytes settled so far, those past the end of `data` included.
    settled: u64,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of the message in `data`.
    ///
    /// `data` must be the bytes of this message alone: past their end the decoder reads zeros, as many as it needs.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        let (first, rest) = data.split_at(data.len().min(8));
        let mut word = [0; 8];
        word[..first.len()].copy_from_slice(first);
        let offset = u64::from_be_bytes(word);
        Self {
            offset,
            range: FULL_RANGE,
            ahead: 32,
            data,
            rest,
            settled: 0,
        }
    }

    /// The next bit, where `p` is the probability of a true bit in Q0.16, 1 to 65,535: the same that it was encoded
    /// with.
    ///
    /// Debug builds assert that `p` is not 0; in release builds all that is decoded afterwards is then wrong.
    #[inline]
    pub fn decode(&mut self, p: u16) -> bool {
        let bound = bound(self.range, p);
        let split = u64::from(bound) << 32;
        let bit = self.offset < split;
        let range = select_unpredictable(bit, bound, self.range - bound);
        let offset = self.offset - select_unpredictable(bit, 0, split);
        (self.offset, self.range) = (offset, range);
        if range < MIN_RANGE {
            let settled = settled_bits(range);
            self.range = range << settled;
            self.offset = offset << settled;
            self.ahead -= settled;
            self.settled += u64::from(settled / 8);
            if self.ahead < 16 {
                self.read_two();
            }
        }
        bit
    }

    /// Appends two bytes to the one that is ahead, or to none.
    #[inline]
    fn read_two(&mut self) {
        let word = match self.rest.split_first_chunk() {
            Some((word, rest)) => {
                self.rest = rest;
                u16::from_be_bytes(*word)
            }
            None => self.read_end(),
        };
        self.offset |= u64::from(word) << (16 - self.ahead);
        self.ahead += 16;
    }

    /// The last byte of the data and a zero, or two zeros.
    #[cold]
    fn read_end(&mut self) -> u16 {
        let word = self.rest.first().map_or(0, |&byte| u16::from(byte) << 8);
        self.rest = &[];
        word
    }

    /// Ends decoding, and checks that the data are what [`Encoder::finish`] gives for the bits decoded.
    ///
    /// They are when no shorter data decode to the same bits, and no lower byte could be their last. That is exact, but
    /// no checksum: data that were cut short are, as a rule, the right ones for the other bits that they decode to.
    pub fn finish(self) -> Result<(), DecodeError> {
        // The one number the first interval does not hold. What such data decode to depends on nothing.
        if self.data.starts_with(&FULL_RANGE.to_be_bytes()) {
            return Err(DecodeError::End { offset: 0 });
        }
        let found = self.data.len();
        let settled = usize::try_from(self.settled).map_or(found, |settled| settled.min(found));
        let (prefix, window) = self.data.split_at(settled);
        let window = (0..4).fold(0, |word, i| word << 8 | u32::from(*window.get(i).unwrap_or(&0)));
        let low = window.wrapping_sub((self.offset >> 32) as u32);

        if low == 0 || low.checked_add(self.range - 1).is_none() {
            // The interval holds a multiple of 2^32: either the prefix and zeros, or, if the data are below it, the
            // prefix plus one.
            let below = low != 0 && window >= low;
            let zero = if below { 0xff } else { 0 };
            let expected = prefix
                .iter()
                .rposition(|&byte| byte != zero)
                .map_or(0, |last| last + 1);
            return if found == expected {
                Ok(())
            } else {
                Err(DecodeError::Length { expected, found })
            };
        }
        // Here `low` is more than 0, and so is the data's window: there is a byte after those settled.
        let expected = settled + 1;
        if found != expected {
            return Err(DecodeError::Length { expected, found });
        }
        if window != low.next_multiple_of(MIN_RANGE) {
            return Err(DecodeError::End { offset: settled });
        }
        Ok(())
    }
}

/// How data differ from what an encoder writes for the bits decoded from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Fewer bytes would do.
    #[error("{found} bytes of coded data, but the bits decoded from them take {expected}")]
    Length {
        /// Bytes that an encoder writes for these bits.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The last byte is not the lowest that would do, or the data name a number that no message has.
    #[error("coded data do not end as an encoder ends them at byte {offset}")]
    End {
        /// Number of bytes before the one in question.
        offset: usize,
    },
}
