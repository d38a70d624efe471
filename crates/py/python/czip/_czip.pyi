import os
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, Final, Literal, final, overload

from _typeshed import ReadableBuffer
from typing_extensions import Self

__all__ = [
    "NO_MODEL",
    "Compressor",
    "Decompressor",
    "ImportProgress",
    "Model",
    "NoModel",
    "Reader",
    "TrainingProgress",
    "__version__",
    "compress",
    "compress_many",
    "decompress",
    "decompress_many",
    "import_model",
    "run",
    "train",
]

__version__: Final[str]

@final
class NoModel:
    def __reduce__(self) -> str: ...

NO_MODEL: Final[NoModel]

@final
class Model:
    @classmethod
    def builtin(cls, name: str = "standard") -> Self: ...
    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self: ...
    @classmethod
    def from_bytes(cls, data: ReadableBuffer, *, name: str = "") -> Self: ...
    @property
    def id(self) -> str: ...
    @property
    def content_hash(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def parameters(self) -> int: ...
    @property
    def format(self) -> str: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def compress(
    data: ReadableBuffer,
    *,
    model: Model | NoModel | None = None,
    level: int = 5,
    threads: int = 0,
    segment_len: int | None = None,
    index: bool = True,
) -> bytes: ...
def decompress(
    data: ReadableBuffer,
    *,
    model: Model | NoModel | Iterable[Model] | None = None,
    threads: int = 0,
    max_text_len: int | None = None,
    max_memory: int | None = None,
) -> bytes: ...
def compress_many(
    texts: Iterable[ReadableBuffer],
    *,
    model: Model | NoModel | None = None,
    level: int = 5,
    threads: int = 0,
    segment_len: int | None = None,
    index: bool = True,
) -> list[bytes]: ...
@overload
def decompress_many(
    files: Iterable[ReadableBuffer],
    *,
    model: Model | NoModel | Iterable[Model] | None = None,
    threads: int = 0,
    max_text_len: int | None = None,
    max_memory: int | None = None,
    return_exceptions: Literal[False] = False,
) -> list[bytes]: ...
@overload
def decompress_many(
    files: Iterable[ReadableBuffer],
    *,
    model: Model | NoModel | Iterable[Model] | None = None,
    threads: int = 0,
    max_text_len: int | None = None,
    max_memory: int | None = None,
    return_exceptions: bool,
) -> list[bytes | Exception]: ...

@final
class Compressor:
    def __new__(
        cls,
        *,
        model: Model | NoModel | None = None,
        level: int = 5,
        threads: int = 0,
        segment_len: int | None = None,
        index: bool = True,
    ) -> Self: ...
    def compress(self, data: ReadableBuffer) -> bytes: ...
    def flush(self) -> bytes: ...

@final
class Decompressor:
    def __new__(
        cls,
        *,
        model: Model | NoModel | Iterable[Model] | None = None,
        threads: int = 0,
        max_text_len: int | None = None,
        max_memory: int | None = None,
    ) -> Self: ...
    def decompress(self, data: ReadableBuffer, max_length: int = -1) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...

@final
class Reader:
    def __new__(
        cls,
        file: IO[bytes] | Any,
        *,
        model: Model | NoModel | Iterable[Model] | None = None,
        threads: int = 0,
        max_text_len: int | None = None,
        max_memory: int | None = None,
    ) -> Self: ...
    def read(self, size: int) -> bytes: ...
    def read_all(self) -> bytes: ...
    def seek(self, offset: int, whence: int) -> int: ...

@final
class TrainingProgress:
    @property
    def done(self) -> float: ...
    @property
    def tokens(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def train(self) -> float | None: ...
    @property
    def heldout(self) -> float | None: ...

def train(
    texts: Sequence[str | os.PathLike[str]],
    *,
    minutes: float = 30.0,
    tokens: int | None = None,
    preset: Literal["fast", "standard", "large"] = "standard",
    vocab_size: int | None = None,
    field: str | None = None,
    heldout: float = 0.05,
    seed: int = 0,
    threads: int = 0,
    progress: Callable[[TrainingProgress], object] | None = None,
) -> bytes: ...

@final
class ImportProgress:
    @property
    def stage(self) -> Literal["weights", "priors"]: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...

def import_model(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    window: int | None = None,
    sinks: int = 4,
    wide_inputs: Sequence[Literal["qkv", "out", "gate_up", "down", "head"]] | None = None,
    start_token: int | None = None,
    calibrate: Sequence[str | os.PathLike[str]] = (),
    sample_len: int = 300_000,
    name: str | None = None,
    licence: str | None = None,
    threads: int = 0,
    progress: Callable[[ImportProgress], object] | None = None,
) -> None: ...
def run(command_line: list[str]) -> int: ...
