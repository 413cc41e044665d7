"""Real `taxii-fed` processes on loopback, started from a configuration file, watched and killed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from httpkit.client import Reply
from stores import store_url

COLLECTION = "3d0b8a8e-51c2-4d2b-8f6a-6a3f0b5e7c10"
ROOT = "finance"
TAXII = "application/taxii+json;version=2.1"
PATIENCE = 60.0


def token_of(account: str) -> str:
    return f"token-of-{account}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LiveNode:
    """One node in a folder of its own; ``peers`` is the text of its ``peers`` section."""

    def __init__(self, folder: Path, name: str, *, identity: str = "0d9b", peers: dict[str, Any] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name, self.port = folder, name, free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.identity = f"identity--{hashlib.sha256(identity.encode()).hexdigest()[:8]}-7c52-4f3e-9d5a-0f5f6f1b0001"
        self.config = folder / "taxii-fed.yaml"
        self.peers = peers or {}
        self._server: subprocess.Popen[bytes] | None = None
        (folder / "node.key").write_text(hashlib.sha256(name.encode()).hexdigest())
        self.write()

    def write(self) -> None:
        """Write the configuration file, the node's `settings`."""
        self.config.write_text(json.dumps({key: value for key, value in self.settings().items() if value}))

    def settings(self) -> dict[str, Any]:
        account = {
            each: {"token_hash": hashlib.sha256(token_of(each).encode()).hexdigest()} for each in ("writer", "reader", "puller")
        }
        return {
            "node": {
                "name": self.name, "title": self.name, "organisation": self.name, "jurisdiction": "HK", "identity": self.identity,
                "secret": {"file": "node.key"},
            },
            "server": {"listen": f"127.0.0.1:{self.port}", "public_url": self.base, "page_size": "200"},
            "store": {"url": store_url(self.folder / "node.db")},
            "api_roots": {ROOT: {"title": "Finance", "default": "true"}},
            "collections": {"banking": {"id": COLLECTION, "api_root": ROOT, "title": "Banking"}},
            "parties": {
                "staff": {"role": "own", "publish": "banking", "accounts": {"writer": account["writer"]}},
                "bank": {"role": "bank", "accounts": {"reader": account["reader"]}},
                "partner": {"role": "peer", "accounts": {"puller": account["puller"]}},
            },
            "peers": self.peers,
            "share": {
                "all read": {"to": {"role": ["own", "bank", "peer"]}, "in": "banking", "up_to": "AMBER", "relayed_up_to": "AMBER"},
            },
        }  # fmt: skip

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "taxii_fed", "--config", str(self.config), *arguments]

    def run(self, *arguments: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=timeout, check=False)

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own, its log in the folder."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(self.command(*arguments), stdout=log, stderr=log, start_new_session=True)

    def serve(self, *arguments: str) -> None:
        """Start the server and wait until it is ready."""
        self._server = self.spawn("serve", *arguments)
        again = Retry(total=200, connect=200, status_forcelist=[503], backoff_factor=0.01, backoff_max=0.1)
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=again))
            try:
                ready = session.get(f"{self.base}/readyz", timeout=PATIENCE).status_code
            except requests.RequestException as error:
                ready = repr(error)
        assert ready == 200, f"{self.name} did not start ({ready}): {(self.folder / 'log').read_text()[-2000:]}"

    def kill(self) -> None:
        """Kill the server and all its workers, as a machine that loses power does."""
        if self._server is not None:
            kill(self._server)
            self._server = None

    def stop(self) -> None:
        """End the server in good order."""
        if self._server is not None:
            self._server.send_signal(signal.SIGTERM)
            try:
                assert self._server.wait(timeout=30) == 0
            finally:
                kill(self._server)
                self._server = None


def kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class HttpClient:
    """What the pollers of `httpkit.pollers` need, over a socket."""

    def __init__(self, node: LiveNode, account: str) -> None:
        self._session = requests.Session()
        self._session.headers.update({"Accept": TAXII, "Authorization": f"Bearer {token_of(account)}"})
        self._root = f"{node.base}/{ROOT}/"

    def get(self, path: str, query: Any = None) -> Reply:
        answer = self._session.get(self._root + path, params=query, timeout=PATIENCE)
        return Reply(answer.status_code, dict(answer.headers), answer.content)

    def add(self, objects: list[dict[str, Any]]) -> requests.Response:
        return self._session.post(
            f"{self._root}collections/{COLLECTION}/objects/", json={"objects": objects},
            headers={"Content-Type": TAXII}, timeout=PATIENCE,
        )  # fmt: skip

    def all_objects(self) -> list[dict[str, Any]]:
        """Walk the collection, every version."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"match[version]": "all", "limit": 500}
        while True:
            reply = self.get(f"collections/{COLLECTION}/objects/", query)
            assert reply.status == 200, reply
            found += reply.objects
            if not reply.json.get("more"):
                return found
            query["next"] = reply.json["next"]

    def dates(self) -> list[str]:
        """Return every ``date_added`` of the manifest."""
        found: list[str] = []
        query: dict[str, Any] = {"match[version]": "all", "limit": 500}
        while True:
            reply = self.get(f"collections/{COLLECTION}/manifest/", query)
            found += [row["date_added"] for row in reply.json.get("objects", [])]
            if not reply.json.get("more"):
                return found
            query["next"] = reply.json["next"]
