"""A store as plain records, for a move to another kind of store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from taxii_fed.ports.values import Json

MOVED = (
    "body version home offer refused view reader entry given in_force wake approval status quarantine door fetched doc lease counter"
).split()
"""What a store holds, in the order in which it is moved to another kind of store: what is referred to comes first."""


MOVING, PLACE = "moving", "place"
"""Kind and name of the document that says how far a move into a store has come."""


class Moving(Protocol):
    """All that a store holds as plain records, the same for every kind of store; nobody else writes while it is open.

    Keys, stamps, places and fences are kept, so that cursors, ledgers and pulls go on. Every method may raise `StoreUnavailableError`.
    """

    def mark(self) -> str:
        """Return what tells this state of the store from any other."""
        ...

    def take(self, table: str, skip: int) -> Iterator[Any]:
        """Yield the records of one of `MOVED`, in an order that is always the same, without the first ``skip``."""
        ...

    def put(self, table: str, records: Sequence[Any], progress: Json | None) -> None:
        """Store records, and how far the move has come, in one transaction. None: it is over."""
        ...

    def progress(self) -> Json | None:
        """Return how far a move into this store has come, None where none is under way."""
        ...

    def is_empty(self) -> bool:
        """Return whether nothing was ever put in force here."""
        ...

    def clear(self) -> None:
        """Remove everything."""
        ...
