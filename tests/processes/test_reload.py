"""`taxii-fed reload`: what runs on this machine takes up the files, whole or not at all, and the admin is told which (I6)."""

from __future__ import annotations

import re
import socket
from dataclasses import asdict

import pytest
import requests

from nodekit import open_kit
from processes.live import LiveNode, kill, token_of
from taxii_fed.services.processes import PROCESS, Process, running_here


@pytest.fixture
def node(tmp_path):
    node = LiveNode(tmp_path / "hub", "hub")
    node.serve("--workers", "1")
    worker = node.spawn("sync")
    yield node
    kill(worker)
    node.kill()


def reloaded(node: LiveNode) -> dict[str, str]:
    """Return what each process is said to have made of a reload, once the server and the worker are there."""
    while True:
        done = node.run("reload")
        found = dict(re.findall(r"^(\w+) \(process \d+\): (.*)$", done.stdout, re.MULTILINE))
        assert found, done.stderr
        assert (done.returncode == 0) == (set(found.values()) == {"reloaded"})
        if len(found) == 2:
            return found


def test_a_new_account_is_let_in_once_the_command_has_ended(node):
    node.config.write_text(node.config.read_text().replace('"reader"', '"newcomer"'))
    assert reloaded(node) == {"serve": "reloaded", "sync": "reloaded"}
    headers = {"Authorization": f"Bearer {token_of('reader')}"}  # the same token, under another name
    assert requests.get(f"{node.base}/taxii2/", headers=headers, timeout=30).status_code == 200


def test_files_with_mistakes_reach_no_process(node):
    good = node.config.read_text()
    reloaded(node)
    node.config.write_text(good.replace('"jurisdiction"', '"jurisdiktion"'))
    told = node.run("reload")
    assert told.returncode == 78
    assert "did you mean 'jurisdiction'?" in told.stderr
    assert "not reloaded" not in (node.folder / "log").read_text()


def test_a_process_that_can_not_use_the_files_goes_on_and_the_admin_reads_why(node):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        node.config.write_text(node.config.read_text().replace(f'"listen": "127.0.0.1:{node.port}"', f'"listen": "{address}"'))
        found = reloaded(node)
    assert found["sync"] == "reloaded"
    assert found["serve"].startswith("not reloaded, it goes on with what it had: ")
    assert requests.get(f"{node.base}/readyz", timeout=30).status_code == 200


def test_where_nothing_runs_the_command_says_so(tmp_path):
    node = LiveNode(tmp_path / "hub", "hub")
    assert node.run("apply").returncode == 0
    told = node.run("reload")
    assert told.returncode == 1
    assert "Nothing that serves or pulls for this node runs on this machine" in told.stderr


def test_a_process_whose_id_went_to_another_is_not_taken_for_it(tmp_path):
    kit = open_kit(tmp_path)
    process = Process("serve")
    process.show(kit.store)
    assert [each.name for each in running_here(kit.store)] == [process.name]
    with kit.store.write() as writer:
        writer.put_doc(PROCESS, process.name, {**asdict(process), "born": process.born + 1})
    assert running_here(kit.store) == []
    Process("sync").show(kit.store)
    with kit.store.read() as reader:
        assert process.name not in reader.docs(PROCESS), "what a dead process left is cleared away"
    kit.store.close()
