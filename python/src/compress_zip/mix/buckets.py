"""The table of what happened in each context: hashed buckets of slots (mixing.md, section 6)."""

from __future__ import annotations

from array import array
from typing import NamedTuple

from .numbers import RATE, combine, log2up

# A cell is an integer of 32 bits. Cell 0 of a bucket holds its check and its run, cells 1 to 7 are slots.
CELLS = 8
# Decisions of a subtree: three levels, whose seven nodes are the slots.
SUBTREE_DEPTH = 3

_P_MIN = 32
_P_MAX = 65503
_COUNT_MAX = 30
_RUN_MAX = 15


class Bucket(NamedTuple):
    """A copy of a bucket, and where in the table it belongs."""

    at: int
    cells: list[int]


class Buckets:
    """The table that all contexts of a segment share."""

    def __init__(self, text_len: int, context_count: int, lines_max: int, symbol_count: int) -> None:
        self._lines_log2 = min(max(log2up(text_len * context_count // 2), 8), lines_max)
        # Two buckets to a line.
        self._cells = array("I", bytes(4 * CELLS * 2 << self._lines_log2))
        self._symbol_bits = max(16, log2up(symbol_count))
        self._check_shift = self._symbol_bits + 4
        self._check_mask = (1 << 28 - self._symbol_bits) - 1

    def find(self, h: int, node: int) -> Bucket:
        """A copy of the bucket of a context with the hash `h` at a subtree's root."""
        cells = self._cells
        g = combine(h, node)
        check = g >> self._symbol_bits + 12 & self._check_mask
        first = (g >> 64 - self._lines_log2) * 2 * CELLS
        second = first + CELLS
        if cells[first] >> self._check_shift == check:
            at = first
        elif cells[second] >> self._check_shift == check:
            at = second
        else:
            # The bucket goes whose first decision was seen less often.
            at = second if cells[first + 1] >> 25 > cells[second + 1] >> 25 else first
            return Bucket(at, [check << self._check_shift, 0, 0, 0, 0, 0, 0, 0])
        return Bucket(at, cells[at : at + CELLS].tolist())

    def write(self, bucket: Bucket) -> None:
        """Write a copy back."""
        self._cells[bucket.at : bucket.at + CELLS] = array("I", bucket.cells)

    def run(self, bucket: Bucket) -> tuple[int, int]:
        """The last symbol that was seen in a bucket, and how often in a row: 0 if there was none."""
        cell = bucket.cells[0]
        return cell & (1 << self._symbol_bits) - 1, cell >> self._symbol_bits & 15

    def update_run(self, bucket: Bucket, symbol: int) -> None:
        """Let the table know which symbol came in a context, whose bucket at the tree's root was this.

        Nothing is done if another bucket has taken its place.
        """
        cell = self._cells[bucket.at]
        check = cell >> self._check_shift
        if check != bucket.cells[0] >> self._check_shift:
            return
        last, count = cell & (1 << self._symbol_bits) - 1, cell >> self._symbol_bits & 15
        count = min(count + 1, _RUN_MAX) if symbol == last and count else 1
        self._cells[bucket.at] = check << self._check_shift | count << self._symbol_bits | symbol


# A slot: p in bits 0 to 15, with bit 15 inverted, so that 0 means one half; the bit history in bits 16 to 24;
# the count in bits 25 to 31.


def slot_p(slot: int) -> int:
    """The probability of a slot."""
    return slot & 0xFFFF ^ 0x8000


def slot_history(slot: int) -> int:
    """The bit history of a slot: the last decision, 1 bit, and the numbers of false and true ones, 4 bits."""
    return slot >> 16 & 511


def updated_slot(slot: int, decision: bool) -> int:
    """A slot that has learnt a decision."""
    # Written out, since this is what most time goes to.
    p = slot & 0xFFFF ^ 0x8000
    count = slot >> 25
    p += ((65535 if decision else 0) - p) * (RATE[count] >> 1) >> 15
    if p < _P_MIN:
        p = _P_MIN
    elif p > _P_MAX:
        p = _P_MAX
    if count < _COUNT_MAX:
        count += 1
    return count << 25 | _NEXT_HISTORY[decision][slot >> 16 & 511] << 16 | p ^ 0x8000


def _next_history(history: int, decision: bool) -> int:
    false_count, true_count = history >> 1 & 15, history >> 5
    if decision:
        true_count = min(true_count + 1, 15)
        false_count = _forget(false_count)
    else:
        false_count = min(false_count + 1, 15)
        true_count = _forget(true_count)
    return true_count << 5 | false_count << 1 | decision


def _forget(n: int) -> int:
    """What is left of the number of decisions when the opposite was decided."""
    return n // 2 + 1 if n > 2 else n


# By decision and history.
_NEXT_HISTORY = [[_next_history(history, decision) for history in range(512)] for decision in (False, True)]
