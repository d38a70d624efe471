"""Texts that all tests share."""

import pytest

import czip


@pytest.fixture(scope="session")
def text():
    """Some 20 KB: several segments of 1 KiB."""
    return b"".join(b"%d: Integers are the same everywhere.\n" % number for number in range(500))


@pytest.fixture(scope="session")
def file(text):
    """The text in segments of 1 KiB, as bytes, which is fast."""
    return czip.compress(text, model=czip.NO_MODEL, level=1, segment_len=1024)
