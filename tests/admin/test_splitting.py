"""Files of objects are cut into the very bytes of each object, whatever their form and however they are read (I3)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.errors import BadRequestError
from taxii_fed.core.stix.splitting import split_objects

texts = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts.filter(lambda key: key != "objects"), values, max_size=4)


def in_chunks(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def bundle(pieces: list[bytes]) -> bytes:
    return b' {"type": "bundle", "x": {"objects": [1]}, "objects" : [' + b" ,\n".join(pieces) + b'], "after": [{"a": 1}]}\n'


FORMS = {
    "bundle": bundle,
    "envelope": lambda pieces: b'{"more":false,"objects":[' + b",".join(pieces) + b"]}",
    "list": lambda pieces: b"[" + b",".join(pieces) + b"]",
    "lines": lambda pieces: b"\n".join(pieces) + b"\n",
    "run together": b"".join,
    "with a byte order mark": lambda pieces: b"\xef\xbb\xbf[" + b",".join(pieces) + b"]",
    "bundles one after the other": lambda pieces: b"\n".join(bundle([piece]) for piece in pieces),
}


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("form", FORMS)
@given(found=st.lists(objects, max_size=4), ascii_only=st.booleans(), size=st.integers(1, 40))
def test_every_form_gives_the_bytes_of_its_objects(form, found, ascii_only, size):
    pieces = [json.dumps(each, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") for each in found]
    assert list(split_objects(in_chunks(FORMS[form](pieces), size))) == pieces


@pytest.mark.parametrize("body", [b"", b" \n", b"[]", b'{"objects": []}'])
def test_a_file_without_objects_gives_none(body):
    assert list(split_objects([body])) == []


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"hello", "byte 0"),
        (b'{"type": "x"} x', "byte 14"),
        (b'{"objects": [{}, 7]}', "byte 17"),
        (b'{"objects": [{},]}', "byte 16"),
        (b'{"objects": [{} {}]}', "byte 16"),
        (b'{"objects": [{"a": "b', "byte 13"),
        (b'{"a" 1}', "byte 5"),
        (b'{"a": 1 "b": 2}', "byte 8"),
        (b"[{}", "byte 3"),
        (b'{"a": }', "byte 6"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_no_list_of_objects_is_refused_with_its_place(body, place, size):
    with pytest.raises(BadRequestError, match=f"^{place}:"):
        list(split_objects(in_chunks(body, size)))


def test_objects_before_the_bad_place_are_given_first():
    found = split_objects([b'{"objects": [{"a": 1}, {"b": 2}, nonsense'])
    assert [next(found), next(found)] == [b'{"a": 1}', b'{"b": 2}']
    with pytest.raises(BadRequestError):
        next(found)
