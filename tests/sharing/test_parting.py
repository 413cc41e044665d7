"""A view that parts takes along what is kept beside its entries; who stays behind notices nothing (I7, I10)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodekit import BANKING, DESK, identity, in_force, indicator, open_kit, stix_id
from taxii_fed.core.rules.model import Change, Never, Party, Share, To, What
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.taxii.query import ALL_VERSIONS

NAMES = ("ant", "bee", "cat")
PARTIES = tuple(Party(name=name, role="bank") for name in NAMES)
PARTED = (PARTIES[0], *(replace(party, role="vendor") for party in PARTIES[1:]))
"""Most go, so that the one who stays gets the copy of the view, and nothing of it is judged anew."""
EVERYBODY = (Share(name="all", to=To(role=("bank", "vendor")), up_to=Level.GREEN, relayed_up_to=Level.GREEN),)
VICTIMS = (Never(name="victims", to=To(role=("vendor",)), what=What(label=("victim",))),)
ANONYMOUS = (Change(name="anonymous", what=What(label=("anonymous",)), hide_creator=True),)
CREATOR = stix_id("identity", 1)


def opened(tmp_path, **rules):
    return open_kit(tmp_path, in_force(parties=PARTIES, share=EVERYBODY, never=VICTIMS, **rules))


def part(kit, **rules):
    before = view_of(kit, "ant")
    kit.put_in_force(in_force(parties=PARTED, share=EVERYBODY, never=VICTIMS, **rules))
    assert view_of(kit, "ant") not in (before, view_of(kit, "bee"))


def view_of(kit, party):
    with kit.store.read() as reader:
        return reader.readers(BANKING.id)[party]


@pytest.mark.invariant("I10")
def test_what_was_told_of_before_the_parting_is_taken_back_in_both_views(tmp_path):
    kit = opened(tmp_path)
    kit.publish(indicator(1), indicator(2))
    kit.clock.pass_(5)
    kit.ingest.delete(DESK, BANKING, stix_id("indicator", 1), ALL_VERSIONS)
    kit.clock.pass_(5)
    part(kit)
    kit.publish(indicator(1))
    for party in NAMES:
        newest = [obj for obj in kit.view(party) if obj["type"] == "note"][-1]
        assert newest["revoked"] is True
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I7")
def test_a_creator_who_may_be_named_after_the_parting_is_named_where_nobody_moved(tmp_path):
    kit = opened(tmp_path)
    kit.publish(identity(1, level=Level.RED), indicator(1, created_by_ref=CREATOR))
    part(kit)
    kit.put_in_force(in_force(parties=PARTED[:1], share=EVERYBODY, never=VICTIMS))
    kit.clock.pass_(5)
    kit.publish(identity(1, version=1))
    assert indicator(1, created_by_ref=CREATOR) in kit.view("ant")
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I1")
def test_a_creator_who_was_hidden_before_the_parting_stays_hidden_in_both_views(tmp_path):
    kit = opened(tmp_path, change=ANONYMOUS)
    kit.publish(identity(1), indicator(1, created_by_ref=CREATOR, labels=["anonymous"]))
    part(kit, change=ANONYMOUS)
    kit.clock.pass_(5)
    kit.publish(indicator(2, created_by_ref=CREATOR, level=Level.RED))
    for party in NAMES:
        assert CREATOR not in {obj["id"] for obj in kit.view(party)}
    assert kit.planner.verify() == []
    kit.store.close()
