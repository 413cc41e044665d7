"""Processes killed at random moments: what was acknowledged is there, once, and nothing is half done (I5)."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest
import requests

from nodekit import indicator, malware, relationship, stix_id
from processes.live import COLLECTION, HttpClient, LiveNode, kill

SEED = int(os.environ.get("TAXII_FED_SEED", "20260302"))
FEW = 3
EACH = 5 if os.environ.get("TAXII_FED_TEST_FEW") else 25
"""Fours of objects in an envelope that is pulled meanwhile."""


def rounds(many: int) -> list:
    few = pytest.param(FEW, id="few", marks=[pytest.mark.timeout(240)])
    return [few, pytest.param(many, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]


def envelope(start: int) -> list[dict]:
    rows = [indicator(start), malware(start), indicator(start, version=1)]
    return [*rows, relationship(start, stix_id("indicator", start), stix_id("malware", start))]


@pytest.mark.invariant("I5", "I2")
@pytest.mark.parametrize("times", rounds(50))
def test_a_server_killed_at_random_loses_nothing_acknowledged(tmp_path: Path, times: int):
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    node = LiveNode(tmp_path, "crash")
    acknowledged: set[tuple[str, str]] = set()
    sent: set[tuple[str, str]] = set()
    number = 0
    for _ in range(times):
        node.serve("--workers", "2")
        number = _write_until_killed(node, chance.uniform(0.05, 0.6), number, acknowledged, sent)
    node.serve("--workers", "1")
    try:
        reader = HttpClient(node, "reader")
        found = Counter((obj["id"], obj["modified"]) for obj in reader.all_objects())
        dates = reader.dates()
    finally:
        node.stop()
    assert acknowledged <= found.keys()
    assert found.keys() <= sent
    assert max(found.values()) == 1
    assert len(set(dates)) == len(dates) == len(found)
    verified = node.run("rebuild", "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _write_until_killed(
    node: LiveNode, seconds: float, number: int, acknowledged: set[tuple[str, str]], sent: set[tuple[str, str]]
) -> int:
    """Write until the server is killed, some time after the first answer; return the next number."""
    killer = threading.Timer(seconds, node.kill)
    client = HttpClient(node, "writer")
    try:
        while True:
            rows = [row for offset in range(5) for row in envelope(number + offset)]
            number += 5
            sent.update((row["id"], row["modified"]) for row in rows)
            answer = client.add(rows)
            if answer.status_code == 202:
                acknowledged.update((row["id"], row["modified"]) for row in rows)
            if not killer.is_alive() and not killer.finished.is_set():
                killer.start()
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        pass
    killer.join()
    return number


@pytest.mark.invariant("I5")
@pytest.mark.parametrize("times", rounds(200))
def test_a_worker_and_its_peer_killed_at_random_end_with_the_same_set(tmp_path: Path, times: int):
    print(f"seed {SEED}")
    chance = random.Random(SEED + 1)
    origin = LiveNode(tmp_path / "origin", "origin", identity="origin")
    peer = {
        "partner": {
            "url": f"{origin.base}/taxii2/",
            "auth": {"token": {"env": "TAXII_FED_TEST_TOKEN"}},
            "allow_private": "true",
            "max_page": "50",
            "pull": [{"theirs": COLLECTION, "ours": "banking"}],
        }
    }
    os.environ["TAXII_FED_TEST_TOKEN"] = "token-of-puller"
    copy = LiveNode(tmp_path / "copy", "copy", identity="copy", peers=peer)
    origin.serve("--workers", "1")
    try:
        writer = HttpClient(origin, "writer")
        number = 0
        for _ in range(times):
            for _ in range(4):
                rows = [row for offset in range(EACH) for row in envelope(number + offset)]
                number += EACH
                assert writer.add(rows).status_code == 202
            worker = copy.spawn("sync", "--once")
            strike = threading.Timer(chance.uniform(0.4, 2.0), origin.kill) if chance.random() < 0.5 else None
            if strike is not None:
                strike.start()
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(timeout=chance.uniform(0.4, 2.0))
            kill(worker)
            if strike is not None:
                strike.join()
                origin.serve("--workers", "1")
        for _ in range(2):
            done = copy.run("sync", "--once", timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
        theirs = HttpClient(origin, "puller").all_objects()
    finally:
        origin.stop()
    copy.serve("--workers", "1")
    try:
        ours = HttpClient(copy, "reader").all_objects()
    finally:
        copy.stop()
    assert sorted((obj["id"], obj["modified"]) for obj in ours) == sorted((obj["id"], obj["modified"]) for obj in theirs)
    assert {repr(sorted(obj.items())) for obj in ours} == {repr(sorted(obj.items())) for obj in theirs}
