"""A peer, asked on plain TAXII."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from taxii_fed.core.federation.pull import Request
from taxii_fed.core.federation.remote import ManifestPage, ObjectPage, RemoteCollection


class PeerClient(Protocol):
    """One peer, asked on plain TAXII. Every method but `cut` raises `PeerError` of some kind; one thread at a time uses it.

    ``remote`` is the peer's collection as an admin names it: its id, alias or title.
    """

    def collections(self) -> list[RemoteCollection]:
        """Return what the peer shows us."""
        ...

    def objects(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ObjectPage:
        """Return a page of objects, all versions, of ``ids`` only where given."""
        ...

    def object(self, remote: str, object_id: str, version_text: str) -> ObjectPage:
        """Return one version of one object, or all of it where ``version_text`` is no timestamp."""
        ...

    def manifest(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ManifestPage:
        """Return a page of the manifest, all versions, of ``ids`` only where given."""
        ...

    def cut(self) -> None:
        """Break off the request under way, from any thread; all later ones fail."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
