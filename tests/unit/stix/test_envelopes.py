"""Reading envelopes: exact bytes, one bad object fails alone, nothing but the two errors for any bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.errors import BadRequestError, PeerAnswerError, RequestError, TooLargeError, UnprocessableError
from taxii_fed.core.stix import envelopes
from taxii_fed.core.stix.canonical import canonical
from taxii_fed.core.stix.envelopes import MAX_OBJECT_BYTES, read_envelope, read_page

ID = "ipv4-addr--efcd5e80-570d-5131-b213-62cb18eaa6a8"
ADDRESS = f'{{"type": "ipv4-addr", "id": "{ID}", "value": "203.0.113.7"}}'


def address(members=""):
    return f'{{"type": "ipv4-addr", "id": "{ID}"{members}}}'


@pytest.mark.invariant("I3")
@pytest.mark.taxii("S-B-07")
def test_an_object_is_kept_as_the_bytes_it_came_in():
    odd = f'{{ "id":"{ID}",\n\t"type" : "ipv4-addr","n":[1.0, 1E2,-0,12345678901234567890123], '
    odd += r'"u":"\u00e9é\/😀" }'
    first, second = read_envelope(
        f' {{"more": false, "objects" : [\r\n{odd} ,{ADDRESS}] , "x": {{"objects": [1]}}}}\n'.encode()
    )
    assert (first.raw, second.raw) == (odd.encode(), ADDRESS.encode())
    assert (first.index, second.index, first.problem, second.problem) == (0, 1, "", "")
    assert first.value["u"] == "éé/😀"


def test_id_and_version_are_told():
    versioned = '{"type":"malware","id":"malware--0f6a6b1e-8a2c-4f7e-9d55-3f1f6c1b7a10","created":"2026-03-02T09:00:00Z","modified":"2026-03-02T09:00:00.5Z"}'
    first, second = read_envelope(f'{{"objects":[{versioned},{ADDRESS}]}}'.encode())
    assert (first.id, first.version_text) == ("malware--0f6a6b1e-8a2c-4f7e-9d55-3f1f6c1b7a10", "2026-03-02T09:00:00.5Z")
    assert (second.id, second.version_text) == (ID, "")


def test_a_bundle_is_an_envelope_too():
    body = f'{{"type":"bundle","id":"bundle--1","spec_version":"2.0","objects":[{ADDRESS}]}}'
    assert [each.id for each in read_envelope(body.encode())] == [ID]


ALONE = {
    "a number": ("7", "expected a JSON object, found the number 7", ""),
    "a list": ("[[]]", "expected a JSON object, found a list", ""),
    "a bundle": ('{"type":"bundle","objects":[]}', "type: a bundle is no STIX object; put its objects into the envelope", ""),
    "a member twice": (address(', "a": {"b": 1, "b": 1}'), "a member name is there twice in one JSON object", ID),
    "not a number": (address(', "a": NaN'), "NaN is no JSON value", ID),
    "infinity": (address(', "a": [-Infinity]'), "-Infinity is no JSON value", ID),
    "a number beyond a double": (address(', "a": 1e999'), "a number is out of the range of a double", ID),
    "an integer beyond a double": (address(f', "a": -{"9" * 5000}'), "a number is out of the range of a double", ID),
    "half a surrogate pair": (address(', "a": "\\ud83d"'), "a string holds half of a surrogate pair", ID),
    "half a surrogate pair in a name": (address(', "\\uDC00": 1'), "a string holds half of a surrogate pair", ID),
    "absurd depth": (address(f', "a": {"[" * 101}{"]" * 101}'), "nested deeper than 100 levels", ID),
    "no id": ('{"type":"ipv4-addr","id":"\\n"}', "id: expected ipv4-addr--UUID, found '\\n'", ""),
    "too many bytes": (
        address(f', "a": "{"x" * MAX_OBJECT_BYTES}"'),
        f"bytes, more than {MAX_OBJECT_BYTES}",
        ID,
    ),
}


@pytest.mark.taxii("S-5.5-09")
@pytest.mark.parametrize(("text", "problem", "object_id"), ALONE.values(), ids=ALONE)
def test_a_bad_object_fails_alone(text, problem, object_id):
    before, bad, after = read_envelope(f'{{"objects":[{ADDRESS},{text},{ADDRESS}]}}'.encode())
    assert (before.problem, after.problem) == ("", "")
    assert problem in bad.problem
    assert (bad.index, bad.raw, bad.id) == (1, text.encode(), object_id)


def test_a_whole_surrogate_pair_and_a_great_number_pass():
    text = address(r', "a": "\ud83d\ude00", "b": 123456789012345678901234567890')
    (received,) = read_envelope(f'{{"objects":[{text}]}}'.encode())
    assert received.problem == ""
    assert received.value["a"] == "😀"


NO_JSON = {
    "nothing": b"",
    "space": b" \n",
    "a word": b"hello",
    "not UTF-8": b'{"objects": ["\xff"]}',
    "UTF-16": '{"objects": []}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"objects": []}',
    "an open envelope": b'{"objects": [1]',
    "an open list": b'{"objects": [1',
    "an open object": b'{"objects": [{"type": "a"]}',
    "text behind the end": b'{"objects": [1]} x',
    "text behind a list": b"[] x",
    "no colon": b'{"objects" [1]}',
    "no comma between members": b'{"a": 1 "objects": [1]}',
    "no comma between objects": b'{"objects": [1 2]}',
    "a comma at the end of the members": b'{"objects": [1],}',
    "a comma at the end of the objects": b'{"objects": [1,]}',
    "a comma at the start": b'{"objects": [,1]}',
    "a bare member name": b"{objects: [1]}",
    "two lists of objects": b'{"objects": [1], "objects": [2]}',
    "a control character": b'{"objects": [{"a": "\n"}]}',
    "a leading zero": b'{"objects": [01]}',
    "other white space": b'{"objects":\x0b[1]}',
    "nested past all reason": b'{"a":' + b"[" * 200_000,
    "nested past all reason inside an object": b'{"objects":[' + b'{"a":' * 200_000,
}


@pytest.mark.taxii("S-5.5-07", "S-B-04")
@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_a_bad_request_or_a_bad_answer(body):
    with pytest.raises(BadRequestError, match=r"^The body is no JSON text: \w[^\n]*\.$"):
        read_envelope(body)
    with pytest.raises(PeerAnswerError, match="the page is no JSON text"):
        read_page(body)


@pytest.mark.parametrize(
    "body", [b'{"objects": [{"type": "indicator', b'{"objects": [{"type": "a\n"}]}'], ids=["no end", "a new line"]
)
def test_the_place_of_what_is_no_json_is_said_once(body):
    with pytest.raises(BadRequestError, match=r"[^t] at line 1, column \d+\.$"):
        read_envelope(body)


NO_ENVELOPE = {
    "a list": (b"[]", "expected a JSON object"),
    "a string": (b'"objects"', "expected a JSON object"),
    "nothing in it": (b"{}", 'expected the member "objects"'),
    "objects that are no list": (b'{"objects": {}}', 'expected the member "objects"'),
    "objects that are null": (b'{"objects": null}', 'expected the member "objects"'),
    "a lone STIX object": (ADDRESS.encode(), "a single STIX object goes into a list there"),
    "no object": (b'{"objects": [ ]}', '"objects" is empty'),
}


@pytest.mark.taxii("S-5.5-07", "S-2-05")
@pytest.mark.parametrize(("body", "hint"), NO_ENVELOPE.values(), ids=NO_ENVELOPE)
def test_json_that_is_no_envelope_is_unprocessable_with_a_hint(body, hint):
    with pytest.raises(UnprocessableError, match=hint):
        read_envelope(body)


def test_more_objects_than_are_taken_at_once_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(envelopes, "MAX_OBJECTS", 3)
    monkeypatch.setattr(envelopes, "MAX_PAGE_OBJECTS", 4)
    assert [len(read(b'{"objects": [1, 2, 3]}')) for read in (read_envelope, lambda body: read_page(body).objects)] == [3, 3]
    with pytest.raises(TooLargeError, match="up to 3 objects"):
        read_envelope(b'{"objects": [1, 2, 3, 4]}')
    with pytest.raises(PeerAnswerError, match="more than 4 objects"):
        read_page(b'{"objects": [1, 2, 3, 4, 5]}')


@pytest.mark.taxii("C-3.7-01")
@pytest.mark.parametrize("body", [b"{}", b'{"more": false}', b'{"objects": []}', b'{"objects": null, "next": null}'])
def test_a_page_may_be_empty(body):
    page = read_page(body)
    assert (page.objects, page.more, page.next) == ([], False, None)


@pytest.mark.taxii("C-3.5-01")
def test_a_page_says_how_to_go_on():
    page = read_page(f'{{"more": true, "next": "a b/ü", "objects": [{ADDRESS}, 7]}}'.encode())
    assert ([each.id for each in page.objects], page.more, page.next) == ([ID, ""], True, "a b/ü")
    assert read_page(b'{"next": 12}').next == "12"


@pytest.mark.parametrize(
    "body", [b"[]", b'{"objects": 1}', b'{"more": "true"}', b'{"next": {}}', b'{"next": "a\\n"}', b'{"next": "\\ud800"}']
)
def test_what_is_no_page_is_a_bad_answer(body):
    with pytest.raises(PeerAnswerError, match="the page is no TAXII envelope"):
        read_page(body)


space = st.text(" \t\r\n", max_size=3)
scalars = (
    st.sampled_from(["null", "true", "false", "0", "-0", "1.50", "1E+2", "12345678901234567890"])
    | st.text(max_size=8).map(json.dumps)
    | st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False))
)


@st.composite
def spelled(draw, depth=2):
    """A JSON text in any spelling."""
    if depth == 0 or draw(st.booleans()):
        return draw(scalars)
    items = draw(st.lists(spelled(depth - 1), max_size=3))
    if draw(st.booleans()):
        return "[" + ",".join(draw(space) + item + draw(space) for item in items) + draw(space) * (not items) + "]"
    return spelled_object(draw, items)


def spelled_object(draw, items):
    names = draw(st.lists(st.text(max_size=4), min_size=len(items), max_size=len(items), unique=True))
    members = [
        f"{draw(space)}{json.dumps(f'x{name}')}{draw(space)}:{draw(space)}{item}{draw(space)}"
        for name, item in zip(names, items, strict=True)
    ]
    return "{" + ",".join(members) + "}"


@pytest.mark.invariant("I3")
@given(st.data())
def test_the_slices_of_any_envelope_are_its_very_bytes(data):
    draw = data.draw
    texts = draw(st.lists(spelled(), min_size=1, max_size=5))
    parts = [f'{draw(space)}{{{draw(space)}"objects"{draw(space)}:{draw(space)}[']
    for index, text in enumerate(texts):
        parts += [draw(space), text, draw(space), "," if index + 1 < len(texts) else "]"]
    parts += [draw(space), "}", draw(space)]
    received = read_envelope("".join(parts).encode())
    for each, place in zip(received, range(2, 4 * len(texts), 4), strict=True):
        parts[place] = each.raw.decode()
        assert each.value is None or canonical(each.value) == canonical(json.loads(each.raw))
    assert [each.raw for each in received] == [text.encode() for text in texts]


shreds = st.lists(
    st.sampled_from(
        ['{"objects":[', ADDRESS, "{", "}", "[", "]", ",", ":", '"', "objects", "\\u", "\\ud800", "1e", "-", "é", " ", "NaN"]
    )
    | st.text(max_size=3),
    max_size=12,
).map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))


@pytest.mark.taxii("S-B-04")
@given(st.binary(max_size=60) | shreds)
def test_any_bytes_are_read_or_refused(body):
    try:
        received = read_envelope(body)
    except RequestError as error:
        assert error.description  # noqa: PT017 — reading may as well go through
    else:
        assert all(each.raw in body for each in received)
        assert json.loads(body)["objects"]
