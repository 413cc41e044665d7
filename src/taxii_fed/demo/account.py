"""Tells what happened: who received what, in which form, and why not the rest. Readable with and without a terminal."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from taxii_fed.core.rules.judge import Reason
from taxii_fed.core.stix.levels import TLP_LEVELS, Level
from taxii_fed.demo.incident import Json
from taxii_fed.demo.nodes import Node

ORIGINAL, COPY, HELD, WITHHELD, ABSENT = "original", "copy", "held", "withheld", "not here"

_LEGEND = "● as published   ◐ as an edited copy   ⏸ on hold   – withheld   ○ gone   (blank) not at this node"
_MARGIN = 3
_NARROWEST, _WIDEST = 20, 44
_MOST_NAMES = 6
_SIGNS = {ORIGINAL: ("●", "green"), COPY: ("◐", "yellow"), HELD: ("⏸", "magenta"), WITHHELD: ("–", "dim"), ABSENT: ("", "")}

_SENTENCES: dict[str, str] = {
    Reason.NO_RULE: "no rule shares it with them",
    Reason.TYPE_NOT_ALLOWED: "no rule shares objects of this type with them",
    Reason.ABOVE_CEILING: "its marking is above what any rule gives them",
    Reason.VETOED: "a veto",
    Reason.HELD: "waits for a person's approval",
    Reason.EMBARGOED: "waits for its time",
    Reason.SUPERSEDED: "a later version is not for them, so the older ones are not either",
    Reason.REFERENCE_WITHHELD: "it is about something that they may not see",
    Reason.UNTRANSFORMABLE: "it can't be edited surely",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reader gets of one object: the form, and where it gets nothing the reason and the rule."""

    form: str
    reason: str = ""
    rule: str = ""

    @property
    def had(self) -> str:
        """The form in which the reader has the object, "" where it has nothing."""
        return self.form if self.form in (ORIGINAL, COPY) else ""


Columns = dict[str, dict[str, Outcome]]
"""Reader to object id to outcome."""


def level_of(value: Json) -> Level:
    """Return the level that an object of the demo is marked with."""
    return TLP_LEVELS[value["object_marking_refs"][0]]


def _cell(now: Outcome, before: Outcome | None) -> Text:
    """Return the sign of an outcome, and of the one before where it is another one."""
    sign = Text(*_SIGNS[now.form])
    if before is None or before.had == now.had:
        return sign
    return Text.assemble(Text(*_SIGNS[before.form]), " → ", sign or Text("○", "red"))


class Account:
    """Writes to a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chapter = 0
        self._titles: dict[str, str] = {}

    def name(self, value: Json) -> None:
        """Remember what an object is called, before it is spoken of; the ends of a relationship come first."""
        title = value.get("name") or value.get("abstract") or value.get("value") or value["type"]
        if value["type"] == "relationship":
            ends = (self._titles.get(value[end], "?").split(" of ")[0] for end in ("source_ref", "target_ref"))
            title = f" {value['relationship_type']} ".join(ends)
        elif value["type"] == "sighting":
            title = f"Sighting of {self._titles[value['sighting_of_ref']]}"
        self._titles[value["id"]] = str(title)

    def chapter(self, title: str, *lines: str) -> None:
        """Begin a chapter."""
        self._chapter += 1
        self._console.print()
        self._console.print(Text(f"{self._chapter}. {title}", style="bold"))
        for line in lines:
            self.say(line)

    def say(self, line: str | Text, style: str = "") -> None:
        """Write one line, indented also where it goes on."""
        text = line if isinstance(line, Text) else Text(line, style=style)
        if not text.plain:
            self._console.print()
            return
        inner = len(text.plain) - len(text.plain.lstrip())
        margin = " " * (_MARGIN + inner)
        for part in text[inner:].wrap(self._console, max(self._console.width - len(margin), _NARROWEST)):
            part.rstrip()
            self._console.print(Text(margin) + part, soft_wrap=True)

    def command(self, line: str) -> None:
        """Write a command to be copied: in one line, however wide."""
        self._console.print(Text(f"   {line}"), soft_wrap=True)

    def edit(self, file: str, lines: Sequence[str]) -> None:
        """Write what was changed in a file."""
        self.say("")
        self.say(f"{file}:", "bold")
        for line in lines:
            self.say(line, {"-": "red", "+": "green"}.get(line[:1], ""))

    def run(self, node: Node, *command: str) -> None:
        """Run a command at a node, and write it and what it prints."""
        self.say("")
        self.say(f"{node.name}$ taxii-fed {shlex.join(command)}", "bold")
        for line in node.run(*command, width=self._console.width - _MARGIN).splitlines():
            self.say(Text.from_ansi(line))

    def matrix(self, objects: Sequence[Json], columns: Columns, before: Columns | None = None) -> None:
        """Write one line an object and one column a reader; with ``before``, what changed since then."""
        heads = [reader.replace("-", "-\n") for reader in columns]
        columns_beside = [[value["type"] for value in objects], [str(level_of(value)) for value in objects]]
        columns_beside += [head.split("\n") for head in heads]
        taken = sum(2 + max(map(len, texts)) for texts in columns_beside)
        widest = max(_NARROWEST, min(_WIDEST, self._console.width - taken - 2))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("object", max_width=widest, no_wrap=True, overflow="ellipsis")
        table.add_column("type", no_wrap=True)
        table.add_column("TLP", no_wrap=True)
        for head in heads:
            table.add_column(head, justify="center", no_wrap=True)
        for value in objects:
            cells = [
                _cell(outcomes[value["id"]], before[reader].get(value["id"], Outcome(ABSENT)) if before else None)
                for reader, outcomes in columns.items()
            ]
            table.add_row(Text(self._titles[value["id"]]), Text(value["type"]), Text(str(level_of(value))), *cells)
        self._console.print(table)

    def reasons(self, columns: Columns) -> None:
        """Write, for each reader, why it does not get the rest; objects with the same reason together."""
        for reader, outcomes in columns.items():
            together: dict[tuple[str, str], list[str]] = defaultdict(list)
            for object_id, outcome in outcomes.items():
                if outcome.form in (WITHHELD, HELD):
                    together[outcome.reason, outcome.rule].append(self._titles[object_id])
            if not together:
                continue
            self.say(f"why not, for {reader}:", "bold")
            for (reason, rule), names in together.items():
                sentence = _SENTENCES.get(reason, reason)
                by = f' (rule "{rule}")' if rule else ""
                more = f"; and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
                self.say(f"  {sentence}{by}: {'; '.join(names[:_MOST_NAMES])}{more}")

    def legend(self) -> None:
        """Say what the signs mean."""
        self.say(_LEGEND, "dim")

    def checks(self, found: dict[str, bool]) -> bool:
        """Write what was checked, and return whether all of it holds."""
        for sentence, holds in found.items():
            self.say(f"{'✓' if holds else '✗ NOT SO:'} {sentence}", "green" if holds else "bold red")
        return all(found.values())
