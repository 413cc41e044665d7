"""I2: pollers of every kind end with the full set, whatever writers do meanwhile."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpkit.nodes import TestNode, node_in
from httpkit.objects import indicator, malware
from httpkit.pollers import POLLERS, OpenCtiConnector, Poller, at


@pytest.fixture
def busy_node(tmp_path: Path) -> Iterator[TestNode]:
    opened = node_in(
        tmp_path,
        lambda text: text.replace("page_size: 50", "page_size: 60").replace("max_page_size: 200", "max_page_size: 2000"),
    )
    yield opened
    opened.node.close()


class Writers:
    """Add objects in bursts, and new versions of old ones, and note what they added."""

    def __init__(self, node: TestNode, chance: random.Random) -> None:
        self.node = node
        self.chance = chance
        self.added: set[tuple[str, str]] = set()
        self.number = 0

    def write(self, collection: str = "banking") -> None:
        # XSOAR's cursor is the greatest `modified` it saw, so these say the truth about when they came.
        modified = at(self.node.clock.now()).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        burst = []
        for _ in range(self.chance.choice((1, 2, 5, 40))):
            self.number += 1
            make = self.chance.choice((indicator, malware))
            burst.append(make(self.number, modified=modified))
        reply = self.node.client("staff").add(collection, *burst)
        assert (reply.status, reply.json["failure_count"]) == (202, 0)
        self.added |= {(each["id"], each["modified"]) for each in burst}


@pytest.mark.invariant("I2")
@pytest.mark.taxii("S-B-01", "S-B-02", "S-3.5-01", "S-3.5-02", "S-3.5-03")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_poller_ends_with_the_full_set_and_those_that_follow_us_get_nothing_twice(busy_node: TestNode, seed: int):
    chance = random.Random(seed)
    writers = Writers(busy_node, chance)
    client = busy_node.client("reader")
    pollers = [kind(client, "banking", busy_node.clock) for kind in POLLERS]
    underway = {poller: poller.poll() for poller in pollers}

    for _ in range(25):
        writers.write()
        busy_node.clock.pass_seconds(chance.choice((0, 0.001, 0.4, 1, 3)))
        for poller in chance.sample(pollers, len(pollers) // 2):
            _step(underway, poller)

    busy_node.clock.pass_seconds(5)
    for poller in pollers:
        for _ in range(30):  # OpenCTI takes a page a tick
            _finish(underway, poller)
        assert set(poller.seen) == writers.added, type(poller).__name__
        if poller.faithful:
            twice = [pair for pair, times in Counter(poller.seen).items() if times > 1]
            assert not twice, type(poller).__name__


@pytest.mark.invariant("I2")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_client_that_takes_one_cursor_through_all_collections_ends_with_all_of_them(busy_node: TestNode, seed: int):
    chance = random.Random(seed)
    writers = Writers(busy_node, chance)
    collections = ("banking", "insurance", "dropbox")
    poller = OpenCtiConnector(busy_node.client("staff"), "banking", busy_node.clock, "insurance", "dropbox")
    underway: dict[Poller, Iterator[None]] = {poller: poller.poll()}
    for _ in range(40):
        for _ in range(chance.choice((1, 1, 6))):
            writers.write(chance.choice(collections))
        busy_node.clock.pass_seconds(chance.choice((0, 0.4, 3, 60)))
        for _ in range(chance.choice((0, 1, 5))):
            _step(underway, poller)
    busy_node.clock.pass_seconds(5)
    _finish(underway, poller)
    _finish(underway, poller)
    assert set(poller.seen) == writers.added


def _step(underway: dict[Poller, Iterator[None]], poller: Poller) -> None:
    if next(underway[poller], "over") == "over":
        underway[poller] = poller.poll()


def _finish(underway: dict[Poller, Iterator[None]], poller: Poller) -> None:
    for _ in underway[poller]:
        pass
    underway[poller] = poller.poll()
