"""Texts to compare both implementations on, and the comparison.

``python tests/cross.py [LENGTH]`` compares all texts, cut at LENGTH bytes (1,000 if not given), at all
levels of both formats, with models in turn. It prints a line for each text, with what differs. Tests do
a part of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import rust
from conftest import MODELS, REPOSITORY, VECTORS, find_shared

from compress_zip import czip_v1, czip_v2
from compress_zip.container import copies, v1, v2
from compress_zip.container.outer import Codec
from compress_zip.mix.variants import LEVELS, Mode
from compress_zip.model import Model
from compress_zip.segment import SegmentCoder

# Models by name: two of version 2 with priors of their own, and one without priors of each version.
MODEL_FILES = {
    "standard": MODELS / "standard.czm",
    "fast": MODELS / "fast.czm",
    "v1": VECTORS / "model.czm",
    "v2": VECTORS / "model2.czm",
    "v3": VECTORS / "model3.czm",
}

EDGE_CASES = {
    "nothing": b"",
    "zero": b"\0",
    "one letter": b"a",
    "two letters": b"ab",
    "a line feed": b"\n",
    "all bytes": bytes(range(256)),
    "all bytes, descending": bytes(range(255, -1, -1)),
    "one byte of many": b"\xff" * 300,
    "a run": b"a" * 700,
    "two runs": b"a" * 200 + b"b" * 200,
    "pairs": b"ab" * 300,
    "lines": b"\n" * 300,
    "line ends of Windows": b"one\r\ntwo\r\n\r\nthree\r\n" * 10,
    "line ends of old": b"one\rtwo\r\rthree\r" * 10,
    "tabs": b"a\tb\tc\n1\t2\t3\n" * 20,
    "spaces": b" " * 100 + b"x" + b" " * 100,
    "numbers": b"".join(b"%d " % (n * n) for n in range(100)),
    "a table": b"".join(b"%4d,%6d,abc\n" % (n, n * n) for n in range(40)),
    "records": b"".join(bytes([255, n, 2 * n, 3 * n, 0, 0, 7]) for n in range(80)),
    "special tokens": b"<|bos|>text<|eos|><|bos|><|bos|> <|eos|",
    "half a character": "é".encode()[:1] + b"text" + "é".encode()[1:],
    "overlong forms": b"\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf",
    "surrogates": b"\xed\xa0\x80\xed\xb0\x80 and text",
    "above Unicode": b"\xf4\x90\x80\x80\xf8\x88\x80\x80\x80",
    "byte order mark": b"\xef\xbb\xbfText with a mark",
    "UTF-16": "Text in UTF-16, of two bytes each.".encode("utf-16"),
    "Latin-1": "Grüße aus Köln, où l'été est déjà là".encode("latin-1"),
    "scripts": "English, русский, ελληνικά, עברית, العربية, 日本語, 한국어, हिन्दी, ไทย".encode(),
    "emoji": "👩‍👩‍👧‍👦 🇪🇺 ❤️ and e\u0301".encode(),
    "apostrophes": "I'll, you've, it's, 'twas, DON'T, i'ſ, they’re".encode(),
    "white space": "a\u00a0b\u2003c\u3000d\u0085e\x1c\x1df \u2028g".encode(),
    "long word": b"Donaudampfschifffahrtsgesellschaftskapitaen" * 5,
    "hexadecimal": bytes(range(64)).hex().encode() * 3,
    "words twice": b"the quick brown fox jumps over the lazy dog. " * 2,
    "code": b'fn main() {\n    let x = 1;\n    if x > 0 {\n        println!("{}", x);\n    }\n}\n' * 3,
}


def texts(length: int) -> Iterator[tuple[str, bytes]]:
    """Texts with their names: edge cases, golden texts, pages of this repository, and shared texts if any.

    Long ones are cut to `length` bytes, perhaps in the middle of a character.
    """
    for name, data in EDGE_CASES.items():
        yield name, data[:length]
    folders = [VECTORS / "texts", REPOSITORY / "docs" / "spec"]
    shared = ["conformance/inputs", "bench/canterbury", "bench/calgary"]
    folders += [folder for folder in map(find_shared, shared) if folder is not None]
    for folder in folders:
        for path in sorted(folder.glob("*")):
            data = path.read_bytes()
            start = max(len(data) - length, 0) // 2
            yield f"{folder.name}/{path.name}", data[start : start + length]


@cache
def model(name: str) -> Model:
    return Model.open(MODEL_FILES[name])


@cache
def coder(name: str) -> SegmentCoder:
    return SegmentCoder(model(name))


def compare_v2(text: bytes, level: int, model_name: str) -> list[str]:
    """What differs between both implementations for a text in czip v2.

    The Rust program compresses it, and what it writes must be read, and be written again when modes and
    copies are chosen likewise. What is written in modes that it did not choose, the Rust program must read.
    """
    path = MODEL_FILES[model_name]
    segment_len = max(len(text) // 2, 1024)
    options: list[str | Path] = ["-m", path, "-L", str(level), "--segment", str(segment_len)]
    file = rust.output(["compress", *options, "-i", "-", "-o", "-"], text)
    differences = []
    if czip_v2.decompress(file, [model(model_name)]) != text:
        differences.append("text of the Rust program's file")

    (member,) = v2.read_members(file)
    at = 0
    for i, segment in enumerate(member.segments):
        part = text[at : at + segment.text_len]
        at += segment.text_len
        if segment.mode is not Mode.STORED:
            passages, payload = copies.split(segment)
            rest = copies.rest_of(part, passages)
            if coder(model_name).encode(rest, segment.mode, level) != payload:
                differences.append(f"payload of segment {i}, in mode {segment.mode.name}")

    chosen = {segment.mode for segment in member.segments}
    for mode in set(Mode) - chosen - ({Mode.NET} if LEVELS[level].window is None else set()):
        ours = czip_v2.compress(text, model(model_name), level=level, mode=mode, segment_len=segment_len)
        if rust.output(["decompress", "-m", path, "-i", "-", "-o", "-"], ours) != text:
            differences.append(f"text of our file in mode {mode.name}")
    return differences


def compare_v1(text: bytes, level: int | None, model_name: str, codec: Codec) -> list[str]:
    """What differs between both implementations for a text in CZIPv1."""
    path = MODEL_FILES[model_name]
    options: list[str | Path] = ["-m", path, "-c", codec.name.lower(), *(["-L", str(level)] if level else [])]
    file = rust.output(["compress", *options, "-i", "-", "-o", "-"], text)
    ours = czip_v1.compress(text, model(model_name), model_path=str(path), level=level, codec=codec)
    differences = []
    if v1.File.from_bytes(file) != v1.File.from_bytes(ours) or file[:16] != ours[:16]:
        differences.append("what is in the files")
    if czip_v1.decompress(file, model(model_name)) != text:
        differences.append("text of the Rust program's file")
    if rust.output(["decompress", "-m", path, "-i", "-", "-o", "-"], ours) != text:
        differences.append("text of our file")
    return differences


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def main(length: int) -> int:
    found = 0
    for number, (name, text) in enumerate(texts(length)):
        # Models take turns.
        model_name = list(MODEL_FILES)[number % len(MODEL_FILES)]
        differences = [
            f"level {level}: {difference}"
            for level in LEVELS
            for difference in compare_v2(text, level, model_name)
        ]
        if is_utf8(text):
            differences += [
                f"CZIPv1, level {level}: {difference}"
                for level in (None, *czip_v1.LEVELS)
                for difference in compare_v1(text, level, model_name, Codec(number % 2))
            ]
        found += len(differences)
        print(
            f"{number + 1}. {name}, {len(text)} bytes, {model_name}: {differences or 'the same'}", flush=True
        )
    print(f"{found} differences")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
