"""The program, by ``python -m czip``."""

import subprocess
import sys

import czip


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "czip", *arguments], check=False, capture_output=True, **options
    )


def test_version():
    ended = run("--version")
    assert (ended.returncode, ended.stdout) == (0, f"czip {czip.__version__}\n".encode())


def test_round_trip(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"Integers are the same everywhere.")
    assert run("compress", str(path)).returncode == 0
    compressed = tmp_path / "text.txt.czip"
    assert compressed.read_bytes() == czip.compress(path.read_bytes())
    path.unlink()
    assert run("decompress", str(compressed)).returncode == 0
    assert path.read_bytes() == b"Integers are the same everywhere."


def test_standard_streams():
    packed = run("compress", "-", input=b"no line end")
    assert packed.stdout == czip.compress(b"no line end")
    assert run("decompress", "-", input=packed.stdout).stdout == b"no line end"


def test_exit_codes(tmp_path):
    assert run("compress", str(tmp_path / "missing")).returncode == 1
    assert run("--no-such-flag").returncode == 2
    text = tmp_path / "text.czip"
    text.write_bytes(b"hello")
    assert run("decompress", str(text)).returncode == 4
