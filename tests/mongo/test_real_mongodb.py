"""What only a real MongoDB can show: plans, elections, snapshots outside of transactions. Not part of the contract suite."""

from __future__ import annotations

import contextlib
import threading

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure

from httpkit.nodes import BANKING, ManualClock, TestNode, settings_in
from mongo.filling import REQUESTS
from mongo.standin import NAMED
from nodekit import indicator
from taxii_fed.core.facts import Use
from taxii_fed.core.query import ALL_VERSIONS, ObjectQuery, Rank, VersionMatch
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
def test_a_page_looks_at_few_more_keys_than_it_gives(filled, client, store_factory, name):
    store, view, _ = filled
    database = client[f"{store_factory.prefix}_0"]
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
def test_no_request_scans_a_table(filled, client, store_factory, name):
    store, view, _ = filled
    database = client[f"{store_factory.prefix}_0"]
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


# -- elections ------------------------------------------------------------------------------------------------------------------
@pytest.mark.invariant("I2", "I5")
def test_a_primary_that_steps_down_mid_transaction_loses_nothing_and_no_client_notices(store_factory, tmp_path):
    settings, clock = settings_in(tmp_path), ManualClock()
    node = open_node(settings, clock=clock, store=MongoStore(store_factory.url, clock=clock))
    served = TestNode(settings, clock, node, create_app(node, lambda _: None))
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
        assert served.client().get(f"collections/{BANKING}/objects/", {"limit": 5}).status == 200
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
    assert sorted(found) == sorted(expected)


# -- shards ---------------------------------------------------------------------------------------------------------------------
def test_tables_are_spread_over_shards_and_work_as_before(store_factory, client):
    if client.admin.command("hello").get("msg") != "isdbgrid":
        pytest.skip("no sharded cluster")
    store = store_factory()
    name = f"{store_factory.prefix}_0"
    client.admin.command("enableSharding", name)
    for table, key in SHARD_KEYS.items():
        client.admin.command("shardCollection", f"{name}.{table}", key=key)
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        add(writer, view, *(new_version(number) for number in range(50)))
    with store.read() as reader:
        assert len(reader.page(view, ObjectQuery()).rows) == 50
