"""Every sharing scenario through a real node over HTTP, and the proof that the runner's checks can fail."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from run import failures, mutate  # noqa: E402

FILES = [HERE / "sharing.json", HERE / "more.json"]
SCENARIOS = [
    pytest.param(scenario, document["parties"], id=scenario["id"])
    for file in FILES
    for document in [json.loads(file.read_text(encoding="utf-8"))]
    for scenario in document["scenarios"]
]


@pytest.mark.invariant("I1", "I6", "I9", "I10")
@pytest.mark.parametrize(("scenario", "parties"), SCENARIOS)
def test_a_scenario_comes_out_as_written(scenario, parties):
    assert failures(scenario, parties) == []


def test_a_changed_expectation_is_noticed(capsys):
    document = json.loads(FILES[0].read_text(encoding="utf-8"))
    chosen = [scenario for scenario in document["scenarios"] if scenario["id"] in {"S05", "S08", "S16", "S29"}]
    assert mutate(chosen, document["parties"]) == 0
    assert "expectations changed" in capsys.readouterr().out


def _strange(scenario, change):
    strange = json.loads(json.dumps(scenario))
    change(strange)
    return strange


@pytest.mark.parametrize(
    "change",
    [
        lambda each: each.update(weather="fine"),
        lambda each: each["steps"][0].update(do="import"),
        lambda each: each["steps"][0].update(speed=3),
        lambda each: each["steps"][-1]["expect"].update(perhaps=[]),
        lambda each: each["steps"][-1]["expect"]["visible"][0].update({"as": "copy"}),
        lambda each: each["steps"][-1]["expect"]["visible"][0].update(resembles="w1"),
        lambda each: each["steps"][-1]["expect"]["absent"][0].update(because="w1"),
        lambda each: each["rules"][0].update(max_pap="RED"),
        lambda each: each["rules"][0].update(direction="sideways"),
        lambda each: each["rules"][0].update(effect="delay"),
        lambda each: each["rules"][0].update(unknown_types="sometimes"),
        lambda each: each["rules"][0]["to"].update(height=["tall"]),
        lambda each: each["rules"][0].update(objects={"colour": ["red"]}),
        lambda each: each["rules"][0].update(objects={"not_colour": ["red"]}),
        lambda each: each["rules"].append({**each["rules"][0], "effect": "transform", "transform": {"kind": "rot13"}}),
        lambda each: each["rules"].append({"id": "x", "direction": "inbound", "from": "eu-csirt", "above": "keep"}),
        lambda each: each["rules"].append({"id": "x", "direction": "inbound", "from": "eu-csirt", "trust": 3}),
    ],
)
def test_a_term_that_the_runner_does_not_know_fails(change):
    document = json.loads(FILES[0].read_text(encoding="utf-8"))
    assert failures(document["scenarios"][0], document["parties"]) == []
    assert "nknown" in " ".join(failures(_strange(document["scenarios"][0], change), document["parties"]))
