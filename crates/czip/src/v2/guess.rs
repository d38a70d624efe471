//! Guesses at the next tokens of a text: its tokens so far in, those that are likely enough to follow out.
//!
//! A lone segment gives the net batches of one row, which take nearly as long as batches of two. So rows of tokens that
//! are only guessed go along: where a guess comes true, its logits are there already, and a pass is saved. What is decoded
//! cannot change, since a row does not depend on what else is in its batch (speculative decoding: Stern, Shazeer and
//! Uszkoreit, 2018; Leviathan, Kalman and Matias, 2023).
//!
//! The guess is what followed the same tokens last time. How often that comes true is learnt for each kind of guess, and
//! only guesses that save more than their rows cost are made.
//!
//! Whatever a text is made of, a guesser has a bounded number of entries, and a batch a bounded number of rows.

use czip_kernels::InstructionSet;
use czip_model::AnyTransformer;
use czip_tokenizer::TokenId;

/// How many of the newest tokens are looked up: the fewest first.
const ORDERS: [usize; 3] = [1, 2, 4];

/// The most of them.
const LONGEST: usize = 4;

/// The highest count of an entry.
const MAX_COUNT: u8 = 15;

/// Counts that there are.
const COUNTS: usize = MAX_COUNT as usize + 1;

/// What the next shorter context knows: nothing, the same token, or another one.
const AGREEMENTS: usize = 3;

/// Kinds of guesses: by the order of the context, the count, and the agreement.
const KINDS: usize = ORDERS.len() * COUNTS * AGREEMENTS;

/// The base-2 logarithm of the number of entries for a text of `text_len` bytes. Each token, of about three bytes, has one for
/// each order, so few fall on the same place; only those of long texts do.
fn len_log2(text_len: usize) -> u32 {
    (text_len.max(1).ilog2() + 2).clamp(12, 16)
}

/// Guesses the tokens of one text.
#[derive(Debug)]
pub(super) struct Guesser {
    /// What followed the contexts of all orders, by their hashes.
    entries: Vec<Entry>,
    newest: Context,
    /// How often guesses of each kind come true, Q0.16.
    chances: [u16; KINDS],
    /// What was expected to follow, in order. The newest of its tokens come first as long as they are as expected.
    expected: Vec<Expected>,
    /// How many of `expected` have come true.
    confirmed: usize,
}

/// What followed a context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    token: TokenId,
    /// Tells apart contexts that have the same place; 0 if none has it.
    check: u16,
    /// How often the same token followed again; halved when another did.
    count: u8,
}

/// The newest tokens of a text, the newest last.
#[derive(Clone, Copy, Debug, Default)]
struct Context {
    tokens: [TokenId; LONGEST],
    len: usize,
}

/// A token that may follow, and the kind of guess that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    token: TokenId,
    kind: usize,
}

impl Context {
    fn push(&mut self, token: TokenId) {
        self.tokens.rotate_left(1);
        self.tokens[LONGEST - 1] = token;
        self.len = (self.len + 1).min(LONGEST);
    }

    /// The place of the `order` newest tokens among `len` entries, a power of two, and their check.
    fn place(&self, order: usize, len: usize) -> (usize, u16) {
        /// A multiplier of Knuth's multiplicative hashing: 2^64 over the golden ratio.
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let newest = &self.tokens[LONGEST - order..];
        let hash = newest.iter().fold(order as u64, |hash, &token| {
            (hash.rotate_left(23) ^ u64::from(token)).wrapping_mul(GOLDEN)
        });
        ((hash >> 40) as usize & (len - 1), (hash >> 24) as u16 | 1)
    }
}

impl Guesser {
    /// The most bytes that it takes for a text of `text_len` bytes.
    pub(super) fn memory(text_len: usize) -> usize {
        size_of::<Entry>() << len_log2(text_len)
    }

    /// For a text of `text_len` bytes.
    pub(super) fn new(text_len: usize) -> Self {
        let mut guesser = Self {
            entries: Vec::new(),
            newest: Context::default(),
            chances: [0; KINDS],
            expected: Vec::new(),
            confirmed: 0,
        };
        guesser.restart(text_len);
        guesser
    }

    /// Begins another text of `text_len` bytes.
    pub(super) fn restart(&mut self, text_len: usize) {
        self.entries.clear();
        self.entries.resize(1 << len_log2(text_len), Entry::default());
        self.newest = Context::default();
        self.chances = std::array::from_fn(initial_chance);
        self.expected.clear();
        self.confirmed = 0;
    }

    /// The tokens that likely follow, one after the other, at most `most`. `least` gives the chance, Q0.16, that all up to
    /// and including the n-th, from 0, must at least have to come true.
    pub(super) fn guess(
        &mut self,
        most: usize,
        least: impl Fn(usize) -> u32,
    ) -> impl Iterator<Item = TokenId> {
        self.expected.clear();
        self.confirmed = 0;
        let (mut context, mut chance, mut count) = (self.newest, 1 << 16, 0);
        while let Some(expected) = self.expect(&context) {
            // Also what is too uncertain is compared with what follows, so its chance is learnt.
            self.expected.push(expected);
            chance = (chance * u32::from(self.chances[expected.kind])) >> 16;
            if count == most || chance < least(count) {
                break;
            }
            count += 1;
            context.push(expected.token);
        }
        self.expected[..count].iter().map(|expected| expected.token)
    }

    /// What follows a context, if it is known.
    fn expect(&self, context: &Context) -> Option<Expected> {
        let mut found: Option<Expected> = None;
        for (index, &order) in ORDERS.iter().enumerate() {
            if order > context.len {
                break;
            }
            let (place, check) = context.place(order, self.entries.len());
            let Entry { token, count, .. } = match self.entries[place] {
                entry if entry.check == check => entry,
                _ => break,
            };
            let agreement = found.map_or(0, |shorter| if shorter.token == token { 1 } else { 2 });
            let kind = (index * COUNTS + usize::from(count)) * AGREEMENTS + agreement;
            found = Some(Expected { token, kind });
        }
        found
    }

    /// Learns the token that really follows.
    pub(super) fn learn(&mut self, token: TokenId) {
        if let Some(expected) = self.expected.get(self.confirmed) {
            let (right, chance) = (expected.token == token, &mut self.chances[expected.kind]);
            *chance = if right {
                *chance + ((u16::MAX - *chance) >> RATE)
            } else {
                *chance - (*chance >> RATE)
            };
            self.confirmed = if right {
                self.confirmed + 1
            } else {
                self.expected.len()
            };
        }
        for order in ORDERS {
            if order > self.newest.len {
                break;
            }
            let (place, check) = self.newest.place(order, self.entries.len());
            let entry = &mut self.entries[place];
            let new = Entry {
                token,
                check,
                count: 0,
            };
            match *entry {
                Entry { check: other, .. } if other != check => *entry = new,
                Entry { token: same, .. } if same == token => entry.count = (entry.count + 1).min(MAX_COUNT),
                Entry { count: 0 | 1, .. } => *entry = new,
                _ => entry.count /= 2,
            }
        }
        self.newest.push(token);
    }
}

/// How fast chances and averages move: by 1/64 of the distance.
const RATE: u32 = 6;

/// What chances are before anything is learnt, Q0.16: as they are in articles and stories.
fn initial_chance(kind: usize) -> u16 {
    /// The chance, in percent, that an entry whose count is 0 is wrong, and by how much it falls with each count:
    /// `wrong / (1 + count * fall / 8)`. By order, and whether the next shorter context knows nothing or the same token, or
    /// another one.
    const WRONG: [[(u32, u32); 2]; ORDERS.len()] =
        [[(89, 2), (89, 2)], [(64, 8), (81, 4)], [(45, 14), (72, 6)]];
    let (order, count) = (kind / AGREEMENTS / COUNTS, kind / AGREEMENTS % COUNTS);
    let (wrong, fall) = WRONG[order][usize::from(kind % AGREEMENTS == 2)];
    let wrong = ((wrong * 8) << 16) / (100 * (8 + count as u32 * fall));
    ((1 << 16) - wrong) as u16
}

/// What batches cost and bring, to tell which guesses are worth a row. Costs are in 1/256 of a pass with a single row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    /// Of the second row of a batch, of the third, and of each further one.
    rows: [u32; 3],
    /// Of a batch, lately, with [`FRACTION`] more fraction bits.
    spent: u32,
    /// Tokens decoded from a batch, lately, with as many fraction bits.
    decoded: u32,
}

impl Costs {
    /// As measured, for `lanes` lanes. `None` if hardly any guess would save what its row costs. `docs/performance.md` has the
    /// figures.
    pub(super) fn of(transformer: &AnyTransformer, lanes: usize) -> Option<Self> {
        let instruction_set = transformer.kernels().instruction_set();
        Self::measured(instruction_set, transformer.config().multiply_adds, lanes)
    }

    /// Of a net with this many weights that each token is multiplied by.
    fn measured(instruction_set: InstructionSet, weights: usize, lanes: usize) -> Option<Self> {
        /// Bytes of weights that may be in a cache.
        const CACHED: usize = 32 << 20;
        /// Guesses that need a higher chance are too rare, Q0.16.
        const LEAST_CHANCE: u32 = 7 << 13;
        let is_cached = weights <= CACHED;
        let rows = match (instruction_set.has_byte_products(), is_cached) {
            // Weights come slower than they are multiplied, unless many rows need them.
            (true, true) => [39, 86, 125],
            (true, false) => [36; 3],
            (false, _) if instruction_set == InstructionSet::Scalar => return None,
            (false, true) => [140; 3],
            (false, false) => [64, 74, 85],
        };
        let costs = Self::new(rows, lanes);
        (costs.least_chance(lanes) <= LEAST_CHANCE).then_some(costs)
    }

    /// Before any batch: as if all were of `lanes` rows, at least one, without guesses.
    fn new(rows: [u32; 3], lanes: usize) -> Self {
        let mut costs = Self {
            rows,
            spent: 0,
            decoded: (lanes as u32) << FRACTION,
        };
        costs.spent = costs.of_batch(lanes) << FRACTION;
        costs
    }

    /// Of a batch of `rows` rows, at least one.
    fn of_batch(&self, rows: usize) -> u32 {
        256 + (1..rows).map(|rows| self.next_row(rows)).sum::<u32>()
    }

    /// Of one more row in a batch of `rows` rows, at least one.
    fn next_row(&self, rows: usize) -> u32 {
        self.rows[(rows - 1).min(self.rows.len() - 1)]
    }

    /// The chance, Q0.16, that a guess must have to come true if its row is to save as much as it costs, in a batch that has
    /// `rows` rows, at least one, without it. What it saves is what a token costs otherwise.
    pub(super) fn least_chance(&self, rows: usize) -> u32 {
        let of_token = (self.spent / self.decoded).max(1);
        (self.next_row(rows) << 16) / of_token
    }

    /// Counts a batch of `rows` rows, at least one, from which `decoded` tokens came.
    pub(super) fn count(&mut self, rows: usize, decoded: usize) {
        let cost = self.of_batch(rows);
        for (average, now) in [(&mut self.spent, cost), (&mut self.decoded, decoded as u32)] {
            *average = *average - (*average >> RATE) + (now << (FRACTION - RATE));
        }
    }
}

/// Fraction bits of averages.
const FRACTION: u32 = 16;

#[cfg(test)]
mod tests {
    use czip_kernels::Kernels;

    use super::*;

    const NONE: [TokenId; 0] = [];

    fn guess(guesser: &mut Guesser, most: usize, least: u32) -> Vec<TokenId> {
        guesser.guess(most, |_| least).collect()
    }

    fn after(tokens: impl IntoIterator<Item = TokenId>) -> Guesser {
        let mut guesser = Guesser::new(1000);
        tokens.into_iter().for_each(|token| guesser.learn(token));
        guesser
    }

    #[test]
    fn what_followed_follows_again() {
        assert_eq!(guess(&mut after([]), 9, 0), NONE);
        assert_eq!(guess(&mut after([1, 2, 3]), 9, 0), NONE);
        let mut guesser = after([1, 2, 3, 1, 2]);
        assert_eq!(guess(&mut guesser, 5, 0), [3, 1, 2, 3, 1]);
        assert_eq!(guess(&mut guesser, 0, 0), NONE);
        // A longer context knows better than a shorter one.
        assert_eq!(guess(&mut after([1, 2, 3, 9, 2, 4, 1, 2]), 1, 0), [3]);
        assert_eq!(guess(&mut after([1, 2, 3, 9, 2, 4, 7, 2]), 1, 0), [4]);
        // No token is special.
        assert_eq!(guess(&mut after([0, 0, 0]), 2, 0), [0, 0]);
        assert_eq!(guess(&mut after([TokenId::MAX; 3]), 2, 0), [TokenId::MAX; 2]);
    }

    #[test]
    fn chances_are_learnt() {
        // One of four contexts of one token, which was seen once: 11 %.
        assert_eq!(initial_chance(0), 7209);
        // Four tokens that were followed by the same one 16 times, where fewer know nothing else: 98.3 %.
        assert_eq!(initial_chance(KINDS - 2), 64_454);
        assert_eq!(guess(&mut after([5, 5]), 1, 7210), NONE);
        assert_eq!(guess(&mut after([5, 5]), 1, 7209), [5]);

        let most = 9 << 16;
        let mut guesser = after([]);
        for token in (0..4).cycle().take(3000) {
            let _ = guesser.guess(8, |_| most);
            guesser.learn(token);
        }
        assert_eq!(guess(&mut guesser, 8, 60_000), [0, 1, 2, 3, 0, 1, 2, 3]);
        // Here a token is never followed by what followed it last.
        let mut guesser = after([]);
        for token in (0..3000).flat_map(|number| [0, number]) {
            let _ = guesser.guess(8, |_| most);
            guesser.learn(token);
        }
        guesser.learn(0);
        assert_eq!(guess(&mut guesser, 8, 100), NONE);
    }

    /// The chance of several guesses in a row is that of all of them.
    #[test]
    fn chains_are_less_likely() {
        let mut guesser = after([1, 2, 1, 2, 1]);
        let first = u32::from(guesser.chances[guesser.expect(&guesser.newest).unwrap().kind]);
        assert_eq!(guess(&mut guesser, 9, first), [2]);
        assert_eq!(guess(&mut guesser, 9, first + 1), NONE);
        let least = |index| if index < 3 { 0 } else { 1 << 16 };
        assert_eq!(guesser.guess(9, least).collect::<Vec<_>>(), [2, 1, 2]);
    }

    #[test]
    fn texts_know_nothing_of_each_other() {
        let mut guesser = after([1, 2, 3, 1, 2]);
        guesser.restart(1000);
        assert_eq!(guess(&mut guesser, 9, 0), NONE);
        for token in [1, 2, 4, 1, 2] {
            guesser.learn(token);
        }
        assert_eq!(guess(&mut guesser, 3, 0), [4, 1, 2]);
    }

    #[test]
    fn memory_is_bounded() {
        assert_eq!(
            [0, 3000, 100_000, usize::MAX].map(Guesser::memory),
            [32 << 10, 64 << 10, 512 << 10, 512 << 10]
        );
        for len in [0, 3000, 100_000] {
            let guesser = Guesser::new(len);
            assert_eq!(size_of_val(&*guesser.entries), Guesser::memory(len));
        }
    }

    #[test]
    fn costs_of_rows() {
        let mut costs = Costs::new([10, 20, 30], 1);
        assert_eq!(
            [1, 2, 3, 4, 5].map(|rows| costs.of_batch(rows)),
            [256, 266, 286, 316, 346]
        );
        // 10, 20 and 30 of 256.
        assert_eq!(
            [1, 2, 3, 63].map(|rows| costs.least_chance(rows)),
            [2560, 5120, 7680, 7680]
        );
        // Guesses that fail make tokens dear, and guesses worthwhile.
        (0..5000).for_each(|_| costs.count(3, 1));
        assert_eq!(costs.least_chance(1), (10 << 16) / 286);
        // Those that come true make them cheap.
        (0..5000).for_each(|_| costs.count(3, 3));
        assert_eq!(costs.least_chance(1), (10 << 16) / 95);
        // The dearest batches.
        (0..5000).for_each(|_| costs.count(64, 64));
        assert_eq!(costs.least_chance(1), (10 << 16) / 33);
    }

    /// A small net guesses for few lanes, a large one for more, and without vectors none does.
    #[test]
    fn who_guesses() {
        for kernels in Kernels::available() {
            let instruction_set = kernels.instruction_set();
            let guesses = |lanes| Costs::measured(instruction_set, 1 << 20, lanes).is_some();
            let has_vectors = instruction_set != InstructionSet::Scalar;
            assert_eq!((guesses(1), guesses(2)), (has_vectors, has_vectors));
            assert!(!guesses(8) && !guesses(32));
        }
        let large = |lanes| Costs::new([36; 3], lanes).least_chance(lanes);
        // 36 of 42.9, and of 39.4.
        assert_eq!((large(32), large(64)), (56_173, 60_494));
    }
}
