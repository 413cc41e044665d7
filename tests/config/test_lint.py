"""`check` warns of what is allowed but can hardly be meant."""

import pytest

from taxii_fed.config.lint import warnings
from taxii_fed.config.load import read
from taxii_fed.core.timestamps import parse_rfc3339

from .conftest import FULL

NOW = parse_rfc3339("2026-06-01T00:00:00Z")
CLEAN = FULL.replace(
    "share:\n",
    "share:\n  rest:\n    to: {role: [bank, peer]}\n    in: [payments]\n    up_to: GREEN\n",
).replace("    publish: [banking]\n", "    publish: [banking, payments]\n")


@pytest.fixture
def odd(write, folder):
    (folder / "node.key").chmod(0o600)

    def odd(text):
        return [(each.path, each.message) for each in warnings(read(write(text)), NOW)]

    return odd


def test_a_configuration_in_which_all_is_used_has_no_warnings(odd):
    assert odd(CLEAN) == []


CASES = [
    ("communities: [hk-banking]\nparties", "communities: [hk-banking, empty]\nparties", "communities[1]", "no party is a member"),
    ("  payments: {", "  unread: {id: 7f3b2c5a-ae4f-4d8c-9b50-3c4d5e6f7081, api_root: finance, title: X}\n  payments: {",
     "collections.unread", "no share rule lets any party read"),
    ("banking, payments]\n    acc", "banking]\n    acc", "collections.payments", "nothing is pulled into it"),
    ("collections:\n", "  spare: {title: Spare}\ncollections:\n", "api_roots.spare", "no collection is in this API root"),
    ("    pull:\n      - {theirs: 91d0, ours: banking}\n", "", "peers.eu-csirt", "nothing is pulled from this peer"),
    ("peers:\n", "  lone: {role: vendor}\npeers:\n", "parties.lone", "can't log in"),
    ("peers:\n", "  lone: {role: vendor, accounts: {lone: {token_hash: " + "b" * 64 + "}}}\npeers:\n",
     "parties.lone", "no share rule reaches this party"),
    ("jurisdiction: EU, org", "jurisdiction: UE, org", "parties.eu-csirt.jurisdiction", "is 'EU' meant?"),
    ("jurisdiction: EU, org", "jurisdiction: BR, org", "parties.eu-csirt.jurisdiction", "declare it under 'jurisdictions'"),
    ("share:\n", "anonymous: eu-csirt\nshare:\n", "anonymous", "its role is not public"),
    ("{token_hash:", "{expires: 2026-05-01T00:00Z, token_hash:", "parties.harbour-bank.accounts.siem.expires", "has passed"),
    ("{token_hash:", "{certificate: {subject: CN=x}, token_hash:",
     "parties.harbour-bank.accounts.siem.certificate", "never asked for"),
    ("share:\n", "never:\n  no: {to: {role: vendor}}\nshare:\n", "never.no", "this rule reaches no party"),
    ("    to: {community: hk-banking}\n", "    to: {community: hk-banking, role: vendor}\n", 'share."banks read banking"', "reaches no party"),
    ("share:\n", "hold:\n  h: {until: 2026-05-01T00:00Z}\nshare:\n", "hold.h.until", "this rule holds nothing any more"),
    ("share:\n", "change:\n  c: {hide_creator: true, until: 2026-05-01T00:00Z}\nshare:\n", "change.c.until", "withheld"),
    ("share:\n", "hold:\n  h: {what: {origin: eu-csirt, min_tlp: AMBER}, until: approved}\nshare:\n",
     "hold.h", "no share rule lets its readers have relayed objects at TLP:AMBER"),
    ("share:\n", "never:\n  n: {what: {min_tlp: RED}}\nshare:\n", "never.n", "never applies"),
    ("share:\n", "never:\n  n: {what: {type: [cryptocoin]}}\nshare:\n", "never.n.what.type", "custom types begin with 'x-'"),
    ("https://taxii.harbour.example/", "https://taxii.harbour.example/taxii2/", "server.public_url", "adds /taxii2/ by itself"),
    ("https://taxii.harbour.example/", "http://taxii.harbour.example/", "server.public_url", "in the clear"),
    ("    url: https://taxii.eu-csirt.example", "    allow_private: [10.1.0.0/16]\n    url: http://taxii.eu-csirt.example",
     "peers.eu-csirt.url", "in the clear"),
    ("https://taxii.eu-csirt.example", "https://10.2.0.1", "peers.eu-csirt.url", "10.2.0.1 is a private address"),
    ("    url: https://taxii.eu-csirt.example", "    allow_private: [10.1.0.0/16]\n    url: https://localhost",
     "peers.eu-csirt.url", "127.0.0.1 is a private address"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "path", "words"), CASES, ids=[case[2] for case in CASES])
def test_it_warns_of(odd, good, bad, path, words):
    assert CLEAN.count(good) == 1
    told = [message for at, message in odd(CLEAN.replace(good, bad)) if at == path]
    assert [message for message in told if words in message], told


def test_a_share_rule_that_has_ended_lets_nobody_read(odd):
    found = dict(odd(CLEAN.replace("    up_to: AMBER\n", "    up_to: AMBER\n    until: 2026-05-31T00:00Z\n")))
    assert "grants nothing any more" in found['share."banks read banking".until']
    assert "collections.banking" in found


@pytest.mark.parametrize("url", ["http://127.0.0.1:8421", "http://localhost:8421", "http://[::1]:8421"])
def test_plain_http_on_this_machine_is_no_cause_for_a_warning(odd, url):
    assert odd(CLEAN.replace("https://taxii.harbour.example/", url)) == []


def test_a_membership_or_rule_that_begins_later_counts(odd):
    text = CLEAN.replace("    communities: [hk-banking]\n", "    communities: [{name: hk-banking, from: 2027-01-01T00:00Z}]\n")
    assert odd(text.replace("    up_to: AMBER\n", "    up_to: AMBER\n    from: 2027-01-01T00:00Z\n")) == []


def test_a_node_key_that_others_can_read_is_told(odd, folder):
    (folder / "node.key").chmod(0o644)
    assert [path for path, message in odd(CLEAN) if "chmod 600" in message] == ["node.secret"]
