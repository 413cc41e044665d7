"""The demo notices when what it promises does not hold: each check holds in a sound world, and fails for each single fault in it."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from taxii_fed.core.stix.envelopes import read_page
from taxii_fed.core.timestamps import EPOCH_VERSION, format_stix, format_taxii, parse_stix
from taxii_fed.demo import checks
from taxii_fed.demo.account import Account
from taxii_fed.demo.incident import Incident
from taxii_fed.services.answers.explain import Holding
from taxii_fed.services.rules.parting import TIGHTENED

NOW = parse_stix("2026-06-01T12:00:00Z")
UNTIL = NOW + 60_000_000
INCIDENT = Incident(NOW)
ADVISORY = INCIDENT.id("report", "advisory")
ORIGINAL = INCIDENT.id("indicator", "drop host")
COPY = "indicator--1cc6eab1-63ba-429f-880e-efa8ca12ea1f"
PEARL, RHINE, PRAIRIE = "pearl-bank at hk-hub", "rhine-bank at eu-csirt", "prairie-bank at us-isac"


def received(*values):
    return read_page(json.dumps({"objects": values}).encode()).objects


def thing(object_id, **members):
    return {"type": object_id.partition("--")[0], "id": object_id, "modified": format_stix(NOW), **members}


def note(*ids):
    return thing("note--233ed46f-6d04-4ae2-aa14-1dcabf06c8d6", labels=["withdrawn"], object_refs=list(ids))


def line(party, since=NOW // 1000, **members):
    plain = {
        "collection": "banking", "given_id": ADVISORY, "version_text": format_stix(NOW), "derived": False, "until": None,
        "why_ended": "", "rule": "banks read", "reasons": (),
    }  # fmt: skip
    return Holding(**(plain | {"party": party, "since": since} | members))


# -- an embargo ----------------------------------------------------------------------------------------------------------------

OPENED = checks.Opened(
    until=UNTIL,
    read_to=dict.fromkeys((PEARL, RHINE, PRAIRIE), format_taxii(NOW + 1000)),
    came={name: received(thing(ADVISORY)) for name in (PEARL, RHINE, PRAIRIE)},
    ledger=[line("duty-officers"), line("rhine-bank", UNTIL // 1000), line("us-isac", UNTIL // 1000 + 1)],
    staff="duty-officers",
)


def test_an_embargo_that_opened_at_its_hour_passes():
    assert list(checks.embargo(OPENED, INCIDENT).values()) == [True, True]


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ({"ledger": [*OPENED.ledger, line("hk-hub", UNTIL // 1000 - 1)]}, [False, True]),
        ({"ledger": OPENED.ledger[:1]}, [False, True]),
        ({"ledger": OPENED.ledger[1:]}, [True, False]),
        ({"read_to": OPENED.read_to | {RHINE: format_taxii(NOW)}}, [True, False]),
        ({"came": {**OPENED.came, PRAIRIE: received(thing(ORIGINAL))}}, [True, False]),
        ({"came": {**OPENED.came, PRAIRIE: []}}, [True, False]),
        ({"came": {RHINE: OPENED.came[RHINE]}}, [True, False]),
    ],
    ids=["too early", "for nobody", "never published", "not read past it", "another object", "not told", "at one node only"],
)
def test_an_embargo_that_did_not_is_noticed(fault, found):
    assert list(checks.embargo(replace(OPENED, **fault), INCIDENT).values()) == found


# -- a tightened rule ----------------------------------------------------------------------------------------------------------

_COPY = thing(COPY, pattern=f"[ipv4-addr:value ISSUBSET '{checks.NETWORK}']")
BEFORE = {
    PEARL: received(_COPY, thing(ADVISORY)),
    RHINE: received(thing(ORIGINAL), thing(ADVISORY)),
    PRAIRIE: received(_COPY, thing(ADVISORY)),
}
AFTER = {
    PEARL: received(thing(ADVISORY), note(COPY)),
    RHINE: BEFORE[RHINE],
    PRAIRIE: received(thing(ADVISORY), note(COPY)),
}


def test_what_was_taken_back_passes():
    assert list(checks.tightened(AFTER, BEFORE, INCIDENT).values()) == [True] * 4


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ({PRAIRIE: received(_COPY, thing(ADVISORY), note(COPY))}, [False, True, True, True]),
        ({PRAIRIE: received(thing(COPY), thing(ADVISORY), note(COPY))}, [False, True, True, True]),
        ({PRAIRIE: received(thing(ADVISORY))}, [True, False, True, True]),
        ({PEARL: received(thing(ADVISORY), note(ORIGINAL))}, [True, False, True, True]),
        ({RHINE: received(thing(ADVISORY))}, [True, True, False, True]),
        ({PEARL: received(note(COPY))}, [True, True, True, False]),
    ],
    ids=["still there", "still there in another form", "not told", "told of another", "gone at home", "too much went"],
)
def test_what_was_not_taken_back_is_noticed(fault, found):
    assert list(checks.tightened(AFTER | fault, BEFORE, INCIDENT).values()) == found


def test_taking_back_what_nobody_had_is_no_proof():
    assert not all(checks.tightened(AFTER, AFTER, INCIDENT).values())


# -- who has it ----------------------------------------------------------------------------------------------------------------

HELD = {RHINE: received(thing(ORIGINAL), {"type": "ipv4-addr", "id": "ipv4-addr--1", "value": "198.51.100.23"})}
LINES = {
    "eu-csirt": [
        line("rhine-bank", given_id=ORIGINAL),
        line("rhine-bank", given_id="ipv4-addr--1", version_text=EPOCH_VERSION),
        line("us-isac", given_id=COPY, until=UNTIL),
    ]
}
RECALLED = [
    line(party, given_id=COPY, until=UNTIL, why_ended=TIGHTENED, fetched=((party, NOW),)) for party in ("hk-hub", "us-isac")
]


def test_a_ledger_that_speaks_the_truth_passes():
    assert list(checks.ledgers(HELD, LINES, RECALLED).values()) == [True, True]


@pytest.mark.parametrize(
    ("lines", "recalled", "found"),
    [
        (LINES["eu-csirt"][:1], RECALLED, [False, True]),
        ([*LINES["eu-csirt"], line("banking-supervisor", given_id=ORIGINAL)], RECALLED, [False, True]),
        (LINES["eu-csirt"], RECALLED[:1], [True, False]),
        (LINES["eu-csirt"], [RECALLED[0], replace(RECALLED[1], fetched=())], [True, False]),
        (LINES["eu-csirt"], [RECALLED[0], replace(RECALLED[1], until=None)], [True, False]),
        (LINES["eu-csirt"], [RECALLED[0], replace(RECALLED[1], why_ended="deleted-at-origin")], [True, False]),
    ],
    ids=["a line short", "a line too many", "a peer short", "not fetched", "not ended", "another reason"],
)
def test_a_ledger_that_does_not_is_noticed(lines, recalled, found):
    assert list(checks.ledgers(HELD, {"eu-csirt": lines}, recalled).values()) == found


def test_one_check_that_does_not_hold_spoils_the_account():
    console = Console(file=io.StringIO(), width=100)
    assert Account(console).checks({"this holds": True, "and that": True})
    assert not Account(console).checks({"this holds": True, "that does not": False})
    assert "✗ NOT SO: that does not" in console.file.getvalue()
