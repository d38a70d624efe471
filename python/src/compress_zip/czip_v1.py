"""Texts in CZIPv1: text in, file out, and back (czip-v1.md, sections 7 and 8)."""

from __future__ import annotations

import numpy as np

from .coder.arithmetic import ArithmeticDecoder, ArithmeticEncoder
from .container.outer import Codec
from .container.v1 import File, model_id
from .errors import CzipError, DamagedError, LimitError, WrongModelError
from .model import BATCH, Model, cumulative

LEVELS = range(1, 6)
# Level 1 has chunks of 2^6 tokens, level 2 of 2^7, and so on.
_LEVEL_0_LOG2 = 5


def compress(
    text: bytes, model: Model, *, model_path: str = "", level: int | None = None, codec: Codec = Codec.BROTLI
) -> bytes:
    """The file of a text. Chunks are as long as the level says, or as the model's context.

    `model_path` is only used for the model id, which identifies nothing.

    Raises CzipError if the text is not UTF-8, and LimitError if it is too long for the format.
    """
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise CzipError(f"CZIPv1 holds only UTF-8, which the text is not at byte {error.start}") from error
    if len(text) > 0xFFFF_FFFF:
        raise LimitError(f"text of {len(text)} bytes is too long for CZIPv1")

    context_log2 = model.context_length.bit_length() - 1
    if level is not None:
        context_log2 = min(context_log2, _LEVEL_0_LOG2 + level)
    size = 1 << context_log2
    tokens = model.tokenizer.encode(text)
    chunks = [tokens[start : start + size] for start in range(0, len(tokens), size)]
    return File(
        codec=codec,
        original_len=len(text),
        context_field=context_log2,
        last_tokens=len(chunks[-1]) if chunks else size,
        chunks=[encode_chunk(model, chunk) for chunk in chunks],
        model_id=model_id(model_path),
    ).to_bytes()


def decompress(data: bytes, model: Model) -> bytes:
    """The text of a file.

    Raises FormatError if the file breaks a rule, and WrongModelError if something does not fit, which means
    that the file is damaged or was made with another model: it cannot be told which.
    """
    file = File.from_bytes(data)
    if file.tokenizer_id != 0:
        raise WrongModelError(f"file needs the tokenizer {file.tokenizer_id}, which is not known")
    size = 1 << file.context_log2
    if size > model.context_length:
        raise WrongModelError(
            f"file has chunks of {size} tokens, but the model's context is {model.context_length}"
        )
    # Every token has at least one byte. To find out now saves decoding what cannot be right.
    if file.token_count > file.original_len:
        raise WrongModelError(f"file has {file.token_count} tokens for {file.original_len} bytes of text")

    text = bytearray()
    for i, chunk in enumerate(file.chunks):
        token_count = size if i + 1 < len(file.chunks) else file.last_tokens
        try:
            text += model.tokenizer.decode(decode_chunk(model, chunk, token_count))
        except CzipError as error:
            raise WrongModelError(
                f"chunk {i} ({error}): the file is damaged or made with another model"
            ) from error
        if len(text) > file.original_len:
            break
    if len(text) != file.original_len:
        raise WrongModelError(
            f"decoded {len(text)} bytes where the file declares {file.original_len}: "
            "the file is damaged or made with another model"
        )
    return bytes(text)


def encode_chunk(model: Model, tokens: list[int]) -> bytes:
    """The bytes of a chunk of tokens."""
    encoder = ArithmeticEncoder()
    cache = model.new_cache()
    # Each prediction is made from the tokens before it.
    inputs = [model.start_token, *tokens[:-1]]
    for start in range(0, len(tokens), BATCH):
        rows = cumulative(model.forward(cache, inputs[start : start + BATCH]))
        for token, row in zip(tokens[start : start + BATCH], rows):
            encoder.encode(int(row[token]), int(row[token + 1]), int(row[-1]))
    return encoder.finish()


def decode_chunk(model: Model, chunk: bytes, token_count: int) -> list[int]:
    """The tokens of a chunk. Raises DamagedError if it does not end as it must."""
    decoder = ArithmeticDecoder(chunk)
    cache = model.new_cache()
    tokens: list[int] = []
    for _ in range(token_count):
        (row,) = cumulative(model.forward(cache, [tokens[-1] if tokens else model.start_token]))
        total = int(row[-1])
        # The token whose interval holds the value: the last that begins at it or before.
        token = int(np.searchsorted(row, decoder.value(total), side="right")) - 1
        decoder.decode(int(row[token]), int(row[token + 1]), total)
        tokens.append(token)
        if token not in model.tokenizer:
            raise DamagedError(f"id {token}, which has no token")
    decoder.finish()
    return tokens
