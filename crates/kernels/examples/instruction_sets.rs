//! Multiplies a matrix by a batch of vectors with each instruction set of this machine, and compares the results.
//!
//! ```sh
//! cargo run -p czip-kernels --example instruction_sets
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use czip_kernels::{Kernels, Workspace, oracle};

const ROWS: usize = 96;
const COLS: usize = 256;
const BATCH: usize = 3;

fn main() {
    let weights: Vec<i8> = (0..ROWS * COLS).map(|i| (i * i + 7 * i) as i8).collect();
    let batch: Vec<i8> = (0..BATCH * COLS).map(|i| (i * 31 + 5) as i8).collect();

    // The plainest loops, one vector at a time.
    let mut expected = vec![0; BATCH * ROWS];
    for (x, out) in batch.chunks(COLS).zip(expected.chunks_mut(ROWS)) {
        oracle::matvec(&weights, x, out);
    }

    for kernels in Kernels::available() {
        // How a matrix is laid out depends on the instruction set.
        let matrix = kernels.pack(&weights, ROWS, COLS);
        let mut products = vec![0; BATCH * ROWS];
        kernels.matmul(&matrix, &batch, &mut Workspace::default(), &mut products);
        assert_eq!(products, expected);
        println!("{}: the same {} sums", kernels.instruction_set(), products.len());
    }
}
