"""The tokenizer: a text becomes token ids, and ids become bytes (tokenizer.md)."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import regex

from . import strict_json
from .errors import TokenizerError

# Section 1: the limits of the JSON.
MERGEABLE_TOKEN_LEN = 65_535
MERGEABLE_BYTES = 1 << 22
SPECIAL_TOKEN_LEN = 255
SPECIAL_BYTES = 1 << 20
VOCAB_SIZE = 1 << 18
PAIR_COUNT = 1 << 20
PATTERN_LEN = 8_192

# Pieces whose tokens are remembered, since most words of a text occur again. A longer piece is rarely seen
# twice.
CACHED_PIECES = 1 << 16
CACHED_PIECE_LEN = 64


class Merge(NamedTuple):
    """What a pair of tokens becomes, and when: merges of lower ranks come first."""

    rank: int
    token: int


# The merges by the ids of their pairs.
Merges = dict[tuple[int, int], Merge]


class Tokenizer:
    """A tokenizer, read from its JSON.

    :ivar name: a name for human readers
    :ivar pattern: the split pattern, as it is in the file
    :ivar mergeable: the mergeable tokens, each with its id
    :ivar special_tokens: literals in UTF-8, each with its id
    :ivar merges: the pairs that merge
    :ivar ignore_merges: whether a piece that is a token becomes it, whatever the merges make of it
    """

    name: str
    pattern: str
    mergeable: dict[bytes, int]
    special_tokens: dict[bytes, int]
    merges: Merges
    ignore_merges: bool

    def __init__(self, data: bytes) -> None:
        """Read the JSON. Raises TokenizerError if it breaks a rule of tokenizer.md, section 1."""
        fields = _object(data)
        self.name = _field(fields, "name", str)
        self.pattern = _field(fields, "pat_str", str)
        self.mergeable = _mergeable_tokens(_field(fields, "mergeable_ranks", _Pairs))
        self.special_tokens = _special_tokens(_field(fields, "special_tokens", _Pairs))
        listed = _optional(fields, "merges", list)
        self._tokens = _vocabulary(
            [*self.mergeable.items(), *self.special_tokens.items()],
            _optional(fields, "explicit_n_vocab", int),
            may_have_unused=listed is not None,
        )
        self.merges = _pairs(self.mergeable)
        if listed is not None:
            self.merges = _listed_merges(listed, self.merges)
        ignore_merges = _optional(fields, "ignore_merges", bool)
        self.ignore_merges = listed is None if ignore_merges is None else ignore_merges
        self._pattern = _compile(self.pattern)
        # Alternatives are tried from left to right, so the longest literal comes first.
        literals = sorted(self.special_tokens, key=len, reverse=True)
        self._literals = re.compile(b"|".join(map(re.escape, literals))) if literals else None
        self._cache: dict[bytes, list[int]] = {}

    def __len__(self) -> int:
        """The size of the vocabulary, V. All ids are below it; some may be unused."""
        return len(self._tokens)

    def __contains__(self, token: int) -> bool:
        """Whether an id has a token."""
        return 0 <= token < len(self._tokens) and self._tokens[token] != b""

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
                tokens += self._byte_tokens(stretch)

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
        if self.ignore_merges and piece in self.mergeable:
            return [self.mergeable[piece]]
        tokens = self._cache.get(piece)
        if tokens is None:
            tokens = merge(self._byte_tokens(piece), self.merges)
            if len(piece) <= CACHED_PIECE_LEN and len(self._cache) < CACHED_PIECES:
                self._cache[piece] = tokens
        return tokens

    def _byte_tokens(self, data: bytes) -> list[int]:
        """A token for each byte."""
        return [self.mergeable[data[i : i + 1]] for i in range(len(data))]

    # ---- Section 5: decoding

    def token_bytes(self, token: int) -> bytes:
        """The bytes of a token. Raises TokenizerError if there is no such token."""
        if token in self:
            return self._tokens[token]
        if 0 <= token < len(self):
            raise TokenizerError(f"there is no token {token}: the id is unused")
        raise TokenizerError(f"there is no token {token}: ids are below {len(self)}")

    def spellings(self, count: int) -> list[bytes]:
        """The bytes of the ids below `count`, which is V or more. Ids without a token have none."""
        return self._tokens + [b""] * (count - len(self))

    def decode(self, tokens: Iterable[int]) -> bytes:
        """The bytes of the tokens, concatenated. Raises TokenizerError if there is no such token."""
        return b"".join(self.token_bytes(token) for token in tokens)


def merge(tokens: Sequence[int], merges: Merges) -> list[int]:
    """Section 4, steps 3 and 4: merge pairs of tokens, the lowest rank first, and of equals the leftmost."""
    # Tokens are known by their first place; `after` and `before` lead to their neighbours: a list linked both
    # ways, in which a merge takes out the right one of two. There is no token at the places -1 and `end`.
    merged: list[int | None] = list(tokens)
    end = len(merged)
    after, before = list(range(1, end + 1)), list(range(-1, end))
    heap: list[tuple[int, int, int, int]] = []

    def consider(left: int, right: int) -> None:
        if left < 0 or right == end:
            return
        a, b = merged[left], merged[right]
        assert a is not None
        assert b is not None
        if (a, b) in merges:
            heapq.heappush(heap, (merges[a, b].rank, left, a, b))

    for place in range(end - 1):
        consider(place, place + 1)
    while heap:
        _, left, a, b = heapq.heappop(heap)
        right = after[left]
        # One of the two may have been merged since the pair was found; nothing becomes what it was before.
        if merged[left] != a or right == end or merged[right] != b:
            continue
        merged[left], merged[right] = merges[a, b].token, None
        after[left] = after[right]
        before[after[right]] = left
        consider(before[left], left)
        consider(left, after[left])
    return [token for token in merged if token is not None]


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


_KEYS = (
    *("name", "pat_str", "mergeable_ranks", "special_tokens"),
    *("merges", "ignore_merges", "explicit_n_vocab"),
)


def _field(fields: dict[str, Any], key: str, kind: Any) -> Any:
    if key not in fields:
        raise TokenizerError(f"malformed tokenizer JSON: the key `{key}` is missing")
    value = fields[key]
    if not _is(value, kind):
        raise TokenizerError(f"malformed tokenizer JSON: `{key}` is of the wrong type")
    return value


def _optional(fields: dict[str, Any], key: str, kind: Any) -> Any:
    return None if fields.get(key) is None else _field(fields, key, kind)


def _is(value: Any, kind: Any) -> bool:
    # As they are read here, objects are lists; in Python, true and false are integers. In JSON they are not.
    strict = {int: bool, list: _Pairs}
    return isinstance(value, kind) and not isinstance(value, strict.get(kind, ()))


def _add(tokens: dict[bytes, int], key: str, token: bytes, value: Any, longest: int) -> None:
    if not token:
        raise TokenizerError("a token is empty")
    if len(token) > longest:
        raise TokenizerError(f"the token with the id {value} has {len(token)} bytes, more than {longest}")
    if token in tokens:
        raise TokenizerError(f"the token `{key}` occurs twice")
    if not _is(value, int):
        raise TokenizerError(f"malformed tokenizer JSON: the id of the token `{key}` is no id, but {value!r}")
    tokens[token] = value


def _mergeable_tokens(pairs: _Pairs) -> dict[bytes, int]:
    """Rules 1, 2 and 4."""
    tokens: dict[bytes, int] = {}
    for key, value in pairs:
        try:
            # Latin-1 is the coding in which each byte is the character of that code point.
            token = key.encode("latin-1")
        except UnicodeEncodeError as error:
            raise TokenizerError(f"the token `{key!r}` has a character above U+00FF") from error
        _add(tokens, key, token, value, MERGEABLE_TOKEN_LEN)
    total = sum(map(len, tokens))
    if total > MERGEABLE_BYTES:
        raise TokenizerError(f"the mergeable tokens have {total} bytes, more than {MERGEABLE_BYTES}")
    for byte in range(256):
        if bytes([byte]) not in tokens:
            raise TokenizerError(f"the byte {byte} is no token")
    return tokens


def _special_tokens(pairs: _Pairs) -> dict[bytes, int]:
    """Rules 1 and 2."""
    tokens: dict[bytes, int] = {}
    for key, value in pairs:
        _add(tokens, key, key.encode(), value, SPECIAL_TOKEN_LEN)
    total = sum(map(len, tokens))
    if total > SPECIAL_BYTES:
        raise TokenizerError(f"the special tokens have {total} bytes, more than {SPECIAL_BYTES}")
    return tokens


def _vocabulary(
    tokens: Sequence[tuple[bytes, int]], declared: int | None, *, may_have_unused: bool
) -> list[bytes]:
    """Rule 3: the bytes of all tokens by their ids, V in all; an unused id has none."""
    size = len(tokens)
    if may_have_unused:
        size = 1 + max(value for _, value in tokens) if declared is None else declared
    elif declared not in (None, size):
        raise TokenizerError(f"`explicit_n_vocab` is {declared}, but there are {size} tokens")
    if size > VOCAB_SIZE:
        raise TokenizerError(f"a vocabulary of {size} is larger than {VOCAB_SIZE}")
    result = [b""] * size
    for token, value in tokens:
        if value >= size:
            raise TokenizerError(f"the id {value} is not below {size}, the size of the vocabulary")
        if result[value]:
            raise TokenizerError(f"the id {value} is used twice")
        result[value] = token
    return result


def _pairs(mergeable: dict[bytes, int]) -> Merges:
    """Rule 5: all pairs that may merge, with the ranks that they have without a list."""
    # Looking at lengths first saves taking long tokens apart at every place.
    lengths = set(map(len, mergeable))
    pairs = {}
    for token, value in mergeable.items():
        for i in range(1, len(token)):
            if i in lengths and len(token) - i in lengths:
                left, right = mergeable.get(token[:i]), mergeable.get(token[i:])
                if left is not None and right is not None:
                    pairs[left, right] = Merge(value, value)
        if len(pairs) > PAIR_COUNT:
            raise TokenizerError(f"more than {PAIR_COUNT} pairs of tokens make a token")
    return pairs


def _listed_merges(listed: list[Any], pairs: Merges) -> Merges:
    """Rule 6.1: the pairs of a list, in the order of their ranks."""
    if len(listed) % 2 != 0:
        raise TokenizerError(f"`merges` has {len(listed)} elements, which is odd")
    merges: Merges = {}
    for rank, (left, right) in enumerate(zip(listed[::2], listed[1::2])):
        if not (_is(left, int) and _is(right, int)):
            raise TokenizerError(f"malformed tokenizer JSON: `merges` has {left!r}, {right!r} at rank {rank}")
        if (left, right) not in pairs:
            raise TokenizerError(f"the merge {rank} is of {left} and {right}, which make no token")
        if (left, right) in merges:
            raise TokenizerError(f"the merge of {left} and {right} occurs twice")
        merges[left, right] = Merge(rank, pairs[left, right].token)
    return merges


def _compile(pattern: str) -> regex.Pattern[str]:
    """Rule 8, and section 3: the pattern in the notation of the module `regex`."""
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
