"""The codec of numcodecs."""

import pickle

import numcodecs
import numpy
import pytest

import czip
from czip.numcodecs import Czip


def test_found_by_its_entry_point():
    codec = numcodecs.get_codec({"id": "czip", "level": 2, "model": "none"})
    assert isinstance(codec, Czip)
    assert codec.get_config() == {"id": "czip", "level": 2, "model": "none", "threads": 0}
    assert codec == pickle.loads(pickle.dumps(codec))


@pytest.mark.parametrize("model", [None, "none"])
def test_round_trip(model):
    codec = Czip(model=model)
    chunk = numpy.arange(1000, dtype="<u2")
    packed = codec.encode(chunk)
    assert czip.decompress(packed) == chunk.tobytes()
    assert numpy.array_equal(numpy.frombuffer(codec.decode(packed), dtype="<u2"), chunk)
    out = numpy.empty_like(chunk)
    codec.decode(packed, out=out)
    assert numpy.array_equal(out, chunk)
    assert codec.get_config()["model"] == model
