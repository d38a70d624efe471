"""tokenizer.md: its examples, the golden vectors, and properties."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, VECTORS, fnv1a, shared, vector
from hypothesis import given
from hypothesis import strategies as st
from random_models import version_3

from compress_zip import api, czip_v1, czip_v2
from compress_zip.errors import CzipError, DamagedError, TokenizerError, WrongModelError
from compress_zip.mix.variants import Mode
from compress_zip.model import Model
from compress_zip.tokenizer import PAIR_COUNT, VOCAB_SIZE, Tokenizer, _translate

JSON = (VECTORS / "tokenizer.json").read_bytes()
TOKENIZER = Tokenizer(JSON)
RANKS = json.loads(JSON)["mergeable_ranks"]
SPECIAL = json.loads(JSON)["special_tokens"]
TEXTS = sorted((VECTORS / "texts").iterdir())
# Tokenizers with lists of merges, and the tokens that another program makes with them.
GOLDEN = REPOSITORY / "crates" / "tokenizer" / "tests" / "golden"


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(JSON), **fields}).encode()


BYTES = {chr(byte): byte for byte in range(256)}


def example(**fields: Any) -> Tokenizer:
    """The tokenizer of section 7, with other fields."""
    ranks = {**BYTES, "th": 256, "e ": 257, "he": 258, "the": 259}
    return Tokenizer(
        changed(
            **{
                "explicit_n_vocab": 261,
                "mergeable_ranks": ranks,
                "special_tokens": {"<|eos|>": 260},
                **fields,
            }
        )
    )


def test_example_of_merges_by_id() -> None:
    text = "then thé<|eos|>".encode()
    tokens = example().encode(text)
    assert tokens == [259, 110, 32, 256, 195, 169, 260]
    assert example().decode(tokens) == text
    assert 260 not in example().encode(text, special_tokens=False)
    assert example(ignore_merges=True).encode(text) == tokens
    assert example(ignore_merges=None, merges=None).encode(text) == tokens


LISTED: dict[str, Any] = {
    "special_tokens": {"<|eos|>": 270},
    "merges": [104, 101, 116, 258],
    "explicit_n_vocab": 271,
}


def test_example_of_listed_merges() -> None:
    tokenizer = example(**LISTED)
    assert tokenizer.encode("then thé<|eos|>".encode()) == [259, 110, 32, 116, 104, 195, 169, 270]
    assert tokenizer.encode(b"th") == [116, 104]
    assert example(**LISTED, ignore_merges=True).encode(b"th") == [256]
    assert len(tokenizer) == 271
    for unused in range(260, 270):
        assert unused not in tokenizer
        with pytest.raises(TokenizerError, match="unused"):
            tokenizer.decode([unused])
    assert 259 in tokenizer
    assert tokenizer.spellings(273)[258:] == [b"he", b"the", *[b""] * 10, b"<|eos|>", b"", b""]


def test_merges_of_one_token_by_several_pairs() -> None:
    # `abc` is made of `a bc` only, though `ab c` would make it, too.
    ranks = {**BYTES, "ab": 256, "bc": 257, "abc": 258}
    fields = {"mergeable_ranks": ranks, "special_tokens": {}, "explicit_n_vocab": None}
    merges = [97, 98, 98, 99, 97, 257]
    assert Tokenizer(changed(**fields, merges=merges)).encode(b"abc") == [256, 99]
    merges = [98, 99, 97, 98, 97, 257]
    assert Tokenizer(changed(**fields, merges=merges)).encode(b"abc") == [258]
    # Without a list either pair does.
    assert Tokenizer(changed(**fields, ignore_merges=False)).encode(b"abc") == [258]
    assert Tokenizer(changed(**fields, merges=[])).encode(b"abc") == [97, 98, 99]


def test_golden_vectors() -> None:
    expected = vector("tokens.json")
    assert len(expected) == 8
    for name, tokens in expected.items():
        text = (VECTORS / "texts" / f"{name}.txt").read_bytes()
        assert TOKENIZER.encode(text) == tokens
        assert TOKENIZER.decode(tokens) == text


def text_of_fragments(number: int, fragments: list[str]) -> bytes:
    """A text of the golden tokens."""
    state = number * 0x9E3779B97F4A7C15 % (1 << 64) | 1
    text = ""
    for _ in range(400):
        state ^= state << 13 & 0xFFFF_FFFF_FFFF_FFFF
        state ^= state >> 7
        state ^= state << 17 & 0xFFFF_FFFF_FFFF_FFFF
        text += fragments[(state >> 33) % len(fragments)]
    return text.encode()


@pytest.mark.parametrize("name", ["gpt2", "smollm", "llama3", "qwen2"])
def test_golden_tokens(name: str) -> None:
    golden = json.loads((GOLDEN / "tokens.json").read_bytes())
    tokenizer = Tokenizer((GOLDEN / f"{name}.json").read_bytes())
    expected = golden["tokenizers"][name]
    assert len(expected["spelled"]) == len(golden["spelled"]) == 5
    for text, tokens in zip(golden["spelled"], expected["spelled"]):
        assert tokenizer.encode(text.encode(), special_tokens=False) == tokens
        assert tokenizer.decode(tokens) == text.encode()
    assert len(expected["hashes"]) == 60
    for number, value in enumerate(expected["hashes"]):
        text = text_of_fragments(number, golden["fragments"])
        assert fnv1a(tokenizer.encode(text, special_tokens=False)) == value, number


def test_shared_texts() -> None:
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


def plain_merge(tokenizer: Tokenizer, piece: bytes) -> list[int]:
    """Section 4 in its plainest form."""
    if tokenizer.ignore_merges and piece in tokenizer.mergeable:
        return [tokenizer.mergeable[piece]]
    tokens = [tokenizer.mergeable[bytes([byte])] for byte in piece]
    while True:
        pairs = list(zip(tokens, tokens[1:]))
        known = [(tokenizer.merges[pair].rank, i) for i, pair in enumerate(pairs) if pair in tokenizer.merges]
        if not known:
            return tokens
        _, i = min(known)
        tokens[i : i + 2] = [tokenizer.merges[pairs[i]].token]


@st.composite
def tokenizers(draw: st.DrawFn) -> Tokenizer:
    """Tokenizers of tokens of `a`, `b` and `c`, with and without a list of merges."""
    tokens = draw(st.lists(st.text("abc", min_size=2, max_size=6), unique=True))
    listed = draw(st.booleans())
    # Ids without a list are in order; with one, some are left out.
    ids = draw(st.lists(st.integers(256, 400), min_size=len(tokens), max_size=len(tokens), unique=True))
    ranks = {**BYTES, **dict(zip(tokens, ids if listed else range(256, 256 + len(tokens))))}
    merges = None
    if listed:
        splits = [
            (ranks.get(token[:i]), ranks.get(token[i:])) for token in tokens for i in range(1, len(token))
        ]
        pairs = draw(st.permutations([pair for pair in splits if None not in pair]))
        merges = [token for pair in pairs[: draw(st.integers(0, len(pairs)))] for token in pair]
    return Tokenizer(
        changed(
            mergeable_ranks=ranks,
            special_tokens={},
            explicit_n_vocab=draw(st.sampled_from([None, 401])) if listed else None,
            merges=merges,
            ignore_merges=draw(st.sampled_from([None, False, True])),
        )
    )


@given(tokenizers(), st.text("abc", max_size=30))
def test_merges(tokenizer: Tokenizer, text: str) -> None:
    piece = text.encode()
    tokens = tokenizer._piece_tokens(piece)
    assert tokens == plain_merge(tokenizer, piece)
    assert tokenizer.decode(tokens) == piece
    assert all(token in tokenizer for token in tokens)


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


# The ids of a pair that makes a token.
PAIR = list(next(iter(TOKENIZER.merges)))


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
        (changed(explicit_n_vocab=283.0), "explicit_n_vocab"),
        (changed(explicit_n_vocab=True), "explicit_n_vocab"),
        (changed(explicit_n_vocab=282, merges=[]), "the id 282 is not below 282"),
        (changed(explicit_n_vocab=VOCAB_SIZE + 1, merges=[]), "larger than 262144"),
        (changed(explicit_n_vocab=None, special_tokens={"<|bos|>": VOCAB_SIZE}, merges=[]), "larger than"),
        (changed(ignore_merges=0), "`ignore_merges` is of the wrong type"),
        (changed(merges={}), "`merges` is of the wrong type"),
        (changed(merges=[256]), "1 elements, which is odd"),
        (changed(merges=[*PAIR, 97]), "3 elements"),
        (changed(merges=[*PAIR, *PAIR]), "occurs twice"),
        (changed(merges=[97, 281]), "make no token"),
        (changed(merges=[PAIR[1], PAIR[0]]), "make no token"),
        (changed(merges=[PAIR[0], 1 << 70]), "malformed"),
        (changed(merges=[PAIR[0], float(PAIR[1])]), "malformed"),
        (changed(merges=[PAIR[0], True]), "malformed"),
        (changed(merges=[PAIR]), "which is odd"),
        (changed(merges=[PAIR, PAIR]), "malformed"),
        (changed(merges=None).replace(b'"merges": null', b'"merges": [], "merges": []'), "occurs twice"),
        (changed(mergeable_ranks={**RANKS, "": 283}), "empty"),
        (changed(mergeable_ranks={**RANKS, "a" * 65536: 283}), "65536 bytes"),
        (changed(mergeable_ranks={**RANKS, "Ā": 283}), "U\\+00FF"),
        (changed(mergeable_ranks={k: v for k, v in RANKS.items() if k != "a"}), "the byte 97"),
        (changed(explicit_n_vocab=None, mergeable_ranks={**RANKS, "zq": 284}), "not below 284"),
        (changed(explicit_n_vocab=None, mergeable_ranks={**RANKS, "zq": 282}), "used twice"),
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


def test_limits_of_vocabularies() -> None:
    # Most ids are unused.
    special = {"<|bos|>": VOCAB_SIZE - 1}
    tokenizer = Tokenizer(changed(explicit_n_vocab=None, special_tokens=special, merges=PAIR))
    assert len(tokenizer) == VOCAB_SIZE
    assert tokenizer.encode(b"<|bos|>") == [VOCAB_SIZE - 1]
    assert tokenizer.ignore_merges is False
    assert len(Tokenizer(changed(explicit_n_vocab=VOCAB_SIZE, merges=[]))) == VOCAB_SIZE
    assert len(Tokenizer(changed(explicit_n_vocab=None, merges=[]))) == 283
    # All are used. None of the tokens is made of two others.
    ranks = {**RANKS, **{chr(128 + i % 128) + f"{i:05}": 283 + i for i in range(VOCAB_SIZE - 283)}}
    assert len(Tokenizer(changed(explicit_n_vocab=VOCAB_SIZE, mergeable_ranks=ranks))) == VOCAB_SIZE


def test_limit_of_pairs() -> None:
    def runs(**longest: int) -> bytes:
        """All runs of some letters. A run of n letters is made of n - 1 pairs."""
        ranks = dict(BYTES)
        for letter, length in longest.items():
            ranks.update({letter * n: len(ranks) + n - 2 for n in range(2, length + 1)})
        return changed(explicit_n_vocab=None, mergeable_ranks=ranks, special_tokens={})

    assert PAIR_COUNT == 1448 * 1447 // 2 + 44 * 43 // 2 + 1 + 1
    assert len(Tokenizer(runs(a=1448, b=44, c=2, d=2)).merges) == PAIR_COUNT
    with pytest.raises(TokenizerError, match="pairs"):
        Tokenizer(runs(a=1448, b=44, c=2, d=2, e=2))


def test_unused_ids_do_not_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    """In files, which no encoder writes, they are an error in either format."""
    model = Model.from_bytes(version_3(5))
    (unused, *_) = [token for token in range(model.vocab_size) if token not in model.tokenizer]
    assert unused < len(model.tokenizer)
    a = model.tokenizer.mergeable[b"a"]
    text = b"a" * 50
    monkeypatch.setattr(model.tokenizer, "encode", lambda *_, **__: [a] * 49 + [unused])
    files: list[tuple[bytes, type[CzipError]]] = [
        (czip_v1.compress(text, model), WrongModelError),
        (czip_v2.compress(text, model, level=1, mode=Mode.TOKENS), DamagedError),
        (czip_v2.compress(text, model, level=4, mode=Mode.NET), DamagedError),
    ]
    monkeypatch.undo()
    for file, error in files:
        with pytest.raises(error, match=f"(id|token) {unused}, which has no"):
            api.decompress(file, [model])
