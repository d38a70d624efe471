"""What has been coded, as contexts: symbols in, 64-bit hashes out (mixing.md, section 7)."""

from __future__ import annotations

from typing import Callable

from .numbers import combine

_MASK = (1 << 64) - 1

_SPACE = ord(" ")
_LINE_FEED = ord("\n")
# What the field number counts.
_SEPARATORS = frozenset(b" ,\t")


def _lower(byte: int) -> int:
    """A to Z as a to z."""
    return byte + 32 if 65 <= byte <= 90 else byte


# What a byte adds to the word (0 if it ends the word), and what it is in a shape.
_WORD_BYTE = [_lower(byte) + 1 if bytes([byte]).isalnum() or byte >= 128 else 0 for byte in range(256)]
_SHAPE_BYTE = [
    ord("0") if 48 <= byte <= 57 else ord("a") if _WORD_BYTE[byte] else byte for byte in range(256)
]


class History:
    """All symbols and bytes so far, and what the contexts need to know of them."""

    def __init__(self, *, records: bool) -> None:
        self.symbols: list[int] = []
        self.bytes = bytearray()

        # The word so far, and the two before it.
        self.word = self.word1 = self.word2 = 0
        self.shape = 0

        # Where the line begins, and the one before.
        self.line_start = 0
        self.line_above = 0
        self.head = 0
        self.field = 0

        self.record_len = 1
        self._records = records
        self._last_position = [0] * 256
        self._last_distance = [0] * 256
        self._candidate = 0
        self._votes = 0

    def append(self, symbol: int, spelling: bytes) -> None:
        """Take in a symbol that has been coded."""
        self.symbols.append(symbol)
        for byte in spelling:
            self.bytes.append(byte)
            self._update_word(byte)
            self._update_line(byte)
            if self._records:
                self._update_records(byte)

    def _update_word(self, byte: int) -> None:
        word_byte = _WORD_BYTE[byte]
        if word_byte:
            self.word = combine(self.word, word_byte)
        else:
            if self.word:
                self.word2, self.word1, self.word = self.word1, self.word, 0
            if byte != _SPACE:
                self.word1 = combine(self.word1, byte)
        shape_byte = _SHAPE_BYTE[byte]
        if self.shape & 255 != shape_byte:
            self.shape = (self.shape << 8 | shape_byte) & _MASK

    def _update_line(self, byte: int) -> None:
        if byte == _LINE_FEED:
            self.line_above, self.line_start = self.line_start, len(self.bytes)
            self.head = self.field = 0
            return
        if len(self.bytes) - self.line_start <= 4:
            self.head = self.head << 8 | byte
        if byte in _SEPARATORS:
            self.field += 1

    def _update_records(self, byte: int) -> None:
        position = len(self.bytes)
        distance = position - self._last_position[byte]
        if distance == self._last_distance[byte] and distance >= 2:
            if distance != self._candidate:
                self._candidate, self._votes = distance, 0
            else:
                self._votes += 1
                if self._votes == 16:
                    self.record_len, self._votes = distance, 0
        self._last_position[byte] = position
        self._last_distance[byte] = distance

    # The numbers that the values of contexts are made of.

    def s(self, n: int) -> int:
        """The n-th last symbol plus 1, or 0 before the first."""
        return self.symbols[-n] + 1 if n <= len(self.symbols) else 0

    def folded(self, n: int) -> int:
        """The last n symbols as one number."""
        h = 0
        for i in range(1, n + 1):
            h = combine(h, self.s(i))
        return h

    def b(self, n: int) -> int:
        """The n-th last byte, or 0 before the first."""
        return self.bytes[-n] if n <= len(self.bytes) else 0

    def last_bytes(self, n: int) -> int:
        """The last n bytes as one number, the newest in the lowest byte."""
        return int.from_bytes(self.bytes[-n:], "big")

    def above(self) -> int:
        """Three bytes of the line before, from this column on. Bytes after its line feed are 0."""
        start = self.line_above + len(self.bytes) - self.line_start
        return int.from_bytes(self.bytes[start : min(start + 3, self.line_start)].ljust(3, b"\0"), "big")


# The contexts in the order of their ids: names and values.
_VALUES: dict[str, Callable[[History], int]] = {
    "Order0": lambda h: 0,
    "Order1": lambda h: h.s(1),
    "Order2": lambda h: h.folded(2),
    "Order3": lambda h: h.folded(3),
    "Order4": lambda h: h.folded(4),
    "Order6": lambda h: h.folded(6),
    "Word": lambda h: h.word,
    "Word2": lambda h: combine(h.word, h.word1),
    "Word3": lambda h: combine(combine(h.word, h.word1), h.word2),
    "WordSkip": lambda h: combine(h.word, h.word2),
    "Skip1": lambda h: h.s(2),
    "Above": lambda h: combine(h.above(), h.s(1)),
    "Field": lambda h: (h.head << 32) + h.field & _MASK,
    "Shape": lambda h: h.shape,
    "Bytes3": lambda h: h.last_bytes(3),
    "Bytes5": lambda h: h.last_bytes(5),
    "Sparse23": lambda h: h.b(3) << 8 | h.b(2),
    "Sparse34": lambda h: h.b(4) << 8 | h.b(3),
    "Sparse14": lambda h: h.b(4) << 8 | h.b(1),
    "Column": lambda h: len(h.bytes) % h.record_len << 8 | h.b(h.record_len),
    "RecordLast": lambda h: h.b(h.record_len) << 8 | h.b(1),
    "Records": lambda h: h.b(h.record_len) << 8 | h.b(2 * h.record_len),
}
_IDS = {name: number for number, name in enumerate(_VALUES)}


class Contexts:
    """The contexts of a variant."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._values = [(_VALUES[name], _IDS[name] + 1) for name in names]
        self._order2 = names.index("Order2")

    def hashes(self, history: History) -> list[int]:
        """The hash of each context."""
        return [combine(value(history), salt) for value, salt in self._values]

    def order2(self, hashes: list[int]) -> int:
        """The hash of the context Order2, which every variant has."""
        return hashes[self._order2]
