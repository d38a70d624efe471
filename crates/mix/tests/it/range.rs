//! The range encoder as section 9 of `docs/spec/czip-v2.md` has it: nothing leaves before the end.

/// The interval of a message.
pub(crate) struct RangeEncoder {
    /// All digits of the interval's lower end to the base 256, the highest first.
    low: Vec<u8>,
    range: u64,
}

impl RangeEncoder {
    pub(crate) fn new() -> Self {
        Self {
            low: vec![0; 4],
            range: (1 << 32) - 1,
        }
    }

    pub(crate) fn encode(&mut self, decision: bool, p: i64) {
        assert!((1..65_536).contains(&p));
        let bound = self.range * p as u64 / 65_536;
        if decision {
            self.range = bound;
        } else {
            self.add(bound);
            self.range -= bound;
        }
        while self.range < 1 << 24 {
            self.low.push(0);
            self.range *= 256;
        }
    }

    fn add(&mut self, bound: u64) {
        let mut carry = bound;
        for digit in self.low.iter_mut().rev() {
            carry += u64::from(*digit);
            *digit = (carry % 256) as u8;
            carry /= 256;
        }
        assert_eq!(carry, 0, "the message is below 1");
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let settled = self.low.len() - 4;
        let lowest = self.low[settled..]
            .iter()
            .fold(0, |number, &digit| number * 256 + u64::from(digit));
        let to_next = (1_u64 << 32) - lowest;
        if lowest == 0 || to_next < self.range {
            if lowest != 0 {
                self.add(to_next);
            }
            self.low.truncate(settled);
            while self.low.last() == Some(&0) {
                self.low.pop();
            }
        } else {
            self.low.truncate(settled);
            self.low.push(u8::try_from(lowest.div_ceil(1 << 24)).unwrap());
        }
        self.low
    }
}

fn message(decisions: &[(bool, i64)]) -> Vec<u8> {
    let mut encoder = RangeEncoder::new();
    for &(decision, p) in decisions {
        encoder.encode(decision, p);
    }
    encoder.finish()
}

#[test]
fn the_example_of_the_specification() {
    assert_eq!(message(&[]), []);
    assert_eq!(message(&[(true, 32_768)]), []);
    assert_eq!(message(&[(false, 32_768)]), [0x80]);
    let four = [(false, 32_768), (false, 32_768), (true, 16_384), (false, 65_535)];
    assert_eq!(message(&four), [0xcf, 0xff, 0xf0]);
}
