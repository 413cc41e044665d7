"""Foreign servers as processes of their own, each from an environment that is made once, under ``.foreign/`` beside the checkout's files.

Nothing of them is imported here; they are spoken to over a loopback socket.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import venv
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

FOREIGN = Path(__file__).resolve().parents[2] / ".foreign"
REQUIREMENTS = {
    "medallion": ["medallion==3.0.0"],
    "medallion-backend": ["medallion==3.0.0", str(FOREIGN.parent)],
    "medallion-2.0": ["medallion==1.1.0"],
    "opentaxii": ["opentaxii==0.10.0b1", "gunicorn"],
    "secantusdb": ["secantusdb==0.7.0b3"],
}
MEDIA = "application/taxii+json;version=2.1"
TAXII_20, STIX_20 = "application/vnd.oasis.taxii+json; version=2.0", "application/vnd.oasis.stix+json; version=2.0"
COLLECTIONS = tuple(f"365fed99-08fa-4a15-8b6f-0f1d2c3b4a{number:02d}" for number in range(10))
"""One for each test: a server is started once for all of them."""
API_ROOT = "00000000-0000-4000-8000-0000000000a0"
START_SECONDS = 60.0


def environment(name: str) -> Path:
    """Return the folder of the programs of a server's environment; skip the test where it can't be installed.

    It is made once, by one process, and anew when what belongs into it has changed.
    """
    folder = FOREIGN / name
    done = folder / "complete"
    wanted = "\n".join(REQUIREMENTS[name])
    if str(FOREIGN.parent) in REQUIREMENTS[name]:
        wanted += "\n" + (FOREIGN.parent / "pyproject.toml").read_text()
    FOREIGN.mkdir(exist_ok=True)
    with (FOREIGN / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--pre", *REQUIREMENTS[name]]
            installed = subprocess.run(command, capture_output=True, text=True, check=False)
            if installed.returncode:
                pytest.skip(f"pip can't install {name}: {(installed.stderr.strip().splitlines() or ['no reason given'])[-1]}")
            done.write_text(wanted)
    return folder / "bin"


@dataclass(frozen=True)
class Foreign:
    """A server that runs. ``authorization`` is the value of that header; ``root`` the path of its API root."""

    url: str
    root: str
    collections: tuple[str, ...]
    authorization: str
    username: str = ""
    password: str = ""
    accept: str = MEDIA
    content: str = MEDIA

    @property
    def collection(self) -> str:
        """Return the collection that a test works with."""
        return self.collections[0]

    def post(self, *objects: dict[str, Any]) -> dict[str, Any]:
        """Post an envelope and return the status."""
        target = f"{self.url}{self.root}collections/{self.collection}/objects/"
        headers = {"Accept": self.accept, "Content-Type": self.content, "Authorization": self.authorization}
        envelope = {"type": "bundle", "id": f"bundle--{API_ROOT}", "spec_version": "2.0"} if self.content == STIX_20 else {}
        request = urllib.request.Request(target, json.dumps({**envelope, "objects": objects}).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as reply:
            status: dict[str, Any] = json.load(reply)
        return status

    def delete(self, object_id: str) -> None:
        """Delete an object."""
        target = f"{self.url}{self.root}collections/{self.collection}/objects/{object_id}/?match%5Bversion%5D=all"
        request = urllib.request.Request(
            target, headers={"Accept": MEDIA, "Authorization": self.authorization}, method="DELETE"
        )
        urllib.request.urlopen(request, timeout=60).close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(command: list[str], folder: Path, url: str, **env: str) -> Iterator[None]:
    """Run a server until the block ends; return control once it answers."""
    with (folder / "server.log").open("wb") as log:
        running = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **env})
        try:
            _wait(running, url, folder)
            yield
        finally:
            running.terminate()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def _wait(running: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and running.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError((folder / "server.log").read_text()[-2000:])


def basic(username: str, password: str) -> str:
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


@contextmanager
def medallion(folder: Path, max_page_size: int = 100) -> Iterator[Foreign]:
    """Run medallion with its memory backend, an empty collection and one user."""
    programs = environment("medallion")
    port = free_port()
    collections = [
        {
            "id": each, "title": each, "can_read": True, "can_write": True,
            "media_types": ["application/stix+json;version=2.1"], "objects": [], "manifest": [],
        }
        for each in COLLECTIONS
    ]  # fmt: skip
    data = {
        "/discovery": {
            "title": "medallion",
            "default": f"http://localhost:{port}/lab/",
            "api_roots": [f"http://localhost:{port}/lab/"],
        },
        "lab": {
            "information": {"title": "Lab", "versions": [MEDIA], "max_content_length": 100_000_000},
            "status": [],
            "collections": collections,
        },
    }
    config = {
        "backend": {
            "module": "medallion.backends.memory_backend",
            "module_class": "MemoryBackend",
            "filename": str(folder / "data.json"),
        },
        "users": {"admin": "Password0"},
        "taxii": {"max_page_size": max_page_size},
    }
    (folder / "data.json").write_text(json.dumps(data))
    (folder / "config.json").write_text(json.dumps(config))
    url = f"http://127.0.0.1:{port}"
    command = [str(programs / "medallion"), "--host", "127.0.0.1", "--port", str(port), "--log-level", "ERROR", "config.json"]
    with process(command, folder, f"{url}/taxii2/"):
        yield Foreign(url, "/lab/", COLLECTIONS, basic("admin", "Password0"), "admin", "Password0")


@contextmanager
def medallion_20(folder: Path, max_page_size: int = 100) -> Iterator[Foreign]:
    """Run the last medallion of TAXII 2.0, as `medallion` runs that of 2.1; it logs in with a key."""
    programs = environment("medallion-2.0")
    port = free_port()
    collections = [
        {"id": each, "title": each, "can_read": True, "can_write": True, "media_types": [STIX_20]} for each in COLLECTIONS
    ]
    root = f"http://localhost:{port}/lab/"
    data = {
        "/discovery": {"title": "medallion", "default": root, "api_roots": [root]},
        "lab": {
            "information": {"title": "Lab", "versions": ["taxii-2.0"], "max_content_length": 100_000_000},
            "status": [],
            "collections": collections,
        },
    }
    config = {
        "multi-auth": ["api_key"],
        "auth": {
            "module": "medallion.backends.auth.memory_auth", "module_class": "AuthMemoryBackend", "users": {},
            "api_keys": {"Password0": "admin"},
        },
        "backend": {
            "module": "medallion.backends.taxii.memory_backend", "module_class": "MemoryBackend",
            "filename": str(folder / "data.json"),
        },
        "taxii": {"max_page_size": max_page_size},
    }  # fmt: skip
    (folder / "data.json").write_text(json.dumps(data))
    (folder / "config.json").write_text(json.dumps(config))
    url = f"http://127.0.0.1:{port}"
    command = [str(programs / "medallion"), "--host", "127.0.0.1", "--port", str(port), "config.json"]
    with process(command, folder, f"{url}/taxii/"):
        yield Foreign(url, "/lab/", COLLECTIONS, "Token Password0", accept=TAXII_20, content=STIX_20)


@contextmanager
def opentaxii(folder: Path) -> Iterator[Foreign]:
    """Run OpenTAXII with SQLite, an empty collection and one account, that logs in with a token."""
    programs = environment("opentaxii")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "opentaxii.yml").write_text(_opentaxii_config(folder, port))
    env = {"OPENTAXII_CONFIG": str(folder / "opentaxii.yml")}
    done = subprocess.run(
        [str(programs / "python"), "-c", _OPENTAXII_SETUP, API_ROOT, str(len(COLLECTIONS))],
        cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    serve = [
        str(programs / "gunicorn"), "opentaxii.http:app", "--bind", f"127.0.0.1:{port}", "--workers", "2",
        "--worker-class", "gthread", "--threads", "4", "--control-socket", str(folder / "gunicorn.ctl"),
    ]  # fmt: skip
    with process(serve, folder, f"{url}/taxii2/", **env):
        body = json.dumps({"username": "admin", "password": "Password0"}).encode()
        request = urllib.request.Request(f"{url}/management/auth", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            authorization = f"Bearer {json.load(reply)['token']}"
        root = f"/taxii2/{API_ROOT}/"
        asked = urllib.request.Request(f"{url}{root}collections/", headers={"Accept": MEDIA, "Authorization": authorization})
        with urllib.request.urlopen(asked, timeout=60) as reply:
            collections = tuple(each["id"] for each in json.load(reply)["collections"])
        yield Foreign(url, root, collections, authorization, "admin", "Password0")


_OPENTAXII_SETUP = """
import sys
from opentaxii.cli.auth import create_account
from opentaxii.cli.persistence import add_api_root, add_collection
root, count = sys.argv[1:]
def call(command, *arguments):
    sys.argv = ["command", *arguments]
    command()
call(create_account, "-u", "admin", "-p", "Password0", "--admin")
call(add_api_root, "-t", "lab", "--default", "-i", root)
for number in range(int(count)):
    call(add_collection, "-r", root, "-t", f"lab {number}")
"""
"""What its own commands do, in one process instead of a dozen."""


def _opentaxii_config(folder: Path, port: int) -> str:
    return f"""
domain: "127.0.0.1:{port}"
support_basic_auth: yes
auth_api:
  class: opentaxii.auth.sqldb.SQLDatabaseAPI
  parameters: {{db_connection: "sqlite:///{folder}/auth.db", create_tables: yes, secret: for-a-test, token_ttl_secs: 86400}}
taxii1:
taxii2:
  persistence_api:
    class: opentaxii.persistence.sqldb.Taxii2SQLDatabaseAPI
    parameters: {{db_connection: "sqlite:///{folder}/data.db", create_tables: yes}}
  title: OpenTAXII
  public_discovery: true
  allow_custom_properties: true
  max_content_length: 100000000
logging: {{opentaxii: error, root: error}}
"""


# -- a proxy that loses replies -------------------------------------------------------------------------------------------------


@dataclass
class Proxy:
    """Hands requests on and, for some, throws the reply away: the server has carried them out all the same."""

    url: str
    loses: Callable[[int], bool] = lambda _number: False
    requests: int = 0
    lost: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def losing_replies(server: Foreign) -> Iterator[Proxy]:
    """Put a proxy before a server."""
    host = server.url.removeprefix("http://")
    proxy = Proxy("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            upstream = http.client.HTTPConnection(host, timeout=60)
            upstream.request("GET", self.path, headers=dict(self.headers))
            reply = upstream.getresponse()
            body = reply.read()
            upstream.close()
            with proxy.lock:
                proxy.requests += 1
                lose = proxy.loses(proxy.requests)
                if lose:
                    proxy.lost.append(self.path)
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in ("connection", "content-length", "server", "date", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body[: len(body) // 2] if lose else body)
            if lose:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    http_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http_server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{http_server.server_address[1]}"
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        http_server.shutdown()
        http_server.server_close()
        thread.join()
