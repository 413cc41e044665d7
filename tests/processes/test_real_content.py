"""Three releases of real content, one after the other, served and pulled by a second node: what came in is what goes out (I3)."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from processes.live import COLLECTION, HttpClient, LiveNode

DATA = Path(os.environ.get("TAXII_FED_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
RELEASES = [DATA / f"ics-attack-{release}.json.gz" for release in ("14.1", "16.1", "18.1")]
ALL = {
    "everything": {
        "to": {"role": ["own", "bank", "peer"]},
        "in": "banking",
        "up_to": "AMBER",
        "relayed_up_to": "AMBER",
        "unmarked_as": "CLEAR",
        "unknown_types": "share",
    }
}


class OpenNode(LiveNode):
    """A node that shares custom types and what has no marking, too."""

    def settings(self) -> dict:
        return {**super().settings(), "share": ALL}


def contents(node: LiveNode, account: str) -> dict[tuple[str, str], str]:
    """Return (id, version) to canonical text of all that an account reads; the text tells numbers and member order apart."""
    client = HttpClient(node, account)
    return {(obj["id"], obj.get("modified", "")): json.dumps(obj) for obj in client.all_objects()}


@pytest.mark.invariant("I3", "I4")
@pytest.mark.timeout(240)
@pytest.mark.skipif(
    not all(file.exists() for file in RELEASES), reason="the releases of ATT&CK for ICS are not beside the checkout"
)
def test_three_releases_of_attack_arrive_at_a_second_node_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TAXII_FED_TEST_TOKEN", "token-of-puller")
    origin = OpenNode(tmp_path / "origin", "origin", identity="origin")
    released: dict[tuple[str, str], str] = {}
    for file in RELEASES:
        done = origin.run("import", str(file), "--into", "banking")
        # A marking definition of ATT&CK changed its text under one id: the first stays, and the command says so.
        assert done.returncode in (0, 1), done.stdout + done.stderr
        for obj in json.loads(gzip.decompress(file.read_bytes()))["objects"]:
            released.setdefault((obj["id"], obj.get("modified", "")), json.dumps(obj))
    peer = {
        "partner": {
            "url": f"{origin.base}/taxii2/",
            "auth": {"token": {"env": "TAXII_FED_TEST_TOKEN"}},
            "allow_private": "true",
            "pull": [{"theirs": COLLECTION, "ours": "banking"}],
        }
    }
    copy = OpenNode(tmp_path / "copy", "copy", identity="copy", peers=peer)
    origin.serve("--workers", "1")
    try:
        pulled = copy.run("sync", "--once", timeout=200)
        assert pulled.returncode == 0, pulled.stdout + pulled.stderr
        theirs = contents(origin, "reader")
    finally:
        origin.stop()
    copy.serve("--workers", "1")
    try:
        ours = contents(copy, "reader")
    finally:
        copy.stop()
    assert len(theirs) > 2000
    differing = {key for key, text in theirs.items() if released.get(key) != text}
    assert {key[0].partition("--")[0] for key in differing} <= {"marking-definition"}
    assert theirs.keys() == released.keys()
    assert ours == theirs
