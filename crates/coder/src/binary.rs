//! A binary range coder: bits and their probabilities (uint16, Q0.16) in, bytes out, and back.
//!
//! This is range coding (Martin, "Range encoding", 1979) with two symbols and whole bytes as output, like Schindler's range
//! coder and LZMA's. It differs from LZMA's in three points: all 16 bits of a probability are used, no byte is wasted at
//! the start, and the message ends as early as possible. The rules are in `docs/spec/czip-v2.md`.
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
//! 2^24 before every bit, and since `p` is 1 to 65,535, each part has at least 2^8 units. Two rounds are therefore
//! always enough. The cost of rounding is bounded in proportion to the rarity of a bit: a part with the share `q` is off by
//! less than one unit out of `q * 2^24`.
//!
//! # Carries
//!
//! `low` grows, so a carry may still change a byte that has moved above its lowest four. The encoder keeps up to 24 bits
//! above the lowest 32, and one for the carry, in a 64-bit register. When two bytes leave the register, a carry found above
//! them is added to the bytes written before: those that are 0xFF become 0, and the one before them grows by one. One bit
//! is enough, since an interval that spans a carry only shrinks. There is always a byte to take the carry, since the whole
//! message stays below 1.
//!
//! # The end
//!
//! The decoder reads zeros past the end, so the encoder writes the shortest bytes that name a number in the final
//! interval: a multiple of 2^32 if there is one in it, without trailing zeros, or else the lowest multiple of 2^24, which
//! always exists. An empty message takes no bytes, and the end of any other takes at most one byte beyond the `n` settled.
//!
//! Each sequence of bits and probabilities therefore has exactly one valid encoding, and the decoder can check that it has
//! been given this one.

use std::hint::select_unpredictable;

/// Below this the range is renormalised.
const MIN_RANGE: u32 = 1 << 24;

/// The interval's range at the start of a message.
const FULL_RANGE: u32 = u32::MAX;

/// The size of a true bit's part, where `p` is its probability.
#[inline(always)]
fn bound(range: u32, p: u16) -> u32 {
    debug_assert!(p != 0, "a probability of 0");
    ((u64::from(range) * u64::from(p)) >> 16) as u32
}

/// By how many bits, 8 or 16, a range of 2^8 to 2^24 - 1 must move up to be at least 2^24.
#[inline(always)]
fn settled_bits(range: u32) -> u32 {
    debug_assert!((1 << 8..MIN_RANGE).contains(&range), "a range of {range}");
    range.leading_zeros() & 24
}

/// The first `N` bytes; past the end of the data they are zeros.
fn padded<const N: usize>(data: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| data.get(i).copied().unwrap_or(0))
}

/// Turns bits into bytes.
///
/// ```
/// use czip_coder::binary::{Decoder, Encoder};
///
/// // Seven of eight bits are true, and the coder knows it: 0.54 bits each instead of 1.
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
    /// Bits of `low` that have settled except for a carry: 0 or 8 between calls.
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
    /// Pass an empty vector with capacity to reuse an allocation, or one that holds other data, which is kept. The coder
    /// does not mark where a message begins or ends.
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
    /// `p` must not be 0: debug builds assert it, and release builds write bytes that do not decode to the message.
    #[inline]
    pub fn encode(&mut self, bit: bool, p: u16) {
        let bound = bound(self.range, p);
        let range = select_unpredictable(bit, bound, self.range - bound);
        let low = self.low + u64::from(select_unpredictable(bit, 0, bound));
        (self.low, self.range) = (low, range);
        // Bytes settle seldom enough for a branch to be cheaper than shifts that mostly do nothing.
        if range >> 24 == 0 {
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
/// Any bytes decode to some bits without an error; [`finish`](Self::finish) tells whether an encoder would have written
/// them.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    /// The message minus `low`. The upper 32 bits are in the units of `range`, and below it unless the data begin with
    /// four bytes of 0xFF, which no encoder writes. Of the lower 32, the first `ahead` are the bits of the message that
    /// follow, and the rest are zeros.
    offset: u64,
    range: u32,
    /// 16 to 32 between calls.
    ahead: u32,
    data: &'a [u8],
    /// The end of `data`, from the first byte that is not in `offset` on.
    rest: &'a [u8],
    /// Bytes settled so far, including those past the end of `data`.
    settled: u64,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of the message in `data`.
    ///
    /// `data` must hold this message and nothing else: past its end the decoder reads as many zeros as it needs.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self {
            offset: u64::from_be_bytes(padded(data)),
            range: FULL_RANGE,
            ahead: 32,
            data,
            rest: data.get(8..).unwrap_or_default(),
            settled: 0,
        }
    }

    /// The next bit, where `p` is the probability of a true bit in Q0.16, 1 to 65,535: the one it was encoded with.
    ///
    /// `p` must not be 0: debug builds assert it, and in release builds everything decoded afterwards is wrong.
    #[inline]
    pub fn decode(&mut self, p: u16) -> bool {
        let bound = bound(self.range, p);
        let split = u64::from(bound) << 32;
        let bit = self.offset < split;
        let range = select_unpredictable(bit, bound, self.range - bound);
        let offset = self.offset - select_unpredictable(bit, 0, split);
        (self.offset, self.range) = (offset, range);
        if range >> 24 == 0 {
            let settled = settled_bits(range);
            self.range = range << settled;
            self.offset = offset << settled;
            self.ahead -= settled;
            self.settled += u64::from(settled / 8);
            // One byte or none is left.
            if self.ahead <= 8 {
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

    /// Ends decoding, and checks that the data are what [`Encoder::finish`] returns for the bits decoded.
    ///
    /// This is exact, but it is not a checksum: data that were cut short are usually the right ones for the other bits
    /// that they decode to.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if shorter data decode to the same bits, or a lower last byte does.
    pub fn finish(self) -> Result<(), DecodeError> {
        // The only number outside the first interval. What such data decode to has no meaning.
        if self.data.starts_with(&FULL_RANGE.to_be_bytes()) {
            return Err(DecodeError::End { offset: 0 });
        }
        let found = self.data.len();
        let settled = usize::try_from(self.settled).map_or(found, |settled| settled.min(found));
        let (prefix, rest) = self.data.split_at(settled);
        let window = u32::from_be_bytes(padded(rest));
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

/// How data differ from what an encoder writes for the bits that they decode to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Fewer bytes are enough.
    #[error("{found} bytes of coded data, but the bits decoded from them take {expected}")]
    Length {
        /// Bytes that an encoder writes for these bits.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The last byte is not the lowest possible, or the data name a number that is not in any message's interval.
    #[error("coded data do not end as an encoder ends them at byte {offset}")]
    End {
        /// Number of bytes before the one in question.
        offset: usize,
    },
}
