"""Cheap looks at an object: might it be hit at all, which data classes does it hold, is the result valid STIX."""

from __future__ import annotations

import re
from typing import Any

import stix2

from taxii_fed.core.derive.addresses import find_addresses
from taxii_fed.core.derive.cutting import Json, leaves
from taxii_fed.core.derive.edits import Edits
from taxii_fed.core.derive.mail import find_mail
from taxii_fed.core.derive.required import missing
from taxii_fed.core.facts import STIX_TYPES

_ENCODED = (
    rb"[^\x20-\x7e\s]|\\[^n\"r]|%[0-9A-Fa-f]{2}|&[#A-Za-z]|=[0-9A-F]{2}|<[/A-Za-z!]|/[0-9]{1,10}[:/\"?#\\]|//[^/\"]{0,80}@"
)
_MAY_HOLD_IP = re.compile(
    rb"[0-9A-Fa-fxX](?:[^0-9A-Za-z\"]|\\\"){0,6}(?:\.|dot|,|d)(?:[^0-9A-Za-z\"]|\\\"){0,6}[0-9xXa-fA-F]{1,10}[^0-9A-Za-z\"]{0,6}(?:\.|[dD][oO][tT]|,|d)"
    rb"|::|[\[({<]\s?:|colon|(?:[0-9A-Fa-f]{1,4}:){6}|[0-9]{1,3}[-_][0-9]{1,3}[-_][0-9]{1,3}[-_]|//[\[({<]?[0-9]|\.arpa|\.literal|\.io"
    rb"|ip(?:v4|v6)-addr|_refs?\.|[hb]'|\"domain-name\"|\"artifact\"|MATCHES|LIKE|pattern_type\":\s*\"[^s]|[Hh]ost|:authority|-for\"|-ip\"|"
    + _ENCODED
)
_MAY_HOLD_MAIL = re.compile(
    rb"@|\bat\b|[\[({<]\s?[aA]t|[_-]at[_-]|dot|email-addr|display_name|\"artifact\"|pattern_type\":\s*\"[^s]|" + _ENCODED,
    re.IGNORECASE,
)


def may_hit(raw: bytes, edits: Edits) -> bool:
    """Return False only where `edit` would surely leave the object with these JSON bytes alone."""
    if b'"granular_markings"' in raw or edits.mark is not None:
        return True
    if edits.hide_creator and b'"created_by_ref"' in raw:
        return True
    if any(f'"{part}"'.encode() in raw for name in edits.drop for part in (name.rpartition(".")[2],)):
        return True
    if (edits.generalises or edits.token_for_ip) and _MAY_HOLD_IP.search(raw):
        return True
    return (bool(edits.pseudonymise_key) or edits.token_for_email) and _MAY_HOLD_MAIL.search(raw) is not None


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
    """Return "" where an edited object is valid STIX, else what is wrong.

    Required properties and emptied lists are looked at for every type; stix2 judges the rest of what STIX defines.
    """
    if name := missing(obj):
        return f"{obj['type']} without {name}"
    if empty := _empty(obj):
        return f"{empty} is empty"
    if obj["type"] not in STIX_TYPES:
        return ""
    try:
        stix2.parse(obj, allow_custom=True)
    except Exception as error:  # noqa: BLE001 — stix2 raises what it likes on odd content; whatever it is, the copy stays here
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def _empty(value: Any, name: str = "") -> str:
    if isinstance(value, dict):
        for key, item in value.items():
            if item in ([], {}) or (found := _empty(item, key)):
                return key if item in ([], {}) else found
    elif isinstance(value, list):
        for item in value:
            if item in ([], {}) or (found := _empty(item, name)):
                return name if item in ([], {}) else found
    return ""
