"""Pulling from a server of TAXII 2.0: the last medallion that spoke it."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from federation.taxii20_server import indicator20
from foreign.servers import Foreign, losing_replies, medallion_20
from nodekit import Kit, in_force, open_kit
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import Party, Share, To
from taxii_fed.core.stix.levels import Level
from taxii_fed.peers.taxii20 import open_peer
from taxii_fed.peers.transport import Access
from taxii_fed.services.federation.compare import reconcile
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import PeerPlan, Subscription, Subscriptions

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]

RULES = in_force(
    parties=(Party(name="peer", role="peer", jurisdiction="EU"), Party(name="bank", role="bank")),
    share=(Share(name="all", to=To(role=("bank", "own")), up_to=Level.RED, relayed_up_to=Level.RED, unmarked_as=Level.CLEAR),),
)


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    node = open_kit(tmp_path, RULES)
    yield node
    node.store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    with medallion_20(tmp_path_factory.mktemp("medallion"), max_page_size=20) as running:
        yield running


def federated(kit: Kit, server: Foreign, collection: str, url: str = "", **plan: Any) -> tuple[Federation, Subscription]:
    subscription = Subscription("peer", collection, "banking")
    access = Access(
        url=f"{url or server.url}/taxii/",
        taxii="2.0",
        token="Password0",
        token_scheme="Token",
        allow_private=(ipaddress.ip_network("127.0.0.0/8"),),
        timeout=60.0,
    )
    kit.clock.instant = time.time_ns() // 1000
    terms = PeerPlan(name="peer", terms=PeerTerms(), subscriptions=(subscription,), **plan)
    subscriptions = Subscriptions(kit.store, kit.clock, {"peer": terms})
    federation = Federation(kit.store, kit.ingest, kit.clock, kit.cache, subscriptions, lambda _: open_peer(access), "worker")
    return federation, subscription


def held(kit: Kit) -> set[tuple[str, str]]:
    return {(each["id"], each["modified"]) for each in kit.view("bank") if each["type"] == "indicator"}


def keys(*objects: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["id"], each["modified"]) for each in objects}


def test_pulls_and_a_comparison_bring_every_version(server: Foreign, kit: Kit) -> None:
    posted = [indicator20(number) for number in range(70)]
    server.post(*posted)
    node, subscription = federated(kit, server, server.collections[0], max_page=30)
    assert node.pull(subscription).counts == {"new": 70}
    server.post(indicator20(3, version=5), indicator20(90))
    assert node.pull(subscription).counts["new"] == 2
    assert reconcile(node, subscription).counts == {}
    assert held(kit) == keys(*posted, indicator20(3, version=5), indicator20(90))
    node.close()


def test_nothing_is_lost_with_the_replies(server: Foreign, kit: Kit) -> None:
    other = replace(server, collections=server.collections[1:])
    posted = [indicator20(number) for number in range(100, 200)]
    other.post(*posted)
    with losing_replies(server) as proxy:
        proxy.loses = lambda number: number % 3 == 0
        node, subscription = federated(kit, other, other.collection, proxy.url, max_page=15)
        for _ in range(20):
            if node.pull(subscription).error is None:
                break
            kit.clock.instant += 3_600_000_000
        node.close()
    assert proxy.lost
    assert held(kit) == keys(*posted)
