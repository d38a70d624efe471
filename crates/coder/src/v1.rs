//! The arithmetic coder of the CZIPv1 format: intervals of frequencies, `lo..hi` out of `total`, in, bytes out, and back.
//!
//! This is the bit-oriented coder of Witten, Neal and Cleary ("Arithmetic coding for data compression", 1987) with
//! 32-bit bounds, totals up to 2^30, and a different ending: a single 1 bit.
//!
//! # State
//!
//! A message is a number in [0, 1), and every symbol narrows the interval the number lies in. The coder keeps a
//! 32-bit window of that interval: `low` and `high`, both ends included, at first 0 and 2^32 - 1. A symbol that owns
//! `lo..hi` out of `total` narrows it to
//!
//! ```text
//! range = high - low + 1
//! high  = low + floor(hi * range / total) - 1
//! low   = low + floor(lo * range / total)
//! ```
//!
//! One symbol's upper end is the next one's lower end less one, so the intervals of all symbols tile the old one
//! without gap or overlap, whatever the rounding.
//!
//! # Renormalisation
//!
//! The window then moves down until the interval is wide again.
//!
//! * **Settled bits.** While `low` and `high` agree in the top bit, that bit of the message is known. It leaves the
//!   window: `low` takes a 0 at the bottom, `high` a 1. All such bits go at once: there are as many as `low ^ high`
//!   has leading zeros.
//! * **Underflow.** `low = 01...` and `high = 10...` straddle the middle: the interval may be tiny though no bit is
//!   settled. The next bit of the message is then the opposite of the one before it, whichever that will be, so the
//!   second-highest bit of both ends is cut out and counted as *pending*. When a top bit settles at last, the pending
//!   bits follow it as its complements. The straddling bits, too, go at once: there are as many as `low & !high` has
//!   leading ones below the top bit. They can only come after the settled ones, for a straddling interval stays so.
//!
//! # Why a total of 2^30 is safe
//!
//! After renormalisation the top bits are 0 in `low` and 1 in `high`, and the two do not straddle, so either
//! `low < 2^30`, `high >= 2^31`, or `low < 2^31`, `high >= 3 * 2^30`. Both ways `range >= 2^30 + 2`, which exceeds
//! the total: each unit of frequency keeps a width of at least 1, and no symbol's interval is ever empty. All products
//! stay below 2^30 * 2^32 = 2^62 and fit `u64`.
//!
//! # The end
//!
//! After the last symbol the window holds `low < 2^31 <= high`, so the number 2^31, a 1 and then zeros, lies in it.
//! The encoder writes that 1, and no pending bits: they would be zeros, and the decoder reads zeros past the end anyway.
//! The last byte is filled with zeros.
//!
//! The decoder needs the 32 bits of its window, so it reads past the end: 31 bits and one for each bit pending then.
//! There is no limit on these virtual bits.

/// The greatest total of the frequencies: 2^30.
pub const MAX_TOTAL: u32 = 1 << 30;

/// The interval both sides narrow in step: `low..=high`.
#[derive(Clone, Debug)]
struct Interval {
    low: u32,
    high: u32,
}

/// What a renormalisation took out of the window.
struct Shift {
    /// Number of settled bits, 0 to 32, and their values.
    settled: u32,
    bits: u32,
    /// Number of straddling bits, 0 to 31, cut out after that.
    straddling: u32,
}

impl Interval {
    const FULL: Self = Self {
        low: 0,
        high: u32::MAX,
    };

    #[inline]
    fn range(&self) -> u64 {
        u64::from(self.high.wrapping_sub(self.low)) + 1
    }

    #[inline]
    fn narrow(&mut self, lo: u32, hi: u32, total: u32) {
        debug_assert!(
            lo < hi && hi <= total && total <= MAX_TOTAL,
            "no symbol: lo {lo}, hi {hi}, total {total}"
        );
        let (range, total) = (self.range(), u64::from(total));
        // Both quotients are at most `range`, so the truncated sums are exact for every valid symbol.
        self.high = self
            .low
            .wrapping_add((u64::from(hi) * range / total) as u32)
            .wrapping_sub(1);
        self.low = self.low.wrapping_add((u64::from(lo) * range / total) as u32);
    }

    #[inline]
    fn renormalize(&mut self) -> Shift {
        let settled = (self.low ^ self.high).leading_zeros();
        // In 64 bits, since all 32 may be settled at once: an interval of width 1.
        let bits = (u64::from(self.low) << settled >> 32) as u32;
        let low = (u64::from(self.low) << settled) as u32;
        // Ones come in from the right.
        let high = !(u64::from(!self.high) << settled) as u32;

        let straddling = ((low & !high) << 1).leading_ones();
        self.low = (low << straddling) & (u32::MAX >> 1);
        self.high = !(!high << straddling) | 1 << 31;
        Shift {
            settled,
            bits,
            straddling,
        }
    }
}

/// Turns symbols into bytes.
///
/// An encoder keeps a few numbers of state; the bytes go to a vector, which the caller can provide with
/// [`Encoder::from_vec`], so coding many pieces does not need an allocation for each.
#[derive(Clone, Debug)]
pub struct Encoder {
    interval: Interval,
    /// Bits to follow the next settled bit as its complements.
    pending: u64,
    /// The lowest `bit_count` bits of this number, fewer than 32, are written but not yet in `bytes`. Those above are
    /// stale.
    bits: u64,
    bit_count: u32,
    bytes: Vec<u8>,
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
    /// Pass an empty vector with capacity to reuse an allocation, or one that holds earlier messages to collect many back
    /// to back. The coder does not mark where a message begins or ends.
    ///
    /// ```
    /// use czip_coder::v1::Encoder;
    ///
    /// let mut bytes = vec![0xff];
    /// for _ in 0..2 {
    ///     let mut encoder = Encoder::from_vec(bytes);
    ///     // Eight symbols of one bit each: 0110 1001. The ninth bit is the end.
    ///     for bit in [0, 1, 1, 0, 1, 0, 0, 1] {
    ///         encoder.encode(bit, bit + 1, 2);
    ///     }
    ///     bytes = encoder.finish();
    /// }
    /// assert_eq!(bytes, [0xff, 0x69, 0x80, 0x69, 0x80]);
    /// ```
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self {
            interval: Interval::FULL,
            pending: 0,
            bits: 0,
            bit_count: 0,
            bytes,
        }
    }

    /// Codes the symbol that owns `lo..hi` out of `total`.
    ///
    /// `lo < hi <= total <= 2^30` must hold: debug builds assert it, and release builds write bytes that do not decode to
    /// the message.
    ///
    /// # Panics
    ///
    /// If `total` is 0.
    #[inline]
    pub fn encode(&mut self, lo: u32, hi: u32, total: u32) {
        self.interval.narrow(lo, hi, total);
        let Shift {
            settled,
            bits,
            straddling,
        } = self.interval.renormalize();
        if settled != 0 {
            if self.pending == 0 {
                self.put(bits, settled);
            } else {
                let rest = settled - 1;
                let first = bits >> rest;
                self.put(first, 1);
                self.put_pending(first ^ 1);
                self.put(bits & ((1 << rest) - 1), rest);
            }
        }
        self.pending += u64::from(straddling);
    }

    /// Ends the message and returns the vector with its bytes appended, at least one.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.put(1, 1);
        // At most 31 bits are held; left-aligned, they leave zeros below to fill the last byte.
        let word = ((self.bits << 32) >> self.bit_count) as u32;
        self.bytes
            .extend_from_slice(&word.to_be_bytes()[..self.bit_count.div_ceil(8) as usize]);
        self.bytes
    }

    /// Writes the low `count` bits of `value`, the highest first. `count` is at most 32 and the bits above are 0.
    #[inline]
    fn put(&mut self, value: u32, count: u32) {
        self.bits = (self.bits << count) + u64::from(value);
        self.bit_count += count;
        if self.bit_count >= 32 {
            self.bit_count -= 32;
            self.bytes
                .extend_from_slice(&((self.bits >> self.bit_count) as u32).to_be_bytes());
        }
    }

    /// Writes all pending bits, each of them `bit`.
    #[cold]
    fn put_pending(&mut self, bit: u32) {
        while self.pending > 0 {
            let count = self.pending.min(32) as u32;
            self.put((bit * u32::MAX) >> (32 - count), count);
            self.pending -= u64::from(count);
        }
    }
}

/// Turns bytes back into symbols.
///
/// For each symbol, ask for the [`target`](Self::target), find the symbol whose share of the total holds it, and
/// [`consume`](Self::consume) that share. Any bytes decode to some symbols without an error; [`finish`](Self::finish)
/// tells whether an encoder would have written them.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    interval: Interval,
    /// The window of the message that `interval` bounds: `low <= code <= high`.
    code: u32,
    data: &'a [u8],
    /// Bytes of `data` moved to `bits` so far.
    position: usize,
    /// The lowest `bit_count` bits of this number, fewer than 32, are the next ones. Those above are stale.
    bits: u64,
    bit_count: u32,
    /// Bits that the encoder had written at this point, and those it had pending.
    written: u64,
    pending: u64,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of the message in `data`.
    ///
    /// `data` must hold this message and nothing else: past its end the decoder reads as many zero bits as it needs.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        let mut decoder = Self {
            interval: Interval::FULL,
            code: 0,
            data,
            position: 0,
            bits: 0,
            bit_count: 0,
            written: 0,
            pending: 0,
        };
        decoder.code = decoder.take(32);
        decoder
    }

    /// Where in `0..total` the next symbol lies: it is the one with `lo <= target < hi`.
    ///
    /// In terms of the [state](crate::v1#state), `floor(((code - low + 1) * total - 1) / range)`, where `code` is the next
    /// 32 bits of the message. In a table of inclusive prefix sums of the frequencies, the symbol is the first whose entry
    /// exceeds the target.
    ///
    /// `1 <= total <= 2^30` must hold, as for [`Encoder::encode`]; debug builds assert it.
    #[inline]
    #[must_use]
    pub fn target(&self, total: u32) -> u32 {
        debug_assert!((1..=MAX_TOTAL).contains(&total), "no total: {total}");
        let offset = u64::from(self.code.wrapping_sub(self.interval.low)) + 1;
        // `offset <= range`, so the quotient is below `total`.
        ((offset * u64::from(total)).wrapping_sub(1) / self.interval.range()) as u32
    }

    /// Moves past the symbol that owns `lo..hi` out of `total`.
    ///
    /// `lo <= target(total) < hi <= total <= 2^30` must hold: debug builds assert it, and in release builds everything
    /// decoded afterwards is wrong.
    ///
    /// # Panics
    ///
    /// If `total` is 0.
    #[inline]
    pub fn consume(&mut self, lo: u32, hi: u32, total: u32) {
        debug_assert!((lo..hi).contains(&self.target(total)), "target not in {lo}..{hi}");
        self.interval.narrow(lo, hi, total);
        let Shift {
            settled, straddling, ..
        } = self.interval.renormalize();
        if settled != 0 {
            self.code = (u64::from(self.code) << settled) as u32 + self.take(settled);
            self.written += u64::from(settled) + self.pending;
            self.pending = 0;
        }
        if straddling != 0 {
            let top = self.code & 1 << 31;
            self.code = top + ((self.code << straddling) & (u32::MAX >> 1)) + self.take(straddling);
            self.pending += u64::from(straddling);
        }
    }

    /// Ends decoding, and checks that the data are what [`Encoder::finish`] returns for the symbols consumed.
    ///
    /// This costs nothing and finds most damage and most wrong models: if the symbols decoded are not those encoded, the
    /// length agrees only by chance. It is not a checksum: with short messages, such chances are high.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the length or the last byte differs.
    pub fn finish(self) -> Result<(), DecodeError> {
        let found = self.data.len() as u64;
        let expected = self.written / 8 + 1;
        if expected != found {
            return Err(DecodeError::Length { expected, found });
        }
        // The settled bits are right already, since the code has never left the interval.
        let last = self.data.last().copied().unwrap_or(0);
        if last << (self.written % 8) != 0x80 {
            return Err(DecodeError::End { offset: self.written });
        }
        Ok(())
    }

    /// The next `count` bits, 0 to 32.
    #[inline]
    fn take(&mut self, count: u32) -> u32 {
        if self.bit_count.checked_sub(count).is_none() {
            self.refill();
        }
        self.bit_count -= count;
        ((self.bits >> self.bit_count) & ((1 << count) - 1)) as u32
    }

    /// Appends 32 bits to the fewer than 32 held; past the end of the data they are zeros.
    #[inline]
    fn refill(&mut self) {
        let rest = &self.data[self.position..];
        let word = match rest.first_chunk() {
            Some(word) => *word,
            None => {
                let mut word = [0; 4];
                word[..rest.len()].copy_from_slice(rest);
                word
            }
        };
        self.position += rest.len().min(4);
        self.bits = (self.bits << 32) + u64::from(u32::from_be_bytes(word));
        self.bit_count += 32;
    }
}

/// How data differ from what an encoder writes for the symbols that they decode to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The symbols take another number of bytes.
    #[error("{found} bytes of coded data, but the symbols decoded from them take {expected}")]
    Length {
        /// Bytes that an encoder writes for these symbols.
        expected: u64,
        /// Bytes given.
        found: u64,
    },
    /// The last symbol is not followed by a single 1 bit and zeros.
    #[error("coded data do not end in a 1 bit and zeros at bit {offset}")]
    End {
        /// Number of bits before those in question.
        offset: u64,
    },
}
