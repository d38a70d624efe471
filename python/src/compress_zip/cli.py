"""The command line: compress, decompress, info, verify, with the options and exit codes of the Rust program.

Only data go to standard output; statistics, notes and errors go to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import __version__, api, czip_v1, czip_v2
from .container import v1, v2
from .container.outer import Codec
from .errors import (
    CzipError,
    DamagedError,
    FormatError,
    ModelError,
    TokenizerError,
    WrongModelError,
)
from .mix.variants import LEVELS
from .model import Model

STANDARD_STREAM = "-"
# Other names of the standard streams.
_STANDARD_INPUTS = ("/dev/stdin", "/dev/fd/0")
_STANDARD_OUTPUTS = ("/dev/stdout", "/dev/fd/1")
_SUFFIX = ".czip"

# Exit codes.
OK = 0
FAILURE = 1
USAGE = 2
MISMATCH = 3
MALFORMED = 4
INTERRUPTED = 130

_EXIT_CODES = f"""exit codes:
  {OK}    success
  {FAILURE}    a file cannot be read or written, or its contents cannot be used
  {USAGE}    the command line is invalid
  {MISMATCH}    the file needs another model, or the model another tokenizer
  {MALFORMED}    a compressed file, model or tokenizer is malformed or damaged
  {INTERRUPTED}  interrupted
"""


class UsageError(Exception):
    """The command line does not make sense."""


class FileError(CzipError):
    """A file cannot be read or written."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, and return its exit code."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as exit_:
        return USAGE if exit_.code else OK
    try:
        _check_options(options)
        return _run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (UsageError, CzipError, OSError) as error:
        return _report(error, "")


def _run(options: argparse.Namespace) -> int:
    """Process all inputs, even if one fails. The exit code is that of the first failure."""
    commands: dict[str, Callable[[argparse.Namespace, str], None]] = {
        "compress": _compress,
        "decompress": _decompress,
        "info": _info,
        "verify": _verify,
    }
    code = OK
    for path in options.inputs:
        try:
            commands[options.command](options, path)
        except (UsageError, CzipError, OSError) as error:
            code = code or _report(error, _name(path))
    return code


def _report(error: Exception, name: str) -> int:
    """Write an error, and return its exit code."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    # The rest of a text may come from a file, so that control characters must not get to the terminal.
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    print(f"czip: {name + ': ' if name else ''}{text}", file=sys.stderr)
    if isinstance(error, UsageError):
        return USAGE
    if isinstance(error, WrongModelError):
        return MISMATCH
    if isinstance(error, (FormatError, DamagedError, ModelError, TokenizerError)):
        return MALFORMED
    return FAILURE


# The command line.


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="czip",
        description="Lossless text compression with a small language model, exact on every machine",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"czip {__version__} (Python)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    compress = _command(commands, "compress", "compress texts or any files: notes.txt becomes notes.txt.czip")
    decompress = _command(commands, "decompress", "restore files: notes.txt.czip becomes notes.txt")
    info = _command(commands, "info", "show what is in compressed files and models")
    verify = _command(commands, "verify", "check that texts come back, or that files can be restored")
    for command in (compress, verify):
        _add_format_options(command)
    for command in (compress, decompress):
        command.add_argument("-i", "--input", metavar="IN", help="file to read; - is standard input")
        command.add_argument("-o", "--output", metavar="OUT", help="output file, for a single input")
        command.add_argument("-f", "--force", action="store_true", help="overwrite existing outputs")
    for command in (compress, decompress, verify):
        command.add_argument("-t", "--tokenizer", metavar="JSON", help="use this tokenizer, not the model's")
    for command in (info, verify):
        command.add_argument("--json", action="store_true", help="print one line of JSON for each file")
    decompress.add_argument("--max-output", metavar="SIZE", type=_size, help="refuse files with more text")
    return parser


def _command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=about,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("inputs", nargs="*", metavar="INPUT", help="files to read; - is standard input")
    command.add_argument(
        "-m",
        "--model",
        action="append",
        help="model file; or standard or fast, the English models; or none; repeated to restore files that "
        "need different ones [default: CZIP_MODEL, else fast at level 4 and standard at others; v1 has none]",
    )
    command.add_argument("-T", "--threads", type=int, help="accepted, and of no effect: there is one thread")
    command.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    command.add_argument("-v", "--verbose", action="store_true", help="accepted, and of no effect")
    return command


def _add_format_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("-L", "--level", type=int, help="1 to 9 [default: 5]; in v1, 1 to 5")
    command.add_argument("--format", choices=["v1", "v2"], help="v2, or v1 with -c")
    command.add_argument(
        "-c", "--codec", choices=["brotli", "zstd"], help="v1: outer codec [default: brotli]"
    )
    command.add_argument("--segment", type=_size, metavar="SIZE", help="v2: maximum segment size")
    command.add_argument("--no-index", action="store_true", help="v2: omit the index at the end")


def _size(text: str) -> int:
    """A number of bytes, such as 500, 64K or 1M."""
    units = {"K": 10, "M": 20, "G": 30}
    shift = units.get(text[-1:].upper(), 0)
    digits = text[:-1] if shift else text
    if not digits.isascii() or not digits.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 64K or 1M")
    return int(digits) << shift


def _check_options(options: argparse.Namespace) -> None:
    """Find the contradictions that the parser does not know of, and fill in defaults."""
    # Models by path.
    options.loaded = {}
    if getattr(options, "input", None) is not None:
        if options.inputs:
            raise UsageError("-i cannot be used with other inputs")
        options.inputs = [options.input]
    if not options.inputs:
        raise UsageError("there is no input")
    if getattr(options, "output", None) and len(options.inputs) > 1:
        raise UsageError(f"-o names one output, but there are {len(options.inputs)} inputs")
    options.inputs = [STANDARD_STREAM if path in _STANDARD_INPUTS else path for path in options.inputs]
    if getattr(options, "output", None) in _STANDARD_OUTPUTS:
        options.output = STANDARD_STREAM
    if options.inputs.count(STANDARD_STREAM) > 1:
        raise UsageError("standard input is named twice")
    if options.command in ("compress", "verify"):
        _check_format_options(options)


def _check_format_options(options: argparse.Namespace) -> None:
    if options.format is None:
        options.format = "v1" if options.codec else "v2"
    if options.format == "v1":
        if options.level is not None and options.level not in czip_v1.LEVELS:
            raise UsageError("levels run from 1 to 5 in v1")
        if options.segment is not None or options.no_index:
            raise UsageError("--segment and --no-index are options of v2")
    else:
        if options.codec:
            raise UsageError("-c is an option of v1: czip v2 has no outer codec")
        if options.level is None:
            options.level = czip_v2.DEFAULT_LEVEL
        if options.level not in LEVELS:
            raise UsageError("levels run from 1 to 9, and from 1 to 5 in v1")
        if options.segment is not None and not 1024 <= options.segment <= v2.TEXT_LEN_MAX:
            raise UsageError("segments hold 1K to 16M")


# Models.


def _model_names(options: argparse.Namespace) -> list[str]:
    """The models that are named by -m, or else by the environment."""
    named: list[str] = options.model or []
    return named or [name for name in os.environ.get("CZIP_MODEL", "").split(os.pathsep) if name]


def _one_model(options: argparse.Namespace, default: list[str]) -> tuple[str, Model | None]:
    """The model to compress with, or for CZIPv1, and its name; None if the name is `none`."""
    names = _model_names(options) or default
    if not names:
        raise UsageError("no model: name one with -m MODEL or in the environment variable CZIP_MODEL")
    if len(options.model or []) > 1:
        raise UsageError("-m takes one model here; only restoring files of czip v2 takes several")
    if names[0] == "none":
        return names[0], None
    return names[0], _load(options, api.BUILTIN_MODELS.get(names[0], Path(names[0])))


def _models_by_id(options: argparse.Namespace, ids: set[str]) -> list[Model]:
    """The models with these ids, among those that are named and the English ones. No others are loaded."""
    names = _model_names(options)
    paths = [path for name in names for path in _model_paths(name)]
    if "none" not in names:
        paths += api.BUILTIN_MODELS.values()
    found: dict[str, Model] = {}
    for path in paths:
        model_id = api.model_id(_read_model(path)).hex()
        if model_id in ids and model_id not in found:
            found[model_id] = _load(options, path)
    return list(found.values())


def _model_paths(name: str) -> list[Path]:
    """The files of a name: a file or folder of models, or none for `none`, `standard` and `fast`."""
    if name == "none" or name in api.BUILTIN_MODELS:
        return []
    return sorted(Path(name).glob("*.czm")) if os.path.isdir(name) else [Path(name)]


def _load(options: argparse.Namespace, path: Path) -> Model:
    """Read a model, with the tokenizer that is named; once for all inputs."""
    if path not in options.loaded:
        try:
            model = api.read_model(_read_model(path))
        except (ModelError, TokenizerError) as error:
            raise ModelError(f"bad model {path}: {error}") from error
        except WrongModelError as error:
            raise WrongModelError(f"{path}: {error}") from error
        if getattr(options, "tokenizer", None):
            model = api.with_tokenizer(model, _read(options.tokenizer))
        options.loaded[path] = model
    loaded: Model = options.loaded[path]
    return loaded


def _read_model(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot read the model {path}: {error.strerror}") from error


# Files.


def _name(path: str) -> str:
    return "<stdin>" if path == STANDARD_STREAM else path


def _read(path: str) -> bytes:
    if path == STANDARD_STREAM:
        return sys.stdin.buffer.read()
    if os.path.isdir(path):
        raise FileError("is a directory")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"cannot read: {error.strerror}") from error


def _check_output(options: argparse.Namespace, output: str) -> None:
    """Refuse an output that must not be replaced, before any work is done."""
    if output == STANDARD_STREAM:
        return
    inputs = [*options.inputs, *(options.model or []), *([options.tokenizer] if options.tokenizer else [])]
    for path in inputs:
        if os.path.exists(output) and os.path.exists(path) and os.path.samefile(output, path):
            raise UsageError(f"output {output} is also an input, and inputs are never overwritten")
    if os.path.isdir(output):
        raise FileError(f"output {output} is a directory")
    if os.path.isfile(output) and not options.force:
        raise FileError(f"output {output} already exists; -f overwrites it")


def _write(output: str, data: bytes, input_path: str, *, force: bool) -> None:
    """Write an output so that it appears only once it is complete. It has the input's permissions."""
    if output == STANDARD_STREAM:
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # The reader may stop at any time. What is left in the buffer must not be tried again at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if os.path.exists(output) and not os.path.isfile(output):
        # Devices and pipes are written to, and never replaced.
        with open(output, "wb") as device:
            device.write(data)
        return
    path = os.path.realpath(output)
    handle, temporary = tempfile.mkstemp(prefix=".czip-", suffix=".tmp", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if input_path != STANDARD_STREAM and os.path.isfile(input_path):
            os.chmod(temporary, stat.S_IMODE(os.stat(input_path).st_mode))
        else:
            os.chmod(temporary, 0o666 & ~_umask())
        if force:
            os.replace(temporary, path)
        else:
            # Unlike a rename, a link does not replace a file that has appeared meanwhile.
            _link(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _link(temporary: str, path: str) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise FileError(f"output {path} already exists; -f overwrites it") from error
    except OSError:
        # Some file systems have no links.
        os.replace(temporary, path)
    else:
        os.unlink(temporary)


def _umask() -> int:
    """The mask of permissions. It can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


# The commands.


def _compress(options: argparse.Namespace, path: str) -> None:
    output = options.output or (STANDARD_STREAM if path == STANDARD_STREAM else path + _SUFFIX)
    _check_output(options, output)
    start = time.monotonic()
    text = _read(path)
    file = _compressed(options, text)
    _write(output, file, path, force=options.force)
    _print_sizes(options, path, (len(text), len(file)), len(text), time.monotonic() - start)


def _compressed(options: argparse.Namespace, text: bytes) -> bytes:
    """The file of a text, as the options want it."""
    default = [api.default_model_name(options.level)] if options.format == "v2" else []
    name, model = _one_model(options, default)
    if options.format == "v1":
        if model is None:
            raise UsageError("CZIPv1 needs a model")
        codec = Codec[(options.codec or "brotli").upper()]
        return api.compress_v1(text, model, model_path=name, level=options.level, codec=codec)
    if model is None and not options.quiet:
        print("note: no model, so all is coded as bytes; -m MODEL makes texts smaller", file=sys.stderr)
    return api.compress(
        text, model, level=options.level, segment_len=options.segment, index=not options.no_index
    )


def _decompress(options: argparse.Namespace, path: str) -> None:
    output = options.output or _restored_name(path)
    _check_output(options, output)
    start = time.monotonic()
    data = _read(path)
    text = api.decompress(data, _models_for(options, data), max_len=options.max_output)
    _write(output, text, path, force=options.force)
    _print_sizes(options, path, (len(data), len(text)), len(text), time.monotonic() - start)


def _restored_name(path: str) -> str:
    if path == STANDARD_STREAM:
        return STANDARD_STREAM
    if not path.endswith(_SUFFIX) or os.path.basename(path) == _SUFFIX:
        raise UsageError("no name for the output: the input's name does not end in .czip; use -o OUT")
    return path[: -len(_SUFFIX)]


def _models_for(options: argparse.Namespace, data: bytes) -> list[Model]:
    """The models to restore a compressed file with."""
    if not api.is_v1(data):
        facts = api.info(data)
        return _models_by_id(options, set(facts["models"]) if facts["needs_model"] else set())
    if len(_model_names(options)) > 1:
        raise UsageError("CZIPv1 files do not record which model they need: name only the right one")
    model = _one_model(options, default=[])[1]
    if model is None:
        raise UsageError("CZIPv1 needs a model")
    return [model]


def _info(options: argparse.Namespace, path: str) -> None:
    data = _read(path)
    try:
        facts = {"path": _name(path), **api.info(data)}
    except (ModelError, TokenizerError) as error:
        raise ModelError(f"is neither a compressed file nor a model: {error}") from error
    if options.model and facts["format"] == "czip v2":
        paths = [path for name in options.model for path in _model_paths(name)]
        ids = {api.model_id(_read_model(path)).hex() for path in paths}
        facts["model_matches"] = set(facts["models"]) <= ids
    _print_facts(options, facts)


def _verify(options: argparse.Namespace, path: str) -> None:
    """Restore a compressed file, or compress and restore anything else."""
    data = _read(path)
    start = time.monotonic()
    if data.startswith((v1.MAGIC, v2.MAGIC)):
        text = api.decompress(data, _models_for(options, data))
        _print_facts(options, {"path": _name(path), "restored": True, "text_len": len(text)})
        return
    file = _compressed(options, data)
    seconds = time.monotonic() - start
    if api.decompress(file, _models_for(options, file)) != data:
        raise DamagedError("does not come back as it was: this is a fault of czip or of the machine")
    facts = {
        "path": _name(path),
        "comes_back": True,
        "text_len": len(data),
        "file_len": len(file),
        "bits_per_byte": round(8 * len(file) / len(data), 3) if data else None,
        "compress_seconds": round(seconds, 3),
        "decompress_seconds": round(time.monotonic() - start - seconds, 3),
    }
    _print_facts(options, facts)


def _print_facts(options: argparse.Namespace, facts: dict[str, Any]) -> None:
    """Facts of a file. What comes from the file is quoted, so that it cannot control a terminal."""
    if options.json:
        print(json.dumps(facts))
        return
    print(f"{json.dumps(facts.pop('path'))[1:-1]}:")
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"  {name.replace('_', ' '):{width}}  {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{json.dumps(key)[1:-1]} {_shown(item)}" for key, item in value.items())
    return json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)


def _print_sizes(
    options: argparse.Namespace, path: str, lengths: tuple[int, int], text_len: int, seconds: float
) -> None:
    """Say what became of a file, whose length was the first of `lengths` and is now the second."""
    if options.quiet:
        return
    file_len = sum(lengths) - text_len
    rate = f"{8 * file_len / text_len:.3f} bits/byte" if text_len else "empty"
    line = f"{_name(path)}: {lengths[0]} -> {lengths[1]} bytes, {rate}, {seconds:.2f} s"
    print(line, file=sys.stderr)
