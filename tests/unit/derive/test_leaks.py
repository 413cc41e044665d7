"""No address gets through, however it is written and wherever it stands (I1)."""

import copy
import ipaddress
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.derive import edit, may_hit, valid
from taxii_fed.core.rules.model import Change
from unit.derive.builders import GENERALISE, KEYS, PSEUDONYMS, REDACT_IP, domain_object, edits, indicator, observable
from unit.derive.notations import MAIL_TEXT, V4_TEXT, V6_TEXT, tells_mail, tells_v4, tells_v6

REMOVE_CUSTOM = Change(name="custom", redact_text=("ip", "email"), remove_unknown_if_hit=True)

FREE_TEXT = {
    "name": lambda text: indicator(name=text),
    "description": lambda text: indicator(description=f"Beacons to {text} at 12:30:45."),
    "label": lambda text: indicator(labels=["plain", text]),
    "reference description": lambda text: indicator(external_references=[{"source_name": "a", "description": text}]),
    "reference id": lambda text: indicator(external_references=[{"source_name": "a", "external_id": text}]),
    "link": lambda text: indicator(external_references=[{"source_name": "a", "url": f"https://tracker.example/ip/{text}"}]),
    "custom property": lambda text: indicator(x_host=text),
    "custom list": lambda text: indicator(x_hosts=[{"deep": [text, 1]}]),
    "custom name": lambda text: indicator(x_hosts={text: True, "other": 1}),
    "unknown extension": lambda text: indicator(
        extensions={"extension-definition--1c3179f7-1b53-45fa-b1ec-ddcc1e6cba42": {"host": text, "n": 1}}
    ),
    "note": lambda text: domain_object("note", abstract=text, content=f"Look: {text}", object_refs=["indicator--1"]),
    "translation": lambda text: domain_object("language-content", object_ref="indicator--1", contents={"de": {"name": text}}),
    "custom type": lambda text: domain_object("x-case", name=text, where={"at": text}),
    "command line": lambda text: observable("process", command_line=f"curl {text}", environment_variables={"C2": text}),
    "file name": lambda text: observable("file", name=f"{text}.log"),
    "mail header": lambda text: observable(
        "email-message", is_multipart=False, received_lines=[f"from ({text})"], additional_header_fields={"X-IP": text}
    ),
    "mail body": lambda text: observable("email-message", is_multipart=False, subject=text, body=f"<p>{text}</p>"),
    "request": lambda text: observable(
        "network-traffic",
        protocols=["http"],
        dst_ref="ipv4-addr--1",
        extensions={
            "http-request-ext": {"request_method": "get", "request_value": f"/{text}", "request_header": {"Host": text}}
        },
    ),
    "registry": lambda text: observable("windows-registry-key", key=f"HKLM\\{text}", values=[{"name": text, "data": text}]),
}
VALUES = {
    "pattern": lambda text: indicator(f"[ipv4-addr:value = '{_quoted(text)}']"),
    "pattern on text": lambda text: indicator(f"[process:command_line = 'curl {_quoted(text)}' AND file:size = 3]"),
    "pattern comment": lambda text: indicator(f"[file:size = 3] /* {text} */"),
    "unparsable pattern": lambda text: indicator(f"[file:size = 3 ANDOR '{text}'"),
    "url pattern": lambda text: indicator(f"[url:value = '{_quoted(text)}' OR file:size > 2]"),
    "sigma": lambda text: indicator(f"detection: ip|contains: {text}", pattern_type="sigma"),
    "url": lambda text: observable("url", value=text),
    "domain": lambda text: observable("domain-name", value=text),
    "v4": lambda text: observable("ipv4-addr", value=text),
    "v6": lambda text: observable("ipv6-addr", value=text),
    "mail": lambda text: observable("email-addr", value=f"a@[{text}]"),
    "embedded": lambda text: domain_object(
        "observed-data",
        first_observed="2026-02-10T08:00:00Z",
        last_observed="2026-02-10T08:00:00Z",
        number_observed=1,
        objects={"0": {"type": "ipv4-addr", "value": text}},
    ),
}


MAIL_VALUES = {
    "pattern": lambda text: indicator(f"[email-addr:value = '{_quoted(text)}']"),
    "message pattern": lambda text: indicator(f"[email-message:from_ref.value IN ('x@y.example', '{_quoted(text)}')]"),
    "subject pattern": lambda text: indicator(f"[email-message:subject LIKE '%{_quoted(text)}%']"),
    "comment": lambda text: indicator(f"[file:size = 3] // {text}"),
    "yara": lambda text: indicator(f'rule a {{ strings: $a = "{text}" }}', pattern_type="yara"),
    "mail": lambda text: observable("email-addr", value=text, display_name="Anna Keller"),
    "account": lambda text: observable("user-account", account_login=text, user_id=text, display_name="Anna Keller"),
    "url": lambda text: observable("url", value=f"mailto:{text}"),
    "certificate": lambda text: observable("x509-certificate", subject=f"CN=a, emailAddress={text}"),
}


def _quoted(text):
    return text.replace("\\", "\\\\").replace("'", "\\'")


def told(obj, changes, tells, address):
    """Edit an object and return what gives the address away, None where nothing does."""
    before = copy.deepcopy(obj)
    done = edit(obj, edits(*changes), KEYS)
    assert obj == before
    if done.problem:
        return None
    for value in _strings(done.obj):
        if tells(value, address):
            return value
    return None


def _strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


ipv4 = st.builds(
    lambda a, b, c, d: f"{a}.{b}.{c}.{d}", st.integers(11, 223), st.integers(1, 255), st.integers(1, 255), st.integers(1, 255)
).filter(lambda a: len(set(a.split("."))) == 4 and not a.startswith("127"))
group = st.integers(0x1000, 0xFFFF)
ipv6 = st.builds(
    lambda high, low, gap: ipaddress.IPv6Address(":".join(f"{each:x}" for each in [0x2A00, *high, *gap, *low])),
    st.tuples(group, group),
    st.tuples(group, group, group),
    st.tuples(group, group) | st.just((0, 0)),
)


RULES = [(GENERALISE,), (REDACT_IP,), (GENERALISE, REDACT_IP), (REMOVE_CUSTOM,)]
V4_CASES = st.tuples(st.sampled_from(sorted(FREE_TEXT)), st.sampled_from(RULES)) | st.tuples(
    st.sampled_from(sorted(VALUES)), st.just((GENERALISE,))
)
V4 = "198.51.100.23"
V6 = ipaddress.IPv6Address("2a00:1450:4001:82a:beef:1234:5678:9abc")


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("notation", V4_TEXT)
def test_no_notation_of_an_ipv4_address_gets_through_anywhere(notation):
    text = V4_TEXT[notation](V4)
    cases = [(FREE_TEXT[place](text), rules) for place in FREE_TEXT for rules in RULES]
    cases += [(VALUES[place](text), (GENERALISE,)) for place in VALUES]
    assert [value for obj, rules in cases if (value := told(obj, rules, tells_v4, V4))] == []


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("notation", V6_TEXT)
def test_no_notation_of_an_ipv6_address_gets_through_anywhere(notation):
    text = V6_TEXT[notation](V6)
    cases = [(FREE_TEXT[place](text), rules) for place in FREE_TEXT for rules in RULES]
    cases += [(VALUES[place](text), (GENERALISE,)) for place in VALUES]
    assert [value for obj, rules in cases if (value := told(obj, rules, tells_v6, V6))] == []


@pytest.mark.invariant("I1")
@given(address=ipv4, notation=st.sampled_from(sorted(V4_TEXT)), case=V4_CASES)
def test_no_ipv4_address_gets_through(address, notation, case):
    place, rules = case
    assert told({**FREE_TEXT, **VALUES}[place](V4_TEXT[notation](address)), rules, tells_v4, address) is None


@pytest.mark.invariant("I1")
@given(address=ipv6, notation=st.sampled_from(sorted(V6_TEXT)), case=V4_CASES)
def test_no_ipv6_address_gets_through(address, notation, case):
    place, rules = case
    assert told({**FREE_TEXT, **VALUES}[place](V6_TEXT[notation](address)), rules, tells_v6, address) is None


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("notation", MAIL_TEXT)
def test_no_notation_of_a_mail_address_gets_through_anywhere(notation):
    text = MAIL_TEXT[notation]("anna.keller", "rhein-bank.example")
    objects = [make(text) for make in [*FREE_TEXT.values(), *MAIL_VALUES.values()]]
    cases = [(obj, rules) for obj in objects for rules in [(PSEUDONYMS,), (PSEUDONYMS, REMOVE_CUSTOM)]]
    cases += [(make(text), (Change(name="mail", redact_text=("email",)),)) for make in FREE_TEXT.values()]
    assert [value for obj, rules in cases if (value := told(obj, rules, tells_mail, "keller"))] == []


@pytest.mark.invariant("I1")
@given(
    text=st.sampled_from(sorted(V4_TEXT)).map(lambda name: V4_TEXT[name](V4))
    | st.sampled_from(sorted(MAIL_TEXT)).map(lambda name: MAIL_TEXT[name]("a.b", "c.example"))
    | st.text(max_size=40)
)
def test_what_is_said_to_be_no_hit_is_none(text):
    """`may_hit` may only spare work, never an edit."""
    for make in [*FREE_TEXT.values(), *VALUES.values(), *MAIL_VALUES.values()]:
        obj = make(text)
        for rules in ((GENERALISE,), (REDACT_IP,), (PSEUDONYMS,), (REMOVE_CUSTOM,)):
            wanted = edits(*rules)
            if not may_hit(json.dumps(obj).encode(), wanted):
                done = edit(obj, wanted, KEYS)
                assert (done.obj is obj, done.problem) == (True, "")


_PIECES = st.lists(
    st.sampled_from(
        "0 1 7 9 089 0x 0X1f 198 255 3325256727 . .. : :: [ ] ( ) { } [.] (.) [:] [@] @ at dot \\ \\x \\u00 / // http:// hxxp[://] % %2 %2E %25 "
        "& &# &#4 &#46; &period; < <b> </b> = =2E = - _ ' \" , ; x v a ff fe80 ipv4-addr:value ip6.arpa in-addr.arpa nip.io \u200b １ 。 é 漢".split()
    )
    | st.just(" ")
    | st.just("\n"),
    max_size=25,
).map("".join)


@given(text=_PIECES, place=st.sampled_from(sorted(FREE_TEXT) + sorted(VALUES)), rules=st.sampled_from([*RULES, (PSEUDONYMS,)]))
def test_any_text_is_edited_once_and_for_all_or_withheld(text, place, rules):
    wanted = edits(*rules)
    once = edit({**FREE_TEXT, **VALUES}[place](text), wanted, KEYS)
    if not once.problem:
        assert edit(once.obj, wanted, KEYS).changed is False


@given(address=ipv4, notation=st.sampled_from(sorted(V4_TEXT)), case=V4_CASES)
def test_an_edited_object_needs_no_more_editing(address, notation, case):
    place, rules = case
    wanted = edits(*rules)
    once = edit({**FREE_TEXT, **VALUES}[place](V4_TEXT[notation](address)), wanted, KEYS)
    if not once.problem:
        again = edit(once.obj, wanted, KEYS)
        assert (again.obj, again.changed, again.problem) == (once.obj, False, "")


@given(address=ipv4, notation=st.sampled_from(sorted(V4_TEXT)), case=V4_CASES)
def test_equal_content_gives_equal_copies(address, notation, case):
    place, rules = case
    obj = {**FREE_TEXT, **VALUES}[place](V4_TEXT[notation](address))
    assert edit(copy.deepcopy(obj), edits(*rules), KEYS) == edit(obj, edits(*reversed(rules)), KEYS)


@given(address=ipv4, notation=st.sampled_from(sorted(V4_TEXT)), case=V4_CASES)
def test_a_copy_is_as_valid_as_its_source(address, notation, case):
    place, rules = case
    obj = {**FREE_TEXT, **VALUES}[place](V4_TEXT[notation](address))
    done = edit(obj, edits(*rules), KEYS)
    if not done.problem and not valid(obj):
        assert valid(done.obj) == ""
