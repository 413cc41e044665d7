"""`taxii-fed peer`: look at a peer from here, and the switches of its subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from taxii_fed.cli.common import Reads, echo_json, echo_table, json_option, settings_of
from taxii_fed.cli.node import number_of
from taxii_fed.cli.sync import opened, pull_once
from taxii_fed.config import scalars
from taxii_fed.core.errors import (
    NotFoundError,
    PeerAnswerError,
    PeerBusyError,
    PeerError,
    PeerOverloadedError,
    PeerRefusedError,
    PeerUnreachableError,
    RefusedError,
)
from taxii_fed.core.timestamps import format_taxii

if TYPE_CHECKING:
    from taxii_fed.config.schema import Peer, Settings
    from taxii_fed.core.federation.remote import RemoteCollection
    from taxii_fed.ports import PeerClient

_COUNTED_PAGES = 5
_COUNTED_LIMIT = 1000


@click.group()
def peer() -> None:
    """Look at peers, and switch the pulls from them."""


@peer.command()
@click.argument("name", metavar="PEER")
@json_option
@click.pass_context
def test(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """Reach a peer, log in, and list its collections with what may be done there and how much they hold."""
    from taxii_fed.peers.taxii20 import open_peer  # noqa: PLC0415
    from taxii_fed.worker.plan import access  # noqa: PLC0415

    plan = _settings_of_peer(settings_of(ctx), name)
    client = open_peer(access(plan))
    try:
        found = examine(plan, client)
    finally:
        client.close()
    if as_json:
        echo_json({"peer": name, "url": plan.url, **found.to_json()})
    else:
        _tell(name, plan, found)
    if not found.good:
        ctx.exit(1)


@peer.command()
@click.argument("domain", metavar="DOMAIN")
@json_option
@click.pass_context
def find(ctx: click.Context, domain: str, *, as_json: bool) -> None:
    """Show the TAXII servers that a domain names in its SRV records.

    Nothing is connected to. Compare what is found with what the other side says before it goes into the configuration: the DNS is easily
    forged. The exit code is 1 where there is none.
    """
    from taxii_fed.peers.records import servers_of  # noqa: PLC0415

    try:
        found = servers_of(domain)
    except PeerError as error:
        raise RefusedError(str(error)) from None
    if as_json:
        echo_json([asdict(each) for each in found])
    elif found:
        echo_table(
            ("url", "service", ""), [(each.url, each.service, "" if each.within else "outside that domain") for each in found]
        )
    else:
        click.echo(f"{domain} names no TAXII server; ask the other side for its discovery URL.")
    if not found:
        ctx.exit(1)


@dataclass(slots=True)
class Examined:
    """What a test of a peer found. ``collections`` are rows as `to_json` gives them; ``missing``: subscribed to, not shown to us."""

    problem: str = ""
    advice: str = ""
    collections: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether everything that is to be pulled can be."""
        return not self.problem and not self.missing and not any(row["ours"] and row["problem"] for row in self.collections)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "ok": self.good,
            "problem": self.problem,
            "advice": self.advice,
            "collections": self.collections,
            "missing": self.missing,
        }


def examine(plan: Peer, client: PeerClient) -> Examined:
    """Ask a peer what it shows us, and look into each collection that can be read."""
    try:
        found = client.collections()
    except PeerError as error:
        return Examined(problem=str(error), advice=advice(error, plan))
    rows = [_row(plan, client, each) for each in found]
    shown = {name for each in found for name in (each.id.lower(), each.alias, each.title)}
    missing = [pair.theirs for pair in plan.pull if pair.theirs not in shown and pair.theirs.lower() not in shown]
    return Examined(collections=rows, missing=missing)


def _row(plan: Peer, client: PeerClient, collection: RemoteCollection) -> dict[str, Any]:
    names = {collection.id.lower(), collection.alias.lower(), collection.title.lower()}
    row: dict[str, Any] = {
        "id": collection.id,
        "title": collection.title,
        "can_read": collection.can_read,
        "can_write": collection.can_write,
        "ours": [pair.ours for pair in plan.pull if pair.theirs.lower() in names],
        "objects": None,
        "at_least": False,
        "problem": "",
    }
    if not collection.can_read:
        row["problem"] = "may not be read with this account"
        return row
    try:
        row["objects"], row["at_least"] = _count(client, collection.id)
    except PeerError as error:
        row["problem"] = str(error)
    return row


def _count(client: PeerClient, remote: str) -> tuple[int, bool]:
    """Return how many entries the manifest has, and whether there are more than were counted."""
    from taxii_fed.core.federation import pull as pulls  # noqa: PLC0415

    walk = pulls.begin(None, _COUNTED_LIMIT)
    seen: set[tuple[str, str]] = set()
    for _ in range(_COUNTED_PAGES):
        page = client.manifest(remote, walk.ask)
        seen.update((entry.id, entry.version_text) for entry in page.entries)
        walk = pulls.take(walk, page.seen())
        if walk.finished:
            return len(seen), False
    return len(seen), True


def advice(error: PeerError, plan: Peer) -> str:
    """Return what to try after a failure, "" where there is nothing to say."""
    if isinstance(error, PeerRefusedError):
        by_status = {
            401: "check 'auth' of this peer: the account, and the kind of log-in that it wants"
            + ("" if plan.auth else " (none is configured)"),
            403: "the account is known but has no right there; the peer's admin has to grant it",
            404: "check 'url': it is the discovery URL, which mostly ends in /taxii2/, an API root or a collection's URL",
            406: "it may speak another version of TAXII only",
        }
        return by_status.get(error.status, "check 'url' of this peer")
    if isinstance(error, PeerUnreachableError):
        if "certificate" in str(error):
            return "if the peer has an authority of its own, name its file in 'ca'; verification can't be switched off"
        if "TLS" in str(error):
            return "check 'url' of this peer: does its port speak https, with TLS 1.2 or later, or is it one for http"
        if "allow_private" in str(error):
            return "if it is meant to be inside your network, name that network in 'allow_private'"
        return "check 'url' and 'proxy' of this peer, and that the way to it is open"
    if isinstance(error, PeerBusyError):
        return "it limits how often it is asked; try later, and pull less often ('every')"
    if isinstance(error, PeerOverloadedError):
        return "it is slow or its answers are large: try a smaller 'max_page', or a longer 'timeout'"
    if isinstance(error, PeerAnswerError):
        return "check 'url': this may be no TAXII 2.1 server, or a page in front of one"
    return ""


def _tell(name: str, plan: Peer, found: Examined) -> None:
    if found.problem:
        click.echo(f"{name} at {plan.url}: {found.problem}")
        if found.advice:
            click.echo(f"Try: {found.advice}.")
        return
    click.echo(f"{name} at {plan.url}: reached, logged in, {number_of(len(found.collections), 'collection')}")
    rows = [
        (
            row["id"],
            row["title"],
            _yes(row["can_read"]),
            _yes(row["can_write"]),
            _amount(row),
            ", ".join(row["ours"]),
            row["problem"],
        )
        for row in found.collections
    ]
    echo_table(
        ("collection", "title", "read", "write", "objects", "goes to", "problem"), rows, folds=("title", "goes to", "problem")
    )
    for theirs in found.missing:
        click.echo(f"It shows us no collection {theirs}, which is to be pulled.")


def _amount(row: dict[str, Any]) -> str:
    if row["objects"] is None:
        return ""
    return f"{row['objects']} or more" if row["at_least"] else str(row["objects"])


def _yes(flag: object) -> str:
    return "yes" if flag else "no"


def _settings_of_peer(settings: Settings, name: str) -> Peer:
    if name not in settings.peers:
        known = ", ".join(sorted(settings.peers)) or "none"
        raise NotFoundError(f"There is no peer {name} in the configuration; its peers: {known}.")
    return settings.peers[name]


@peer.command("list")
@json_option
@click.pass_context
def list_peers(ctx: click.Context, *, as_json: bool) -> None:
    """List the peers with what is pulled from them and how that goes."""
    from taxii_fed.cli.status import subscription_rows, tell_subscriptions  # noqa: PLC0415

    with opened(settings_of(ctx)) as (node, federation):
        rows = subscription_rows(federation.subscriptions, node.clock.now())
    if as_json:
        echo_json(rows)
    else:
        tell_subscriptions(rows)


@peer.command()
@click.option("--reconcile", "compare", is_flag=True, help="Compare with its whole manifest, too.")
@click.option("--yes", "accept", is_flag=True, help="With --reconcile: carry out removals that the guard holds back.")
@click.argument("name", metavar="PEER")
@click.pass_context
def pull(ctx: click.Context, name: str, *, compare: bool, accept: bool) -> None:
    """Pull from a peer now, whatever the worker waits for."""
    if accept and not compare:
        raise click.UsageError("--yes goes with --reconcile")
    pull_once(ctx, (name,), compare=compare, accept=accept)


@peer.command()
@click.argument("name", metavar="PEER")
@click.pass_context
def pause(ctx: click.Context, name: str) -> None:
    """Leave a peer alone until it is resumed; what it gave stays."""
    _switch(ctx, name, lambda subscriptions: subscriptions.pause(name), "paused")


@peer.command()
@click.argument("name", metavar="PEER")
@click.pass_context
def resume(ctx: click.Context, name: str) -> None:
    """Go on pulling from a peer, at once and whatever went wrong before."""
    _switch(ctx, name, lambda subscriptions: subscriptions.resume(name), "resumed")


@peer.command()
@click.option(
    "--to", "instant", type=Reads("time", scalars.instant), help="From what was added there after this time, with an offset."
)
@click.argument("name", metavar="PEER")
@click.pass_context
def reset(ctx: click.Context, name: str, *, instant: int | None) -> None:
    """Pull again from a time, or from the beginning. Nothing is removed here, and what is known already changes nothing."""
    since = "the beginning" if instant is None else format_taxii(instant)
    _switch(ctx, name, lambda subscriptions: subscriptions.reset(name, instant), f"begins anew from {since}")


def _switch(ctx: click.Context, name: str, act: Callable[[Any], None], done: str) -> None:
    with opened(settings_of(ctx), (name,)) as (_, federation):
        act(federation.subscriptions)
    click.echo(f"{name}: {done}")
