"""A codec for numcodecs, and so for Zarr: its name is "czip", which numcodecs finds without an import.

>>> import numcodecs
>>> codec = numcodecs.get_codec({"id": "czip", "level": 4})
>>> codec.decode(codec.encode(b"one two three"))
b'one two three'
"""

from __future__ import annotations

from typing import Any, ClassVar

from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy

from ._czip import NO_MODEL, Model, NoModel, compress, decompress

__all__ = ["Czip"]


class Czip(Codec):  # type: ignore[misc]
    """Compresses chunks of an array, which is worth it if they are text.

    `model` is the path of a model's file, "none", or `None` for the built-in model of the level. `level` and `threads` are
    those of `czip.compress`.
    """

    codec_id: ClassVar[str] = "czip"

    def __init__(self, level: int = 5, model: str | None = None, threads: int = 0) -> None:
        self.level = level
        self.model = model
        self.threads = threads
        self._opened: Model | NoModel | None = None

    def _model(self) -> Model | NoModel | None:
        if self.model is not None and self._opened is None:
            self._opened = NO_MODEL if self.model == "none" else Model.open(self.model)
        return self._opened

    def encode(self, buf: Any) -> bytes:
        """The file of a chunk, which is any object with the buffer protocol."""
        data = ensure_contiguous_ndarray(buf)
        return compress(data, model=self._model(), level=self.level, threads=self.threads)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of a chunk, in `out` if that is given."""
        data = decompress(ensure_contiguous_ndarray(buf), model=self._model(), threads=self.threads)
        return ndarray_copy(data, out)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}
