"""`taxii-fed status`: where the subscriptions and the readers stand, and what waits for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from taxii_fed.cli.common import echo_json, echo_table, json_option
from taxii_fed.core.timestamps import format_date_added, format_taxii
from taxii_fed.services.federation.outcomes import in_words

if TYPE_CHECKING:
    from taxii_fed.services.federation.subscriptions import State, Subscription, Subscriptions
    from taxii_fed.services.reading.readers import Attendance
    from taxii_fed.wiring import Node

_SECOND = 1_000_000
_HELD_PARTS = 40
"""Parts of 500 objects that are looked through for holds; `held` looks at all."""


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, *, as_json: bool) -> None:
    """Show subscriptions, readers, and what waits.

    Of a subscription: watermark, lag, last error, and what came of the last pulls. Of an account: how far it has read, what is left
    for it to read, and when it last read.
    """
    from taxii_fed.cli.node import opened  # noqa: PLC0415 (only what works on a node loads all of it)
    from taxii_fed.services.federation.subscriptions import Subscriptions  # noqa: PLC0415
    from taxii_fed.services.reading.readers import attendance  # noqa: PLC0415
    from taxii_fed.worker.plan import plans  # noqa: PLC0415

    with opened(ctx) as node:
        now = node.clock.now()
        rows = subscription_rows(Subscriptions(node.store, node.clock, plans(node.settings)), now)
        accounts = {name: tuple(party.accounts) for name, party in node.settings.parties.items()}
        readers = list(attendance(node.store, node.in_force, accounts))
        waiting = _waiting(node)
        whole = _whole(node)
    if as_json:
        echo_json({**whole, "waiting": waiting, "subscriptions": rows, "readers": [_reader_json(each) for each in readers]})
        return
    for line in waiting:
        click.echo(line)
    for line in _attention(whole):
        click.echo(line)
    tell_subscriptions(rows)
    click.echo()
    tell_readers(readers, now)


def _waiting(node: Node) -> list[str]:
    """Return what waits for `apply`, in sentences with the command to run."""
    from taxii_fed.config import convert  # noqa: PLC0415

    with node.store.read() as reader:
        standing = node.governor.standing(reader, convert.in_force(node.settings), convert.fingerprint(node.settings))
    if standing.running:
        return ["A change of rules is under way, or stopped half way. To finish it: taxii-fed apply --resume"]
    if standing.same:
        return []
    if standing.moves:
        return ["The configuration on disk is not in force. To see what it would do: taxii-fed plan; to do it: taxii-fed apply"]
    return ["The configuration on disk takes effect at the next start or reload, or with taxii-fed apply; nothing will move."]


def _whole(node: Node) -> dict[str, Any]:
    """Return what is said of the node as a whole: the revision in force, counts of what is on hold and in quarantine."""
    parts = node.holds.held()
    held = sum(len(part) for part in islice(parts, _HELD_PARTS))
    with node.store.read() as reader:
        applied = reader.in_force()
        quarantined = reader.quarantine_counts()
    return {
        "revision": applied.revision if applied else 0,
        "in_force_since": _time(applied.at) if applied else None,
        "held": held,
        "held_at_least": next(parts, None) is not None,
        "quarantine": quarantined,
        "commits_past_lead": node.store.commits_past_lead(),
    }


def _attention(whole: dict[str, Any]) -> Iterator[str]:
    yield (
        f"In force: revision {whole['revision']}, since {whole['in_force_since'][:19]}Z"
        if whole["revision"]
        else "Nothing is in force."
    )
    if whole["held"]:
        yield f"On hold: {whole['held']}{' or more' if whole['held_at_least'] else ''} (taxii-fed held)"
    if whole["quarantine"]:
        givers: Counter[str] = Counter()
        for name, count in whole["quarantine"].items():
            givers[name.split(":")[1]] += count
        told = ", ".join(f"{count} from {name}" for name, count in sorted(givers.items()))
        yield f"In quarantine: {told} (taxii-fed quarantine list)"


def _reader_json(reader: Attendance) -> dict[str, Any]:
    return {
        "party": reader.party,
        "account": reader.account,
        "collection": reader.collection,
        "position": None if reader.position is None else format_date_added(reader.position),
        "left": reader.left,
        "seen_at": _time(reader.seen_at),
        "address": reader.address,
    }


def tell_readers(readers: list[Attendance], now: int) -> None:
    """Write who reads as a table."""
    if not readers:
        click.echo("Nobody reads: no party that a share rule reaches has an account.")
        return
    rows = [
        (
            each.party,
            each.account,
            each.collection,
            format_date_added(each.position)[:23] + "Z" if each.position else "",
            each.left,
            "nothing read yet" if each.seen_at is None else f"{_span((now - each.seen_at) // _SECOND)} ago",
            each.address,
        )
        for each in readers
    ]
    echo_table(("party", "account", "reads", "read up to", "left to read", "last read", "from"), rows)


def subscription_rows(subscriptions: Subscriptions, now: int) -> list[dict[str, Any]]:
    """Return one JSON object a subscription. Times are TAXII timestamps, None where there is none; ``lag_s`` is in seconds."""
    return [_row(subscription, state, now) for subscription, state in subscriptions.states().items()]


def _row(subscription: Subscription, state: State, now: int) -> dict[str, Any]:
    waiting = state.waiting
    return {
        "peer": subscription.peer,
        "theirs": subscription.theirs,
        "ours": subscription.ours,
        "state": _word(state, now),
        "watermark": _time(state.watermark),
        "pulled_at": _time(state.pulled_at),
        "contact_at": _time(state.contact_at),
        "lag_s": None if state.pulled_at is None else (now - state.pulled_at) // _SECOND,
        "next_attempt": None if state.paused else _time(max(state.health.next_attempt, now)),
        "failing_since": _time(state.health.failing_since),
        "failures": state.health.failures,
        "error": state.last_error,
        "page_size": state.page_size or None,
        "taxii_fed": state.fed,
        "under_way": state.counts if state.place is not None else None,
        "pulls": [{"at": _time(ran.at), "counts": ran.counts} for ran in state.ran],
        "compared_at": _time(state.compared_at),
        "compare_error": state.compare_error,
        "removals_waiting": None if waiting is None else {"gone": waiting.gone, "of": waiting.of, "at": _time(waiting.at)},
    }


def _word(state: State, now: int) -> str:
    if state.paused:
        return "paused"
    if state.health.failures:
        return "failing"
    if state.place is not None:
        return "pulling"
    if state.pulled_at is None:
        return "never pulled"
    return "due" if state.health.next_attempt <= now else "fine"


def _time(instant: int | None) -> str | None:
    return None if instant is None else format_taxii(instant)


def tell_subscriptions(rows: list[dict[str, Any]]) -> None:
    """Write the rows as a table, and below it what asks for attention."""
    if not rows:
        click.echo("Nothing is pulled: the configuration has no peers with collections to pull.")
        return
    columns = ("peer", "goes to", "state", "watermark", "last pull", "came of it", "error")
    echo_table(columns, [_cells(row) for row in rows], folds=("came of it", "error"))
    for row in rows:
        name = f"{row['peer']} → {row['ours']}"
        if row["failures"]:
            times = "once" if row["failures"] == 1 else f"{row['failures']} times"
            again = f"; tried again at {row['next_attempt'][:19]}Z" if row["next_attempt"] else ""
            click.echo(f"{name}: failed {times} since {row['failing_since'][:19]}Z{again}")
        if row["compare_error"]:
            click.echo(f"{name}: not compared with its manifest: {row['compare_error']}")
        if row["removals_waiting"]:
            held = row["removals_waiting"]
            click.echo(
                f"{name}: {held['gone']} of {held['of']} versions are gone there, too many at once, so they stay. "
                f"To see which: taxii-fed ledger --peer {row['peer']}; "
                f"if they may go: taxii-fed peer pull --reconcile --yes {row['peer']}"
            )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    counts = row["pulls"][-1]["counts"] if row["pulls"] else {}
    return (
        row["peer"],
        row["ours"],
        row["state"],
        row["watermark"] or "",
        f"{_span(row['lag_s'])} ago" if row["lag_s"] is not None else "",
        in_words(counts) or ("nothing new" if row["pulls"] else ""),
        row["error"],
    )


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"
