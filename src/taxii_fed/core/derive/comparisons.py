"""The comparisons of a STIX pattern and where they stand, as the parser of stix2-patterns reads them (STIX 2.1, section 9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import antlr4
from stix2patterns.exceptions import ParseException
from stix2patterns.v21.grammars.STIXPatternParser import STIXPatternParser
from stix2patterns.v21.pattern import Pattern

Span = tuple[int, int]
"""Start and exclusive end in the pattern."""


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
    collector = _Collector()
    try:
        Pattern(pattern).walk(collector)
    except (ParseException, RecursionError, AttributeError, IndexError) as error:  # the parser fails in these ways on odd input
        raise PatternError(str(error)) from error
    return collector.found


def write_literal(value: str) -> str:
    """Return the string literal for ``value``."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SIMPLE = re.compile(r"\[(ipv[46]-addr:value) (=) ('([0-9A-Fa-f.:/]{2,45})')\]")
"""By far the most frequent pattern with an address; parsing it takes as long as all else that is done to its indicator."""


def _simple(match: re.Match[str]) -> Comparison:
    literal = Literal(match.span(3), match[3], match[4])
    return Comparison(match[1], "=", False, (literal,), (match.start(1), match.end(3)), match.span(1), match.span(2))


class _Collector(antlr4.ParseTreeListener):  # type: ignore[misc]
    """Collects the comparisons of a parsed pattern."""

    def __init__(self) -> None:
        self.found: list[Comparison] = []

    def enterEveryRule(self, ctx: Any) -> None:  # noqa: N802 — the name is antlr's
        if isinstance(ctx, STIXPatternParser.PropTestContext) and not isinstance(ctx, _WITHOUT_LITERAL):
            self.found.append(_comparison(ctx))


_WITHOUT_LITERAL = (STIXPatternParser.PropTestParenContext, STIXPatternParser.PropTestExistsContext)
_LITERALS = frozenset(
    getattr(STIXPatternParser, f"{kind}Literal")
    for kind in "IntNeg IntPos FloatNeg FloatPos Hex Binary String Bool Timestamp".split()
)
_SPELLINGS = {STIXPatternParser.EQ: "=", STIXPatternParser.NEQ: "!="}


def _comparison(ctx: Any) -> Comparison:
    path = ctx.objectPath()
    tokens = [child.symbol for child in ctx.getChildren() if hasattr(child, "symbol")]
    operator = next(token for token in tokens if token.type not in _LITERALS and token.type != STIXPatternParser.NOT)
    return Comparison(
        path=path.getText(),
        operator=_SPELLINGS.get(operator.type, operator.text),
        negated=any(token.type == STIXPatternParser.NOT for token in tokens),
        literals=tuple(Literal(_span(token, token), token.text, _value(token)) for token in _literal_tokens(ctx, path)),
        span=_span(ctx.start, ctx.stop),
        path_span=_span(path.start, path.stop),
        operator_span=_span(operator, operator),
    )


def _literal_tokens(ctx: Any, path: Any) -> Iterator[Any]:
    for child in ctx.getChildren():
        if child is path:
            continue
        if not hasattr(child, "symbol"):
            yield from _literal_tokens(child, path)
        elif child.symbol.type in _LITERALS:
            yield child.symbol


def _span(first: Any, last: Any) -> Span:
    return first.start, last.stop + 1


def _value(token: Any) -> str | None:
    if token.type != STIXPatternParser.StringLiteral:
        return None
    return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
