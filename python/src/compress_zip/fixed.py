"""Numbers, roundings, tables and functions of fixed-point.md.

Functions take and give integers of Python or arrays of int64 alike, and work element by element. None of them
wraps: the pages of the models show that nothing they pass in exceeds 64 bits.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
# An integer of Python, or an array of int64: what comes in is what comes out.
Integer = TypeVar("Integer", int, Integers)

# Section 2.3: log2(e) / 64 and a tenth of it, Q0.24.
LOG2E_OVER_64_Q24 = 378194
LOG2E_OVER_640_Q24 = 37819

INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1

# ---- Section 1: roundings


def rne_shr(x: Integer, n: int) -> Integer:
    """RNE(x / 2^n): nearest, ties to even."""
    if n <= 0:
        return x
    # Adding half less one, plus one more when the quotient is odd, sends ties to the even side.
    return (x + (1 << (n - 1)) - 1 + ((x >> n) & 1)) >> n


def rne_div(x: Integers, n: Integers) -> Integers:
    """RNE(x / n) for n > 0."""
    quotient, rest = np.divmod(x, n)
    rest *= 2
    return cast(Integers, quotient + ((rest > n) | ((rest == n) & (quotient & 1 == 1))))


def up(x: Integer, n: Any) -> Integer:
    """floor(x / 2^n + 1/2): nearest, ties go up. `n` is an integer or an array of them, none negative."""
    # The half is 0 for n = 0.
    half = (1 << n) >> 1 if isinstance(n, int) else np.left_shift(np.int64(1), n) >> 1
    return cast(Integer, (x + half) >> n)


def clamp127(x: Integers) -> Integers:
    """clamp(x, -127, 127): -128 is excluded, so that the range is symmetric."""
    return cast(Integers, np.minimum(np.maximum(x, -127), 127))


def sat16(x: Integers) -> Integers:
    """The nearest int16."""
    return cast(Integers, np.minimum(np.maximum(x, INT16_MIN), INT16_MAX))


# ---- Section 2: tables


def _exp2_table() -> Integers:
    """Section 2.1: min(round(2^(-i/256) * 65536), 65535), Q0.16."""
    table = []
    for i in range(256):
        # Twice the value is the 256th root of 2^(17 * 256 - i). Eight square roots, each rounded down, give
        # that root rounded down; adding one and halving then rounds the value itself to the nearest integer.
        root = 1 << (17 * 256 - i)
        for _ in range(8):
            root = math.isqrt(root)
        table.append(min((root + 1) >> 1, 65535))
    return np.array(table, np.int64)


def _sine_table() -> Integers:
    """Section 2.4: the sines of a full turn in 2,048 steps, at most 32,767 in magnitude."""
    # Cosine and sine of one step in units of 2^-96, by halving the quarter of a turn nine times, with
    # cos(a / 2)^2 = (1 + cos(a)) / 2. The cosine is off by two units at most, the sine by some 2^10, since it
    # is 2^-8 and its square has the same error as that of the cosine; 512 steps make that 2^19, or 2^-61 of
    # what is rounded. Section 2.5 has no entry nearer to a tie than 2^-40.
    bits = 96
    one = 1 << bits
    cosine = 0
    for _ in range(9):
        cosine = math.isqrt((one + cosine) << (bits - 1))
    sine = math.isqrt(one * one - cosine * cosine)
    c, s = one, 0
    quarter = []
    for _ in range(513):
        quarter.append(min(((s >> (bits - 16)) + 1) >> 1, 32767))
        c, s = (c * cosine - s * sine) >> bits, (s * cosine + c * sine) >> bits
    half = quarter + quarter[511:0:-1]
    return np.array(half + [-sine for sine in half], np.int64)


#: exp2, Q0.16, int64 [256]
EXP2 = _exp2_table()
#: sines, Q1.15, int64 [2048], by 2,048ths of a turn
SINE = _sine_table()
#: cosines, likewise
COSINE = np.roll(SINE, -512)

# ---- Section 3: functions


def isqrt(x: Integers) -> Integers:
    """Section 3.1: floor(sqrt(x)) for 0 <= x < 2^62, element by element."""
    root: Integers = np.sqrt(x.astype(np.float64)).astype(np.int64)
    # A root in floating point is off by less than one here, however it was rounded; integers decide.
    root -= root * root > x
    root += (root + 1) * (root + 1) <= x
    return root


def inverse_rms(squares: Integers, n: int) -> Integers:
    """Section 3.2: the reciprocal root mean square, Q1.15, at most 32768, of each sum of squares."""
    mean_square = squares // n + 1
    return rne_div(np.full_like(mean_square, 1 << 23), isqrt(mean_square << 16))


def requantize(accumulator: Integers, mult: int, shift: int) -> Integers:
    """Section 3.3: an i32 accumulator becomes an activation, Q0.7, by the factor mult / 2^shift."""
    return clamp127(rne_shr(accumulator * mult, shift))


def exp_weight(difference: Integers, coefficient: int, exp2: Integers = EXP2) -> Integers:
    """Section 3.4: w(difference), Q0.16, 1 to 65535.

    Differences are below 2^32 in magnitude, the coefficient is Q0.24, 0 to 2^32 - 1.
    """
    below = np.maximum(-difference, 0)
    # A product may have 64 bits: 2^32 * 2^32. Beyond 2^31 * 2^24 z is above 31 * 256, where w is 1 whatever z
    # is, so smaller differences stand for larger ones; the bound keeps that for each coefficient, and
    # products below 2^62.
    z = (np.minimum(below, (1 << 62) // max(coefficient, 1)) * coefficient + (1 << 23)) >> 24
    octaves = np.minimum(z >> 8, 31)
    weight = ((np.int64(65536) >> octaves) * exp2[z & 255] + 32768) >> 16
    weight = np.minimum(np.maximum(weight, 1), 65535)
    weight[octaves >= 31] = 1
    weight[difference >= 0] = 65535
    return cast(Integers, weight)


class Norm:
    """Section 3.5: the norm of vectors of n elements, with the unit u."""

    def __init__(self, n: int, unit: int) -> None:
        # Step 1 depends only on n and the unit.
        q = unit * unit * n
        e = 0
        while q << 2 * e < 1 << 28:
            e += 1
        self.e = e
        self.m = math.isqrt(q << 2 * e)

    def factor(self, squares: Integers) -> tuple[Integers, Integers]:
        """Steps 2 to 4: f and h for sums of squares S below 2^47; 0 counts as 1."""
        squares = np.maximum(squares, 1)
        # frexp gives S = x * 2^b with 1/2 <= x < 1, so that b is the number of bits of S. It is exact, since
        # S has fewer than 53.
        bits = np.frexp(squares.astype(np.float64))[1].astype(np.int64)
        k = (32 - bits) >> 1
        t = (squares << 2 * np.maximum(k, 0)) >> 2 * np.maximum(-k, 0)
        r = (1 << 31) // isqrt(t)
        return (r * self.m) >> 16, 15 + self.e - k

    def __call__(self, x: Integers) -> Integers:
        """norm(x, u) along the last axis: int16 in, -127 to 127 out."""
        f, h = self.factor(np.einsum("...i,...i->...", x, x))
        return clamp127(up(x * f[..., None], h[..., None]))
