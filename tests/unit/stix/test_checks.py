"""What a STIX object must be to be taken in."""

import pytest

from taxii_fed.core.stix.checks import MAX_DEPTH, check_depth, check_object, check_strict, is_id, is_timestamp
from taxii_fed.core.stix.levels import TLP_LEVELS, tlp_definition

UUID = "0f6a6b1e-8a2c-4f7e-9d55-3f1f6c1b7a10"
GREEN = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"


def indicator(**members):
    value = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{UUID}",
        "created": "2026-03-02T09:00:00.000Z",
        "modified": "2026-03-02T09:00:00.000Z",
        "pattern": "[ipv4-addr:value = '203.0.113.7']",
        "pattern_type": "stix",
        "valid_from": "2026-03-02T09:00:00Z",
        **members,
    }
    return {name: item for name, item in value.items() if item is not ...}


def address(**members):
    return {"type": "ipv4-addr", "id": "ipv4-addr--efcd5e80-570d-5131-b213-62cb18eaa6a8", "value": "203.0.113.7", **members}


FINE = {
    "an indicator": indicator(),
    "an observable without times and edition": address(),
    "an observable that has an edition": address(spec_version="2.1"),
    "a STIX 2.0 object": indicator(spec_version=...),
    "a custom type": indicator(type="x-acme-case", id=f"x-acme-case--{UUID}"),
    "a custom observable": {"type": "x-acme-iban", "id": f"x-acme-iban--{UUID}", "spec_version": "2.1"},
    "a custom reference that is none": indicator(x_acme_ref="", x_acme_refs=[7]),
    "unknown members": indicator(x_acme={"a": [1, None]}, wholly_unknown=True),
    "a later version": indicator(modified="2026-03-02T09:00:00.0001Z"),
    "any number of digits": indicator(created="2026-03-02T09:00:00Z", modified="2026-03-02T09:00:00.123456789Z"),
    "the last day of a leap year's February": indicator(valid_until="2028-02-29T00:00:00Z"),
    "a leap second": indicator(valid_until="2016-12-31T23:59:60Z"),
    "markings": indicator(object_marking_refs=[GREEN]),
    "granular markings": indicator(
        granular_markings=[{"selectors": ["name"], "marking_ref": GREEN}, {"selectors": ["description"], "lang": "de"}]
    ),
    "the edges of confidence": indicator(confidence=100),
    "no labels": indicator(labels=[]),
    "an extension": indicator(extensions={f"extension-definition--{UUID}": {"extension_type": "property-extension"}}),
    "a statement marking": {
        "type": "marking-definition",
        "id": f"marking-definition--{UUID}",
        "created": "2026-03-02T09:00:00Z",
        "definition_type": "statement",
        "definition": {"statement": "Copyright"},
    },
    "a UUID of version 7": indicator(id="indicator--0195a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"),
}


@pytest.mark.parametrize("value", FINE.values(), ids=FINE)
def test_good_objects_of_every_kind_are_taken(value):
    assert check_object(value) == ""


REFUSED = {
    "no object": ([], "expected a JSON object, found an empty list"),
    "no type": (indicator(type=...), "type: expected a STIX type such as indicator, found none"),
    "a type in capitals": (indicator(type="Indicator"), "type: expected a STIX type"),
    "a type with a double hyphen": (indicator(type="x--y"), "type: expected a STIX type"),
    "a type that is too short": (indicator(type="x"), "type: expected a STIX type"),
    "a type that is too long": (indicator(type="x" * 251), "type: expected a STIX type"),
    "a nested bundle": (
        {"type": "bundle", "objects": []},
        "type: a bundle is no STIX object; put its objects into the envelope",
    ),
    "no id": (indicator(id=...), "id: expected indicator--UUID, found none"),
    "an id that is no string": (indicator(id=7), "id: expected indicator--UUID, found the number 7"),
    "an id without a UUID": (indicator(id="indicator--7"), "id: expected indicator--UUID, found 'indicator--7'"),
    "an id with a line break": (indicator(id=f"indicator--{UUID}\n"), "id: expected indicator--UUID"),
    "an id in capitals": (indicator(id=f"indicator--{UUID.upper()}"), "id: expected indicator--UUID"),
    "an id of another type": (indicator(id=f"malware--{UUID}"), "id: expected indicator--UUID to fit type"),
    "an unknown edition": (indicator(spec_version="3.0"), "spec_version: expected"),
    "an edition that is no string": (indicator(spec_version=[2]), "spec_version: expected"),
    "an edition of null": (indicator(spec_version=None), "spec_version: expected"),
    "no created": (indicator(created=...), "created: required in an indicator"),
    "no modified": (indicator(modified=...), "modified: required in an indicator"),
    "a marking definition without created": (
        {"type": "marking-definition", "id": f"marking-definition--{UUID}"},
        "created: required in a marking-definition",
    ),
    "a time with an offset": (
        indicator(created="2026-03-02T09:00:00+08:00"),
        "created: '2026-03-02T09:00:00+08:00' is not a STIX",
    ),
    "a time that is null": (address(modified=None), "modified: None is not a STIX timestamp"),
    "a day that does not exist": (
        indicator(valid_until="2026-02-30T00:00:00Z"),
        "valid_until: '2026-02-30T00:00:00Z' names a date",
    ),
    "the year zero": (indicator(valid_until="0000-02-01T00:00:00Z"), "valid_until: "),
    "modified before created": (indicator(modified="2026-03-02T08:59:59.999Z"), "modified: earlier than created"),
    "modified before created in other digits": (
        indicator(modified="2026-03-02T08:59:59.9999Z"),
        "modified: earlier than created",
    ),
    "a relationship without an end": (
        indicator(type="relationship", id=f"relationship--{UUID}", source_ref=f"malware--{UUID}"),
        "target_ref: required in a relationship",
    ),
    "a sighting of nothing": (indicator(type="sighting", id=f"sighting--{UUID}"), "sighting_of_ref: required in a sighting"),
    "a statement under the id of a TLP definition": (
        {**FINE["a statement marking"], "id": GREEN},
        "id: that of the definition of TLP:GREEN, which STIX has fixed and this is not",
    ),
    "another level under the id of a TLP definition": (
        {**FINE["a statement marking"], "id": GREEN, "definition_type": "tlp", "definition": {"tlp": "white"}},
        "id: that of the definition of TLP:GREEN",
    ),
    "a TLP definition without a level that is a word": (
        {**FINE["a statement marking"], "id": GREEN, "definition_type": "tlp", "definition": {"tlp": ["green"]}},
        "id: that of the definition of TLP:GREEN",
    ),
    "an empty list of markings": (
        indicator(object_marking_refs=[]),
        "object_marking_refs: expected a list of marking-definition ids",
    ),
    "a marking that is a word": (
        indicator(object_marking_refs=[GREEN, "tlp:green"]),
        "object_marking_refs[1]: expected marking-definition--UUID, found 'tlp:green'",
    ),
    "markings that are no list": (indicator(object_marking_refs=GREEN), "object_marking_refs: expected a list"),
    "granular markings that are no list": (indicator(granular_markings={}), "granular_markings: expected a list"),
    "a granular marking that is a string": (
        indicator(granular_markings=["name"]),
        "granular_markings[0]: expected a granular marking",
    ),
    "a granular marking of nothing": (
        indicator(granular_markings=[{"selectors": [], "marking_ref": GREEN}]),
        "granular_markings[0].selectors: expected a list",
    ),
    "a selector that is no string": (
        indicator(granular_markings=[{"selectors": [1], "marking_ref": GREEN}]),
        "granular_markings[0].selectors: expected a list",
    ),
    "a selector of a thousand dots": (
        indicator(granular_markings=[{"selectors": ["name", "." * 1001], "marking_ref": GREEN}]),
        "granular_markings[0].selectors: expected property paths of up to 1000 characters",
    ),
    "a granular marking with both": (
        indicator(granular_markings=[{"selectors": ["name"], "marking_ref": GREEN, "lang": "de"}]),
        "granular_markings[0]: expected either marking_ref or lang",
    ),
    "a granular marking with neither": (
        indicator(granular_markings=[{"selectors": ["name"]}]),
        "granular_markings[0]: expected either marking_ref or lang",
    ),
    "a granular marking by a word": (
        indicator(granular_markings=[{"selectors": ["name"], "marking_ref": None}]),
        "granular_markings[0].marking_ref: expected marking-definition--UUID, found null",
    ),
    "a language that is no string": (
        indicator(granular_markings=[{"selectors": ["name"], "lang": 7}]),
        "granular_markings[0].lang: expected a language code",
    ),
    "labels that are a string": (indicator(labels="phishing"), "labels: expected a list of strings"),
    "a label that is a number": (indicator(labels=[1]), "labels: expected a list of strings"),
    "confidence beyond 100": (indicator(confidence=101), "confidence: expected an integer from 0 to 100, found the number 101"),
    "confidence that is true": (indicator(confidence=True), "confidence: expected an integer from 0 to 100, found true"),
    "confidence with a fraction": (indicator(confidence=50.0), "confidence: expected an integer from 0 to 100"),
    "revoked that is a string": (indicator(revoked="false"), "revoked: expected true or false, found 'false'"),
    "a creator that is no identity": (indicator(created_by_ref=f"malware--{UUID}"), "created_by_ref: expected identity--UUID"),
    "a reference that is no id": (indicator(sample_ref="0"), "sample_ref: expected a STIX id (type--UUID), found '0'"),
    "references that are no list": (indicator(object_refs=f"malware--{UUID}"), "object_refs: expected a list of STIX ids"),
    "a reference among others that is no id": (
        indicator(object_refs=[f"malware--{UUID}", None]),
        "object_refs[1]: expected a STIX id (type--UUID), found null",
    ),
    "extensions that are a list": (indicator(extensions=[]), "extensions: expected an object, found an empty list"),
    "an extension that is a string": (indicator(extensions={"a": "b"}), "extensions: expected an object for each extension"),
    "a pattern that is no string": (indicator(pattern=["a"]), "pattern: expected a string, found a list"),
    "far too many members": (indicator(**{f"x_{index}": 0 for index in range(1000)}), "1008 members, more than 1000"),
}


@pytest.mark.taxii("S-5.5-09")
@pytest.mark.parametrize(("value", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_bad_object_is_refused_with_member_and_expectation(value, problem):
    assert check_object(value).startswith(problem)


@pytest.mark.parametrize("marking_id", TLP_LEVELS)
def test_the_standard_definitions_of_tlp_are_taken(marking_id):
    assert check_object(tlp_definition(marking_id)) == ""


def test_a_message_stays_short_whatever_it_quotes():
    assert len(check_object(indicator(id="indicator--" + "x" * 10_000))) < 200


def test_depth_is_bounded():
    def nested(levels):
        value = {}
        for _ in range(levels - 1):
            value = {"a": [value]} if levels % 2 else {"a": value}
        return value

    assert check_depth(nested(MAX_DEPTH)) == ""
    assert check_depth(nested(MAX_DEPTH + 2)) == f"nested deeper than {MAX_DEPTH} levels"


@pytest.mark.parametrize("text", ["indicator--7", "", None, f"indicator-{UUID}", f"--{UUID}", f"{'x' * 300}--{UUID}"])
def test_what_is_no_id(text):
    assert not is_id(text)
    assert is_id(f"x-acme-case--{UUID}")


def test_what_is_no_timestamp():
    assert is_timestamp("2026-03-02T09:00:00Z")
    assert not is_timestamp("2026-13-02T09:00:00Z")
    assert not is_timestamp(None)


def test_the_strict_check_takes_custom_content():
    assert check_strict(indicator(x_acme="a")) == ""
    assert check_strict(address()) == ""
    assert check_strict(indicator(type="x-acme-case", id=f"x-acme-case--{UUID}")) == ""


def test_the_strict_check_reads_the_pattern():
    assert check_strict(indicator(pattern="[ipv4-addr:value = ")).startswith("not valid STIX 2.1: Invalid value for Indicator")


def test_the_strict_check_does_not_parse_a_pattern_without_end():
    assert "too long to be checked" in check_strict(indicator(pattern="[a:b = 'c'] AND " * 10_000 + "[a:b = 'c']"))


def test_the_strict_check_asks_for_what_stix_requires():
    assert "pattern" in check_strict(indicator(pattern=...))


def test_the_strict_check_follows_selectors_into_lists():
    marked = {"external_references": [{"source_name": "cert", "url": "https://cert.example/"}], "labels": ["a"]}
    for selector in ("external_references.[0].url", "external_references.[0]", "labels.[0]", "pattern"):
        assert check_strict(indicator(**marked, granular_markings=[{"lang": "en", "selectors": [selector]}])) == ""
    for selector in ("external_references.[1].url", "labels.[1]", "nothing"):
        assert selector in check_strict(indicator(**marked, granular_markings=[{"lang": "en", "selectors": [selector]}]))


def test_the_strict_check_does_not_touch_the_object():
    value = indicator(labels=["a"], x_acme={"b": [1.0]})
    check_strict(value)
    assert value == indicator(labels=["a"], x_acme={"b": [1.0]})
