"""The file CZIPv1: bytes in, headers and chunks out, and back (czip-v1.md, sections 4 to 6)."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from ..errors import FormatError, LimitError
from .outer import Codec, compress, decompress

MAGIC = b"CZIPv1"

_HEADER = struct.Struct("<6sBBII")
_INNER = struct.Struct("<IIHBB")
_FLAGS_KNOWN = 3
_CHUNK_LEN_MAX = 0xFFFF
_CONTEXT_LOG2_MAX = 15
# What the field context stands for if it is 0.
_CONTEXT_LOG2_EARLY = 6


@dataclass(frozen=True)
class File:
    """What a file holds.

    :ivar context_field: the base-2 logarithm of the tokens of a full chunk; 0, as early encoders write, is 6
    :ivar last_tokens: the tokens of the last chunk, or of a full one if there is no chunk
    """

    codec: Codec
    original_len: int
    context_field: int
    last_tokens: int
    chunks: list[bytes]
    model_id: int = 0
    tokenizer_id: int = 0
    flags: int = 0

    @property
    def context_log2(self) -> int:
        """The base-2 logarithm of the tokens of a full chunk."""
        return self.context_field or _CONTEXT_LOG2_EARLY

    @property
    def token_count(self) -> int:
        """The tokens of all chunks."""
        return ((len(self.chunks) - 1) << self.context_log2) + self.last_tokens if self.chunks else 0

    @property
    def inner(self) -> bytes:
        """What the outer stream holds: inner header, chunk table, payload."""
        header = _INNER.pack(
            self.model_id, len(self.chunks), self.last_tokens, self.tokenizer_id, self.context_field
        )
        table = b"".join(len(chunk).to_bytes(2, "little") for chunk in self.chunks)
        return header + table + b"".join(self.chunks)

    def to_bytes(self) -> bytes:
        """The bytes of the file. Raises LimitError if the format cannot hold it."""
        for i, chunk in enumerate(self.chunks):
            if len(chunk) > _CHUNK_LEN_MAX:
                raise LimitError(f"chunk {i} takes {len(chunk)} bytes, more than {_CHUNK_LEN_MAX}")
        inner_len = _INNER.size + 2 * len(self.chunks)
        if self.original_len > 0xFFFF_FFFF or inner_len > 0xFFFF_FFFF:
            raise LimitError(f"text of {self.original_len} bytes is too long for CZIPv1")
        header = _HEADER.pack(MAGIC, self.flags, self.codec, self.original_len, inner_len)
        return header + compress(self.inner, self.codec)

    @classmethod
    def from_bytes(cls, data: bytes) -> File:
        """Read a file. Raises FormatError if it breaks one of the rules 1 to 14."""
        if len(data) < _HEADER.size:
            raise FormatError(f"input of {len(data)} bytes is shorter than the header of a CZIPv1 file")
        magic, flags, codec, original_len, inner_len = _HEADER.unpack_from(data)
        if magic != MAGIC:
            raise FormatError(f"not a CZIPv1 file: it starts with {magic!r}")
        if flags & ~_FLAGS_KNOWN:
            raise FormatError(f"unknown flags 0x{flags & ~_FLAGS_KNOWN:02x} at byte 6")
        if codec not in (Codec.ZSTD, Codec.BROTLI):
            raise FormatError(f"unknown outer codec {codec} at byte 7")
        if inner_len < _INNER.size or inner_len % 2:
            raise FormatError(f"inner header length {inner_len} at byte 12 is not 12 plus an even number")

        table_count = (inner_len - _INNER.size) // 2
        inner = decompress(data[_HEADER.size :], Codec(codec), inner_len + table_count * _CHUNK_LEN_MAX)
        if len(inner) < inner_len:
            raise FormatError(f"inner header ends after {len(inner)} of its {inner_len} bytes")
        model_id, count, last_tokens, tokenizer_id, context_field = _INNER.unpack_from(inner)
        if count != table_count:
            raise FormatError(f"chunk count {count} does not fit an inner header of {inner_len} bytes")
        if context_field > _CONTEXT_LOG2_MAX:
            raise FormatError(f"context field {context_field} at byte 11 of the inner header is more than 15")
        full = 1 << (context_field or _CONTEXT_LOG2_EARLY)
        if not (1 <= last_tokens <= full if count else last_tokens == full):
            raise FormatError(f"{last_tokens} tokens in the last of {count} chunks of up to {full}")

        chunks = _cut(inner, inner_len)
        return cls(
            Codec(codec), original_len, context_field, last_tokens, chunks, model_id, tokenizer_id, flags
        )


def _cut(inner: bytes, inner_len: int) -> list[bytes]:
    """The chunks after inner header and chunk table. Raises FormatError if the table does not fit them."""
    chunks = []
    at = inner_len
    for i, (length,) in enumerate(struct.iter_unpack("<H", inner[_INNER.size : inner_len])):
        if length == 0:
            raise FormatError(f"chunk {i} is empty")
        if at + length > len(inner):
            raise FormatError(f"payload ends after {len(inner) - at} of the {length} bytes of chunk {i}")
        chunks.append(inner[at : at + length])
        at += length
    if at != len(inner):
        raise FormatError(f"trailing bytes in the payload after its {at - inner_len} bytes")
    return chunks


def model_id(path: str) -> int:
    """The number that encoders make from the path of a model. It identifies nothing."""
    return int(hashlib.md5(path.encode()).hexdigest()[:8], 16)
