"""What takes effect without apply: whatever moves no entry (design, "What is in force")."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nodekit import BANKING, in_force, indicator, open_kit
from taxii_fed.core.levels import Level
from taxii_fed.core.rules import Party, Share, To, to_doc

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
