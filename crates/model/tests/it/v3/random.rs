//! Nets of any sizes with random weights.

use czip_model::v3::{Config, Layer, Matrix, Weights};

/// A small generator, so every run tests the same numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        // Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A matrix whose outputs are some `2^octaves` for inputs of about 1.
    fn matrix(&mut self, rows: usize, cols: usize, octaves: u32) -> Matrix {
        Matrix {
            weights: (0..rows * cols).map(|_| self.next() as i8).collect(),
            mantissas: (0..rows)
                .map(|_| (1 << 14) + self.below(1 << 14) as u16)
                .collect(),
            exponents: (0..rows)
                .map(|_| (14 + 6 + 3 + self.below(3) as u32 - octaves) as u8)
                .collect(),
        }
    }
}

/// Sizes of a small net, with every option that differs by default off.
pub(crate) fn config() -> Config {
    Config {
        vocab_size: 37,
        layers: 2,
        d_model: 24,
        heads: 4,
        kv_heads: 2,
        head_dim: 32,
        rotary_dim: 32,
        d_ff: 44,
        window: 21,
        sinks: 3,
        start_token: 1,
        wide_inputs: [false, false, false, true, false],
        qkv_bias: false,
        head_norms: false,
        epsilon: 4000,
        head_epsilon: 5000,
        // 256 * log2(e) / sqrt(32) = 65.3.
        score_mantissa: 16_715,
        score_exponent: 8,
    }
}

pub(crate) fn weights(config: Config, seed: u64) -> Weights {
    let mut random = Random(seed);
    let d = config.d_model;
    let layers = (0..config.layers)
        .map(|_| Layer {
            qkv: random.matrix(config.qkv_rows(), d, 12),
            qkv_bias: if config.qkv_bias {
                (0..config.qkv_rows())
                    .map(|_| random.below(1 << 15) as i32 - (1 << 14))
                    .collect()
            } else {
                Vec::new()
            },
            query_gains: gains(&mut random, &config),
            key_gains: gains(&mut random, &config),
            out: random.matrix(d, config.attended(), 12),
            gate_up: random.matrix(2 * config.d_ff, d, 12),
            down: random.matrix(d, config.d_ff, 12),
        })
        .collect();
    Weights {
        frequencies: (0..config.rotary_dim / 2)
            .map(|pair| (683_565_276_u64 >> pair) as u32 + random.below(100) as u32)
            .collect(),
        embedding: random.matrix(config.vocab_size, d, 13),
        layers,
        head: random.matrix(config.vocab_size, d, 9),
        config,
    }
}

fn gains(random: &mut Random, config: &Config) -> Vec<i16> {
    let count = if config.head_norms { config.head_dim } else { 0 };
    (0..count).map(|_| random.below(4096) as i16 - 500).collect()
}
