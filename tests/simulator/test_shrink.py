"""A failure is told by its shortest story."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.shrink import shrunk
from simulator.simulate import shortest
from simulator.story import Story, write
from taxii_fed.core.rules.door import Ruling, rule
from taxii_fed.services.intake import arrivals


@given(st.sets(st.integers(0, 39)))
def test_what_is_left_is_what_the_failure_needs(needed: set[int]) -> None:
    def fails(story: Story) -> bool:
        return needed <= {step.number for step in story.steps}

    assert {step.number for step in shrunk(write(1), fails).steps} == needed


def test_whom_the_failure_does_not_need_is_left_out_with_all_that_concerns_them() -> None:
    story = replace(write(16), chance=0.2)

    def fails(part: Story) -> bool:
        return part.names == () or "eu" in part.names

    short = shrunk(story, fails)
    assert (short.names, short.liars, short.links, short.chance, short.steps) == (("eu",), (), {"eu": ()}, 0.0, ())


def test_a_bug_that_was_planted_is_told_in_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_anybody(*args: Any, **options: Any) -> Ruling:
        ruling = rule(*args, **options)
        return Ruling.NEW if ruling is Ruling.NOT_CREATOR else ruling

    monkeypatch.setattr(arrivals, "rule", from_anybody)
    story = shortest(write(10))
    assert story is not None
    assert [step.act for step in story.steps] == ["publish", "lie"]
    assert story.names == ("hk", "eu")
    assert shortest(replace(story, steps=story.steps[:1])) is None
