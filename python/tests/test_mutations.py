"""Changed files, of which mutations.py makes many more."""

from __future__ import annotations

import mutations
import pytest
import xxhash

from compress_zip import czip_v2
from compress_zip.container import v2
from compress_zip.czip_v2 import Reader
from compress_zip.errors import CzipError
from compress_zip.mix.variants import Mode


def test_both_implementations_refuse_the_same_files() -> None:
    files = list(mutations.changed_files(400, seed=1))
    assert mutations.disagreements(files) == []
    texts = [mutations.ours(file) for file in files]
    assert 10 < sum(text is not None for text in texts) < 100


def test_all_originals_are_restored() -> None:
    texts = {mutations.ours(file) for file in mutations.originals()}
    assert None not in texts
    assert mutations.theirs(mutations.originals()) == [mutations.ours(file) for file in mutations.originals()]


def test_reading_all_of_a_text_by_its_index_is_the_same() -> None:
    # Where all segments are read, no fault may go unnoticed because they were found by indexes.
    for file in mutations.changed_files(600, seed=2):
        if not file.startswith(v2.MAGIC):
            continue
        try:
            text = Reader(file, [mutations.model()]).read_range(0, mutations.TEXT_LEN_MAX)
        except CzipError:
            assert mutations.ours(file) is None
        else:
            assert mutations.ours(file) == text


def index(body: bytes, *, tag: int = 0x45, body_len: int | None = None, excess: int = 0) -> bytes:
    """An index with any body, whose checksum is right."""
    covered = v2.INDEX_MAGIC + bytes([tag]) + v2.number(len(body) if body_len is None else body_len) + body
    checksum = xxhash.xxh3_64_intdigest(covered) & 0xFFFF_FFFF
    length = len(covered) + 12 + excess
    return covered + checksum.to_bytes(4, "little") + length.to_bytes(4, "little") + v2.INDEX_END


def test_indexes_with_right_checksums_are_refused_alike() -> None:
    member = czip_v2.compress(b"abcdefgh", mode=Mode.STORED, segment_len=4, index=False)
    empty_last = czip_v2.compress(b"", mode=Mode.STORED)
    good = bytes.fromhex("02 0a04 0a04")
    assert mutations.ours(member + index(good)) == b"abcdefgh"
    files = [
        member + index(good),
        empty_last + index(bytes.fromhex("01 0600")),
        member + index(good) + member + index(good),
        member + member + index(good),
        member + index(good) + member,
        member + index(good) + index(good),
        index(good) + member,
        index(good),
        member + index(good, tag=0x46),
        member + index(good, tag=0x55),
        member + index(good, body_len=6),
        member + index(good, body_len=4),
        member + index(good, excess=1),
        member + index(good + b"\0"),
        member + index(bytes.fromhex("02 0a04 0a05")),
        member + index(bytes.fromhex("02 0b04 0904")),
        member + index(bytes.fromhex("02 0904 0a04")),
        member + index(bytes.fromhex("01 1408")),
        member + index(bytes.fromhex("03 0a04 0a04 0000")),
        member + index(bytes.fromhex("00")),
        member + index(bytes.fromhex("02 0a04")),
        member + index(bytes.fromhex("8200 0a04 0a04")),
        member + index(bytes.fromhex("02 8a00 04 0a04")),
        member + index(bytes.fromhex("ffffffff0f")),
        member + index(b""),
    ]
    assert mutations.disagreements(files) == []
    accepted = [i for i, file in enumerate(files) if mutations.ours(file) is not None]
    assert accepted == [0, 1, 2, 3, 4]
    for file in files[len(accepted) :]:
        with pytest.raises(CzipError):
            Reader(file).read_range(0, 100)
