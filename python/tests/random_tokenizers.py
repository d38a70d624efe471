"""Random tokenizers, as JSON: with and without lists of merges, unused ids, and each of the known patterns.

The same seed gives the same tokenizer.
"""

from __future__ import annotations

import json
import random
from typing import Any

from conftest import REPOSITORY, VECTORS

GOLDEN = REPOSITORY / "crates" / "tokenizer" / "tests" / "golden"
FILES = [
    VECTORS / "tokenizer.json",
    *(GOLDEN / f"{name}.json" for name in ("gpt2", "smollm", "llama3", "qwen2")),
]
PATTERNS = [json.loads(path.read_bytes())["pat_str"] for path in FILES]
# What tokens are made of.
SAMPLE = b" ".join((VECTORS / "texts" / f"{name}.txt").read_bytes()[:1500] for name in ("prose", "unicode"))

Pair = tuple[bytes, bytes]


def tokens_and_merges(chance: random.Random) -> tuple[list[bytes], list[Pair]]:
    """Tokens of more than one byte, and merges, found as training does, but at random."""
    sequence = [SAMPLE[i : i + 1] for i in range(len(SAMPLE))]
    tokens: dict[bytes, None] = {}
    merges: dict[Pair, None] = {}
    for _ in range(chance.randrange(200)):
        i = chance.randrange(len(sequence) - 1)
        left, right = sequence[i : i + 2]
        # A piece hardly ever has white space after something else.
        if right[:1].isspace():
            continue
        tokens[left + right] = merges[left, right] = None
        i = 0
        while i + 1 < len(sequence):
            if sequence[i] == left and sequence[i + 1] == right and chance.random() < 0.95:
                sequence[i : i + 2] = [left + right]
            i += 1
    # Some that hardly any merge leads to.
    for _ in range(chance.randrange(20)):
        start = chance.randrange(len(SAMPLE) - 12)
        tokens[SAMPLE[start : start + chance.randrange(2, 12)]] = None
    known = {*tokens, *(bytes([byte]) for byte in range(256))}
    # Other pairs that make tokens, and others of the same tokens.
    for token in tokens:
        for i in range(1, len(token)):
            if token[:i] in known and token[i:] in known and chance.random() < 0.2:
                merges[token[:i], token[i:]] = None
    result = list(merges)
    for _ in range(chance.randrange(10)):
        if result:
            result.insert(chance.randrange(len(result)), result.pop(chance.randrange(len(result))))
    return list(tokens), result


def random_tokenizer(seed: int) -> bytes:
    """The JSON of a tokenizer with at most 600 ids, one of them `<|bos|>`."""
    chance = random.Random(seed)
    tokens, merges = tokens_and_merges(chance)
    tokens = [*(bytes([byte]) for byte in range(256)), *tokens]
    special = ["<|bos|>", *chance.sample(["<|eos|>", " the", " the ", "é", "<|bos|><|bos|>"], 3)]
    listed = chance.random() < 0.8
    count = len(tokens) + len(special)
    size = chance.randrange(count, 600) if listed else count
    ids = chance.sample(range(size), count)
    ranks = dict(zip(tokens, ids))
    result: dict[str, Any] = {
        "name": f"random {seed}",
        "pat_str": chance.choice(PATTERNS),
        "mergeable_ranks": {token.decode("latin-1"): value for token, value in ranks.items()},
        "special_tokens": dict(zip(special, ids[len(tokens) :])),
        "merges": [ranks[token] for pair in merges for token in pair] if listed else None,
        "explicit_n_vocab": chance.choice([None, size]),
        "ignore_merges": chance.choice([None, False, True]),
    }
    for key in ("merges", "explicit_n_vocab", "ignore_merges"):
        if result[key] is None and chance.random() < 0.5:
            del result[key]
    return json.dumps(result).encode()
