"""Free text: addresses become networks or a token (rule terms ``generalise_ip``, ``redact_text``, ``pseudonymise`` with text)."""

from __future__ import annotations

import re
from urllib.parse import quote

from taxii_fed.core.derive.addresses import find_addresses, generalised
from taxii_fed.core.derive.edits import Edits
from taxii_fed.core.derive.mail import find_mail
from taxii_fed.core.derive.spans import Span, overlaps, substitute

_LINK = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]{0,20}:(?://)?\S+\s*")
_SURELY_PLAIN = re.compile(r"[A-Za-z _,;-]*")
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ADDRESS_ID = re.compile(rf"ipv[46]-addr--{_UUID}", re.IGNORECASE)
_MAIL_ID = re.compile(rf"email-addr--{_UUID}", re.IGNORECASE)


def edit_text(text: str, edits: Edits, reasons: set[str]) -> str:
    """Return ``text`` with every address changed as ``edits`` ask, adding what was done to ``reasons``.

    In a link the token is percent-encoded. Raises `UnsureError` where an address is to be generalised and can't be.
    """
    if _SURELY_PLAIN.fullmatch(text) and "dot" not in text.lower():
        return text
    token = quote(edits.redact_token, safe="") if _LINK.fullmatch(text) else edits.redact_token
    mail = find_mail(text) if edits.token_for_email else []
    changes = [(span, token) for span in mail]
    if mail:
        reasons.add("email-redacted" if "email" in edits.redact else "email-pseudonymised")
    if edits.token_for_ip or edits.generalises:
        for hit in find_addresses(text):
            if overlaps(mail, hit.start, hit.end):
                continue
            old = text[hit.start : hit.end]
            new = token if edits.token_for_ip else generalised(hit, old, edits.generalise_v4, edits.generalise_v6)
            if new != old:
                changes.append(((hit.start, hit.end), new))
                reasons.add("ip-redacted" if edits.token_for_ip else "ip-generalised")
    ids = told_ids(text, edits)
    reasons.update(ids.values())
    changes += [(span, token) for span in ids]
    return substitute(text, changes) if changes else text


def told_ids(text: str, edits: Edits) -> dict[Span, str]:
    """Return where ``text`` names an observable that ``edits`` give another value, and which edit: its id is made of the old one (I1)."""
    found: dict[Span, str] = {}
    if edits.generalises:
        found |= {match.span(): "ip-generalised" for match in _ADDRESS_ID.finditer(text)}
    if edits.pseudonymise_key:
        found |= {match.span(): "email-pseudonymised" for match in _MAIL_ID.finditer(text)}
    return found
