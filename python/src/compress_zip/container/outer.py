"""The outer codecs of CZIPv1: one zstd frame or one brotli stream (czip-v1.md, section 5.3)."""

from __future__ import annotations

from enum import IntEnum

import brotli
import zstandard

from ..errors import FormatError

_ZSTD_MAGIC = bytes.fromhex("28b52ffd")
# Rule 7. That of brotli is part of RFC 7932, without the extension that the format excludes.
_ZSTD_WINDOW_MAX = 1 << 27
# Input is decompressed in pieces of this length, so that what exceeds its limit is noticed early.
_PIECE = 1 << 12


class Codec(IntEnum):
    """The field codec of the header."""

    ZSTD = 0
    BROTLI = 1


def compress(data: bytes, codec: Codec) -> bytes:
    """The outer stream of some bytes."""
    if codec is Codec.BROTLI:
        return bytes(brotli.compress(data, quality=11, lgwin=22))
    # With the length known the window is no larger than the data need. The length itself is not written.
    parameters = zstandard.ZstdCompressionParameters.from_level(
        22, source_size=len(data), write_content_size=False, write_checksum=False
    )
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(data) + stream.flush()


def decompress(stream: bytes, codec: Codec, limit: int) -> bytes:
    """What an outer stream holds.

    Raises FormatError if it breaks one of the rules 6 to 8, or holds more than `limit` bytes.
    """
    return _decompress_brotli(stream, limit) if codec is Codec.BROTLI else _decompress_zstd(stream, limit)


def _decompress_brotli(stream: bytes, limit: int) -> bytes:
    decompressor = brotli.Decompressor()
    data = bytearray()
    try:
        for start in range(0, len(stream), _PIECE):
            data += decompressor.process(stream[start : start + _PIECE])
            if len(data) > limit:
                raise FormatError(f"brotli stream holds more than the {limit} bytes that its header allows")
    except brotli.error as error:
        # Bytes after the stream are such an error, too.
        raise FormatError(f"broken brotli stream, or bytes after it: {error}") from error
    if not decompressor.is_finished():
        raise FormatError(f"file ends at byte {16 + len(stream)}, inside its brotli stream")
    return bytes(data)


def _decompress_zstd(stream: bytes, limit: int) -> bytes:
    # The library would skip frames that are not data, and read those of early versions.
    if len(stream) >= len(_ZSTD_MAGIC) and not stream.startswith(_ZSTD_MAGIC):
        raise FormatError("broken zstd stream: no zstd frame")
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX).decompressobj()
    data = bytearray()
    for start in range(0, len(stream), _PIECE):
        if decompressor.eof:
            raise FormatError("trailing bytes where the zstd stream has ended")
        try:
            data += decompressor.decompress(stream[start : start + _PIECE])
        except zstandard.ZstdError as error:
            raise FormatError(f"broken zstd stream: {error}") from error
        if len(data) > limit:
            raise FormatError(f"zstd stream holds more than the {limit} bytes that its header allows")
    if not decompressor.eof:
        raise FormatError(f"file ends at byte {16 + len(stream)}, inside its zstd stream")
    if decompressor.unused_data:
        raise FormatError("trailing bytes where the zstd stream has ended")
    return bytes(data)
