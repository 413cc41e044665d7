"""The examples in config/ load without mistakes and warnings, and say what the model's own example says."""

import re
import secrets
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from taxii_fed.config.convert import in_force
from taxii_fed.config.jsonschema import json_schema
from taxii_fed.config.lint import warnings
from taxii_fed.config.load import read
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.timestamps import parse_rfc3339

FOLDER = Path(__file__).parents[2] / "config"
EXAMPLES = sorted(path.name for path in FOLDER.glob("*.yaml"))
NOW = parse_rfc3339("2026-06-01T00:00:00Z")
ENVIRONMENT = ("EU_CSIRT_PASSWORD", "US_ISAC_TOKEN", "HK_HUB_PASSWORD")


@pytest.fixture
def example(tmp_path, monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "not the real one")
    key = tmp_path / "node.key"
    key.touch(0o600)
    key.write_text(secrets.token_hex(32))

    def example(name):
        return read(shutil.copy(FOLDER / name, tmp_path / name))

    return example


class CoreLoader(yaml.BaseLoader):
    """Reads scalars by their looks as editors do that know YAML 1.2, whose JSON Schema this is for."""


for tag, pattern, make in (
    ("bool", "true|false", lambda text: text == "true"),
    ("int", "-?[0-9]+", int),
    ("null", "~|null|", lambda text: None),
):
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), None)
    CoreLoader.add_constructor(f"tag:yaml.org,2002:{tag}", lambda loader, node, make=make: make(node.value))


def test_there_is_one_for_each_of_three_jurisdictions():
    assert EXAMPLES == ["eu-csirt.yaml", "hk-hub.yaml", "us-isac.yaml"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_no_mistakes_and_no_warnings(example, name):
    assert warnings(example(name), NOW) == ()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_in_block_style_with_comments(name):
    lines = [line for line in (FOLDER / name).read_text().splitlines() if line.strip()]
    assert not [line for line in lines if re.search(r"[{\[](?!\])", line.split("#")[0].split("'")[0])]
    assert sum(line.lstrip().startswith("#") for line in lines) > 10


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_fits_the_json_schema(name):
    raw = yaml.load((FOLDER / name).read_text(), Loader=CoreLoader)
    jsonschema.Draft202012Validator(json_schema()).validate(raw)


def test_the_hold_of_the_regulator_has_something_to_hold(example):
    terms = in_force(example("hk-hub.yaml").settings)
    statutory = next(rule for rule in terms.share if rule.name == "statutory")
    hold = next(rule for rule in terms.hold if rule.approval)
    assert statutory.relayed_up_to >= hold.what.min_tlp == Level.AMBER_STRICT


def test_each_hub_pulls_what_the_other_one_offers(example):
    settings = {name.removesuffix(".yaml"): example(name).settings for name in EXAMPLES}
    for own, node in settings.items():
        assert node.node.name == own
        for name, peer in node.peers.items():
            theirs = settings[name]
            assert peer.url == f"{theirs.server.public_url}/taxii2/"
            assert peer.home_of == (theirs.node.identity,)
            assert {pull.theirs for pull in peer.pull} <= {collection.id for collection in theirs.collections.values()}
            assert theirs.parties[own].accounts
