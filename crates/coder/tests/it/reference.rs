//! The CZIPv1 coder one bit at a time, straight from its rules: slow, and plain enough to be read against them.

const TOP: u64 = 1 << 31;
const SECOND: u64 = 1 << 30;
const MASK: u64 = (1 << 32) - 1;

pub(crate) type Symbol = (u32, u32, u32);

/// The bits an encoder writes for `symbols`, without the end, and the number of bits then pending.
pub(crate) fn encode_bits(symbols: &[Symbol]) -> (Vec<bool>, u64) {
    let (mut low, mut high, mut underflow) = (0u64, MASK, 0u64);
    let mut bits = Vec::new();
    for &(lo, hi, total) in symbols {
        let range = high - low + 1;
        high = low + u64::from(hi) * range / u64::from(total) - 1;
        low += u64::from(lo) * range / u64::from(total);
        loop {
            if low & TOP == high & TOP {
                let bit = low & TOP != 0;
                bits.push(bit);
                bits.extend((0..underflow).map(|_| !bit));
                underflow = 0;
                low = low << 1 & MASK;
                high = (high << 1 | 1) & MASK;
            } else if low & SECOND != 0 && high & SECOND == 0 {
                underflow += 1;
                low = (low << 1 ^ TOP) & MASK;
                high = ((high ^ TOP) << 1 | TOP | 1) & MASK;
            } else {
                break;
            }
        }
    }
    (bits, underflow)
}

pub(crate) fn encode(symbols: &[Symbol]) -> Vec<u8> {
    let (mut bits, _) = encode_bits(symbols);
    bits.push(true);
    bits.chunks(8)
        .map(|byte| {
            byte.iter()
                .enumerate()
                .fold(0, |acc, (i, &bit)| acc | u8::from(bit) << (7 - i))
        })
        .collect()
}

/// Decodes one symbol for each table of inclusive prefix sums.
pub(crate) fn decode(data: &[u8], tables: &[&[u32]]) -> Vec<usize> {
    let mut next =
        (0..).map(|i: usize| u64::from(data.get(i / 8).is_some_and(|b| b >> (7 - i % 8) & 1 == 1)));
    let mut bit = || next.next().unwrap();
    let (mut low, mut high) = (0u64, MASK);
    let mut code = (0..32).fold(0, |code, _| code << 1 | bit());
    let mut symbols = Vec::new();
    for table in tables {
        let total = u64::from(*table.last().unwrap());
        let range = high - low + 1;
        let value = ((code - low + 1) * total - 1) / range;
        let s = table.iter().position(|&cum| u64::from(cum) > value).unwrap();
        symbols.push(s);
        let lo = if s == 0 { 0 } else { u64::from(table[s - 1]) };
        high = low + u64::from(table[s]) * range / total - 1;
        low += lo * range / total;
        loop {
            if low & TOP == high & TOP {
                low = low << 1 & MASK;
                high = (high << 1 | 1) & MASK;
                code = code << 1 & MASK | bit();
            } else if low & SECOND != 0 && high & SECOND == 0 {
                low = (low << 1 ^ TOP) & MASK;
                high = ((high ^ TOP) << 1 | TOP | 1) & MASK;
                code = code & TOP | code << 1 & (TOP - 1) | bit();
            } else {
                break;
            }
        }
    }
    symbols
}
