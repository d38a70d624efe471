"""Models."""

import pickle

import pytest

import czip


def test_builtin_model():
    model = czip.Model.builtin()
    assert (model.name, model.id, model.vocab_size) == ("standard", "19f2067c", 2048)
    assert model.content_hash.startswith(model.id) and len(model.content_hash) == 32
    assert model.format == "czip-model-v2"
    assert model.parameters > 1_000_000
    assert repr(model) == '<czip.Model "standard", id 19f2067c>'
    assert model == czip.Model.builtin() and hash(model) == hash(czip.Model.builtin())
    assert model != czip.NO_MODEL
    fast = czip.Model.builtin("fast")
    assert (fast.name, fast.vocab_size) == ("fast", 2048) and fast != model
    with pytest.raises(ValueError, match='are "standard" and "fast", not "slow"'):
        czip.Model.builtin("slow")


def test_given_and_default_model_are_the_same(text):
    file = czip.compress(text[:1000])
    assert czip.compress(text[:1000], model=czip.Model.builtin()) == file
    assert czip.decompress(file, model=czip.Model.builtin()) == text[:1000]
    assert czip.decompress(file, model=[czip.Model.builtin()]) == text[:1000]
    # The built-in one is always at hand, unless it is excluded.
    assert czip.decompress(file, model=[]) == text[:1000]
    fast = czip.Model.builtin("fast")
    at_4 = czip.compress(text[:1000], level=4)
    assert czip.compress(text[:1000], level=4, model=fast) == at_4
    assert czip.compress(text[:1000], level=5, model=fast) != file
    assert at_4[4:8].hex() == fast.id
    assert czip.decompress(at_4) == czip.decompress(at_4, model=[czip.Model.builtin()]) == text[:1000]


def test_what_is_no_model(tmp_path):
    with pytest.raises(czip.MalformedError, match="bad model"):
        czip.Model.from_bytes(b"nothing")
    with pytest.raises(FileNotFoundError) as missing:
        czip.Model.open(tmp_path / "missing.czm")
    assert missing.value.filename == str(tmp_path / "missing.czm")
    with pytest.raises(TypeError, match="model must be a czip.Model, czip.NO_MODEL or None, not str"):
        czip.compress(b"", model="standard")
    with pytest.raises(TypeError, match="model must be .* not int"):
        czip.decompress(b"", model=[5])
    with pytest.raises(TypeError, match="cannot create"):
        czip.Model()


def test_no_model():
    assert repr(czip.NO_MODEL) == "czip.NO_MODEL"
    assert pickle.loads(pickle.dumps(czip.NO_MODEL)) is czip.NO_MODEL
