//! A tiny model, as it is before it is written to files of any kind.

use std::collections::BTreeMap;

/// Random numbers from a seed: xorshift (Marsaglia, 2003).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 20) % n
    }
}

/// A matrix, row by row, or a vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) numbers: Vec<f32>,
}

/// How frequencies are scaled for long texts: factor, low and high frequency factor, original context.
pub(crate) type Llama3 = [f64; 4];

/// A model by the names that tensors have in folders of Hugging Face's.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) architecture: &'static str,
    pub(crate) d: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) h: usize,
    /// Elements of a head that are rotated. Folders have no way to say that it is not all.
    pub(crate) rotated: usize,
    pub(crate) units: usize,
    pub(crate) layers: usize,
    pub(crate) tied: bool,
    pub(crate) base: f32,
    pub(crate) scaling: Option<Llama3>,
    pub(crate) epsilon: f32,
    pub(crate) context: usize,
    pub(crate) tensors: BTreeMap<String, Tensor>,
    pub(crate) tokens: Vec<(String, Kind)>,
    pub(crate) merges: Vec<(String, String)>,
    pub(crate) start: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mergeable,
    Special,
}

/// The sizes, and what distinguishes models.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) architecture: &'static str,
    pub(crate) d: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) h: usize,
    pub(crate) units: usize,
    pub(crate) tied: bool,
    pub(crate) biases: bool,
    pub(crate) norms: bool,
    pub(crate) scaling: Option<Llama3>,
    /// Bytes that no token stands for.
    pub(crate) missing: &'static [u8],
}

pub(crate) const LLAMA: Sizes = Sizes {
    architecture: "llama",
    d: 48,
    heads: 3,
    kv_heads: 1,
    h: 32,
    units: 44,
    tied: true,
    biases: false,
    norms: false,
    scaling: None,
    missing: &[],
};

/// The spelling of a byte by the rule of GPT-2: printable bytes are themselves, the others are numbered from U+0100 on.
pub(crate) fn spelling(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..);
    if printable(byte) {
        char::from(byte)
    } else {
        let before = (0..byte).filter(|&byte| !printable(byte)).count();
        char::from_u32(256 + before as u32).unwrap()
    }
}

impl Model {
    pub(crate) fn new(sizes: Sizes, seed: u64) -> Self {
        let Sizes {
            d,
            heads,
            kv_heads,
            h,
            units,
            tied,
            ..
        } = sizes;
        let mut tokens = vec![("<|endoftext|>".to_owned(), Kind::Special)];
        let bytes = (0..=255).filter(|byte| !sizes.missing.contains(byte));
        tokens.extend(bytes.map(|byte| (spelling(byte).to_string(), Kind::Mergeable)));
        let pairs = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("Ġ", "a")];
        let merges = pairs.map(|(left, right)| (left.to_owned(), right.to_owned()));
        tokens.extend(
            merges
                .iter()
                .map(|(left, right)| (format!("{left}{right}"), Kind::Mergeable)),
        );
        tokens.push(("<tool> \u{e9}".to_owned(), Kind::Special));

        let mut random = Random::new(seed);
        let mut tensors = BTreeMap::new();
        // Numbers that F16 and BF16 hold: -127 to 127 units. Some columns are larger than the others.
        let mut tensor = |name: &str, shape: &[usize], around: f32| {
            let numbers = (0..shape.iter().product()).map(|i: usize| {
                let large = if shape.len() == 2 && i % shape[1] == 5 {
                    4.0
                } else {
                    1.0
                };
                match shape.len() {
                    1 => (random.below(31) as f32 - 15.0) / 64.0 + around,
                    _ => (random.below(255) as f32 - 127.0) / 512.0 * large,
                }
            });
            let numbers = numbers.collect();
            let shape = shape.to_vec();
            tensors.insert(name.to_owned(), Tensor { shape, numbers });
        };
        tensor("model.embed_tokens.weight", &[tokens.len(), d], 0.0);
        tensor("model.norm.weight", &[d], 1.0);
        if !tied {
            tensor("lm_head.weight", &[tokens.len(), d], 0.0);
        }
        for layer in 0..2 {
            let mut tensor = |name: &str, shape: &[usize], around| {
                tensor(&format!("model.layers.{layer}.{name}"), shape, around);
            };
            tensor("input_layernorm.weight", &[d], 1.0);
            for (name, rows) in [("q", heads * h), ("k", kv_heads * h), ("v", kv_heads * h)] {
                tensor(&format!("self_attn.{name}_proj.weight"), &[rows, d], 0.0);
                if sizes.biases {
                    tensor(&format!("self_attn.{name}_proj.bias"), &[rows], 0.25);
                }
            }
            if sizes.norms {
                tensor("self_attn.q_norm.weight", &[h], 1.0);
                tensor("self_attn.k_norm.weight", &[h], 1.0);
            }
            tensor("self_attn.o_proj.weight", &[d, heads * h], 0.0);
            tensor("post_attention_layernorm.weight", &[d], 1.0);
            tensor("mlp.gate_proj.weight", &[units, d], 0.0);
            tensor("mlp.up_proj.weight", &[units, d], 0.0);
            tensor("mlp.down_proj.weight", &[d, units], 0.0);
        }
        Self {
            architecture: sizes.architecture,
            d,
            heads,
            kv_heads,
            h,
            rotated: h,
            units,
            layers: 2,
            tied,
            base: 10_000.0,
            scaling: sizes.scaling,
            epsilon: 1e-5,
            context: 128,
            tensors,
            tokens,
            merges: merges.to_vec(),
            start: 0,
        }
    }

    /// By what each frequency is divided.
    pub(crate) fn divisors(&self) -> Option<Vec<f32>> {
        let [factor, low, high, context] = self.scaling?;
        let divisors = (0..self.rotated / 2).map(|i| {
            let frequency = f64::from(self.base).powf(-2.0 * i as f64 / self.rotated as f64);
            let wave = std::f64::consts::TAU / frequency;
            if wave < context / high {
                1.0
            } else if wave > context / low {
                factor as f32
            } else {
                let smooth = (context / wave - low) / (high - low);
                (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
            }
        });
        Some(divisors.collect())
    }
}

/// A number as IEEE binary16, which must be able to hold it.
pub(crate) fn f16(x: f32) -> u16 {
    let sign = if x.is_sign_negative() { 0x8000 } else { 0 };
    if x == 0.0 {
        return sign;
    }
    let exponent = x.abs().log2().floor() as i32;
    let fraction = (x.abs() / 2_f32.powi(exponent) - 1.0) * 1024.0;
    assert!((-14..16).contains(&exponent) && fraction.fract() == 0.0, "{x}");
    sign | ((exponent + 15) as u16) << 10 | fraction as u16
}

/// The bytes of numbers. In blocks of Q8_0 the scale is 1/512.
pub(crate) fn encode(element_type: &str, numbers: &[f32]) -> Vec<u8> {
    if element_type == "Q8_0" {
        let block = |block: &[f32]| {
            let quants = block.iter().map(|x| (x * 512.0) as i8 as u8);
            f16(1.0 / 512.0)
                .to_le_bytes()
                .into_iter()
                .chain(quants)
                .collect::<Vec<u8>>()
        };
        return numbers.chunks_exact(32).flat_map(block).collect();
    }
    let bytes = numbers.iter().flat_map(|&x| match element_type {
        "F32" => x.to_le_bytes().to_vec(),
        "F16" => f16(x).to_le_bytes().to_vec(),
        "BF16" => {
            assert_eq!(x.to_bits() & 0xffff, 0, "{x}");
            ((x.to_bits() >> 16) as u16).to_le_bytes().to_vec()
        }
        _ => panic!("type {element_type}"),
    });
    bytes.collect()
}
