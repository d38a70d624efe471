//! Tiles in memory, in the plainest form: what their instructions do by Intel's manual.

use super::tiles::{Config, ROWS, SumRow, TILES, Tiles};
use crate::layout::{BLOCK_LEN, Block};

/// Eight tiles in memory.
pub(super) struct Emulated {
    config: Config,
    tiles: [[[i8; BLOCK_LEN]; ROWS]; TILES],
}

impl Emulated {
    /// Configures the tiles. All of them are zero.
    ///
    /// # Safety
    ///
    /// None is needed here; registers need some.
    pub(super) unsafe fn new(config: &Config) -> Self {
        Self {
            config: *config,
            tiles: [[[0; BLOCK_LEN]; ROWS]; TILES],
        }
    }

    /// Rows, and bytes in a row.
    fn shape(&self, tile: usize) -> (usize, usize) {
        (self.config.rows[tile].into(), self.config.row_bytes[tile].into())
    }
}

/// The four bytes of a 32-bit number.
fn bytes(row: &[i8; BLOCK_LEN], number: usize) -> [i8; 4] {
    row.as_chunks().0[number]
}

impl Tiles for Emulated {
    fn zero<const TILE: usize>(&mut self) {
        self.tiles[TILE] = [[0; BLOCK_LEN]; ROWS];
    }

    fn load<const TILE: usize>(&mut self, rows: &[Block]) {
        let (row_count, row_bytes) = self.shape(TILE);
        assert_eq!(rows.len(), row_count, "rows of tile {TILE}");
        self.zero::<TILE>();
        for (to, from) in self.tiles[TILE].iter_mut().zip(rows) {
            to[..row_bytes].copy_from_slice(&from.0[..row_bytes]);
        }
    }

    fn add_product<const SUMS: usize, const LEFT: usize, const RIGHT: usize>(&mut self) {
        let ((rows, row_bytes), (left_rows, left_bytes)) = (self.shape(SUMS), self.shape(LEFT));
        let (depth, right_bytes) = self.shape(RIGHT);
        assert!(
            SUMS != LEFT && LEFT != RIGHT && RIGHT != SUMS,
            "a tile that is two operands"
        );
        assert_eq!(
            (rows, row_bytes, left_bytes),
            (left_rows, right_bytes, 4 * depth),
            "shapes of {SUMS}, {LEFT} and {RIGHT}"
        );
        for m in 0..rows {
            for n in 0..row_bytes / 4 {
                let mut sum = i32::from_ne_bytes(bytes(&self.tiles[SUMS][m], n).map(|byte| byte as u8));
                for k in 0..depth {
                    let left = bytes(&self.tiles[LEFT][m], k);
                    let right = bytes(&self.tiles[RIGHT][k], n);
                    for (left, right) in left.into_iter().zip(right) {
                        sum = sum.wrapping_add(i32::from(left) * i32::from(right as u8));
                    }
                }
                let sum = sum.to_ne_bytes().map(|byte| byte as i8);
                self.tiles[SUMS][m][4 * n..][..4].copy_from_slice(&sum);
            }
        }
    }

    fn store<const TILE: usize>(&mut self, rows: &mut [SumRow]) {
        let (row_count, row_bytes) = self.shape(TILE);
        assert_eq!(rows.len(), row_count, "rows of tile {TILE}");
        for (to, from) in rows.iter_mut().zip(&self.tiles[TILE]) {
            for (n, to) in to.0[..row_bytes / 4].iter_mut().enumerate() {
                *to = i32::from_ne_bytes(bytes(from, n).map(|byte| byte as u8));
            }
        }
    }
}
