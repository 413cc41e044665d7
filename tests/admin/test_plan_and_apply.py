"""A changed configuration is shown before it is done, done as shown, and never done by itself (I6, I10)."""

from __future__ import annotations

import json

import pytest

from nodekit import START, indicator, stix_id
from taxii_fed.core.errors import RefusedError
from taxii_fed.core.stix.levels import TLP2_IDS, Level
from taxii_fed.services.rules.govern import Governor
from taxii_fed.wiring import open_node

GREEN, AMBER, RED = (stix_id("indicator", number) for number in (1, 2, 3))
TIGHTER = ("    in: [banking]\n    up_to: AMBER\n    relayed_up_to: AMBER", "    in: [banking]\n    up_to: GREEN")
LOOSER = ("    in: [banking]\n    up_to: AMBER\n    relayed_up_to: AMBER", "    in: [banking]\n    up_to: RED")
JOINS = (
    "  lantau-life: {role: insurer, jurisdiction: HK, organisation: Lantau Life}",
    "  lantau-life: {role: insurer, jurisdiction: HK, organisation: Lantau Life, communities: [hk-banking]}",
)
LEAVES = (
    "  pearl-bank: {role: bank, jurisdiction: HK, organisation: Pearl Bank, communities: [hk-banking]}",
    "  pearl-bank: {role: bank, jurisdiction: HK, organisation: Pearl Bank}",
)


def effects(admin):
    """Return collection and parties of each effect to (withdrawn, released, changed)."""
    return {
        (each["collection"], *each["parties"]): (each["withdrawn"], each["released"], each["changed"])
        for each in admin.json("plan")["effects"]
    }


def spans(admin, object_id):
    """Return (party, since, until, why) of the ledger."""
    return {
        (each["party"], each["since"], each["until"], each["why_ended"]) for each in admin.json("ledger", object_id)["holders"]
    }


def test_an_unchanged_configuration_leaves_nothing_to_do(stocked):
    assert stocked.json("plan")["state"] == "same"
    assert "Nothing to do" in stocked.run("plan")
    assert "nothing to do" in stocked.run("apply").lower()


def test_a_tightened_rule_is_planned_with_counts_rule_reason_and_example(stocked):
    stocked.edit(TIGHTER)
    found = stocked.json("plan")
    assert found["state"] == "waits"
    assert effects(stocked) == {("banking", "harbour-bank", "pearl-bank"): (1, 0, 0)}
    (effect,) = found["effects"]
    assert effect["rules"] == [{"kind": "withdrawn", "rule": "banks read banking", "reason": "tlp-above-ceiling", "count": 1}]
    assert effect["examples"] == {
        "withdrawn": [{"object": AMBER, "name": "Indicator 2", "rule": "banks read banking", "reason": "tlp-above-ceiling"}]
    }
    assert {
        "section": "share", "name": "banks read banking", "kind": "changed",
        "terms": [
            {"term": "relayed_up_to", "before": "AMBER", "after": "GREEN"},
            {"term": "up_to", "before": "AMBER", "after": "GREEN"},
        ],
    } in found["differs"]  # fmt: skip
    told = stocked.run("plan")
    assert "~ share banks read banking: relayed_up_to: AMBER → GREEN; up_to: AMBER → GREEN" in told
    assert "its TLP level is above what the share rules allow" in told
    assert "To do it: taxii-fed apply" in told


@pytest.mark.invariant("I6")
def test_a_plan_writes_nothing(stocked):
    stocked.edit(TIGHTER)
    before = (stocked.folder / "hub.db").read_bytes()
    stocked.run("plan")
    assert (stocked.folder / "hub.db").read_bytes() == before
    assert stocked.seen("harbour-bank") == {GREEN, AMBER}


@pytest.mark.invariant("I10")
def test_applying_a_tightened_rule_withdraws_and_tells_those_who_held_it(stocked):
    stocked.edit(TIGHTER)
    told = stocked.run("apply")
    assert "1 withdrawal, 0 releases" in told
    left = stocked.seen("harbour-bank")
    (notice,) = left - {GREEN}
    assert notice.startswith("note--")
    assert stocked.seen("hk-regulator") == {GREEN, AMBER, RED}
    ends = {party: (until is not None, why) for party, _, until, why in spans(stocked, AMBER)}
    assert ends == {
        "harbour-bank": (True, "rule-tightened"),
        "pearl-bank": (True, "rule-tightened"),
        "hk-regulator": (False, ""),
        "staff": (False, ""),
    }
    assert stocked.json("plan")["state"] == "same"


def test_applying_a_loosened_rule_releases_with_the_date_of_now(stocked):
    stocked.edit(LOOSER)
    assert effects(stocked) == {("banking", "harbour-bank", "pearl-bank"): (0, 1, 0)}
    before = stocked.now
    stocked.run("apply")
    assert stocked.seen("harbour-bank") == {GREEN, AMBER, RED}
    since = {party: since for party, since, _, _ in spans(stocked, RED)}
    assert since["staff"] < since["harbour-bank"] == since["pearl-bank"]
    (red,) = stocked.json("explain", RED, "--to", "harbour-bank")["collections"][0]["versions"]
    assert red["outcome"] == "visible"
    assert before < stocked.now


def test_a_member_that_joins_gets_what_the_others_have_and_nobody_else_notices(stocked):
    stocked.edit(JOINS)
    assert stocked.json("plan")["state"] == "waits"
    assert effects(stocked) == {("banking", "lantau-life"): (0, 2, 0)}
    before = {party: stocked.json("view", party)["collections"][0]["objects"] for party in ("harbour-bank", "pearl-bank")}
    stocked.run("apply")
    assert stocked.seen("lantau-life") == {GREEN, AMBER}
    after = {party: stocked.json("view", party)["collections"][0]["objects"] for party in ("harbour-bank", "pearl-bank")}
    assert after == before


def test_a_member_that_leaves_gets_nothing_and_its_past_stays_in_the_ledger(stocked):
    stocked.edit(LEAVES)
    assert effects(stocked) == {("banking", "pearl-bank"): (2, 0, 0)}
    stocked.run("apply")
    (found,) = [each for each in stocked.json("view", "pearl-bank")["collections"] if each["collection"] == "banking"]
    assert (found["reads"], found["objects"]) == (False, [])
    assert {"rule": "banks read banking", "why": "for community hk-banking, and this party has none"} in found["missed"]
    assert {(party, until is not None) for party, _, until, _ in spans(stocked, GREEN)} >= {
        ("pearl-bank", True),
        ("harbour-bank", False),
    }


def test_parties_that_part_have_one_line_in_the_ledger_for_the_whole_time(stocked):
    """Each keeps its dates, whichever view it ends up in."""
    before = spans(stocked, GREEN)
    stocked.edit(
        ("never:\n", "  pearl sees red:\n    to: {party: pearl-bank}\n    in: [banking]\n    up_to: RED\nnever:\n"),
    )
    stocked.run("apply")
    assert stocked.seen("pearl-bank") == {GREEN, AMBER, RED}
    assert spans(stocked, GREEN) == before


def test_a_grant_with_dates_begins_and_ends_by_itself(stocked):
    stocked.edit(
        (
            "never:\n",
            (
                "  a statute for a while:\n    to: {party: lantau-life}\n    in: [banking]\n    up_to: GREEN\n"
                "    from: 2026-03-02T10:00Z\n    until: 2026-03-02T11:00Z\nnever:\n"
            ),
        )
    )
    stocked.run("apply")

    def reads_at(minutes):
        stocked.now = START + minutes * 60_000_000
        node = open_node(_settings(stocked), adopt=False)
        node.waker.wake_due()
        node.close()
        return stocked.seen("lantau-life")

    assert [bool(reads_at(minutes)) for minutes in (40, 70, 130)] == [False, True, False]


def _settings(admin):
    from taxii_fed.config.load import load

    return load(admin.config)


# -- guards -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def full(admin):
    admin.publish(*(indicator(number, level=Level.AMBER) for number in range(12)))
    return admin


def test_a_mass_withdrawal_is_refused_until_the_admin_says_yes(full):
    full.edit(TIGHTER)
    assert full.json("plan")["guards"] == ["banking: withdraws 12 of 12 objects (harbour-bank, pearl-bank)"]
    assert "taxii-fed apply --yes" in full.run("plan")
    refused = full.try_("apply")
    assert refused.exit_code == 1
    assert "nothing was changed" in refused.stderr
    assert "withdraws 12 of 12 objects" in refused.stderr
    assert "taxii-fed apply --yes" in refused.stderr
    assert len(full.seen("harbour-bank")) == 12
    full.run("apply", "--yes")
    assert all(each.startswith("note--") for each in full.seen("harbour-bank"))


def test_a_mass_release_is_refused_until_the_admin_says_yes(full):
    full.edit(("never:\n", "  insurers look in:\n    to: {role: insurer}\n    in: [banking]\n    up_to: AMBER\nnever:\n"))
    refused = full.try_("apply")
    assert (refused.exit_code, "releases 12 objects to those who hold 0" in refused.stderr) == (1, True)
    full.run("apply", "--yes")
    assert len(full.seen("lantau-life")) == 12


# -- what waits, and what does not --------------------------------------------------------------------------------------------


def test_a_change_that_moves_nothing_needs_no_plan(stocked):
    stocked.edit(("title: Banking,", "title: Banking sector,"))
    assert stocked.json("plan")["state"] == "adoptable"
    assert "Nothing that anybody holds would move" in stocked.run("plan")
    assert "nothing that anybody held has moved" in stocked.run("apply")
    assert stocked.json("plan")["state"] == "same"


def test_status_says_that_a_change_waits_and_which_command_to_run(stocked):
    stocked.edit(TIGHTER)
    assert stocked.json("status")["waiting"] == [
        "The configuration on disk is not in force. To see what it would do: taxii-fed plan; to do it: taxii-fed apply"
    ]
    assert stocked.seen("harbour-bank") == {GREEN, AMBER}


def test_answers_go_by_what_is_in_force_and_say_so(stocked):
    stocked.edit(TIGHTER)
    told = stocked.try_("explain", AMBER, "--to", "harbour-bank")
    assert "visible" in told.stdout
    assert "not in force" in told.stderr


def test_a_party_that_is_not_in_force_yet_is_no_unknown_name(stocked):
    stocked.edit(("peers:\n", "  new-bank: {role: bank, jurisdiction: HK, organisation: New Bank}\npeers:\n"))
    told = stocked.try_("view", "new-bank")
    assert (told.exit_code, "run `taxii-fed apply`" in told.stderr) == (1, True)


def test_a_configuration_with_mistakes_ends_with_78_and_changes_nothing(stocked):
    stocked.edit(("up_to: AMBER\n    relayed_up_to: AMBER", "up_to: AMBRE"))
    for command in ("plan", "apply", "status"):
        told = stocked.try_(command)
        assert (told.exit_code, "AMBRE" in told.stderr) == (78, True)
    assert b"AMBRE" not in (stocked.folder / "hub.db").read_bytes()


def test_a_change_that_stopped_half_way_is_told_of_and_finished(stocked, monkeypatch):
    stocked.edit(TIGHTER)

    def die(*_, **__):
        raise RefusedError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Governor, "_switch", die)
        assert stocked.try_("apply").exit_code == 1
    assert stocked.json("plan")["under_way"] is True
    assert "taxii-fed apply --resume" in stocked.run("plan")
    assert "taxii-fed apply --resume" in stocked.run("status")
    assert AMBER not in stocked.seen("harbour-bank")
    assert "finished what was under way" in stocked.run("apply", "--resume").lower()
    assert stocked.json("plan")["state"] == "same"
    assert "no change was under way" in stocked.run("apply", "--resume").lower()


def test_another_change_can_not_begin_while_one_is_half_way(stocked, monkeypatch):
    stocked.edit(TIGHTER)
    with monkeypatch.context() as patch:
        patch.setattr(Governor, "_switch", lambda *_: (_ for _ in ()).throw(RefusedError("killed")))
        stocked.try_("apply")
    stocked.edit((TIGHTER[1], LOOSER[1]))
    told = stocked.try_("apply")
    assert (told.exit_code, "--resume" in told.stderr) == (1, True)


def test_the_first_apply_makes_the_store(admin):
    told = admin.try_("plan")
    assert (told.exit_code, "run `taxii-fed apply`" in told.stderr) == (1, True)
    assert not (admin.folder / "hub.db").exists()
    assert "revision 1" in admin.run("apply")
    assert json.loads(admin.run("plan", "--json"))["state"] == "same"


def test_a_copy_that_would_say_more_is_planned_as_edited_anew(admin):
    marked = {
        "granular_markings": [
            {"marking_ref": TLP2_IDS[level], "selectors": [name]}
            for name, level in (("name", Level.AMBER), ("description", Level.RED))
        ]
    }
    admin.publish(indicator(1, level=Level.GREEN, description="for us alone", **marked))
    admin.edit(("    in: [banking]\n    up_to: AMBER\n    relayed_up_to: AMBER", "    in: [banking]\n    up_to: GREEN"))
    admin.run("apply", "--yes")
    admin.edit(("    in: [banking]\n    up_to: GREEN", "    in: [banking]\n    up_to: AMBER"))
    assert effects(admin) == {("banking", "harbour-bank", "pearl-bank"): (0, 0, 1)}


def test_another_identity_of_the_node_makes_all_copies_anew_and_the_plan_says_so(admin):
    marked = {"granular_markings": [{"marking_ref": TLP2_IDS[Level.RED], "selectors": ["description"]}]}
    admin.publish(indicator(1, level=Level.GREEN, description="for us alone", **marked))
    admin.edit(("identity--0a1f6f0e", "identity--0a1f6f0f"))
    assert effects(admin) == {("banking", "harbour-bank", "pearl-bank"): (0, 0, 1)}
