"""The library: texts of both formats, whole or in part, and descriptions of files."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from . import czip_v1, czip_v2
from .container import v1, v2
from .container.outer import Codec
from .errors import FormatError, LimitError, TokenizerError, WrongModelError
from .mix.priors import Priors
from .mix.variants import Mode
from .model import START, Model
from .model.file import xxh3_128
from .tokenizer import Tokenizer

__all__ = [
    "Codec",
    "Model",
    "Reader",
    "builtin_model",
    "compress",
    "compress_v1",
    "decompress",
    "info",
    "open",
    "open_model",
    "text_len",
    "with_tokenizer",
]

Reader = czip_v2.Reader
compress = czip_v2.compress
compress_v1 = czip_v1.compress

# Models that have names: symbolic links into the repository; a package that was built has the files instead.
BUILTIN_MODELS = {name: Path(__file__).with_name(f"{name}.czm") for name in ("standard", "fast")}


def read_model(data: bytes) -> Model:
    """Read a model, for both formats. Raises ModelError or TokenizerError."""
    model = Model.from_bytes(data)
    _check_priors(model)
    return model


def open_model(path: str | PathLike[str]) -> Model:
    """Read a model file, for both formats. Raises ModelError, TokenizerError or OSError."""
    return read_model(Path(path).read_bytes())


def default_model_name(level: int) -> str:
    """The name of the model that a level of czip v2 is used with if no other is named."""
    return "fast" if level == 4 else "standard"


def builtin_model(name: str = "standard") -> Model:
    """A model for English that comes with this package: `standard`, or `fast`, which needs less time."""
    return open_model(BUILTIN_MODELS[name])


def model_id(data: bytes) -> bytes:
    """What a czip v2 file knows a model by (czip-v2.md, section 6.1): four bytes of the hash of its file."""
    return xxh3_128(data)[:4]


def _check_priors(model: Model) -> None:
    """Raise ModelError if the model's mixing priors are none. Only readers of czip v2 have to know."""
    for priors in model.mixing_priors:
        Priors.from_bytes(priors)


def with_tokenizer(model: Model, json: bytes) -> Model:
    """Replace a model's tokenizer, in place.

    Raises TokenizerError if the JSON is none, and WrongModelError if it does not fit the model.
    """
    tokenizer = Tokenizer(json)
    if len(tokenizer) > model.vocab_size:
        raise WrongModelError(f"tokenizer has {len(tokenizer)} tokens, the model only {model.vocab_size}")
    if model.version < 3:
        if START not in tokenizer.special_tokens:
            raise TokenizerError("tokenizer has no token `<|bos|>`")
        model.start_token = tokenizer.special_tokens[START]
    model.tokenizer = tokenizer
    return model


def is_v1(data: bytes) -> bool:
    """Whether a compressed file is CZIPv1. Raises FormatError if it is neither that nor czip v2."""
    if data.startswith(v1.MAGIC):
        return True
    if data.startswith(v2.MAGIC):
        return False
    raise FormatError(f"neither a czip nor a CZIPv1 file: it starts with {data[:6]!r}")


def text_len(data: bytes) -> int:
    """The length of the text that a compressed file declares. Raises FormatError."""
    if is_v1(data):
        return v1.File.from_bytes(data).original_len
    return sum(segment.text_len for member in v2.read_members(data) for segment in member.segments)


def decompress(data: bytes, models: Sequence[Model] = (), *, max_len: int | None = None) -> bytes:
    """The text of a compressed file of either format.

    Of czip v2 any of the models may be needed; CZIPv1 does not say which, so it takes the first. A file that
    declares more than `max_len` bytes of text is refused.

    Raises FormatError, DamagedError, WrongModelError or LimitError.
    """
    if max_len is not None and text_len(data) > max_len:
        raise LimitError(
            f"file holds {text_len(data)} bytes of text, more than the {max_len} that are allowed"
        )
    if not is_v1(data):
        return czip_v2.decompress(data, models)
    if not models:
        raise WrongModelError("CZIPv1 needs a model")
    return czip_v1.decompress(data, models[0])


def open(path: str | PathLike[str], models: Sequence[Model] = ()) -> Reader:
    """The text of a czip v2 file, to read any part of."""
    with builtins.open(path, "rb") as file:
        return Reader(file.read(), models)


def info(data: bytes) -> dict[str, Any]:
    """What is in a compressed file or a model. Raises FormatError, ModelError or TokenizerError."""
    if data.startswith(v1.MAGIC):
        return _info_v1(data)
    if data.startswith(v2.MAGIC):
        return _info_v2(data)
    model = read_model(data)
    return {
        "kind": "model",
        "format": f"czip-model-v{model.version}",
        "file_len": len(data),
        "model_id": model.id.hex(),
        "vocab_size": model.vocab_size,
        "context_length": model.context_length,
        "tokens": len(model.tokenizer),
        "metadata": model.metadata,
    }


def _info_v1(data: bytes) -> dict[str, Any]:
    file = v1.File.from_bytes(data)
    return {
        "kind": "compressed_file",
        "format": "CZIPv1",
        "file_len": len(data),
        "codec": file.codec.name.lower(),
        "flags": file.flags,
        "text_len": file.original_len,
        "tokens": file.token_count,
        "chunks": len(file.chunks),
        "chunk_tokens": 1 << file.context_log2,
        "payload_len": sum(map(len, file.chunks)),
        "model_id": f"{file.model_id:08x}",
        "tokenizer_id": file.tokenizer_id,
    }


def _info_v2(data: bytes) -> dict[str, Any]:
    members = v2.read_members(data)
    segments = [segment for member in members for segment in member.segments]
    modes = Counter(segment.mode for segment in segments)
    return {
        "kind": "compressed_file",
        "format": "czip v2",
        "file_len": len(data),
        "text_len": sum(segment.text_len for segment in segments),
        "members": len(members),
        "levels": sorted({member.header.level for member in members}),
        "segments": len(segments),
        "longest_segment": max(segment.text_len for segment in segments),
        "modes": {mode.name.lower(): modes[mode] for mode in Mode},
        "models": sorted({member.header.model_id.hex() for member in members if member.header.model_id}),
        "needs_model": bool(modes[Mode.TOKENS] or modes[Mode.NET]),
        "indexes": sum(member.has_index for member in members),
    }
