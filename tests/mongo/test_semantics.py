"""What a MongoDB says or does now and then, brought about on purpose: nothing of it may lose a commit, make two of it, or hold up others."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from pymongo import monitoring
from pymongo.errors import DocumentTooLarge, OperationFailure, WriteConcernError

from mongo.proxy import BEFORE, Proxy
from mongo.standin import database_of
from taxii_fed.core.errors import RefusedError, StoreError, TransactionLostError
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery
from taxii_fed.storage.contract.builders import ManualClock, filled, new_version, object_id
from taxii_fed.storage.mongo import MongoStore
from taxii_fed.storage.mongo import moving as moves
from taxii_fed.storage.mongo import store as stores
from taxii_fed.storage.mongo.connection import outcome_unknown, require_transactions
from taxii_fed.storage.mongo.primary import Primary


@pytest.fixture
def failing(client):
    """Return a block in which some commands meet a fault; skip where the server takes no test commands."""

    @contextmanager
    def fault(*commands, times=1, **data):
        try:
            client.admin.command(
                "configureFailPoint", "failCommand", mode={"times": times}, data={"failCommands": list(commands), **data}
            )
        except OperationFailure:
            pytest.skip("the server takes no test commands")
        try:
            yield
        finally:
            client.admin.command("configureFailPoint", "failCommand", mode="off")

    return fault


def put(store, name="name"):
    with store.write() as writer:
        writer.put_doc("kind", name, {"a": 1})


def docs(store):
    with store.read() as reader:
        return set(reader.docs("kind"))


# -- commits ------------------------------------------------------------------------------------------------------------------
@pytest.mark.invariant("I5")
@pytest.mark.parametrize(
    "fault",
    [
        {"writeConcernError": {"code": 11601, "errmsg": "operation was interrupted"}},
        {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out", "errInfo": {"wtimeout": True}}},
        {"errorCode": 11601},
        {"errorCode": 50},
    ],
    ids=["killed while it waits", "no majority in time", "killed", "out of time"],
)
def test_a_commit_whose_outcome_is_not_known_is_asked_for_again(store_factory, failing, fault):
    store = store_factory()
    with failing("commitTransaction", times=2, **fault):
        put(store)
    assert docs(store) == {"name"}


def test_a_commit_that_the_server_refused_is_not_asked_for_again():
    assert outcome_unknown(WriteConcernError("interrupted", 11601))
    assert not outcome_unknown(OperationFailure("NoSuchTransaction", 251))
    assert not outcome_unknown(OperationFailure("WriteConflict", 112))


@pytest.mark.parametrize("code", [11601, 24, 239, 251, 365])
def test_a_command_that_was_interrupted_loses_the_transaction_and_no_more(store_factory, failing, code):
    store = store_factory()
    with failing("bulkWrite", "insert", "update", errorCode=code), pytest.raises(TransactionLostError):
        put(store)
    assert docs(store) == set()
    put(store)
    assert docs(store) == {"name"}


def test_a_transaction_that_got_too_old_is_not_run_again(store_factory, failing, monkeypatch):
    store = store_factory()
    monkeypatch.setattr(stores, "_LIFE_SECONDS", -1.0)
    with failing("update", errorCode=251), pytest.raises(StoreError, match="transactionLifetimeLimitSeconds") as caught:
        put(store)
    assert not isinstance(caught.value, TransactionLostError)


def test_a_document_that_is_too_large_is_an_error_of_the_store(store_factory):
    store = store_factory()
    with pytest.raises(StoreError, match="more than a document of MongoDB holds") as caught, store.write() as writer:
        writer._tables.insert("doc", [{"_id": "x", "doc": b"x" * 17_000_000}])
    assert isinstance(caught.value.__cause__, (DocumentTooLarge, OperationFailure))
    assert docs(store) == set()


# -- transactions that nobody ends ----------------------------------------------------------------------------------------------
@pytest.mark.invariant("I5")
def test_a_transaction_whose_end_got_lost_holds_up_nobody(server, store_factory):
    proxy = Proxy(server)
    behind = MongoStore(database_of(proxy.url, f"{store_factory.prefix}_0"), clock=ManualClock())
    other = MongoStore(store_factory.url, clock=ManualClock(), busy_seconds=3.0)
    proxy.arm(lambda _, name: BEFORE if name in {"abortTransaction", "commitTransaction"} else "")

    def refuse():
        with behind.write() as writer:
            writer.put_doc("kind", "undone", {"a": 1})
            raise RefusedError("no")

    with pytest.raises(RefusedError):
        refuse()
    assert "abortTransaction" in proxy.disarm()
    put(other)
    assert docs(other) == {"name"}
    behind.close()
    other.close()
    proxy.close()


@pytest.mark.invariant("I5")
def test_a_command_that_arrives_when_its_sender_has_given_up_holds_up_nobody(store_factory, client, monkeypatch):
    store = store_factory()
    other = MongoStore(store_factory.url, clock=ManualClock(), busy_seconds=3.0)
    meta = client[f"{store_factory.prefix}_0"]["meta"]
    take = other._turn.take
    with client.start_session() as late:

        def taken(owner):
            take(owner)
            late.start_transaction()
            meta.update_one({"_id": "node"}, {"$inc": {"turns": 1}}, session=late)

        monkeypatch.setattr(other._turn, "take", taken)
        meta.update_one({"_id": "turn"}, {"$set": {"owner": late.session_id["id"], "until": 0}})
        put(other)
    assert docs(store) == {"name"}
    other.close()


# -- who is asked -----------------------------------------------------------------------------------------------------------
def looks(client, factory):
    return client[f"{factory.prefix}_0"]["meta"].find_one({"_id": "probe"})["looks"]


@pytest.mark.invariant("I2")
def test_a_new_primary_is_written_to_before_it_is_read(store_factory, client, monkeypatch):
    store = store_factory()
    docs(store)
    before = looks(client, store_factory)
    docs(store)
    assert looks(client, store_factory) == before
    monkeypatch.setattr(Primary, "present", lambda _: ("elsewhere", "a new term"))
    for _ in range(2):
        docs(store)
        assert looks(client, store_factory) == before + 1


@pytest.mark.invariant("I2")
def test_a_snapshot_that_a_new_primary_may_have_given_is_taken_again(store_factory, client, monkeypatch):
    store = store_factory()
    put(store, "first")
    before = looks(client, store_factory)
    seen = iter("aaabbbbb")
    monkeypatch.setattr(Primary, "present", lambda _: next(seen))
    assert docs(store) == {"first"}
    assert list(seen) == []
    assert looks(client, store_factory) == before + 2


def test_behind_a_router_nobody_is_asked_who_was_elected(store_factory, client, monkeypatch):
    store = store_factory()
    before = looks(client, store_factory)
    monkeypatch.setattr(Primary, "present", lambda _: "Sharded")
    docs(store)
    assert looks(client, store_factory) == before


class Greeting:
    """A client of a server that says hello like this."""

    def __init__(self, **hello):
        self.admin = self
        self.hello = hello

    def command(self, name):
        assert name == "hello"
        return {"isWritablePrimary": True, "maxWireVersion": 21, **self.hello}


def test_a_server_without_transactions_is_refused_in_words():
    with pytest.raises(StoreError, match="replica set"):
        require_transactions(Greeting(), "mongodb://h/x")
    require_transactions(Greeting(setName="rs0"), "mongodb://h/x")
    require_transactions(Greeting(msg="isdbgrid"), "mongodb://h/x")


# -- what grows -----------------------------------------------------------------------------------------------------------------
class Hints(monitoring.CommandListener):
    def __init__(self):
        self.seen = []

    def started(self, event):
        if event.command_name == "find" and event.command["find"] == "entry":
            self.seen.append(event.command.get("hint"))

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


def test_a_filter_on_very_many_types_gives_the_same_page_in_the_order_of_an_index(store_factory, monkeypatch):
    hints = Hints()
    monkeypatch.setattr("pymongo.monitoring._LISTENERS", monitoring._LISTENERS._replace(command_listeners=[hints]))
    store = store_factory()
    kinds = ("indicator", "malware", "tool")
    view = filled(store, *(new_version(object_id(number, kinds[number % 3])) for number in range(9)))
    unheard = tuple(f"x-{number}" for number in range(40))
    with store.read() as reader:
        few = reader.page(view, ObjectQuery(types=("malware", "tool"), versions=ALL_VERSIONS))
        many = reader.page(view, ObjectQuery(types=("malware", "tool", *unheard), versions=ALL_VERSIONS))
    assert many == few
    assert len(few.rows) == 6
    assert hints.seen[-2:] == ["by_type", "by_standing"]


def test_a_target_is_emptied_piece_by_piece(store_factory, monkeypatch):
    monkeypatch.setattr(moves, "_AT_ONCE", 2)
    store = store_factory()
    filled(store, *(new_version(number) for number in range(5)))
    with store.moving() as moving:
        moving.clear()
        assert moving.is_empty()
        assert list(moving.take("body", 0)) == list(moving.take("entry", 0)) == []
