//! The entry points of each instruction-set level.
//!
//! Every level's module has the same functions. Those whose portable form the compiler vectorises well are that form,
//! compiled for the level's features; the others are written with its instructions.

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
pub(crate) mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm32;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;

/// The entry points that are the portable loops compiled for a level's features.
macro_rules! portable_entry_points {
    ($(#[$feature:meta])*) => {
        $(#[$feature])*
        pub(crate) fn rms_norm(x: &[i32], gain: &[i8], out: &mut [i8]) {
            $crate::generic::rms_norm(x, gain, out);
        }

        $(#[$feature])*
        pub(crate) fn add_rms_norm(x: &[i8], gain: &[i8], residual: &mut [i32]) {
            $crate::generic::add_rms_norm(x, gain, residual);
        }

        $(#[$feature])*
        pub(crate) fn rotate(
            v: &mut [i8; $crate::HEAD_DIM],
            cos: &[i16; $crate::HEAD_DIM / 2],
            sin: &[i16; $crate::HEAD_DIM / 2],
            halve: bool,
        ) {
            $crate::generic::rotate(v, cos, sin, halve);
        }

        $(#[$feature])*
        pub(crate) fn reglu(gate: &[i8], value: &[i8], out: &mut [i8]) {
            $crate::generic::reglu(gate, value, out);
        }

        $(#[$feature])*
        pub(crate) fn to_words(sums: &[i32], shifts: &[u8], out: &mut [i16]) {
            $crate::words::to_words(sums, shifts, out);
        }

        $(#[$feature])*
        pub(crate) fn add_words(sums: &[i32], shifts: &[u8], residual: &mut [i16]) {
            $crate::words::add_words(sums, shifts, residual);
        }

        $(#[$feature])*
        pub(crate) fn to_logits(logits: &mut [i32], shifts: &[u8]) {
            $crate::words::to_logits(logits, shifts);
        }

        $(#[$feature])*
        pub(crate) fn normalize(
            x: &[i16],
            scale: czip_fixed::RmsScale,
            out: &mut [i8],
        ) -> czip_fixed::RmsFactor {
            $crate::words::normalize(x, scale, out)
        }

        $(#[$feature])*
        pub(crate) fn square_relu(x: &mut [i16], shift: u32) {
            $crate::words::square_relu(x, shift);
        }

        $(#[$feature])*
        pub(crate) fn rotate_words(
            v: &mut [i16; $crate::HEAD_DIM],
            cos: &[i16; $crate::HEAD_DIM / 2],
            sin: &[i16; $crate::HEAD_DIM / 2],
        ) {
            $crate::words::rotate_words(v, cos, sin);
        }

        $(#[$feature])*
        pub(crate) fn unscaled_frequencies(logits: &[i32], bits: u32, exp2: &[u16; 256], out: &mut [u32]) {
            $crate::words::unscaled_frequencies(logits, bits, exp2, out);
        }

        $(#[$feature])*
        pub(crate) fn sum(frequencies: &[u32]) -> u32 {
            $crate::generic::sum(frequencies)
        }

        $(#[$feature])*
        pub(crate) fn find(frequencies: &[u32], target: u32) -> $crate::Interval {
            $crate::generic::find(frequencies, target)
        }

        $(#[$feature])*
        #[inline]
        pub(crate) fn mix<const N: usize, const ROWS: usize>(
            weights: &[$crate::WeightRow<N>],
            rows: [usize; ROWS],
            x: &[i16; N],
        ) -> [i32; ROWS] {
            let mut sums = [0; ROWS];
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = $crate::generic::dot_words(&weights[row].0, x);
            }
            sums
        }

        $(#[$feature])*
        #[inline]
        pub(crate) fn train<const N: usize, const ROWS: usize>(
            weights: &mut [$crate::WeightRow<N>],
            rows: [usize; ROWS],
            x: &[i16; N],
            steps: [i16; ROWS],
        ) {
            for (row, step) in rows.into_iter().zip(steps) {
                $crate::generic::train(&mut weights[row].0, x, step);
            }
        }
    };
}

/// The entry points of a level that multiplies matrices in blocks, with `$vectors` vectors of rows in a tile.
macro_rules! blocked_entry_points {
    ($dot:ty, $vectors:literal, $steps:ident, $sums:expr, $(#[$feature:meta])*) => {
        /// What is added to every weight and key when it is packed.
        pub(crate) const BIAS: i8 = <$dot as $crate::blocked::DotProduct>::BIAS;
        /// How values are stored.
        pub(crate) const VALUES: $crate::attention::ValueLayout = <$steps as $crate::attention::Steps>::VALUES;

        $(#[$feature])*
        pub(crate) fn matmul(matrix: &$crate::PackedMatrix, x: &[i8], workspace: &mut $crate::Workspace, out: &mut [i32]) {
            let mut sink = $crate::blocked::Plain { stride: matrix.rows(), out };
            let (blocks, rows, groups) = matrix.blocks();
            // SAFETY: this function has the features that the instructions need.
            unsafe { $crate::blocked::product::<$dot, $vectors>(blocks, rows, groups, x, workspace, &mut sink) };
        }

        $(#[$feature])*
        pub(crate) fn matmul_requantized(
            matrix: &$crate::PackedMatrix,
            x: &[i8],
            requantization: $crate::Requantization,
            workspace: &mut $crate::Workspace,
            out: &mut [i8],
        ) {
            let mut sink = $crate::blocked::Requantized { requantization, stride: matrix.rows(), out };
            let (blocks, rows, groups) = matrix.blocks();
            // SAFETY: this function has the features that the instructions need.
            unsafe { $crate::blocked::product::<$dot, $vectors>(blocks, rows, groups, x, workspace, &mut sink) };
        }

        $(#[$feature])*
        pub(crate) fn attend(
            attention: &$crate::Attention,
            cache: &$crate::KeyValueCache,
            length: usize,
            queries: &[i8],
            workspace: &mut $crate::Workspace,
            out: &mut [i8],
        ) {
            let (blocks, stride) = cache.key_blocks(length);
            let mut products = std::mem::take(&mut workspace.scores);
            products.resize(attention.heads() * stride, 0);
            let mut sink = $crate::blocked::Plain { stride, out: &mut products };
            let groups = $crate::HEAD_DIM / $crate::blocked::GROUP;
            // SAFETY: this function has the features that the instructions need.
            unsafe { $crate::blocked::product::<$dot, $vectors>(blocks, length, groups, queries, workspace, &mut sink) };
            let scores = $crate::attention::Scores { products: &mut products, stride };
            $crate::attention::attend($steps, attention, cache.values(), length, queries, scores, workspace, out);
            workspace.scores = products;
        }

        $(#[$feature])*
        pub(crate) fn attend_window(
            attention: &$crate::SlidingAttention,
            cache: &$crate::KeyValueCache,
            window: std::ops::Range<usize>,
            queries: &[i8],
            workspace: &mut $crate::Workspace,
            out: &mut [i16],
            weights: $crate::sliding::WeightsObserver<'_>,
        ) {
            let first = window.start / $crate::blocked::BLOCK_ROWS * $crate::blocked::BLOCK_ROWS;
            let (blocks, stride) = cache.key_blocks_within(first, window.end);
            let mut products = std::mem::take(&mut workspace.scores);
            products.resize(attention.heads() * stride, 0);
            let mut sink = $crate::blocked::Plain { stride, out: &mut products };
            let groups = $crate::HEAD_DIM / $crate::blocked::GROUP;
            // SAFETY: this function has the features that the instructions need.
            unsafe { $crate::blocked::product::<$dot, $vectors>(blocks, stride, groups, queries, workspace, &mut sink) };
            $crate::sliding::attend(
                $sums, attention, cache.values(), window, first, &mut products, stride, workspace, out, weights,
            );
            workspace.scores = products;
        }
    };
}

pub(crate) use {blocked_entry_points, portable_entry_points};
