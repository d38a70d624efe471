"""Initial states of mixers: priors that were learnt from other texts, or defaults (mixing.md, section 12)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from .maps import AdaptiveMap
from .variants import BYTES, LIGHT, LIGHT_BYTES, MAX, STANDARD, Variant

Weights = npt.NDArray[np.int32]

STATES = 512
RUN_ENTRIES = 256
MATCH_ENTRIES = 256
JOINT_ENTRIES = 1024
# Rows of the sets 0 and 1. Sets 2 and 3 have `rows` each.
ROWS_0 = 256
ROWS_1 = 512
ROWS_MAX = 4096

_HEADER_LEN = 18
_SHIFT_MAX = 8


@dataclass(frozen=True)
class Sizes:
    """The numbers of contexts, runs and joint maps, and of inputs."""

    contexts: int
    runs: int
    joint: int

    @classmethod
    def of(cls, variant: Variant, *, with_net: bool) -> Sizes:
        """The sizes of a variant. Only with a net there are joint maps."""
        return cls(len(variant.contexts), len(variant.runs), variant.joint if with_net else 0)

    @property
    def inputs(self) -> int:
        """The inputs of a decision, in the order of section 9."""
        return 4 + 2 * self.contexts + self.runs + self.joint


_VARIANTS = (LIGHT, STANDARD, MAX, LIGHT_BYTES, BYTES)


@dataclass
class State:
    """What a mixer starts from, and changes as it learns.

    :ivar state_maps: for each context the map of bit histories
    :ivar run_maps: for each run the map of its count and the net's grade
    :ivar match_map: the map of the match's class and the net's grade
    :ivar joint_maps: for each of the first contexts the map of its history and the net's grade
    :ivar first: weights of the first layer, int32 [256 + 512 + 2 * rows, inputs], 14 fraction bits: the four
        sets one after the other
    :ivar second: for each row of set 2 the four weights of the second layer, 16 fraction bits
    """

    state_maps: list[AdaptiveMap]
    run_maps: list[AdaptiveMap]
    match_map: AdaptiveMap
    joint_maps: list[AdaptiveMap]
    first: Weights
    second: list[list[int]]


@dataclass(frozen=True)
class Priors:
    """Priors in their stored form, of which the header has been read and the rest checked."""

    sizes: Sizes
    with_net: bool
    rows: int
    tree_hash: int
    data: bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> Priors:
        """Read the header. Raises ModelError if these are no priors."""
        if len(data) < _HEADER_LEN or data[:4] != b"CZMP":
            raise ModelError('mixing priors do not begin with a header of 18 bytes and "CZMP"')
        version, contexts, runs, with_net = data[4:8]
        if version != 1:
            raise ModelError(f"mixing priors have the version {version}; only 1 is known")
        # The number of joint maps is not in the header: it is that of the variant with the other sizes.
        known = [Sizes.of(variant, with_net=with_net == 1) for variant in _VARIANTS]
        fitting = [sizes for sizes in known if (sizes.contexts, sizes.runs) == (contexts, runs)]
        rows = int.from_bytes(data[8:10], "little")
        if not fitting or with_net > 1 or rows == 0:
            raise ModelError(
                f"mixing priors have the sizes {contexts}, {runs}, {with_net}, {rows}, of no variant"
            )
        sizes = fitting[0]
        entries = STATES * contexts + RUN_ENTRIES * runs + MATCH_ENTRIES + JOINT_ENTRIES * sizes.joint
        shifts_at = _HEADER_LEN + 3 * entries
        weights_at = shifts_at + sizes.inputs
        length = weights_at + (ROWS_0 + ROWS_1 + 2 * rows) * sizes.inputs + 8 * rows
        if len(data) != length:
            raise ModelError(f"mixing priors of {len(data)} bytes should have {length}")
        if max(data[shifts_at:weights_at]) > _SHIFT_MAX:
            raise ModelError(
                f"shift {max(data[shifts_at:weights_at])} of mixing priors is above {_SHIFT_MAX}"
            )
        return cls(sizes, bool(with_net), rows, int.from_bytes(data[10:18], "little"), data)

    def fit(self, sizes: Sizes, with_net: bool, rows: int, tree_hash: int) -> bool:
        """Whether a segment can start from these."""
        same_sizes = self.sizes == sizes and self.with_net == with_net
        return same_sizes and (self.tree_hash != tree_hash or self.rows == rows)

    def state(self, rows: int, tree_hash: int) -> State:
        """The state of a mixer with so many `rows`, and a tree of this hash."""
        sizes = self.sizes
        reader = _Reader(self.data)
        state_maps = [reader.map(STATES) for _ in range(sizes.contexts)]
        run_maps = [reader.map(RUN_ENTRIES) for _ in range(sizes.runs)]
        match_map = reader.map(MATCH_ENTRIES)
        joint_maps = [reader.map(JOINT_ENTRIES) for _ in range(sizes.joint)]
        shifts = reader.array("u1", sizes.inputs)
        count = ROWS_0 + ROWS_1 + 2 * self.rows
        first = reader.array("i1", count * sizes.inputs).reshape(count, sizes.inputs) << shifts
        second = reader.array("<i2", self.rows * 4).reshape(self.rows, 4) << 4
        if tree_hash != self.tree_hash:
            # Rows that belong to nodes and symbols of another tree mean nothing here; their mean does.
            at = ROWS_0 + ROWS_1
            own, sets = first[:at], (first[at : at + self.rows], first[at + self.rows :])
            first = np.concatenate([own, *(np.tile(_mean(weights), (rows, 1)) for weights in sets)])
            second = np.full((rows, 4), 1 << 14, np.int32)
        return State(state_maps, run_maps, match_map, joint_maps, first.astype(np.int32), second.tolist())


class _Reader:
    """Reads the parts of priors one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = _HEADER_LEN

    def map(self, entries: int) -> AdaptiveMap:
        """A map: p, u16, and count, u8, of each entry."""
        values = self.array("<u2,u1", entries)
        return AdaptiveMap(values["f0"].tolist(), values["f1"].tolist())

    def array(self, dtype: str, count: int) -> npt.NDArray[Any]:
        """So many values of a type. Integers become int32."""
        values = np.frombuffer(self._data, dtype, count, self._at)
        self._at += values.nbytes
        return values if values.dtype.names else values.astype(np.int32)


def _mean(weights: Weights) -> Weights:
    """The mean of some rows, rounded towards 0."""
    total = weights.sum(axis=0, dtype=np.int64)
    mean: Weights = (np.sign(total) * (np.abs(total) // len(weights))).astype(np.int32)
    return mean


def default_state(sizes: Sizes, rows: int) -> State:
    """Where mixers start if no priors fit."""
    # A history counts the false decisions in bits 1 to 4, the true ones in bits 5 to 8.
    state_map = [_share(history >> 1 & 15, history >> 5) for history in range(STATES)]
    # The upper bits of the number of an entry are the count or class, the lower four a grade of the net.
    certainty = [65536 - 32768 // ((entry >> 4) + 1) for entry in range(RUN_ENTRIES)]
    joint_map = [_share(entry >> 4 & 7, entry >> 7) for entry in range(JOINT_ENTRIES)]

    contexts, runs, joint = sizes.contexts, sizes.runs, sizes.joint
    inputs = [13107, 0] + [819] * (2 * contexts) + [1638] * (runs + 2) + [0] * joint
    return State(
        [AdaptiveMap(state_map, [0] * STATES) for _ in range(contexts)],
        [AdaptiveMap(certainty, [0] * RUN_ENTRIES) for _ in range(runs)],
        AdaptiveMap(certainty, [0] * MATCH_ENTRIES),
        [AdaptiveMap(joint_map, [0] * JOINT_ENTRIES) for _ in range(joint)],
        np.tile(np.array(inputs, np.int32), (ROWS_0 + ROWS_1 + 2 * rows, 1)),
        [[1 << 14] * 4 for _ in range(rows)],
    )


def _share(z: int, o: int) -> int:
    """The probability of true after z false and o true decisions."""
    return min(65536 * (2 * o + 1) // (2 * (o + z) + 2), 65535)


def initial_state(
    candidates: Iterable[Priors], sizes: Sizes, with_net: bool, rows: int, tree_hash: int
) -> State:
    """The state that a segment starts from: that of the last of the candidates that fits, or the default."""
    fitting = [priors for priors in candidates if priors.fit(sizes, with_net, rows, tree_hash)]
    return fitting[-1].state(rows, tree_hash) if fitting else default_state(sizes, rows)
