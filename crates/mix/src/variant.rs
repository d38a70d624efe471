//! The mixers that the format defines: their contexts, and the sizes of their tables.

use crate::history::Context::{self, *};
use crate::shape;

/// How much is mixed. What each variant consists of is a part of the format: `docs/spec/mixing.md`, section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Five contexts.
    Light,
    /// Eight contexts.
    Standard,
    /// Sixteen contexts.
    Max,
    /// For bytes: five contexts.
    LightBytes,
    /// For bytes: sixteen contexts.
    Bytes,
}

/// The parts of a variant.
#[derive(Debug)]
pub(crate) struct VariantConfig {
    pub(crate) contexts: &'static [Context],
    /// Indices of the contexts whose last symbol predicts the next.
    pub(crate) runs: &'static [usize],
    /// With a net, this many of the first contexts are also mapped jointly with it.
    pub(crate) joint: usize,
    /// The lengths of the repetitions that are looked for, in symbols: the longer, and the shorter.
    pub(crate) repetition: [usize; 2],
    pub(crate) track_records: bool,
    /// The most lines of two buckets.
    max_lines_log2: u32,
}

static LIGHT: VariantConfig = VariantConfig {
    contexts: &[Order0, Order1, Order2, Word, Shape],
    runs: &[2, 3],
    joint: 0,
    repetition: [6, 2],
    track_records: false,
    max_lines_log2: 17,
};

static STANDARD: VariantConfig = VariantConfig {
    contexts: &[Order0, Order1, Order2, Word, Shape, Order3, Word2, Bytes3],
    runs: &[2, 3, 5],
    joint: 8,
    repetition: [6, 2],
    track_records: false,
    max_lines_log2: 18,
};

static MAX: VariantConfig = VariantConfig {
    contexts: &[
        Order0, Order1, Order2, Word, Shape, Order3, Word2, Bytes3, Order4, Order6, Skip1, Above, Field,
        Word3, Bytes5, WordSkip,
    ],
    runs: &[1, 2, 3, 5],
    joint: 8,
    repetition: [6, 2],
    track_records: false,
    max_lines_log2: 19,
};

static LIGHT_BYTES: VariantConfig = VariantConfig {
    contexts: &[Order1, Order2, Order3, Order4, Word],
    runs: &[2, 3],
    joint: 0,
    repetition: [8, 4],
    track_records: false,
    max_lines_log2: 18,
};

static BYTES: VariantConfig = VariantConfig {
    contexts: &[
        Order0, Order1, Order2, Order3, Order4, Order6, Word, Word2, Shape, Above, Sparse23, Sparse34,
        Sparse14, Column, RecordLast, Records,
    ],
    runs: &[2, 4, 5],
    joint: 0,
    repetition: [8, 3],
    track_records: true,
    max_lines_log2: 19,
};

/// Rows of the sets that are chosen by node and by the last symbol: larger vocabularies share them.
const MAX_SYMBOL_ROWS: usize = 4096;

/// The sizes of a stream's tables, as base-2 logarithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableSizes {
    /// Lines of two buckets.
    pub(crate) lines_log2: u32,
    /// Entries of each of the two tables of repetitions.
    pub(crate) matches_log2: u32,
    /// Lines of each of the two refinements.
    pub(crate) refinements_log2: u32,
}

impl VariantConfig {
    /// The sizes of what is learnt about a vocabulary of `symbols` symbols.
    pub(crate) fn shape(&self, with_net: bool, symbols: usize) -> shape::Shape {
        shape::Shape {
            contexts: self.contexts.len(),
            runs: self.runs.len(),
            joint: if with_net { self.joint } else { 0 },
            with_net,
            symbol_rows: symbols.min(MAX_SYMBOL_ROWS),
        }
    }

    /// The sizes of the tables for a text of this many bytes.
    pub(crate) fn table_sizes(&self, text_len: usize) -> TableSizes {
        // The smallest n with 2^n >= max(number, 2).
        let log2 = |number: usize| usize::BITS - (number.max(2) - 1).leading_zeros();
        let slots = text_len.saturating_mul(self.contexts.len());
        TableSizes {
            lines_log2: log2(slots / 2).clamp(8, self.max_lines_log2),
            matches_log2: log2(text_len / 2).clamp(8, 18),
            refinements_log2: log2(text_len / 2).clamp(6, 15),
        }
    }
}

impl Variant {
    const ALL: [Self; 5] = [
        Self::Light,
        Self::Standard,
        Self::Max,
        Self::LightBytes,
        Self::Bytes,
    ];

    pub(crate) fn config(self) -> &'static VariantConfig {
        match self {
            Self::Light => &LIGHT,
            Self::Standard => &STANDARD,
            Self::Max => &MAX,
            Self::LightBytes => &LIGHT_BYTES,
            Self::Bytes => &BYTES,
        }
    }

    /// The most bytes of memory that a [`Mixer`](crate::Mixer) takes for a text of `text_len` bytes, the text's own
    /// bytes and symbols included; its maps and weights, whose size does not depend on the text, are not counted.
    #[must_use]
    pub fn memory(self, text_len: usize) -> usize {
        let sizes = self.config().table_sizes(text_len);
        // Lines of buckets, two tables of repetitions, two of refinements, and a symbol of 32 bits and a byte for each byte.
        (64 << sizes.lines_log2)
            + (8 << sizes.matches_log2)
            + (128 << sizes.refinements_log2)
            + text_len.saturating_mul(5)
    }
}

/// The shape of the variant with this many contexts and runs, if there is one. `symbol_rows` must be above 0.
pub(crate) fn find_shape(
    contexts: usize,
    runs: usize,
    with_net: bool,
    symbol_rows: usize,
) -> Option<shape::Shape> {
    Variant::ALL
        .into_iter()
        .map(|variant| variant.config().shape(with_net, 1))
        .find(|shape| (shape.contexts, shape.runs) == (contexts, runs))
        .filter(|_| symbol_rows > 0)
        .map(|shape| shape::Shape { symbol_rows, ..shape })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_text() {
        let sizes = |variant: Variant, text_len| {
            let sizes = variant.config().table_sizes(text_len);
            [sizes.lines_log2, sizes.matches_log2, sizes.refinements_log2]
        };
        assert_eq!(sizes(Variant::Light, 0), [8, 8, 6]);
        // 5 * 204 / 2 = 510, 5 * 205 / 2 = 512, 5 * 206 / 2 = 515.
        assert_eq!(
            [204, 205, 206].map(|len| sizes(Variant::Light, len)[0]),
            [9, 9, 10]
        );
        assert_eq!(
            [512, 513, 514].map(|len| sizes(Variant::Light, len)[1]),
            [8, 8, 9]
        );
        assert_eq!(
            [128, 129, 130].map(|len| sizes(Variant::Light, len)[2]),
            [6, 6, 7]
        );
        for text_len in [1 << 26, usize::MAX] {
            let all = Variant::ALL.map(|variant| sizes(variant, text_len));
            assert_eq!(all, [17, 18, 19, 18, 19].map(|lines| [lines, 18, 15]));
        }
    }

    /// The table of the README.
    #[test]
    fn memory_for_a_mebibyte() {
        assert_eq!(
            Variant::ALL.map(|variant| variant.memory(1 << 20)),
            [19, 27, 43, 27, 43].map(|mebibytes| mebibytes << 20)
        );
        assert_eq!(Variant::Max.memory(0), (64 << 8) + (8 << 8) + (128 << 6));
    }
}
