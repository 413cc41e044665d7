"""The part of `taxii-fed import` that takes over what another server kept."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from taxii_fed.cli.common import echo_json
from taxii_fed.cli.node import note, number_of
from taxii_fed.core.errors import BadRequestError, RefusedError
from taxii_fed.takeover import SERVERS, read_theirs
from taxii_fed.takeover.theirs import TheirCollection, Theirs, settings_text

from_option = click.option(
    "--from",
    "server",
    metavar="SERVER",
    type=click.Choice(list(SERVERS)),
    help=f"FILE is what this server kept: {' or '.join(SERVERS)}.",
)
theirs_option = click.option(
    "--theirs",
    "wanted",
    metavar="COLLECTION",
    default="",
    help="Its collection, by id, alias or title; where it has more than one.",
)
accounts_option = click.option(
    "--accounts",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Where it kept its accounts: medallion's configuration, or OpenTAXII's database for log-ins.",
)


def theirs_of(server: str | None, file: Path, wanted: str, accounts: Path | None) -> Theirs | None:
    """Return what the server kept, None where no server is named.

    Raises ``UsageError`` for options that mean nothing without one, `RefusedError` for files that are not that server's.
    """
    if server is None:
        if wanted or accounts:
            raise click.UsageError("--theirs and --accounts go with --from.")
        return None
    try:
        return read_theirs(server, file, accounts)
    except BadRequestError as error:
        raise RefusedError(f"{error}; nothing was taken in") from None


def chosen(theirs: Theirs, wanted: str) -> TheirCollection:
    """Return the one collection that is meant. Raises ``UsageError`` with those to choose from."""
    found = theirs.pick(wanted)
    if len(found) == 1:
        return found[0]
    rest = found or theirs.collections
    missing = f"no collection {wanted!r} is there; " if wanted and not found else ""
    names = "; ".join(f"{each.id} ({each.title}, {number_of(each.count, 'object')})" for each in rest)
    raise click.UsageError(f"{missing}name one collection with --theirs: {names or 'there is none'}")


def show_theirs(theirs: Theirs, *, as_json: bool) -> None:
    """Write what there is: settings to merge into a configuration, and on standard error how much each collection holds."""
    if as_json:
        echo_json(
            {
                "server": theirs.server,
                "api_roots": [asdict(each) for each in theirs.roots],
                "collections": [asdict(each) for each in theirs.collections],
                "accounts": [asdict(each) for each in theirs.accounts],
            }
        )
        return
    click.echo(settings_text(theirs), nl=False)
    for each in theirs.collections:
        note(f"{each.id} {each.title}: {number_of(each.count, 'object')}")


def note_what_stays(theirs: Theirs) -> None:
    """Tell what does not come along."""
    note("date_added is given anew, in the order that the objects had; readers begin from the start.")
    if theirs.accounts:
        names = ", ".join(each.name for each in theirs.accounts)
        note(f"Accounts do not come along, and need new passwords: {names}")
