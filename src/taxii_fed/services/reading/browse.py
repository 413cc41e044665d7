"""Reading: collections, objects, manifest, versions and status, as values (TAXII 2.1 sections 4.3 and 5; I1, I2, I6).

Everything that a reader gets comes from its view. One snapshot serves one request: which rules are in force, which view the party
has, and the page. Here is no rule, no parsing and no serialising; `web` puts the bytes into TAXII resources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import orjson

from taxii_fed.core.errors import ForbiddenError, NotFoundError, StoreUnavailableError, UnauthenticatedError
from taxii_fed.core.rules.model import CollectionTerms, InForce
from taxii_fed.core.stix.levels import tlp_definition
from taxii_fed.core.taxii.paging import Cursors, Position, dates_of_nothing
from taxii_fed.core.taxii.query import ALL_VERSIONS, Listed, ObjectQuery, Rank, matches
from taxii_fed.core.taxii.resources import status_key
from taxii_fed.core.timestamps import parse_stix
from taxii_fed.ports import Clock, Contents, Reader, Row, Store, View
from taxii_fed.services.inforce import AccountName, InForceCache, removed_accounts
from taxii_fed.services.reading.pagecache import PageCache
from taxii_fed.services.reading.readlog import ReadLog
from taxii_fed.services.reading.values import Access, Annotate, Caller, Found, Json, Limits
from taxii_fed.services.rerun import rerun


@dataclass(frozen=True, slots=True)
class _Terms:
    """What is in force, with its collections by (API root, id or alias), and the accounts that are none any more."""

    revision: int
    in_force: InForce
    collections: dict[tuple[str, str], CollectionTerms]
    removed: frozenset[AccountName] = frozenset()


_NO_TERMS = _Terms(-1, InForce(node="", identity=""), {})
T = TypeVar("T")


class Browse:
    """Reads views for parties.

    ``wake`` is called with a collection's id when the time of its next tightening has passed; it returns when that is settled.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        in_force: InForceCache,
        cursors: Cursors,
        limits: Limits,
        wake: Callable[[str], None],
        annotate: Annotate | None = None,
    ) -> None:
        self.cursors = cursors
        self.limits = limits
        self.reads = ReadLog(store)
        self._store = store
        self._clock = clock
        self._in_force = in_force
        self._wake = wake
        self._annotate = annotate
        self._terms = _NO_TERMS
        self._kept = PageCache()

    @rerun
    def anonymous(self) -> str:
        """Return the party whose views readers without credentials get, "" where there is none."""
        with self._store.read() as reader:
            return self._current(reader).in_force.anonymous

    @rerun
    def admit(self, caller: Caller) -> None:
        """Raise `UnauthenticatedError` for an account that was removed since this process read of it, as all that a caller asks for."""
        with self._store.read() as reader:
            _require_account(self._current(reader), caller)

    @rerun
    def role(self, caller: Caller) -> str:
        """Return the role of a caller's party, "" for one that is not in force."""
        with self._store.read() as reader:
            _require_account(self._current(reader), caller)
            return self._role(reader, caller.party)

    @rerun
    def collections(self, caller: Caller, api_root: str) -> list[Access]:
        """Return the collections of an API root that the party may read or write, in the order of the configuration."""
        with self._store.read() as reader:
            terms = self._current(reader)
            _require_account(terms, caller)
            found = (
                self._access(reader, terms, caller.party, each)
                for each in terms.in_force.collections.values()
                if each.api_root == api_root
            )
            return [access for access in found if access is not None]

    @rerun
    def collection(self, caller: Caller, api_root: str, key: str) -> Access:
        """Return the collection of that id or alias.

        Raises `NotFoundError`: there is none, or the party may neither read nor write it.
        """
        with self._store.read() as reader:
            terms = self._current(reader)
            _require_account(terms, caller)
            collection = terms.collections.get((api_root, key))
            access = self._access(reader, terms, caller.party, collection) if collection else None
        if access is None:
            raise _no_collection()
        return access

    def objects(self, caller: Caller, api_root: str, key: str, query: ObjectQuery, position: Position | None = None) -> Found:
        """Return a page of objects (section 5.4). ``position`` is that of ``next``, here as in the other pages.

        Raises `NotFoundError` for a collection that is unknown to the party, `ForbiddenError` for one that it may only write.
        """

        def page(reader: Reader, collection: CollectionTerms, view: View) -> tuple[ObjectQuery, Found]:
            placed = self._placed(query, position, collection)
            return placed, self._contents(reader, collection, view, placed)

        found = self._glanced(caller, api_root, key, query, position) or self._reading(caller, api_root, key, page)
        return self._noted(caller, *found)

    def manifest(
        self,
        caller: Caller,
        api_root: str,
        key: str,
        query: ObjectQuery,
        position: Position | None = None,
        *,
        annotated: bool = False,
    ) -> Found:
        """Return a page of rows without bodies (section 5.3), with extras where ``annotated`` and the party is a peer.

        Raises as `objects`.
        """

        def page(reader: Reader, collection: CollectionTerms, view: View) -> Found:
            found = self._rows(reader, collection, view, self._placed(query, position, collection))
            if annotated and self._annotate is not None and self._role(reader, caller.party) == "peer":
                return replace(found, extras=self._annotate(reader, collection, view.id, found.rows))
            return found

        return self._reading(caller, api_root, key, page)

    def object(
        self,
        caller: Caller,
        api_root: str,
        key: str,
        object_id: str,
        query: ObjectQuery,
        position: Position | None = None,
    ) -> Found:
        """Return a page of the versions of one object (section 5.6), in which nothing may match.

        Raises as `objects`, and `NotFoundError` for an object that the view does not hold: withheld or unknown, it is one and the same.
        """
        return self._noted(caller, *self._of_one(caller, api_root, key, object_id, query, position, bodies=True))

    def versions(
        self,
        caller: Caller,
        api_root: str,
        key: str,
        object_id: str,
        query: ObjectQuery,
        position: Position | None = None,
    ) -> Found:
        """Return a page of rows, without bodies, for all versions of one object (section 5.8). Raises as `object`."""
        every = replace(query, versions=ALL_VERSIONS)
        return self._of_one(caller, api_root, key, object_id, every, position, bodies=False)[1]

    @rerun
    def status(self, caller: Caller, api_root: str, status_id: str) -> Json:
        """Return a status resource. Raises `NotFoundError` for one that another party's POST made, as for one that never was (I1)."""
        with self._store.read() as reader:
            _require_account(self._current(reader), caller)
            found = reader.status(status_key(api_root, status_id))
        if found is None or found[0] != caller.party:
            raise NotFoundError("There is no status with that id.")
        return found[1]

    def _of_one(
        self,
        caller: Caller,
        api_root: str,
        key: str,
        object_id: str,
        query: ObjectQuery,
        position: Position | None,
        *,
        bodies: bool,
    ) -> tuple[ObjectQuery, Found]:
        read = self._contents if bodies else self._rows

        def page(reader: Reader, collection: CollectionTerms, view: View) -> tuple[ObjectQuery, Found]:
            placed = replace(self._placed(query, position, collection), ids=(object_id,), types=None)
            found = read(reader, collection, view, placed)
            if found.dates or reader.shown(view.id, object_id):
                return placed, found
            return placed, _definition(object_id, placed, self._clock.now())

        return self._reading(caller, api_root, key, page)

    @rerun
    def _reading(self, caller: Caller, api_root: str, key: str, use: Callable[[Reader, CollectionTerms, View], T]) -> T:
        """Return what ``use`` makes of the party's view, once no tightening of it is due any more (I6)."""
        for woken in (False, True):
            with self._store.read() as reader:
                collection, view = self._standing(reader, caller, api_root, key)
                if view.wake_at is None or view.wake_at > self._clock.now():
                    return use(reader, collection, view)
            if not woken:
                self._wake(collection.id)
        raise StoreUnavailableError("a change that is due could not be carried out yet")

    def _glanced(
        self, caller: Caller, api_root: str, key: str, query: ObjectQuery, position: Position | None
    ) -> tuple[ObjectQuery, Found] | None:
        """Return the page where a look at how the party's view stands is enough for it, None where the view must be read."""
        terms = self._terms
        collection = terms.collections.get((api_root, key))
        place = self._store.glance(caller.party, collection.id) if collection is not None else None
        if collection is None or place is None or place.view is None or place.revision != terms.revision:
            return None
        _require_account(terms, caller)
        if place.view.wake_at is not None and place.view.wake_at <= self._clock.now():
            return None
        placed = self._placed(query, position, collection)
        found = self._at_hand(collection, place.view, placed)
        return (placed, found) if found is not None else None

    def _standing(self, reader: Reader, caller: Caller, api_root: str, key: str) -> tuple[CollectionTerms, View]:
        terms = self._terms
        collection = terms.collections.get((api_root, key))
        place = reader.place(caller.party, collection.id if collection else "")
        if place.revision != terms.revision:
            terms = self._renewed(reader, place.revision)
            collection = terms.collections.get((api_root, key))
            place = reader.place(caller.party, collection.id if collection else "")
        _require_account(terms, caller)
        if collection is None:
            raise _no_collection()
        if place.view is None:
            if _may_write(terms, caller.party, collection):
                raise ForbiddenError("You may add objects to this collection, but not read it.")
            raise _no_collection()
        return collection, place.view

    def _placed(self, query: ObjectQuery, position: Position | None, collection: CollectionTerms) -> ObjectQuery:
        after = self.cursors.place_after(query.after, position, collection.id)
        return query if after == query.after else replace(query, after=after)

    def _at_hand(self, collection: CollectionTerms, view: View, query: ObjectQuery) -> Found | None:
        """Return the page of a view in its present state where that is known without reading it."""
        if _has_all(view, query):
            return self._nothing(view, query)
        page = self._kept.get(view, query)
        return self._page(collection, view, query, page) if page is not None else None

    def _contents(self, reader: Reader, collection: CollectionTerms, view: View, query: ObjectQuery) -> Found:
        found = self._at_hand(collection, view, query)
        if found is None:
            page = reader.contents(view.id, query)
            if query.ids is None:
                self._kept.put(view, query, page)
            found = self._page(collection, view, query, page)
        return found

    def _page(self, collection: CollectionTerms, view: View, query: ObjectQuery, page: Contents) -> Found:
        if not page.dates:
            return self._nothing(view, query)
        first, last = page.dates[0], page.dates[-1]
        goes_on = self.cursors.issue(collection.id, last) if page.more else ""
        return Found(view.id, view.head, first, last, page.dates, page.more, goes_on, text=page.text)

    def _rows(self, reader: Reader, collection: CollectionTerms, view: View, query: ObjectQuery) -> Found:
        if _has_all(view, query):
            return self._nothing(view, query)
        page = reader.page(view.id, query, bodies=False)
        if not page.rows:
            return self._nothing(view, query)
        dates = [row.date_added for row in page.rows]
        goes_on = self.cursors.issue(collection.id, dates[-1]) if page.more else ""
        return Found(view.id, view.head, dates[0], dates[-1], dates, page.more, goes_on, rows=page.rows)

    def _nothing(self, view: View, query: ObjectQuery) -> Found:
        date = dates_of_nothing(query.after, view.head, self._clock.now())
        return Found(view.id, view.head, date, date)

    def _access(self, reader: Reader, terms: _Terms, party: str, collection: CollectionTerms) -> Access | None:
        known = terms.in_force.parties.get(party)
        if known is None:
            return None
        can_read = reader.place(party, collection.id).view is not None
        can_write = _may_write(terms, party, collection)
        return Access(collection, known, can_read, can_write) if can_read or can_write else None

    def _current(self, reader: Reader) -> _Terms:
        revision = reader.revision()
        return self._terms if revision == self._terms.revision else self._renewed(reader, revision)

    def _renewed(self, reader: Reader, revision: int) -> _Terms:
        in_force = self._in_force.at(reader, revision)
        if in_force is None:
            raise StoreUnavailableError("nothing is in force yet: run taxii-fed apply")
        collections = {}
        for each in in_force.collections.values():
            collections[each.api_root, each.id] = each
            if each.alias:
                collections[each.api_root, each.alias] = each
        self._terms = _Terms(revision, in_force, collections, removed_accounts(reader))
        return self._terms

    def _role(self, reader: Reader, party: str) -> str:
        known = self._current(reader).in_force.parties.get(party)
        return known.role if known else ""

    def _noted(self, caller: Caller, query: ObjectQuery, found: Found) -> Found:
        if found.view:
            spans = _spans(query, found)
            self.reads.note(found.view, caller.party, caller.account, spans, self._clock.now(), caller.address)
        return found


def _spans(query: ObjectQuery, found: Found) -> list[tuple[int, int]]:
    """Return the ranges that the page covers: one from the reader's position on, or, where a filter left gaps, one for each row.

    A page without rows covers nothing; the empty range at the reader's position tells when it was there.
    """
    if not found.dates:
        position = min(query.after or 0, found.head)
        return [(position + 1, position)]
    if query.ids is None and query.types is None:
        return [(found.first if query.after is None else query.after + 1, found.last)]
    return [(date, date) for date in found.dates]


def _require_account(terms: _Terms, caller: Caller) -> None:
    """Raise `UnauthenticatedError` for an account that was removed: this process may not have read its files since."""
    if terms.removed and (caller.party, caller.account) in terms.removed:
        raise UnauthenticatedError("These credentials open nothing here.")


def _may_write(terms: _Terms, party: str, collection: CollectionTerms) -> bool:
    known = terms.in_force.parties.get(party)
    return known is not None and collection.name in known.publish


def _has_all(view: View, query: ObjectQuery) -> bool:
    """Return whether the reader stands at the view's head or beyond, so that there is nothing to look for."""
    return query.after is not None and query.after >= view.head


def _no_collection() -> NotFoundError:
    return NotFoundError("There is no collection with that id or alias.")


def _definition(object_id: str, query: ObjectQuery, now: int) -> Found:
    """Return the standard's TLP definition of that id: answered by id in every readable collection, listed in none."""
    definition = tlp_definition(object_id)
    if definition is None:
        raise NotFoundError("There is no object with that id.")
    created, spec_version = str(definition["created"]), str(definition["spec_version"])
    listed = Listed(0, object_id, "marking-definition", parse_stix(created), spec_version, Rank())
    if not matches(query, listed):
        date = dates_of_nothing(query.after, 0, now)
        return Found(0, 0, date, date)
    body = orjson.dumps(definition)
    return Found(0, 0, 0, 0, (0,), text=body, rows=(Row(0, object_id, created, spec_version, body),))
