"""Client certificates: what a verified one says, and whether it is the one that an account names.

TLS, or the proxy, has checked the certificate; here its DER (X.690) is only read: subject, and the DNS names and URIs of its
subjectAltName (RFC 5280). Whatever else is in it does not matter to an account.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SUBJECT_ALT_NAME = bytes.fromhex("551d11")
_DNS_NAME, _URI = 0x82, 0x86
_EXTENSIONS, _VERSION, _OCTETS = 0xA3, 0xA0, 0x04

_SHORT_NAMES = {
    "550403": "CN",
    "550406": "C",
    "550407": "L",
    "550408": "ST",
    "550409": "STREET",
    "55040a": "O",
    "55040b": "OU",
    "0992268993f22c640119": "DC",
    "0992268993f22c640101": "UID",
}
"""Attribute types (OID contents in hexadecimal) that RFC 4514, section 3, writes by name."""

_ENCODINGS = {0x0C: "utf-8", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}
_SPECIAL = re.compile(r'(["+,;<>\\]|^[ #]| $)')
_LOOSE_COMMA = re.compile(r"(?<!\\),\s+")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says. ``subject`` is written as RFC 4514 does, ``sha256`` is over its DER, in hexadecimal."""

    sha256: str
    subject: str
    dns_names: frozenset[str]
    uris: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How an account knows its certificate: everything that is given must match."""

    subject: str = ""
    san_dns: str = ""
    san_uri: str = ""
    sha256: str = ""

    def matches(self, certificate: Certificate) -> bool:
        """Return whether that is the certificate."""
        given = [
            (self.sha256, self.sha256 == certificate.sha256),
            (self.subject, _LOOSE_COMMA.sub(",", self.subject) == certificate.subject),
            (self.san_dns, self.san_dns.lower() in certificate.dns_names),
            (self.san_uri, self.san_uri in certificate.uris),
        ]
        holds = [held for wanted, held in given if wanted]
        return bool(holds) and all(holds)


def read_certificate(der: bytes) -> Certificate:
    """Return what a certificate says. Raises ``ValueError`` for bytes that are none."""
    _, certificate = next(_items(der), (0, b""))
    _, signed = next(_items(certificate), (0, b""))
    parts = [item for item in _items(signed) if item[0] != _VERSION]
    if len(parts) < 6:
        raise ValueError("no certificate")
    names = list(_alternative_names(parts))
    return Certificate(
        sha256=hashlib.sha256(der).hexdigest(),
        subject=",".join(reversed([_relative_name(value) for _, value in _items(parts[4][1])])),
        dns_names=frozenset(value.decode("ascii").lower() for tag, value in names if tag == _DNS_NAME),
        uris=frozenset(value.decode("ascii") for tag, value in names if tag == _URI),
    )


def _alternative_names(parts: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for tag, extensions in parts:
        if tag != _EXTENSIONS:
            continue
        for _, listed in _items(extensions):
            for _, extension in _items(listed):
                (_, name), *_, (kind, value) = _items(extension)
                if name == _SUBJECT_ALT_NAME and kind == _OCTETS:
                    for _, general_names in _items(value):
                        yield from _items(general_names)


def _relative_name(value: bytes) -> str:
    attributes = []
    for _, attribute in _items(value):
        (_, name), (tag, text) = _items(attribute)
        short = _SHORT_NAMES.get(name.hex(), "")
        shown = text.decode(_ENCODINGS.get(tag, "latin-1"))
        escaped = _SPECIAL.sub(r"\\\1", shown)
        attributes.append(f"{short}={escaped}" if short else f"OID.{name.hex()}=#{text.hex()}")
    return "+".join(attributes)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, contents) of the elements that lie one after the other in ``data``."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError("an element breaks off")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4 or at + count > len(data):
                raise ValueError("a length that DER does not have")
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise ValueError("an element breaks off")
        yield tag, data[at : at + length]
        at += length
