"""One writing transaction of a MongoDB store (`taxii_fed.ports.Writer`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from pymongo import ReplaceOne, UpdateMany, UpdateOne

from taxii_fed.ports import Change, Clock, DoorEvent, Json, Opening, Quarantined
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.counters import Counters
from taxii_fed.storage.mongo.erase import erase_object
from taxii_fed.storage.mongo.openings import OpeningRows, Openings, Stamped
from taxii_fed.storage.mongo.reader import MongoReader
from taxii_fed.storage.mongo.schema import META, NODE
from taxii_fed.storage.mongo.standing import NO_STANDING, rank_number, standing_columns
from taxii_fed.storage.mongo.tables import Tables, key_of, one_of, pack, quarantine_identity
from taxii_fed.storage.mongo.writing_versions import VersionWriter


class MongoWriter(VersionWriter, MongoReader):
    """See `taxii_fed.ports.Writer`."""

    def __init__(self, tables: Tables, clock: Clock, node: Row) -> None:
        super().__init__(tables, node)
        self._clock = clock
        self._lead = int(node["lead"])
        self._counters = Counters(node["counters"])
        self._openings = Openings()
        self._new_bodies: dict[int, tuple[int, int]] = {}
        self._rows = OpeningRows(tables, self._counters, self._new_bodies)
        self._edited: set[int] = set()

    def finish(self) -> Stamped | None:
        """Give the openings their stamps. The commit must follow at once."""
        if self._edited:
            self._tables.update("view", {"_id": one_of(self._edited)}, {"$inc": {"edits": 1}})
        self._tables.write(META, [UpdateOne({"_id": NODE}, {"$set": {"counters": self._counters.values}})])
        return self._openings.stamp(self._tables, self._clock, self._lead)

    def revision(self) -> int:
        """Return the number of the newest revision, 0 in an empty store."""
        return int(self._counters.values["revision"])

    # -- views ------------------------------------------------------------------------------------------------------------
    def create_view(self, collection: str, head: int = 0) -> int:
        """Make an empty view, whose stamps will all be greater than ``head``, and return its id."""
        number = self._counters.take("view")
        row = {"_id": number, "collection": collection, "head": head, "wake_at": None, "mirror": 0, "edits": 0}
        self._tables.insert("view", [row])
        return number

    def assign(self, collection: str, party: str, view: int | None, at: int) -> None:
        """Map a party to a view, or to none; the past mapping stays readable in `past_readers`."""
        place = key_of(collection, party)
        present = self._tables.one("place", {"_id": place})
        if present is not None:
            if present["view"] == view:
                return
            self._tables.update("reader", {"_id": present["reader"]}, {"$set": {"until": at}})
            self._tables.delete("place", {"_id": place})
        if view is not None:
            number = self._counters.take("reader")
            row = {"_id": number, "view": view, "party": party, "collection": collection, "from": at, "until": None}
            self._tables.insert("reader", [row])
            self._tables.insert(
                "place", [{"_id": place, "collection": collection, "party": party, "view": view, "reader": number}]
            )

    def set_mirror(self, view: int, mirror: int) -> None:
        """Let ends and ranks of entries of ``view`` be repeated in ``mirror`` by equal ``date_added`` (0: no more)."""
        self._tables.update("view", {"_id": view}, {"$set": {"mirror": mirror}})

    def copy_entries(self, source: int, target: int, after: int, limit: int) -> int:
        """Copy up to ``limit`` entries, live and ended, with stamps above ``after``; return the last stamp copied, 0: none."""
        where = {"view": source, "date_added": {"$gt": after}}
        rows = list(self._tables.find("entry", where, sort="date_added", limit=limit, hint="ledger"))
        if not rows:
            return 0
        self._tables.insert(
            "entry", [{column: row[column] for column in row if column != "_id"} | {"view": target} for row in rows]
        )
        self._edited.add(target)
        last = int(rows[-1]["date_added"])
        self._tables.update("view", {"_id": target}, {"$max": {"head": last}})
        return last

    def change(self, view: int, change: Change) -> None:
        """Stage a change of a view. Stamps are taken, and openings inserted, last thing before the commit (I2).

        Raises ``KeyError`` for an unknown view, or an opening with the bytes of a version that is not there.
        """
        mirror = self.view(view).mirror
        if change.ended or change.reranked:
            views = [view, mirror] if mirror else [view]
            self._edited.update(views)
            self._tables.write("entry", [*self._ends(one_of(views), change), *self._reranks(one_of(views), change)])
        self._openings.stage(view, self._rows.rows(change.opened))

    def open_in_all(self, views: Sequence[tuple[int, Mapping[str, str]]], opened: Sequence[Opening]) -> None:
        """Stage the same openings in several views, each of which may call the rules behind them by other names."""
        rows = self._rows.rows(opened)
        for view, names in views:
            self._openings.stage(view, [{**row, "rule": names.get(row["rule"], row["rule"])} for row in rows])

    def _ends(self, views: Row, change: Change) -> Iterable[UpdateMany]:
        """One update for each reason; an entry that comes twice ends for the first."""
        by_why: dict[str, list[int]] = {}
        for stamp, why in dict(reversed(change.ended)).items():
            by_why.setdefault(why, []).append(stamp)
        now = self._clock.now() if by_why else 0
        for why, stamps in by_why.items():
            where = {"view": views, "date_added": one_of(stamps), "ended_at": None}
            yield UpdateMany(where, {"$set": {"ended_at": now, "ended_why": why}, "$unset": NO_STANDING})

    def _reranks(self, views: Row, change: Change) -> Iterable[UpdateMany]:
        by_rank: dict[int, list[int]] = {}
        for stamp, rank in dict(change.reranked).items():
            by_rank.setdefault(rank_number(rank), []).append(stamp)
        for number, stamps in by_rank.items():
            for unversioned in (False, True):
                columns = standing_columns(number, unversioned=unversioned)
                gone = {column: "" for column in NO_STANDING if column not in columns}
                where = {
                    "view": views,
                    "date_added": one_of(stamps),
                    "ended_at": None,
                    "version": 0 if unversioned else {"$ne": 0},
                }
                how: Row = {"$set": {"rank": number, **columns}}
                yield UpdateMany(where, how | {"$unset": gone} if gone else how)

    def set_wake(self, view: int, wake_at: int | None) -> None:
        """Set when time alone changes something in the view."""
        self._tables.update("view", {"_id": view}, {"$set": {"wake_at": wake_at}})

    def note_given(self, given: Iterable[tuple[str, int, bytes]]) -> None:
        """Note (derived id, version, digest) as given out. Repeats are no error."""
        self._tables.write(
            "given",
            [
                ReplaceOne(
                    {"_id": key_of(each, version, digest.hex()), "object": each, "version": version},
                    {"object": each, "version": version, "digest": digest},
                    upsert=True,
                )
                for each, version, digest in given
            ],
        )

    def _bodies_in_hand(self) -> set[int]:
        return self._openings.bodies()

    # -- small tables -----------------------------------------------------------------------------------------------------
    def add_wakes(self, collection: str, wakes: Iterable[tuple[int, str]]) -> None:
        """Note (instant, object id) to be looked at again. Repeats are no error."""
        self._tables.write(
            "wake",
            [
                ReplaceOne(
                    {"_id": key_of(at, collection, each)}, {"at": at, "collection": collection, "object": each}, upsert=True
                )
                for at, each in wakes
            ],
        )

    def remove_wakes(self, collection: str, wakes: Iterable[tuple[int, str]]) -> None:
        """Forget wakes that were carried out."""
        self._tables.delete_among("wake", "_id", [key_of(at, collection, each) for at, each in wakes])

    def approve(self, collection: str, object_id: str, version: int, rule: str, party: str, by: str, at: int) -> None:
        """Note that a person released one version, held by one rule, to one party. The first approval stays."""
        columns = {"object": object_id, "collection": collection, "version": version, "rule": rule, "party": party}
        where = {"_id": key_of(*columns.values())}
        self._tables.write("approval", [UpdateOne(where, {"$setOnInsert": {**columns, "by": by, "at": at}}, upsert=True)])

    def put_in_force(self, doc: Json, fingerprint: str, at: int) -> int:
        """Append a revision and return its number; earlier ones stay readable."""
        revision = self._counters.take("revision")
        self._tables.insert("in_force", [{"_id": revision, "at": at, "fingerprint": fingerprint, "doc": pack(doc)}])
        return revision

    def put_status(self, status_id: str, party: str, status: Json, at: int) -> None:
        """Store a status resource."""
        row = {"party": party, "at": at, "doc": pack(status)}
        self._tables.write("status", [ReplaceOne({"_id": status_id}, row, upsert=True)])

    def quarantine_add(self, item: Quarantined) -> int:
        """Keep something apart (``id`` is ignored) and return its number; the same again has the number that it has."""
        identity = quarantine_identity(item.object_id, item.collection, item.giver, item.version, item.reason, item.body)
        there = self._tables.one("quarantine", {"identity": identity}, "_id")
        if there is not None:
            return int(there["_id"])
        number = self._counters.take("quarantine")
        row: Row = {
            "_id": number,
            "identity": identity,
            "collection": item.collection,
            "object": item.object_id,
            "version": item.version,
            "version_text": item.version_text,
            "giver": item.giver,
            "reason": item.reason,
            "at": item.at,
            "body": item.body,
            "size": len(item.body),
            "path": list(item.path),
            "jurisdiction": item.jurisdiction,
            "overlay": None if item.overlay is None else int(item.overlay),
        }
        self._tables.insert("quarantine", [row])
        return number

    def quarantine_remove(self, numbers: Collection[int]) -> None:
        """Take items out."""
        self._tables.delete_among("quarantine", "_id", numbers)

    def note_door(self, events: Iterable[DoorEvent]) -> None:
        """Append to the inbound audit. An event equal but for its time to the newest of that version and giver is not repeated."""
        events = list(events)
        newest = self._newest_reasons(events)
        rows: list[Row] = []
        for event in events:
            thing = (event.object_id, event.giver, event.collection, event.version_text)
            if newest.get(thing) != event.reason:
                newest[thing] = event.reason
                rows.append(
                    {
                        "_id": self._counters.take("door"),
                        "at": event.at,
                        "collection": event.collection,
                        "object": event.object_id,
                        "version_text": event.version_text,
                        "giver": event.giver,
                        "reason": event.reason,
                    }
                )
        self._tables.insert("door", rows)

    def _newest_reasons(self, events: Collection[DoorEvent]) -> dict[tuple[str, str, str, str], str]:
        """Return the newest reason noted of each version and giver, of the objects and givers of these events."""
        givers = {"giver": one_of({event.giver for event in events})}
        rows = self._tables.among("door", "object", [event.object_id for event in events], givers)
        ascending = sorted(rows, key=lambda row: int(row["_id"]))
        return {(row["object"], row["giver"], row["collection"], row["version_text"]): row["reason"] for row in ascending}

    def put_doc(self, kind: str, name: str, doc: Json | None) -> None:
        """Write a small document; None deletes it."""
        where = {"_id": key_of(kind, name)}
        if doc is None:
            self._tables.delete("doc", where)
        else:
            self._tables.write("doc", [ReplaceOne(where, {"kind": kind, "name": name, "doc": pack(doc)}, upsert=True)])

    def erase(self, object_id: str) -> None:
        """Remove an object in all collections; its entries stay in the ledger, ended, under the hash of their ids."""
        self._edited |= erase_object(self._tables, self._counters, object_id, self._clock.now())
