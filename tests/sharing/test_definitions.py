"""For whom a marking definition counts, and who sees one (conventions 3 and 12; I1)."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodekit import BANKING, DESK, in_force, indicator, memory_folder, open_kit, stix_id
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import Party, Share, To
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.levels import TLP2_IDS, Level
from taxii_fed.services.intake.arrivals import Offered
from taxii_fed.services.intake.ingest import Giver

STATEMENT = stix_id("marking-definition", 1)
DEFINITION = {
    "type": "marking-definition",
    "spec_version": "2.1",
    "id": STATEMENT,
    "created": "2026-01-01T00:00:00.000Z",
    "definition_type": "statement",
    "definition": {"statement": "For defence only."},
}
EAST, WEST = Party(name="east", role="peer"), Party(name="west", role="peer")
BANK, MEMBER = Party(name="bank", role="bank"), Party(name="member", role="bank", publish=("banking",))
RULES = in_force(parties=(EAST, WEST, BANK, MEMBER), share=(Share(name="all", up_to=Level.AMBER, relayed_up_to=Level.AMBER),))
USED = {**indicator(1, level=None), "object_marking_refs": [TLP2_IDS[Level.GREEN], STATEMENT]}
SECRET = {
    **indicator(2, description="Only for some"),
    "granular_markings": [{"marking_ref": STATEMENT, "selectors": ["description"]}],
}


def giver(peer: Party) -> Giver:
    return Giver(peer.name, "theirs", peer, PeerTerms())


def bring(kit, who: Party, *objects: dict) -> None:
    if who.role != "peer":
        kit.publish(*objects, party=who)
        return
    received = read_envelope(json.dumps({"objects": list(objects)}).encode())
    kit.ingest.offer(giver(who), BANKING, [Offered(each) for each in received])


def seen(kit, party: str = "bank") -> set[str]:
    return {obj["id"] for obj in kit.view(party)}


@pytest.fixture
def kit(tmp_path):
    kit = open_kit(tmp_path, RULES)
    yield kit
    assert kit.planner.verify() == []
    kit.store.close()


def test_own_staff_sees_a_definition_at_once_and_others_when_something_uses_it(kit):
    kit.publish(DEFINITION)
    assert (seen(kit, DESK.name), seen(kit)) == ({STATEMENT}, set())
    kit.publish(USED)
    assert seen(kit) == {STATEMENT, USED["id"]}


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("other", [WEST, MEMBER])
def test_a_definition_does_not_explain_the_marking_of_what_a_peer_brought_unless_that_peer_brings_it(kit, other):
    bring(kit, EAST, USED)
    bring(kit, other, DEFINITION)
    assert seen(kit) == set()
    bring(kit, EAST, DEFINITION)
    assert seen(kit) == {STATEMENT, USED["id"]}


@pytest.mark.invariant("I1")
def test_a_peers_definition_does_not_explain_the_marking_of_what_is_published_here(kit):
    kit.publish(USED, party=MEMBER)
    bring(kit, WEST, DEFINITION)
    assert seen(kit) == set()
    kit.publish(DEFINITION, party=MEMBER)
    assert seen(kit) == {STATEMENT, USED["id"]}


def test_a_definition_of_the_nodes_own_staff_counts_for_everything(kit):
    bring(kit, EAST, USED)
    bring(kit, WEST, DEFINITION)
    kit.publish(DEFINITION)
    assert seen(kit) == {STATEMENT, USED["id"]}


@pytest.mark.invariant("I1", "I10")
def test_what_a_definition_let_out_goes_when_the_peer_brings_it_no_more_though_another_does(kit):
    bring(kit, EAST, DEFINITION, USED)
    bring(kit, WEST, DEFINITION)
    assert seen(kit) == {STATEMENT, USED["id"]}
    with kit.store.read() as reader:
        [version] = reader.versions(BANKING.id, [STATEMENT])[STATEMENT]
    kit.ingest.gone(giver(EAST), BANKING, [version.key])
    assert {each for each in seen(kit) if not each.startswith("note--")} == set()


@pytest.mark.invariant("I1", "I6")
def test_what_only_staff_explained_goes_when_they_are_staff_no_longer(kit):
    desk = Party(name="second-desk", role="own", publish=("banking",))
    staffed = in_force(parties=(*RULES.parties.values(), desk), share=RULES.share)
    kit.put_in_force(staffed)
    bring(kit, EAST, USED)
    kit.publish(DEFINITION, party=desk)
    assert USED["id"] in seen(kit)
    guest = Party(name="second-desk", role="bank", publish=("banking",))
    kit.put_in_force(in_force(parties=(*RULES.parties.values(), guest), share=RULES.share))
    assert USED["id"] not in seen(kit)


@pytest.mark.invariant("I1")
def test_a_property_stays_cut_while_only_a_strangers_definition_explains_its_marking(kit):
    bring(kit, EAST, SECRET)
    bring(kit, WEST, DEFINITION)
    assert "Only for some" not in json.dumps(kit.view("bank"))
    bring(kit, EAST, DEFINITION)
    assert "Only for some" in json.dumps(kit.view("bank"))


ACTS = [(who, what) for who in (EAST, WEST, MEMBER, DESK) for what in (DEFINITION, USED, SECRET)]


@pytest.mark.invariant("I7")
@given(acts=st.permutations(ACTS), count=st.integers(1, len(ACTS)))
def test_whatever_the_order_the_views_are_what_a_rebuild_gives(acts, count):
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        kit = open_kit(Path(folder), RULES)
        for who, what in acts[:count]:
            bring(kit, who, what)
            assert kit.planner.verify() == []
        kit.store.close()


@pytest.mark.invariant("I1", "I6")
def test_who_ceases_to_be_own_staff_and_reads_nothing_changes_what_others_read(tmp_path):
    clerk = Party(name="clerk", role="own", publish=("banking",))
    share = (Share(name="banks", to=To(role=("bank",)), up_to=Level.AMBER, relayed_up_to=Level.AMBER),)
    before = replace(RULES, share=share, parties={**RULES.parties, "clerk": clerk})
    after = replace(before, parties={**before.parties, "clerk": replace(clerk, role="vendor")})
    kit = open_kit(tmp_path, before)
    bring(kit, WEST, USED)
    bring(kit, clerk, {**DEFINITION, "object_marking_refs": [TLP2_IDS[Level.GREEN]]})
    assert USED["id"] in seen(kit)
    assert kit.governor.adopt(after, "coming").moves
    kit.put_in_force(after)
    assert USED["id"] not in seen(kit)
    assert kit.planner.verify() == []
    kit.store.close()


@pytest.mark.invariant("I7")
def test_a_definition_that_only_what_was_cut_from_an_older_version_named_is_seen_by_nobody(kit):
    claim = {**DEFINITION, "id": stix_id("marking-definition", 2), "definition": {"statement": "TLP:RED"}}
    cut = {"description": "Only for some", "granular_markings": [{"marking_ref": claim["id"], "selectors": ["description"]}]}
    kit.publish(claim, indicator(2, **cut), indicator(2, version=1))
    kit.put_in_force(replace(RULES, share=(Share(name="all", up_to=Level.GREEN, relayed_up_to=Level.GREEN),)))
    assert len(seen(kit)) == 2, "a copy, and the newer version as it came"
    assert kit.planner.verify() == []
    with kit.store.read() as reader:
        view = reader.readers(BANKING.id)["bank"]
        assert [entry for entry in reader.ledger(claim["id"]) if entry.view == view] == []
