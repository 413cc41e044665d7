"""Federations under random faults, seed by seed: ``python -m simulator.simulate --seeds N --from SEED``.

Ends with ``simulate: N seeds, V violations``. What must hold: nothing leaks along any path, what the rules allow arrives once the faults
stop, nothing is twice, what was deleted is gone everywhere, and all comes to rest (I1, I2, I4, I5, I7, I10).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from simulator.world import Terms, Thing, World
from taxii_fed.core.levels import Level

Json = dict[str, Any]
STEPS = 40


def simulate(seed: int, steps: int = STEPS) -> list[str]:
    """Run one seed and return its violations, a sentence each."""
    world = World(seed)
    try:
        world.faults.chance = world.rng.choice([0.0, 0.05, 0.2])
        found: list[str] = []
        for _ in range(steps):
            world.step()
            found += leaks(world)
        if not world.heal():
            found.append("the hubs did not come to rest")
        found += [*leaks(world), *missing(world), *surplus(world), *doubles(world), *unfounded(world)]
    finally:
        world.close()
    return [f"seed {seed}: {line}" for line in dict.fromkeys(found)]


# -- the oracle ---------------------------------------------------------------------------------------------------------------


def reach(world: World, thing: Thing, terms: dict[str, Terms], level: Level, *, victim: bool) -> set[str]:
    """Return the hubs that content of this level from ``thing.home`` may get to, along the links, under these rules."""
    reached, frontier = {thing.home}, [thing.home]
    while frontier:
        hub = frontier.pop()
        rules = terms[hub]
        ceiling = rules.peer[0 if hub == thing.home else 1]
        if level > ceiling or (victim and rules.victims_stay):
            continue
        for other, sources in world.links.items():
            if hub in sources and other not in reached:
                reached.add(other)
                frontier.append(other)
    return reached


def readable(world: World, thing: Thing, terms: dict[str, Terms], level: Level, hub: str) -> bool:
    return level <= terms[hub].bank[0 if hub == thing.home else 1] and hub in reach(
        world, thing, terms, level, victim=thing.victim
    )


def listed(world: World, hub: str, account: str) -> list[Json]:
    """Return all that an account reads at a hub, every version, notices left out."""
    client = world.hubs[hub].client(account)
    collection = world.hubs[hub].node.settings.collections["banking"].id
    found: list[Json] = []
    query: Json = {"match[version]": "all", "limit": "50"}
    while True:
        reply = client.get(f"collections/{collection}/objects/", query)
        if reply.status != 200:
            return found
        found += reply.objects
        if not reply.json.get("more"):
            return [obj for obj in found if obj["type"] != "note"]
        query["next"] = reply.json["next"]


# -- what must hold -----------------------------------------------------------------------------------------------------------


def leaks(world: World) -> Iterator[str]:
    """Nothing is where no rule, however loose it ever was, lets it (I1)."""
    by_name = {thing.name: thing for thing in world.things}
    for hub in world.names:
        objects = listed(world, hub, "bank")
        text = json.dumps(objects)
        for obj in objects:
            thing = by_name.get(obj.get("name", ""))
            if thing is None:
                yield f"{hub} shows {obj['id']}, which nobody made"
            elif not any(readable(world, thing, world.loosest, level, hub) for level in set(thing.levels)):
                yield f"{hub} shows {thing.name} of {thing.home}, which may not get there"
        for thing in world.things:
            if thing.address and world.terms[thing.home].coarse and hub != thing.home and thing.address in text:
                yield f"{hub} shows the exact address of {thing.name} of {thing.home}"


def missing(world: World) -> Iterator[str]:
    """What the rules allow has arrived, its newest version (I2)."""
    for hub in world.names:
        newest: dict[str, Json] = {}
        for obj in listed(world, hub, "bank"):
            held = newest.get(obj.get("name", ""))
            if held is None or obj["modified"] > held["modified"]:
                newest[obj.get("name", "")] = obj
        for thing in world.things:
            if thing.deleted or not readable(world, thing, world.terms, thing.levels[-1], hub):
                continue
            obj = newest.get(thing.name)
            if obj is None:
                yield f"{hub} lacks {thing.name} of {thing.home}"
            elif bool(obj.get("revoked")) != thing.revoked:
                yield f"{hub} has not the newest version of {thing.name} of {thing.home}"


def surplus(world: World) -> Iterator[str]:
    """What was deleted, or may not be seen any more, is gone (I10)."""
    for hub in world.names:
        names = {obj.get("name") for obj in listed(world, hub, "bank")}
        for thing in world.things:
            if thing.name not in names:
                continue
            if thing.deleted:
                yield f"{hub} still has {thing.name} of {thing.home}, which was deleted"
            elif not readable(world, thing, world.terms, thing.levels[-1], hub):
                yield f"{hub} still has {thing.name} of {thing.home}, which may not be there any more"


def doubles(world: World) -> Iterator[str]:
    """No (id, version) is twice in a view."""
    for hub in world.names:
        counted = Counter((obj["id"], obj.get("modified")) for obj in listed(world, hub, "bank"))
        for key, count in counted.items():
            if count > 1:
                yield f"{hub} shows {key} {count} times"


def unfounded(world: World) -> Iterator[str]:
    """Every view is what a rebuild gives (I7)."""
    for hub in world.names:
        for difference in world.hubs[hub].node.planner.verify():
            yield f"{hub}: a rebuild differs: {difference}"


def main() -> int:
    """Run seeds; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--from", dest="first", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    violations = 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for line in simulate(seed):
            violations += 1
            print(line, flush=True)
    print(f"simulate: {arguments.seeds} seeds, {violations} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
