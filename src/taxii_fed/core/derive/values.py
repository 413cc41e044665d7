"""What the values of observables become: addresses, hosts, mail (rule terms ``generalise_ip`` and ``pseudonymise``)."""

from __future__ import annotations

from collections.abc import Callable

from taxii_fed.core.derive.addresses import (
    UnsureError,
    is_network_text,
    read_exact,
    require_kept_host,
    widen,
)
from taxii_fed.core.derive.edits import Edits
from taxii_fed.core.derive.mail import find_mail, is_pseudonym
from taxii_fed.core.keys import Keys

ValueEditor = Callable[[str, Edits, Keys, set[str]], str]
"""Takes the value, the edits, the keys and the reasons so far, which it adds to; raises `UnsureError`."""


def edit_address(value: str, edits: Edits, keys: Keys, reasons: set[str]) -> str:  # noqa: ARG001 — one signature for all
    """Return the network that stands for the value of an address observable."""
    if not edits.generalises:
        return value
    exact = read_exact(value)
    if exact is None:
        raise UnsureError
    wide = widen(exact, edits.generalise_v4, edits.generalise_v6)
    prefix = edits.generalise_v4 if exact.version == 4 else edits.generalise_v6
    if prefix is None or (wide == exact and is_network_text(value)):
        return value
    reasons.add("ip-generalised")
    return str(wide)


def edit_host(value: str, edits: Edits, keys: Keys, reasons: set[str]) -> str:  # noqa: ARG001 — one signature for all
    """Return a URL or name as it is: an address in it can't be generalised, nor a mail address pseudonymised."""
    if edits.generalises:
        require_kept_host(value, edits.generalise_v4, edits.generalise_v6)
    if edits.pseudonymise_key and find_mail(value):
        raise UnsureError
    return value


def edit_mail(value: str, edits: Edits, keys: Keys, reasons: set[str]) -> str:
    """Return the pseudonym of a mail address."""
    if not edits.pseudonymise_key:
        return edit_host(value, edits, keys, reasons)
    if is_pseudonym(value):
        return value
    reasons.add("email-pseudonymised")
    return keys.pseudonym(edits.pseudonymise_key, value)


def keep(value: str, edits: Edits, keys: Keys, reasons: set[str]) -> str:  # noqa: ARG001 — one signature for all
    """Return the value."""
    return value


VALUE_EDITORS: dict[str, ValueEditor] = {
    "ipv4-addr": edit_address,
    "ipv6-addr": edit_address,
    "domain-name": edit_host,
    "url": edit_host,
    "email-addr": edit_mail,
    "mac-addr": keep,
}
"""Type of observable to what is done to its ``value``; redaction of text leaves these alone."""
