"""Writes docs/reference/rules.md: each kind of rule with what comes in, what goes out and what `explain` says, from a run.

    python tools/rules.py

The cases lie in rule_cases.yaml. Each runs on a node of its own under a clock that is set, with a key that is always the same, so
that the page is, too. `make check` compares what this writes with what lies there.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import yaml

from taxii_fed.cli.answers import answer_lines
from taxii_fed.config.load import loads
from taxii_fed.config.scalars import instant
from taxii_fed.core.derive.identity import observable_id
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.facts import OBSERVABLE_TYPES
from taxii_fed.core.stix.levels import TLP2_IDS
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery
from taxii_fed.services.intake.ingest import Giver, Offered
from taxii_fed.wiring import Node, open_node

ROOT = Path(__file__).parents[1]
CASES = Path(__file__).with_name("rule_cases.yaml")
PAGE = ROOT / "docs" / "reference" / "rules.md"

Json = dict[str, Any]

ABOUT = """\
# Rules by example

Written by `make docs` from a run: the rules went through the loader, the objects into a node, and what came out stands here with what
`taxii-fed explain` says of it. What rules mean is told in [sharing rules](../sharing-rules.md), every term in the [settings](settings.md).

The node is a hub in Hong Kong that `bank`, `vendor` and `regulator` read from, and it has a peer, `eu-csirt`. What comes in is published by
the hub's own `desk` at {start}, unless it says that the peer gives it. Where a case has no share rule, this one is in force:

```yaml
{shared}```

What a reader gets is shown beside what came in: lines with `-` came in and do not go out, lines with `+` go out instead, all others go out
as they came in. To keep that short, TLP markings are written by their names; properties that say nothing about the rule, such as
`spec_version` and `created`, are left out where they go out as they came in; and of what `explain` says the head is left out, which names
object, party and collection. The hub itself is `{identity}`."""

SHARED = """\
share:
  banks read banking:
    to:
      role: bank
    in:
    - banking
    up_to: AMBER
    relayed_up_to: AMBER
"""

IDENTITY = "identity--4d0c3a53-7c53-4c58-8d60-0d9f8a7c1a01"

NODE = f"""\
node:
  name: hub
  title: Hub
  organisation: Hub
  jurisdiction: HK
  identity: {IDENTITY}
  secret: {{file: node.key}}
server: {{public_url: https://taxii.hub.example}}
api_roots: {{finance: {{title: Finance}}}}
jurisdictions: {{US: []}}
collections:
  banking: {{id: 5d1f7a3e-0f4b-4b8e-9a51-1c2d3e4f5a01, api_root: finance, title: Banking}}
parties:
  desk: {{role: own, jurisdiction: HK, organisation: Hub, publish: [banking]}}
  bank: {{role: bank, jurisdiction: HK, organisation: Bank}}
  vendor: {{role: vendor, jurisdiction: US, organisation: Vendor}}
  regulator: {{role: regulator, jurisdiction: HK, organisation: Regulator}}
  eu-csirt: {{role: peer, jurisdiction: EU, organisation: EU CSIRT}}
peers:
  eu-csirt: {{url: https://taxii.eu-csirt.example/taxii2/}}
"""

START = "2026-03-02T09:00Z"
MADE = "2026-02-10T08:00:00.000Z"
FILLED: dict[str, Json] = {"indicator": {"pattern_type": "stix", "valid_from": MADE}}
QUIET = ("spec_version", "created", "modified", "valid_from", "published", "identity_class", "is_family")
UNDEFINED = {"marking-definition--2": "marking-definition--00000002-0000-4000-8000-000000000000"}
"""A marking that a case names and that nobody here has."""
TLP_NAMES = {marking: f"TLP:{level}" for level, marking in TLP2_IDS.items()}


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self, time: str) -> None:
        self.instant = instant(time)

    def now(self) -> int:
        """Return the instant (µs) that it was set to."""
        return self.instant


def page() -> str:
    """Return the page."""
    lines = [ABOUT.format(start=START, shared=SHARED, identity=IDENTITY)]
    for group in yaml.safe_load(CASES.read_text()):
        for heading, cases in group.items():
            lines += ["", f"## {heading}"]
            for case in cases:
                lines += ["", *_case(case)]
    return "\n".join(lines) + "\n"


def _case(case: Json) -> Iterator[str]:
    written = case.get("rules")
    rules = yaml.safe_dump(written, sort_keys=False, width=1000) if written else ""
    yield f"### {case['title']}"
    if "text" in case:
        yield ""
        yield case["text"]
    if rules:
        yield ""
        yield from _block("yaml", rules.splitlines())
    with tempfile.TemporaryDirectory(prefix="taxii-fed-") as scratch:
        folder = Path(scratch)
        (folder / "node.key").write_text("".join(f"{number * 37 % 251:02x}" for number in range(1, 33)))
        clock = SetClock(START)
        node = open_node(loads(NODE + ("" if "share:" in rules else SHARED) + rules, folder), clock=clock)
        try:
            yield from _run(node, clock, case)
        finally:
            node.close()


def _run(node: Node, clock: SetClock, case: Json) -> Iterator[str]:
    """Take the objects in, then tell what goes out, and again after each later moment."""
    ids = {each["id"]: _whole_id(each) for each in case["objects"]}
    objects = [_whole(each, ids) for each in case["objects"]]
    _take_in(node, objects, from_peer=case.get("from_peer", False))
    readers = case.get("readers", ["bank"])
    for reader in readers:
        yield ""
        yield f"{'The peer gives, and ' if case.get('from_peer') else ''}`{reader}` gets:"
        yield from _told(node, objects, reader)
    for moment in case.get("then", ()):
        clock.instant = instant(moment["at"])
        if "approve" in moment:
            node.holds.approve(ids[moment["approve"]], "", readers[0], by="ann")
        node.waker.wake_due()
        yield ""
        yield f"At {moment['at']}{', when `ann` has approved it' if 'approve' in moment else ''}, `{readers[0]}` gets:"
        yield from _told(node, objects, readers[0])


def _take_in(node: Node, objects: list[Json], *, from_peer: bool) -> None:
    with node.store.read() as reader:
        in_force = node.in_force.require(reader)
    received = read_envelope(json.dumps({"objects": objects}).encode())
    collection = in_force.collections["banking"]
    if from_peer:
        giver = Giver("eu-csirt", "banking", in_force.parties["eu-csirt"], PeerTerms())
        counts = node.ingest.offer(giver, collection, [Offered(each) for each in received])
        assert counts == {"new": len(objects)}, counts
    else:
        status = node.ingest.publish_objects(in_force.parties["desk"], collection, received)
        assert status["success_count"] == len(objects), status


def _told(node: Node, objects: list[Json], reader: str) -> Iterator[str]:
    """Yield what a party gets of the objects, beside what came in, and what `explain` says of each."""
    went_out = _seen(node, reader)
    compared: list[str] = []
    said: list[str] = []
    for each in objects:
        (answer,) = node.explainer.explain(each["id"], reader)
        given = next((version.given_id for version in answer.versions if version.outcome == "visible"), "")
        compared += _compared(each, went_out.pop(given, {}))
        said += ["", f"$ taxii-fed explain {each['id']} --to {reader}", *answer_lines(answer)]
    for more in went_out.values():
        compared += _compared({}, more)
    yield ""
    yield from _block("diff", compared)
    yield ""
    yield from _block("console", said[1:])


def _seen(node: Node, reader_name: str) -> dict[str, Json]:
    """Return what a party sees: id to the body."""
    with node.store.read() as reader:
        (collection,) = node.in_force.require(reader).collections.values()
        view = reader.place(reader_name, collection.id).view
        if view is None:
            return {}
        rows = reader.page(view.id, ObjectQuery(limit=1000, versions=ALL_VERSIONS)).rows
        return {row.id: json.loads(row.body) for row in rows}


def _compared(before: Json, after: Json) -> Iterator[str]:
    """Yield two forms of an object as the lines of one, a member a line, marked where they differ."""
    old, new = _members(before), _members(after)
    changed = {key for key in QUIET if before and after and before.get(key) != after.get(key)}
    quiet = tuple(f'  "{key}": ' for key in QUIET if key not in changed)
    whole = " " if before and after else "-" if before else "+"
    yield f"{whole} {{"
    for kind, begin, end, start, stop in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        lines = [f"  {line}" for line in old[begin:end]] if kind == "equal" else []
        lines += [] if kind == "equal" else [f"- {line}" for line in old[begin:end]] + [f"+ {line}" for line in new[start:stop]]
        yield from (line for line in lines if not line[2:].startswith(quiet))
    yield f"{whole} }}"


def _members(obj: Json) -> list[str]:
    return [_named(f'  "{key}": {json.dumps(value, ensure_ascii=False)},') for key, value in obj.items()]


def _named(text: str) -> str:
    return re.sub("|".join(TLP_NAMES), lambda found: TLP_NAMES[found[0]], text)


def _whole_id(short: Json) -> str:
    """Return the id that a case's short one stands for: for an observable the one that follows from its value."""
    kind, _, number = short["id"].partition("--")
    if kind in OBSERVABLE_TYPES:
        return observable_id(short)
    return f"{kind}--{int(number):08d}-0000-4000-8000-000000000000"


def _whole(short: Json, ids: dict[str, str]) -> Json:
    """Return the object that a case's short form stands for, with whole ids, its marking, and what STIX requires besides."""
    known = ids | {name: marking for marking, name in TLP_NAMES.items()} | UNDEFINED

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolved(each) for key, each in value.items()}
        if isinstance(value, list):
            return [resolved(each) for each in value]
        return known.get(value, value) if isinstance(value, str) else value

    kind = short["type"]
    dated = {} if kind in OBSERVABLE_TYPES else {"created": MADE, "modified": MADE}
    if kind == "marking-definition":
        del dated["modified"]
    own = {key: resolved(value) for key, value in short.items() if key not in ("type", "id", "tlp")}
    marked = {"object_marking_refs": [known[f"TLP:{short['tlp']}"]]} if "tlp" in short else {}
    return {"type": kind, "spec_version": "2.1", "id": ids[short["id"]], **dated, **FILLED.get(kind, {}), **own, **marked}


def _block(language: str, lines: list[str]) -> Iterator[str]:
    yield f"```{language}"
    yield from lines
    yield "```"


if __name__ == "__main__":
    PAGE.write_text(page())
