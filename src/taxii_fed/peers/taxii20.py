"""Peers of TAXII 2.0, behind the same port.

What differs: objects come as a STIX bundle, with a media type of their own; pages are ranges of items, asked for and answered in headers;
an entry of the manifest lists all versions of an object. A range is a position, so it takes the place of ``next``: it can be asked for
twice. It counts what stands before it, and where something there was deleted the items behind move up. As with every peer, the comparison
with the manifest finds what a pull missed so.

STIX 2.0 content is stored and given out as it is; its objects have no ``spec_version``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from taxii2client import v20

from taxii_fed.core.errors import PeerRefusedError
from taxii_fed.core.federation.pull import Request
from taxii_fed.core.federation.remote import ManifestPage, ObjectPage, RemoteCollection
from taxii_fed.peers.client import TaxiiPeer, filters, manifest_page, object_page
from taxii_fed.peers.transport import Access, Reply
from taxii_fed.ports import PeerClient

_CONTENT_RANGE = re.compile(r"items (\d{1,12})-(\d{1,12})/(\d{1,12}|\*)")
_NOTHING = Reply("", {}, b"{}")


def open_peer(access: Access) -> PeerClient:
    """Return the client of a peer, by the version of TAXII that it speaks."""
    return Taxii20Peer(access) if access.taxii == "2.0" else TaxiiPeer(access)


class Taxii20Peer(TaxiiPeer):
    """One peer of TAXII 2.0. Used by one thread at a time; `cut` may come from any."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._unit_settled = False

    def _endpoint(self, target: RemoteCollection) -> Any:
        terms = {"id": target.id, "title": target.title or target.id, "can_read": True, "can_write": False}
        return v20.Collection(target.url, conn=self._connection, collection_info=terms)

    def objects(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ObjectPage:
        """Return a page of objects, all versions, of ``ids`` only where given."""
        collection = self._collection(remote)
        reply = self._ranged(remote, lambda: collection.get_objects(**_ranged_filters(request, ids)))
        page = object_page(reply)
        following = _following(reply, request, len(page.objects))
        return replace(page, more=bool(following), next=following)

    def manifest(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ManifestPage:
        """Return a page of the manifest, all versions, of ``ids`` only where given."""
        collection = self._collection(remote)
        reply = self._ranged(remote, lambda: collection.get_manifest(**_ranged_filters(request, ids)))
        page = manifest_page(reply)
        following = _following(reply, request, page.records)
        return replace(page, more=bool(following), next=following)

    def _ranged(self, remote: str, ask: Callable[[], Reply]) -> Reply:
        """Ask for a range, once in the other spelling of its header where the first one is refused.

        A range behind the end is an empty page: how a server without a total says that there is no more.
        """
        try:
            reply = self._listed(remote, ask)
        except PeerRefusedError as error:
            if error.status not in (400, 416):
                raise
            if self._unit_settled:
                return _end(error)
            return self._in_other_unit(remote, ask, error)
        self._unit_settled = True
        return reply

    def _in_other_unit(self, remote: str, ask: Callable[[], Reply], refusal: PeerRefusedError) -> Reply:
        """The standard says ``items 0-9`` in one place; HTTP, and most servers, say ``items=0-9``."""
        self._connection.range_unit = "items "
        try:
            reply = self._listed(remote, ask)
        except PeerRefusedError:
            self._connection.range_unit = "items="
            return _end(refusal)
        self._unit_settled = True
        return reply


def _end(refusal: PeerRefusedError) -> Reply:
    if refusal.status == 416:
        return _NOTHING
    raise refusal


def _ranged_filters(request: Request, ids: Sequence[str]) -> dict[str, Any]:
    """Return what taxii2-client makes a query and a range of; a place of ours that is none of these begins anew."""
    wanted = filters(request, ids)
    for name in ("limit", "next"):
        wanted.pop(name, None)
    return {"start": _start(request), "per_request": request.limit, **wanted}


def _start(request: Request) -> int:
    return int(request.next) if request.next.isascii() and request.next.isdigit() else 0


def _following(reply: Reply, request: Request, count: int) -> str:
    """Return where the next page begins, "" where this is the last one.

    A reply without a range that can be read, to a question for a range, is all that there is if it holds less than was asked for, or more:
    then the server knows no ranges.
    """
    start = _start(request)
    match = _CONTENT_RANGE.fullmatch(reply.headers.get("Content-Range", "").strip())
    if match is None or int(match[1]) != start or int(match[2]) < start:
        return str(start + count) if count == request.limit else ""
    end = int(match[2]) + 1 if count else start
    return str(end) if count and (match[3] == "*" or end < int(match[3])) else ""
