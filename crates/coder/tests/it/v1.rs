//! The CZIPv1 coder against its reference, its exact bytes, and its ending.

use czip_coder::v1::{DecodeError, Decoder, Encoder, MAX_TOTAL};
use proptest::prelude::*;

use crate::reference::{self, Symbol};

fn encode(symbols: &[Symbol]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    for &(lo, hi, total) in symbols {
        encoder.encode(lo, hi, total);
    }
    encoder.finish()
}

fn decode_one(decoder: &mut Decoder<'_>, table: &[u32]) -> usize {
    let total = *table.last().unwrap();
    let target = decoder.target(total);
    assert!(target < total);
    let s = table.partition_point(|&cum| cum <= target);
    decoder.consume(if s == 0 { 0 } else { table[s - 1] }, table[s], total);
    s
}

fn symbol(table: &[u32], s: usize) -> Symbol {
    (
        if s == 0 { 0 } else { table[s - 1] },
        table[s],
        *table.last().unwrap(),
    )
}

/// Checks encoder and decoder against the reference, and the round trip.
fn check(message: &[(&[u32], usize)]) {
    let symbols: Vec<Symbol> = message.iter().map(|&(table, s)| symbol(table, s)).collect();
    let bytes = encode(&symbols);
    assert_eq!(bytes, reference::encode(&symbols));

    let mut decoder = Decoder::new(&bytes);
    for &(table, s) in message {
        assert_eq!(decode_one(&mut decoder, table), s);
    }
    assert_eq!(decoder.finish(), Ok(()));
}

#[test]
fn empty_message() {
    assert_eq!(Encoder::new().finish(), [0x80]);
    assert_eq!(Encoder::default().finish(), [0x80]);
    assert_eq!(Decoder::new(&[0x80]).finish(), Ok(()));
    assert_eq!(
        Decoder::new(&[]).finish(),
        Err(DecodeError::Length {
            expected: 1,
            found: 0
        })
    );
    assert_eq!(
        Decoder::new(&[0x80, 0]).finish(),
        Err(DecodeError::Length {
            expected: 1,
            found: 2
        })
    );
    assert_eq!(
        Decoder::new(&[0x81]).finish(),
        Err(DecodeError::End { offset: 0 })
    );
    assert_eq!(
        Decoder::new(&[0x00]).finish(),
        Err(DecodeError::End { offset: 0 })
    );
}

#[test]
fn certain_symbol_takes_no_bits() {
    assert_eq!(encode(&[(0, 1, 1); 1000]), [0x80]);
    assert_eq!(encode(&[(0, MAX_TOTAL, MAX_TOTAL); 1000]), [0x80]);
}

/// The example of `docs/spec/czip-v1.md`.
#[test]
fn example_of_the_specification() {
    let table = [1, 3, 4];
    assert_eq!(encode(&[0, 1, 2, 1].map(|s| symbol(&table, s))), [0x2c]);
    assert_eq!(encode(&[1, 0].map(|s| symbol(&table, s))), [0x50]);
}

#[test]
fn bits_at_every_alignment() {
    for count in 0..=130 {
        let symbols: Vec<Symbol> = (0..count).map(|i| (i % 2, i % 2 + 1, 2)).collect();
        let mut expected = vec![0x55; count as usize / 8];
        expected.push([0x80, 0x40, 0x60, 0x50, 0x58, 0x54, 0x56, 0x55][count as usize % 8]);
        assert_eq!(encode(&symbols), expected, "{count} bits");
    }
}

/// The middle half straddles by one bit, which leaves the full interval: each symbol adds a pending bit, for ever.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn long_underflow() {
    let table = [1, 3, 4];
    for count in [1, 30, 31, 32, 33, 63, 64, 65, 1000, 10_000] {
        let symbols = vec![symbol(&table, 1); count];
        assert_eq!(reference::encode_bits(&symbols), (vec![], count as u64));
        assert_eq!(encode(&symbols), [0x80]);
        for last in [0, 2] {
            let mut message = vec![(&table[..], 1); count];
            message.push((&table, last));
            check(&message);
            // And more after it, so bits follow the run.
            message.extend([(&table[..], 2), (&table, 0), (&table, 1), (&table, 2)]);
            check(&message);
        }
    }
    // A low quarter settles the bit 0, ten pending bits follow as 1, then a 0 for the quarter, and the end.
    let mut symbols = vec![symbol(&table, 1); 10];
    symbols.push(symbol(&table, 0));
    assert_eq!(encode(&symbols), [0b0111_1111, 0b1110_1000]);
}

/// The middle third never fits the bits, so the bounds drift until some settle.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn underflow_with_rounding() {
    let table = [1, 2, 3];
    for count in 0..100 {
        for last in [0, 1, 2] {
            let mut message = vec![(&table[..], 1); count];
            message.push((&table, last));
            check(&message);
        }
    }
}

/// The two middle units of 2^30 straddle 29 bits at once.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn steep_underflow() {
    let half = MAX_TOTAL / 2;
    let table = [half - 1, half + 1, MAX_TOTAL];
    assert_eq!(reference::encode_bits(&[symbol(&table, 1)]), (vec![], 29));
    for count in 1..200 {
        for last in [0, 2] {
            let mut message = vec![(&table[..], 1); count];
            message.push((&table, last));
            check(&message);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn rarest_and_most_frequent() {
    let first = [1, MAX_TOTAL];
    let last = [MAX_TOTAL - 1, MAX_TOTAL];
    let middle = [MAX_TOTAL / 2, MAX_TOTAL / 2 + 1, MAX_TOTAL];
    for pattern in [[0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1], [0, 0, 1], [1, 1, 0]] {
        for table in [&first[..], &last, &middle] {
            let message: Vec<_> = pattern.iter().cycle().take(300).map(|&s| (table, s)).collect();
            check(&message);
        }
    }
    // 30 bits each, and the end.
    assert_eq!(encode(&[(0, 1, MAX_TOTAL); 8]).len(), 31);
}

#[test]
fn finish_finds_damage() {
    let table = [1, 3, 7, 16];
    let message: Vec<usize> = (0..400).map(|i| i * i % 7 % 4).collect();
    let bytes = encode(&message.iter().map(|&s| symbol(&table, s)).collect::<Vec<_>>());
    let decode = |bytes: &[u8]| {
        let mut decoder = Decoder::new(bytes);
        message.iter().for_each(|_| _ = decode_one(&mut decoder, &table));
        decoder.finish()
    };
    let length = |expected, found| Err(DecodeError::Length { expected, found });
    assert_eq!(decode(&bytes), Ok(()));
    assert_eq!(bytes.len(), 158);
    assert_eq!(decode(&bytes[..157]), length(158, 157));
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(decode(&longer), length(158, 159));
    let mut flipped = bytes.clone();
    flipped[10] ^= 0x10;
    assert_eq!(decode(&flipped), length(85, 158));
    let mut end = bytes;
    end[157] ^= 1;
    assert_eq!(decode(&end), Err(DecodeError::End { offset: 1258 }));
}

#[test]
fn errors_say_what_and_where() {
    assert_eq!(
        DecodeError::Length {
            expected: 3,
            found: 5
        }
        .to_string(),
        "5 bytes of coded data, but the symbols decoded from them take 3"
    );
    assert_eq!(
        DecodeError::End { offset: 17 }.to_string(),
        "coded data do not end in a 1 bit and zeros at bit 17"
    );
}

/// A table of 1 to 12 symbols: ordinary, or with units at the edges and the middle of a total of up to 2^30.
fn table() -> impl Strategy<Value = Vec<u32>> {
    let cuts = prop_oneof![
        prop::collection::vec(1u32..64, 1..12),
        prop::collection::vec(1..=MAX_TOTAL, 1..12),
        (1u32..6, 0u32..6).prop_map(|(a, b)| vec![a, MAX_TOTAL - b]),
        (2..=MAX_TOTAL / 2, 1u32..3, 0u32..3).prop_map(|(h, a, b)| vec![h - a, h + b, 2 * h]),
        (1..=MAX_TOTAL).prop_map(|total| vec![1, total]),
    ];
    cuts.prop_map(|mut cuts| {
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    })
}

/// Tables, and for each a number that picks its symbol; small pickers make runs of the same.
fn message() -> impl Strategy<Value = Vec<(Vec<u32>, usize)>> {
    prop::collection::vec((table(), 0usize..12), 0..200).prop_map(|items| {
        items
            .into_iter()
            .map(|(table, s)| {
                let s = s % table.len();
                (table, s)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn equals_reference(message in message()) {
        check(&message.iter().map(|(table, s)| (&table[..], *s)).collect::<Vec<_>>());
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn one_model_equals_reference(table in table(), picks in prop::collection::vec(0usize..12, 0..500)) {
        check(&picks.iter().map(|s| (&table[..], s % table.len())).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_decode_as_the_reference_does(
        data in prop::collection::vec(any::<u8>(), 0..60),
        tables in prop::collection::vec(table(), 0..200),
    ) {
        let tables: Vec<&[u32]> = tables.iter().map(|table| &table[..]).collect();
        let mut decoder = Decoder::new(&data);
        let symbols: Vec<usize> = tables.iter().map(|table| decode_one(&mut decoder, table)).collect();
        prop_assert_eq!(&symbols, &reference::decode(&data, &tables));

        // The end is right exactly when encoding the same symbols gives the same bytes.
        let again = encode(&tables.iter().zip(&symbols).map(|(table, &s)| symbol(table, s)).collect::<Vec<_>>());
        prop_assert_eq!(decoder.finish().is_ok(), again == data);
    }
}
