//! What models of version 2 need: 16-bit values between matrices, and attention over a window.

use czip_fixed::RmsScale;
use czip_fixed::tables::{TURN, sine};
use czip_kernels::{HEAD_DIM, Kernels, KeyValueCache, SlidingAttention, WindowInput, Workspace, oracle};

use super::{Random, for_each_instruction_set, natively_or_in_miri};

impl Random {
    fn int16(&mut self, len: usize, bits: u32) -> Vec<i16> {
        (0..len).map(|_| self.next() as i16 >> (16 - bits)).collect()
    }

    /// A query or key as norms make them: no product of two exceeds 2^15.
    fn normed(&mut self) -> [i8; HEAD_DIM] {
        let scale = RmsScale::new(HEAD_DIM as u32, 16);
        oracle::normalize(&self.int16(HEAD_DIM, 16), scale)
            .try_into()
            .unwrap()
    }
}

const LENGTHS: &[usize] = if cfg!(miri) {
    &[1, 7, 33]
} else {
    &[1, 2, 7, 8, 16, 31, 33, 64, 129]
};

#[test]
fn sums_to_int16() {
    let mut random = Random(20);
    for_each_instruction_set(|kernels| {
        for &len in LENGTHS {
            for batch in 0..4 {
                for bits in [4, 20, 29] {
                    let mut sums: Vec<i32> = (0..batch * len)
                        .map(|_| random.next() as i32 >> (31 - bits))
                        .collect();
                    let shifts: Vec<u8> = (0..len).map(|_| random.below(25) as u8).collect();
                    // The largest sums that a matrix has, and ties.
                    for (i, sum) in sums.iter_mut().enumerate() {
                        match random.next() % 8 {
                            0 => *sum = 16384 * 128 * 127,
                            1 => *sum = -16384 * 128 * 127,
                            2 => *sum = (*sum >> 8) * 2 + (1 << shifts[i % len] >> 1),
                            _ => {}
                        }
                    }
                    let rounded: Vec<i64> = sums
                        .iter()
                        .zip(shifts.iter().cycle())
                        .map(|(&sum, &shift)| oracle::round(sum.into(), shift.into()))
                        .collect();

                    let mut rounded_sums = vec![77; sums.len()];
                    kernels.to_i16(&sums, &shifts, &mut rounded_sums);
                    let expected: Vec<i16> = rounded.iter().map(|&x| oracle::saturated(x)).collect();
                    assert_eq!(rounded_sums, expected);

                    let mut residual = random.int16(sums.len(), 16);
                    let expected: Vec<i16> = residual
                        .iter()
                        .zip(&rounded)
                        .map(|(&x, term)| oracle::saturated(i64::from(x) + term))
                        .collect();
                    kernels.add_i16(&sums, &shifts, &mut residual);
                    assert_eq!(residual, expected);

                    let mut logits = sums.clone();
                    kernels.to_logits(&mut logits, &shifts);
                    let logits: Vec<i64> = logits.into_iter().map(i64::from).collect();
                    assert_eq!(logits, rounded);
                }
            }
        }
    });
}

#[test]
fn ties_of_int16_go_up() {
    for_each_instruction_set(|kernels| {
        let mut out = [0; 6];
        kernels.to_i16(&[3, 1, -1, -3, 1 << 20, -(1 << 20)], &[1; 6], &mut out);
        assert_eq!(out, [2, 1, 0, -1, i16::MAX, i16::MIN]);
    });
}

#[test]
fn norms_of_int16() {
    let mut random = Random(21);
    for_each_instruction_set(|kernels| {
        let long = natively_or_in_miri(&[384, 4096, 16384][..], &[]);
        for &len in LENGTHS.iter().chain(long) {
            for unit in [8, 16] {
                let scale = RmsScale::new(len as u32, unit);
                for bits in (1..=16).step_by(natively_or_in_miri(1, 5)) {
                    let x = random.int16(len, bits);
                    let mut out = vec![99; len];
                    let factor = kernels.normalize(&x, scale, &mut out);
                    assert_eq!(out, oracle::normalize(&x, scale), "{len} numbers of {bits} bits");
                    let sum: i64 = x.iter().map(|&x| i64::from(x).pow(2)).sum();
                    assert_eq!(factor, scale.factor(sum as u64));
                }
                // Where the sum of squares is largest, and where it is 0 or 1.
                for value in [i16::MIN, i16::MAX, 1, -1, 0] {
                    for x in [vec![value; len], [&[value][..], &vec![0; len - 1]].concat()] {
                        let mut out = vec![99; len];
                        kernels.normalize(&x, scale, &mut out);
                        assert_eq!(out, oracle::normalize(&x, scale), "{len} numbers, {value}");
                    }
                }
            }
        }
    });
}

#[test]
fn squares_of_all_int16() {
    for_each_instruction_set(|kernels| {
        for shift in [0, 1, 12, 15, 24] {
            let step = natively_or_in_miri(1, 131);
            let all: Vec<i16> = (i16::MIN..=i16::MAX).step_by(step).collect();
            let expected: Vec<i16> = all.iter().map(|&x| oracle::square_relu(x, shift)).collect();
            let mut squares = all.clone();
            kernels.square_relu(&mut squares, shift);
            assert!(squares == expected, "shift {shift}");
            for len in (0..40).step_by(natively_or_in_miri(1, 13)) {
                let start = all.len() / 8 * 5;
                let mut squares = all[start..][..len].to_vec();
                kernels.square_relu(&mut squares, shift);
                assert_eq!(squares, expected[start..][..len]);
            }
        }
    });
}

#[test]
fn rotations_of_int16() {
    let mut random = Random(22);
    for_each_instruction_set(|kernels| {
        for angle in (0..TURN).step_by(natively_or_in_miri(1, 300)) {
            let angles: [usize; HEAD_DIM / 2] = std::array::from_fn(|i| angle * i);
            let (cos, sin) = (angles.map(|angle| sine(angle + TURN / 4)), angles.map(sine));
            let bits = 1 + angle as u32 % 16;
            let random: [i16; HEAD_DIM] = random.int16(HEAD_DIM, bits).try_into().unwrap();
            let halves = |low, high| std::array::from_fn(|i| if i < 32 { low } else { high });
            for v in [
                random,
                [i16::MIN; HEAD_DIM],
                [i16::MAX; HEAD_DIM],
                halves(i16::MIN, i16::MAX),
                halves(i16::MAX, i16::MIN),
            ] {
                let mut turned = v;
                kernels.rotate_i16(&mut turned, &cos, &sin);
                assert_eq!(turned, oracle::rotate_i16(&v, &cos, &sin), "angle {angle}");
            }
        }
    });
}

/// Keys and values in a cache and beside it.
struct Stored {
    keys: Vec<[i8; HEAD_DIM]>,
    values: Vec<[i8; HEAD_DIM]>,
}

fn check_window(
    kernels: Kernels,
    attention: &SlidingAttention,
    cache: &KeyValueCache,
    stored: &Stored,
    window: std::ops::Range<usize>,
    queries: &[[i8; HEAD_DIM]],
    workspace: &mut Workspace,
) {
    let mut out = vec![99; queries.len() * HEAD_DIM];
    let mut seen = Vec::new();
    let mut keep = |head: usize, weights: &[u8], total: u32| seen.push((head, weights.to_vec(), total));
    let input = WindowInput {
        attention,
        cache,
        window: window.clone(),
        queries: queries.as_flattened(),
    };
    kernels.attend_window(input.clone(), workspace, &mut out, Some(&mut keep));
    for (head, query) in queries.iter().enumerate() {
        let (keys, values) = (&stored.keys[window.clone()], &stored.values[window.clone()]);
        let (expected, weights, total) = oracle::attend_window(attention, head, query, keys, values);
        let place = format!("head {head}, {window:?}, {:?}", kernels.instruction_set());
        assert_eq!(seen[head], (head, weights, total), "{place}");
        assert_eq!(out[head * HEAD_DIM..][..HEAD_DIM], expected, "{place}");
    }
    assert_eq!(seen.len(), queries.len());
    let mut again = vec![0; out.len()];
    kernels.attend_window(input, workspace, &mut again, None);
    assert_eq!(again, out);
}

#[test]
fn windows_at_all_places() {
    let mut random = Random(23);
    for_each_instruction_set(|kernels| {
        let count = natively_or_in_miri(120, 40);
        let stored = Stored {
            keys: (0..count).map(|_| random.normed()).collect(),
            values: (0..count).map(|_| random.vector()).collect(),
        };
        let mut cache = kernels.key_value_cache(count);
        let mut workspace = Workspace::default();
        // Gains from none to the greatest; sinks above and below all scores.
        let gains = [4000, u16::MAX, 0, 1, 900, u16::MAX, 4000];
        let sinks = [-(1 << 20), 1 << 20, 0, -300, 100, 0, 1200];
        let queries: Vec<_> = (0..7).map(|_| random.normed()).collect();
        let queries = &queries[..natively_or_in_miri(7, 2)];
        let attention = SlidingAttention::new(gains[..queries.len()].into(), sinks[..queries.len()].into());
        for end in 1..=count {
            let position = end - 1;
            kernels.store(
                &mut cache,
                position,
                &stored.keys[position],
                &stored.values[position],
            );
            // Behind the end are positions that were never stored.
            let lens = natively_or_in_miri(&[1, 2, 5, 15, 16, 17, 33, 64, 100, 120][..], &[17]);
            for &len in lens {
                if len <= end && end % natively_or_in_miri(1, 4) == 0 {
                    check_window(
                        kernels,
                        &attention,
                        &cache,
                        &stored,
                        end - len..end,
                        queries,
                        &mut workspace,
                    );
                }
            }
        }
        for start in 0..natively_or_in_miri(50, 20) {
            for end in [start + 1, start + 3, start + 16, start + 40] {
                if end > count || end - start < natively_or_in_miri(1, 16) {
                    continue;
                }
                check_window(
                    kernels,
                    &attention,
                    &cache,
                    &stored,
                    start..end,
                    queries,
                    &mut workspace,
                );
            }
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn the_longest_windows() {
    let mut random = Random(24);
    for_each_instruction_set(|kernels| {
        let count = SlidingAttention::MAX_WINDOW + 40;
        let stored = Stored {
            keys: (0..count).map(|_| random.normed()).collect(),
            values: (0..count).map(|_| random.vector()).collect(),
        };
        let mut cache = kernels.key_value_cache(count);
        for (position, (key, value)) in stored.keys.iter().zip(&stored.values).enumerate() {
            kernels.store(&mut cache, position, key, value);
        }
        let attention = SlidingAttention::new(vec![3000, 40_000], vec![0, -500]);
        let queries = [random.normed(), random.normed()];
        for start in [0, 1, 15, 16, 17, 31, 40] {
            let window = start..start + SlidingAttention::MAX_WINDOW;
            let workspace = &mut Workspace::default();
            check_window(kernels, &attention, &cache, &stored, window, &queries, workspace);
        }
    });
}

/// The extremes of the last division: all weights 255, all values at a bound, no key that counts beside the sink.
#[test]
fn extreme_values() {
    for_each_instruction_set(|kernels| {
        let count = natively_or_in_miri(SlidingAttention::MAX_WINDOW, 3);
        for value in [127, -127, 1, -1, 0] {
            let keys = vec![[16; HEAD_DIM]; count];
            let stored = Stored {
                keys,
                values: vec![[value; HEAD_DIM]; count],
            };
            let mut cache = kernels.key_value_cache(count);
            for (position, (key, value)) in stored.keys.iter().zip(&stored.values).enumerate() {
                kernels.store(&mut cache, position, key, value);
            }
            // 2^14 times 65535, by 2^14, is the largest score here; with another sign the least.
            for sink in [-(1 << 20), 65535, 65535 + 256 * 8, 65535 + 256 * 9, 1 << 20] {
                let attention = SlidingAttention::new(vec![u16::MAX; 2], vec![sink, -sink]);
                for len in [1, 2, 3, 16, 200, count].into_iter().filter(|&len| len <= count) {
                    let queries = [[16; HEAD_DIM], [-16; HEAD_DIM]];
                    let workspace = &mut Workspace::default();
                    check_window(kernels, &attention, &cache, &stored, 0..len, &queries, workspace);
                }
            }
        }
        let mut out = [7; HEAD_DIM];
        let mut cache = kernels.key_value_cache(1);
        kernels.store(&mut cache, 0, &[16; HEAD_DIM], &[127; HEAD_DIM]);
        let mut attend = |sink| {
            let attention = SlidingAttention::new(vec![u16::MAX], vec![sink]);
            let workspace = &mut Workspace::default();
            let input = WindowInput {
                attention: &attention,
                cache: &cache,
                window: 0..1,
                queries: &[16; HEAD_DIM],
            };
            kernels.attend_window(input, workspace, &mut out, None);
            out[0]
        };
        // All to the key, half to each, and all to the sink.
        assert_eq!([0, 65535, 1 << 20].map(&mut attend), [2032, 1016, 0]);
    });
}

#[test]
fn caches_forget_what_is_discarded() {
    let mut random = Random(25);
    for_each_instruction_set(|kernels| {
        let capacity = 88;
        let mut cache = kernels.key_value_cache(capacity);
        let mut stored = Stored {
            keys: Vec::new(),
            values: Vec::new(),
        };
        let attention = SlidingAttention::new(vec![4000], vec![0]);
        let mut workspace = Workspace::default();
        let mut discards = 0;
        for step in 0..natively_or_in_miri(400, 100) {
            if stored.keys.len() == capacity {
                let count = [16, 32, 80][discards % 3];
                cache.discard(count);
                stored.keys.drain(..count);
                stored.values.drain(..count);
                discards += 1;
            }
            stored.keys.push(random.normed());
            stored.values.push(random.vector());
            let end = stored.keys.len();
            kernels.store(
                &mut cache,
                end - 1,
                &stored.keys[end - 1],
                &stored.values[end - 1],
            );
            let len = end.min(1 + step % 24);
            let query = random.normed();
            if step % natively_or_in_miri(1, 5) > 0 {
                continue;
            }
            check_window(
                kernels,
                &attention,
                &cache,
                &stored,
                end - len..end,
                &[query],
                &mut workspace,
            );
        }
        assert!(discards > natively_or_in_miri(5, 0));
        cache.discard(0);
        cache.discard(96);
    });
}

#[test]
#[should_panic(expected = "forgetting 8 of 64 positions")]
fn positions_are_discarded_in_blocks() {
    Kernels::detect().key_value_cache(64).discard(8);
}

#[test]
#[should_panic(expected = "window 0..1025")]
fn windows_have_a_bound() {
    let kernels = Kernels::detect();
    let attention = SlidingAttention::new(vec![1], vec![0]);
    let (cache, workspace) = (kernels.key_value_cache(1040), &mut Workspace::default());
    let input = WindowInput {
        attention: &attention,
        cache: &cache,
        window: 0..1025,
        queries: &[0; HEAD_DIM],
    };
    kernels.attend_window(input, workspace, &mut [0; HEAD_DIM], None);
}

#[test]
#[should_panic(expected = "attention over 3..3 of 16 positions")]
fn windows_are_not_empty() {
    let kernels = Kernels::detect();
    let attention = SlidingAttention::new(vec![1], vec![0]);
    let (cache, workspace) = (kernels.key_value_cache(16), &mut Workspace::default());
    let input = WindowInput {
        attention: &attention,
        cache: &cache,
        window: 3..3,
        queries: &[0; HEAD_DIM],
    };
    kernels.attend_window(input, workspace, &mut [0; HEAD_DIM], None);
}

#[test]
fn frequencies_without_a_fixed_total() {
    let mut random = Random(26);
    for_each_instruction_set(|kernels| {
        let lens = [1, 2, 17, 15, 16, 31, 33, 1024, 65536];
        for len in lens.into_iter().take(natively_or_in_miri(9, 3)) {
            let most = 30 - (len as u32).next_power_of_two().trailing_zeros();
            for spread in [1, 300, 20_000, 1 << 27, u32::MAX] {
                let logits: Vec<i32> = (0..len)
                    .map(|_| (random.next() % (u64::from(spread) + 1)) as i32)
                    .collect();
                let maximum = *logits.iter().max().unwrap();
                for bits in [0, 14, most] {
                    if bits > most {
                        continue;
                    }
                    let expected: Vec<u32> = logits
                        .iter()
                        .map(|&logit| oracle::unscaled_frequency(maximum.wrapping_sub(logit) as u32, bits))
                        .collect();
                    let mut out = vec![0; len];
                    kernels.unscaled_frequencies(&logits, bits, &mut out);
                    assert_eq!(out, expected, "{bits} bits");
                    let sum: u64 = out.iter().map(|&f| u64::from(f)).sum();
                    assert!(sum <= 1 << 30);
                    assert_eq!(u64::from(kernels.sum(&out)), sum);
                }
            }
        }
        // Every distance until nothing is left, with the most bits.
        let distances: Vec<i32> = (0..256 * natively_or_in_miri(40, 31))
            .map(|distance| -distance)
            .collect();
        let mut out = vec![0; distances.len()];
        kernels.unscaled_frequencies(&distances, 30, &mut out);
        for (distance, &frequency) in out.iter().enumerate() {
            assert_eq!(
                frequency,
                oracle::unscaled_frequency(distance as u32, 30),
                "{distance}"
            );
        }
        assert_eq!(
            [out[0], out[256], out[29 * 256 + 1], out[30 * 256]],
            [65535 << 14, 65535 << 13, 1, 1]
        );
        assert_eq!(kernels.sum(&[]), 0);
        assert_eq!(kernels.sum(&[u32::MAX - 7, 7]), u32::MAX);
    });
}
