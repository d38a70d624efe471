"""Copies of czip v2: the example of the page, what must be refused, ranges, round trips, and the search."""

from __future__ import annotations

import random

import pytest
import xxhash
from conftest import VECTORS
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_zip import czip_v2, repeats
from compress_zip.container import copies, v2
from compress_zip.container.copies import Passage
from compress_zip.czip_v2 import Reader
from compress_zip.errors import CzipError, DamagedError, FormatError
from compress_zip.mix.variants import Mode
from compress_zip.model import Model

# The example of section 12.
EXAMPLE = bytes.fromhex("fa637a45 44 d18f8010 01 02ce0f02 61620a 1fdac704")
EXAMPLE_TEXT = b"ab" * 1000 + b"\n"


def no_copies(_text: bytes) -> list[Passage]:
    return []


def restored_byte_by_byte(rest: bytes, passages: list[Passage]) -> bytes:
    """What the page says, word for word."""
    text: list[int] = []
    left = list(rest)
    for rest_before, length, distance in passages:
        for _ in range(rest_before):
            text.append(left.pop(0))
        for _ in range(length):
            text.append(text[-distance])
    return bytes(text + left)


def test_the_example_is_read_and_written() -> None:
    assert czip_v2.decompress(EXAMPLE) == EXAMPLE_TEXT
    passage = Passage(2, 1998, 2)
    assert czip_v2.compress(EXAMPLE_TEXT, mode=Mode.STORED, find_copies=lambda _: [passage]) == EXAMPLE
    ((segment,),) = (member.segments for member in v2.read_members(EXAMPLE))
    assert copies.split(segment) == ([passage], b"ab\n")


H1 = bytes.fromhex("fa637a41")
ANNOUNCED = 1 << 25
# A text of 40 bytes that repeats its first three, and what is left without these.
TEXT = b"abc" * 11 + b"defghij"
REST = b"abcdefghij"


def file(mode: Mode, text_len: int, payload: bytes, text: bytes = TEXT) -> bytes:
    """A file of one segment with the right checksum, whatever its numbers are."""
    body = v2.number(len(payload) << 3 | 4 | mode) + v2.number(text_len) + payload
    return H1 + body + xxhash.xxh3_64_intdigest(H1 + body + text).to_bytes(8, "little")[:4]


def stored(*numbers: int, rest: bytes = REST) -> bytes:
    """A file with these numbers before the rest."""
    return file(Mode.STORED, ANNOUNCED | len(TEXT), b"".join(map(v2.number, numbers)) + rest)


@pytest.mark.parametrize(
    "data",
    [
        stored(2, 3, 21, 3, 0, 9, 24),
        # From the very start of the text; and up to its end.
        stored(1, 3, 30, 3),
        file(Mode.STORED, ANNOUNCED | 33, bytes([1, 3, 30, 3]) + b"abc", TEXT[:33]),
    ],
)
def test_what_keeps_the_rules_is_read(data: bytes) -> None:
    (member,) = v2.read_members(data)
    text = czip_v2.decompress(data)
    assert text == TEXT[: member.segments[0].text_len]


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("3: long count", file(Mode.STORED, ANNOUNCED | 40, bytes.fromhex("8100 031e03") + REST)),
        ("3: long length", file(Mode.STORED, ANNOUNCED | 40, bytes.fromhex("01 03 9e00 03") + REST)),
        ("3: 33 bits", file(Mode.STORED, ANNOUNCED | 40, bytes.fromhex("01 03 1e ffffffff1f") + REST)),
        ("4: bit 26", file(Mode.STORED, 1 << 26 | ANNOUNCED | 40, bytes([1, 3, 30, 3]) + REST)),
        ("4: text length", file(Mode.STORED, ANNOUNCED | (1 << 24) + 1, bytes([1, 3, 30, 3]) + REST)),
        ("5: as long as the text", file(Mode.STORED, ANNOUNCED | 14, bytes([1, 3, 4, 3]) + REST, TEXT[:14])),
        ("5: copies of nothing", file(Mode.STORED, ANNOUNCED | 40, TEXT)),
        ("6: no text", file(Mode.STORED, ANNOUNCED, b"", b"")),
        ("13: no passages", stored(0)),
        ("13: no list", file(Mode.STORED, ANNOUNCED | 40, b"")),
        ("13: end of the payload in a passage", file(Mode.STORED, ANNOUNCED | 40, bytes([1, 3, 30]))),
        (
            "13: more passages than payload",
            file(Mode.STORED, ANNOUNCED | 40, b"\xff\xff\xff\xff\x0f\3\x1e\3"),
        ),
        ("13: length 0", stored(2, 3, 30, 3, 0, 0, 1)),
        ("13: distance 0", stored(1, 3, 30, 0)),
        ("13: from before the text", stored(1, 3, 30, 4)),
        ("13: from before the text, again", stored(2, 3, 21, 3, 0, 9, 25)),
        ("13: no text before", stored(1, 0, 30, 1)),
        ("13: beyond the text", stored(2, 3, 21, 3, 0, 17, 24)),
        ("13: after more than the text", stored(2, 3, 21, 3, 16, 1, 24)),
        ("13: short rest", stored(1, 3, 30, 3, rest=REST[:-1])),
        ("13: long rest", stored(1, 3, 30, 3, rest=REST + b"k")),
        ("13: payload as long as the rest", file(Mode.BYTES, ANNOUNCED | 40, bytes([1, 3, 30, 3]) + REST)),
    ],
)
def test_rules(rule: str, data: bytes) -> None:
    with pytest.raises(FormatError):
        czip_v2.decompress(data)
    with pytest.raises(FormatError):
        Reader(data).read_range(0, 1)


def test_faults_of_the_rest_are_damage() -> None:
    payload = bytes([1, 3, 30, 3]) + b"\xff\xff\xff\xff"
    with pytest.raises(DamagedError):
        czip_v2.decompress(file(Mode.BYTES, ANNOUNCED | 40, payload))
    with pytest.raises(DamagedError):
        czip_v2.decompress(stored(2, 3, 21, 3, 0, 9, 23))


@pytest.mark.parametrize("at", range(len(EXAMPLE)))
def test_no_changed_bit_goes_unnoticed(at: int) -> None:
    for bit in range(8):
        data = bytearray(EXAMPLE)
        data[at] ^= 1 << bit
        with pytest.raises(CzipError):
            czip_v2.decompress(bytes(data))


@pytest.mark.parametrize(
    "passages",
    [
        [Passage(3, 30, 4)],
        [Passage(3, 31, 3)],
        [Passage(3, 38, 3)],
        [Passage(3, 0, 3)],
        [Passage(3, 30, 0)],
        [Passage(41, 1, 1)],
        # Right, but it takes four bytes to save four.
        [Passage(3, 4, 3)],
    ],
)
def test_wrong_copies_are_not_written(passages: list[Passage]) -> None:
    with pytest.raises(ValueError, match="cop"):
        czip_v2.compress(TEXT, mode=Mode.STORED, find_copies=lambda _: passages)


@pytest.mark.parametrize("index", [False, True])
def test_ranges_are_those_of_the_text(*, index: bool) -> None:
    text = bytes(range(40)) * 255 + b"end"
    data = czip_v2.compress(text, level=1, segment_len=5000, index=index)
    segments = v2.read_members(data)[0].segments
    assert [(s.has_copies, s.text_len) for s in segments] == [(True, 5000), (True, 5000), (False, 203)]
    reader = Reader(data)
    assert reader.text_len == len(text)
    for start, length in [(0, 300), (190, 20), (4990, 20), (9999, 2), (4000, 6050), (10200, 9)]:
        assert reader.read_range(start, length) == text[start : start + length]
    # A copy from before the text is a fault of its segment, and of no other.
    broken = bytearray(data)
    numbers = bytes([1]) + b"".join(map(v2.number, (40, 4960, 40)))
    at = data.index(numbers, segments[1].start) + len(numbers) - 1
    broken[at] += 1
    reader = Reader(bytes(broken))
    assert reader.read_range(0, 5000) == text[:5000]
    with pytest.raises(FormatError):
        reader.read_range(4999, 2)


@st.composite
def rests_and_passages(draw: st.DrawFn) -> tuple[bytes, list[Passage]]:
    """Any rest with passages that keep the rules."""
    rest = draw(st.binary(min_size=1, max_size=30))
    passages: list[Passage] = []
    left = len(rest)
    length = 0
    for _ in range(draw(st.integers(1, 4))):
        rest_before = draw(st.integers(0 if passages else 1, left)) if left else 0
        left -= rest_before
        length += rest_before
        passages.append(Passage(rest_before, draw(st.integers(1, 60)), draw(st.integers(1, length))))
        length += passages[-1].length
    return rest, passages


@settings(deadline=None)
@given(rests_and_passages())
def test_texts_are_restored_as_the_page_says(case: tuple[bytes, list[Passage]]) -> None:
    rest, passages = case
    text = restored_byte_by_byte(rest, passages)
    assert copies.restored(rest, passages) == text
    assert copies.rest_of(text, passages) == rest
    assert copies.rest_len(len(text), passages) == len(rest)


@settings(max_examples=40, deadline=None)
@given(rests_and_passages(), st.sampled_from(Mode), st.integers(4, 9))
def test_texts_come_back(case: tuple[bytes, list[Passage]], mode: Mode, level: int) -> None:
    rest, passages = case
    # A long one at the end, so that copies are worth their bytes.
    passages.append(Passage(len(rest) - sum(p.rest_before for p in passages), 100, 1))
    text = copies.restored(rest, passages)
    net = Model.open(VECTORS / "model2.czm")
    data = czip_v2.compress(text, net, level=level, mode=mode, find_copies=lambda _: passages)
    assert czip_v2.decompress(data, [net]) == text
    ((segment,),) = (member.segments for member in v2.read_members(data))
    assert copies.split(segment)[0] == passages


def noise(length: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(length)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5000), st.integers(repeats.LEN_MIN, 9000), st.integers(0, 3000), st.integers(0, 100))
def test_long_passages_are_found(before: int, length: int, between: int, after: int) -> None:
    passage = noise(length, 1)
    text = noise(before, 2) + passage + noise(between, 3) + passage + noise(after, 4)
    # The noise around may go on in the same way by chance.
    start, stop = before + length + between, before + 2 * length + between
    distance = length + between
    while start > distance and text[start - 1] == text[start - 1 - distance]:
        start -= 1
    while stop < len(text) and text[stop] == text[stop - distance]:
        stop += 1
    assert repeats.find(text) == [Passage(start, stop - start, distance)]


def test_texts_without_long_passages_have_none() -> None:
    passage = noise(repeats.LEN_MIN - 1, 1)
    for text in (b"", b"a", noise(20_000, 2), passage + b"-" + passage + b"+", b"a" * repeats.LEN_MIN):
        assert repeats.find(text) == []
    assert repeats.find(b"a" * (repeats.LEN_MIN + 1)) == [Passage(1, repeats.LEN_MIN, 1)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6000)), max_size=8))
def test_what_is_found_can_be_copied(parts: list[tuple[int, int]]) -> None:
    sources = [noise(6000, 1), b"a" * 6000, b"ab" * 3000, noise(100, 2) * 60]
    text = b"".join(sources[source][-length:] for source, length in parts)
    passages = repeats.find(text)
    assert all(passage.length >= repeats.LEN_MIN for passage in passages)
    assert copies.restored(copies.rest_of(text, passages), passages) == text
    # What is left has no more of them.
    if text:
        data = czip_v2.compress(text, mode=Mode.STORED)
        assert czip_v2.decompress(data) == text
        assert v2.read_members(data)[0].segments[0].has_copies == bool(passages)


def test_files_with_copies_are_much_smaller() -> None:
    text = noise(5000, 1) * 3
    with_copies = czip_v2.compress(text, mode=Mode.STORED)
    without = czip_v2.compress(text, mode=Mode.STORED, find_copies=no_copies)
    assert len(without) == 15_000 + 13
    # One passage, which goes on with itself: its three numbers, and a byte more of the text length.
    assert len(with_copies) == 5000 + 22
    assert czip_v2.decompress(with_copies) == czip_v2.decompress(without) == text
