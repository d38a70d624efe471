//! The tree against its plain form.

use czip_mix::{Alphabet, Mixer, Tree, Variant};
use proptest::prelude::*;

use crate::data::{slices, vocabulary};
use crate::reference::{PlainTree, fnv1a};
use crate::streams::kernels;

/// A coding's hash of the tree, as priors tell it.
fn hash(alphabet: &Alphabet) -> u64 {
    let priors = Mixer::new(alphabet, Variant::Light, false, 0).priors();
    u64::from_le_bytes(priors.as_bytes()[10..18].try_into().unwrap())
}

fn check(tokens: &[Vec<u8>], weights: Option<&[u32]>) {
    let plain = PlainTree::new(tokens, weights);
    let alphabet = Alphabet::untrained(kernels(), &slices(tokens), weights);
    let tree = alphabet.tree();
    assert_eq!(*tree, Tree::of_tokens(&slices(tokens), weights));
    assert_eq!(tree.symbol_count(), tokens.len());
    let wide = |numbers: &[u32]| numbers.iter().map(|&number| number as usize).collect::<Vec<_>>();
    assert_eq!(wide(tree.order()), plain.order);
    assert_eq!(wide(tree.leaves()), plain.leaves);
    // It covers the cuts.
    assert_eq!(hash(&alphabet), plain.hash());
}

#[test]
fn hashes() {
    // Fowler, Noll and Vo's own examples.
    assert_eq!(
        [&b""[..], b"a", b"foobar"].map(fnv1a),
        [
            0xcbf2_9ce4_8422_2325,
            0xaf63_dc4c_8601_ec8c,
            0x8594_4171_f739_67e8,
        ]
    );
    // Of one symbol: its length, its spelling, and no parts.
    let alphabet = Alphabet::untrained(kernels(), &[b"a"], None);
    assert_eq!(hash(&alphabet), fnv1a(b"\x01\0a\0\0\0\0"));
    // Of three: the root is node 1, and its right part is node 2.
    let alphabet = Alphabet::untrained(kernels(), &[b"b", b"", b"a"], None);
    assert_eq!(
        hash(&alphabet),
        fnv1a(b"\0\0\0\0\0\0\x01\0a\0\0\x02\0\x01\0b\0\0\0\0")
    );
    // With a heavy last one the root is node 2, and its left part is node 1.
    let alphabet = Alphabet::untrained(kernels(), &[b"b", b"", b"a"], Some(&[13, 0, 0]));
    assert_eq!(
        hash(&alphabet),
        fnv1a(b"\0\0\0\0\0\0\x01\0a\0\0\0\0\x01\0b\x01\0\0\0")
    );
    assert_eq!(
        hash(&Alphabet::for_bytes(kernels())),
        PlainTree::of_bytes().hash()
    );
}

#[test]
fn a_tree_of_bytes_is_their_bits() {
    let plain = PlainTree::of_bytes();
    for byte in 0..256 {
        let (mut node, mut bits) = (plain.root, 0);
        while node != 0 {
            let bit = byte >= node;
            bits = 2 * bits + usize::from(bit);
            node = plain.parts[node][usize::from(bit)];
        }
        assert_eq!(bits, byte);
    }
    let tree = Tree::of_bytes();
    assert!(tree.order().iter().eq(&(0..256).collect::<Vec<u32>>()));
    assert_eq!(tree.order(), tree.leaves());
}

#[test]
fn trees_of_extremes() {
    check(&[Vec::new()], None);
    check(&vocabulary(), None);
    check(&vec![b"same".to_vec(); 1_000], None);
    let tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![255 - byte]).collect();
    check(&tokens, Some(&[u32::MAX; 256]));
    let doubling: Vec<u32> = (0..32).map(|log2| 1 << log2).collect();
    check(&tokens[..32], Some(&doubling));
}

/// Above 65,536 symbols the nodes in the hash have 32 bits.
#[test]
fn large_trees() {
    for count in [1 << 16, (1 << 16) + 1, Tree::MAX_SYMBOLS] {
        let tokens: Vec<Vec<u8>> = (0..count as u32)
            .map(|id| id.wrapping_mul(77).to_le_bytes().to_vec())
            .collect();
        check(&tokens, None);
    }
}

#[test]
fn frequencies_are_summed_in_the_order_of_leaves() {
    let tree = Tree::of_tokens(&[b"b", b"", b"ab", b"a"], None);
    let mut cumulative = [7; 5];
    tree.accumulate(&[1, 20, 300, 4_000_000_000], &mut cumulative);
    assert_eq!(cumulative, [0, 20, 4_000_000_020, 4_000_000_320, 4_000_000_321]);
}

#[test]
#[should_panic(expected = "3 frequencies of 2 symbols")]
fn frequencies_of_other_symbols() {
    Tree::of_tokens(&[b"a", b"b"], None).accumulate(&[1; 3], &mut [0; 3]);
}

#[test]
#[should_panic(expected = "tree of 0 symbols")]
fn a_tree_of_nothing() {
    let _ = Tree::of_tokens(&[], None);
}

#[test]
#[should_panic(expected = "tree of 262145 symbols")]
fn a_tree_of_too_much() {
    let _ = Tree::of_tokens(&vec![b"a".as_slice(); Tree::MAX_SYMBOLS + 1], None);
}

#[test]
#[should_panic(expected = "weights of other symbols")]
fn weights_of_other_symbols() {
    let _ = Tree::of_tokens(&[b"a", b"b"], Some(&[1]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_tree(
        tokens in prop::collection::vec((prop::collection::vec(0..4_u8, 0..5), 0..32_u32, any::<u32>()), 1..80),
        with_weights: bool,
    ) {
        let weights: Vec<u32> = tokens.iter().map(|&(_, shift, weight)| weight >> shift).collect();
        let tokens: Vec<Vec<u8>> = tokens.into_iter().map(|(token, ..)| token).collect();
        check(&tokens, with_weights.then_some(&weights));
    }
    /// The leaves are a permutation in the order of spellings, and frequencies are summed in that order.
    #[test]
    fn laws_of_trees(
        tokens in prop::collection::vec((prop::collection::vec(0..3_u8, 0..4), 0..1_u32 << 20), 1..80),
    ) {
        let (spellings, frequencies): (Vec<Vec<u8>>, Vec<u32>) = tokens.into_iter().unzip();
        let tree = Tree::of_tokens(&slices(&spellings), Some(&frequencies));
        for (leaf, &symbol) in tree.order().iter().enumerate() {
            prop_assert_eq!(tree.leaves()[symbol as usize] as usize, leaf);
        }
        let key = |&symbol: &u32| (spellings[symbol as usize].clone(), symbol);
        prop_assert!(tree.order().is_sorted_by_key(key));
        let mut cumulative = vec![7; frequencies.len() + 1];
        tree.accumulate(&frequencies, &mut cumulative);
        prop_assert_eq!(cumulative[0], 0);
        for (leaf, &symbol) in tree.order().iter().enumerate() {
            prop_assert_eq!(cumulative[leaf + 1] - cumulative[leaf], frequencies[symbol as usize]);
        }
    }
}
