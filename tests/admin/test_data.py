"""Files in and out: every form, any size, broken ones too; backups; the proof that views are what they should be (I3, I4, I7)."""

from __future__ import annotations

import gzip
import json
import sqlite3
import stat
import subprocess
import sys

import pytest

from nodekit import indicator, malware, stix_id
from taxii_fed.core.errors import RefusedError
from taxii_fed.core.stix.levels import Level
from taxii_fed.services.rules.govern import Governor
from taxii_fed.storage.sqlite import SqliteStore
from taxii_fed.wiring import SystemClock

GREEN, AMBER, RED = (stix_id("indicator", number) for number in (1, 2, 3))
ODD = (
    b'{ "type":"malware", "spec_version":"2.1",\n  "id":"malware--0a1f6f0e-6d0e-4c0e-8c57-0d9d3c0e6b22","created":"2026-02-10T08:00:00.000Z",'
    b'"modified":"2026-02-10T08:00:00.000Z","is_family":false,"name":"caf\\u00e9","x_n":1.10e2}'
)
"""An object in a spelling that no writer of JSON would give it."""


def written(admin, name, content):
    path = admin.folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(path)


# -- import -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        lambda objects: {"type": "bundle", "id": "bundle--1", "objects": objects},
        lambda objects: {"more": False, "objects": objects},
        lambda objects: objects,
        lambda objects: b"\n".join(json.dumps(each).encode() for each in objects),
        lambda objects: gzip.compress(json.dumps({"objects": objects}).encode()),
        lambda objects: gzip.compress(json.dumps(objects[0]).encode()) + gzip.compress(json.dumps(objects[1]).encode()),
    ],
    ids=["bundle", "envelope", "list", "lines", "gzip", "two gzip files in one"],
)
@pytest.mark.invariant("I4")
def test_a_file_of_any_form_is_taken_in_and_changes_nothing_the_second_time(admin, form):
    path = written(admin, "file", form([indicator(1), indicator(2)]))
    assert admin.run("import", path, "--into", "banking") == "2 objects into banking as staff: 2 new, 0 known already\n"
    assert admin.run("import", path, "--into", "bank-feed") == "2 objects into banking as staff: 0 new, 2 known already\n"
    assert admin.seen("harbour-bank") == {GREEN, AMBER}


def test_a_file_comes_from_standard_input(admin):
    told = admin.run("import", "-", "--into", "banking", stdin=json.dumps([indicator(1)]).encode())
    assert told.startswith("1 object into banking as staff: 1 new")


def test_objects_are_published_as_the_party_that_is_named(admin):
    path = written(admin, "file", [indicator(1)])
    admin.run("import", path, "--into", "banking", "--as", "harbour-bank")
    with sqlite3.connect(admin.folder / "hub.db") as db:
        homes = db.execute("SELECT w.text FROM object AS o JOIN word AS w ON w.number = o.home").fetchall()
    assert homes == [("local:harbour-bank",)]


def test_what_is_not_taken_is_told_with_its_index_and_why(stocked):
    bad = [indicator(10), {"type": "indicator"}, indicator(2, level=Level.GREEN), 7, indicator(11)]
    path = written(stocked, "file", b"\n".join(json.dumps(each).encode() for each in bad if each != 7))
    result = stocked.try_("import", path, "--into", "banking")
    assert result.exit_code == 1
    assert result.stdout == "4 objects into banking as staff: 2 new, 0 known already, 2 not taken\n"
    assert "objects[1]" in result.stderr
    assert f"objects[2] {AMBER} 2026-02-10T08:00:00.000Z: quarantined: the same id and version stands here" in result.stderr
    found = json.loads(stocked.try_("import", path, "--into", "banking", "--json").stdout)
    assert [(each["index"], each["outcome"]) for each in found["not_taken"]] == [(1, "invalid"), (2, "version-conflict")]
    assert found["counts"] == {"invalid": 1, "loop-duplicate": 2, "version-conflict": 1}


def test_a_broken_object_fails_alone(admin):
    lines = [json.dumps(indicator(1)).encode(), b'{"type": "indicator", "id": nonsense}', json.dumps(indicator(2)).encode()]
    result = admin.try_("import", written(admin, "file", b"\n".join(lines)), "--into", "banking")
    assert (result.exit_code, "objects[1]" in result.stderr, "no JSON text" in result.stderr) == (1, True, True)
    assert admin.seen("harbour-bank") == {GREEN, AMBER}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"hello", "byte 0: no JSON object or list begins here"),
        (b'{"objects": [{"type": "x"}, 7]}', "byte 28: no object begins here"),
        (gzip.compress(b"[]" * 1000)[:30], "the gzip file ends too early"),
        (gzip.compress(b"[]" * 1000)[:-8] + bytes(8), "the gzip file is damaged"),
    ],
    ids=["text", "a number among objects", "gzip cut off", "gzip with a wrong sum"],
)
def test_a_file_that_is_none_of_the_forms_is_refused_with_its_place(admin, content, told):
    result = admin.try_("import", written(admin, "file", content), "--into", "banking")
    assert (result.exit_code, told in result.stderr, "came before" in result.stderr) == (1, True, False)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (b'{"type": "indicator" 1}', "expecting ',' delimiter at line 1, column 22"),
        (b'{"type":\n "indicator", "name": nonsense}', "expecting value at line 2, column 23"),
        (b'{"type": "indi\ncator"}', "invalid control character at line 1, column 15"),
        (b'{"type": "\xff"}', "it is not UTF-8 at byte 10"),
    ],
    ids=["a comma", "another line", "a control character", "no UTF-8"],
)
def test_the_place_in_a_broken_object_is_its_own(admin, broken, told):
    path = written(admin, "file", b"[" + json.dumps(indicator(1)).encode() + b",\n" + broken + b"]")
    result = admin.try_("import", path, "--into", "banking")
    assert f"no JSON text: {told}\n" in result.stderr


def test_what_came_before_a_broken_place_is_taken_in(admin):
    objects = b", ".join(json.dumps(indicator(number)).encode() for number in range(1500))
    result = admin.try_("import", written(admin, "file", b'{"objects": [' + objects + b", oops]}"), "--into", "banking")
    assert result.exit_code == 1
    assert "what came before is taken in" in result.stderr
    assert result.stdout == "1500 objects into banking as staff: 1500 new, 0 known already\n"
    assert len(admin.seen("harbour-bank")) == 1500


def test_a_file_larger_than_a_batch_keeps_its_indices(admin):
    objects = [indicator(number) for number in range(2500)]
    objects[2100] = {"type": "indicator"}
    result = admin.try_("import", written(admin, "file", objects), "--into", "banking", "--json")
    found = json.loads(result.stdout)
    assert (found["counts"], [each["index"] for each in found["not_taken"]]) == ({"invalid": 1, "new": 2499}, [2100])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "there is no STIX object in it"),
        (b" \n\t\n", "there is no STIX object in it"),
        (b"\xef\xbb\xbf", "there is no STIX object in it"),
        (gzip.compress(b""), "there is no STIX object in it"),
        ("[]".encode("utf-16"), "it is UTF-16 text; STIX is UTF-8"),
        (b"\xfe\xff\x00[\x00]", "it is UTF-16 text; STIX is UTF-8"),
        ("[]".encode("utf-32"), "it is UTF-32 text; STIX is UTF-8"),
        (b"PK\x03\x04rest of it", "it is a zip archive; unpack it first"),
        (b"\xfd7zXZ\x00rest of it", "it is packed with xz; unpack it first"),
        (b"BZh91AY&SY", "it is packed with bzip2; unpack it first"),
        (gzip.compress(gzip.compress(b"[]")), "it is packed with gzip twice"),
        (b"%PDF-1.7\n", "it is a PDF document, not STIX"),
        (b"SQLite format 3\x00", "it is a SQLite database; if it is that of OpenTAXII: --from opentaxii"),
        (b"<?xml version='1.0'?>", "it is XML or HTML; STIX 2 is JSON"),
        (b'{\n  "/discovery": {"title": "x"}, "root": {}}', "it is a data file of medallion: --from medallion"),
    ],
)
def test_what_is_no_stix_is_named_and_makes_no_store(admin, content, told):
    result = admin.try_("import", "-", "--into", "banking", stdin=content)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"taxii-fed: standard input: {told}")
    assert result.stderr.endswith("; nothing was taken in\n")
    assert not list(admin.folder.glob("hub.db*"))


def test_a_list_without_objects_is_no_mistake(admin):
    assert admin.run("import", written(admin, "file", []), "--into", "banking").startswith("0 objects into banking")


def test_an_import_that_makes_a_store_says_so_and_one_that_fails_makes_none(admin):
    path = written(admin, "file", [indicator(1)])
    for words, code in (
        ((written(admin, "text", b"hello"), "--into", "banking"), 1),
        ((path, "--into", "nowhere"), 2),
        ((path, "--into", "banking", "--as", "nobody"), 2),
        ((path, "--into", "insurance", "--as", "harbour-bank"), 1),
    ):
        assert admin.try_("import", *words).exit_code == code
        assert not list(admin.folder.glob("hub.db*"))
    made = admin.try_("import", path, "--into", "banking")
    assert (made.exit_code, made.stderr) == (
        0,
        f"taxii-fed: there is no store; making a new one, sqlite:{admin.folder / 'hub.db'}\n",
    )
    assert admin.try_("import", path, "--into", "banking").stderr == ""


@pytest.mark.parametrize(
    ("party", "told"),
    [
        ("harbour-bank", "harbour-bank may not publish in insurance, but in banking"),
        ("pearl-bank", "pearl-bank may not publish in insurance, nor in any other collection"),
    ],
)
def test_nobody_is_said_to_publish_where_it_may_not(stocked, party, told):
    result = stocked.try_("import", written(stocked, "file", [indicator(9)]), "--into", "insurance", "--as", party)
    assert (result.exit_code, result.stderr) == (1, f"taxii-fed: {told}\n")
    assert stocked.seen("staff", "insurance") == set()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--into", "bankin"), "no collection 'bankin'. Did you mean 'banking'?"),
        (("--into", "banking", "--as", "stuff"), "no party 'stuff'. Did you mean 'staff'?"),
        ((), "Missing option '--into'"),
    ],
)
def test_an_import_needs_names_that_exist(admin, words, told):
    result = admin.try_("import", written(admin, "file", []), *words)
    assert (result.exit_code, told in result.stderr) == (2, True)


def test_a_file_that_is_not_there_is_told_of(admin):
    result = admin.try_("import", str(admin.folder / "nothing.json"), "--into", "banking")
    assert (result.exit_code, "nothing.json: No such file or directory" in result.stderr) == (1, True)


# -- export -------------------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("I3")
def test_an_export_holds_the_very_bytes_of_every_version(admin):
    admin.run("import", written(admin, "file", b"[" + ODD + b"]"), "--into", "banking")
    admin.publish(indicator(1), indicator(1, version=1))
    told = admin.run("export", "banking")
    assert ODD.decode() in told
    bundle = json.loads(told)
    assert (bundle["type"], len(bundle["objects"])) == ("bundle", 3)


def test_an_export_of_a_party_holds_what_goes_out_to_it(stocked):
    stocked.edit(("never:\n", "change:\n  coarser:\n    to: {role: bank}\n    generalise_ip: {v4: 24}\nnever:\n"))
    stocked.run("apply")
    stocked.publish(indicator(7, pattern="[ipv4-addr:value = '198.51.100.7']"))
    told = stocked.run("export", "banking", "--party", "harbour-bank")
    objects = json.loads(told)["objects"]
    assert {GREEN, AMBER} < {each["id"] for each in objects}
    assert len(objects) == 3
    assert "198.51.100.7'" not in told
    assert "198.51.100.0/24" in told


def test_an_export_can_be_imported_again(stocked, tmp_path):
    target = tmp_path / "out.json.gz"
    assert stocked.run("export", "banking", str(target)) == f"{target}: 5 objects\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert stocked.run("import", str(target), "--into", "insurance").startswith("5 objects into insurance as staff: 5 new")
    assert len(json.loads(gzip.decompress(target.read_bytes()))["objects"]) == 5


def test_an_export_leaves_files_alone_that_are_there(stocked, tmp_path):
    target = tmp_path / "out.json"
    target.write_text("mine")
    result = stocked.try_("export", "banking", str(target))
    assert (result.exit_code, "is there already" in result.stderr, target.read_text()) == (1, True, "mine")


def test_an_export_of_what_a_party_does_not_read_says_so(stocked):
    result = stocked.try_("export", "banking", "--party", "lantau-life")
    assert (result.exit_code, "taxii-fed view lantau-life banking" in result.stderr) == (1, True)


def test_an_export_to_where_nobody_listens_is_no_success(stocked):
    command = [sys.executable, "-m", "taxii_fed", "--config", str(stocked.config), "export", "banking"]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "taxii-fed: standard output is closed: nothing was written\n")


def test_an_export_of_nothing_is_a_bundle_without_objects(admin):
    admin.run("apply")
    assert json.loads(admin.run("export", "insurance")).keys() == {"type", "id"}


# -- backup and restore -------------------------------------------------------------------------------------------------------


def test_a_backup_put_back_is_the_node_that_it_was(stocked, tmp_path):
    saved = tmp_path / "saved.db"
    views = stocked.json("view", "harbour-bank")
    stocked.run("backup", str(saved))
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    stocked.publish(indicator(9))
    for path in stocked.folder.glob("hub.db*"):
        path.unlink()
    before = saved.read_bytes()
    assert "restored from" in stocked.run("restore", str(saved))
    assert stocked.json("view", "harbour-bank") == views
    assert saved.read_bytes() == before
    assert not list(stocked.folder.glob("*.part*"))
    assert stocked.run("rebuild", "--verify").startswith("Every view")


def test_neither_backup_nor_restore_writes_over_anything(stocked, tmp_path):
    saved = tmp_path / "saved.db"
    stocked.run("backup", str(saved))
    again = stocked.try_("backup", str(saved))
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    result = stocked.try_("restore", str(saved))
    assert (result.exit_code, "hub.db is there already" in result.stderr) == (1, True)
    assert stocked.seen("harbour-bank") == {GREEN, AMBER}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.write_text("no database at all, but long enough to be looked at " * 100), "no store of taxii-fed"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE t (x)").connection.close(), "database of another program"),
        (lambda path: path.write_bytes(b"SQLite format 3\x00" + bytes(5000)), ""),
        (lambda path: path.touch(), "saved is no backup of taxii-fed"),
        (lambda path: SqliteStore(path, clock=SystemClock()).close(), "saved is no backup of taxii-fed"),
    ],
    ids=["text", "another program's", "rubbish", "empty", "a store that no node ever began"],
)
def test_only_a_backup_can_be_restored(admin, tmp_path, spoil, told):
    saved = tmp_path / "saved"
    spoil(saved)
    result = admin.try_("restore", str(saved))
    assert result.exit_code == 1
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert "saved" in result.stderr
    assert ".part" not in result.stderr
    assert not list(admin.folder.glob("hub.db*"))


def damage(path):
    """Overwrite pages in the middle of a store."""
    content = bytearray(path.read_bytes())
    content[40_960:61_440] = bytes(20_480)
    path.write_bytes(content)


def test_a_damaged_backup_is_not_restored(stocked, tmp_path):
    saved = tmp_path / "saved.db"
    stocked.publish(*(malware(number) for number in range(100, 400)))
    stocked.run("backup", str(saved))
    damage(saved)
    for path in stocked.folder.glob("hub.db*"):
        path.unlink()
    result = stocked.try_("restore", str(saved))
    assert (result.exit_code, f"{saved} is damaged" in result.stderr, ".part" in result.stderr) == (1, True, False)
    assert not list(stocked.folder.glob("hub.db*"))


def test_no_backup_is_made_of_a_damaged_store(stocked, tmp_path):
    saved = tmp_path / "saved.db"
    stocked.publish(*(malware(number) for number in range(100, 400)))
    damage(stocked.folder / "hub.db")
    result = stocked.try_("backup", str(saved))
    assert (result.exit_code, ".part" in result.stderr) == (1, False)
    assert f"hub.db is damaged; restore the latest backup. {saved} was not written." in result.stderr
    assert not list(tmp_path.glob("saved*"))


@pytest.mark.parametrize("words", [("serve",), ("sync",), ("sync", "--once"), ("run",)], ids=" ".join)
def test_a_node_does_not_start_on_a_damaged_store(stocked, words):
    stocked.publish(*(malware(number) for number in range(100, 400)))
    damage(stocked.folder / "hub.db")
    result = stocked.alone(*words)
    assert (result.returncode, "hub.db is damaged; restore the latest backup" in result.stderr) == (1, True)


def test_the_backup_of_another_node_is_refused_unless_one_insists(stocked, tmp_path):
    saved = tmp_path / "saved.db"
    stocked.run("backup", str(saved))
    for path in stocked.folder.glob("hub.db*"):
        path.unlink()
    ours, other = (f"identity--0a1f6f0e-6d0e-4c0e-8c57-0d9d3c0e6b1{digit}" for digit in "12")
    stocked.edit((ours, other))
    result = stocked.try_("restore", str(saved))
    assert (result.exit_code, "the backup of another node" in result.stderr) == (1, True)
    assert ours in result.stderr
    assert other in result.stderr
    assert not list(stocked.folder.glob("hub.db*"))
    assert "restored from" in stocked.run("restore", "--yes", str(saved))


# -- rebuild ------------------------------------------------------------------------------------------------------------------


def test_a_change_that_stopped_half_way_is_told_of_beside_the_differences_that_it_leaves(stocked, monkeypatch):
    stocked.edit(("    in: [banking]\n    up_to: AMBER\n    relayed_up_to: AMBER", "    in: [banking]\n    up_to: GREEN"))
    with monkeypatch.context() as patch:
        patch.setattr(Governor, "_switch", lambda *_: (_ for _ in ()).throw(RefusedError("killed")))
        stocked.try_("apply")
    for command in (("rebuild", "--verify"), ("rebuild",)):
        told = stocked.try_(*command)
        assert (told.exit_code, "1 left" in told.stdout, "taxii-fed apply --resume" in told.stderr) == (1, True, True)
    stocked.run("apply", "--resume")
    assert stocked.try_("rebuild", "--verify").stderr == ""


@pytest.mark.invariant("I7")
def test_a_view_that_differs_is_found_shown_and_mended(stocked):
    with sqlite3.connect(stocked.folder / "hub.db") as db:
        db.execute(
            "UPDATE entry SET ended_at = 1, ended_why = 'tampered', standing = NULL"
            " WHERE object = (SELECT number FROM object WHERE id = ?)",
            (GREEN,),
        )
    assert GREEN not in stocked.seen("harbour-bank")
    result = stocked.try_("rebuild", "--verify")
    assert (result.exit_code, "missing" in result.stdout, GREEN in result.stdout) == (1, True, True)
    found = json.loads(stocked.try_("rebuild", "--verify", "--json").stdout)
    assert {(each["kind"], each["object"]) for each in found["differences"]} == {("missing", GREEN)}
    assert GREEN not in stocked.seen("harbour-bank")
    assert "0 left" in stocked.run("rebuild")
    assert GREEN in stocked.seen("harbour-bank")
    assert stocked.run("rebuild", "--verify") == "Every view is what the rules make of the objects.\n"


# -- migrate ------------------------------------------------------------------------------------------------------------------


def test_a_store_is_not_moved_onto_itself(stocked):
    folder = stocked.folder
    for url in (f"sqlite:{folder / 'hub.db'}", f"sqlite:{folder / '..' / folder.name / 'hub.db'}"):
        told = stocked.try_("migrate", url)
        assert (told.exit_code, "the store of this node already" in told.stderr) == (1, True)
    assert stocked.run("rebuild", "--verify").startswith("Every view")
