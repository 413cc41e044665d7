"""The canonical form of a JSON value and its digest: what "the same content" means (RFC 8785, JSON Canonicalization Scheme).

Two spellings of one object (member order, white space, escapes, ``1.0`` for ``1``) have the same digest. Only the comparison uses this
form: what goes out are the bytes that came in (I3).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from typing import Any

import orjson

_EXACT_INTEGER = 2**53
_SORTS_OTHERWISE = re.compile(rb"[\xee-\xf4]")
"""Bytes that start a character from U+E000 on: there the order of UTF-16 units and of code points part."""


def digest(value: dict[str, Any]) -> bytes:
    """Return the SHA-256 (32 bytes) over the RFC 8785 form of a JSON object with finite numbers.

    Numbers are IEEE doubles, as RFC 8785 reads them. Raises ``ValueError`` for text that holds a lone surrogate.
    """
    return hashlib.sha256(canonical(value)).digest()


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 form of a JSON value with finite numbers."""
    if _as_orjson_writes([value]):
        try:
            written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError as error:
            raise ValueError(str(error)) from None
        if written.isascii() or _SORTS_OTHERWISE.search(written) is None:
            return written
    return _written(value).encode()


def _as_orjson_writes(items: Iterable[Any]) -> bool:
    """Return whether the fast writer's numbers are those of RFC 8785: integers that a double holds exactly, and no fractions."""
    for item in items:
        kind = type(item)
        if kind is str or kind is bool or item is None:
            continue
        if kind is list:
            if not _as_orjson_writes(item):
                return False
        elif kind is dict:
            if not _as_orjson_writes(item.values()):
                return False
        elif kind is not int or not -_EXACT_INTEGER <= item <= _EXACT_INTEGER:
            return False
    return True


def _written(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and -_EXACT_INTEGER <= value <= _EXACT_INTEGER:
        return str(value)
    if isinstance(value, int | float):
        return _number(float(value))
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_written(name)}:{_written(value[name])}" for name in names) + "}"
    return "[" + ",".join(_written(item) for item in value) + "]"


def _number(number: float) -> str:
    """Return a double as ECMAScript's ``Number.prototype.toString`` writes it (RFC 8785, section 3.2.2.3)."""
    if not math.isfinite(number):
        raise ValueError("RFC 8785 knows no number that is not finite")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    digits = (whole + fraction).lstrip("0")
    point = len(digits) - len(fraction) + int(exponent or 0)
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        power = point - 1
        text = f"{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{'+' if power > 0 else '-'}{abs(power)}"
    return sign + text
