"""Scalars are read by the type of their field, never by their looks; any of them may come from outside the file."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from taxii_fed.config import credentials, scalars
from taxii_fed.config.load import load
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.timestamps import parse_rfc3339

from .conftest import FULL, NODE


@pytest.mark.parametrize(
    "text", ["NO", "on", "yes", "null", "~", "1e3", "0123", "0x1F", "1_000", "12:30:45", "2026-12-01", ".inf", "3.10"]
)
def test_a_text_stays_as_it_is_written(write, text):
    settings = load(write(NODE.replace("organisation: Harbour Exchange", f"organisation: {text}")))
    assert settings.node.organisation == text


def test_norway_is_a_jurisdiction(write):
    settings = load(write(FULL.replace("jurisdiction: EU", "jurisdiction: NO")))
    assert settings.parties["eu-csirt"].jurisdiction == "NO"
    assert "NO" in settings.jurisdictions["EU"]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("'yes'", True), ("off", False), ("False", False)])
def test_a_flag_is_read_as_one_with_or_without_quotes(write, text, value):
    assert load(write(FULL.replace("default: true", f"default: {text}"))).api_roots["finance"].default is value


def test_a_section_with_nothing_in_it_is_empty(write):
    settings = load(write(NODE + "parties:\nnever:\ncommunities:\nmarkings:\nlog:\n"))
    assert (settings.parties, settings.never, settings.communities) == ({}, {}, ())


@pytest.mark.parametrize(
    ("text", "count"), [("1", 1), ("500kB", 500_000), ("50MB", 50_000_000), ("2GiB", 2 << 30), ("10 MiB", 10 << 20)]
)
def test_sizes_are_bytes(text, count):
    assert scalars.size(text) == count


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("24h", 86_400), ("7d", 604_800)])
def test_time_spans_are_seconds(text, seconds):
    assert scalars.Duration()(text) == seconds


@pytest.mark.parametrize(("text", "share"), [("20%", 0.2), ("0%", 0.0), ("100 %", 1.0), ("2.5%", 0.025)])
def test_shares_are_numbers_from_0_to_1(text, share):
    assert scalars.percent(text) == share


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-12-01T00:00+08:00", "2026-11-30T16:00:00Z"),
        ("2026-12-01 00:00Z", "2026-12-01T00:00:00Z"),
        ("2026-12-01t00:00:30.5z", "2026-12-01T00:00:30.5Z"),
        ("2026-12-01T00:00:00 -05:00", "2026-12-01T05:00:00Z"),
    ],
)
def test_times_are_instants(text, same):
    assert scalars.instant(text) == parse_rfc3339(same)


def test_white_is_clear():
    assert scalars.tlp("WHITE") is Level.CLEAR


READERS = [
    scalars.line, scalars.name, scalars.path_segment, scalars.account_name, scalars.uuid4, scalars.flag, scalars.tlp, scalars.size,
    scalars.percent, scalars.instant, scalars.address, scalars.network, scalars.web_url, scalars.base_url, credentials.proxy_url,
    credentials.secret_text, credentials.node_key, credentials.password_hash, credentials.token_hash, scalars.store_address, scalars.Duration(),
    scalars.Whole(0, 100), scalars.OneOf(("a", "b")),
]  # fmt: skip


@example(scalars.web_url, "http://[x")
@example(credentials.proxy_url, "http://[x")
@example(credentials.proxy_url, "http://x:99999")
@given(st.sampled_from(READERS), st.one_of(st.text(), st.from_regex(r"[0-9:./%TZ+a-z@\[\]-]{0,40}", fullmatch=True)))
def test_any_text_is_read_or_refused_as_a_mistake(reader, text):
    # anything else than a mistake would end in a traceback
    with contextlib.suppress(PydanticCustomError):
        reader(text)


class TestFromOutside:
    def test_any_value_may_come_from_the_environment(self, write, monkeypatch):
        monkeypatch.setenv("HUB_TITLE", "From outside")
        monkeypatch.setenv("HUB_PAGE", "500")
        text = NODE.replace("title: Hong Kong hub", "title: {env: HUB_TITLE}").replace(
            "server:", "server:\n  page_size: {env: HUB_PAGE}"
        )
        settings = load(write(text))
        assert (settings.node.title, settings.server.page_size) == ("From outside", 500)

    def test_a_file_loses_one_line_end(self, write, folder):
        (folder / "title.txt").write_text("From a file\n")
        assert load(write(NODE.replace("title: Hong Kong hub", "title: {file: title.txt}"))).node.title == "From a file"

    @pytest.mark.parametrize(
        ("where", "words"),
        [
            ("{env: NOT_SET_ANYWHERE}", "NOT_SET_ANYWHERE is not set"),
            ("{file: nowhere.txt}", "no such file"),
            ("{file: .}", "can't be read"),
            ("{file: latin1.txt}", "is not UTF-8"),
            ("{file: large.txt}", "is larger than"),
            ("{file: [a]}", "expected {file: PATH}"),
            ("{env: }", "expected {env: NAME}"),
            ("{env: A, file: B}", "expected one value, found a mapping"),
        ],
    )
    def test_what_is_missing_there_is_a_mistake_here(self, mistakes, folder, where, words):
        (folder / "latin1.txt").write_bytes(b"Z\xfcrich")
        (folder / "large.txt").write_text("x" * 200_000)
        (problem,) = mistakes(NODE.replace("title: Hong Kong hub", f"title: {where}"))
        assert (problem.path, problem.line) == ("node.title", 3)
        assert words in problem.sentence

    def test_a_name_from_outside_counts_as_declared(self, write, monkeypatch):
        monkeypatch.setenv("ORGANISATION", "Harbour Bank")
        text = FULL.replace("organisation: Harbour Bank", "organisation: {env: ORGANISATION}")
        settings = load(write(text.replace("{community: hk-banking}", "{organisation: Harbour Bank}")))
        assert settings.share["banks read banking"].to.organisation == ("Harbour Bank",)
