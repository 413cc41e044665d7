"""The cost of a request does not depend on the size of the store: SQLite takes as many steps for it in a large one."""

import pytest

from taxii_fed.core.stix.facts import Use
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery, Rank, VersionMatch
from taxii_fed.ports import Change, Offer, Read
from taxii_fed.storage.contract.builders import (
    COLLECTION,
    START,
    ManualClock,
    derived,
    new_version,
    object_id,
    opening,
    quarantined,
)
from taxii_fed.storage.sqlite import SqliteStore
from taxii_fed.storage.sqlite.pages import read_page

SMALL, LARGE = 300, 6000
OLD = Rank(newest=False)
KINDS = ("indicator", "malware", "tool")
FIRST = VersionMatch(last=False, first=True)


class Filled:
    """A store in which, in this order, a third of the entries of a view have ended, a third are old versions, and a third are listed.

    A few rare ones of every kind come last: those that a request with filters has to find behind all the others.
    """

    def __init__(self, path, size):
        self.store = SqliteStore(path, clock=ManualClock())
        self.steps = 0
        third = size // 3
        versions = [
            new_version(
                object_id(number, KINDS[number % 3]), 1 + number, edges=[(object_id(number % 7, "identity"), Use.CREATOR)]
            )
            for number in range(size)
        ]
        rare = [new_version(object_id(number, "rare"), 77, spec_version="2.0") for number in range(3)]
        with self.store.write() as writer:
            self.view = writer.create_view(COLLECTION)
            writer.assign(COLLECTION, "bank", self.view, 1)
            keys = writer.add_versions([*versions, *rare])
            writer.set_homes({version.object_id: "local:bank" for version in versions})
            writer.add_offers([Offer(key, "local:bank") for key in keys])
            openings = [
                opening(version, key, OLD if third <= number < 2 * third else Rank())
                for number, (version, key) in enumerate(zip(versions, keys, strict=False))
            ]
            openings += [opening(version, key) for version, key in zip(rare, keys[size:], strict=True)]
            openings.append(derived(None, 0, object_id(1, "note"), b"n", version=99, rank=Rank(newest=False, oldest=False)))
            writer.change(self.view, Change(opened=tuple(openings)))
            writer.note_given((object_id(number, "note"), 1, b"d" * 32) for number in range(size))
            writer.add_wakes(COLLECTION, [(number, object_id(number)) for number in range(size)])
            writer.refuse([number.to_bytes(32, "big") for number in range(size)], 1)
            for number in range(size // 10):
                writer.quarantine_add(quarantined(number))
                writer.put_doc("kind", str(number), {})
        with self.store.write() as writer:
            self.dates = [entry.date_added for entry in writer.entries(self.view, 0, size * 2)]
            writer.change(self.view, Change(ended=tuple((date, "why") for date in self.dates[:third])))
        self.store.note_reads([Read(self.view, "bank", "siem", number * 3, number * 3, 1) for number in range(size)])
        self.last_key = keys[-1]

    def count(self, work):
        """Return how many steps of SQLite's machine ``work`` took in one snapshot."""
        self.steps = 0

        def step():
            self.steps += 1

        with self.store.read() as reader:
            work(self, reader)
            reader._db.set_progress_handler(step, 1)
            try:
                work(self, reader)
            finally:
                reader._db.set_progress_handler(None, 1)
        return self.steps


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cost")
    stores = [Filled(folder / f"{size}.db", size) for size in (SMALL, LARGE)]
    yield stores
    for each in stores:
        each.store.close()


def page(query, *, at=0.0, bodies=True, expect=True):
    """A page of ten from a place in the view: 0.0 is before the ended entries, 1.0 at the tail."""

    def work(filled, reader):
        after = filled.dates[int((len(filled.dates) - 1) * at)] if at else None
        asked = ObjectQuery(after=after, limit=10, **query)
        assert bool(read_page(reader._db, filled.view, asked, bodies=bodies).rows) is expect

    return work


REQUESTS = {
    "a poll with nothing new": page({}, at=1.0, expect=False),
    "a page from the start, behind ended and old entries": page({}),
    "a page from the middle": page({}, at=0.8),
    "a manifest": page({}, at=0.8, bodies=False),
    "all versions from the start": page({"versions": ALL_VERSIONS}),
    "all versions from the middle": page({"versions": ALL_VERSIONS}, at=0.5),
    "first versions": page({"versions": FIRST}),
    "a type": page({"types": ("malware",)}),
    "a type from the middle": page({"types": ("malware",)}, at=0.8),
    "a rare type": page({"types": ("rare",)}),
    "a type that is not there": page({"types": ("unheard-of",)}, expect=False),
    "several types": page({"types": ("malware", "rare", "unheard-of")}),
    "all versions of a type": page({"types": ("rare",), "versions": ALL_VERSIONS}),
    "an edition that few have": page({"spec_versions": ("2.0",)}),
    "an edition that none has": page({"spec_versions": ("1.2",)}, expect=False),
    "an instant": page({"versions": VersionMatch(last=False, instants=frozenset({77}))}),
    "an instant that none has": page({"versions": VersionMatch(last=False, instants=frozenset({5_000_000}))}, expect=False),
    "the epoch": page({"versions": VersionMatch(last=False, instants=frozenset({0}))}, expect=False),
    "an id": page({"ids": (object_id(2, "rare"),)}),
    "an id of an ended entry": page({"ids": (object_id(3),), "versions": ALL_VERSIONS}, expect=False),
    "an id that is not there": page({"ids": (object_id(99, "unheard-of"),)}, expect=False),
    "one text": lambda filled, reader: reader.contents(filled.view, ObjectQuery(limit=10)),
    "where a party stands": lambda _, reader: reader.place("bank", COLLECTION),
    "whether an id is shown": lambda filled, reader: reader.shown(filled.view, object_id(0)),
    "what is known": lambda _, reader: reader.known([object_id(0), object_id(99, "unheard-of")]),
    "the versions of an object": lambda _, reader: reader.versions(COLLECTION, [object_id(3)]),
    "live entries": lambda filled, reader: reader.live([filled.view], [object_id(0), object_id(2, "rare")]),
    "live entries by id": lambda filled, reader: reader.live_by_id(filled.view, [object_id(1, "note")]),
    "the ledger of an object": lambda _, reader: reader.ledger(object_id(3)),
    "a walk over objects": lambda filled, reader: reader.walk(COLLECTION, str(filled.last_key - 5), 3),
    "a walk over entries": lambda filled, reader: reader.entries(filled.view, filled.dates[-6], 3),
    "a walk over offers": lambda filled, reader: reader.offered_by("local:bank", filled.last_key - 5, 3),
    "offers": lambda filled, reader: reader.offers([filled.last_key]),
    "homes": lambda _, reader: reader.homes([object_id(3)]),
    "whether a target is used": lambda filled, reader: reader.used_visibly(
        filled.view, {object_id(1, "malware"): [Use.REFERENCE]}
    ),
    "what was given out": lambda _, reader: reader.given([object_id(5, "note")]),
    "the last version given": lambda filled, reader: reader.last_given(filled.view, [object_id(1, "note")]),
    "refusals": lambda _, reader: reader.refused([bytes(32)]),
    "wakes": lambda _, reader: reader.wakes(10, 3),
    "the next wake": lambda _, reader: reader.next_wake(COLLECTION),
    "whether an id is in quarantine": lambda _, reader: reader.quarantined_ids(COLLECTION, [object_id(2)]),
    "quarantine of an id": lambda _, reader: reader.quarantine(object_id=object_id(2)),
    "a document": lambda _, reader: reader.doc("kind", "3"),
    "a view": lambda filled, reader: reader.view(filled.view),
    "the rules in force": lambda _, reader: reader.in_force_at(START),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_takes_as_many_steps_in_a_large_store(sizes, name):
    small, large = (each.count(REQUESTS[name]) for each in sizes)
    assert 0 < large <= small * 1.1 + 20


def test_the_plain_poll_is_one_range_of_one_index(sizes):
    with sizes[0].store.read() as reader:
        statements = []
        reader._db.set_trace_callback(statements.append)
        reader.page(sizes[0].view, ObjectQuery(after=5))
        reader._db.set_trace_callback(None)
        plan = [row[3] for row in reader._db.execute(f"EXPLAIN QUERY PLAN {statements[0]}")]
    assert len(statements) == 1
    assert [step.split(" (")[0].replace("COVERING ", "") for step in plan] == [
        "SEARCH e USING INDEX entry_listed",
        "SEARCH b USING INTEGER PRIMARY KEY",
    ]
    assert "(view=? AND date_added>?)" in plan[0]
