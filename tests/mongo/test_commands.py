"""What goes over the wire while a node does something of everything: each command fits the indexes and the shard keys, whatever the server.

Whether a server uses them so is shown on a real one (``test_real_mongodb.py``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo import monitoring

from httpkit.nodes import BANKING, ManualClock, TestNode, settings_in
from mongo.filling import REQUESTS, answers, fill
from mongo.standin import MongoFactory
from nodekit import indicator, stix_id
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery, VersionMatch
from taxii_fed.ports import DoorEvent, Read
from taxii_fed.storage.contract.builders import object_id
from taxii_fed.storage.mongo.schema import INDEXES, META, SHARD_KEYS
from taxii_fed.web.app import create_app
from taxii_fed.wiring import open_node

WHOLE = {META, "in_force", "view", "status", "quarantine", "lease"}
"""Tables that are small, or that a person's command goes through as a whole."""


@dataclass(frozen=True)
class Looked:
    """A look into a table: by a read, or by a write for what it changes. ``one`` for a write that may change a single document."""

    command: str
    table: str
    where: dict[str, Any]
    sort: tuple[str, ...] = ()
    hint: str = ""
    one: bool = False
    upsert: bool = False
    how: Any = None


class Wire(monitoring.CommandListener):
    """Remembers every look and every document that was stored."""

    def __init__(self):
        self.looks = []
        self.stored = []
        self.names = Counter()

    def started(self, event):
        command, name = event.command, event.command_name
        self.names[name] += 1
        if name == "find":
            sort, hint = tuple(command.get("sort", {})), command.get("hint", "")
            self.looks.append(Looked(name, command["find"], command["filter"], sort, hint))
        elif name == "aggregate":
            first = command["pipeline"][0]
            self.looks.append(Looked(name, command["aggregate"], first.get("$match", {})))
        elif name == "insert":
            self.stored += [(command["insert"], document) for document in command["documents"]]
        elif name == "update":
            for each in command["updates"]:
                one, upsert = not each.get("multi", False), each.get("upsert", False)
                self.looks.append(Looked(name, command["update"], each["q"], one=one, upsert=upsert, how=each["u"]))
        elif name == "delete":
            self.looks += [Looked(name, command["delete"], each["q"], one=each["limit"] == 1) for each in command["deletes"]]
        elif name == "findAndModify":
            upsert = command.get("upsert", False)
            self.looks.append(
                Looked(name, command["findAndModify"], command["query"], one=True, upsert=upsert, how=command["update"])
            )

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


QUERIES = [
    ObjectQuery(),
    ObjectQuery(versions=ALL_VERSIONS),
    ObjectQuery(versions=VersionMatch(last=False, first=True)),
    ObjectQuery(types=("malware", "tool")),
    ObjectQuery(types=("malware",), versions=ALL_VERSIONS),
    ObjectQuery(spec_versions=("2.1",)),
    ObjectQuery(ids=(stix_id("indicator", 1),)),
    ObjectQuery(versions=VersionMatch(last=False, instants=frozenset({5, 6}))),
    ObjectQuery(versions=VersionMatch(last=False, instants=frozenset({5, 6})), types=("tool",)),
]


@pytest.fixture(scope="module")
def wire(server, tmp_path_factory):
    """What was said while a node was filled, read, verified, emptied."""
    heard = Wire()
    factory, folder = MongoFactory(server), tmp_path_factory.mktemp("node")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pymongo.monitoring._LISTENERS", monitoring._LISTENERS._replace(command_listeners=[heard]))
        settings, clock = settings_in(folder), ManualClock()
        opened = open_node(settings, clock=clock, store=factory(clock))
        node = TestNode(settings, clock, opened, create_app(opened, lambda _: None))
        fill(node)
        answers(node)
        node.client("soar").add(BANKING, *(indicator(number, version=4) for number in range(3)))
        assert opened.planner.verify() == []
        with opened.store.read() as reader:
            view = next(iter(opened.store.iterate_views())).id
            for ask in REQUESTS.values():
                ask(reader, view, stix_id("indicator", 1), object_id(2))
            for query in QUERIES:
                reader.page(view, query)
        opened.store.prune(1)
        with opened.store.moving() as moving:
            for table in ("body", "entry", "door"):
                assert list(moving.take(table, 1))
            moving.clear()
        opened.close()
    factory.close()
    return heard


def bound(condition):
    """Whether a condition pins a column to one value, or to some."""
    return not isinstance(condition, dict) or "$in" in condition or "$eq" in condition


def test_much_was_said(wire):
    assert {each.command for each in wire.looks} == {"find", "aggregate", "update", "delete", "findAndModify"}
    assert {each.table for each in wire.looks} == set(INDEXES)
    assert len(wire.looks) > 500


def test_every_look_into_a_table_that_grows_has_an_index(wire):
    columns = {table: [["_id"], *(list(index.document["key"]) for index in indexes)] for table, indexes in INDEXES.items()}
    for each in wire.looks:
        emptied = each.command == "find" and not each.where and not each.sort  # `Moving.clear`, a few at a time
        walked = each.command == "find" and not each.where and list(each.sort) in (["_id"], ["view", "date_added"])
        assert (
            emptied
            or walked
            or each.table in WHOLE
            or any(index[0] in each.where for index in columns[each.table])
            or any(index[0] in part for part in each.where.get("$or", ()) for index in columns[each.table])
        ), each


def test_an_index_that_is_named_serves_its_look_and_holds_what_is_looked_for(wire):
    named = [each for each in wire.looks if each.hint]
    assert {each.hint for each in named} >= {"ledger", "listed", "by_standing", "by_type", "by_version", "by_object", "by_edge"}
    for each in named:
        (index,) = (index.document for index in INDEXES[each.table] if index.document["name"] == each.hint)
        assert next(iter(index["key"])) in each.where, each
        for column, condition in index.get("partialFilterExpression", {}).items():
            wanted = each.where[column]
            if condition == {"$exists": True}:
                assert None not in wanted["$in"], each
            elif isinstance(condition, dict):
                assert condition.items() <= wanted.items(), each
            else:
                assert wanted == condition, each


def test_a_page_comes_in_the_order_of_its_index(wire):
    pages = [each for each in wire.looks if each.hint and each.sort and each.hint != "by_object"]
    assert pages
    for each in pages:
        (index,) = (index.document for index in INDEXES[each.table] if index.document["name"] == each.hint)
        rest = list(index["key"])
        while rest and rest[0] not in each.sort and bound(each.where.get(rest[0], {"$gt": 0})):
            rest.pop(0)
        assert tuple(rest[: len(each.sort)]) == each.sort, each


def test_a_write_that_may_change_one_document_names_its_shard(wire):
    spread = [each for each in wire.looks if each.table in SHARD_KEYS and each.one]
    assert {each.table for each in spread} >= {"entry", "body", "offer", "home", "given", "refused"}
    for each in spread:
        keyed = all(column in each.where and not isinstance(each.where[column], dict) for column in SHARD_KEYS[each.table])
        assert keyed or ("_id" in each.where and not each.upsert), each


def test_nothing_changes_a_shard_key(wire):
    for each in wire.looks:
        if each.how is None or each.table not in SHARD_KEYS:
            continue
        if any(name.startswith("$") for name in each.how):
            changed = {column for change in each.how.values() for column in change}
            assert not changed & set(SHARD_KEYS[each.table]), each
        else:
            document = {"_id": each.where.get("_id"), **each.how}
            assert all(document[column] == each.where[column] for column in SHARD_KEYS[each.table]), each


def test_every_document_says_to_which_shard_it_belongs(wire):
    spread = [(table, document) for table, document in wire.stored if table in SHARD_KEYS]
    assert {table for table, _ in spread} >= {"entry", "body", "version", "door", "fetched"}
    for table, document in spread:
        assert SHARD_KEYS[table].keys() <= document.keys(), (table, document)


# -- how much is said -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def counted(store_factory, monkeypatch):
    """A store, and what was said to it so far."""
    heard = Wire()
    monkeypatch.setattr("pymongo.monitoring._LISTENERS", monitoring._LISTENERS._replace(command_listeners=[heard]))
    return store_factory(), heard


def commands_of(heard, work):
    heard.names.clear()
    work()
    return heard.names.total()


def test_what_holds_the_turn_takes_no_more_commands_for_more_of_a_kind(counted):
    store, heard = counted

    def reads(count):
        return lambda: store.note_reads(
            [Read(1, "bank", "siem", 10 * each, 10 * each + 5, each, "::1") for each in range(count)]
        )

    def events(count):
        def note():
            with store.write() as writer:
                writer.note_door(
                    DoorEvent(at=1, collection="c", object_id=object_id(each), version_text="t", giver="peer:x:y", reason="new")
                    for each in range(count)
                )

        return note

    for work in (reads, events):
        first = commands_of(heard, work(3))
        assert commands_of(heard, work(300)) == first + (work is reads)  # what is stored is taken out before it is joined
