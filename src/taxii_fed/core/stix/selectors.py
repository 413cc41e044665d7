"""Granular selectors: what of an object a marking marks (STIX 2.1 section 7.2.3.1)."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

Json = dict[str, Any]
Path = tuple[str | int, ...]

MAX_SELECTOR = 1000
"""Characters of a selector that is taken in: names may hold dots, so following one takes time with the square of its length."""

_INDEX = re.compile(r"\[(\d{1,9})\]", re.ASCII)


def resolve(obj: Json, selector: str) -> Path | None:
    """Return the path that a granular selector selects, None where it selects nothing."""
    return _resolve(obj, selector.split("."))


def _resolve(value: Any, parts: list[str]) -> Path | None:
    if not parts:
        return ()
    if isinstance(value, list):
        match = _INDEX.fullmatch(parts[0])
        if match is None or int(match[1]) >= len(value):
            return None
        rest = _resolve(value[int(match[1])], parts[1:])
        return None if rest is None else (int(match[1]), *rest)
    if isinstance(value, dict):
        for count, key in enumerate(accumulate(parts, "{}.{}".format), 1):
            if key in value and (rest := _resolve(value[key], parts[count:])) is not None:
                return (key, *rest)
    return None
