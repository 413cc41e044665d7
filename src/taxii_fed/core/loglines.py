"""Log lines: logfmt, or JSON with the same fields.

Whatever came from outside is quoted or escaped, so that no value can begin a line or a field of its own.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import PurePath

from taxii_fed.core.timestamps import format_taxii

Fields = Mapping[str, str | int | float]
Format = Callable[[int, Fields], str]

MAX_VALUE = 1000
"""Characters of one value; more are cut."""

_BARE = re.compile(r"[!#-<>-\[\]-~]+", re.ASCII)


def format_of(name: str) -> Format:
    """Return the format of that name, ``logfmt`` or ``json``.

    A format makes a line, with its end, of an instant (microseconds) and fields; empty fields are left out.
    """
    return {"logfmt": _logfmt, "json": _json}[name]


def describe(error: BaseException, frames: int = 12) -> str:
    """Return an error in one line: what it says, then where it was raised, innermost first."""
    places = (
        f"{PurePath(each.filename).name}:{each.lineno} {each.name}"
        for each in reversed(traceback.extract_tb(error.__traceback__))
    )
    return f"{type(error).__name__}: {error} at {' < '.join(islice(places, frames))}"


def _logfmt(at: int, fields: Fields) -> str:
    parts = [f"time={format_taxii(at)}"]
    for name, value in fields.items():
        if value != "":
            parts.append(f"{name}={_quoted(value[: MAX_VALUE + 1]) if type(value) is str else value}")
    return " ".join(parts) + "\n"


def _json(at: int, fields: Fields) -> str:
    kept = {name: _cut(value) if isinstance(value, str) else value for name, value in fields.items() if value != ""}
    return json.dumps({"time": format_taxii(at)} | kept) + "\n"


@lru_cache(maxsize=2048)
def _quoted(value: str) -> str:
    value = _cut(value)
    return value if _BARE.fullmatch(value) else json.dumps(value)


def _cut(value: str) -> str:
    return value if len(value) <= MAX_VALUE else value[:MAX_VALUE] + "…"
