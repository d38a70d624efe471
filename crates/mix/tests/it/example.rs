//! The numbers in `docs/spec/mixing.md`: the example, and the list of the shipped files.

use std::fmt::Write as _;

use czip_container::v2::{Header, Level, Mode, Reader, Writer};
use czip_mix::{Alphabet, Priors, Variant};
use xxhash_rust::xxh3::xxh3_64;

use crate::data::as_symbols;
use crate::priors::sizes;
use crate::reference::{Decision, InitialState, PlainTree, Reference, VariantConfig};
use crate::streams::{BYTE_PRIORS, Stream, kernels};

const PAGE: &str = include_str!("../../../../docs/spec/mixing.md");

const TEXT: &[u8] = b"the the the\n";

/// The text's decisions and its payload, by the reference.
fn coded() -> (Vec<Decision>, Vec<u8>) {
    let tree = PlainTree::of_bytes();
    let config = VariantConfig::light_bytes();
    let initial = InitialState::of(&config, false, &tree, &BYTE_PRIORS);
    let mut reference = Reference::new(config, &tree, initial, TEXT.len());
    TEXT.iter().for_each(|&byte| reference.encode(byte.into(), None));
    let decisions = reference.decisions.clone();
    (decisions, reference.finish())
}

fn joined<T: ToString>(numbers: &[T], separator: &str) -> String {
    let numbers: Vec<String> = numbers.iter().map(T::to_string).collect();
    numbers.join(separator)
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

fn assert_on_page(expected: &str) {
    assert!(
        PAGE.contains(expected),
        "docs/spec/mixing.md should have:\n{expected}"
    );
}

#[test]
fn steps_to_a_probability() {
    let (decisions, _) = coded();
    let (first, later) = (&decisions[0], &decisions[8 * 4 + 7]);
    let mut table = "| what | first | later |\n| --- | --- | --- |\n".to_owned();
    let mut row = |name: &str, of: &dyn Fn(&Decision) -> String| {
        writeln!(table, "| {name} | {} | {} |", of(first), of(later)).unwrap();
    };
    row("inputs", &|decision| joined(&decision.inputs, " "));
    row("rows of the four sets", &|decision| joined(&decision.rows, " "));
    row("their outputs", &|decision| joined(&decision.outputs, " "));
    row("`mixed`", &|decision| decision.mixed.to_string());
    row("refined", &|decision| joined(&decision.refined, " "));
    row("probability", &|decision| decision.p.to_string());
    assert_on_page(&table);
}

#[test]
fn probabilities_of_the_first_bytes() {
    let (decisions, _) = coded();
    let mut table = "| byte | bits | probabilities |\n| --- | --- | --- |\n".to_owned();
    for (&byte, decisions) in TEXT.iter().zip(decisions.chunks(8)).take(6) {
        let name = if byte == b' ' {
            "space".to_owned()
        } else {
            format!("`{}`", char::from(byte))
        };
        let p: Vec<i64> = decisions.iter().map(|decision| decision.p).collect();
        writeln!(table, "| {name} | {byte:08b} | {} |", joined(&p, " ")).unwrap();
    }
    assert_on_page(&table);
}

#[test]
fn the_whole_file() {
    let (_, payload) = coded();
    let alphabet = Alphabet::for_bytes(kernels());
    let symbols = as_symbols(TEXT);
    let stream = Stream {
        variant: Variant::LightBytes,
        symbols: &symbols,
        net: None,
        text_len: TEXT.len(),
    };
    assert_eq!(stream.encoded(&alphabet, &mut stream.mixer(&alphabet)), payload);

    let header = Header {
        level: Level::new(1).unwrap(),
        model: None,
    };
    let mut writer = Writer::new(Vec::new(), header);
    writer.write(Mode::Bytes, true, &payload, TEXT).unwrap();
    let file = writer.finish().unwrap();
    let segment = Reader::new(&file[..]).next().unwrap().unwrap();
    assert_eq!(segment.payload, payload);
    // Header of four bytes, two numbers of a byte, checksum of four.
    assert_eq!(file.len(), 6 + payload.len() + 4);
    let (head, rest) = file.split_at(4);
    let (numbers, rest) = rest.split_at(2);
    let (payload, checksum) = rest.split_at(rest.len() - 4);
    assert_on_page(&format!(
        "```hex\n{}   header: no model, level 1\n{:11}   {} bytes of payload, last segment, mode 1; 12 bytes of text\n{}\n{}   checksum\n```\n",
        hex(head),
        hex(numbers),
        payload.len(),
        hex(payload),
        hex(checksum)
    ));
}

/// A shipped file: name, contents, and for priors the variant and whether it has a net.
type Shipped = (&'static str, &'static [u8], Option<(Variant, bool)>);

/// The shipped files in the order of the page.
const SHIPPED: [Shipped; 7] = [
    (
        "vocabulary.bin",
        include_bytes!("../../priors/vocabulary.bin"),
        None,
    ),
    (
        "light-alone.bin",
        include_bytes!("../../priors/light-alone.bin"),
        Some((Variant::Light, false)),
    ),
    (
        "standard-alone.bin",
        include_bytes!("../../priors/standard-alone.bin"),
        Some((Variant::Standard, false)),
    ),
    (
        "max.bin",
        include_bytes!("../../priors/max.bin"),
        Some((Variant::Max, true)),
    ),
    (
        "max-alone.bin",
        include_bytes!("../../priors/max-alone.bin"),
        Some((Variant::Max, false)),
    ),
    (
        "light-bytes.bin",
        include_bytes!("../../priors/light-bytes.bin"),
        Some((Variant::LightBytes, false)),
    ),
    (
        "bytes.bin",
        include_bytes!("../../priors/bytes.bin"),
        Some((Variant::Bytes, false)),
    ),
];

#[test]
fn the_shipped_files_are_those_of_the_page() {
    let mut table = "| file | bytes | XXH3-64 |\n| --- | --- | --- |\n".to_owned();
    for (name, file, _) in SHIPPED {
        writeln!(table, "| `{name}` | {} | {:016x} |", file.len(), xxh3_64(file)).unwrap();
    }
    assert_on_page(&table);
}

/// The library leaves out what it cannot read, or what is of another shape, and would start from nothing.
#[test]
fn the_shipped_priors_are_those_of_their_variants() {
    let tree_of_bytes = PlainTree::of_bytes().hash().to_le_bytes();
    for (name, file, variant) in SHIPPED {
        let Some((variant, net)) = variant else {
            let (weights, rest) = file[8..].as_chunks::<2>();
            assert!(rest.is_empty() && weights.len() > 256, "{name}");
            continue;
        };
        assert_eq!(
            Priors::from_bytes(file).map(|priors| priors.as_bytes().len()),
            Ok(file.len()),
            "{name}"
        );
        let [contexts, runs] = sizes(variant);
        assert_eq!(file[5..8], [contexts as u8, runs as u8, u8::from(net)], "{name}");
        if matches!(variant, Variant::LightBytes | Variant::Bytes) {
            assert_eq!(file[8..10], 256u16.to_le_bytes(), "{name}");
            assert_eq!(file[10..18], tree_of_bytes, "{name}");
        } else {
            // All of one vocabulary.
            assert_eq!(file[8..18], SHIPPED[1].1[8..18], "{name}");
        }
    }
}
