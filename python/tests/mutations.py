"""Small files, changed at random: both implementations must refuse them, or restore the same text.

``python tests/mutations.py [COUNT [SEED]]`` makes COUNT changed files (10,000 if not given), restores them
with both and prints what they do not agree on. It takes some minutes; the tests try a few hundred.

Files are of both formats, all modes, with and without model, index, copies and several members. A change
flips a bit, sets, removes or inserts a byte, swaps two, cuts the file, repeats a part of it, or puts a part
of another file into it; one to three of these are made. Nothing is repaired afterwards, except that in half
of the files of czip v2 the checksums of segments are made right again, so that faults behind them are
reached. Files that declare a text of more than 2,000 bytes are left out: both would have to decode all of it
to find that the checksum is wrong.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import rust
from conftest import VECTORS

from compress_zip import api, czip_v1, czip_v2
from compress_zip.container import copies, v1, v2
from compress_zip.container.copies import Passage
from compress_zip.container.outer import Codec
from compress_zip.errors import CzipError
from compress_zip.mix.variants import LEVELS, Mode
from compress_zip.model import Model

TEXT_LEN_MAX = 2000
# Files that the Rust program is given at a time.
BATCH = 500
MODEL_FILE = VECTORS / "model2.czm"


@cache
def model() -> Model:
    return api.open_model(MODEL_FILE)


@cache
def decoder() -> czip_v2.SegmentDecoder:
    return czip_v2.SegmentDecoder([model()])


@cache
def originals() -> list[bytes]:
    """The files that are changed."""
    text = b"A text to be changed, not long."
    stored = czip_v2.compress(text, mode=Mode.STORED)
    files = [
        czip_v2.compress(b""),
        czip_v2.compress(b"x"),
        stored,
        czip_v2.compress(text, model(), mode=Mode.STORED, segment_len=12),
        czip_v2.compress(text, model(), mode=Mode.STORED, segment_len=12, index=False),
        czip_v2.compress(b"ab" * 20, mode=Mode.BYTES, segment_len=20),
        czip_v2.compress(b"ab" * 20, model(), mode=Mode.TOKENS, segment_len=20, index=False) + stored,
        czip_v2.compress(b"a" * 40, model(), mode=Mode.NET) + czip_v2.compress(b"a" * 40, mode=Mode.BYTES),
    ]
    files += [
        czip_v2.compress(text, model(), level=level, mode=mode)
        for level in (1, 3, 4, 5, 9)
        for mode in (Mode.BYTES, Mode.TOKENS, Mode.NET)
        if mode is not Mode.NET or LEVELS[level].window
    ]
    # Short passages, which an encoder would not copy.
    passages = [Passage(12, 30, 7), Passage(5, 9, 40)]
    repeats = copies.restored(text, passages)
    files += [
        czip_v2.compress(repeats, model(), level=level, mode=mode, find_copies=lambda _: passages)
        for level, mode in ((5, Mode.STORED), (1, Mode.BYTES), (2, Mode.TOKENS), (4, Mode.NET))
    ]
    files.append(
        czip_v2.compress(
            b"ab" * 40, segment_len=40, mode=Mode.STORED, find_copies=lambda _: [Passage(2, 37, 2)]
        )
    )
    files += [
        czip_v1.compress(text, model(), level=level, codec=codec)
        for text in (b"", b"x", text * 2)
        for level in (1, 2)
        for codec in Codec
    ]
    return files


def changed(file: bytes, chance: random.Random) -> bytes:
    """A file with one to three changes."""
    data = bytearray(file)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at = chance.randrange(len(data)) if data else 0
        kind = chance.randrange(8)
        if kind <= 1 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 2 and data:
            data[at] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
        elif kind == 3 and data:
            del data[at]
        elif kind == 4:
            data.insert(at, chance.randrange(256))
        elif kind == 5 and data:
            other = chance.randrange(len(data))
            data[at], data[other] = data[other], data[at]
        elif kind == 6:
            del data[at:]
        else:
            source = chance.choice([bytes(data), chance.choice(originals())])
            start = chance.randrange(len(source) + 1)
            data[at:at] = source[start : start + chance.randrange(40)]
    return bytes(data)


def with_right_checksums(file: bytes) -> bytes:
    """A file of czip v2 whose segments have the checksums of the texts that they decode to, if they do."""
    try:
        members = v2.read_members(file)
    except CzipError:
        return file
    data = bytearray(file)
    for member in members:
        for place, segment in enumerate(member.segments):
            try:
                text = decoder().decode(member.header, segment)
            except CzipError:
                return bytes(data)
            checksum = segment.checksum(member.header, place, text)
            data[segment.end - len(checksum) : segment.end] = checksum
    return bytes(data)


def changed_files(count: int, seed: int) -> Iterator[bytes]:
    """So many changed files, always the same for a seed."""
    chance = random.Random(seed)
    made = 0
    while made < count:
        file = changed(chance.choice(originals()), chance)
        if declared_len(file) > TEXT_LEN_MAX:
            continue
        if chance.randrange(2):
            file = with_right_checksums(file)
        made += 1
        yield file


def declared_len(file: bytes) -> int:
    """The length of the text that a file declares; 0 if it is refused without decoding."""
    try:
        if file.startswith(v1.MAGIC):
            # Here it is the tokens that take time.
            return v1.File.from_bytes(file).token_count
        return api.text_len(file)
    except CzipError:
        return 0


def ours(file: bytes) -> bytes | None:
    """The text of a file, or None if it is refused."""
    try:
        return api.decompress(file, [model()])
    except CzipError:
        return None


def theirs(files: list[bytes]) -> list[bytes | None]:
    """The texts that the Rust program restores, and None where it refuses a file."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i:06}.czip" for i in range(len(files))]
        for path, file in zip(paths, files):
            path.write_bytes(file)
        command: list[str | Path] = [rust.program(), "decompress", "-q", "-m", MODEL_FILE, *paths]
        subprocess.run(command, capture_output=True, check=False)
        outputs = [path.with_suffix("") for path in paths]
        return [output.read_bytes() if output.exists() else None for output in outputs]


def disagreements(files: list[bytes]) -> list[tuple[bytes, bytes | None, bytes | None]]:
    """The files that are not treated alike, with our text and theirs."""
    found = []
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        for file, their_text in zip(batch, theirs(batch)):
            our_text = ours(file)
            if our_text != their_text:
                found.append((file, our_text, their_text))
    return found


def main(count: int, seed: int) -> int:
    done = accepted = found = 0
    files = changed_files(count, seed)
    while done < count:
        batch = list(islice(files, BATCH))
        accepted += sum(ours(file) is not None for file in batch)
        for file, our_text, their_text in disagreements(batch):
            found += 1
            print(f"{file.hex()}: ours {our_text!r}, theirs {their_text!r}", flush=True)
        done += len(batch)
        print(f"{done} files, {accepted} accepted, {found} disagreements", flush=True)
    return int(found > 0)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*(numbers + [10_000, 0][len(numbers) :])))
