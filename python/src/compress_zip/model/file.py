"""Model files: bytes of a ``.czm`` file in, metadata and tensors out, and what all three formats share.

The file is a safetensors file (czm-v1.md, section 4; rules 1 and 2 of section 5).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Protocol

import brotli
import numpy as np
import numpy.typing as npt
import xxhash
import zstandard

from .. import strict_json
from ..errors import ModelError

Integers = npt.NDArray[np.int64]
# Called with the name of an intermediate value and the value, for each batch of positions [n, ...]; for
# tests.
Observer = Callable[[str, npt.NDArray[Any]], None]

# How many tokens at a time make matrix products efficient, while the results (8 bytes for each symbol of the
# vocabulary and each token) still fit in a cache.
BATCH = 64

HEADER_LEN = 1 << 20
TOKENIZER_LEN = 1 << 24
# The largest window of zstd, however much it decompresses to.
ZSTD_WINDOW = 1 << 24

# Bits of an element, by the name of its type.
TYPES = {
    **{"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8},
    **{"F8_E5M2FNUZ": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U16": 16, "I16": 16, "F16": 16, "BF16": 16},
    **{"U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64},
}


class Window(NamedTuple):
    """The window of mixing.md, section 4, for models of version 1: n positions, of which k are kept."""

    positions: int
    keep: int


class Cache(Protocol):
    """What a net remembers of a sequence: keys and values of earlier positions."""

    position: int
    """How many tokens were given, the start token included."""


class Net(Protocol):
    """The transformer of a model."""

    version: int
    vocab_size: int
    context_length: int
    start_token: int | None
    """The start token, if the file names it; otherwise it is ``<|bos|>``."""
    observer: Observer | None

    def new_cache(self, window: Window | None = None) -> Cache:
        """See Model."""

    def forward(self, cache: Any, tokens: Sequence[int]) -> Integers:
        """See Model."""


@dataclass(frozen=True)
class Tensor:
    """A tensor as it is in the file."""

    type: str
    shape: tuple[int, ...]
    data: memoryview


@dataclass(frozen=True)
class ModelFile:
    """A safetensors file that keeps rules 1 and 2."""

    data: bytes
    tensors_start: int
    metadata: dict[str, str]
    tensors: dict[str, Tensor]

    @classmethod
    def from_bytes(cls, data: bytes) -> ModelFile:
        """Read the header. Raises ModelError."""
        if not data:
            raise ModelError("this is an empty file, not a model of czip (a .czm file)")
        if data[8:9] != b"{":
            raise ModelError("this is a file of another kind, not a model of czip (a .czm file)")
        header_len = int.from_bytes(data[:8], "little")
        start = 8 + header_len
        if header_len > HEADER_LEN:
            raise _malformed(f"its header of {header_len} bytes is longer than {HEADER_LEN}")
        if start > len(data):
            raise _malformed(f"its header of {header_len} bytes is cut short at byte {len(data)}")
        try:
            header = strict_json.loads(data[8:start], _unique, in_range=True)
        except ValueError as error:
            raise _malformed(f"its header: {error}") from error
        metadata = header.pop("__metadata__", None) or {}
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise _malformed("metadata are not strings")
        return cls(data, start, metadata, _tensors(header, memoryview(data)[start:]))

    # ---- Metadata

    def value(self, key: str) -> str:
        """The value of a key that has to be there."""
        if key not in self.metadata:
            raise ModelError(f"model metadata lack `{key}`")
        return self.metadata[key]

    def bad(self, key: str, rule: str) -> ModelError:
        """An error for the value of a key."""
        return ModelError(f"model metadata have `{key}` = `{self.metadata[key]}`: must be {rule}")

    def number(self, key: str) -> int:
        """A decimal number from 0 to 2^64 - 1, with leading zeros and a leading plus sign if any."""
        value = self.value(key)
        if not re.fullmatch(r"\+?[0-9]+", value, re.ASCII):
            raise self.bad(key, "a decimal number")
        # Python converts no more than some thousand digits at a time.
        digits = value.lstrip("+").lstrip("0") or "0"
        if len(digits) > 20 or int(digits) >= 1 << 64:
            raise self.bad(key, "a decimal number")
        return int(digits)

    def ranged(self, key: str, low: int, high: int) -> int:
        """A number from low to high."""
        value = self.number(key)
        if not low <= value <= high:
            raise self.bad(key, f"{low} to {high}" if low != high else f"{low}")
        return value

    # ---- Tensors

    def tensor(self, name: str, kind: str, *shape: int | None) -> npt.NDArray[Any]:
        """A tensor that has to be there, with this type and shape; None stands for any length."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise ModelError(f"tensor `{name}` is missing")
        if tensor.type != kind:
            raise ModelError(f"tensor `{name}` has type {tensor.type}, not {kind}")
        if len(tensor.shape) != len(shape) or any(b not in (None, a) for a, b in zip(tensor.shape, shape)):
            wanted = "[" + ", ".join("any" if size is None else str(size) for size in shape) + "]"
            raise ModelError(f"tensor `{name}` has shape {list(tensor.shape)}, not {wanted}")
        letter = {"I": "i", "U": "u"}[kind[0]]
        dtype = np.dtype(f"<{letter}{TYPES[kind] // 8}")
        return np.frombuffer(tensor.data, dtype).reshape(tensor.shape)

    def bounded(self, name: str, kind: str, low: int, high: int, *shape: int) -> Integers:
        """A tensor whose elements are from low to high, as int64."""
        values = self.tensor(name, kind, *shape).astype(np.int64)
        outside = values[(values < low) | (values > high)]
        if outside.size:
            raise ModelError(f"tensor `{name}` holds {outside[0]}, outside {low} to {high}")
        return values

    # ---- Tokenizer, and tensors for the mixer (czm-v1.md, section 4.3)

    def tokenizer_json(self, limit: int = TOKENIZER_LEN) -> bytes:
        """The tensor ``tokenizer.data``, decompressed."""
        codec = self.metadata.get("tokenizer_codec", "zstd")
        if codec not in ("zstd", "brotli"):
            raise self.bad("tokenizer_codec", "zstd or brotli")
        data = self.tensor("tokenizer.data", "U8", None).tobytes()
        try:
            return unzstd(data, limit, ZSTD_WINDOW) if codec == "zstd" else unbrotli(data, limit)
        except ValueError as error:
            message = f"tokenizer in the model does not decompress as {codec}: {error}"
            raise ModelError(message) from error

    def mixing_priors(self, *, limit: int | None) -> tuple[bytes, ...]:
        """The tensors ``mixing.priors.N``; with a limit, decompressed to at most so many bytes in all."""
        priors: list[bytes] = []
        while (name := f"mixing.priors.{len(priors)}") in self.tensors:
            data = self.tensor(name, "U8", None).tobytes()
            if limit is not None:
                try:
                    data = unzstd(data, limit, ZSTD_WINDOW)
                except ValueError as error:
                    raise ModelError(f"tensor `{name}` does not decompress: {error}") from error
                limit -= len(data)
            priors.append(data)
        return tuple(priors)

    def mixing_weights(self, vocab_size: int) -> Integers | None:
        """The tensor ``mixing.weights``, if there is one."""
        if "mixing.weights" not in self.tensors:
            return None
        return self.tensor("mixing.weights", "U16", vocab_size).astype(np.int64)


def _malformed(reason: str) -> ModelError:
    return ModelError(f"not a safetensors file: {reason}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


def _tensors(header: dict[str, Any], data: memoryview) -> dict[str, Tensor]:
    """Rule 2: the tensors follow each other without gaps or overlaps."""
    places: list[tuple[int, int, str]] = []
    for name, info in header.items():
        try:
            begin, end = info["data_offsets"]
            kind, shape = info["dtype"], info["shape"]
            if not (isinstance(shape, list) and all(map(_is_size, [begin, end, *shape]))):
                raise TypeError("not an integer")
            bits = math.prod(shape) * TYPES[kind]
        except (TypeError, ValueError, KeyError) as error:
            raise _malformed(f"the entry of tensor `{name}`: {error!r}") from error
        if end < begin or bits != (end - begin) * 8:
            raise _malformed(f"tensor `{name}` of type {kind}, {shape}, has bytes {begin} to {end}")
        places.append((begin, end, name))
    last = 0
    for begin, end, name in sorted(places):
        if begin != last:
            raise _malformed(f"tensor `{name}` begins at byte {begin} instead of {last}")
        last = end
    if last != len(data):
        raise _malformed(f"the tensors have {last} bytes, and the file {len(data)}")
    return {
        name: Tensor(info["dtype"], tuple(info["shape"]), data[slice(*info["data_offsets"])])
        for name, info in header.items()
    }


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# ---- Decompression, of no more than a limit


def unzstd(data: bytes, limit: int, window: int) -> bytes:
    """Decompress zstd frames, at least one. Raises ValueError if they are broken or exceed `limit` bytes."""
    context = zstandard.ZstdDecompressor(max_window_size=window)
    decompressor = context.decompressobj()
    parts: list[bytes] = []
    size = place = 0
    try:
        while place < len(data):
            if decompressor.eof:
                decompressor = context.decompressobj()
            # Four bytes may stand for 128 KiB, so few at a time bound what comes out before the limit is
            # seen.
            fed = data[place : place + 256]
            parts.append(decompressor.decompress(fed))
            place += len(fed) - len(decompressor.unused_data)
            size += len(parts[-1])
            if size > limit:
                raise ValueError(f"more than {limit} bytes")
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if not decompressor.eof:
        raise ValueError("it is cut short")
    return b"".join(parts)


def unbrotli(data: bytes, limit: int) -> bytes:
    """Decompress a brotli stream. Raises ValueError if it is broken, or has more than `limit` bytes.

    Bytes after its end are not looked at.
    """
    decompressor = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    try:
        # One byte at a time, since the library refuses what comes after the end together with the end.
        for place in range(len(data)):
            fed = data[place : place + 1]
            while True:
                parts.append(decompressor.process(fed, output_buffer_limit=limit + 1 - size))
                size += len(parts[-1])
                if size > limit:
                    raise ValueError(f"more than {limit} bytes")
                if decompressor.can_accept_more_data():
                    break
                fed = b""
            if decompressor.is_finished():
                return b"".join(parts)
    except brotli.error as error:
        raise ValueError(str(error)) from error
    raise ValueError("it is cut short")


# ---- Hashes


def xxh3_128(*parts: bytes | memoryview) -> bytes:
    """XXH3-128 with the seed 0 of the parts, one after the other: 16 bytes, the highest first."""
    state = xxhash.xxh3_128()
    for part in parts:
        state.update(part)
    return state.digest()
