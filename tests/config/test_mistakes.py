"""Each mistake is told with its place, what was found, what was expected, and the nearest known name."""

import pytest

from taxii_fed.config.problems import Problem

from .conftest import FULL, NODE

ACCOUNT = "siem: {token_hash: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}"
SHARE = "    to: {community: hk-banking}\n    in: [banking]\n    up_to: AMBER\n"
HOLD = "hold:\n  embargo:\n    what: {label: embargo}\n    until: 2026-12-01T00:00+08:00\n"
CHANGE = "change:\n  coarser:\n    to: {not: {jurisdiction: EU}}\n    generalise_ip: {v4: 24, v6: 48}\n"
PULL = "      - {theirs: 91d0, ours: banking}\n"
URL = "    url: https://taxii.eu-csirt.example/taxii2/\n"

CASES = [
    # unknown keys, everywhere
    ("  title: Hong Kong hub\n", "  titel: Hong Kong hub\n", "node.titel", "unknown key", "'title'"),
    ("communities: [hk-banking]\nparties", "comunities: [hk-banking]\nparties", "comunities", "unknown key", "'communities'"),
    ("    role: bank\n", "    roel: bank\n", "parties.harbour-bank.roel", "unknown key", "'role'"),
    ("{token_hash:", "{tokenhash:", "parties.harbour-bank.accounts.siem.tokenhash", "unknown key", "'token_hash'"),
    ("ours: banking}", "our: banking}", "peers.eu-csirt.pull[0].our", "unknown key", "'ours'"),
    ("    up_to: AMBER\n", "    upto: AMBER\n", 'share."banks read banking".upto', "unknown key", "'up_to'"),
    ("{community: hk-banking}", "{comunity: hk-banking}", 'share."banks read banking".to.comunity', "unknown key", "'community'"),
    ("    up_to: AMBER\n", "    up_to: AMBER\n    what: {lable: x}\n", 'share."banks read banking".what.lable', "", "'label'"),
    # names that are not declared
    ("{community: hk-banking}", "{community: hk-bankin}", 'share."banks read banking".to.community', "no community", "'hk-banking'"),
    ("{community: hk-banking}", "{party: habour-bank}", 'share."banks read banking".to.party', "no party", "'harbour-bank'"),
    ("{community: hk-banking}", "{organisation: harbour bank}", 'share."banks read banking".to.organisation', "", "'Harbour Bank'"),
    ("{community: hk-banking}", "{sector: financial-service}", 'share."banks read banking".to.sector', "", "'financial-services'"),
    ("{community: hk-banking}", "{jurisdiction: UE}", 'share."banks read banking".to.jurisdiction', "no jurisdiction 'UE'", "'EU'"),
    ("{community: hk-banking}", "{role: banks}", 'share."banks read banking".to.role', "", "'bank'"),
    ("    in: [banking]\n", "    in: [bankin]\n", 'share."banks read banking".in[0]', "no collection", "'banking'"),
    ("    communities: [hk-banking]\n", "    communities: [hk-bank]\n", "parties.harbour-bank.communities[0]", "", "'hk-banking'"),
    ("    publish: [banking]\n", "    publish: [baking]\n", "parties.harbour-bank.publish[0]", "", "'banking'"),
    ("ours: banking}", "ours: bankng}", "peers.eu-csirt.pull[0].ours", "", "'banking'"),
    ("peers:\n  eu-csirt:", "peers:\n  eu-cert:", "peers.eu-cert", "no party 'eu-cert'", "'eu-csirt'"),
    ("api_root: finance, title: Banking", "api_root: finanz, title: Banking", "collections.banking.api_root", "", "'finance'"),
    ("jurisdictions:\n", "anonymous: eu-csrit\njurisdictions:\n", "anonymous", "no party", "'eu-csirt'"),
    ("    up_to: AMBER\n", "    up_to: AMBER\n    what: {origin: eu-csir}\n", 'share."banks read banking".what.origin', "", "'eu-csirt'"),
    # wrong values
    ("    up_to: AMBER\n", "    up_to: AMBR\n", 'share."banks read banking".up_to', "found 'AMBR'", "'AMBER'"),
    ("    up_to: AMBER\n", "    up_to: amber\n", 'share."banks read banking".up_to', "found 'amber'", "'AMBER'"),
    ("    role: bank\n", "    role: Bank\n", "parties.harbour-bank.role", "found 'Bank'", "'bank'"),
    ("    role: bank\n", "    role:\n", "parties.harbour-bank.role", "nothing is given here", ""),
    ("    role: bank\n", "    role: [bank]\n", "parties.harbour-bank.role", "expected one value, found a list", ""),
    ("default: true", "default: maybe", "api_roots.finance.default", "true or false, found 'maybe'", ""),
    ("5d1f0a3e-8c2d-4b6a", "5d1f0a3e-8c2d-1b6a", "collections.banking.id", "a version 1 UUID", ""),
    ("5d1f0a3e-8c2d-4b6a-9f3e-1a2b3c4d5e6f", "banking", "collections.banking.id", "found 'banking'", ""),
    ("title: Banking,", "title: Banking, alias: 5d1f0a3e-8c2d-1b6a-9f3e-1a2b3c4d5e6f,", "collections.banking.alias", "a UUID", ""),
    (URL, URL + "    every: 5 minutes\n", "peers.eu-csirt.every", "a time span such as", ""),
    (URL, URL + "    every: 0s\n", "peers.eu-csirt.every", "from 1s", ""),
    (URL, URL + "    max_bytes: 50 megs\n", "peers.eu-csirt.max_bytes", "a size such as", ""),
    (URL, URL + "    removal_guard: {above: 0.2}\n", "peers.eu-csirt.removal_guard.above", "such as 20%, found '0.2'", ""),
    (URL, URL + "    removal_guard: on\n", "peers.eu-csirt.removal_guard", "a mapping with above", ""),
    (URL, URL + "    taxii: 1.1\n", "peers.eu-csirt.taxii", "expected 2.1 or 2.0, found '1.1'", "'2.1'"),
    (URL, URL.replace("https", "http"), "peers.eu-csirt.url", "'allow_private'", ""),
    (URL, "    url: taxii.eu-csirt.example\n", "peers.eu-csirt.url", "a URL such as", ""),
    (URL, URL + "    allow_private: [10.0.0.1/8]\n", "peers.eu-csirt.allow_private[0]", "has host bits set", ""),
    (URL, URL + "    home_of: [eu-csirt]\n", "peers.eu-csirt.home_of[0]", "identity--<UUID>", ""),
    (URL, URL + "    home_of: [identity--0a1f6f0e-6d0e-4c0e-8c57-0d9d3c0e6b11]\n", "peers.eu-csirt.home_of[0]", "this node", ""),
    (URL, URL + "    read_markings_as: {AMBER: GREEN}\n", "peers.eu-csirt.read_markings_as.AMBER", "stricter than AMBER", ""),
    (URL, URL + "    ca: nowhere.pem\n", "peers.eu-csirt.ca", "no such file", ""),
    ("public_url: https://taxii.harbour.example/\n", "public_url: https://x.example/?a=b\n", "server.public_url", "a URL", ""),
    ("server:\n", "server:\n  listen: 8421\n", "server.listen", "a host and a port", ""),
    ("server:\n", "server:\n  listen: 127.0.0.1:99999\n", "server.listen", "a host and a port", ""),
    ("server:\n", "server:\n  page_size: 20000\n", "server.page_size", "larger than max_page_size, 10000", ""),
    ("server:\n", "store:\n  url: mongodb://db.example\nserver:\n", "store.url", "needs hosts and a database", ""),
    ("server:\n", "store:\n  url: postgres:taxii\nserver:\n", "store.url", "sqlite:PATH", ""),
    ("  finance: {title", "  taxii2: {title", "api_roots.taxii2", "a path of the server itself", ""),
    ("jurisdictions:\n", "markings:\n  marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421: RED\njurisdictions:\n",
     "markings.marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421", "it is TLP:AMBER", ""),
    ("share:\n", HOLD.replace("2026-12-01T00:00+08:00", "aproved") + "share:\n", "hold.embargo.until", "or 'approved'", "'approved'"),
    # missing keys
    ("    role: bank\n", "", "parties.harbour-bank.role", "missing", ""),
    ("    up_to: AMBER\n", "", 'share."banks read banking".up_to', "missing", ""),
    ("    to: {community: hk-banking}\n", "", 'share."banks read banking".to', "missing", ""),
    ("    in: [banking]\n", "", 'share."banks read banking".in', "missing", ""),
    (ACCOUNT, "siem: {}", "parties.harbour-bank.accounts.siem", "password_hash, token_hash or certificate", ""),
    # twice the same
    ("peers:\n", "  other: {role: vendor, accounts: {SIEM: {token_hash: " + "b" * 64 + "}}}\npeers:\n",
     "parties.other.accounts.SIEM", "a user name that another account has", ""),
    ("title: Payments", "title: banking", "collections.payments.title", "the title of another collection", ""),
    ("6e2a1b4f-9d3e-4c7b-8a4f-2b3c4d5e6f70", "5D1F0A3E-8c2d-4b6a-9f3e-1a2b3c4d5e6f", "collections.payments.id", "the id of", ""),
    ("communities: [hk-banking]\nparties", "communities: [hk-banking, hk-banking]\nparties", "communities[1]", "listed twice", ""),
    (PULL, PULL + PULL, "peers.eu-csirt.pull[1]", "listed twice", ""),
    ("  finance: {title: Financial sector, default: true}\n",
     "  finance: {title: Financial sector, default: true}\n  other: {title: Other, default: yes}\n",
     "api_roots.other.default", "a second default", ""),
    ("    role: bank\n", "    role: bank\n    role: own\n", "parties.harbour-bank.role", "given twice, first at", ""),
    # combinations
    ("    up_to: AMBER\n", "    up_to: AMBER\n    from: 2026-01-02T00:00Z\n    until: 2026-01-02T08:00+08:00\n",
     'share."banks read banking".until', "not later than 'from'", ""),
    ("{community: hk-banking}", "{}\n    what: {min_confidence: 50, max_confidence: 40}",
     'share."banks read banking".what.max_confidence', "nothing matches", ""),
    ("{community: hk-banking}", "{not: {}}", 'share."banks read banking".to.not', "leaves nothing", ""),
    ("{community: hk-banking}", "{role: []}", 'share."banks read banking".to.role', "an empty list", ""),
    ("    in: [banking]\n", "    in: []\n", 'share."banks read banking".in', "an empty list", ""),
    ("    to: {community: hk-banking}\n", "    to:\n", 'share."banks read banking".to', "nothing is given here", ""),
    ("    up_to: AMBER\n", "    up_to: AMBER\n    what: {type: indicater}\n", 'share."banks read banking".what.type', "", "'indicator'"),
    ("share:\n", "hold:\n  embargo:\n    what: {label: x}\nshare:\n", "hold.embargo.until", "missing", ""),
    ("share:\n", "never:\n  no:\n    override: true\nshare:\n", "never.no.override", "unknown key", ""),
    ("share:\n", "change:\n  nothing:\n    reason: x\nshare:\n", "change.nothing", "changes nothing", ""),
    ("share:\n", CHANGE.replace("v4: 24", "v4: 7") + "share:\n", "change.coarser.generalise_ip.v4", "from 8 to 32, found '7'", ""),
    ("share:\n", CHANGE.replace("v6: 48", "v6: 129") + "share:\n", "change.coarser.generalise_ip.v6", "from 16 to 128", ""),
    ("share:\n", CHANGE + "    drop: [id]\nshare:\n", "change.coarser.drop[0]", "nothing without it", ""),
    ("share:\n", CHANGE + "    drop: [created_by_ref]\nshare:\n", "change.coarser.drop[0]", "hide_creator", ""),
    ("share:\n", CHANGE + "    redact_token: x\nshare:\n", "change.coarser.redact_token", "no effect without 'redact_text'", ""),
    ("share:\n", CHANGE + "    pseudonymise: {email: k, except: [patern]}\nshare:\n", "change.coarser.pseudonymise.except[0]", "", "'pattern'"),
    (URL, URL + "    auth: {username: hub}\n", "peers.eu-csirt.auth.password", "missing beside username", ""),
    (URL, URL + "    auth: {}\n", "peers.eu-csirt.auth", "username and password, token, header or certificate", ""),
    (URL, URL + "    auth: {scheme: Token}\n", "peers.eu-csirt.auth.scheme", "no effect without 'token'", ""),
    (URL, URL + "    auth: {token: {file: node.key}, header: {name: X-Key, value: {file: node.key}}}\n",
     "peers.eu-csirt.auth", "token and header together", ""),
    ("jurisdictions:\n", "jurisdictions:\n  EEA: [EU]\n  AT: [EEA]\n", "jurisdictions.EU", "a part of itself", ""),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "path", "told", "hint"), CASES, ids=[case[2] for case in CASES])
def test_a_mistake_is_told_with_place_cause_and_nearest_name(mistakes, good, bad, path, told, hint):
    assert FULL.count(good) == 1, "the case bends one place"
    found = mistakes(FULL.replace(good, bad))
    matching = [problem for problem in found if problem.path == path and told in problem.sentence]
    assert matching, "\n".join(map(str, found))
    assert {problem.hint for problem in matching} == {hint}


@pytest.mark.parametrize(("good", "bad", "path", "told", "hint"), CASES, ids=[case[2] for case in CASES])
def test_the_caret_stands_under_the_mistake(mistakes, good, bad, path, told, hint):
    lines = FULL.replace(good, bad).splitlines()
    for problem in mistakes(FULL.replace(good, bad)):
        shown = lines[problem.line - 1]
        marked = shown[problem.column - 1 : problem.column - 1 + problem.width]
        assert marked, "the place lies inside the line"
        told_line, source, caret = problem.render().splitlines()
        assert told_line == str(problem)
        assert caret.index("^") - source.index("|") == problem.column + 1
        assert problem.source == shown or "·" in problem.source or "…" in problem.source


@pytest.mark.parametrize("column", [1, 60, 500, 996])
def test_of_a_very_long_line_what_lies_around_the_mistake_is_shown(column: int):
    line = "".join("mistake" if at == column - 1 else "." for at in range(1000))
    problem = Problem("a.yaml", 1, column, "", "wrong", source=line, width=7)
    _, source, caret = problem.render().splitlines()
    assert len(source) < 420 > len(caret)
    start = caret.index("^")
    assert source[start : start + 7] == "mistake"
    assert caret.count("^") == 7


def test_all_mistakes_come_at_once_in_the_order_of_the_file(mistakes):
    text = FULL.replace("  title: Hong", "  titel: Hong").replace("    role: bank\n", "    roel: bank\n")
    text = text.replace("up_to: AMBER", "up_to: AMBR").replace("community: hk-banking", "community: hk-bank")
    text = text.replace("91d0, ours: banking", "91d0, ours: bank") + "shares: {}\n"
    found = mistakes(text)
    assert [(problem.line, problem.path) for problem in found] == sorted((problem.line, problem.path) for problem in found)
    assert [problem.path for problem in found] == [
        "node.title",
        "node.titel",
        "parties.harbour-bank.role",
        "parties.harbour-bank.roel",
        "peers.eu-csirt.pull[0].ours",
        'share."banks read banking".to.community',
        'share."banks read banking".up_to',
        "shares",
    ]


def test_a_broken_entry_does_not_make_its_name_unknown(mistakes):
    text = FULL.replace("    role: bank\n", "    role: banc\n").replace("{community: hk-banking}", "{party: harbour-bank}")
    assert [problem.path for problem in mistakes(text)] == ["parties.harbour-bank.role"]


def test_a_bare_date_is_refused_with_both_readings(mistakes):
    (problem,) = mistakes(FULL + HOLD.replace("2026-12-01T00:00+08:00", "2026-12-01"))
    assert "2026-12-01T00:00Z for the start of that day in UTC" in problem.message
    assert "2026-12-01T00:00+08:00" in problem.message
    assert problem.path == "hold.embargo.until"


@pytest.mark.parametrize("text", ["2026-12-01T00:00", "2026-12-01 08:30:00"])
def test_a_time_without_its_offset_is_refused(mistakes, text):
    (problem,) = mistakes(FULL + HOLD.replace("2026-12-01T00:00+08:00", text))
    assert "without its offset" in problem.message


@pytest.mark.parametrize("text", ["2026-02-30T00:00Z", "2026-12-01T25:00Z", "soon", "2026-12-01T00:00+25:00", "1790000000"])
def test_a_time_that_does_not_exist_is_refused(mistakes, text):
    (problem,) = mistakes(FULL + HOLD.replace("2026-12-01T00:00+08:00", text))
    assert problem.path == "hold.embargo.until"


def test_sections_that_must_be_there_are_named(mistakes):
    assert [problem.path for problem in mistakes("parties: {}\n")] == ["node", "server"]
    assert mistakes(NODE) == []


@pytest.mark.parametrize("key", ["", "ab" * 31, "0" * 64, "zz" * 32, "correct horse battery staple"])
def test_a_node_key_that_is_short_or_not_random_is_refused(mistakes, folder, key):
    (folder / "node.key").write_text(key)
    (problem,) = mistakes(NODE)
    assert problem.path == "node.secret"
    assert not key or key not in problem.render()


def test_keys_that_are_not_served_yet_are_refused(monkeypatch, mistakes):
    from taxii_fed.config.schema import Peer

    monkeypatch.setattr(Peer, "not_served", frozenset({"proxy"}))
    (problem,) = mistakes(FULL.replace(URL, URL + "    proxy: http://proxy.example:3128\n"))
    assert (problem.path, problem.message) == ("peers.eu-csirt.proxy", "'proxy' is not supported by this version")
