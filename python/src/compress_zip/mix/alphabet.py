"""Symbols and their tree: spellings and weights in, nodes out (mixing.md, section 3)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import accumulate

from ..model import Model
from . import shipped

# Added to the weight of each symbol.
_BASE_WEIGHT = 12


class Alphabet:
    """The symbols of a mixer.

    Leaves are numbered in the order of spellings. A node is named by the first leaf of its right part, so
    that the decision at a node is whether the symbol's leaf is the node or more; there is no node 0.

    :ivar spellings: the bytes of each symbol
    :ivar symbol_of: the symbol of each leaf
    :ivar leaf_of: the leaf of each symbol
    :ivar root: the node that spans all leaves, or 0 if there is only one
    :ivar left, right: for each node the node of its left or right part, or 0 if that is a leaf
    """

    def __init__(self, spellings: Sequence[bytes], weights: Sequence[int]) -> None:
        self.spellings = spellings
        count = len(spellings)
        # The sort is stable: equal spellings stay in the order of their ids.
        self.symbol_of = sorted(range(count), key=spellings.__getitem__)
        self.leaf_of = [0] * count
        for leaf, symbol in enumerate(self.symbol_of):
            self.leaf_of[symbol] = leaf

        # sums[i] is the weight of all leaves below i.
        sums = [0, *accumulate(weights[symbol] + _BASE_WEIGHT for symbol in self.symbol_of)]
        self.left = [0] * count
        self.right = [0] * count
        self.root = _cut(sums, 0, count)
        # Spans whose node is known. Not recursive, since the tree may be deep.
        spans = [(0, count, self.root)]
        while spans:
            low, high, node = spans.pop()
            if node == 0:
                continue
            self.left[node] = _cut(sums, low, node)
            self.right[node] = _cut(sums, node, high)
            spans.append((low, node, self.left[node]))
            spans.append((node, high, self.right[node]))

    def __len__(self) -> int:
        """The number of symbols."""
        return len(self.spellings)

    @cached_property
    def tree_hash(self) -> int:
        """What priors know this tree by (mixing.md, section 12)."""
        width = 2 if len(self) <= 1 << 16 else 4
        parts: list[bytes] = []
        for leaf, symbol in enumerate(self.symbol_of):
            spelling = self.spellings[symbol]
            parts += (
                len(spelling).to_bytes(2, "little"),
                spelling,
                self.left[leaf].to_bytes(width, "little"),
                self.right[leaf].to_bytes(width, "little"),
            )
        return shipped.fnv_1a(b"".join(parts))


def _cut(sums: Sequence[int], low: int, high: int) -> int:
    """Where a span of leaves is cut: the first place at which the weights of both sides differ least.

    0 if the span is a single leaf.
    """
    if high - low == 1:
        return 0
    # At a cut the sides differ by |2 * sums[cut] - both|, and the sums ascend: the best cut is the first at
    # which the difference is not negative, or the one before.
    both = sums[low] + sums[high]
    cut = bisect_left(sums, (both + 1) // 2, low + 1, high - 1)
    if cut > low + 1 and both - 2 * sums[cut - 1] <= 2 * sums[cut] - both:
        cut -= 1
    return cut


@lru_cache(maxsize=1)
def byte_alphabet() -> Alphabet:
    """The alphabet of mode 1. Its decisions are a byte's bits, highest first."""
    return Alphabet([bytes([byte]) for byte in range(256)], [0] * 256)


def token_alphabet(model: Model) -> Alphabet:
    """The alphabet of modes 2 and 3: all token ids of a model."""
    spellings = model.tokenizer.spellings(model.vocab_size)
    if model.mixing_weights is not None:
        weights: Sequence[int] = model.mixing_weights.tolist()
    elif shipped.vocabulary_hash(spellings) == shipped.vocabulary().hash:
        weights = shipped.vocabulary().weights
    else:
        weights = [0] * len(spellings)
    return Alphabet(spellings, weights)
