"""Hubs in one process that pull from each other: whole nodes, spoken to through their WSGI application."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.simulated_peer import query_of
from httpkit.client import Client
from nodekit import SettableClock
from taxii_fed.config.load import loads
from taxii_fed.core.errors import PeerRefusedError
from taxii_fed.core.federation.pull import Request
from taxii_fed.core.federation.remote import FED_HEADER, ManifestPage, ObjectPage, RemoteCollection
from taxii_fed.peers.client import manifest_page, object_page
from taxii_fed.peers.transport import Reply
from taxii_fed.services.federation.compare import reconcile
from taxii_fed.services.federation.federate import Federation, Run
from taxii_fed.services.federation.subscriptions import Subscriptions
from taxii_fed.web.app import create_app
from taxii_fed.wiring import Node, open_node
from taxii_fed.worker.plan import plans


def _uuid(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def token(hub: str, account: str) -> str:
    return f"{account} at {hub}"


def collection_id(hub: str) -> str:
    return _uuid(f"{hub} banking")


def identity_of(hub: str) -> str:
    return f"identity--{_uuid(f'{hub} identity')}"


@dataclass
class Hub:
    """A node named after its jurisdiction, with a desk that publishes, a bank that reads, and the other hubs as peers."""

    name: str
    node: Node
    app: Any
    clock: SettableClock
    federation: Federation | None = None

    def client(self, account: str) -> Client:
        return Client(self.app, f"Bearer {token(self.name, account)}")

    def publish(self, *objects: dict[str, Any]) -> None:
        status = self.client("desk").add(collection_id(self.name), *objects).json
        assert status["success_count"] == len(objects), status

    def delete(self, *objects: dict[str, Any]) -> None:
        for each in objects:
            path = f"collections/{collection_id(self.name)}/objects/{each['id']}/"
            assert self.client("desk").delete(path, {"match[version]": "all"}).status == 200

    def sees(self, account: str = "bank") -> set[str]:
        """Return the ids that an account reads, notices left out."""
        return {name for name, _ in self.versions(account)}

    def versions(self, account: str = "bank") -> set[tuple[str, str]]:
        """Return the (id, version) that an account reads, notices left out."""
        found: set[tuple[str, str]] = set()
        query: dict[str, Any] = {"match[version]": "all", "limit": "100"}
        while True:
            reply = self.client(account).get(f"collections/{collection_id(self.name)}/objects/", query)
            if reply.status == 404:
                return found
            found |= {(each["id"], each.get("modified", "")) for each in reply.objects if each["type"] != "note"}
            if not reply.json.get("more"):
                return found
            query["next"] = reply.json["next"]

    def pull(self) -> list[Run]:
        assert self.federation is not None
        return [self.federation.pull(each) for each in self.federation.subscriptions.all()]

    def compare(self) -> list[Run]:
        assert self.federation is not None
        return [reconcile(self.federation, each) for each in self.federation.subscriptions.all()]


class HubPeer:
    """`ports.PeerClient` that calls another hub's application."""

    def __init__(self, hub: Hub, reader: str) -> None:
        self._client = hub.client(reader)
        self._client.headers[FED_HEADER] = "1"
        self.asked: list[str] = []

    def collections(self) -> list[RemoteCollection]:
        raise NotImplementedError

    def objects(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ObjectPage:
        return object_page(self._get(f"collections/{remote}/objects/", query_of(request, ids)))

    def object(self, remote: str, object_id: str, version_text: str) -> ObjectPage:
        return object_page(self._get(f"collections/{remote}/objects/{object_id}/", {"match[version]": version_text}))

    def manifest(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ManifestPage:
        return manifest_page(self._get(f"collections/{remote}/manifest/", query_of(request, ids)))

    def cut(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _get(self, path: str, query: dict[str, str]) -> Reply:
        self.asked.append(path)
        reply = self._client.get(path, query)
        if reply.status != 200:
            raise PeerRefusedError("it refuses the request", reply.status)
        return Reply("", reply.headers, reply.body)


_ALL = "{to: {role: [own, bank, peer]}, in: all, up_to: AMBER, relayed_up_to: AMBER, unmarked_as: GREEN}"


def open_hubs(folder: Path, links: dict[str, Sequence[str]], rules: dict[str, str] | None = None) -> dict[str, Hub]:
    """Open hubs by name; ``links``: who pulls from whom; ``rules``: the rules of a hub in YAML, where they are not the common ones."""
    clock = SettableClock()
    hubs = {}
    for name, sources in links.items():
        home = folder / name
        home.mkdir()
        (home / "node.key").write_text(hashlib.sha256(name.encode()).hexdigest())
        settings = loads(config_text(name, links, sources, (rules or {}).get(name, f"share:\n  all: {_ALL}\n")), home)
        node = open_node(settings, clock=clock)
        hubs[name] = Hub(name, node, create_app(node, write=lambda _: None), clock)
    for name, hub in hubs.items():
        node = hub.node
        subscriptions = Subscriptions(node.store, clock, plans(node.settings))
        hub.federation = Federation(
            node.store,
            node.ingest,
            clock,
            node.in_force,
            subscriptions,
            lambda peer, name=name: HubPeer(hubs[peer], name),
            "worker",
        )
    return hubs


def config_text(name: str, everyone: Sequence[str] | dict[str, Any], sources: Sequence[str], rules: str = "") -> str:
    """Return the configuration of a hub that knows ``everyone`` as peers and pulls from ``sources``."""

    def account(who: str) -> str:
        return f"{{{who}: {{token_hash: {hashlib.sha256(token(name, who).encode()).hexdigest()}}}}}"

    others = [each for each in everyone if each != name]
    parties = "".join(
        f"  {each}: {{role: peer, jurisdiction: {each.upper()}, organisation: {each}, accounts: {account(each)}}}\n"
        for each in others
    )
    peers = "".join(
        f"  {each}:\n    url: https://{each}.example/taxii2/\n    removal_guard: 'off'\n    home_of: [{identity_of(each)}]\n"
        f"    pull: [{{theirs: {collection_id(each)}, ours: banking}}]\n"
        for each in sources
    )
    return f"""
node: {{name: {name}, title: {name}, organisation: {name}, jurisdiction: {name.upper()}, identity: {identity_of(name)}, secret: {{file: node.key}}}}
server: {{public_url: 'https://{name}.example/'}}
store: {{url: 'sqlite:node.db'}}
api_roots:
  finance: {{title: Finance, default: true}}
collections:
  banking: {{id: {collection_id(name)}, api_root: finance, title: Banking}}
parties:
  desk: {{role: own, jurisdiction: {name.upper()}, organisation: {name}, publish: [banking], accounts: {account("desk")}}}
  bank: {{role: bank, jurisdiction: {name.upper()}, organisation: bank, accounts: {account("bank")}}}
{parties}{"peers:" if peers else ""}
{peers}
{rules}
"""


def close_hubs(hubs: dict[str, Hub]) -> None:
    for hub in hubs.values():
        hub.node.close()
