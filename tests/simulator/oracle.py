"""What must hold in a federation, whatever fails and whoever lies.

The model behind it: content goes from hub to hub where the rules of the giver let it (a liar passes on all that it was given). The home of an
object at a hub is the peer that its creator belongs to there, else the first giver; only the home brings versions. So what comes to a
hub by a chain of homes without a liar in it is what was made, as it was made, and no liar keeps it away or takes it away.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from simulator.story import Terms
from simulator.things import Json, Thing, index_of
from simulator.world import World
from taxii_fed.core.stix.levels import TLP2_IDS, Level, tlp_definition


def after_a_step(world: World) -> Iterator[str]:
    """Yield what a step has broken: nothing leaks, nothing is altered, nothing that others offer is taken away by a liar (I1, I10)."""
    for hub in sorted(world.moved):
        objects = world.listed(hub)
        if world.looked_at.get(hub) is not objects:  # what was there before is no worse now: what may be seen only grows
            world.looked_at[hub] = objects
            yield from _leaks(world, hub, objects)
            yield from _altered(world, hub, objects)
    world.moved.clear()
    for hub, liar in world.overheard:
        yield from _given(world, hub, liar)
    world.overheard.clear()
    for hub, obj in world.lost:
        if not (tainted(world, hub, obj["id"]) or tainted(world, hub, obj.get("created_by_ref", ""))):
            yield f"{hub} lost {obj['id']} {obj['modified']} to a liar"
    world.lost.clear()


def at_rest(world: World) -> Iterator[str]:
    """Yield what does not hold once the faults have stopped (I1, I2, I4, I7, I10)."""
    world.look_afresh()
    sight = Sight(world)
    for hub in world.names:
        yield from _leaks(world, hub, sight.bank[hub])
        yield from _altered(world, hub, sight.bank[hub])
        yield from _missing(world, hub, sight)
        yield from _surplus(world, hub, sight)
        yield from _doubles(hub, sight.bank[hub])
        for reader in (*world.names, *world.liars):
            if reader != hub:
                yield from _given(world, hub, reader)
        yield from _origins(world, hub)
        yield from _definitions(world, hub)
        yield from (f"{hub}: a rebuild differs: {each}" for each in world.hubs[hub].node.planner.verify())


# -- where content may get to -------------------------------------------------------------------------------------------------


def lets_through(thing: Thing, hub: str, terms: dict[str, Terms], level: Level) -> bool:
    """Return whether a hub gives content of this level to its peers."""
    rules = terms[hub]
    return level <= rules.peer[0 if hub == thing.home else 1] and not (thing.victim and rules.victims_stay)


def reach(world: World, thing: Thing, terms: dict[str, Terms], level: Level) -> set[str]:
    """Return who may get content of this level from ``thing.home`` along the links, by liars too, under these rules."""
    if thing.sealed:
        return set()
    reached, frontier = {thing.home}, [thing.home]
    while frontier:
        hub = frontier.pop()
        if lets_through(thing, hub, terms, level):
            further = [other for other, sources in world.links.items() if hub in sources and other not in reached]
            reached.update(further)
            frontier += further
    return reached


def readable(world: World, thing: Thing, terms: dict[str, Terms], level: Level, hub: str) -> bool:
    """Return whether a hub's bank may read content of this level."""
    ceiling = terms[hub].bank[0 if hub == thing.home else 1]
    return level <= ceiling and hub in reach(world, thing, terms, level)


# -- whose word it is ---------------------------------------------------------------------------------------------------------


def tainted(world: World, hub: str, object_id: str, seen: frozenset[tuple[str, str]] = frozenset()) -> bool:
    """Return whether a hub has an object by a chain of homes with a liar in it.

    Who made a copy has it from another object of the same thing.
    """
    giver = world.home(hub, object_id) if object_id and (hub, object_id) not in seen else ""
    if not giver or giver in world.liars:
        return bool(giver)
    name, maker = world.forms.get(object_id, ("", ""))
    sources = [object_id]
    if maker == giver:
        sources = [other for other, (whose, _) in world.forms.items() if whose == name and other != object_id]
    return any(tainted(world, giver, source, seen | {(hub, object_id)}) for source in sources)


class Sight:
    """What banks and desks see, and what hubs show to each other, at one time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.bank = {hub: world.listed(hub) for hub in world.names}
        self.desk = {hub: world.listed(hub, "desk") for hub in world.names}
        self._to: dict[tuple[str, str], list[Json]] = {}

    def shown_to(self, giver: str, hub: str) -> list[Json]:
        """Return what a hub shows to another one."""
        if (giver, hub) not in self._to:
            self._to[giver, hub] = self._world.listed(giver, hub)
        return self._to[giver, hub]

    def takes(self, hub: str, giver: str, thing: Thing) -> bool:
        """Return whether versions of a thing get to a hub from a giver: it is their home there, or nobody is yet."""
        ids = {obj["id"] for obj in self.shown_to(giver, hub) if obj.get("name") == thing.name}
        return not ids or any(self._world.home(hub, each) in ("", giver) for each in ids)

    def arrivals(self, thing: Thing) -> set[str]:
        """Return the honest hubs that the newest version must have got to."""
        world, level = self._world, thing.levels[-1]
        if thing.sealed or thing.deleted:
            return set()
        reached, frontier = {thing.home}, [thing.home]
        while frontier:
            giver = frontier.pop()
            if lets_through(thing, giver, world.terms, level):
                for hub in world.names:
                    if giver in world.links[hub] and hub not in reached and self.takes(hub, giver, thing):
                        reached.add(hub)
                        frontier.append(hub)
        return reached

    def rooted(self, obj: Json) -> set[str]:
        """Return the hubs that have an object from where it was made, or from a liar that was given it, over hubs that show it."""
        world, key = self._world, (obj["id"], obj["modified"])
        redated = world.touched(obj)
        _, maker = world.forms[obj["id"]]
        reached = {maker, *(name for name, teller in world.tellers.items() if key in teller.given_out)}
        frontier = list(reached)
        while frontier:
            giver = frontier.pop()
            for hub in world.names:
                if giver not in world.links[hub] or hub in reached:
                    continue
                if giver in world.liars or self._offers(giver, hub, key, redated=redated):
                    reached.add(hub)
                    frontier.append(hub)
        return reached

    def _offers(self, giver: str, hub: str, key: tuple[str, str], *, redated: bool) -> bool:
        """Return whether a hub shows another a version, or where it is ``redated`` again and again, any of its object."""
        shown = [(each["id"], each.get("modified")) for each in self.shown_to(giver, hub) if each["id"] == key[0]]
        return key in shown or (redated and bool(shown))


# -- what must hold -----------------------------------------------------------------------------------------------------------


def _leaks(world: World, hub: str, objects: list[Json]) -> Iterator[str]:
    """Nothing is where no rule, however loose it ever was, lets it (I1)."""
    by_name = {thing.name: thing for thing in (*world.things.values(), *world.lies.values())}
    text = json.dumps(objects)
    for obj in objects:
        thing = by_name.get(obj.get("name", ""))
        if thing is None:
            yield f"{hub} shows {obj['id']}, which nobody made"
        elif not any(readable(world, thing, world.loosest, level, hub) for level in set(thing.levels)):
            yield f"{hub} shows {thing.name} of {thing.home}, which may not get there"
    for thing in world.things.values():
        if thing.address and world.terms[thing.home].coarse and hub != thing.home and thing.address in text:
            yield f"{hub} shows the exact address of {thing.name} of {thing.home}"


def _given(world: World, hub: str, reader: str) -> Iterator[str]:
    """What a hub shows to a peer is what its present rules let it, edited where they say so (I1)."""
    by_name = {thing.name: thing for thing in (*world.things.values(), *world.lies.values())}
    for obj in world.listed(hub, reader):
        thing = by_name[obj["name"]]
        level = thing.levels[index_of(obj)] if thing.word == "thing" else thing.levels[-1]
        exact = world.terms[hub].coarse and thing.address and thing.address in obj["pattern"]
        if exact or not lets_through(thing, hub, world.terms, level):
            yield f"{hub} gives {reader} {thing.name} of {thing.home}, which its rules keep"


def _altered(world: World, hub: str, objects: Iterable[Json]) -> Iterator[str]:
    """What bears the id of an honest object is that object, unless a liar is its home."""
    for obj in objects:
        if obj["id"] in world.forms and world.forms[obj["id"]][0] != obj.get("name") and not tainted(world, hub, obj["id"]):
            yield f"{hub} shows {obj.get('name')} as {obj['id']}, which is {world.forms[obj['id']][0]}"


def _missing(world: World, hub: str, sight: Sight) -> Iterator[str]:
    """What the rules allow has arrived, its newest version (I2): at the desk, and at the bank where that may read it."""
    newest = {"desk": _newest(sight.desk[hub]), "bank": _newest(sight.bank[hub])}
    for thing in world.things.values():
        if hub not in sight.arrivals(thing):
            continue
        readers = ["desk", "bank"] if thing.levels[-1] <= _ceiling(world, hub, thing) else ["desk"]
        for reader in readers:
            found = newest[reader].get(thing.name)
            if found is None:
                yield f"{hub}'s {reader} lacks {thing.name} of {thing.home}"
            elif index_of(found) != len(thing.levels) - 1 or bool(found.get("revoked")) != thing.revoked:
                yield f"{hub}'s {reader} has not the newest version of {thing.name} of {thing.home}"


def _newest(objects: Iterable[Json], by: str = "name") -> dict[str, Json]:
    """Return the newest versions, by name or by id."""
    return {obj[by]: obj for obj in sorted(objects, key=lambda obj: str(obj.get("modified", "")))}


def _ceiling(world: World, hub: str, thing: Thing) -> Level:
    return world.terms[hub].bank[0 if hub == thing.home else 1]


def _surplus(world: World, hub: str, sight: Sight) -> Iterator[str]:
    """What was deleted, or may not be seen any more, is gone (I10).

    An older version stays where the newest one does not come to, as long as somebody rightly offers it.
    """
    things = {thing.name: thing for thing in world.things.values()}
    lies = {lie.name: lie for lie in world.lies.values()}
    known = _newest((obj for obj in sight.desk[hub] if obj.get("name") in things), "id")
    for obj in sight.bank[hub]:
        thing = things.get(obj["name"])
        if thing is None:
            lie = lies[obj["name"]]
            if not readable(world, lie, world.terms, lie.levels[-1], hub):
                yield f"{hub} still has {lie.name} of {lie.home}, which may not be there any more"
            continue
        last = index_of(known[obj["id"]]) if obj["id"] in known else index_of(obj)
        if world.forms[obj["id"]][1] != hub and hub not in sight.rooted(obj):
            yield f"{hub} still has {thing.name} of {thing.home}, which nobody offers any more"
        elif thing.deleted and obj["id"] == thing.id and hub == thing.home:
            yield f"{hub} still has {thing.name}, which was deleted"
        elif max(thing.levels[index_of(obj)], thing.levels[last]) > _ceiling(world, hub, thing):
            yield f"{hub} still has {thing.name} of {thing.home}, which may not be there any more"


def _doubles(hub: str, objects: Iterable[Json]) -> Iterator[str]:
    """No (id, version) is twice in a view."""
    counted = Counter((obj["id"], obj.get("modified")) for obj in objects)
    for key, count in counted.items():
        if count > 1:
            yield f"{hub} shows {key} {count} times"


def _origins(world: World, hub: str) -> Iterator[str]:
    """What a liar says of the origin of an object counts only where it is the object's home."""
    originals = {thing.id: thing for thing in world.things.values()}
    with world.hubs[hub].node.store.read() as reader:
        known = reader.known(originals)
    for object_id, rows in known.items():
        thing = originals[object_id]
        for row in rows:
            told = row.provenance.jurisdiction, row.provenance.overlay
            if told != (thing.home.upper(), None) and not tainted(world, hub, object_id):
                yield f"{hub} takes {thing.name} of {thing.home} for one from {told}"


def _definitions(world: World, hub: str) -> Iterator[str]:
    """A TLP definition that is asked for by id is the standard's own, whoever sends another."""
    for marking in TLP2_IDS.values():
        path = f"collections/{world.hubs[hub].node.settings.collections['banking'].id}/objects/{marking}/"
        reply = world.client(hub, "bank").get(path)
        if reply.status == 200 and reply.objects != [tlp_definition(marking)]:
            yield f"{hub} answers {reply.objects} for {marking}"
