"""Coded segments: a text in, the payload of one of the modes out, and back (mixing.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache

import numpy as np

from .coder.binary import RangeDecoder, RangeEncoder
from .errors import DamagedError
from .mix import shipped
from .mix.alphabet import Alphabet, byte_alphabet, token_alphabet
from .mix.mixer import Cumulative, Mixer
from .mix.priors import Priors
from .mix.variants import LEVELS, Mode
from .model import BATCH, Model, Window, cumulative

_BYTE_PRIORS = ("light-bytes.bin", "bytes.bin")
_TOKEN_PRIORS = ("light-alone.bin", "standard-alone.bin", "max.bin", "max-alone.bin")


class SegmentCoder:
    """Codes segments with one model, or with none if only bytes are coded."""

    def __init__(self, model: Model | None) -> None:
        """Raises ModelError if the model's mixing priors are none."""
        self._model = model
        # Those that are shipped, then those of the model, which take precedence.
        self._token_priors = _shipped_priors(_TOKEN_PRIORS)
        if model:
            self._token_priors = [*self._token_priors, *map(Priors.from_bytes, model.mixing_priors)]

    @property
    def has_model(self) -> bool:
        """Whether tokens can be coded, too."""
        return self._model is not None

    def encode(self, text: bytes, mode: Mode, level: int) -> bytes:
        """The payload of a text, which is not empty, in one of the coded modes."""
        alphabet = self._alphabet(mode)
        mixer = self._mixer(mode, level, len(text))
        symbols: Sequence[int] = text if mode is Mode.BYTES else self._tokens(text)
        encoder = RangeEncoder()
        for symbol, predictions in zip(symbols, self._predictions(symbols, mode, level)):
            leaf = alphabet.leaf_of[symbol]

            def code(node: int, probability: int, leaf: int = leaf) -> bool:
                decision = leaf >= node
                encoder.encode(decision, probability)
                return decision

            mixer.code(code, predictions)
        return encoder.finish()

    def decode(self, payload: bytes, mode: Mode, level: int, text_len: int) -> bytes:
        """The text of a payload. Raises DamagedError if it is none."""
        alphabet = self._alphabet(mode)
        mixer = self._mixer(mode, level, text_len)
        decoder = RangeDecoder(payload)
        net = self._net(level) if mode is Mode.NET else None
        token = self._model.start_token if self._model else 0
        text = bytearray()
        while len(text) < text_len:
            predictions = net.predict([token])[0] if net else None
            token = mixer.code(lambda _node, probability: decoder.decode(probability), predictions)
            spelling = alphabet.spellings[token]
            if not spelling:
                raise DamagedError(f"token {token}, which has no bytes, at byte {len(text)} of the text")
            text += spelling
        if len(text) > text_len:
            raise DamagedError(f"tokens spell {len(text)} bytes where {text_len} are declared")
        decoder.finish()
        return bytes(text)

    def _tokens(self, text: bytes) -> list[int]:
        assert self._model
        return self._model.tokenizer.encode(text, special_tokens=False)

    def _alphabet(self, mode: Mode) -> Alphabet:
        return byte_alphabet() if mode is Mode.BYTES else self._token_alphabet

    @cached_property
    def _token_alphabet(self) -> Alphabet:
        assert self._model
        return token_alphabet(self._model)

    def _mixer(self, mode: Mode, level: int, text_len: int) -> Mixer:
        priors = _shipped_priors(_BYTE_PRIORS) if mode is Mode.BYTES else self._token_priors
        variant = LEVELS[level].variant(mode)
        return Mixer(self._alphabet(mode), variant, text_len, with_net=mode is Mode.NET, priors=priors)

    def _net(self, level: int) -> _Net:
        assert self._model
        return _Net(self._model, self._token_alphabet, LEVELS[level].window)

    def _predictions(self, tokens: Sequence[int], mode: Mode, level: int) -> Iterator[Cumulative | None]:
        """What the net predicts for each of the tokens; None for each if it does not run."""
        if mode is not Mode.NET:
            yield from [None] * len(tokens)
            return
        assert self._model
        net = self._net(level)
        # Each prediction is made from the tokens before it.
        inputs = [self._model.start_token, *tokens[:-1]]
        for start in range(0, len(inputs), BATCH):
            yield from net.predict(inputs[start : start + BATCH])


class _Net:
    """The net's view of one segment."""

    def __init__(self, model: Model, alphabet: Alphabet, window: Window | None) -> None:
        self._model = model
        self._cache = model.new_cache(window)
        self._leaves = np.array(alphabet.symbol_of)

    def predict(self, tokens: Sequence[int]) -> Cumulative:
        """Cumulative frequencies of the leaves, after each of the tokens: int64 [tokens, symbols + 1]."""
        return cumulative(self._model.forward(self._cache, tokens)[:, self._leaves])


@lru_cache(maxsize=2)
def _shipped_priors(names: tuple[str, ...]) -> list[Priors]:
    return [Priors.from_bytes(shipped.file(name)) for name in names]
