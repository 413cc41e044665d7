"""Media types: what a client accepts, and what it sends (TAXII 2.1 section 3.1).

Lenient on purpose: 406 is the signal on which clients fall back to TAXII 2.0, so only a client that asks for another version, or for
no JSON at all, gets it. In the same way a body is taken whatever it is called, unless it is called another version of TAXII, or no JSON.
"""

from __future__ import annotations

import re
from functools import lru_cache

from taxii_fed.core.errors import NotAcceptableError, UnsupportedMediaError
from taxii_fed.core.taxii.resources import TAXII_MEDIA_TYPE

_ITEM = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_PARAMETER = re.compile(r';\s*([^\s;="]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;"]*)')
_SERVED = frozenset({"*/*", "application/*", "application/json", "application/taxii+json", "application/stix+json"})
_TAKEN = frozenset({"application/taxii+json", "application/stix+json", "application/json"})
_VERSIONED = frozenset({"application/taxii+json", "application/stix+json"})
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii"})


def require_acceptable(accept: str | None) -> None:
    """Raise `NotAcceptableError` where an Accept header leaves no room for TAXII 2.1; no header leaves all of it."""
    if accept and not _acceptable(accept):
        raise NotAcceptableError(f"This server answers in {TAXII_MEDIA_TYPE}; send Accept: {TAXII_MEDIA_TYPE}")


def require_taken(content_type: str | None) -> None:
    """Raise `UnsupportedMediaError` where a POST's Content-Type is none that can hold STIX objects as JSON."""
    kind, parameters = _parsed(content_type or "")
    other_version = kind == "application/taxii+json" and parameters.get("version", "2.1") != "2.1"
    if kind not in _TAKEN or other_version or parameters.get("charset", "") not in _UTF8:
        raise UnsupportedMediaError(f"POST a TAXII envelope in UTF-8 with Content-Type: {TAXII_MEDIA_TYPE}")


@lru_cache(maxsize=256)
def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header lets the answer be compressed with gzip."""
    wanted = {}
    for item in accept_encoding.split(","):
        coding, parameters = _parsed(item)
        wanted[coding] = _weight(parameters) > 0
    return wanted.get("gzip", wanted.get("x-gzip", wanted.get("*", False)))


@lru_cache(maxsize=256)
def _acceptable(accept: str) -> bool:
    ranges = [_parsed(item) for item in _ITEM.findall(accept) if item.strip()]
    return not ranges or any(_served(kind, parameters) for kind, parameters in ranges)


def _served(kind: str, parameters: dict[str, str]) -> bool:
    if _weight(parameters) <= 0:
        return False
    if kind in _VERSIONED:
        return parameters.get("version", "2.1") == "2.1"
    # What is no media range at all says nothing against JSON.
    return kind in _SERVED or "/" not in kind


def _parsed(item: str) -> tuple[str, dict[str, str]]:
    """Return a media range's (or coding's) lower-case name and its parameters, unquoted, in lower case."""
    name, semicolon, rest = item.partition(";")
    parameters = {}
    for key, value in _PARAMETER.findall(semicolon + rest):
        parameters[key.lower()] = value.strip().strip('"').strip().lower()
    return name.strip().lower(), parameters


def _weight(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 1.0
