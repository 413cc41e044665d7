"""Federations under random faults, seed by seed: ``python -m simulator.simulate --seeds N --from SEED``.

Ends with ``simulate: N seeds, V violations``. What must hold is in `simulator.oracle`; ``--shrink`` tells a failure by its shortest story.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from contextlib import closing

from simulator import oracle
from simulator.shrink import shrunk
from simulator.story import HONEST, LIARS, Story, write
from simulator.world import World


def violations(story: Story) -> list[str]:
    """Play a story and return what it violates, a sentence each; a step that can't be carried out is one, too, and the last."""
    found: list[str] = []
    with closing(World(story)) as world:
        told: object = "opening"
        try:
            for told in story.steps:
                world.play(told)
                found += oracle.after_a_step(world)
            told = "coming to rest"
            if not world.heal():
                found.append("the hubs did not come to rest")
            found += oracle.after_a_step(world)
            found += oracle.at_rest(world)
        except Exception as error:  # noqa: BLE001 — whatever it is, it is to be told with its story
            found.append(f"{told}: {type(error).__name__} {error}".replace("\n", " "))
    return list(dict.fromkeys(found))


def simulate(seed: int) -> list[str]:
    """Run one seed and return its violations, a sentence each."""
    return [f"seed {seed}: {line}" for line in violations(write(seed))]


def shortest(story: Story) -> Story | None:
    """Return the shortest part of a story that violates something of the same kind as the whole, None where that violates nothing."""
    kinds = set(map(_kind, violations(story)))
    if not kinds:
        return None
    return shrunk(story, lambda part: not kinds.isdisjoint(map(_kind, violations(part))))


def _kind(violation: str) -> str:
    """Return a violation without the names in it."""
    return re.sub(rf"\b({'|'.join((*HONEST, *LIARS))})\b|\S*[\d{{}}()]\S*", "…", violation)


def main() -> int:
    """Run seeds; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--shrink", action="store_true", help="print the shortest story of each seed that violates something")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    count = 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        lines = simulate(seed)
        count += len(lines)
        for line in lines:
            print(line, flush=True)
        if lines and arguments.shrink and (story := shortest(write(seed))) is not None:
            print(story, *violations(story), sep="\n", flush=True)
    print(f"simulate: {arguments.seeds} seeds, {count} violations")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
