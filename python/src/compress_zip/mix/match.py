"""The match model: the symbols so far in, the one that should come next out (mixing.md, section 8)."""

from __future__ import annotations

from bisect import bisect_right

from .numbers import combine, log2up

_LENGTH_MAX = 40
# The shortest length of each class.
_CLASS_STARTS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 17, 21, 29, 40]


class MatchModel:
    """Finds the longest earlier occurrence of the latest symbols."""

    def __init__(self, long: int, short: int, text_len: int) -> None:
        self._bits = min(max(log2up(text_len // 2), 8), 18)
        # Where the sequence of symbols stood when the same hash came last; 0 if never.
        self._tables = [(long, [0] * (1 << self._bits)), (short, [0] * (1 << self._bits))]
        self._long = long
        self._length = 0
        self._position = 0

    def expected(self, symbols: list[int]) -> int | None:
        """The symbol that followed the earlier occurrence, if there is one."""
        return symbols[self._position] if self._length else None

    def length_class(self) -> int:
        """The class of the occurrence's length, 0 to 15."""
        return bisect_right(_CLASS_STARTS, self._length) - 1

    def update(self, symbols: list[int]) -> None:
        """Take in the last of the symbols, which has just been coded."""
        if self._length and symbols[self._position] == symbols[-1]:
            self._length = min(self._length + 1, _LENGTH_MAX)
            self._position += 1
        else:
            self._length = 0

        n = len(symbols)
        for wanted, table in self._tables:
            if n < wanted:
                continue
            h = 0
            for symbol in symbols[-wanted:]:
                h = combine(h, symbol + 1)
            entry = h >> 64 - self._bits
            found = table[entry]
            # The short hash is only asked if nothing else is known.
            if found and self._length < (self._long if wanted == self._long else 1):
                length = _common_suffix(symbols, found, n)
                if length >= wanted:
                    self._length, self._position = length, found
            table[entry] = n


def _common_suffix(symbols: list[int], a: int, b: int) -> int:
    """How many symbols before the positions a < b are equal, up to 40."""
    length = 0
    while length < min(a, _LENGTH_MAX) and symbols[a - 1 - length] == symbols[b - 1 - length]:
        length += 1
    return length
