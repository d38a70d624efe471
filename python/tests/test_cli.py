"""The command line: names, streams, what is never overwritten, and exit codes, those of the Rust program."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import rust
from conftest import MODELS, REPOSITORY, VECTORS

from compress_zip import api, cli
from compress_zip.container import v1

TEXT = b"A short text, to be compressed. A short text, to be restored.\n"
TINY = str(VECTORS / "model2.czm")
OTHER = str(VECTORS / "model.czm")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one, with a text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CZIP_MODEL", raising=False)
    (tmp_path / "a.txt").write_bytes(TEXT)
    return tmp_path


def run(*arguments: str) -> int:
    return cli.main(arguments)


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    "options",
    [
        ["-m", TINY],
        ["-m", "none"],
        ["-m", TINY, "-L", "1"],
        ["-m", TINY, "-L", "9", "--segment", "1K", "--no-index"],
        ["-m", TINY, "-c", "zstd"],
        ["-m", TINY, "--format", "v1", "-L", "2"],
    ],
)
def test_files_come_back(options: list[str], folder: Path) -> None:
    assert run("compress", *options, "a.txt") == 0
    assert names(folder) == {"a.txt", "a.txt.czip"}
    (folder / "a.txt").unlink()
    assert run("decompress", "-m", TINY, "a.txt.czip") == 0
    assert (folder / "a.txt").read_bytes() == TEXT


def test_inputs_and_outputs_have_options(folder: Path) -> None:
    assert run("compress", "-m", TINY, "-i", "a.txt", "-o", "b") == 0
    assert run("decompress", "-m", TINY, "-i", "b", "-o", "c") == 0
    assert (folder / "c").read_bytes() == TEXT


def test_model_ids_of_v1_are_those_of_the_path(folder: Path) -> None:
    assert run("compress", "-m", TINY, "-c", "zstd", "a.txt") == 0
    file = v1.File.from_bytes((folder / "a.txt.czip").read_bytes())
    assert file.model_id == v1.model_id(TINY)


def test_standard_streams(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stdin(monkeypatch, TEXT)
    assert run("compress", "-m", TINY, "-") == 0
    file = capfdbinary.readouterr().out
    stdin(monkeypatch, file)
    assert run("decompress", "-m", TINY, "-i", "-", "-o", "-") == 0
    assert capfdbinary.readouterr().out == TEXT
    assert names(folder) == {"a.txt"}


def test_existing_files_are_only_replaced_with_force(folder: Path) -> None:
    (folder / "a.txt.czip").write_bytes(b"precious")
    assert run("compress", "-m", "none", "a.txt") == 1
    assert (folder / "a.txt.czip").read_bytes() == b"precious"
    assert run("compress", "-m", "none", "-f", "a.txt") == 0
    assert run("decompress", "a.txt.czip") == 1
    assert run("decompress", "a.txt.czip", "-f") == 0
    assert (folder / "a.txt").read_bytes() == TEXT


def test_inputs_are_never_overwritten(folder: Path) -> None:
    (folder / "link").symlink_to("a.txt")
    for output in ("a.txt", "link", "./a.txt"):
        assert run("compress", "-m", "none", "-f", "a.txt", "-o", output) == 2
    assert (folder / "a.txt").read_bytes() == TEXT


def test_outputs_have_the_permissions_of_inputs(folder: Path) -> None:
    (folder / "a.txt").chmod(0o600)
    assert run("compress", "-m", "none", "a.txt") == 0
    assert stat.S_IMODE((folder / "a.txt.czip").stat().st_mode) == 0o600


def test_nothing_is_left_after_an_error(folder: Path) -> None:
    assert run("compress", "-m", "none", "a.txt") == 0
    file = bytearray((folder / "a.txt.czip").read_bytes())
    file[-1] ^= 1
    (folder / "b.czip").write_bytes(file)
    assert run("decompress", "b.czip") == 4
    assert names(folder) == {"a.txt", "a.txt.czip", "b.czip"}


def test_a_full_disk_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    assert run("compress", "-m", "none", "a.txt") == 1
    assert names(folder) == {"a.txt"}


def test_other_inputs_are_processed_after_an_error(folder: Path) -> None:
    (folder / "c.txt").write_bytes(TEXT)
    assert run("compress", "-m", "none", "a.txt", "missing", "c.txt") == 1
    assert {"a.txt.czip", "c.txt.czip"} <= names(folder)


def test_models_are_found_in_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CZIP_MODEL", TINY)
    assert run("compress", "a.txt") == 0
    assert run("compress", "-c", "zstd", "a.txt", "-o", "v1.czip") == 0
    monkeypatch.setenv("CZIP_MODEL", os.pathsep.join([OTHER, str(VECTORS)]))
    assert run("decompress", "a.txt.czip", "-f") == 0
    # Such a file does not say which of them it needs.
    assert run("decompress", "v1.czip", "-o", "b") == 2
    monkeypatch.setenv("CZIP_MODEL", OTHER)
    assert run("decompress", "v1.czip", "-o", "b") == 3


@pytest.mark.parametrize(
    ("options", "name"), [([], "standard"), (["-L", "3"], "standard"), (["-L", "4"], "fast")]
)
def test_english_models_are_the_default(options: list[str], name: str, folder: Path) -> None:
    assert run("compress", *options, "a.txt") == 0
    assert run("compress", *options, "-m", name, "a.txt", "-o", "named") == 0
    assert run("compress", *options, "-m", str(MODELS / f"{name}.czm"), "a.txt", "-o", "path") == 0
    file = (folder / "a.txt.czip").read_bytes()
    assert file == (folder / "named").read_bytes() == (folder / "path").read_bytes()
    assert file[4:8] == api.model_id((MODELS / f"{name}.czm").read_bytes())
    assert run("decompress", "a.txt.czip", "-o", "b") == 0
    assert (folder / "b").read_bytes() == TEXT
    assert run("decompress", "-m", "none", "a.txt.czip", "-o", "c") == 3


def test_another_tokenizer(folder: Path) -> None:
    tokenizer = str(VECTORS / "tokenizer.json")
    standard = str(MODELS / "standard.czm")
    (folder / "a.txt").write_bytes(TEXT * 5)
    assert run("compress", "-m", standard, "-t", tokenizer, "-L", "4", "a.txt") == 0
    assert run("decompress", "-m", standard, "a.txt.czip", "-o", "b") == 4
    assert run("decompress", "-m", standard, "-t", tokenizer, "a.txt.czip", "-o", "b") == 0
    assert (folder / "b").read_bytes() == TEXT * 5


def test_info(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compress", "-q", "-m", TINY, "-L", "7", "a.txt") == 0
    assert run("compress", "-q", "-m", TINY, "-c", "brotli", "a.txt", "-o", "v1") == 0
    assert run("info", "--json", "-m", TINY, "a.txt.czip", "v1", TINY) == 0
    v2_info, v1_info, model_info = map(json.loads, capsys.readouterr().out.splitlines())
    assert (v2_info["format"], v2_info["levels"], v2_info["text_len"]) == ("czip v2", [7], len(TEXT))
    assert v2_info["model_matches"]
    assert (v1_info["format"], v1_info["codec"], v1_info["text_len"]) == ("CZIPv1", "brotli", len(TEXT))
    assert (model_info["format"], model_info["model_id"]) == ("czip-model-v2", "23ed6b68")
    assert run("info", "a.txt") == 4
    assert run("info", "a.txt.czip") == 0
    assert "text len" in capsys.readouterr().out


def test_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compress", "-q", "-m", "none", "a.txt") == 0
    assert run("verify", "--json", "-m", TINY, "-L", "4", "a.txt", "a.txt.czip") == 0
    made, restored = map(json.loads, capsys.readouterr().out.splitlines())
    assert made["comes_back"]
    assert made["text_len"] == restored["text_len"] == len(TEXT)
    assert names(folder) == {"a.txt", "a.txt.czip"}


def test_limits_of_output(folder: Path) -> None:
    assert run("compress", "-m", "none", "a.txt") == 0
    assert run("decompress", "--max-output", str(len(TEXT) - 1), "a.txt.czip", "-o", "b") == 1
    assert run("decompress", "--max-output", "1K", "a.txt.czip", "-o", "b") == 0


# Exit codes: of ours here, and of the Rust program below.
COMMANDS = [
    (0, ["--help"]),
    (0, ["compress", "--help"]),
    (2, []),
    (2, ["compres", "a.txt"]),
    (2, ["compress"]),
    (2, ["compress", "--nonsense", "a.txt"]),
    (0, ["compress", "-L", "4", "a.txt"]),
    (0, ["compress", "-m", "fast", "a.txt"]),
    (2, ["compress", "-m", "none", "-L", "0", "a.txt"]),
    (2, ["compress", "-m", "none", "-L", "10", "a.txt"]),
    (2, ["compress", "-m", TINY, "-c", "zstd", "-L", "6", "a.txt"]),
    (2, ["compress", "-m", TINY, "-c", "gzip", "a.txt"]),
    (2, ["compress", "-m", TINY, "--format", "v3", "a.txt"]),
    (2, ["compress", "-m", TINY, "--format", "v2", "-c", "zstd", "a.txt"]),
    (2, ["compress", "-m", TINY, "--format", "v1", "--segment", "64K", "a.txt"]),
    (2, ["compress", "-m", "none", "--segment", "100", "a.txt"]),
    (2, ["compress", "-m", "none", "--segment", "x", "a.txt"]),
    (2, ["compress", "-c", "zstd", "a.txt"]),
    (2, ["compress", "-m", "none", "-c", "zstd", "a.txt"]),
    (2, ["compress", "-m", "none", "a.txt", "b.bin", "-o", "out"]),
    (2, ["compress", "-m", "none", "-i", "a.txt", "b.bin"]),
    (2, ["compress", "-m", "none", "-f", "a.txt", "-o", "a.txt"]),
    (2, ["decompress", "-m", TINY, "a.txt"]),
    (2, ["decompress", "v1.czip", "-o", "out"]),
    (1, ["compress", "-m", "none", "missing"]),
    (1, ["compress", "-m", "missing", "a.txt"]),
    (1, ["compress", "-m", "none", "a.txt", "-o", "v2.czip"]),
    (1, ["compress", "-m", "none", "a.txt", "-o", "missing/out"]),
    (1, ["compress", "-m", TINY, "-c", "zstd", "b.bin"]),
    (1, ["compress", "-m", "none", "folder"]),
    (1, ["decompress", "folder", "-o", "out"]),
    (3, ["decompress", "v2.czip", "-m", OTHER, "-o", "out"]),
    (3, ["decompress", "v1.czip", "-m", OTHER, "-o", "out"]),
    (3, ["decompress", "v1.czip", "-m", str(MODELS / "fast.czm"), "-o", "out"]),
    (4, ["decompress", "damaged.czip", "-m", TINY, "-o", "out"]),
    (4, ["decompress", "nothing.czip", "-o", "out"]),
    (4, ["decompress", "text.czip", "-o", "out"]),
    (4, ["decompress", "magic.czip", "-m", TINY, "-o", "out"]),
    (4, ["compress", "-m", "b.bin", "a.txt", "-o", "out"]),
    (4, ["compress", "-m", TINY, "-t", "b.bin", "a.txt", "-o", "out"]),
    (4, ["info", "a.txt"]),
    (1, ["info", "missing"]),
    (0, ["info", "v1.czip", "v2.czip"]),
    (0, ["verify", "-m", TINY, "a.txt", "v2.czip"]),
    (4, ["verify", "-m", TINY, "damaged.czip"]),
    (0, ["decompress", "v2.czip", "-m", OTHER, "-m", TINY, "-o", "out"]),
    (0, ["compress", "-m", TINY, "-L", "5", "--", "a.txt"]),
    (2, ["compress", "-m", TINY, "-m", OTHER, "a.txt"]),
    (2, ["verify", "v1.czip"]),
    (2, ["decompress", "-m", TINY, "-m", OTHER, "v1.czip", "-o", "out"]),
    (0, ["decompress", "-m", str(VECTORS), "v2.czip", "-o", "out"]),
    (3, ["decompress", "-m", "none", "v2.czip", "-o", "out"]),
    (1, ["decompress", "-m", "missing", "v2.czip", "-o", "out"]),
    (1, ["decompress", "-m", "missing", "stored.czip", "-o", "out"]),
    (0, ["decompress", "-m", "none", "stored.czip", "-o", "out"]),
    (0, ["decompress", "stored.czip", "-o", "/dev/stdout"]),
    (0, ["compress", "-m", "none", "a.txt", "-o", os.devnull]),
    (1, ["compress", "-m", "none", "a.txt", "-o", "folder"]),
    (0, ["decompress", "-m", OTHER, "standard.czip", "-o", "out"]),
    (3, ["decompress", "-m", "none", "standard.czip", "-o", "out"]),
]


@pytest.fixture
def files(folder: Path) -> Path:
    """The folder with the files of the commands."""
    (folder / "b.bin").write_bytes(b"\xff\xfe\0")
    (folder / "folder").mkdir()
    # Nets with random weights are never chosen, so that this file comes from elsewhere.
    (folder / "v2.czip").write_bytes((VECTORS / "v2" / "special.5.net.model2.czip").read_bytes())
    assert run("compress", "-q", "-m", TINY, "-c", "zstd", "a.txt", "-o", "v1.czip") == 0
    assert run("compress", "-q", "a.txt", "-o", "standard.czip") == 0
    assert run("compress", "-q", "-m", "none", "b.bin", "-o", "stored.czip") == 0
    damaged = bytearray((folder / "v2.czip").read_bytes())
    damaged[-10] ^= 1
    (folder / "damaged.czip").write_bytes(damaged)
    (folder / "nothing.czip").write_bytes(b"")
    (folder / "text.czip").write_bytes(TEXT)
    (folder / "magic.czip").write_bytes(b"CZIPv1")
    return folder


def test_exit_codes(files: Path) -> None:
    before = names(files)
    for code, arguments in COMMANDS:
        assert (run(*arguments), arguments) == (code, arguments)
        for name in names(files) - before:
            assert code == 0
            (files / name).unlink()


def test_exit_codes_are_those_of_the_rust_program(files: Path) -> None:
    before = names(files)
    for code, arguments in COMMANDS:
        if not arguments:
            # Without a command the program works between pipes; this implementation has commands only.
            continue
        done = subprocess.run([rust.program(), *arguments], capture_output=True, check=False, cwd=files)
        assert (done.returncode, arguments) == (code, arguments), done.stderr.decode()
        for name in names(files) - before:
            (files / name).unlink()


@pytest.mark.parametrize(("at", "model"), [(REPOSITORY, "models"), (REPOSITORY / "python", "../models")])
def test_the_command_of_the_readme(at: Path, model: str, folder: Path) -> None:
    text, file, restored = (str(folder / name) for name in ("a.txt", "out.czip", "back.txt"))
    command = [sys.executable, "-m", "compress_zip"]
    options = ["-m", f"{model}/v000_eng.czm"]
    subprocess.run([*command, "compress", *options, "-i", text, "-o", file], check=True, cwd=at)
    subprocess.run([*command, "decompress", *options, "-i", file, "-o", restored], check=True, cwd=at)
    assert Path(restored).read_bytes() == TEXT
