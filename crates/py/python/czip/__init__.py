"""Lossless compression of text and any other bytes, with a small language model, exact on every machine.

>>> import czip
>>> text = b"Integers are the same everywhere. Integers are the same everywhere."
>>> file = czip.compress(text)
>>> len(file) < len(text) // 2
True
>>> czip.decompress(file) == text
True

Without a model, everything is coded as bytes:

>>> file = czip.compress(text, model=czip.NO_MODEL)
>>> czip.decompress(file) == text
True
"""

from ._czip import (
    NO_MODEL,
    Compressor,
    Decompressor,
    ImportProgress,
    Model,
    NoModel,
    TrainingProgress,
    __version__,
    compress,
    compress_many,
    decompress,
    decompress_many,
    import_model,
    train,
)
from ._exceptions import CzipError, LimitError, MalformedError, ModelError, TruncatedError, UnsupportedError
from ._file import CzipFile, open

__all__ = [
    "NO_MODEL",
    "Compressor",
    "CzipError",
    "CzipFile",
    "Decompressor",
    "ImportProgress",
    "LimitError",
    "MalformedError",
    "Model",
    "ModelError",
    "NoModel",
    "TrainingProgress",
    "TruncatedError",
    "UnsupportedError",
    "__version__",
    "compress",
    "compress_many",
    "decompress",
    "decompress_many",
    "import_model",
    "open",
    "train",
]
