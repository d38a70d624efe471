"""czip v2: the golden files, the examples of the page, what must be refused, ranges, and round trips."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import xxhash
from conftest import VECTORS, vector
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_zip import api, czip_v2
from compress_zip.container import v2
from compress_zip.container.copies import Passage
from compress_zip.container.v2 import INDEX_END, INDEX_MAGIC, Entry, Header, Index, Member, Segment
from compress_zip.czip_v2 import Reader
from compress_zip.errors import (
    CzipError,
    DamagedError,
    FormatError,
    ModelError,
    UnsupportedError,
    WrongModelError,
)
from compress_zip.mix import shipped
from compress_zip.mix.priors import Priors
from compress_zip.mix.variants import Mode
from compress_zip.model import Model

FILES = vector("v2.json")["files"]
# Texts whose files are quickly decoded; the others only for some levels.
SHORT = ("octets", "special", "runs", "byte", "empty")
LONG = (
    *("v2/prose.5.net.model2.index.czip", "v2/prose.5.net.model3.czip"),
    *("v2/joined.czip", "v2/json.3.tokens.czip", "v2/json.4.net.czip"),
    *("v2/repeats.1.bytes.czip", "v2/repeats.2.tokens.czip", "v2/repeats.5.net.czip"),
)


@cache
def model(name: str) -> Model:
    return Model.open(VECTORS / name)


def models() -> list[Model]:
    return [model("model.czm"), model("model2.czm"), model("model3.czm")]


def text_of(name: str) -> bytes:
    return (VECTORS / "texts" / f"{name}.txt").read_bytes()


def golden(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


def written(member: dict[str, Any]) -> bytes:
    """A member, made with the choices that it was made with."""
    return czip_v2.compress(
        text_of(member["text"]),
        model(member["model"]),
        level=member["level"],
        segment_len=member["segment_len"],
        index=member["index"],
        mode=Mode[member["mode"].upper()],
        find_copies=lambda _: [Passage(*numbers) for numbers in member.get("copies", [])],
    )


@pytest.mark.parametrize("facts", FILES, ids=lambda facts: str(facts["file"]))
def test_golden_files_are_written(facts: dict[str, Any]) -> None:
    file = b"".join(map(written, facts["members"]))
    assert file == golden(facts["file"])
    segments = [
        [segment.mode.name.lower(), len(segment.payload), segment.text_len]
        for member in v2.read_members(file)
        for segment in member.segments
    ]
    assert segments == [segment for member in facts["members"] for segment in member["segments"]]


@pytest.mark.parametrize(
    "facts",
    [facts for facts in FILES if facts["file"] in LONG or facts["members"][0]["text"] in SHORT],
    ids=lambda facts: str(facts["file"]),
)
def test_golden_files_are_read(facts: dict[str, Any]) -> None:
    text = b"".join(text_of(member["text"]) for member in facts["members"])
    assert czip_v2.decompress(golden(facts["file"]), models()) == text


# The examples of section 12.
EMPTY = bytes.fromhex("fa637a45 0400 5477bbaf")
STORED = bytes.fromhex("fa637a45 6c0d 48656c6c6f2c20776f726c640a 3aa443ff")
TWO_SEGMENTS = bytes.fromhex(
    "fa637a59 1234abcd 3807 48656c6c6f2c20 04b9226e 3406 776f726c640a cb82d45b"
    "fa6369 59 05 02 0d07 0c06 1418ccf5 16000000 7a6963fa"
)
LONG_TEXT = bytes.fromhex("fa637a41 05808004 37be6bbdcad9fb73")


def test_examples_are_read() -> None:
    assert czip_v2.decompress(EMPTY) == b""
    assert czip_v2.decompress(STORED) == b"Hello, world\n"
    assert czip_v2.decompress(TWO_SEGMENTS) == b"Hello, world\n"
    (member,) = v2.read_members(LONG_TEXT)
    member.segments[0].verify(member.header, 0, b"a" * 65536)


def test_examples_are_written() -> None:
    assert czip_v2.compress(b"") == EMPTY
    assert czip_v2.compress(b"Hello, world\n", mode=Mode.STORED) == STORED
    header = Header(9, bytes.fromhex("1234abcd"))
    parts = [
        Segment(Mode.STORED, is_last=False, text_len=7, payload=b"Hello, "),
        Segment(Mode.STORED, is_last=True, text_len=6, payload=b"world\n"),
    ]
    file = header.to_bytes()
    for i, part in enumerate(parts):
        file += part.to_bytes(header, i, part.payload)
    assert file + Index(header.tag, [Entry(13, 7), Entry(12, 6)]).to_bytes() == TWO_SEGMENTS


@pytest.mark.parametrize(
    ("n", "data"),
    [(0, "00"), (127, "7f"), (128, "8001"), (0x1234, "b424"), (2**32 - 1, "ffffffff0f")],
)
def test_numbers(n: int, data: str) -> None:
    assert v2.number(n).hex() == data
    assert v2.Cursor(bytes.fromhex(data)).number("a number") == n


@pytest.mark.parametrize("data", ["8000", "ffffffff10", "ffffffff8f00", "80808080808001", "80", ""])
def test_numbers_have_one_form(data: str) -> None:
    with pytest.raises(FormatError):
        v2.Cursor(bytes.fromhex(data)).number("a number")


def segment(kind: int, text_len: int, payload: bytes, text: bytes, header: bytes) -> bytes:
    """A segment with the right checksum, whatever its numbers are."""
    body = v2.number(kind) + v2.number(text_len) + payload
    checksum = xxhash.xxh3_64_intdigest(header + body + text).to_bytes(8, "little")
    return body + checksum[: 4 if text_len < 65536 else 8]


H5 = bytes.fromhex("fa637a45")
H5_OTHER = bytes.fromhex("fa637a5500000000")
H2_MODEL = bytes.fromhex("fa637a52386645c2")
MODE_3_AT_LEVEL_2 = H2_MODEL + segment(7, 2, b"", b"ab", H2_MODEL)


@pytest.mark.parametrize(
    ("rule", "data", "error"),
    [
        ("1: no bytes", b"", FormatError),
        ("1: another magic", b"fa637b45" + EMPTY[4:], FormatError),
        ("2: version 1", bytes.fromhex("fa637a25") + EMPTY[4:], UnsupportedError),
        ("2: version 3", bytes.fromhex("fa637a65") + EMPTY[4:], UnsupportedError),
        ("2: level 0", bytes.fromhex("fa637a40") + EMPTY[4:], UnsupportedError),
        ("2: level 10", bytes.fromhex("fa637a4a") + EMPTY[4:], UnsupportedError),
        ("3: long kind", H5 + bytes.fromhex("8400") + EMPTY[5:], FormatError),
        ("4: text length", H5 + segment(5, (1 << 24) + 1, b"", b"", H5), FormatError),
        ("4: bit 26", H5 + segment(5, 1 << 26 | 9, b"", b"", H5), FormatError),
        ("5: stored", H5 + segment(1 << 3 | 4, 2, b"a", b"a", H5), FormatError),
        ("5: payload as long as text", H5 + segment(2 << 3 | 5, 2, b"ab", b"ab", H5), FormatError),
        ("6: empty, not last", H5 + segment(0, 0, b"", b"", H5) + EMPTY[4:], FormatError),
        ("6: empty, of bytes", H5 + segment(5, 0, b"", b"", H5), FormatError),
        ("7: tokens without model", H5 + segment(6, 2, b"", b"ab", H5), FormatError),
        ("8: end after a segment", H5 + segment(1 << 3, 1, b"a", b"a", H5), FormatError),
        ("9: something after a member", EMPTY + b"\0", FormatError),
        ("9: index after an index", TWO_SEGMENTS + TWO_SEGMENTS[-22:], FormatError),
        ("12: checksum of no text", EMPTY[:-1] + b"\0", DamagedError),
        ("12: checksum", STORED[:-1] + b"\0", DamagedError),
        ("11: no text for the payload", H5 + segment(1 << 3 | 5, 9, b"\x80", b"", H5), DamagedError),
        ("11: no message", H5 + segment(4 << 3 | 5, 9, b"\xff" * 4, b"", H5), DamagedError),
        ("14: mode 3 at level 2", MODE_3_AT_LEVEL_2, FormatError),
        ("no such model", H5_OTHER + segment(6, 2, b"", b"ab", H5_OTHER), WrongModelError),
    ],
)
def test_rules(rule: str, data: bytes, error: type[CzipError]) -> None:
    with pytest.raises(error):
        czip_v2.decompress(data, models())


def test_segments_of_a_mode_that_a_level_lacks_are_found() -> None:
    assert api.info(MODE_3_AT_LEVEL_2)["text_len"] == 2


@pytest.mark.parametrize("at", range(len(TWO_SEGMENTS)))
def test_no_changed_bit_goes_unnoticed(at: int) -> None:
    for bit in range(8):
        data = bytearray(TWO_SEGMENTS)
        data[at] ^= 1 << bit
        with pytest.raises(CzipError):
            czip_v2.decompress(bytes(data))
        # Ranges are read by the index, or by the headers if there is something wrong with it.
        with pytest.raises(CzipError):
            Reader(bytes(data)).read_range(0, 100)


def test_every_end_but_those_of_members_is_noticed() -> None:
    file = STORED + TWO_SEGMENTS + EMPTY
    whole = {len(STORED), len(STORED) + 33, len(STORED) + 55, len(file)}
    for end in range(len(file)):
        if end in whole:
            czip_v2.decompress(file[:end])
        else:
            with pytest.raises(FormatError):
                czip_v2.decompress(file[:end])


def test_segments_are_as_long_as_levels_say() -> None:
    # No page says how long: a longer segment is coded in fewer bytes.
    lengths = [czip_v2.default_segment_len(level) >> 20 for level in range(1, 10)]
    assert lengths == [4, 4, 4, 1, 1, 2, 4, 8, 16]
    file = czip_v2.compress(bytes((1 << 20) + 1), level=4)
    assert [s.text_len for s in v2.read_members(file)[0].segments] == [1 << 20, 1]


def test_models_are_only_named_where_they_may_be_needed() -> None:
    one = czip_v2.compress(b"ab", model("model.czm"), mode=Mode.STORED)
    two = czip_v2.compress(b"ab", model("model.czm"), mode=Mode.STORED, segment_len=1)
    assert [member.header.model_id for member in v2.read_members(one + two)] == [None, model("model.czm").id]


TEXT = b"The quick brown fox jumps over the lazy dog. " * 3


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("index", [False, True])
def test_ranges_are_those_of_the_text(mode: Mode, *, index: bool) -> None:
    net = model("model2.czm")
    file = czip_v2.compress(TEXT[:70], net, mode=mode, segment_len=32, index=index)
    file += czip_v2.compress(TEXT[70:], net, mode=Mode.STORED, segment_len=9, index=index) + EMPTY
    reader = Reader(file, [net])
    assert reader.text_len == len(TEXT)
    for start, length in [(0, 1), (31, 2), (60, 30), (130, 100), (200, 5)]:
        assert reader.read_range(start, length) == TEXT[start : start + length]
    reader.seek(-5, 2)
    assert reader.read() == TEXT[-5:]
    assert reader.seek(68) == 68
    assert reader.read(4) == TEXT[68:72]
    assert reader.tell() == 72


def test_ranges_need_only_the_segments_that_hold_them() -> None:
    file = bytearray(czip_v2.compress(TEXT, mode=Mode.STORED, segment_len=50))
    file[file.index(b"quick")] ^= 1
    reader = Reader(bytes(file))
    assert reader.read_range(50, 50) == TEXT[50:100]
    with pytest.raises(DamagedError):
        reader.read_range(49, 2)


def test_bytes_that_look_like_an_index_are_none() -> None:
    # A text that ends as a file with an index does, and whose checksum is followed by nothing.
    fake = Index(0x45, [Entry(13, 7)]).to_bytes()
    inner = czip_v2.compress(fake, mode=Mode.STORED)
    assert Reader(inner).read_range(0, 100) == fake
    # The end of a real index, in a place where there is none.
    for file in (STORED + fake, inner + fake):
        with pytest.raises(CzipError):
            Reader(file)


def test_an_index_of_another_member_is_noticed() -> None:
    other = TWO_SEGMENTS[:-22] + Index(0x59, [Entry(13, 6), Entry(12, 7)]).to_bytes()
    with pytest.raises(FormatError):
        czip_v2.decompress(other)
    # Its places are those of the segments, so only their own headers show what is wrong.
    with pytest.raises(FormatError):
        Reader(other).read_range(0, 1)


def test_an_index_may_follow_a_single_segment() -> None:
    file = STORED + Index(0x45, [Entry(len(STORED) - 4, 13)]).to_bytes()
    assert czip_v2.decompress(file) == b"Hello, world\n"
    assert Reader(file).read_range(7, 5) == b"world"
    assert file.endswith(INDEX_END)
    assert INDEX_MAGIC in file


def test_members_say_whether_they_have_an_index() -> None:
    assert [member.has_index for member in v2.read_members(STORED + TWO_SEGMENTS + EMPTY)] == [
        False,
        True,
        False,
    ]
    assert isinstance(v2.read_members(EMPTY)[0], Member)


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=60), st.integers(1, 9), st.sampled_from(Mode), st.integers(20, 70))
def test_texts_come_back(text: bytes, level: int, mode: Mode, segment_len: int) -> None:
    if mode is Mode.NET and level < 4:
        mode = Mode.TOKENS
    net = model("model2.czm")
    file = czip_v2.compress(text, net, level=level, mode=mode, segment_len=segment_len)
    assert czip_v2.decompress(file, [net]) == text


@settings(max_examples=10, deadline=None)
@given(st.text(max_size=40), st.integers(1, 9))
def test_texts_come_back_in_any_mode(text: str, level: int) -> None:
    net = model("model2.czm")
    assert czip_v2.decompress(czip_v2.compress(text.encode(), net, level=level), [net]) == text.encode()


def priors(contexts: int, runs: int, with_net: int, joint: int, *, rows: int = 1, shift: int = 0) -> bytes:
    inputs = 4 + 2 * contexts + runs + joint
    entries = 512 * contexts + 256 * runs + 256 + 1024 * joint
    header = b"CZMP\1" + bytes([contexts, runs, with_net]) + rows.to_bytes(2, "little") + bytes(8)
    return header + bytes(3 * entries) + bytes([shift]) * inputs + bytes((768 + 2 * rows) * inputs + 8 * rows)


def test_priors_are_those_of_variants() -> None:
    # mixing.md, section 12: which priors are valid. The second one is that of bytes, which no net predicts.
    for valid in [
        priors(8, 3, 1, 8),
        priors(16, 3, 1, 0),
        priors(5, 2, 0, 0, rows=65535),
        priors(5, 2, 1, 0, shift=8),
    ]:
        Priors.from_bytes(valid)
        other_version = valid[:4] + b"\2" + valid[5:]
        for invalid in (valid[:-1], valid + b"\0", b"CZMQ" + valid[4:], other_version, valid[:17]):
            with pytest.raises(ModelError):
                Priors.from_bytes(invalid)
    for invalid in [
        priors(8, 3, 1, 0),
        priors(8, 3, 0, 8),
        priors(8, 3, 2, 8),
        priors(5, 3, 1, 0),
        priors(5, 2, 1, 0, rows=0),
        priors(5, 2, 1, 0, shift=9),
    ]:
        with pytest.raises(ModelError):
            Priors.from_bytes(invalid)
    assert Priors.from_bytes(shipped.file("max.bin")).sizes.joint == 8
