"""Texts in czip v2: text in, file out, and back, whole or in part (czip-v2.md)."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from . import repeats
from .container import copies
from .container.copies import Passage
from .container.v2 import (
    TEXT_LEN_MAX,
    Entry,
    Header,
    Index,
    Segment,
    find_segments,
    read_members,
    read_segment,
)
from .errors import DamagedError, FormatError, WrongModelError
from .mix.variants import LEVELS, Mode
from .model import Model
from .segment import SegmentCoder

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

DEFAULT_LEVEL = 5
# These levels try every mode on the whole of each segment; the others on a sample from its middle.
_LEVELS_THAT_TRY_ALL = (9,)
_SAMPLE_LEN = 2048
# Longer segments compress better, and take more memory.
_SEGMENT_LEN_LOG2 = {1: 22, 2: 22, 3: 22, 4: 20, 5: 20, 6: 21, 7: 22, 8: 23, 9: 24}


def default_segment_len(level: int) -> int:
    """How long segments are if nothing else is said."""
    return 1 << _SEGMENT_LEN_LOG2[level]


def compress(
    text: bytes,
    model: Model | None = None,
    *,
    level: int = DEFAULT_LEVEL,
    segment_len: int | None = None,
    index: bool = True,
    mode: Mode | None = None,
    find_copies: Callable[[bytes], Sequence[Passage]] = repeats.find,
) -> bytes:
    """The file of a text, with one member.

    Segments are `segment_len` bytes long, except the last; if there are several and `index` is true, there is
    an index. The passages of a segment that `find_copies` finds are copied. The rest is coded in `mode`, or
    in the one that seems the smallest, and stored if that is smaller.

    Raises ValueError for an argument that is out of range, and for copies that are wrong or save nothing.
    """
    if level not in LEVELS:
        raise ValueError(f"level {level} is not 1 to 9")
    length = default_segment_len(level) if segment_len is None else segment_len
    if not 1 <= length <= TEXT_LEN_MAX:
        raise ValueError(f"segment length {length} is not 1 to {TEXT_LEN_MAX}")
    texts = [text[start : start + length] for start in range(0, len(text), length)] or [b""]

    coder = SegmentCoder(model)
    segments = []
    for place, segment_text in enumerate(texts):
        passages = find_copies(segment_text)
        chosen, rest_payload = _encode(coder, copies.rest_of(segment_text, passages), level, mode)
        payload = copies.to_bytes(passages) + rest_payload
        if passages and len(payload) >= len(segment_text):
            raise ValueError(f"copies in segment {place} save nothing")
        is_last = place + 1 == len(texts)
        segments.append(Segment(chosen, is_last, len(segment_text), payload, has_copies=bool(passages)))
    # A single segment need not name a model that it does not need. Of several the header is written before it
    # is known what the later ones need.
    named = len(segments) > 1 or segments[0].mode in (Mode.TOKENS, Mode.NET)
    header = Header(level, model.id if model and named else None)
    file = bytearray(header.to_bytes())
    entries = []
    for place, (segment, segment_text) in enumerate(zip(segments, texts)):
        coded = segment.to_bytes(header, place, segment_text)
        file += coded
        entries.append(Entry(len(coded), len(segment_text)))
    if index and len(texts) > 1:
        file += Index(header.tag, entries).to_bytes()
    return bytes(file)


def _encode(coder: SegmentCoder, text: bytes, level: int, mode: Mode | None) -> tuple[Mode, bytes]:
    """The payload of a segment's rest, and its mode."""
    if not text:
        return Mode.STORED, text
    modes = [Mode.BYTES] if mode is None else [mode]
    if mode is None and coder.has_model:
        modes += [Mode.TOKENS] if LEVELS[level].window is None else [Mode.TOKENS, Mode.NET]
    if len(modes) > 1 and len(text) > _SAMPLE_LEN and level not in _LEVELS_THAT_TRY_ALL:
        middle = (len(text) - _SAMPLE_LEN) // 2
        modes = [_smallest(coder, text[middle : middle + _SAMPLE_LEN], modes, level)[0]]
    # A coded payload must be shorter than its text.
    return _smallest(coder, text, [mode for mode in modes if mode is not Mode.STORED], level)


def _smallest(coder: SegmentCoder, text: bytes, modes: list[Mode], level: int) -> tuple[Mode, bytes]:
    """The smallest of a text's payloads, and its mode: the first of the modes if several are as small."""
    payloads = [(Mode.STORED, text), *((mode, coder.encode(text, mode, level)) for mode in modes)]
    return min(payloads, key=lambda payload: len(payload[1]))


def decompress(data: bytes, models: Iterable[Model] = ()) -> bytes:
    """The text of a file, which may need any of some models.

    Raises FormatError, DamagedError, or WrongModelError if a segment needs a model that is not among these.
    """
    decoder = SegmentDecoder(models)
    return b"".join(
        decoder.verified(member.header, place, segment)
        for member in read_members(data)
        for place, segment in enumerate(member.segments)
    )


class SegmentDecoder:
    """Decodes segments with the models that they need."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._bytes = SegmentCoder(None)
        self._coders = {model.id: SegmentCoder(model) for model in models}

    def verified(self, header: Header, place: int, segment: Segment) -> bytes:
        """The text of the segment with the number `place` in its member, if its checksum is right."""
        text = self.decode(header, segment)
        segment.verify(header, place, text)
        return text

    def decode(self, header: Header, segment: Segment) -> bytes:
        """The text of a segment, without a look at its checksum."""
        passages, payload = copies.split(segment)
        rest_len = copies.rest_len(segment.text_len, passages)
        return copies.restored(self._decode_rest(header, segment, payload, rest_len), passages)

    def _decode_rest(self, header: Header, segment: Segment, payload: bytes, rest_len: int) -> bytes:
        """What a segment does not copy."""
        if segment.mode is Mode.STORED:
            return payload
        coder = self._bytes
        if segment.mode is not Mode.BYTES:
            assert header.model_id is not None
            if header.model_id not in self._coders:
                raise WrongModelError(f"segment at byte {segment.start} needs model {header.model_id.hex()}")
            coder = self._coders[header.model_id]
        if segment.mode is Mode.NET and LEVELS[header.level].window is None:
            raise FormatError(f"segment at byte {segment.start} needs a net, unlike level {header.level}")
        try:
            return coder.decode(payload, segment.mode, header.level, rest_len)
        except DamagedError as error:
            raise DamagedError(f"segment at byte {segment.start}: {error}") from error


class Reader(io.RawIOBase):
    """The text of a file, to read any part of (czip-v2.md, section 11.2).

    Only the segments that hold the part are decoded. All that is handed out comes from segments whose
    checksums are right; faults in others are not noticed.
    """

    def __init__(self, data: bytes, models: Iterable[Model] = ()) -> None:
        """Find the segments. Raises FormatError, or DamagedError for a segment without text."""
        super().__init__()
        self._data = data
        self._decoder = SegmentDecoder(models)
        self._places = find_segments(data)
        self._starts = [place.text_start for place in self._places]
        self._position = 0
        # The last segment that was decoded, by its number in the file.
        self._decoded: tuple[int, bytes] | None = None

    @property
    def text_len(self) -> int:
        """The length of the text."""
        return self._places[-1].text_start + self._places[-1].text_len

    def read_range(self, start: int, length: int) -> bytes:
        """The bytes from `start` on, `length` of them or as many as there are."""
        end = min(start + length, self.text_len)
        text = bytearray()
        while start < end:
            number = bisect_right(self._starts, start) - 1
            place = self._places[number]
            part = self._segment(number)[start - place.text_start : end - place.text_start]
            text += part
            start += len(part)
        return bytes(text)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.text_len}[whence]
        if start + offset < 0:
            raise ValueError(f"position {start + offset} is before the start of the text")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        part = self.read_range(self._position, len(view))
        view[: len(part)] = part
        self._position += len(part)
        return len(part)

    def _segment(self, number: int) -> bytes:
        if self._decoded is None or self._decoded[0] != number:
            place = self._places[number]
            segment = read_segment(self._data, place)
            self._decoded = number, self._decoder.verified(place.header, place.number, segment)
        return self._decoded[1]
