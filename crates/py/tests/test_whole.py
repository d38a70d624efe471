"""Whole texts and files."""

import array
import mmap
import signal
import sys
import threading

import numpy
import pytest

import czip


@pytest.mark.parametrize("length", [0, 1, 2, 1000])
@pytest.mark.parametrize("model", [None, czip.NO_MODEL])
def test_round_trips(text, length, model):
    file = czip.compress(text[:length], model=model)
    assert file[:3] == b"\xfacz"
    assert czip.decompress(file) == text[:length]


def test_any_bytes_round_trip():
    data = bytes(range(256)) * 8
    assert czip.decompress(czip.compress(data)) == data


@pytest.mark.parametrize("level", range(1, 10))
def test_levels(text, level):
    file = czip.compress(text[:2000], level=level)
    assert file[3] & 15 == level
    assert czip.decompress(file) == text[:2000]


@pytest.mark.parametrize("level", [0, 10, -1, 300, 2**40])
def test_levels_that_there_are_not(level):
    with pytest.raises(ValueError, match="level must be from 1 to 9"):
        czip.compress(b"", level=level)


def test_net_makes_smaller_files(text):
    sentence = b"The quick brown fox jumps over the lazy dog, and the dog barks at the fox."
    assert len(czip.compress(sentence)) < len(czip.compress(sentence, model=czip.NO_MODEL))


def test_threads_do_not_change_the_file(text, file):
    for threads in (1, 2, 5):
        options = {"model": czip.NO_MODEL, "level": 1, "segment_len": 1024}
        assert czip.compress(text, threads=threads, **options) == file
        assert czip.decompress(file, threads=threads) == text


def test_index_is_optional(text, file):
    without = czip.compress(text, model=czip.NO_MODEL, level=1, segment_len=1024, index=False)
    assert file.startswith(without)
    assert file.endswith(b"zic\xfa") and len(file) > len(without)
    assert czip.decompress(without) == text


@pytest.mark.parametrize("segment_len", [0, 1023, (1 << 24) + 1])
def test_segments_that_there_are_not(segment_len):
    with pytest.raises(ValueError, match="segment_len must be from 1024 to 16777216"):
        czip.compress(b"", segment_len=segment_len)


def test_kinds_of_buffers(text, tmp_path):
    text = text[:2000]
    path = tmp_path / "text"
    path.write_bytes(text)
    numbers = numpy.frombuffer(text[:1000], dtype=numpy.uint8)
    whole = czip.compress(text)
    with open(path, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for buffer in (bytearray(text), memoryview(text), mapped):
            assert czip.compress(buffer) == whole
            assert czip.decompress(czip.compress(buffer)) == text
    assert czip.decompress(memoryview(whole)) == text
    assert czip.decompress(bytearray(whole)) == text
    assert czip.compress(numbers) == czip.compress(text[:1000])
    # Elements of several bytes, in two dimensions, or not next to each other.
    wide = numpy.arange(100, dtype="<u4").reshape(10, 10)
    assert czip.decompress(czip.compress(wide)) == wide.tobytes()
    assert czip.decompress(czip.compress(numbers[::2])) == text[:1000:2]
    assert (
        czip.decompress(czip.compress(array.array("H", [1, 2, 3]))) == array.array("H", [1, 2, 3]).tobytes()
    )


@pytest.mark.parametrize("wrong", ["text", 5, None, [1, 2]])
def test_what_is_no_buffer(wrong):
    for function in (
        czip.compress,
        czip.decompress,
        czip.Compressor().compress,
        czip.Decompressor().decompress,
    ):
        with pytest.raises(TypeError):
            function(wrong)


def test_many(text):
    texts = [text[:length] for length in (0, 1, 100, 3000)]
    files = czip.compress_many(texts)
    assert files == [czip.compress(one) for one in texts]
    assert czip.decompress_many(files) == texts
    assert czip.decompress_many(iter(files)) == texts
    assert czip.compress_many([]) == czip.decompress_many([]) == []


def test_many_with_a_damaged_one(text):
    good = czip.compress(text[:100])
    bad = good[:-1] + bytes([good[-1] ^ 1])
    first, second, third = czip.decompress_many([good, bad, good], return_exceptions=True)
    assert first == third == text[:100]
    assert isinstance(second, czip.MalformedError)
    with pytest.raises(czip.MalformedError, match="segment 0 of member 0"):
        czip.decompress_many([good, bad, good])


def test_files_can_be_joined(text, file):
    assert czip.decompress(file + czip.compress(b"more")) == text + b"more"


def test_kinds_of_errors(text, file):
    with pytest.raises(czip.TruncatedError, match="file ends at byte 100") as cut:
        czip.decompress(file[:100])
    assert isinstance(cut.value, (czip.MalformedError, EOFError)) and isinstance(cut.value, EOFError)
    with pytest.raises(czip.TruncatedError):
        czip.decompress(b"")
    with pytest.raises(czip.MalformedError, match='it starts with "hello"'):
        czip.decompress(b"hello")
    with pytest.raises(czip.MalformedError, match="the file is damaged"):
        czip.decompress(file[:50] + bytes([file[50] ^ 1]) + file[51:])
    with pytest.raises(czip.LimitError, match="more than the limit of 100"):
        czip.decompress(file, max_text_len=100)
    with pytest.raises(czip.LimitError, match="bytes of memory"):
        czip.decompress(file, max_memory=100)
    with pytest.raises(czip.ModelError, match="needs the model 19f2067c, but no model is given"):
        czip.decompress(czip.compress(text), model=czip.NO_MODEL)
    for kind in (
        czip.MalformedError,
        czip.TruncatedError,
        czip.ModelError,
        czip.LimitError,
        czip.UnsupportedError,
    ):
        assert issubclass(kind, czip.CzipError)
    assert issubclass(czip.CzipError, OSError) and issubclass(czip.CzipError, ValueError)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to a thread")
def test_ctrl_c_ends_the_work():
    data = bytes(numpy.random.default_rng(0).integers(97, 105, 1 << 24, dtype=numpy.uint8))
    main = threading.main_thread().ident
    # Where shells run this in the background, the signal is ignored, and Python does not change that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            czip.compress(data, level=9)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


def test_other_threads_run_meanwhile(text):
    """Four threads compress and restore at once, with one model."""
    model = czip.Model.builtin()
    text = text[:2000]
    results = [None] * 4

    def work(number):
        file = czip.compress(text[number:], model=model, threads=2)
        results[number] = czip.decompress(file, model=model, threads=2)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [text[number:] for number in range(4)]
