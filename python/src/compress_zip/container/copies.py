"""Passages that a text has twice: a text in, its rest and a list out, and back (czip-v2.md, section 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from ..errors import FormatError
from ..mix.variants import Mode
from .v2 import Cursor, Segment, number


class Passage(NamedTuple):
    """A passage that is copied, all in bytes."""

    # How much of the rest comes before the passage and after the one before.
    rest_before: int
    length: int
    # From the passage back to what it is copied from.
    distance: int


def to_bytes(passages: Sequence[Passage]) -> bytes:
    """The list as a payload begins with it; nothing if there are no passages."""
    return b"".join(map(number, [len(passages), *chain(*passages)])) if passages else b""


def split(segment: Segment) -> tuple[list[Passage], bytes]:
    """The passages of a segment, and the payload of its rest. Raises FormatError if rule 13 is broken."""
    if not segment.has_copies:
        return [], segment.payload
    try:
        cursor = Cursor(segment.payload)
        passages = _read(cursor, segment.text_len)
        payload = segment.payload[cursor.at :]
        length = rest_len(segment.text_len, passages)
        if len(payload) != length if segment.mode is Mode.STORED else len(payload) >= length:
            raise FormatError(f"{len(payload)} bytes for the {length} that are not copied")
    except FormatError as error:
        raise FormatError(f"payload of the segment at byte {segment.start}: {error}") from error
    return passages, payload


def _read(cursor: Cursor, text_len: int) -> list[Passage]:
    count = cursor.number("the number of copies")
    if count == 0:
        raise FormatError("no copies where some are announced")
    passages = []
    # Of the text so far.
    length = 0
    # A passage takes three bytes or more, so a count that the payload cannot hold ends this soon.
    for _ in range(count):
        passage = Passage(cursor.number("a copy"), cursor.number("a copy"), cursor.number("a copy"))
        length += passage.rest_before
        if passage.length == 0:
            raise FormatError(f"copy without bytes at byte {length} of the text")
        if not 1 <= passage.distance <= length:
            raise FormatError(f"copy from {passage.distance} bytes before byte {length} of the text")
        length += passage.length
        if length > text_len:
            raise FormatError(f"copy up to byte {length} of a text of {text_len}")
        passages.append(passage)
    return passages


def rest_len(text_len: int, passages: Sequence[Passage]) -> int:
    """How much of a text is not copied."""
    return text_len - sum(passage.length for passage in passages)


def rest_of(text: bytes, passages: Sequence[Passage]) -> bytes:
    """A text without its passages. Raises ValueError if they are not passages of this text."""
    parts = []
    at = 0
    for passage in passages:
        parts.append(text[at : at + passage.rest_before])
        at += passage.rest_before + passage.length
    rest = b"".join([*parts, text[at:]])
    in_text = at <= len(text) and all(min(passage.length, passage.distance) >= 1 for passage in passages)
    if not in_text or restored(rest, passages) != text:
        raise ValueError("the text does not repeat itself where passages are to be copied")
    return rest


def restored(rest: bytes, passages: Sequence[Passage]) -> bytes:
    """The text of a rest with its passages."""
    text = bytearray()
    at = 0
    for passage in passages:
        text += rest[at : at + passage.rest_before]
        at += passage.rest_before
        start = len(text) - passage.distance
        # What is there of the passage. If it is longer than its distance, it goes on with itself.
        source = text[start : start + passage.length]
        text += (source * (passage.length // passage.distance + 1))[: passage.length]
    return bytes(text + rest[at:])
