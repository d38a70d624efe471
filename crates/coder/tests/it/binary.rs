//! The binary coder against its reference, its exact bytes, its carries and its ending.

use czip_coder::binary::{DecodeError, Decoder, Encoder};
use proptest::prelude::*;

use crate::binary_reference::{self as reference, Decision};

fn encode(message: &[Decision]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    for &(bit, p) in message {
        encoder.encode(bit, p);
    }
    encoder.finish()
}

/// The bits that `data` decode to, and what the decoder says of the end.
fn decode(data: &[u8], probabilities: &[u16]) -> (Vec<bool>, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(data);
    let bits = probabilities.iter().map(|&p| decoder.decode(p)).collect();
    (bits, decoder.finish())
}

fn split(message: &[Decision]) -> (Vec<bool>, Vec<u16>) {
    message.iter().copied().unzip()
}

/// Checks encoder and decoder against the reference, and the round trip. Returns the bytes.
fn check(message: &[Decision]) -> Vec<u8> {
    let bytes = encode(message);
    assert_eq!(bytes, reference::encode(message));
    let (bits, probabilities) = split(message);
    assert_eq!(decode(&bytes, &probabilities), (bits, Ok(())));
    bytes
}

/// Pseudo-random numbers of 32 bits: a linear congruence's upper half.
fn noise(seed: u64) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(seed), |x| {
        Some(
            x.wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407),
        )
    })
    .skip(1)
    .map(|x| (x >> 32) as u32)
}

#[test]
fn empty_message() {
    assert_eq!(check(&[]), []);
    assert_eq!(Encoder::default().finish(), []);
    let length = |found| Err(DecodeError::Length { expected: 0, found });
    assert_eq!(Decoder::new(&[0]).finish(), length(1));
    assert_eq!(Decoder::new(&[1, 2]).finish(), length(2));
    assert_eq!(Decoder::new(&[0; 20]).finish(), length(20));
}

/// The examples of `docs/spec/czip-v2.md`.
#[test]
fn examples_of_the_specification() {
    assert_eq!(check(&[(true, 1 << 15)]), []);
    assert_eq!(check(&[(false, 1 << 15)]), [0x80]);
    assert_eq!(
        check(&[
            (false, 1 << 15),
            (false, 1 << 15),
            (true, 1 << 14),
            (false, 65_535)
        ]),
        [0xcf, 0xff, 0xf0]
    );
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn certain_bits_take_next_to_nothing() {
    // 1000 * -log2(65535 / 65536) = 0.022 bits.
    assert_eq!(check(&[(true, 65_535); 1000]), []);
    assert_eq!(check(&[(false, 1); 1000]), [0x04]);
    // A byte for every 363,409 of them.
    assert_eq!(check(&[(true, 65_535); 20_000]), []);
    assert_eq!(encode(&vec![(false, 1); 10_000_000]).len(), 28);
}

#[test]
fn rare_bits_take_16_bits_each() {
    assert_eq!(check(&[(true, 1); 100]), []);
    assert_eq!(check(&[(false, 65_535); 100]).len(), 200);
    let alternating: Vec<Decision> = (0..100)
        .map(|i| if i % 2 == 0 { (true, 1) } else { (false, 65_535) })
        .collect();
    assert_eq!(check(&alternating).len(), 201);
}

#[test]
fn fixed_messages_give_these_bytes() {
    // The bits of the bytes, each as likely as not. A true bit is the lower half, so they come out inverted except for the
    // last, as the range is not quite 2^32.
    let bits = |bytes: &[u8]| -> Vec<Decision> {
        let bit = |i: usize| (bytes[i / 8] >> (7 - i % 8) & 1 == 1, 1 << 15);
        (0..8 * bytes.len()).map(bit).collect()
    };
    assert_eq!(check(&bits(b"czip")), FIXED_TEXT);

    let mut numbers = noise(1);
    let mixed: Vec<Decision> = (0..200)
        .map(|_| {
            let p = (numbers.next().unwrap() >> 16).max(1) as u16;
            (numbers.next().unwrap() >> 16 < u32::from(p), p)
        })
        .collect();
    assert_eq!(check(&mixed), FIXED_MIXED);
}

const FIXED_TEXT: [u8; 4] = [0x9c, 0x85, 0x96, 0x8e];
const FIXED_MIXED: [u8; 16] = [
    0x7d, 0x80, 0xf2, 0xce, 0x31, 0x17, 0x5a, 0x42, 0x66, 0x46, 0x7e, 0xc8, 0x39, 0x1f, 0xfd, 0x93,
];

/// A message whose number begins `0.7FFF...` for a long time and is then settled either way.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn carries_run_through_many_bytes() {
    for len in (0..40).chain([1000, 5000]) {
        // Bits towards just below the middle: the first true, all that follow false.
        let mut message = vec![(true, 1 << 15)];
        message.extend(vec![(false, 1 << 15); len]);
        let bytes = check(&message);
        assert!(bytes.len() <= len / 8 + 1, "{len}");
        for (tail, p) in [(true, 1), (false, 65_535), (true, 65_535), (false, 1)] {
            for count in 1..8 {
                let mut message = message.clone();
                message.extend(vec![(tail, p); count]);
                check(&message);
            }
        }
    }
}

/// Bits chosen such that the interval keeps holding a given number, whose bytes are a long run of 0xFF or 0.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn numbers_next_to_a_carry() {
    for run in [1, 2, 3, 4, 5, 6, 7, 8, 9, 30, 31, 32, 33, 300] {
        for (before, fill, after) in [
            (0x12, 0xff, 0xff),
            (0x12, 0xff, 0x00),
            (0x13, 0x00, 0x00),
            (0x13, 0x00, 0x01),
            (0xfe, 0xff, 0x80),
        ] {
            let mut number = vec![before];
            number.extend(vec![fill; run]);
            number.extend([after; 6]);
            for seed in 0..4 {
                let probabilities: Vec<u16> = noise(seed)
                    .map(|x| {
                        if seed == 0 {
                            1 << 15
                        } else {
                            (x >> 16).max(1) as u16
                        }
                    })
                    .take(8 * run)
                    .collect();
                let (bits, right) = reference::decode(&number, &probabilities).unwrap();
                let (found, end) = decode(&number, &probabilities);
                assert_eq!((&found, end.is_ok()), (&bits, right));
                check(&bits.into_iter().zip(probabilities).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn bytes_before_the_message_stay() {
    // Three messages after bytes that a stray carry or trimming would change.
    let mut bytes = vec![0x55, 0xff, 0xff, 0x00, 0x00];
    let mut expected = bytes.clone();
    for message in [&[(true, 1); 9][..], &[(false, 65_535); 9], &[]] {
        let mut encoder = Encoder::from_vec(bytes);
        for &(bit, p) in message {
            encoder.encode(bit, p);
        }
        bytes = encoder.finish();
        expected.extend(reference::encode(message));
        assert_eq!(bytes, expected);
    }
}

/// The size is that of the ideal code, and at most a byte.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn size_is_ideal() {
    let mut numbers = noise(7);
    for p in [1u16, 2, 100, 3000, 20_000, 32_768, 50_000, 65_000, 65_535] {
        let message: Vec<Decision> = (0..50_000)
            .map(|_| (numbers.next().unwrap() >> 16 < u32::from(p), p))
            .collect();
        let ones = message.iter().filter(|(bit, _)| *bit).count();
        let log2 = |p: u16, q: f64| (f64::from(p) / 65_536.0 - q).abs().log2();
        let ideal = -(ones as f64 * log2(p, 0.0) + (message.len() - ones) as f64 * log2(p, 1.0)) / 8.0;
        let len = encode(&message).len() as f64;
        assert!(
            (ideal - 1.0..ideal + 1.5).contains(&len),
            "p {p}: {len} bytes, ideally {ideal}"
        );
    }
}

#[test]
fn finish_finds_what_no_encoder_writes() {
    let probabilities: Vec<u16> = noise(3).map(|x| (x >> 16).max(1) as u16).take(400).collect();
    let message: Vec<Decision> = probabilities
        .iter()
        .zip(noise(4))
        .map(|(&p, x)| (x >> 16 < u32::from(p), p))
        .collect();
    let bytes = encode(&message);
    let finish = |data: &[u8]| decode(data, &probabilities).1;
    assert_eq!(finish(&bytes), Ok(()));
    for zeros in 1..12 {
        let (expected, found) = (bytes.len(), bytes.len() + zeros);
        let longer = [&bytes[..], &vec![0; zeros]].concat();
        assert_eq!(finish(&longer), Err(DecodeError::Length { expected, found }));
    }
    // The next byte up may still be in the interval, or decode to other bits: only the reference knows.
    let mut higher = bytes.clone();
    *higher.last_mut().unwrap() += 1;
    assert_eq!(
        finish(&higher).is_ok(),
        reference::decode(&higher, &probabilities).unwrap().1
    );

    // Half of the numbers are in the interval; the lowest is right.
    let one = |byte| decode(&[byte], &[1 << 15]).1;
    assert_eq!(one(0x80), Ok(()));
    assert_eq!(one(0x81), Err(DecodeError::End { offset: 0 }));
    assert_eq!(one(0xff), Err(DecodeError::End { offset: 0 }));
    assert_eq!(
        one(0x00),
        Err(DecodeError::Length {
            expected: 0,
            found: 1
        })
    );
    assert_eq!(
        decode(&[0xff; 4], &[1 << 15; 32]).1,
        Err(DecodeError::End { offset: 0 })
    );
}

#[test]
fn errors_say_what_and_where() {
    assert_eq!(
        DecodeError::Length {
            expected: 3,
            found: 5
        }
        .to_string(),
        "5 bytes of coded data, but the bits decoded from them take 3"
    );
    assert_eq!(
        DecodeError::End { offset: 17 }.to_string(),
        "coded data do not end as an encoder ends them at byte 17"
    );
}

/// The first number of a false bit's part is `bound` itself.
#[test]
fn bounds_belong_to_the_upper_part() {
    // floor((2^32 - 1) * 2^15 / 2^16) = 0x7fffffff.
    let first = |data: &[u8]| Decoder::new(data).decode(1 << 15);
    assert!(first(&[0x7f, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]));
    assert!(!first(&[0x7f, 0xff, 0xff, 0xff]));
    assert!(!first(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1]));
}

/// A message of true bits is the number 0, which takes no byte, however many have settled.
#[test]
fn zeros_are_never_written() {
    for settled in [0, 1, 2, 3, 5] {
        for zeros in 1..8 {
            // Each takes 16 bits.
            let (bits, end) = decode(&vec![0; zeros], &vec![1; settled]);
            assert_eq!(bits, vec![true; settled]);
            let (expected, found) = (0, zeros);
            assert_eq!(end, Err(DecodeError::Length { expected, found }));
        }
    }
}

/// False bits leave the interval's upper end as it is, and that end is not in the interval.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn upper_ends_are_outside() {
    for count in 1..40 {
        check(&vec![(false, 65_535); count]);
        check(&vec![(false, 1 << 15); count]);
        // After four bytes have settled the upper end is a multiple of 2^32.
        let mut message = vec![(false, 65_535); count];
        message.push((true, 65_535));
        check(&message);
    }
}

/// Ordinary probabilities and extreme ones.
fn probability() -> impl Strategy<Value = u16> {
    prop_oneof![
        1u16..=65_535,
        1u16..4,
        65_532u16..=65_535,
        (0u32..16).prop_map(|log2| 1 << log2),
        (0u32..16).prop_map(|log2| 65_535 - (1 << log2) + 1),
    ]
}

/// Bits that follow their probabilities, or do not.
fn message() -> impl Strategy<Value = Vec<Decision>> {
    let likely = (probability(), any::<u16>()).prop_map(|(p, x)| (x < p, p));
    let any = (any::<bool>(), probability());
    prop::collection::vec(prop_oneof![likely, any], 0..400)
}

proptest! {
    #[test]
    fn equals_reference(message in message()) {
        check(&message);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn runs_equal_reference(runs in prop::collection::vec((any::<bool>(), probability(), 1usize..200), 0..8)) {
        let message: Vec<Decision> = runs.into_iter().flat_map(|(bit, p, len)| vec![(bit, p); len]).collect();
        check(&message);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn any_bytes_decode_as_the_reference_does(
        data in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(prop_oneof![Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff)], 0..12),
        ],
        probabilities in prop::collection::vec(probability(), 0..300),
    ) {
        let (bits, end) = decode(&data, &probabilities);
        match reference::decode(&data, &probabilities) {
            Some((expected, right)) => {
                prop_assert_eq!(&bits, &expected);
                prop_assert_eq!(end.is_ok(), right);
                let again = encode(&bits.into_iter().zip(probabilities).collect::<Vec<_>>());
                match end {
                    Ok(()) => prop_assert_eq!(again, data),
                    Err(DecodeError::Length { expected, found }) => {
                        prop_assert_eq!(expected, again.len());
                        prop_assert_eq!(found, data.len());
                        prop_assert!(found > expected);
                    }
                    Err(DecodeError::End { offset }) => {
                        prop_assert_eq!(offset + 1, data.len());
                        prop_assert_eq!(&again[..offset], &data[..offset]);
                        prop_assert!(again[offset] < data[offset]);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            None => prop_assert_eq!(end, Err(DecodeError::End { offset: 0 })),
        }
    }
}
