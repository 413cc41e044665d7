"""Keys that follow from the node secret, and what is made with them: ids of derived copies, pseudonyms, marks, notices.

Every use has a key of its own by HKDF-SHA256 (RFC 5869), so none can be computed from another. Without the secret an id can't be
linked to its source (sharing model, section 7).
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
import uuid
from functools import lru_cache

_SALT = b"taxii-fed"
_DIGEST_SIZE = hashlib.sha256().digest_size


def hkdf(secret: bytes, info: bytes, length: int = _DIGEST_SIZE) -> bytes:
    """Return ``length`` bytes of HKDF-SHA256 over ``secret`` for the use that ``info`` names."""
    pseudorandom = hmac.digest(_SALT, secret, "sha256")
    block, result = b"", b""
    for counter in range(1, -(-length // _DIGEST_SIZE) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes((counter,)), "sha256")
        result += block
    return result[:length]


class Keys:
    """The sub-keys of one node. Equal secrets give equal results, in every process and after every rebuild (I7).

    ``fingerprint`` tells one secret from another and says nothing about it.
    """

    def __init__(self, secret: bytes) -> None:
        self.cursor_key = hkdf(secret, b"cursor")
        self.fingerprint = hkdf(secret, b"fingerprint").hex()
        self._id_key = hkdf(secret, b"derived-id")
        self._notice_key = hkdf(secret, b"notice-id")
        self._mark_key = hkdf(secret, b"deletion-mark")
        self._pseudonym_key = lru_cache(maxsize=64)(lambda name: hkdf(secret, b"pseudonym\0" + name.encode()))

    def derived_id(self, source_id: str, profile: str) -> str:
        """Return the id of the copy of ``source_id`` under a profile: same type, HMAC in UUID version 4 layout."""
        kind = source_id.partition("--")[0]
        digest = _keyed(self._id_key, source_id, profile)
        return f"{kind}--{_uuid4_layout(digest)}"

    def notice_id(self, view: int, serial: int) -> str:
        """Return the id of a notice in a view."""
        return f"note--{_uuid4_layout(_keyed(self._notice_key, str(view), str(serial)))}"

    def gone_mark(self, collection: str, object_id: str) -> bytes:
        """Return the 32-byte keyed hash that stands for an object of which no version is left in a collection."""
        return hmac.digest(self._mark_key, f"{collection}\0{object_id}\0gone".encode(), "sha256")

    def erased_mark(self, object_id: str) -> bytes:
        """Return the 32-byte keyed hash that stands for an object that was erased."""
        return hmac.digest(self._mark_key, f"{object_id}\0erased".encode(), "sha256")

    def mark(self, object_id: str, version: int) -> bytes:
        """Return the 32-byte keyed hash that stands for a deleted (id, version in microseconds)."""
        return _keyed(self._mark_key, object_id, str(version))

    def pseudonym(self, key_name: str, address: str) -> str:
        """Return ``<32 lower-case hex digits>@pseudonym.invalid`` for a mail address.

        Spellings that differ in case, width or surrounding space are one address. Another key name gives another pseudonym.
        """
        plain = unicodedata.normalize("NFKC", address).strip().casefold()
        return f"{_keyed(self._pseudonym_key(key_name), plain).hex()[:32]}@pseudonym.invalid"

    def __repr__(self) -> str:
        return "Keys(…)"


def erased_id(object_id: str) -> str:
    """Return what the ledger and the inbound audit hold in place of the id of an erased object."""
    return f"sha256:{hashlib.sha256(object_id.encode()).hexdigest()}"


def _keyed(key: bytes, *parts: str) -> bytes:
    return hmac.digest(key, "\0".join(parts).encode(errors="surrogatepass"), "sha256")


def _uuid4_layout(digest: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=digest[:16], version=4)
