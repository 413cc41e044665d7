"""What arrives, goes and comes back, and what that costs and tells."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nodekit import BANKING, DESK, identity, in_force, indicator, note, open_kit, relationship, stix_id
from sharing.test_properties import address
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import Change, CollectionTerms, Hold, Party, Share, To, What
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.taxii.query import ALL_VERSIONS
from taxii_fed.services.intake.arrivals import Offered
from taxii_fed.services.intake.ingest import Giver
from taxii_fed.services.rules.holds import Holds
from taxii_fed.services.views import loaded
from taxii_fed.services.views.notices import LIFE

ANT, BEE = Party(name="ant", role="bank"), Party(name="bee", role="bank")
GOOD, BAD = Party(name="good", role="peer"), Party(name="bad", role="peer")
BANKS = Share(name="banks", to=To(role=("bank",)), up_to=Level.GREEN, relayed_up_to=Level.GREEN, unmarked_as=Level.GREEN)
PAYMENTS = CollectionTerms(name="payments", id="2b4f8f5e-3c44-4d0a-9d0e-0f6e2f1a2b3c", api_root="finance", title="Payments")


def offer(kit, peer, collection, *objects):
    received = read_envelope(json.dumps({"objects": list(objects)}).encode())
    return kit.ingest.offer(Giver(peer.name, "r", peer, PeerTerms()), collection, [Offered(each) for each in received])


def notices(kit, party="ant"):
    return [obj for obj in kit.view(party) if obj["type"] == "note"]


@pytest.mark.invariant("I7")
def test_what_a_home_says_in_one_collection_lets_nothing_out_of_quarantine_in_another(tmp_path):
    rules = in_force(parties=(ANT, GOOD, BAD), share=(BANKS,))
    kit = open_kit(tmp_path, replace(rules, collections={"banking": BANKING, "payments": PAYMENTS}))
    offer(kit, GOOD, BANKING, indicator(1))
    for collection in (BANKING, PAYMENTS):
        offer(kit, BAD, collection, indicator(1, version=1))
    offer(kit, BAD, PAYMENTS, relationship(1, stix_id("indicator", 1), stix_id("malware", 1)))
    offer(kit, GOOD, BANKING, indicator(1, version=1))
    with kit.store.read() as reader:
        assert [each.collection for each in reader.quarantine()] == [PAYMENTS.id]
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I10")
def test_a_notice_is_taken_back_when_what_was_deleted_is_published_again(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    kit.publish(indicator(1))
    kit.clock.pass_(5)
    kit.ingest.delete(DESK, BANKING, stix_id("indicator", 1), ALL_VERSIONS)
    assert [each.get("revoked", False) for each in notices(kit)] == [False]
    kit.clock.pass_(5)
    kit.publish(indicator(1))
    assert [each.get("revoked", False) for each in notices(kit)] == [True]
    kit.store.close()


@pytest.mark.invariant("I4")
def test_an_observable_can_be_published_though_a_copy_of_another_has_the_same_values(tmp_path):
    coarser = Change(name="coarser", to=To(party=("ant",)), generalise_v4=24)
    kit = open_kit(tmp_path, in_force(parties=(ANT, BEE, BAD), share=(BANKS,), change=(coarser,)))
    kit.publish({"type": "ipv4-addr", "spec_version": "2.1", "id": stix_id("ipv4-addr", 1), "value": "198.51.100.7"})
    (copy,) = kit.view("ant")
    assert offer(kit, BAD, BANKING, copy) == {"loop-duplicate": 1}
    assert copy["id"] not in {obj["id"] for obj in kit.view("bee")}
    kit.publish(copy)
    assert copy["id"] in {obj["id"] for obj in kit.view("bee")}
    assert kit.planner.verify() == []
    kit.store.close()


def test_a_deletion_does_not_look_at_all_that_has_the_same_marking(tmp_path, monkeypatch):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))
    marking = {
        "type": "marking-definition", "spec_version": "2.1", "id": stix_id("marking-definition", 1),
        "created": "2026-02-10T08:00:00.000Z", "definition_type": "statement", "definition": {"statement": "ours"},
    }  # fmt: skip
    kit.publish(marking, *(indicator(number, level=None, object_marking_refs=[marking["id"]]) for number in range(50)))
    seen = []
    real = loaded.candidate_of
    monkeypatch.setattr(loaded, "candidate_of", lambda version: seen.append(version.object_id) or real(version))
    kit.ingest.delete(DESK, BANKING, stix_id("indicator", 1), ALL_VERSIONS)
    assert len(seen) < 10
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I10")
def test_nobody_else_can_publish_under_the_id_of_a_notice(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT, BAD), share=(BANKS,)))
    kit.publish(indicator(1), indicator(2))
    kit.clock.pass_(5)
    kit.ingest.delete(DESK, BANKING, stix_id("indicator", 1), ALL_VERSIONS)
    (told,) = notices(kit)
    offer(kit, BAD, BANKING, {**note(1, [stix_id("indicator", 2)]), "id": told["id"]})
    kit.publish({**note(1, [stix_id("indicator", 2)]), "id": told["id"]})
    assert notices(kit) == [told]
    kit.store.close()


@pytest.mark.invariant("I7")
def test_a_creator_stays_hidden_while_anything_hides_it(tmp_path):
    anonymous = Change(name="anonymous", what=What(label=("anonymous",)), hide_creator=True)
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,), change=(anonymous,)))
    creator = stix_id("identity", 1)

    def publish(number, version=0, *labels):
        kit.publish(indicator(number, version=version, created_by_ref=creator, labels=[*labels, "x"]))
        assert kit.planner.verify() == []

    def delete(number):
        kit.ingest.delete(DESK, BANKING, stix_id("indicator", number), ALL_VERSIONS)
        assert kit.planner.verify() == []

    kit.publish(identity(1))
    publish(1, 0, "anonymous")
    publish(2)
    publish(2, 1, "anonymous")
    publish(1, 1)
    publish(3, 0, "anonymous")
    delete(2)
    assert creator in {obj["id"] for obj in kit.view("ant")}
    delete(1)
    assert creator not in {obj["id"] for obj in kit.view("ant")}
    delete(3)
    assert creator in {obj["id"] for obj in kit.view("ant")}
    kit.store.close()


@pytest.mark.invariant("I10")
def test_the_end_of_an_old_notice_leaves_a_later_one_of_the_same_object_to_be_taken_back(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,)))

    def leave():
        kit.ingest.delete(DESK, BANKING, stix_id("indicator", 1), ALL_VERSIONS)

    kit.publish(indicator(1))
    leave()
    kit.clock.pass_(10)
    kit.publish(indicator(1))
    kit.clock.pass_(10)
    leave()
    kit.clock.instant += LIFE - 15_000_000
    kit.waker.wake_due()
    (second,) = notices(kit)
    assert not second.get("revoked")
    kit.publish(indicator(1))
    assert [each.get("revoked") for each in notices(kit)] == [True]
    kit.store.close()


@pytest.mark.invariant("I6")
def test_what_a_person_let_go_waits_again_when_it_was_deleted_and_comes_with_other_content(tmp_path):
    ask = Hold(name="ask first", what=What(label=("delicate",)), approval=True)
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,), hold=(ask,)))
    holds = Holds(kit.store, kit.settler, kit.cache, kit.clock)
    first, second = indicator(1, labels=["delicate"]), indicator(1, labels=["delicate"], description="quite another thing")
    kit.publish(first)
    holds.approve(first["id"], "", "ant", by="officer")
    assert kit.view("ant") == [first]
    kit.clock.pass_(5)
    kit.ingest.delete(DESK, BANKING, first["id"], ALL_VERSIONS)
    kit.clock.pass_(5)
    kit.publish(second)
    assert second not in kit.view("ant")
    assert kit.planner.verify() == []
    holds.approve(first["id"], "", "ant", by="officer")
    assert second in kit.view("ant")
    kit.store.close()


def test_a_new_version_does_not_look_at_all_that_a_hidden_creator_made(tmp_path, monkeypatch):
    anonymous = Change(name="anonymous", what=What(label=("anonymous",)), hide_creator=True)
    kit = open_kit(tmp_path, in_force(parties=(ANT,), share=(BANKS,), change=(anonymous,)))
    creator = stix_id("identity", 1)
    kit.publish(identity(1), *(indicator(number, created_by_ref=creator) for number in range(50)))
    kit.publish(indicator(50, created_by_ref=creator, labels=["anonymous"]))
    seen = []
    real = loaded.candidate_of
    monkeypatch.setattr(loaded, "candidate_of", lambda version: seen.append(version.object_id) or real(version))
    kit.publish(indicator(5, version=1, created_by_ref=creator))
    kit.publish(identity(1, version=1))
    assert len(seen) < 15
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I10")
def test_a_notice_is_taken_back_when_another_value_comes_to_the_same_network(tmp_path):
    coarser = Change(name="coarser", to=To(role=("bank",)), generalise_v4=24, generalise_v6=48)
    kit = open_kit(tmp_path, in_force(parties=(ANT, GOOD), share=(BANKS,), change=(coarser,)))
    offer(kit, GOOD, BANKING, address(0, Level.GREEN))
    (network,) = kit.view("ant")
    kit.clock.pass_(5)
    with kit.store.read() as reader:
        keys = [version.key for version, _ in reader.offered_by("peer:good:r", 0, 10)]
    kit.ingest.gone(Giver("good", "r", GOOD, PeerTerms()), BANKING, keys)
    assert [each["object_refs"] for each in notices(kit)] == [[network["id"]]]
    kit.clock.pass_(5)
    kit.publish(address(1, Level.GREEN))
    assert network["id"] in {obj["id"] for obj in kit.view("ant")}
    assert [each.get("revoked", False) for each in notices(kit)] == [True]
    kit.store.close()
