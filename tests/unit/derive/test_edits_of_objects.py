"""What `edit` does to properties, values and text of single objects."""

import copy
import json

import pytest

from taxii_fed.core.derive import edit, may_hit, scan, valid
from taxii_fed.core.derive.addresses import find_addresses
from taxii_fed.core.derive.mail import find_mail
from taxii_fed.core.rules.model import Change
from unit.derive.builders import GENERALISE, GREEN, KEYS, PSEUDONYMS, REDACT_IP, domain_object, edits, indicator, observable

REDACT = Change(name="text", redact_text=("ip", "email"))
REMOVE = Change(name="custom", redact_text=("ip", "email"), remove_unknown_if_hit=True)
EXTENSION = "extension-definition--1c3179f7-1b53-45fa-b1ec-ddcc1e6cba42"


def edited(obj, *changes):
    """The edited object, or the problem."""
    before = copy.deepcopy(obj)
    done = edit(obj, edits(*changes), KEYS)
    assert obj == before
    return done.problem or done.obj


def dropping(*names):
    return Change(name="drop", drop=names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 198.51.100.23 to 2001:DB8::5.", "from 198.51.100.0/24 to 2001:db8::/48."),
        ("198[.]51[.]100[.]23:8443", "198.51.100.0/24:8443"),
        ("block 198.51.100.0/24 and 10.0.0.0/8", "block 198.51.100.0/24 and 10.0.0.0/8"),
        ("198.51.100.23/30, 198.51.7.7/16", "198.51.100.0/24, 198.51.0.0/16"),
        ("[2001:db8:1:2::5]:443", "[2001:db8:1::/48]:443"),
        ("fe80::1%eth0 here", "fe80::/48 here"),
        ("198.51.100.23-29", "198.51.100.0/24"),
        ("https://tracker.example/ip/198.51.100.23", "https://tracker.example/ip/198.51.100.0/24"),
        ("198.51.100.x", "198.51.100.0/24"),
    ],
)
def test_addresses_in_text_become_networks(text, expected):
    done = edit(indicator(description=text), edits(GENERALISE), KEYS)
    assert (done.problem, done.obj["description"]) == ("", expected)


ADDRESS_ID = "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"
MAIL_ID = "email-addr--950bc2a5-bd0e-5069-9ac3-a2c65490401f"


@pytest.mark.invariant("I1")
def test_text_does_not_name_the_observables_that_become_others():
    told = indicator(
        description=f"see {ADDRESS_ID}, from {MAIL_ID}",
        labels=[ADDRESS_ID, "c2"],
        external_references=[{"source_name": "a", "external_id": MAIL_ID}],
        x_seen_ref=ADDRESS_ID,
    )
    done = edited(told, GENERALISE, PSEUDONYMS)
    assert done["description"] == "see [removed], from [removed]"
    assert done["labels"] == ["[removed]", "c2"]
    assert done["external_references"] == [{"source_name": "a", "external_id": "[removed]"}]
    assert done["x_seen_ref"] == ADDRESS_ID  # references are for closure to follow
    assert edited(told, REDACT_IP) == told


@pytest.mark.parametrize(
    "text",
    [
        "see http://198.51.100.23/a",
        "at ::ffff:198.51.100.23",
        "ec2-198-51-100-23.compute.example.com",
        "23.100.51.198.in-addr.arpa",
        "198.51.100.23.443",
    ],
)
def test_an_address_in_text_without_a_network_withholds_the_object_and_can_be_redacted(text):
    assert edited(indicator(description=text), GENERALISE) == "untransformable"
    assert "removed" in edited(indicator(description=text), GENERALISE, REDACT)["description"]


LOOK_ALIKES = [
    "Agent 7.4.2 crashes in std::vector at 12:30:45",
    "2026-03-02T12:30:45.123Z, 2026-03-02 12:30:45, 02.03.2026",
    "Windows 10.0.19041.1 and Chrome/120.0.0.0, v1.2.3.4",
    "00:11:22:33:44:55 and 00-11-22-33-44-55 and 00:11:22:33:44:55:66:77",
    "d41d8cd98f00b204e9800998ecf8427e 36:f7:d4:32:f4:ab:70:ea:d3:ce:98:6e:ea:99:93:49",
    "OID 1.3.6.1.5.5.7.3.2 and 2.16.840.1.113730.4.1",
    "CVE-2025-99991, T1059.001, sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "abc::def, Foo::Bar::baz(), .. code::, a :: b",
    "ratio 16:9, score 3.5/10, 1.000.000 EUR, 300.400.500.600",
    "Mention @handle.name and a@b, std::abc, sha1::abc::dd, x86::1, crypto::a1::b2",
    "@anna on social, npm i lodash@4.17.21, look at example.com, 5 @ home",
    "report-2026-02-10-08-15.log, 1-800-555-0199, uuid 12345678-1234-4123-8123-123456789012",
    "50% off & <b>bold</b> C:\\temp\\new \\d+ \u2026 naïve Ünïcödé 漢字 emoji \U0001f600",
    "100%20 %2 &#; &nosuch; \\x \\u12 =3D",
]


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_look_alikes_are_left_alone(text):
    assert find_addresses(text) == ()
    assert find_mail(text) == []
    source = indicator(description=text, x_list=[text], labels=[text])
    assert edited(source, REDACT, PSEUDONYMS, REMOVE) is source
    assert edited(source, GENERALISE) is source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C2 at 198.51.100.23:8443!", "C2 at [removed]:8443!"),
        ("198.51.100.23/32", "[removed]"),
        ("a@b.example and Ä.Ü@ß.example", "[removed] and [removed]"),
        ('to "A. K." <a.k@b.example>, x', "to [removed], x"),
        ("a.k @ b.example", "[removed]"),
        ("https://a.example/?ip=198.51.100.23&m=a@b.example", "https://a.example/?ip=%5Bremoved%5D&%5Bremoved%5D"),
        ("mailto:a@b.example", "mailto:%5Bremoved%5D"),
        ("http://[2001:db8::5]/x", "http://[%5Bremoved%5D]/x"),
        ("198&#46;51&#46;100&#46;23 or 198%2E51%2E100%2E23", "[removed] or [removed]"),
        ("１９８．５１．１００．２３", "[removed]"),
        ("198.51.100.0/24 is a network", "[removed] is a network"),
        ("請寄anna@x.example或用户@例子.公司，謝謝", "請寄[removed][removed]，謝謝"),
        ("位於198.51.100.23的主機", "位於[removed]的主機"),
    ],
)
def test_addresses_in_text_become_a_token_that_is_encoded_in_links(text, expected):
    assert edited(indicator(description=text), REDACT)["description"] == expected


def test_observable_values_are_not_text():
    for obj in (
        observable("ipv4-addr", value="198.51.100.23"),
        observable("url", value="http://198.51.100.23/"),
        observable("email-addr", value="a@b.example"),
        observable("domain-name", value="198.51.100.23"),
    ):
        assert edited(obj, REDACT) is obj


def test_other_strings_of_observables_are_text():
    process = observable("process", command_line="curl 198.51.100.23", environment_variables={"C2": "198.51.100.23", "N": "1"})
    assert edited(process, GENERALISE) == observable(
        "process", command_line="curl 198.51.100.0/24", environment_variables={"C2": "198.51.100.0/24", "N": "1"}
    )
    message = observable(
        "email-message",
        is_multipart=False,
        subject="for a@b.example",
        additional_header_fields={"Reply-To": "a@b.example", "X": ["198.51.100.23"]},
    )
    result = edited(message, PSEUDONYMS, REDACT_IP)
    assert result["subject"] in {"for [removed]", "for [ip removed]"}
    assert edit(message, edits(PSEUDONYMS), KEYS).contributing_changed


def test_a_header_with_a_mail_address_loses_the_name_beside_it():
    message = observable(
        "email-message",
        is_multipart=False,
        additional_header_fields={"From": "Anna Keller <a@b.example>", "X-Mailer": "m 7.4.2"},
    )
    assert edited(message, PSEUDONYMS)["additional_header_fields"] == {"From": "[removed]", "X-Mailer": "m 7.4.2"}
    assert edited(message, REDACT)["additional_header_fields"]["From"] == "Anna Keller <[removed]>"


def test_ids_and_times_are_never_text():
    traffic = observable(
        "network-traffic",
        protocols=["tcp"],
        dst_ref="ipv4-addr--10000000-1000-4000-8000-100010001000",
        start="2026-02-10T08:00:00.123456Z",
    )
    assert edited(traffic, GENERALISE, REDACT, PSEUDONYMS) is traffic


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("ipv4-addr", "198.51.100.23", "198.51.100.0/24"),
        ("ipv4-addr", "198.51.100.23/32", "198.51.100.0/24"),
        ("ipv4-addr", "198.51.100.0/24", "198.51.100.0/24"),
        ("ipv4-addr", "198.51.0.0/16", "198.51.0.0/16"),
        ("ipv4-addr", "198.51.7.7/16", "198.51.0.0/16"),
        ("ipv6-addr", "2001:0DB8:85A3:0:0:8A2E:370:7348", "2001:db8:85a3::/48"),
        ("ipv6-addr", "2001:db8::/32", "2001:db8::/32"),
        ("ipv6-addr", "::1", "::/48"),
        ("ipv6-addr", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:4136::/48"),
    ],
)
def test_address_observables_become_networks(kind, value, expected):
    result = edited(observable(kind, value=value), GENERALISE)
    assert result["value"] == expected
    assert valid(result) == ""


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ipv4-addr", "198.51.100.023"),
        ("ipv4-addr", "198[.]51[.]100[.]23"),
        ("ipv4-addr", "0xC6336417"),
        ("ipv4-addr", "198.51.100.1-198.51.100.9"),
        ("ipv4-addr", "somewhere"),
        ("ipv6-addr", "::ffff:198.51.100.77"),
        ("ipv6-addr", "::198.51.100.77"),
        ("ipv6-addr", "2002:c633:6417::1"),
        ("ipv6-addr", "64:ff9b::c633:6417"),
        ("ipv6-addr", "fe80::1%eth0"),
        ("url", "http://198.51.100.41:8080/gate.php"),
        ("url", "http://3325256727/"),
        ("url", "http://0xC6336417/"),
        ("url", "http://0306.51.100.23/"),
        ("url", "http://127.1/"),
        ("url", "https://[2001:db8::5]/"),
        ("url", "https://a.example/?to=198.51.100.23"),
        ("url", "hxxp://198[.]51[.]100[.]23/"),
        ("url", "3325256727/gate"),
        ("domain-name", "198.51.100.23"),
        ("domain-name", "198-51-100-23.static.example.com"),
        ("domain-name", "c6336417.nip.io"),
        ("domain-name", "8.b.d.0.1.0.0.2.ip6.arpa"),
        ("email-addr", "a@[198.51.100.23]"),
    ],
)
def test_a_value_that_cannot_be_generalised_surely_withholds_the_observable(kind, value):
    assert edited(observable(kind, value=value), GENERALISE) == "untransformable"


def test_hosts_in_requests_cannot_be_generalised_but_redacted():
    def traffic(host):
        request = {
            "request_method": "get",
            "request_value": "/a",
            "request_header": {"Host": host, "Content-Length": "3325256727"},
        }
        return observable(
            "network-traffic",
            protocols=["http"],
            dst_port=80,
            src_ref="ipv4-addr--10000000-1000-4000-8000-100010001000",
            extensions={"http-request-ext": request},
        )

    for host in ("198.51.100.41:8080", "3325256727", "0xC6336417"):
        assert edited(traffic(host), GENERALISE) == "untransformable"
        header = edited(traffic(host), REDACT)["extensions"]["http-request-ext"]["request_header"]
        assert header["Host"] in {"[removed]:8080", "[removed]"}
    assert edited(traffic("a.example"), GENERALISE, REDACT)["dst_port"] == 80


def test_embedded_observables_are_edited_as_observables():
    observed = domain_object(
        "observed-data",
        first_observed="2026-02-10T08:00:00Z",
        last_observed="2026-02-10T08:00:00Z",
        number_observed=1,
        objects={
            "0": {"type": "ipv4-addr", "value": "198.51.100.23"},
            "1": {"type": "email-addr", "value": "a@b.example", "display_name": "A"},
            "2": {"type": "file", "name": "x"},
        },
    )
    result = edited(observed, GENERALISE, PSEUDONYMS)
    assert result["objects"] == {
        "0": {"type": "ipv4-addr", "value": "198.51.100.0/24"},
        "1": {"type": "email-addr", "value": KEYS.pseudonym("k-us", "a@b.example")},
        "2": {"type": "file", "name": "x"},
    }


def test_accounts_that_are_mail_addresses_become_pseudonyms_without_names():
    account = observable("user-account", account_login="A@b.example", user_id="1001", display_name="Anna")
    assert edited(account, PSEUDONYMS) == observable(
        "user-account", account_login=KEYS.pseudonym("k-us", "a@b.example"), user_id="1001"
    )
    plain = observable("user-account", account_login="anna", display_name="Anna")
    assert edited(plain, PSEUDONYMS) is plain


def test_mail_in_text_stays_where_a_rule_changes_values_only():
    values_only = Change(name="values", pseudonymise_email="k-us", pseudonymise_text=False)
    source = indicator(description="write to a@b.example")
    assert edited(source, values_only) is source
    assert edited(source, values_only, PSEUDONYMS)["description"] == "write to [removed]"


def test_pseudonyms_are_not_changed_again():
    once = edited(observable("email-addr", value="a@b.example"), PSEUDONYMS)
    assert edited(once, PSEUDONYMS) is once
    assert edited(once, Change(name="other", pseudonymise_email="other")) is once


# -- custom properties, dropped properties, creators ------------------------------------------------------------------------------


def test_custom_properties_with_a_hit_are_edited_or_removed():
    source = indicator(
        x_host="198.51.100.23", x_deep={"hosts": [{"ip": "198.51.100.23"}], "n": 1}, x_score=7, name="at 198.51.100.23"
    )
    kept = edited(source, REDACT)
    assert (kept["x_host"], kept["x_deep"]) == ("[removed]", {"hosts": [{"ip": "[removed]"}], "n": 1})
    removed = edit(source, edits(REMOVE), KEYS)
    assert {"x_host", "x_deep"} & set(removed.obj) == set()
    assert (removed.obj["x_score"], removed.obj["name"]) == (7, "at [removed]")
    assert removed.reasons == ("ip-redacted", "unknown-property-removed")


def test_properties_of_unknown_extensions_are_removed_and_an_emptied_extension_goes():
    both = indicator(extensions={EXTENSION: {"extension_type": "property-extension", "host": "198.51.100.23", "score": 5}})
    assert edited(both, REMOVE)["extensions"] == {EXTENSION: {"extension_type": "property-extension", "score": 5}}
    single = indicator(extensions={EXTENSION: {"extension_type": "property-extension", "host": "198.51.100.23"}})
    assert "extensions" not in edited(single, REMOVE)
    toplevel = indicator(rail_host="198.51.100.23", extensions={EXTENSION: {"extension_type": "toplevel-property-extension"}})
    assert "rail_host" not in edited(toplevel, REMOVE)


def test_known_extensions_are_text():
    account = observable("user-account", user_id="1", extensions={"unix-account-ext": {"home_dir": "/home/198.51.100.23"}})
    assert edited(account, REMOVE)["extensions"] == {"unix-account-ext": {"home_dir": "/home/[removed]"}}


def test_a_custom_property_that_cannot_be_generalised_withholds_or_goes():
    source = indicator(x_url="http://198.51.100.23/a")
    assert edited(source, GENERALISE) == "untransformable"
    assert "x_url" not in edited(source, GENERALISE, Change(name="c", remove_unknown_if_hit=True))


def test_a_name_that_holds_an_address_takes_its_value_along():
    source = indicator(x_seen={"198.51.100.23": 3, "a@b.example": 1, "other": 2})
    assert edited(source, REDACT)["x_seen"] == {"other": 2}
    assert edited(source, GENERALISE)["x_seen"] == {"a@b.example": 1, "other": 2}


def test_numbers_that_are_addresses_by_name_and_size_go():
    source = indicator(
        x_src_ip=3325256727,
        x_ip_octets=[198, 51, 100, 23],
        x_address=["198", "51", "100", "23"],
        x_count=3325256727,
        x_levels=[1, 2, 3, 4],
        x_ip_count=7,
    )
    for rule in (REDACT_IP, GENERALISE, REMOVE):
        result = edited(source, rule)
        assert {"x_src_ip", "x_ip_octets", "x_address"} & set(result) == set()
        assert (result["x_count"], result["x_levels"], result["x_ip_count"]) == (3325256727, [1, 2, 3, 4], 7)


def test_selectors_that_lead_nowhere_tell_nothing():
    source = indicator(
        name="at 198.51.100.23",
        granular_markings=[
            {"lang": "de", "selectors": ["x_seen.198.51.100.23", "name"]},
            {"lang": "fr", "selectors": ["198.51.100.23"]},
        ],
    )
    assert edited(source, REDACT)["granular_markings"] == [{"lang": "de", "selectors": ["name"]}]


def test_a_host_that_browsers_read_as_an_address_withholds():
    assert edited(observable("url", value="http://198.51\t.100\n.23/"), GENERALISE) == "untransformable"
    assert edited(indicator("[url:value = 'http://198.51\t.100.23/']"), GENERALISE) == "untransformable"


def test_dropped_properties_go_wherever_they_stand():
    source = indicator(
        description="d",
        x_a={"b": 1},
        external_references=[{"source_name": "s", "description": "d", "url": "https://a.example"}],
        labels=["a"],
    )
    result = edit(source, edits(dropping("description", "x_a.b", "external_references.description", "labels", "nothing")), KEYS)
    assert {"description", "x_a", "labels"} & set(result.obj) == set()
    assert result.obj["external_references"] == [{"source_name": "s", "url": "https://a.example"}]
    assert (result.reasons, result.cut) == (("property-dropped",), frozenset({"description", "x_a", "labels"}))
    assert edited(indicator(), dropping("nothing"))["id"] == indicator()["id"]


@pytest.mark.parametrize(
    "name", ["pattern", "valid_from", "id", "type", "modified", "object_marking_refs", "granular_markings"]
)
def test_what_an_object_needs_cannot_be_dropped(name):
    source = indicator(granular_markings=[{"marking_ref": GREEN, "selectors": ["name"]}])
    assert edited(source, dropping(name)) == "untransformable"


def test_dropping_what_other_objects_need_touches_only_those():
    assert edited(
        domain_object("identity", name="a", contact_information="a@b.example"), dropping("contact_information")
    ) == domain_object("identity", name="a")
    assert edited(domain_object("tool", name="a"), dropping("name")) == "untransformable"


def test_selectors_follow_what_edits_remove():
    source = indicator(
        x_host="198.51.100.23",
        description="d",
        name="n",
        granular_markings=[
            {"marking_ref": GREEN, "selectors": ["x_host"]},
            {"lang": "de", "selectors": ["description", "name"]},
        ],
    )
    result = edited(source, REMOVE, dropping("description"))
    assert result["granular_markings"] == [{"lang": "de", "selectors": ["name"]}]


def test_payloads_stay_from_anyone_with_a_change_rule():
    artifact = observable("artifact", payload_bin="TVqQAAMAAAAEAAAA", mime_type="application/octet-stream")
    for rule in (GENERALISE, PSEUDONYMS, Change(name="h", hide_creator=True), dropping("mime_type")):
        assert edited(artifact, rule) == "untransformable"
        assert may_hit(b'{"type":"artifact","payload_bin":"TVqQAAMAAAAEAAAA"}', edits(rule))
    assert edited(artifact) is artifact


def test_nesting_without_end_withholds_the_object():
    deep = []
    for _ in range(3000):
        deep = [deep]
    assert edit(indicator(x_deep=deep), edits(REDACT), KEYS).problem == "untransformable"


def test_a_granular_cut_comes_before_the_edits():
    red = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
    source = indicator(
        description="http://198.51.100.23/", granular_markings=[{"marking_ref": red, "selectors": ["description"]}]
    )
    from taxii_fed.core.stix.levels import Level

    done = edit(source, edits(GENERALISE, ceiling=Level.GREEN), KEYS)
    assert (done.problem, done.changed, "description" in done.obj) == ("", True, False)


# -- looks before and after -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "classes"),
    [
        (indicator(), set()),
        (indicator("[ipv4-addr:value = '198.51.100.23']"), {"ip"}),
        (indicator(description="a@b.example"), {"email"}),
        (indicator("rule a {}", pattern_type="yara"), {"opaque-pattern"}),
        (observable("email-addr", value="odd"), {"email"}),
        (observable("ipv6-addr", value="odd"), {"ip"}),
    ],
)
def test_a_scan_names_the_data_classes_present(obj, classes):
    assert scan(obj) == classes


@pytest.mark.parametrize(
    "obj",
    [
        {key: value for key, value in indicator().items() if key != "valid_from"},
        domain_object("report", name="a", published="2026-02-10T08:00:00Z", object_refs=[]),
        indicator("[file:size ="),
        indicator(labels=[]),
        domain_object("location", latitude=3.5, region="europe"),
        observable("network-traffic", protocols=["tcp"]),
    ],
)
def test_what_is_no_stix_is_not_valid(obj):
    assert valid(obj)


@pytest.mark.parametrize(
    "obj", [indicator(), indicator("x", pattern_type="sigma"), domain_object("x-case", name="a"), observable("mutex", name="m")]
)
def test_what_is_stix_is_valid(obj):
    assert valid(obj) == ""


def test_what_nothing_bites_stays_the_same_object_however_often_its_like_was_seen():
    for _ in range(2):
        obj = json.loads(json.dumps(indicator("[url:value = 'https://pay.example/198/gate.php']", description="at 12:30:45")))
        done = edit(obj, edits(GENERALISE, REDACT_IP, PSEUDONYMS), KEYS)
        assert done.obj is obj
        assert not done.changed
