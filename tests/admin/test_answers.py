"""Who gets what and why, and who has had it: each decision explains itself (I9), to people and to programs."""

from __future__ import annotations

import json

import pytest

from nodekit import identity, indicator, malware, marked, note, relationship, report, sdo, stix_id
from taxii_fed.cli import words
from taxii_fed.core.rules.door import Ruling
from taxii_fed.core.rules.judge import Reason
from taxii_fed.core.stix.levels import TLP2_IDS, Level

GREEN, AMBER, RED = (stix_id("indicator", number) for number in (1, 2, 3))
VICTIM, LINK = stix_id("malware", 4), stix_id("relationship", 5)
COARSER = (
    "never:\n",
    "change:\n  addresses leave coarser:\n    to: {role: bank}\n    generalise_ip: {v4: 24, v6: 48}\nnever:\n",
)


def explained(admin, object_id, party, *more):
    """Return the answer for the one collection that knows the object."""
    (answer,) = admin.json("explain", object_id, "--to", party, *more)["collections"]
    return answer


def outcome(admin, object_id, party, *more):
    (version,) = explained(admin, object_id, party, *more)["versions"]
    return version["outcome"], version["rule"], version["reason"]


# -- words --------------------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("I9")
def test_every_reason_has_a_sentence_that_is_not_its_code():
    for reason in Reason:
        told = words.WITHHELD.get(reason) or words.EDITED.get(reason)
        assert told, reason
        assert len(told.split()) > 2
        assert told != reason.value
    assert set(words.AT_THE_DOOR) >= set(Ruling)


def test_a_reason_that_a_rule_gives_is_told_as_it_stands(stocked):
    stocked.edit(("    what: {label: victim}\n", "    what: {label: victim}\n    reason: duty of confidence\n"))
    stocked.run("apply")
    assert "the rule says: duty of confidence" in stocked.run("explain", VICTIM, "--to", "harbour-bank")


# -- explain ------------------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("I9")
def test_explain_names_outcome_rule_and_reason(stocked):
    assert outcome(stocked, GREEN, "harbour-bank") == ("visible", "banks read banking", "")
    assert outcome(stocked, RED, "harbour-bank") == ("withheld", "banks read banking", "tlp-above-ceiling")
    assert outcome(stocked, VICTIM, "harbour-bank") == ("withheld", "victims stay with us", "vetoed")
    assert outcome(stocked, GREEN, "lantau-life") == ("withheld", "", "no-rule")


@pytest.mark.invariant("I9")
def test_explain_follows_references_to_the_object_that_decided(stocked):
    stocked.publish(note(6, [LINK]))
    told = stocked.run("explain", stix_id("note", 6), "--to", "harbour-bank")
    assert "it is nothing without an object that is withheld" in told
    assert f"because of {LINK}: it is nothing without an object that is withheld" in told
    assert f"because of {VICTIM}: a never rule keeps it back (the rule 'victims stay with us')" in told


@pytest.mark.invariant("I9")
def test_explain_names_the_marking_that_nothing_explains(stocked):
    marking = stix_id("marking-definition", 9)
    marked = {**indicator(9), "object_marking_refs": [TLP2_IDS[Level.GREEN], marking]}
    stocked.publish(marked)
    told = stocked.run("explain", marked["id"], "--to", "harbour-bank")
    assert "no definition from where it came from" in told
    assert f"the marking {marking}\n" in told


@pytest.mark.invariant("I9")
def test_explain_says_why_something_is_a_copy_to_which_nothing_was_done(stocked):
    address = indicator(7, pattern="[ipv4-addr:value = '198.51.100.7']")
    link = relationship(7, address["id"], GREEN)
    stocked.publish(address, link)
    stocked.edit(COARSER)
    stocked.run("apply")
    assert "what it refers to goes out as a copy, so it names that" in stocked.run(
        "explain", link["id"], "--to", "harbour-bank"
    )


def test_explain_tells_what_was_done_to_a_copy_and_takes_its_id_too(stocked):
    stocked.publish(indicator(7, pattern="[ipv4-addr:value = '198.51.100.7']"))
    stocked.edit(COARSER)
    stocked.run("apply")
    source = stix_id("indicator", 7)
    (version,) = explained(stocked, source, "harbour-bank")["versions"]
    assert (version["derived"], version["done"]) == (True, ["ip-generalised"])
    assert version["as"] != source
    told = stocked.run("explain", version["as"], "--to", "harbour-bank")
    assert told.startswith(f"{source} for harbour-bank")
    assert "IP addresses were cut to networks" in told
    ended = explained(stocked, source, "harbour-bank")["ended"]
    assert [(each["as"], each["why"]) for each in ended] == [(source, "rule-tightened")]


def test_explain_goes_by_the_rules_of_another_time(stocked):
    stocked.edit(("up_to: AMBER\n    relayed_up_to: AMBER", "up_to: GREEN\n    relayed_up_to: GREEN"))
    then = "2026-03-02T09:01:30Z"
    stocked.run("apply")
    assert outcome(stocked, AMBER, "harbour-bank")[0] == "withheld"
    assert outcome(stocked, AMBER, "harbour-bank", "--at", then)[0] == "visible"
    assert outcome(stocked, RED, "harbour-bank", "--at", then) == ("withheld", "banks read banking", "tlp-above-ceiling")
    early = stocked.try_("explain", AMBER, "--to", "harbour-bank", "--at", "2020-01-01T00:00Z")
    assert (early.exit_code, early.stderr) == (1, "taxii-fed: No rules were in force then.\n")


def test_explain_by_the_rules_of_another_time_when_the_party_read_nothing_or_is_no_more(stocked):
    stocked.edit(
        ("  pearl-bank: {role: bank, jurisdiction: HK, organisation: Pearl Bank, communities: [hk-banking]}\n", ""),
    )
    stocked.run("apply")
    assert stocked.try_("explain", GREEN, "--to", "pearl-bank").exit_code == 2
    answer = explained(stocked, GREEN, "pearl-bank", "--at", "2026-03-02T09:01:30Z")
    assert (answer["reads"], answer["versions"][0]["outcome"]) == (True, "visible")


def test_explain_tells_what_happened_at_the_door(stocked):
    stocked.offer(indicator(1, level=Level.GREEN, version=1), indicator(8, level=Level.RED))
    told = stocked.run("explain", GREEN, "--to", "harbour-bank")
    assert "from eu-csirt (its collection 91d0)" in told
    assert "quarantined: a version from somebody who is not the object's home" in told
    assert "in quarantine as item 1" in told
    apart = stocked.run("explain", stix_id("indicator", 8), "--to", "harbour-bank")
    assert "no version of it is here" in apart
    assert "quarantined: marked above what is accepted of this peer" in apart


def test_explain_answers_for_every_collection_that_knows_the_object(stocked):
    stocked.publish(indicator(1, level=Level.GREEN), into="insurance")
    found = stocked.json("explain", GREEN, "--to", "harbour-bank")["collections"]
    assert [(each["collection"], each["reads"]) for each in found] == [("banking", True), ("insurance", False)]
    assert "harbour-bank does not read this collection" in stocked.run("explain", GREEN, "--to", "harbour-bank")


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        (("explain", "indicator--0", "--to", "harbour-bank"), 1, "No collection ever held indicator--0."),
        (("explain", GREEN, "--to", "harbor-bank"), 2, "no party 'harbor-bank'. Did you mean 'harbour-bank'?"),
        (("explain", GREEN), 2, "Missing option '--to'"),
        (("explain", GREEN, "--to", "harbour-bank", "--at", "2026-03-02"), 2, "2026-03-02T00:00Z"),
        (("view", "harbour-bank", "bankin"), 2, "no collection 'bankin'. Did you mean 'banking'?"),
        (("view", "nobody-at-all"), 2, "there are eu-csirt, harbour-bank"),
        (("ledger", "indicator--0"), 1, "Nobody was ever given indicator--0."),
        (("ledger",), 2, "name an OBJECT, or a peer with --peer"),
        (("ledger", GREEN, "--peer", "eu-csirt"), 2, "either an OBJECT or --peer, not both"),
        (("ledger", "--peer", "eu-csrt"), 2, "no peer 'eu-csrt'. Did you mean 'eu-csirt'?"),
        (("export", "bankin"), 2, "Did you mean 'banking'?"),
        (("approve", GREEN, "--to", "harbor-bank"), 2, "Did you mean 'harbour-bank'?"),
        (("quarantine", "show", "7"), 1, "No item 7 lies in quarantine"),
        (("erase", "indicator--0", "--yes"), 1, "This node holds nothing of indicator--0."),
        (("explian", GREEN), 2, "Did you mean 'explain'?"),
    ],
)
def test_a_mistake_of_the_admin_ends_in_words_and_an_exit_code(stocked, command, code, told):
    result = stocked.try_(*command)
    assert result.exit_code == code
    assert told in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


# -- view ---------------------------------------------------------------------------------------------------------------------


def test_view_lists_all_that_a_party_sees_with_rules(stocked):
    banking, insurance = stocked.json("view", "harbour-bank")["collections"]
    assert [each["id"] for each in banking["objects"]] == [GREEN, AMBER]
    assert banking["rules"] == ["banks read banking"]
    assert (insurance["reads"], insurance["objects"]) == (False, [])
    told = stocked.run("view", "harbour-bank", "bank-feed")
    assert "banking: 2 entries, by 'banks read banking'" in told
    assert GREEN in told


def test_view_says_which_terms_of_which_rules_do_not_reach(stocked):
    told = stocked.run("view", "lantau-life", "banking")
    assert "not there for lantau-life: no share rule reaches it" in told
    assert "'banks read banking': for community hk-banking, and this party has none" in told
    assert "'the regulator reads what it must': for role regulator, and this party has insurer" in told


def test_view_says_why_what_is_there_is_not_visible(admin):
    admin.publish(indicator(3, level=Level.RED), malware(4, level=Level.GREEN, labels=["victim"]))
    told = admin.run("view", "harbour-bank", "banking")
    assert "1 withheld: its TLP level is above what the share rules allow (the rule 'banks read banking')" in told
    assert "1 withheld: a never rule keeps it back (the rule 'victims stay with us')" in told
    (found,) = admin.json("view", "harbour-bank", "banking")["collections"]
    assert {(each["reason"], each["count"]) for each in found["withheld"]} == {("tlp-above-ceiling", 1), ("vetoed", 1)}


def test_view_says_that_a_collection_is_empty(admin):
    admin.run("apply")
    assert "the collection is empty" in admin.run("view", "harbour-bank", "banking")


def test_view_says_that_a_rule_has_not_begun_or_has_ended(stocked):
    stocked.edit(
        (
            "never:\n",
            (
                "  later:\n    to: {role: insurer}\n    in: [banking]\n    up_to: GREEN\n    from: 2030-01-01T00:00Z\n"
                "  before:\n    to: {role: insurer}\n    in: [banking]\n    up_to: GREEN\n    until: 2026-01-01T00:00Z\n"
                "  not here:\n    to: {role: insurer, not: {jurisdiction: HK}}\n    in: [banking]\n    up_to: GREEN\nnever:\n"
            ),
        )
    )
    stocked.run("apply")
    told = stocked.run("view", "lantau-life", "banking")
    assert "'later': it has not begun" in told
    assert "'before': it has ended" in told
    assert "'not here': it takes this party out with 'not'" in told


def test_json_of_a_view_is_one_document_whatever_its_length(admin):
    admin.publish(*(indicator(number) for number in range(2100)))
    banking, _ = json.loads(admin.run("view", "staff", "--json"))["collections"]
    assert len(banking["objects"]) == 2100


# -- ledger -------------------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("I10")
def test_ledger_says_who_may_see_an_object_by_which_rule_and_who_fetched_it(stocked):
    from taxii_fed.config.load import load
    from taxii_fed.core.taxii.query import ObjectQuery
    from taxii_fed.services.reading.values import Caller
    from taxii_fed.wiring import open_node

    node = open_node(load(stocked.config), adopt=False)
    node.browse.objects(Caller("harbour-bank", "siem", "192.0.2.7"), "finance", "bank-feed", ObjectQuery())
    node.close()
    holders = {each["party"]: each for each in stocked.json("ledger", GREEN)["holders"]}
    assert set(holders) == {"harbour-bank", "pearl-bank", "hk-regulator", "staff"}
    assert [each["account"] for each in holders["harbour-bank"]["fetched"]] == ["siem"]
    assert holders["pearl-bank"]["fetched"] == []
    assert holders["hk-regulator"]["rule"] == "the regulator reads what it must"
    told = stocked.run("ledger", GREEN)
    assert "siem 2026-03-02" in told
    assert "not yet" in told
    readers = {(each["party"], each["account"]): each for each in stocked.json("status")["readers"]}
    assert readers["harbour-bank", "siem"]["left"] == 0
    assert readers["harbour-bank", "siem"]["address"] == "192.0.2.7"


def test_ledger_of_a_peer_says_what_it_gave_where_it_went_and_what_was_refused(stocked):
    stocked.offer(
        indicator(20, level=Level.AMBER),
        indicator(21, level=Level.RED),
        indicator(1, level=Level.GREEN, version=1),
        identity(9, level=None),
    )
    found = stocked.json("ledger", "--peer", "eu-csirt")
    assert {each["object"]: each["to"] for each in found["given"]} == {
        stix_id("indicator", 20): ["harbour-bank", "hk-regulator", "pearl-bank", "staff"],
        stix_id("identity", 9): ["staff"],
    }
    assert {(each["object"], each["reason"]) for each in found["refused"]} == {
        (stix_id("indicator", 21), "quarantined-inbound"),
        (GREEN, "not-creator"),
    }
    stocked.offer(indicator(20, level=Level.AMBER), indicator(21, level=Level.RED))
    assert stocked.json("ledger", "--peer", "eu-csirt")["refused"] == found["refused"], "what is known already is no refusal"
    told = stocked.run("ledger", "--peer", "eu-csirt", "--since", "2026-03-02T00:00Z")
    assert "to harbour-bank, hk-regulator, pearl-bank, staff" in told
    assert "quarantined: marked above what is accepted of this peer" in told
    assert "nothing" in stocked.run("ledger", "--peer", "eu-csirt", "--since", "2030-01-01T00:00Z")


def test_ledger_of_a_peer_says_who_could_see_something_before(stocked):
    stocked.offer(indicator(20, level=Level.AMBER))
    stocked.edit(("up_to: AMBER\n    relayed_up_to: AMBER", "up_to: GREEN"))
    stocked.run("apply")
    (given,) = stocked.json("ledger", "--peer", "eu-csirt")["given"]
    assert (given["to"], given["no_longer_to"]) == (["hk-regulator", "staff"], ["harbour-bank", "pearl-bank"])


def test_the_ledger_knows_a_copy_by_either_id(stocked):
    stocked.publish(indicator(7, pattern="[ipv4-addr:value = '198.51.100.7']"))
    stocked.edit(COARSER)
    stocked.run("apply")
    holders = stocked.json("ledger", stix_id("indicator", 7))["holders"]
    (copy,) = {each["as"] for each in holders if each["derived"]}
    assert stocked.json("ledger", copy)["holders"] == holders
    now = {each["party"]: each["as"] for each in holders if each["until"] is None}
    assert now == {
        "harbour-bank": copy, "pearl-bank": copy, "hk-regulator": stix_id("indicator", 7), "staff": stix_id("indicator", 7),
    }  # fmt: skip


def test_a_report_that_was_cut_says_so(stocked):
    stocked.publish(report(30, [GREEN, VICTIM]), marked(sdo("malware", 31, name="M", is_family=False, level=None), Level.GREEN))
    (version,) = explained(stocked, stix_id("report", 30), "harbour-bank")["versions"]
    assert version["done"] == ["reference-cut"]
    told = stocked.run("explain", stix_id("report", 30), "--to", "harbour-bank")
    assert "references to what is withheld were cut" in told


def test_a_relationship_that_came_before_its_end_is_explained(admin):
    admin.publish(indicator(1), relationship(5, GREEN, stix_id("malware", 99)))
    assert outcome(admin, LINK, "harbour-bank")[0] == "visible"


def test_a_notice_is_explained_as_what_it_is(stocked):
    stocked.edit(("up_to: AMBER\n    relayed_up_to: AMBER", "up_to: GREEN"))
    stocked.run("apply")
    (notice,) = [each for each in stocked.seen("harbour-bank") if each.startswith("note--")]
    told = stocked.run("explain", notice, "--to", "harbour-bank")
    assert "a notice of withdrawal" in told
    assert "no version of it is here" not in told
    holders = stocked.json("ledger", notice)["holders"]
    assert {each["party"] for each in holders} == {"harbour-bank", "pearl-bank"}


def test_an_erased_object_is_answered_with_the_ledger(stocked):
    stocked.run("erase", GREEN, "--yes")
    told = stocked.try_("explain", GREEN, "--to", "harbour-bank")
    assert (told.exit_code, f"{GREEN} was erased; `taxii-fed ledger {GREEN}` says who had it." in told.stderr) == (1, True)


@pytest.mark.parametrize("since", ["7x", "7", "12"])
def test_a_span_that_is_none_is_refused_with_what_is_one(stocked, since):
    result = stocked.try_("ledger", "--peer", "eu-csirt", "--since", since)
    assert (result.exit_code, "expected a span such as 90m, 12h or 7d" in result.output) == (2, True)


def test_an_author_whom_nothing_names_is_said_to_go_along_with_what_does(stocked):
    author = identity(7, level=None)
    stocked.publish(author)
    alone = "it goes along with what names it, and nothing that goes out does"
    assert alone in stocked.run("explain", author["id"], "--to", "harbour-bank")
    assert alone not in stocked.run("explain", author["id"], "--to", "lantau-life"), "which reads nothing here"
    stocked.publish(indicator(70, created_by_ref=author["id"]))
    said = stocked.run("explain", author["id"], "--to", "harbour-bank")
    assert "visible since" in said
    assert alone not in said
