//! The tiles of the processor.

use std::arch::asm;
use std::marker::PhantomData;

use super::tiles::{Config, SumRow, TILES, Tiles};
use crate::layout::{BLOCK_LEN, Block};

/// The tile registers of this thread, configured until this is dropped.
///
/// As with the compilers' own functions for AMX, what is in a tile lasts from one piece of assembly to the next: code that
/// is not compiled for AMX has no use for tiles, and Linux keeps them apart for each thread.
pub(super) struct Registers {
    /// The rows of each tile.
    rows: [usize; TILES],
    /// Tiles belong to a thread.
    of_this_thread: PhantomData<*const ()>,
}

/// Assembly that changes tiles.
macro_rules! with_tiles {
    ($($operand:tt)*) => {
        asm!(
            $($operand)*,
            out("tmm0") _,
            out("tmm1") _,
            out("tmm2") _,
            out("tmm3") _,
            out("tmm4") _,
            out("tmm5") _,
            out("tmm6") _,
            out("tmm7") _,
        )
    };
}

impl Registers {
    /// Configures the tiles.
    ///
    /// # Safety
    ///
    /// The machine must have AMX-INT8, and the system must let the process use it. No other tiles of this thread may be
    /// configured.
    #[inline(always)]
    pub(super) unsafe fn new(config: &Config) -> Self {
        // SAFETY: the caller vouches for the instruction. It reads 64 bytes, and a configuration is a valid one.
        unsafe {
            with_tiles!("ldtilecfg [{}]", in(reg) config, options(nostack, preserves_flags, readonly));
        }
        let mut rows = [0; TILES];
        for (rows, &configured) in rows.iter_mut().zip(&config.rows) {
            *rows = usize::from(configured);
        }
        Self {
            rows,
            of_this_thread: PhantomData,
        }
    }
}

impl Drop for Registers {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: there are tiles, since they are configured. Released ones cost the system nothing.
        unsafe { with_tiles!("tilerelease", options(nostack, preserves_flags, nomem)) };
    }
}

impl Tiles for Registers {
    #[inline(always)]
    fn zero<const TILE: usize>(&mut self) {
        // SAFETY: the tiles are configured.
        unsafe {
            with_tiles!("tilezero tmm{tile}", tile = const TILE, options(nostack, preserves_flags, nomem));
        }
    }

    #[inline(always)]
    fn load<const TILE: usize>(&mut self, rows: &[Block]) {
        assert!(rows.len() == self.rows[TILE], "rows of tile {TILE}");
        // SAFETY: the tiles are configured, with no more bytes in a row than a block has, and there are as many blocks as
        // rows.
        unsafe {
            with_tiles!(
                "tileloadd tmm{tile}, [{rows} + {stride}]",
                tile = const TILE,
                rows = in(reg) rows.as_ptr(),
                stride = in(reg) BLOCK_LEN,
                options(nostack, preserves_flags, readonly)
            );
        }
    }

    #[inline(always)]
    fn add_product<const SUMS: usize, const LEFT: usize, const RIGHT: usize>(&mut self) {
        // SAFETY: the tiles are configured, and their shapes fit together.
        unsafe {
            with_tiles!(
                "tdpbsud tmm{sums}, tmm{left}, tmm{right}",
                sums = const SUMS,
                left = const LEFT,
                right = const RIGHT,
                options(nostack, preserves_flags, nomem)
            );
        }
    }

    #[inline(always)]
    fn store<const TILE: usize>(&mut self, rows: &mut [SumRow]) {
        assert!(rows.len() == self.rows[TILE], "rows of tile {TILE}");
        // SAFETY: the tiles are configured, with at most 64 bytes in a row, and there is room for as many rows.
        unsafe {
            asm!(
                "tilestored [{rows} + {stride}], tmm{tile}",
                tile = const TILE,
                rows = in(reg) rows.as_mut_ptr(),
                stride = in(reg) size_of::<SumRow>(),
                options(nostack, preserves_flags)
            );
        }
    }
}
