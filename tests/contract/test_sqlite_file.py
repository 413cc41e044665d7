"""What only a file can get wrong: who may open it, what is left in it, and how it fails."""

import fcntl
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from taxii_fed.core.errors import SchemaError, StoreError, StoreUnavailableError
from taxii_fed.core.stix.facts import Use
from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports import LEAD_MS, Change, DoorEvent
from taxii_fed.storage import open_store
from taxii_fed.storage.contract.builders import (
    COLLECTION,
    START,
    ManualClock,
    add,
    derived,
    filled,
    new_version,
    object_id,
    opening,
    quarantined,
)
from taxii_fed.storage.sqlite import SqliteStore, checking, connection, log, making, schema
from taxii_fed.storage.sqlite import turn as turn_module
from taxii_fed.storage.sqlite.turn import Turn


@pytest.fixture
def path(tmp_path):
    return tmp_path / "node.db"


@pytest.fixture
def opened(path):
    """Opens the store of the test, as often as it is called."""
    stores = []

    def open_one(clock=None, **options):
        store = SqliteStore(path, clock=clock or ManualClock(), **options)
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


def raw(path):
    return closing(sqlite3.connect(path, isolation_level=None))


# -- opening ----------------------------------------------------------------------------------------------------------------
def test_a_url_is_relative_to_a_folder(tmp_path):
    open_store("sqlite:one.db", base_dir=tmp_path, clock=ManualClock()).close()
    open_store(f"sqlite:{tmp_path / 'two.db'}", base_dir=Path("/nowhere"), clock=ManualClock()).close()
    assert {each.name for each in tmp_path.iterdir()} == {"one.db", "two.db"}


@pytest.mark.parametrize("url", ["", "sqlite:", "node.db", "redis://user:secret@host/0"])
def test_a_url_that_names_no_store_is_refused_without_showing_secrets(tmp_path, url):
    with pytest.raises(StoreError, match="sqlite:PATH") as caught:
        open_store(url, base_dir=tmp_path, clock=ManualClock())
    assert "secret" not in str(caught.value)


def test_a_new_file_is_for_its_owner_only(opened, path):
    filled(opened(), new_version(1))
    assert {oct(each.stat().st_mode & 0o777) for each in path.parent.iterdir()} == {"0o600"}


def test_a_file_that_is_not_there_is_made_only_on_request(path):
    with pytest.raises(StoreError, match="does not exist"):
        SqliteStore(path, clock=ManualClock(), create=False)
    assert not path.exists()


@pytest.mark.parametrize("create", [True, False])
def test_an_empty_file_is_no_new_store_but_one_that_was_lost(path, create):
    path.touch()
    with pytest.raises(StoreError, match=r"node\.db is empty: restore the latest backup, or remove the file to begin anew"):
        SqliteStore(path, clock=ManualClock(), create=create)
    assert path.read_bytes() == b""


def test_a_new_file_is_never_there_before_it_is_whole(opened, path, monkeypatch):
    """Looks at each step of SQLite while the file is made; whoever is killed at any of them leaves no file that is not whole."""
    looks = []

    def watched(*words, **options):
        db = connection.connect(*words, **options)
        db.set_trace_callback(lambda _: looks.append(path.exists()))
        return db

    monkeypatch.setattr(making, "connect", watched)
    opened()
    assert len(looks) > len(schema.MIGRATIONS)
    assert not any(looks)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_what_was_left_of_a_start_that_was_killed_is_not_in_the_way(opened, path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(making, "migrate", lambda *_: (_ for _ in ()).throw(RuntimeError))
        with pytest.raises(RuntimeError):
            opened()
    assert [each.name for each in path.parent.iterdir()] == [f"{path.name}-new"]
    opened()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_what_is_left_beside_a_file_that_is_gone_does_not_get_into_a_new_one(opened, path):
    store = opened()
    filled(store, new_version(1))
    log = path.with_name(f"{path.name}-wal").read_bytes()
    store.close()
    path.unlink()
    path.with_name(f"{path.name}-wal").write_bytes(log)
    with opened().read() as reader:
        assert reader.known([object_id(1)]) == {}
    with raw(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"missing/node\.db can't be opened: No such file or directory"):
        SqliteStore(tmp_path / "missing" / "node.db", clock=ManualClock())


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(StoreError, match="is no file"):
        SqliteStore(tmp_path, clock=ManualClock())


def test_a_database_of_another_program_is_refused_and_not_touched(path):
    with raw(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(SchemaError, match="another program"):
        SqliteStore(path, clock=ManualClock())
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"no database at all\n" * 100, b"SQLite format 3\x00" + b"\xff" * 4080])
def test_a_file_that_is_no_database_is_refused_and_not_touched(path, content):
    path.write_bytes(content)
    with pytest.raises(SchemaError, match="no store of taxii-fed"):
        SqliteStore(path, clock=ManualClock())
    assert path.read_bytes() == content


def test_a_newer_schema_is_refused_with_what_to_do(opened, path):
    opened().close()
    with raw(path) as db:
        db.execute("INSERT INTO schema_version VALUES (99, 0)")
    with pytest.raises(SchemaError, match=r"schema version 99.*Install a newer"):
        opened()


def test_a_file_is_brought_to_the_newest_schema_once(opened, path, monkeypatch):
    filled(opened(), new_version(1))
    runs = []

    def second(db):
        runs.append(db.execute("SELECT count(*) FROM version").fetchone()[0])
        db.execute("CREATE TABLE more (x)")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, second))
    opened()
    opened()
    assert runs == [1]
    with raw(path) as db:
        assert db.execute("SELECT version FROM schema_version ORDER BY version").fetchall() == [(1,), (2,)]


def test_a_migration_that_fails_leaves_the_file_as_it_was(opened, path, monkeypatch):
    filled(opened(), new_version(1))

    def broken(db):
        db.execute("CREATE TABLE more (x)")
        db.execute("SELECT nonsense FROM nowhere")

    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
        with pytest.raises(StoreError, match="nowhere"):
            opened()
    with opened().read() as reader:
        assert reader.known([object_id(1)])
    with raw(path) as db:
        assert db.execute("SELECT name FROM sqlite_master WHERE name = 'more'").fetchall() == []


def test_many_may_make_the_file_at_once(opened):
    barrier, failures = threading.Barrier(6), []

    def make():
        barrier.wait()
        try:
            filled(opened(), new_version(threading.get_ident() % 100_000))
        except Exception as error:  # noqa: BLE001 — whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list(opened().iterate_views())) == 6


# -- failing ----------------------------------------------------------------------------------------------------------------
def test_a_second_writer_is_told_to_try_again_after_a_bounded_wait(opened):
    first, second = opened(), opened(busy_seconds=0.05)
    with first.write() as writer:
        writer.put_doc("kind", "name", {"a": 1})
        with pytest.raises(StoreUnavailableError, match="busy with another writer"), second.write():
            pytest.fail("two writers at once")
        with pytest.raises(StoreUnavailableError, match="busy"):
            second.lease("pull", "a", 1, START)
        with second.read() as reader:
            assert reader.doc("kind", "name") is None
    with second.write() as writer:
        assert writer.doc("kind", "name") == {"a": 1}


def test_a_second_thread_is_told_to_try_again_too(opened):
    store = opened(busy_seconds=0.05)
    found = []

    def second():
        try:
            with store.write():
                found.append("two writers at once")
        except StoreUnavailableError as error:
            found.append(str(error))

    with store.write():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(found) == 1
    assert "busy with another writer of this process" in found[0]


def test_a_full_disk_undoes_the_transaction_and_the_next_one_may_go_through(opened):
    store = opened()
    view = filled(store, new_version(1))
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreUnavailableError, match="disk of the store is full"), store.write() as writer:
        add(writer, view, *(new_version(number, body=b"x" * 5000) for number in range(2, 20)))
    with store.read() as reader:
        assert len(reader.page(view, ObjectQuery()).rows) == 1
        assert reader.known([object_id(2)]) == {}
    store._writer.execute("PRAGMA max_page_count = 1000000")
    with store.write() as writer:
        add(writer, view, new_version(2))
    with store.read() as reader:
        assert len(reader.page(view, ObjectQuery()).rows) == 2


def test_an_object_that_could_not_be_read_again_is_not_taken(opened):
    store = opened()
    view = filled(store, new_version(1))
    with pytest.raises(StoreError, match="no object, document or page of more than 64 MB"), store.write() as writer:
        add(writer, view, new_version(2, body=bytes(connection.MAX_JOINED)))
    with store.read() as reader:
        assert reader.known([object_id(2)]) == {}


def test_a_damaged_file_is_called_damaged(opened, path):
    store = opened()
    view = filled(store, *(new_version(number, body=random.randbytes(2000)) for number in range(200)))
    store.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"is damaged; restore the latest backup"), opened().read() as reader:
        reader.page(view, ObjectQuery())


def overwrite(path, table):
    """Overwrite the first page of a table."""
    with raw(path) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xa5" * size
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("table", "whole", "found"),
    [("entry", 10**9, True), ("view", 10**9, True), ("entry", 0, False), ("view", 0, True)],
    ids=["small file", "small file, small table", "large file, large table", "large file, small table"],
)
def test_a_check_reads_all_of_a_small_file_and_the_small_tables_of_a_large_one(opened, path, monkeypatch, table, whole, found):
    store = opened()
    filled(store, new_version(1))
    store.check()
    store.close()
    overwrite(path, table)
    monkeypatch.setattr(checking, "_READ_WHOLE", whole)
    store = opened()
    if found:
        with pytest.raises(StoreError, match=r"node\.db is damaged; restore the latest backup"):
            store.check()
    else:
        store.check()


def test_a_file_that_may_not_be_written_is_called_so(opened, path):
    opened().close()
    with (
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        db.execute("CREATE TABLE more (x)")
    error = connection.as_store_error(caught.value, "node.db")
    assert (type(error), str(error).partition(" (")[0]) == (
        StoreError,
        "node.db can't be written: check the rights on the file and its folder",
    )


def test_a_reader_can_not_write(opened):
    store = opened()
    filled(store, new_version(1))
    with pytest.raises(StoreError, match="readonly"), store.read() as reader:
        reader._db.execute("DELETE FROM entry")
    with store.read() as reader:
        assert reader.ledger(object_id(1))


def test_a_file_that_is_gone_is_not_made_anew_behind_the_back(opened, path):
    opened().close()
    store = opened()
    path.unlink()
    with pytest.raises(StoreError, match="can't be opened"), store.read() as reader:
        reader.revision()
    assert not path.exists()


@pytest.mark.invariant("I2")
def test_a_late_commit_is_counted_even_if_others_write_before_it_can_be_noted(opened):
    other = opened()
    waiting = []

    class Clock(ManualClock):
        """After the commit it is late, and the other one has begun to write."""

        looks = 0

        def now(self):
            self.looks += 1
            if self.looks == 3:
                block = other.write()
                block.__enter__()
                waiting.append(block)
                self.instant += LEAD_MS * 1000 + 1
            return self.instant

    with opened().write() as writer:
        view = writer.create_view(COLLECTION)
    store = opened(Clock(), busy_seconds=0.05)
    with store.write() as writer:
        add(writer, view, new_version(1))
    assert (store.commits_past_lead(), len(waiting)) == (0, 1)
    waiting[0].__exit__(None, None, None)
    with store.write() as writer:
        assert writer.count_live(view) == 1
    assert store.commits_past_lead() == 1


# -- what is left in the file -----------------------------------------------------------------------------------------------
SECRETS = [b"secret body", b"secret copy", b"secret quarantined", b"secret old body", object_id(666).encode()]


def _with_secrets(store):
    first, second = new_version(666, 1, body=SECRETS[3]), new_version(666, 2, body=SECRETS[0] * 1000)
    other = new_version(1, edges=[(object_id(2), Use.REFERENCE)])
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        keys = writer.add_versions([first, second, other])
        copy = derived(second, keys[1], object_id(1, "note"), SECRETS[1])
        writer.change(view, Change(opened=(opening(second, keys[1], reasons=(object_id(666),)), copy, opening(other, keys[2]))))
        writer.quarantine_add(quarantined(666, body=SECRETS[2]))
        writer.add_wakes(COLLECTION, [(5, object_id(666))])
        writer.note_given([(object_id(1, "note"), 1, b"d" * 32)])
        writer.note_door(
            [DoorEvent(at=1, collection=COLLECTION, object_id=object_id(666), version_text="", giver="g", reason="new")]
        )
        writer.put_status("s", "bank", {"successes": [{"id": object_id(666)}]}, 1)
    with store.write() as writer:
        writer.remove_versions(keys[:1])


def _left(path):
    content = b"".join(each.read_bytes() for each in path.parent.iterdir() if each.suffix != ".db-shm")
    return [secret for secret in SECRETS if secret in content]


@pytest.mark.invariant("I10")
def test_erased_bytes_are_in_no_file_of_the_store(opened, path):
    store = opened()
    _with_secrets(store)
    assert _left(path) == SECRETS
    with store.write() as writer:
        writer.erase(object_id(666))
    assert _left(path) == []
    with raw(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.invariant("I10")
def test_erased_bytes_leave_the_log_as_soon_as_no_reader_looks_into_it(opened, path, monkeypatch):
    store = opened()
    _with_secrets(store)
    monkeypatch.setattr(store, "_tidy", lambda db, patience: SqliteStore._tidy(store, db, patience=0.0))
    with store.read() as reader:
        assert reader.ledger(object_id(666))
        with store.write() as writer:
            writer.erase(object_id(666))
        assert reader.ledger(object_id(666))
    assert _left(path) != []
    with opened().write() as writer:
        writer.put_doc("any", "thing", {})
    assert _left(path) == []


def test_a_log_that_a_reader_held_back_is_started_anew(opened, path, monkeypatch):
    monkeypatch.setattr(log, "MAX_LOG_BYTES", 200_000)
    store = opened()
    size = path.with_name("node.db-wal").stat

    def write(number):
        with store.write() as writer:
            writer.put_doc("kind", str(number), {"text": "x" * 20_000})

    with store.read() as reader:
        reader.revision()
        for number in range(20):
            write(number)
    held_back = size().st_size
    assert held_back > 400_000
    write(0)
    started_anew = size().st_size
    for number in range(10):
        write(number)
    assert size().st_size == started_anew


# -- backup -----------------------------------------------------------------------------------------------------------------
def test_a_backup_is_whole_while_others_write(opened, path, tmp_path):
    store = opened()
    view = filled(store)
    ready, enough = threading.Event(), threading.Event()

    def write():
        number = 0
        while not enough.is_set():
            number += 1
            with store.write() as writer:
                add(writer, view, new_version(number, body=b"x" * 3000), new_version(object_id(number, "malware")))
                writer.put_doc("count", "all", {"value": number})
            if number == 5:
                ready.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert ready.wait(60)
        store.backup(str(tmp_path / "copy.db"))
    finally:
        enough.set()
        thread.join()
    copy = SqliteStore(tmp_path / "copy.db", clock=ManualClock(), create=False)
    with copy.read() as reader:
        rows = reader.entries(view, 0, 10_000)
        assert len(rows) == 2 * reader.doc("count", "all")["value"] >= 10
        assert reader.view(view).head == rows[-1].date_added
        assert all(reader.body(row.body) for row in rows)
    with copy.write() as writer:
        add(writer, view, new_version(0))
    copy.close()
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.part*"))


def test_a_backup_overwrites_nothing_and_names_a_missing_folder(opened, tmp_path):
    store = opened()
    (tmp_path / "there.db").write_bytes(b"precious")
    with pytest.raises(StoreError, match="is there already"):
        store.backup(str(tmp_path / "there.db"))
    assert (tmp_path / "there.db").read_bytes() == b"precious"
    with pytest.raises(StoreError, match="can't be made: No such file"):
        store.backup(str(tmp_path / "missing" / "copy.db"))


# -- processes --------------------------------------------------------------------------------------------------------------
def test_a_forked_child_makes_connections_of_its_own(opened):
    store = opened()
    view = filled(store, new_version(1))
    with store.read() as reader:
        reader.revision()
    child = os.fork()
    if child == 0:
        try:
            with store.write() as writer:
                add(writer, view, new_version(2))
            with store.read() as reader:
                os._exit(0 if reader.count_live(view) == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with store.write() as writer:
        add(writer, view, new_version(3))
    with store.read() as reader:
        assert reader.count_live(view) == 3


_WAITS = """
import sys, time
from pathlib import Path
from taxii_fed.storage.sqlite.turn import Turn
with Turn(Path(sys.argv[1])).taken(time.monotonic() + float(sys.argv[2])) as came:
    print(came, flush=True)
    sys.stdin.read()
"""


@contextmanager
def _another(path, seconds=60):
    """A process that waits for the turn, says whether it came, and keeps it until its input ends."""
    command = [sys.executable, "-c", _WAITS, f"{path}-turn", str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _is_wanted(turn):
    """Return whether somebody waits to come next."""
    try:
        fcntl.lockf(turn._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, turn_module._NEXT)
    except BlockingIOError:
        return True
    fcntl.lockf(turn._file, fcntl.LOCK_UN, 1, turn_module._NEXT)
    return False


def test_whoever_waits_for_its_turn_to_write_gets_it_before_the_one_who_just_had_it(path):
    turn, said = Turn(path.with_name(f"{path.name}-turn")), []
    deadline = time.monotonic() + 60

    def end_when_it_came():
        said.append(other.stdout.readline())
        other.stdin.close()

    with turn.taken(deadline), _another(path) as other:
        while not _is_wanted(turn):
            assert other.poll() is None
        ending = threading.Thread(target=end_when_it_came)
        ending.start()
        turn._unlock(turn_module._TURN)
        with turn.taken(deadline) as again:
            assert (again, said) == (True, ["True\n"])
        ending.join()
    turn.close()


def test_a_turn_that_does_not_come_is_an_error_to_try_again(opened, path):
    store = opened(busy_seconds=0.05)
    with _another(path) as other:
        assert other.stdout.readline() == "True\n"
        with pytest.raises(StoreUnavailableError, match="another writer"), store.write():
            pass
        other.kill()
        other.wait()
    with store.write():
        pass


def test_without_locks_on_files_writers_go_on(opened, path, monkeypatch):
    path.with_name(f"{path.name}-turn").mkdir()
    view = filled(opened(), new_version(1))
    with opened().read() as reader:
        assert reader.count_live(view) == 1
