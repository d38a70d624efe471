"""Texts and files that come in pieces."""

import pytest

import czip

OPTIONS = {"model": czip.NO_MODEL, "level": 1, "segment_len": 1024}


@pytest.mark.parametrize("size", [1, 100, 1024, 1 << 20])
def test_pieces_do_not_affect_the_file(text, file, size):
    compressor = czip.Compressor(**OPTIONS)
    pieces = [compressor.compress(text[at : at + size]) for at in range(0, len(text), size)]
    assert b"".join(pieces) + compressor.flush() == file


def test_long_texts_are_written_on_the_way():
    # A batch is 256 segments for each thread.
    data = b"0123456789abcdef" * (1 << 14)
    compressor = czip.Compressor(threads=1, **OPTIONS)
    pieces = [compressor.compress(data), compressor.compress(data), compressor.flush()]
    assert pieces[0] == b"" and len(pieces[1]) > 256
    assert czip.decompress(b"".join(pieces)) == data + data


def test_empty_text():
    assert czip.decompress(czip.Compressor().flush()) == b""


def test_nothing_after_flush():
    compressor = czip.Compressor()
    compressor.flush()
    for again in (compressor.flush, lambda: compressor.compress(b"x")):
        with pytest.raises(ValueError, match="the compressor has been flushed"):
            again()


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_pieces_of_files(text, size, index):
    file = czip.compress(text, index=index, **OPTIONS)
    decompressor = czip.Decompressor()
    restored = b""
    for at in range(0, len(file), size):
        # The index is still to come where the text has ended.
        assert decompressor.needs_input or decompressor.eof
        restored += decompressor.decompress(file[at : at + size])
    assert restored == text
    assert decompressor.eof and not decompressor.needs_input
    assert decompressor.unused_data == b""


def test_text_is_there_with_its_segment(text, file):
    decompressor = czip.Decompressor()
    # The first segment and a bit more.
    first = next(length for length in range(len(file)) if decompressor.decompress(file[length : length + 1]))
    assert not decompressor.eof
    assert first < len(file) // 10
    assert decompressor.decompress(file[first + 1 :]) == text[1024:]


def test_text_in_small_pieces(text, file):
    decompressor = czip.Decompressor()
    pieces = [decompressor.decompress(file, 1000)]
    while not decompressor.eof:
        assert not decompressor.needs_input
        pieces.append(decompressor.decompress(b"", 1000))
    assert b"".join(pieces) == text
    assert max(map(len, pieces)) == 1000
    assert decompressor.decompress(b"", 1000) == b""


def test_joined_files_and_what_follows(text, file):
    small = czip.compress(b"small")
    empty = czip.compress(b"")
    for size in (1, 1000, 1 << 20):
        joined = file + empty + small + empty
        decompressor = czip.Decompressor()
        pieces = [decompressor.decompress(joined[at : at + size]) for at in range(0, len(joined), size)]
        assert b"".join(pieces) == text + b"small"
        assert decompressor.eof
        assert decompressor.decompress(b"something") == b""
        assert decompressor.decompress(b" else") == b""
        assert decompressor.eof
        assert decompressor.unused_data == b"something else"


def test_empty_file(text):
    decompressor = czip.Decompressor()
    assert decompressor.decompress(b"") == b""
    assert not decompressor.eof and decompressor.needs_input
    assert decompressor.decompress(czip.compress(b"")) == b""
    assert decompressor.eof


def test_file_cut_short(file):
    decompressor = czip.Decompressor()
    assert decompressor.decompress(file[:-1])
    assert not decompressor.eof and decompressor.needs_input


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"hello", "starts with"),
        (b"\xfacz\x65\x00\x00", "version"),
        (b"\xfacz\x4a\x00\x00", "level"),
        # A stored segment of one byte whose text has two.
        (b"\xfacz\x41\x0c\x02", "stored"),
    ],
)
def test_what_is_no_file(start, message):
    decompressor = czip.Decompressor()
    with pytest.raises(czip.MalformedError):
        decompressor.decompress(start)
    with pytest.raises(czip.CzipError, match="used after an error"):
        decompressor.decompress(b"")


def test_damage_is_found(file):
    index = len(file) - 20
    for at in (30, index):
        damaged = file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]
        with pytest.raises(czip.MalformedError):
            czip.Decompressor().decompress(damaged)


def test_limits_and_models(text, file):
    with pytest.raises(czip.LimitError):
        czip.Decompressor(max_text_len=2000).decompress(file)
    # The limit is that of the whole text.
    half = czip.compress(text[:600])
    with pytest.raises(czip.LimitError):
        czip.Decompressor(max_text_len=1000).decompress(half + half)
    assert czip.Decompressor(max_text_len=1200).decompress(half + half) == 2 * text[:600]
    with pytest.raises(czip.ModelError):
        czip.Decompressor(model=czip.NO_MODEL).decompress(half)


def test_old_format_is_refused():
    with pytest.raises(czip.UnsupportedError, match="only be restored as a whole"):
        czip.Decompressor().decompress(b"CZIPv1\x00\x00")
