"""Both implementations on the same texts: a part of what cross.py does."""

from __future__ import annotations

import cross
import pytest
import rust
from conftest import shared

from compress_zip import czip_v1, czip_v2
from compress_zip.container import v2
from compress_zip.container.outer import Codec
from compress_zip.mix.variants import LEVELS, Mode

TEXTS = list(cross.texts(250))


@pytest.fixture(autouse=True)
def _needs_the_rust_program() -> None:
    rust.program()


def test_there_are_enough_texts() -> None:
    assert len(TEXTS) >= 50


@pytest.mark.parametrize("number", range(len(TEXTS)), ids=[name for name, _ in TEXTS])
def test_czip_v2_is_the_same(number: int) -> None:
    # Levels and models take turns, so that each level sees some texts with each model.
    level = list(LEVELS)[number % len(LEVELS)]
    model = list(cross.MODEL_FILES)[number // 2 % len(cross.MODEL_FILES)]
    assert cross.compare_v2(TEXTS[number][1], level, model) == []


@pytest.mark.parametrize("level", [1, 3, 5, 9])
def test_copies_are_the_same(level: int) -> None:
    # Both halves are a segment of their own. The first repeats itself at once, the second with a gap.
    rest = b"One line that comes again, and then another line.\n"
    text = rest * 120 + rest * 85 + b"A gap. " + rest[:-7] * 40 + rest * 90
    assert cross.compare_v2(text, level, "standard") == []
    path = cross.MODEL_FILES["standard"]
    file = rust.output(["compress", "-m", path, "-L", str(level), "-i", "-", "-o", "-"], text)
    (member,) = v2.read_members(file)
    assert all(segment.has_copies for segment in member.segments)


@pytest.mark.parametrize("number", range(len(TEXTS)), ids=[name for name, _ in TEXTS])
def test_czip_v1_is_the_same(number: int) -> None:
    text = TEXTS[number][1]
    if not cross.is_utf8(text):
        text = text.decode("utf-8", "replace").encode()
    level = [None, *czip_v1.LEVELS][number % 6]
    model = list(cross.MODEL_FILES)[number // 2 % len(cross.MODEL_FILES)]
    assert cross.compare_v1(text, level, model, Codec(number // 3 % 2)) == []


@pytest.mark.parametrize("level", [4, 5])
def test_windows_of_version_1_are_the_same(level: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The golden model has a context of 128, which is less than any window.
    folder = shared("conformance")
    monkeypatch.setitem(cross.MODEL_FILES, "v001", folder / "models" / "v001_eng.czm")
    text = (folder / "inputs" / "python.txt").read_bytes()[:3000]
    model = cross.model("v001")
    assert len(model.tokenizer.encode(text)) > 768
    file = czip_v2.compress(text, model, level=level, mode=Mode.NET)
    path = cross.MODEL_FILES["v001"]
    assert rust.output(["compress", "-m", path, "-L", str(level), "-i", "-", "-o", "-"], text) == file
