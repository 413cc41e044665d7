"""The heart of the contract, and what MongoDB alone needs, in seconds. The whole suite runs in ``tests/contract``."""

from __future__ import annotations

import subprocess
import sys
import threading

import bson
import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from mongo.standin import MongoFactory, database_of
from taxii_fed.core.errors import SchemaError, StoreError, StoreUnavailableError, TransactionLostError
from taxii_fed.core.stix.envelopes import MAX_OBJECT_BYTES
from taxii_fed.core.stix.facts import Use
from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.storage import open_store
from taxii_fed.storage.contract.builders import COLLECTION, ManualClock, add, filled, new_version, object_id
from taxii_fed.storage.contract.erasing import test_an_erased_object_leaves_only_hashes_in_the_ledger
from taxii_fed.storage.contract.leases import test_a_lease_excludes_others_until_it_runs_out
from taxii_fed.storage.contract.ledger import (
    test_a_mirror_repeats_ends_and_ranks_but_no_openings,
    test_copies_of_a_view_keep_stamps_ranks_and_ends,
)
from taxii_fed.storage.contract.stamps import (
    test_a_commit_that_outlasts_the_lead_is_counted_and_doubles_it_for_everybody,
    test_openings_are_stamped_in_list_order_a_lead_ahead_of_the_clock,
)
from taxii_fed.storage.contract.transactions import (
    test_a_block_that_raises_leaves_no_trace,
    test_a_reader_keeps_its_snapshot_while_others_write,
    test_a_store_is_opened_by_its_url,
    test_threads_that_write_at_once_all_get_their_turn,
)
from taxii_fed.storage.mongo import MongoStore
from taxii_fed.storage.mongo import turn as turns
from taxii_fed.storage.mongo.connection import as_store_error
from taxii_fed.storage.mongo.schema import INDEXES, MIGRATIONS, SHARD_KEYS
from taxii_fed.storage.mongo.tables import pack, unpack

__all__ = [
    "test_a_block_that_raises_leaves_no_trace",
    "test_a_commit_that_outlasts_the_lead_is_counted_and_doubles_it_for_everybody",
    "test_a_lease_excludes_others_until_it_runs_out",
    "test_a_mirror_repeats_ends_and_ranks_but_no_openings",
    "test_a_reader_keeps_its_snapshot_while_others_write",
    "test_a_store_is_opened_by_its_url",
    "test_an_erased_object_leaves_only_hashes_in_the_ledger",
    "test_copies_of_a_view_keep_stamps_ranks_and_ends",
    "test_openings_are_stamped_in_list_order_a_lead_ahead_of_the_clock",
    "test_threads_that_write_at_once_all_get_their_turn",
]

SECRET = "mongodb://hub:s3cret@127.0.0.1:1/x?serverSelectionTimeoutMS=50"


def open_at(url, **options):
    return MongoStore(url, clock=ManualClock(), **options)


# -- whose turn it is -----------------------------------------------------------------------------------------------------
@pytest.fixture
def short_turns(monkeypatch):
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.3)


def test_the_turn_of_a_writer_that_pauses_too_long_passes_on_and_its_transaction_is_lost(store_factory, short_turns):
    slow, fast = store_factory(), store_factory()
    view = filled(slow, new_version(1))

    def pause():
        with slow.write() as writer:
            add(writer, view, new_version(2))
            with fast.write() as other:
                add(other, view, new_version(3))

    with pytest.raises(TransactionLostError):
        pause()
    with slow.read() as reader:
        assert [row.id for row in reader.page(view, ObjectQuery()).rows] == [object_id(1), object_id(3)]


def test_a_writer_that_works_on_keeps_its_turn(store_factory, short_turns, monkeypatch):
    monkeypatch.setattr(turns, "_RENEW_SECONDS", 0.0)
    slow = store_factory()
    other = MongoStore(store_factory.url, clock=ManualClock(), busy_seconds=0.5)
    view = filled(slow)
    tried = []

    def write():
        with pytest.raises(StoreUnavailableError, match="busy"), other.write():
            tried.append("came in between")

    with slow.write() as writer:
        thread = threading.Thread(target=write)
        thread.start()
        while thread.is_alive():
            writer.doc("kind", "name")
        add(writer, view, new_version(1))
    assert tried == []
    with slow.read() as reader:
        assert reader.count_live(view) == 1
    other.close()


def a_turn(client, factory, patience=0.1):
    return turns.Turn(client[f"{factory.prefix}_0"], "the store", patience=patience)


def test_who_waits_is_next_and_who_gives_the_turn_back_does_not_get_it_before(store_factory, client, monkeypatch):
    monkeypatch.setattr(turns, "_NEXT_SECONDS", 60.0)
    store_factory()
    meta = client[f"{store_factory.prefix}_0"]["meta"]
    first, second = a_turn(client, store_factory), a_turn(client, store_factory)
    first.take("a")
    with pytest.raises(StoreUnavailableError, match="busy"):
        second.take("b")
    first.give(ended=True)
    with pytest.raises(StoreUnavailableError, match="busy"):
        first.take("a")
    second.take("b")
    turn = meta.find_one({"_id": "turn"})
    assert (turn["owner"], turn["next"]) == ("b", None)
    second.give(ended=True)
    first.take("a")
    first.give(ended=True)


def test_a_process_that_asks_no_more_is_next_no_longer(store_factory, client, monkeypatch):
    monkeypatch.setattr(turns, "_NEXT_SECONDS", 0.1)
    store_factory()
    first, gone, patient = a_turn(client, store_factory), a_turn(client, store_factory), a_turn(client, store_factory, 5.0)
    first.take("a")
    with pytest.raises(StoreUnavailableError, match="busy"):
        gone.take("b")
    first.give(ended=True)
    patient.take("c")
    patient.give(ended=True)


def test_a_writer_that_thinks_for_long_keeps_its_turn(store_factory, monkeypatch):
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.8)
    monkeypatch.setattr(turns, "_RENEW_SECONDS", 0.1)
    slow = store_factory()
    other = MongoStore(store_factory.url, clock=ManualClock(), busy_seconds=2.0)
    view = filled(slow)
    with slow.write() as writer:
        with pytest.raises(StoreUnavailableError, match="busy"), other.write():
            raise AssertionError
        add(writer, view, new_version(1))
    with other.write() as writer:
        add(writer, view, new_version(2))
    with slow.read() as reader:
        assert reader.count_live(view) == 2
    other.close()


def test_a_writer_that_hangs_loses_its_turn_all_the_same(store_factory, monkeypatch):
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.5)
    monkeypatch.setattr(turns, "_RENEW_SECONDS", 0.1)
    monkeypatch.setattr(turns, "_SILENT_SECONDS", 0.3)
    slow, fast = store_factory(), store_factory()
    view = filled(slow)

    def hang():
        with slow.write() as writer:
            with fast.write() as other:
                add(other, view, new_version(1))
            add(writer, view, new_version(2))

    with pytest.raises(TransactionLostError):
        hang()
    with slow.read() as reader:
        assert reader.count_live(view) == 1


def test_a_turn_that_could_not_be_given_back_is_free_for_its_own_process(store_factory, monkeypatch):
    store = store_factory()
    monkeypatch.setattr(turns.Turn, "give", lambda turn, *, ended: turn._lock.release())
    for _ in range(2):
        with store.write() as writer:
            writer.put_doc("kind", "name", {"a": 1})


@pytest.mark.invariant("I2")
@pytest.mark.parametrize(("seconds", "lead", "late"), [(0.4, 1000, 0), (0.6, 2000, 0), (1.1, 2000, 1)])
def test_a_lead_that_hardly_sufficed_is_doubled_before_it_does_not(store_factory, monkeypatch, seconds, lead, late):
    clock = ManualClock()
    store = store_factory(clock)
    view = filled(store)
    commit = store._commit

    def slow(session):
        clock.instant += int(seconds * 1_000_000)
        commit(session)

    monkeypatch.setattr(store, "_commit", slow)
    with store.write() as writer:
        add(writer, view, new_version(1))
    with store.read() as reader:
        assert reader.node["lead"] == lead
    assert store.commits_past_lead() == late


# -- what is kept -----------------------------------------------------------------------------------------------------------
def test_documents_keep_any_key_and_any_number():
    for doc in ({"$where": {"a.b": 2**63}, "": None}, {"long": ["x" * 50] * 5000}):
        assert unpack(pack(doc)) == doc
    assert len(pack({"long": ["x" * 50] * 5000})) < 10_000


def test_what_no_document_can_hold_is_refused_before_it_is_sent(monkeypatch):
    monkeypatch.setattr("taxii_fed.storage.mongo.tables._MOST_PACKED", 1000)
    with pytest.raises(StoreError, match="larger than MongoDB stores"):
        pack({"a": "x" * 2000})


def test_an_object_that_names_very_many_others_is_stored(store_factory):
    store = store_factory()
    edges = [(object_id(number, "malware"), Use.REFERENCE) for number in range(20_000)]
    filled(store, new_version(1, edges=edges, body=b"x" * 8_000_000))
    with store.read() as reader:
        assert reader.users(COLLECTION, [edges[-1][0]], [Use.REFERENCE]) == {edges[-1][0]: [object_id(1)]}


def test_the_largest_object_that_is_taken_fits_into_documents_whatever_it_names(store_factory, monkeypatch):
    """A reference takes at least 43 bytes of an object: a type of one letter, a UUID, quotes and a comma."""
    kept = []
    edges = [(f"a--00000000-0000-4000-8000-{number:012d}", Use.REFERENCE) for number in range(MAX_OBJECT_BYTES // 43)]
    with store_factory().write() as writer:
        monkeypatch.setattr(writer._tables, "insert", lambda _, rows: kept.extend(rows))
        writer.add_versions([new_version(1, edges=edges, body=b"x" * MAX_OBJECT_BYTES)])
    assert len(kept) == 2
    assert all(len(bson.encode(row)) < 14_000_000 for row in kept)


# -- the schema -------------------------------------------------------------------------------------------------------------
def test_a_database_of_another_program_is_not_touched(store_factory, client):
    name = f"{store_factory.prefix}_0"
    client[name]["theirs"].insert_one({"a": 1})
    with pytest.raises(SchemaError, match="another program"):
        store_factory()
    assert client[name].list_collection_names() == ["theirs"]


def test_a_newer_schema_is_refused(store_factory, client):
    store_factory()
    client[f"{store_factory.prefix}_0"]["meta"].update_one({"_id": "schema"}, {"$set": {"version": len(MIGRATIONS) + 1}})
    with pytest.raises(SchemaError, match="newer taxii-fed"):
        store_factory()


def test_a_store_that_is_not_there_is_made_only_where_that_was_asked(store_factory):
    with pytest.raises(StoreError, match="does not exist"):
        open_at(store_factory.url, create=False)
    store_factory()
    open_at(store_factory.url, create=False).close()


def test_stores_that_are_opened_at_once_make_one_schema(store_factory, client):
    threads = [threading.Thread(target=store_factory) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store_factory.opened) == 4
    found = client[f"{store_factory.prefix}_0"]
    assert set(found.list_collection_names()) == set(INDEXES)
    assert set(found["entry"].index_information()) == {"_id_", *(index.document["name"] for index in INDEXES["entry"])}


def test_every_shard_key_has_an_index():
    for table, key in SHARD_KEYS.items():
        columns = [list(index.document["key"]) for index in INDEXES[table]]
        assert list(key) == ["_id"] or any(index[: len(key)] == list(key) for index in columns), table


def test_a_unique_index_begins_with_the_shard_key_of_its_table():
    for table, indexes in INDEXES.items():
        for index in indexes:
            if index.document["unique"]:
                assert list(index.document["key"])[: len(SHARD_KEYS[table])] == list(SHARD_KEYS[table])


# -- errors, and what they must not tell --------------------------------------------------------------------------------------
def test_a_server_that_is_not_there_is_unavailable_and_the_password_is_not_told():
    with pytest.raises(StoreUnavailableError) as caught:
        open_at(SECRET)
    assert "mongodb://127.0.0.1:1/x can't be reached" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://hub:s3cret@127.0.0.1:1",
        "mongodb://hub:s3cret@127.0.0.1:port/x",
        "mongodb://hub:s3cret@/x",
        "mongodb://hub:s3c/ret@h/x",
    ],
)
def test_a_url_that_can_not_be_used_is_an_error_without_the_password(url):
    with pytest.raises(StoreError) as caught:
        open_store(url, base_dir=None, clock=ManualClock())
    assert "s3c" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OperationFailure("Authentication failed.", 18), StoreError, "name or the password"),
        (OperationFailure("not authorized", 13), StoreError, "readWrite"),
        (OperationFailure("disk", 14031), StoreUnavailableError, "disk"),
        (OperationFailure("WriteConflict", 112), TransactionLostError, "WriteConflict"),
        (AutoReconnect("gone"), TransactionLostError, "can't be reached"),
        (OperationFailure("BadValue", 2), StoreError, "BadValue"),
        (OperationFailure("not in a transaction", 263), StoreError, "not in a transaction"),
        (OperationFailure("object to insert too large", 10334), StoreError, "send less at a time"),
        (OperationFailure("too large for the cache", 388), StoreError, "wiredTigerCacheSizeGB"),
        (OperationFailure("operation was interrupted", 11601), TransactionLostError, "interrupted"),
        (BulkWriteError({"writeErrors": [{"code": 112, "errmsg": "WriteConflict"}]}), TransactionLostError, "WriteConflict"),
        (BulkWriteError({"writeErrors": [{"code": 2, "errmsg": "what is wrong"}]}), StoreError, "what is wrong"),
    ],
)
def test_errors_say_what_happened_and_whether_to_try_again(error, kind, words):
    told = as_store_error(error, "mongodb://h/x")
    assert type(told) is kind
    assert words in str(told)


def test_the_driver_is_loaded_only_for_a_mongodb_url():
    script = (
        "import sys, taxii_fed.wiring, taxii_fed.cli.main\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] in {'pymongo', 'bson'}]"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_missing_driver_is_named(monkeypatch):
    for name in [each for each in sys.modules if each.startswith("taxii_fed.storage.mongo")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pymongo", None)
    with pytest.raises(StoreError, match=r"pip install 'taxii-fed\[mongodb\]'"):
        open_store("mongodb://h/x", base_dir=None, clock=ManualClock())


def test_factories_keep_their_databases_apart(server):
    assert database_of(server, "a") != database_of(server, "b")
    assert MongoFactory(server).url != MongoFactory(server).url
