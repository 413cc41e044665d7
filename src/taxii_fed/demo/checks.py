"""What must hold at each stage of the demo, as sentences, checked on what the readers fetched and on what the ledgers say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from taxii_fed.core.stix.envelopes import Received
from taxii_fed.core.timestamps import EPOCH_VERSION, parse_rfc3339
from taxii_fed.demo.incident import Incident
from taxii_fed.services.answers.explain import Holding
from taxii_fed.services.rules.parting import TIGHTENED

Held = Mapping[str, Sequence[Received]]
"""Reader, such as ``rhine-bank at eu-csirt``, to all versions of all objects that it gets."""
Checks = dict[str, bool]
"""Sentence to whether it holds."""

_BANKS = ("pearl-bank at hk-hub", "rhine-bank at eu-csirt", "prairie-bank at us-isac")
_REGULATOR = "monetary-regulator at hk-hub"
_ADVISORY = "no more codes by text message"
_TAKEDOWN = "Takedown of the relay hosts"
NETWORK = "198.51.100.0/24"
"""What is left abroad of the European address."""


def first(held: Held, incident: Incident, sent: Mapping[tuple[str, str], bytes]) -> Checks:
    """Return what must hold once all nodes have pulled. ``sent``: id and version to the bytes that were published."""
    only = _only(held)
    relay = incident.id("malware", "relay kit")
    return {
        "every original arrived byte for byte as it was published, at every node": _as_sent(held, sent),
        "no reader has one version twice": all(len(_versions(objects)) == len(objects) for objects in held.values()),
        "what is GREEN in Hong Kong is with the banks of all three": all(relay in _ids(held[bank]) for bank in _BANKS),
        "the address and the mail from Europe are exact in Europe alone": only("198.51.100.23", _at("eu-csirt", held))
        and only("mule-office@", _at("eu-csirt", held)),
        "abroad the address is a network": all(_has(held[bank], NETWORK) for bank in _abroad(_BANKS)),
        "the European AMBER stayed in Europe": only("LANTERN-7", _at("eu-csirt", held)),
        "the victim is known to the regulator alone": only("Lion Rock Trading", {_REGULATOR})
        and _has(held[_REGULATOR], "Lion Rock Trading"),
        "the informant stayed in the room": only("A reporter inside the group", {_REGULATOR}),
        "the takedown and the advisory are on hold for everyone": only(_TAKEDOWN, set()) and only(_ADVISORY, set()),
        "the weak indicator stayed in the United States": only("prairie-bank-login", _at("us-isac", held)),
    }


def second(held: Held, incident: Incident) -> Checks:
    """Return what must hold after the second wave."""
    panel, takedown = incident.id("indicator", "control server"), incident.id("report", "takedown")
    kit, look_alike = incident.relay_malware(hours=6), incident.look_alike(hours=6)
    actor = incident.id("threat-actor", "paper lantern")

    def reached_banks(value: Mapping[str, str]) -> bool:
        return all((value["id"], value["modified"]) in _versions(held[bank]) for bank in _BANKS)

    return {
        "the panel, stricter now, left every reader abroad": not any(
            panel in _ids(held[name]) for name in held if not name.endswith("hk-hub")
        ),
        "they were told that it was withdrawn": all(_told_of(held[bank], panel) for bank in _BANKS[1:]),
        "the banks of Hong Kong still have it": panel in _ids(held[_BANKS[0]]),
        "the correction reached the banks of all three": reached_banks(kit),
        "the revocation reached them, too": reached_banks(look_alike),
        "what was deleted in the United States is gone everywhere": not any(actor in _ids(each) for each in held.values()),
        "the approved report is with the regulator alone": {name for name in held if takedown in _ids(held[name])}
        == {_REGULATOR},
        "the advisory is still on hold for everyone": _only(held)(_ADVISORY, set()),
    }


@dataclass(frozen=True, slots=True)
class Opened:
    """How an embargo ended. ``until``: µs. ``read_to`` and ``came``: how far each reader had read before, and what came then."""

    until: int
    read_to: Mapping[str, str]
    came: Held
    ledger: Sequence[Holding]
    staff: str


def embargo(opened: Opened, incident: Incident) -> Checks:
    """Return what must hold after the embargo."""
    advisory = incident.id("report", "advisory")
    published = [each.since for each in opened.ledger if each.party == opened.staff]
    released = [each.since for each in opened.ledger if each.party != opened.staff]
    passed = published and all(parse_rfc3339(date) > published[0] * 1000 for date in opened.read_to.values())
    return {
        "the advisory waited for its hour": bool(released) and min(released) * 1000 >= opened.until,
        "it reached banks in all three that had read past its place and ask for no more than what is new": bool(passed)
        and all(advisory in _ids(objects) for objects in opened.came.values())
        and {name.split()[-1] for name in opened.came} == {"hk-hub", "eu-csirt", "us-isac"},
    }


def tightened(held: Held, before: Held, incident: Incident) -> Checks:
    """Return what must hold after the European rule was tightened. ``before``: what the readers had until then."""
    original, advisory = incident.id("indicator", "drop host"), incident.id("report", "advisory")
    copies = {bank: {each.id for each in before[bank] if NETWORK.encode() in each.raw} for bank in _abroad(_BANKS)}
    return {
        "the copies of what is GREEN in Europe left every reader abroad": all(copies.values())
        and _only(held)(NETWORK, set())
        and not any(_ids(held[bank]) & copies[bank] for bank in copies),
        "the banks abroad were told which ones": all(_told_of(held[bank], *ids) for bank, ids in copies.items()),
        "in Europe the originals are where they were": all(original in _ids(held[name]) for name in _at("eu-csirt", held)),
        "what is CLEAR in Europe still goes out": all(advisory in _ids(held[bank]) for bank in _BANKS),
    }


def ledgers(held: Held, lines: Mapping[str, Sequence[Holding]], recalled: Sequence[Holding]) -> Checks:
    """Return whether the ledgers speak the truth.

    ``held``: what every party of every node gets. ``lines``: node to what its ledger says of each object that anybody got there.
    ``recalled``: what the European ledger says of the recalled indicator.
    """
    has = {(name, each.id, each.version_text or EPOCH_VERSION) for name, objects in held.items() for each in objects}
    said = {
        (f"{each.party} at {node}", each.given_id, each.version_text)
        for node, said_there in lines.items()
        for each in said_there
        if each.until is None
    }
    peers = [each for each in recalled if each.party in ("hk-hub", "us-isac")]
    return {
        f"the ledgers name everybody who has an object, and nobody else ({len(has)} holdings compared)": has == said,
        "the European ledger knows who fetched the copy, when it ended and why": len({each.party for each in peers}) == 2
        and all(each.fetched and each.until is not None and each.why_ended == TIGHTENED for each in peers),
    }


# -- on what readers hold ------------------------------------------------------------------------------------------------------


def _ids(objects: Sequence[Received]) -> set[str]:
    return {each.id for each in objects}


def _versions(objects: Sequence[Received]) -> set[tuple[str, str]]:
    return {(each.id, each.version_text) for each in objects}


def _has(objects: Sequence[Received], phrase: str) -> bool:
    return any(phrase.encode() in each.raw for each in objects)


def _only(held: Held) -> Callable[[str, set[str]], bool]:
    """Return what says whether nobody but the ``allowed`` has a phrase."""
    return lambda phrase, allowed: {name for name, objects in held.items() if _has(objects, phrase)} <= allowed


def _at(node: str, held: Held) -> set[str]:
    return {name for name in held if name.endswith(f" at {node}")}


def _abroad(names: Sequence[str]) -> list[str]:
    return [name for name in names if not name.endswith("eu-csirt")]


def _told_of(objects: Sequence[Received], *ids: str) -> bool:
    """Return whether notices say of all these ids that they were withdrawn."""
    notices = [each.value for each in objects if each.value and "withdrawn" in each.value.get("labels", ())]
    return set(ids) <= {named for notice in notices for named in notice["object_refs"]}


def _as_sent(held: Held, sent: Mapping[tuple[str, str], bytes]) -> bool:
    """Return whether every object under an id that was published has the very bytes that were published."""
    known = {object_id for object_id, _ in sent}
    originals = [each for objects in held.values() for each in objects if each.id in known]
    return bool(originals) and all(sent.get((each.id, each.version_text)) == each.raw for each in originals)
