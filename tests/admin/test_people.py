"""What waits for a person: holds and their approval, the quarantine, orders to erase (I4, I10; issue: the admin's decisions)."""

from __future__ import annotations

import getpass
import json
import sqlite3

import pytest

from nodekit import START, identity, indicator, malware, note, report, sdo, stix_id
from taxii_fed.config.load import load
from taxii_fed.core.stix.levels import Level
from taxii_fed.wiring import open_node

GREEN = stix_id("indicator", 1)
SECRET = stix_id("indicator", 40)
HOLDS = (
    "never:\n",
    (
        "hold:\n"
        "  embargo:\n    to: {not: {role: own}}\n    what: {label: embargo}\n    until: 2026-03-02T12:00Z\n"
        "  foreign heads are asked:\n    to: {role: [bank, regulator]}\n    what: {origin: eu-csirt, min_tlp: AMBER}\n"
        "    until: approved\nnever:\n"
    ),
)


@pytest.fixture
def holding(stocked):
    """The stocked node with holds in force, an embargoed indicator of its own, and a foreign one that waits for a person."""
    stocked.edit(HOLDS)
    stocked.run("apply")
    stocked.publish(indicator(30, level=Level.GREEN, labels=["embargo"]))
    stocked.offer(indicator(40, level=Level.AMBER))
    return stocked


def wake(admin):
    node = open_node(load(admin.config), adopt=False)
    node.waker.wake_due()
    node.close()


# -- holds --------------------------------------------------------------------------------------------------------------------


def test_held_lists_what_waits_for_a_time_and_what_for_a_person(holding):
    found = {(each["object"], each["rule"], *each["parties"]): each["until"] for each in holding.json("held")["held"]}
    assert found == {
        (stix_id("indicator", 30), "embargo", "harbour-bank", "hk-regulator", "pearl-bank"): "2026-03-02T12:00:00.000000Z",
        (SECRET, "foreign heads are asked", "harbour-bank", "hk-regulator", "pearl-bank"): "approved",
    }
    told = holding.run("held")
    assert "2026-03-02 12:00:00Z" in told
    assert "taxii-fed approve OBJECT VERSION --to PARTY" in told
    assert holding.json("status")["held"] == 2
    assert "On hold: 2" in holding.run("status")


def test_held_says_that_nothing_is(stocked):
    assert stocked.run("held") == "Nothing is on hold.\n"
    assert stocked.json("held") == {"held": []}


def test_what_a_time_keeps_is_there_when_the_time_has_come(holding):
    assert stix_id("indicator", 30) not in holding.seen("harbour-bank")
    holding.now = START + 4 * 3_600_000_000
    wake(holding)
    assert stix_id("indicator", 30) in holding.seen("harbour-bank")
    assert [each["object"] for each in holding.json("held")["held"]] == [SECRET]


def test_an_approval_lets_one_version_go_to_one_party(holding):
    told = holding.run("approve", SECRET, "--to", "hk-regulator", "--by", "officer Chan")
    assert (
        f"banking: {SECRET} 2026-02-10T08:00:00.000Z approved past 'foreign heads are asked'; hk-regulator sees it now" in told
    )
    (answer,) = holding.json("explain", SECRET, "--to", "hk-regulator")["collections"]
    assert [(each["version"], each["rule"], each["by"]) for each in answer["approved"]] == [
        ("2026-02-10T08:00:00.000Z", "foreign heads are asked", "officer Chan")
    ]
    assert "let go past 'foreign heads are asked' by officer Chan" in holding.run("explain", SECRET, "--to", "hk-regulator")
    assert "officer Chan" not in holding.run("explain", SECRET, "--to", "harbour-bank")
    assert SECRET in holding.seen("hk-regulator")
    assert SECRET not in holding.seen("harbour-bank")
    assert [each["parties"] for each in holding.json("held")["held"] if each["object"] == SECRET] == [
        ["harbour-bank", "pearl-bank"]
    ]
    holding.offer(indicator(40, level=Level.AMBER, version=1))
    newest = [each["version"] for each in holding.json("held")["held"] if "hk-regulator" in each["parties"]]
    assert newest == ["2026-02-10T08:00:00.000Z", "2026-02-10T08:00:01.000Z"]


def test_an_approval_says_which_reference_is_still_held_back(holding):
    author = identity(43, level=Level.AMBER)
    holding.offer(author, indicator(44, level=Level.AMBER, created_by_ref=author["id"]))
    told = holding.run("approve", stix_id("indicator", 44), "--to", "harbour-bank")
    assert "harbour-bank sees it now as indicator--" in told
    assert (
        f"because of {author['id']}: a hold keeps it back until a person approves (the rule 'foreign heads are asked')" in told
    )
    holding.run("approve", author["id"], "--to", "harbour-bank")
    assert stix_id("indicator", 44) in holding.seen("harbour-bank")


def test_the_user_of_the_machine_approves_where_no_name_is_given(holding, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "chan")
    holding.run("approve", SECRET, "2026-02-10T08:00:00.000Z", "--to", "hk-regulator")
    with sqlite3.connect(holding.folder / "hub.db") as db:
        assert db.execute("SELECT approved_by, party FROM approval").fetchall() == [("chan", "hk-regulator")]


def test_an_approval_that_is_not_enough_says_what_still_keeps_it(holding):
    holding.offer(report(41, [stix_id("indicator", 42)], level=Level.AMBER), indicator(42, level=Level.AMBER))
    told = holding.run("approve", stix_id("report", 41), "--to", "harbour-bank")
    assert "harbour-bank still does not see it: it is nothing without an object that is withheld" in told


@pytest.mark.parametrize(
    ("object_id", "version", "told"),
    [
        (GREEN, "", "No hold for approval keeps"),
        (SECRET, "2020-01-01T00:00:00Z", "No collection holds"),
        ("indicator--0", "", "No collection holds indicator--0"),
    ],
)
def test_only_what_is_held_can_be_approved(holding, object_id, version, told):
    result = holding.try_("approve", object_id, *([version] if version else []), "--to", "hk-regulator")
    assert (result.exit_code, told in result.stderr) == (1, True)


def test_an_approval_names_a_version_by_its_time(holding):
    result = holding.try_("approve", SECRET, "newest", "--to", "hk-regulator")
    assert (result.exit_code, "not an RFC 3339 timestamp" in result.stderr) == (2, True)


# -- quarantine ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def apart(stocked):
    """A quarantine with one item of each kind: 1 above the ceiling, 2 not from the home, 3 with other content."""
    stocked.offer(
        indicator(50, level=Level.RED),
        indicator(1, level=Level.GREEN, version=1),
        indicator(2, level=Level.GREEN),
        jurisdiction="DE",
        level=Level.AMBER_STRICT,
    )
    return stocked


def test_the_quarantine_lists_what_was_brought_by_whom_and_why(apart):
    found = apart.json("quarantine", "list")["quarantine"]
    assert [(each["item"], each["object"], each["reason"], each["giver"]) for each in found] == [
        (1, stix_id("indicator", 50), "quarantined-inbound", "peer:eu-csirt:91d0"),
        (2, GREEN, "not-creator", "peer:eu-csirt:91d0"),
        (3, stix_id("indicator", 2), "version-conflict", "peer:eu-csirt:91d0"),
    ]
    assert "a version from somebody who is not the object's home" in apart.run("quarantine", "list", "--peer", "eu-csirt")
    assert "Did you mean 'eu-csirt'?" in apart.try_("quarantine", "list", "--peer", "eu-cert").stderr
    assert apart.run("quarantine", "list", "--in", "insurance") == "Nothing lies in quarantine.\n"
    assert [each["item"] for each in apart.json("quarantine", "list", "--object", GREEN)["quarantine"]] == [2]
    assert apart.json("status")["quarantine"] == {"peer:eu-csirt:91d0": 3}


def test_an_item_is_shown_with_what_stands_in_its_way(apart):
    told = apart.run("quarantine", "show", "3")
    assert "can't be released: other content stands under this id and version in banking" in told
    assert '"id": "indicator--' in told
    assert apart.json("quarantine", "show", "2")["content"]["modified"] == "2026-02-10T08:00:01.000Z"


def test_a_released_item_is_a_version_with_its_own_provenance_and_the_rules_say_who_sees_it(apart):
    told = apart.run("quarantine", "release", "1")
    assert told == f"item 1: released {stix_id('indicator', 50)} 2026-02-10T08:00:00.000Z\n"
    assert stix_id("indicator", 50) in apart.seen("hk-regulator")
    assert stix_id("indicator", 50) not in apart.seen("harbour-bank")
    node = open_node(load(apart.config), adopt=False)
    with node.store.read() as reader:
        (version,) = reader.versions("5d1f0a3e-8c2d-4b6a-9f3e-1a2b3c4d5e6f", [stix_id("indicator", 50)]).popitem()[1]
        home = reader.homes([stix_id("indicator", 50)]).popitem()[1]
        offers = reader.offers([version.key])[version.key]
    node.close()
    assert (version.provenance.origin, version.provenance.jurisdiction) == ("eu-csirt", "DE")
    assert home == "peer:eu-csirt"
    assert [each.giver for each in offers] == ["peer:eu-csirt:91d0"]
    assert apart.run("rebuild", "--verify") == "Every view is what the rules make of the objects.\n"
    events = apart.json("explain", stix_id("indicator", 50), "--to", "harbour-bank")["collections"][0]["door"]
    assert [each["reason"] for each in events] == ["released-by-a-person", "quarantined-inbound"]


def test_a_level_that_came_along_holds_for_what_is_released(apart):
    """The giver said AMBER+STRICT of its GREEN object; the banks read up to AMBER."""
    apart.run("quarantine", "release", "2")
    answer = apart.json("explain", GREEN, "--to", "harbour-bank")["collections"][0]
    assert [(each["version"][-5:], each["reason"]) for each in answer["versions"]] == [
        (".000Z"[-5:], "superseded-by-stricter"),
        (".000Z"[-5:], "tlp-above-ceiling"),
    ]


@pytest.mark.invariant("I4")
def test_other_content_of_a_version_that_stands_is_never_released(apart):
    result = apart.try_("quarantine", "release", "3", "1")
    assert result.exit_code == 1
    assert "Item 3 can't be released" in result.stderr
    assert "stands with other content in banking" in result.stderr
    assert result.stdout.startswith("item 1: released")
    assert [each["item"] for each in apart.json("quarantine", "list")["quarantine"]] == [2, 3]


def test_other_content_can_be_released_once_the_first_is_gone(apart):
    apart.run("erase", stix_id("indicator", 50), "--yes")
    node = open_node(load(apart.config), adopt=False)
    with node.store.read() as reader:
        terms = node.in_force.require(reader)
    from taxii_fed.core.taxii.query import ALL_VERSIONS

    node.ingest.delete(terms.parties["staff"], terms.collections["banking"], stix_id("indicator", 2), ALL_VERSIONS)
    node.close()
    apart.run("quarantine", "release", "3")
    (version,) = apart.json("explain", stix_id("indicator", 2), "--to", "hk-regulator")["collections"][0]["versions"]
    assert version["outcome"] == "visible"


def test_a_dropped_item_is_gone_and_the_audit_keeps_its_id(apart):
    assert "item 2: dropped" in apart.run("quarantine", "drop", "2")
    assert [each["item"] for each in apart.json("quarantine", "list")["quarantine"]] == [1, 3]
    refused = apart.json("ledger", "--peer", "eu-csirt")["refused"]
    assert [each["reason"] for each in refused if each["object"] == GREEN] == ["not-creator", "dropped-by-a-person"]


def test_what_referred_to_an_item_is_looked_at_again_when_it_is_dropped(apart):
    target = stix_id("indicator", 50)
    apart.publish(note(51, [target], level=Level.GREEN))
    assert stix_id("note", 51) not in apart.seen("harbour-bank")
    apart.run("quarantine", "drop", "1")
    assert stix_id("note", 51) in apart.seen("harbour-bank")
    assert apart.run("rebuild", "--verify").startswith("Every view")


# -- erase --------------------------------------------------------------------------------------------------------------------


def test_erase_shows_what_would_go_and_wants_a_yes(stocked):
    result = stocked.try_("erase", GREEN)
    assert result.exit_code == 1
    assert "1 version in banking" in result.stderr
    assert "seen by harbour-bank, hk-regulator, pearl-bank, staff" in result.stderr
    assert f"taxii-fed erase {GREEN} --yes" in result.stderr
    assert GREEN in stocked.seen("harbour-bank")


@pytest.mark.invariant("I10")
def test_erase_tells_who_held_it_and_leaves_hashes_and_times(stocked):
    stocked.edit(("never:\n", "change:\n  coarser:\n    to: {role: bank}\n    generalise_ip: {v4: 24}\nnever:\n"))
    stocked.run("apply")
    stocked.publish(indicator(7, pattern="[ipv4-addr:value = '198.51.100.77']"), indicator(7, version=1))
    stocked.publish(report(60, [stix_id("indicator", 7), GREEN]))
    stocked.offer(indicator(7, version=2))
    source = stix_id("indicator", 7)
    gone = stocked.json("erase", source, "--yes")
    assert (gone["versions"], gone["copies"], gone["quarantined"]) == (2, 1, 1)
    assert gone["told"] == ["harbour-bank", "hk-regulator", "pearl-bank", "staff"]
    for party in ("harbour-bank", "hk-regulator"):
        assert len([each for each in stocked.seen(party) if each.startswith("note--")]) == 1
    holders = stocked.json("ledger", source)["holders"]
    assert holders
    assert all(each["as"].startswith("sha256:") and each["until"] for each in holders)
    with sqlite3.connect(stocked.folder / "hub.db") as db:
        bodies = b"".join(body for (body,) in db.execute("SELECT content FROM body"))
        text = "\n".join(db.iterdump())
    assert b"198.51.100.77" not in bodies
    assert "198.51.100.77" not in text
    cut = stocked.json("explain", stix_id("report", 60), "--to", "hk-regulator")["collections"][0]["versions"][0]
    assert cut["done"] == ["reference-cut"]
    assert stocked.run("rebuild", "--verify").startswith("Every view")


def test_what_was_erased_never_comes_back(stocked):
    stocked.run("erase", GREEN, "--yes")
    assert stocked.offer(indicator(1, level=Level.GREEN), indicator(1, level=Level.GREEN, version=1)) == {"erased": 2}
    path = stocked.folder / "again.json"
    path.write_text(json.dumps([indicator(1, level=Level.GREEN, version=2)]))
    result = stocked.try_("import", str(path), "--into", "banking")
    assert (result.exit_code, "refused: it was erased here" in result.stderr) == (1, True)
    assert GREEN not in stocked.seen("staff")
    with sqlite3.connect(stocked.folder / "hub.db") as db:
        assert db.execute("SELECT count(*) FROM door WHERE object_id = ?", (GREEN,)).fetchone() == (0,)


def test_the_id_of_a_copy_is_answered_with_its_source(stocked):
    stocked.edit(("never:\n", "change:\n  coarser:\n    to: {role: bank}\n    drop: [name]\nnever:\n"))
    stocked.run("apply", "--yes")
    copy = next(each for each in stocked.seen("harbour-bank") if each.startswith("indicator--"))
    result = stocked.try_("erase", copy, "--yes")
    assert (result.exit_code, "is the id of a derived copy of indicator--" in result.stderr) == (1, True)


def test_an_object_that_only_lies_in_quarantine_can_be_erased(apart):
    assert apart.json("erase", stix_id("indicator", 50), "--yes")["quarantined"] == 1
    assert [each["item"] for each in apart.json("quarantine", "list")["quarantine"]] == [2, 3]


def test_a_malware_that_nothing_is_known_of_can_not_be_erased(stocked):
    result = stocked.try_("erase", stix_id("malware", 99), "--yes")
    assert (result.exit_code, "This node holds nothing of" in result.stderr) == (1, True)


def test_a_custom_object_is_erased_like_any_other(stocked):
    stocked.publish({**sdo("x-acme-thing", 1), "x_colour": "red"}, malware(70))
    stocked.run("erase", stix_id("x-acme-thing", 1), "--yes")
    assert stix_id("x-acme-thing", 1) not in stocked.seen("staff")


@pytest.mark.parametrize("command", ["show", "release", "drop"])
def test_what_is_no_number_of_an_item_is_refused_with_where_those_are(apart, command):
    result = apart.try_("quarantine", command, "x")
    assert result.exit_code == 2
    assert "'x' is not a valid number of an item, such as 'taxii-fed quarantine list' shows." in result.output
    assert apart.try_("quarantine", command, "9" * 30).exit_code == 2
