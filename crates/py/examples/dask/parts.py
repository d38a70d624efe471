"""Compresses and restores one part of a data set: a file, which Dask, Ray, Spark or a loop may hand to any process.

Any file is a part: NDJSON and all else by its bytes, Parquet by its table. What a part needs is in its arguments and in the
file system, which all processes share. Files appear complete, so a process that dies leaves no half of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import czip

# What unfinished files end in. A process that was killed leaves them; see `remove_unfinished`.
UNFINISHED = ".czip-unfinished"


@dataclass(frozen=True)
class Options:
    """How parts are compressed. `model_id` is what the model in the file `model` must be; no file is the built-in model."""

    model: str | None = None
    model_id: str = ""
    level: int = 5
    segment_len: int | None = None
    threads: int = 1

    def affecting_bytes(self) -> dict[str, Any]:
        """Those that a part depends on."""
        return {"model_id": self.model_id, "level": self.level, "segment_len": self.segment_len}


class PartError(Exception):
    """A part cannot be compressed or restored as asked."""


def find(source: str) -> list[str]:
    """The names of all parts of a data set: files in a folder, and in those below it."""
    folder = Path(source)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def compress_part(source: str, target: str, name: str, options: Options) -> dict[str, Any]:
    """Compresses the part `name` of the data set `source`, if that is not done yet, and returns its record.

    The file `parts/NAME.czip` in the folder `target` appears first, then its record, `records/NAME.json`. A part is done if it
    has a record, and both files have the checksums in it. `done_before` says so; it is in the result only.
    """
    path = Path(source, name)
    data = path.read_bytes()
    output = Path(target, "parts", name + ".czip")
    record_path = Path(target, "records", name + ".json")
    given = {"name": name, "input_len": len(data), "input_sha256": _sha256(data)}
    given.update(options.affecting_bytes())
    if record_path.exists():
        record: dict[str, Any] = json.loads(record_path.read_text())
        different = [key for key, value in given.items() if record.get(key) != value]
        if different:
            # What is there may be the only copy of an earlier state.
            raise PartError(f"{name} has been compressed before, with another {', '.join(different)}")
        if output.exists() and _sha256(output.read_bytes()) == record["output_sha256"]:
            return {**record, "done_before": True}
    is_table = path.suffix == ".parquet"
    text = _table_bytes(data) if is_table else data
    file = czip.compress(
        text,
        model=_model(options),
        level=options.level,
        segment_len=options.segment_len,
        threads=options.threads,
    )
    record = {
        **given,
        "kind": "parquet" if is_table else "bytes",
        "text_len": len(text),
        "text_sha256": _sha256(text),
        "output_len": len(file),
        "output_sha256": _sha256(file),
    }
    with _written(output) as temporary:
        temporary.write_bytes(file)
    with _written(record_path) as temporary:
        temporary.write_text(json.dumps(record))
    return {**record, "done_before": False}


def restore_part(source: str, target: str, record: dict[str, Any], options: Options) -> dict[str, Any]:
    """Restores the part with this record from the compressed data set `source`, and returns the record.

    A file that is there already is left as it is: an error, unless it is the part.
    """
    name = record["name"]
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise PartError(f"{name} would not be in the folder")
    output = Path(target, name)
    exists = output.exists()
    is_table = record["kind"] == "parquet"
    if exists and not is_table and _sha256(output.read_bytes()) == record["input_sha256"]:
        return {**record, "done_before": True}
    if exists and not is_table:
        raise PartError(f"{name} exists already, and is something else")
    file = Path(source, "parts", name + ".czip").read_bytes()
    if _sha256(file) != record["output_sha256"]:
        raise PartError(f"{name}.czip is damaged: it does not have the checksum in the manifest")
    text = czip.decompress(file, model=_model(options), threads=options.threads)
    if _sha256(text) != record["text_sha256"]:
        raise PartError(f"{name} does not have the checksum in the manifest")
    if not is_table:
        with _written(output) as temporary:
            temporary.write_bytes(text)
    elif not exists:
        with _written(output) as temporary:
            _write_table(text, temporary)
            if not _is_table(text, temporary):
                raise PartError(f"{name} does not come back from Parquet as it was")
    elif not _is_table(text, output):
        raise PartError(f"{name} exists already, and is something else")
    return {**record, "done_before": exists}


def write_manifest(target: str, records: list[dict[str, Any]], options: Options) -> None:
    """Writes the list of all parts, `manifest.json`."""
    parts = [{key: value for key, value in record.items() if key != "done_before"} for record in records]
    manifest = {
        "czip": czip.__version__,
        "options": options.affecting_bytes(),
        "parts": sorted(parts, key=lambda part: part["name"]),
    }
    with _written(Path(target, "manifest.json")) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1))


def read_manifest(source: str) -> list[dict[str, Any]]:
    """The records of all parts."""
    records: list[dict[str, Any]] = json.loads(Path(source, "manifest.json").read_text())["parts"]
    return records


def remove_unfinished(target: str) -> None:
    """Removes what killed processes have left. Nothing may be at work in the folder."""
    for path in Path(target).rglob(f".*{UNFINISHED}"):
        path.unlink(missing_ok=True)


_models: dict[Options, czip.Model] = {}
_lock = threading.Lock()


def _model(options: Options) -> czip.Model:
    """The model, which each process opens once."""
    with _lock:
        if options not in _models:
            model = czip.Model.builtin() if options.model is None else czip.Model.open(options.model)
            if options.model_id not in ("", model.content_hash):
                raise PartError(f"{model} is another model than {options.model_id}")
            _models[options] = model
        return _models[options]


def with_model_id(options: Options) -> Options:
    """The same options, with the id of the model as this process sees it."""
    return Options(**{**asdict(options), "model_id": _model(options).content_hash})


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def _written(path: Path) -> Iterator[Path]:
    """The path of a file to write. It gets its own name, atomically, when all has been written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary_name = tempfile.mkstemp(UNFINISHED, f".{path.name}.", path.parent)
    os.close(descriptor)
    temporary = Path(temporary_name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_mask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _mask() -> int:
    """The process's mask of permissions, which cannot be read without setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _table_bytes(parquet: bytes) -> bytes:
    """A Parquet file as the bytes of a stream of Arrow: all values and types, uncompressed, column by column."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(parquet)).read()
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _table(stream: bytes) -> Any:
    import pyarrow

    return pyarrow.ipc.open_stream(stream).read_all()


def _write_table(stream: bytes, path: Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(_table(stream), path)


def _is_table(stream: bytes, path: Path) -> bool:
    import pyarrow.parquet

    equal: bool = pyarrow.parquet.ParquetFile(path).read().equals(_table(stream), check_metadata=True)
    return equal
