"""A collection judged whole, in memory: for plans and for the proof that the views are what they should be (I7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.audience import Audience
from taxii_fed.core.rules.model import CollectionTerms, InForce
from taxii_fed.core.stix import jsontext
from taxii_fed.core.stix.canonical import digest
from taxii_fed.core.stix.facts import OBSERVABLE_TYPES
from taxii_fed.core.taxii.query import Rank, ranks
from taxii_fed.core.views.results import Result
from taxii_fed.ports import Entry, Reader, View
from taxii_fed.services.views.difference import preference_of
from taxii_fed.services.views.loaded import Loaded
from taxii_fed.services.views.region import Region

_WALK = 5_000


class Whole:
    """All objects of one collection, loaded once and judged for one audience after the other."""

    def __init__(self, reader: Reader, keys: Keys, in_force: InForce, collection: CollectionTerms, now: int) -> None:
        self._keys = keys
        self._loaded = Loaded(reader, collection, in_force, now)
        self._collection = collection
        last = ""
        while True:
            tail = reader.walk(collection.id, last, _WALK)
            self._loaded.load(tail.ids)
            last = tail.last
            if not last:
                break
        self._ids = {object_id for object_id, candidates in self._loaded.objects.items() if candidates}

    def judge(self, audience: Audience) -> dict[str, list[Result]]:
        """Return the results of every object for an audience."""
        if not audience.reads:
            return {}
        nowhere = View(id=0, collection=self._collection.id, head=0, wake_at=None)
        region = Region(self._keys, self._loaded, [(nowhere, (audience,))], set(), frozenset())
        return region.all(self._ids, nowhere, audience)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a view differs from what it should be. ``kind``: ``missing``, ``surplus``, ``content``, ``rank``.

    ``date_added`` (ms): of the entry that is not as it should be, 0 where one is missing. ``rank``: the one that a notice should have.
    """

    collection: str
    view: int
    kind: str
    object_id: str
    detail: str = ""
    date_added: int = 0
    rank: Rank | None = None


def live_entries(reader: Reader, view: int) -> Iterator[Entry]:
    """Yield the live entries of a view, ascending."""
    after = 0
    while True:
        entries = reader.entries(view, after, _WALK)
        if not entries:
            return
        yield from entries
        after = entries[-1].date_added


def differences(reader: Reader, collection: str, view: int, results: Mapping[str, Sequence[Result]]) -> Iterator[Difference]:
    """Yield in what the live entries of a view differ from ``results``: membership, ids, contents and ranks."""
    wanted = {row.key: row for rows in results.values() for row in rows if row.visible}
    by_id: dict[str, list[Entry]] = {}
    for entry in live_entries(reader, view):
        by_id.setdefault(entry.id, []).append(entry)
        if not entry.source:
            continue
        row = wanted.pop(entry.source_key, None)
        if row is None:
            yield Difference(collection, view, "surplus", entry.source, f"as {entry.id}", entry.date_added)
        elif row.given_id != entry.id or entry.derived is (row.content is None):
            detail = f"goes out as {entry.id}, should as {row.given_id}"
            yield Difference(collection, view, "content", entry.source, detail, entry.date_added)
        elif row.content is not None and not same_content(reader, row, entry):
            yield Difference(
                collection, view, "content", entry.source, f"the copy {entry.id} has other content", entry.date_added
            )
    for row in wanted.values():
        yield Difference(collection, view, "missing", row.facts.id, row.facts.version_text)
    for given_id, entries in by_id.items():
        preference = {}
        if len(entries) > 1 and given_id.partition("--")[0] in OBSERVABLE_TYPES:
            preference = {entry.date_added: preference_of(reader, entry) for entry in entries}
        found = ranks(((entry.date_added, entry.spec_version, entry.version) for entry in entries), preference)
        for entry in entries:
            if found[entry.date_added] != entry.rank:
                rank = None if entry.source else found[entry.date_added]
                yield Difference(collection, view, "rank", entry.source or given_id, entry.version_text, entry.date_added, rank)


def same_content(reader: Reader, row: Result, entry: Entry) -> bool:
    """Return whether an entry holds the copy that a result asks for, of which only ``modified`` may be later."""
    stored = jsontext.loads(reader.body(entry.body))
    content = dict(row.content or {})
    if "modified" in content:
        content["modified"] = stored.get("modified")
    return digest(content) == digest(stored)
