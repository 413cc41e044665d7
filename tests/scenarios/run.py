"""Run a file of sharing scenarios through a real node over HTTP: ``python tests/scenarios/run.py [FILE…] [--only S07,…] [--mutate]``.

Ends with ``scenarios: P passed, F failed, O open``. With ``--mutate`` every expectation is changed, one at a time, and what the runner does
not notice is printed: proof that its checks can fail.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from checks import EXTRA_TYPES, Checker, Json, Record  # noqa: E402
from world import run  # noqa: E402

HERE = Path(__file__).parent
OUR_FILES = (HERE / "sharing.json", HERE / "more.json")


def failures(scenario: Json, parties: Json) -> list[str]:
    """Play one scenario and return what is wrong, a line each."""
    found: list[str] = []
    try:
        for number, (step, record) in enumerate(run(scenario, parties)):
            found += [
                f"{scenario['id']} poll {number} by {step['by']} at {step['at']}: {line}"
                for line in Checker(scenario["objects"], record).failures(step["expect"])
            ]
    except Exception as error:  # noqa: BLE001 — a scenario that can't be played has failed, and the others go on
        last = traceback.extract_tb(error.__traceback__)[-1]
        found.append(f"{scenario['id']}: {type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})")
    return found


def mutants(expect: Json, objects: Json, record: Record) -> Iterator[tuple[str, Json]]:
    """Yield changed expectations with a name, each of which must be noticed: what the convention lets pass either way is left alone."""
    for index, entry in enumerate(expect.get("visible", ())):
        if not _may_be_extra(expect, entry, objects, record):
            yield f"visible {entry['obj']} left out", _without(expect, "visible", index)
        yield from _of_visible(expect, index, entry, objects[entry["obj"]], record)
    for index, entry in enumerate(expect.get("absent", ())):
        yield f"absent {entry['obj']} dropped to visible", _moved(expect, "absent", index, "visible")
        if "reason" in entry:
            yield f"absent {entry['obj']} other reason", _with(expect, "absent", index, {**entry, "reason": "no-such-reason"})
    for term in ("log", "withdrawn"):
        for index, entry in enumerate(expect.get(term, ())):
            yield f"{term} {entry['obj']} other reason", _with(expect, term, index, {**entry, "reason": "no-such-reason"})
    for obj in record.listed[:1]:
        yield f"nowhere {obj['id']}", {**expect, "nowhere": [*expect.get("nowhere", ()), obj["id"]]}


def _may_be_extra(expect: Json, entry: Json, objects: Json, record: Record) -> bool:
    """Return whether a reader may find what the entry names also where no expectation names it."""
    key = entry["obj"]
    twins = {record.copies.get(other["obj"]) for other in expect["visible"] if other is not entry}
    return (
        entry["as"] == "derived-or-absent"
        or objects[key]["type"] in EXTRA_TYPES
        or (key in record.copies and record.copies[key] in twins)
    )


def _of_visible(expect: Json, index: int, entry: Json, source: Json, record: Record) -> Iterator[tuple[str, Json]]:
    key = entry["obj"]
    if entry["as"] != "derived-or-absent" and not entry.get("or_original"):
        other = "derived" if entry["as"] == "original" else "original"
        yield f"visible {key} as {other}", _with(expect, "visible", index, {**entry, "as": other})
    if entry["as"] == "original" or record.copies.get(key, (source["id"], ""))[0] == source["id"]:
        return
    for term in ("equals", "contains", "contains_if_present", "matches", "refs"):
        for name, value in entry.get(term, {}).items():
            changed = _other(value)
            yield f"{key} {term} {name}", _with(expect, "visible", index, {**entry, term: {**entry[term], name: changed}})
    yield f"{key} removed type", _with(expect, "visible", index, {**entry, "removed": ["type"]})
    yield f"{key} not_equals type", _with(expect, "visible", index, {**entry, "not_equals": {"type": source["type"]}})
    for term in ("same_id_as", "same_id_as_in", "differs_from_recipient"):
        if term in entry:
            yield f"{key} {term} nothing", _with(expect, "visible", index, {**entry, term: "no-such-thing"})


def _other(value: Any) -> Any:
    if isinstance(value, str):
        return f"other:{value}" if ":" in value else f"{value}-other"
    if isinstance(value, list):
        return [*value, "original:no-such-object"] if value else ["other"]
    return "other"


def _with(expect: Json, term: str, index: int, entry: Json) -> Json:
    changed = copy.deepcopy(expect)
    changed[term][index] = entry
    return changed


def _without(expect: Json, term: str, index: int) -> Json:
    changed = copy.deepcopy(expect)
    del changed[term][index]
    return changed


def _moved(expect: Json, term: str, index: int, to: str) -> Json:
    changed = _without(expect, term, index)
    changed.setdefault(to, []).append({"obj": expect[term][index]["obj"], "as": "original"})
    return changed


def _noticed(scenario: Json, record: Record, expect: Json) -> bool:
    try:
        return any(True for _ in Checker(scenario["objects"], record).failures(expect))
    except KeyError:
        return True


def mutate(scenarios: list[Json], parties: Json) -> int:
    """Change every expectation of every scenario and print what goes unnoticed; return how many that is."""
    tried = missed = 0
    for scenario in scenarios:
        for step, record in run(scenario, parties):
            for name, expect in mutants(step["expect"], scenario["objects"], record):
                tried += 1
                if not _noticed(scenario, record, expect):
                    missed += 1
                    print(f"{scenario['id']} {step['by']} {step['at']}: unnoticed: {name}")
    print(f"mutations: {tried} expectations changed, {tried - missed} noticed")
    return missed


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", default=[str(file) for file in OUR_FILES if file.exists()])
    parser.add_argument("--only", default="", help="ids, with commas")
    parser.add_argument("--mutate", action="store_true")
    arguments = parser.parse_args()
    wanted = set(filter(None, arguments.only.split(",")))
    missed = passed = failed = 0
    for file in arguments.files:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
        scenarios = [each for each in document["scenarios"] if not wanted or each["id"] in wanted]
        if arguments.mutate:
            missed += mutate(scenarios, document["parties"])
            continue
        for scenario in scenarios:
            lines = failures(scenario, document["parties"])
            passed, failed = passed + (not lines), failed + bool(lines)
            print(f"{'FAIL' if lines else 'ok  '} {scenario['id']} {scenario['title']}")
            for line in lines:
                print(f"     {line}")
    if arguments.mutate:
        return 1 if missed else 0
    print(f"scenarios: {passed} passed, {failed} failed, 0 open")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
