"""The file czip v2: bytes in, members, segments and indexes out, and back (czip-v2.md, sections 4 to 8)."""

from __future__ import annotations

from dataclasses import dataclass, field

import xxhash

from ..errors import DamagedError, FormatError, UnsupportedError
from ..mix.variants import LEVELS, Mode

MAGIC = bytes.fromhex("fa637a")
INDEX_MAGIC = bytes.fromhex("fa6369")
INDEX_END = bytes.fromhex("7a6963fa")

TEXT_LEN_MAX = 1 << 24
# The bit of the number with the text length that says that the payload begins with copies.
_COPIES_SHIFT = 25
_VERSION = 2
# From this text length on the checksum has 64 bits instead of 32.
_LONG_TEXT = 65_536
# Magic, tag, body length of one byte, count of one byte, checksum, length, end.
_INDEX_LEN_MIN = 18
_U32_MAX = 0xFFFF_FFFF


def number(n: int) -> bytes:
    """An integer of up to 32 bits in its shortest form (LEB128)."""
    data = bytearray()
    while n >= 0x80:
        data.append(n & 0x7F | 0x80)
        n >>= 7
    data.append(n)
    return bytes(data)


class Cursor:
    """A place in a file or a payload. Reading past the end is an error that names the place."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    def take(self, length: int, what: str) -> bytes:
        """The next bytes."""
        if length > self.end - self.at:
            raise FormatError(f"end at byte {self.end}, inside or before {what}")
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, what: str) -> int:
        """The next number (section 4)."""
        start = self.at
        n = 0
        for i in range(5):
            byte = self.take(1, what)[0]
            n |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                if (i and byte == 0) or n > _U32_MAX:
                    break
                return n
        raise FormatError(f"{what} at byte {start} is not a number in its shortest form of at most 32 bits")


@dataclass(frozen=True)
class Header:
    """The header of a member."""

    level: int
    model_id: bytes | None = None

    @property
    def tag(self) -> int:
        """The byte with version and level."""
        return _VERSION << 5 | (self.model_id is not None) << 4 | self.level

    def to_bytes(self) -> bytes:
        """The bytes in the file."""
        return MAGIC + bytes([self.tag]) + (self.model_id or b"")

    @classmethod
    def read(cls, cursor: Cursor) -> Header:
        """Read a header. Raises FormatError, or UnsupportedError for other versions and levels."""
        start = cursor.at
        magic = cursor.take(len(MAGIC), "the header of a member")
        if magic != MAGIC:
            raise FormatError(f"no member begins at byte {start}: it starts with {magic.hex()}")
        tag = cursor.take(1, "the header of a member")[0]
        if tag >> 5 != _VERSION:
            raise UnsupportedError(f"version {tag >> 5} at byte {start + 3} is not supported")
        level = tag & 15
        if level not in LEVELS:
            raise UnsupportedError(f"level {level} at byte {start + 3} is not supported")
        return cls(level, cursor.take(4, "the model id of a member") if tag >> 4 & 1 else None)


@dataclass(frozen=True)
class Segment:
    """A segment. `start` and `end` are its places in the file, if it was read from one."""

    mode: Mode
    is_last: bool
    text_len: int
    payload: bytes
    has_copies: bool = False
    stored_checksum: bytes = b""
    start: int = 0
    end: int = 0

    @property
    def numbers(self) -> bytes:
        """Kind and text length as they are in the file."""
        kind = len(self.payload) << 3 | self.is_last << 2 | self.mode
        return number(kind) + number(self.has_copies << _COPIES_SHIFT | self.text_len)

    @property
    def entry(self) -> Entry:
        """What the index says of a segment that was read from a file."""
        return Entry(self.end - self.start, self.text_len)

    def checksum(self, header: Header, place: int, text: bytes) -> bytes:
        """The checksum of the segment with the number `place` in its member, if this is its text."""
        covered = header.to_bytes() + self.numbers + self.payload + text
        checksum = xxhash.xxh3_64_intdigest(covered, seed=place)
        return checksum.to_bytes(8, "little")[: _checksum_len(self.text_len)]

    def to_bytes(self, header: Header, place: int, text: bytes) -> bytes:
        """The bytes in the file."""
        return self.numbers + self.payload + self.checksum(header, place, text)

    def verify(self, header: Header, place: int, text: bytes) -> None:
        """Raise DamagedError if the checksum is not the one of this text."""
        if self.checksum(header, place, text) != self.stored_checksum:
            raise DamagedError(f"checksum of segment {place}, which begins at byte {self.start}, is wrong")

    @classmethod
    def read(cls, cursor: Cursor, header: Header, place: int) -> Segment:
        """Read a segment. Raises FormatError if it breaks one of the rules 3 to 7.

        A segment without text has nothing to decode, so its checksum is verified.
        """
        start = cursor.at
        kind = cursor.number("the kind of a segment")
        lengths = cursor.number("a text length")
        mode, payload_len = Mode(kind & 3), kind >> 3
        is_last = bool(kind >> 2 & 1)
        has_copies = bool(lengths >> _COPIES_SHIFT & 1)
        # Other bits above make it too long.
        text_len = lengths & ~(1 << _COPIES_SHIFT)
        if text_len > TEXT_LEN_MAX:
            raise FormatError(f"text length {text_len} of the segment at byte {start} exceeds {TEXT_LEN_MAX}")
        is_text = mode is Mode.STORED and not has_copies
        if payload_len != text_len if is_text else payload_len >= text_len:
            raise FormatError(
                f"payload of {payload_len} bytes for {text_len} bytes of text in the segment at byte {start}"
            )
        if text_len == 0 and not is_last:
            raise FormatError(f"segment without text at byte {start} is not the last")
        if mode in (Mode.TOKENS, Mode.NET) and header.model_id is None:
            raise FormatError(f"segment at byte {start} needs a model, but its member names none")
        payload = cursor.take(payload_len, "a payload")
        checksum = cursor.take(_checksum_len(text_len), "a checksum")
        segment = cls(mode, is_last, text_len, payload, has_copies, checksum, start, cursor.at)
        if text_len == 0:
            segment.verify(header, place, b"")
        return segment


def _checksum_len(text_len: int) -> int:
    return 4 if text_len < _LONG_TEXT else 8


@dataclass(frozen=True)
class Entry:
    """A segment as the index knows it: its lengths in the file and in the text."""

    file_len: int
    text_len: int


@dataclass(frozen=True)
class Index:
    """The index of a member."""

    tag: int
    entries: list[Entry]

    def to_bytes(self) -> bytes:
        """The bytes in the file."""
        body = number(len(self.entries)) + b"".join(
            number(entry.file_len) + number(entry.text_len) for entry in self.entries
        )
        covered = INDEX_MAGIC + bytes([self.tag]) + number(len(body)) + body
        checksum = xxhash.xxh3_64_intdigest(covered) & _U32_MAX
        length = len(covered) + 12
        return covered + checksum.to_bytes(4, "little") + length.to_bytes(4, "little") + INDEX_END

    @classmethod
    def read(cls, cursor: Cursor) -> Index:
        """Read an index and check all of it that can be checked without its member. Raises FormatError."""
        start = cursor.at
        if cursor.take(len(INDEX_MAGIC), "an index") != INDEX_MAGIC:
            raise FormatError(f"no index begins at byte {start}")
        tag = cursor.take(1, "an index")[0]
        body_len = cursor.number("the body length of an index")
        body_start = cursor.at
        count = cursor.number("the number of segments of an index")
        # An entry takes two bytes or more, so a count that the file cannot hold ends this soon.
        entries = []
        for _ in range(count):
            entries.append(Entry(cursor.number("an index"), cursor.number("an index")))
        if cursor.at - body_start != body_len:
            raise FormatError(f"body length {body_len} of the index at byte {start} is wrong")
        covered = cursor.data[start : cursor.at]
        checksum = int.from_bytes(cursor.take(4, "the checksum of an index"), "little")
        if checksum != xxhash.xxh3_64_intdigest(covered) & _U32_MAX:
            raise FormatError(f"checksum of the index at byte {start} is wrong")
        length = int.from_bytes(cursor.take(4, "the length of an index"), "little")
        if length != len(covered) + 12:
            raise FormatError(f"length {length} of the index at byte {start} is wrong")
        if cursor.take(4, "the end of an index") != INDEX_END:
            raise FormatError(f"index at byte {start} does not end as it must")
        return cls(tag, entries)


@dataclass(frozen=True)
class Member:
    """A member: its header and segments, and whether there is an index."""

    header: Header
    segments: list[Segment] = field(default_factory=list)
    has_index: bool = False

    @classmethod
    def read(cls, cursor: Cursor) -> Member:
        """Read a member up to its end, with its index if it has one. Raises FormatError."""
        header = Header.read(cursor)
        segments: list[Segment] = []
        while not segments or not segments[-1].is_last:
            segments.append(Segment.read(cursor, header, len(segments)))
        has_index = cursor.data.startswith(INDEX_MAGIC, cursor.at)
        if has_index:
            start = cursor.at
            index = Index.read(cursor)
            if index.tag != header.tag:
                raise FormatError(f"tag of the index at byte {start} is not that of the member's header")
            if index.entries != [segment.entry for segment in segments]:
                raise FormatError(f"entries of the index at byte {start} are not those of the segments")
        return cls(header, segments, has_index)


def read_members(data: bytes) -> list[Member]:
    """All members of a file. Raises FormatError if one of the rules 1 to 10 is broken."""
    cursor = Cursor(data)
    members = [Member.read(cursor)]
    while cursor.at < len(data):
        members.append(Member.read(cursor))
    return members


@dataclass(frozen=True)
class Place:
    """Where a segment is: in the text, in the file, in its member."""

    header: Header
    number: int
    is_last: bool
    text_start: int
    text_len: int
    start: int
    end: int


def find_segments(data: bytes) -> list[Place]:
    """The places of all segments, in order. Where there are indexes, nothing else is read (section 6.3)."""
    try:
        members = _by_indexes(data)
    except (FormatError, DamagedError):
        # Bytes that look like an index may be something else. The segments decide.
        members = [
            (member.header, [(s.start, s.end, s.text_len) for s in member.segments])
            for member in read_members(data)
        ]
    places = []
    text_start = 0
    for header, segments in members:
        for i, (start, end, text_len) in enumerate(segments):
            places.append(Place(header, i, i + 1 == len(segments), text_start, text_len, start, end))
            text_start += text_len
    return places


# Start, end and text length of each segment of a member.
_Found = tuple[Header, list[tuple[int, int, int]]]


def _by_indexes(data: bytes) -> list[_Found]:
    """The members of a file all of which have indexes, found from the end.

    Raises FormatError or DamagedError if it is not so.
    """
    members: list[_Found] = []
    end = len(data)
    while end > 0 or not members:
        if data[max(end - 4, 0) : end] != INDEX_END:
            raise FormatError(f"no index ends at byte {end}")
        index_start = end - int.from_bytes(data[end - 8 : end - 4], "little")
        if not 0 <= index_start <= end - _INDEX_LEN_MIN:
            raise FormatError(f"no index of the length before byte {end}")
        cursor = Cursor(data, index_start, end)
        index = Index.read(cursor)
        if cursor.at != end or not index.entries:
            raise FormatError(f"index at byte {index_start} does not end at byte {end}")
        if any(entry.text_len == 0 for entry in index.entries[:-1]):
            raise FormatError(f"index at byte {index_start} has a segment without text before the last")

        header_len = 8 if index.tag >> 4 & 1 else 4
        member_start = index_start - sum(entry.file_len for entry in index.entries) - header_len
        if member_start < 0:
            raise FormatError(f"index at byte {index_start} has more bytes than there are before it")
        header = Header.read(Cursor(data, member_start))
        if header.tag != index.tag:
            raise FormatError(f"tag of the index at byte {index_start} is not that of the member's header")
        segments = []
        at = member_start + header_len
        for entry in index.entries:
            segments.append((at, at + entry.file_len, entry.text_len))
            at += entry.file_len
        members.append((header, segments))
        if index.entries[-1].text_len == 0:
            start, segment_end, _ = segments[-1]
            last = Segment.read(Cursor(data, start, segment_end), header, len(segments) - 1)
            if last.end != segment_end or last.text_len or not last.is_last:
                raise FormatError(f"segment at byte {start} is not as the index at byte {index_start} says")
        end = member_start
    return members[::-1]


def read_segment(data: bytes, place: Place) -> Segment:
    """The segment at a place. Raises FormatError if it is not what the place says."""
    segment = Segment.read(Cursor(data, place.start, place.end), place.header, place.number)
    if (segment.end, segment.text_len, segment.is_last) != (place.end, place.text_len, place.is_last):
        raise FormatError(f"segment at byte {place.start} is not as the index says")
    return segment
