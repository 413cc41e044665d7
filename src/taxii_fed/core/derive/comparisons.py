"""The comparisons of a STIX pattern and where they stand (STIX 2.1, section 9)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from taxii_fed.core.derive.spans import Span


class PatternError(Exception):
    """A pattern that can't be parsed."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal as written, and the value of a string literal; None for numbers, bytes, times and truth values."""

    span: Span
    text: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: ``path`` without spaces, ``operator`` in capitals with ``==`` as ``=``, and the literals it compares with."""

    path: str
    operator: str
    negated: bool
    literals: tuple[Literal, ...]
    span: Span
    path_span: Span
    operator_span: Span


def comparisons(pattern: str) -> list[Comparison]:
    """Return the comparisons of ``pattern`` in order, ``EXISTS`` left out. Raises `PatternError`."""
    simple = _SIMPLE.fullmatch(pattern)
    if simple:
        return [_simple(simple)]
    from taxii_fed.core.derive.parsing import parse  # noqa: PLC0415 — most nodes see plain patterns only, and the parser is slow to load

    return parse(pattern)


def write_literal(value: str) -> str:
    """Return the string literal for ``value``."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SIMPLE = re.compile(r"\[(ipv[46]-addr:value) (=) ('([0-9A-Fa-f.:/]{2,45})')\]")
"""By far the most frequent pattern with an address; parsing it takes as long as all else that is done to its indicator."""


def _simple(match: re.Match[str]) -> Comparison:
    literal = Literal(match.span(3), match[3], match[4])
    return Comparison(match[1], "=", False, (literal,), (match.start(1), match.end(3)), match.span(1), match.span(2))
