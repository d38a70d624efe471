"""czm-v3.md: its examples, chunks of the other implementation, and properties."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patched import Parts, patched
from test_models import code, text_of

from compress_zip.errors import CzipError, ModelError
from compress_zip.fixed import EXP2
from compress_zip.model import Integers, Model, v3
from compress_zip.model.file import ModelFile

DATA = Path(__file__).parent / "data"
GOLDEN = json.loads((DATA / "model3.json").read_text())
MODEL3 = (DATA / "model3-plain.czm").read_bytes()


def array(*values: int) -> Integers:
    return np.array([values], np.int64)


def pair(factor: v3.Factor) -> tuple[int, int]:
    """Mantissa and exponent of a single vector."""
    return int(factor.mantissa[0, 0]), int(factor.exponent[0, 0])


@pytest.mark.parametrize("item", GOLDEN, ids=lambda item: item["model"])
def test_chunks(item: dict[str, Any]) -> None:
    model = Model.open(DATA / item["model"])
    assert model.version == 3
    for text, chunks in item["texts"].items():
        assert code(model, text_of(text), item["chunk_len"]) == chunks


@pytest.mark.parametrize("item", GOLDEN, ids=lambda item: item["model"])
def test_cuts_make_no_difference(item: dict[str, Any]) -> None:
    model = Model.open(DATA / item["model"])
    tokens = [model.start_token, *model.tokenizer.encode(text_of("prose"))[:400]]
    whole = model.forward(model.new_cache(), tokens)
    assert whole.min() >= 1
    assert whole.sum(axis=1).max() < 2**30
    cache = model.new_cache()
    cuts = [0, *range(1, 60), 64, 100, 101, 300, len(tokens)]
    parts = [model.forward(cache, tokens[a:b]) for a, b in zip(cuts, cuts[1:])]
    assert (np.concatenate(parts) == whole).all()


# ---- The examples of the page


def test_rounding_example() -> None:
    x = array(1000, -250, 3)
    levelled = v3.level(x)
    assert levelled.t.tolist() == [[32000, -8000, 96]]
    assert levelled.b == 10
    narrow = v3.round_vector(x, wide=False, fraction_bits=12)
    assert [part.tolist() for part in narrow.parts] == [[[127, -32, 0]]]
    assert pair(narrow.unit) == (16125, 23)
    wide = v3.round_vector(x, wide=True, fraction_bits=12)
    assert [part.tolist() for part in wide.parts] == [[[127, -32, 0]], [[0, 64, 98]]]
    assert wide.unit == narrow.unit


def test_norm_example() -> None:
    x = array(1000, -250, 3)
    assert v3.squares_with_epsilon(v3.level(x), 0) == 1_088_009_216
    rounded = v3.round_vector(x, wide=False, epsilon=0)
    assert rounded.parts[0].tolist() == [[127, -32, 0]]
    assert pair(rounded.unit) == (27747, 21)


def test_zeros() -> None:
    for epsilon in (None, 0, 5):
        rounded = v3.round_vector(array(0, 0), wide=True, fraction_bits=12, epsilon=epsilon)
        assert all(not part.any() for part in rounded.parts)
        assert pair(rounded.unit) == (0, 1)


# ---- Against the plainest form


def up(x: int, n: int) -> int:
    return math.floor(Fraction(x, 2**n) + Fraction(1, 2))


@given(st.lists(st.integers(-(2**28) + 1, 2**28 - 1), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_rounding(values: list[int], epsilon: int) -> None:
    x, n = array(*values), len(values)
    largest = max(map(abs, values))
    if largest == 0:
        return
    b = largest.bit_length()
    t = [value * 2 ** (15 - b) if b <= 15 else up(value, b - 15) for value in values]
    top = max(map(abs, t))
    narrow = v3.round_vector(x, wide=False, fraction_bits=9)
    assert narrow.parts[0][0].tolist() == [up(value * (127 * 2**23 // top), 23) for value in t]
    assert pair(narrow.unit) == (top * 64 // 127, 30 - b)
    a = [up(value * (32512 * 2**15 // top), 15) for value in t]
    hi, lo = v3.round_vector(x, wide=True, epsilon=epsilon).parts
    assert hi[0].tolist() == [up(value, 8) for value in a]
    assert lo[0].tolist() == [value - 256 * up(value, 8) for value in a]
    s = sum(value * value for value in t) + math.floor(epsilon * Fraction(4) ** (15 - b))
    root = math.isqrt(top * top * n * 2**48 // (16129 * s))
    k = max(root.bit_length() - 15, 0)
    unit = v3.round_vector(x, wide=False, epsilon=epsilon).unit
    assert pair(unit) == (root >> k, 24 - k)


def test_gates() -> None:
    def exp2(i: int) -> int:
        return min(round(2 ** (-i / 256) * 65536), 65535)

    sigmoid = []
    for k in range(1025):
        z = up(k * 378194, 16)
        sigmoid.append(2**32 // (65536 + up(exp2(z % 256), z // 256)))
    assert v3.SIGMOID[:1025].tolist() == sigmoid
    for x in [0, 1, -1, 63, 64, -64, 4096, -4095, 65535, 65536, -65536, -65537, 2**28 - 1, 1 - 2**28]:
        k, r = divmod(abs(x), 64)
        q = 65536 if k >= 1024 else up(sigmoid[k] * (64 - r) + sigmoid[k + 1] * r, 6)
        assert v3.silu(array(x)) == up(x * (q if x >= 0 else 65536 - q), 16)


@given(st.lists(st.integers(-(2**28) + 1, 2**28 - 1), min_size=2, max_size=300))
@settings(max_examples=50)
def test_frequencies(logits: list[int]) -> None:
    def frequencies(c: int) -> list[int]:
        below = [max(logits) - logit for logit in logits]
        return [max(1, (int(EXP2[d % 256]) << c) >> (16 + d // 256)) for d in below]

    expected = frequencies(51 - sum(frequencies(22)).bit_length())
    assert v3.frequencies_of(array(*logits)).tolist() == [expected]
    assert sum(expected) < 2**30


# ---- Faults


def changed(metadata: dict[str, str | None], tensors: dict[str, Any]) -> bytes:
    """MODEL3 with a patch, and the hash that it then has."""
    return Parts.of(patched(MODEL3, {"metadata": metadata, "tensors": tensors})).with_data_hash()


@pytest.mark.parametrize("key", sorted(set(Parts.of(MODEL3).metadata or {}) - {"format"}))
def test_missing_keys(key: str) -> None:
    with pytest.raises(ModelError, match=key):
        Model.from_bytes(patched(MODEL3, {"metadata": {key: None}}))


@pytest.mark.parametrize("name", sorted(Parts.of(MODEL3).tensors))
def test_tensors(name: str) -> None:
    for change in (None, {"dtype": "I64"}, {"shape": [*Parts.of(MODEL3).tensors[name][1], 1]}):
        with pytest.raises(ModelError, match=name):
            Model.from_bytes(changed({}, {name: change}))


@pytest.mark.parametrize(
    ("metadata", "tensors"),
    [
        ({"vocab_size": "262145"}, {}),
        ({"n_kv_heads": "0"}, {}),
        ({"n_heads": "3", "n_kv_heads": "2"}, {}),
        ({"head_dim": "33"}, {}),
        ({"rotary_dim": "31"}, {}),
        ({"rotary_dim": "34"}, {}),
        ({"window": "0"}, {}),
        ({"sinks": "17"}, {}),
        ({"start_token": "283"}, {}),
        ({"wide_inputs": "down,qkv"}, {}),
        ({"wide_inputs": "qkv,qkv"}, {}),
        ({"wide_inputs": "qkv,"}, {}),
        ({"wide_inputs": "up"}, {}),
        ({"qkv_bias": "1"}, {}),
        ({"qkv_bias": "2"}, {}),
        ({"head_norms": "1"}, {}),
        ({"epsilon": "4294967296"}, {}),
        ({"score_mantissa": "32768"}, {}),
        ({"score_exponent": "31"}, {}),
        ({}, {"embed.exponent": {"data": "31"}}),
        ({}, {"head.exponent": {"data": "31"}}),
        ({}, {"tokenizer.data": {"data": "00"}}),
    ],
)
def test_refused(metadata: dict[str, str | None], tensors: dict[str, Any]) -> None:
    with pytest.raises(CzipError):
        Model.from_bytes(changed(metadata, tensors))


@pytest.mark.parametrize(("window_log", "accepted"), [(24, True), (25, False)])
def test_windows_of_zstd_have_a_limit(window_log: int, *, accepted: bool) -> None:
    tokenizer = ModelFile.from_bytes(MODEL3).tokenizer_json()
    block = (len(tokenizer) << 3 | 1).to_bytes(3, "little") + tokenizer
    frame = bytes.fromhex("28b52ffd 00") + bytes([(window_log - 10) << 3]) + block
    data = changed(
        {"tokenizer_codec": "zstd"}, {"tokenizer.data": {"data": frame.hex(), "shape": [len(frame)]}}
    )
    if accepted:
        Model.from_bytes(data)
    else:
        with pytest.raises(ModelError, match="tokenizer"):
            Model.from_bytes(data)


def test_damage_is_noticed() -> None:
    with pytest.raises(ModelError, match="data_hash"):
        Model.from_bytes(MODEL3[:-1] + bytes([MODEL3[-1] ^ 1]))
