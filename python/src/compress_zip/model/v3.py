"""czip-model-v3: a model file in, frequencies out (czm-v3.md).

Values are int64 [n, elements] for n positions of one sequence; fraction bits are those of section 7. A factor
(m, e) is a pair of arrays, of mantissas and of exponents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from ..fixed import COSINE, EXP2, SINE, up
from ..kernels import Floats, Matrix
from .file import BATCH, Integers, ModelFile, Observer, Window, xxh3_128

FORMAT = "czip-model-v3"
TOKENIZER_LEN = 1 << 26
INPUTS = ("qkv", "out", "gate_up", "down", "head")

BOUND = (1 << 28) - 1
# Far below every score.
HIDDEN = -(1 << 40)


class Factor(NamedTuple):
    """Stands for mantissa / 2^exponent, element by element."""

    mantissa: Integers
    exponent: Integers


def sat(x: Integers) -> Integers:
    """The nearest number of a magnitude below 2^28."""
    result: Integers = np.minimum(np.maximum(x, -BOUND), BOUND)
    return result


def bit_count(x: Integers) -> Integers:
    """bits(x) for 0 <= x < 2^53: 0 for 0, else floor(log2(x)) + 1."""
    # frexp gives x = f * 2^b with 1/2 <= f < 1, and b = 0 for 0.
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def scaled(p: Integers, a: Factor, b: Factor) -> Integers:
    """Section 6.2: a product of integers, times two factors."""
    exponent = np.minimum(np.maximum(a.exponent + b.exponent, 1), 62)
    return sat(up(p * a.mantissa * b.mantissa, exponent))


# ---- Section 6: vectors and matrices


class Levelled(NamedTuple):
    """A vector shifted to 16 bits, as section 6.1 begins: t [..., n], and b [...] of what it was made of."""

    t: Integers
    b: Integers


def level(x: Integers) -> Levelled:
    """Steps 1 and 2 of section 6.1, along the last axis."""
    b = bit_count(np.abs(x).max(axis=-1))
    shift = (15 - b)[..., None]
    return Levelled(up(x << np.maximum(shift, 0), np.maximum(-shift, 0)), b)


class Rounded(NamedTuple):
    """A vector of 8 bits, or the parts hi and lo of one of 16, with the factor of its unit, [n, 1]."""

    parts: tuple[Integers, ...]
    unit: Factor


def to_8_bits(t: Integers, largest: Integers) -> Integers:
    """Step 3 of section 6.1: `largest` is T, or 0 where all elements are."""
    return up(t * ((127 << 23) // np.maximum(largest, 1))[..., None], 23)


def plain_unit(largest: Integers, exponent: Integers) -> Factor:
    """The unit's factor, whose exponent is f + 21 - b; it is (0, 1) where all elements are 0."""
    return Factor(largest * 64 // 127, np.where(largest == 0, 1, exponent))


def norm_scale(largest: Integers, squares: Integers, n: int) -> tuple[Integers, Integers]:
    """Section 6.3: floor(A / 2^k) and k, for T and S of vectors of n elements. Where T is 0 they are 0."""
    mantissas, shifts = np.zeros(largest.size, np.int64), np.zeros(largest.size, np.int64)
    # A's square has up to 91 bits, so these are integers of Python.
    for i, (top, s) in enumerate(zip(largest.ravel().tolist(), squares.ravel().tolist())):
        if top:
            a = math.isqrt((top * top * n << 48) // (16129 * s))
            k = max(a.bit_length() - 15, 0)
            mantissas[i], shifts[i] = a >> k, k
    return mantissas.reshape(largest.shape), shifts.reshape(largest.shape)


def squares_with_epsilon(levelled: Levelled, epsilon: int) -> Integers:
    """S of section 6.3."""
    shift = 2 * (15 - levelled.b)
    added = (epsilon << np.maximum(shift, 0)) >> np.maximum(-shift, 0)
    squares: Integers = np.einsum("...i,...i->...", levelled.t, levelled.t) + added
    return squares


def round_vector(x: Integers, *, wide: bool, fraction_bits: int = 0, epsilon: int | None = None) -> Rounded:
    """Sections 6.1 and, if there is an epsilon, 6.3: vectors [n, elements], ready for a matrix."""
    levelled = level(x)
    t = levelled.t
    largest = np.abs(t).max(axis=-1)
    if wide:
        a = up(t * ((32512 << 15) // np.maximum(largest, 1))[:, None], 15)
        hi = up(a, 8)
        parts: tuple[Integers, ...] = (hi, a - 256 * hi)
    else:
        parts = (to_8_bits(t, largest),)
    if epsilon is None:
        unit = plain_unit(largest, fraction_bits + 21 - levelled.b)
    else:
        mantissa, k = norm_scale(largest, squares_with_epsilon(levelled, epsilon), x.shape[-1])
        unit = Factor(mantissa, np.where(largest == 0, 1, 24 - k))
    return Rounded(parts, Factor(unit.mantissa[:, None], unit.exponent[:, None]))


@dataclass(frozen=True)
class Projection:
    """A matrix with the factors of its rows."""

    matrix: Matrix
    rows: Factor

    def __call__(self, x: Rounded) -> Integers:
        """Section 6.2: [n, rows]."""
        if len(x.parts) == 1:
            return scaled(self.matrix(x.parts[0]), self.rows, x.unit)
        high, low = map(self.matrix, x.parts)
        return scaled(4 * high + up(low, 6), self.rows, Factor(x.unit.mantissa, x.unit.exponent + 2))


# ---- Tables


def _sigmoid_table() -> Integers:
    """Section 7.3, with a last element that is only multiplied by 0."""
    z = up(np.arange(1025, dtype=np.int64) * 378194, 16)
    return np.append((1 << 32) // (65536 + up(EXP2[z % 256], z // 256)), 0)


def _weight_table() -> Integers:
    """Section 7.2, step 3: the weights of D = 0 to 4352; from there on they are 0."""
    d = np.arange(4352, dtype=np.int64)
    return np.append(up(EXP2[d % 256], d // 256), 0)


SIGMOID = _sigmoid_table()
WEIGHTS = _weight_table()


def silu(x: Integers) -> Integers:
    """Section 7.3."""
    magnitude = np.minimum(np.abs(x), 64 * 1024)
    k, r = magnitude >> 6, magnitude & 63
    q = np.where(k >= 1024, 65_536, up(SIGMOID[k] * (64 - r) + SIGMOID[k + 1] * r, 6))
    return up(x * np.where(x >= 0, q, 65_536 - q), 16)


@cache
def frequency_table(c: int) -> Integers:
    """Section 8: f_i(c) for D_i = 0 to 256 * c; from there on it is 1."""
    d = np.arange(256 * c + 1, dtype=np.int64)
    table: Integers = np.maximum((EXP2[d % 256] << c) >> (16 + d // 256), 1)
    return table


def frequencies_of(logits: Integers) -> Integers:
    """Section 8: frequencies from logits, both [n, V]."""
    below = logits.max(axis=1, keepdims=True) - logits

    def frequencies(d: Integers, c: int) -> Integers:
        table = frequency_table(c)
        result: Integers = table[np.minimum(d, len(table) - 1)]
        return result

    result = np.empty_like(logits)
    for row, d in enumerate(below):
        result[row] = frequencies(d, 51 - int(frequencies(d, 22).sum()).bit_length())
    return result


# ---- The net


@dataclass(frozen=True)
class Layer:
    """Tensors by the names of the file."""

    qkv: Projection
    bias: Integers | None
    gains: Integers | None
    """Of each query head, then of each key head: [H + G, h]."""
    out: Projection
    gate_up: Projection
    down: Projection


@dataclass
class Stored:
    """Keys and values of one layer in floating point [G, capacity, h], and the factors of their units."""

    keys: Floats
    values: Floats
    # int64 [4, G, capacity]: mantissa and exponent of the key, then of the value.
    units: Integers

    @classmethod
    def empty(cls, heads: int, capacity: int, head_dim: int) -> Stored:
        shape = (heads, capacity, head_dim)
        units = np.zeros((4, heads, capacity), np.int64)
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.float64), units)

    def put(self, at: slice, other: Stored, source: slice) -> None:
        """Copy positions from another one, which may be the same."""
        self.keys[:, at] = other.keys[:, source]
        self.values[:, at] = other.values[:, source]
        self.units[:, :, at] = other.units[:, :, source]

    def view(self, at: slice) -> Stored:
        """Some of the positions."""
        return Stored(self.keys[:, at], self.values[:, at], self.units[:, :, at])


@dataclass
class Cache:
    """The newest positions of each layer, of which `held` are in use, and the first ones, which stay."""

    layers: list[Stored]
    sinks: list[Stored]
    held: int = 0
    position: int = 0


class Net:
    """The transformer of a file of this format."""

    version = 3
    context_length = 1 << 14

    def __init__(self, file: ModelFile) -> None:
        """Read and check a file (section 5). Raises ModelError."""
        self.observer: Observer | None = None
        self.vocab_size = v = file.ranged("vocab_size", 2, 262_144)
        self.layer_count = file.ranged("n_layers", 1, 128)
        self.d = d = file.ranged("d_model", 4, 8_192)
        self.head_count = file.ranged("n_heads", 1, 128)
        self.group_count = file.ranged("n_kv_heads", 1, self.head_count)
        if self.head_count % self.group_count:
            raise file.bad("n_kv_heads", f"a divisor of {self.head_count}")
        self.head_dim = _even(file, "head_dim", 32, 256)
        if self.head_count * self.head_dim > 16_384:
            raise file.bad("head_dim", f"at most 16384 in all of {self.head_count} heads")
        self.rotary_dim = _even(file, "rotary_dim", 2, self.head_dim)
        self.d_ff = file.ranged("d_ff", 4, 16_384)
        self.window = file.ranged("window", 1, 8_192)
        self.sink_count = file.ranged("sinks", 0, 16)
        self.start_token: int | None = file.ranged("start_token", 0, v - 1)
        self.wide = _wide_inputs(file)
        has_bias = file.ranged("qkv_bias", 0, 1)
        self.head_norms = file.ranged("head_norms", 0, 1)
        self.epsilon = file.ranged("epsilon", 0, (1 << 32) - 1)
        self.head_epsilon = file.ranged("head_epsilon", 0, (1 << 32) - 1)
        self.score_mantissa = file.ranged("score_mantissa", 0, 32_767)
        self.score_exponent = file.ranged("score_exponent", 0, 30)
        _check_data_hash(file)

        self.embedding = file.tensor("embed.weight", "I8", v, d)
        self.embedding_rows = _factor(file, "embed", v)
        self.frequencies = file.tensor("rope.frequencies", "U32", self.rotary_dim // 2).astype(np.int64)
        self.layers = [self._layer(file, f"layers.{n}.", has_bias) for n in range(self.layer_count)]
        self.head = _projection(file, "head", v, d)

    def _layer(self, file: ModelFile, prefix: str, has_bias: int) -> Layer:
        d, f, size = self.d, self.d_ff, self.head_dim
        rows = (self.head_count + 2 * self.group_count) * size
        bias = gains = None
        if has_bias:
            bias = file.bounded(f"{prefix}attn.qkv.bias", "I32", -BOUND, BOUND, rows)
        if self.head_norms:
            query_gains = file.tensor(f"{prefix}attn.query_gains", "I16", size).astype(np.int64)
            key_gains = file.tensor(f"{prefix}attn.key_gains", "I16", size).astype(np.int64)
            gains = np.stack([query_gains] * self.head_count + [key_gains] * self.group_count)
        return Layer(
            qkv=_projection(file, f"{prefix}attn.qkv", rows, d),
            bias=bias,
            gains=gains,
            out=_projection(file, f"{prefix}attn.out", d, self.head_count * size),
            gate_up=_projection(file, f"{prefix}ffn.gate_up", 2 * f, d),
            down=_projection(file, f"{prefix}ffn.down", d, f),
        )

    # ---- Sequences

    def new_cache(self, window: Window | None = None) -> Cache:
        """See Model. The window is that of the file."""

        def stored(capacity: int) -> list[Stored]:
            return [Stored.empty(self.group_count, capacity, self.head_dim) for _ in range(self.layer_count)]

        # Twice what is needed, so that keys have to be moved to the front only now and then.
        return Cache(stored(2 * self.window + BATCH), stored(self.sink_count))

    def forward(self, cache: Cache, tokens: Sequence[int]) -> Integers:
        """See Model."""
        results = [self._batch(cache, tokens[i : i + BATCH]) for i in range(0, len(tokens), BATCH)]
        if not results:
            return np.zeros((0, self.vocab_size), np.int64)
        return results[0] if len(results) == 1 else np.concatenate(results)

    # ---- Section 7: the forward pass

    def _batch(self, cache: Cache, tokens: Sequence[int]) -> Integers:
        n = len(tokens)
        positions = np.arange(cache.position, cache.position + n, dtype=np.int64)
        if cache.held + n > cache.layers[0].keys.shape[1]:
            kept = min(cache.held, self.window - 1)
            for stored in cache.layers:
                # Copies, since the two may overlap.
                newest = stored.view(slice(cache.held - kept, cache.held))
                copy = Stored(newest.keys.copy(), newest.values.copy(), newest.units.copy())
                stored.put(slice(0, kept), copy, slice(0, kept))
            cache.held = kept
        ids = np.asarray(tokens)
        mantissa, exponent = (values[ids][:, None] for values in self.embedding_rows)
        x = sat(up(self.embedding[ids].astype(np.int64) * mantissa, exponent))
        self._observe("embedding", x)
        for number, layer in enumerate(self.layers):
            x = self._layer_pass(cache, number, layer, x, positions)
        cache.held += n
        cache.position += n
        logits = self.head(self._round(x, "head", epsilon=self.epsilon))
        result = frequencies_of(logits)
        self._observe("logits", logits)
        self._observe("frequencies", result)
        return result

    def _layer_pass(
        self, cache: Cache, number: int, layer: Layer, x: Integers, positions: Integers
    ) -> Integers:
        """Step 2: the residual [n, d] after a layer."""
        y = layer.qkv(self._round(x, "qkv", epsilon=self.epsilon))
        if layer.bias is not None:
            y = sat(y + layer.bias)
        self._observe(f"{number}.qkv", y)
        o = self._attention(cache, number, layer, y, positions)
        self._observe(f"{number}.attended", o)
        x = sat(x + layer.out(self._round(o, "out", fraction_bits=16)))
        self._observe(f"{number}.attention", x)
        y = layer.gate_up(self._round(x, "gate_up", epsilon=self.epsilon))
        u = sat(up(silu(y[:, : self.d_ff]) * y[:, self.d_ff :], 12))
        self._observe(f"{number}.hidden", u)
        x = sat(x + layer.down(self._round(u, "down", fraction_bits=12)))
        self._observe(f"{number}.residual", x)
        return x

    def _round(
        self, x: Integers, matrix: str, *, fraction_bits: int = 0, epsilon: int | None = None
    ) -> Rounded:
        return round_vector(x, wide=matrix in self.wide, fraction_bits=fraction_bits, epsilon=epsilon)

    # ---- Section 7.1: queries and keys

    def _turn(self, y: Integers, gains: Integers | None, positions: Integers) -> tuple[Integers, Factor]:
        """Vectors [n, heads, h] turned to n positions, in 8 bits, with their units' factors [n, heads]."""
        levelled = level(y)
        t = levelled.t
        c = levelled.b
        if gains is not None:
            t, c = level(t * gains)
        half = self.rotary_dim // 2
        angles = up(positions[:, None] * self.frequencies % (1 << 32), 21) % 2048
        cosines, sines = COSINE[angles][:, None], SINE[angles][:, None]
        f, g = t[..., :half], t[..., half : self.rotary_dim]
        turned = np.concatenate([f * cosines - g * sines, f * sines + g * cosines], axis=-1)
        t = np.concatenate([up(turned, 15), t[..., self.rotary_dim :]], axis=-1)
        largest = np.abs(t).max(axis=-1)
        if gains is None:
            unit = plain_unit(largest, 33 - c)
        else:
            squares = squares_with_epsilon(levelled, self.head_epsilon)
            mantissa, k = norm_scale(largest, squares, self.head_dim)
            unit = Factor(mantissa, np.where(largest == 0, 1, 49 - k - c))
        return to_8_bits(t, largest), unit

    # ---- Section 7.2: attention

    def _attention(
        self, cache: Cache, number: int, layer: Layer, y: Integers, positions: Integers
    ) -> Integers:
        """Outputs of all heads [n, H * h], 16 fraction bits, from y [n, (H + 2 G) * h]."""
        n, groups = len(y), self.group_count
        heads = y.reshape(n, -1, self.head_dim)
        vectors = heads[:, : self.head_count + groups]
        turned, unit = self._turn(vectors, layer.gains, positions)
        queries = turned[:, : self.head_count]
        query_unit = Factor(*(part[:, : self.head_count] for part in unit))

        stored = cache.layers[number]
        start, end = cache.held, cache.held + n
        values = level(heads[:, self.head_count + groups :])
        largest = np.abs(values.t).max(axis=-1)
        value_unit = plain_unit(largest, 33 - values.b)
        stored.keys[:, start:end] = turned[:, self.head_count :].transpose(1, 0, 2)
        stored.values[:, start:end] = to_8_bits(values.t, largest).transpose(1, 0, 2)
        for row, part in enumerate([*(part[:, self.head_count :] for part in unit), *value_unit]):
            stored.units[row, :, start:end] = part.T
        # The first positions of all are put aside.
        if positions[0] < self.sink_count:
            first, last = positions[0], min(positions[-1] + 1, self.sink_count)
            cache.sinks[number].put(slice(first, last), stored, slice(start, start + int(last - first)))

        # The window of each of the n positions, then the sinks that it does not hold.
        begin = max(0, start - self.window + 1)
        seen = [stored.view(slice(begin, end))]
        key_positions = positions[0] - start + np.arange(begin, end)
        distance = positions[:, None] - key_positions
        hidden = [(distance < 0) | (distance >= self.window)]
        scores = [self._scores(queries, query_unit, seen[0])]
        if self.sink_count and positions[-1] >= self.window:
            count = min(self.sink_count, int(positions[-1]) - self.window + 1)
            seen.append(cache.sinks[number].view(slice(0, count)))
            hidden.append(np.arange(count) > (positions - self.window)[:, None])
            limit = self.window + self.sink_count - 1
            gains = layer.gains[: self.head_count] if layer.gains is not None else None
            again = self._turn(heads[:, : self.head_count], gains, np.minimum(positions, limit))
            scores.append(self._scores(*again, seen[1]))
        return self._weigh(np.concatenate(scores, axis=2), np.concatenate(hidden, axis=1), seen)

    def _scores(self, queries: Integers, unit: Factor, seen: Stored) -> Integers:
        """Steps 1 and 2: [G, n * H / G, keys] in 1/256 octaves."""
        # A product is at most 127 * 127 * 256 in magnitude, below 2^24.
        q = self._by_group(queries).astype(np.float32)
        products = (q @ seen.keys.transpose(0, 2, 1)).astype(np.int64)
        mantissa = unit.mantissa * self.score_mantissa >> 15
        exponent = np.maximum(unit.exponent + self.score_exponent - 15, 0)
        query_factor = Factor(self._by_group(mantissa)[..., None], self._by_group(exponent)[..., None])
        return scaled(products, query_factor, Factor(seen.units[0][:, None], seen.units[1][:, None]))

    def _by_group(self, x: Integers) -> Integers:
        """[n, H, ...] as [G, n * H / G, ...]."""
        n, rest = len(x), x.shape[2:]
        grouped = x.reshape(n, self.group_count, -1, *rest).swapaxes(0, 1)
        return grouped.reshape(self.group_count, -1, *rest)

    def _weigh(self, scores: Integers, hidden: npt.NDArray[np.bool_], seen: list[Stored]) -> Integers:
        """Steps 3 to 5: outputs [n, H * h]."""
        n = len(hidden)
        shared = self.head_count // self.group_count
        # The same for all heads of a position: [n * H / G, keys].
        hidden = np.repeat(hidden, shared, axis=0)
        scores = np.where(hidden, HIDDEN, scores)
        below = scores.max(axis=2, keepdims=True) - scores
        weights = WEIGHTS[np.minimum(below, len(WEIGHTS) - 1)]
        total = weights.sum(axis=2, keepdims=True)
        mantissas, exponents = (
            np.concatenate([part.units[row] for part in seen], axis=1)[:, None] for row in (2, 3)
        )
        smallest = np.where(hidden, 1 << 20, exponents).min(axis=2, keepdims=True)
        # A weight of 0 is one of those that are not attended to; any shift will do for it.
        beyond = np.maximum(exponents - smallest, 0)
        c = np.where(beyond > 16, 0, up(weights * mantissas, 15 + np.minimum(beyond, 16)))
        # At most 127 times the sum of all weights in magnitude, below 2^37.
        values = np.concatenate([part.values for part in seen], axis=1)
        sums = (c.astype(np.float64) @ values).astype(np.int64)
        j = bit_count(total)
        shift = np.minimum(np.maximum(smallest + j - 17, 1), 62)
        outputs = sat(up(sums * ((1 << (j + 14)) // total), shift))
        return outputs.reshape(self.group_count, n, -1).swapaxes(0, 1).reshape(n, -1)

    def _observe(self, stage: str, value: Integers) -> None:
        if self.observer is not None:
            self.observer(stage, value)


# ---- Sections 4 and 5: the file


def _even(file: ModelFile, key: str, low: int, high: int) -> int:
    value = file.ranged(key, low, high)
    if value % 2:
        raise file.bad(key, "even")
    return value


def _wide_inputs(file: ModelFile) -> frozenset[str]:
    value = file.value("wide_inputs")
    names = frozenset(value.split(",")) if value else frozenset()
    # In the order of the page, each once, and no other.
    if value != ",".join(name for name in INPUTS if name in names):
        raise file.bad("wide_inputs", f"some of {','.join(INPUTS)}, in this order")
    return names


def _factor(file: ModelFile, name: str, rows: int) -> Factor:
    mantissa = file.tensor(f"{name}.mantissa", "U16", rows).astype(np.int64)
    return Factor(mantissa, file.bounded(f"{name}.exponent", "U8", 0, 48, rows))


def _projection(file: ModelFile, name: str, rows: int, columns: int) -> Projection:
    weights = file.tensor(f"{name}.weight", "I8", rows, columns)
    return Projection(Matrix(weights, 128), _factor(file, name, rows))


def _check_data_hash(file: ModelFile) -> None:
    """Rule 3."""
    declared = file.value("data_hash")
    actual = xxh3_128(memoryview(file.data)[file.tensors_start :]).hex()
    if declared != actual:
        raise ModelError(f"the tensors have the hash {actual}, but `data_hash` is `{declared}`: damaged")
