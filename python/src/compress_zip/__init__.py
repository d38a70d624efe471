"""czip in Python: lossless text compression with a small language model, in exact integers.

A second implementation, written from the pages in ``docs/spec`` alone. Start with :mod:`compress_zip.fixed`;
modules follow the specification in its order.
"""

from __future__ import annotations

import os

# The matrices are so small that a second thread costs more than it gains, many times more where processors
# are shared. NumPy reads this when it is imported; whoever has set it, or imported NumPy before, has chosen.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"

# After the variable is set.
from .api import (
    Codec,
    Model,
    Reader,
    builtin_model,
    compress,
    compress_v1,
    decompress,
    info,
    open,
    open_model,
    with_tokenizer,
)
from .errors import CzipError

__all__ = [
    "Codec",
    "CzipError",
    "Model",
    "Reader",
    "builtin_model",
    "compress",
    "compress_v1",
    "decompress",
    "info",
    "open",
    "open_model",
    "with_tokenizer",
]
