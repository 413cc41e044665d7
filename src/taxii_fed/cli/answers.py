"""`taxii-fed explain`, `view` and `ledger`: who gets what and why, and who has had it (I9, I10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from taxii_fed.cli import words
from taxii_fed.cli.common import Reads, echo_json, echo_table, json_option
from taxii_fed.cli.node import (
    Json,
    collection_of,
    date_added,
    echo_stream,
    in_force,
    instant_or_span,
    moment,
    number_of,
    opened,
    party_of,
    stamp,
    taxii,
    unknown,
    warn_of_difference,
)
from taxii_fed.config import scalars
from taxii_fed.core.errors import NotFoundError
from taxii_fed.core.stix.facts import GOING_ALONG
from taxii_fed.core.timestamps import format_stix
from taxii_fed.ports import DoorEvent, Entry
from taxii_fed.services.answers.explain import Answer, Holding, VersionAnswer
from taxii_fed.services.answers.given import Given, Refused
from taxii_fed.services.answers.sight import Sight
from taxii_fed.wiring import Node

# -- explain ------------------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("object_id", metavar="OBJECT")
@click.option("--to", "party", metavar="PARTY", required=True, help="Whose picture of it to explain.")
@click.option("--at", "instant", type=Reads("time", scalars.instant), help="By the rules of that time, with an offset.")
@json_option
@click.pass_context
def explain(ctx: click.Context, object_id: str, party: str, instant: int | None, *, as_json: bool) -> None:
    """Explain what a party gets of an object, and why.

    In every collection that knows it: the rule, what was done to a copy, what happened when it came in, and the chain of references
    where another object decided. OBJECT is its id, or the id under which the party got a copy.
    """
    with opened(ctx) as node:
        if instant is None:
            party_of(node, party)
        answers = node.explainer.explain(object_id, party, at=instant)
        titles = {each.name: each.title for each in in_force(node).collections.values()}
        warn_of_difference(node)
    if as_json:
        echo_json(
            {"object": object_id, "party": party, "at": taxii(instant), "collections": [_answer_json(each) for each in answers]}
        )
        return
    click.echo(f"{answers[0].object_id} for {party}{f', by the rules of {moment(instant)}' if instant is not None else ''}")
    for answer in answers:
        click.echo(f"\n{answer.collection} ({titles.get(answer.collection, 'no longer there')})")
        for line in answer_lines(answer):
            click.echo(f"  {line}")


def answer_lines(answer: Answer) -> Iterator[str]:
    """Yield what is said of an object in one collection."""
    if not answer.reads:
        yield f"{answer.party} does not read this collection (`taxii-fed view {answer.party} {answer.collection}` says why)"
    for version in answer.versions:
        yield from _version_lines(version)
        if answer.reads and _waits_for_company(answer.object_id, version):
            yield "    it goes along with what names it, and nothing that goes out does"
    for entry in answer.notices:
        yield f"visible since {stamp(entry.date_added)}: {words.done(entry.reasons)}"
    if not (answer.versions or answer.notices):
        yield "no version of it is here"
    for consent in answer.consents:
        yield f"version {format_stix(consent.version)}: let go past {consent.rule!r} by {consent.by}, {moment(consent.at)}"
    for entry in answer.ended:
        span = f"{stamp(entry.date_added)} to {moment(entry.ended_at)}"
        yield f"had {f'version {entry.version_text}' if entry.version else 'it'} as {entry.id}, {span}: {words.ended(entry.ended_why)}"
    for event in reversed(answer.door):
        yield f"{moment(event.at)} from {words.giver(event.giver)}, version {event.version_text}: {words.at_the_door(event.reason)}"
    for item in answer.quarantine:
        yield f"in quarantine as item {item.id}: `taxii-fed quarantine show {item.id}`"


def _version_lines(version: VersionAnswer) -> Iterator[str]:
    head = f"version {version.version_text}: {version.outcome}" if version.version_text else version.outcome
    if version.outcome == "visible":
        form = f"as the copy {version.given_id}" if version.derived else "as it came in"
        yield f"{head}{f' since {stamp(version.since)}' if version.since is not None else ''}, {form}"
        if version.rule:
            yield f"    by the rule {version.rule!r}"
        done = words.form(version.reasons) if version.derived else words.done(version.reasons)
        if done:
            yield f"    {done}"
        if version.changes:
            yield f"    edited by {_rules(version.changes)}"
        yield from chain_lines(version)
        return
    yield f"{head}: {words.why_not(version.reason)}"
    if version.rule:
        yield f"    the rule {version.rule!r}{' would let it through' if version.reason in words.BEYOND_RULES else ''}"
    for marking in version.unknown:
        yield f"    the marking {marking}"
    if version.changes:
        yield f"    the edit is asked for by {_rules(version.changes)}"
    if version.unused and version.unused[0] != version.reason:
        yield f"    nor does it go along with what names it: {_decision(*version.unused)}"
    yield from chain_lines(version)


def _waits_for_company(object_id: str, version: VersionAnswer) -> bool:
    """Return whether something is withheld that would be given out with an object that names it (convention 12)."""
    return (
        version.outcome == "withheld"
        and version.unused is None
        and version.reason not in words.BEYOND_RULES
        and object_id.partition("--")[0] in GOING_ALONG
    )


def chain_lines(version: VersionAnswer) -> Iterator[str]:
    """Yield the references that decided, or led to one that was cut."""
    for link in version.chain:
        yield f"    because of {link.object_id}: {_decision(link.reason, link.rule)}"


def _rules(names: Sequence[str]) -> str:
    return f"the rule{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"


def _decision(reason: str, rule: str) -> str:
    would = " would let it through" if reason in words.BEYOND_RULES else ""
    return f"{words.why_not(reason)}{f' (the rule {rule!r}{would})' if rule else ''}"


def _answer_json(answer: Answer) -> Json:
    return {
        "object": answer.object_id,
        "collection": answer.collection,
        "reads": answer.reads,
        "versions": [
            {
                "version": each.version_text,
                "outcome": each.outcome,
                "rule": each.rule,
                "reason": each.reason,
                "why": words.why_not(each.reason) if each.reason else "",
                "done": list(each.reasons),
                "as": each.given_id,
                "since": date_added(each.since),
                "derived": each.derived,
                "edited_by": list(each.changes),
                "unknown_markings": list(each.unknown),
                "goes_along": {"reason": each.unused[0], "rule": each.unused[1]} if each.unused else None,
                "chain": [
                    {"object": link.object_id, "reason": link.reason, "rule": link.rule, "why": words.why_not(link.reason)}
                    for link in each.chain
                ],
            }
            for each in answer.versions
        ],
        "ended": [_ended_json(each) for each in answer.ended],
        "approved": [
            {"version": format_stix(each.version), "rule": each.rule, "by": each.by, "at": taxii(each.at)}
            for each in answer.consents
        ],
        "notices": [_entry_json(each) for each in answer.notices],
        "door": [_event_json(each) for each in answer.door],
        "quarantine": [each.id for each in answer.quarantine],
    }


def _ended_json(entry: Entry) -> Json:
    return {
        "version": entry.version_text,
        "as": entry.id,
        "since": date_added(entry.date_added),
        "until": taxii(entry.ended_at),
        "why": entry.ended_why,
        "rule": entry.rule,
    }


def _event_json(event: DoorEvent) -> Json:
    return {"at": taxii(event.at), "giver": event.giver, "version": event.version_text, "reason": event.reason}


# -- view ---------------------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("party", metavar="PARTY")
@click.argument("collection", metavar="[COLLECTION]", required=False)
@json_option
@click.pass_context
def view(ctx: click.Context, party: str, collection: str | None, *, as_json: bool) -> None:
    """List all that a party sees, or why nothing.

    In every collection, or in one: then also which share rules do not reach the party, and on which terms.
    """
    with opened(ctx) as node:
        reader = party_of(node, party)
        chosen = [collection_of(node, collection)] if collection else list(in_force(node).collections.values())
        sights = [node.sights.of(reader, each) for each in chosen]
        warn_of_difference(node)
        if as_json:
            echo_stream({"party": party, "collections": (_sight_json(node, sight) for sight in sights)})
            return
        for number, sight in enumerate(sights):
            if number:
                click.echo()
            for line in _sight_lines(node, sight, party, bool(collection)):
                click.echo(line)


def _sight_lines(node: Node, sight: Sight, party: str, alone: bool) -> Iterator[str]:
    name = sight.collection.name
    if not sight.rules:
        yield f"{name}: not there for {party}: no share rule reaches it"
        for miss in sight.missed if alone else ():
            yield f"  {miss.rule!r}: {miss.why}"
        return
    if not sight.view:
        yield f"{name}: {party} is about to read it; `taxii-fed apply` is at it"
        return
    yield f"{name}: {number_of(sight.entries, 'entry')}, by {', '.join(repr(rule.name) for rule in sight.rules)}"
    for entry in node.sights.entries(sight.view):
        yield f"  {stamp(entry.date_added)}  {entry.version_text}  {entry.id}{_entry_notes(entry)}"
    if sight.left is not None and not sight.left:
        yield "  the collection is empty"
    for (reason, rule), count in sight.left.most_common() if sight.left else ():
        yield f"  {count} withheld: {_decision(reason, rule)}"


def _entry_notes(entry: Entry) -> str:
    copied = entry.derived and bool(entry.source)
    notes = [f"copy of {entry.source}"] if copied else []
    done = words.form(entry.reasons) if copied else words.done(entry.reasons)
    if done:
        notes.append(done)
    return f"  ({'; '.join(notes)})" if notes else ""


def _sight_json(node: Node, sight: Sight) -> Json:
    return {
        "collection": sight.collection.name,
        "id": sight.collection.id,
        "reads": bool(sight.rules),
        "rules": [rule.name for rule in sight.rules],
        "missed": [{"rule": miss.rule, "why": miss.why} for miss in sight.missed],
        "withheld": None
        if sight.left is None
        else [{"reason": reason, "rule": rule, "count": count} for (reason, rule), count in sight.left.most_common()],
        "objects": (_entry_json(entry) for entry in (node.sights.entries(sight.view) if sight.view else ())),
    }


def _entry_json(entry: Entry) -> Json:
    return {
        "date_added": date_added(entry.date_added),
        "id": entry.id,
        "version": entry.version_text,
        "type": entry.type,
        "source": entry.source,
        "derived": entry.derived,
        "rule": entry.rule,
        "done": list(entry.reasons),
    }


# -- ledger -------------------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("object_id", metavar="[OBJECT]", required=False)
@click.option("--peer", metavar="PEER", help="What this peer gave, where it went, and what was refused.")
@click.option(
    "--since", type=Reads("time", instant_or_span), help="With --peer: since a time with its offset, or a span such as 7d."
)
@json_option
@click.pass_context
def ledger(ctx: click.Context, object_id: str | None, peer: str | None, since: int | None, *, as_json: bool) -> None:
    """Say who has an object, or what a peer gave.

    Of an object: who may see it and who could, since when, under which id, by which rule, and who fetched it. With --peer: what it gave
    and still offers, where that went, and what the door refused and why.
    """
    if object_id is not None and peer is not None:
        raise click.UsageError(
            f"either an OBJECT or --peer, not both: 'ledger {object_id}' says who has it, 'explain {object_id} --to PARTY' who brought it"
        )
    if object_id is None and peer is None:
        raise click.UsageError("name an OBJECT, or a peer with --peer")
    if since is not None and peer is None:
        raise click.UsageError("--since goes with --peer")
    with opened(ctx) as node:
        if peer is not None:
            _ledger_of_peer(node, peer, since or 0, as_json=as_json)
            return
        assert object_id is not None
        holdings = node.explainer.holders(object_id)
    if not holdings:
        raise NotFoundError(f"Nobody was ever given {object_id}.")
    if as_json:
        echo_json({"object": object_id, "holders": [_holding_json(each) for each in holdings]})
    else:
        _tell_holdings(holdings)


def _tell_holdings(holdings: Iterable[Holding]) -> None:
    """Write a table for each form in which the object went out."""
    forms: dict[tuple[str, str, str, str], list[Holding]] = {}
    for each in holdings:
        made = f", a copy: {words.form(each.reasons)}" if each.derived else ""
        forms.setdefault((each.collection, each.version_text, each.given_id, made), []).append(each)
    for number, ((collection, version, given_id, made), held) in enumerate(forms.items()):
        click.echo(f"{chr(10) if number else ''}{collection}: version {version} as {given_id}{made}")
        rows = [
            (
                f"  {each.party}",
                stamp(each.since),
                f"{moment(each.until)}: {words.ended(each.why_ended)}" if each.until is not None else "",
                each.rule,
                ", ".join(f"{account} {moment(at)}" for account, at in each.fetched)
                or ("not yet" if each.until is None else "never"),
            )
            for each in held
        ]
        echo_table(("  party", "since", "until", "by", "fetched by (last read)"), rows, folds=("by", "fetched by (last read)"))


def _holding_json(holding: Holding) -> Json:
    return {
        "party": holding.party,
        "collection": holding.collection,
        "version": holding.version_text,
        "as": holding.given_id,
        "derived": holding.derived,
        "since": date_added(holding.since),
        "until": taxii(holding.until),
        "why_ended": holding.why_ended,
        "rule": holding.rule,
        "done": list(holding.reasons),
        "fetched": [{"account": account, "at": taxii(at)} for account, at in holding.fetched],
    }


def _ledger_of_peer(node: Node, peer: str, since: int, *, as_json: bool) -> None:
    configured = {pull.theirs for pull in node.settings.peers[peer].pull} if peer in node.settings.peers else set()
    sources = sorted({*configured, *node.giving.sources(peer)})
    if not sources:
        raise click.UsageError(unknown("peer", peer, node.settings.peers))
    given = (each for theirs in sources for each in node.giving.given(peer, theirs, since))
    refused = (each for theirs in sources for each in node.giving.refused(peer, theirs, since))
    if as_json:
        echo_stream({"peer": peer, "given": map(_given_json, given), "refused": map(_refused_json, refused)})
        return
    _tell_lines("given and still offered", map(_given_line, given))
    _tell_lines("at the door", map(_refused_line, refused))


def _tell_lines(title: str, lines: Iterator[str]) -> None:
    count = 0
    for count, line in enumerate(lines, 1):
        if count == 1:
            click.echo(f"{title}:")
        click.echo(f"  {line}")
    if not count:
        click.echo(f"{title}: nothing")


def _given_line(given: Given) -> str:
    went = f"to {', '.join(given.went_to)}" if given.went_to else "to nobody"
    had = f"; no longer to {', '.join(given.had)}" if given.had else ""
    return f"{moment(given.received_at)}  {given.collection}  {given.object_id} {given.version_text}  {went}{had}"


def _refused_line(refused: Refused) -> str:
    version = f" {refused.version_text}" if refused.version_text else ""
    return f"{moment(refused.at)}  {refused.collection}  {refused.object_id}{version}  {words.at_the_door(refused.reason)}"


def _given_json(given: Given) -> Json:
    return {
        "at": taxii(given.received_at),
        "theirs": given.theirs,
        "collection": given.collection,
        "object": given.object_id,
        "version": given.version_text,
        "to": list(given.went_to),
        "no_longer_to": list(given.had),
    }


def _refused_json(refused: Refused) -> dict[str, Any]:
    return {
        "at": taxii(refused.at),
        "theirs": refused.theirs,
        "collection": refused.collection,
        "object": refused.object_id,
        "version": refused.version_text,
        "reason": refused.reason,
    }
