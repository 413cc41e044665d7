"""Writers and pollers at the tip of one collection, over several server processes: nobody misses anything (I2)."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from httpkit.pollers import POLLERS, Poller
from nodekit import indicator, malware
from processes.live import COLLECTION, HttpClient, LiveNode

WRITERS = 4
BATCHES = 6 if os.environ.get("TAXII_FED_TEST_FEW") else 25
SIZES = (1, 40, 3, 17, 2, 60, 1, 9)


class Now:
    """The client's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1000


def batches(writer: int) -> list[list[dict]]:
    """The envelopes of one writer, of very different sizes; some objects in two versions, the first again and again."""
    result = []
    number = writer * 100_000
    for index in range(BATCHES):
        size = SIZES[(index + writer) % len(SIZES)]
        rows = [indicator(number + offset) if offset % 2 else malware(number + offset) for offset in range(size)]
        result.append(rows)
        number += size
    return result


@pytest.mark.invariant("I2", "I8")
@pytest.mark.timeout(180)
def test_every_kind_of_poller_at_the_tip_ends_with_the_full_set(tmp_path: Path):
    node = LiveNode(tmp_path, "race")
    node.serve("--workers", "3")
    try:
        written, pollers, troubles = _race(node)
    finally:
        node.stop()
    assert troubles == []
    for poller in pollers:
        counted = Counter(poller.seen)
        name = type(poller).__name__
        missed = written - counted.keys()
        assert not missed, f"{name} missed {len(missed)} of {len(written)}"
        if poller.faithful:
            twice = [key for key, count in counted.items() if count > 1]
            assert not twice, f"{name} got {len(twice)} objects twice"


def _race(node: LiveNode) -> tuple[set[tuple[str, str]], list[Poller], list[BaseException]]:
    written: set[tuple[str, str]] = set()
    troubles: list[BaseException] = []
    writing = threading.Event()
    writing.set()
    pollers = [kind(HttpClient(node, "reader"), COLLECTION, Now()) for kind in POLLERS if kind.__name__ != "Xsoar"]

    def write(number: int) -> None:
        client = HttpClient(node, "writer")
        try:
            for rows in batches(number):
                answer = client.add(rows)
                assert answer.status_code == 202, answer.text
                assert answer.json()["failure_count"] == 0
                written.update((row["id"], row["modified"]) for row in rows)
        except BaseException as error:  # noqa: BLE001 — reported by the test, which runs in another thread
            troubles.append(error)

    def poll(poller: Poller) -> None:
        try:
            while writing.is_set():
                for _ in poller.poll():
                    pass
            idle = 0
            while idle < 3:
                before = len(poller.seen)
                for _ in poller.poll():
                    pass
                idle = idle + 1 if len(poller.seen) == before or not poller.faithful else 0
        except BaseException as error:  # noqa: BLE001
            troubles.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    readers = [threading.Thread(target=poll, args=(poller,)) for poller in pollers]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    writing.clear()
    for thread in readers:
        thread.join()
    return written, pollers, troubles
