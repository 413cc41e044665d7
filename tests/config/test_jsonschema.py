"""The JSON Schema takes what `check` takes, as far as it can, and tells what each setting is for."""

import json

import jsonschema
import pytest

from taxii_fed.config.jsonschema import default_text, field_docs, json_schema, sections
from taxii_fed.config.schema import Peer, Server

SCHEMA = json_schema()


def valid(**more):
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(more)


def test_it_is_json_and_a_schema_itself():
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_setting_is_described_and_unknown_keys_are_refused():
    for section in sections():
        docs = field_docs(section)
        assert set(docs) == set(section.model_fields), section.__name__
        if section.__name__ in SCHEMA["$defs"]:
            definition = SCHEMA["$defs"][section.__name__]
            assert definition["additionalProperties"] is False
            assert definition["description"]
            assert all(member["description"] for member in definition["properties"].values())


def test_defaults_are_written_as_an_admin_would():
    defaults = SCHEMA["$defs"]["Peer"]["properties"] | SCHEMA["$defs"]["Server"]["properties"]
    assert {key: member["default"] for key, member in defaults.items() if "default" in member} == {
        "taxii": "2.1",
        "timeout": "1m",
        "every": "5m",
        "overlap": "10m",
        "reconcile": "1d",
        "max_page": 1000,
        "max_bytes": "50MB",
        "accept_up_to": "RED",
        "above": "quarantine",
        "listen": "127.0.0.1:8421",
        "page_size": 1000,
        "max_page_size": 10000,
        "max_page_bytes": "50MB",
        "max_content_length": "10MB",
        "empty_objects": False,
    }
    assert default_text(Peer, "url") == default_text(Server, "tls") == ""


@pytest.mark.parametrize(
    ("more", "fits"),
    [
        ({"parties": {"bank": {"role": "bank"}}}, True),
        ({"parties": {"bank": {"roel": "bank"}}}, False),
        ({"parties": {"a bank": {"role": "bank"}}}, False),
        ({"parties": {"bank": {"role": "banc"}}}, False),
        ({"parties": {"bank": {"role": {"env": "ROLE"}}}}, True),
        ({"parties": {"bank": {"role": "bank", "communities": ["x", {"name": "y", "from": "2026-01-01T00:00Z"}]}}}, True),
        ({"parties": {"bank": {"role": "bank", "communities": [{"name": "y", "from": "2026-01-01"}]}}}, False),
        ({"parties": None, "never": None, "communities": None}, True),
        ({"share": {"r": {"to": {}, "in": "all", "up_to": "RED"}}}, True),
        ({"share": {"r": {"to": {}, "in": [], "up_to": "RED"}}}, False),
        ({"share": {"r": {"to": {"not": {"role": "bank"}}, "in": "x", "up_to": "RED"}}}, True),
        ({"share": {"r": {"to": {"not": [{"role": ["bank"]}]}, "in": ["x"], "up_to": "RED"}}}, True),
        ({"share": {"r": {"in": ["x"], "up_to": "RED"}}}, False),
        ({"peers": {"p": {"url": "https://x.example", "auth": {"username": "u", "password": "secret"}}}}, False),
        ({"peers": {"p": {"url": "https://x.example", "auth": {"username": "u", "password": {"env": "P"}}}}}, True),
        ({"peers": {"p": {"url": "https://x.example", "removal_guard": "off"}}}, True),
        ({"peers": {"p": {"url": "https://x.example", "allow_private": True}}}, True),
        ({"server": {"public_url": "https://x.example", "tls": "none"}}, True),
        ({"include": ["conf.d/*.yaml"]}, True),
        ({"includes": ["conf.d/*.yaml"]}, False),
    ],
)
def test_it_tells_right_from_wrong(more, fits):
    assert valid(**more) is fits
