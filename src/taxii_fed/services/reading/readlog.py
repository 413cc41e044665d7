"""Who read what, for the ledger and for ``status``: noted in memory by a GET, written by the process every few seconds (I10).

Never on the way of a request: a full disk or a busy writer must not keep a reader from its objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

from taxii_fed.core.errors import StoreError
from taxii_fed.ports import Read, Store

Key = tuple[int, str, str]


@dataclass(slots=True)
class _Noted:
    """What one account read of one view since the last writing: spans of ``date_added`` (first, last), the last of them growing."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    at: int = 0
    address: str = ""


class ReadLog:
    """Merges reads in memory until `flush`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[Key, _Noted] = {}
        self._lock = Lock()

    def note(self, view: int, party: str, account: str, spans: list[tuple[int, int]], at: int, address: str) -> None:
        """Note that an account read ``spans`` (first and last ``date_added``) of a view at an instant (microseconds)."""
        with self._lock:
            noted = self._noted.setdefault((view, party, account), _Noted())
            noted.at, noted.address = at, address
            for first, last in spans:
                if noted.spans and noted.spans[-1][0] <= first <= noted.spans[-1][1] + 1:
                    noted.spans[-1] = (noted.spans[-1][0], max(last, noted.spans[-1][1]))
                else:
                    noted.spans.append((first, last))

    def flush(self) -> None:
        """Write what was noted. While the store can't be written it stays in memory for the next time."""
        with self._lock:
            noted, self._noted = self._noted, {}
        reads = [
            Read(view=view, party=party, account=account, first=first, last=last, at=each.at, address=each.address)
            for (view, party, account), each in noted.items()
            for first, last in each.spans
        ]
        if not reads:
            return
        try:
            self._store.note_reads(reads)
        except StoreError:
            for (view, party, account), each in noted.items():
                self.note(view, party, account, each.spans, each.at, each.address)
