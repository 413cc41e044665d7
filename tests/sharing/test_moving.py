"""Parties that move between classes, by attributes, rules or dates, with the cursors they had (I2, I10)."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nodekit import BANKING, START, Kit, in_force, indicator, malware, memory_folder, open_kit, relationship, stix_id
from taxii_fed.core.rules.audience import audience_of
from taxii_fed.core.rules.model import Change, Membership, Never, Party, Share, To, What
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery

NAMES = ("ant", "bee", "cat")
SHARES = (
    Share(name="members", to=To(community=("ring",)), up_to=Level.AMBER, relayed_up_to=Level.GREEN),
    Share(name="banks", to=To(role=("bank",)), up_to=Level.GREEN, relayed_up_to=Level.GREEN),
)
CHANGES = (Change(name="coarser", to=To(role=("vendor",)), generalise_v4=24, generalise_v6=48),)


class Poller:
    """Goes on from the greatest ``date_added`` it was given, and remembers all it ever got."""

    def __init__(self, kit: Kit, party: str) -> None:
        self._kit, self._party = kit, party
        self._after = 0
        self.got: dict[tuple[str, str], int] = {}
        self.twice: list[tuple[str, str]] = []

    def poll(self) -> None:
        with self._kit.store.read() as reader:
            place = reader.place(self._party, BANKING.id)
            if place.view is None:
                return
            query = ObjectQuery(after=self._after, limit=10_000, versions=ALL_VERSIONS)
            for row in reader.page(place.view.id, query, bodies=False).rows:
                key = (row.id, row.version_text)
                if key in self.got:
                    self.twice.append(key)
                self.got[key] = row.date_added
                self._after = row.date_added


class Moving(RuleBasedStateMachine):
    """Objects come and go, parties change in every way, and whoever polls has at least what it may see."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=memory_folder())
        self.parties = {name: Party(name=name, role="bank") for name in NAMES}
        self.never: tuple[Never, ...] = ()
        self.kit = open_kit(Path(self.folder.name), self._rules())
        self.pollers = {name: Poller(self.kit, name) for name in NAMES}
        self.number = 0

    def _rules(self):
        return in_force(parties=tuple(self.parties.values()), share=SHARES, never=self.never, change=CHANGES)

    def _apply(self) -> None:
        self.kit.put_in_force(self._rules())

    def _signatures(self) -> dict[str, str]:
        now, rules = self.kit.clock.now(), self._rules()
        return {name: audience_of(rules, party, "banking", now).signature for name, party in self.parties.items()}

    @rule(level=st.sampled_from([Level.GREEN, Level.AMBER]), label=st.booleans(), address=st.booleans())
    def publish(self, level: Level, label: bool, address: bool) -> None:
        self.kit.clock.pass_(1)
        self.number += 1
        pattern = (
            f"[ipv4-addr:value = '198.51.100.{self.number % 250}']"
            if address
            else f"[domain-name:value = 'h{self.number}.example']"
        )
        more = {"labels": ["victim"]} if label else {}
        self.kit.publish(
            indicator(self.number, level=level, pattern=pattern, **more),
            malware(self.number, level=level),
            relationship(self.number, stix_id("indicator", self.number), stix_id("malware", self.number)),
        )

    @rule(name=st.sampled_from(NAMES), role=st.sampled_from(["bank", "vendor", "insurer"]))
    def change_role(self, name: str, role: str) -> None:
        self._move(name, replace(self.parties[name], role=role))

    @rule(name=st.sampled_from(NAMES), member=st.booleans())
    def join_or_leave(self, name: str, member: bool) -> None:
        self._move(name, replace(self.parties[name], communities=(Membership("ring"),) if member else ()))

    @rule(name=st.sampled_from(NAMES), begins=st.integers(1, 30), lasts=st.integers(1, 30))
    def join_for_a_time(self, name: str, begins: int, lasts: int) -> None:
        start = self.kit.clock.now() + begins * 1_000_000
        self._move(name, replace(self.parties[name], communities=(Membership("ring", start, start + lasts * 1_000_000),)))

    @rule(veto=st.booleans())
    def change_rules(self, veto: bool) -> None:
        self.kit.clock.pass_(5)
        before = self._signatures()
        self.never = (
            (Never(name="victims", to=To(but_not=(To(party=("ant",)),)), what=What(label=("victim",))),) if veto else ()
        )
        self._watched(before, self._apply)

    def _move(self, name: str, party: Party) -> None:
        self.kit.clock.pass_(5)
        before = self._signatures()
        self.parties[name] = party
        self._watched(before, self._apply)

    def _watched(self, before: dict[str, str], act) -> None:
        """Do something; whoever it does not concern must notice nothing."""
        self.kit.waker.wake_due()
        held = {name: self.kit.dated(name) for name in NAMES}
        act()
        after = self._signatures()
        for name in NAMES:
            if before[name] == after[name]:
                assert self.kit.dated(name) == held[name]

    @rule(seconds=st.integers(1, 40))
    def pass_time(self, seconds: int) -> None:
        before = self._signatures()
        self._watched(before, lambda: (self.kit.clock.pass_(seconds), self.kit.waker.wake_due()))

    @rule(name=st.sampled_from(NAMES))
    def poll(self, name: str) -> None:
        self.pollers[name].poll()

    @precondition(lambda self: self.number)
    @invariant()
    def views_are_what_a_rebuild_gives(self) -> None:
        assert self.kit.planner.verify() == []

    @precondition(lambda self: self.number)
    @invariant()
    def who_polls_has_all_that_it_may_see(self) -> None:
        for name, poller in self.pollers.items():
            poller.poll()
            assert self.kit.dated(name).keys() <= poller.got.keys()

    def teardown(self) -> None:
        if hasattr(self, "kit"):
            self.kit.store.close()
            self.folder.cleanup()


TestMoving = pytest.mark.invariant("I2", "I7", "I10")(Moving.TestCase)
TestMoving.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)


@pytest.mark.invariant("I2")
def test_a_party_that_leaves_and_comes_back_with_its_old_cursor_ends_with_its_set(tmp_path):
    parties = {name: Party(name=name, role="insurer", communities=(Membership("ring"),)) for name in ("ant", "bee")}

    def rules():
        return in_force(parties=tuple(parties.values()), share=SHARES)

    kit = open_kit(tmp_path, rules())
    ant, bee = Poller(kit, "ant"), Poller(kit, "bee")
    kit.publish(indicator(1), indicator(2))
    ant.poll()
    bee.poll()
    parties["ant"] = replace(parties["ant"], communities=())
    kit.clock.pass_(10)
    kit.put_in_force(rules())
    assert kit.view("ant") == []
    kit.publish(indicator(3))
    kit.clock.pass_(10)
    parties["ant"] = replace(parties["ant"], communities=(Membership("ring"),))
    kit.put_in_force(rules())
    ant.poll()
    bee.poll()
    assert ant.got.keys() == kit.dated("ant").keys() == kit.dated("bee").keys()
    assert ant.twice == []
    assert bee.twice == []
    assert bee.got == kit.dated("bee")
    assert kit.clock.now() > START
    kit.store.close()


@pytest.mark.invariant("I2")
def test_a_collection_that_gets_another_name_with_other_rules_keeps_what_stays(tmp_path):
    ant = Party(name="ant", role="bank")
    share = Share(name="banks", to=To(role=("bank",)), collections=("banking",), up_to=Level.GREEN, relayed_up_to=Level.GREEN)
    kit = open_kit(tmp_path, in_force(parties=(ant,), share=(share,)))
    kit.publish(indicator(1), indicator(2, labels=["victim"]))
    held = {name: date for (name, _), date in kit.dated("ant").items()}
    veto = Never(name="victims", what=What(label=("victim",)))
    renamed = in_force(parties=(ant,), share=(replace(share, collections=("banks",)),), never=(veto,))
    kit.clock.pass_(5)
    kit.put_in_force(replace(renamed, collections={"banks": replace(BANKING, name="banks")}))
    left = {name: date for (name, _), date in kit.dated("ant").items() if not name.startswith("note--")}
    assert left == {stix_id("indicator", 1): held[stix_id("indicator", 1)]}
    kit.store.close()
