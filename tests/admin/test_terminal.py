"""Tables on a terminal: what one copies stays whole however narrow it is, and nothing but text goes out where no colours are wanted."""

from __future__ import annotations

import io
import re
import sys

import pytest

from nodekit import indicator, stix_id
from taxii_fed.cli.common import echo_table
from taxii_fed.cli.main import main
from taxii_fed.core.stix.levels import Level

COPIED = re.compile(r"[a-z-]+--[0-9a-f-]{36}|\d{4}-\d\d-\d\d[T ][\d:.]+Z|\beu-csirt\b|\bharbour-siem\b")
HOLD = ("never:\n", "hold:\n  asked:\n    what: {origin: eu-csirt}\n    until: approved\nnever:\n")
ACCOUNT = (
    "communities: [hk-banking], publish: [banking]}",
    "communities: [hk-banking], publish: [banking], accounts: {harbour-siem: {token_hash: '" + "a" * 64 + "'}}}",
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown(monkeypatch):
    """Show what something writes to a terminal of a width."""

    def show(width, act, **environment):
        terminal = Terminal()
        with monkeypatch.context() as patch:
            patch.setenv("COLUMNS", str(width))
            patch.setenv("TERM", "xterm")
            patch.delenv("NO_COLOR", raising=False)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdout", terminal)
            act()
        return terminal.getvalue()

    return show


@pytest.fixture
def busy(stocked):
    """A node with something on hold, something in quarantine, a reader and a peer."""
    stocked.edit(HOLD, ACCOUNT)
    stocked.run("apply")
    stocked.offer(indicator(40, level=Level.AMBER), indicator(41, level=Level.RED))
    return stocked


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("words", ["held", "status", f"ledger {stix_id('indicator', 1)}", "quarantine list", "peer list"])
def test_ids_versions_and_times_are_whole_at_any_width(busy, shown, words, width):
    wide = busy.run(*words.split())
    assert COPIED.search(wide)
    command = ["--config", str(busy.config), *words.split()]
    narrow = shown(width, lambda: main(command, standalone_mode=False), NO_COLOR="1")
    assert sorted(COPIED.findall(narrow)) == sorted(COPIED.findall(wide))
    assert "\x1b" not in narrow


ROWS = [("indicator--1", "a text of several words", "x"), ("indicator--2", "", "y")]


def test_a_column_of_words_is_folded_before_a_table_is_given_up(shown):
    assert shown(35, lambda: echo_table(("object", "why", "by"), ROWS, folds=("why",)), NO_COLOR="1").split("\n") == [
        "object        why                by",
        "indicator--1  a text of several  x ",
        "              words                ",
        "indicator--2                     y ",
        "",
    ]


def test_a_table_too_wide_for_a_terminal_becomes_a_block_for_each_row(shown):
    assert shown(25, lambda: echo_table(("object", "why", "by"), ROWS, folds=("why",))) == (
        "object: indicator--1\nwhy:    a text of several words\nby:     x\n\nobject: indicator--2\nby:     y\n"
    )


def test_headings_are_bold_unless_no_colours_are_wanted(shown):
    def act():
        echo_table(("object", "why", "by"), ROWS)

    assert "\x1b[1mobject" in shown(80, act)
    assert "\x1b" not in shown(80, act, NO_COLOR="1")
