"""Several real processes on one store: what they race for, and what is left when one is killed."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack
from subprocess import Popen

import pytest

from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports import Store
from taxii_fed.storage.contract.builders import COLLECTION, StoreFactory, object_id
from taxii_fed.storage.contract.workers import COUNTER, DONE, SystemClock, start, worker

WRITERS, OBJECTS, TURNS = 3, 60, 8


def _new_views(store: Store) -> tuple[int, int]:
    with store.write() as writer:
        return writer.create_view(COLLECTION), writer.create_view(COLLECTION)


def _follow(store: Store, view: int, limit: int, *, own_clock: bool) -> list[tuple[int, str]]:
    """Poll until all writers are done and nothing is left.

    The next position is the last stamp, or with ``own_clock`` the time before the last request: then entries come again and again.
    """
    clock = SystemClock()
    seen: list[tuple[int, str]] = []
    after, done = 0, False
    while not done:
        before = clock.now() // 1000
        with store.read() as reader:
            finished = reader.doc("race", DONE)
            page = reader.page(view, ObjectQuery(after=after, limit=limit), bodies=False)
        seen.extend((row.date_added, row.id) for row in page.rows)
        done = not page.more and finished is not None and finished["writers"] == WRITERS
        after = before if own_clock else max(after, *(row.date_added for row in page.rows), 0)
    return seen


@pytest.mark.invariant("I2")
def test_pollers_miss_nothing_while_processes_write(store_factory: StoreFactory) -> None:
    store = store_factory(SystemClock())
    one, two = _new_views(store)
    expected = {object_id(number * 1000 + each) for number in range(WRITERS) for each in range(OBJECTS)}
    found: dict[str, list[tuple[int, str]]] = {}

    def poll(name: str, view: int, limit: int, own_clock: bool) -> None:
        found[name] = _follow(store, view, limit, own_clock=own_clock)

    kinds = [("pages of one", one, 1, False), ("pages of many", two, 1000, False), ("own clock", one, 1000, True)]
    pollers = [threading.Thread(target=poll, args=kind) for kind in kinds]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(worker("write", store_factory.url, number, OBJECTS, (one, two))) for number in range(WRITERS)
        ]
        for poller in pollers:
            poller.start()
        start(writers)
        assert [_finish(writer) for writer in writers] == [0] * WRITERS
        for poller in pollers:
            poller.join()
    for name in ("pages of one", "pages of many"):
        stamps = [stamp for stamp, _ in found[name]]
        assert stamps == sorted(set(stamps))
        assert len(found[name]) == len(expected)
    assert {name: {each for _, each in rows} for name, rows in found.items()} == dict.fromkeys(found, expected)
    assert len(found) == len(pollers)


def _finish(process: Popen[str]) -> int:
    assert process.stdout is not None
    process.stdout.read()
    return process.wait()


def test_a_lease_keeps_processes_apart(store_factory: StoreFactory) -> None:
    store = store_factory(SystemClock())
    with ExitStack() as stack:
        takers = [stack.enter_context(worker("take_turns", store_factory.url, number, TURNS)) for number in range(WRITERS)]
        start(takers)
        assert [_finish(taker) for taker in takers] == [0] * WRITERS
    with store.read() as reader:
        assert reader.doc("race", COUNTER) == {"value": WRITERS * TURNS}


@pytest.mark.invariant("I5")
def test_a_process_killed_while_it_writes_leaves_whole_transactions(store_factory: StoreFactory) -> None:
    store = store_factory(SystemClock())
    views = _new_views(store)
    store.close()
    first = 0
    for _ in range(3):
        with worker("write_for_ever", store_factory.url, first, 0, views) as process:
            start([process])
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(random.randrange(1, 20))]
            process.kill()
            acknowledged += [int(line) for line in process.stdout.read().split()]
        store = store_factory(SystemClock())
        last = _whole_transactions(store, views)
        store.close()
        assert last >= acknowledged[-1]
        first = last + 1


def _whole_transactions(store: Store, views: tuple[int, int]) -> int:
    """Return the number of the last transaction after checking that all parts of all of them, and no others, are there."""
    with store.read() as reader:
        turn = reader.doc("race", "turn")
        assert turn is not None
        last = int(turn["turn"])
        expected = [object_id(each, kind) for each in range(last + 1) for kind in ("indicator", "malware")]
        for view in views:
            entries = reader.entries(view, 0, 100_000)
            assert [entry.id for entry in entries] == expected
            assert reader.view(view).head == entries[-1].date_added
            assert all(reader.body(entry.body) for entry in entries)
        nearby = [*expected, object_id(last + 1), object_id(last + 1, "malware")]
        assert sorted(reader.versions(COLLECTION, nearby)) == sorted(expected)
        assert reader.status(str(last)) is not None
        assert reader.status(str(last + 1)) is None
    return last
