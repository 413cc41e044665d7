"""The worked scenarios as far as one object decides them: what `edit`, `cut_references` and `finish` make of their objects."""

import re

from taxii_fed.core.derive import copy_id, cut_references, edit, finish, profile, valid
from taxii_fed.core.rules.model import Change
from taxii_fed.core.stix.levels import Level
from unit.derive.builders import (
    AMBER,
    GENERALISE,
    GREEN,
    KEYS,
    NODE,
    PSEUDONYMS,
    RED,
    REDACT_IP,
    domain_object,
    edits,
    indicator,
    observable,
)


def copy_of(obj, *changes, ceiling=Level.GREEN):
    """The finished copy of one object; asserts that there is one and that it is valid."""
    done = edit(obj, edits(*changes, ceiling=ceiling), KEYS)
    assert (done.changed, done.problem) == (True, "")
    result, problem = finish(done.obj, source_id=obj["id"], new_id=copy_id(obj, done.obj, KEYS, profile(changes)), creator=NODE)
    assert (problem, valid(result)) == ("", "")
    return result


def reasons(obj, *changes, **terms):
    return edit(obj, edits(*changes, **terms), KEYS).reasons


def problem(obj, *changes):
    return edit(obj, edits(*changes), KEYS).problem


def is_original(obj, *changes):
    done = edit(obj, edits(*changes, ceiling=Level.GREEN), KEYS)
    return not done.changed and not done.problem and done.obj is obj


def test_s05_a_red_property_goes_and_takes_its_marking_with_it():
    mixed = indicator(
        description="Seen first at Harbour Bank treasury desk, case 2291",
        confidence=80,
        granular_markings=[{"marking_ref": RED, "selectors": ["description"]}],
        object_marking_refs=[AMBER],
    )
    result = copy_of(mixed, ceiling=Level.AMBER)
    expected = {key: value for key, value in mixed.items() if key not in {"description", "granular_markings"}}
    assert result == {**expected, "id": result["id"], "created_by_ref": NODE}
    assert result["id"] != mixed["id"]
    assert reasons(mixed, ceiling=Level.AMBER) == ("property-marking",)
    assert edit(mixed, edits(ceiling=Level.RED), KEYS).obj is mixed


def test_s09_an_address_in_a_pattern_becomes_its_network():
    source = indicator("[ipv4-addr:value = '198.51.100.23']", name="C2 node")
    result = copy_of(source, GENERALISE)
    assert result["pattern"] == "[ipv4-addr:value ISSUBSET '198.51.100.0/24']"
    assert result["name"] == "C2 node"
    assert reasons(source, GENERALISE) == ("ip-generalised",)


def test_s09_a_domain_a_malware_and_a_relationship_stay_originals():
    assert is_original(indicator("[domain-name:value = 'dom.example']"), GENERALISE)
    assert is_original(domain_object("malware", name="BrickLoader", is_family=True), GENERALISE)
    relationship = domain_object(
        "relationship",
        relationship_type="indicates",
        source_ref="indicator--d9ffd2fc-0a5a-4640-9f1a-dc7fba1d1a94",
        target_ref="malware--3c6a38ba-f1f2-4013-a4bf-86098792d467",
    )
    assert is_original(relationship, GENERALISE)


def test_s10_ipv6_is_generalised_in_patterns_and_observables_and_the_mapped_form_is_withheld():
    v6 = copy_of(indicator("[ipv6-addr:value = '2001:db8:85a3:8d3:1319:8a2e:370:7348']"), GENERALISE)
    assert v6["pattern"] == "[ipv6-addr:value ISSUBSET '2001:db8:85a3::/48']"
    observed = copy_of(observable("ipv6-addr", value="2001:db8:85a3:8d3:1319:8a2e:370:7348"), GENERALISE)
    assert observed["value"] == "2001:db8:85a3::/48"
    assert observed["id"] == "ipv6-addr--2a50470b-c9dc-5b93-8fa0-d2c92c80e12e"
    assert problem(indicator("[ipv6-addr:value = '::ffff:198.51.100.77']"), GENERALISE) == "untransformable"


def test_s10_a_relationship_follows_both_ends_to_their_copies():
    based = domain_object("relationship", relationship_type="related-to", source_ref="indicator--1", target_ref="ipv6-addr--2")
    closed = cut_references(based, set(), {"indicator--1": "indicator--a", "ipv6-addr--2": "ipv6-addr--b"})
    assert (closed.problem, closed.cut) == ("", False)
    assert (closed.obj["source_ref"], closed.obj["target_ref"]) == ("indicator--a", "ipv6-addr--b")


def test_s11_a_url_with_an_address_for_a_host_is_withheld_and_one_with_a_name_passes():
    assert problem(indicator("[url:value = 'http://198.51.100.41:8080/gate.php']"), GENERALISE) == "untransformable"
    assert problem(observable("url", value="http://198.51.100.41:8080/gate.php"), GENERALISE) == "untransformable"
    assert is_original(indicator("[url:value = 'https://pay.tally-check.example/198/gate.php']"), GENERALISE)


def test_s11_the_rest_of_a_pattern_keeps_its_wording():
    both = copy_of(
        indicator("[url:value = 'https://tally-check.example/a'] AND [ipv4-addr:value = '198.51.100.41']"), GENERALISE
    )
    assert both["pattern"] == "[url:value = 'https://tally-check.example/a'] AND [ipv4-addr:value ISSUBSET '198.51.100.0/24']"


def test_s12_mail_addresses_become_keyed_pseudonyms_without_display_names():
    victim = observable("email-addr", value="anna.keller@rhein-bank.example", display_name="Anna Keller")
    result = copy_of(victim, PSEUDONYMS)
    assert set(result) == {"type", "spec_version", "id", "value"}
    assert re.fullmatch(r"[0-9a-f]{32}@pseudonym\.invalid", result["value"])
    assert reasons(victim, PSEUDONYMS) == ("email-pseudonymised",)
    again = copy_of(observable("email-addr", value="Anna.Keller@Rhein-Bank.example"), PSEUDONYMS)
    assert again["value"] == result["value"]
    assert again["id"] == result["id"]
    other = copy_of(victim, Change(name="x", pseudonymise_email="k-hk"))
    assert other["value"] != result["value"]


def test_s12_a_message_and_its_observed_data_point_to_the_pseudonyms():
    message = observable(
        "email-message", is_multipart=False, from_ref="email-addr--1", to_refs=["email-addr--2"], subject="Overdue invoice 4471"
    )
    assert is_original(message, PSEUDONYMS)
    closed = cut_references(message, set(), {"email-addr--1": "email-addr--a", "email-addr--2": "email-addr--b"})
    assert closed.obj == {**message, "from_ref": "email-addr--a", "to_refs": ["email-addr--b"]}
    assert copy_id(message, closed.obj, KEYS, "") != copy_id(message, {**message, "to_refs": ["x"]}, KEYS, "")


def test_s13_addresses_leave_names_text_and_links_and_look_alikes_stay():
    texty = indicator(
        "[domain-name:value = 'cdn-sync.example']",
        name="C2 at 198.51.100.23",
        description="Beacons to 198[.]51[.]100[.]23 and hxxp://203.0.113.9/a, then 2001:db8::5 port 443. "
        "Seen at 12:30:45 with agent 7.4.2; it crashes in std::vector.",
        external_references=[{"source_name": "tracker", "url": "https://tracker.example/ip/198.51.100.23"}],
    )
    result = copy_of(texty, REDACT_IP)
    assert result["name"] == "C2 at [ip removed]"
    assert result["description"] == (
        "Beacons to [ip removed] and hxxp://[ip removed]/a, then [ip removed] port 443. "
        "Seen at 12:30:45 with agent 7.4.2; it crashes in std::vector."
    )
    assert result["external_references"] == [{"source_name": "tracker", "url": "https://tracker.example/ip/%5Bip%20removed%5D"}]
    assert reasons(texty, REDACT_IP) == ("ip-redacted",)
    assert is_original(indicator(description="Agent 7.4.2 crashes in std::vector at 12:30:45"), REDACT_IP)


def test_s14_a_sighting_loses_the_victim_and_keeps_its_count():
    sight = domain_object("sighting", sighting_of_ref="indicator--1", where_sighted_refs=["identity--2"], count=14)
    closed = cut_references(sight, {"identity--2"}, {})
    assert (closed.problem, closed.cut) == ("", True)
    assert closed.obj == {key: value for key, value in sight.items() if key != "where_sighted_refs"}


def test_s15_a_revocation_keeps_the_id_of_the_copy_it_revokes():
    first = copy_of(indicator("[ipv4-addr:value = '192.0.2.88']"), GENERALISE)
    revoked = copy_of(
        indicator("[ipv4-addr:value = '192.0.2.88']", modified="2026-03-02T10:30:00.000Z", revoked=True), GENERALISE
    )
    assert revoked["id"] == first["id"]
    assert (revoked["revoked"], revoked["modified"]) == (True, "2026-03-02T10:30:00.000Z")


def test_s23_a_relationship_to_something_withheld_is_withheld():
    ends = {"relationship_type": "indicates", "source_ref": "indicator--1", "target_ref": "campaign--2"}
    assert cut_references(domain_object("relationship", **ends), {"campaign--2"}, {}).problem == "reference-withheld"


def test_s26_a_custom_property_with_an_address_is_removed_and_the_others_stay():
    rule = Change(name="text", redact_text=("ip",), redact_token="[ip removed]", remove_unknown_if_hit=True)
    xprop = indicator(name="Mule panel", x_rd_source_host="198.51.100.60", x_rd_score=7)
    result = copy_of(xprop, rule)
    assert "x_rd_source_host" not in result
    assert (result["name"], result["x_rd_score"]) == ("Mule panel", 7)
    assert reasons(xprop, rule) == ("unknown-property-removed",)
    extension = {
        "extension-definition--1c3179f7-1b53-45fa-b1ec-ddcc1e6cba42": {"extension_type": "property-extension", "rail_score": 5}
    }
    assert is_original(indicator(extensions=extension), rule)


def test_s28_an_observed_data_loses_the_withheld_observable():
    observed = domain_object(
        "observed-data",
        first_observed="2026-02-09T07:00:00Z",
        last_observed="2026-02-09T07:10:00Z",
        number_observed=6,
        object_refs=["domain-name--1", "ipv4-addr--2"],
    )
    assert cut_references(observed, {"ipv4-addr--2"}, {}).obj == {**observed, "object_refs": ["domain-name--1"]}
    assert cut_references(observed, {"ipv4-addr--2", "domain-name--1"}, {}).problem == "reference-withheld"


def test_s30_an_anonymous_submission_has_the_node_for_its_creator():
    rule = Change(name="anonymous", hide_creator=True)
    anon = indicator(
        name="Payroll lure", created_by_ref="identity--9e547c3e-4f9f-46d6-88ec-516e70bcf7ee", labels=["anonymous-submission"]
    )
    result = copy_of(anon, rule)
    assert result == {**anon, "id": result["id"], "created_by_ref": NODE}
    assert reasons(anon, rule) == ("creator-anonymised",)
    assert is_original(indicator(), rule)


def test_markings_of_a_copy_are_those_of_its_source():
    assert copy_of(indicator("[ipv4-addr:value = '192.0.2.88']"), GENERALISE)["object_marking_refs"] == [GREEN]
