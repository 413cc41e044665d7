"""`taxii-fed import`, `export`, `backup`, `restore` and `rebuild`: files in and out, and the proof of I7."""

from __future__ import annotations

import gzip
import os
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

import click

from taxii_fed.cli import words
from taxii_fed.cli.common import echo_json, echo_table, json_option, settings_of
from taxii_fed.cli.node import (
    Json,
    change_is_under_way,
    collection_in,
    collection_of,
    in_force,
    note,
    number_of,
    opened,
    party_in,
    party_of,
    warn_of_difference,
    watching,
)
from taxii_fed.cli.sources import kept_by, named, read_from
from taxii_fed.cli.takeover import (
    accounts_option,
    chosen,
    from_option,
    note_what_stays,
    show_theirs,
    theirs_of,
    theirs_option,
)
from taxii_fed.config.schema import Settings
from taxii_fed.core.errors import BadRequestError, RefusedError
from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.model import CollectionTerms, InForce, Party
from taxii_fed.ports import Store
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.intake.transfer import Outcome, bundle
from taxii_fed.services.nodekey import require_key
from taxii_fed.services.views.whole import Difference
from taxii_fed.storage.sqlite.restoring import restore_file
from taxii_fed.wiring import SystemClock

_MOST_LISTED = 1000
"""Refused objects that are kept for the JSON answer; counts go on."""

# -- import -------------------------------------------------------------------------------------------------------------------


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--into", "collection", metavar="COLLECTION", help="The collection that gets the objects.")
@click.option("--as", "party", metavar="PARTY", help="Who publishes them; the node's own staff by default.")
@from_option
@theirs_option
@accounts_option
@json_option
@click.pass_context
def import_(
    ctx: click.Context,
    file: Path,
    collection: str | None,
    party: str | None,
    server: str | None,
    wanted: str,
    accounts: Path | None,
    *,
    as_json: bool,
) -> None:
    """Take the objects of a file into a collection.

    As if PARTY, which must have the right to, had posted them. FILE is a bundle, an envelope, a list, or objects one after the other;
    packed with gzip or not. A dash stands for standard input. What is known already changes nothing, so an import that was broken off
    can be repeated. The exit code is 1 where anything was not taken, and where there is nothing in FILE.

    With --from, FILE is what another server kept: the data file of medallion, or the SQLite database of OpenTAXII. Its objects come in
    the order in which they were added there. Without --into its API roots and collections are written as settings to start from, with
    the accounts that need new passwords.
    """
    theirs = theirs_of(server, file, wanted, accounts)
    if collection is None:
        if theirs is None:
            raise click.UsageError("Missing option '--into': name the collection that gets the objects.")
        show_theirs(theirs, as_json=as_json)
        return
    counts: Counter[str] = Counter()
    listed: list[Outcome] = []
    ends = partial(_ends, collection=collection, party=party, settings=settings_of(ctx))
    source = read_from(file) if theirs is None else kept_by(theirs, chosen(theirs, wanted))
    with source as (chunks, progress), opened(ctx, create=True, check=ends) as node:
        publisher, terms = ends(in_force(node))
        problem = ""
        try:
            for outcomes in node.transfer.bring(publisher, terms, chunks):
                counts.update(each.ruling for each in outcomes)
                refused = [each for each in outcomes if not each.taken]
                listed += refused[: _MOST_LISTED - len(listed)]
                progress(sum(counts.values()))
                for each in () if as_json else refused:
                    note(f"objects[{each.index}] {each.object_id} {each.version_text}: {_what_became(each)}")
        except BadRequestError as error:
            problem = str(error)
    taken = counts["new"] + counts["loop-duplicate"]
    if as_json:
        echo_json(
            {
                "into": terms.name, "as": publisher.name, "objects": sum(counts.values()), "counts": dict(sorted(counts.items())),
                "not_taken": [_outcome_json(each) for each in listed], "problem": problem,
            }
        )  # fmt: skip
    else:
        left = sum(counts.values()) - taken
        click.echo(
            f"{number_of(sum(counts.values()), 'object')} into {terms.name} as {publisher.name}: {counts['new']} new, "
            f"{counts['loop-duplicate']} known already{f', {left} not taken' if left else ''}"
        )
        if problem:
            note(f"taxii-fed: {named(file)}: {problem}{'; what came before is taken in' if taken else ''}")
    if theirs is not None and not as_json:
        note_what_stays(theirs)
    if problem or taken < sum(counts.values()):
        ctx.exit(1)


def _what_became(outcome: Outcome) -> str:
    return outcome.problem or words.at_the_door(outcome.ruling)


def _outcome_json(outcome: Outcome) -> Json:
    return {
        "index": outcome.index,
        "id": outcome.object_id,
        "version": outcome.version_text,
        "outcome": str(outcome.ruling),
        "why": _what_became(outcome),
    }


def _ends(terms: InForce, collection: str, party: str | None, settings: Settings) -> tuple[Party, CollectionTerms]:
    """Return who publishes, and where. Raises ``UsageError`` for names that are none, `RefusedError` where the party may not publish."""
    into = collection_in(terms, collection, settings)
    if party is None:
        return _staff(terms), into
    publisher = party_in(terms, party, settings)
    if into.name not in publisher.publish:
        where = ", ".join(publisher.publish)
        raise RefusedError(
            f"{party} may not publish in {into.name}{f', but in {where}' if where else ', nor in any other collection'}"
        )
    return publisher, into


def _staff(terms: InForce) -> Party:
    """Return the party of the node's own staff. Raises ``UsageError`` where there is none, or more than one."""
    staff = [party for party in terms.parties.values() if party.role == "own"]
    if len(staff) != 1:
        names = ", ".join(party.name for party in staff)
        raise click.UsageError(f"name the party with --as: {names or 'none has the role own'}")
    return staff[0]


# -- export -------------------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("collection", metavar="COLLECTION")
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option("--party", metavar="PARTY", help="What this party sees, as it goes out to it, instead of the originals.")
@click.pass_context
def export(ctx: click.Context, collection: str, file: Path | None, party: str | None) -> None:
    """Write a collection or a view as a bundle.

    All versions as they came in, or as they go out to a party. To FILE, packed where its name ends with .gz, or to standard
    output. A file that is there is left alone.
    """
    if file is None and not _stdout_is_open():
        raise RefusedError("standard output is closed: nothing was written")
    with opened(ctx, any_key=True) as node:
        terms = collection_of(node, collection)
        if party is None:
            objects = node.transfer.originals(terms)
        else:
            sight = node.sights.of(party_of(node, party), terms)
            if not sight.view:
                raise RefusedError(f"{party} does not read {terms.name}; `taxii-fed view {party} {terms.name}` says why.")
            objects = node.transfer.seen_by(sight.view)
        warn_of_difference(node)
        counted = _Counted(objects)
        with _target(file) as write:
            for piece in bundle(f"bundle--{uuid.uuid4()}", counted):
                write(piece)
    if file is not None:
        click.echo(f"{file}: {number_of(counted.count, 'object')}")


def _stdout_is_open() -> bool:
    # Where the descriptor was closed at the start, Python has none, whatever its types say.
    return cast("object", sys.stdout) is not None


class _Counted:
    def __init__(self, objects: Iterable[bytes]) -> None:
        self._objects = objects
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for each in self._objects:
            self.count += 1
            yield each


@contextmanager
def _target(file: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Give what writes to a new file, which is there only once all is written, or to standard output."""
    if file is None:
        yield lambda piece: click.echo(piece, nl=False)
        return
    if file.exists():
        raise RefusedError(f"{file} is there already; nothing was written")
    part = file.with_name(f"{file.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
            if file.suffix == ".gz":
                with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed:
                    yield packed.write
            else:
                yield raw.write
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


# -- backup and restore -------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_context
def backup(ctx: click.Context, file: Path) -> None:
    """Copy the store while the node runs.

    The copy, in a new FILE, is of one moment, and gets its name only once it has been read through and found whole. The node's key is
    not in it: without that the copy is worth nothing to readers who hold cursors and edited copies.
    """
    with opened(ctx, any_key=True) as node:
        node.store.backup(str(file))
    click.echo(f"{file}: {file.stat().st_size:,} bytes")
    note("Keep the configuration and the node's key with it: ids of edited copies, pseudonyms and cursors come from the key.")


@click.command()
@click.option("--yes", "sure", is_flag=True, help="Go on where the backup has another identity than the configuration.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_context
def restore(ctx: click.Context, file: Path, *, sure: bool) -> None:
    """Put a backup in the place of the store.

    The store must not be there. Readers go on with their cursors; what came in after the backup comes again from peers. What is
    damaged, or belongs to another node, is not put in place.
    """
    settings = settings_of(ctx)
    address = settings.store.url
    if address.kind != "sqlite":
        raise RefusedError("this store has a tool of its own for backups; use that")

    def check(store: Store) -> None:
        with store.read() as reader:
            theirs = InForceCache().require(reader).identity
        if theirs != settings.node.identity and not sure:
            raise RefusedError(
                f"{file} is the backup of another node: its identity is {theirs}, that of the configuration {settings.node.identity}. "
                "Nothing was changed. To restore it all the same: taxii-fed restore --yes"
            )
        require_key(store, Keys(settings.node.secret.get_secret_value()))

    restore_file(file, address.path, SystemClock(), check)
    with opened(ctx) as node:
        terms = in_force(node)
        warn_of_difference(node)
    click.echo(f"{address.path}: restored from {file}, with the rules of {terms.node}")


# -- rebuild ------------------------------------------------------------------------------------------------------------------


@click.command()
@click.option("--verify", "only_look", is_flag=True, help="Compare, and write nothing.")
@json_option
@click.pass_context
def rebuild(ctx: click.Context, *, only_look: bool, as_json: bool) -> None:
    """Prove that the views are right, or mend them.

    Every object is judged anew and compared with what the views hold. The exit code is 1 where a difference is left: with
    --verify any that there is.
    """
    with opened(ctx) as node:
        with watching("judging every object anew"):
            found = left = node.planner.verify()
        if found and not only_look:
            with watching(f"mending {number_of(len(found), 'difference')}"):
                node.rebuilder.mend(found)
                left = node.planner.verify()
        half_way = bool(left) and change_is_under_way(node)
    if as_json:
        echo_json({"differences": [_difference_json(each) for each in found], "left": len(left)})
    else:
        if found:
            rows = [(each.collection, each.view, each.kind, each.object_id, each.detail) for each in found]
            echo_table(("collection", "view", "difference", "object", "detail"), rows)
        mended = f"{len(found) - len(left)} mended, " if found and not only_look else ""
        click.echo(f"{mended}{len(left)} left" if found else "Every view is what the rules make of the objects.")
    if half_way:
        note(
            "A change of rules is under way, or stopped half way: what it has yet to do differs. To finish it: taxii-fed apply --resume"
        )
    if left:
        ctx.exit(1)


def _difference_json(difference: Difference) -> Json:
    return {
        "collection": difference.collection,
        "view": difference.view,
        "kind": difference.kind,
        "object": difference.object_id,
        "detail": difference.detail,
    }
