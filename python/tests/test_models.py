"""The golden vectors of all models, files of another implementation, and properties: czm-v1.md, czm-v2.md."""

from __future__ import annotations

from typing import Any

import brotli
import numpy as np
import pytest
import zstandard
from conftest import MODELS, VECTORS, fnv1a, shared, vector
from hypothesis import given, settings
from hypothesis import strategies as st
from patched import Parts, patched

from compress_zip.coder.arithmetic import ArithmeticEncoder
from compress_zip.errors import CzipError, ModelError, TokenizerError, WrongModelError
from compress_zip.fixed import COSINE, EXP2, LOG2E_OVER_64_Q24, SINE, exp_weight
from compress_zip.model import Integers, Model, Window, cumulative, v1, v2
from compress_zip.model.file import ModelFile, unbrotli, unzstd

MODEL1 = (VECTORS / "model.czm").read_bytes()
MODEL2 = (VECTORS / "model2.czm").read_bytes()


def test_hash() -> None:
    assert fnv1a(np.zeros(0, np.int64)) == "cbf29ce484222325"


class Observed:
    """Collects what a net observes, all positions together."""

    def __init__(self, model: Model) -> None:
        self.values: dict[str, list[Any]] = {}
        model.net.observer = lambda name, value: self.values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> Integers:
        rows = np.concatenate(self.values[name])
        return rows.reshape(len(rows), -1)


def code(model: Model, text: bytes, chunk_len: int) -> list[str]:
    """The chunks of a text in CZIPv1, in hexadecimal."""
    tokens = model.tokenizer.encode(text)
    chunks = []
    for start in range(0, len(tokens), chunk_len):
        chunk = tokens[start : start + chunk_len]
        sums = cumulative(model.forward(model.new_cache(), [model.start_token, *chunk[:-1]]))
        encoder = ArithmeticEncoder()
        for token, row in zip(chunk, sums):
            encoder.encode(int(row[token]), int(row[token + 1]), int(row[-1]))
        chunks.append(encoder.finish().hex())
    return chunks


def text_of(name: str) -> bytes:
    return (VECTORS / "texts" / f"{name}.txt").read_bytes()


# ---- Version 1


@pytest.mark.parametrize("cut", [1, 5, 32])
def test_version_1(cut: int) -> None:
    model = Model.from_bytes(MODEL1)
    observed = Observed(model)
    golden = vector("model.json")
    inputs = [step["input"] for step in golden["steps"]]
    length = golden["chunk_len"]
    results = []
    for start in range(0, len(inputs), length):
        cache = model.new_cache()
        chunk = inputs[start : start + length]
        for i in range(0, len(chunk), cut):
            results.append(model.forward(cache, chunk[i : i + cut]))
    sums = cumulative(np.concatenate(results))
    for i, step in enumerate(golden["steps"]):
        assert step["position"] == i % length
        assert fnv1a(observed["logits"][i]) == step["logits_hash"]
        assert fnv1a(sums[i, 1:]) == step["cumulative_hash"]
        token = step["coded"]
        assert token == golden["tokens"][i]
        interval = (sums[i, token], sums[i, token + 1], sums[i, -1])
        assert interval == (step["low"], step["high"], step["total"])
    assert golden["observed"]
    for item in golden["observed"]:
        i = item["step"]
        assert list(observed["logits"][i]) == item["logits"]
        assert list(sums[i, 1:]) == item["cumulative"]
        for stage in item["stages"]:
            assert list(observed[stage["stage"]][i]) == stage["values"], stage["stage"]


@pytest.mark.parametrize("variant", vector("variants.json"), ids=lambda variant: variant["name"])
def test_variants(variant: dict[str, Any]) -> None:
    model = Model.from_bytes(patched(MODEL1, variant["patch"]))
    assert model.context_length == variant["context_length"]
    assert code(model, text_of(variant["text"]), model.context_length) == variant["chunks"]


@pytest.mark.parametrize("name", ["v001_eng", "synth_2x4", "synth_3x8_sink"])
def test_traces(name: str) -> None:
    folder = shared("conformance")
    model = Model.open(folder / "models" / f"{name}.czm")
    observed = Observed(model)
    data = (folder / "trace" / f"python.{name}.trace").read_bytes()
    v = model.vocab_size
    record = np.dtype([("head", "<u4", 3), ("logits", "<i4", v), ("cumulative", "<u4", v)])
    steps = np.frombuffer(data, record)
    text = (folder / "inputs" / "python.txt").read_bytes()
    tokens = model.tokenizer.encode(text)[: steps[-1]["head"][0]]
    sums = cumulative(model.forward(model.new_cache(), [model.start_token, *tokens]))
    for step in steps:
        position = step["head"][0]
        assert (observed["logits"][position] == step["logits"]).all()
        assert (sums[position, 1:] == step["cumulative"]).all()


def test_softmax_against_the_plainest_form() -> None:
    generator = np.random.default_rng(7)
    exp2 = Model.from_bytes(MODEL1).net.exp2  # type: ignore[attr-defined]
    for case in range(60):
        rows, count = 3, int(generator.integers(1, 40))
        spread = int(generator.choice([10, 1 << 14, 1 << 18, 1 << 27]))
        scores = generator.integers(-spread, spread, (rows, count))
        if case % 3 == 0:
            scores.sort(axis=1)
        values = np.full((count, 64), 127) if case % 5 == 0 else generator.integers(-127, 128, (count, 64))
        sinks = generator.integers(-spread, spread, rows) if case % 2 else None
        last = generator.integers(0, count, rows)
        got = v1.online_softmax(scores, sinks, last, values, exp2)
        for row in range(rows):
            sink = None if sinks is None else int(sinks[row])
            seen = int(last[row]) + 1
            expected = plain_softmax([int(z) for z in scores[row, :seen]], sink, values.tolist())
            assert list(got[row]) == expected


def plain_softmax(scores: list[int], sink: int | None, values: list[list[int]]) -> list[int]:
    """Section 7 of czm-v1.md, step by step."""

    def w(difference: int) -> int:
        return int(exp_weight(np.array([difference]), LOG2E_OVER_64_Q24)[0])

    maximum, total, sums = sink, 0 if sink is None else 65535, [0] * 64
    for z, value in zip(scores, values):
        if maximum is not None and z > maximum:
            r = w(maximum - z)
            total = (total * r + 32768) >> 16
            sums = [(a * r + (32768 if a * r >= 0 else -32768)) >> 16 for a in sums]
        if maximum is None or z > maximum:
            maximum = z
        f = w(z - maximum)
        total += f
        sums = [(a + f * v + (1 << 31)) % (1 << 32) - (1 << 31) for a, v in zip(sums, value)]
    result = []
    for a in sums:
        quotient, rest = divmod(a, max(total, 1))
        quotient += 2 * rest > max(total, 1) or (2 * rest == max(total, 1) and quotient % 2 == 1)
        result.append(max(-127, min(127, quotient)))
    return result


def test_accumulators_wrap() -> None:
    # The example of section 7: 2147480000 + 65535 * 127. Here 259 keys with the value 127 exceed 2^31.
    count = 259
    outputs = v1.online_softmax(
        np.zeros((1, count), np.int64),
        None,
        np.array([count - 1]),
        np.full((count, 64), 127),
        Model.from_bytes(MODEL1).net.exp2,  # type: ignore[attr-defined]
    )
    wrapped = (65535 * 127 * count + (1 << 31)) % (1 << 32) - (1 << 31)
    assert wrapped < 0
    assert (outputs == round(wrapped / (65535 * count))).all()


def test_frequencies_example() -> None:
    net = Model.from_bytes(MODEL1).net
    assert isinstance(net, v1.Net)
    net.vocab_size, net.total = 3, 1000
    assert net._frequencies(np.array([[5, -163835, 5]])).tolist() == [[423, 156, 421]]


@given(st.lists(st.integers(0, 280), min_size=1, max_size=60), st.data())
@settings(max_examples=20, deadline=None)
def test_windows(tokens: list[int], data: st.DataObject) -> None:
    model = Model.from_bytes(MODEL1)
    positions = data.draw(st.integers(2, 40))
    keep = data.draw(st.integers(0, positions - 2))
    window = Window(positions, keep)
    sequence = [model.start_token, *tokens]
    whole = model.forward(model.new_cache(window), sequence)
    cache = model.new_cache(window)
    single = np.concatenate([model.forward(cache, [token]) for token in sequence])
    assert (whole == single).all()
    assert cache.position == len(sequence)
    # What is laid out at each position, from the rule in mixing.md.
    start, position = 0, 0
    for i in range(1, len(sequence)):
        position += 1
        if position == positions:
            start, position = i - keep, keep + 1
    last = [model.start_token, *sequence[max(start, 1) :]]
    assert (model.forward(model.new_cache(), last)[-1] == whole[-1]).all()


def test_windows_of_short_contexts() -> None:
    model = Model.from_bytes(MODEL1)
    assert model.context_length == 128
    for window, expected in [((512, 256), (128, 64)), ((256, 50), (128, 50)), ((128, 126), (128, 126))]:
        cache = model.new_cache(Window(*window))
        assert isinstance(cache, v1.Cache)
        assert (cache.limit, cache.keep) == expected
    with pytest.raises(ValueError, match="at most 128 tokens"):
        model.forward(model.new_cache(), [model.start_token] * 129)


# ---- Versions 2 and 3


@pytest.mark.parametrize("cut", [1, 7, 64])
@pytest.mark.parametrize("name", ["model2", "model3"])
def test_versions_2_and_3(name: str, cut: int) -> None:
    model = Model.open(VECTORS / f"{name}.czm")
    observed = Observed(model)
    golden = vector(f"{name}.json")
    inputs = [step["input"] for step in golden["steps"]]
    assert inputs == [model.start_token, *model.tokenizer.encode(text_of("prose"))][: len(inputs)]
    cache = model.new_cache()
    frequencies = np.concatenate(
        [model.forward(cache, inputs[i : i + cut]) for i in range(0, len(inputs), cut)]
    )
    for i, step in enumerate(golden["steps"]):
        assert fnv1a(observed["logits"][i]) == step["logits_hash"]
        assert fnv1a(frequencies[i]) == step["frequencies_hash"]
        assert frequencies[i].sum() == step["total"]
    assert golden["observed"]
    for item in golden["observed"]:
        i = item["step"]
        assert list(observed["logits"][i]) == item["logits"]
        assert list(frequencies[i]) == item["frequencies"]
        for stage in item["stages"]:
            assert list(observed[stage["stage"]][i]) == stage["values"], stage["stage"]


@pytest.mark.parametrize("name", ["model2", "model3"])
def test_chunks_of_versions_2_and_3(name: str) -> None:
    golden = vector(f"{name}.json")["chunks"]
    model = Model.open(VECTORS / f"{name}.czm")
    assert code(model, text_of(golden["text"]), golden["chunk_len"]) == golden["bytes"]


@pytest.mark.parametrize("name", ["standard", "fast"])
def test_cuts_make_no_difference(name: str) -> None:
    model = Model.open(MODELS / f"{name}.czm")
    tokens = [model.start_token, *model.tokenizer.encode(text_of("prose"))]
    tokens *= 2
    whole = model.forward(model.new_cache(), tokens)
    cache = model.new_cache()
    cuts = [0, 1, 2, 65, 66, 200, 203, len(tokens)]
    parts = [model.forward(cache, tokens[a:b]) for a, b in zip(cuts, cuts[1:])]
    assert (np.concatenate(parts) == whole).all()
    assert model.forward(cache, []).shape == (0, model.vocab_size)


def test_buckets() -> None:
    def one(before: int, token: int, bits: int) -> int:
        return int(v2.bucket(np.array([before]), np.array([token]), bits)[0])

    assert one(1, 2, 1) == 0
    assert one(1, 2, 16) == 31_981
    assert one(2, 1, 16) == 49_328
    assert one(65_535, 65_535, 24) == 4_730_675


def test_rotation() -> None:
    a = 2049 * 341 % 2048
    cosine, sine = COSINE[a], SINE[a]
    assert (a, cosine, sine) == (341, 16_413, 28_361)
    x = np.zeros(64, np.int64)
    x[[0, 32]] = 1000, -500
    assert list(v2.rotate(x, cosine, sine)[[0, 32]]) == [934, 615]
    assert list(v2.rotate(x, COSINE[0], SINE[0])[[0, 32]]) == [1000, -500]


def test_attention_example() -> None:
    assert list(v2.WEIGHTS[[0, 250, 575, 800]]) == [255, 130, 54, 29]
    assert (v2.WEIGHTS[2303], v2.WEIGHTS[2304]) == (1, 0)


def test_frequencies_of_version_2() -> None:
    parts = Parts.of(MODEL2)
    net = Model.from_bytes(MODEL2).net
    assert isinstance(net, v2.Net)
    # The table of a model with V = 3.
    d = np.arange(256 * 28 + 1)
    net.frequency = np.maximum((EXP2[d % 256] << 28) >> (16 + d // 256), 1)
    assert net._frequencies(np.array([[5, -352, -10_235]])).tolist() == [[268_431_360, 102_105_088, 1]]
    assert parts.metadata is not None


def test_content_hash() -> None:
    tensors = {"b": ("I8", [], b"\xff"), "a": ("U8", [1, 2], b"\1\2")}
    data = Parts({}, tensors).to_bytes()
    assert v2.content_hash(ModelFile.from_bytes(data)).hex() == "9c17849101842f0c32c057f5dc385cc0"


# ---- Faults

SEVERAL_FAULTS = {
    "a context from tables of 100 rows",
    "a layer too few",
    "layers.0.attn_norm.weight for another model",
}


@pytest.mark.parametrize("fault", vector("errors.json")["models"], ids=lambda fault: fault["name"])
def test_refused_models(fault: dict[str, Any]) -> None:
    with pytest.raises((ModelError, TokenizerError, WrongModelError)) as caught:
        Model.from_bytes(patched(MODEL1, fault["patch"]))
    expected: str = fault.get("error") or fault["error_prefix"]
    assert expected.startswith("tokenizer of ") == isinstance(caught.value, WrongModelError)
    assert ("bad tokenizer" in expected) == isinstance(caught.value, TokenizerError)
    # The key or tensor at fault is named, where no other may be found first.
    if fault["name"] not in SEVERAL_FAULTS:
        for name in expected.split("`")[1:2]:
            assert name in str(caught.value)


@pytest.mark.parametrize(
    "fault", vector("errors.json")["model_files"], ids=lambda fault: fault["file"].split("/")[-1]
)
def test_refused_model_files(fault: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        Model.open(VECTORS / fault["file"])


@pytest.mark.parametrize(
    ("before", "inserted"),
    [
        (b'{"__metadata__":{', b'"format":"another",'),
        (b'{"__metadata__":{', b'"\\u0066ormat":"another",'),
        (b"{", b'"tokenizer.data":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'),
        (b'"dtype":"U8",', b'"x":{"y":1,"y":1},'),
    ],
)
@pytest.mark.parametrize("name", ["model", "model2", "model3"])
def test_keys_that_occur_twice(name: str, before: bytes, inserted: bytes) -> None:
    data = (VECTORS / f"{name}.czm").read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = data[8:end].replace(before, before + inserted, 1)
    assert len(header) > end - 8
    with pytest.raises(ModelError, match="a key occurs twice"):
        Model.from_bytes(len(header).to_bytes(8, "little") + header + data[end:])


def changed_model2(metadata: dict[str, str | None], tensors: dict[str, Any]) -> bytes:
    """MODEL2 with a patch, and the content hash that it then has."""
    data = patched(MODEL2, {"metadata": metadata, "tensors": tensors})
    value = v2.content_hash(ModelFile.from_bytes(data)).hex()
    return patched(data, {"metadata": {"content_hash": value}})


@pytest.mark.parametrize("key", sorted(set(Parts.of(MODEL2).metadata or {}) - {"tokenizer_codec", "name"}))
def test_missing_keys_of_version_2(key: str) -> None:
    with pytest.raises(ModelError, match=key if key != "format" else "another program"):
        Model.from_bytes(patched(MODEL2, {"metadata": {key: None}}))


@pytest.mark.parametrize("name", sorted(set(Parts.of(MODEL2).tensors) - {"mixing.weights"}))
def test_tensors_of_version_2(name: str) -> None:
    for change in (None, {"dtype": "I64"}, {"shape": [*Parts.of(MODEL2).tensors[name][1], 1]}):
        with pytest.raises(ModelError, match=name):
            Model.from_bytes(changed_model2({}, {name: change}))


@pytest.mark.parametrize(
    ("metadata", "tensors"),
    [
        ({"window": "0"}, {}),
        ({"window": "1025"}, {}),
        ({"window": "-1"}, {}),
        ({"window": "18 "}, {}),
        ({"window": "\u0661"}, {}),
        ({"d_model": "38"}, {}),
        ({"bigram_buckets": "65"}, {}),
        ({"bigram_buckets": "1"}, {}),
        ({"bigram_buckets": "0"}, {}),
        ({"bigram_width": "19"}, {}),
        ({"bigram_width": "0"}, {}),
        ({"tokenizer_codec": "gzip"}, {}),
        ({}, {"embed.shift": {"data": "09"}}),
        ({}, {"bigram.shift": {"data": "09"}}),
        ({}, {"head.shift": {"data": "19"}}),
        ({}, {"layers.1.ffn.down.shift": {"data": "19"}}),
        ({}, {"layers.0.attn.sinks": {"data": "01001000"}}),
        ({}, {"layers.0.attn.sinks": {"data": "ffffefff"}}),
        ({}, {"tokenizer.data": {"data": "00"}}),
        ({}, {"mixing.weights": {"dtype": "U16", "shape": [282]}}),
        ({}, {"mixing.priors.0": {"dtype": "U8", "shape": [3]}}),
    ],
)
def test_refused_models_of_version_2(metadata: dict[str, str | None], tensors: dict[str, Any]) -> None:
    with pytest.raises(CzipError):
        Model.from_bytes(changed_model2(metadata, tensors))


@pytest.mark.parametrize(
    ("metadata", "tensors"),
    [
        ({"window": "+0018"}, {}),
        ({"window": "1024", "more": "é"}, {}),
        ({}, {"layers.0.attn.sinks": {"data": "0000f0ff00001000"}}),
        ({}, {"other": {"dtype": "F64", "shape": [0]}}),
        ({}, {"mixing.weights": {"dtype": "U16", "shape": [283]}}),
    ],
)
def test_valid_models_of_version_2(metadata: dict[str, str | None], tensors: dict[str, Any]) -> None:
    model = Model.from_bytes(changed_model2(metadata, tensors))
    assert model.forward(model.new_cache(), [model.start_token]).min() >= 1


def test_compressed_tensors() -> None:
    text = b"hello " * 1000
    frame = zstandard.compress(text)
    skippable = bytes.fromhex("502a4d1803000000616263")
    assert unzstd(skippable + frame + frame + skippable, 12_000, 1 << 24) == text + text
    assert unbrotli(brotli.compress(text) + b"more", 6_000) == text
    for data in (b"", frame[:-1], frame + b"x"):
        with pytest.raises(ValueError, match=r"cut short|rror"):
            unzstd(data, 6_000, 1 << 24)
    for data in (b"", brotli.compress(text)[:-1], b"\xff"):
        with pytest.raises(ValueError, match=r"cut short|failed"):
            unbrotli(data, 6_000)
    with pytest.raises(ValueError, match="more than 5999 bytes"):
        unzstd(frame, 5_999, 1 << 24)
    with pytest.raises(ValueError, match="more than 5999 bytes"):
        unbrotli(brotli.compress(text), 5_999)


@given(st.integers(0, len(MODEL2) - 1), st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_changed_bytes_never_crash(place: int, change: int) -> None:
    data = bytearray(MODEL2)
    data[place] ^= change
    try:
        Model.from_bytes(bytes(data))
    except CzipError:
        return
    # The tensors have a hash, so it must be the header that changed.
    assert place < 8 + int.from_bytes(MODEL2[:8], "little")
