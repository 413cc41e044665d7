"""That store and model hold the same, as far as any method of the port can tell."""

from __future__ import annotations

from hypothesis.stateful import RuleBasedStateMachine, invariant

from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery, select
from taxii_fed.ports import Entry, Reader
from taxii_fed.storage.contract.builders import COLLECTION, ELSEWHERE, ManualClock, StoreFactory, object_id
from taxii_fed.storage.contract.model import Model, ModelEntry, hashed

IDS = [object_id(1), object_id(2), object_id(1, "malware")]
COPIES = [object_id(1, "note"), object_id(2, "note")]
ALL_IDS = [*IDS, *COPIES, *(hashed(each) for each in (*IDS, *COPIES))]
GIVERS = ["local:bank", "peer:eu:x"]
PARTIES = ["bank", "cert"]
COLLECTIONS = [COLLECTION, ELSEWHERE]
MARKS = [b"a" * 32, b"b" * 32]
QUERIES = [
    ObjectQuery(),
    ObjectQuery(limit=2),
    ObjectQuery(versions=ALL_VERSIONS, limit=3),
    ObjectQuery(types=("indicator", "note"), limit=2),
    ObjectQuery(ids=(IDS[0], COPIES[0]), versions=ALL_VERSIONS),
]


class Agreement(RuleBasedStateMachine):
    """A store with its model; looked at after every step."""

    def __init__(self, factory: StoreFactory) -> None:
        super().__init__()
        self.factory = factory
        self.clock = ManualClock()
        self.store = factory(self.clock)
        self.model = Model()

    def teardown(self) -> None:
        """Close what is open."""
        self.store.close()

    @invariant()
    def views_are_the_same(self) -> None:
        with self.store.read() as reader:
            for number, view in self.model.views.items():
                stored = reader.entries(number, 0, 1000, ended=True)
                assert {entry.date_added: _as_model(reader, entry) for entry in stored} == view.entries
                found = reader.view(number)
                assert (found.head, found.mirror, found.collection) == (view.head, view.mirror, view.collection)
                for query in QUERIES:
                    rows, more = select(query, view.listed())
                    page = reader.page(number, query)
                    assert ([row.date_added for row in page.rows], page.more) == ([row.date_added for row in rows], more)
                    assert [row.body for row in page.rows] == [view.entries[row.date_added].content for row in rows]
                shown = {each.id for each in view.listed() if each.rank.shown}
                assert {each for each in ALL_IDS if reader.shown(number, each)} == shown

    @invariant()
    def entries_are_found_by_their_ids(self) -> None:
        with self.store.read() as reader:
            every = [(number, date, entry) for number, view in self.model.views.items() for date, entry in view.entries.items()]
            for each in ALL_IDS:
                named = {(number, date) for number, date, entry in every if each in {entry.id, entry.source}}
                assert {(entry.view, entry.date_added) for entry in reader.ledger(each)} == named
            live = reader.live(self.model.views, ALL_IDS)
            assert {
                (number, source, entry.date_added)
                for number, found in live.items()
                for source, rows in found.items()
                for entry in rows
            } == {(number, entry.source, date) for number, date, entry in every if entry.ended_at is None}

    @invariant()
    def versions_are_the_same(self) -> None:
        with self.store.read() as reader:
            for collection in COLLECTIONS:
                found = reader.versions(collection, IDS)
                assert {version.key: version.body for rows in found.values() for version in rows} == {
                    key: version.body for key, version in self.model.versions.items() if version.collection == collection
                }
            offers = reader.offers(self.model.versions)
            assert {(each.key, each.giver): each for rows in offers.values() for each in rows} == self.model.offers
            assert reader.homes(ALL_IDS) == self.model.homes

    @invariant()
    def the_rest_is_the_same(self) -> None:
        with self.store.read() as reader:
            for collection in COLLECTIONS:
                assert reader.readers(collection) == {
                    party: view for (party, each), view in self.model.readers.items() if each == collection
                }
            assert set(reader.wakes(9, 99)) == self.model.wakes
            assert reader.docs("kind") == self.model.docs
            assert {item.id: (item.object_id, item.body) for item in reader.quarantine()} == {
                number: (item.object_id, item.body) for number, item in self.model.quarantine.items()
            }
            assert reader.refused(MARKS) == self.model.marks


def _as_model(reader: Reader, entry: Entry) -> ModelEntry:
    return ModelEntry(
        entry.id,
        entry.type,
        entry.spec_version,
        entry.version,
        entry.source,
        entry.source_key,
        entry.derived,
        entry.rank,
        entry.rule,
        entry.reasons,
        reader.body(entry.body),
        entry.ended_at,
        entry.ended_why,
    )
