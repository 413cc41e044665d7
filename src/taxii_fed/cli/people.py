"""`taxii-fed held`, `approve`, `quarantine` and `erase`: what waits for a person."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable

import click

from taxii_fed.cli import words
from taxii_fed.cli.answers import chain_lines
from taxii_fed.cli.common import echo_json, echo_table, json_option
from taxii_fed.cli.node import (
    Json,
    collection_of,
    echo_stream,
    in_force,
    moment,
    note,
    number_of,
    opened,
    party_of,
    taxii,
    unknown,
    warn_of_difference,
)
from taxii_fed.core.errors import NotFoundError, RefusedError
from taxii_fed.ports import Quarantined
from taxii_fed.services.rules.holds import Held
from taxii_fed.wiring import Node


class _ItemNumber(click.IntRange):
    """The number of an item, with a message of its own where it is none."""

    name = "number of an item, such as 'taxii-fed quarantine list' shows"


_ITEM = _ItemNumber(min=1, max=2**63 - 1)

# -- holds --------------------------------------------------------------------------------------------------------------------


@click.command()
@json_option
@click.pass_context
def held(ctx: click.Context, *, as_json: bool) -> None:
    """List what hold rules keep back.

    Which version, from whom, and until when, or that a person must let it go.
    """
    with opened(ctx) as node:
        warn_of_difference(node)
        found = (each for part in node.holds.held() for each in part)
        if as_json:
            echo_stream({"held": map(_held_json, found)})
            return
        rows = [
            (
                each.collection,
                each.object_id,
                each.version_text,
                each.name,
                each.rule,
                ", ".join(each.parties),
                moment(each.until) if each.until is not None else "approved",
            )
            for each in found
        ]
    if not rows:
        click.echo("Nothing is on hold.")
        return
    echo_table(
        ("collection", "object", "version", "name", "rule", "kept from", "until"), rows, folds=("name", "rule", "kept from")
    )
    if any(row[-1] == "approved" for row in rows):
        click.echo("\nTo let one version go to one party: taxii-fed approve OBJECT VERSION --to PARTY")


def _held_json(each: Held) -> Json:
    return {
        "collection": each.collection,
        "object": each.object_id,
        "version": each.version_text,
        "name": each.name,
        "rule": each.rule,
        "reason": each.reason,
        "parties": list(each.parties),
        "until": taxii(each.until) or "approved",
    }


@click.command()
@click.argument("object_id", metavar="OBJECT")
@click.argument("version", metavar="[VERSION]", default="")
@click.option("--to", "party", metavar="PARTY", required=True, help="The party that gets it.")
@click.option("--rule", metavar="NAME", default="", help="Only what this hold rule keeps back.")
@click.option("--by", metavar="NAME", default="", help="Who lets it go; the user of this machine by default.")
@json_option
@click.pass_context
def approve(ctx: click.Context, object_id: str, version: str, party: str, rule: str, by: str, *, as_json: bool) -> None:
    """Let a version on hold go to a party.

    One version, the newest by default, that a hold for approval keeps from one party. A later version waits again.
    """
    with opened(ctx) as node:
        party_of(node, party)
        try:
            approved = node.holds.approve(object_id, version, party, by=by or getpass.getuser(), rule=rule)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        answers = {each.collection: each for each in node.explainer.explain(object_id, party)}
    outcomes = {(name, each.version_text): each for name, answer in answers.items() for each in answer.versions}
    rows = [(each, outcomes[each.collection, each.version_text]) for each in approved]
    if as_json:
        echo_json(
            [
                {
                    "collection": each.collection, "object": each.object_id, "version": each.version_text, "rule": each.rule,
                    "party": each.party, "outcome": now.outcome, "as": now.given_id, "reason": now.reason,
                }
                for each, now in rows
            ]
        )  # fmt: skip
        return
    for each, now in rows:
        if now.outcome == "visible":
            then = f"{each.party} sees it now{f' as {now.given_id}' if now.derived else ''}"
        else:
            then = f"{each.party} still does not see it: {words.why_not(now.reason)}"
        click.echo(f"{each.collection}: {each.object_id} {each.version_text} approved past {each.rule!r}; {then}")
        for line in chain_lines(now):
            click.echo(line)


# -- quarantine ---------------------------------------------------------------------------------------------------------------


@click.group()
def quarantine() -> None:
    """Look at what was kept apart, release it, drop it."""


@quarantine.command("list")
@click.option("--peer", metavar="PEER", default="", help="Only what this peer brought.")
@click.option("--in", "collection", metavar="COLLECTION", help="Only this collection.")
@click.option("--object", "object_id", metavar="OBJECT", default="", help="Only this object.")
@json_option
@click.pass_context
def list_items(ctx: click.Context, peer: str, collection: str | None, object_id: str, *, as_json: bool) -> None:
    """List what lies in quarantine, oldest first."""
    with opened(ctx) as node:
        wanted = collection_of(node, collection).id if collection else ""
        _require_peer(node, peer)
        items = node.quarantine.items(collection=wanted, object_id=object_id, peer=peer)
        names = _collection_names(node)
        if as_json:
            echo_stream({"quarantine": (_item_json(each, names) for each in items)})
            return
        rows = [
            (
                each.id,
                moment(each.at),
                names.get(each.collection, each.collection),
                each.object_id,
                each.version_text,
                each.giver.split(":")[1],
                words.at_the_door(each.reason).removeprefix("quarantined: "),
            )
            for each in items
        ]
    if not rows:
        click.echo("Nothing lies in quarantine.")
        return
    echo_table(("item", "since", "collection", "object", "version", "from", "why"), rows, folds=("why",))


@quarantine.command()
@click.argument("number", metavar="ITEM", type=_ITEM)
@json_option
@click.pass_context
def show(ctx: click.Context, number: int, *, as_json: bool) -> None:
    """Show one item: who brought it, why it was kept apart, what stands in its way, and the object itself."""
    with opened(ctx) as node:
        item = node.quarantine.item(number)
        names = _collection_names(node)
        rivals = [names.get(each.collection, each.collection) for each in node.quarantine.rivals(item)]
    if as_json:
        echo_json({**_item_json(item, names), "other_content_in": rivals, "content": json.loads(item.body)})
        return
    click.echo(f"item {item.id}: {item.object_id} {item.version_text}")
    click.echo(f"brought {moment(item.at)} by {_from(item)} for {names.get(item.collection, item.collection)}")
    click.echo(words.at_the_door(item.reason))
    if rivals:
        click.echo(f"can't be released: other content stands under this id and version in {', '.join(rivals)}")
    click.echo(json.dumps(json.loads(item.body), indent=2, ensure_ascii=False))


@quarantine.command()
@click.argument("numbers", metavar="ITEM...", type=_ITEM, nargs=-1, required=True)
@click.pass_context
def release(ctx: click.Context, numbers: tuple[int, ...]) -> None:
    """Take items in as if their giver were allowed to bring them; the rules then say who sees them."""
    with opened(ctx) as node:
        _each(ctx, numbers, lambda number: f"released {_named(node.quarantine.release(number))}")


@quarantine.command()
@click.argument("numbers", metavar="ITEM...", type=_ITEM, nargs=-1, required=True)
@click.pass_context
def drop(ctx: click.Context, numbers: tuple[int, ...]) -> None:
    """Remove items for good; the audit of what came in keeps their ids."""
    with opened(ctx) as node:
        _each(ctx, numbers, lambda number: f"dropped {_named(node.quarantine.drop(number))}")


def _each(ctx: click.Context, numbers: tuple[int, ...], act: Callable[[int], str]) -> None:
    """Do something with each item; what can't be done is told, and the rest is done all the same."""
    failed = False
    for number in dict.fromkeys(numbers):
        try:
            click.echo(f"item {number}: {act(number)}")
        except (NotFoundError, RefusedError) as error:
            note(f"taxii-fed: {error}")
            failed = True
    if failed:
        ctx.exit(1)


def _require_peer(node: Node, peer: str) -> None:
    """Raise ``UsageError`` for a name that is no peer's, and was none's whose items lie here."""
    with node.store.read() as reader:
        givers = {name.split(":")[1] for name in reader.quarantine_counts() if name.startswith("peer:")}
    known = {*node.settings.peers, *givers}
    if peer and peer not in known:
        raise click.UsageError(unknown("peer", peer, known))


def _collection_names(node: Node) -> dict[str, str]:
    return {each.id: each.name for each in in_force(node).collections.values()}


def _named(item: Quarantined) -> str:
    return f"{item.object_id} {item.version_text}".rstrip()


def _from(item: Quarantined) -> str:
    return words.giver(item.giver)


def _item_json(item: Quarantined, names: dict[str, str]) -> Json:
    return {
        "item": item.id,
        "at": taxii(item.at),
        "collection": names.get(item.collection, item.collection),
        "object": item.object_id,
        "version": item.version_text,
        "giver": item.giver,
        "reason": item.reason,
        "jurisdiction": item.jurisdiction,
        "overlay": None if item.overlay is None else str(item.overlay),
        "bytes": len(item.body),
    }


# -- erasing ------------------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("object_id", metavar="OBJECT")
@click.option("--yes", "sure", is_flag=True, help="Do it; without this it is only shown what would go.")
@json_option
@click.pass_context
def erase(ctx: click.Context, object_id: str, *, sure: bool, as_json: bool) -> None:
    """Erase an object for good.

    All versions, edited copies and items in quarantine, in every collection, as an order to erase asks for. Who sees it now is
    told by a notice. The ledger keeps hashes of its ids and the times, and nobody can bring it back.
    """
    with opened(ctx) as node:
        traces = node.eraser.traces(object_id)
        told = (
            f"{number_of(traces.versions, 'version')} in {', '.join(traces.collections) or 'no collection'}, "
            f"{number_of(traces.copies, 'edited copy')}, {number_of(traces.quarantined, 'item')} in quarantine"
        )
        readers = f"seen by {', '.join(traces.parties)}" if traces.parties else "seen by nobody now"
        if not sure:
            raise RefusedError(
                f"nothing was erased. There is no way back from this:\n  {object_id}: {told}; {readers}\n"
                f"To do it: taxii-fed erase {object_id} --yes"
            )
        node.eraser.erase(object_id)
    if as_json:
        echo_json(
            {
                "object": object_id,
                "versions": traces.versions,
                "collections": list(traces.collections),
                "copies": traces.copies,
                "quarantined": traces.quarantined,
                "told": list(traces.parties),
            }
        )
        return
    click.echo(f"erased {object_id}: {told}")
    if traces.parties:
        click.echo(f"told by a notice: {', '.join(traces.parties)}")
    click.echo("Backups made before still hold it, and so do the originals of objects that refer to it by its id.")
