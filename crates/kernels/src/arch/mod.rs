//! A module for each instruction set, with the same entry points in all of them.
//!
//! The entry points whose portable form the compiler vectorises well are that form, compiled with the instruction set's
//! features; the others are written with its instructions. They take what the methods of
//! [`Kernels`](crate::kernels::Kernels) have checked, in the same shapes.

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
pub(crate) mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm32;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;

/// The entry points that are the portable loops, compiled with an instruction set's features.
macro_rules! portable_entry_points {
    ($(#[$feature:meta])*) => {
        $(#[$feature])*
        pub(crate) fn rms_norm(x: &[i32], gain: &[i8], out: &mut [i8]) {
            $crate::rows::rms_norm(x, gain, out);
        }

        $(#[$feature])*
        pub(crate) fn add_rms_norm(x: &[i8], gain: &[i8], residual: &mut [i32]) {
            $crate::rows::add_rms_norm(x, gain, residual);
        }

        $(#[$feature])*
        pub(crate) fn rotate(
            v: &mut [i8; $crate::layout::HEAD_DIM],
            cos: &[i16; $crate::layout::HEAD_DIM / 2],
            sin: &[i16; $crate::layout::HEAD_DIM / 2],
            halve: bool,
        ) {
            $crate::rows::rotate(v, cos, sin, halve);
        }

        $(#[$feature])*
        pub(crate) fn reglu(gate: &[i8], value: &[i8], out: &mut [i8]) {
            $crate::rows::reglu(gate, value, out);
        }

        $(#[$feature])*
        pub(crate) fn to_i16(sums: &[i32], shifts: &[u8], out: &mut [i16]) {
            $crate::int16::to_i16(sums, shifts, out);
        }

        $(#[$feature])*
        pub(crate) fn add_i16(sums: &[i32], shifts: &[u8], residual: &mut [i16]) {
            $crate::int16::add_i16(sums, shifts, residual);
        }

        $(#[$feature])*
        pub(crate) fn to_logits(logits: &mut [i32], shifts: &[u8]) {
            $crate::int16::to_logits(logits, shifts);
        }

        $(#[$feature])*
        pub(crate) fn normalize(
            x: &[i16],
            scale: czip_fixed::RmsScale,
            out: &mut [i8],
        ) -> czip_fixed::RmsFactor {
            $crate::int16::normalize(x, scale, out)
        }

        $(#[$feature])*
        pub(crate) fn square_relu(x: &mut [i16], shift: u32) {
            $crate::int16::square_relu(x, shift);
        }

        $(#[$feature])*
        pub(crate) fn rotate_i16(
            v: &mut [i16; $crate::layout::HEAD_DIM],
            cos: &[i16; $crate::layout::HEAD_DIM / 2],
            sin: &[i16; $crate::layout::HEAD_DIM / 2],
        ) {
            $crate::int16::rotate_i16(v, cos, sin);
        }

        $(#[$feature])*
        pub(crate) fn level(x: &[i32], out: &mut [i32]) -> czip_fixed::Level {
            $crate::factored::level(x, out)
        }

        $(#[$feature])*
        pub(crate) fn sum_of_squares_i32(x: &[i32]) -> u64 {
            $crate::factored::sum_of_squares_i32(x)
        }

        $(#[$feature])*
        pub(crate) fn to_i8(x: &[i32], largest: u32, out: &mut [i8]) {
            $crate::factored::to_i8(x, largest, out);
        }

        $(#[$feature])*
        pub(crate) fn to_i8_pair(x: &[i32], largest: u32, high: &mut [i8], low: &mut [i8]) {
            $crate::factored::to_i8_pair(x, largest, high, low);
        }

        $(#[$feature])*
        pub(crate) fn join_sums(high: &mut [i32], low: &[i32]) {
            $crate::factored::join_sums(high, low);
        }

        $(#[$feature])*
        pub(crate) fn rotate_i32(x: &mut [i32], cos: &[i16], sin: &[i16]) {
            $crate::factored::rotate_i32(x, cos, sin);
        }

        $(#[$feature])*
        pub(crate) fn gate(gates: &[i32], values: &[i32], out: &mut [i32]) {
            $crate::factored::gate(gates, values, out);
        }

        $(#[$feature])*
        pub(crate) fn maximum(x: &[i32]) -> i32 {
            $crate::factored::maximum(x)
        }

        $(#[$feature])*
        pub(crate) fn weigh_values(
            weights: &[u32],
            mantissas: &[u16],
            exponents: &[u8],
            least: u8,
            low: &mut [u8],
            high: &mut [u8],
        ) {
            $crate::factored::weigh_values(weights, mantissas, exponents, least, low, high);
        }

        $(#[$feature])*
        pub(crate) fn sum(frequencies: &[u32]) -> u32 {
            $crate::frequencies::sum(frequencies)
        }

        $(#[$feature])*
        pub(crate) fn find(frequencies: &[u32], target: u32) -> $crate::frequencies::Interval {
            $crate::frequencies::find(frequencies, target)
        }

        $(#[$feature])*
        #[inline]
        pub(crate) fn mix<const N: usize, const ROWS: usize>(
            weights: &[$crate::mixing::WeightRow<N>],
            rows: [usize; ROWS],
            x: &[i16; N],
        ) -> [i32; ROWS] {
            let mut sums = [0; ROWS];
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = $crate::mixing::dot(&weights[row].0, x);
            }
            sums
        }

        $(#[$feature])*
        #[inline]
        pub(crate) fn train<const N: usize, const ROWS: usize>(
            weights: &mut [$crate::mixing::WeightRow<N>],
            rows: [usize; ROWS],
            x: &[i16; N],
            steps: [i16; ROWS],
        ) {
            for (row, step) in rows.into_iter().zip(steps) {
                $crate::mixing::train(&mut weights[row].0, x, step);
            }
        }
    };
}

/// The entry points of instruction sets that have no faster way of looking up powers, and no shifts to the right of signed
/// numbers of 64 bits.
macro_rules! portable_lookups {
    ($(#[$feature:meta])*) => {
        $(#[$feature])*
        pub(crate) fn frequencies(softmax: &$crate::frequencies::Softmax, logits: &[i32], out: &mut [u32]) {
            $crate::frequencies::frequencies(softmax, logits, out);
        }

        $(#[$feature])*
        pub(crate) fn unscaled_frequencies(logits: &[i32], bits: u32, exp2: &[u16; 256], out: &mut [u32]) {
            $crate::frequencies::unscaled_frequencies(logits, bits, exp2, out);
        }

        $(#[$feature])*
        pub(crate) fn weigh_scores(scores: &[i32], maximum: i32, out: &mut [u32]) -> u32 {
            $crate::factored::weigh_scores(scores, maximum, out)
        }

        $(#[$feature])*
        pub(crate) fn scale(sums: &mut [i32], mantissas: &[u16], exponents: &[u8], unit: czip_fixed::Factor) {
            $crate::factored::scale(sums, mantissas, exponents, unit);
        }

        $(#[$feature])*
        pub(crate) fn add_scaled(
            sums: &[i32],
            mantissas: &[u16],
            exponents: &[u8],
            unit: czip_fixed::Factor,
            residual: &mut [i32],
        ) {
            $crate::factored::add_scaled(sums, mantissas, exponents, unit, residual);
        }
    };
}

/// The products of an instruction set that has matrices in blocks.
macro_rules! product_entry_points {
    ($product:ty, $(#[$feature:meta])*) => {
        /// How weights and keys are stored.
        pub(crate) const WEIGHTS: $crate::layout::WeightLayout =
            <$product as $crate::product::Product>::WEIGHTS;

        $(#[$feature])*
        pub(crate) fn matmul(
            matrix: &$crate::matrix::PackedMatrix,
            rows: std::ops::Range<usize>,
            x: &[i8],
            workspace: &mut $crate::workspace::Workspace,
            out: &mut [i32],
        ) {
            let mut output = $crate::product::Sums { stride: rows.len(), out };
            let staging = &mut workspace.staging;
            let (blocks, rows, groups) = matrix.blocks(rows);
            // SAFETY: this function has the features that the instructions need.
            unsafe { <$product as $crate::product::Product>::product(blocks, rows, groups, x, staging, &mut output) };
        }

        $(#[$feature])*
        pub(crate) fn matmul_requantized(
            matrix: &$crate::matrix::PackedMatrix,
            x: &[i8],
            requantization: $crate::requantization::Requantization,
            workspace: &mut $crate::workspace::Workspace,
            out: &mut [i8],
        ) {
            let (staging, stride) = (&mut workspace.staging, matrix.rows());
            let (blocks, rows, groups) = matrix.blocks(0..stride);
            // Two loops, so that neither asks for each vector of sums what kind of factor it has.
            if let Some(narrow) = requantization.narrow() {
                let mut output = $crate::product::NarrowActivations { narrow, stride, out };
                // SAFETY: this function has the features that the instructions need.
                unsafe { <$product as $crate::product::Product>::product(blocks, rows, groups, x, staging, &mut output) };
            } else {
                let mut output = $crate::product::Activations { requantization, stride, out };
                // SAFETY: as above.
                unsafe { <$product as $crate::product::Product>::product(blocks, rows, groups, x, staging, &mut output) };
            }
        }
    };
}

/// The entry points of an instruction set that has matrices in blocks: products, and attention that adds up values by
/// `$sums`.
macro_rules! blocked_entry_points {
    ($product:ty, $sums:ty, $(#[$feature:meta])*) => {
        $crate::arch::product_entry_points!($product, $(#[$feature])*);

        /// How values are stored.
        pub(crate) const VALUES: $crate::layout::ValueLayout = <$sums as $crate::attention::RunSums>::VALUES;

        /// The products of queries, int8 `[heads, 64]`, with whole blocks of keys: int32 `[heads, keys.len()]`.
        ///
        /// A function, so that the loops of attention, inlined next to it, take no registers from it.
        $(#[$feature])*
        #[inline(never)]
        pub(crate) fn key_products(
            keys: &[$crate::layout::Block],
            queries: &[i8],
            staging: &mut $crate::workspace::Staging,
            products: &mut Vec<i32>,
        ) {
            // SAFETY: this function has the features that the instructions need.
            unsafe { $crate::product::key_products::<$product>(keys, queries, staging, products) };
        }

        $(#[$feature])*
        pub(crate) fn weighted_values(
            weights: &[u8],
            values: &[$crate::layout::Block],
            sums: &mut [i32; $crate::layout::HEAD_DIM],
        ) {
            // SAFETY: this function has the features that the instructions need.
            unsafe { <$sums as $crate::sliding::WeightedSums>::weighted_sums(weights, values, sums) };
        }

        $(#[$feature])*
        pub(crate) fn attend(
            input: $crate::attention::AttentionInput<'_>,
            workspace: &mut $crate::workspace::Workspace,
            out: &mut [i8],
        ) {
            let $crate::workspace::Workspace { staging, scores, weights, .. } = workspace;
            let keys = input.cache.keys(0..input.length);
            key_products(keys, input.queries, staging, scores);
            // SAFETY: this function has the features that the instructions need.
            unsafe { $crate::attention::attend::<$sums>(input, scores, keys.len(), weights, out) };
        }

        $(#[$feature])*
        pub(crate) fn attend_window(
            input: $crate::sliding::WindowInput<'_>,
            workspace: &mut $crate::workspace::Workspace,
            out: &mut [i16],
            observer: $crate::sliding::WeightsObserver<'_>,
        ) {
            let $crate::workspace::Workspace { staging, scores, weights, .. } = workspace;
            let keys = input.cache.keys(input.window.clone());
            key_products(keys, input.queries, staging, scores);
            // SAFETY: this function has the features that the instructions need.
            unsafe { $crate::sliding::attend::<$sums>(input, scores, keys.len(), weights, out, observer) };
        }
    };
}

pub(crate) use {blocked_entry_points, portable_entry_points, portable_lookups, product_entry_points};
