"""Compressed files as file objects."""

import io
import os
import threading

import pytest

import czip


class Watched(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data


def test_round_trip_by_path(text, tmp_path):
    for path in (tmp_path / "a.czip", str(tmp_path / "b.czip"), os.fsencode(tmp_path / "c.czip")):
        with czip.open(path, "wb") as file:
            assert file.writable() and not file.readable() and not file.seekable()
            assert (file.mode, file.name) == ("wb", os.fspath(path))
            assert file.write(text[:100]) == 100
            assert file.write(memoryview(text[100:3000]).cast("B")) == 2900
            file.flush()
            assert file.tell() == 3000
        assert file.closed
        with open(path, "rb") as raw:
            assert raw.read() == czip.compress(text[:3000])
        with czip.open(path) as file:
            assert file.readable() and not file.writable() and file.seekable()
            assert (file.mode, file.name) == ("rb", os.fspath(path))
            assert file.read() == text[:3000]
            assert file.read() == b""


def test_ways_to_read(text, file):
    opened = czip.open(io.BytesIO(file))
    assert opened.peek(1)[:10] == text[:10]
    assert opened.read(10) == text[:10]
    assert opened.readline() == text[10:].split(b"\n")[0] + b"\n"
    buffer = bytearray(100)
    at = opened.tell()
    assert opened.readinto(buffer) == 100 and buffer == text[at : at + 100]
    assert opened.readinto1(buffer) > 0
    rest = opened.read1()
    assert rest and text[opened.tell() - len(rest) : opened.tell()] == rest
    opened.seek(0)
    assert list(opened) == text.splitlines(keepends=True)
    opened.seek(0)
    assert opened.readlines(100) == text.splitlines(keepends=True)[:3]
    with pytest.raises(io.UnsupportedOperation):
        opened.write(b"x")


@pytest.mark.parametrize("index", [True, False])
def test_seeks(text, index):
    file = czip.compress(text, model=czip.NO_MODEL, level=1, segment_len=1024, index=index)
    opened = czip.CzipFile(io.BytesIO(file))
    for place in (0, 1, 1023, 1024, 10_000, 5000, len(text) - 1, len(text), 3):
        assert opened.seek(place) == opened.tell() == place
        assert opened.read(50) == text[place : place + 50]
    assert opened.seek(-7, io.SEEK_END) == len(text) - 7
    assert opened.read() == text[-7:]
    assert opened.seek(-17, io.SEEK_CUR) == len(text) - 17
    assert opened.read(10) == text[-17:-7]
    assert opened.seek(len(text) + 100) == len(text) + 100
    assert opened.read() == b""
    with pytest.raises(ValueError, match="negative seek"):
        opened.seek(-1)
    with pytest.raises(OSError, match="a place before the start"):
        opened.seek(-len(text) - 1, io.SEEK_END)
    with pytest.raises(ValueError, match="whence"):
        opened.seek(0, 5)


def test_seeks_read_little():
    data = os.urandom(1 << 18)
    file = Watched(czip.compress(data, model=czip.NO_MODEL, level=1, segment_len=1 << 12))
    opened = czip.open(file)
    opened.seek(150_000)
    assert opened.read(10) == data[150_000:150_010]
    # The index and what is read around it, and some segments.
    assert file.count < len(data) // 2


def test_file_object_is_read_from_where_it_stands(text, file):
    shifted = io.BytesIO(b"before" + file)
    shifted.seek(6)
    opened = czip.open(shifted)
    assert opened.read(100) == text[:100]
    opened.seek(-100, io.SEEK_END)
    assert opened.read() == text[-100:]


def test_file_object_is_not_closed(text):
    text = text[:1000]
    file = io.BytesIO()
    with czip.open(file, "wb") as opened:
        opened.write(text)
    assert not file.closed
    file.seek(0)
    with czip.open(file) as opened:
        assert opened.read() == text
    assert not file.closed


def test_pipes(text, file):
    reader, writer = os.pipe()

    def send():
        with open(writer, "wb") as sent:
            sent.write(file)

    thread = threading.Thread(target=send)
    thread.start()
    with open(reader, "rb") as received, czip.open(received) as opened:
        assert not opened.seekable()
        with pytest.raises(io.UnsupportedOperation):
            opened.seek(5)
        assert opened.read() == text
    thread.join()


def test_text_modes(tmp_path):
    path = tmp_path / "text.czip"
    lines = "Grüße\nnaïve\n"
    with czip.open(path, "wt", encoding="latin-1", newline="\r\n") as file:
        assert isinstance(file, io.TextIOWrapper)
        file.write(lines)
    with czip.open(path, "rb") as file:
        assert file.read() == lines.replace("\n", "\r\n").encode("latin-1")
    with czip.open(path, "rt", encoding="latin-1") as file:
        assert file.readlines() == ["Grüße\n", "naïve\n"]
        file.seek(0)
        assert file.readline() == "Grüße\n"
    with pytest.raises(UnicodeDecodeError), czip.open(path, "rt", encoding="utf-8") as file:
        file.read()
    with czip.open(path, "rt", encoding="ascii", errors="replace") as file:
        assert file.readline() == "Gr\ufffd\ufffde\n"


def test_exclusive_and_appending_modes(tmp_path):
    path = tmp_path / "file.czip"
    with czip.open(path, "xb") as file:
        file.write(b"one")
    with pytest.raises(FileExistsError):
        czip.open(path, "xb")
    with czip.open(path, "at", encoding="utf-8") as file:
        file.write(" two")
    with czip.open(path) as file:
        assert file.read() == b"one two"
        file.seek(2)
        assert file.read(3) == b"e t"


@pytest.mark.parametrize("mode", ["", "rw", "rbt", "q", "rU", "r+"])
def test_modes_that_there_are_not(mode, tmp_path):
    with pytest.raises(ValueError, match="invalid mode"):
        czip.open(tmp_path / "file", mode)


def test_arguments_that_are_wrong(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(ValueError, match="text modes"):
        czip.open(path, "rb", encoding="utf-8")
    with pytest.raises(TypeError, match="filename must be"):
        czip.open(5)
    with pytest.raises(ValueError, match="level"):
        czip.open(path, "wb", level=0)
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        czip.open(path)


def test_files_that_cannot_be_read(text, file):
    with pytest.raises(czip.MalformedError):
        czip.open(io.BytesIO(b"hello")).read()
    with pytest.raises(EOFError):
        czip.open(io.BytesIO(b"")).read()
    opened = czip.open(io.BytesIO(file[:200]))
    with pytest.raises(EOFError, match="file ends at byte 200"):
        opened.read()
    with pytest.raises(czip.LimitError):
        czip.open(io.BytesIO(file), max_text_len=10).read()
    with pytest.raises(czip.ModelError):
        czip.open(io.BytesIO(czip.compress(text)), model=czip.NO_MODEL).read()


def test_exceptions_of_file_objects_come_through():
    class Failing(io.RawIOBase):
        def readable(self):
            return True

        def read(self, size=-1):
            raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        czip.open(Failing()).read()


def test_closed_files(tmp_path):
    file = czip.open(tmp_path / "file", "wb")
    file.close()
    file.close()
    for call in (file.flush, file.tell, file.readable, file.read, lambda: file.write(b"")):
        with pytest.raises(ValueError, match="closed file"):
            call()
    assert czip.open(tmp_path / "file").read() == b""
