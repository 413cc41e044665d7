"""`taxii-fed connect`: what to send a party so that it can log in, read and write. Never a secret.

From the configuration alone, so that it also answers for a node that does not run yet.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import click

from taxii_fed.cli.clients import PRODUCTS, fields, settings_for
from taxii_fed.cli.common import echo_json, json_option, settings_of
from taxii_fed.config.convert import in_force
from taxii_fed.config.problems import nearest
from taxii_fed.config.schema import Account, Settings
from taxii_fed.core.rules.audience import audience_of
from taxii_fed.core.timestamps import format_taxii


@dataclass(frozen=True, slots=True)
class Grant:
    """A share rule that lets the party read a collection, with its ceilings."""

    rule: str
    up_to: str
    relayed_up_to: str


@dataclass(frozen=True, slots=True)
class Open:
    """A collection that the party has a right to."""

    name: str
    title: str
    id: str
    alias: str
    api_root: str
    api_root_url: str
    objects_url: str
    reads: tuple[Grant, ...]
    writes: bool


@dataclass(frozen=True, slots=True)
class Login:
    """An account and the ways it opens: ``password``, ``token``, ``certificate``."""

    name: str
    ways: tuple[str, ...]
    expires: str


@dataclass(frozen=True, slots=True)
class Connection:
    """All that a party needs to be told."""

    node: str
    title: str
    organisation: str
    jurisdiction: str
    party: str
    role: str
    discovery_url: str
    api_roots: dict[str, str]
    accounts: tuple[Login, ...]
    collections: tuple[Open, ...]

    @property
    def login(self) -> Login | None:
        """The account that settings are shown for."""
        return self.accounts[0] if self.accounts else None


def connection_of(settings: Settings, party: str, account: str | None, now: int) -> Connection:
    """Return what to tell a party at an instant (µs). Raises ``UsageError`` where party or account are not in the settings."""
    if party not in settings.parties:
        raise click.UsageError(f"no party {party!r} in the configuration.{_meant(party, settings.parties)}")
    accounts = settings.parties[party].accounts
    if account is not None and account not in accounts:
        raise click.UsageError(f"party {party!r} has no account {account!r}.{_meant(account, accounts)}")
    chosen = accounts if account is None else {account: accounts[account]}
    collections = tuple(_open(settings, party, now))
    return Connection(
        node=settings.node.name,
        title=settings.node.title,
        organisation=settings.node.organisation,
        jurisdiction=settings.node.jurisdiction,
        party=party,
        role=settings.parties[party].role,
        discovery_url=f"{settings.server.public_url}/taxii2/",
        api_roots={each.api_root: each.api_root_url for each in collections},
        accounts=tuple(_login(name, each) for name, each in chosen.items()),
        collections=collections,
    )


def _meant(name: str, known: Any) -> str:
    hint = nearest(name, known)
    return f" Did you mean {hint!r}?" if hint else ""


def _login(name: str, account: Account) -> Login:
    given = (("password", account.password_hash), ("token", account.token_hash), ("certificate", account.certificate))
    expires = "" if account.expires_at is None else format_taxii(account.expires_at)
    return Login(name, tuple(way for way, credential in given if credential is not None), expires)


def _open(settings: Settings, name: str, now: int) -> Iterator[Open]:
    """Yield the collections that a party may read or write."""
    terms = in_force(settings)
    party = terms.parties[name]
    for collection in settings.collections:
        grants = audience_of(terms, party, collection, now).share
        if not grants and collection not in party.publish:
            continue
        entry = settings.collections[collection]
        root = f"{settings.server.public_url}/{entry.api_root}/"
        yield Open(
            name=collection,
            title=entry.title,
            id=entry.id,
            alias=entry.alias,
            api_root=entry.api_root,
            api_root_url=root,
            objects_url=f"{root}collections/{entry.id}/objects/",
            reads=tuple(Grant(rule.name, str(rule.up_to), str(rule.relayed_up_to)) for rule in grants),
            writes=collection in party.publish,
        )


@click.command()
@click.argument("party")
@click.argument("account", required=False)
@click.option("--for", "product", type=click.Choice(list(PRODUCTS)), help="Only the settings for this product.")
@json_option
@click.pass_context
def connect(ctx: click.Context, party: str, account: str | None, product: str | None, *, as_json: bool) -> None:
    """Show what to send to PARTY.

    URLs, ids, how to log in, what it may read and write and by which rules, and settings to copy into its products. No secret.
    """
    connection = connection_of(settings_of(ctx), party, account, time.time_ns() // 1000)
    if product == "peering" and connection.role != "peer":
        click.echo(
            f"note: party {party!r} is no peer, its role is {connection.role!r}; this page is for two nodes that peer", err=True
        )
    if as_json:
        products = {each: settings_for(each, connection) for each in PRODUCTS if product in {None, each}}
        echo_json({**asdict(connection), "settings": products})
        return
    if product is not None:
        click.echo(settings_for(product, connection))
        return
    _tell(connection)
    if connection.login is None or not connection.collections:
        return
    # a peer is shown what is for peers first, and nobody else is shown all of it
    peer = connection.role == "peer"
    fitting = [each for each in PRODUCTS if peer or each != "peering"]
    for each in sorted(fitting, key=lambda name: (name in {"taxii-fed", "peering"}) != peer):
        click.echo(f"\n-- {PRODUCTS[each]} --\n{settings_for(each, connection)}")


WAYS = {
    "password": "user name and password (Basic)",
    "token": "token (Bearer, Token, or as the password of Basic)",
    "certificate": "client certificate",
}


def _tell(connection: Connection) -> None:
    click.echo(f"{connection.title}, for {connection.party} ({connection.role})\n")
    click.echo(f"Discovery URL: {connection.discovery_url}")
    for url in connection.api_roots.values():
        click.echo(f"API root URL:  {url}")
    for login in connection.accounts:
        ends = f"; until {login.expires}" if login.expires else ""
        click.echo(f"Account:       {login.name}: {', or '.join(WAYS[way] for way in login.ways)}{ends}")
    if not connection.accounts:
        click.echo("Account:       none yet; 'taxii-fed hash-password' or 'taxii-fed token' makes the line for one")
    if not connection.collections:
        click.echo(f"\nNo share rule reaches {connection.party}, and it publishes nowhere: it will see no collection.")
        return
    for each in connection.collections:
        click.echo(f"\n{each.title}\n{textwrap.indent(_rights(each), '  ')}")


def _rights(collection: Open) -> str:
    reads = [
        ("Reads", f"up to TLP:{grant.up_to}, from peers up to TLP:{grant.relayed_up_to}, by the rule {grant.rule!r}")
        for grant in collection.reads
    ]
    return fields(
        ("Id", collection.id),
        *([("Alias", collection.alias)] if collection.alias else []),
        ("Objects URL", collection.objects_url),
        *(reads or [("Reads", "nothing")]),
        ("Writes", "yes" if collection.writes else "no"),
    )
