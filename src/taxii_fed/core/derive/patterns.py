"""Addresses in patterns (rule terms ``generalise_ip`` and ``pseudonymise``): one comparison at a time, the rest byte for byte.

What can't be changed surely raises `UnsureError`: an address in another comparison than ``=``, ``IN`` or ``ISSUBSET``, in part of a
literal, in a comment, as bytes or as a number. Pattern languages other than ``stix`` are not changed at all.
"""

from __future__ import annotations

import re
from functools import lru_cache

from taxii_fed.core.derive.addresses import (
    UnsureError,
    find_addresses,
    is_network_text,
    read_exact,
    require_kept,
    require_kept_host,
    widen,
)
from taxii_fed.core.derive.comparisons import Comparison, Literal, PatternError, comparisons, write_literal
from taxii_fed.core.derive.edits import Edits
from taxii_fed.core.derive.folding import foldings
from taxii_fed.core.derive.mail import find_mail, is_mail, is_pseudonym
from taxii_fed.core.derive.spans import Span, substitute
from taxii_fed.core.keys import Keys

Substitution = tuple[Span, str]
Prefixes = tuple[int | None, int | None]
"""How wide IPv4 and IPv6 networks are to be; None: left alone."""

_NAMED = r"_refs?(?:\[[^\]]*\])?\.'?{}'?$"
_IP_PATH = re.compile(rf"^ipv[46]-addr:'?value'?$|{_NAMED.format('value')}")
_CUSTOM_PATH = re.compile(r"^x-[a-z0-9-]+:")
_HOST_PATH = re.compile(r"^(?:url|domain-name):'?value'?$|[.'](?:host|:authority|x-forwarded-host)'?$", re.IGNORECASE)
_MAIL_PATH = re.compile(rf"^email-addr:'?value'?$|(?:from|sender|to|cc|bcc|belongs_to){_NAMED.format('value')}")
_MAIL_NAME_PATH = re.compile(rf"^email-addr:'?display_name'?$|{_NAMED.format('display_name')}")
_ACCOUNT_PATH = re.compile(rf"^user-account:'?(?:account_login|user_id)'?$|{_NAMED.format('(?:account_login|user_id)')}")

_WORTH_PARSING = re.compile(
    r"ipv[46]-addr|_refs?\b|[hb]'|['/:@]\s?[0-9]|MATCHES|LIKE|email-addr|user-account|display_name|@|[^\x20-\x7e]|%|&"
)
_REGEX_SIGNS = re.compile(r"[\\()\[\]{}|?*+^$%\s]")
_PARTIAL_V4 = re.compile(r"[0-9]{1,3}[.,_][0-9.,_x-]{1,12}[.,][0-9]")
_PARTIAL_V6 = re.compile(r"[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]|::[0-9A-Fa-f]|[0-9A-Fa-f]{2,4}::")
_HEX_DUMP = re.compile(r"(?:(?:\\x|0x)?[0-9A-Fa-f]{2}[\s|,]{0,3}){7,}")


def rewrite(pattern: str, edits: Edits, keys: Keys) -> tuple[str, frozenset[str]]:
    """Return a STIX pattern with addresses generalised and mail addresses pseudonymised, and the reasons.

    ``=`` with an address becomes ``ISSUBSET`` with its network, an ``IN`` list an ``OR`` of those. Raises `UnsureError`.
    """
    mail_key = "" if edits.keep_patterns else edits.pseudonymise_key
    if not (edits.generalises or mail_key):
        return pattern, frozenset()
    if not (_WORTH_PARSING.search(pattern) or find_addresses(pattern) or find_mail(pattern)):
        return pattern, frozenset()
    rewritten = _remembered if len(pattern) <= _REMEMBERED_LENGTH else _rewrite
    result, reasons = rewritten(pattern, (edits.generalise_v4, edits.generalise_v6), mail_key, keys)
    # What is remembered may be an equal string; callers go by identity.
    return (pattern if result == pattern else result), reasons


def check_opaque(pattern: str, edits: Edits) -> None:
    """Raise `UnsureError` where a pattern in another language holds, or may hold, an address that would have to be changed."""
    prefixes = (edits.generalise_v4, edits.generalise_v6)
    if edits.generalises and _may_hide_address(_without_lookalikes(_without_wide(pattern, prefixes), edits.generalise_v4)):
        raise UnsureError
    if edits.pseudonymise_key and not edits.keep_patterns and ("@" in pattern or find_mail(pattern)):
        raise UnsureError


def _without_wide(pattern: str, prefixes: Prefixes) -> str:
    """Return the pattern without the networks that are wide enough. Raises `UnsureError` where it holds any other address."""
    require_kept(pattern, *prefixes)
    return substitute(pattern, [((hit.start, hit.end), " ") for hit in find_addresses(pattern)])


_LOOKALIKE = re.compile(
    r"(?<![\w.:\\*?|)\]}-])(?:v?[0-9]{1,5}(?:\.[0-9]{1,5}){2}|[0-9]{1,2}:[0-9]{2}:[0-9]{2})(?![\w.:\\*?|(\[{+-])"
)
_NUMBER_LIST = re.compile(r"(?<![\w.:\\])[\[(]\s?[0-9]{1,5}(?:,\s?[0-9]{1,5})*\s?[\])](?![\w.:\\*?{+])")


def _without_lookalikes(pattern: str, v4: int | None) -> str:
    """Return the pattern without times, lists of ports and versions of three parts, which tell three octets of an address at most."""
    result = _NUMBER_LIST.sub(lambda match: match[0] if _may_be_octets(match[0]) else " ", pattern)
    return result if v4 is not None and v4 < _THREE_OCTETS else _LOOKALIKE.sub(" ", result)


_THREE_OCTETS = 24


def _may_be_octets(numbers: str) -> bool:
    values = [int(each) for each in re.findall("[0-9]+", numbers)]
    return len(values) > 3 and max(values) < 256


def _rewrite(pattern: str, prefixes: Prefixes, mail_key: str, keys: Keys) -> tuple[str, frozenset[str]]:
    generalises = prefixes != (None, None)
    try:
        found = comparisons(pattern)
    except PatternError:
        _require_nothing(pattern, generalises, bool(mail_key))
        return pattern, frozenset()
    networks = [each for test in found for each in _generalise(pattern, test, prefixes)] if generalises else []
    pseudonyms = [each for test in found for each in _pseudonymise(test, mail_key, keys)] if mail_key else []
    result = substitute(pattern, networks + pseudonyms)
    _require_clean(result, prefixes, mail_key)
    return result, frozenset((["ip-generalised"] if networks else []) + (["email-pseudonymised"] if pseudonyms else []))


_REMEMBERED_LENGTH = 4000
_remembered = lru_cache(maxsize=4096)(_rewrite)


# -- IP addresses -----------------------------------------------------------------------------------------------------------------


def _generalise(pattern: str, test: Comparison, prefixes: Prefixes) -> list[Substitution]:
    new = [_wide(test, literal, prefixes) for literal in test.literals]
    if all(text == literal.text for text, literal in zip(new, test.literals, strict=True)):
        return []
    if test.negated or not (_IP_PATH.search(test.path) or _CUSTOM_PATH.search(test.path)):
        raise UnsureError
    if test.operator == "IN":
        return [(test.span, _any_of(pattern[slice(*test.path_span)], test.literals, new))]
    if test.operator not in {"=", "ISSUBSET"}:
        raise UnsureError
    start, end = test.operator_span
    before, after = pattern[start - 1], pattern[end]
    operator = f"{'' if before.isspace() else ' '}ISSUBSET{'' if after.isspace() else ' '}"
    return [(test.operator_span, operator), (test.literals[0].span, new[0])]


def _any_of(path: str, old: tuple[Literal, ...], new: list[str]) -> str:
    """Return what an ``IN`` list means, spelt with ``OR``."""
    terms = dict.fromkeys(
        f"{path} {'=' if text == literal.text else 'ISSUBSET'} {text}" for literal, text in zip(old, new, strict=True)
    )
    return next(iter(terms)) if len(terms) == 1 else f"({' OR '.join(terms)})"


def _wide(test: Comparison, literal: Literal, prefixes: Prefixes) -> str:
    """Return the literal with a network for an address, as written where there is none. Raises `UnsureError`."""
    value = literal.value
    names_address = _IP_PATH.search(test.path) is not None
    if value is None:
        if (names_address and not literal.text.startswith("t'")) or _may_be_packed(literal):
            raise UnsureError
        return literal.text
    exact = read_exact(value)
    if exact is not None and (names_address or _CUSTOM_PATH.search(test.path)):
        if prefixes[exact.version == 6] is None:
            return literal.text
        wide = widen(exact, *prefixes)
        return literal.text if wide == exact and is_network_text(value) else write_literal(str(wide))
    if _HOST_PATH.search(test.path):
        require_kept_host(value, *prefixes)
    require_kept(value, *prefixes)
    if _may_be_partial(test, value):
        raise UnsureError
    return literal.text


def _may_be_partial(test: Comparison, value: str) -> bool:
    """Return whether a literal may stand for addresses without spelling one."""
    tells_something = re.search(r"[0-9:]", value) is not None
    if test.operator in {"LIKE", "MATCHES"}:
        return (tells_something and _IP_PATH.search(test.path) is not None) or _may_hide_address(value)
    return tells_something and test.path.startswith(("ipv4-addr:", "ipv6-addr:"))


def _may_be_packed(literal: Literal) -> bool:
    """Return whether a literal is of bytes, in hexadecimal or base 64, enough of them to hold an address."""
    return literal.text[:2] in {"h'", "b'"} and len(literal.text) > len("h'000000'")


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


# -- mail addresses ---------------------------------------------------------------------------------------------------------------


def _pseudonymise(test: Comparison, key: str, keys: Keys) -> list[Substitution]:
    if _MAIL_NAME_PATH.search(test.path):
        raise UnsureError
    changes = []
    for literal in test.literals:
        value = literal.value
        if value is None:
            if _MAIL_PATH.search(test.path) or _may_be_packed(literal):
                raise UnsureError
        elif not is_pseudonym(value) and _holds_mail(test, value):
            if test.operator not in {"=", "!=", "IN"} or not _is_whole_mail(test, value):
                raise UnsureError
            changes.append((literal.span, write_literal(keys.pseudonym(key, value))))
    return changes


def _holds_mail(test: Comparison, value: str) -> bool:
    if test.path.startswith("email-addr:") and _MAIL_PATH.search(test.path):
        return True
    if test.operator in {"LIKE", "MATCHES"} and ("@" in value or _MAIL_PATH.search(test.path)):
        return True
    return bool(find_mail(value))


def _is_whole_mail(test: Comparison, value: str) -> bool:
    if test.path.startswith("email-addr:"):
        return True
    fitting = _MAIL_PATH.search(test.path) or _ACCOUNT_PATH.search(test.path) or _CUSTOM_PATH.search(test.path)
    return is_mail(value) and fitting is not None


# -- the whole --------------------------------------------------------------------------------------------------------------------


def _require_nothing(pattern: str, generalises: bool, mail: bool) -> None:
    """Raise `UnsureError` where a pattern that can't be parsed may hold an address."""
    if generalises and (
        "ipv4-addr" in pattern or "ipv6-addr" in pattern or find_addresses(pattern) or _may_hide_address(pattern)
    ):
        raise UnsureError
    if mail and ("@" in pattern or "email-addr" in pattern or find_mail(pattern)):
        raise UnsureError


def _require_clean(result: str, prefixes: Prefixes, mail_key: str) -> None:
    """Raise `UnsureError` where an address is left outside the literals that were judged: comments, keys, odd spellings."""
    if prefixes != (None, None):
        require_kept(result, *prefixes)
    if mail_key and find_mail(result):
        raise UnsureError
