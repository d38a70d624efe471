"""Models with random sizes and weights, of all three formats, as bytes of a file.

The same seed gives the same model with the same version of NumPy. Sizes are small and go to the ends of their
ranges where that is cheap; weights are such that values neither vanish nor all reach their bounds, except in
some models, in which they may be anything.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard
from conftest import VECTORS
from patched import Parts
from random_tokenizers import random_tokenizer

from compress_zip.model import v2
from compress_zip.model.file import ModelFile
from compress_zip.tokenizer import Tokenizer

TOKENIZER = zstandard.compress((VECTORS / "tokenizer.json").read_bytes())
TOKEN_COUNT = 283


class Writer:
    """Collects the metadata and tensors of a file."""

    def __init__(self, version: int, seed: int) -> None:
        self.random = np.random.default_rng([version, seed])
        self.metadata = {"format": f"czip-model-v{version}"}
        self.tensors: dict[str, tuple[str, list[int], bytes]] = {}
        self.tokenizer = TOKENIZER

    def set(self, **values: Any) -> None:
        self.metadata.update({key: str(value) for key, value in values.items()})

    def one_of(self, *values: int) -> int:
        return int(self.random.choice(values))

    def below(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high))

    def add(self, name: str, kind: str, values: npt.ArrayLike) -> None:
        array = np.asarray(values)
        dtype = np.dtype(f"<{'i' if kind[0] == 'I' else 'u'}{int(kind[1:]) // 8}")
        self.tensors[name] = (kind, list(array.shape), array.astype(dtype).tobytes())

    def add_random(self, name: str, kind: str, low: int, high: int, *shape: int) -> None:
        """Integers from low to high - 1."""
        self.add(name, kind, self.random.integers(low, high, shape))

    def parts(self) -> Parts:
        self.add("tokenizer.data", "U8", np.frombuffer(self.tokenizer, np.uint8))
        return Parts(self.metadata, self.tensors)


def version_1(seed: int) -> bytes:
    """czm-v1.md."""
    w = Writer(1, seed)
    heads = w.one_of(4, 6, 8)
    d, f, v = 64 * heads, w.below(1, 200), w.one_of(TOKEN_COUNT, 300, 700)
    c, layers = w.one_of(2, 4, 16, 64, 256, 1024), w.below(1, 3)
    w.set(vocab_size=v, n_layers=layers, n_heads=heads, n_kv_heads=1, head_dim=64, d_model=d, d_ff=f)
    w.set(rope_theta_q16=655360000, context_length=c)
    for name, rows in (("embed", v), ("head", v)):
        w.add_random(f"{name}.weight", "I8", -128, 128, rows, d)
    w.add_random("norm.weight", "I8", -128, 128, d)
    for n in range(layers):
        layer = f"layers.{n}."
        for norm in ("attn_norm", "ffn_norm", "post_attn_norm", "post_ffn_norm"):
            w.add_random(f"{layer}{norm}.weight", "I8", -128, 128, d)
        shapes = {"attn.qkv": (d + 128, d), "attn.out": (d, d), "ffn.up": (2 * f, d), "ffn.down": (d, f)}
        for name, (rows, columns) in shapes.items():
            w.add_random(f"{layer}{name}.weight", "I8", -128, 128, rows, columns)
            mult, shift = int(2**24 * 40 / (73 * 50 * columns**0.5)), 24
            if seed % 4 == 0:
                mult, shift = w.below(-(2**31), 2**31), w.one_of(-5, 0, 1, 20, 30, 40, 62)
            w.add(f"{layer}{name}.mult", "I32", mult)
            w.add(f"{layer}{name}.shift", "I8", shift)
        bounds = (-(2**27), 2**27 + 1) if seed % 3 == 0 else (2**14, 2**19)
        w.add_random(f"{layer}attn.score_mult", "I32", *bounds, heads)
        w.add(f"{layer}attn.score_shift", "I8", 15)
        if w.one_of(0, 1):
            w.add_random(f"{layer}attn.sink_key", "I8", -128, 128, 64)
    exp2 = np.minimum(np.round(2.0 ** (16 - np.arange(256) / 256)), 65535)
    if seed % 5 == 0:
        exp2 = w.random.integers(0, 65536, 256)
    w.add("lut.exp2", "U16", exp2)
    for name in ("lut.rope_cos", "lut.rope_sin"):
        w.add_random(name, "I16", -(2**15), 2**15, c, 32)
    if w.one_of(0, 1):
        w.add("softmax.coef_q24", "U32", w.one_of(0, 1, 37819, 400_000, 2**24 - 1, 2**24, 2**31, 2**32 - 1))
    if w.one_of(0, 1):
        w.add("softmax.target_total", "U32", w.one_of(v + 1, 5_000, 2**20, 2**30))
    return w.parts().to_bytes()


def version_2(seed: int) -> bytes:
    """czm-v2.md."""
    w = Writer(2, seed)
    d, heads, f = 4 * w.below(1, 30), w.one_of(1, 2, 3, 5, 16), w.below(4, 200)
    v, layers = w.one_of(TOKEN_COUNT, 284, 512, 1000), w.below(1, 4)
    buckets = w.one_of(0, 2, 64, 1024)
    width = 2 * w.below(1, d // 2 + 1) if buckets else 0
    w.set(vocab_size=v, n_layers=layers, n_heads=heads, d_model=d, d_ff=f)
    w.set(window=w.one_of(1, 2, 7, 33, 100, 1024), bigram_buckets=buckets, bigram_width=width)

    def matrix(name: str, rows: int, columns: int, shift: int) -> None:
        w.add_random(f"{name}.weight", "I8", -128, 128, rows, columns)
        bounds = (0, 25) if seed % 8 == 0 else (shift - 2, shift + 2)
        w.add_random(f"{name}.shift", "U8", *bounds, rows)

    w.add_random("embed.weight", "U8", 0, 256, v, d // 2)
    w.add_random("embed.shift", "U8", 3, 9, v)
    if buckets:
        w.add_random("bigram.weight", "U8", 0, 256, buckets, width // 2)
        w.add_random("bigram.shift", "U8", 0, 9, buckets)
    w.add_random("rope.frequencies", "U16", 0, 65536 if seed % 3 == 0 else 2048, 32)
    for n in range(layers):
        layer = f"layers.{n}."
        matrix(f"{layer}attn.qkv", 64 * (heads + 2), d, 5)
        w.add_random(f"{layer}attn.gains", "U16", 0, 65536 if seed % 2 else 8000, heads)
        most = 2**20 if seed % 5 == 0 else 3000
        w.add_random(f"{layer}attn.sinks", "I32", -most, most + 1, heads)
        matrix(f"{layer}attn.out", d, 64 * heads, 8)
        matrix(f"{layer}ffn.up", f, d, 5)
        matrix(f"{layer}ffn.down", d, f, 8)
    matrix("head", v, d, w.one_of(2, 5, 7))
    parts = w.parts()
    w.set(content_hash=v2.content_hash(ModelFile.from_bytes(parts.to_bytes())).hex())
    return parts.to_bytes()


def version_3(seed: int) -> bytes:
    """czm-v3.md. With an odd seed the tokenizer is random, too."""
    w = Writer(3, seed)
    heads, groups = [(2, 1), (4, 2), (3, 3), (6, 2), (1, 1)][seed % 5]
    v, layers, d, f = TOKEN_COUNT, w.below(1, 4), w.below(4, 80), w.below(4, 100)
    if seed % 2:
        text = random_tokenizer(seed)
        w.tokenizer = zstandard.compress(text)
        v = len(Tokenizer(text)) + w.one_of(0, 0, 9)
    size = w.one_of(32, 34, 48, 64)
    rotated = w.one_of(2, size, size // 4 * 2)
    bias, norms = w.one_of(0, 1), w.one_of(0, 1)
    wide = [name for name in ("qkv", "out", "gate_up", "down", "head") if w.random.random() < 0.4]
    w.set(vocab_size=v, n_layers=layers, d_model=d, n_heads=heads, n_kv_heads=groups, head_dim=size)
    w.set(rotary_dim=rotated, d_ff=f, window=w.one_of(1, 2, 5, 16, 40, 200), sinks=w.one_of(0, 1, 4, 16))
    w.set(start_token=w.below(0, v), wide_inputs=",".join(wide), qkv_bias=bias, head_norms=norms)
    w.set(epsilon=w.one_of(0, 1, 100, 2**32 - 1), head_epsilon=w.one_of(0, 5, 2**20, 2**32 - 1))
    w.set(score_mantissa=w.below(0, 2**15), score_exponent=w.below(0, 31))

    def matrix(name: str, rows: int, columns: int, scale: float) -> None:
        """Elements are about as large as `scale`."""
        w.add_random(f"{name}.weight", "I8", -128, 128, rows, columns)
        w.add_random(f"{name}.mantissa", "U16", 2**14, 2**16, rows)
        exponent = round(np.log2(74 * 40_000 / scale)) + w.random.integers(-1, 2, rows)
        w.add(f"{name}.exponent", "U8", np.clip(exponent, 0, 48))

    matrix("embed", v, d, w.one_of(1_000, 100_000, 2**27 if seed % 7 == 0 else 5_000))
    if seed % 4 == 2:
        # Tokens whose residual begins as zeros.
        kind, shape, data = w.tensors["embed.weight"]
        embedding = np.frombuffer(data, np.int8).reshape(shape).copy()
        embedding[w.random.integers(0, v, 150)] = 0
        w.tensors["embed.weight"] = (kind, shape, embedding.tobytes())
    w.add_random("rope.frequencies", "U32", 0, 2**32, rotated // 2)
    for n in range(layers):
        layer = f"layers.{n}."
        rows = (heads + 2 * groups) * size
        matrix(f"{layer}attn.qkv", rows, d, w.one_of(410, 4096, 40_960) / d**0.5)
        if bias:
            w.add_random(f"{layer}attn.qkv.bias", "I32", -(2**13), 2**13, rows)
        if norms:
            w.add_random(f"{layer}attn.query_gains", "I16", -3000, 3000, size)
            w.add_random(f"{layer}attn.key_gains", "I16", -(2**15), 2**15, size)
        matrix(f"{layer}attn.out", d, heads * size, 1 / (heads * size) ** 0.5 / 8)
        matrix(f"{layer}ffn.gate_up", 2 * f, d, 4096 / d**0.5)
        matrix(f"{layer}ffn.down", d, f, w.one_of(1, 10, 30) / 10 / f**0.5)
    matrix("head", v, d, w.one_of(50, 300, 1500) / d**0.5)
    return w.parts().with_data_hash()


VERSIONS = {1: version_1, 2: version_2, 3: version_3}
