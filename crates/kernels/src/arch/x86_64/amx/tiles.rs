//! The tiles of AMX: eight registers, each of up to 16 rows with up to 64 bytes.

use crate::layout::Block;

/// Tiles, and the rows that a tile can have.
pub(super) const TILES: usize = 8;
/// The rows of a whole tile, and the 32-bit numbers in one of its rows.
pub(super) const ROWS: usize = 16;

/// What the tiles of one product are: the operand of `ldtilecfg`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// The bytes in a row of each tile; there is room for more tiles than processors have.
    pub(super) row_bytes: [u16; 16],
    /// The rows of each tile.
    pub(super) rows: [u8; 16],
}

// All that the instruction reads.
const _: () = assert!(size_of::<Config>() == 64);

impl Config {
    /// The shape of each tile: rows, and bytes in a row.
    pub(super) fn new(shapes: [(usize, usize); TILES]) -> Self {
        let mut config = Self {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        for (tile, (rows, row_bytes)) in shapes.into_iter().enumerate() {
            assert!(
                (1..=ROWS).contains(&rows) && (4..=64).contains(&row_bytes) && row_bytes.is_multiple_of(4),
                "tile of {rows} rows with {row_bytes} bytes"
            );
            config.row_bytes[tile] = row_bytes as u16;
            config.rows[tile] = rows as u8;
        }
        config
    }
}

/// A row of sums in memory.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct SumRow(pub(super) [i32; ROWS]);

/// Configured tiles. Which tile is meant is part of an instruction, so it is a constant.
pub(super) trait Tiles {
    /// Makes a tile zero.
    fn zero<const TILE: usize>(&mut self);

    /// Loads a tile: of each block as many bytes as a row of the tile has.
    ///
    /// # Panics
    ///
    /// If there are not as many blocks as rows.
    fn load<const TILE: usize>(&mut self, rows: &[Block]);

    /// Adds to the sums at row `m` and column `n` the products of row `m` of the left factor, signed bytes, and the bytes
    /// `4 n` to `4 n + 3` of the rows of the right factor, which are unsigned: four from each of its rows. Sums wrap.
    ///
    /// The shapes of the three tiles fit together.
    fn add_product<const SUMS: usize, const LEFT: usize, const RIGHT: usize>(&mut self);

    /// Stores a tile of sums, whose rows have 64 bytes.
    ///
    /// # Panics
    ///
    /// If there are not as many rows as the tile has.
    fn store<const TILE: usize>(&mut self, rows: &mut [SumRow]);
}
