"""The Rust program as a black box: another implementation to compare with, where it is at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import REPOSITORY


def program() -> Path:
    """The program: CZIP_RUST, a build in this repository, or `czip` in PATH.

    The test is skipped where there is none, unless CZIP_REQUIRE_RUST is set.
    """
    named = os.environ.get("CZIP_RUST")
    built = REPOSITORY / "target" / "release" / "czip"
    if named:
        return Path(named)
    if built.exists():
        return built
    found = shutil.which("czip")
    if found:
        return Path(found)
    reason = "THE RUST PROGRAM IS NOT AT HAND, so nothing was compared: set CZIP_RUST to its path"
    if os.environ.get("CZIP_REQUIRE_RUST"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(arguments: Sequence[str | Path], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the program, quietly, and return how it ended."""
    environment = {key: value for key, value in os.environ.items() if key != "CZIP_MODEL"}
    command = [program(), *arguments, "-q"]
    return subprocess.run(command, input=data, capture_output=True, check=False, env=environment)


def output(arguments: Sequence[str | Path], data: bytes = b"") -> bytes:
    """The standard output of the program, which must succeed."""
    done = run(arguments, data)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
