"""`ports.PeerClient` over HTTP, with taxii2-client's endpoints over a connection of ours.

What a server is allowed to get wrong is listed in ``docs/peers.md``. Every failure leaves here as a `core.errors.PeerError` whose text
is fit for a log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from taxii2client.v21 import Collection

from taxii_fed.core.errors import PeerAnswerError, PeerError, PeerOverloadedError, PeerRefusedError
from taxii_fed.core.federation.pull import Request
from taxii_fed.core.federation.reconcile import Listed
from taxii_fed.core.federation.remote import (
    FED_HEADER,
    FED_PROPERTY,
    Carried,
    ManifestPage,
    ObjectPage,
    RemoteCollection,
    read_carried,
    version_instant,
)
from taxii_fed.core.stix.envelopes import read_page
from taxii_fed.core.timestamps import format_taxii
from taxii_fed.peers import roots
from taxii_fed.peers.transport import Access, BoundedConnection, Reply
from taxii_fed.peers.words import clean, read_date

_MAX_NEXT = 4000
_MAX_ID = 300
_FIRST, _LAST = "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"


class TaxiiPeer:
    """One peer. Used by one thread at a time; `cut` may come from any."""

    def __init__(self, access: Access) -> None:
        self._url = access.url
        self._connection = BoundedConnection(access)
        self._found: dict[str, RemoteCollection] = {}
        self._slash_settled = False

    # -- what there is --------------------------------------------------------------------------------------------------
    def collections(self) -> list[RemoteCollection]:
        """Return what the account sees in all API roots. Raises the first error where no root could be read."""
        found, errors = self._look_around()
        if errors and not found:
            raise errors[0]
        return found

    def _look_around(self) -> tuple[list[RemoteCollection], list[PeerError]]:
        found: list[RemoteCollection] = []
        errors: list[PeerError] = []
        for root in self._roots():
            try:
                found += roots.collections(root, self._json(f"{root}collections/"))
            except (PeerRefusedError, PeerAnswerError, PeerOverloadedError) as error:
                errors.append(error)
        return found, errors

    def _roots(self) -> list[str]:
        if above := roots.root_above(self._url):
            return [above]
        start = roots.with_slash(self._url)
        try:
            resource = self._json(start)
        except (PeerRefusedError, PeerAnswerError) as refusal:
            try:
                self._json(f"{start}collections/")
            except PeerError:
                raise refusal from None
            return [start]
        if "api_roots" in resource or "default" in resource:
            if found := roots.api_roots(start, resource):
                return found
            raise PeerAnswerError("its discovery names no API root that can be used")
        if roots.looks_like_root(resource):
            return [start]
        raise PeerAnswerError("its URL answers with neither a discovery nor an API root resource")

    def _collection(self, remote: str) -> Any:
        target = self._found.get(remote)
        if target is None:
            found, errors = self._look_around()
            target = roots.pick(found, remote)
            if target is None and errors:
                raise errors[0]
            if target is None:
                raise PeerRefusedError(f"it shows us no collection {clean(remote)}", 404)
            if not target.can_read:
                raise PeerRefusedError(f"it does not let us read the collection {clean(remote)}", 403)
            self._found[remote] = target
        return self._endpoint(target)

    def _endpoint(self, target: RemoteCollection) -> Any:
        """Return taxii2-client's endpoint of a collection over our connection."""
        terms = {"id": target.id, "title": target.title or target.id, "can_read": True, "can_write": False}
        return Collection(target.url, conn=self._connection, collection_info=terms)

    # -- what it holds --------------------------------------------------------------------------------------------------
    def objects(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ObjectPage:
        """Return a page of objects, all versions, of ``ids`` only where given."""
        collection = self._collection(remote)
        return object_page(self._listed(remote, lambda: collection.get_objects(**filters(request, ids))))

    def object(self, remote: str, object_id: str, version_text: str) -> ObjectPage:
        """Return one version of one object, or all of it where ``version_text`` is no timestamp."""
        version = version_text if version_instant(version_text) else "all"
        reply = self._collection(remote).get_object(quote(object_id, safe=""), version=[version])
        return object_page(reply)

    def manifest(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ManifestPage:
        """Return a page of the manifest, all versions, of ``ids`` only where given."""
        collection = self._collection(remote)
        return manifest_page(self._listed(remote, lambda: collection.get_manifest(**filters(request, ids))))

    def _listed(self, remote: str, ask: Callable[[], Reply]) -> Reply:
        """Ask for a list, once in the other form of its URL where the first one is not found."""
        try:
            reply = ask()
        except PeerRefusedError as error:
            if error.status == 404:
                self._found.pop(remote, None)
            if error.status != 404 or self._slash_settled:
                raise
            self._slash_settled = self._connection.slashless = True
            try:
                return ask()
            except PeerRefusedError:
                self._connection.slashless = False
                raise error from None
        self._slash_settled = True
        return reply

    def _json(self, url: str) -> dict[str, Any]:
        return _members(self._connection.get(url).body)

    # -- the end --------------------------------------------------------------------------------------------------------
    def cut(self) -> None:
        """Break off the request under way, from any thread; all later ones fail."""
        self._connection.cut()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()


def filters(request: Request, ids: Sequence[str]) -> dict[str, Any]:
    """Return what a request asks for, by the names that taxii2-client has for it."""
    wanted: dict[str, Any] = {"limit": request.limit, "version": ["all"]}
    if request.added_after is not None:
        wanted["added_after"] = format_taxii(request.added_after)
    if request.next:
        wanted["next"] = request.next
    if ids:
        wanted["id"] = list(ids)
    return wanted


def _members(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise PeerAnswerError("it answers with something that is no JSON, so no TAXII") from None
    if not isinstance(value, dict):
        raise PeerAnswerError("it answers with JSON that is no TAXII resource")
    return value


def _place(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or len(value) > _MAX_NEXT or not value.isprintable():
        raise PeerAnswerError('the page is no TAXII resource: "next" is no short printable string')
    return value


def object_page(reply: Reply) -> ObjectPage:
    """Return what an objects resource says. Raises `PeerAnswerError` where it is none."""
    page = read_page(reply.body)
    return ObjectPage(
        objects=page.objects,
        more=page.more,
        next=_place(page.next),
        first=read_date(reply.headers.get(_FIRST)),
        last=read_date(reply.headers.get(_LAST)),
        fed=reply.headers.get(FED_HEADER) == "1",
    )


def manifest_page(reply: Reply) -> ManifestPage:
    """Return what a manifest resource says. Raises `PeerAnswerError` where it is none."""
    resource = _members(reply.body)
    listed = resource.get("objects")
    if listed is not None and not isinstance(listed, list):
        raise PeerAnswerError('the manifest is no TAXII resource: "objects" is no list')
    entries: list[Listed] = []
    carried: dict[tuple[str, int], Carried] = {}
    broken = 0
    for record in listed or []:
        found = _entries(record)
        entries += found
        broken += not found
        beside = read_carried(record.get(FED_PROPERTY)) if found else None
        for entry in found:
            if beside is not None and entry.version is not None:
                carried[entry.id, entry.version] = beside
    return ManifestPage(
        entries=entries,
        records=len(listed or []),
        broken=broken,
        carried=carried,
        more=resource.get("more") is True,
        next=_place(resource.get("next")),
        first=read_date(reply.headers.get(_FIRST)),
        last=read_date(reply.headers.get(_LAST)),
    )


def _entries(record: object) -> list[Listed]:
    """Return what a record of a manifest lists: one version, in TAXII 2.0 all versions of an object; nothing where it has no usable id."""
    if not isinstance(record, dict):
        return []
    name, date = record.get("id"), record.get("date_added")
    if not isinstance(name, str) or "--" not in name or len(name) > _MAX_ID or not name.isprintable():
        return []
    added = read_date(date) if isinstance(date, str) else None
    several = record.get("versions")
    versions = several if isinstance(several, list) and several else [record.get("version")]
    return [_listed(name, version, added) for version in versions]


def _listed(name: str, version: object, added: int | None) -> Listed:
    text = version if isinstance(version, str) and len(version) <= 64 and version.isprintable() else ""
    return Listed(name, version_instant(text) if text else None, text, added)
