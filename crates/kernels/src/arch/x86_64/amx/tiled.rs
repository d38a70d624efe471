//! The product by tiles: activations, int8 `[batch, 4 * groups]`, are cut into tiles and multiplied by those of a matrix in
//! blocks. Sums are made in two tiles by two, or for a single tile of activations in four tiles.

use super::tiles::{Config, ROWS, SumRow, Tiles};
use crate::layout::{BLOCK_COLS, BLOCK_LEN, BLOCK_ROWS, Block};
use crate::product::{Output, RowVector};
use crate::workspace::Staging;

// A row of a tile is a block, and a tile of sums has a column for each row of a block.
const _: () = assert!(BLOCK_LEN == 64 && BLOCK_ROWS == ROWS);

/// How a product is cut into tiles.
///
/// Tiles are as even as they can be, and all of them have the same shape, so that they are configured only once: 40
/// vectors make three tiles of 14, and 24 groups of columns two tiles of 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    batch: usize,
    groups: usize,
    /// Activation vectors in a tile.
    height: usize,
    /// Tiles that a batch needs.
    bands: usize,
    /// Groups of columns in a tile.
    depth: usize,
    /// Tiles that all columns need.
    steps: usize,
}

impl Plan {
    /// Plans the product with `batch` vectors of `groups` groups of columns, neither of which is zero.
    #[inline(always)]
    pub(super) fn new(batch: usize, groups: usize) -> Self {
        let (bands, steps) = (batch.div_ceil(ROWS), groups.div_ceil(ROWS));
        Self {
            batch,
            groups,
            height: batch.div_ceil(bands),
            bands,
            depth: groups.div_ceil(steps),
            steps,
        }
    }

    /// Tiles 0 to 3 are sums, 4 and 5 activations, 6 and 7 weights.
    pub(super) fn config(&self) -> Config {
        let sums = (self.height, BLOCK_LEN);
        let left = (self.height, self.depth * BLOCK_COLS);
        let right = (self.depth, BLOCK_LEN);
        Config::new([sums, sums, sums, sums, left, left, right, right])
    }

    /// The first group of columns in the tiles of a step.
    ///
    /// A last tile that would reach beyond the columns begins earlier instead, so that nothing beyond them is read. What it
    /// then has in common with the tile before is zero in the activations.
    #[inline(always)]
    fn first_group(&self, step: usize) -> usize {
        (step * self.depth).min(self.groups - self.depth)
    }

    /// Cuts activations into tiles: for each band and each step of it as many blocks as a tile has rows. Vectors beyond the
    /// batch are not set, and neither are bytes that no tile loads.
    #[inline(always)]
    pub(super) fn stage(&self, x: &[i8], left: &mut Vec<Block>) {
        left.resize(self.bands * self.steps * self.height, Block::ZERO);
        let stride = self.groups * BLOCK_COLS;
        for (vector, x) in x.chunks_exact(stride).enumerate() {
            let (band, row) = (vector / self.height, vector % self.height);
            for step in 0..self.steps {
                let first = self.first_group(step);
                let x = &x[first * BLOCK_COLS..][..self.depth * BLOCK_COLS];
                let block = &mut left[(band * self.steps + step) * self.height + row].0;
                // The test makes the usual length a constant in its branch.
                if let Ok(whole) = x.try_into() {
                    *block = whole;
                } else {
                    block[..x.len()].copy_from_slice(x);
                }
                let before = (step * self.depth - first) * BLOCK_COLS;
                block[..before].fill(0);
            }
        }
    }
}

/// Multiplies the first `rows` rows of a matrix by the staged activations.
///
/// # Safety
///
/// The instructions of `V` must be there, and their features enabled in the caller.
///
/// # Panics
///
/// If there are fewer blocks than the rows and the plan need, or what is staged is of another plan.
#[inline(always)]
pub(super) unsafe fn product<V: RowVector<Rows = [i32; ROWS]>, T: Tiles>(
    plan: &Plan,
    blocks: &[Block],
    rows: usize,
    staging: &Staging,
    tiles: &mut T,
    output: &mut impl Output<V>,
) {
    let mut product = Running {
        plan,
        blocks,
        rows,
        left: &staging.tiles,
        starts: &staging.starts,
        tiles,
        sums: [[SumRow([0; ROWS]); ROWS]; 4],
    };
    let row_blocks = rows.div_ceil(BLOCK_ROWS);
    let mut first = 0;
    while first < row_blocks {
        // SAFETY: as this function's.
        first += unsafe {
            match row_blocks - first {
                4.. if plan.bands == 1 => product.block::<V, 1, 4>(0, first, output),
                1 => product.all_bands::<V, 1>(first, output),
                _ => product.all_bands::<V, 2>(first, output),
            }
        };
    }
}

/// A product that is being made.
struct Running<'a, T> {
    plan: &'a Plan,
    blocks: &'a [Block],
    rows: usize,
    left: &'a [Block],
    /// What the sums of each vector start at.
    starts: &'a [i32],
    tiles: &'a mut T,
    /// Sums on their way from the tiles.
    sums: [[SumRow; ROWS]; 4],
}

impl<T: Tiles> Running<'_, T> {
    /// Multiplies `N` blocks of rows by the whole batch; returns `N`.
    ///
    /// # Safety
    ///
    /// As [`product`].
    #[inline(always)]
    unsafe fn all_bands<V: RowVector<Rows = [i32; ROWS]>, const N: usize>(
        &mut self,
        row_block: usize,
        output: &mut impl Output<V>,
    ) -> usize {
        let mut band = 0;
        while band < self.plan.bands {
            // SAFETY: as this function's.
            unsafe {
                if self.plan.bands - band >= 2 {
                    self.block::<V, 2, N>(band, row_block, output);
                    band += 2;
                } else {
                    self.block::<V, 1, N>(band, row_block, output);
                    band += 1;
                }
            }
        }
        N
    }

    /// Multiplies `N` blocks of rows by `M` bands; returns `N`. One of them is 1, or both are 2.
    ///
    /// # Safety
    ///
    /// As [`product`].
    #[inline(always)]
    unsafe fn block<V: RowVector<Rows = [i32; ROWS]>, const M: usize, const N: usize>(
        &mut self,
        band: usize,
        row_block: usize,
        output: &mut impl Output<V>,
    ) -> usize {
        const { assert!(matches!((M, N), (1, 1 | 2 | 4) | (2, 1 | 2))) };
        let Plan {
            batch,
            groups,
            height,
            depth,
            steps,
            ..
        } = *self.plan;
        let (left, right, tiles) = (self.left, self.blocks, &mut *self.tiles);
        tiles.zero::<0>();
        tiles.zero::<1>();
        tiles.zero::<2>();
        tiles.zero::<3>();
        for step in 0..steps {
            let left = |m: usize| &left[((band + m) * steps + step) * height..][..height];
            let first = self.plan.first_group(step);
            let right = |n: usize| &right[(row_block + n) * groups + first..][..depth];
            tiles.load::<4>(left(0));
            tiles.load::<6>(right(0));
            tiles.add_product::<0, 4, 6>();
            if N >= 2 {
                tiles.load::<7>(right(1));
                tiles.add_product::<1, 4, 7>();
            }
            if M == 2 {
                tiles.load::<5>(left(1));
                tiles.add_product::<2, 5, 6>();
                if N == 2 {
                    tiles.add_product::<3, 5, 7>();
                }
            }
            if N == 4 {
                tiles.load::<6>(right(2));
                tiles.add_product::<2, 4, 6>();
                tiles.load::<7>(right(3));
                tiles.add_product::<3, 4, 7>();
            }
        }
        tiles.store::<0>(&mut self.sums[0][..height]);
        if N >= 2 {
            tiles.store::<1>(&mut self.sums[1][..height]);
        }
        if M == 2 || N == 4 {
            tiles.store::<2>(&mut self.sums[2][..height]);
        }
        if M * N == 4 {
            tiles.store::<3>(&mut self.sums[3][..height]);
        }

        for m in 0..M {
            let first = (band + m) * height;
            for (r, &start) in self.starts[first..batch.min(first + height)].iter().enumerate() {
                for n in 0..N {
                    let mut sums = self.sums[2 * m + n][r].0;
                    for sum in &mut sums {
                        *sum = sum.wrapping_add(start);
                    }
                    let row = (row_block + n) * BLOCK_ROWS;
                    let count = (self.rows - row).min(BLOCK_ROWS);
                    // SAFETY: as this function's.
                    unsafe { output.put(first + r, row, count, &sums) };
                }
            }
        }
        N
    }
}

#[cfg(test)]
mod tests {
    use super::super::emulated::Emulated;
    use super::*;
    use crate::arch::x86_64::vnni;
    use crate::layout::{self, WeightLayout};
    use crate::oracle;
    use crate::product::{Activations, NarrowActivations, Sums};
    use crate::requantization::Requantization;

    /// Sums of a block's rows without vectors.
    struct PlainRows;

    // SAFETY: there is no method of its own.
    unsafe impl RowVector for PlainRows {
        const ROWS: usize = ROWS;
        type Rows = [i32; ROWS];
    }

    fn multiply(
        blocks: &[Block],
        rows: usize,
        groups: usize,
        x: &[i8],
        staging: &mut Staging,
        output: &mut impl Output<PlainRows>,
    ) {
        let plan = Plan::new(x.len() / (groups * BLOCK_COLS), groups);
        vnni::stage_starts(x, groups * BLOCK_COLS, staging);
        plan.stage(x, &mut staging.tiles);
        // SAFETY: tiles in memory and rows without vectors need no instructions.
        unsafe {
            let mut tiles = Emulated::new(&plan.config());
            product(&plan, blocks, rows, staging, &mut tiles, output);
        }
    }

    /// Compares a product by emulated tiles with its oracle: sums, and activations made of them in both ways.
    fn check(weights: &[i8], rows: usize, cols: usize, x: &[i8], staging: &mut Staging) {
        let batch = x.len() / cols;
        let mut sums = vec![0; batch * rows];
        for (x, sums) in x.chunks_exact(cols).zip(sums.chunks_exact_mut(rows)) {
            oracle::matvec(weights, x, sums);
        }
        let blocks = layout::pack(weights, rows, cols, WeightLayout::Blocks { bias: vnni::BIAS });
        let groups = cols.div_ceil(BLOCK_COLS);
        let pad = |x: &[i8]| {
            let mut x = x.to_vec();
            x.resize(groups * BLOCK_COLS, -77);
            x
        };
        let x: Vec<i8> = x.chunks_exact(cols).flat_map(pad).collect();

        let mut out = vec![i32::MIN; batch * rows];
        let mut output = Sums {
            stride: rows,
            out: &mut out,
        };
        multiply(&blocks, rows, groups, &x, staging, &mut output);
        assert_eq!(out, sums, "{batch} x {rows} x {cols}");

        for (mult, shift) in [(819, 20), (-819, 20)] {
            let requantization = Requantization::new(mult, shift).unwrap();
            let mut expected = vec![0; batch * rows];
            oracle::requantize_all(&sums, requantization, &mut expected);
            let mut out = vec![55; batch * rows];
            if let Some(narrow) = requantization.narrow() {
                let mut output = NarrowActivations {
                    narrow,
                    stride: rows,
                    out: &mut out,
                };
                multiply(&blocks, rows, groups, &x, staging, &mut output);
            } else {
                let mut output = Activations {
                    requantization,
                    stride: rows,
                    out: &mut out,
                };
                multiply(&blocks, rows, groups, &x, staging, &mut output);
            }
            assert_eq!(out, expected, "{batch} x {rows} x {cols}");
        }
    }

    /// Bytes that look random: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
    fn bytes(len: usize, state: &mut u64) -> Vec<i8> {
        let mut next = || {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as i8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn products_of_every_batch_size() {
        // Of the space that is kept, what a product doesn't set comes from those before.
        let (mut state, mut staging) = (1, Staging::default());
        let batches = if cfg!(miri) {
            vec![1, 17]
        } else {
            (1..=70).collect()
        };
        for batch in batches {
            for (rows, cols) in [(84, 96), (17, 60), (5, 68)] {
                let (weights, x) = (bytes(rows * cols, &mut state), bytes(batch * cols, &mut state));
                check(&weights, rows, cols, &x, &mut staging);
            }
        }
    }

    #[test]
    fn products_of_all_small_shapes() {
        let (mut state, mut staging) = (2, Staging::default());
        let all_cols: Vec<usize> = if cfg!(miri) {
            vec![3, 65]
        } else {
            (1..=140).chain([255, 256, 257, 897, 1030]).collect()
        };
        for cols in all_cols {
            for rows in [1, 16, 33, 48, 64, 100] {
                let batch = 1 + bytes(1, &mut state)[0] as u8 as usize % 36;
                let (weights, x) = (bytes(rows * cols, &mut state), bytes(batch * cols, &mut state));
                check(&weights, rows, cols, &x, &mut staging);
            }
        }
    }

    #[test]
    fn extreme_products_do_not_saturate() {
        let mut staging = Staging::default();
        for cols in if cfg!(miri) {
            vec![63]
        } else {
            vec![4, 63, 64, 1024, 4095, 131_071]
        } {
            for weight in [-128, -1, 0, 127] {
                for x in [-128, -127, 127] {
                    check(
                        &vec![weight; 17 * cols],
                        17,
                        cols,
                        &vec![x; 3 * cols],
                        &mut staging,
                    );
                }
            }
        }
    }

    #[test]
    fn tiles_are_even_and_within_the_matrix() {
        for count in 1..=2000 {
            let plan = Plan::new(count, count);
            assert_eq!((plan.height, plan.bands), (plan.depth, plan.steps));
            assert_eq!(plan.bands, count.div_ceil(16));
            assert!(plan.height <= 16 && (plan.bands - 1) * plan.height < count);
            for step in 0..plan.steps {
                let first = plan.first_group(step);
                assert!(first <= step * plan.depth && first + plan.depth <= count);
                assert!(first + plan.depth > step * plan.depth);
            }
            assert_eq!(plan.first_group(plan.steps - 1) + plan.depth, count);
        }
    }
}
