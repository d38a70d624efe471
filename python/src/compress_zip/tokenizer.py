"""The tokenizer: a text becomes token ids, and ids become bytes (tokenizer.md)."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from typing import Any

import regex

from . import strict_json
from .errors import TokenizerError

# Section 1: the limits of the JSON.
MERGEABLE_TOKEN_LEN = 65_535
MERGEABLE_BYTES = 1 << 22
SPECIAL_TOKEN_LEN = 255
SPECIAL_BYTES = 1 << 20
VOCAB_SIZE = 65_536
MERGE_COUNT = 1 << 20
PATTERN_LEN = 8_192

# Pieces whose tokens are remembered, since most words of a text occur again. A longer piece is rarely seen
# twice.
CACHED_PIECES = 1 << 16
CACHED_PIECE_LEN = 64


class Tokenizer:
    """A tokenizer, read from its JSON.

    :ivar name: a name for human readers
    :ivar pattern: the split pattern, as it is in the file
    :ivar ranks: the mergeable tokens, each with its rank, which is also its id
    :ivar special_tokens: literals in UTF-8, each with its id
    """

    name: str
    pattern: str
    ranks: dict[bytes, int]
    special_tokens: dict[bytes, int]

    def __init__(self, data: bytes) -> None:
        """Read the JSON. Raises TokenizerError if it breaks a rule of tokenizer.md, section 1."""
        fields = _object(data)
        self.name = _field(fields, "name", str)
        self.pattern = _field(fields, "pat_str", str)
        self.ranks = _mergeable_tokens(_field(fields, "mergeable_ranks", _Pairs))
        self.special_tokens = _special_tokens(_field(fields, "special_tokens", _Pairs))
        self._tokens = _vocabulary(self.ranks, self.special_tokens)
        declared = fields.get("explicit_n_vocab")
        if declared is not None and (not _is_integer(declared) or declared != len(self._tokens)):
            raise TokenizerError(
                f"`explicit_n_vocab` is {declared}, but there are {len(self._tokens)} tokens"
            )
        _check_merges(self.ranks)
        self._pattern = _compile(self.pattern)
        # Alternatives are tried from left to right, so the longest literal comes first.
        literals = sorted(self.special_tokens, key=len, reverse=True)
        self._literals = re.compile(b"|".join(map(re.escape, literals))) if literals else None
        self._cache: dict[bytes, list[int]] = {}

    def __len__(self) -> int:
        """The number of tokens; the ids are 0 to this less 1."""
        return len(self._tokens)

    # ---- Sections 2 to 4: encoding

    def encode(self, text: bytes, *, special_tokens: bool = True) -> list[int]:
        """The token ids of a text. Its bytes need not be UTF-8, and decode to themselves.

        Literals of special tokens become these if `special_tokens` is true, as in CZIPv1; otherwise they are
        ordinary text, as an encoder of czip v2 wants it.
        """
        tokens: list[int] = []
        start = 0
        if special_tokens and self._literals is not None:
            for match in self._literals.finditer(text):
                self._encode_part(text[start : match.start()], tokens)
                tokens.append(self.special_tokens[match.group()])
                start = match.end()
        self._encode_part(text[start:], tokens)
        return tokens

    def _encode_part(self, part: bytes, tokens: list[int]) -> None:
        """Append the tokens of a text without special tokens."""
        for stretch in _stretches(part):
            if isinstance(stretch, str):
                for piece in self._pieces(stretch):
                    tokens += self._piece_tokens(piece)
            else:
                tokens += [self.ranks[bytes([byte])] for byte in stretch]

    def _pieces(self, part: str) -> Iterator[bytes]:
        """Section 3: the pieces of a part, in UTF-8."""
        start = place = 0
        while place <= len(part) and (match := self._pattern.search(part, place)):
            if match.end() == match.start():
                place = match.end() + 1
                continue
            if match.start() > start:
                yield part[start : match.start()].encode()
            yield match.group().encode()
            start = place = match.end()
        if start < len(part):
            yield part[start:].encode()

    def _piece_tokens(self, piece: bytes) -> list[int]:
        """Section 4: the tokens of a piece."""
        token = self.ranks.get(piece)
        if token is not None:
            return [token]
        tokens = self._cache.get(piece)
        if tokens is None:
            tokens = merge(piece, self.ranks)
            if len(piece) <= CACHED_PIECE_LEN and len(self._cache) < CACHED_PIECES:
                self._cache[piece] = tokens
        return tokens

    # ---- Section 5: decoding

    def token_bytes(self, token: int) -> bytes:
        """The bytes of a token. Raises TokenizerError if there is no such token."""
        if 0 <= token < len(self._tokens):
            return self._tokens[token]
        raise TokenizerError(f"there is no token {token}: the tokenizer has {len(self._tokens)}")

    def decode(self, tokens: Iterable[int]) -> bytes:
        """The bytes of the tokens, concatenated. Raises TokenizerError if there is no such token."""
        return b"".join(self.token_bytes(token) for token in tokens)


def merge(piece: bytes, ranks: dict[bytes, int]) -> list[int]:
    """Section 4, steps 2 to 4: merge pairs of tokens, the lowest rank first, and of equals the leftmost."""
    # Tokens are known by the place of their first byte. `ends` leads from there to the place of the next
    # token, and `starts` from that place back: a list linked both ways, in which a merge takes out one
    # element. The heap holds pairs as they were found; those of which a token has since been merged are
    # passed over.
    ends = list(range(1, len(piece) + 1))
    starts = list(range(-1, len(piece)))
    heap = [
        (rank, i, i + 2) for i in range(len(piece) - 1) if (rank := ranks.get(piece[i : i + 2])) is not None
    ]
    heapq.heapify(heap)
    gone = bytearray(len(piece))

    def consider(left: int, end: int) -> None:
        rank = ranks.get(piece[left:end])
        if rank is not None:
            heapq.heappush(heap, (rank, left, end))

    while heap:
        _, left, end = heapq.heappop(heap)
        if gone[left]:
            continue
        right = ends[left]
        # The left token may have grown, or the right one, or the left one may reach to `end` already.
        if right >= end or ends[right] != end:
            continue
        gone[right] = 1
        ends[left] = end
        starts[end] = left
        if left > 0:
            consider(starts[left], end)
        if end < len(piece):
            consider(left, ends[end])
    return [ranks[piece[i : ends[i]]] for i in range(len(piece)) if not gone[i]]


def _stretches(part: bytes) -> Iterator[str | bytes]:
    """Cut a part into stretches of UTF-8, as text, and of bytes that are not UTF-8."""
    start = 0
    while start < len(part):
        try:
            yield part[start:].decode()
            return
        except UnicodeDecodeError as error:
            if error.start > 0:
                yield part[start : start + error.start].decode()
            yield part[start + error.start : start + error.end]
            start += error.end


# ---- Section 1: the JSON


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON, in which keys may still occur twice."""


def _object(data: bytes) -> dict[str, Any]:
    """The keys of the JSON object, of which those that are listed occur once."""
    try:
        pairs = strict_json.loads(data, _Pairs)
    except ValueError as error:
        raise TokenizerError(f"malformed tokenizer JSON: {error}") from error
    if not isinstance(pairs, _Pairs):
        raise TokenizerError("malformed tokenizer JSON: not an object")
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields and key in _KEYS:
            raise TokenizerError(f"malformed tokenizer JSON: the key `{key}` occurs twice")
        fields[key] = value
    return fields


_KEYS = ("name", "pat_str", "mergeable_ranks", "special_tokens", "explicit_n_vocab")


def _field(fields: dict[str, Any], key: str, kind: Any) -> Any:
    if key not in fields:
        raise TokenizerError(f"malformed tokenizer JSON: the key `{key}` is missing")
    value = fields[key]
    if not isinstance(value, kind):
        raise TokenizerError(f"malformed tokenizer JSON: `{key}` is of the wrong type")
    return value


def _is_integer(value: Any) -> bool:
    # In Python true and false are integers; in JSON they are not.
    return isinstance(value, int) and not isinstance(value, bool)


def _add(tokens: dict[bytes, int], key: str, token: bytes, value: Any, longest: int) -> None:
    if not token:
        raise TokenizerError("a token is empty")
    if len(token) > longest:
        raise TokenizerError(f"the token with the id {value} has {len(token)} bytes, more than {longest}")
    if token in tokens:
        raise TokenizerError(f"the token `{key}` occurs twice")
    if not _is_integer(value) or value < 0:
        raise TokenizerError(f"malformed tokenizer JSON: the id of the token `{key}` is no id, but {value!r}")
    tokens[token] = value


def _mergeable_tokens(pairs: _Pairs) -> dict[bytes, int]:
    """Rules 1, 2 and 4."""
    ranks: dict[bytes, int] = {}
    for key, value in pairs:
        try:
            # Latin-1 is the coding in which each byte is the character of that code point.
            token = key.encode("latin-1")
        except UnicodeEncodeError as error:
            raise TokenizerError(f"the token `{key!r}` has a character above U+00FF") from error
        _add(ranks, key, token, value, MERGEABLE_TOKEN_LEN)
    total = sum(map(len, ranks))
    if total > MERGEABLE_BYTES:
        raise TokenizerError(f"the mergeable tokens have {total} bytes, more than {MERGEABLE_BYTES}")
    for byte in range(256):
        if bytes([byte]) not in ranks:
            raise TokenizerError(f"the byte {byte} is no token")
    return ranks


def _special_tokens(pairs: _Pairs) -> dict[bytes, int]:
    """Rules 1 and 2."""
    tokens: dict[bytes, int] = {}
    for key, value in pairs:
        _add(tokens, key, key.encode(), value, SPECIAL_TOKEN_LEN)
    total = sum(map(len, tokens))
    if total > SPECIAL_BYTES:
        raise TokenizerError(f"the special tokens have {total} bytes, more than {SPECIAL_BYTES}")
    return tokens


def _vocabulary(ranks: dict[bytes, int], special: dict[bytes, int]) -> list[bytes]:
    """Rule 3: the bytes of all tokens by their ids."""
    count = len(ranks) + len(special)
    if count > VOCAB_SIZE:
        raise TokenizerError(f"there are {count} tokens, more than {VOCAB_SIZE}")
    tokens = [b""] * count
    for token, value in [*ranks.items(), *special.items()]:
        if value >= count:
            raise TokenizerError(f"the id {value} is not below {count}, the number of tokens")
        if tokens[value]:
            raise TokenizerError(f"the id {value} is used twice")
        tokens[value] = token
    return tokens


def _check_merges(ranks: dict[bytes, int]) -> None:
    """Rule 5."""
    count = 0
    for token in ranks:
        count += sum(token[:i] in ranks and token[i:] in ranks for i in range(1, len(token)))
    if count > MERGE_COUNT:
        raise TokenizerError(f"there are {count} merges, more than {MERGE_COUNT}")


def _compile(pattern: str) -> regex.Pattern[str]:
    """Rule 6, and section 3: the pattern in the notation of the module `regex`."""
    length = len(pattern.encode())
    if length > PATTERN_LEN:
        raise TokenizerError(f"the pattern has {length} bytes, more than {PATTERN_LEN}")
    try:
        # Version 0 folds characters one by one, as (?i) means it here: no character matches two.
        return regex.compile(_translate(pattern), regex.VERSION0)
    except (regex.error, RecursionError, OverflowError) as error:
        raise TokenizerError(f"the pattern does not compile: {error}") from error


# What is written otherwise in Python, and where it is not meant: in other escapes and in classes of
# characters, in which a `]` may come first.
_TRANSLATED = re.compile(
    r"(?P<hex>\\x\{(?P<digits>[0-9A-Fa-f]{1,8})\})|(?P<group>\\k(?=<))|(?P<end>\$)"
    r"|\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]",
    re.DOTALL,
)


def _translate(pattern: str) -> str:
    r"""Write `$` as `\Z`, since it also matches before a last line feed, and `\k<n>` and `\x{61}` anew."""

    def replace(match: re.Match[str]) -> str:
        if match["hex"]:
            return f"\\U{int(match['digits'], 16):08X}"
        if match["group"]:
            return r"\g"
        return r"\Z" if match["end"] else match.group()

    return _TRANSLATED.sub(replace, pattern)
