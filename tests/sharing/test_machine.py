"""A node to which anything happens, in any order: after each step its views are what the rules make of what it holds (I1, I2, I6, I7, I10)."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nodekit import BANKING, DESK, identity, indicator, malware, memory_folder, note, open_kit, relationship, report
from sharing.test_properties import (
    ARCHIVE,
    CLAIM,
    POOL,
    READERS,
    STATEMENT,
    address,
    levels,
    marking_definitions,
    refs,
    translation,
)
from sharing.test_times import dated_rules, maybe
from taxii_fed.core.errors import ForbiddenError, NotFoundError, RefusedError
from taxii_fed.core.keys import erased_id
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import CollectionTerms, InForce, Party
from taxii_fed.core.stix.envelopes import Received, read_envelope
from taxii_fed.core.stix.facts import references_of
from taxii_fed.core.stix.levels import TLP2_IDS, Level
from taxii_fed.core.taxii.query import ALL_VERSIONS, VersionMatch
from taxii_fed.core.timestamps import format_stix
from taxii_fed.services.intake.arrivals import Offered
from taxii_fed.services.intake.erase import Eraser
from taxii_fed.services.intake.ingest import Giver
from taxii_fed.services.intake.quarantine import Quarantine
from taxii_fed.services.rules.holds import Holds

EU, US = Party(name="eu", role="peer", jurisdiction="EU"), Party(name="us", role="peer", jurisdiction="US")
GIVERS = {party.name: Giver(party.name, "theirs", party, PeerTerms(Level.AMBER)) for party in (EU, US)}
MAKERS = [each for each in POOL if each.startswith("identity--")]
KINDS = ["indicator", "indicator", "identity", "malware", "report", "note", "relationship", "ip", "translation", "definition"]
versions = st.integers(0, 2)
markings = st.sampled_from([TLP2_IDS[Level.AMBER], TLP2_IDS[Level.RED], STATEMENT, CLAIM])
collections = st.sampled_from([BANKING, BANKING, ARCHIVE])


@st.composite
def things(draw: st.DrawFn) -> dict:
    """One version of one of few objects; the same object comes in several forms."""
    kind = draw(st.sampled_from(KINDS))
    number, level, version = draw(st.integers(0, 1)), draw(levels), draw(versions)
    if kind == "ip":
        return address(number, level)
    if kind == "definition":
        return marking_definitions()[number]
    more: dict = {"level": level, "version": version}
    if draw(st.booleans()):
        more["created_by_ref"] = draw(st.sampled_from(MAKERS))
    if draw(st.integers(0, 3)) == 0:
        more["labels"] = [draw(st.sampled_from(["victim", "embargo", "anonymous"]))]
    if draw(st.integers(0, 9)) == 0:
        more["revoked"] = True
    if kind == "identity":
        return identity(number, **(more | {"level": draw(st.sampled_from([None, None, Level.GREEN, Level.RED]))}))
    if kind == "indicator":
        until = draw(maybe)
        if until is not None:
            more["valid_until"] = format_stix(until)
        if draw(st.booleans()):
            more["description"] = "Seen at 198.51.100.7"
            if draw(st.booleans()):
                more["granular_markings"] = [{"marking_ref": draw(markings), "selectors": ["description"]}]
        made = indicator(number, **more)
        if draw(st.integers(0, 3)) == 0:
            made["object_marking_refs"] = [*made["object_marking_refs"], draw(st.sampled_from([STATEMENT, CLAIM]))]
        return made
    if kind == "malware":
        return malware(number, **more)
    if kind == "report":
        return report(number, draw(refs), **more)
    if kind == "note":
        return note(number, draw(refs), **more)
    if kind == "translation":
        return translation(number, draw(st.sampled_from(POOL[:2])), level)
    return relationship(number, draw(st.sampled_from(POOL)), draw(st.sampled_from(POOL)), **more)


def _received(objects: list[dict]) -> list[Received]:
    return read_envelope(json.dumps({"objects": objects}).encode())


def _is_notice(obj: dict) -> bool:
    return obj["type"] == "note" and "withdrawn" in obj.get("labels", ())


some = st.lists(things(), min_size=1, max_size=4)


@st.composite
def terms(draw: st.DrawFn) -> InForce:
    found = draw(dated_rules())
    waits = tuple(replace(each, until_at=None, approval=True) if draw(st.booleans()) else each for each in found.hold)
    collections = {"archive": ARCHIVE, **found.collections}
    return replace(found, parties={**found.parties, "eu": EU, "us": US}, collections=collections, hold=waits)


class AnythingHappens(RuleBasedStateMachine):
    @initialize(rules=terms())
    def begin(self, rules: InForce) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=memory_folder())
        self.kit = open_kit(Path(self.folder.name), rules)
        kit = self.kit
        self.holds = Holds(kit.store, kit.settler, kit.cache, kit.clock)
        self.quarantine = Quarantine(kit.store, kit.settler, kit.cache, kit.keys, kit.clock, {})
        self.eraser = Eraser(kit.store, kit.ingest, kit.settler, kit.cache, kit.keys, kit.clock)
        self.given_out: dict[tuple[str, str], str] = {}
        """What went out of what is still here: of what was taken away nothing is kept to compare with."""
        self.had: dict[str, set[str]] = {party: set() for party in READERS}
        """Ids that each reader had in one collection since it last could read there."""
        self.ever: dict[str, set[str]] = {party: set() for party in READERS}

    # -- what happens ----------------------------------------------------------------------------------------------------

    @rule(objects=some, collection=collections)
    def publish(self, objects: list[dict], collection: CollectionTerms) -> None:
        self.kit.ingest.publish_objects(DESK, collection, _received(objects))

    @rule(
        objects=some,
        collection=collections,
        giver=st.sampled_from(sorted(GIVERS)),
        jurisdiction=st.sampled_from(["", "", "HK"]),
    )
    def offer(self, objects: list[dict], collection: CollectionTerms, giver: str, jurisdiction: str) -> None:
        self.kit.ingest.offer(GIVERS[giver], collection, [Offered(each, jurisdiction) for each in _received(objects)])

    @rule(giver=st.sampled_from(sorted(GIVERS)), collection=collections, share=st.integers(1, 3))
    def offer_no_more(self, giver: str, collection: CollectionTerms, share: int) -> None:
        with self.kit.store.read() as reader:
            offered = [version for version, _ in reader.offered_by(GIVERS[giver].name, 0, 100)]
        keys = [version.key for version in offered if version.collection == collection.id]
        self.kit.ingest.gone(GIVERS[giver], collection, keys[::share])
        self.given_out.clear()

    @rule(object_id=st.sampled_from(POOL), collection=collections, wanted=st.sampled_from([VersionMatch(), ALL_VERSIONS]))
    def delete(self, object_id: str, collection: CollectionTerms, wanted: VersionMatch) -> None:
        with suppress(NotFoundError, ForbiddenError):
            self.kit.ingest.delete(DESK, collection, object_id, wanted)
            self.given_out.clear()

    @rule(object_id=st.sampled_from(POOL), party=st.sampled_from(READERS))
    def approve(self, object_id: str, party: str) -> None:
        with suppress(NotFoundError, RefusedError):
            self.holds.approve(object_id, "", party, by="a person")

    @rule(release=st.booleans())
    def decide_on_the_oldest_in_quarantine(self, release: bool) -> None:
        item = next(self.quarantine.items(), None)
        if item is not None:
            with suppress(RefusedError):
                (self.quarantine.release if release else self.quarantine.drop)(item.id)

    @rule(object_id=st.sampled_from(POOL))
    def erase(self, object_id: str) -> None:
        with suppress(NotFoundError, RefusedError):
            self.eraser.erase(object_id)
            self.given_out.clear()

    @rule(rules=terms())
    def apply(self, rules: InForce) -> None:
        self.kit.put_in_force(rules)

    @rule(seconds=st.sampled_from([0.5, 1, 3, 20]))
    def wait(self, seconds: float) -> None:
        self.kit.clock.pass_(seconds)
        self.kit.waker.wake_due()

    # -- what holds ------------------------------------------------------------------------------------------------------

    @invariant()
    def views_are_what_the_rules_make_of_the_objects(self) -> None:
        assert self.kit.planner.verify() == []

    @invariant()
    def no_version_goes_out_with_two_contents(self) -> None:
        for party in READERS:
            for obj in self.kit.view(party):
                if "modified" in obj:
                    text = json.dumps(obj, sort_keys=True)
                    assert self.given_out.setdefault((obj["id"], obj["modified"]), text) == text

    @invariant()
    def no_view_names_what_the_node_holds_and_does_not_show(self) -> None:
        with self.kit.store.read() as reader:
            held = {each for each, rows in reader.versions(BANKING.id, POOL).items() if rows}
        for party in READERS:
            objects = self.kit.view(party)
            shown = {obj["id"] for obj in objects}
            for obj in objects:
                if not _is_notice(obj) and obj.get("relationship_type") != "derived-from":  # which a rule asked for
                    assert {each.target for each in references_of(obj)} & held <= shown

    @invariant()
    def whoever_had_what_went_is_told(self) -> None:
        for party in READERS:
            objects = self.kit.view(party)
            with self.kit.store.read() as reader:
                view = reader.readers(BANKING.id).get(party)
                expired = {
                    entry.id for each in self.had[party] for entry in reader.ledger(each)
                    if entry.view == view and entry.ended_why == "expired"
                }  # fmt: skip
            if view is None:
                self.had[party].clear()
                continue
            notices = [obj for obj in objects if _is_notice(obj)]
            told = {each for notice in notices if not notice.get("revoked") for each in notice["object_refs"]}
            shown = {obj["id"] for obj in objects}
            assert self.had[party] - shown - told - expired == set(), party
            assert told & shown == set(), "told of as gone, and there"
            assert {each for each in told if not self._was_given(each, party)} <= self.ever[party], "told of what it never had"
            self.had[party] |= {obj["id"] for obj in objects if not _is_notice(obj) and obj["type"] != "marking-definition"}
            self.ever[party] |= self.had[party]

    def _was_given(self, object_id: str, party: str) -> bool:
        """Return whether a view of the party held it, be it for an instant between two looks."""
        with self.kit.store.read() as reader:
            views = reader.past_views(BANKING.id, party)
            names = (object_id, erased_id(object_id))
            return any(entry.view in views and entry.id == name for name in names for entry in reader.ledger(name))

    def teardown(self) -> None:
        if hasattr(self, "kit"):
            self.kit.store.close()
            self.folder.cleanup()


@pytest.mark.invariant("I1", "I2", "I6", "I7", "I10")
class TestAnythingHappens(AnythingHappens.TestCase):
    settings = settings(stateful_step_count=20)
