"""medallion's own front end over our views: started as medallion is, with our backend in its configuration (I1)."""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from argon2 import PasswordHasher
from taxii2client.v21 import Collection, Server

from foreign.servers import FOREIGN, MEDIA, basic, environment, free_port, process
from nodekit import indicator, malware, relationship, stix_id
from taxii_fed.core.stix.levels import Level

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300)]

BANKING, OTHER = "5d1f0a3e-8c2d-4b6a-9f3e-1a2b3c4d5e6f", "6e2a1b4f-9d3e-4c7b-8a4f-2b3c4d5e6f70"
DESK = "7f3b2c5a-0e4f-4d8c-9b5a-3c4d5e6f7081"
USERS = {"staff": "Staff0", "bank": "Bank0", "insurer": "Insurer0", "gone": "Gone0", "stranger": "Stranger0"}
"""medallion's users; all but the last are accounts of the node, and one of them has expired."""
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("another one than medallion's")

CONFIG = f"""
node:
  name: hub
  title: Hub of the harbour
  organisation: Harbour Exchange
  jurisdiction: HK
  identity: identity--0a1f6f0e-6d0e-4c0e-8c57-0d9d3c0e6b11
  secret: {{file: node.key}}
server: {{public_url: "http://127.0.0.1:PORT", max_content_length: 100KB}}
store: {{url: "sqlite:hub.db"}}
api_roots: {{finance: {{title: Finance, default: true}}}}
collections:
  banking: {{id: {BANKING}, api_root: finance, title: Banking, alias: bank-feed}}
  desk: {{id: {DESK}, api_root: finance, title: Desk}}
  other: {{id: {OTHER}, api_root: finance, title: Other}}
parties:
  staff: {{role: own, jurisdiction: HK, organisation: Harbour, publish: [banking, desk, other], accounts: {{staff: {{password_hash: '{HASH}'}}}}}}
  bank: {{role: bank, jurisdiction: HK, organisation: Bank, publish: [desk], accounts: {{bank: {{password_hash: '{HASH}'}}, gone: {{password_hash: '{HASH}', expires: "2020-01-01T00:00Z"}}}}}}
  insurer: {{role: insurer, jurisdiction: HK, organisation: Life, accounts: {{insurer: {{password_hash: '{HASH}'}}}}}}
share:
  staff: {{to: {{role: own}}, in: all, up_to: RED, unmarked_as: RED}}
  banks: {{to: {{role: bank}}, in: [banking, desk], up_to: AMBER, unmarked_as: GREEN}}
  insurers: {{to: {{role: insurer}}, in: [banking, desk], up_to: GREEN, unmarked_as: GREEN}}
change:
  coarser: {{to: {{role: insurer}}, generalise_ip: {{v4: 24}}}}
"""


@dataclass
class Medallion:
    """medallion that runs over our store."""

    url: str

    def ask(
        self, user: str, path: str, query: str = "", *, body: bytes | None = None, method: str = "GET"
    ) -> tuple[int, Any, Message]:
        """Send a request and return status, resource and headers."""
        headers = {"Accept": MEDIA, "Authorization": basic(user, USERS[user])} | ({"Content-Type": MEDIA} if body else {})
        request = urllib.request.Request(f"{self.url}{path}?{query}".rstrip("?"), body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, json.loads(reply.read() or b"null"), reply.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null"), error.headers

    def post(self, user: str, *objects: dict[str, Any], collection: str = DESK) -> tuple[int, Any, Message]:
        """Post an envelope; to a collection of its own, which the tests that only read know nothing of."""
        return self.ask(
            user, f"/finance/collections/{collection}/objects/", body=json.dumps({"objects": objects}).encode(), method="POST"
        )

    def ids(self, user: str, query: str = "") -> list[str]:
        status, envelope, _ = self.ask(user, OBJECTS, query)
        assert status == 200, envelope
        return [each["id"] for each in envelope.get("objects", [])]

    def all(self, user: str) -> list[str]:
        """Return the ids of all pages, in their order."""
        found, place = [], ""
        while True:
            _, envelope, _ = self.ask(user, OBJECTS, place)
            found += [each["id"] for each in envelope.get("objects", [])]
            if not envelope["more"]:
                return found
            place = f"next={envelope['next']}"


OBJECTS = f"/finance/collections/{BANKING}/objects/"
WRITTEN = f"/finance/collections/{DESK}/objects/"
GREEN, AMBER, RED, MALWARE, LINK = (
    indicator(1, level=Level.GREEN, pattern="[ipv4-addr:value = '198.51.100.7']"),
    indicator(2, level=Level.AMBER),
    indicator(3, level=Level.RED),
    malware(4, level=Level.AMBER),
    relationship(5, stix_id("indicator", 1), stix_id("malware", 4), level=Level.GREEN),
)


@contextmanager
def started(folder: Path) -> Iterator[Medallion]:
    """Run medallion in ``folder``, where a node's files are."""
    port = free_port()
    config = folder / "taxii-fed.yaml"
    config.write_text(CONFIG.replace("PORT", str(port)))
    backend = {"module": "taxii_fed.medallion", "module_class": "TaxiiFedBackend", "config": str(config)}
    (folder / "config.json").write_text(json.dumps({"backend": backend, "users": USERS, "taxii": {"max_page_size": 3}}))
    url = f"http://127.0.0.1:{port}"
    command = [
        str(environment("medallion-backend") / "medallion"), "--host", "127.0.0.1", "--port", str(port), "--log-level", "ERROR",
        "config.json",
    ]  # fmt: skip
    # What was installed brings what we need; the code that is tested is the checkout's.
    with process(command, folder, f"{url}/taxii2/", PYTHONPATH=str(FOREIGN.parent / "src")):
        yield Medallion(url)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medallion]:
    folder = tmp_path_factory.mktemp("node")
    (folder / "node.key").write_text(secrets.token_hex(32))
    with started(folder) as running:
        status, resource, _ = running.post("staff", GREEN, AMBER, RED, MALWARE, LINK, collection=BANKING)
        assert (status, resource["status"], resource["success_count"]) == (202, "complete", 5)
        yield running


@pytest.mark.invariant("I1")
def test_each_user_sees_the_view_of_its_party(server: Medallion) -> None:
    every = [each["id"] for each in (GREEN, AMBER, RED, MALWARE, LINK)]
    assert set(server.all("bank")) == set(every) - {RED["id"]}
    assert server.all("staff") == every
    (found,) = server.ask("insurer", OBJECTS)[1]["objects"]
    assert found["pattern"] == "[ipv4-addr:value ISSUBSET '198.51.100.0/24']"


@pytest.mark.invariant("I1")
def test_what_is_withheld_is_answered_as_what_never_was(server: Medallion) -> None:
    never = stix_id("indicator", 99)
    for object_id in (RED["id"], never):
        for suffix in ("", "versions/"):
            status, error, _ = server.ask("bank", f"{OBJECTS}{object_id}/{suffix}")
            assert (status, error["description"].replace(object_id, "")) == (404, "There is no object with that id.")
    status, _, _ = server.ask("bank", f"/finance/collections/{OTHER}/objects/")
    assert status == 404


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("user", ["stranger", "gone"])
def test_a_user_without_an_account_here_finds_nothing_at_all(server: Medallion, user: str) -> None:
    for path in ("/taxii2/", "/finance/", "/finance/collections/", OBJECTS, f"/finance/collections/{BANKING}/manifest/"):
        status, error, _ = server.ask(user, path)
        assert status == 404, (path, error)
    assert server.post(user, indicator(50))[0] == 404


def test_discovery_api_root_and_collections_are_ours(server: Medallion) -> None:
    _, discovery, _ = server.ask("bank", "/taxii2/")
    assert (discovery["title"], discovery["default"]) == ("Hub of the harbour", f"{server.url}/finance/")
    assert server.ask("bank", "/finance/")[1]["max_content_length"] == 100_000
    assert [each["id"] for each in server.ask("bank", "/finance/collections/")[1]["collections"]] == [BANKING, DESK]
    by_alias = server.ask("bank", "/finance/collections/bank-feed/")[1]
    assert (by_alias["id"], by_alias["can_read"], by_alias["can_write"]) == (BANKING, True, False)


@pytest.mark.invariant("I2")
def test_a_poller_pages_through_all_with_the_dates_of_its_view(server: Medallion) -> None:
    status, first, headers = server.ask("bank", OBJECTS, "limit=2")
    assert (status, first["more"], len(first["objects"])) == (200, True, 2)
    status, rest, _ = server.ask("bank", OBJECTS, f"limit=2&next={first['next']}")
    again = server.ask("bank", OBJECTS, f"limit=2&next={first['next']}")[1]
    by_date = server.ask("bank", OBJECTS, f"added_after={headers['X-TAXII-Date-Added-Last']}")[1]
    assert rest == again == by_date
    manifest = server.ask("bank", f"/finance/collections/{BANKING}/manifest/")[1]["objects"]
    assert [each["id"] for each in manifest] == server.all("bank")[:3]
    assert manifest[1]["date_added"] == headers["X-TAXII-Date-Added-Last"]


def test_filters_and_mistakes_in_them_are_judged_as_our_own_server_does(server: Medallion) -> None:
    assert server.ids("bank", f"match%5Btype%5D=malware&match%5Bid%5D={MALWARE['id']}") == [MALWARE["id"]]
    assert server.ask("bank", OBJECTS, "match%5Btype%5D=no-such")[1] == {"more": False}
    for query in ("next=nonsense", "added_after=yesterday", "match%5Bversion%5D=all,last"):
        assert server.ask("bank", OBJECTS, query)[0] == 400


def test_a_status_is_for_who_posted_and_versions_are_listed(server: Medallion) -> None:
    status_id = server.post("bank", indicator(30), indicator(30, version=1))[1]["id"]
    assert server.ask("bank", f"/finance/status/{status_id}/")[1]["total_count"] == 2
    assert server.ask("staff", f"/finance/status/{status_id}/")[0] == 404
    versions = server.ask("bank", f"{WRITTEN}{indicator(30)['id']}/versions/")[1]["versions"]
    assert versions == [indicator(30)["modified"], indicator(30, version=1)["modified"]]


def test_only_who_may_writes_and_only_the_home_deletes(server: Medallion) -> None:
    assert server.post("insurer", indicator(40))[0] == 403
    server.post("staff", indicator(41))
    server.post("bank", indicator(42))
    assert server.ask("bank", f"{WRITTEN}{indicator(41)['id']}/", method="DELETE")[0] == 403
    assert server.ask("bank", f"{WRITTEN}{indicator(42)['id']}/", method="DELETE")[0] == 200
    assert server.ask("bank", f"{WRITTEN}{indicator(42)['id']}/")[0] == 404


def test_numbers_and_strings_keep_their_values(server: Medallion) -> None:
    text = json.dumps(indicator(60, x_long=12345678901234567890123, x_text="caf\u00e9")).replace(
        '"x_long"', '"x_n": 1.10e2, "x_long"'
    )
    status, _, _ = server.ask("staff", WRITTEN, body=f'{{"objects": [{text}]}}'.encode(), method="POST")
    assert status == 202
    (found,) = server.ask("staff", f"{WRITTEN}{indicator(60)['id']}/")[1]["objects"]
    assert (found["x_long"], found["x_text"], found["x_n"]) == (12345678901234567890123, "café", 110)


def test_the_usual_client_reads_it(server: Medallion) -> None:
    root = Server(f"{server.url}/taxii2/", user="bank", password=USERS["bank"]).default
    banking = next(each for each in root.collections if each.title == "Banking")
    assert isinstance(banking, Collection)
    found = banking.get_object(GREEN["id"])
    assert found["objects"] == [GREEN]
    assert quote(banking.id) == BANKING


@pytest.mark.invariant("I5")
def test_what_was_posted_is_there_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "node.key").write_text(secrets.token_hex(32))
    with started(tmp_path) as server:
        server.post("staff", GREEN, AMBER, collection=BANKING)
        _, first, _ = server.ask("bank", OBJECTS, "limit=1")
    with started(tmp_path) as server:
        assert server.ids("bank", f"next={first['next']}") == [AMBER["id"]]
