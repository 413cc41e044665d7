"""The stronger delete, for an order to erase (sharing model, section 8)."""

from __future__ import annotations

from dataclasses import dataclass

from taxii_fed.core.errors import NotFoundError, RefusedError
from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.model import InForce
from taxii_fed.ports import Clock, Reader, Store, Writer
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.intake.ingest import Ingest
from taxii_fed.services.views.settle import Settler

ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What the node holds of an object: accepted versions, derived copies ever given out, items in quarantine, and who sees it now."""

    versions: int
    copies: int
    quarantined: int
    collections: tuple[str, ...]
    parties: tuple[str, ...]


class Eraser:
    """Erases. It takes two transactions: who held the object is told first, then its bytes and its ids go."""

    def __init__(self, store: Store, ingest: Ingest, settler: Settler, cache: InForceCache, keys: Keys, clock: Clock) -> None:
        self._store = store
        self._ingest = ingest
        self._settler = settler
        self._cache = cache
        self._keys = keys
        self._clock = clock

    def traces(self, object_id: str) -> Traces:
        """Return what there is of an object.

        Raises `NotFoundError` where there is nothing, `RefusedError` for the id of a derived copy: erasing its source erases it, too.
        """
        with self._store.read() as reader:
            return self._traces(reader, self._cache.require(reader), object_id)

    def _traces(self, reader: Reader, in_force: InForce, object_id: str) -> Traces:
        ledger = reader.ledger(object_id)
        source = next((entry.source for entry in ledger if entry.derived and entry.id == object_id), object_id)
        if source != object_id:
            raise RefusedError(f"{object_id} is the id of a derived copy of {source}; erase that.")
        known = reader.known([object_id]).get(object_id, [])
        apart = reader.quarantine(object_id=object_id)
        if not (ledger or known or apart):
            raise NotFoundError(f"This node holds nothing of {object_id}.")
        live = {entry.view for entry in ledger if entry.ended_at is None}
        readers = {
            (collection.name, party)
            for collection in in_force.collections.values()
            for party, view in reader.readers(collection.id).items()
            if view in live
        }
        names = {each.id: each.name for each in in_force.collections.values()}
        return Traces(
            versions=len(known),
            copies=len({entry.id for entry in ledger if entry.derived}),
            quarantined=len(apart),
            collections=tuple(sorted({names.get(each.collection, each.collection) for each in known})),
            parties=tuple(sorted({party for _, party in readers})),
        )

    def erase(self, object_id: str) -> Traces:
        """Erase an object: its versions, derived copies and items in quarantine, in all collections; return what there was of it.

        Those who held it are told by a notice. The ledger keeps hashes of its ids and the times; nobody can bring the object back.
        Raises as `traces` does.
        """
        with self._store.write() as writer:
            in_force = self._cache.require(writer)
            traces = self._traces(writer, in_force, object_id)
            self._withdraw(writer, in_force, object_id)
        with self._store.write() as writer:
            writer.erase(object_id)
        return traces

    def _withdraw(self, writer: Writer, in_force: InForce, object_id: str) -> None:
        now = self._clock.now()
        marks = [self._keys.gone_mark(collection.id, object_id) for collection in in_force.collections.values()]
        writer.refuse([self._keys.erased_mark(object_id), *marks], now)
        for collection in in_force.collections.values():
            versions = writer.versions(collection.id, [object_id]).get(object_id, [])
            self._ingest.remove(writer, collection, versions, event=ERASED)
            if not versions:  # what only names it loses the name
                self._settler.settle(writer, collection.id, {object_id}, now, event=ERASED)
