"""What the admin's commands share: an open node, names with the nearest known one, times and spans of time, and answers in pieces."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from taxii_fed.cli.common import settings_of
from taxii_fed.config import convert, scalars
from taxii_fed.config.problems import nearest
from taxii_fed.config.schema import Settings
from taxii_fed.core.errors import RefusedError, StoreError
from taxii_fed.core.rules.model import CollectionTerms, InForce, Party
from taxii_fed.core.timestamps import format_date_added, format_taxii
from taxii_fed.ports import Clock, Store
from taxii_fed.services.nodekey import keep_key
from taxii_fed.storage import open_store
from taxii_fed.wiring import Node, SystemClock, open_node

Json = dict[str, Any]
T = TypeVar("T")


def store_of(settings: Settings, clock: Clock, *, making: Callable[[str], object] | None = None) -> Store:
    """Open the store of a configuration.

    One that is not there is made with ``making`` alone, which is told where just before, and may keep it from being made with an error.
    Raises `StoreError`.
    """
    url = settings.store.url
    try:
        return open_store(url.url.get_secret_value(), base_dir=Path(), clock=clock, create=False)
    except StoreError as error:
        if not str(error).endswith("does not exist"):
            raise
        if making is None:
            raise StoreError(f"{error}: start the server, or run `taxii-fed apply`, to make it.") from None
    making(url.shown)
    return open_store(url.url.get_secret_value(), base_dir=Path(), clock=clock)


def node_of(settings: Settings, clock: Clock, store: Store, *, adopt: bool = False, any_key: bool = False) -> Node:
    """Open the node over its store as `open_node` does; where that fails, close the store."""
    try:
        return open_node(settings, clock=clock, store=store, adopt=adopt, any_key=any_key)
    except BaseException:
        store.close()
        raise


def tell_making(place: str) -> None:
    """Tell a person that there is no store yet, and where one is made."""
    note(f"taxii-fed: there is no store; making a new one, {place}")


@contextmanager
def opened(
    ctx: click.Context, *, create: bool = False, check: Callable[[InForce], object] | None = None, any_key: bool = False
) -> Iterator[Node]:
    """Open the node of the configuration without putting anything in force.

    With ``create`` a store that is not there yet is made, which is said, and an empty one gets the configuration, as at a first start.
    ``check`` gets the configuration before a store is made, and may keep it from that with an error. ``any_key``: for what needs no key,
    so that it can be done without the right one. Raises `ConfigError`, and `StoreError` where there is no store.
    """
    settings = settings_of(ctx)
    clock = SystemClock()

    def making(place: str) -> None:
        if check is not None:
            check(convert.in_force(settings))
        tell_making(place)

    store = store_of(settings, clock, making=making if create else None)
    node = node_of(settings, clock, store, any_key=any_key)
    try:
        if create:
            keep_key(store, node.keys)
            with store.read() as reader:
                empty = reader.in_force() is None
            if empty:
                node.governor.adopt(convert.in_force(settings), convert.fingerprint(settings))
        yield node
    finally:
        node.close()


def in_force(node: Node) -> InForce:
    """Return what is in force. Raises `RefusedError` in an empty store."""
    with node.store.read() as reader:
        return node.in_force.require(reader)


def party_of(node: Node, name: str) -> Party:
    """Return a party in force. Raises ``UsageError`` with the nearest name."""
    return party_in(in_force(node), name, node.settings)


def party_in(terms: InForce, name: str, settings: Settings) -> Party:
    """Return a party of what is in force. Raises ``UsageError`` with the nearest name."""
    return _named("party", name, terms.parties, settings.parties)


def collection_of(node: Node, name: str) -> CollectionTerms:
    """Return a collection in force by its name, TAXII id or alias. Raises ``UsageError`` with the nearest name."""
    return collection_in(in_force(node), name, node.settings)


def collection_in(terms: InForce, name: str, settings: Settings) -> CollectionTerms:
    """Return a collection of what is in force by its name, TAXII id or alias. Raises ``UsageError`` with the nearest name."""
    for each in terms.collections.values():
        if name in (each.id, each.alias):
            return each
    return _named("collection", name, terms.collections, settings.collections)


def _named(kind: str, name: str, known: Mapping[str, T], configured: Mapping[str, object]) -> T:
    if name in known:
        return known[name]
    if name in configured:
        raise RefusedError(f"The {kind} {name!r} is in the configuration, but not in force yet: run `taxii-fed apply`.")
    raise click.UsageError(unknown(kind, name, known))


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return a message for a name that is none, with the nearest one, or all of a few."""
    names = sorted(known)
    hint = nearest(name, names)
    if hint:
        return f"no {kind} {name!r}. Did you mean {hint!r}?"
    return f"no {kind} {name!r}; there {'are' if len(names) != 1 else 'is'} {', '.join(names) or 'none'}."


# -- times --------------------------------------------------------------------------------------------------------------------


def instant_or_span(raw: Any) -> int:
    """Return the instant (µs) of a time with its offset, or of a span such as ``7d`` before now."""
    text = str(raw)
    if text[-1:] in "smhd" and text[:-1].isdigit():
        return time.time_ns() // 1000 - scalars.Duration()(text) * 1_000_000
    if text[:-1].isdigit() or text.isdigit():
        raise scalars.mistake(expected="a span such as 90m, 12h or 7d, or a time with its offset such as 2026-12-01T00:00Z")
    return scalars.instant(text)


def moment(instant: int | None) -> str:
    """Return an instant (µs) for people: to the second, in UTC; "" for None."""
    return "" if instant is None else f"{format_taxii(instant)[:19].replace('T', ' ')}Z"


def stamp(milliseconds: int | None) -> str:
    """Return a ``date_added`` (ms) for people, to the second; "" for None."""
    return "" if milliseconds is None else moment(milliseconds * 1000)


def taxii(instant: int | None) -> str | None:
    """Return an instant (µs) for JSON."""
    return None if instant is None else format_taxii(instant)


def date_added(milliseconds: int | None) -> str | None:
    """Return a ``date_added`` (ms) for JSON."""
    return None if milliseconds is None else format_date_added(milliseconds)


# -- answers of any length ----------------------------------------------------------------------------------------------------


def echo_stream(value: Any) -> None:
    """Write a value as JSON to standard output; an iterator in it becomes a list, written item by item as it comes."""
    for piece in _pieces(value, "\n"):
        click.echo(piece, nl=False)
    click.echo()


def _pieces(value: Any, margin: str) -> Iterator[str]:
    inner = f"{margin}  "
    if isinstance(value, dict) and any(isinstance(each, Iterator) for each in value.values()):
        for number, (key, each) in enumerate(value.items()):
            yield f"{',' if number else '{'}{inner}{json.dumps(key, ensure_ascii=False)}: "
            yield from _pieces(each, inner)
        yield f"{margin}}}"
    elif isinstance(value, Iterator):
        yield "["
        number = -1
        for number, each in enumerate(value):
            yield f"{',' if number else ''}{inner}"
            yield from _pieces(each, inner)
        yield f"{margin}]" if number >= 0 else "]"
    else:
        yield json.dumps(value, ensure_ascii=False)


def note(text: str) -> None:
    """Tell a person something beside the answer, on standard error."""
    click.echo(text, err=True)


def watched() -> bool:
    """Return whether a person watches standard error, so that progress is worth showing."""
    return sys.stderr.isatty()


@contextmanager
def watching(text: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal that work goes on; gives what changes the text."""
    if not watched():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 — only where somebody watches

    with Console(stderr=True).status(text) as shown:
        yield shown.update


def number_of(count: int, word: str) -> str:
    """Return a count with its word, in the plural where it needs one."""
    if count == 1:
        return f"1 {word}"
    return f"{count} {word.removesuffix('y')}ies" if word.endswith("y") else f"{count} {word}s"


def change_is_under_way(node: Node) -> bool:
    """Return whether a change of rules is under way, or stopped half way."""
    with node.store.read() as reader:
        return node.governor.standing(reader, convert.in_force(node.settings), convert.fingerprint(node.settings)).running


def warn_of_difference(node: Node) -> None:
    """Tell a person, on standard error, when the configuration on disk is not what an answer goes by."""
    with node.store.read() as reader:
        applied = reader.in_force()
    if applied is not None and applied.fingerprint != convert.fingerprint(node.settings):
        note("note: the configuration on disk is not in force; this goes by what is (see `taxii-fed plan`)")
