"""Peers of TAXII 2.0: the same pulls and comparisons as with 2.1, over ranges, bundles and manifests of that version."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from federation.simulated_peer import COLLECTION, Wire
from federation.taxii20_server import STIX, Taxii20Server, indicator20
from nodekit import BANKING, Kit, in_force, open_kit
from taxii_fed.cli.main import main
from taxii_fed.config.load import loads
from taxii_fed.core.errors import PeerRefusedError
from taxii_fed.core.federation.pull import Request
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import Party, Share, To
from taxii_fed.core.stix.levels import Level
from taxii_fed.peers.client import TaxiiPeer
from taxii_fed.peers.taxii20 import Taxii20Peer, open_peer
from taxii_fed.peers.transport import Access
from taxii_fed.services.federation.compare import reconcile
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import PeerPlan, Subscription, Subscriptions
from taxii_fed.worker.plan import access

SUBSCRIPTION = Subscription("old", COLLECTION, "banking")
RULES = in_force(
    parties=(Party(name="old", role="peer", jurisdiction="EU"), Party(name="bank", role="bank")),
    share=(Share(name="all", to=To(role=("bank", "own")), up_to=Level.RED, relayed_up_to=Level.RED, unmarked_as=Level.CLEAR),),
)
SERVERS = {
    "as the standard has it": {},
    "with a space after the unit": {"unit": "items "},
    "with no total": {"total": "star"},
    "with no Content-Range": {"total": "missing"},
    "with small pages": {"most": 3},
    "that knows no ranges": {"ranged": False},
    "without date headers": {"dated": False},
}


def client(wire: Wire) -> Taxii20Peer:
    address = Access(url=f"{wire.url}/taxii/", taxii="2.0", allow_private=(ipaddress.ip_network("127.0.0.0/8"),), timeout=5.0)
    found = open_peer(address)
    assert isinstance(found, Taxii20Peer)
    return found


def federated(kit: Kit, wire: Wire, **more: Any) -> Federation:
    plan = PeerPlan(name="old", subscriptions=(SUBSCRIPTION,), terms=PeerTerms(), **more)
    subscriptions = Subscriptions(kit.store, kit.clock, {"old": plan})
    return Federation(kit.store, kit.ingest, kit.clock, kit.cache, subscriptions, lambda _: client(wire), "worker")


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    node = open_kit(tmp_path, RULES)
    yield node
    node.store.close()


def held(kit: Kit) -> set[tuple[str, str]]:
    return {(each["id"], each["modified"]) for each in kit.view("bank") if each["type"] == "indicator"}


def keys(*objects: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["id"], each["modified"]) for each in objects}


@pytest.mark.parametrize("knobs", SERVERS.values(), ids=SERVERS)
def test_pulls_and_a_comparison_bring_every_version_from_a_server(kit: Kit, knobs: dict[str, Any]) -> None:
    server = Taxii20Server(**knobs)
    objects = [*(indicator20(number) for number in range(25)), indicator20(3, version=1)]
    server.add(*objects)
    with server.serve() as wire:
        node = federated(kit, wire, max_page=10)
        assert node.pull(SUBSCRIPTION).counts == {"new": 26}
        assert held(kit) == keys(*objects)
        server.add(indicator20(30), indicator20(0, version=2))
        assert node.pull(SUBSCRIPTION).counts["new"] == 2
        assert reconcile(node, SUBSCRIPTION).counts == {}
        node.close()
    assert held(kit) == keys(*objects, indicator20(30), indicator20(0, version=2))


@pytest.mark.invariant("I3")
def test_stix_2_0_is_kept_as_it_is(kit: Kit) -> None:
    server = Taxii20Server()
    text = '{ "type":"malware","id":"malware--00000000-0000-4000-8000-000000000001",\n"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","labels":["worm"],"name":"caf\\u00e9", "x_n":1.10e2}'
    server.add_raw(text)
    with server.serve() as wire:
        federated(kit, wire).pull(SUBSCRIPTION)
    with kit.store.read() as reader:
        ((stored,),) = reader.versions(BANKING.id, ["malware--00000000-0000-4000-8000-000000000001"]).values()
    assert (stored.spec_version, stored.body.decode()) == ("2.0", text)


@pytest.mark.invariant("I10")
def test_what_is_gone_there_is_withdrawn_here(kit: Kit) -> None:
    server = Taxii20Server(most=2)
    server.add(*(indicator20(number) for number in range(5)), indicator20(1, version=1))
    with server.serve() as wire:
        node = federated(kit, wire)
        node.pull(SUBSCRIPTION)
        server.remove(indicator20(1)["id"])
        assert reconcile(node, SUBSCRIPTION).counts == {"deleted-at-origin": 2}
        node.close()
    assert held(kit) == keys(*(indicator20(number) for number in (0, 2, 3, 4)))


def test_what_moved_up_past_a_range_is_found_by_the_comparison(kit: Kit) -> None:
    server = Taxii20Server()
    server.add(*(indicator20(number) for number in range(9)))
    with server.serve() as wire:
        node = federated(kit, wire, max_page=3)

        def deleting(handler: Any) -> bool:
            if handler.headers.get("Range") == "items=3-5":
                server.remove(indicator20(0)["id"])
            return server.behave(handler)

        wire.behave = deleting
        node.pull(SUBSCRIPTION)
        assert indicator20(3)["id"] not in {name for name, _ in held(kit)}
        reconcile(node, SUBSCRIPTION)
        node.close()
    assert held(kit) == keys(*(indicator20(number) for number in range(1, 9)))


def test_each_endpoint_is_asked_in_its_own_media_type() -> None:
    server = Taxii20Server()
    server.add(indicator20(1))
    with server.serve() as wire:
        peer = client(wire)
        peer.objects(COLLECTION, Request(limit=10))
        peer.manifest(COLLECTION, Request(limit=10))
        peer.object(COLLECTION, indicator20(1)["id"], indicator20(1)["modified"])
        asked = {path.partition("?")[0].rstrip("/").rpartition("/")[2]: headers["accept"] for path, headers in wire.seen}
    assert asked["objects"] == asked[indicator20(1)["id"]] == STIX
    assert asked["taxii"] == asked["manifest"] == "application/vnd.oasis.taxii+json; version=2.0"


def test_a_server_that_wants_other_types_is_asked_in_several_at_once() -> None:
    server = Taxii20Server(exact_accept=False)
    server.add(indicator20(1))

    def picky(handler: Any) -> bool:
        if "version" not in handler.headers["Accept"]:
            return server.behave(handler)
        handler.send_error(406)
        return True

    with server.serve() as wire:
        wire.behave = picky
        assert len(client(wire).objects(COLLECTION, Request(limit=10)).objects) == 1


def test_a_record_without_versions_stands_for_any_of_them() -> None:
    server = Taxii20Server()
    server.add(indicator20(1))
    with server.serve() as wire:
        records = [(START, '{"id": "indicator--00000000-0000-4000-8000-000000000001"}') for START in (1, 2)]
        server._records = lambda _query: records
        page = client(wire).manifest(COLLECTION, Request(limit=10))
    assert [(entry.id, entry.version) for entry in page.entries] == [(indicator20(1)["id"], None)] * 2
    assert (page.records, page.broken) == (2, 0)


def test_an_empty_collection_is_an_empty_page_and_a_refusal_is_one() -> None:
    server = Taxii20Server()
    with server.serve() as wire:
        peer = client(wire)
        page = peer.objects(COLLECTION, Request(limit=10))
        assert (page.objects, page.more) == ([], False)
        wire.behave = lambda handler: handler.send_error(400) is None
        with pytest.raises(PeerRefusedError, match="400"):
            peer.objects(COLLECTION, Request(limit=10))


@given(
    content_range=st.one_of(
        st.text("items 0123456789-/*", max_size=30),
        st.builds(lambda first, last, total: f"items {first}-{last}/{total}", *[st.integers(0, 10**13)] * 3),
    ),
    start=st.integers(0, 50),
)
def test_no_content_range_makes_a_pull_stand_still_or_go_back(content_range: str, start: int) -> None:
    from taxii_fed.peers.taxii20 import _following
    from taxii_fed.peers.transport import Reply

    request = Request(next=str(start) if start else "", limit=10)
    following = _following(Reply("", {"Content-Range": content_range}, b""), request, 10)
    assert following == "" or int(following) > start


CONFIG = """
node: {{name: hub, title: Hub, organisation: H, jurisdiction: HK, identity: identity--4d0c3a53-7c53-4c58-8d60-0d9f8a7c1a01, secret: {{file: node.key}}}}
server: {{public_url: 'https://taxii.harbour.example'}}
store: {{url: 'sqlite:node.db'}}
api_roots: {{finance: {{title: Finance, default: true}}}}
collections: {{banking: {{id: 5d1f6f0c-7c52-4f3e-9d5a-0f5f6f1b0001, api_root: finance, title: Banking}}}}
parties:
  desk: {{role: own, jurisdiction: HK, organisation: H}}
  old: {{role: peer, jurisdiction: EU, organisation: O}}
  new: {{role: peer, jurisdiction: EU, organisation: N}}
peers:
  old:
    url: {url}/taxii/
    taxii: 2.0
    allow_private: [127.0.0.0/8]
    pull: [{{theirs: {collection}, ours: banking}}]
  new: {{url: https://new.example/taxii2/}}
share:
  own staff: {{to: {{role: own}}, in: all, up_to: RED, relayed_up_to: RED, unmarked_as: CLEAR}}
"""
KEY = "0123456789abcdef" * 4


def test_the_version_that_is_configured_decides_which_client_is_used(tmp_path: Path) -> None:
    (tmp_path / "node.key").write_text(KEY)
    peers = loads(CONFIG.format(url="http://127.0.0.1:1", collection=COLLECTION), tmp_path).peers
    assert {name: type(open_peer(access(peer))) for name, peer in peers.items()} == {"old": Taxii20Peer, "new": TaxiiPeer}


def test_the_commands_speak_with_it(tmp_path: Path) -> None:
    server = Taxii20Server()
    server.add(*(indicator20(number) for number in range(12)))
    (tmp_path / "node.key").write_text(KEY)
    config = tmp_path / "taxii-fed.yaml"
    with server.serve() as wire:
        config.write_text(CONFIG.format(url=wire.url, collection=COLLECTION))
        tested = CliRunner().invoke(main, ["--config", str(config), "peer", "test", "old", "--json"])
        (row,) = json.loads(tested.stdout)["collections"]
        assert (row["id"], row["ours"], row["objects"]) == (COLLECTION, ["banking"], 12)
        pulled = CliRunner().invoke(main, ["--config", str(config), "sync", "--once", "old"])
    assert (pulled.exit_code, pulled.stdout) == (0, "old → banking pulled: 12 new\n")
