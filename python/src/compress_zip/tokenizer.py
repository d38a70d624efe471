"""The tokenizer: a text becomes token ids, and ids become bytes (tokenizer.md)."""

from __future__ import annotations

from typing import Iterable


class Tokenizer:
    """A tokenizer, read from its JSON."""

    def __init__(self, data: bytes) -> None:
        """Read the JSON of a tokenizer. Raises TokenizerError where it breaks a rule of tokenizer.md, section 1."""
        raise NotImplementedError

    def __len__(self) -> int:
        """The number of tokens; the ids are 0 to this less 1."""
        raise NotImplementedError

    def encode(self, text: bytes, *, special_tokens: bool = True) -> list[int]:
        """The token ids of a text. Its bytes need not be UTF-8, and decode to themselves.

        Literals of special tokens become these if `special_tokens` is true, as in CZIPv1; otherwise they are ordinary
        text, as an encoder of czip v2 wants it.
        """
        raise NotImplementedError

    def token_bytes(self, token: int) -> bytes:
        """The bytes of a token. Raises TokenizerError if there is no such token."""
        raise NotImplementedError

    def decode(self, tokens: Iterable[int]) -> bytes:
        """The bytes of the tokens, concatenated. Raises TokenizerError if there is no such token."""
        return b"".join(self.token_bytes(token) for token in tokens)
