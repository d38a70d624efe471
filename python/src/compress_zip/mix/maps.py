"""Tables of probabilities that adapt to what they led to (mixing.md, sections 9 and 10.3)."""

from __future__ import annotations

from collections.abc import Sequence

from .numbers import RATE, STRETCH, squash


class AdaptiveMap:
    """Entries with a probability of 22 bits and a count. They move ever more slowly towards the decisions."""

    def __init__(self, probabilities: Sequence[int], counts: Sequence[int]) -> None:
        """Take probabilities of 16 bits, and counts of up to 255."""
        self._probabilities = [p << 6 for p in probabilities]
        self._counts = list(counts)

    def p(self, entry: int) -> int:
        """The probability of an entry, 16 bits."""
        return self._probabilities[entry] >> 6

    def stretch(self, entry: int) -> int:
        """The logit of an entry."""
        return STRETCH[self._probabilities[entry] >> 10]

    def update(self, entry: int, decision: bool) -> None:
        """Let an entry learn a decision."""
        probability = self._probabilities[entry]
        count = self._counts[entry]
        target = (1 << 22) - 1 if decision else 0
        self._probabilities[entry] = probability + ((target - probability) * RATE[count] >> 16)
        if count < 255:
            self._counts[entry] = count + 1


class Refinement:
    """An adaptive probability map: lines of points, between which probabilities are interpolated."""

    POINTS = 25

    def __init__(self, lines_log2: int) -> None:
        self._mask = (1 << lines_log2) - 1
        self._points = [squash(256 * j - 3072) for j in range(self.POINTS)] * (1 << lines_log2)
        self._used = 0

    def refine(self, line: int, logit: int) -> int:
        """The refined probability of a logit, on a line, whose number is taken modulo the number of lines."""
        t = logit + 3072
        j, v = min(t >> 8, self.POINTS - 2), t & 255
        at = (line & self._mask) * self.POINTS + j
        # The nearer of the two points is the one that will learn.
        self._used = at + (v >> 7)
        return self._points[at] * (256 - v) + self._points[at + 1] * v >> 8

    def update(self, decision: bool) -> None:
        """Let the point that `refine` came nearest to learn a decision."""
        point = self._points[self._used]
        self._points[self._used] = point + ((65535 if decision else 0) - point >> 6)
