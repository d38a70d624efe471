//! The binary coder in numbers of any size, straight from its rules: nothing is carried, and nothing leaves early.

use num_bigint::BigUint;

pub(crate) type Decision = (bool, u16);

/// The interval of a message: `low..low + range` in units of 256^-(settled + 4).
struct Interval {
    low: BigUint,
    range: u64,
    settled: usize,
}

impl Interval {
    fn full() -> Self {
        Self {
            low: BigUint::ZERO,
            range: (1 << 32) - 1,
            settled: 0,
        }
    }

    fn bound(&self, p: u16) -> u64 {
        self.range * u64::from(p) / 65_536
    }

    fn narrow(&mut self, (bit, p): Decision) {
        let bound = self.bound(p);
        if bit {
            self.range = bound;
        } else {
            self.low += bound;
            self.range -= bound;
        }
        while self.range < 1 << 24 {
            self.range *= 256;
            self.low *= 256u32;
            self.settled += 1;
        }
    }

    /// The shortest bytes for a number in the interval, and the lowest of these.
    fn shortest(&self) -> Vec<u8> {
        let full_len = self.settled + 4;
        for len in 0..=full_len {
            let unit = BigUint::from(256u32).pow((full_len - len) as u32);
            let lowest = (&self.low + &unit - 1u32) / &unit;
            if &lowest * &unit < &self.low + self.range {
                let digits = lowest.to_bytes_be();
                let digits = if len == 0 { &[][..] } else { &digits };
                return [&vec![0; len - digits.len()], digits].concat();
            }
        }
        unreachable!("the lower end itself is in the interval")
    }
}

pub(crate) fn encode(message: &[Decision]) -> Vec<u8> {
    let mut interval = Interval::full();
    for &decision in message {
        interval.narrow(decision);
    }
    interval.shortest()
}

/// Decodes a bit for each probability. Returns the bits, and whether the data are the right ones for them.
///
/// `None` stands for data that lie in no interval.
pub(crate) fn decode(data: &[u8], probabilities: &[u16]) -> Option<(Vec<bool>, bool)> {
    // The data as a number in the interval's units, to be multiplied with them.
    let at = |settled: usize| {
        let mut window = data.to_vec();
        window.resize(data.len().max(settled + 4), 0);
        BigUint::from_bytes_be(&window[..settled + 4])
    };
    let mut interval = Interval::full();
    if at(0) >= &interval.low + interval.range {
        return None;
    }
    let mut bits = Vec::new();
    for &p in probabilities {
        let bit = at(interval.settled) < &interval.low + interval.bound(p);
        interval.narrow((bit, p));
        bits.push(bit);
    }
    Some((bits, interval.shortest() == data))
}
