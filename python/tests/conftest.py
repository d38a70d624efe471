"""Where the data of tests are: the golden vectors, and the shared data, which need not be there."""

from __future__ import annotations

# Before NumPy is, which reads the number of threads when it is imported.
import compress_zip  # noqa: F401  # isort: skip

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
VECTORS = REPOSITORY / "crates" / "vectors" / "data"
MODELS = REPOSITORY / "models"


def vector(name: str) -> Any:
    """The golden vectors in a JSON file."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def fnv1a(values: npt.ArrayLike) -> str:
    """The hash of the golden vectors, of 32-bit numbers."""
    result = 0xCBF29CE484222325
    for byte in (np.asarray(values, np.int64) & 0xFFFF_FFFF).astype("<u4").tobytes():
        result = (result ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{result:016x}"


def find_shared(name: str) -> Path | None:
    """A folder of the shared data, if it is there."""
    root = os.environ.get("CZIP_SHARED")
    candidates = [Path(root)] if root else [REPOSITORY / "shared", REPOSITORY.parent / "shared"]
    return next((candidate / name for candidate in candidates if (candidate / name).is_dir()), None)


def shared(name: str) -> Path:
    """A folder of the shared data. Without it a test is skipped, unless CZIP_REQUIRE_SHARED is set."""
    found = find_shared(name)
    if found is not None:
        return found
    if os.environ.get("CZIP_REQUIRE_SHARED"):
        pytest.fail(f"no folder {name} in the shared data")
    pytest.skip(f"no folder {name} in the shared data")
