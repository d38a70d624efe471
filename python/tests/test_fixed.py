"""fixed-point.md: its examples, the golden vectors, and properties against the plainest form."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from conftest import vector
from hypothesis import given
from hypothesis import strategies as st

from compress_zip import fixed
from compress_zip.kernels import Matrix, float_type


def array(*values: int) -> fixed.Integers:
    return np.array(values, np.int64)


def rne(x: Fraction) -> int:
    """RNE in its plainest form."""
    return round(x)


def test_golden_vectors() -> None:
    tables = vector("fixed.json")
    assert set(tables) == {"rne_shr", "rne_div", "requantize", "isqrt", "inverse_rms", "exp_weight"}
    for x, shift, expected in tables["rne_shr"]:
        assert fixed.rne_shr(x, shift) == expected
        assert fixed.rne_shr(array(x), shift) == expected
    for x, n, expected in tables["rne_div"]:
        assert fixed.rne_div(array(x), array(n)) == expected
    for accumulator, mult, shift, expected in tables["requantize"]:
        assert fixed.requantize(array(accumulator), mult, shift) == expected
    for x, expected in tables["isqrt"]:
        assert fixed.isqrt(array(x)) == expected
    for squares, n, expected in tables["inverse_rms"]:
        assert fixed.inverse_rms(array(squares), n) == expected
    for difference, coefficient, expected in tables["exp_weight"]:
        assert fixed.exp_weight(array(difference), coefficient) == expected


def test_roundings() -> None:
    assert [fixed.rne_shr(x, 1) for x in (5, 7, -5, -7)] == [2, 4, -2, -4]
    assert [fixed.rne_shr(x, 2) for x in (11, 13, -13)] == [3, 3, -3]
    assert [fixed.up(x, 1) for x in (5, 7, -5, -7)] == [3, 4, -2, -3]
    assert fixed.up(-7, 0) == -7
    assert list(fixed.clamp127(array(200, 127, -128))) == [127, 127, -127]


def test_tables() -> None:
    assert [int(fixed.EXP2[i]) for i in (0, 1, 64, 128, 192, 255)] == [
        65535,
        65359,
        55109,
        46341,
        38968,
        32857,
    ]
    angles = (0, 1, 256, 341, 512, 1024, 1536, 2047)
    assert [fixed.SINE[a] for a in angles] == [0, 101, 23170, 28361, 32767, 0, -32767, -101]
    # The sine of 2560 is the cosine of 2048, which is that of 0.
    assert fixed.COSINE[0] == 32767
    assert (fixed.SINE[(np.arange(2048) + 512) % 2048] == fixed.COSINE).all()
    for a in range(2048):
        exact = min(round(abs(math.sin(math.pi * a / 1024)) * 32768), 32767)
        assert abs(fixed.SINE[a]) == exact


@pytest.mark.parametrize(
    ("squares", "f", "h"),
    [
        (0, 16384, 7),
        (1, 16384, 7),
        (64, 16384, 10),
        (6400, 13107, 13),
        (2**30, 16384, 22),
        (2**36, 16384, 25),
    ],
)
def test_norm_factors(squares: int, f: int, h: int) -> None:
    norm = fixed.Norm(64, 16)
    assert (norm.e, norm.m) == (7, 16384)
    factor, shift = norm.factor(array(squares))
    assert (factor[0], shift[0]) == (f, h)


def test_norm_example() -> None:
    x = array(300, -100, 7, 0)
    norm = fixed.Norm(4, 16)
    factor, shift = norm.factor(array(100049))
    assert (factor[0], shift[0]) == (13260, 17)
    assert list(norm(x)) == [30, -10, 1, 0]


@given(st.integers(-(2**62), 2**62 - 1), st.integers(0, 60))
def test_shifts_round(x: int, n: int) -> None:
    assert fixed.rne_shr(x, n) == rne(Fraction(x, 2**n))
    if abs(x) < 2**60:
        assert fixed.rne_shr(array(x), n)[0] == rne(Fraction(x, 2**n))
        assert fixed.up(array(x), n)[0] == math.floor(Fraction(x, 2**n) + Fraction(1, 2))
        assert fixed.up(array(x), array(n))[0] == fixed.up(x, n)


@given(st.integers(-(2**60), 2**60), st.integers(1, 2**32))
def test_division_rounds(x: int, n: int) -> None:
    assert fixed.rne_div(array(x), array(n))[0] == rne(Fraction(x, n))


@given(st.integers(0, 2**62 - 1))
def test_isqrt(x: int) -> None:
    assert fixed.isqrt(array(x))[0] == math.isqrt(x)


@given(st.integers(0, 2**31 - 1), st.integers(-1, 1))
def test_isqrt_near_squares(root: int, off: int) -> None:
    x = max(root * root + off, 0)
    assert fixed.isqrt(array(x))[0] == math.isqrt(x)


@given(st.integers(-(2**32) + 1, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_exp_weight(difference: int, coefficient: int) -> None:
    weight = fixed.exp_weight(array(difference), coefficient)[0]
    if difference >= 0:
        assert weight == 65535
        return
    z = (-difference * coefficient + 2**23) >> 24
    octaves, frac = z >> 8, z & 255
    plain = 1
    if octaves < 31:
        plain = max(1, min(65535, ((65536 >> octaves) * int(fixed.EXP2[frac]) + 32768) >> 16))
    assert weight == plain


@given(
    st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=40),
    st.sampled_from([1, 8, 16, 100]),
)
def test_norm(values: list[int], unit: int) -> None:
    n = len(values)
    q = unit * unit * n
    e = next(e for e in range(-20, 20) if Fraction(q) * Fraction(4) ** e >= 2**28)
    m = math.isqrt(math.floor(Fraction(q) * Fraction(4) ** e))
    squares = max(sum(x * x for x in values), 1)
    k = next(k for k in range(-20, 20) if 2**30 <= squares * Fraction(4) ** k < 2**32)
    t = math.floor(squares * Fraction(4) ** k)
    f = ((2**31 // math.isqrt(t)) * m) >> 16
    h = 15 + e - k
    expected = [max(-127, min(127, math.floor(Fraction(x * f, 2**h) + Fraction(1, 2)))) for x in values]
    assert list(fixed.Norm(n, unit)(array(*values))) == expected


@given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_products(rows: int, columns: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.integers(-128, 128, (rows, columns))
    x = generator.integers(-(2**15), 2**15, (3, columns))
    assert (Matrix(weights, 2**15)(x) == x @ weights.T).all()
    x >>= 8
    assert (Matrix(weights, 128)(x) == x @ weights.T).all()


def test_types_of_products() -> None:
    assert Matrix(np.full((1, 1032), -128), 127).type is np.float32
    assert Matrix(np.full((1, 1033), -128), 127).type is np.float64
    # The largest sums that each type may have to hold.
    assert Matrix(np.full((1, 1032), -128), 127)(np.full((1, 1032), 127))[0, 0] == -128 * 127 * 1032
    assert Matrix(np.full((1, 16384), -128), 128)(np.full((1, 16384), -128))[0, 0] == 2**28
    with pytest.raises(ValueError, match="not exact"):
        float_type(2**53 + 1)
