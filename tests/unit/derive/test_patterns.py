"""Addresses in patterns: what becomes of a comparison, and what is withheld."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stix2patterns.validator import run_validator

from taxii_fed.core.derive import edit
from taxii_fed.core.derive.comparisons import comparisons, is_plain
from taxii_fed.core.derive.parsing import parse
from taxii_fed.core.rules.model import Change
from taxii_fed.core.stix.checks import MAX_PATTERN
from unit.derive.builders import GENERALISE, KEYS, PSEUDONYMS, edits, indicator

ANNA = KEYS.pseudonym("k-us", "anna@rhein.example")


def rewritten(pattern, *changes, language="stix"):
    """The pattern as it goes out, or the problem."""
    done = edit(indicator(pattern, pattern_type=language), edits(*changes), KEYS)
    if done.problem:
        return done.problem
    if language == "stix":
        assert run_validator(done.obj["pattern"], "2.1") == []
    return done.obj["pattern"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ipv4-addr:value = '198.51.100.23']", "[ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
        ("[ipv4-addr:value='198.51.100.23']", "[ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
        ("[ipv4-addr:value == '198.51.100.23']", "[ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
        ("[ ipv4-addr:value  =  '198.51.100.23' ]", "[ ipv4-addr:value  ISSUBSET  '198.51.100.0/24' ]"),
        ("[ipv4-addr:'value' = '198.51.100.23']", "[ipv4-addr:'value' ISSUBSET '198.51.100.0/24']"),
        ("[ipv4-addr:value = '198.51.100.23/32']", "[ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
        ("[ipv4-addr:value = '198.51.100.16/28']", "[ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
        ("[ipv4-addr:value ISSUBSET '198.51.100.16/28']", "[ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
        ("[ipv4-addr:value = '198.51.7.1/16']", "[ipv4-addr:value ISSUBSET '198.51.0.0/16']"),
        ("[ipv6-addr:value = '2001:DB8:85A3::8A2E:370:7348']", "[ipv6-addr:value ISSUBSET '2001:db8:85a3::/48']"),
        ("[network-traffic:dst_ref.value = '198.51.100.23']", "[network-traffic:dst_ref.value ISSUBSET '198.51.100.0/24']"),
        (
            "[domain-name:resolves_to_refs[*].value = '198.51.100.23']",
            "[domain-name:resolves_to_refs[*].value ISSUBSET '198.51.100.0/24']",
        ),
        ("[x-probe:target = '198.51.100.23']", "[x-probe:target ISSUBSET '198.51.100.0/24']"),
        (
            "[ipv4-addr:value IN ('198.51.100.23', '203.0.113.9')]",
            "[(ipv4-addr:value ISSUBSET '198.51.100.0/24' OR ipv4-addr:value ISSUBSET '203.0.113.0/24')]",
        ),
        ("[ipv4-addr:value IN ('198.51.100.23','198.51.100.24')]", "[ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
        (
            "[ipv4-addr:value IN ('198.51.100.23', '203.0.0.0/16') AND file:size > 3]",
            "[(ipv4-addr:value ISSUBSET '198.51.100.0/24' OR ipv4-addr:value = '203.0.0.0/16') AND file:size > 3]",
        ),
        (
            "([ipv4-addr:value = '198.51.100.23'] FOLLOWEDBY [url:value = 'https://a.example/é']) WITHIN 5 SECONDS",
            "([ipv4-addr:value ISSUBSET '198.51.100.0/24'] FOLLOWEDBY [url:value = 'https://a.example/é']) WITHIN 5 SECONDS",
        ),
        (
            "[ipv4-addr:value = '198.51.100.23'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'",
            "[ipv4-addr:value ISSUBSET '198.51.100.0/24'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'",
        ),
        (
            "[file:name = '\U0001f600 it\\'s' AND ipv4-addr:value = '198.51.100.23' AND file:name = 'b']",
            "[file:name = '\U0001f600 it\\'s' AND ipv4-addr:value ISSUBSET '198.51.100.0/24' AND file:name = 'b']",
        ),
    ],
)
def test_an_address_becomes_its_network_and_the_rest_keeps_its_wording(pattern, expected):
    assert rewritten(pattern, GENERALISE) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "[ipv4-addr:value = '198.51.100.0/24']",
        "[ipv4-addr:value ISSUBSET '198.51.0.0/16']",
        "[ipv4-addr:value ISSUPERSET '198.51.100.0/24']",
        "[ipv4-addr:value != '198.51.100.0/24']",
        "[ipv4-addr:value NOT IN ('198.51.0.0/16', '203.0.113.0/24')]",
        "[ipv6-addr:value = '2001:db8::/32']",
        "[process:command_line = 'route add 198.51.0.0/16']",
        "[domain-name:value LIKE '%.example']",
        "[domain-name:value MATCHES '^[a-z]{12,16}\\\\.example$']",
        "[network-traffic:dst_ref.value MATCHES 'evil.*']",
        "[EXISTS ipv4-addr:value]",
        "[ipv4-addr:value LIKE '%']",
        "[ipv4-addr:belongs_to_refs[*].number = 64500]",
        "[software:version = '7.4.2']",
        "[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']",
        "[mac-addr:value = '00:11:22:33:44:55']",
        "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36']",
        "[url:value = 'https://pay.tally-check.example/198/gate.php?v=1.2.3']",
        "[x509-certificate:serial_number = '36:f7:d4:32:f4:ab:70:ea:d3:ce:98:6e:ea:99:93:49']",
    ],
)
def test_a_pattern_without_a_narrow_address_stays(pattern):
    assert rewritten(pattern, GENERALISE) == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "[ipv4-addr:value != '198.51.100.23']",
        "[ipv4-addr:value NOT = '198.51.100.23']",
        "[ipv4-addr:value NOT IN ('198.51.100.23')]",
        "[ipv4-addr:value NOT ISSUBSET '198.51.100.16/28']",
        "[ipv4-addr:value ISSUPERSET '198.51.100.23/32']",
        "[ipv4-addr:value > '198.51.100.23']",
        "[ipv4-addr:value LIKE '198.51.100.2_']",
        "[ipv4-addr:value LIKE '198.51.%']",
        "[ipv4-addr:value MATCHES '^198\\\\.51\\\\.100\\\\.(23|24)$']",
        "[url:value MATCHES 'https?://198\\\\.51\\\\.100\\\\.2[0-9]/']",
        "[ipv4-addr:value = '198[.]51[.]100[.]23']",
        "[ipv4-addr:value = 3325256727]",
        "[ipv4-addr:value = h'c6336417']",
        "[artifact:payload_bin = h'3139382e35312e3130302e3233']",
        "[artifact:payload_bin = b'MTk4LjUxLjEwMC4yMw==']",
        "[ipv6-addr:value = '::ffff:198.51.100.23']",
        "[ipv6-addr:value = '::ffff:c633:6417']",
        "[ipv6-addr:value = '2002:c633:6417::1']",
        "[ipv6-addr:value = '64:ff9b::c633:6417']",
        "[ipv6-addr:value = 'fe80::1%eth0']",
        "[process:command_line = 'ping 198.51.100.23']",
        "[domain-name:value = '198.51.100.23']",
        "[domain-name:value = '23.100.51.198.in-addr.arpa']",
        "[url:value = 'http://3325256727/gate']",
        "[url:value = 'http://0xC6336417/gate']",
        "[url:value = 'http://0306.063.0144.027/gate']",
        "[url:value = 'http://[2001:db8::5]:8080/gate']",
        "[url:value = 'http://%31%39%38.51.100.23/gate']",
        "[url:value = 'hxxp://198[.]51[.]100[.]23/gate']",
        "[url:value = 'https://a.example/?back=198.51.100.23']",
        "[url:value = '198.51.100.23/gate']",
        "[network-traffic:extensions.'http-request-ext'.request_header.Host = '198.51.100.41']",
        "[network-traffic:extensions.'http-request-ext'.request_header.Host = '3325256727']",
        "[file:size = 3 /* 198.51.100.23 */]",
        "[file:size = 3] // 198.51.100.23",
        "[x-a:'198.51.100.23' = 'b']",
        "[ipv4-addr:value = '198.51.100.23'",
        "[file:name = '198.51.100.23.log']",
        "[email-message:received_lines[*] LIKE '%[198.51.100.23]%']",
    ],
)
def test_an_address_that_cannot_be_generalised_surely_withholds_the_indicator(pattern):
    assert rewritten(pattern, GENERALISE) == "untransformable"


@pytest.mark.parametrize(
    ("language", "pattern"),
    [
        ("snort", "alert tcp 198.51.100.23 any -> any any (msg:"),
        ("suricata", 'content:"|31 39 38 2e 35 31 2e 31 30 30 2e 32 33|"'),
        ("yara", 'rule a { strings: $a = "198.51.100.23" condition: $a }'),
        ("yara", "rule a { strings: $a = { 31 39 38 2E 35 31 2E 31 30 30 2E 32 33 } condition: $a }"),
        ("pcre", "198\\.51\\.100\\.\\d+"),
        ("sigma", "DestinationIp|cidr: 198.51.100.16/28"),
        ("zeek", "2001:db8::5"),
        ("sigma", "DestinationIp|startswith: '198.51.100.'"),
        ("pcre", "^198.51.100.[0-9]+"),
        ("pcre", "198\\.51\\.(100|101)"),
        ("pcre", "198.51.100[.]7"),
        ("ftp", "PORT (198,51,100,23)"),
        ("snort", "alert tcp 198.51.0.0/16 any -> 198.51.100.16/28 any"),
    ],
)
def test_an_address_in_another_language_withholds_the_indicator(language, pattern):
    assert rewritten(pattern, GENERALISE, language=language) == "untransformable"


@pytest.mark.parametrize(
    ("language", "pattern"),
    [
        ("yara", 'rule a { strings: $a = "MZ" $b = { 4D 5A 90 00 03 00 00 00 04 00 } condition: all of them }'),
        ("sigma", "title: a\ndetection:\n  selection:\n    Image|endswith: '\\cmd.exe'\n  condition: selection"),
        ("snort", 'alert tcp any any -> any 443 (msg:"a"; content:"evil.example"; sid:1000001; rev:2;)'),
        ("snort", 'alert tcp any any -> any [80,443,8080] (content:"Agent/7.4.2"; sid:1000001; rev:2;)'),
        ("snort", "alert tcp 198.51.0.0/16 any -> 203.0.113.0/24 any (sid:1;)"),
        ("sigma", "modified: 2026-01-05\ndetection:\n  selection:\n    FileVersion: 10.0.1\n    Time: '12:30:45'"),
        ("yara", 'rule a { meta: version = "1.0.2" strings: $a = "MZ" condition: $a }'),
        ("spl", "index=main EventCode IN (1, 2, 3)"),
    ],
)
def test_another_language_without_an_address_passes(language, pattern):
    assert rewritten(pattern, GENERALISE, language=language) == pattern


def test_three_octets_withhold_where_fewer_may_be_told():
    wider = Change(name="wide", generalise_v4=16, generalise_v6=48)
    for pattern in ("DestinationIp|startswith: '198.51.100'", "FileVersion: 10.0.1"):
        assert rewritten(pattern, GENERALISE, language="sigma") == pattern
        assert rewritten(pattern, wider, language="sigma") == "untransformable"


def test_an_unreadable_pattern_without_an_address_passes():
    assert edit(indicator("[file:size ANDOR 3"), edits(GENERALISE, PSEUDONYMS), KEYS).problem == ""


def test_a_generalised_indicator_says_so_in_a_label_and_keeps_its_confidence():
    done = edit(indicator("[ipv4-addr:value = '198.51.100.23']", labels=["c2"], confidence=80), edits(GENERALISE), KEYS)
    assert (done.obj["labels"], done.obj["confidence"]) == (["c2", "generalised-ip"], 80)


def test_each_family_is_generalised_by_its_own_prefix_or_left_alone():
    four = Change(name="4", generalise_v4=16)
    pattern = "[ipv4-addr:value = '198.51.100.23'] OR [ipv6-addr:value = '2001:db8::5']"
    assert rewritten(pattern, four) == "[ipv4-addr:value ISSUBSET '198.51.0.0/16'] OR [ipv6-addr:value = '2001:db8::5']"
    six = Change(name="6", generalise_v6=32)
    assert rewritten(pattern, six) == "[ipv4-addr:value = '198.51.100.23'] OR [ipv6-addr:value ISSUBSET '2001:db8::/32']"
    assert rewritten("[ipv6-addr:value = '::ffff:198.51.100.23']", four) == "untransformable"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[email-addr:value = 'Anna@Rhein.example']", f"[email-addr:value = '{ANNA}']"),
        ("[email-addr:value != 'anna@rhein.example']", f"[email-addr:value != '{ANNA}']"),
        ("[email-message:from_ref.value = 'anna@rhein.example']", f"[email-message:from_ref.value = '{ANNA}']"),
        (
            "[email-message:to_refs[*].value IN ('anna@rhein.example','x') AND email-message:subject = 'Hi']",
            f"[email-message:to_refs[*].value IN ('{ANNA}','x') AND email-message:subject = 'Hi']",
        ),
        ("[user-account:account_login = 'anna@rhein.example']", f"[user-account:account_login = '{ANNA}']"),
        ("[domain-name:value = 'rhein.example']", "[domain-name:value = 'rhein.example']"),
        ("[url:value = 'https://social.example/@anna/1']", "[url:value = 'https://social.example/@anna/1']"),
    ],
)
def test_a_mail_address_in_a_pattern_becomes_its_pseudonym(pattern, expected):
    assert rewritten(pattern, PSEUDONYMS) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "[email-addr:value LIKE '%@rhein.example']",
        "[email-addr:value MATCHES '^anna']",
        "[email-addr:display_name = 'Anna Keller']",
        "[email-message:from_ref.display_name = 'Anna Keller']",
        "[email-message:subject = 'for anna@rhein.example']",
        "[email-message:additional_header_fields.'Reply-To' = 'anna@rhein.example']",
        "[url:value = 'mailto:anna@rhein.example']",
        "[url:value = 'https://a.example/?u=anna@rhein.example']",
        "[file:size = 3] /* anna@rhein.example */",
        "[email-addr:value = 'anna@rhein.example'",
        "[email-addr:value = h'616e6e61407268']",
    ],
)
def test_a_mail_address_that_cannot_be_replaced_surely_withholds_the_indicator(pattern):
    assert rewritten(pattern, PSEUDONYMS) == "untransformable"


def test_patterns_keep_their_mail_addresses_where_every_rule_lets_them():
    pattern = "[email-addr:value LIKE '%@rhein.example']"
    keep = Change(name="keep", pseudonymise_email="k-us", keep_patterns=True)
    assert rewritten(pattern, keep) == pattern
    assert rewritten(pattern, keep, PSEUDONYMS) == "untransformable"


def test_redaction_of_text_leaves_patterns_alone():
    pattern = "[ipv4-addr:value = '198.51.100.23' OR email-addr:value = 'anna@rhein.example']"
    assert rewritten(pattern, Change(name="text", redact_text=("ip", "email"))) == pattern


def test_both_kinds_of_address_are_changed_in_one_pattern():
    pattern = "[ipv4-addr:value = '198.51.100.23' AND email-addr:value = 'anna@rhein.example']"
    done = edit(indicator(pattern), edits(GENERALISE, PSEUDONYMS), KEYS)
    assert done.obj["pattern"] == f"[ipv4-addr:value ISSUBSET '198.51.100.0/24' AND email-addr:value = '{ANNA}']"
    assert done.reasons == ("email-pseudonymised", "ip-generalised")


_VALUE = st.sampled_from(
    ["198.51.100.23", "2001:db8::5", "198.51.0.0/16", "a.example", "a@b.example", "it's \\ odd", "\U0001f600"]
)
_PATH = st.sampled_from(
    ["ipv4-addr:value", "network-traffic:src_ref.value", "url:value", "email-addr:value", "x-a:b", "file:name"]
)
_OPERATOR = st.sampled_from(["=", "!=", "LIKE", "MATCHES", "ISSUBSET", "NOT =", "IN"])


@st.composite
def _patterns(draw):
    tests = []
    for _ in range(draw(st.integers(1, 4))):
        path, operator, value = draw(_PATH), draw(_OPERATOR), draw(_VALUE)
        literal = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        if operator == "IN":
            literal = f"({literal}, 'other')"
        tests.append(f"{path} {operator} {literal}")
    joined = f" {draw(st.sampled_from(['AND', 'OR']))} ".join(tests)
    return draw(st.sampled_from(["[{}]", "([{}] OR [file:size = 1]) REPEATS 2 TIMES", "[({})]"])).format(joined)


@given(_patterns())
def test_what_is_rewritten_parses_and_tells_no_address(pattern):
    assert run_validator(pattern, "2.1") == []
    result = rewritten(pattern, GENERALISE, PSEUDONYMS)
    for told in ("198.51.100.23", "2001:db8::5", "a@b.example"):
        assert told not in result


PLAIN_TEST = st.builds(
    "{}:{} {} '{}'".format,
    st.from_regex(r"[a-z][a-z0-9-]{1,6}|ipv4-addr|true|false|or|in|set", fullmatch=True),
    st.from_regex(r"[a-z_]{1,6}|value|true|in|exists", fullmatch=True),
    st.sampled_from(["=", "ISSUBSET"]),
    st.text(alphabet=st.characters(exclude_characters="'\\", exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["a:b = ", "] OR [", "198.51.100.23", "/*", "--", "//"]),
)
PLAIN_OBSERVATION = st.lists(PLAIN_TEST, min_size=1, max_size=3).map(lambda tests: f"[{' OR '.join(tests)}]")


@given(st.lists(PLAIN_OBSERVATION, min_size=1, max_size=3).map(" OR ".join))
def test_a_plain_pattern_is_read_as_the_parser_reads_it(pattern):
    if is_plain(pattern):
        assert run_validator(pattern, "2.1") == []
        assert comparisons(pattern) == parse(pattern)


def test_a_pattern_too_long_to_be_parsed_is_withheld_where_it_may_hold_an_address():
    tests = [f"file:size > {number}" for number in range(MAX_PATTERN // 15)]
    long = f"[{' OR '.join(tests)}]"
    assert rewritten_or_problem(long) == long
    assert rewritten_or_problem(f"[{' OR '.join(tests)} OR ipv4-addr:value = '198.51.100.23']") == "untransformable"
    plain = " OR ".join(["[ipv4-addr:value = '198.51.100.23']"] * (MAX_PATTERN // 20))
    assert rewritten_or_problem(plain) == plain.replace("= '198.51.100.23'", "ISSUBSET '198.51.100.0/24'")


def rewritten_or_problem(pattern):
    """As `rewritten`, without a second opinion, which takes long."""
    done = edit(indicator(pattern), edits(GENERALISE), KEYS)
    return done.problem or done.obj["pattern"]
