"""The TAXII 2.1 endpoints (sections 4 and 5): from a checked request to the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from taxii_fed.core.errors import ForbiddenError, NotFoundError
from taxii_fed.core.rules.model import CollectionTerms, Party
from taxii_fed.core.taxii import resources
from taxii_fed.core.taxii.paging import Position
from taxii_fed.core.taxii.query import ObjectQuery, VersionMatch
from taxii_fed.services.reading.browse import Browse
from taxii_fed.services.reading.values import Access, Found
from taxii_fed.web import query
from taxii_fed.web.answers import Answer, date_headers, entity_tag, matches_tag
from taxii_fed.web.body import read_body
from taxii_fed.web.negotiation import require_taken
from taxii_fed.web.request import Request
from taxii_fed.web.routes import Endpoint, Route

Json = dict[str, Any]


class Publishing(Protocol):
    """What `services.intake.ingest.Ingest` is here for."""

    def publish(self, party: Party, collection: CollectionTerms, body: bytes) -> Json:
        """Return the TAXII status resource of an envelope that was taken in."""
        ...

    def delete(
        self,
        party: Party,
        collection: CollectionTerms,
        object_id: str,
        wanted: VersionMatch,
        spec_versions: tuple[str, ...] | None = None,
    ) -> None:
        """Delete versions of an object, of some STIX editions or all. Raises `NotFoundError`, `ForbiddenError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRoot:
    """An API root: ``name`` is its path segment."""

    name: str
    title: str
    description: str = ""
    default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the server says of itself. ``public_url`` has no slash at its end."""

    title: str
    description: str = ""
    contact: str = ""
    public_url: str
    api_roots: tuple[ApiRoot, ...]
    max_content_length: int
    empty_objects: bool = False


class Endpoints:
    """Answers for one site. ``tag_key`` keys the ETags."""

    def __init__(self, browse: Browse, ingest: Publishing, site: Site, tag_key: bytes) -> None:
        self._browse = browse
        self._ingest = ingest
        self._site = site
        self._tag_key = tag_key
        self._roots = {root.name: root for root in site.api_roots}
        self._discovery = resources.encode(_discovery(site).to_json())
        # A poller with nothing new asks the very same again and again.
        self._split = lru_cache(maxsize=1024)(_parameters)
        self._read_query = lru_cache(maxsize=1024)(self._parse_query)
        self._handlers: dict[Endpoint, Callable[[Request, Route], Answer]] = {
            Endpoint.DISCOVERY: self._get_discovery,
            Endpoint.API_ROOT: self._get_api_root,
            Endpoint.STATUS: self._get_status,
            Endpoint.COLLECTIONS: self._get_collections,
            Endpoint.COLLECTION: self._get_collection,
            Endpoint.MANIFEST: self._get_manifest,
            Endpoint.OBJECTS: self._get_objects,
            Endpoint.OBJECT: self._get_object,
            Endpoint.VERSIONS: self._get_versions,
        }

    def answer(self, request: Request, route: Route) -> Answer:
        """Return the answer to a request whose method the endpoint has. Raises `RequestError` and `StoreError`."""
        if route.api_root and route.api_root not in self._roots:
            raise NotFoundError("There is no API root at that path.")
        if request.method == "POST":
            return self._add_objects(request, route)
        if request.method == "DELETE":
            return self._delete_object(request, route)
        return self._handlers[route.endpoint](request, route)

    def _get_discovery(self, request: Request, _: Route) -> Answer:
        self._browse.admit(request.caller)
        return Answer(200, self._discovery)

    def _get_api_root(self, request: Request, route: Route) -> Answer:
        self._browse.admit(request.caller)
        root = self._roots[route.api_root]
        resource = resources.ApiRoot(
            title=root.title, description=root.description, max_content_length=self._site.max_content_length
        )
        return _plain(resource.to_json())

    def _get_status(self, request: Request, route: Route) -> Answer:
        return _plain(self._browse.status(request.caller, route.api_root, route.item))

    def _get_collections(self, request: Request, route: Route) -> Answer:
        found = self._browse.collections(request.caller, route.api_root)
        return _plain(resources.collections(_collection(access) for access in found))

    def _get_collection(self, request: Request, route: Route) -> Answer:
        return _plain(_collection(self._access(request, route)).to_json())

    def _get_objects(self, request: Request, route: Route) -> Answer:
        asked, position = self._query(request, query.LISTING)
        found = self._browse.objects(request.caller, route.api_root, route.collection, asked, position)
        return self._envelope(request, found)

    def _get_object(self, request: Request, route: Route) -> Answer:
        asked, position = self._query(request, query.ONE_OBJECT)
        found = self._browse.object(request.caller, route.api_root, route.collection, route.item, asked, position)
        return self._envelope(request, found)

    def _get_manifest(self, request: Request, route: Route) -> Answer:
        asked, position = self._query(request, query.LISTING)
        annotated = request.header("HTTP_X_TAXII_FED") == "1"
        found = self._browse.manifest(request.caller, route.api_root, route.collection, asked, position, annotated=annotated)
        # What the extras say can change under an entry that stays: no ETag for them.
        if not found.extras and self._unchanged(request, "manifest", found):
            return self._not_modified("manifest", found)
        extras: Sequence[Json | None] = found.extras or (None,) * len(found.dates)
        entries = [
            resources.ManifestEntry(
                id=row.id, date_added=row.date_added, version=row.version_text, spec_version=row.spec_version, extra=extra
            )
            for row, extra in zip(found.rows, extras, strict=True)
        ]
        body = resources.manifest(entries, found.next)
        return self._page("" if found.extras else "manifest", found, body)

    def _get_versions(self, request: Request, route: Route) -> Answer:
        asked, position = self._query(request, query.ALL_VERSIONS_OF_ONE)
        found = self._browse.versions(request.caller, route.api_root, route.collection, route.item, asked, position)
        if self._unchanged(request, "versions", found):
            return self._not_modified("versions", found)
        # Two STIX editions of an object may have one version between them.
        texts = dict.fromkeys(row.version_text for row in found.rows)
        return self._page("versions", found, resources.versions(list(texts), found.next))

    def _add_objects(self, request: Request, route: Route) -> Answer:
        access = self._access(request, route)
        if not access.can_write:
            raise ForbiddenError("You may read this collection, but not add objects to it.")
        require_taken(request.environ.get("CONTENT_TYPE"))
        body = read_body(request.environ, self._site.max_content_length)
        status = self._ingest.publish(access.party, access.terms, body)
        return Answer(202, resources.encode(status), objects=status["total_count"])

    def _delete_object(self, request: Request, route: Route) -> Answer:
        access = self._access(request, route)
        if not (access.can_read and access.can_write):
            raise ForbiddenError("Only who may both read this collection and add objects to it may delete from it.")
        asked, _ = self._query(request, query.DELETION)
        self._ingest.delete(access.party, access.terms, route.item, asked.versions, asked.spec_versions)
        return Answer(200, b"{}")

    def _access(self, request: Request, route: Route) -> Access:
        return self._browse.collection(request.caller, route.api_root, route.collection)

    def _parameters(self, request: Request, known: frozenset[str]) -> dict[str, str]:
        found, request.filters = self._split(request.environ.get("QUERY_STRING", ""), known)
        return found

    def _query(self, request: Request, known: frozenset[str]) -> tuple[ObjectQuery, Position | None]:
        self._parameters(request, known)
        return self._read_query(request.environ.get("QUERY_STRING", ""), known)

    def _parse_query(self, query_string: str, known: frozenset[str]) -> tuple[ObjectQuery, Position | None]:
        found, _ = self._split(query_string, known)
        return query.object_query(found, self._browse.limits), query.position(found, self._browse.cursors)

    def _envelope(self, request: Request, found: Found) -> Answer:
        if self._unchanged(request, "objects", found):
            return self._not_modified("objects", found)
        body = resources.envelope(found.text, found.next, list_nothing=self._site.empty_objects)
        return self._page("objects", found, body)

    def _unchanged(self, request: Request, kind: str, found: Found) -> bool:
        held = request.environ.get("HTTP_IF_NONE_MATCH")
        return bool(held and found.dates) and matches_tag(str(held), entity_tag(self._tag_key, kind, found))

    def _not_modified(self, kind: str, found: Found) -> Answer:
        answer = self._page(kind, found, b"")
        return Answer(304, headers=answer.headers)

    def _page(self, kind: str, found: Found, body: bytes) -> Answer:
        headers = date_headers(found)
        if kind and found.dates:
            headers.append(("ETag", entity_tag(self._tag_key, kind, found)))
        return Answer(200, body, headers, len(found.dates))


def _parameters(query_string: str, known: frozenset[str]) -> tuple[dict[str, str], str]:
    """Return the parameters that count, and how the log shows them."""
    found = query.parameters(query_string, known)
    return found, "&".join(f"{name}={value}" for name, value in found.items())


def _plain(resource: Json) -> Answer:
    return Answer(200, resources.encode(resource))


def _discovery(site: Site) -> resources.Discovery:
    urls = {root.name: f"{site.public_url}/{root.name}/" for root in site.api_roots}
    return resources.Discovery(
        title=site.title,
        description=site.description,
        contact=site.contact,
        default=next((urls[root.name] for root in site.api_roots if root.default), ""),
        api_roots=tuple(urls.values()),
    )


def _collection(access: Access) -> resources.Collection:
    terms = access.terms
    return resources.Collection(
        id=terms.id,
        title=terms.title,
        description=terms.description,
        alias=terms.alias,
        can_read=access.can_read,
        can_write=access.can_write,
    )
