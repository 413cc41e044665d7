"""Free text: addresses become networks or a token (rule terms ``generalise_ip``, ``redact_text``, ``pseudonymise`` with text)."""

from __future__ import annotations

import re
from urllib.parse import quote

from taxii_fed.core.derive.addresses import find_addresses, generalised
from taxii_fed.core.derive.edits import Edits
from taxii_fed.core.derive.mail import find_mail

_LINK = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]{0,20}:(?://)?\S+\s*")
_SURELY_PLAIN = re.compile(r"[A-Za-z _,;-]*")


def edit_text(text: str, edits: Edits, reasons: set[str]) -> str:
    """Return ``text`` with every address changed as ``edits`` ask, adding what was done to ``reasons``.

    In a link the token is percent-encoded. Raises `UnsureError` where an address is to be generalised and can't be.
    """
    if _SURELY_PLAIN.fullmatch(text) and "dot" not in text.lower():
        return text
    token = quote(edits.redact_token, safe="") if _LINK.fullmatch(text) else edits.redact_token
    changes: list[tuple[int, int, str]] = []
    if edits.token_for_email:
        changes.extend((hit.start, hit.end, token) for hit in find_mail(text))
        if changes:
            reasons.add("email-redacted" if "email" in edits.redact else "email-pseudonymised")
    if edits.token_for_ip or edits.generalises:
        mail = list(changes)
        for hit in find_addresses(text):
            if any(start < hit.end and hit.start < end for start, end, _ in mail):
                continue
            old = text[hit.start : hit.end]
            new = token if edits.token_for_ip else generalised(hit, old, edits.generalise_v4, edits.generalise_v6)
            if new != old:
                changes.append((hit.start, hit.end, new))
                reasons.add("ip-redacted" if edits.token_for_ip else "ip-generalised")
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def holds_address(text: str, edits: Edits) -> bool:
    """Return whether `edit_text` would change ``text`` or fail on it."""
    if edits.token_for_email and find_mail(text):
        return True
    return (edits.token_for_ip or edits.generalises) and bool(find_addresses(text))
