"""Query strings: TAXII 2.1 section 3.4 as an `ObjectQuery`.

Strict in what the standard defines: a malformed value, or a parameter given twice, is a 400 that says what was expected. Everything
else is ignored, as clients send parameters of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from taxii_fed.core.errors import BadRequestError
from taxii_fed.core.taxii.paging import Cursors, Position, after_instant
from taxii_fed.core.taxii.query import LAST_VERSION, ObjectQuery, VersionMatch
from taxii_fed.core.timestamps import parse_rfc3339, parse_stix
from taxii_fed.services.reading.values import Limits

MAX_QUERY_LENGTH = 32_768

LISTING = frozenset({"added_after", "limit", "next", "match[id]", "match[type]", "match[version]", "match[spec_version]"})
"""Parameters of objects and manifest."""
ONE_OBJECT = frozenset({"added_after", "limit", "next", "match[version]", "match[spec_version]"})
ALL_VERSIONS_OF_ONE = frozenset({"added_after", "limit", "next", "match[spec_version]"})
DELETION = frozenset({"match[version]", "match[spec_version]"})

_ID = re.compile(r"[^\s,]+--[^\s,]+")
_TYPE = re.compile(r"[A-Za-z0-9_-]{1,250}")
_SPEC_VERSION = re.compile(r"[0-9]+\.[0-9]+")
_LIMIT = re.compile(r"[0-9]+")


def parameters(query_string: str, known: frozenset[str]) -> dict[str, str]:
    """Return the ``known`` parameters of a query string, decoded. Raises `BadRequestError` for one given twice."""
    if not query_string:
        return {}
    if len(query_string) > MAX_QUERY_LENGTH:
        raise BadRequestError(f"The query is longer than {MAX_QUERY_LENGTH} characters.")
    found: dict[str, str] = {}
    for name, value in parse_qsl(query_string, keep_blank_values=True):
        if name in known:
            if name in found:
                raise BadRequestError(
                    f"{name}: given twice; send it once{', with commas between values' if '[' in name else ''}."
                )
            found[name] = value
    return found


def object_query(found: Mapping[str, str], limits: Limits) -> ObjectQuery:
    """Return the query that the `parameters` ask for, ``next`` aside. Raises `BadRequestError` for a malformed value."""
    return ObjectQuery(
        after=after_instant(_instant(found["added_after"])) if "added_after" in found else None,
        limit=_limit(found["limit"], limits) if "limit" in found else min(limits.page_size, limits.max_page_size),
        max_bytes=limits.max_page_bytes,
        ids=_values(found, "match[id]", _ID, "STIX ids such as indicator--0a1f…"),
        types=_values(found, "match[type]", _TYPE, "object types such as indicator"),
        versions=_version_match(found),
        spec_versions=_values(found, "match[spec_version]", _SPEC_VERSION, "STIX editions such as 2.1"),
    )


def position(found: Mapping[str, str], cursors: Cursors) -> Position | None:
    """Return the position that ``next`` stands for, None without it. Raises `BadRequestError` for one never issued."""
    return cursors.read(found["next"]) if "next" in found else None


def _version_match(found: Mapping[str, str]) -> VersionMatch:
    """Return what ``match[version]`` asks for, the newest where it is not given. Raises `BadRequestError` for a malformed value."""
    text = found.get("match[version]")
    if text is None:
        return LAST_VERSION
    words, instants = set(), set()
    values = text.split(",")
    for value in values:
        if value in ("all", "first", "last"):
            words.add(value)
            continue
        try:
            instants.add(parse_stix(value))
        except ValueError as error:
            raise BadRequestError(f"match[version]: {error}, nor all, first or last.") from None
    if len(words) + len(instants) < len(values):
        raise BadRequestError("match[version]: a value is given twice.")
    if "all" in words and len(values) > 1:
        raise BadRequestError("match[version]: all stands alone.")
    return VersionMatch(last="last" in words, first="first" in words, all="all" in words, instants=frozenset(instants))


def _instant(text: str) -> int:
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise BadRequestError(f"added_after: {error}.") from None


def _limit(text: str, limits: Limits) -> int:
    if _LIMIT.fullmatch(text) is None or not text.strip("0"):
        raise BadRequestError("limit: expected a whole number greater than zero.")
    # Cut before it is read: a number of a thousand digits is as good as one of ten.
    return min(int(text.lstrip("0")[:10]), limits.max_page_size)


def _values(found: Mapping[str, str], name: str, form: re.Pattern[str], expected: str) -> tuple[str, ...] | None:
    text = found.get(name)
    if text is None:
        return None
    values = tuple(dict.fromkeys(text.split(",")))
    if not all(form.fullmatch(value) for value in values):
        raise BadRequestError(f"{name}: expected {expected}, with commas and no spaces between them.")
    return values
