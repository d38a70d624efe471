"""The programs that are compared: how each is called, and which version it is."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# In a command, FILES stands for all texts, FILE for one, and PACKED for what they become.
FILES, FILE, PACKED = "FILES", "FILE", "PACKED"


@dataclass(frozen=True)
class Codec:
    """A program with its options."""

    name: str
    family: str
    suffix: str
    encode: tuple[str, ...]
    decode: tuple[str, ...]
    # What the result depends on besides the command: the version, and hashes of files that are read.
    identity: str
    # Bytes that a reader needs besides the program, which have to be sent along once.
    model_bytes: int = 0

    def _commands(self, words: tuple[str, ...], names: list[str]) -> list[list[str]]:
        packed = [name + self.suffix for name in names]
        if FILES in words or (PACKED in words and FILE not in self.encode):
            many = {FILES: names, PACKED: packed}
            return [[part for word in words for part in many.get(word, [word])]]
        return [[{FILE: name, PACKED: made}.get(word, word) for word in words] for name, made in zip(names, packed)]

    def encode_commands(self, names: list[str]) -> list[list[str]]:
        return self._commands(self.encode, names)

    def decode_commands(self, names: list[str]) -> list[list[str]]:
        return self._commands(self.decode, names)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# How to ask each program for its version.
VERSIONS = {
    "brotli": ["--version"],
    "bzip2": ["--help"],
    "bzip3": ["--version"],
    "gzip": ["--version"],
    "xz": ["--version"],
    "zpaq": [],
    "zstd": ["--version"],
    "7zz": [],
}

# The Debian packages of the programs.
PACKAGES = "7zip brotli bzip2 bzip3 gzip time xz-utils zpaq zstd"


def version(program: str) -> str:
    """The version of a program, or nothing if it is not installed."""
    if shutil.which(program) is None:
        return ""
    said = subprocess.run([program, *VERSIONS[program]], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
    return found.group() if found else "unknown"


def peer(program: str, name: str, suffix: str, encode: str, decode: str, **more: object) -> Codec:
    return Codec(
        name,
        program,
        suffix,
        tuple(f"{program} {encode}".split()),
        tuple(f"{program} {decode}".split()),
        f"{program} {version(program)}",
        **more,
    )


def peers() -> list[Codec]:
    """All programs of others, at their strongest settings, with one thread."""
    return [
        peer("gzip", "gzip -9", ".gz", "-9 -k -n FILES", "-d -k PACKED"),
        peer("zstd", "zstd -19", ".zst", "-q -19 --single-thread FILES", "-q -d PACKED"),
        peer(
            "zstd",
            "zstd --ultra -22 --long=27",
            ".zst",
            "-q --ultra -22 --long=27 --single-thread FILES",
            "-q -d --long=27 PACKED",
        ),
        peer("brotli", "brotli -q 11 -w 24", ".br", "-q 11 -w 24 FILES", "-d PACKED"),
        peer("xz", "xz -9e", ".xz", "-9e -k -T1 FILES", "-d -k -T1 PACKED"),
        peer("bzip2", "bzip2 -9", ".bz2", "-9 -k FILES", "-d -k PACKED"),
        peer("bzip3", "bzip3", ".bz3", "-e -B FILES", "-d -B PACKED"),
        peer(
            "7zz",
            "7-Zip PPMd",
            ".7z",
            "a -t7z -m0=PPMd:o=8:mem=256m -mmt=1 PACKED FILE",
            "x -mmt=1 PACKED",
        ),
        peer("zpaq", "zpaq -m5", ".zpaq", "a PACKED FILE -m5 -t1", "x PACKED -t1"),
    ]


BROTLI, XZ, ZSTD, GZIP = "brotli -q 11 -w 24", "xz -9e", "zstd --ultra -22 --long=27", "gzip -9"


def zstd_with_dictionary(dictionary: Path) -> Codec:
    path = str(dictionary)
    return Codec(
        "zstd -19 with a dictionary",
        "zstd",
        ".zst",
        ("zstd", "-q", "-19", "--single-thread", "-D", path, FILES),
        ("zstd", "-q", "-d", "-D", path, PACKED),
        f"zstd {version('zstd')} {digest(dictionary)}",
        model_bytes=dictionary.stat().st_size,
    )


def train_dictionary(samples: bytes, piece: int, out: Path) -> None:
    """Trains a dictionary of zstd's usual size on pieces of a text."""
    with out.with_suffix(".sample").open("wb") as file:
        file.write(samples)
    sample = Path(file.name)
    command = ["zstd", "-q", "-19", "--train", f"-B{piece}", "--maxdict=112640", sample, "-o", out, "-f"]
    subprocess.run(command, check=True, capture_output=True)
    sample.unlink()


class Czip:
    """The program of this project."""

    def __init__(self, program: Path) -> None:
        self.program = program
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        self.version = said.stdout.split()[-1]
        self.digest = digest(program)

    def codec(self, level: int, model: Path | str | None = None, *, name: str = "", threads: int = 1) -> Codec:
        """A level with the built-in models, with a model's file, or without a model ("none")."""
        words = (str(self.program), "compress", "-q", "-L", str(level))
        back = (str(self.program), "decompress", "-q")
        common: tuple[str, ...] = () if threads == 0 else ("-T", str(threads))
        identity = self.digest
        model_bytes = 0
        if model is not None:
            common += ("-m", str(model))
        if isinstance(model, Path):
            identity += digest(model)
            model_bytes = model.stat().st_size
        return Codec(
            name or f"czip -L {level}",
            "czip",
            ".czip",
            (*words, *common, FILES),
            (*back, *common, PACKED),
            identity,
            model_bytes,
        )
