"""Exact matrix products in floating point.

NumPy multiplies matrices of integers one element at a time, and those of floating-point numbers with all that
the processor has. A product of integers in floating point is exact if no sum that occurs on the way exceeds
what the type holds exactly: 2^24 for float32, 2^53 for float64. Whatever the order of the additions is, each
such sum is one of some of the products, and so is at most the sum of the magnitudes of all of them.
"""

from __future__ import annotations

from typing import Any, Union

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[Any]
FloatType = Union[type[np.float32], type[np.float64]]


def float_type(bound: int) -> FloatType:
    """The smallest type whose sums are exact if the magnitudes of all products add up to `bound` at most."""
    if bound <= 1 << 24:
        return np.float32
    if bound <= 1 << 53:
        return np.float64
    raise ValueError(f"sums of up to {bound} are not exact in floating point")


class Matrix:
    """A matrix of integers, to be multiplied with vectors of integers of at most `largest` in magnitude."""

    def __init__(self, weights: npt.NDArray[Any], largest: int) -> None:
        """Take the weights, any integer type [rows, columns]."""
        self.rows, self.columns = weights.shape
        magnitudes = np.abs(weights.astype(np.int32)).sum(axis=1, dtype=np.int64)
        self.largest = largest
        self.type: FloatType = float_type(int(magnitudes.max()) * largest)
        self._weights: Floats = np.ascontiguousarray(weights, dtype=self.type)

    def __call__(self, x: Integers) -> Integers:
        """The products with vectors [n, columns] as int64 [n, rows]."""
        return (x.astype(self.type) @ self._weights.T).astype(np.int64)
