"""Both implementations on the same models: random ones, and some that are hardly valid or hardly not.

``python tests/test_cross_models.py COUNT [SEED]`` compares COUNT random models of each version.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import rust
import zstandard
from conftest import VECTORS
from patched import Parts, patched
from random_models import TOKENIZER, VERSIONS
from test_models import MODEL1, code, text_of

from compress_zip import cli, czip_v1, czip_v2
from compress_zip.container import v1
from compress_zip.container.outer import Codec
from compress_zip.errors import CzipError, WrongModelError
from compress_zip.mix.variants import Mode
from compress_zip.model import Model
from compress_zip.tokenizer import Tokenizer

TEXT = text_of("prose")[:900]
CHUNK_LEN = 256


@pytest.fixture(autouse=True)
def _needs_the_rust_program() -> None:
    rust.program()


def compare(data: bytes, folder: Path, text: bytes = TEXT) -> bool:
    """Whether both code a text in the same chunks with a model, which needs the same tokens."""
    path = folder / "model.czm"
    path.write_bytes(data)
    arguments: list[str | Path] = ["compress", "--format", "v1", "-L", "3", "-m", path, "-i", "-", "-o", "-"]
    theirs = v1.File.from_bytes(rust.output(arguments, text))
    model = Model.from_bytes(data)
    ours = code(model, text, min(CHUNK_LEN, model.context_length))
    return ours == [chunk.hex() for chunk in theirs.chunks]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", range(20))
def test_random_models(version: int, seed: int, tmp_path: Path) -> None:
    assert compare(VERSIONS[version](seed), tmp_path)


@pytest.mark.parametrize("seed", range(1, 41, 2))
def test_random_tokenizers(seed: int, tmp_path: Path) -> None:
    data = VERSIONS[3](seed)
    text = text_of("unicode")[:600] + b"<|bos|><|bos|><|eos|> the  then" + TEXT[:300]
    assert compare(data, tmp_path, text)
    # Unused ids are symbols without bytes in the tree of czip v2.
    file = czip_v2.compress(text, Model.from_bytes(data), level=1, mode=Mode.TOKENS)
    arguments: list[str | Path] = ["decompress", "-m", tmp_path / "model.czm", "-i", "-", "-o", "-"]
    assert rust.output(arguments, file) == text


def header(data: bytes) -> tuple[bytes, bytes]:
    """The header of a safetensors file, and what follows it."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]


def with_header(text: bytes, data: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + data


def with_tensor(entry: str, data: bytes = b"") -> bytes:
    """MODEL1 with another tensor; N stands for the place of its bytes, M for their end."""
    text, rest = header(MODEL1)
    entry = entry.replace("N", str(len(rest))).replace("M", str(len(rest) + len(data)))
    return with_header(text.rstrip()[:-1] + b',"more":' + entry.encode() + b"}", rest + data)


def files() -> dict[str, bytes]:
    """Model files at the edge of the rules."""
    text, rest = header(MODEL1)
    result = {
        "a header with spaces after it": with_header(text + b" \n\t", rest),
        "a header with a zero after it": with_header(text + b"\0", rest),
        "a header after a space": with_header(b" " + text, rest),
        "a header of 1 MiB": with_header(text.ljust(1 << 20), rest),
        "a header of 1 MiB and a byte": with_header(text.ljust((1 << 20) + 1), rest),
        "a byte more": MODEL1 + b"x",
        "a byte less": MODEL1[:-1],
        "an empty tensor": with_tensor('{"dtype":"I8","shape":[0],"data_offsets":[N,N]}'),
        "an empty tensor at the start": with_tensor('{"dtype":"I8","shape":[0],"data_offsets":[0,0]}'),
        "an empty tensor elsewhere": with_tensor('{"dtype":"I8","shape":[0],"data_offsets":[5,5]}'),
        "a tensor twice": with_tensor('{"dtype":"I8","shape":[3],"data_offsets":[0,3]}'),
        "a gap": with_tensor('{"dtype":"I8","shape":[3],"data_offsets":[N1,M]}', b"123"),
        "a shape of floats": with_tensor('{"dtype":"I8","shape":[3.0],"data_offsets":[N,M]}', b"123"),
        "a negative size": with_tensor('{"dtype":"I8","shape":[-3],"data_offsets":[N,M]}', b"123"),
        "a minus zero": with_tensor('{"dtype":"I8","shape":[-0],"data_offsets":[N,N]}'),
        "another field": with_tensor('{"dtype":"I8","shape":[3],"data_offsets":[N,M],"x":1}', b"123"),
        "no type": with_tensor('{"shape":[3],"data_offsets":[N,M]}', b"123"),
        "an unknown type": with_tensor('{"dtype":"Q8","shape":[0],"data_offsets":[N,N]}'),
        "elements of 4 bits": with_tensor('{"dtype":"F4","shape":[6],"data_offsets":[N,M]}', b"123"),
        "half a byte": with_tensor('{"dtype":"F4","shape":[5],"data_offsets":[N,M]}', b"123"),
        "not a number": with_tensor('{"dtype":"I8","shape":[3],"data_offsets":[N,M],"x":NaN}', b"123"),
        "a number of metadata": with_header(text.replace(b'{"', b'{"__metadata__":{"x":1},"', 1), rest),
        "no tokenizer": patched(MODEL1, {"tensors": {"tokenizer.data": {"shape": [0]}}}),
    }
    for number in ("+2", "002", "++2", "2 ", "-2", "2.0", "0x2", "2_0", "\u0662", "", "2" + "0" * 30):
        result[f"`{number}` layers"] = patched(MODEL1, {"metadata": {"n_layers": number}})
    skippable = bytes.fromhex("502a4d1803000000616263")
    compressed = {
        "a skippable frame before": skippable + TOKENIZER,
        "a skippable frame after": TOKENIZER + skippable,
        "bytes after": TOKENIZER + b"x",
        "a frame cut short": TOKENIZER[:-1],
    }
    for name, data in compressed.items():
        change: dict[str, Any] = {"shape": [len(data)], "data": data.hex()}
        patch = {"metadata": {"tokenizer_codec": "zstd"}, "tensors": {"tokenizer.data": change}}
        result[f"tokenizer: {name}"] = patched(MODEL1, patch)
    for name in Parts.of(MODEL1).tensors:
        result[f"without {name}"] = patched(MODEL1, {"tensors": {name: None}})
    return result


def tokenizers() -> dict[str, bytes]:
    """Tokenizers at the edge of the rules, for a model of 283 tokens."""
    plain: dict[str, Any] = json.loads((VECTORS / "tokenizer.json").read_bytes())
    ranks, special = plain["mergeable_ranks"], plain["special_tokens"]
    merges = [token for pair in Tokenizer(json.dumps(plain).encode()).merges for token in pair]
    without_the_last = {key: value for key, value in special.items() if value != 282}
    edits: dict[str, dict[str, Any]] = {
        "all merges": {"merges": merges},
        "half of a merge": {"merges": merges[:-1]},
        "a merge twice": {"merges": merges + merges[:2]},
        "a merge of an unknown token": {"merges": [*merges, 97, 283]},
        "a merge of a special token": {"merges": [*merges, 97, 282]},
        "a merge that makes no token": {"merges": [*merges, 0, 0]},
        "a merge of an unused id": {"merges": [97, 282], "special_tokens": without_the_last},
        "a last id that is unused": {
            "special_tokens": without_the_last,
            "merges": [],
            "explicit_n_vocab": 283,
        },
        "a first id that is unused": {
            "mergeable_ranks": {**ranks, "\0": 282},
            "special_tokens": without_the_last,
            "merges": [],
        },
        "an unused id without a list": {"special_tokens": without_the_last, "explicit_n_vocab": 283},
        "an unused id beyond the model": {"merges": [], "explicit_n_vocab": 284},
        "a vocabulary that is too small": {"merges": [], "explicit_n_vocab": 282},
        "a token for each of two ids": {"merges": [], "special_tokens": {**special, "x": 281}},
        "pairs as arrays": {"merges": [merges[:2], merges[2:4]]},
        "merges as an object": {"merges": {}},
        "merges as a string": {"merges": ""},
        "pieces that are merged without a list": {"ignore_merges": False},
    }
    values: list[Any] = [0, 283, 284, 1 << 18, (1 << 18) + 1, 1 << 32, 1 << 64, -1, True, 283.0, "283", []]
    for value in values:
        edits[f"a vocabulary of {value!r}"] = {"explicit_n_vocab": value}
        edits[f"a vocabulary of {value!r} with merges"] = {"explicit_n_vocab": value, "merges": merges}
    values = [1.0, -1, "97", True, None, [], 1 << 64, 1 << 32, -0.0]
    edits.update({f"merges of {value!r}": {"merges": [value, value]} for value in values})
    values = [0, 1, True, False, "true", [], {}]
    edits.update({f"ignore_merges {value!r}": {"ignore_merges": value} for value in values})
    values = [None, 1, True, [], [1], {}, "", [["a", 97]]]
    for key in ("name", "pat_str", "mergeable_ranks", "special_tokens"):
        edits.update({f"{key} {value!r}": {key: value} for value in values})
    result = {name: json.dumps({**plain, **edit}).encode() for name, edit in edits.items()}
    text = json.dumps(plain).encode()
    for key in ("merges", "ignore_merges", "explicit_n_vocab", "name", "other"):
        two = f'{{"{key}": null, "{key}": null, '.encode()
        result[f"`{key}` twice"] = two + text.replace(f'"{key}"'.encode(), b'"x"')[1:]
    for number in (b"1e2", b"97.0", b"-0", b"00", b"+97", b" 97 ", b"0x61", b"NaN"):
        with_number = b'"a": %b' % number
        result[f"the id {number.decode()} for `a`"] = text.replace(b'"a": 97', with_number)
    return result


def with_tokenizer(text: bytes) -> bytes:
    """A model of version 3 with a tokenizer."""
    parts = Parts.of(VERSIONS[3](0))
    data = zstandard.compress(text)
    parts.tensors["tokenizer.data"] = ("U8", [len(data)], data)
    return parts.with_data_hash()


@pytest.mark.parametrize("name", tokenizers())
def test_which_tokenizers_are_valid(name: str, tmp_path: Path) -> None:
    _compare_acceptance(with_tokenizer(tokenizers()[name]), tmp_path)


@pytest.mark.parametrize("name", files())
def test_which_files_are_models(name: str, tmp_path: Path) -> None:
    _compare_acceptance(files()[name], tmp_path)


@pytest.mark.parametrize("tokens", [[282], [97, 282], [282, 97]])
def test_ids_without_tokens_do_not_fit(tokens: list[int], tmp_path: Path) -> None:
    """A file of CZIPv1 with such an id is damaged, or was made with another model."""
    data = with_tokenizer(tokenizers()["a last id that is unused"])
    model, path = Model.from_bytes(data), tmp_path / "model.czm"
    path.write_bytes(data)
    file = v1.File(
        codec=Codec.BROTLI,
        original_len=len(tokens),
        context_field=8,
        last_tokens=len(tokens),
        chunks=[czip_v1.encode_chunk(model, tokens)],
        model_id=v1.model_id(str(path)),
    )
    with pytest.raises(WrongModelError, match="282"):
        czip_v1.decompress(file.to_bytes(), model)
    arguments: list[str | Path] = ["decompress", "-m", path, "-i", "-", "-o", "-"]
    assert rust.run(arguments, file.to_bytes()).returncode == cli.MISMATCH


def _compare_acceptance(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.czm"
    path.write_bytes(data)
    arguments: list[str | Path] = ["compress", "--format", "v1", "-m", path, "-i", "-", "-o", "-"]
    theirs = rust.run(arguments)
    fault = None
    try:
        Model.from_bytes(data)
    except CzipError as error:
        fault = error
    code = cli.OK if fault is None else cli.MISMATCH if isinstance(fault, WrongModelError) else cli.MALFORMED
    assert theirs.returncode == code, (fault, theirs.stderr.decode())


def main() -> None:
    count = int(sys.argv[1])
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory() as folder:
        for version, make in VERSIONS.items():
            for seed in range(first, first + count):
                if not compare(make(seed), Path(folder)):
                    print(f"version {version}, seed {seed}: chunks differ")


if __name__ == "__main__":
    main()
