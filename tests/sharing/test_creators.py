"""Who comes along as the maker of what a reader sees, and who does not (convention 12; I1)."""

from __future__ import annotations

import json

import pytest

from nodekit import BANKING, START, identity, in_force, indicator, open_kit, stix_id
from sharing.test_definitions import DEFINITION, STATEMENT
from taxii_fed.core.errors import RefusedError
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.judge import Reason
from taxii_fed.core.rules.model import Change, Hold, Party, Share, To, What
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.levels import Level
from taxii_fed.services.answers.explain import Because
from taxii_fed.services.intake.arrivals import Offered
from taxii_fed.services.intake.erase import Eraser
from taxii_fed.services.intake.ingest import Giver
from taxii_fed.services.rules.holds import Holds

BANK, VENDOR = Party(name="bank", role="bank"), Party(name="vendor", role="vendor")
ONE, OTHER = stix_id("identity", 1), stix_id("identity", 2)
HIDDEN = Change(name="anonymous", what=What(label=("anonymous",)), hide_creator=True)
INDICATORS = in_force(
    parties=(VENDOR,),
    share=(Share(name="indicators", what=What(type=("indicator",)), up_to=Level.GREEN, relayed_up_to=Level.GREEN),),
)
OLDER_AS_CREATOR = in_force(
    parties=(VENDOR,),
    share=(
        Share(name="all", up_to=Level.GREEN, relayed_up_to=Level.GREEN),
        Share(name="malware", what=What(type=("malware",)), up_to=Level.AMBER, relayed_up_to=Level.AMBER),
    ),
)
ALL = in_force(parties=(BANK,), share=(Share(name="all", up_to=Level.GREEN, relayed_up_to=Level.GREEN),), change=(HIDDEN,))


@pytest.fixture
def kit(tmp_path, request):
    kit = open_kit(tmp_path, request.param)
    yield kit
    assert kit.planner.verify() == []
    kit.store.close()


def seen(kit, party):
    return {obj["id"] for obj in kit.view(party) if obj["type"] != "note"}


def holds_of(kit):
    return Holds(kit.store, kit.settler, kit.cache, kit.clock)


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("kit", [INDICATORS], indirect=True)
@pytest.mark.parametrize("makers", [{ONE: ONE}, {ONE: OTHER, OTHER: ONE}])
def test_identities_that_name_each_other_or_themselves_come_with_what_names_them_and_go_with_it(kit, makers):
    kit.publish(*(identity(number, created_by_ref=makers[stix_id("identity", number)]) for number in range(1, len(makers) + 1)))
    assert seen(kit, "vendor") == set()
    made = indicator(1, created_by_ref=ONE)
    kit.publish(made)
    assert seen(kit, "vendor") == {made["id"], *makers}
    kit.publish(indicator(1, version=1, level=Level.RED))
    assert seen(kit, "vendor") & makers.keys() == set()


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("kit", [ALL], indirect=True)
def test_a_hidden_creator_that_names_itself_is_hidden_still(kit):
    kit.publish(identity(1, created_by_ref=ONE), indicator(1, labels=["anonymous"], created_by_ref=ONE))
    assert ONE not in seen(kit, "bank")
    kit.publish(indicator(2, created_by_ref=ONE))
    assert ONE in seen(kit, "bank")


@pytest.mark.parametrize("kit", [ALL], indirect=True)
def test_a_creator_whose_marking_is_explained_late_is_named_from_then_on(kit):
    marked = identity(1)
    made = indicator(1, created_by_ref=ONE)
    kit.publish({**marked, "object_marking_refs": [*marked["object_marking_refs"], STATEMENT]}, made)
    assert seen(kit, "bank").isdisjoint({ONE, made["id"]})
    kit.publish(DEFINITION)
    assert seen(kit, "bank") >= {ONE, made["id"], STATEMENT}


@pytest.mark.parametrize("kit", [OLDER_AS_CREATOR], indirect=True)
def test_a_creator_comes_in_all_versions_that_it_may_be_named_in(kit):
    kit.publish(identity(1, level=Level.AMBER), identity(1, version=1))
    assert len(kit.view("vendor")) == 1
    kit.publish(indicator(1, created_by_ref=ONE))
    assert [obj["id"] for obj in kit.view("vendor")].count(ONE) == 2


def _holding(what: What, unmarked_as: Level | None = None, **until: object) -> object:
    return in_force(
        parties=(BANK,),
        share=(Share(name="all", up_to=Level.GREEN, relayed_up_to=Level.GREEN, unmarked_as=unmarked_as),),
        hold=(Hold(name="waits", to=To(role=("bank",)), what=what, **until),),
    )


@pytest.mark.invariant("I7")
@pytest.mark.parametrize(
    "kit", [_holding(What(type=("identity",)), until_at=START + 100), _holding(What(), until_at=START + 100)], indirect=True
)
def test_a_hold_on_an_unmarked_creator_is_over_at_its_time(kit):
    made = indicator(1, created_by_ref=ONE)
    kit.publish(identity(1, level=None), made)
    assert ONE not in seen(kit, "bank")
    kit.clock.pass_(1)
    kit.waker.wake_due()
    assert seen(kit, "bank") == {ONE, made["id"]}


@pytest.mark.invariant("I7")
@pytest.mark.parametrize("kit", [_holding(What(min_tlp=Level.GREEN), Level.GREEN, until_at=START + 100)], indirect=True)
def test_a_hold_that_only_keeps_a_creator_from_standing_by_itself_is_over_at_its_time_too(kit):
    kit.publish(identity(1, level=None))  # as a creator it counts as CLEAR, which the hold is not about
    assert seen(kit, "bank") == set()
    kit.clock.pass_(1)
    kit.waker.wake_due()
    assert seen(kit, "bank") == {ONE}


@pytest.mark.invariant("I9")
@pytest.mark.parametrize("kit", [_holding(What(), approval=True)], indirect=True)
def test_an_unmarked_creator_on_hold_is_listed_told_of_and_let_go(kit):
    made = indicator(1, created_by_ref=ONE)
    kit.publish(identity(1, level=None), made)
    assert {each.object_id for part in holds_of(kit).held() for each in part} == {ONE, made["id"]}
    holds_of(kit).approve(made["id"], "", "bank", by="a person")
    (answer,) = kit.explainer.explain(made["id"], "bank")[0].versions
    assert answer.derived
    assert answer.chain == (Because(ONE, Reason.HELD, "waits"),)
    (answer,) = kit.explainer.explain(ONE, "bank")[0].versions
    assert (answer.reason, answer.unused) == (Reason.UNMARKED, (Reason.HELD, "waits"))
    holds_of(kit).approve(ONE, "", "bank", by="a person")
    assert seen(kit, "bank") == {ONE, made["id"]}
    with pytest.raises(RefusedError):
        holds_of(kit).approve(ONE, "", "bank", by="a person")


@pytest.mark.invariant("I1", "I7")
@pytest.mark.parametrize("kit", [ALL], indirect=True)
@pytest.mark.parametrize("accepted", [Level.RED, Level.CLEAR])
def test_an_erased_creator_is_named_by_nothing(kit, accepted):
    """Whether it was here, or only in quarantine: what names it goes out without the name (sharing model, section 9)."""
    author, made = identity(1, level=Level.GREEN), indicator(1, created_by_ref=ONE)
    received = read_envelope(json.dumps({"objects": [author]}).encode())
    kit.ingest.offer(Giver("eu", "theirs", Party(name="eu", role="peer"), PeerTerms(accepted)), BANKING, map(Offered, received))
    kit.publish(made)
    kit.clock.pass_(1)
    Eraser(kit.store, kit.ingest, kit.settler, kit.cache, kit.keys, kit.clock).erase(ONE)
    assert not any(ONE in json.dumps(obj) for obj in kit.view("bank") if obj["type"] != "note")
    assert len(seen(kit, "bank")) == 1
