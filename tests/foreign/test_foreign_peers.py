"""Pulling from other people's servers, started as they are: in the end we hold every object that they hold.

What each of them does is in ``docs/peers.md``.
"""

from __future__ import annotations

import ipaddress
import tempfile
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from foreign.servers import Foreign, losing_replies, medallion, opentaxii
from nodekit import Kit, in_force, indicator, memory_folder, open_kit
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import Party, Share, To
from taxii_fed.core.stix.levels import Level
from taxii_fed.peers.client import TaxiiPeer
from taxii_fed.peers.transport import Access
from taxii_fed.services.federation.compare import reconcile
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import PeerPlan, State, Subscription, Subscriptions

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]

RULES = in_force(
    parties=(Party(name="peer", role="peer", jurisdiction="EU"), Party(name="bank", role="bank")),
    share=(Share(name="all", to=To(role=("bank", "own")), up_to=Level.RED, relayed_up_to=Level.RED, unmarked_as=Level.CLEAR),),
)


class Puller:
    """A node that pulls from one foreign server."""

    def __init__(self, kit: Kit, server: Foreign, url: str = "", **plan: Any) -> None:
        self.kit = kit
        self.subscription = Subscription("peer", server.collection, "banking")
        self._access = Access(
            url=f"{url or server.url}/taxii2/",
            allow_private=(ipaddress.ip_network("127.0.0.0/8"),),
            timeout=60.0,
            **self._log_in(server),
        )
        terms = PeerPlan(name="peer", terms=PeerTerms(), subscriptions=(self.subscription,), **plan)
        subscriptions = Subscriptions(kit.store, kit.clock, {"peer": terms})
        self.federation = Federation(
            kit.store, kit.ingest, kit.clock, kit.cache, subscriptions, lambda _: TaxiiPeer(self._access), "worker"
        )

    @staticmethod
    def _log_in(server: Foreign) -> dict[str, str]:
        if server.authorization.startswith("Bearer "):
            return {"token": server.authorization.removeprefix("Bearer ")}
        return {"username": server.username, "password": server.password}

    def pull(self) -> Any:
        self.kit.clock.instant = time.time_ns() // 1000
        return self.federation.pull(self.subscription)

    def compare(self) -> Any:
        self.kit.clock.instant = time.time_ns() // 1000
        return reconcile(self.federation, self.subscription)

    @property
    def state(self) -> State:
        return self.federation.subscriptions.states()[self.subscription]

    def holds(self) -> set[tuple[str, str]]:
        return {(each["id"], each.get("modified", "")) for each in self.kit.view("bank") if each["type"] != "note"}


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    with tempfile.TemporaryDirectory(dir=memory_folder() or tmp_path) as folder:
        node = open_kit(Path(folder), RULES)
        yield node
        node.store.close()


def objects(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [indicator(number) for number in range(start, start + count)]


def keys(*posted: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["id"], each["modified"]) for each in posted}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Foreign]]:
    """Give a running server with a collection that nobody used before."""
    start = {"medallion": medallion, "opentaxii": opentaxii}
    running: dict[str, Foreign] = {}
    used: Counter[str] = Counter()
    with ExitStack() as stack:

        def give(name: str) -> Foreign:
            if name not in running:
                running[name] = stack.enter_context(start[name](tmp_path_factory.mktemp(name)))
            used[name] += 1
            return replace(running[name], collections=running[name].collections[used[name] - 1 :])

        yield give


@pytest.fixture(params=["medallion", "opentaxii"])
def server(request: pytest.FixtureRequest, servers: Callable[[str], Foreign]) -> Foreign:
    return servers(request.param)


def test_a_first_pull_a_second_one_and_a_comparison_bring_everything_once(server: Foreign, kit: Kit) -> None:
    posted = objects(120)
    server.post(*posted[:100])
    node = Puller(kit, server, max_page=30)
    assert node.pull().counts == {"new": 100}
    server.post(*posted[100:])
    server.post(indicator(0, version=1))
    assert node.pull().counts["new"] == 21
    assert node.compare().counts == {}
    assert node.holds() == keys(*posted, indicator(0, version=1))
    assert node.state.watermark is not None
    assert not node.state.doubt


def test_objects_without_a_version_of_their_own_are_known_by_id(server: Foreign, kit: Kit) -> None:
    address = {
        "type": "ipv4-addr",
        "spec_version": "2.1",
        "id": "ipv4-addr--28bb3599-77cd-5a82-a950-b5bccb07caaf",
        "value": "198.51.100.1",
    }
    server.post(address, indicator(1))
    node = Puller(kit, server)
    assert node.pull().counts == {"new": 2}
    assert node.compare().counts == {}
    assert node.compare().counts == {}


def test_what_is_deleted_there_is_withdrawn_here(server: Foreign, kit: Kit) -> None:
    posted = objects(15)
    server.post(*posted)
    node = Puller(kit, server, max_page=4)
    node.pull()
    server.delete(posted[3]["id"])
    assert node.compare().counts == {"deleted-at-origin": 1}
    assert node.holds() == keys(*posted) - keys(posted[3])


@pytest.mark.invariant("I2")
def test_medallion_behind_a_line_that_loses_replies_loses_no_object(servers: Callable[[str], Foreign], kit: Kit) -> None:
    posted = objects(100)
    server = servers("medallion")
    with losing_replies(server) as proxy:
        for start in range(0, len(posted), 25):
            server.post(*posted[start : start + 25])
        node = Puller(kit, server, proxy.url, max_page=10)
        proxy.loses = lambda number: number % 6 == 0
        for _ in range(3):
            node.pull()
            node.compare()
        assert len(proxy.lost) > 5
        assert node.holds() == keys(*posted)


@pytest.mark.invariant("I2")
def test_opentaxii_with_writers_at_work_loses_no_object(servers: Callable[[str], Foreign], kit: Kit) -> None:
    server = servers("opentaxii")
    node = Puller(kit, server, max_page=40, overlap=120_000_000)
    writers = [_Writer(server, 1000 * number, sizes) for number, sizes in enumerate(([60, 60], [1] * 30, [7] * 12))]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert node.pull().error is None
    for writer in writers:
        writer.join()
    posted = {key for writer in writers for key in writer.written}
    assert len(posted) == 234
    node.pull()
    node.compare()
    assert node.holds() == posted


@pytest.mark.invariant("I2")
def test_opentaxii_behind_the_cursor_is_found_by_the_manifest(servers: Callable[[str], Foreign], kit: Kit) -> None:
    """Its long POSTs are stamped before they are committed; without overlap only the manifest tells of them."""
    server = servers("opentaxii")
    node = Puller(kit, server, max_page=100, overlap=0)
    writers = [_Writer(server, 1000 * number, sizes) for number, sizes in enumerate(([150, 150], [1] * 40))]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        node.pull()
    posted = {key for writer in writers for key in writer.written}
    node.pull()
    node.compare()
    assert node.holds() == posted


class _Writer(threading.Thread):
    """Posts envelopes of the given sizes, one after the other, and again where the server was too busy to take one."""

    def __init__(self, server: Foreign, first: int, sizes: list[int]) -> None:
        super().__init__()
        self._server = server
        self._first = first
        self._sizes = sizes
        self.written: set[tuple[str, str]] = set()

    def run(self) -> None:
        for size in self._sizes:
            envelope = objects(size, self._first)
            self._first += size
            for _ in range(20):
                try:
                    self._server.post(*envelope)
                    break
                except urllib.error.HTTPError:
                    continue
            self.written |= keys(*envelope)
