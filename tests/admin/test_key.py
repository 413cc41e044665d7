"""A store remembers the key that it was made with, so that no other one is taken for it."""

from __future__ import annotations

import secrets
import sqlite3

import pytest

from nodekit import indicator, stix_id
from taxii_fed.core.keys import Keys

OTHER = "this is not the key that this store was made with: restore node.key from the backup"


def swap_key(admin):
    (admin.folder / "node.key").write_text(secrets.token_hex(32))


def kept(admin):
    with sqlite3.connect(admin.folder / "hub.db") as db:
        return db.execute("SELECT doc FROM doc WHERE kind = 'node' AND name = 'key'").fetchall()


@pytest.mark.parametrize(
    "words",
    [
        ("sync", "--once"),
        ("apply",),
        ("apply", "--resume"),
        ("import", "-", "--into", "banking"),
        ("peer", "list"),
        ("explain", stix_id("indicator", 1), "--to", "harbour-bank"),
        ("erase", stix_id("indicator", 1), "--yes"),
        ("rebuild",),
        ("status",),
    ],
    ids=" ".join,
)
def test_a_store_is_not_worked_on_with_another_key_than_its_own(stocked, words):
    swap_key(stocked)
    result = stocked.try_(*words, stdin=b'{"objects": []}')
    assert (result.exit_code, OTHER in result.stderr) == (1, True)
    assert result.stdout == ""


@pytest.mark.parametrize("word", ["serve", "sync", "run"])
def test_a_node_does_not_start_with_another_key_than_its_own(stocked, word):
    swap_key(stocked)
    done = stocked.alone(word)
    assert (done.returncode, OTHER in done.stderr) == (1, True)


def test_the_node_is_itself_again_once_its_key_is_back(stocked):
    key = (stocked.folder / "node.key").read_text()
    seen = stocked.json("view", "harbour-bank")
    swap_key(stocked)
    assert stocked.try_("apply").exit_code == 1
    (stocked.folder / "node.key").write_text(key)
    assert stocked.json("view", "harbour-bank") == seen


def test_who_has_lost_the_key_can_still_take_the_objects_out(stocked, tmp_path):
    swap_key(stocked)
    stocked.run("backup", str(tmp_path / "saved.db"))
    assert stix_id("indicator", 3) in stocked.run("export", "banking")


def test_a_backup_is_not_put_in_place_for_another_key(stocked, tmp_path):
    saved = tmp_path / "saved.db"
    key = (stocked.folder / "node.key").read_text()
    stocked.run("backup", str(saved))
    for path in stocked.folder.glob("hub.db*"):
        path.unlink()
    swap_key(stocked)
    result = stocked.try_("restore", str(saved))
    assert (result.exit_code, OTHER in result.stderr) == (1, True)
    assert not list(stocked.folder.glob("hub.db*"))
    (stocked.folder / "node.key").write_text(key)
    assert "restored from" in stocked.run("restore", str(saved))


def test_a_store_that_remembers_no_key_does_from_the_next_start_on(stocked):
    (noted,) = kept(stocked)
    with sqlite3.connect(stocked.folder / "hub.db") as db:
        db.execute("DELETE FROM doc WHERE kind = 'node' AND name = 'key'")
    stocked.run("status")
    assert kept(stocked) == []
    stocked.run("apply")
    assert kept(stocked) == [noted]


def test_what_is_remembered_says_nothing_of_the_key(stocked):
    secret = bytes.fromhex((stocked.folder / "node.key").read_text())
    keys = Keys(secret)
    ((doc,),) = kept(stocked)
    assert keys.fingerprint in doc.decode()
    assert keys.fingerprint not in {secret.hex(), keys.cursor_key.hex()}
    assert Keys(secret).fingerprint == keys.fingerprint != Keys(secret[::-1]).fingerprint


@pytest.mark.parametrize("text", ["", "abc"], ids=["empty", "short"])
def test_a_key_file_that_lost_its_key_is_not_to_be_filled_with_a_new_one(stocked, text):
    (stocked.folder / "node.key").write_text(text)
    result = stocked.try_("apply")
    assert result.exit_code == 78
    told = " ".join(result.stderr.split())
    assert "the node's key is not usable" in told
    assert "of a node that has a store those in its backup" in told


def test_objects_go_on_coming_in_with_the_key_of_the_store(stocked):
    stocked.publish(indicator(9))
    assert stix_id("indicator", 9) in stocked.seen("harbour-bank")
