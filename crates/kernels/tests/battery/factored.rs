//! Loops over the vectors of version 3: every instruction set equals the scalar one, and that the page's formulas.

use czip_fixed::{Factor, Level};
use czip_kernels::{HEAD_DIM, InstructionSet, Kernels, Workspace};

use super::{Random, for_each_instruction_set, natively_or_in_miri};

/// The largest magnitude between matrices.
const LIMIT: i32 = (1 << 28) - 1;

fn scalar() -> Kernels {
    Kernels::at(InstructionSet::Scalar).unwrap()
}

/// Numbers of up to some bits, with extremes among them.
fn numbers(random: &mut Random, len: usize, bits: u32) -> Vec<i32> {
    let limit = (1i64 << bits) - 1;
    (0..len)
        .map(|_| match random.below(8) {
            0 => limit as i32,
            1 => -limit as i32,
            2 => 0,
            _ => (random.next() as i64 % (limit + 1)) as i32,
        })
        .collect()
}

fn lengths() -> Vec<usize> {
    natively_or_in_miri(vec![1, 15, 16, 17, 64, 100, 576, 1537], vec![1, 17, 65])
}

/// `floor(x / 2^n + 1/2)`.
fn up(x: i128, n: u32) -> i128 {
    if n == 0 { x } else { (x + (1 << (n - 1))) >> n }
}

fn exponents(random: &mut Random, len: usize, below: usize) -> Vec<u8> {
    (0..len).map(|_| random.below(below) as u8).collect()
}

fn mantissas(random: &mut Random, len: usize) -> Vec<u16> {
    (0..len).map(|_| random.next() as u16).collect()
}

#[test]
fn rounding_a_vector() {
    let mut random = Random(1);
    for len in lengths() {
        for bits in [0, 1, 7, 14, 15, 16, 20, 28] {
            let x = numbers(&mut random, len, bits);
            let largest = x.iter().map(|x| x.unsigned_abs()).max().unwrap();
            let b = u32::BITS - largest.leading_zeros();
            let levelled: Vec<i32> = x
                .iter()
                .map(|&x| {
                    if b <= 15 {
                        x << (15 - b)
                    } else {
                        up(x.into(), b - 15) as i32
                    }
                })
                .collect();
            let level = Level {
                bits: b,
                largest: levelled.iter().map(|x| x.unsigned_abs()).max().unwrap(),
            };
            let of = |dividend: i128| dividend.checked_div(level.largest.into()).unwrap_or(0);
            let eight: Vec<i8> = levelled
                .iter()
                .map(|&t| up(i128::from(t) * of(127 << 23), 23) as i8)
                .collect();
            let sixteen: Vec<i128> = levelled
                .iter()
                .map(|&t| up(i128::from(t) * of(32_512 << 15), 15))
                .collect();
            for_each_instruction_set(|kernels| {
                let mut out = vec![0; len];
                assert_eq!(kernels.level(&x, &mut out), level);
                assert_eq!(out, levelled);
                let squares: i64 = levelled.iter().map(|&t| i64::from(t) * i64::from(t)).sum();
                assert_eq!(kernels.sum_of_squares(&out), squares as u64);
                let (mut high, mut low) = (vec![0; len], vec![0; len]);
                kernels.to_i8(&out, level, &mut high);
                assert_eq!(high, eight);
                kernels.to_i8_pair(&out, level, &mut high, &mut low);
                let both = high.iter().zip(&low);
                let both: Vec<i128> = both.map(|(&h, &l)| 256 * i128::from(h) + i128::from(l)).collect();
                assert_eq!(both, sixteen);
                assert!(high.iter().all(|&high| high != -128));
            });
        }
    }
}

#[test]
fn factors() {
    let mut random = Random(2);
    for len in lengths() {
        for unit in [(0, 1), (32_767, 1), (16_384, 20), (23_353, 33), (20_000, 63)] {
            let unit = Factor {
                mantissa: unit.0,
                exponent: unit.1,
            };
            let sums = numbers(&mut random, len, 30);
            let residual = numbers(&mut random, len, 28);
            let (m, e) = (mantissas(&mut random, len), exponents(&mut random, len, 49));
            let scaled: Vec<i32> = (0..len)
                .map(|i| {
                    let product = i128::from(sums[i]) * i128::from(m[i]) * i128::from(unit.mantissa);
                    let shift = (u32::from(e[i]) + u32::from(unit.exponent)).clamp(1, 62);
                    up(product, shift).clamp((-LIMIT).into(), LIMIT.into()) as i32
                })
                .collect();
            let added: Vec<i32> = residual
                .iter()
                .zip(&scaled)
                .map(|(x, y)| (x + y).clamp(-LIMIT, LIMIT))
                .collect();
            for_each_instruction_set(|kernels| {
                let mut out = sums.clone();
                kernels.scale(&mut out, &m, &e, unit);
                assert_eq!(out, scaled);
                let mut out = residual.clone();
                kernels.add_scaled(&sums, &m, &e, unit, &mut out);
                assert_eq!(out, added);
                let mut out = numbers(&mut Random(3), len, 28);
                let low = numbers(&mut Random(4), len, 28);
                let joined: Vec<i32> = out
                    .iter()
                    .zip(&low)
                    .map(|(&high, &low)| 4 * high + up(low.into(), 6) as i32)
                    .collect();
                kernels.join_sums(&mut out, &low);
                assert_eq!(out, joined);
            });
        }
    }
}

#[test]
fn gates_and_rotations() {
    let mut random = Random(5);
    for len in lengths() {
        for bits in [6, 13, 17, 28] {
            let (gates, values) = (numbers(&mut random, len, bits), numbers(&mut random, len, bits));
            let mut expected = vec![0; len];
            scalar().gate(&gates, &values, &mut expected);
            for_each_instruction_set(|kernels| {
                let mut out = vec![0; len];
                kernels.gate(&gates, &values, &mut out);
                assert_eq!(out, expected);
                assert_eq!(kernels.maximum(&gates), *gates.iter().max().unwrap());
            });
        }
        let x = numbers(&mut random, 2 * len + 3, 15);
        let angles: Vec<f64> = (0..len).map(|i| i as f64 / 7.0).collect();
        let cos: Vec<i16> = angles.iter().map(|a| (a.cos() * 32_767.0) as i16).collect();
        let sin: Vec<i16> = angles.iter().map(|a| (a.sin() * 32_767.0) as i16).collect();
        let mut expected = x.clone();
        for i in 0..len {
            let (a, b): (i128, i128) = (x[i].into(), x[i + len].into());
            let (c, s): (i128, i128) = (cos[i].into(), sin[i].into());
            expected[i] = up(a * c - b * s, 15) as i32;
            expected[i + len] = up(a * s + b * c, 15) as i32;
        }
        for_each_instruction_set(|kernels| {
            let mut out = x.clone();
            kernels.rotate_i32(&mut out, &cos, &sin);
            assert_eq!(out, expected);
        });
    }
}

/// silu(1) = 0.7311, silu(-1) = -0.2689, silu(20) = 20, silu(-20) = 0, with 12 fraction bits.
#[test]
fn some_gates() {
    let mut out = [0; 5];
    let gates = [4096, -4096, 20 << 12, -(20 << 12), LIMIT];
    scalar().gate(&gates, &[4096, 4096, 4096, 4096, LIMIT], &mut out);
    assert_eq!(out, [2994, -1102, 20 << 12, 0, LIMIT]);
}

#[test]
fn weights() {
    let mut random = Random(6);
    for len in lengths() {
        let scores: Vec<i32> = (0..len)
            .map(|_| match random.below(4) {
                0 => -LIMIT,
                _ => 70_000 - random.below(5_000) as i32,
            })
            .collect();
        let maximum = *scores.iter().max().unwrap();
        let (m, e) = (mantissas(&mut random, len), exponents(&mut random, len, 30));
        let m: Vec<u16> = m.iter().map(|m| m >> 1).collect();
        let least = *e.iter().min().unwrap();
        let mut expected = vec![0; len];
        let sum = scalar().weigh_scores(&scores, maximum, &mut expected);
        assert_eq!(sum, expected.iter().sum::<u32>());
        let of_values: Vec<u32> = (0..len)
            .map(|i| match e[i] - least {
                difference @ 0..=16 => {
                    let product = i128::from(expected[i]) * i128::from(m[i]);
                    up(product, 15 + u32::from(difference)) as u32
                }
                _ => 0,
            })
            .collect();
        for_each_instruction_set(|kernels| {
            let mut out = vec![0; len];
            assert_eq!(kernels.weigh_scores(&scores, maximum, &mut out), sum);
            assert_eq!(out, expected);
            let (mut low, mut high) = (vec![0; len], vec![0; len]);
            kernels.weigh_values(&out, &m, &e, least, &mut low, &mut high);
            let both = low.iter().zip(&high);
            let both: Vec<u32> = both.map(|(&l, &h)| u32::from(l) + 256 * u32::from(h)).collect();
            assert_eq!(both, of_values);
        });
    }
    // One octave below the maximum, sixteen, and seventeen.
    let mut out = [0; 4];
    let sum = scalar().weigh_scores(&[0, -256, -4096, -4352], 0, &mut out);
    assert_eq!((out, sum), ([65_535, 32_768, 1, 0], 98_304));
}

#[test]
fn products_with_keys_and_values() {
    const POSITIONS: usize = 80;
    let mut random = Random(7);
    let keys: Vec<[i8; HEAD_DIM]> = (0..POSITIONS).map(|_| random.vector()).collect();
    let values: Vec<[i8; HEAD_DIM]> = (0..POSITIONS).map(|_| random.vector()).collect();
    let queries = random.activations(3 * HEAD_DIM);
    let weights: Vec<u8> = (0..48).map(|_| random.next() as u8).collect();
    for_each_instruction_set(|kernels| {
        let mut cache = kernels.key_value_cache(POSITIONS);
        for (position, (key, value)) in keys.iter().zip(&values).enumerate() {
            kernels.store(&mut cache, position, key, value);
        }
        let mut products = Vec::new();
        kernels.key_products(&cache, 20..61, &queries, &mut Workspace::default(), &mut products);
        let expected: Vec<i32> = queries
            .as_chunks::<HEAD_DIM>()
            .0
            .iter()
            .flat_map(|query| {
                let of_key = |key: &[i8; HEAD_DIM]| {
                    let products = query.iter().zip(key).map(|(&q, &k)| i32::from(q) * i32::from(k));
                    products.sum()
                };
                keys[16..64].iter().map(of_key).collect::<Vec<i32>>()
            })
            .collect();
        assert_eq!(products, expected);
        let mut sums = [0; HEAD_DIM];
        for (&weight, value) in weights.iter().zip(&values[32..]) {
            for (sum, &value) in sums.iter_mut().zip(value) {
                *sum += i32::from(weight) * i32::from(value);
            }
        }
        assert_eq!(kernels.weighted_values(&cache, 32, &weights), sums);
        assert_eq!(kernels.weighted_values(&cache, 32, &[]), [0; HEAD_DIM]);
    });
}
