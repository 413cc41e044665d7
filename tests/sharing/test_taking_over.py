"""What takes effect without apply: whatever moves no entry (docs/architecture.md, "What is in force")."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nodekit import BANKING, START, in_force, indicator, open_kit, stix_id
from taxii_fed.core.rules.model import Membership, Never, Party, Share, To, What, to_doc
from taxii_fed.core.stix.levels import Level

ANT, BEE = Party(name="ant", role="bank"), Party(name="bee", role="bank")
BANKS = Share(name="banks", to=To(role=("bank",)), up_to=Level.GREEN, relayed_up_to=Level.GREEN)


def adopt(kit, rules):
    return kit.governor.adopt(rules, json.dumps(to_doc(rules), sort_keys=True))


def test_another_title_takes_effect_at_once(tmp_path):
    rules = in_force(parties=(ANT,), share=(BANKS,))
    kit = open_kit(tmp_path, rules)
    kit.publish(indicator(1))
    held = kit.dated("ant")
    titled = replace(rules, collections={"banking": replace(BANKING, title="Banks")})
    assert adopt(kit, titled).same
    assert kit.dated("ant") == held
    kit.store.close()


def test_a_new_party_of_a_known_class_joins_its_view_at_once(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    kit.publish(indicator(1))
    assert adopt(kit, in_force(parties=(ANT, BEE), share=(BANKS,))).same
    assert kit.dated("bee") == kit.dated("ant") != {}
    kit.store.close()


@pytest.mark.invariant("I2")
def test_a_party_that_was_there_without_a_right_gets_what_its_like_have_as_of_now(tmp_path):
    only_ant = replace(BANKS, to=To(party=("ant",)))
    kit = open_kit(tmp_path, in_force(parties=(ANT, BEE), share=(only_ant,)))
    kit.publish(indicator(1))
    assert kit.dated("bee") == {}
    kit.clock.pass_(60)
    asked = kit.clock.now() // 1000
    both = in_force(parties=(ANT, BEE), share=(BANKS,))
    assert adopt(kit, both).moves
    kit.put_in_force(both)
    assert kit.dated("bee").keys() == kit.dated("ant").keys() != set()
    assert min(kit.dated("bee").values()) > asked > max(kit.dated("ant").values())
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I6")
def test_what_would_move_an_entry_waits_and_nothing_changes(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    kit.publish(indicator(1), indicator(2, level=Level.AMBER))
    held = kit.dated("ant")
    looser = in_force(parties=(ANT,), share=(replace(BANKS, up_to=Level.AMBER),))
    standing = adopt(kit, looser)
    assert (standing.same, standing.moves) == (False, True)
    kit.publish(indicator(3, level=Level.AMBER))
    assert kit.dated("ant") == held
    kit.store.close()


@pytest.mark.invariant("I1")
def test_parties_that_part_before_anything_was_published_get_views_of_their_own(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT, BEE), share=(BANKS,)))
    only_ant = Share(name="ant", to=To(party=("ant",)), up_to=Level.AMBER, relayed_up_to=Level.GREEN)
    assert adopt(kit, in_force(parties=(ANT, BEE), share=(BANKS, only_ant))).same
    kit.publish(indicator(1), indicator(2, level=Level.AMBER))
    assert len(kit.view("ant")) == 2
    assert len(kit.view("bee")) == 1
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I6")
def test_what_takes_effect_at_once_leaves_a_date_that_has_passed_to_be_carried_out(tmp_path):
    member = replace(ANT, communities=(Membership("ring", None, START + 100_000_000),))
    ring = Share(name="ring", to=To(community=("ring",)), up_to=Level.AMBER, relayed_up_to=Level.GREEN)
    rules = in_force(parties=(member, BEE), share=(BANKS, ring))
    kit = open_kit(tmp_path, rules)
    kit.publish(indicator(1, level=Level.AMBER), indicator(2))
    assert len(kit.view("ant")) == 2
    kit.clock.pass_(200)
    assert adopt(kit, replace(rules, collections={"banking": replace(BANKING, title="Banks")})).same
    kit.waker.wake_due()
    assert {obj["id"] for obj in kit.view("ant") if obj["type"] != "note"} == {stix_id("indicator", 2)}
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I6")
@pytest.mark.parametrize(
    "later",
    [
        {"share": (BANKS, replace(BANKS, name="later", up_to=Level.AMBER, from_at=START + 100_000_000))},
        {"share": (BANKS,), "never": (Never(name="later", what=What(type=("indicator",)), from_at=START + 100_000_000),)},
        {"share": (replace(BANKS, until_at=START + 100_000_000),)},
    ],
    ids=["a share", "a veto", "an end"],
)
def test_what_will_move_entries_at_a_later_date_waits_too(tmp_path, later):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    kit.publish(indicator(1), indicator(2, level=Level.AMBER))
    held = kit.dated("ant")
    assert adopt(kit, in_force(parties=(ANT,), **later)).moves
    kit.clock.pass_(200)
    kit.waker.wake_due()
    assert kit.dated("ant") == held
    kit.store.close()
