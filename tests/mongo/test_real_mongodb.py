"""What only a real MongoDB can show: plans, elections, snapshots outside of transactions. Not part of the contract suite."""

from __future__ import annotations

import contextlib
import threading

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure

from httpkit.nodes import BANKING, ManualClock, TestNode, node_in, settings_in
from mongo.filling import REQUESTS, everything, fill
from mongo.standin import NAMED
from nodekit import indicator
from taxii_fed.core.stix.facts import Use
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery, Rank, VersionMatch
from taxii_fed.ports import Change
from taxii_fed.storage.contract.builders import COLLECTION, add, new_version, object_id, opening
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.schema import INDEXES, SHARD_KEYS
from taxii_fed.storage.mongo.store import MongoStore
from taxii_fed.web.app import create_app
from taxii_fed.wiring import open_node

pytestmark = [
    pytest.mark.real_mongodb,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not NAMED, reason="TAXII_FED_TEST_MONGODB names no MongoDB"),
]

SIZE = 3000
LIMIT = 10
OLD = Rank(newest=False, oldest=True)


def routed(client):
    """Return whether a mongos answers."""
    return client.admin.command("hello").get("msg") == "isdbgrid"


@pytest.fixture
def member(client):
    """A client of a replica set, whose members can be asked what they did; skip where a mongos answers."""
    if routed(client):
        pytest.skip("a router tells neither plans nor elections")
    return client


# -- plans --------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def filled(store_factory):
    """A view whose first third has ended, whose second is of old versions, and whose last is listed."""
    store = store_factory()
    kinds = ("indicator", "malware", "tool")
    versions = [
        new_version(object_id(number, kinds[number % 3]), 1 + number, edges=[(object_id(number % 7, "identity"), Use.CREATOR)])
        for number in range(SIZE)
    ]
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        writer.assign(COLLECTION, "bank", view, 1)
        keys = writer.add_versions(versions)
        ranks = [OLD if SIZE // 3 <= number < 2 * SIZE // 3 else Rank() for number in range(SIZE)]
        opened = [opening(version, key, rank) for version, key, rank in zip(versions, keys, ranks, strict=True)]
        writer.change(view, Change(opened=tuple(opened)))
    with store.write() as writer:
        dates = [entry.date_added for entry in writer.entries(view, 0, SIZE)]
        writer.change(view, Change(ended=tuple((date, "why") for date in dates[: SIZE // 3])))
    return store, view, dates


QUERIES = {
    "plain": {},
    "all versions": {"versions": ALL_VERSIONS},
    "first versions": {"versions": VersionMatch(last=False, first=True)},
    "a type": {"types": ("malware",)},
    "several types": {"types": ("malware", "tool", "unheard-of")},
    "all versions of a type": {"types": ("tool",), "versions": ALL_VERSIONS},
    "an id": {"ids": (object_id(SIZE - 1, "tool"),)},
    "an instant": {"versions": VersionMatch(last=False, instants=frozenset({SIZE - 5}))},
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_page_looks_at_few_more_keys_than_it_gives(member, filled, store_factory, name):
    store, view, _ = filled
    database = member[f"{store_factory.prefix}_0"]
    database.command("profile", 2)
    with store.read() as reader:
        page = reader.page(view, ObjectQuery(limit=LIMIT, **QUERIES[name]))
    database.command("profile", 0)
    finds = list(database["system.profile"].find({"ns": f"{database.name}.entry", "op": {"$in": ["query", "getmore"]}}))
    assert page.rows
    assert finds
    assert sum(each["docsExamined"] for each in finds) <= LIMIT + 5
    assert sum(each["keysExamined"] for each in finds) <= 4 * LIMIT + 40
    assert all("IXSCAN" in each["planSummary"] for each in finds)


@pytest.mark.parametrize("name", REQUESTS)
def test_no_request_scans_a_table(member, filled, store_factory, name):
    store, view, _ = filled
    database = member[f"{store_factory.prefix}_0"]
    database.command("profile", 2)
    with store.read() as reader:
        REQUESTS[name](reader, view, object_id(3), object_id(SIZE - 1, "tool"))
    database.command("profile", 0)
    seen = [each for each in database["system.profile"].find({"op": "query"}) if not each["ns"].endswith("system.profile")]
    assert seen
    for each in seen:
        assert "COLLSCAN" not in each.get("planSummary", ""), each["ns"]
        assert each["docsExamined"] <= 50, each["ns"]


def test_every_index_is_there(store_factory, client):
    store_factory()
    for table, indexes in INDEXES.items():
        there = set(client[f"{store_factory.prefix}_0"][table].index_information())
        assert {"_id_", *(index.document["name"] for index in indexes)} <= there


# -- snapshots ------------------------------------------------------------------------------------------------------------------
def test_the_server_gives_snapshots_outside_of_transactions(store_factory):
    assert store_factory()._has_snapshots


def test_a_transaction_may_be_larger_than_a_document(store_factory):
    store = store_factory()
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        add(writer, view, *(new_version(number, body=b"x" * 8_000_000) for number in range(6)))
    with store.read() as reader:
        assert reader.count_live(view) == 6


# -- elections ------------------------------------------------------------------------------------------------------------------
@pytest.mark.invariant("I2", "I5")
def test_a_primary_that_steps_down_mid_transaction_loses_nothing_and_no_client_notices(member, store_factory, tmp_path):
    settings, clock = settings_in(tmp_path), ManualClock()
    node = open_node(settings, clock=clock, store=MongoStore(store_factory.url, clock=clock))
    served = TestNode(settings, clock, node, create_app(node, lambda _: None))
    elsewhere = open_node(settings, clock=clock, store=MongoStore(store_factory.url, clock=clock))
    other = TestNode(settings, clock, elsewhere, create_app(elsewhere, lambda _: None))
    posting, done = threading.Event(), threading.Event()

    def elect() -> None:
        with MongoClient[Row](NAMED) as admin:
            for _ in range(3):
                posting.wait(30)
                # It hangs up on us, or another election is under way.
                with contextlib.suppress(AutoReconnect, OperationFailure):
                    admin.admin.command("replSetStepDown", 5, secondaryCatchUpPeriodSecs=2, force=True)
                if done.wait(4):
                    return

    elections = threading.Thread(target=elect)
    elections.start()
    expected = []
    for start in range(0, 400, 8):
        rows = [indicator(start + offset) for offset in range(8)]
        posting.set()
        status = served.client("soar").add(BANKING, *rows)
        assert (status.status, status.json["failure_count"]) == (202, 0)
        expected += [(each["id"], each["modified"]) for each in rows]
        # Another process, which knows nothing of the write but that it was answered, sees it at once.
        newest = other.client().get(f"collections/{BANKING}/objects/{rows[-1]['id']}/")
        assert (newest.status, [each["id"] for each in newest.objects]) == (200, [rows[-1]["id"]])
    done.set()
    elections.join()
    found, query = [], {"match[version]": "all", "limit": 200}
    while True:
        page = served.client().get(f"collections/{BANKING}/manifest/", query).json
        found += [(row["id"], row["version"]) for row in page["objects"]]
        if not page["more"]:
            break
        query["next"] = page["next"]
    node.close()
    elsewhere.close()
    assert sorted(found) == sorted(expected)


# -- shards ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.invariant("I2", "I5", "I10")
def test_tables_are_spread_over_shards_and_nobody_can_tell(store_factory, client, tmp_path):
    if not routed(client):
        pytest.skip("no sharded cluster")
    clock, name = ManualClock(), f"{store_factory.prefix}_0"
    store = MongoStore(store_factory.url, clock=clock)
    client.admin.command("enableSharding", name)
    for table, key in SHARD_KEYS.items():
        client.admin.command("shardCollection", f"{name}.{table}", key=key)
        assert list(client[name][table].find()) == []  # router and shards learn of it now, not amid a transaction
    (tmp_path / "alone").mkdir()
    (tmp_path / "spread").mkdir()
    alone = node_in(tmp_path / "alone")
    settings = settings_in(tmp_path / "spread")
    opened = open_node(settings, clock=clock, store=store)
    spread = TestNode(settings, clock, opened, create_app(opened, lambda _: None))
    for node in (alone, spread):
        fill(node)
    assert told(spread) == told(alone)
    assert opened.planner.verify() == []
    held = client.admin.command("listShards")["shards"]
    assert len(held) >= 2
    spread_over = client[name].command("collStats", "body")["shards"]
    assert len(spread_over) == len(held)
    for node in (alone, spread):
        node.node.close()


def told(node):
    """What readers get but for the dates, which are those of the run, and how much of everything there is."""
    rows = {
        account: {row["id"]: row.get("version") for row in manifest(node, account)}
        for account in ("reader", "staff", "partner")
    }
    return rows, {table: len(records) for table, records in everything(node.node.store).items()}


def manifest(node, account):
    answer = node.client(account).get(f"collections/{BANKING}/manifest/", {"match[version]": "all", "limit": 200})
    assert answer.status == 200
    return answer.json["objects"]
