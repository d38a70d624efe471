//! Texts, a vocabulary, and the frequencies of an imaginary net.

/// A small generator, so every run tests the same numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        // Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// English, tables and code.
pub(crate) const ENGLISH: &[u8] = include_bytes!("../../../../README.md");

/// Lines of a log with fields that repeat, grow, or are random.
pub(crate) fn log(lines: usize) -> Vec<u8> {
    let mut random = Random(1);
    let mut text = String::new();
    let mut time = 1_764_000_000;
    for line in 0..lines {
        time += random.below(90);
        let level = ["INFO", "INFO", "INFO", "Warn", "ERROR"][random.below(5)];
        let host = ["alpha", "beta-2", "gamma.example.org"][random.below(3)];
        let (id, size) = (random.below(1 << 20), random.below(5_000));
        text += &match line % 3 {
            0 => format!("{time} {level}\t[{host}] request {id:05x} took {size} us\n"),
            1 => format!("{{\"t\":{time},\"level\":\"{level}\",\"host\":\"{host}\",\"size\":{size}}}\r\n"),
            _ => format!("{time},{level},{host},{id},{size},Gr\u{f6}\u{df}e\n"),
        };
    }
    text.into_bytes()
}

/// Records of 20 bytes: some fields hardly change, one counts, and one is random.
pub(crate) fn records(count: u32) -> Vec<u8> {
    let mut random = Random(2);
    let record = |number: u32| {
        let mut record = vec![0x7f, 0, 10, 0xff];
        record.extend((1_000 + 3 * number).to_le_bytes());
        record.extend((random.below(1 << 12) as u32).to_be_bytes());
        record.extend([0, 0, 0, 0x40, (number / 7) as u8, b'A', b'\n', 1]);
        record
    };
    (0..count).flat_map(record).collect()
}

pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut random = Random(3);
    (0..len).map(|_| random.next() as u8).collect()
}

/// Noise, and the same again in pieces of 12 bytes in another order: many places are looked up, and each once.
pub(crate) fn shuffled_noise(pieces: usize) -> Vec<u8> {
    let first = noise(12 * pieces);
    let mut random = Random(6);
    let mut order: Vec<&[u8]> = first.chunks(12).collect();
    for at in 0..pieces {
        order.swap(at, random.below(pieces));
    }
    [first.as_slice(), &order.concat()].concat()
}

/// A text of each kind.
pub(crate) fn texts() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", Vec::new()),
        ("one byte", b"\n".to_vec()),
        ("english", ENGLISH[..ENGLISH.len().min(5_000)].to_vec()),
        ("log", log(70)),
        ("records", records(200)),
        ("noise", noise(1_500)),
        ("repeated", vec![b'e'; 1_500]),
    ]
}

/// 300 tokens: one without bytes, two alike, words, and all bytes.
pub(crate) fn vocabulary() -> Vec<Vec<u8>> {
    let words = "the and ing tion er  the  and  of  to  a  in  is that for with text file bytes czip model \
                 00 17 ,\" \":\" INFO host level request took us\n .\n \n\n ** \u{f6} e e";
    let mut tokens: Vec<Vec<u8>> = vec![Vec::new()];
    tokens.extend(
        words
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(|word| word.as_bytes().to_vec()),
    );
    tokens.extend([" a", " the", " of", ", "].map(|word| word.as_bytes().to_vec()));
    tokens.extend((0..=255).rev().map(|byte| vec![byte]));
    tokens.resize_with(300, || b"\x00\x00\x01 never".to_vec());
    tokens
}

pub(crate) fn slices(tokens: &[Vec<u8>]) -> Vec<&[u8]> {
    tokens.iter().map(Vec::as_slice).collect()
}

/// The longest tokens from the left, and now and then the one without bytes.
pub(crate) fn tokenize(tokens: &[Vec<u8>], mut text: &[u8]) -> Vec<u32> {
    let mut random = Random(4);
    let mut ids = Vec::new();
    while !text.is_empty() {
        if random.below(100) == 0 {
            ids.push(0);
        }
        let fitting = (1..tokens.len()).filter(|&id| text.starts_with(&tokens[id]));
        let id = fitting.max_by_key(|&id| tokens[id].len()).unwrap();
        ids.push(id as u32);
        text = &text[tokens[id].len()..];
    }
    ids
}

pub(crate) fn as_symbols(bytes: &[u8]) -> Vec<u32> {
    bytes.iter().map(|&byte| byte.into()).collect()
}

/// Frequencies with the total 2^30 for each symbol to come: flat ones, random ones, and peaks at the right symbol and
/// at wrong ones.
pub(crate) fn net(symbols: &[u32], symbol_count: usize) -> Vec<Vec<u32>> {
    let mut random = Random(5);
    let frequencies = |&symbol: &u32| {
        let mut frequencies = match random.below(4) {
            0 => vec![(1 << 30) / symbol_count as u32; symbol_count],
            1 => (0..symbol_count)
                .map(|_| 1 + (random.next() as u32 >> (18 + random.below(14))))
                .collect(),
            _ => vec![1 + random.below(200) as u32; symbol_count],
        };
        let peak = if random.below(3) == 0 {
            random.below(symbol_count)
        } else {
            symbol as usize
        };
        let total: u32 = frequencies.iter().sum();
        frequencies[peak] += (1 << 30) - total;
        frequencies
    };
    symbols.iter().map(frequencies).collect()
}
