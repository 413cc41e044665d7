"""Addresses in STIX patterns (rule terms ``generalise_ip`` and ``pseudonymise``): one comparison at a time, the rest byte for byte.

The parser of stix2-patterns says where each comparison and literal stands; nothing is replaced that it did not name. What can't be
changed surely raises `UnsureError`. Pattern languages other than ``stix`` are not changed at all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import antlr4
from stix2patterns.exceptions import ParseException
from stix2patterns.v21.grammars.STIXPatternParser import STIXPatternParser
from stix2patterns.v21.pattern import Pattern

from taxii_fed.core.derive.addresses import UnsureError, find_addresses, generalised, is_numeric_host, read_exact, widen
from taxii_fed.core.derive.edits import Edits
from taxii_fed.core.derive.folding import foldings
from taxii_fed.core.derive.mail import find_mail, is_mail, is_pseudonym
from taxii_fed.core.keys import Keys

_SIMPLE = re.compile(r"\[ipv[46]-addr:value\s*(=)\s*'([0-9A-Fa-f.:/]{2,45})'\]")
_ADDRESS_PATH = re.compile(r"ipv[46]-addr:value$|_refs?(?:\[[^\]]*\])?\.'?value'?$|^x-[a-z0-9-]+:", re.IGNORECASE)
_HOST_PATH = re.compile(r"^(?:url|domain-name):|(?:\.|')(?:host|:authority)'?$", re.IGNORECASE)
_MAIL_PATH = re.compile(
    r"^email-addr:'?value'?$|(?:from|sender|to|cc|bcc|belongs_to)_refs?(?:\[[^\]]*\])?\.'?value'?$", re.IGNORECASE
)
_MAIL_NAME_PATH = re.compile(r"^email-addr:'?display_name|_refs?(?:\[[^\]]*\])?\.'?display_name", re.IGNORECASE)
_ACCOUNT_PATH = re.compile(
    r"^user-account:'?(?:account_login|user_id)'?$|_refs?(?:\[[^\]]*\])?\.'?(?:account_login|user_id)'?$"
)
_HASH_PATH = re.compile(r"hashes", re.IGNORECASE)

_REGEX_SIGNS = re.compile(r"[\\()\[\]{}|?*+^$%\s]")
_PARTIAL_V4 = re.compile(r"[0-9]{1,3}[.,_][0-9.,_x-]{1,12}[.,][0-9]")
_PARTIAL_V6 = re.compile(r"[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]|::[0-9A-Fa-f]|[0-9A-Fa-f]{2,4}::")
_HEX_DUMP = re.compile(r"(?:[0-9A-Fa-f]{2}[\s|,]{0,3}(?:\\x|0x)?){7,}")
_WORTH_PARSING = re.compile(
    r"ipv[46]-addr|_refs?\b|[hb]'|[0-9][^0-9A-Za-z\s]{1,6}[0-9]{1,4}[^0-9A-Za-z]{1,6}[0-9]|:[0-9A-Fa-f]{0,4}:|//|url|[^\x20-\x7e]|%|\\|&|dot|"
    r"email-addr|user-account|@|display_name"
)


@dataclass(frozen=True, slots=True)
class _Test:
    """One comparison: what is compared, how, with which literals, and where each stands in the pattern (end exclusive)."""

    path: str
    operator: str
    negated: bool
    span: tuple[int, int]
    path_span: tuple[int, int]
    operator_span: tuple[int, int]
    literals: tuple[tuple[int, int, str], ...]
    """(start, end, text) of each literal as written."""


def rewrite(pattern: str, edits: Edits, keys: Keys) -> tuple[str, frozenset[str]]:
    """Return the pattern with addresses generalised and mail addresses pseudonymised, and the reasons.

    ``=`` with an address becomes ``ISSUBSET`` with its network, an ``IN`` list an ``OR`` of those. Raises `UnsureError`.
    """
    mail_key = "" if edits.keep_patterns else edits.pseudonymise_key
    if not (edits.generalises or mail_key) or not _WORTH_PARSING.search(pattern):
        return pattern, frozenset()
    return _rewrite(pattern, edits.generalise_v4, edits.generalise_v6, mail_key, keys)


def check_opaque(pattern: str, edits: Edits) -> None:
    """Raise `UnsureError` where a pattern in another language holds, or may hold, an address that would have to be changed."""
    if edits.generalises and (find_addresses(pattern) or _may_hide_address(pattern)):
        raise UnsureError
    if edits.pseudonymise_key and not edits.keep_patterns and (find_mail(pattern) or "@" in pattern):
        raise UnsureError


@lru_cache(maxsize=4096)
def _rewrite(pattern: str, v4: int | None, v6: int | None, mail_key: str, keys: Keys) -> tuple[str, frozenset[str]]:
    simple = _SIMPLE.fullmatch(pattern)
    tests = [_simple_test(pattern, simple)] if simple else _tests(pattern, v4, v6, mail_key)
    changes: list[tuple[int, int, str]] = []
    reasons: set[str] = set()
    for test in tests:
        for reason, found in (
            ("ip-generalised", _generalise(pattern, test, v4, v6) if v4 is not None or v6 is not None else []),
            ("email-pseudonymised", _pseudonymise(test, mail_key, keys) if mail_key else []),
        ):
            if found:
                reasons.add(reason)
                changes.extend(found)
    result = pattern
    for start, end, text in sorted(changes, reverse=True):
        result = result[:start] + text + result[end:]
    _require_clean(result, v4, v6, mail_key)
    return result, frozenset(reasons)


def _simple_test(pattern: str, match: re.Match[str]) -> _Test:
    start, end = match.span(2)
    path_end = pattern.index(":value") + len(":value")
    return _Test(
        pattern[1:path_end], "=", False, (1, end + 1), (1, path_end), match.span(1), ((start - 1, end + 1, f"'{match[2]}'"),)
    )


def _tests(pattern: str, v4: int | None, v6: int | None, mail_key: str) -> list[_Test]:
    try:
        collector = _Collector(pattern)
        Pattern(pattern).walk(collector)
    except (ParseException, RecursionError, AttributeError, KeyError):
        if _may_hold_anything(pattern, v4 is not None or v6 is not None, bool(mail_key)):
            raise UnsureError from None
        return []
    return collector.tests


def _may_hold_anything(pattern: str, addresses: bool, mail: bool) -> bool:
    if addresses and (find_addresses(pattern) or _may_hide_address(pattern) or "ipv" in pattern):
        return True
    return mail and ("@" in pattern or bool(find_mail(pattern)) or "email-addr" in pattern)


# -- one comparison -------------------------------------------------------------------------------------------------------------


def _generalise(pattern: str, test: _Test, v4: int | None, v6: int | None) -> list[tuple[int, int, str]]:
    wide: list[str] = []
    narrow = False
    for _, _, literal in test.literals:
        value = _decode(literal)
        if value is None:
            _require_harmless(test, literal)
            wide.append(literal)
            continue
        new = _wide_literal(test, value, v4, v6)
        narrow = narrow or new != value
        wide.append(literal if new == value else _encode(new))
    if not narrow:
        return []
    if test.negated or not _ADDRESS_PATH.search(test.path) or test.operator not in {"=", "IN", "ISSUBSET"}:
        raise UnsureError
    if test.operator == "IN":
        return [(*test.span, _any_of(pattern[slice(*test.path_span)], test, wide))]
    start, end, _ = test.literals[0]
    return [(*test.operator_span, "ISSUBSET"), (start, end, wide[0])]


def _any_of(path: str, test: _Test, literals: list[str]) -> str:
    terms = dict.fromkeys(
        f"{path} {'=' if literal == old[2] else 'ISSUBSET'} {literal}"
        for literal, old in zip(literals, test.literals, strict=True)
    )
    return next(iter(terms)) if len(terms) == 1 else f"({' OR '.join(terms)})"


def _wide_literal(test: _Test, value: str, v4: int | None, v6: int | None) -> str:
    """Return the literal's value with a network in place of an address. Raises `UnsureError` where it is no plain address."""
    exact = read_exact(value)
    if exact is not None and _ADDRESS_PATH.search(test.path):
        wide = widen(exact, v4, v6)
        if wide == exact and _has_no_host_bits(value, v4 if exact.version == 4 else v6):
            return value
        return str(wide)
    for hit in find_addresses(value):
        if generalised(hit, value[hit.start : hit.end], v4, v6) != value[hit.start : hit.end]:
            raise UnsureError
    if _HOST_PATH.search(test.path) and is_numeric_host(value):
        raise UnsureError
    if _is_partial(test, value):
        raise UnsureError
    return value


def _has_no_host_bits(value: str, prefix: int | None) -> bool:
    if prefix is None:
        return True
    try:
        ipaddress.ip_network(value)
    except ValueError:
        return False
    return "/" in value


def _is_partial(test: _Test, value: str) -> bool:
    """Return whether a literal may stand for addresses without spelling one."""
    names_address = re.search(r"^ipv[46]-addr:'?value", test.path) is not None
    if test.operator in {"LIKE", "MATCHES"}:
        return (_ADDRESS_PATH.search(test.path) is not None and re.search(r"[0-9:]", value) is not None) or _may_hide_address(
            value
        )
    return names_address and bool(re.search(r"[0-9:]", value)) and read_exact(value) is None


def _require_harmless(test: _Test, literal: str) -> None:
    """Raise `UnsureError` for a number or bytes that may be an address."""
    if re.search(r"^ipv[46]-addr:'?value", test.path):
        raise UnsureError
    if literal[:1] in "hb" and len(literal) > 8 and not _HASH_PATH.search(test.path):
        raise UnsureError


def _pseudonymise(test: _Test, key: str, keys: Keys) -> list[tuple[int, int, str]]:
    if _MAIL_NAME_PATH.search(test.path):
        raise UnsureError
    changes = []
    for start, end, literal in test.literals:
        value = _decode(literal)
        if value is None:
            if _MAIL_PATH.search(test.path) or (literal[:1] in "hb" and len(literal) > 8 and not _HASH_PATH.search(test.path)):
                raise UnsureError
            continue
        if is_pseudonym(value) or not _holds_mail(test, value):
            continue
        exact = is_mail(value) and (
            _MAIL_PATH.search(test.path) or _ACCOUNT_PATH.search(test.path) or test.path.startswith("x-")
        )
        if not (exact or re.search(r"^email-addr:'?value", test.path)) or test.operator not in {"=", "!=", "IN"}:
            raise UnsureError
        changes.append((start, end, _encode(keys.pseudonym(key, value))))
    return changes


def _holds_mail(test: _Test, value: str) -> bool:
    if re.search(r"^email-addr:'?value", test.path):
        return True
    if test.operator in {"LIKE", "MATCHES"} and (_MAIL_PATH.search(test.path) or "@" in value):
        return True
    return bool(find_mail(value))


def _require_clean(result: str, v4: int | None, v6: int | None, mail_key: str) -> None:
    """Raise `UnsureError` where an address is left outside the literals that were judged: comments, keys, odd spellings."""
    if v4 is not None or v6 is not None:
        for hit in find_addresses(result):
            text = result[hit.start : hit.end]
            if generalised(hit, text, v4, v6) != text:
                raise UnsureError
    if mail_key and any(not is_pseudonym(result[hit.start : hit.end]) for hit in find_mail(result)):
        raise UnsureError


def _may_hide_address(text: str) -> bool:
    """Return whether ``text`` may describe an address in parts: a regular expression, a wildcard, a hex dump."""
    for folding in foldings(text):
        stripped = _REGEX_SIGNS.sub("", folding.text)
        if _PARTIAL_V4.search(stripped) or _PARTIAL_V6.search(stripped):
            return True
    for dump in _HEX_DUMP.finditer(text):
        digits = "".join(re.findall(r"[0-9A-Fa-f]{2}", re.sub(r"\\x|0x", " ", dump[0])))
        if find_addresses(bytes.fromhex(digits).decode("latin-1").replace("\0", "")):
            return True
    return False


def _decode(literal: str) -> str | None:
    """Return the value of a string literal, None for a literal of another kind."""
    if not literal.startswith("'"):
        return None
    return re.sub(r"\\(.)", r"\1", literal[1:-1], flags=re.DOTALL)


def _encode(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


# -- the parser's answers ---------------------------------------------------------------------------------------------------------


class _Collector(antlr4.ParseTreeListener):  # type: ignore[misc]
    """Collects the comparisons of a parsed pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.tests: list[_Test] = []

    def enterEveryRule(self, ctx: Any) -> None:  # noqa: N802 — the name is antlr's
        if isinstance(ctx, STIXPatternParser.PropTestContext) and not isinstance(
            ctx, STIXPatternParser.PropTestParenContext | STIXPatternParser.PropTestExistsContext
        ):
            self.tests.append(self._test(ctx))

    def _test(self, ctx: Any) -> _Test:
        path = ctx.objectPath()
        tokens = [child.symbol for child in ctx.getChildren() if hasattr(child, "symbol")]
        negated = any(token.type == STIXPatternParser.NOT for token in tokens)
        operator = next(token for token in tokens if token.type not in {STIXPatternParser.NOT, STIXPatternParser.StringLiteral})
        return _Test(
            path=path.getText(),
            operator=_OPERATORS.get(operator.type, operator.text.upper()),
            negated=negated,
            span=(ctx.start.start, ctx.stop.stop + 1),
            path_span=(path.start.start, path.stop.stop + 1),
            operator_span=(operator.start, operator.stop + 1),
            literals=tuple((token.start, token.stop + 1, token.text) for token in _literals(ctx, path)),
        )


_OPERATORS = {STIXPatternParser.EQ: "=", STIXPatternParser.NEQ: "!="}
_LITERALS = frozenset(
    getattr(STIXPatternParser, name)
    for name in (
        "IntNegLiteral IntPosLiteral FloatNegLiteral FloatPosLiteral HexLiteral BinaryLiteral StringLiteral BoolLiteral TimestampLiteral"
    ).split()
)


def _literals(ctx: Any, path: Any) -> Iterator[Any]:
    for child in ctx.getChildren():
        if child is path:
            continue
        if hasattr(child, "symbol"):
            if child.symbol.type in _LITERALS:
                yield child.symbol
        else:
            yield from _literals(child, path)
