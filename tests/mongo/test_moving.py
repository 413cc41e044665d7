"""A store moved to another kind of store and back: nothing that anybody can see tells one from the other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest
from pydantic import SecretBytes

from httpkit.nodes import BANKING, ManualClock, TestNode, node_in, settings_in, write_config
from mongo.filling import answers, everything, fill
from nodekit import indicator, stix_id
from taxii_fed.core.errors import RefusedError, StoreError
from taxii_fed.services.migrate import migrate
from taxii_fed.storage.contract.builders import COLLECTION, quarantined
from taxii_fed.storage.contract.builders import ManualClock as StoreClock
from taxii_fed.storage.sqlite import SqliteStore
from taxii_fed.web.app import create_app
from taxii_fed.wiring import open_node


class BrokenError(Exception):
    pass


def over(store, folder):
    settings, clock = settings_in(folder), ManualClock()
    node = open_node(settings, clock=clock, store=store)
    return TestNode(settings, clock, node, create_app(node, lambda _: None))


@pytest.fixture
def filled(tmp_path):
    (tmp_path / "from").mkdir()
    node = node_in(tmp_path / "from")
    fill(node)
    yield node
    node.node.close()


@pytest.mark.invariant("I2", "I7", "I8")
def test_a_store_is_moved_to_mongodb_and_back_and_nobody_notices(filled, store_factory, tmp_path):
    source = filled.node.store
    before, told = everything(source), answers(filled)
    there = store_factory(StoreClock())
    counts = migrate(source, there)
    assert everything(there) == before
    assert counts["entry"] == len(before["entry"])
    moved = over(there, tmp_path)
    assert answers(moved) == told
    assert moved.node.planner.verify() == []
    back = SqliteStore(tmp_path / "back.db", clock=StoreClock())
    migrate(there, back)
    assert everything(back) == before
    again = over(back, tmp_path)
    assert answers(again) == told
    again.node.close()


@pytest.mark.invariant("I2")
def test_a_moved_store_goes_on_where_the_old_one_stood(filled, store_factory, tmp_path):
    there = store_factory(StoreClock())
    migrate(filled.node.store, there)
    with there.read() as reader:
        heads = {view.id: view.head for view in there.iterate_views()}
        keys = [
            known.key
            for rows in reader.known([stix_id("indicator", number) for number in range(40)]).values()
            for known in rows
        ]
    moved = over(there, tmp_path)
    assert moved.client("soar").add(BANKING, indicator(500)).json["failure_count"] == 0
    with there.read() as reader:
        (known,) = reader.known([stix_id("indicator", 500)])[stix_id("indicator", 500)]
        assert known.key > max(keys)
        assert all(view.head > heads[view.id] for view in there.iterate_views() if view.head != heads[view.id])
        assert any(view.head > heads[view.id] for view in there.iterate_views())
    with there.write() as writer:
        assert writer.quarantine_add(quarantined(3)) == 3
        assert writer.create_view(COLLECTION) not in heads
    taken = there.lease("pull", "b", 10, 10**9)
    assert taken is not None
    assert taken.fence == 2


def test_a_moved_store_knows_its_key(filled, store_factory, tmp_path):
    there = store_factory(StoreClock())
    migrate(filled.node.store, there)
    settings = settings_in(tmp_path)
    other = settings.node.model_copy(update={"secret": SecretBytes(bytes(range(32)))})
    settings = settings.model_copy(update={"node": other})
    with pytest.raises(StoreError, match="not the key that this store was made with"):
        open_node(settings, clock=ManualClock(), store=there)


@pytest.mark.parametrize("table", ["body", "entry", "doc"])
def test_a_move_that_breaks_off_goes_on_from_there_and_is_not_served_meanwhile(filled, store_factory, tmp_path, table):
    source, there = filled.node.store, store_factory(StoreClock())

    def break_off(name, _count):
        if name == table:
            raise BrokenError

    with pytest.raises(BrokenError):
        migrate(source, there, break_off)
    with pytest.raises(StoreError, match="broken off"):
        over(there, tmp_path)
    seen = Counter()
    counts = migrate(source, there, lambda name, count: seen.update([name]))
    assert "home" not in seen or table == "body"
    assert counts == {name: len(rows) for name, rows in everything(source).items()}
    assert everything(there) == everything(source)


def test_a_move_begins_anew_where_the_source_has_changed(filled, store_factory):
    source, there = filled.node.store, store_factory(StoreClock())

    def break_off(name, _count):
        if name == "door":
            raise BrokenError

    with pytest.raises(BrokenError):
        migrate(source, there, break_off)
    assert filled.client("soar").delete(f"collections/{BANKING}/objects/{stix_id('indicator', 0)}/").status == 200
    migrate(source, there)
    assert everything(there) == everything(source)


def test_a_store_that_holds_a_node_is_not_overwritten(filled, store_factory, tmp_path):
    there = store_factory(StoreClock())
    over(there, tmp_path)
    before = everything(there)
    with pytest.raises(RefusedError, match="holds a node already"):
        migrate(filled.node.store, there)
    assert everything(there) == before


def test_the_command_moves_the_store_of_a_configuration(store_factory, tmp_path):
    config = write_config(tmp_path, lambda text: text)
    node = node_in(tmp_path)
    fill(node)
    node.node.close()
    (tmp_path / "url").write_text(store_factory.url + "\n")
    command = [sys.executable, "-m", "taxii_fed", "--config", str(config), "migrate", f"@{tmp_path / 'url'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "in all" in done.stdout
    there = store_factory(StoreClock())
    source = SqliteStore(tmp_path / "taxii-fed.db", clock=StoreClock())
    assert json.dumps(everything(there)) == json.dumps(everything(source))
    source.close()
