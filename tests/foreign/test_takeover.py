"""What real servers kept, taken over: files that they wrote themselves, after clients posted to them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from foreign.servers import API_ROOT, environment, medallion, opentaxii
from nodekit import indicator
from taxii_fed.takeover import read_theirs
from taxii_fed.takeover.theirs import Theirs

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]

ADDRESS = {
    "type": "ipv4-addr",
    "spec_version": "2.1",
    "id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd",
    "value": "198.51.100.3",
}
POSTS = ([indicator(2)], [indicator(1), ADDRESS], [indicator(2, version=1)])

_POST_AND_SAVE = """
import json, sys, datetime
from medallion.backends.memory_backend import MemoryBackend
data, posts, collection = sys.argv[1:]
backend = MemoryBackend(filename=data)
for number, objects in enumerate(json.loads(posts)):
    at = datetime.datetime(2026, 1, 1, 0, 0, number, tzinfo=datetime.timezone.utc)
    backend.add_objects("lab", collection, {"objects": objects}, at)
backend.save_data_to_file(data)
"""
"""What medallion's own code makes of POSTs, written by its own `save_data_to_file`, which no command of it calls."""


def posted() -> list[dict[str, object]]:
    return [each for objects in POSTS for each in objects]


def held(theirs: Theirs, collection: str) -> list[dict[str, object]]:
    return [json.loads(each) for each in theirs.objects(collection)]


def test_a_data_file_that_medallion_wrote(tmp_path: Path) -> None:
    with medallion(tmp_path) as server:
        collection = server.collection
    command = [str(environment("medallion") / "python"), "-c", _POST_AND_SAVE, "data.json", json.dumps(POSTS), collection]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    theirs = read_theirs("medallion", tmp_path / "data.json", tmp_path / "config.json")
    assert held(theirs, collection) == posted()
    assert [each.name for each in theirs.accounts] == ["admin"]
    assert [(root.path, root.default) for root in theirs.roots] == [("lab", True)]


def test_a_database_that_opentaxii_wrote(tmp_path: Path) -> None:
    with opentaxii(tmp_path) as server:
        for objects in POSTS:
            server.post(*objects)
        while_it_runs = held(read_theirs("opentaxii", tmp_path / "data.db"), server.collection)
    theirs = read_theirs("opentaxii", tmp_path / "data.db", tmp_path / "auth.db")
    assert while_it_runs == held(theirs, server.collection) == posted()
    assert [(each.name, each.rights, each.kept) for each in theirs.accounts] == [("admin", "admin", "kept as scrypt")]
    assert {each.id for each in theirs.collections} == set(server.collections)
    assert [(root.id, root.default) for root in theirs.roots] == [(API_ROOT, True)]
