"""Models: bytes of a ``.czm`` file in, frequencies of the next token out.

>>> model = Model.open("models/standard.czm")                          # doctest: +SKIP
>>> cache = model.new_cache()                                          # doctest: +SKIP
>>> model.forward(cache, [model.start_token, 17, 4])                   # doctest: +SKIP
array([[...]])                                                          # int64 [3, vocab_size]

Row i holds the frequencies of the token that follows the i-th given one. A cache remembers what it was given,
so a sequence may be passed in any cuts: an encoder passes many tokens at a time, a decoder one after the
other, and both get the same integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np

from ..errors import ModelError, WrongModelError
from ..tokenizer import Tokenizer
from . import v1, v2, v3
from .file import BATCH, Cache, Integers, ModelFile, Net, Window, xxh3_128

__all__ = ["BATCH", "Cache", "Integers", "Model", "Net", "Window", "cumulative"]

# The start token of models that name no other.
START = b"<|bos|>"


class Model:
    """A model file: net, tokenizer, perhaps priors of the mixer.

    :ivar id: the first four bytes of XXH3-128 of the file, as in a czip v2 header (czip-v2.md, section 6.1)
    :ivar version: 1, 2 or 3
    :ivar metadata: all metadata of the file
    :ivar vocab_size: V; ids from ``len(tokenizer)`` on have no tokens
    :ivar context_length: C: the most tokens of a CZIPv1 chunk
    :ivar start_token: the id that each sequence begins with, at position 0
    :ivar mixing_priors: the tensors ``mixing.priors.0``, ... in their stored form (mixing.md, section 12),
        which is to say decompressed, and not otherwise looked at
    :ivar mixing_weights: the tensor ``mixing.weights``, int64 [V], or None
    """

    id: bytes
    version: int
    metadata: dict[str, str]
    vocab_size: int
    context_length: int
    start_token: int
    tokenizer: Tokenizer
    mixing_priors: tuple[bytes, ...]
    mixing_weights: Integers | None
    net: Net

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Model:
        """Read a model file. Raises what `from_bytes` raises, or OSError if it cannot be read."""
        with open(path, "rb") as file:
            return cls.from_bytes(file.read())

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """Read a model from the bytes of its file. Raises ModelError, TokenizerError or WrongModelError."""
        file = ModelFile.from_bytes(data)
        model = cls()
        model.id = xxh3_128(data)[:4]
        model.metadata = file.metadata
        name = file.metadata.get("format", "")
        if not name.startswith("czip-model-"):
            raise ModelError(
                "this is a safetensors file of another program, not a model of czip (a .czm file)"
            )
        if name == v1.FORMAT:
            model.net = v1.Net(file)
            model.tokenizer = Tokenizer(file.tokenizer_json())
            # Those of version 1 are not compressed.
            model.mixing_priors = file.mixing_priors(limit=None)
        elif name == v2.FORMAT:
            model.net = v2.Net(file)
            model.tokenizer = Tokenizer(file.tokenizer_json())
            model.mixing_priors = file.mixing_priors(limit=1 << 24)
        elif name == v3.FORMAT:
            model.net = v3.Net(file)
            model.tokenizer = Tokenizer(file.tokenizer_json(v3.TOKENIZER_LEN))
            model.mixing_priors = file.mixing_priors(limit=v3.TOKENIZER_LEN)
        else:
            raise file.bad("format", "czip-model-v1, -v2 or -v3")
        model.version = model.net.version
        model.vocab_size = model.net.vocab_size
        model.context_length = model.net.context_length
        model.mixing_weights = file.mixing_weights(model.vocab_size)
        if len(model.tokenizer) > model.vocab_size:
            raise WrongModelError(
                f"tokenizer of {len(model.tokenizer)} tokens for a model of {model.vocab_size}"
            )
        start = model.net.start_token
        if start is None:
            start = model.tokenizer.special_tokens.get(START)
            if start is None:
                raise ModelError("tokenizer has no token `<|bos|>`")
        model.start_token = start
        return model

    def new_cache(self, window: Window | None = None) -> Cache:
        """An empty cache, for a sequence that begins with the start token.

        Only models of version 1 look at the window. Given one, they lay it out anew as often as needed
        (mixing.md, section 4), also within one call of :meth:`forward`; without one, as for CZIPv1, a
        sequence has at most ``context_length`` tokens, the start token included. The window is the one of the
        table: what a shorter context length means for it is seen to here.
        """
        return self.net.new_cache(window)

    def forward(self, cache: Cache, tokens: Sequence[int]) -> Integers:
        """Frequencies of the next token after each given one, each at least 1: int64 [len(tokens), V].

        `tokens` are ids below V, which follow those that the cache was given before; the first of all is the
        start token. All intermediate values are exact, so how a sequence is cut into calls makes no
        difference.
        """
        return self.net.forward(cache, tokens)


def cumulative(frequencies: Integers) -> Integers:
    """Running sums that begin with 0: int64 [n, V + 1] for frequencies [n, V].

    Token s has the interval from element s to element s + 1 of the total, which is the last element.
    """
    sums = np.zeros((frequencies.shape[0], frequencies.shape[1] + 1), np.int64)
    np.cumsum(frequencies, axis=1, out=sums[:, 1:])
    return sums
