"""The files that are part of the specification (mixing.md, section 13)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

# A symbolic link to the files that both implementations share; a package that was built has them instead.
_FOLDER = Path(__file__).with_name("priors")


class Vocabulary(NamedTuple):
    """The weights of the tokens of one vocabulary, which the hash identifies."""

    hash: int
    weights: list[int]


def fnv_1a(data: bytes) -> int:
    """The 64-bit hash FNV-1a."""
    h = 0xCBF2_9CE4_8422_2325
    for byte in data:
        h = (h ^ byte) * 0x100_0000_01B3 & 0xFFFF_FFFF_FFFF_FFFF
    return h


def vocabulary_hash(spellings: Sequence[bytes]) -> int:
    """The hash of a vocabulary."""
    return fnv_1a(b"".join(len(spelling).to_bytes(2, "little") + spelling for spelling in spellings))


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """The vocabulary whose weights are shipped."""
    data = file("vocabulary.bin")
    weights = [int.from_bytes(data[i : i + 2], "little") for i in range(8, len(data), 2)]
    return Vocabulary(int.from_bytes(data[:8], "little"), weights)


def file(name: str) -> bytes:
    """The bytes of a shipped file."""
    return (_FOLDER / name).read_bytes()
