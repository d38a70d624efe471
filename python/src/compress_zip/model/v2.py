"""czip-model-v2: a model file in, frequencies out (czm-v2.md).

Values are int64 [n, elements] for n positions of one sequence; fraction bits are those of section 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from ..fixed import COSINE, EXP2, SINE, Norm, clamp127, sat16, up
from ..kernels import Floats, Matrix, float_type
from .file import BATCH, Integers, ModelFile, Observer, Window, xxh3_128

FORMAT = "czip-model-v2"
HEAD_DIM = 64


def attention_weights() -> Integers:
    """Section 7, step 3: the weights of D = 0 to 2304; from there on they are 0."""
    d = np.arange(2305, dtype=np.int64)
    return np.minimum(up(EXP2[d % 256], 8 + d // 256), 255)


WEIGHTS = attention_weights()


@dataclass(frozen=True)
class Projection:
    """A matrix with the shifts of its rows."""

    matrix: Matrix
    shifts: Integers

    def __call__(self, x: Integers) -> Integers:
        """A[x] for each row of x."""
        return up(self.matrix(x), self.shifts)


@dataclass(frozen=True)
class Embedding:
    """An embedding in 4 bits: packed weights [rows, columns / 2], and the shift of each row."""

    packed: npt.NDArray[np.uint8]
    shifts: Integers

    def __call__(self, rows: Integers) -> Integers:
        """The rows of these numbers: int64 [n, columns], 9 fraction bits."""
        packed = self.packed[rows].astype(np.int64)
        pairs = np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(rows), -1)
        return ((pairs ^ 8) - 8) << self.shifts[rows][:, None]


@dataclass(frozen=True)
class Layer:
    """Matrices by the names of the file."""

    qkv: Projection
    gains: Integers
    sinks: Integers
    out: Projection
    up: Projection
    down: Projection


@dataclass
class Cache:
    """Keys and values in floating point, [layers, capacity, 64], of which `held` are in use."""

    keys: Floats
    values: Floats
    held: int = 0
    position: int = 0
    last_token: int = 0


class Net:
    """The transformer of a file of this format."""

    version = 2
    start_token: int | None = None
    context_length = 1 << 14

    def __init__(self, file: ModelFile) -> None:
        """Read and check a file (section 5). Raises ModelError."""
        self.observer: Observer | None = None
        self.vocab_size = v = file.ranged("vocab_size", 2, 65_536)
        self.layer_count = file.ranged("n_layers", 1, 64)
        self.head_count = h = file.ranged("n_heads", 1, 64)
        self.d = d = file.ranged("d_model", 4, 4_096)
        if d % 4:
            raise file.bad("d_model", "a multiple of 4")
        self.d_ff = f = file.ranged("d_ff", 4, 16_384)
        self.window = file.ranged("window", 1, 1_024)
        buckets = file.ranged("bigram_buckets", 0, 1 << 24)
        if buckets & (buckets - 1) or buckets == 1:
            raise file.bad("bigram_buckets", "0 or a power of two from 2 to 16777216")
        width = file.ranged("bigram_width", 0, d)
        if width % 2 or (width == 0) != (buckets == 0):
            raise file.bad("bigram_width", "even, and 0 if and only if bigram_buckets is")
        _check_content_hash(file)

        self.embedding = _embedding(file, "embed", v, d)
        self.bigrams = _embedding(file, "bigram", buckets, width) if buckets else None
        self.bucket_bits = buckets.bit_length() - 1
        self.frequencies = file.tensor("rope.frequencies", "U16", 32).astype(np.int64)
        self.layers = [self._layer(file, f"layers.{n}.") for n in range(self.layer_count)]
        self.head = _projection(file, "head", v, d)

        self.residual_norm = Norm(d, 16)
        self.head_norm = Norm(HEAD_DIM, 16)
        self.attended_norm = Norm(HEAD_DIM * h, 16)
        self.square_norm = Norm(f, 8)
        # Products of queries and keys are at most 17,689 in magnitude (section 9). A weight is at most 255, a
        # value 127, and there are at most as many as the window has positions.
        self.float_type = float_type(max(17_689, 255 * 127 * self.window))
        # Section 8: f_i for D_i = 0 to 256 * c; from there on it is 1.
        c = 30 - (v - 1).bit_length()
        d_i = np.arange(256 * c + 1, dtype=np.int64)
        self.frequency = np.maximum((EXP2[d_i % 256] << c) >> (16 + d_i // 256), 1)

    def _layer(self, file: ModelFile, prefix: str) -> Layer:
        d, h, f = self.d, self.head_count, self.d_ff
        return Layer(
            qkv=_projection(file, f"{prefix}attn.qkv", HEAD_DIM * (h + 2), d),
            gains=file.tensor(f"{prefix}attn.gains", "U16", h).astype(np.int64),
            sinks=file.bounded(f"{prefix}attn.sinks", "I32", -(1 << 20), 1 << 20, h),
            out=_projection(file, f"{prefix}attn.out", d, HEAD_DIM * h),
            up=_projection(file, f"{prefix}ffn.up", f, d),
            down=_projection(file, f"{prefix}ffn.down", d, f),
        )

    # ---- Sequences

    def new_cache(self, window: Window | None = None) -> Cache:
        """See Model. The window is that of the file."""
        # Twice what is needed, so that keys have to be moved to the front only now and then.
        shape = (self.layer_count, 2 * self.window + BATCH, HEAD_DIM)
        return Cache(np.zeros(shape, self.float_type), np.zeros(shape, self.float_type))

    def forward(self, cache: Cache, tokens: Sequence[int]) -> Integers:
        """See Model."""
        results = [self._batch(cache, tokens[i : i + BATCH]) for i in range(0, len(tokens), BATCH)]
        if not results:
            return np.zeros((0, self.vocab_size), np.int64)
        return results[0] if len(results) == 1 else np.concatenate(results)

    # ---- Section 6: the forward pass

    def _batch(self, cache: Cache, tokens: Sequence[int]) -> Integers:
        n = len(tokens)
        positions = np.arange(cache.position, cache.position + n, dtype=np.int64)
        if cache.held + n > cache.keys.shape[1]:
            kept = min(cache.held, self.window - 1)
            for rows in (cache.keys, cache.values):
                rows[:, :kept] = rows[:, cache.held - kept : cache.held]
            cache.held = kept
        x = self._embed(cache, np.asarray(tokens, np.int64), positions)
        angles = positions[:, None] * self.frequencies % 2048
        # For all heads, which are the axis between.
        rotation = COSINE[angles][:, None], SINE[angles][:, None]
        for number, layer in enumerate(self.layers):
            x = self._layer_pass(cache, number, layer, x, rotation)
        cache.held += n
        cache.position += n
        cache.last_token = tokens[-1]
        a = self.residual_norm(x)
        self._observe("norm", a)
        return self._frequencies(self.head(a))

    def _embed(self, cache: Cache, tokens: Integers, positions: Integers) -> Integers:
        """Steps 1 and 2: the residual [n, d]."""
        x = self.embedding(tokens)
        if self.bigrams is not None:
            before = np.concatenate([[cache.last_token], tokens[:-1]])
            rows = self.bigrams(bucket(before, tokens, self.bucket_bits))
            # There is no pair at position 0.
            rows[positions == 0] = 0
            width = rows.shape[1]
            x[:, :width] = sat16(x[:, :width] + rows)
        self._observe("embedding", x)
        return x

    def _layer_pass(
        self, cache: Cache, number: int, layer: Layer, x: Integers, rotation: tuple[Integers, Integers]
    ) -> Integers:
        """Step 3: the residual [n, d] after a layer."""
        n = len(x)
        start, end = cache.held, cache.held + n
        a = self.residual_norm(x)
        self._observe(f"{number}.attention_norm", a)
        y = sat16(layer.qkv(a))
        self._observe(f"{number}.qkv", y)
        # Queries and the key alike: [n, heads + 1, 64].
        rotated = self.head_norm(rotate(y[:, :-HEAD_DIM].reshape(n, -1, HEAD_DIM), *rotation))
        queries = rotated[:, :-1]
        self._observe(f"{number}.queries", queries)
        self._observe(f"{number}.key", rotated[:, -1])
        cache.keys[number, start:end] = rotated[:, -1]
        cache.values[number, start:end] = clamp127(y[:, -HEAD_DIM:])
        # Each of the n positions sees at most window - 1 before it.
        first = max(0, start - self.window + 1)
        o = self._attention(layer, queries, cache.keys[number, first:end], cache.values[number, first:end])
        self._observe(f"{number}.attended", o)
        x = sat16(x + layer.out(self.attended_norm(o)))
        self._observe(f"{number}.attention", x)
        u = sat16(layer.up(self.residual_norm(x)))
        self._observe(f"{number}.up", u)
        positive = np.maximum(u, 0)
        g = sat16(up(positive * positive, 12))
        self._observe(f"{number}.squares", g)
        hidden = self.square_norm(g)
        self._observe(f"{number}.hidden", hidden)
        x = sat16(x + layer.down(hidden))
        self._observe(f"{number}.feed_forward", x)
        return x

    # ---- Section 7: attention

    def _attention(self, layer: Layer, queries: Integers, keys: Floats, values: Floats) -> Integers:
        """Outputs [n, 64 * heads], 8 fraction bits, of queries [n, heads, 64] at the last n keys."""
        n, heads, _ = queries.shape
        flat = queries.reshape(-1, HEAD_DIM).astype(self.float_type)
        products = (flat @ keys.T).astype(np.int64).reshape(n, heads, -1)
        scores = products * layer.gains[:, None] >> 14
        # Positions that are not attended to.
        hidden = None
        if n > 1:
            distance = (len(keys) - n + np.arange(n))[:, None] - np.arange(len(keys))
            hidden = ((distance < 0) | (distance >= self.window))[:, None]
            scores = np.where(hidden, -(1 << 30), scores)
        maxima = np.maximum(scores.max(axis=2), layer.sinks)
        weights = WEIGHTS[np.minimum(maxima[:, :, None] - scores, 2304)]
        totals = WEIGHTS[np.minimum(maxima - layer.sinks, 2304)] + weights.sum(axis=2)
        sums = weights.reshape(n * heads, -1).astype(self.float_type) @ values
        sums = sums.astype(np.int64).reshape(n, heads, HEAD_DIM)
        outputs: Integers = (32 * sums + totals[:, :, None]) // (2 * totals[:, :, None])
        return outputs.reshape(n, -1)

    # ---- Section 8: frequencies

    def _frequencies(self, logits: Integers) -> Integers:
        """Frequencies from logits, both [n, V]."""
        below = logits.max(axis=1, keepdims=True) - logits
        frequencies: Integers = self.frequency[np.minimum(below, len(self.frequency) - 1)]
        self._observe("logits", logits)
        self._observe("frequencies", frequencies)
        return frequencies

    def _observe(self, stage: str, value: Integers) -> None:
        if self.observer is not None:
            self.observer(stage, value)


def bucket(before: Integers, tokens: Integers, bits: int) -> Integers:
    """Section 6.1: the buckets of pairs, of which there are 2^bits."""
    mask = 0xFFFF_FFFF
    # Ids have 16 bits, n has 32, and the last factor has 30, so no product exceeds 63.
    n = (before * 0x9E3779B1 + tokens * 0x85EBCA77) & mask
    n = (n ^ (n >> 15)) * 0x2C1B3C6D & mask
    return n >> (32 - bits)


def rotate(x: Integers, cosines: Integers, sines: Integers) -> Integers:
    """Section 6.2, along the last axis."""
    e, f = x[..., :32], x[..., 32:]
    rotated = np.concatenate([e * cosines - f * sines, e * sines + f * cosines], axis=-1)
    return sat16(up(rotated, 15))


def _projection(file: ModelFile, name: str, rows: int, columns: int) -> Projection:
    weights = file.tensor(f"{name}.weight", "I8", rows, columns)
    return Projection(Matrix(weights, 127), file.bounded(f"{name}.shift", "U8", 0, 24, rows))


def _embedding(file: ModelFile, name: str, rows: int, columns: int) -> Embedding:
    packed = file.tensor(f"{name}.weight", "U8", rows, columns // 2)
    return Embedding(packed, file.bounded(f"{name}.shift", "U8", 0, 8, rows))


def content_hash(file: ModelFile) -> bytes:
    """Section 4.3, the highest byte first."""
    parts: list[bytes | memoryview] = []
    for name, tensor in sorted(file.tensors.items(), key=lambda item: item[0].encode()):
        parts += [name.encode(), b"\0", tensor.type.encode(), b"\0", len(tensor.shape).to_bytes(8, "little")]
        parts += [size.to_bytes(8, "little") for size in tensor.shape]
        parts.append(tensor.data)
    return xxh3_128(*parts)


def _check_content_hash(file: ModelFile) -> None:
    """Rule 4."""
    declared = file.value("content_hash")
    actual = content_hash(file).hex()
    if declared != actual:
        raise ModelError(f"the tensors have the hash {actual}, but `content_hash` is `{declared}`: damaged")
