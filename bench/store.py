"""The SQLite store by itself: `python -m bench.store [--size 10000 1000000] [--folder DIR]`.

Prints objects a second into views, and the time of pages at the start, in the middle and at the tail: the figures of
docs/adr/0008-store-on-sqlite.md.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.objects import objects
from taxii_fed.core.stix.facts import Provenance, Use
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery, Rank, VersionMatch
from taxii_fed.ports import Change, NewVersion, Offer, Opening, Store
from taxii_fed.storage.sqlite import SqliteStore

COLLECTION = "5f1d7d3a-54c5-4b8e-9d5e-6ad3a3f1c001"
BATCH = 1000
NEW = Rank(oldest=False)


class RealClock:
    """The clock of the machine."""

    def now(self) -> int:
        return time.time_ns() // 1000


def new_versions(count: int, seed: int) -> Iterator[NewVersion]:
    """Versions as the door makes them, the JSON not parsed: this measures the store alone."""
    for number, body in enumerate(objects(count, seed)):
        kind, _, rest = body.partition(b'"id":"')[2].partition(b'"')[0].decode().partition("--")
        given = f"{kind}--{rest}"
        edges = ((f"identity--{seed}", Use.CREATOR), (f"malware--{number // 7}", Use.REFERENCE))
        yield NewVersion(
            collection=COLLECTION,
            object_id=given,
            type=kind,
            spec_version="2.1",
            version=1_700_000_000_000_000 + number * 1_000_003,
            version_text="2026-01-01T00:00:00.000Z",
            body=body,
            digest=hashlib.sha256(body).digest(),
            received_at=1_767_225_600_000_000,
            provenance=Provenance(party="bank"),
            edges=edges,
        )


def opening(version: NewVersion, key: int, rank: Rank) -> Opening:
    return Opening(
        id=version.object_id,
        type=version.type,
        spec_version=version.spec_version,
        version=version.version,
        version_text=version.version_text,
        source=version.object_id,
        source_key=key,
        rank=rank,
        rule="banks read banking",
    )


def fill(store: Store, views: list[int], count: int, seed: int) -> float:
    """Store and open ``count`` objects in all views, ``BATCH`` in a transaction; return the seconds spent in the store."""
    spent = 0.0
    source = new_versions(count, seed)
    while batch := list(itertools.islice(source, BATCH)):
        ready = time.perf_counter()
        with store.write() as writer:
            keys = writer.add_versions(batch)
            writer.set_homes({version.object_id: "local:bank" for version in batch})
            writer.add_offers([Offer(key, "local:bank") for key in keys])
            openings = tuple(opening(version, key, Rank()) for version, key in zip(batch, keys, strict=True))
            for view in views:
                writer.change(view, Change(opened=openings))
        spent += time.perf_counter() - ready
    return spent


def page_times(store: Store, view: int) -> Iterator[tuple[str, float]]:
    """Yield what was asked and its median in milliseconds."""
    with store.read() as reader:
        head = reader.view(view).head
        entries = reader.count_live(view)
        middle = reader.entries(view, head - entries // 2, 1)[0].date_added
        one = reader.entries(view, middle, 1)[0]
    default = ObjectQuery(after=middle)
    asked: dict[str, ObjectQuery] = {
        "nothing new": ObjectQuery(after=head),
        "tail, 10": ObjectQuery(after=head - 10),
        "start, 100": ObjectQuery(limit=100),
        "middle, 100": ObjectQuery(after=middle, limit=100),
        "middle, 1000": default,
        "all versions, 1000": ObjectQuery(after=middle, versions=ALL_VERSIONS),
        "type, 100": ObjectQuery(after=middle, limit=100, types=("malware",)),
        "three types, 100": ObjectQuery(after=middle, limit=100, types=("malware", "report", "ipv4-addr")),
        "by id": ObjectQuery(ids=(one.id,)),
        "first version, 100": ObjectQuery(after=middle, limit=100, versions=VersionMatch(last=False, first=True)),
        "edition 2.0, none": ObjectQuery(spec_versions=("2.0",)),
        "one instant": ObjectQuery(versions=VersionMatch(last=False, instants=frozenset({one.version}))),
    }
    for name, query in asked.items():
        yield name, _median(lambda query=query: _page(store, view, query))
    yield "manifest, 1000", _median(lambda: _page(store, view, default, bodies=False))
    yield "as one text, 1000", _median(lambda: _text(store, view, default))
    yield "where a party stands", _median(lambda: _place(store))


def _page(store: Store, view: int, query: ObjectQuery, *, bodies: bool = True) -> None:
    with store.read() as reader:
        reader.page(view, query, bodies=bodies)


def _text(store: Store, view: int, query: ObjectQuery) -> None:
    with store.read() as reader:
        reader.contents(view, query)


def _place(store: Store) -> None:
    with store.read() as reader:
        reader.place("bank", COLLECTION)


def _median(work: Callable[[], None], rounds: int = 60) -> float:
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1000


def measure(folder: Path, size: int, views: int) -> None:
    path = folder / f"{size}-{views}.db"
    store = SqliteStore(path, clock=RealClock())
    with store.write() as writer:
        numbers = [writer.create_view(COLLECTION) for _ in range(views)]
        writer.assign(COLLECTION, "bank", numbers[0], 1)
    spent = fill(store, numbers, size, views)
    print(
        f"{size:,} objects into {views} views: {size / spent:,.0f} objects/s, {path.stat().st_size / size:,.0f} bytes an object"
    )
    print(f"  past the lead: {store.commits_past_lead()}; log {Path(f'{path}-wal').stat().st_size / 1e6:,.1f} MB")
    for name, milliseconds in page_times(store, numbers[-1]):
        print(f"  {name:24} {milliseconds:8.3f} ms")
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[10_000])
    parser.add_argument("--views", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for size, views in itertools.product(arguments.size, arguments.views):
            measure(Path(folder), size, views)


if __name__ == "__main__":
    main()
