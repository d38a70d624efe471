//! How weights, keys and values lie in memory: int8 in blocks of 64 bytes.
//!
//! A block of weights or keys has [`BLOCK_ROWS`] rows by [`BLOCK_COLS`] columns, row by row. Vector lanes are then rows,
//! four activations are broadcast to all of them, and sums never have to be added across lanes. Blocks of the same rows
//! follow each other in the order of their columns, so a product reads the weights in one stream. How values lie is
//! said by a [`ValueLayout`].

/// The length of a query, key or value vector of one head.
pub const HEAD_DIM: usize = 64;

/// Rows in a block.
pub(crate) const BLOCK_ROWS: usize = 16;
/// Columns in a block.
pub(crate) const BLOCK_COLS: usize = 4;
/// Bytes in a block.
pub(crate) const BLOCK_LEN: usize = BLOCK_ROWS * BLOCK_COLS;

// The keys of whole blocks of positions have as many blocks as there are positions.
const _: () = assert!(BLOCK_LEN == HEAD_DIM);

/// One block, or any other 64 bytes; aligned as the widest vectors want it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [i8; BLOCK_LEN]);

impl Block {
    pub(crate) const ZERO: Self = Self([0; BLOCK_LEN]);
}

/// How an instruction set lays out weights and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeightLayout {
    /// Row by row.
    Rows,
    /// In blocks, with a bias added to each, modulo 256.
    Blocks { bias: i8 },
    /// In pairs of blocks, each of [`BLOCK_ROWS`] rows by two times [`BLOCK_COLS`] columns, row by row. If the number of
    /// blocks is odd, the last one is on its own, as in `Blocks`.
    #[cfg_attr(
        not(target_arch = "aarch64"),
        allow(dead_code, reason = "only an instruction set of ARM wants it")
    )]
    BlockPairs,
}

impl WeightLayout {
    /// What is added to weights.
    const fn bias(self) -> i8 {
        match self {
            Self::Blocks { bias } => bias,
            Self::Rows | Self::BlockPairs => 0,
        }
    }
}

/// Puts a row-major matrix, int8 `[rows, cols]`, into blocks; rows and columns are padded with zeros, to which the bias is
/// added as to every weight.
pub(crate) fn pack(weights: &[i8], rows: usize, cols: usize, layout: WeightLayout) -> Vec<Block> {
    let groups = cols.div_ceil(BLOCK_COLS);
    let mut blocks = vec![Block([layout.bias(); BLOCK_LEN]); rows.div_ceil(BLOCK_ROWS) * groups];
    for (row, weights) in weights.chunks_exact(cols).enumerate() {
        pack_row(
            &mut blocks[row / BLOCK_ROWS * groups..][..groups],
            row % BLOCK_ROWS,
            weights,
            layout,
        );
    }
    blocks
}

/// Puts one row into its blocks.
#[inline(always)]
pub(crate) fn pack_row(blocks: &mut [Block], row: usize, weights: &[i8], layout: WeightLayout) {
    let (mut blocks, mut weights) = (blocks, weights);
    if layout == WeightLayout::BlockPairs {
        const PAIR_COLS: usize = 2 * BLOCK_COLS;
        let (pairs, last) = blocks.as_chunks_mut::<2>();
        let (paired, rest) = weights.split_at(weights.len().min(pairs.len() * PAIR_COLS));
        for (pair, weights) in pairs.iter_mut().zip(paired.chunks(PAIR_COLS)) {
            let (block, place) = (row * PAIR_COLS / BLOCK_LEN, row * PAIR_COLS % BLOCK_LEN);
            pair[block].0[place..][..weights.len()].copy_from_slice(weights);
        }
        (blocks, weights) = (last, rest);
    }
    let bias = layout.bias();
    for (block, weights) in blocks.iter_mut().zip(weights.chunks(BLOCK_COLS)) {
        for (to, &from) in block.0[row * BLOCK_COLS..].iter_mut().zip(weights) {
            *to = from.wrapping_add(bias);
        }
    }
}

/// How an instruction set lays out values, so one instruction multiplies the same element of several positions.
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "only instruction sets of x86-64 use all of it")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueLayout {
    /// One after another, a block each.
    Rows,
    /// In pairs of positions, element by element, widened to 16 bits: four blocks a pair.
    WidePairs,
    /// In groups of four positions, element by element: four blocks a group.
    Quads,
}

impl ValueLayout {
    /// Positions whose elements lie together, in [`GROUP_BLOCKS`] blocks.
    pub(crate) const fn group(self) -> usize {
        match self {
            Self::Rows => GROUP_BLOCKS,
            Self::WidePairs => 2,
            Self::Quads => 4,
        }
    }
}

/// Blocks of a group of values: 64 elements of four bytes, in every layout.
pub(crate) const GROUP_BLOCKS: usize = 4;
