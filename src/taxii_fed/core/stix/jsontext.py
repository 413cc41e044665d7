"""JSON bytes to values and back, for objects that have passed the door.

The fast reader turns integers beyond 64 bits into floats, so text that may hold one takes the exact way.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

_DIGITS = bytes(ord("0") if chr(each).isdecimal() and each < 128 else ord(" ") for each in range(256))
_LONG_NUMBER = b"0" * 17


def loads(text: bytes) -> dict[str, Any]:
    """Return the object that ``text`` holds, numbers exact as Python reads them."""
    value: dict[str, Any] = json.loads(text) if _LONG_NUMBER in text.translate(_DIGITS) else orjson.loads(text)
    return value


def dumps(value: Any) -> bytes:
    """Return compact UTF-8 JSON, members in their order."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
