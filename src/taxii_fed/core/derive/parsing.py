"""STIX patterns as the parser of stix2-patterns reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import antlr4
from stix2patterns.exceptions import ParseException
from stix2patterns.v21.grammars.STIXPatternParser import STIXPatternParser
from stix2patterns.v21.pattern import Pattern

from taxii_fed.core.derive.comparisons import Comparison, Literal, PatternError
from taxii_fed.core.derive.spans import Span


def parse(pattern: str) -> list[Comparison]:
    """Return the comparisons of ``pattern`` in order, ``EXISTS`` left out. Raises `PatternError`."""
    collector = _Collector()
    try:
        Pattern(pattern).walk(collector)
    except (ParseException, RecursionError, AttributeError, IndexError) as error:  # the parser fails in these ways on odd input
        raise PatternError(str(error)) from error
    return collector.found


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
