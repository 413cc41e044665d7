"""Federations that random faults beset: 20 seeds here, 200 in CI, ranges of thousands noted in the documents."""

from __future__ import annotations

import os

import pytest

from simulator.simulate import simulate

FIRST = int(os.environ.get("TAXII_FED_SEED", "1"))
SEEDS = int(os.environ.get("TAXII_FED_SEEDS", "20"))


@pytest.mark.invariant("I1", "I2", "I4", "I5", "I7", "I10")
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_a_federation_under_faults_keeps_its_promises(seed):
    assert simulate(seed) == []
