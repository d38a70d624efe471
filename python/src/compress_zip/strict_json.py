"""JSON as the formats mean it: RFC 8259 in UTF-8, and nothing of what Python's reader accepts besides."""

from __future__ import annotations

import json
import math
from typing import Any, Callable


def loads(data: bytes, pairs: Callable[[list[tuple[str, Any]]], Any], *, in_range: bool = False) -> Any:
    """Read JSON, with objects made by `pairs` of their keys and values. Raises ValueError.

    An integer is an int if it is written with digits only and fits in 64 bits, so that negative ones and all
    other numbers are of type float. Those beyond its range are infinite, or errors if all
    have to be `in_range`.
    """

    def number(digits: str) -> float:
        value = float(digits)
        if in_range and math.isinf(value):
            raise ValueError(f"{digits} is out of range")
        return value

    def integer(digits: str) -> int | float:
        if digits.startswith("-") or len(digits) > 20 or int(digits) >= 1 << 64:
            return number(digits)
        return int(digits)

    try:
        text = data.decode()
        value = json.loads(
            text, object_pairs_hook=pairs, parse_int=integer, parse_float=number, parse_constant=_refuse
        )
        # Escapes may form halves of surrogate pairs, which no UTF-8 can hold.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
