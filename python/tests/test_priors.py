"""Priors with any values: both implementations must compute the same from them, and wrap alike."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import rust
from conftest import VECTORS
from patched import Parts

from compress_zip import czip_v2
from compress_zip.container.v2 import read_members
from compress_zip.mix.alphabet import token_alphabet
from compress_zip.mix.priors import Sizes
from compress_zip.mix.variants import LIGHT, MAX, Mode, Variant
from compress_zip.model import Model

# They repeat themselves, so that they become smaller even from such priors, and are not stored: the second
# one even where the priors are for every row of the tree.
TEXTS = {False: (VECTORS / "texts" / "prose.txt").read_bytes()[:80] * 8, True: b"ab" * 400}
MODEL = (VECTORS / "model.czm").read_bytes()
LEVELS = {LIGHT: 4, MAX: 7}


def priors(variant: Variant, kind: str, *, with_net: bool, rows: int, tree_hash: int, seed: int) -> bytes:
    """Priors with values of a kind: all as large, or as small, as they can be, or random."""
    chance = random.Random(seed)
    sizes = Sizes.of(variant, with_net=with_net)
    header = b"CZMP" + bytes([1, sizes.contexts, sizes.runs, with_net])
    header += rows.to_bytes(2, "little") + tree_hash.to_bytes(8, "little")
    maps_len = 3 * (512 * sizes.contexts + 256 * sizes.runs + 256 + 1024 * sizes.joint)
    weights_len = (768 + 2 * rows) * sizes.inputs
    if kind == "random":
        shifts = bytes(chance.randrange(9) for _ in range(sizes.inputs))
        return header + chance.randbytes(maps_len) + shifts + chance.randbytes(weights_len + 8 * rows)
    entry, weight, second = {
        "large": (b"\xff\xff\x00", b"\x7f", b"\xff\x7f"),
        "small": (b"\x00\x00\xff", b"\x80", b"\x00\x80"),
        "mixed": (b"\xff\xff\xff", b"\x80", b"\xff\x7f"),
    }[kind]
    return (
        header + entry * (maps_len // 3) + b"\x08" * sizes.inputs + weight * weights_len + second * 4 * rows
    )


def with_priors(data: list[bytes]) -> bytes:
    parts = Parts.of(MODEL)
    for i, item in enumerate(data):
        parts.tensors[f"mixing.priors.{i}"] = ("U8", [len(item)], item)
    return parts.to_bytes()


@pytest.mark.parametrize("own_tree", [False, True])
@pytest.mark.parametrize("kind", ["large", "mixed", "random"])
@pytest.mark.parametrize("variant", LEVELS, ids=lambda variant: str(variant.name))
def test_mixing_from_any_priors_is_the_same(
    variant: Variant, kind: str, *, own_tree: bool, tmp_path: Path
) -> None:
    plain = Model.from_bytes(MODEL)
    rows = plain.vocab_size if own_tree else 70
    tree_hash = token_alphabet(plain).tree_hash if own_tree else 1
    path = tmp_path / "priors.czm"
    # The last that fits is taken: of those for the net the second, of those without the first.
    data = [
        priors(variant, kind, with_net=False, rows=rows, tree_hash=tree_hash, seed=1),
        priors(variant, "random", with_net=True, rows=5, tree_hash=2, seed=2),
        priors(variant, kind, with_net=True, rows=rows, tree_hash=tree_hash, seed=3),
    ]
    if own_tree:
        # Its rows are too few, so that these do not fit.
        data.append(priors(variant, "random", with_net=True, rows=5, tree_hash=tree_hash, seed=4))
    path.write_bytes(with_priors(data))
    model = Model.open(path)
    text = TEXTS[own_tree]
    for mode in (Mode.TOKENS, Mode.NET):
        file = czip_v2.compress(text, model, level=LEVELS[variant], mode=mode)
        assert rust.output(["decompress", "-m", path, "-i", "-", "-o", "-"], file) == text
        assert read_members(file)[0].segments[0].mode is mode
