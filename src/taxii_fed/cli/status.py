"""`taxii-fed status`: where the subscriptions stand (design, section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from taxii_fed.cli.common import echo_json, echo_table, json_option, settings_of
from taxii_fed.cli.sync import opened
from taxii_fed.core.timestamps import format_taxii

if TYPE_CHECKING:
    from taxii_fed.services.subscriptions import State, Subscription, Subscriptions

_SECOND = 1_000_000


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, *, as_json: bool) -> None:
    """Show where every subscription stands: watermark, lag, last error, and what came of the last pulls."""
    with opened(settings_of(ctx)) as (node, federation):
        rows = subscription_rows(federation.subscriptions, node.clock.now())
    if as_json:
        echo_json({"subscriptions": rows})
    else:
        tell_subscriptions(rows)


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
    echo_table(columns, [_cells(row) for row in rows])
    for row in rows:
        name = f"{row['peer']} → {row['ours']}"
        if row["compare_error"]:
            click.echo(f"{name}: not compared with its manifest: {row['compare_error']}")
        if row["removals_waiting"]:
            held = row["removals_waiting"]
            click.echo(
                f"{name}: {held['gone']} of {held['of']} versions are gone there, too many at once. "
                f"If that is right: taxii-fed peer pull --reconcile --yes {row['peer']}"
            )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    counts = row["pulls"][-1]["counts"] if row["pulls"] else {}
    return (
        row["peer"],
        row["ours"],
        row["state"],
        row["watermark"] or "",
        f"{_span(row['lag_s'])} ago" if row["lag_s"] is not None else "",
        ", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or ("nothing new" if row["pulls"] else ""),
        row["error"],
    )


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"
