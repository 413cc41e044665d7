"""Dates that pass while something else goes on, and rules whose time is over (I6)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nodekit import BANKING, START, in_force, indicator, marked, note, open_kit, stix_id
from taxii_fed.core.errors import StoreUnavailableError
from taxii_fed.core.rules.judge import Reason
from taxii_fed.core.rules.model import Change, Hold, Membership, Never, Party, Share, To, What
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.timestamps import format_stix
from taxii_fed.services.rules.govern import APPLY

SECOND = 1_000_000
ANT = Party(name="ant", role="bank")
BANKS = Share(name="banks", to=To(role=("bank",)), up_to=Level.GREEN, relayed_up_to=Level.GREEN)
RING = Share(name="ring", to=To(community=("ring",)), up_to=Level.AMBER, relayed_up_to=Level.GREEN)
MEMBER = replace(ANT, communities=(Membership("ring", None, START + 100 * SECOND),))


class KilledError(Exception):
    """The process ends here."""


def sees(kit, party="ant"):
    return {obj["id"] for obj in kit.view(party) if obj["type"] != "note"}


@pytest.mark.invariant("I5", "I6")
def test_a_membership_that_ends_while_a_change_lies_half_done_ends(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(MEMBER,), share=(BANKS, RING)))
    kit.publish(indicator(1, level=Level.AMBER), indicator(2))
    assert len(sees(kit)) == 2

    def killed(_stage, _done):
        raise KilledError

    veto = Never(name="victims", what=What(label=("victim",)))
    with pytest.raises(KilledError):
        kit.governor.apply(in_force(parties=(MEMBER,), share=(BANKS, RING), never=(veto,)), "coming", killed)
    kit.clock.pass_(200)
    kit.waker.wake_due()
    assert sees(kit) == {stix_id("indicator", 2)}
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I6")
def test_a_membership_ends_though_the_clock_goes_back_on_the_way(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(MEMBER,), share=(BANKS, RING)))
    kit.publish(indicator(1, level=Level.AMBER), indicator(2))
    kit.clock.pass_(50)
    kit.governor.regroup(START + 100 * SECOND)
    assert sees(kit) == {stix_id("indicator", 2)}
    kit.store.close()


@pytest.mark.invariant("I5")
def test_a_process_that_slept_through_the_end_of_its_lease_does_not_bring_its_change_back(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    kit.publish(indicator(1), indicator(2, level=Level.AMBER))
    looser = in_force(parties=(ANT,), share=(replace(BANKS, up_to=Level.AMBER),))
    slept = []

    def sleep(_stage, _done):
        if not slept:
            slept.append(True)
            kit.clock.pass_(3600)
            kit.governor.resume()
            kit.put_in_force(in_force(parties=(ANT,), share=(BANKS,)))

    with pytest.raises(StoreUnavailableError):
        kit.governor.apply(looser, "looser", sleep)
    assert sees(kit) == {stix_id("indicator", 1)}
    assert not kit.governor.resume()
    kit.store.close()


@pytest.mark.invariant("I6")
def test_a_change_whose_time_is_over_withholds_what_it_was_about_and_nothing_like_it(tmp_path):
    over = Change(name="shorter", what=What(id=(stix_id("indicator", 2),)), drop=("description",), until_at=START - SECOND)
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,), change=(over,)))
    kit.publish(indicator(1, description="x"), indicator(2, description="x"))
    assert sees(kit) == {stix_id("indicator", 1)}
    kit.store.close()


@pytest.mark.invariant("I6")
def test_a_change_whose_time_is_over_withholds_what_expires_since(tmp_path):
    over = Change(name="shorter", what=What(expired=True), drop=("description",), until_at=START - SECOND)
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,), change=(over,)))
    kit.publish(indicator(1, valid_until=format_stix(START + 50 * SECOND)), indicator(2))
    assert len(sees(kit)) == 2
    kit.clock.pass_(100)
    kit.waker.wake_due()
    assert sees(kit) == {stix_id("indicator", 2)}
    kit.store.close()


@pytest.mark.invariant("I6")
def test_what_is_held_until_a_date_does_not_wait_for_a_change_of_rules_under_way(tmp_path):
    embargo = Hold(name="embargo", what=What(label=("embargo",)), until_at=START + 50 * SECOND)
    kit = open_kit(tmp_path, in_force(parties=(MEMBER,), share=(BANKS, RING), hold=(embargo,)))
    kit.publish(indicator(1, labels=["embargo"]), indicator(2, level=Level.AMBER))
    kit.clock.pass_(200)
    assert kit.store.lease(APPLY, "another", 60, kit.clock.now())
    kit.waker.wake(BANKING.id)
    assert stix_id("indicator", 1) in sees(kit)
    with kit.store.read() as reader:
        view = reader.place("ant", BANKING.id).view
        assert view is not None
        assert view.wake_at == START + 100 * SECOND, "the end of the membership is still due, so nobody reads"
    kit.store.close()


@pytest.mark.invariant("I6")
def test_a_reader_does_not_do_all_the_work_of_time_where_it_is_much_and_nobody_reads_until_it_is_done(tmp_path):
    embargo = Hold(name="embargo", what=What(label=("embargo",)), until_at=START + 50 * SECOND)
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,), hold=(embargo,)))
    held = [indicator(number, labels=["embargo"], pattern="[domain-name:value = 'a.example']") for number in range(500)]
    kit.publish(*held)
    kit.clock.pass_(60)
    kit.clock.each_look = 2.5  # a slow machine
    seen = []
    for _ in range(10):
        kit.waker.wake(BANKING.id)
        with kit.store.read() as reader:
            view = reader.place("ant", BANKING.id).view
        seen.append((len(sees(kit)), view.wake_at is None))
        if view.wake_at is None:
            break
    assert len(seen) > 2
    assert seen[-1] == (500, True)
    kit.store.close()


@pytest.mark.invariant("I1", "I6")
def test_what_arrives_during_a_change_names_nothing_that_the_change_will_edit(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    coarse = Change(name="coarse", what=What(type=("ipv4-addr",)), generalise_v4=24)
    address = marked(
        {"type": "ipv4-addr", "spec_version": "2.1", "id": stix_id("ipv4-addr", 1), "value": "198.51.100.7"}, Level.GREEN
    )

    def publishes(_stage, _done):
        kit.publish(address, note(1, [address["id"]]))
        raise KilledError

    kit.publish(indicator(1))
    with pytest.raises(KilledError):
        kit.governor.apply(in_force(parties=(ANT,), share=(BANKS,), change=(coarse,)), "coming", publishes)
    assert address["id"] not in json.dumps(kit.view("ant"))
    kit.governor.resume()
    assert address["id"] not in json.dumps(kit.view("ant"))
    assert len(kit.view("ant")) == 3
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I9")
def test_what_ends_during_a_change_says_which_of_its_new_rules_ended_it(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    veto = Never(name="victims", what=What(label=("victim",)))

    def publishes(_stage, _done):
        kit.publish(indicator(1, version=1, labels=["victim"]))
        raise KilledError

    kit.publish(indicator(1), indicator(2))
    with pytest.raises(KilledError):
        kit.governor.apply(in_force(parties=(ANT,), share=(BANKS,), never=(veto,)), "coming", publishes)
    with kit.store.read() as reader:
        (ended,) = [entry.ended_why for entry in reader.ledger(stix_id("indicator", 1)) if entry.ended_at is not None]
    assert ended == Reason.SUPERSEDED
    kit.store.close()
