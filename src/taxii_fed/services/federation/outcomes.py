"""What came of a pull or a comparison, in words for people; in JSON and in logs the names of the outcomes stand."""

from __future__ import annotations

from collections.abc import Mapping

from taxii_fed.core.rules.door import Ruling
from taxii_fed.services.intake.ingest import DELETED

ECHO = "echo"
"""Counts what came by way of this very node and is not here any more."""
NOT_GIVEN = "not-given"
"""Counts what a manifest lists and the peer does not give."""

_WORDS: dict[str, str] = {
    Ruling.NEW: "new",
    Ruling.KNOWN: "known already",
    Ruling.VARIANT: "known with other content",
    Ruling.CONFLICT: "in conflict with what is here",
    Ruling.NOT_CREATOR: "not from their home",
    Ruling.ABOVE: "marked too high",
    Ruling.CLAIMS_NODE: "passed off as ours",
    Ruling.DELETED: "deleted here before",
    Ruling.ERASED: "erased here before",
    Ruling.INVALID: "invalid",
    Ruling.NOTICE: "telling of a withdrawal",
    DELETED: "gone there",
    NOT_GIVEN: "listed but not given",
    ECHO: "come back to us",
}


def in_words(counts: Mapping[str, int]) -> str:
    """Return the counts of a run in one line, what was taken in first; "" for none."""
    order = {outcome: place for place, outcome in enumerate(_WORDS)}
    named = sorted(counts, key=lambda outcome: (order.get(outcome, len(order)), outcome))
    return ", ".join(f"{counts[outcome]} {_WORDS.get(outcome, outcome)}" for outcome in named)
