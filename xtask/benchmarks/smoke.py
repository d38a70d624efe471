#!/usr/bin/env python3
"""Makes the page of benchmarks from tiny texts, in seconds, and checks that it is whole.

    python3 xtask/benchmarks/smoke.py --czip PATH

Exit codes: 0 if all is as it should be, 1 if not.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEXTS = HERE.parent.parent / "crates/vectors/data/texts"

SECTIONS = 12
PICTURES = ("ratio-encode.svg", "ratio-decode.svg", "length.svg")

# A program that compresses by not compressing, and gives back too little.
FORGETFUL = """#!/bin/sh
case "$1" in
--version) echo czip 0.0.0 ;;
compress) for file; do case "$file" in *.txt) cp "$file" "$file.czip" ;; esac; done ;;
decompress) for file; do case "$file" in *.czip) head -c 100 "$file" >"${file%.czip}" ;; esac; done ;;
esac
"""


def check(what: str, holds: bool) -> None:
    if not holds:
        print(f"benchmarks: {what}", file=sys.stderr)
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--czip", type=Path, required=True, help="the program")
    czip = parser.parse_args().czip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wiki = folder / "bench/wiki"
        wiki.mkdir(parents=True)
        # Long enough to be cut.
        (wiki / "long.txt").write_bytes((TEXTS / "prose.txt").read_bytes() * 10)
        (wiki / "short.txt").write_bytes((TEXTS / "unicode.txt").read_bytes())
        text_bytes = sum(path.stat().st_size for path in wiki.iterdir())

        def page(program: Path, cache: str) -> subprocess.CompletedProcess[str]:
            words = ["--dir", folder / "bench", "--cache", folder / cache, "--out", folder / "out", "--czip", program]
            command = [sys.executable, HERE, *words, "--rounds", "1", "--skip-missing"]
            return subprocess.run(command, capture_output=True, text=True, check=False)

        first = page(czip, "cache")
        check(f"no page: {first.stdout}{first.stderr}", first.returncode == 0)
        written = (folder / "out/benchmarks.md").read_text()
        check("sections are missing", len(re.findall(r"^## ", written, re.MULTILINE)) == SECTIONS)
        for row in ("czip -L 1", "czip -L 9", "czip -m none", "gzip -9"):
            check(f"{row} has no row", re.search(rf"^\| {row} \| [\d,]+ \|", written, re.MULTILINE) is not None)
        check("the length of the texts is missing", f"| bytes of text | {text_bytes:,} |" in written)
        pictures = {picture: (folder / "out/benchmarks" / picture).read_bytes() for picture in PICTURES}

        second = page(czip, "cache")
        check(f"something is measured twice: {second.stdout}", second.stdout.startswith("0 measurements made"))
        check("a second page is another", (folder / "out/benchmarks.md").read_text() == written)
        for picture, data in pictures.items():
            check(f"a second {picture} is another", (folder / "out/benchmarks" / picture).read_bytes() == data)

        forgetful = folder / "forgetful"
        forgetful.write_text(FORGETFUL)
        forgetful.chmod(0o755)
        third = page(forgetful, "other")
        check(f"a lost text is not noticed: {third.stdout}", third.returncode == 1)
        check(f"another error: {third.stderr}", "does not give back text 000.txt" in third.stderr)
    print("benchmarks: the page is whole")


if __name__ == "__main__":
    main()
