"""tokenizer.md: its example, the golden vectors, and properties."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import VECTORS, shared, vector
from hypothesis import given
from hypothesis import strategies as st

from compress_zip.errors import TokenizerError
from compress_zip.tokenizer import Tokenizer, _translate, merge

JSON = (VECTORS / "tokenizer.json").read_bytes()
TOKENIZER = Tokenizer(JSON)
RANKS = json.loads(JSON)["mergeable_ranks"]
SPECIAL = json.loads(JSON)["special_tokens"]
TEXTS = sorted((VECTORS / "texts").iterdir())


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(JSON), **fields}).encode()


def example() -> Tokenizer:
    """The tokenizer of section 6."""
    ranks = {chr(byte): byte for byte in range(256)}
    ranks.update({"th": 256, "e ": 257, "he": 258, "the": 259})
    return Tokenizer(changed(explicit_n_vocab=261, mergeable_ranks=ranks, special_tokens={"<|eos|>": 260}))


def test_example() -> None:
    text = "then thé<|eos|>".encode()
    tokens = example().encode(text)
    assert tokens == [259, 110, 32, 256, 195, 169, 260]
    assert example().decode(tokens) == text
    assert 260 not in example().encode(text, special_tokens=False)


def test_golden_vectors() -> None:
    expected = vector("tokens.json")
    assert len(expected) == 8
    for name, tokens in expected.items():
        text = (VECTORS / "texts" / f"{name}.txt").read_bytes()
        assert TOKENIZER.encode(text) == tokens
        assert TOKENIZER.decode(tokens) == text


def test_shared_texts() -> None:
    from compress_zip.model import Model  # noqa: PLC0415

    tokenizer = Model.open(shared("conformance/models") / "v001_eng.czm").tokenizer
    inputs = shared("conformance/inputs")
    files = sorted(shared("conformance/tokens").iterdir())
    assert len(files) > 10
    for file in files:
        text = (inputs / file.name[: -len(".u16le")]).read_bytes()
        data = file.read_bytes()
        expected = [int.from_bytes(data[i : i + 2], "little") for i in range(0, len(data), 2)]
        assert tokenizer.encode(text) == expected, file.name


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_any_bytes_come_back(path: Path) -> None:
    text = path.read_bytes()
    for special_tokens in (False, True):
        assert TOKENIZER.decode(TOKENIZER.encode(text, special_tokens=special_tokens)) == text


@given(st.binary(max_size=50) | st.text(max_size=50).map(lambda text: text.encode()))
def test_all_bytes_come_back(text: bytes) -> None:
    for special_tokens in (False, True):
        assert TOKENIZER.decode(TOKENIZER.encode(text, special_tokens=special_tokens)) == text


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=2, max_size=6), unique=True))
def test_merges(text: str, tokens: list[str]) -> None:
    ranks = {bytes([byte]): byte for byte in range(256)}
    ranks.update({token.encode(): 256 + i for i, token in enumerate(tokens)})
    # Section 4 in its plainest form.
    parts = [bytes([byte]) for byte in text.encode()]
    while True:
        pairs = [parts[i] + parts[i + 1] for i in range(len(parts) - 1)]
        known = [(ranks[pair], i) for i, pair in enumerate(pairs) if pair in ranks]
        if not known:
            break
        _, i = min(known)
        parts[i : i + 2] = [pairs[i]]
    assert merge(text.encode(), ranks) == [ranks[part] for part in parts]


@given(st.text(st.sampled_from("a1'sS. \r\nſé½\u2028\x1c_") | st.characters(codec="utf-8"), max_size=20))
def test_the_known_pattern(part: str) -> None:
    pieces = b"".join(TOKENIZER._pieces(part))
    assert pieces == part.encode()
    for piece in TOKENIZER._pieces(part):
        assert piece.decode()


def test_rules_of_the_known_pattern() -> None:
    def pieces(part: str) -> list[str]:
        return [piece.decode() for piece in TOKENIZER._pieces(part)]

    assert pieces("it'ſ I'LL") == ["it", "'ſ", " I", "'LL"]
    assert pieces("-ab12345..\r\n\n x") == ["-ab", "123", "45", "..\r\n\n", " x"]
    assert pieces("a  \n  b   c \n") == ["a", "  \n", " ", " b", "  ", " c", " \n"]
    # The separators U+001C to U+001F are no spaces.
    assert pieces(" \x1c\x1c ") == [" \x1c\x1c", " "]


def test_text_between_matches() -> None:
    tokenizer = Tokenizer(changed(pat_str="b|$"))
    assert list(tokenizer._pieces("aabba\n")) == [b"aa", b"b", b"b", b"a\n"]


def test_empty_matches() -> None:
    # As if they were not there.
    assert list(Tokenizer(changed(pat_str="|a"))._pieces("aabaa")) == [b"aabaa"]
    assert list(Tokenizer(changed(pat_str="a*"))._pieces("baab caa")) == [b"b", b"aa", b"b c", b"aa"]


def test_bytes_that_are_not_utf_8() -> None:
    # Each is a token by itself, though there is one for the first two together.
    ranks = {**RANKS, "\xe2\x82": 283, "ab": 284}
    tokenizer = Tokenizer(changed(explicit_n_vocab=None, mergeable_ranks=ranks))
    assert tokenizer.encode(b"ab\xe2\x82ab") == [284, 0xE2, 0x82, 284]
    assert tokenizer.encode(b"\xff\xf0\x9f\x98a") == [0xFF, 0xF0, 0x9F, 0x98, 97]


def test_ends_of_the_part() -> None:
    assert _translate(r"a$|\$[$][]$][^]$\]$][[:alpha:]$]$") == r"a\Z|\$[$][]$][^]$\]$][[:alpha:]$]\Z"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "malformed"),
        (b"[]", "malformed"),
        (b"\xff", "malformed"),
        (b"{}", "malformed"),
        (b'{"name": NaN}', "malformed"),
        (b'{"name": "a", "name": "a"}', "occurs twice"),
        (JSON.replace(b'"vectors"', b'"\\ud800"'), "malformed"),
        (JSON.replace(b'"\\u0000": 0', b'"\\u0000": -0'), "no id"),
        (JSON + b"x", "malformed"),
        (changed(name=None), "wrong type"),
        (changed(explicit_n_vocab=7), "`explicit_n_vocab` is 7, but there are 283 tokens"),
        (changed(explicit_n_vocab="283"), "explicit_n_vocab"),
        (changed(mergeable_ranks={**RANKS, "": 283}), "empty"),
        (changed(mergeable_ranks={**RANKS, "a" * 65536: 283}), "65536 bytes"),
        (changed(mergeable_ranks={**RANKS, "Ā": 283}), "U\\+00FF"),
        (changed(mergeable_ranks={k: v for k, v in RANKS.items() if k != "a"}), "the byte 97"),
        (changed(mergeable_ranks={**RANKS, "zq": 284}), "not below 284"),
        (changed(mergeable_ranks={**RANKS, "zq": 282}), "used twice"),
        (changed(mergeable_ranks={**RANKS, "zq": -1}), "no id"),
        (changed(mergeable_ranks={**RANKS, "zq": True}), "no id"),
        (changed(mergeable_ranks={**RANKS, "zq": 283.0}), "no id"),
        (changed(special_tokens={**SPECIAL, "": 283}), "empty"),
        (changed(special_tokens={**SPECIAL, "é" * 128: 283}), "256 bytes"),
        (changed(special_tokens={**SPECIAL, "\ud800": 283}), "malformed"),
        (changed(pat_str="a" * 8193), "8193 bytes"),
        (changed(pat_str="(a"), "compile"),
        (JSON.replace(b'"<|bos|>"', b'"<|eos|>"'), "occurs twice"),
    ],
)
def test_refused(data: bytes, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        Tokenizer(data)


def test_limits() -> None:
    assert Tokenizer(changed(explicit_n_vocab=None)).encode(b"a") == [97]
    # Just as long as they may be.
    Tokenizer(changed(explicit_n_vocab=None, mergeable_ranks={**RANKS, "a" * 65535: 283}))
    Tokenizer(changed(explicit_n_vocab=None, special_tokens={**SPECIAL, "é" * 127: 283}))
    Tokenizer(changed(pat_str="a" * 8192))
    with pytest.raises(TokenizerError, match="no token 283"):
        TOKENIZER.token_bytes(283)
