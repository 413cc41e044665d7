"""The commands for peers, against a peer behind a real socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from federation.simulated_peer import COLLECTION, SimulatedPeer, Wire, indicator, serving
from taxii_fed.cli.main import main

CONFIG = """
node: {{name: hk, title: hk, organisation: hk, jurisdiction: HK, identity: identity--0a1f6f0c-7c52-4f3e-9d5a-0f5f6f1b0001, secret: {{file: node.key}}}}
server: {{listen: '127.0.0.1:{port}', public_url: 'http://127.0.0.1:{port}'}}
store: {{url: 'sqlite:node.db'}}
api_roots:
  finance: {{title: Finance, default: true}}
collections:
  banking: {{id: 5d1f6f0c-7c52-4f3e-9d5a-0f5f6f1b0001, api_root: finance, title: Banking}}
parties:
  desk: {{role: own, jurisdiction: HK, organisation: hk}}
  eu-csirt: {{role: peer, jurisdiction: EU, organisation: eu}}
peers:
  eu-csirt:
    url: {url}/taxii2/
    allow_private: [127.0.0.0/8]
    timeout: 5s
    max_page: 10
    pull: [{{theirs: {collection}, ours: banking}}]
share:
  own staff: {{to: {{role: own}}, in: all, up_to: RED, relayed_up_to: RED, unmarked_as: CLEAR}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Desk:
    """An admin with a configuration and a peer."""

    folder: Path
    peer: SimulatedPeer
    wire: Wire

    @property
    def config(self) -> str:
        return str(self.folder / "taxii-fed.yaml")

    def run(self, *command: str) -> Result:
        return CliRunner().invoke(main, ["--config", self.config, *command])

    def json(self, *command: str) -> Any:
        done = self.run(*command, "--json")
        assert done.stdout, done
        return json.loads(done.stdout)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    peer = SimulatedPeer()
    peer.now = 1_760_000_000_000_000
    peer.add(*(indicator(number) for number in range(25)))
    with serving(peer) as wire:
        (tmp_path / "node.key").write_text("0123456789abcdef" * 4)
        (tmp_path / "taxii-fed.yaml").write_text(CONFIG.format(url=wire.url, collection=COLLECTION, port=1))
        desk = Desk(tmp_path, peer, wire)
        desk.run("apply")
        yield desk


def test_sync_once_pulls_everything_and_says_so(desk: Desk) -> None:
    done = desk.run("sync", "--once")
    assert done.exit_code == 0, done.output
    assert done.output == "eu-csirt → banking pulled: 25 new\n"


@pytest.mark.parametrize(
    "command",
    [("list",), ("pause", "eu-csirt"), ("resume", "eu-csirt"), ("pull", "eu-csirt"), ("reset", "eu-csirt")],
    ids=lambda command: command[0],
)
def test_a_command_about_peers_makes_no_store_where_it_is_missing(desk: Desk, command: tuple[str, ...]) -> None:
    for path in desk.folder.glob("node.db*"):
        path.unlink()
    done = desk.run("peer", *command)
    assert done.exit_code == 1
    assert "node.db does not exist: start the server, or run `taxii-fed apply`, to make it." in done.stderr
    assert not list(desk.folder.glob("node.db*"))


def test_sync_once_says_that_it_made_a_store(desk: Desk) -> None:
    for path in desk.folder.glob("node.db*"):
        path.unlink()
    done = desk.run("sync", "--once")
    assert done.stdout == "eu-csirt → banking pulled: 25 new\n"
    assert done.stderr == f"taxii-fed: there is no store; making a new one, sqlite:{desk.folder / 'node.db'}\n"
    assert desk.run("sync", "--once").stderr == ""


def test_looking_at_peers_puts_no_configuration_in_force(desk: Desk) -> None:
    path = Path(desk.config)
    path.write_text(path.read_text().replace("title: Banking", "title: Banks"))
    before = desk.run("plan").output
    assert "in force" not in before
    desk.run("peer", "list")
    desk.run("peer", "pause", "eu-csirt")
    assert desk.run("plan").output == before


def test_sync_once_with_reconcile_withdraws_what_is_gone(desk: Desk) -> None:
    desk.run("sync", "--once")
    desk.peer.remove(indicator(3))
    done = desk.run("sync", "--once", "--reconcile", "eu-csirt")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[1] == "eu-csirt → banking compared: 1 gone there"


def test_a_mass_removal_asks_for_a_yes(desk: Desk) -> None:
    desk.run("sync", "--once")
    desk.peer.remove(*(indicator(number) for number in range(20)))
    held = desk.run("peer", "pull", "--reconcile", "eu-csirt")
    assert held.exit_code == 1
    assert "20 of 25 versions are gone there" in held.output
    assert "'taxii-fed ledger --peer eu-csirt' lists them" in held.output
    listed = desk.run("ledger", "--peer", "eu-csirt").output
    assert listed.count("gone there, with much else: it stays until a person agrees") == 20
    listing = desk.run("peer", "list").output
    assert "--yes" in listing
    assert "taxii-fed ledger --peer eu-csirt;" in listing
    assert desk.json("peer", "list")[0]["removals_waiting"]["gone"] == 20
    assert desk.run("peer", "pull", "--reconcile", "--yes", "eu-csirt").exit_code == 0
    assert desk.json("peer", "list")[0]["removals_waiting"] is None


def test_a_failing_peer_is_told_in_words_and_fails_the_command(desk: Desk) -> None:
    desk.peer.knobs.refuse = dict.fromkeys(range(1000), 403)
    done = desk.run("sync", "--once")
    assert done.exit_code == 1
    assert "it does not permit this (403)" in done.output
    row = desk.json("peer", "list")[0]
    assert (row["state"], row["failures"]) == ("failing", 1)
    assert "(403)" in row["error"]
    for command in (("peer", "list"), ("status",)):
        told = f"failed once since {row['failing_since'][:19]}Z; tried again at {row['next_attempt'][:19]}Z"
        assert told in desk.run(*command).output


def test_a_paused_peer_is_left_alone_unless_it_is_named(desk: Desk) -> None:
    assert desk.run("peer", "pause", "eu-csirt").output == "eu-csirt: paused\n"
    assert desk.run("sync", "--once").output == "eu-csirt → banking paused\n"
    pulled = desk.run("peer", "pull", "eu-csirt").output
    assert "paused: beside this, nothing is pulled until 'taxii-fed peer resume eu-csirt'" in pulled
    assert "25 new" in pulled
    assert "25 known already" in desk.run("sync", "--once", "eu-csirt").output
    assert desk.json("peer", "list")[0]["state"] == "paused"
    desk.run("peer", "resume", "eu-csirt")
    assert "25 known already" in desk.run("sync", "--once").output


def test_a_reset_pulls_again_from_where_it_says(desk: Desk) -> None:
    desk.run("sync", "--once")
    assert "from the beginning" in desk.run("peer", "reset", "eu-csirt").output
    assert "25 known already" in desk.run("sync", "--once").output
    desk.run("peer", "reset", "eu-csirt", "--to", "2026-01-01T00:00Z")
    assert "nothing new" in desk.run("sync", "--once").output
    assert desk.run("peer", "reset", "eu-csirt", "--to", "2026-01-01").exit_code == 2


def test_a_test_of_https_at_a_port_for_http_asks_what_the_port_speaks(desk: Desk) -> None:
    path = Path(desk.config)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        text = path.read_text().replace(f"{desk.wire.url}/", f"https://127.0.0.1:{port}/").replace("timeout: 5s", "timeout: 1s")
        path.write_text(text)
        done = desk.run("peer", "test", "eu-csirt")
    assert done.exit_code == 1
    assert "the TLS handshake got no answer within 1 s" in done.output
    assert "or is it one for http" in done.output


def test_a_test_shows_rights_and_counts(desk: Desk) -> None:
    found = desk.json("peer", "test", "eu-csirt")
    assert found["ok"]
    (row,) = found["collections"]
    assert (row["id"], row["can_read"], row["can_write"], row["objects"], row["ours"]) == (
        COLLECTION,
        True,
        False,
        25,
        ["banking"],
    )
    assert "reached, logged in, 1 collection\n" in desk.run("peer", "test", "eu-csirt").output


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "'auth'"),
        (403, "has to grant it"),
        (404, "'url'"),
        (406, "another version of TAXII"),
        (429, "'every'"),
        (500, "'max_page'"),
    ],
)
def test_a_test_that_fails_says_what_to_try(desk: Desk, status: int, advice: str) -> None:
    desk.peer.knobs.refuse = dict.fromkeys(range(100), status)
    if status == 429:
        desk.peer.knobs.busy = dict.fromkeys(range(100), "1")
    done = desk.run("peer", "test", "eu-csirt")
    assert done.exit_code == 1
    assert str(status) in done.output
    assert advice in done.output


def test_a_collection_that_is_not_shown_to_us_is_named(desk: Desk) -> None:
    text = Path(desk.config).read_text()
    Path(desk.config).write_text(text.replace(COLLECTION, "00000000-0000-4000-8000-000000000000"))
    done = desk.run("peer", "test", "eu-csirt")
    assert done.exit_code == 1
    assert "It shows us no collection 00000000" in done.output


def test_a_name_that_is_no_peers_is_answered_with_those_that_are(desk: Desk) -> None:
    for command in (["sync", "--once", "nobody"], ["peer", "test", "nobody"], ["peer", "pause", "nobody"]):
        done = desk.run(*command)
        assert done.exit_code == 1
        assert "its peers: eu-csirt" in done.output


def test_the_state_of_a_subscription_is_there_to_read(desk: Desk) -> None:
    assert desk.json("peer", "list")[0]["state"] == "never pulled"
    desk.run("sync", "--once")
    row = desk.json("peer", "list")[0]
    assert row["state"] == "fine"
    assert row["watermark"] == "2025-10-09T08:53:20.000025Z"
    assert row["pulls"][0]["counts"] == {"new": 25}
    assert "25 new" in desk.run("peer", "list").output


def test_the_worker_ends_on_a_signal_with_the_page_in_hand_stored(desk: Desk) -> None:
    asked = threading.Event()

    def hang(handler: Any) -> bool:
        if desk.peer.requests and "next=" in handler.path:
            asked.set()
            desk.wire.released.wait()
        return False

    desk.wire.behave = hang
    env = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "taxii_fed", "--config", desk.config, "sync"]
    worker = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    assert asked.wait(60)
    worker.send_signal(signal.SIGTERM)
    _, log = worker.communicate(timeout=60)
    assert worker.returncode == 0, log
    assert "event=stopped" in log
    row = desk.json("peer", "list")[0]
    assert (row["under_way"], row["failures"]) == ({"new": 10}, 0)


def test_a_secret_that_changed_in_its_file_is_taken_up_by_a_reload(desk: Desk) -> None:
    token, config = desk.folder / "token", Path(desk.config)
    token.write_text("former")
    config.write_text(
        config.read_text().replace("    timeout: 5s\n", "    timeout: 5s\n    every: 1s\n    auth: {token: {file: token}}\n")
    )
    shown = {"Bearer former": threading.Event(), "Bearer latter": threading.Event()}

    def note(handler: Any) -> bool:
        shown[handler.headers["Authorization"]].set()
        return False

    desk.wire.behave = note
    command = [sys.executable, "-m", "taxii_fed", "--config", desk.config, "sync"]
    worker = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        assert shown["Bearer former"].wait(60)
        token.write_text("latter")
        worker.send_signal(signal.SIGHUP)
        assert shown["Bearer latter"].wait(60)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    finally:
        worker.kill()
        worker.wait()


def test_run_serves_and_pulls_in_two_processes_that_end_together(desk: Desk) -> None:
    port = free_port()
    config = Path(desk.config)
    config.write_text(config.read_text().replace("127.0.0.1:1", f"127.0.0.1:{port}"))
    pulled = threading.Event()

    def note(handler: Any) -> bool:
        if "objects" in handler.path:
            pulled.set()
        return False

    desk.wire.behave = note
    command = [sys.executable, "-m", "taxii_fed", "--config", desk.config, "run", "--workers", "1", "--threads", "2"]
    node = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert pulled.wait(60)
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as ready:
                    assert ready.status == 200
                break
            except OSError:
                threading.Event().wait(0.05)
        else:
            raise AssertionError("the server did not become ready")
        node.send_signal(signal.SIGTERM)
        _, log = node.communicate(timeout=60)
        assert node.returncode == 0, log
        assert "event=listening" in log
        assert "event=stopped" in log
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=10)
    finally:
        if node.poll() is None:
            os.killpg(node.pid, signal.SIGKILL)
            node.communicate()
