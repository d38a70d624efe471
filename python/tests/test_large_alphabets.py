"""Alphabets of more than 65,536 symbols, which models of version 3 may have (mixing.md, 6 and 12)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rust
from conftest import VECTORS
from patched import Parts

from compress_zip import czip_v2
from compress_zip.mix.alphabet import Alphabet, byte_alphabet
from compress_zip.mix.buckets import Buckets
from compress_zip.mix.shipped import fnv_1a
from compress_zip.mix.variants import Mode
from compress_zip.model import Model

DATA = Path(__file__).parent / "data"
TEXT = (VECTORS / "texts" / "json.txt").read_bytes()[:300]


def with_more_tokens(count: int) -> bytes:
    """A model with so many tokens, of which most have no bytes."""
    parts = Parts.of((DATA / "model3-plain.czm").read_bytes())
    for name in ("embed", "head"):
        for part in ("weight", "mantissa", "exponent"):
            kind, shape, data = parts.tensors[f"{name}.{part}"]
            whole = data * (count // shape[0] + 1)
            new_shape = [count, *shape[1:]]
            size = len(data) // shape[0] * count
            parts.tensors[f"{name}.{part}"] = (kind, new_shape, whole[:size])
    assert parts.metadata is not None
    parts.metadata["vocab_size"] = str(count)
    return parts.with_data_hash()


@pytest.mark.parametrize(
    ("symbols", "bits"), [(65536, 16), (65537, 17), (131072, 17), (131073, 18), (262144, 18)]
)
def test_runs_hold_the_largest_symbol(symbols: int, bits: int) -> None:
    buckets = Buckets(1000, 5, 17, symbols)
    bucket = buckets.find(0x0123_4567_89AB_CDEF, 1)
    buckets.write(bucket)
    for _ in range(3):
        buckets.update_run(bucket, symbols - 1)
    found = buckets.find(0x0123_4567_89AB_CDEF, 1)
    assert buckets.run(found) == (symbols - 1, 3)
    assert found.cells[0] >> bits + 4 == bucket.cells[0] >> bits + 4
    buckets.update_run(found, 5)
    assert buckets.run(buckets.find(0x0123_4567_89AB_CDEF, 1)) == (5, 1)


def test_nodes_are_hashed_as_u32_in_large_trees() -> None:
    small = byte_alphabet()
    first = b"\x01\x00\x00" + (0).to_bytes(2, "little") * 2
    second = b"\x01\x00\x01" + (0).to_bytes(2, "little") * 2
    alphabet = Alphabet([b"\0", b"\1"], [0, 0])
    assert alphabet.tree_hash == fnv_1a(first + second)
    assert small.tree_hash != alphabet.tree_hash
    large = Alphabet([b""] * 65537, [0] * 65537)
    nodes = zip(large.left, large.right)
    data = b"".join(bytes(2) + np.array(pair, "<u4").tobytes() for pair in nodes)
    assert large.tree_hash == fnv_1a(data)


@pytest.mark.parametrize("count", [70_000, 262_144])
def test_texts_are_the_same(count: int, tmp_path: Path) -> None:
    path = tmp_path / "large.czm"
    path.write_bytes(with_more_tokens(count))
    model = Model.open(path)
    # The net in its full width is slow, so that it sees a short text only.
    for mode, text in [(Mode.TOKENS, TEXT), (Mode.NET, TEXT[:30])]:
        file = czip_v2.compress(text, model, level=5, mode=mode)
        assert czip_v2.decompress(file, [model]) == text
        assert rust.output(["decompress", "-m", path, "-i", "-", "-o", "-"], file) == text
