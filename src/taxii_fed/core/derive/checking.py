"""Cheap looks at an object: might it be hit at all, which data classes does it hold, is the result valid STIX."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from taxii_fed.core.derive.addresses import find_addresses
from taxii_fed.core.derive.comparisons import is_plain
from taxii_fed.core.derive.cutting import Json, leaves
from taxii_fed.core.derive.edits import Edits
from taxii_fed.core.derive.known import known_properties
from taxii_fed.core.derive.mail import find_mail
from taxii_fed.core.derive.required import missing
from taxii_fed.core.stix.checks import MAX_PATTERN, check_strict

_ENCODED = (rb"=[0-9a-f]{2}", rb"<[a-z]", rb"[0-9a-z+/]{14}")
_IP_TRACES = (
    "\\ % & </ <! :: [. .] (. .) {. .} <. .> \". .\" '. .' `. .` *. .* |. .| [, [: :] (: :) {: :} <: :> dot colon [d (d {d <d .arpa "
    "ipv6-literal .io ipv4-addr ipv6-addr like matches h' b' host :authority x-forwarded x-real-ip client-ip artifact"
)
_IP_TRACE_PATTERNS = (
    rb"\. ?(?:0x)?[0-9a-f]{1,10} ?\. ?[0-9x*]",
    rb"\.[0-9a-f]\.[0-9a-f]\.",
    rb":[0-9a-f]{0,4}:[0-9a-f]{0,4}:[0-9a-f]{0,4}:",
    rb"-[0-9]{1,3}-[0-9]{1,3}-[0-9]",
    rb"_[0-9]{1,3}_[0-9]{1,3}_[0-9]",
    rb":[/ ]{0,4}[\[({<]?/[\])}> /]{0,4}(?:[^/\"]{0,80}@)?[0-9]",
    rb"'\s*(?:[a-z][a-z0-9+.-]{0,20}:)?[0-9]",
    rb"\"type\":\s*\"url\"",
    rb"\"value\":\s*\"\s*[0-9/]",
    rb"(?:ip|addr|host)[a-z0-9_-]*\":\s*\[?\s*\"?[0-9]",
    *_ENCODED,
)
_MAIL_TRACES = "@ \\ % & </ <! [at (at {at <at -at- _at_ dot email-addr user-account display_name artifact"


def _search_any(words: str, patterns: tuple[bytes, ...]) -> Callable[[bytes], bool]:
    """Return a function that tells whether lower-cased bytes hold any of ``words`` or match any of ``patterns``."""
    needles = tuple(word.encode() for word in words.split())
    searches = tuple(re.compile(pattern).search for pattern in patterns)
    return lambda lowered: any(needle in lowered for needle in needles) or any(search(lowered) for search in searches)


_has_ip_traces = _search_any(_IP_TRACES, _IP_TRACE_PATTERNS)
"""Whether lower-cased JSON holds what IP addresses leave behind, in whatever notation."""
_has_mail_traces = _search_any(_MAIL_TRACES, (rb"[\[({<]\s?at", *_ENCODED))
_OTHER_LANGUAGE = re.compile(rb"\"pattern_type\":\s*\"(?!stix\")")


def may_hit(raw: bytes, edits: Edits) -> bool:
    """Return False only where `edit` would surely leave the object with these JSON bytes alone."""
    if edits.changes and b'"payload_bin"' in raw:
        return True
    if b'"granular_markings"' in raw or edits.mark is not None or (edits.hide_creator and b'"created_by_ref"' in raw):
        return True
    if any(f'"{name.rpartition(".")[2]}"'.encode() in raw for name in edits.drop):
        return True
    if not edits.searches:
        return False
    if not raw.isascii() or _OTHER_LANGUAGE.search(raw):
        return True
    lowered = raw.lower()
    if (edits.generalises or edits.token_for_ip) and _has_ip_traces(lowered):
        return True
    return (bool(edits.pseudonymise_key) or edits.token_for_email) and _has_mail_traces(lowered)


def scan(obj: Json) -> frozenset[str]:
    """Return the data classes present: ``ip``, ``email``, ``opaque-pattern`` (a pattern language other than STIX)."""
    found = set()
    if obj.get("pattern_type", "stix") != "stix":
        found.add("opaque-pattern")
    if obj["type"] in {"ipv4-addr", "ipv6-addr"}:
        found.add("ip")
    if obj["type"] == "email-addr":
        found.add("email")
    for _, text in leaves(obj):
        if "ip" not in found and find_addresses(text):
            found.add("ip")
        if "email" not in found and find_mail(text):
            found.add("email")
    return frozenset(found)


def valid(obj: Json) -> str:
    """Return "" where an edited object is valid STIX, else what is wrong. Custom content passes."""
    if name := missing(obj):
        return f"{obj['type']} without {name}"
    known = known_properties(obj["type"])
    if empty := next((name for name, value in obj.items() if value in ([], {}) and name in known), ""):
        return f"{empty} is empty"
    if obj["type"] == "indicator" and obj.get("pattern_type") == "stix":
        if problem := _pattern_problem(str(obj["pattern"])):
            return problem
        obj = {**obj, "pattern_type": "judged"}  # so that stix2 does not parse the pattern once more
    return check_strict(obj)


@lru_cache(maxsize=1024)
def _pattern_problem(pattern: str) -> str:
    if is_plain(pattern):
        return ""
    if len(pattern) > MAX_PATTERN:
        return f"pattern is longer than {MAX_PATTERN} characters"
    from stix2patterns.validator import run_validator  # noqa: PLC0415 — as long to load as hundreds of plain patterns to judge

    try:
        problems = run_validator(pattern, "2.1")
    except RecursionError:
        return "pattern is nested too deeply"
    return str(problems[0]) if problems else ""
