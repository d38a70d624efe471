//! The binary decisions that choose a symbol: spellings and weights in, a tree out.

use crate::hash::Fnv1a;

/// A binary tree over up to 262,144 symbols. Its leaves are in the order of the symbols' spelling.
///
/// Leaves are numbered from 0 in that order. An inner node has the number of the first leaf of its right part, so nodes
/// are numbered from 1 up to, but not including, the number of symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Leaf to symbol.
    order: Vec<u32>,
    /// Symbol to leaf.
    leaves: Vec<u32>,
    /// The roots of the left and the right part of each node; 0 for a part of one leaf.
    parts: Vec<[u32; 2]>,
    root: u32,
}

/// Added to each weight, so rare symbols do not end up at the bottom of long chains.
const WEIGHT_FLOOR: u64 = 12;

impl Tree {
    /// The most symbols.
    pub const MAX_SYMBOLS: usize = 1 << 18;

    /// The tree of a vocabulary. Symbols are sorted by their bytes, and equal ones by number; then the sorted list is cut
    /// in two again and again, where the sums of `weight + 12` of both parts differ least, or at the first of two such
    /// places. Without weights all symbols weigh the same.
    ///
    /// # Panics
    ///
    /// If there are no tokens or more than 262,144, or if the number of weights is not that of tokens.
    #[must_use]
    pub fn of_tokens(tokens: &[&[u8]], weights: Option<&[u32]>) -> Self {
        assert!(
            (1..=Self::MAX_SYMBOLS).contains(&tokens.len()),
            "tree of {} symbols",
            tokens.len()
        );
        if let Some(weights) = weights {
            assert_eq!(weights.len(), tokens.len(), "weights of other symbols");
        }
        let mut order: Vec<u32> = (0..tokens.len() as u32).collect();
        order.sort_by_key(|&symbol| (tokens[symbol as usize], symbol));
        let weight = |symbol: u32| weights.map_or(0, |weights| u64::from(weights[symbol as usize]));
        Self::balanced(order, weight)
    }

    /// The tree of the 256 bytes: the eight decisions of a byte are its bits, the highest first.
    #[must_use]
    pub fn of_bytes() -> Self {
        Self::balanced((0..256).collect(), |_| 0)
    }

    fn balanced(order: Vec<u32>, weight: impl Fn(u32) -> u64) -> Self {
        let mut sums = vec![0];
        sums.extend(order.iter().scan(0, |sum, &symbol| {
            *sum += weight(symbol) + WEIGHT_FLOOR;
            Some(*sum)
        }));
        // The cut of the leaves from low to high that makes the sums most alike.
        let cut = |low: usize, high: usize| {
            let twice_middle = sums[low] + sums[high];
            let difference = |cut: usize| (2 * sums[cut]).abs_diff(twice_middle);
            let above = low + sums[low..high].partition_point(|sum| 2 * sum < twice_middle);
            let above = above.clamp(low + 1, high - 1);
            // At `low`, before the first cut, the difference is the whole sum, and larger than that of any cut.
            if difference(above - 1) <= difference(above) {
                above - 1
            } else {
                above
            }
        };
        let mut parts = vec![[0; 2]; order.len()];
        let root = if order.len() > 1 { cut(0, order.len()) } else { 0 };
        let mut open = vec![(0, order.len(), root)];
        while let Some((low, high, node)) = open.pop() {
            for (side, (low, high)) in [(low, node), (node, high)].into_iter().enumerate() {
                if high - low > 1 {
                    let part = cut(low, high);
                    parts[node][side] = part as u32;
                    open.push((low, high, part));
                }
            }
        }
        let mut leaves = vec![0; order.len()];
        for (leaf, &symbol) in order.iter().enumerate() {
            leaves[symbol as usize] = leaf as u32;
        }
        Self {
            order,
            leaves,
            parts,
            root: root as u32,
        }
    }

    /// The symbol at each leaf.
    #[must_use]
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The leaf of each symbol.
    #[must_use]
    pub fn leaves(&self) -> &[u32] {
        &self.leaves
    }

    /// Sums up the symbols' frequencies in the order of the leaves: uint32 `[symbols]` to uint32 `[symbols + 1]`, from 0 to
    /// the total.
    ///
    /// # Panics
    ///
    /// If a length is wrong.
    pub fn accumulate(&self, frequencies: &[u32], cumulative: &mut [u32]) {
        let (first, rest) = cumulative.split_first_mut().expect("cumulative frequencies");
        assert!(
            frequencies.len() == self.order.len() && rest.len() == self.order.len(),
            "{} frequencies of {} symbols",
            frequencies.len(),
            self.order.len()
        );
        *first = 0;
        let mut sum = 0;
        for (to, &symbol) in rest.iter_mut().zip(&self.order) {
            sum += frequencies[symbol as usize];
            *to = sum;
        }
    }

    /// The number of symbols.
    #[must_use]
    pub fn symbol_count(&self) -> usize {
        self.order.len()
    }

    /// The first node, or 0 if there is only one symbol.
    #[inline(always)]
    pub(crate) fn root(&self) -> u32 {
        self.root
    }

    /// The node after a decision, or 0 at a leaf.
    #[inline(always)]
    pub(crate) fn next(&self, node: u32, right: bool) -> u32 {
        self.parts[node as usize][usize::from(right)]
    }

    /// A hash of the tree and the spelling of its symbols: 64-bit FNV-1a (Fowler, Noll and Vo) over, for each leaf, the
    /// symbol's length as two bytes, its bytes, and the roots of the two parts of the node of this number as two bytes
    /// each, or as four if there are more than 65,536 symbols, all little-endian.
    #[must_use]
    pub(crate) fn hash(&self, tokens: &[&[u8]]) -> u64 {
        let mut hash = Fnv1a::new();
        let node_len = if self.order.len() > 1 << 16 { 4 } else { 2 };
        for (&symbol, parts) in self.order.iter().zip(&self.parts) {
            hash.write_spelling(tokens[symbol as usize]);
            for part in parts {
                hash.write(&part.to_le_bytes()[..node_len]);
            }
        }
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decisions that lead to each leaf.
    fn paths(tree: &Tree) -> Vec<String> {
        let mut paths = vec![String::new(); tree.symbol_count()];
        for (leaf, path) in paths.iter_mut().enumerate() {
            let mut node = tree.root();
            while node != 0 {
                let right = leaf >= node as usize;
                path.push(if right { '1' } else { '0' });
                node = tree.next(node, right);
            }
        }
        paths
    }

    #[test]
    fn bytes_are_their_bits() {
        let tree = Tree::of_bytes();
        let bits: Vec<String> = (0..256).map(|byte| format!("{byte:08b}")).collect();
        assert_eq!(paths(&tree), bits);
        assert_eq!(tree.order()[7], 7);
    }

    #[test]
    fn tokens_are_sorted_and_balanced() {
        let tokens: [&[u8]; 5] = [b"b", b"a", b"", b"ab", b"a"];
        let tree = Tree::of_tokens(&tokens, None);
        assert_eq!(tree.order(), [2, 1, 4, 3, 0]);
        assert_eq!(tree.leaves(), [4, 1, 0, 3, 2]);
        // Cuts after two and after three of five are as good: the first is taken.
        assert_eq!(paths(&tree), ["00", "01", "10", "110", "111"]);
        let tree = Tree::of_tokens(&tokens, Some(&[0, 0, 1000, 0, 0]));
        assert_eq!(paths(&tree), ["0", "100", "101", "110", "111"]);
        let tree = Tree::of_tokens(&tokens, Some(&[1000, 0, 0, 0, 0]));
        assert_eq!(paths(&tree), ["000", "001", "010", "011", "1"]);
    }

    #[test]
    fn extremes() {
        assert_eq!(paths(&Tree::of_tokens(&[b"a"], None)), [""]);
        let tokens = vec![b"x".as_slice(); Tree::MAX_SYMBOLS];
        let tree = Tree::of_tokens(&tokens, None);
        assert!(paths(&tree).iter().all(|path| path.len() == 18));
        // Weights that double make a chain, down to where the floor counts.
        let weights: Vec<u32> = (0..32).map(|i| 1 << i).collect();
        let tree = Tree::of_tokens(&tokens[..32], Some(&weights));
        assert_eq!(paths(&tree).iter().map(String::len).max(), Some(29));
    }

    #[test]
    fn hashes_tell_trees_apart() {
        let tokens: [&[u8]; 3] = [b"a", b"b", b"c"];
        let plain = Tree::of_tokens(&tokens, None);
        let other = Tree::of_tokens(&tokens, Some(&[0, 0, 100]));
        assert_ne!(plain.hash(&tokens), other.hash(&tokens));
        assert_ne!(plain.hash(&tokens), plain.hash(&[b"a", b"b", b"d"]));
        assert_eq!(
            Tree::of_tokens(&[b"a"], None).hash(&[b"a"]),
            0x290b_1c65_3815_b5cf
        );
    }
}
