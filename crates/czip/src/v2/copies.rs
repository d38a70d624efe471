//! Finds passages that a text repeats: a text in, long copied passages out.
//!
//! Mixing learns what repeats, but each byte still takes its time, for the net as for the mixer. A long passage that was
//! there before is therefore not coded at all. Short ones are left: mixing takes fewer bytes for them than a copy does.

use czip_container::v2::{CopiedPassage, Copies};

/// The shortest passage that is copied, in bytes. Mixing takes a byte or two for one of this length, a copy some five.
const MIN_LEN: usize = 4096;

/// Bytes that are hashed together.
const WINDOW: usize = 64;

/// Windows that can be found start at multiples of this: each passage of `MIN_LEN` bytes has one.
const STEP: usize = 2048;

/// Multiplier of the rolling hash: 2^64 over the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The long passages of a text that are in it before; `None` if there are none.
pub(super) fn find(text: &[u8]) -> Option<Copies> {
    if text.len() < MIN_LEN + STEP {
        return None;
    }
    let mut passages = Vec::new();
    let mut windows = Windows::new(text.len());
    // Bytes before this are copied, or in front of a copied passage.
    let mut end = 0;
    let mut at = 0;
    let mut hash = RollingHash::new(text);
    loop {
        let found = windows.get(hash.value).map(|from| passage(text, end, from, at));
        if at.is_multiple_of(STEP) {
            windows.insert(hash.value, at);
        }
        let next = match found {
            Some((start, len, distance)) if len >= MIN_LEN => {
                passages.push(CopiedPassage {
                    rest: (start - end) as u32,
                    len: len as u32,
                    distance: distance as u32,
                });
                end = start + len;
                end
            }
            // The same windows further on lead to the same passage.
            Some((start, len, _)) => (at + 1).max((start + len + 1).saturating_sub(WINDOW)),
            None => at + 1,
        };
        if next + WINDOW > text.len() {
            break;
        }
        if next == at + 1 {
            hash.advance(text, at);
        } else {
            // Windows that are skipped can still be copied from.
            for skipped in (at + 1..next).filter(|skipped| skipped.is_multiple_of(STEP)) {
                windows.insert(RollingHash::of(&text[skipped..skipped + WINDOW]), skipped);
            }
            hash = RollingHash::new(&text[next..]);
        }
        at = next;
    }
    Copies::new(passages, text.len() as u32).ok()
}

/// The passage around `at` that is the same as the one around `from`, which is before it: its start, at least `first`, its
/// length, and the distance.
fn passage(text: &[u8], first: usize, from: usize, at: usize) -> (usize, usize, usize) {
    let distance = at - from;
    let same = |position: &usize| text[*position] == text[*position - distance];
    let before = (first.max(distance)..at).rev().take_while(same).count();
    let after = (at..text.len()).take_while(same).count();
    (at - before, before + after, distance)
}

/// The hash of a window, which can move by a byte.
struct RollingHash {
    value: u64,
    /// The multiplier of a window's first byte.
    first: u64,
}

impl RollingHash {
    /// Of the first window of a text.
    fn new(text: &[u8]) -> Self {
        Self {
            value: Self::of(&text[..WINDOW]),
            first: MULTIPLIER.wrapping_pow(WINDOW as u32 - 1),
        }
    }

    fn of(window: &[u8]) -> u64 {
        window.iter().fold(0, |hash: u64, &byte| {
            hash.wrapping_mul(MULTIPLIER).wrapping_add(u64::from(byte) + 1)
        })
    }

    /// Moves from the window at `at` to the next.
    fn advance(&mut self, text: &[u8], at: usize) {
        let (old, new) = (u64::from(text[at]) + 1, u64::from(text[at + WINDOW]) + 1);
        self.value = self
            .value
            .wrapping_sub(old.wrapping_mul(self.first))
            .wrapping_mul(MULTIPLIER)
            .wrapping_add(new);
    }
}

/// Where windows were last, by their hashes: a table with linear probing, at most a quarter of it in use.
struct Windows {
    /// A hash, and a position plus one; 0 if there is none.
    entries: Vec<(u64, u32)>,
}

impl Windows {
    fn new(text_len: usize) -> Self {
        let len = (4 * (text_len / STEP + 1)).next_power_of_two();
        Self {
            entries: vec![(0, 0); len],
        }
    }

    /// The place of a hash, or the free one for it.
    fn place(&self, hash: u64) -> usize {
        let mask = self.entries.len() - 1;
        let mut place = (hash.wrapping_mul(MULTIPLIER) >> 40) as usize & mask;
        while self.entries[place].1 != 0 && self.entries[place].0 != hash {
            place = (place + 1) & mask;
        }
        place
    }

    fn get(&self, hash: u64) -> Option<usize> {
        (self.entries[self.place(hash)].1 as usize).checked_sub(1)
    }

    fn insert(&mut self, hash: u64, position: usize) {
        let place = self.place(hash);
        self.entries[place] = (hash, position as u32 + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that do not repeat.
    fn noise(len: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    /// The passages found, as rest, length and distance.
    fn found(text: &[u8]) -> Vec<(usize, usize, usize)> {
        let Some(copies) = find(text) else {
            return Vec::new();
        };
        assert!(copies.restore(&copies.rest_of(text)) == text);
        let numbers = |it: &CopiedPassage| (it.rest as usize, it.len as usize, it.distance as usize);
        copies.passages().iter().map(numbers).collect()
    }

    #[test]
    fn runs_are_copied_from_their_first_window_on() {
        for period in [1, 2, 6, 63, 64, 100, 2047, 2048, 5000] {
            let text: Vec<u8> = noise(period, 7).iter().copied().cycle().take(300_000).collect();
            let (rest, len, distance) = found(&text)[0];
            assert_eq!(distance % period, 0, "{period}");
            assert!(rest <= period.max(1), "{period}: {rest}");
            assert_eq!(rest + len, text.len(), "{period}");
        }
    }

    #[test]
    fn passages_are_found_wherever_they_are() {
        for (before, between, after) in [(0, 0, 0), (1, 1, 1), (777, 5000, 63), (2049, 70_000, 4000)] {
            for len in [MIN_LEN, MIN_LEN + 1, 9000] {
                let passage = noise(len, 1);
                let parts = [
                    &noise(before, 2)[..],
                    &passage,
                    &noise(between, 3),
                    &passage,
                    &noise(after, 4),
                ];
                let text = parts.concat();
                if text.len() < MIN_LEN + STEP {
                    continue;
                }
                let expected = (before + len + between, len, len + between);
                assert_eq!(found(&text), [expected], "{before} {between} {after} {len}");
            }
            let passage = noise(MIN_LEN - 1, 1);
            let text = [&noise(before, 2)[..], &passage, &noise(between, 3), &passage].concat();
            assert_eq!(found(&text), [], "{before} {between}");
        }
    }

    #[test]
    fn what_was_copied_can_be_copied_again() {
        let (passage, other) = (noise(6000, 1), noise(3000, 2));
        let text = [
            &passage[..],
            &other,
            &passage,
            &noise(500, 3),
            &passage,
            &passage[..100],
            &other,
        ]
        .concat();
        let found = found(&text);
        assert_eq!(found[0], (9000, 6000, 9000));
        assert_eq!((found[1].0, found[1].1), (500, 6000));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn short_texts_and_text_without_repeats_have_none() {
        for len in [0, 1, 63, 64, 65, MIN_LEN, MIN_LEN + STEP - 1] {
            assert_eq!(found(&vec![b' '; len]), [], "{len}");
        }
        assert_eq!(found(&vec![b' '; MIN_LEN + STEP]).len(), 1);
        assert_eq!(found(&noise(1 << 20, 5)), []);
    }

    /// Many windows that are the same, but no passage that is long enough.
    #[test]
    fn windows_that_lead_nowhere_are_passed_over() {
        let mut text = Vec::new();
        for number in 0..200u32 {
            text.extend(noise(64, number.into()));
            text.extend([b' '; 3000]);
        }
        assert_eq!(found(&text), []);
    }
}
