"""Whatever is done to a file, it ends in settings or in located mistakes: never in a traceback, never in a key that is ignored."""

import secrets
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.config.load import loads
from taxii_fed.config.problems import Problem, path_text
from taxii_fed.config.section import Section
from taxii_fed.core.errors import ConfigError

from .conftest import FULL

RICH = (
    FULL.replace(
        "    pull:\n", "    auth: {token: {env: PATH}}\n    removal_guard: {above: 10%}\n    quota: {objects: 5}\n    pull:\n"
    )
    .replace("    up_to: AMBER\n", "    what: {type: [indicator], not: [{label: x}]}\n    up_to: AMBER\n")
    .replace(
        "communities: [hk-banking]\n    publish", "communities: [{name: hk-banking, from: 2026-01-01T00:00Z}]\n    publish"
    )
    + """\
log: {format: json}
never:
  no: {to: {not: {role: regulator}}, what: {label: victim}}
hold:
  embargo: {what: {label: embargo}, until: 2026-12-01T00:00+08:00}
change:
  coarser: {generalise_ip: {v4: 24}, pseudonymise: {email: key}, mark: AMBER}
"""
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    (folder / "node.key").write_text(secrets.token_hex(32))
    return folder


def problems_of(text: str, folder: Path) -> tuple[Problem, ...]:
    try:
        loads(text, folder)
    except ConfigError as error:
        return error.problems or pytest.fail("an error without a problem")
    return ()


def places(value, path=()):
    """Yield the path of every mapping with fixed keys in settings."""
    if isinstance(value, Section):
        yield path
        for key, field in value.keys().items():
            yield from places(getattr(value, field), (*path, key))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def stands(raw, step):
    """Whether a step of a path stands in the file; the position in a list of one need not."""
    if isinstance(raw, dict):
        return step in raw
    return isinstance(raw, list) and isinstance(step, int) and step < len(raw)


def written(raw, path):
    """Yield the steps of a path that stand in the file."""
    for step in path:
        if stands(raw, step):
            yield step
            raw = raw[step]


def reached(raw, path):
    """Return what stands in a file at a path, None where the file says nothing there."""
    for step in path:
        if stands(raw, step):
            raw = raw[step]
        elif step != 0:  # a list of one may be written as one
            return None
    return raw if isinstance(raw, dict) else None


@pytest.mark.invariant("I6")
def test_an_unknown_key_is_refused_in_every_mapping_there_is(home):
    settings = loads(RICH, home)
    tried = 0
    for path in places(settings):
        raw = yaml.load(RICH, Loader=yaml.BaseLoader)
        mapping = reached(raw, path)
        if mapping is None:
            continue
        mapping["no_such_key"] = "x"
        tried += 1
        paths = [problem.path for problem in problems_of(yaml.dump(raw), home) if problem.message == "unknown key"]
        shown = path_text([*written(raw, path), "no_such_key"])
        assert paths == [shown]
    assert tried > 25


@pytest.mark.invariant("I6")
@given(st.data())
def test_a_misspelt_key_is_never_ignored(home, data):
    raw = yaml.load(RICH, Loader=yaml.BaseLoader)
    candidates = [path for path in places(loads(RICH, home)) if reached(raw, path)]
    mapping = reached(raw, data.draw(st.sampled_from(candidates)))
    key = data.draw(st.sampled_from(sorted(mapping)))
    typo = data.draw(st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12))
    known = {name for model in Section.__subclasses__() for name in model.keys()}  # noqa: SIM118
    if typo in known | set(raw) or typo in mapping:
        return
    mapping[typo] = mapping.pop(key)
    assert problems_of(yaml.dump(raw), home)


EDIT = st.tuples(
    st.integers(0, len(RICH) - 1),
    st.integers(0, 12),
    st.text(max_size=6) | st.sampled_from("\t : - [ ] { } & * ! | > ' \" # , \n".split(" ")),
)


@given(st.lists(EDIT, min_size=1, max_size=4))
def test_any_edit_of_the_text_gives_settings_or_located_mistakes(home, edits):
    text = RICH
    for start, length, new in edits:
        text = text[:start] + new + text[start + length :]
    lines = text.splitlines()
    for problem in problems_of(text, home):
        assert isinstance(problem, Problem)
        assert 1 <= problem.line <= len(lines) + 1
        assert problem.column >= 1
        assert problem.render().startswith(f"taxii-fed.yaml:{problem.line}:{problem.column}: ")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["all", "off", "none", "approved", "true", "2026-01-01"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["env", "file", "not", "to", "x", "banking"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(st.data())
def test_any_value_anywhere_gives_settings_or_mistakes(home, data):
    raw = yaml.load(RICH, Loader=yaml.BaseLoader)
    value = raw
    while True:
        key = data.draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        if not value[key] or not isinstance(value[key], (dict, list)) or data.draw(st.booleans()):
            break
        value = value[key]
    value[key] = data.draw(VALUES)
    problems_of(yaml.dump(raw, allow_unicode=True), home)
