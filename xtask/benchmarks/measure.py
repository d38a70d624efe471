"""Runs programs on files: their processor time, wall time and peak memory, and whether the texts come back.

What was measured is kept in a JSON file, so a second run measures only what has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codecs_compared import Codec
    from texts import TextSet

# GNU time, which starts programs from a process of its own. Linux counts the memory of a program's parent as the program's
# own peak, until it has more; this parent is small.
TIME = "/usr/bin/time"

# Measurements that take less processor time than this are made three times, and the best of each figure counts.
SHORT_S = 2.0
ROUNDS = 3


class Failed(Exception):
    """A program failed, or gave back another text."""


@dataclass
class Cost:
    """What one direction took: seconds, and KiB."""

    processor_s: float = 0.0
    wall_s: float = 0.0
    peak_kib: int = 0

    def add(self, other: Cost) -> None:
        """Adds a run that came after this one."""
        self.processor_s += other.processor_s
        self.wall_s += other.wall_s
        self.peak_kib = max(self.peak_kib, other.peak_kib)

    def best(self, other: Cost) -> Cost:
        return Cost(
            min(self.processor_s, other.processor_s),
            min(self.wall_s, other.wall_s),
            min(self.peak_kib, other.peak_kib),
        )


@dataclass
class Measurement:
    """Of one codec and all texts of a set."""

    text_bytes: list[int]
    packed_bytes: list[int]
    encode: Cost
    decode: Cost
    rounds: int

    @property
    def text(self) -> int:
        return sum(self.text_bytes)

    @property
    def packed(self) -> int:
        return sum(self.packed_bytes)

    @property
    def ratio(self) -> float:
        return self.text / self.packed

    @property
    def bits_per_byte(self) -> float:
        return 8 * self.packed / self.text

    @property
    def peak_mb(self) -> float:
        return max(self.encode.peak_kib, self.decode.peak_kib) * 1024 / 1e6

    def is_short(self) -> bool:
        return self.encode.processor_s + self.decode.processor_s < SHORT_S


def run(command: Sequence[str], folder: Path) -> Cost:
    """Runs one program to its end."""
    with tempfile.NamedTemporaryFile("r") as report, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [TIME, "-f", "%M", "-o", report.name, *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            said = errors.read()[-2000:].decode(errors="replace")
            raise Failed(f"{' '.join(command)}: exit code {process.returncode}: {said}")
        return Cost(usage.ru_utime + usage.ru_stime, wall, int(report.read().split()[-1]))


def both_ways(codec: Codec, texts: Sequence[bytes]) -> Measurement:
    """Compresses the texts, one file each, restores them, and compares."""
    names = [f"{number:03}.txt" for number in range(len(texts))]
    packed_names = [name + codec.suffix for name in names]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        there, back = Path(folder, "there"), Path(folder, "back")
        there.mkdir()
        back.mkdir()
        for name, text in zip(names, texts):
            (there / name).write_bytes(text)
        encode, decode = Cost(), Cost()
        for command in codec.encode_commands(names):
            encode.add(run(command, there))
        for name in packed_names:
            shutil.move(there / name, back / name)
        packed_bytes = [(back / name).stat().st_size for name in packed_names]
        for command in codec.decode_commands(names):
            decode.add(run(command, back))
        for name, text in zip(names, texts):
            if (back / name).read_bytes() != text:
                raise Failed(f"{codec.name} does not give back text {name}")
    return Measurement([len(text) for text in texts], packed_bytes, encode, decode, 1)


class Results:
    """All measurements, by what was measured."""

    def __init__(self, path: Path, machine: str, rounds: int = ROUNDS) -> None:
        self.path = path
        self.machine = machine
        self.rounds = rounds
        self.made = 0
        self.known: dict[str, dict] = json.loads(path.read_text()) if path.exists() else {}

    def key(self, codec: Codec, texts: TextSet) -> str:
        # Where the program and its files lie does not matter; what is in them is part of the identity.
        words = [word.rsplit("/", 1)[-1] for word in (*codec.encode, *codec.decode)]
        what = [self.machine, codec.identity, words, texts.digest]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def get(self, codec: Codec, texts: TextSet) -> Measurement | None:
        found = self.known.get(self.key(codec, texts))
        if found is None:
            return None
        return Measurement(
            found["text_bytes"],
            found["packed_bytes"],
            Cost(**found["encode"]),
            Cost(**found["decode"]),
            found["rounds"],
        )

    def put(self, codec: Codec, texts: TextSet, measurement: Measurement) -> None:
        label = {"codec": codec.name, "texts": texts.name}
        self.known[self.key(codec, texts)] = {**label, **asdict(measurement)}
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.known, indent=1))
        new.replace(self.path)

    def is_done(self, codec: Codec, texts: TextSet) -> bool:
        found = self.get(codec, texts)
        return found is not None and (found.rounds >= self.rounds or not found.is_short())

    def measure(self, texts: TextSet, codecs: Sequence[Codec]) -> None:
        """Measures what is not known yet. In each round, all codecs that are not done take their turn."""
        while turns := [codec for codec in codecs if not self.is_done(codec, texts)]:
            for codec in turns:
                before = self.get(codec, texts)
                found = both_ways(codec, texts.texts)
                if before is not None:
                    if before.packed_bytes != found.packed_bytes:
                        raise Failed(f"{codec.name} makes files of other sizes in the next round")
                    found.encode = found.encode.best(before.encode)
                    found.decode = found.decode.best(before.decode)
                    found.rounds = before.rounds + 1
                self.made += 1
                self.put(codec, texts, found)
                print(f"{texts.name}: {codec.name}, round {found.rounds}: {found.packed} bytes", flush=True)
