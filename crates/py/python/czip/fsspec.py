"""Registers czip with fsspec: ``import czip.fsspec``, and ``fsspec.open`` knows the compression "czip".

Files whose names end in ``.czip`` have it with ``compression="infer"``. fsspec has no entry points for compressions, so
each process must import this module, workers of Dask among them.

>>> import fsspec, czip.fsspec
>>> with fsspec.open("memory://a/words.czip", "wt", compression="infer") as file:
...     _ = file.write("one two three")
>>> with fsspec.open("memory://a/words.czip", "rt", compression="czip") as file:
...     file.read()
'one two three'
"""

from __future__ import annotations

from typing import IO, Any

from fsspec.compression import register_compression

from ._file import CzipFile

__all__ = ["open_file"]


def open_file(infile: IO[bytes], mode: str = "rb", **options: Any) -> CzipFile:
    """The text of an open file, as fsspec asks for it. `options` are those of `czip.CzipFile`."""
    return CzipFile(infile, mode, **options)


register_compression("czip", open_file, "czip", force=True)
