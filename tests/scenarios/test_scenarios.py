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
    if file.exists()
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
