"""What the demo publishes is sound STIX, and points at nobody."""

import ipaddress
import json
import re

import pytest

from taxii_fed.config.load import load
from taxii_fed.core.stix.checks import check_object, check_strict
from taxii_fed.core.stix.levels import TLP_LEVELS, Level
from taxii_fed.core.timestamps import parse_stix
from taxii_fed.demo.incident import Incident
from taxii_fed.demo.nodes import NAMES, DemoError, lay_out

NOW = parse_stix("2026-06-01T12:00:00Z")
INCIDENT = Incident(NOW)
POSTED = [*INCIDENT.first_wave(), *INCIDENT.second_wave()]
OBJECTS = [value for each in POSTED for value in each.objects]
DOCUMENTATION = [ipaddress.ip_network(each) for each in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: value["id"])
def test_each_object_is_valid(value):
    assert check_object(value) == ""
    assert check_strict(value) == ""


def test_every_level_occurs():
    assert {TLP_LEVELS[value["object_marking_refs"][0]] for value in OBJECTS} == set(Level)


def test_versions_are_told_apart_and_lie_in_the_past():
    versions = [(value["id"], value.get("modified")) for value in OBJECTS if "modified" in value]
    repeated = {each for each in versions if versions.count(each) > 1}
    assert {value["type"] for value in OBJECTS if (value["id"], value.get("modified")) in repeated} == set()
    assert all(parse_stix(modified) < NOW for _, modified in versions)


def test_every_reference_is_published_by_somebody():
    ids = {value["id"] for value in OBJECTS}
    named = set(re.findall(r'"([a-z-]+--[0-9a-f-]{36})"', json.dumps(OBJECTS)))
    assert named - ids - TLP_LEVELS.keys() == set()


def test_addresses_and_hosts_are_reserved_for_documentation():
    text = json.dumps(OBJECTS)
    addresses = {ipaddress.ip_address(each) for each in re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", text)}
    assert addresses
    assert all(any(address in network for network in DOCUMENTATION) for address in addresses)
    hosts = set(re.findall(r"(?<=[@'])[a-z-]+(?:\.[a-z-]+)+", text))
    assert hosts
    assert all(host.endswith(".example") for host in hosts)


def test_the_nodes_are_laid_out_with_a_key_and_a_token_for_every_party(tmp_path):
    nodes = lay_out(tmp_path, NOW)
    assert set(nodes) == set(NAMES)
    assert len({node.port for node in nodes.values()}) == len(NAMES)
    for node in nodes.values():
        assert node.tokens.keys() == node.settings.parties.keys()
        assert {peer: node.settings.parties[peer].role for peer in node.settings.peers} == dict.fromkeys(
            set(NAMES) - {node.name}, "peer"
        )
        assert (node.folder / "node.key").stat().st_mode & 0o077 == 0


def test_an_edited_configuration_is_read_anew_and_the_paragraph_is_shown(tmp_path):
    node = lay_out(tmp_path, NOW)["eu-csirt"]
    lines = node.edit("until: 2026-06-02T12:00:00Z", "until: 2026-06-01T13:00:00Z")
    assert lines == [
        "   until the press conference:",
        "     to: {not: {role: own}}",
        "     what: {label: press-conference}",
        "-    until: 2026-06-02T12:00:00Z",
        "+    until: 2026-06-01T13:00:00Z",
        "     reason: all are to learn of it at the same hour",
    ]
    assert node.settings.hold["until the press conference"].until_at == parse_stix("2026-06-01T13:00:00Z")
    assert node.settings == load(node.config)


@pytest.mark.parametrize("before", ["no such line", "up_to: GREEN"])
def test_what_is_not_there_once_is_not_edited(tmp_path, before):
    node = lay_out(tmp_path, NOW)["eu-csirt"]
    text = node.config.read_text()
    with pytest.raises(DemoError, match="should have once"):
        node.edit(before, "up_to: CLEAR")
    assert node.config.read_text() == text


def test_a_node_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path):
    node = lay_out(tmp_path, NOW)["us-isac"]
    (node.folder / "node.key").unlink()
    node.start("serve", "--workers", "1")
    try:
        with pytest.raises(DemoError, match=r"us-isac ended by itself. Its log ends with:\n(.*\n)*.*no such file: .*node\.key"):
            node.await_ready()
    finally:
        node.stop()
