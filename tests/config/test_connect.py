"""`connect` tells a party all that it needs, for each product, and no secret."""

import ast
import json
from ipaddress import ip_address

import pytest
import yaml
from click.testing import CliRunner

from taxii_fed.cli.clients import PRODUCTS
from taxii_fed.cli.main import main
from taxii_fed.config.load import load, loads

from .conftest import FULL

HASH = "$argon2id$v=19$m=65536,t=3,p=4$v37TGFkKs3BdPVELmS0DHA$hPC2I5EFLXLGCpohNqkoamwvrHti+dF9Auqksd3gGjI"
CERTIFICATE = "{certificate: {subject: CN=siem}}"
TEXT = FULL.replace(
    "  eu-csirt: {role: peer, jurisdiction: EU, organisation: EU FI-CSIRT}\n",
    f"""\
      by-certificate: {CERTIFICATE}
  eu-csirt:
    role: peer
    jurisdiction: EU
    accounts:
      eu-csirt: {{password_hash: '{HASH}'}}
  lone: {{role: vendor}}
  writer: {{role: vendor, publish: [payments], accounts: {{writer: {{password_hash: '{HASH}'}}}}}}
""",
).replace(
    "share:\n",
    "share:\n  peers:\n    to: {role: peer}\n    in: [banking]\n    up_to: GREEN\n    relayed_up_to: CLEAR\n",
)
OBJECTS = "https://taxii.harbour.example/finance/collections/5d1f0a3e-8c2d-4b6a-9f3e-1a2b3c4d5e6f/objects/"


@pytest.fixture
def run(write):
    path = write(TEXT)

    def run(*arguments):
        return CliRunner().invoke(main, ["--config", str(path), "connect", *arguments])

    return run


def document(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_it_tells_urls_ids_and_rights_with_their_rules(run):
    doc = document(run("harbour-bank", "--json"))
    assert doc["discovery_url"] == "https://taxii.harbour.example/taxii2/"
    assert doc["api_roots"] == {"finance": "https://taxii.harbour.example/finance/"}
    (banking,) = doc["collections"]
    assert (banking["title"], banking["objects_url"], banking["writes"]) == ("Banking", OBJECTS, True)
    assert banking["reads"] == [{"rule": "banks read banking", "up_to": "AMBER", "relayed_up_to": "GREEN"}]


def test_a_collection_without_a_right_is_not_named(run):
    text = run("eu-csirt").stdout
    assert "Payments" not in text
    assert "6e2a1b4f" not in text


def test_it_tells_how_to_log_in(run):
    doc = document(run("harbour-bank", "--json"))
    assert [(each["name"], each["ways"]) for each in doc["accounts"]] == [
        ("siem", ["token"]),
        ("by-certificate", ["certificate"]),
    ]
    assert [each["name"] for each in document(run("harbour-bank", "by-certificate", "--json"))["accounts"]] == [
        "by-certificate"
    ]


@pytest.mark.parametrize("party", ["harbour-bank", "eu-csirt", "writer"])
def test_it_shows_no_secret(run, party):
    for result in (run(party), run(party, "--json")):
        assert HASH not in result.stdout
        assert "a" * 64 not in result.stdout


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("account", ["siem", "by-certificate"])
def test_there_are_settings_for_every_product_and_kind_of_account(run, product, account):
    result = run("harbour-bank", account, "--for", product)
    assert result.exit_code == 0
    if product in {"sentinel", "misp"} and account == "by-certificate":
        assert "user name and password only" in result.stdout
    else:
        assert ("Banking" if product == "xsoar" else "5d1f0a3e-8c2d-4b6a-9f3e-1a2b3c4d5e6f") in result.stdout


@pytest.mark.parametrize(
    ("product", "told"),
    [
        (
            "sentinel",
            [
                "API root URL:      https://taxii.harbour.example/finance/",
                "Collection ID:     5d1f0a3e",
                "Username:          eu-csirt",
            ],
        ),
        ("opencti", ["TAXII server URL:    https://taxii.harbour.example/finance\n", "TAXII collection:    5d1f0a3e"]),
        ("elastic", [f"URL:              {OBJECTS}"]),
        (
            "xsoar",
            ["https://taxii.harbour.example/taxii2/", "Collection name:       Banking", "Default API root:      finance"],
        ),
        ("splunk", ["https://taxii.harbour.example/finance/", "5d1f0a3e"]),
        ("curl", [f"curl --user 'eu-csirt' --header 'Accept: application/taxii+json;version=2.1' '{OBJECTS}?limit=100'"]),
        ("misp", ["pulls from none"]),
    ],
)
def test_each_product_gets_what_it_wants_typed_in(run, product, told):
    text = run("eu-csirt", "--for", product).stdout
    squeezed = " ".join(text.split())
    assert [each for each in told if " ".join(each.split()) not in squeezed] == []


def test_misp_is_told_where_to_push(run):
    text = run("writer", "--for", "misp").stdout
    assert "6e2a1b4f-9d3e-4c7b-8a4f-2b3c4d5e6f70" in text
    assert "https://taxii.harbour.example\n" in text


def test_the_script_for_python_is_python(run):
    for account in ("siem", "by-certificate"):
        ast.parse(run("harbour-bank", account, "--for", "taxii2-client").stdout)


@pytest.mark.parametrize(("party", "variable"), [("harbour-bank", "TAXII_TOKEN"), ("eu-csirt", "TAXII_PASSWORD")])
def test_a_secret_is_taken_from_a_variable_that_says_which_kind_it_is(run, party, variable):
    assert f'os.environ["{variable}"]' in run(party, "--for", "taxii2-client").stdout


def test_the_block_for_a_peer_can_be_merged_into_its_configuration(run, folder, monkeypatch):
    monkeypatch.setenv("HK_HUB_PASSWORD", "from a safe place")
    block = yaml.safe_load(run("eu-csirt", "--for", "taxii-fed").stdout)
    theirs = yaml.safe_load(FULL.replace("hk-hub", "their-hub"))
    for section, entries in block.items():
        theirs[section] |= entries
    settings = loads(yaml.safe_dump(theirs), folder)
    peer = settings.peers["hk-hub"]
    assert (peer.url, peer.auth.username) == ("https://taxii.harbour.example/taxii2/", "eu-csirt")
    assert peer.auth.password.get_secret_value() == "from a safe place"
    ours = load(folder / "taxii-fed.yaml").collections["banking"].id
    assert [(pull.theirs, pull.ours) for pull in peer.pull] == [(ours, "banking")]


@pytest.mark.parametrize("host", ["127.0.0.1:8421", "localhost:8421", "[::1]:8421"])
def test_the_block_for_a_peer_names_the_network_of_a_node_without_tls(run, folder, monkeypatch, host):
    monkeypatch.setenv("HK_HUB_PASSWORD", "from a safe place")
    path = folder / "taxii-fed.yaml"
    path.write_text(path.read_text().replace("https://taxii.harbour.example/", f"http://{host}/"))
    block = yaml.safe_load(run("eu-csirt", "--for", "taxii-fed").stdout)
    theirs = yaml.safe_load(FULL.replace("hk-hub", "their-hub"))
    for section, entries in block.items():
        theirs[section] |= entries
    at = ip_address(host.rpartition(":")[0].strip("[]").replace("localhost", "127.0.0.1"))
    assert any(at in network for network in loads(yaml.safe_dump(theirs), folder).peers["hk-hub"].allow_private)


def test_a_peer_is_shown_the_settings_for_a_peer_first(run):
    assert run("eu-csirt").stdout.index("another taxii-fed node") < run("eu-csirt").stdout.index("Microsoft Sentinel")
    assert run("harbour-bank").stdout.index("another taxii-fed node") > run("harbour-bank").stdout.index("Microsoft Sentinel")


def test_a_party_without_account_or_right_is_told_so(run):
    text = run("lone").stdout
    assert "none yet; 'taxii-fed hash-password'" in text
    assert "it will see no collection" in text
    assert "Sentinel" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["harbour-bnk"], "Did you mean 'harbour-bank'?"), (["harbour-bank", "sime"], "Did you mean 'siem'?"), ([], "PARTY")],
)
def test_a_name_that_is_not_there_is_a_wrong_command_line(run, arguments, words):
    result = run(*arguments)
    assert (result.exit_code, words in result.stderr) == (2, True)


def test_a_peering_has_a_page_for_both_sides_and_only_a_peer_is_shown_it(run):
    page = run("eu-csirt", "--for", "peering").stdout
    assert page in run("eu-csirt").stdout
    side_a, side_b = page.split("Side B: eu-csirt")
    assert "hk-hub, of Harbour Exchange, HK" in side_a
    assert "eu-csirt, with user name and password" in side_a
    assert "5d1f0a3e-8c2d-4b6a-9f3e-1a2b3c4d5e6f (Banking), up to TLP:GREEN" in side_a
    assert "Server:              ______________________________, TAXII 2.1 or 2.0" in side_b
    assert "Side A" not in run("harbour-bank").stdout
    assert "note: party 'harbour-bank' is no peer, its role is 'bank'" in run("harbour-bank", "--for", "peering").stderr
    assert run("eu-csirt", "--for", "peering").stderr == ""
