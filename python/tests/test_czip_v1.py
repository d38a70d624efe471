"""CZIPv1: the golden files, the examples of the page, what must be refused, and round trips."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import VECTORS, shared, vector
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_zip import czip_v1
from compress_zip.container import outer, v1
from compress_zip.container.outer import Codec
from compress_zip.errors import CzipError, FormatError, LimitError, WrongModelError
from compress_zip.model import Model

FILES = vector("files.json")
ERRORS = vector("errors.json")["files"]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.open(VECTORS / "model.czm")


def text_of(name: str) -> bytes:
    return (VECTORS / "texts" / f"{name}.txt").read_bytes()


@pytest.mark.parametrize("facts", FILES["files"], ids=lambda facts: str(facts["file"]))
def test_golden_files_are_written(facts: dict[str, Any], model: Model) -> None:
    field = facts["context_field"] or 6
    # The fields below 6 are those of no level: they need the chunks made by hand.
    tokens = model.tokenizer.encode(text_of(facts["text"]))
    chunks = [tokens[at : at + (1 << field)] for at in range(0, len(tokens), 1 << field)]
    assert len(tokens) == facts["tokens"]
    assert [czip_v1.encode_chunk(model, chunk).hex() for chunk in chunks] == facts["chunks"]

    golden = v1.File.from_bytes((VECTORS / facts["file"]).read_bytes())
    assert golden.inner.hex() == facts["inner_header"] + "".join(facts["chunks"])
    assert golden.to_bytes()[:16].hex() == facts["header"]
    assert golden.model_id == v1.model_id(FILES["model_path"])
    if facts["context_field"] >= 6 and facts["flags"] == 0:
        file = czip_v1.compress(
            text_of(facts["text"]),
            model,
            model_path=FILES["model_path"],
            level=field - 5,
            codec=Codec[facts["codec"].upper()],
        )
        assert v1.File.from_bytes(file) == golden


@pytest.mark.parametrize("facts", FILES["files"], ids=lambda facts: str(facts["file"]))
def test_golden_files_are_read(facts: dict[str, Any], model: Model) -> None:
    assert czip_v1.decompress((VECTORS / facts["file"]).read_bytes(), model) == text_of(facts["text"])


@pytest.mark.parametrize("facts", ERRORS, ids=lambda facts: str(facts["file"]))
def test_broken_files_are_refused(facts: dict[str, Any], model: Model) -> None:
    data = (VECTORS / facts["file"]).read_bytes()
    with pytest.raises(WrongModelError if facts["needs_model"] else FormatError):
        czip_v1.decompress(data, model)
    if facts["needs_model"]:
        v1.File.from_bytes(data)


EXAMPLE_INNER = "7ff11b27 02000000 0200 00 02 01000100 2c 50"
EXAMPLES = {
    Codec.ZSTD: "435a49507631 00 00 06000000 10000000 28b52ffd0000 910000" + EXAMPLE_INNER,
    Codec.BROTLI: "435a49507631 00 01 06000000 10000000 8b0880" + EXAMPLE_INNER + "03",
}


@pytest.mark.parametrize("codec", EXAMPLES)
def test_the_example_is_read_and_written(codec: Codec) -> None:
    # czip-v1.md, section 11.
    file = v1.File(codec, 6, 2, 2, [b"\x2c", b"\x50"], v1.model_id("models/v001_eng.czm"))
    assert file.inner == bytes.fromhex(EXAMPLE_INNER)
    assert v1.File.from_bytes(bytes.fromhex(EXAMPLES[codec])) == file
    assert v1.File.from_bytes(file.to_bytes()) == file
    assert file.token_count == 6


@pytest.mark.parametrize(("window_log", "accepted"), [(27, True), (28, False)])
def test_windows_of_zstd_have_a_limit(window_log: int, *, accepted: bool) -> None:
    inner = bytes.fromhex("00000000 00000000 4000 00 06")
    block = (len(inner) << 3 | 1).to_bytes(3, "little") + inner
    stream = bytes.fromhex("28b52ffd 00") + bytes([(window_log - 10) << 3]) + block
    if accepted:
        assert outer.decompress(stream, Codec.ZSTD, len(inner)) == inner
    else:
        with pytest.raises(FormatError):
            outer.decompress(stream, Codec.ZSTD, len(inner))


@pytest.mark.parametrize("codec", Codec)
def test_streams_that_hold_too_much_are_refused(codec: Codec) -> None:
    stream = outer.compress(bytes(1 << 20), codec)
    assert outer.decompress(stream, codec, 1 << 20) == bytes(1 << 20)
    with pytest.raises(FormatError):
        outer.decompress(stream, codec, (1 << 20) - 1)


def test_texts_must_be_utf_8(model: Model) -> None:
    with pytest.raises(CzipError, match="byte 2"):
        czip_v1.compress(b"ab\xff", model)


def test_chunks_may_be_too_long_for_the_format() -> None:
    with pytest.raises(LimitError):
        v1.File(Codec.ZSTD, 1, 15, 1, [bytes(65536)]).to_bytes()


def test_another_tokenizer_is_refused(model: Model) -> None:
    file = v1.File(Codec.ZSTD, 0, 6, 64, [], tokenizer_id=1)
    with pytest.raises(WrongModelError):
        czip_v1.decompress(file.to_bytes(), model)


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=80), st.sampled_from([None, 1, 2]), st.sampled_from(Codec))
def test_texts_come_back(text: str, level: int | None, codec: Codec) -> None:
    model = Model.open(VECTORS / "model.czm")
    file = czip_v1.compress(text.encode(), model, level=level, codec=codec)
    assert czip_v1.decompress(file, model) == text.encode()


@cache
def shared_model(path: Path) -> Model:
    return Model.open(path)


# Longer inputs take the better part of an hour, and are only tried if CZIP_TEST_ALL is set.
SHORT = 300


@pytest.mark.parametrize(
    "model_name", ["v000_eng", "v001_eng", "synth_2x4", "synth_3x8_sink", "synth_peaked"]
)
def test_files_of_the_existing_implementation(model_name: str) -> None:
    folder = shared("conformance")
    tried = 0
    for path in sorted((folder / "expected").glob(f"*.{model_name}.*.czip")):
        text_name, _, level, codec = path.stem.rsplit(".", 3)
        text = (folder / "inputs" / text_name).read_bytes()
        if len(text) > SHORT and not os.environ.get("CZIP_TEST_ALL"):
            continue
        model = shared_model(folder / "models" / f"{model_name}.czm")
        theirs = v1.File.from_bytes(path.read_bytes())
        file = czip_v1.compress(
            text,
            model,
            model_path=f"models/{model_name}.czm",
            level=None if level == "d" else int(level),
            codec=Codec[codec.upper()],
        )
        ours = v1.File.from_bytes(file)
        if theirs.context_field == 0:
            # As early encoders wrote it.
            ours = replace(ours, context_field=0)
        assert ours == theirs, path.name
        if len(text) <= SHORT:
            assert czip_v1.decompress(path.read_bytes(), model) == text, path.name
        tried += 1
    assert tried >= 10
