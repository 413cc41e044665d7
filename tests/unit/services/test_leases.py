"""Leases of processes that are gone (any number of workers may run)."""

from __future__ import annotations

import subprocess
import sys

from nodekit import SettableClock
from taxii_fed.services.leases import owner, take
from taxii_fed.storage import open_store

SCRIPT = "from taxii_fed.services.leases import owner; print(owner())"


def gone() -> str:
    """Return the owner name of a process of this machine that has ended."""
    return subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout.strip()


def test_the_lease_of_a_process_that_is_gone_is_taken_over_at_once(tmp_path):
    clock = SettableClock()
    store = open_store("sqlite:node.db", base_dir=tmp_path, clock=clock)
    dead = gone()
    held = take(store, "pull", dead, 100, clock.now())
    taken = take(store, "pull", owner(), 100, clock.now())
    assert taken is not None
    assert taken.fence > held.fence
    store.close()


def test_a_lease_of_a_living_process_or_of_another_machine_is_left_alone(tmp_path):
    clock = SettableClock()
    store = open_store("sqlite:node.db", base_dir=tmp_path, clock=clock)
    host, _, pid, word = gone().split("/")
    for holder in (owner(), f"{host}/elsewhere-1/{pid}/{word}", f"{host}//{pid}/{word}", "worker"):
        held = take(store, "pull", holder, 100, clock.now())
        assert take(store, "pull", owner(), 100, clock.now()) is None
        store.release(held)
    store.close()
