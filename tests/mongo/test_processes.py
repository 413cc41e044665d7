"""Servers and workers that share nothing but the URL of the store, some of them killed: every set comes out whole (I2, I5)."""

from __future__ import annotations

import itertools
import json
import os
import random
import threading
import time
from collections import Counter

import pytest
import requests

from httpkit.pollers import POLLERS
from nodekit import indicator, malware
from processes.live import COLLECTION, HttpClient, LiveNode, kill
from taxii_fed.services.federation.leased import LEASE_SECONDS
from taxii_fed.storage.mongo.turn import TURN_SECONDS

pytestmark = [pytest.mark.mongodb, pytest.mark.timeout(420)]

SEED = int(os.environ.get("TAXII_FED_SEED", "20260302"))
SERVERS, WORKERS, WRITERS, ENVELOPES = 3, 2, 3, 14
PULLED = 400


class Machine(LiveNode):
    """A machine of one node: a folder with the configuration, and the URL of the store that all of them share."""

    def __init__(self, folder, store, peers):
        self.store = store
        super().__init__(folder, "cluster", identity="cluster", peers=peers)

    def write(self):
        super().write()
        settings = json.loads(self.config.read_text())
        settings["store"] = {"url": self.store}
        settings["server"]["public_url"] = "http://cluster.example"
        self.config.write_text(json.dumps(settings))


class Anywhere:
    """A client that goes to another machine where one does not answer, as a proxy in front of them does."""

    def __init__(self, machines, account, chance):
        self._clients = [HttpClient(each, account) for each in machines]
        self._chance = chance

    def get(self, path, query=None):
        return self._try(lambda client: client.get(path, query))

    def add(self, rows):
        return self._try(lambda client: client.add(rows))

    def _try(self, ask):
        for turn in itertools.count():
            try:
                answer = ask(self._chance.choice(self._clients))
            except requests.RequestException:
                assert turn < 500
                time.sleep(0.05)  # the machine may be coming up again
            else:
                return answer
        raise AssertionError


@pytest.fixture
def origin(tmp_path, monkeypatch):
    """A node of its own, on SQLite, from which the others pull."""
    monkeypatch.setenv("TAXII_FED_TEST_TOKEN", "token-of-puller")
    node = LiveNode(tmp_path / "origin", "origin", identity="origin")
    node.serve("--workers", "1")
    writer = HttpClient(node, "writer")
    for start in range(0, PULLED, 100):
        assert writer.add([malware(1_000_000 + start + offset) for offset in range(100)]).status_code == 202
    yield node
    node.kill()


@pytest.fixture
def machines(tmp_path, store_factory, origin):
    peers = {
        "partner": {
            "url": f"{origin.base}/taxii2/",
            "auth": {"token": {"env": "TAXII_FED_TEST_TOKEN"}},
            "allow_private": "true",
            "every": "2s",
            "max_page": "20",
            "pull": [{"theirs": COLLECTION, "ours": "banking"}],
        }
    }
    url = store_factory.url
    nodes = [Machine(tmp_path / f"machine{number}", url, peers) for number in range(SERVERS)]
    yield nodes
    for node in nodes:
        node.kill()


@pytest.mark.invariant("I2", "I5", "I8")
def test_machines_that_share_a_store_lose_nothing_though_some_are_killed(machines, origin):
    print(f"seed {SEED}")
    for machine in machines:
        machine.serve("--workers", "1")
    workers = [machine.spawn("sync") for machine in machines[:WORKERS]]
    try:
        written, pollers, troubles = _race(machines, workers)
        assert troubles == []
        client = HttpClient(machines[0], "reader")
        found = _when_there_are(client, len(written) + PULLED)
    finally:
        for worker in workers:
            kill(worker)
    pulled = {(each["id"], each["modified"]) for each in HttpClient(origin, "puller").all_objects()}
    assert len(pulled) == PULLED
    assert set(found) == written | pulled
    assert max(found.values()) == 1
    dates = client.dates()
    assert len(set(dates)) == len(dates) == len(found)
    for poller in pollers:
        while True:
            before = len(poller.seen)
            for _ in poller.poll():
                pass
            if len(poller.seen) == before:
                break
        assert set(poller.seen) == set(found), type(poller).__name__
        assert len(poller.seen) == len(found), type(poller).__name__
    verified = machines[0].run("rebuild", "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _when_there_are(client, count):
    """Return every version, once the workers have pulled all: the lease of one that was killed has to run out first."""
    deadline = time.monotonic() + LEASE_SECONDS + 60
    while True:
        found = Counter((each["id"], each["modified"]) for each in client.all_objects())
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.5)  # workers are at it; only they can say when they are done


def _race(machines, workers):
    chance = random.Random(SEED)
    written: set[tuple[str, str]] = set()
    troubles: list[BaseException] = []
    writing = threading.Event()
    writing.set()
    faithful = [kind for kind in POLLERS if kind.faithful and kind.__name__ != "Xsoar"][:3]
    pollers = [
        kind(Anywhere(machines, "reader", random.Random(SEED + turn)), COLLECTION, None) for turn, kind in enumerate(faithful)
    ]

    def noting(work, *args):
        try:
            work(*args)
        except BaseException as error:  # noqa: BLE001 — reported by the test
            troubles.append(error)

    def write(number):
        client = Anywhere(machines, "writer", random.Random(SEED + 100 + number))
        for turn in range(ENVELOPES):
            start = number * 100_000 + turn * 100
            rows = [indicator(start + offset) for offset in range(1 + turn % 7)]
            answer = client.add(rows)
            assert (answer.status_code, answer.json()["failure_count"]) == (202, 0), answer.text
            written.update((row["id"], row["modified"]) for row in rows)

    def poll(poller):
        while writing.is_set():
            for _ in poller.poll():
                pass

    writers = [threading.Thread(target=noting, args=(write, number)) for number in range(WRITERS)]
    readers = [threading.Thread(target=noting, args=(poll, poller)) for poller in pollers]
    for thread in (*readers, *writers):
        thread.start()
    for turn in range(2):
        writers[0].join(timeout=chance.uniform(0.5, 2.0))
        machines[turn].kill()
        kill(workers[turn])
        machines[turn].serve("--workers", "1")
        workers[turn] = machines[turn].spawn("sync")
    for thread in writers:
        thread.join(timeout=TURN_SECONDS * 20)
    writing.clear()
    for thread in readers:
        thread.join(timeout=TURN_SECONDS * 20)
    return written, pollers, troubles
