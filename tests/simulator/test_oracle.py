"""The simulator notices bugs: each is planted, in a seed in which it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from simulator.simulate import violations
from simulator.story import LAWLESS, Terms, write
from taxii_fed.core.rules.door import Ruling, rule
from taxii_fed.core.rules.model import InForce
from taxii_fed.core.stix import checks
from taxii_fed.core.stix.levels import TLP_LEVELS
from taxii_fed.ports import Reader, Writer
from taxii_fed.services.intake import arrivals
from taxii_fed.services.intake.ingest import Ingest
from taxii_fed.services.views import judges, outside

Plant = Callable[[pytest.MonkeyPatch], None]


def passing(ruling: Ruling) -> Plant:
    """Return what makes the door let in what it would rule out with this word."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        def lenient(*args: Any, **options: Any) -> Ruling:
            found = rule(*args, **options)
            return Ruling.NEW if found is ruling else found

        monkeypatch.setattr(arrivals, "rule", lenient)

    return plant


def one_withdraws_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Ingest._gone

    def for_all(self: Ingest, writer: Writer, giver: str, collection: Any, keys: Sequence[int]) -> int:
        for key, offers in writer.offers(keys).items():
            for offer in offers:
                writer.remove_offers(offer.giver, [key])
        return gone(self, writer, giver, collection, keys)

    monkeypatch.setattr(Ingest, "_gone", for_all)


def what_lies_apart_is_named_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def apart(reader: Reader, collection: str, ids: Sequence[str]) -> set[str]:
        return reader.quarantined_ids(collection, ids)

    monkeypatch.setattr(outside, "kept_back", apart)
    monkeypatch.setattr(judges, "kept_back", apart)


def a_level_is_what_anybody_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "told_level", lambda definition: TLP_LEVELS[definition["id"]])


def rules_are_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    in_force = Terms.in_force

    def loose(self: Terms, base: InForce) -> InForce:
        del self
        return in_force(LAWLESS, base)

    monkeypatch.setattr(Terms, "in_force", loose)


PLANTED: dict[str, tuple[int, Plant]] = {
    "somebody else's versions are taken in": (16, passing(Ruling.NOT_CREATOR)),
    "what was deleted is taken in again": (1, passing(Ruling.DELETED)),
    "what one origin withdraws is withdrawn": (2, one_withdraws_for_all),
    "what lies apart is named by nobody": (20, what_lies_apart_is_named_by_nobody),
    "a level is what anybody says": (19, a_level_is_what_anybody_says),
    "rules are not applied": (3, rules_are_not_applied),
}


@pytest.mark.parametrize(("seed", "plant"), PLANTED.values(), ids=PLANTED)
def test_the_simulator_notices_that(monkeypatch: pytest.MonkeyPatch, seed: int, plant: Plant) -> None:
    plant(monkeypatch)
    assert violations(write(seed))


@pytest.mark.parametrize("seed", sorted({seed for seed, _ in PLANTED.values()}))
def test_nothing_is_noticed_without(seed: int) -> None:
    assert violations(write(seed)) == []
