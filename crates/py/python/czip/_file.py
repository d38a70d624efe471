"""Compressed files as file objects, in the manner of ``gzip.open`` and ``lzma.open``."""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any, Literal, Union, cast, overload

from ._czip import Compressor, Model, NoModel, Reader

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    Filename = Union[str, bytes, os.PathLike[str], os.PathLike[bytes], IO[bytes]]
    Models = Union[Model, NoModel, Iterable[Model], None]
    BinaryMode = Literal["r", "rb", "w", "wb", "x", "xb", "a", "ab"]
    TextMode = Literal["rt", "wt", "xt", "at"]

__all__ = ["CzipFile", "open"]

_MODES = {"r": "rb", "rb": "rb", "w": "wb", "wb": "wb", "x": "xb", "xb": "xb", "a": "ab", "ab": "ab"}


class _Raw(io.RawIOBase):
    """The text of a file, for a buffer to read."""

    def __init__(self, reader: Reader, is_seekable: bool) -> None:
        self._reader = reader
        self._is_seekable = is_seekable
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._is_seekable

    def readinto(self, buffer: WriteableBuffer) -> int:
        with memoryview(buffer) as view, view.cast("B") as bytes_view:
            data = self._reader.read(len(bytes_view))
            bytes_view[: len(data)] = data
        self._place += len(data)
        return len(data)

    def readall(self) -> bytes:
        data = self._reader.read_all()
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if not self._is_seekable:
            raise io.UnsupportedOperation("the underlying file is not seekable")
        self._place = self._reader.seek(offset, whence)
        return self._place

    def tell(self) -> int:
        return self._place


class CzipFile(io.BufferedIOBase):
    """A compressed file, as a file object that reads or writes its text in binary mode.

    Reading can go on at any place of the text if the underlying file can seek: ``seek`` finds it by the file's index, and
    only the segment there is decoded. Files of several joined are read as one, and mode "a" joins another.
    """

    def __init__(
        self,
        filename: Filename,
        mode: str = "r",
        *,
        model: Models = None,
        level: int = 5,
        threads: int = 0,
        segment_len: int | None = None,
        index: bool = True,
        max_text_len: int | None = None,
        max_memory: int | None = None,
    ) -> None:
        self._file: IO[bytes] | None = None
        self._owns_file = False
        self._buffer: io.BufferedReader | None = None
        self._compressor: Compressor | None = None
        self._written = 0
        try:
            file_mode = _MODES[mode]
        except (KeyError, TypeError):
            raise ValueError(f"invalid mode: {mode!r}") from None
        self._mode = file_mode
        # Before the file is made, so that a wrong argument leaves none behind.
        compressor = None
        if file_mode != "rb":
            compressor = Compressor(
                model=cast("Model | NoModel | None", model),
                level=level,
                threads=threads,
                segment_len=segment_len,
                index=index,
            )
        if isinstance(filename, (str, bytes, os.PathLike)):
            file = cast("IO[bytes]", builtins.open(filename, file_mode))  # noqa: SIM115 (closed in _release)
            self._owns_file = True
        elif hasattr(filename, "read") or hasattr(filename, "write"):
            file = filename
        else:
            raise TypeError("filename must be a str, bytes, os.PathLike or file object")
        self._file = file
        if compressor is not None:
            self._compressor = compressor
            return
        seekable = getattr(file, "seekable", None)
        try:
            reader = Reader(
                file,
                model=model,
                threads=threads,
                max_text_len=max_text_len,
                max_memory=max_memory,
            )
        except BaseException:
            self._release()
            raise
        raw = _Raw(reader, seekable is not None and bool(seekable()))
        self._buffer = io.BufferedReader(raw, 1 << 16)

    @property
    def mode(self) -> str:
        """ "rb" if it reads, else "wb"."""
        return "rb" if self._mode == "rb" else "wb"

    @property
    def name(self) -> Any:
        """The name of the underlying file."""
        return self._file.name if self._file is not None else None

    @property
    def closed(self) -> bool:
        return self._file is None

    def close(self) -> None:
        """Ends the file, if it is written. The underlying file is only closed if it was opened here."""
        if self._file is None:
            return
        try:
            if self._buffer is not None:
                self._buffer.close()
            elif self._compressor is not None:
                self._file.write(self._compressor.flush())
        finally:
            self._release()

    def _release(self) -> None:
        file, self._file = self._file, None
        self._buffer = None
        self._compressor = None
        if file is not None and self._owns_file:
            file.close()

    def fileno(self) -> int:
        return self._check_open().fileno()

    def readable(self) -> bool:
        self._check_open()
        return self._buffer is not None

    def writable(self) -> bool:
        self._check_open()
        return self._compressor is not None

    def seekable(self) -> bool:
        self._check_open()
        return self._buffer is not None and self._buffer.seekable()

    def read(self, size: int | None = -1) -> bytes:
        return self._reading().read(size)

    def read1(self, size: int = -1) -> bytes:
        return self._reading().read1(io.DEFAULT_BUFFER_SIZE if size < 0 else size)

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._reading().readinto(buffer)

    def readinto1(self, buffer: WriteableBuffer) -> int:
        return self._reading().readinto1(buffer)

    def readline(self, size: int | None = -1) -> bytes:
        return self._reading().readline(-1 if size is None else size)

    def peek(self, size: int = 0) -> bytes:
        """Some of the next bytes, at least one unless this is the end. They are not taken."""
        return self._reading().peek(size)

    def __iter__(self) -> CzipFile:
        self._reading()
        return self

    def __next__(self) -> bytes:
        line = self._reading().readline()
        if not line:
            raise StopIteration
        return line

    def write(self, data: ReadableBuffer) -> int:
        """Takes a piece of the text and returns its length in bytes."""
        file = self._check_open()
        if self._compressor is None:
            raise io.UnsupportedOperation("File not open for writing")
        with memoryview(data) as view:
            length = view.nbytes
        file.write(self._compressor.compress(data))
        self._written += length
        return length

    def flush(self) -> None:
        """Flushes the underlying file. Text that is held stays: where segments end does not depend on this."""
        file = self._check_open()
        if self._compressor is not None and hasattr(file, "flush"):
            file.flush()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to another place of the text. Only for reading."""
        return self._reading().seek(offset, whence)

    def tell(self) -> int:
        """The place in the text."""
        self._check_open()
        return self._written if self._buffer is None else self._buffer.tell()

    def _check_open(self) -> IO[bytes]:
        if self._file is None:
            raise ValueError("I/O operation on closed file")
        return self._file

    def _reading(self) -> io.BufferedReader:
        self._check_open()
        if self._buffer is None:
            raise io.UnsupportedOperation("File not open for reading")
        return self._buffer


@overload
def open(
    filename: Filename,
    mode: TextMode,
    *,
    model: Models = ...,
    level: int = ...,
    threads: int = ...,
    segment_len: int | None = ...,
    index: bool = ...,
    max_text_len: int | None = ...,
    max_memory: int | None = ...,
    encoding: str | None = ...,
    errors: str | None = ...,
    newline: str | None = ...,
) -> io.TextIOWrapper: ...
@overload
def open(
    filename: Filename,
    mode: BinaryMode = ...,
    *,
    model: Models = ...,
    level: int = ...,
    threads: int = ...,
    segment_len: int | None = ...,
    index: bool = ...,
    max_text_len: int | None = ...,
    max_memory: int | None = ...,
    encoding: None = ...,
    errors: None = ...,
    newline: None = ...,
) -> CzipFile: ...
def open(
    filename: Filename,
    mode: str = "rb",
    *,
    model: Models = None,
    level: int = 5,
    threads: int = 0,
    segment_len: int | None = None,
    index: bool = True,
    max_text_len: int | None = None,
    max_memory: int | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> CzipFile | io.TextIOWrapper:
    """Opens a compressed file in binary or text mode, for a path or a file object.

    The mode is "r", "w", "x" or "a", with "b" (or nothing) for bytes or "t" for text, which `encoding`, `errors` and
    `newline` then concern. To read, `model`, `threads`, `max_text_len` and `max_memory` are those of `decompress`; to write,
    the others are those of `compress`.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "words.czip"
    >>> with open(path, "wt", encoding="utf-8") as file:
    ...     _ = file.write("one\\ntwo\\nthree\\n")
    >>> with open(path, "rt", encoding="utf-8") as file:
    ...     [line.strip() for line in file]
    ['one', 'two', 'three']
    """
    if "t" in mode:
        if "b" in mode:
            raise ValueError(f"invalid mode: {mode!r}")
    elif encoding is not None or errors is not None or newline is not None:
        raise ValueError("encoding, errors and newline are for text modes")
    file = CzipFile(
        filename,
        mode.replace("t", ""),
        model=model,
        level=level,
        threads=threads,
        segment_len=segment_len,
        index=index,
        max_text_len=max_text_len,
        max_memory=max_memory,
    )
    return io.TextIOWrapper(file, encoding, errors, newline) if "t" in mode else file


open.__module__ = CzipFile.__module__ = "czip"
