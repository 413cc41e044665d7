"""From an open node to its WSGI application: which settings go where."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol
from urllib.parse import urlsplit

from taxii_fed.config import convert
from taxii_fed.config.schema import Settings
from taxii_fed.core.keys import hkdf
from taxii_fed.core.loglines import format_of
from taxii_fed.ports import Clock, Store
from taxii_fed.services.reading.browse import Browse
from taxii_fed.web.auth import Account, Authenticator
from taxii_fed.web.certificates import Wanted
from taxii_fed.web.endpoints import ApiRoot, Endpoints, Publishing, Site
from taxii_fed.web.gate import Gate
from taxii_fed.web.health import operations_app, readiness
from taxii_fed.web.metrics import Metrics
from taxii_fed.web.routes import segments
from taxii_fed.web.taxii import TaxiiApp

Write = Callable[[str], object]


def to_standard_error(line: str) -> None:
    """Write a line in one piece, so that threads do not mix theirs; where nobody takes it (a full disk, a closed pipe) it is lost."""
    with suppress(OSError, ValueError):
        sys.stderr.write(line)


class Node(Protocol):
    """What of `wiring.Node` the server needs."""

    @property
    def settings(self) -> Settings:
        """The settings it was opened with."""
        ...

    @property
    def clock(self) -> Clock:
        """Where the time comes from."""
        ...

    @property
    def store(self) -> Store:
        """Where everything is kept."""
        ...

    @property
    def browse(self) -> Browse:
        """Reading."""
        ...

    @property
    def ingest(self) -> Publishing:
        """Adding and deleting."""
        ...


def create_app(node: Node, write: Write = to_standard_error) -> TaxiiApp:
    """Return the WSGI application of an open node. ``write`` takes the log's lines."""
    settings = node.settings
    gate = Gate(Authenticator(_accounts(settings), node.clock), node.browse.anonymous, settings.server.trusted_proxies)
    metrics = Metrics()
    form = format_of(settings.log.format)
    fingerprint, read_at = convert.fingerprint(settings), node.clock.now()
    operations = operations_app(gate, node.browse, metrics, lambda: readiness(node.store, fingerprint, read_at))
    return TaxiiApp(
        endpoints_of(node),
        gate,
        operations,
        clock=node.clock,
        log=lambda at, fields: write(form(at, fields)),
        metrics=metrics,
        prefix=segments(urlsplit(settings.server.public_url).path),
    )


def endpoints_of(node: Node) -> Endpoints:
    """Return the TAXII endpoints of an open node, without what admits and refuses requests before them."""
    settings = node.settings
    return Endpoints(node.browse, node.ingest, _site(settings), hkdf(settings.node.secret.get_secret_value(), b"entity-tag"))


def _site(settings: Settings) -> Site:
    return Site(
        title=settings.node.title,
        contact=settings.node.contact,
        public_url=settings.server.public_url,
        api_roots=tuple(
            ApiRoot(name=name, title=root.title, description=root.description, default=root.default)
            for name, root in settings.api_roots.items()
        ),
        max_content_length=settings.server.max_content_length,
        empty_objects=settings.server.empty_objects,
    )


def _accounts(settings: Settings) -> Iterator[Account]:
    for party, terms in settings.parties.items():
        for name, account in terms.accounts.items():
            certificate = account.certificate
            yield Account(
                name=name,
                party=party,
                password_hash=account.password_hash.get_secret_value() if account.password_hash else "",
                token_hash=account.token_hash.get_secret_value() if account.token_hash else "",
                certificate=Wanted(**certificate.model_dump()) if certificate else None,
                expires_at=account.expires_at,
            )
