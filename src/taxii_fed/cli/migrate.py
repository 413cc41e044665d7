"""`taxii-fed migrate`: the store of this node, moved to another kind of store."""

from __future__ import annotations

from pathlib import Path

import click

from taxii_fed.cli.common import settings_of
from taxii_fed.cli.node import note, number_of, watching
from taxii_fed.core.errors import RefusedError
from taxii_fed.services.migrate import migrate as move
from taxii_fed.storage import open_store
from taxii_fed.wiring import SystemClock


@click.command()
@click.argument("target", metavar="STORE-URL")
@click.pass_context
def migrate(ctx: click.Context, target: str) -> None:
    """Copy the store of this node to STORE-URL, with every date, cursor and place.

    STORE-URL is sqlite:PATH, mongodb://HOST/DATABASE, or @FILE for a file that holds the URL with its password. Readers can go on
    meanwhile; what writes waits. Broken off, it goes on when run again. Then give the new URL as store.url and restart.
    """
    url = Path(target[1:]).read_text(encoding="utf-8").strip() if target.startswith("@") else target
    clock = SystemClock()
    own = settings_of(ctx).store.url.url.get_secret_value()
    if _place(url) == _place(own):
        raise RefusedError("That is the store of this node already. Nothing was changed; name another one.")
    source = open_store(own, base_dir=Path(), clock=clock, create=False)
    try:
        there = open_store(url, base_dir=Path(), clock=clock)
        try:
            with watching("moving the store") as show:
                counts = move(source, there, lambda table, count: show(f"moving the store: {table} {count}"))
        finally:
            there.close()
    finally:
        source.close()
    for table, word in (("version", "version"), ("entry", "entry of the ledger"), ("view", "view"), ("doc", "document")):
        click.echo(f"{counts.get(table, 0):>12,}  {word}")
    click.echo(number_of(sum(counts.values()), "record") + " in all")
    note("Stop what runs on the old store, give the new URL as store.url, and start again. The old store is as it was.")


def _place(url: str) -> str:
    """Return where a store is, spelt in one way."""
    scheme, _, rest = url.partition(":")
    return str(Path(rest).resolve()) if scheme == "sqlite" else url
