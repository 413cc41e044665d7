"""Pages that were read lately, kept in memory: the members of a class ask for the same newest pages, one after the other.

A page is kept for one state of its view and never given out in another (`View.head` and `View.edits`), so what a reader gets is what
the store would give it in the snapshot at hand (I1, I6). A view that has changed loses its pages at the next look.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports import Contents, View

Key = tuple[int, int | None, ObjectQuery]


class PageCache:
    """Keeps up to ``most_bytes`` of objects, the least used go first; pages above ``largest`` bytes are not kept."""

    def __init__(self, most_bytes: int = 12_000_000, largest: int = 2_000_000, most_pages: int = 2_000) -> None:
        self._most_bytes = most_bytes
        self._largest = largest
        self._most_pages = most_pages
        self._lock = Lock()
        self._pages: OrderedDict[Key, Contents] = OrderedDict()
        self._edits: dict[int, int] = {}
        self._bytes = 0

    def get(self, view: View, query: ObjectQuery) -> Contents | None:
        """Return the page of a view in its present state, None where it is not kept."""
        with self._lock:
            if not self._is_of_now(view):
                return None
            for head in (None, view.head):
                page = self._pages.get((view.id, head, query))
                if page is not None:
                    self._pages.move_to_end((view.id, head, query))
                    return page
        return None

    def put(self, view: View, query: ObjectQuery, page: Contents) -> None:
        """Keep a page that was read from a view in the same snapshot."""
        if view.edits is None or len(page.text) > self._largest:
            return
        # With more behind it, a page stays as it is whatever is added.
        key = (view.id, None if page.more else view.head, query)
        with self._lock:
            if not self._is_of_now(view):
                self._edits[view.id] = view.edits
            self._drop(key)
            self._pages[key] = page
            self._bytes += len(page.text)
            while self._bytes > self._most_bytes or len(self._pages) > self._most_pages:
                self._drop(next(iter(self._pages)))

    def _is_of_now(self, view: View) -> bool:
        """Return whether what is kept of a view is of its present state; drop it where it is not."""
        edits = self._edits.get(view.id)
        if edits is not None and edits != view.edits:
            del self._edits[view.id]
            for key in [key for key in self._pages if key[0] == view.id]:
                self._drop(key)
        return edits is not None and edits == view.edits

    def _drop(self, key: Key) -> None:
        page = self._pages.pop(key, None)
        if page is not None:
            self._bytes -= len(page.text)
