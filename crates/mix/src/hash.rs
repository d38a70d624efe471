//! The format's two hashes: of contexts, which find their place in tables, and of vocabularies and trees, which tell
//! whether stored priors fit.

/// An odd constant near 2^64 over the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of a hash and one more number. Its highest bits are the best mixed.
#[inline(always)]
pub(crate) fn combine(hash: u64, number: u64) -> u64 {
    let product = (hash ^ number).wrapping_mul(GOLDEN);
    product ^ (product >> 29)
}

/// 64-bit FNV-1a (Fowler, Noll and Vo).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fnv1a(u64);

impl Fnv1a {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Writes a symbol's spelling: its length as two little-endian bytes, then its bytes.
    pub(crate) fn write_spelling(&mut self, spelling: &[u8]) {
        self.write(&(spelling.len() as u16).to_le_bytes());
        self.write(spelling);
    }

    pub(crate) fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_of_its_authors_examples() {
        let hash = |bytes: &[u8]| {
            let mut hash = Fnv1a::new();
            hash.write(bytes);
            hash.finish()
        };
        assert_eq!(
            [&b""[..], b"a", b"foobar"].map(hash),
            [
                0xcbf2_9ce4_8422_2325,
                0xaf63_dc4c_8601_ec8c,
                0x8594_4171_f739_67e8,
            ]
        );
    }

    #[test]
    fn spellings_are_hashed_with_their_lengths() {
        let mut hash = Fnv1a::new();
        hash.write_spelling(b"");
        hash.write_spelling(&[7; 258]);
        let mut plain = Fnv1a::new();
        plain.write(&[0, 0, 2, 1]);
        plain.write(&[7; 258]);
        assert_eq!(hash.finish(), plain.finish());
    }

    #[test]
    fn combined_hashes() {
        assert_eq!(combine(0, 0), 0);
        assert_eq!(combine(5, 4), GOLDEN ^ (GOLDEN >> 29));
        // 3 times the constant, less 2^64.
        assert_eq!(
            combine(1, 2),
            0xdaa6_6d2c_7ddf_743f ^ (0xdaa6_6d2c_7ddf_743f >> 29)
        );
    }
}
