"""What a valid configuration means: types, defaults, and the value that it puts in force."""

from taxii_fed.config.convert import fingerprint, in_force
from taxii_fed.config.load import load
from taxii_fed.core.rules.model import InForce, from_doc, to_doc
from taxii_fed.core.stix.levels import Level

from .conftest import FULL, NODE


def test_a_minimal_configuration_has_the_defaults_of_the_contract(write):
    settings = load(write(NODE))
    assert str(settings.server.listen) == "127.0.0.1:8421"
    assert (settings.server.page_size, settings.server.max_page_size) == (1000, 10_000)
    assert settings.server.public_url == "https://taxii.harbour.example"
    assert settings.store.url.path == write(NODE).parent / "taxii-fed.db"


def test_relayed_content_goes_up_to_green_where_nothing_else_is_said(write):
    (rule,) = in_force(load(write(FULL))).share
    assert (rule.up_to, rule.relayed_up_to) == (Level.AMBER, Level.GREEN)


def test_what_is_in_force_survives_its_json_form(write):
    value = in_force(load(write(FULL)))
    assert from_doc(InForce, to_doc(value)) == value


def test_the_order_of_entries_does_not_change_the_fingerprint(write):
    first = fingerprint(load(write(FULL)))
    head, tail = FULL.split("communities: [hk-banking]\n", 1)
    swapped = head.replace("jurisdictions:\n  EU: [AT, DE, NO]\n", "") + "communities: [hk-banking]\n" + tail
    assert fingerprint(load(write(swapped + "jurisdictions:\n  EU: [NO, DE, AT]\n"))) == first
    assert fingerprint(load(write(FULL.replace("up_to: AMBER", "up_to: GREEN")))) != first


def test_a_mongodb_store_is_taken_and_its_secrets_never_shown(write, monkeypatch):
    url = "mongodb://hub:s3cret@db1.example:27017,db2.example/taxii_fed?replicaSet=rs0&authSource=admin"
    monkeypatch.setenv("STORE_URL", url)
    settings = load(write(NODE + "store:\n  url: {env: STORE_URL}\n"))
    assert settings.store.url.url.get_secret_value() == url
    assert str(settings.store.url) == "mongodb://db1.example:27017,db2.example/taxii_fed"
    assert "s3cret" not in repr(settings) + str(settings) + settings.model_dump_json()
