"""Every term of a rule reaches the value that decides."""

import json
from dataclasses import fields

from taxii_fed.config.convert import in_force
from taxii_fed.config.load import load
from taxii_fed.core.rules.changes import as_written, differing
from taxii_fed.core.rules.model import Change, CollectionTerms, Hold, Membership, Never, Party, Share, To, What, to_doc
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.timestamps import parse_rfc3339

from .conftest import FULL

IDENTITY = "identity--5b8e4c3a-7d2f-4e6b-8a91-0c1d2e3f4a5b"
MALWARE = "malware--5b8e4c3a-7d2f-4e6b-8a91-0c1d2e3f4a5b"

RULES = f"""\
share:
  everything said:
    to:
      party: [harbour-bank]
      role: [bank, own]
      jurisdiction: EU
      sector: financial-services
      community: hk-banking
      organisation: Harbour Bank
      not:
        - {{role: public}}
        - {{party: eu-csirt, not: {{role: cert}}}}
    in: [payments, banking]
    what:
      type: [indicator, x-acme-case]
      label: victim
      origin: [local, eu-csirt]
      origin_jurisdiction: [HK, NO]
      created_by: {IDENTITY}
      id: {MALWARE}
      min_tlp: GREEN
      min_confidence: 30
      max_confidence: 90
      expired: false
      not: {{label: noise}}
    from: 2026-01-01T00:00+08:00
    until: 2026-12-31T00:00Z
    reason: by-law
    up_to: AMBER+STRICT
    relayed_up_to: RED
    unmarked_as: CLEAR
    unknown_types: share
    override: true
never:
  a veto: {{what: {{label: victim}}, reason: locality}}
hold:
  by time: {{until: 2026-12-31T00:00Z}}
  by person: {{from: 2026-01-01T00:00Z, until: approved}}
change:
  every edit:
    generalise_ip: {{v4: 24, v6: 48}}
    redact_text: [ip, email]
    redact_token: "[gone]"
    pseudonymise: {{email: abroad, except: [pattern, text]}}
    drop: [contact_information]
    hide_creator: true
    mark: AMBER
    credit: Cyber Crime Bureau
    link: true
    unknown_properties: remove-if-hit
"""
NEW_YEAR = parse_rfc3339("2025-12-31T16:00:00Z")
YEARS_END = parse_rfc3339("2026-12-31T00:00:00Z")


def terms(write):
    return in_force(load(write(FULL[: FULL.index("share:\n")] + RULES)))


def all_set(value, but=()):
    """Whether every field of a value differs from its default, so that a test covers new ones too."""
    return [each.name for each in fields(value) if each.name not in but and getattr(value, each.name) == each.default]


def test_every_term_of_a_share_rule_is_read(write):
    (rule,) = terms(write).share
    assert all_set(rule) == []
    assert all_set(rule.to) == []
    assert all_set(rule.what) == []
    assert rule == Share(
        name="everything said",
        to=To(
            party=("harbour-bank",),
            role=("bank", "own"),
            jurisdiction=("EU",),
            sector=("financial-services",),
            community=("hk-banking",),
            organisation=("Harbour Bank",),
            but_not=(To(party=("eu-csirt",), but_not=(To(role=("cert",)),)), To(role=("public",))),
        ),
        collections=("banking", "payments"),
        what=What(
            type=("indicator", "x-acme-case"),
            label=("victim",),
            origin=("eu-csirt", "local"),
            origin_jurisdiction=("HK", "NO"),
            created_by=(IDENTITY,),
            id=(MALWARE,),
            min_tlp=Level.GREEN,
            min_confidence=30,
            max_confidence=90,
            expired=False,
            but_not=(What(label=("noise",)),),
        ),
        from_at=NEW_YEAR,
        until_at=YEARS_END,
        reason="by-law",
        up_to=Level.AMBER_STRICT,
        relayed_up_to=Level.RED,
        unmarked_as=Level.CLEAR,
        unknown_types=True,
        override=True,
    )


def test_a_veto_reaches_everyone_everywhere_where_nothing_else_is_said(write):
    assert terms(write).never == (Never(name="a veto", what=What(label=("victim",)), reason="locality"),)


def test_holds_wait_for_a_time_or_a_person(write):
    assert terms(write).hold == (
        Hold(name="by person", from_at=parse_rfc3339("2026-01-01T00:00:00Z"), approval=True),
        Hold(name="by time", until_at=YEARS_END),
    )


def test_every_edit_of_a_change_rule_is_read(write):
    (rule,) = terms(write).change
    assert all_set(rule, but=("from_at", "until_at", "reason", "to", "collections", "what")) == []
    assert rule == Change(
        name="every edit",
        generalise_v4=24,
        generalise_v6=48,
        redact_text=("email", "ip"),
        redact_token="[gone]",
        pseudonymise_email="abroad",
        pseudonymise_text=False,
        keep_patterns=True,
        drop=("contact_information",),
        hide_creator=True,
        mark=Level.AMBER,
        credit="Cyber Crime Bureau",
        link=True,
        remove_unknown_if_hit=True,
    )


def test_what_plan_says_of_a_rule_is_what_a_file_would_say(write):
    value = terms(write)
    sections = {
        section: {rule.name: as_written(to_doc(rule)) for rule in getattr(value, section)}
        for section in ("share", "never", "hold", "change")
    }
    for each in (rule for rules in sections.values() for rule in rules.values()):
        del each["name"]
    written = "".join(f"{section}: {json.dumps(rules)}\n" for section, rules in sections.items())
    assert in_force(load(write(FULL[: FULL.index("share:\n")] + written))) == value


def test_plan_says_in_the_words_of_the_file_what_differs(write):
    before = terms(write)
    after = in_force(
        load(
            write(
                FULL[: FULL.index("share:\n")]
                + RULES.replace("until: 2026-12-31T00:00Z}", "until: 2026-12-30T00:00Z}").replace("v6: 48", "v6: 64")
            )
        )
    )
    assert [(each.section, each.terms) for each in differing(before, after)] == [
        ("hold", (("until", "2026-12-31T00:00:00Z", "2026-12-30T00:00:00Z"),)),
        ("change", (("generalise_ip", {"v4": 24, "v6": 48}, {"v4": 24, "v6": 64}),)),
    ]


def test_parties_collections_and_markings_are_in_force_as_they_are_written(write):
    extra = "markings:\n  acs:formal_determination=AIS: GREEN\nanonymous: eu-csirt\n"
    text = FULL.replace(
        "communities: [hk-banking]\n    publish", "communities: [{name: hk-banking, until: 2026-12-31T00:00Z}]\n    publish"
    )
    text = text.replace("title: Banking,", "title: Banking, description: For banks, alias: banks, strict: true,") + extra
    value = in_force(load(write(text)))
    assert value.parties["harbour-bank"] == Party(
        name="harbour-bank",
        role="bank",
        jurisdiction="HK",
        organisation="Harbour Bank",
        communities=(Membership("hk-banking", None, YEARS_END),),
        publish=("banking",),
        accounts=("siem",),
    )
    assert value.collections["banking"] == CollectionTerms(
        name="banking",
        id="5d1f0a3e-8c2d-4b6a-9f3e-1a2b3c4d5e6f",
        api_root="finance",
        title="Banking",
        description="For banks",
        alias="banks",
        sector="financial-services",
        strict=True,
    )
    assert value.markings == {"acs:formal_determination=AIS": Level.GREEN}
    assert value.jurisdictions == {"EU": ("AT", "DE", "NO")}
    assert (value.anonymous, value.node, value.jurisdiction) == ("eu-csirt", "hk-hub", "HK")


def test_a_share_rule_for_all_names_no_collection(write):
    (rule,) = in_force(load(write(FULL.replace("in: [banking]", "in: all")))).share
    assert rule.collections == ()
