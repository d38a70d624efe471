"""Where a text repeats itself for so long that it is worth a copy: a text in, passages out.

Which passages are copied is up to an encoder (czip-v2.md, sections 2 and 7.3). This one cuts the text into
blocks, looks for each of them at every place behind it, and makes what it finds as long as it goes.
"""

from __future__ import annotations

from .container.copies import Passage

# Shorter passages are left to mixing, which learns what repeats.
LEN_MIN = 4096
# Any LEN_MIN bytes hold a whole block.
_BLOCK_LEN = LEN_MIN // 2
# Lengths are measured in these steps, so that there are few of them.
_STEPS = (1 << 16, 1 << 8, 1)


def find(text: bytes) -> list[Passage]:
    """Passages that a text has before, too: in its order, not overlapping, each of LEN_MIN bytes or more."""
    starts = range(0, len(text) - _BLOCK_LEN + 1, _BLOCK_LEN)
    # Of equal blocks the first one stays.
    blocks = {text[start : start + _BLOCK_LEN]: start for start in reversed(starts)}
    passages = []
    # Where the last passage ends.
    end = 0
    place = 0
    while place + _BLOCK_LEN <= len(text):
        source = blocks.get(text[place : place + _BLOCK_LEN], place)
        if source < place:
            start = place - _equal_before(text, source, place, limit=min(source, place - end))
            stop = place + _equal_after(text, source, place)
            if stop - start >= LEN_MIN:
                passages.append(Passage(start - end, stop - start, place - source))
                end = place = stop
                continue
        place += 1
    return passages


def _equal_after(text: bytes, source: int, place: int) -> int:
    """How many bytes from `place` on are those from `source` on, which is before."""
    length = 0
    for step in _STEPS:
        while place + length + step <= len(text) and (
            text[source + length : source + length + step] == text[place + length : place + length + step]
        ):
            length += step
    return length


def _equal_before(text: bytes, source: int, place: int, limit: int) -> int:
    """How many bytes before `place`, at most `limit`, are those before `source`."""
    length = 0
    for step in _STEPS:
        while length + step <= limit and (
            text[source - length - step : source - length] == text[place - length - step : place - length]
        ):
            length += step
    return length
