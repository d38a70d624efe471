//! The examples of `docs/spec/czm-v2.md`, in its order.

use std::collections::BTreeMap;

use czip_fixed::RmsScale;
use czip_kernels::{HEAD_DIM, Kernels, SlidingAttention, WindowInput, Workspace};
use czip_model::v2::{bigram_bucket, frequency_bits, rotation};
use czip_vectors::{ModelFile, Tensor};

use super::file::content_hash;

#[test]
fn hash_of_tensors() {
    let tensor = |dtype: &str, shape: &[usize], data: &[u8]| Tensor {
        dtype: dtype.to_owned(),
        shape: shape.to_vec(),
        data: data.to_vec(),
    };
    let tensors = BTreeMap::from([
        ("b".to_owned(), tensor("I8", &[], &[0xff])),
        ("a".to_owned(), tensor("U8", &[1, 2], &[1, 2])),
    ]);
    let file = ModelFile {
        metadata: BTreeMap::new(),
        tensors,
    };
    assert_eq!(content_hash(&file), "9c17849101842f0c32c057f5dc385cc0");
}

#[test]
fn hash_of_bigrams() {
    let found = [(1, 2, 2), (1, 2, 65536), (2, 1, 65536), (65535, 65535, 1 << 24)]
        .map(|(previous, token, buckets)| bigram_bucket(previous, token, buckets));
    assert_eq!(found, [0, 31981, 49328, 4_730_675]);
}

#[test]
fn norm() {
    let x = [300, -100, 7, 0];
    let scale = RmsScale::new(4, 16);
    let factor = scale.factor(100_049);
    let mut normed = [0; 4];
    Kernels::detect().normalize(&x, scale, &mut normed);
    assert_eq!(
        (factor.factor, factor.shift, normed),
        (13260, 17, [30, -10, 1, 0])
    );
}

#[test]
fn rotation_of_a_pair() {
    let mut frequencies = [0; HEAD_DIM / 2];
    frequencies[3] = 341;
    let (cos, sin) = rotation(&frequencies, 2049);
    let mut v = [0; HEAD_DIM];
    (v[3], v[35], v[4], v[36]) = (1000, -500, 1000, -500);
    Kernels::detect().rotate_i16(&mut v, &cos, &sin);
    assert_eq!([cos[3], sin[3], cos[4], sin[4]], [16413, 28361, 32767, 0]);
    assert_eq!([v[3], v[35], v[4], v[36]], [934, 615, 1000, -500]);
}

#[test]
fn attention_of_a_head() {
    let kernels = Kernels::detect();
    let mut cache = kernels.key_value_cache(3);
    let first = |count, value| std::array::from_fn(|i| if i < count { value } else { 0 });
    let values = [100, -50, 7].map(|value| first(1, value));
    for (position, (key, value)) in [first(64, 2), first(64, 1), first(19, -1)]
        .iter()
        .zip(&values)
        .enumerate()
    {
        kernels.store(&mut cache, position, key, value);
    }
    let attention = SlidingAttention::new(vec![4000], vec![-300]);
    let (mut out, mut seen) = ([0; HEAD_DIM], Vec::new());
    let mut keep = |_: usize, weights: &[u8], total: u32| seen.push((weights.to_vec(), total));
    let workspace = &mut Workspace::default();
    let input = WindowInput {
        attention: &attention,
        cache: &cache,
        window: 0..3,
        queries: &[16; HEAD_DIM],
    };
    kernels.attend_window(input, workspace, &mut out, Some(&mut keep));
    assert_eq!((seen, out[0]), (vec![(vec![255, 130, 54], 468)], 662));
}

#[test]
fn frequencies() {
    let bits = frequency_bits(3);
    let mut frequencies = [0; 3];
    Kernels::detect().unscaled_frequencies(&[5, -352, 5 - 256 * 40], bits, &mut frequencies);
    assert_eq!((bits, frequencies), (28, [268_431_360, 102_105_088, 1]));
    assert_eq!([2, 1024, 1025, 65536].map(frequency_bits), [29, 20, 19, 14]);
}
