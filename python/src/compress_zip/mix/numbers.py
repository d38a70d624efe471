"""Functions of probabilities and logits, as tables (mixing.md, section 5).

A probability is in units of 2^-16, a logit ln(p / (1 - p)) in units of 2^-8.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

# Logits are within ± this.
LIMIT = 3071


def _round(x: Decimal) -> int:
    """The nearest integer.

    Only squash(0) is an integer. Of the other entries none is so near to a tie that the 28 digits of Decimal
    would not tell on which side it is.
    """
    return int(x.to_integral_value(ROUND_HALF_EVEN))


def _squash_table() -> list[int]:
    """The probability for each logit from -LIMIT to LIMIT, by logit + LIMIT."""
    table = [0] * (2 * LIMIT + 1)
    for x in range(LIMIT + 1):
        # The function is symmetric: squash(-x) = 2^16 - squash(x), except for the bound.
        negative = _round(65536 / (1 + (Decimal(x) / 256).exp()))
        table[LIMIT - x] = negative
        table[LIMIT + x] = min(65536 - negative, 65535)
    return table


SQUASH = _squash_table()


def clamp_logit(x: int) -> int:
    """A logit within ±LIMIT."""
    return min(max(x, -LIMIT), LIMIT)


def squash(logit: int) -> int:
    """The probability of a logit, which is clamped first."""
    return SQUASH[clamp_logit(logit) + LIMIT]


def _stretch_table() -> list[int]:
    """The logit whose squash is nearest to the middle of each of 4,096 steps of p."""
    table = [0] * 4096
    x = 0
    for i in range(2048, 4096):
        middle = 16 * i + 8
        # The middles ascend, and so do their logits. A step to the right is taken only if it leads nearer: of
        # logits that are equally near, the first, which has the smallest magnitude, is wanted.
        while x < LIMIT:
            right = x + 1
            while right < LIMIT and SQUASH[LIMIT + right] == SQUASH[LIMIT + x]:
                right += 1
            if abs(SQUASH[LIMIT + right] - middle) >= abs(SQUASH[LIMIT + x] - middle):
                break
            x = right
        table[i] = x
        table[4095 - i] = -x
    return table


# By p >> 4.
STRETCH = _stretch_table()

# round(ln(1 + i / 2^10) * 2^16)
LN = [_round((1 + Decimal(i) / 1024).ln() * 65536) for i in range(1024)]


def ln(x: int) -> int:
    """The logarithm of x, which is at least 1, in units of 2^-16. Of x only the upper eleven bits count."""
    exponent = x.bit_length() - 1
    mantissa = x >> exponent - 10 if exponent >= 10 else x << 10 - exponent
    return exponent * 45426 + LN[mantissa & 1023]


# How far a probability moves towards a decision, by how often it has moved.
RATE = [(1 << 17) // (2 * n + 3) for n in range(256)]


def log2up(x: int) -> int:
    """The smallest n for which 2^n is at least max(x, 2)."""
    return (max(x, 2) - 1).bit_length()


_MASK = (1 << 64) - 1


def combine(h: int, n: int) -> int:
    """A hash of a hash and a number, 64 bits (section 6)."""
    q = (h ^ n) * 0x9E37_79B9_7F4A_7C15 & _MASK
    return q ^ q >> 29
