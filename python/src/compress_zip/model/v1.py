"""czip-model-v1: a model file in, cumulative frequencies out (czm-v1.md).

Everything that passes from one step to the next is Q0.7, from -127 to 127, as int64 [n, elements] for n
positions of one sequence. The residual has no bound of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import ModelError
from ..fixed import (
    LOG2E_OVER_64_Q24,
    LOG2E_OVER_640_Q24,
    clamp127,
    exp_weight,
    inverse_rms,
    requantize,
    rne_div,
    rne_shr,
)
from ..kernels import Floats, Matrix
from .file import BATCH, Integers, ModelFile, Observer, Window

FORMAT = "czip-model-v1"
HEAD_DIM = 64
# Below every score, and so far that differences to it still fit.
NO_MAXIMUM = -(1 << 40)


@dataclass(frozen=True)
class Projection:
    """A matrix with the requantisation of its products."""

    matrix: Matrix
    mult: int
    shift: int

    def __call__(self, x: Integers) -> Integers:
        """requant(matrix . x) for each row of x."""
        return requantize(self.matrix(x), self.mult, self.shift)


@dataclass(frozen=True)
class Layer:
    """Names are those of the file; the norms are in the order of their use."""

    attn_norm: Integers
    qkv: Projection
    score_mult: Integers
    sink_key: Integers | None
    out: Projection
    ffn_norm: Integers
    post_attn_norm: Integers
    up: Projection
    down: Projection
    post_ffn_norm: Integers


@dataclass
class Cache:
    """Keys and values of the positions since the window was last laid out, int64 [layers, positions, 64]."""

    limit: int
    keep: int | None
    keys: Integers
    values: Integers
    position: int = 0
    laid_out: list[int] = field(default_factory=list)


class Net:
    """The transformer of a file of this format."""

    version = 1
    start_token: int | None = None

    def __init__(self, file: ModelFile) -> None:
        """Read and check a file (section 5). Raises ModelError."""
        self.observer: Observer | None = None
        self.vocab_size = v = file.ranged("vocab_size", 2, 65_536)
        self.layer_count = file.ranged("n_layers", 1, 64)
        self.head_count = file.number("n_heads")
        if self.head_count not in (4, 6, 8):
            raise file.bad("n_heads", "4, 6 or 8")
        file.ranged("n_kv_heads", 1, 1)
        file.ranged("head_dim", HEAD_DIM, HEAD_DIM)
        self.d = d = HEAD_DIM * self.head_count
        if file.number("d_model") != d:
            raise file.bad("d_model", "64 * n_heads")
        self.d_ff = file.ranged("d_ff", 1, 65_536)
        file.number("rope_theta_q16")
        self.context_length = c = _context_length(file)
        self.cosines = file.tensor("lut.rope_cos", "I16", c, 32).astype(np.int64)
        self.sines = file.tensor("lut.rope_sin", "I16", c, 32).astype(np.int64)
        self.exp2 = file.tensor("lut.exp2", "U16", 256).astype(np.int64)
        self.coefficient = LOG2E_OVER_640_Q24
        if "softmax.coef_q24" in file.tensors:
            self.coefficient = int(file.tensor("softmax.coef_q24", "U32"))
        self.total = (1 << 30) - v - 1024
        if "softmax.target_total" in file.tensors:
            self.total = int(file.bounded("softmax.target_total", "U32", v + 1, 1 << 30))
        self.embedding = file.tensor("embed.weight", "I8", v, d)
        self.layers = [self._layer(file, f"layers.{n}.") for n in range(self.layer_count)]
        self.norm = file.tensor("norm.weight", "I8", d).astype(np.int64)
        self.head = Matrix(file.tensor("head.weight", "I8", v, d), 127)

    def _layer(self, file: ModelFile, prefix: str) -> Layer:
        d, f = self.d, self.d_ff

        def norm(name: str) -> Integers:
            return file.tensor(f"{prefix}{name}.weight", "I8", d).astype(np.int64)

        def projection(name: str, rows: int, columns: int) -> Projection:
            weights = file.tensor(f"{prefix}{name}.weight", "I8", rows, columns)
            mult = int(file.tensor(f"{prefix}{name}.mult", "I32"))
            shift = int(file.bounded(f"{prefix}{name}.shift", "I8", -128, 62))
            return Projection(Matrix(weights, 127), mult, shift)

        sink_key = None
        if f"{prefix}attn.sink_key" in file.tensors:
            sink_key = file.tensor(f"{prefix}attn.sink_key", "I8", HEAD_DIM).astype(np.int64)
        file.tensor(f"{prefix}attn.score_shift", "I8")
        return Layer(
            attn_norm=norm("attn_norm"),
            qkv=projection("attn.qkv", d + 2 * HEAD_DIM, d),
            score_mult=file.bounded(f"{prefix}attn.score_mult", "I32", -(1 << 27), 1 << 27, self.head_count),
            sink_key=sink_key,
            out=projection("attn.out", d, d),
            ffn_norm=norm("ffn_norm"),
            post_attn_norm=norm("post_attn_norm"),
            up=projection("ffn.up", 2 * f, d),
            down=projection("ffn.down", d, f),
            post_ffn_norm=norm("post_ffn_norm"),
        )

    # ---- Sequences

    def new_cache(self, window: Window | None = None) -> Cache:
        """See Model."""
        limit, keep = self.context_length, None
        if window is not None:
            keep = window.keep
            if limit < window.positions:
                keep = min(keep, limit // 2, limit - 2)
            limit = min(limit, window.positions)
        shape = (self.layer_count, limit, HEAD_DIM)
        return Cache(limit, keep, np.zeros(shape, np.int64), np.zeros(shape, np.int64))

    def forward(self, cache: Cache, tokens: Sequence[int]) -> Integers:
        """See Model."""
        results = []
        start = 0
        while start < len(tokens):
            if len(cache.laid_out) == cache.limit:
                self._lay_out(cache)
            # Not too many positions at a time: each has a score for each head and each position before it.
            count = min(len(tokens) - start, cache.limit - len(cache.laid_out), BATCH)
            x = self._layers(cache, tokens[start : start + count])
            results.append(self._frequencies(self._logits(x)))
            cache.position += count
            start += count
        if not results:
            return np.zeros((0, self.vocab_size), np.int64)
        return np.concatenate(results)

    def _lay_out(self, cache: Cache) -> None:
        """Begin the window anew: the start token, and the newest tokens (mixing.md, section 4)."""
        if cache.keep is None:
            raise ValueError(f"a sequence has at most {cache.limit} tokens")
        newest = cache.laid_out[len(cache.laid_out) - cache.keep :]
        again = [cache.laid_out[0], *newest]
        cache.laid_out = []
        for start in range(0, len(again), BATCH):
            self._layers(cache, again[start : start + BATCH])

    # ---- Section 6: the forward pass

    def _layers(self, cache: Cache, tokens: Sequence[int]) -> Integers:
        """Steps 1 and 2: the residual [n, d] for n tokens that follow those of the cache."""
        position = len(cache.laid_out)
        x: Integers = self.embedding[np.asarray(tokens)].astype(np.int64)
        for n, layer in enumerate(self.layers):
            a = rms_norm(clamp127(x), layer.attn_norm)
            self._observe(f"{n}.attention_norm", a)
            y = layer.qkv(a)
            self._observe(f"{n}.qkv", y)
            o = self._attention(layer, y, position, cache.keys[n], cache.values[n])
            self._observe(f"{n}.attention", o)
            out = layer.out(o)
            self._observe(f"{n}.attention_out", out)
            x = x + rms_norm(out, layer.ffn_norm)
            b = rms_norm(clamp127(x), layer.post_attn_norm)
            self._observe(f"{n}.feed_forward_norm", b)
            u = layer.up(b)
            self._observe(f"{n}.up", u)
            gates, values = u[:, : self.d_ff], u[:, self.d_ff :]
            g = clamp127(rne_shr(np.maximum(gates, 0) * values, 7))
            self._observe(f"{n}.gated", g)
            down = layer.down(g)
            self._observe(f"{n}.down", down)
            x = x + rms_norm(down, layer.post_ffn_norm)
        cache.laid_out.extend(tokens)
        return x

    def _logits(self, x: Integers) -> Integers:
        """Step 3."""
        a = rms_norm(clamp127(x), self.norm)
        self._observe("norm", a)
        return self.head(a)

    def _attention(
        self, layer: Layer, y: Integers, position: int, keys: Integers, values: Integers
    ) -> Integers:
        """Steps 2.3 and 2.4: the outputs of all heads [n, d], from queries, key and value [n, d + 128]."""
        n = len(y)
        end = position + n
        cosines, sines = self.cosines[position:end], self.sines[position:end]
        # Queries [n, heads, 64]; queries are rounded twice.
        queries = rotate(
            y[:, : self.d].reshape(n, self.head_count, HEAD_DIM), cosines[:, None], sines[:, None]
        )
        queries = clamp127(rne_shr(queries, 1))
        keys[position:end] = clamp127(rotate(y[:, self.d : self.d + HEAD_DIM], cosines, sines))
        values[position:end] = y[:, self.d + HEAD_DIM :]

        # A product is at most 64 * 127 * 128 in magnitude, far below 2^24.
        flat = queries.reshape(-1, HEAD_DIM).astype(np.float32)
        scores = score(flat @ keys[:end].T.astype(np.float32), layer.score_mult, n)
        sinks = None
        if layer.sink_key is not None:
            sinks = score(flat @ layer.sink_key.astype(np.float32)[:, None], layer.score_mult, n)[:, 0]
        visible = np.repeat(position + np.arange(n), self.head_count)
        outputs = online_softmax(scores, sinks, visible, values[:end], self.exp2)
        return outputs.reshape(n, self.d)

    # ---- Section 8

    def _frequencies(self, logits: Integers) -> Integers:
        """Frequencies, not cumulative, from logits, both [n, V]."""
        best = logits.argmax(axis=1)
        rows = np.arange(len(logits))
        e = exp_weight(logits - logits[rows, best][:, None], self.coefficient, self.exp2)
        sums = e.sum(axis=1, keepdims=True)
        frequencies: Integers = 1 + e * (self.total - self.vocab_size) // sums
        # argmax gives the first of equals.
        frequencies[rows, best] += self.total - frequencies.sum(axis=1)
        if self.observer is not None:
            self.observer("logits", logits)
            self.observer("frequencies", frequencies)
        return frequencies

    def _observe(self, stage: str, value: Integers) -> None:
        if self.observer is not None:
            self.observer(stage, value)


def _context_length(file: ModelFile) -> int:
    """C, by rules 7 and 8."""
    if "context_length" in file.metadata:
        key, c = "context_length", file.number("context_length")
    elif "context_length_log2" in file.metadata:
        key, c = "context_length_log2", 1 << file.ranged("context_length_log2", 1, 15)
    else:
        key, c = "the rows of lut.rope_cos", len(file.tensor("lut.rope_cos", "I16", None, 32))
    if not 2 <= c <= 32_768 or c & (c - 1):
        raise ModelError(f"the context length {c} ({key}) is no power of two from 2 to 32768")
    return c


def rms_norm(x: Integers, gains: Integers) -> Integers:
    """Section 6.1, for each row of x [n, d]."""
    inverse = inverse_rms(np.einsum("ni,ni->n", x, x), x.shape[1])
    return clamp127(rne_shr(x * gains * inverse[:, None], 15))


def rotate(x: Integers, cosines: Integers, sines: Integers) -> Integers:
    """Section 6.2, step 1, along the last axis."""
    e, f = x[..., :32], x[..., 32:]
    return np.concatenate(
        [rne_shr(e * cosines - f * sines, 15), rne_shr(e * sines + f * cosines, 15)], axis=-1
    )


def score(products: Floats, mult: Integers, n: int) -> Integers:
    """Section 7: scores [n * heads, keys] of products of queries with keys."""
    return rne_shr(rne_shr(products.astype(np.int64), 2) * np.tile(mult, n)[:, None], 15)


def online_softmax(
    scores: Integers, sinks: Integers | None, last: Integers, values: Integers, exp2: Integers
) -> Integers:
    """Section 7: outputs [rows, 64] of queries with scores [rows, keys]; each sees the keys up to its `last`.

    Between two new maxima nothing is rounded, so that the keys of such a run may be added in any order: here
    as a product of matrices. The loop is over runs, the first of each query, the second, and so on. A product
    is exact in float64: there are at most 32,768 keys, with 65,535 * 127 each.
    """
    rows, count = scores.shape
    visible = np.arange(count) <= last[:, None]
    first = np.full(rows, NO_MAXIMUM, np.int64) if sinks is None else sinks
    # The maximum before each key, and after it; the sink comes before all keys. To be rescaled while all is
    # zero changes nothing, so the first key needs no special case.
    maxima = np.maximum.accumulate(np.concatenate([first[:, None], scores], axis=1), axis=1)
    new = (scores > maxima[:, :-1]) & visible
    run = new.cumsum(axis=1)
    maxima = maxima[:, 1:]
    weights = np.where(visible, exp_weight(scores - maxima, LOG2E_OVER_64_Q24, exp2), 0)

    sums = np.full(rows, 0 if sinks is None else 65535, np.int64)
    outputs = np.zeros((rows, HEAD_DIM), np.int64)
    previous = first.copy()
    last_run = run[:, -1]
    floats = values.astype(np.float64)
    for r in range(int(last_run.max()) + 1):
        active = np.flatnonzero(last_run >= r)
        in_run = run[active] == r
        if r > 0:
            start = in_run.argmax(axis=1)
            maximum = maxima[active, start]
            scale = exp_weight(previous[active] - maximum, LOG2E_OVER_64_Q24, exp2)
            previous[active] = maximum
            sums[active] = (sums[active] * scale + (1 << 15)) >> 16
            product = outputs[active] * scale[:, None]
            outputs[active] = (product + np.where(product >= 0, 1 << 15, -(1 << 15))) >> 16
        in_run_weights = np.where(in_run, weights[active], 0)
        sums[active] += in_run_weights.sum(axis=1)
        added = outputs[active] + (in_run_weights.astype(np.float64) @ floats).astype(np.int64)
        # Modulo 2^32, as a signed number.
        outputs[active] = ((added + (1 << 31)) & 0xFFFF_FFFF) - (1 << 31)
    return clamp127(rne_div(outputs, np.maximum(sums, 1)[:, None]))
