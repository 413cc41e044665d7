"""`taxii-fed plan` and `apply`: what a changed configuration would do, and doing it (I6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from taxii_fed.cli import words
from taxii_fed.cli.common import echo_json, echo_table, json_option
from taxii_fed.cli.node import Json, number_of, opened, watching
from taxii_fed.config import convert
from taxii_fed.core.errors import RefusedError
from taxii_fed.core.rules.changes import Differs, differing
from taxii_fed.core.rules.model import InForce
from taxii_fed.services.rules.plan import Effect
from taxii_fed.services.rules.standing import Standing
from taxii_fed.wiring import Node

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_VERBS = {"withdrawn": ("-", "withdraw"), "released": ("+", "release"), "changed": ("~", "edit anew")}
_DONE = {"withdraw": "withdrawing", "release": "releasing"}


@dataclass(frozen=True, slots=True)
class Coming:
    """The configuration on disk against what is in force."""

    in_force: InForce
    fingerprint: str
    standing: Standing
    differs: tuple[Differs, ...]
    effects: tuple[Effect, ...]

    @property
    def guarded(self) -> list[str]:
        """What the guards say. Parties that join others do not ask for one: nothing moves for anybody."""
        if not self.standing.moves:
            return []
        return [f"{each.collection}: {each.guarded} ({', '.join(each.parties)})" for each in self.effects if each.guarded]

    def to_json(self) -> Json:
        """Return the JSON form. ``state``: ``same``, ``adoptable`` (nothing moves) or ``waits`` (`apply` is needed)."""
        state = "same" if self.standing.same else "waits" if self.standing.moves else "adoptable"
        return {
            "state": state,
            "under_way": self.standing.running,
            "differs": [
                {
                    "section": each.section,
                    "name": each.name,
                    "kind": each.kind,
                    "terms": [{"term": term, "before": before, "after": after} for term, before, after in each.terms],
                }
                for each in self.differs
            ],
            "effects": [_effect_json(each) for each in self.effects],
            "guards": self.guarded,
        }


def coming_of(node: Node) -> Coming:
    """Return how the configuration on disk stands to what is in force, and what putting it in force would do; nothing is written."""
    coming = convert.in_force(node.settings)
    fingerprint = convert.fingerprint(node.settings)
    with node.store.read() as reader:
        standing = node.governor.standing(reader, coming, fingerprint)
        present = node.in_force.current(reader)
    differs = differing(present, coming) if present is not None else []
    effects: list[Effect] = []
    if not (standing.same or standing.running):
        with watching("judging every object under the new rules"):
            effects = node.planner.plan(coming)
    return Coming(coming, fingerprint, standing, tuple(differs), tuple(effects))


@click.command()
@json_option
@click.pass_context
def plan(ctx: click.Context, *, as_json: bool) -> None:
    """Show what the changed configuration would do.

    What would be released, withdrawn and edited anew, for which parties, with counts, examples and the rule behind it. Nothing is
    written.
    """
    with opened(ctx) as node:
        coming = coming_of(node)
    if as_json:
        echo_json(coming.to_json())
        return
    _tell_standing(coming)
    for line in _difference_lines(coming.differs):
        click.echo(line)
    if coming.effects:
        click.echo()
        _tell_effects(coming.effects)
    if coming.standing.moves and not coming.standing.running:
        click.echo("\n" + ("" if coming.effects else "No object would move. ") + _advice(coming))


def _tell_standing(coming: Coming) -> None:
    standing = coming.standing
    if standing.running:
        click.echo("A change of rules is under way, or stopped half way. To finish it: taxii-fed apply --resume")
    elif standing.same:
        click.echo("The configuration is in force. Nothing to do.")
    elif not standing.moves:
        click.echo(
            "Nothing that anybody holds would move. It takes effect at the next start or reload, or with: taxii-fed apply"
        )


def _advice(coming: Coming) -> str:
    if coming.guarded:
        return "\n".join([*(f"guard: {each}" for each in coming.guarded), "To do it all the same: taxii-fed apply --yes"])
    return "To do it: taxii-fed apply"


def _difference_lines(differs: Sequence[Differs]) -> Iterator[str]:
    for each in differs:
        terms = "; ".join(
            f"{term}: {_short(before)} → {_short(after)}" if term else f"{_short(before)} → {_short(after)}"
            for term, before, after in each.terms
        )
        yield f"{_SIGNS[each.kind]} {each.section} {each.name}".rstrip() + (f": {terms}" if terms else "")


def _short(value: Any) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _tell_table(effects: Sequence[Effect]) -> None:
    rows = [
        (each.collection, ", ".join(each.parties), each.holds, each.withdrawn, each.released, each.changed) for each in effects
    ]
    echo_table(("collection", "parties", "hold", "withdraw", "release", "edit anew"), rows)


def _tell_effects(effects: Sequence[Effect]) -> None:
    _tell_table(effects)
    for each in effects:
        click.echo(f"\n{each.collection}, {', '.join(each.parties)}")
        for kind, (sign, verb) in _VERBS.items():
            count = getattr(each, kind)
            if count:
                click.echo(f"  {sign} {verb} {count}")
                for line in _why_lines(each, kind):
                    click.echo(f"      {line}")


def _why_lines(effect: Effect, kind: str) -> Iterator[str]:
    for (of_kind, rule, reason), count in sorted(effect.rules.items(), key=lambda each: -each[1]):
        if of_kind == kind:
            decided = rule and not (kind == "withdrawn" and reason in words.BEYOND_RULES)
            yield f"{count}{f' by {rule!r}' if decided else ''}{_said(kind, reason)}"
    for example in effect.examples.get(kind, ()):
        yield f"such as {example.object_id}{f'  {example.name}' if example.name else ''}"


def _said(kind: str, reason: str) -> str:
    if not reason:
        return ""
    return f": {words.why_not(reason) if kind == 'withdrawn' else words.done(tuple(reason.split(', ')))}"


def _effect_json(effect: Effect) -> Json:
    return {
        "collection": effect.collection,
        "parties": list(effect.parties),
        "holds": effect.holds,
        "withdrawn": effect.withdrawn,
        "released": effect.released,
        "changed": effect.changed,
        "guard": effect.guarded,
        "rules": [
            {"kind": kind, "rule": rule, "reason": reason, "count": count}
            for (kind, rule, reason), count in sorted(effect.rules.items())
        ],
        "examples": {
            kind: [{"object": each.object_id, "name": each.name, "rule": each.rule, "reason": each.reason} for each in examples]
            for kind, examples in effect.examples.items()
        },
    }


@click.command()
@click.option("--yes", "sure", is_flag=True, help="Go on where a guard refuses a mass withdrawal or a mass release.")
@click.option("--resume", is_flag=True, help="Finish a change that stopped half way, whatever the configuration says now.")
@json_option
@click.pass_context
def apply(ctx: click.Context, *, sure: bool, resume: bool, as_json: bool) -> None:
    """Put the changed configuration in force.

    First what is no longer allowed is withdrawn, then the rules change, then what is newly allowed is released: at no moment more is
    visible than before or after. `taxii-fed plan` shows it beforehand.
    """
    with opened(ctx, create=True) as node:
        if resume:
            with _progress() as told:
                resumed = node.governor.resume(told)
            done, coming = ("finished what was under way" if resumed else "no change was under way"), None
        else:
            coming = coming_of(node)
            done = _put_in_force(node, coming, sure=sure)
        with node.store.read() as reader:
            applied = reader.in_force()
        waits = coming_of(node).standing.moves if resume else False
    assert applied is not None
    if as_json:
        echo_json({"done": done, "revision": applied.revision, **(coming.to_json() if coming else {}), "waits": waits})
        return
    if coming is not None and coming.effects and not coming.standing.same:
        _tell_table(coming.effects)
        click.echo()
    click.echo(f"{done[0].upper()}{done[1:]}. In force: revision {applied.revision}.")
    if waits:
        click.echo("The configuration on disk says something else: taxii-fed plan, then taxii-fed apply")
    elif coming is not None and not coming.standing.same:
        click.echo(
            "Running servers and workers go by it at once, and know removed accounts no more; "
            "new accounts, peers and page sizes at `taxii-fed reload`."
        )


def _put_in_force(node: Node, coming: Coming, *, sure: bool) -> str:
    """Put the configuration in force and return in words what was done. Raises `RefusedError` where a guard speaks."""
    standing = coming.standing
    if standing.same and not standing.running:
        return "nothing to do: the configuration is in force"
    if not standing.moves and not standing.running:
        node.governor.adopt(coming.in_force, coming.fingerprint)
        return "applied: nothing that anybody held has moved"
    if coming.guarded and not sure:
        told = "\n  ".join(coming.guarded)
        raise RefusedError(
            f"nothing was changed, since this is a large change:\n  {told}\n"
            "`taxii-fed plan` shows it. To do it all the same: taxii-fed apply --yes"
        )
    with _progress() as told_so_far:
        node.governor.apply(coming.in_force, coming.fingerprint, told_so_far)
    withdrawn = sum(each.withdrawn for each in coming.effects)
    released = sum(each.released for each in coming.effects)
    changed = sum(each.changed for each in coming.effects)
    return f"applied: {number_of(withdrawn, 'withdrawal')}, {number_of(released, 'release')}, {number_of(changed, 'new edit')}"


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """Show on a terminal how far a change has come."""
    with watching("looking at what changes") as tell:
        yield lambda stage, done: tell(f"{_DONE.get(stage, stage)}: {done:,} objects looked at")
