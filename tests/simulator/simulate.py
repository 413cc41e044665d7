"""Federations under random faults, seed by seed: ``python -m simulator.simulate --seeds N --from SEED``.

Ends with ``simulate: N seeds, V violations``. What must hold is in `simulator.oracle`.
"""

from __future__ import annotations

import argparse
import logging
import sys

from simulator import oracle
from simulator.story import Story, write
from simulator.world import World


def violations(story: Story) -> list[str]:
    """Play a story and return what it violates, a sentence each."""
    world = World(story)
    found: list[str] = []
    try:
        for step in story.steps:
            world.play(step)
            found += oracle.after_a_step(world)
        if not world.heal():
            found.append("the hubs did not come to rest")
        found += oracle.after_a_step(world)
        found += oracle.at_rest(world)
    finally:
        world.close()
    return list(dict.fromkeys(found))


def simulate(seed: int) -> list[str]:
    """Run one seed and return its violations, a sentence each."""
    return [f"seed {seed}: {line}" for line in violations(write(seed))]


def main() -> int:
    """Run seeds; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--from", dest="first", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    count = 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for line in simulate(seed):
            count += 1
            print(line, flush=True)
    print(f"simulate: {arguments.seeds} seeds, {count} violations")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
