"""Work that a store may lose, run again.

A deployment of several machines undoes a transaction where a member steps down or a connection breaks, and sometimes keeps it but loses
the answer. Nobody but the service knows how to begin anew, so the store only says so (`TransactionLostError`), and whole pieces of work
that give the same result when run twice are marked here. A store on one machine never loses anything.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from taxii_fed.core.errors import TransactionLostError

P = ParamSpec("P")
T = TypeVar("T")

_TURNS = 6
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


def rerun(work: Callable[P, T]) -> Callable[P, T]:
    """Run ``work`` again while its transaction gets lost; after some turns `TransactionLostError` goes on to the caller."""

    @functools.wraps(work)
    def tried(*args: P.args, **kwargs: P.kwargs) -> T:
        for turn in range(_TURNS - 1):
            try:
                return work(*args, **kwargs)
            except TransactionLostError:
                _pause(turn)
        return work(*args, **kwargs)

    return tried


def _pause(turn: int) -> None:
    """Let an election end; those who were hit together should not come back together."""
    time.sleep(min(_FIRST_PAUSE * 2**turn, _LONGEST_PAUSE) * random.uniform(0.5, 1.0))  # noqa: S311
