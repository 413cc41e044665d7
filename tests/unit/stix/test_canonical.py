"""RFC 8785: one form for every spelling of the same content."""

import json
import math
import struct

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.stix import canonical as module
from taxii_fed.core.stix.canonical import canonical, digest

# Doubles by their bits, and the text that ECMAScript gives them (written from the rules of Number.prototype.toString).
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "3ff0000000000000": "1",
    "bff8000000000000": "-1.5",
    "3fb999999999999a": "0.1",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "3e7ad7f29abcaf48": "1e-7",
    "0000000000000001": "5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "444b1ae4d6e2ef50": "1e+21",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "41b3de4355555555": "333333333.3333333",
    "4024000000000000": "10",
    "c3e0000000000000": "-9223372036854776000",
    "3ff3c0ca428c59fb": "1.2345678901234567",
}


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_a_number_is_written_as_ecmascript_writes_it(bits, text):
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical([number]) == f"[{text}]".encode()


def test_an_integer_beyond_what_a_double_holds_is_written_as_that_double():
    assert canonical([9007199254740993, 2**70]) == b"[9007199254740992,1.1805916207174113e+21]"


def test_members_are_sorted_by_utf_16_units_and_not_by_code_points():
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}
    assert canonical(value) == '{"\\r":2,"1":4,"\x80":6,"\xf6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'.encode()


def test_only_what_must_be_escaped_is_escaped():
    text = "".join(map(chr, range(0x20))) + '"\\/\x7f\u2028é'
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}
    escaped = "".join(short.get(code, f"\\u{code:04x}") for code in range(0x20))
    expected = f'"{escaped}\\"\\\\/\x7f\u2028é"'.encode()
    assert canonical(text) == expected
    assert canonical([text, 0.5]) == b"[" + expected + b",0.5]"


def test_spellings_of_the_same_content_have_the_same_digest():
    one = json.loads('{"b": 1.0, "a": [1e2, "\\u00e9"]}')
    other = json.loads('{"a":[100,"é"],"b":1}')
    assert digest(one) == digest(other) != digest({"a": [100, "e"], "b": 1})
    assert len(digest(one)) == 32


def test_half_a_surrogate_pair_has_no_canonical_form():
    with pytest.raises(ValueError, match="surrogates"):
        digest({"a": "\ud800"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_the_canonical_form_is_a_fixed_point_that_means_the_same(value):
    written = canonical(value)
    again = json.loads(written)
    assert canonical(again) == written
    assert _as_doubles(again) == _as_doubles(value)


@given(json_values)
def test_the_fast_way_and_the_slow_way_write_the_same_bytes(value):
    assert canonical(value) == module._written(value).encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself(number):
    assert float(canonical(number)) == number


def test_the_slow_way_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="finite"):
        canonical({"a": math.inf})


def test_plain_content_takes_the_fast_way(monkeypatch):
    monkeypatch.setattr(module, "_written", None)
    assert canonical({"b": [1, None, True, "é"], "a": {}}) == orjson.dumps({"a": {}, "b": [1, None, True, "é"]})


def _as_doubles(value):
    if isinstance(value, dict):
        return {name: _as_doubles(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_doubles(item) for item in value]
    return value if isinstance(value, bool) or not isinstance(value, int) else float(value)
