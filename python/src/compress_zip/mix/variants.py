"""What a level means: the variants of the mixer, and how far the net sees (mixing.md, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ..model import Window


class Mode(IntEnum):
    """How a segment is coded."""

    STORED = 0
    BYTES = 1
    TOKENS = 2
    NET = 3


@dataclass(frozen=True)
class Variant:
    """A configuration of the mixer. In `runs` and `joint` contexts are counted as they are listed here."""

    name: str
    contexts: tuple[str, ...]
    runs: tuple[int, ...]
    # How many of the first contexts have a joint map, if there is a net.
    joint: int
    match_long: int
    match_short: int
    records: bool
    lines_max: int


_LIGHT = ("Order0", "Order1", "Order2", "Word", "Shape")
_STANDARD = (*_LIGHT, "Order3", "Word2", "Bytes3")
_MAX = (*_STANDARD, "Order4", "Order6", "Skip1", "Above", "Field", "Word3", "Bytes5", "WordSkip")
_LIGHT_BYTES = ("Order1", "Order2", "Order3", "Order4", "Word")
_BYTES = (
    *("Order0", "Order1", "Order2", "Order3", "Order4", "Order6", "Word", "Word2", "Shape", "Above"),
    *("Sparse23", "Sparse34", "Sparse14", "Column", "RecordLast", "Records"),
)

LIGHT = Variant("light", _LIGHT, (2, 3), 0, 6, 2, False, 17)
STANDARD = Variant("standard", _STANDARD, (2, 3, 5), 8, 6, 2, False, 18)
MAX = Variant("max", _MAX, (1, 2, 3, 5), 8, 6, 2, False, 19)
LIGHT_BYTES = Variant("light-bytes", _LIGHT_BYTES, (2, 3), 0, 8, 4, False, 18)
BYTES = Variant("bytes", _BYTES, (2, 4, 5), 0, 8, 3, True, 19)


@dataclass(frozen=True)
class Level:
    """Two variants, and the window of models of version 1; without one the level does not run the net."""

    tokens: Variant
    bytes: Variant
    window: Window | None

    def variant(self, mode: Mode) -> Variant:
        """The variant of a coded mode."""
        return self.bytes if mode is Mode.BYTES else self.tokens


LEVELS = {
    1: Level(LIGHT, LIGHT_BYTES, None),
    2: Level(STANDARD, LIGHT_BYTES, None),
    3: Level(MAX, BYTES, None),
} | dict.fromkeys(range(4, 10), Level(MAX, BYTES, Window(512, 256)))
