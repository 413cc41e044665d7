"""What lies in quarantine for who sent it changes nothing for what others say; what lies there for its marking must not be named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nodekit import BANKING, DESK, identity, in_force, indicator, malware, open_kit, relationship, stix_id
from sharing.test_properties import ARCHIVE
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import Party, Share, To
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.levels import Level
from taxii_fed.services.intake.arrivals import Offered
from taxii_fed.services.intake.ingest import Giver
from taxii_fed.services.intake.quarantine import Quarantine

BANK = Party(name="bank", role="bank")
GOOD, BAD = Party(name="good", role="peer"), Party(name="bad", role="peer")
BANKS = Share(name="banks", to=To(role=("bank",)), up_to=Level.RED, relayed_up_to=Level.RED)
AUTHOR = stix_id("identity", 1)
SAID = indicator(1, created_by_ref=AUTHOR)
LINK = relationship(1, SAID["id"], stix_id("malware", 1), created_by_ref=AUTHOR)


@pytest.fixture
def kit(tmp_path):
    kit = open_kit(tmp_path, in_force(parties=(BANK, GOOD, BAD), share=(BANKS,)))
    kit.ingest.set_claims({AUTHOR: "peer:good", stix_id("malware", 1): "peer:good"})
    yield kit
    kit.store.close()


def offer(kit, peer, *objects, accept_up_to=Level.RED):
    received = read_envelope(json.dumps({"objects": list(objects)}).encode())
    return kit.ingest.offer(Giver(peer.name, "r", peer, PeerTerms(accept_up_to)), BANKING, [Offered(each) for each in received])


@pytest.mark.invariant("I7")
@pytest.mark.parametrize(
    "lie", [identity(1, level=Level.RED), {**indicator(9), "id": stix_id("malware", 1), "type": "malware"}]
)
@pytest.mark.parametrize("early", [True, False])
def test_whoever_sends_an_object_of_another_home_cuts_it_out_of_nothing(kit, lie, early):
    if early:
        assert offer(kit, BAD, lie) == {"not-creator": 1}
    offer(kit, GOOD, SAID, LINK)
    if not early:
        kit.clock.pass_(1)
        assert offer(kit, BAD, lie) == {"not-creator": 1}
    assert kit.view("bank") == [SAID, LINK]


def test_an_author_above_what_is_accepted_of_a_peer_is_not_named(kit):
    assert offer(kit, GOOD, identity(1, level=Level.RED), accept_up_to=Level.GREEN) == {"quarantined-inbound": 1}
    offer(kit, GOOD, SAID)
    (copy,) = kit.view("bank")
    assert copy["id"] != SAID["id"]
    assert AUTHOR not in json.dumps(copy)


@pytest.mark.invariant("I1", "I7")
def test_what_was_kept_apart_for_a_conflict_elsewhere_is_new_to_those_who_name_it_when_it_comes(tmp_path):
    rules = in_force(parties=(BANK,), share=(replace(BANKS, up_to=Level.GREEN),))
    kit = open_kit(tmp_path, replace(rules, collections={"banking": BANKING, "archive": ARCHIVE}))
    archived = read_envelope(json.dumps({"objects": [indicator(1, version=1)]}).encode())
    kit.ingest.publish_objects(DESK, ARCHIVE, archived)
    link = relationship(1, stix_id("malware", 1), stix_id("indicator", 1))
    kit.publish(indicator(1, version=1, description="other content, which stays apart"), malware(1), link)
    assert link in kit.view("bank")
    kit.publish(indicator(1, level=Level.RED))
    assert link not in kit.view("bank")
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I7")
def test_who_was_kept_back_before_a_view_was_made_may_be_named_in_it_once_dropped(kit):
    someone = stix_id("identity", 2)
    offer(kit, GOOD, identity(2, level=Level.RED), accept_up_to=Level.GREEN)
    kit.publish(indicator(2, created_by_ref=someone))
    vendor = Party(name="vendor", role="vendor")
    readers = replace(BANKS, name="vendors", to=To(role=("vendor",)), up_to=Level.GREEN)
    kit.put_in_force(in_force(parties=(BANK, GOOD, BAD, vendor), share=(readers,)))
    assert [obj.get("created_by_ref") for obj in kit.view("vendor")] != [someone]
    quarantine = Quarantine(kit.store, kit.settler, kit.cache, kit.keys, kit.clock, {})
    (item,) = quarantine.items()
    quarantine.drop(item.id)
    assert kit.planner.verify() == []
    assert [obj["created_by_ref"] for obj in kit.view("vendor") if obj["type"] == "indicator"] == [someone]


@pytest.mark.invariant("I1", "I7")
def test_what_a_person_takes_in_and_a_reader_may_not_have_is_named_to_it_no_more(tmp_path):
    rules = in_force(parties=(BANK, BAD), share=(replace(BANKS, up_to=Level.GREEN, relayed_up_to=Level.GREEN),))
    kit = open_kit(tmp_path, replace(rules, collections={"banking": BANKING, "archive": ARCHIVE}))
    archived = read_envelope(json.dumps({"objects": [indicator(1)]}).encode())
    kit.ingest.publish_objects(DESK, ARCHIVE, archived)
    assert offer(kit, BAD, indicator(1, version=1, level=Level.RED)) == {"not-creator": 1}
    link = relationship(1, stix_id("malware", 1), stix_id("indicator", 1))
    kit.publish(malware(1), link)
    assert link in kit.view("bank")
    quarantine = Quarantine(kit.store, kit.settler, kit.cache, kit.keys, kit.clock, {})
    (item,) = quarantine.items()
    quarantine.release(item.id)
    assert link not in kit.view("bank")
    assert kit.planner.verify() == []
    kit.store.close()
