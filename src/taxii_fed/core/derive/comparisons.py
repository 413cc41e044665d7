"""The comparisons of a STIX pattern and where they stand (STIX 2.1, section 9)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from taxii_fed.core.derive.spans import Span
from taxii_fed.core.stix.checks import MAX_PATTERN


class PatternError(Exception):
    """A pattern that can't be parsed, or is too long for that."""


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
    if is_plain(pattern):
        return [_plain(match) for match in _TEST.finditer(pattern)]
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"longer than {MAX_PATTERN} characters")
    from taxii_fed.core.derive.parsing import parse  # noqa: PLC0415 — most nodes see plain patterns only, and the parser is slow to load

    return parse(pattern)


def is_plain(pattern: str) -> bool:
    """Return whether a pattern is made of nothing but comparisons with plain literals, any of which is enough.

    Of these grammar and parser leave no doubt, and they are by far the most frequent; parsing one takes as long as all else that is done
    to its indicator.
    """
    return _PLAIN.fullmatch(pattern) is not None


def write_literal(value: str) -> str:
    """Return the string literal for ``value``."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


_PATH = r"(?!true:|false:)[a-z][a-z0-9-]{1,39}:(?!true |false )[a-z_]{1,40}"
_OPERATOR, _TEXT = r"=|ISSUBSET", r"[^'\\]*"
_TEST = re.compile(rf"({_PATH}) ({_OPERATOR}) '({_TEXT})'")
_ANY_TEST = rf"{_PATH} (?:{_OPERATOR}) '{_TEXT}'"
_OBSERVED = rf"\[{_ANY_TEST}(?: OR {_ANY_TEST})*\]"
_PLAIN = re.compile(rf"{_OBSERVED}(?: OR {_OBSERVED})*")


def _plain(match: re.Match[str]) -> Comparison:
    start, end = match.start(3) - 1, match.end(3) + 1
    literal = Literal((start, end), match.string[start:end], match[3])
    return Comparison(match[1], match[2], False, (literal,), match.span(), match.span(1), match.span(2))
