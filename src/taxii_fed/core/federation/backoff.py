"""When to ask a peer again: outcome and history in, next attempt out. No clock and no dice of its own.

A peer that is down is asked again soon, then ever less often; one that says no (401, 403, 404 …) needs a person, so it is asked seldom from
the start; one that asks for patience gets what it asks for. Both directions are spread by a seed, so that a hundred nodes do not come
back to a recovered peer in the same second.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

SECOND = 1_000_000

_JITTER = 0.2


class Outcome(Enum):
    """How an attempt ended."""

    FINE = "fine"
    DOWN = "down"
    """No connection, no answer in time, a server error, an answer that makes no sense."""
    NO = "no"
    """An answer that only a person can change."""
    BUSY = "busy"
    """Asked for patience."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Seconds: the first wait and the longest one; each wait doubles the one before."""

    first: int
    longest: int


_GROWTH = {Outcome.DOWN: Growth(30, 3600), Outcome.BUSY: Growth(60, 3600), Outcome.NO: Growth(900, 6 * 3600)}

LONGEST_RETRY_AFTER = 24 * 3600
"""Seconds. More patience than this is not granted: a peer may not switch a subscription off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The history of a subscription. Instants in microseconds; ``failing_since`` None: the last attempt went well."""

    failures: int = 0
    failing_since: int | None = None
    next_attempt: int = 0


def after(health: Health, outcome: Outcome, *, now: int, every: int, seed: str, retry_after: float | None = None) -> Health:
    """Return the history after one more attempt.

    ``every``: the interval of the subscription in microseconds. ``retry_after``: seconds that the peer asked for. ``seed``: any text;
    the same one gives the same spread.
    """
    if outcome is Outcome.FINE:
        return Health(next_attempt=now + every)
    growth = _GROWTH[outcome]
    wait = float(min(growth.first << min(health.failures, 20), growth.longest))
    spread = random.Random(f"{seed}/{health.failures}").uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 (a spread, no secret)
    wait *= spread
    if retry_after is not None:
        asked = min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)
        wait = asked * (1 + (spread - 1 + _JITTER) / 4) if asked else wait
    return Health(
        failures=health.failures + 1,
        failing_since=now if health.failing_since is None else health.failing_since,
        next_attempt=now + int(wait * SECOND),
    )
