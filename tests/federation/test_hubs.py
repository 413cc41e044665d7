"""Hubs that pull from each other: loops come to rest, deletions travel, and where an object comes from travels with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from federation.hubs import Hub, close_hubs, open_hubs
from nodekit import indicator

MINUTE = 60.0


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[dict[str, Hub]]:
    hubs: dict[str, Hub] = {}
    yield hubs
    close_hubs(hubs)


def linked(
    hubs: dict[str, Hub], folder: Path, links: dict[str, Sequence[str]], rules: dict[str, str] | None = None
) -> dict[str, Hub]:
    hubs.update(open_hubs(folder, links, rules))
    return hubs


def rest(hubs: dict[str, Hub], *, compare: bool = False) -> int:
    """Let every hub pull until nothing changes any more, and return the last round in which something did.

    A path may have to go round once by all hubs before the last one sees that it leads nowhere.
    """
    quiet = changed = 0
    for rounds in range(1, 30):
        before = {name: hub.versions() for name, hub in hubs.items()}
        for hub in hubs.values():
            hub.clock.pass_(MINUTE)
            runs = hub.pull() + (hub.compare() if compare else [])
            assert [run.error for run in runs] == [None] * len(runs)
        if before != {name: hub.versions() for name, hub in hubs.items()}:
            quiet, changed = 0, rounds
            continue
        quiet += 1
        if quiet == len(hubs):
            return changed
    raise AssertionError("the hubs did not come to rest")


@pytest.mark.invariant("I4")
def test_two_hubs_that_pull_from_each_other_come_to_rest(opened: dict[str, Hub], tmp_path: Path) -> None:
    hubs = linked(opened, tmp_path, {"hk": ["eu"], "eu": ["hk"]})
    hubs["hk"].publish(indicator(1), indicator(2))
    hubs["eu"].publish(indicator(3))
    assert rest(hubs) <= 2
    everything = {indicator(number)["id"] for number in (1, 2, 3)}
    assert hubs["hk"].sees() == hubs["eu"].sees() == everything
    assert rest(hubs, compare=True) == 0


@pytest.mark.invariant("I10")
def test_a_deletion_does_not_live_on_in_a_loop(opened: dict[str, Hub], tmp_path: Path) -> None:
    hubs = linked(opened, tmp_path, {"hk": ["eu"], "eu": ["us"], "us": ["hk"]})
    hubs["hk"].publish(indicator(1), indicator(2))
    rest(hubs)
    assert hubs["us"].sees() == {indicator(1)["id"], indicator(2)["id"]}
    hubs["hk"].delete(indicator(1))
    rest(hubs, compare=True)
    assert [hub.sees() for hub in hubs.values()] == [{indicator(2)["id"]}] * 3


@pytest.mark.invariant("I10")
def test_a_deletion_leaves_what_another_hub_offers_by_itself(opened: dict[str, Hub], tmp_path: Path) -> None:
    hubs = linked(opened, tmp_path, {"hk": ["eu", "us"], "eu": [], "us": []})
    for name in ("eu", "us"):
        hubs[name].publish(indicator(1))
    rest(hubs, compare=True)
    hubs["eu"].delete(indicator(1))
    rest(hubs, compare=True)
    assert hubs["hk"].sees() == {indicator(1)["id"]}
    hubs["us"].delete(indicator(1))
    rest(hubs, compare=True)
    assert hubs["hk"].sees() == set()


def test_a_veto_on_where_an_object_comes_from_holds_over_relays(opened: dict[str, Hub], tmp_path: Path) -> None:
    share = "share:\n  all: {to: {role: [own, bank, peer]}, in: all, up_to: AMBER, relayed_up_to: AMBER, unmarked_as: GREEN}\n"
    veto = "jurisdictions: {CN: [CN-BJ]}\nnever:\n  what comes from CN stays: {to: {role: bank}, what: {origin_jurisdiction: CN}}\n"
    hubs = linked(opened, tmp_path, {"cn": [], "hk": ["cn"], "eu": ["hk"]}, {"eu": share + veto})
    hubs["cn"].publish(indicator(1))
    hubs["hk"].publish(indicator(2))
    rest(hubs)
    assert hubs["hk"].sees() == {indicator(1)["id"], indicator(2)["id"]}
    assert hubs["eu"].sees("desk") == {indicator(1)["id"], indicator(2)["id"]}
    assert hubs["eu"].sees() == {indicator(2)["id"]}


@pytest.mark.invariant("I1")
def test_readers_that_are_no_peers_are_told_nothing_of_origins(opened: dict[str, Hub], tmp_path: Path) -> None:
    hubs = linked(opened, tmp_path, {"cn": [], "hk": ["cn"]})
    hubs["cn"].publish(indicator(1))
    rest(hubs)
    client = hubs["hk"].client("bank")
    client.headers["X-Taxii-Fed"] = "1"
    path = f"collections/{hubs['hk'].node.settings.collections['banking'].id}/manifest/"
    assert b"x_taxii_fed" not in client.get(path).body


def test_a_new_version_travels_all_the_way(opened: dict[str, Hub], tmp_path: Path) -> None:
    hubs = linked(opened, tmp_path, {"hk": ["eu"], "eu": ["us"], "us": []})
    hubs["us"].publish(indicator(1))
    rest(hubs)
    hubs["us"].publish(indicator(1, version=5, description="more is known"))
    rest(hubs)
    reply = hubs["hk"].client("bank").get(f"collections/{hubs['hk'].node.settings.collections['banking'].id}/objects/")
    assert [each.get("description") for each in reply.objects] == ["more is known"]


@pytest.mark.invariant("I10")
@pytest.mark.parametrize("names", [("hk", "eu", "us"), ("hk", "eu", "us", "sg")])
def test_a_deletion_does_not_live_on_where_everybody_pulls_from_everybody(
    opened: dict[str, Hub], tmp_path: Path, names: tuple[str, ...]
) -> None:
    hubs = linked(opened, tmp_path, {name: [other for other in names if other != name] for name in names})
    hubs["hk"].publish(indicator(1), indicator(2))
    rest(hubs)
    hubs["hk"].delete(indicator(1))
    rest(hubs, compare=True)
    assert [hub.sees() for hub in hubs.values()] == [{indicator(2)["id"]}] * len(names)
