"""Reading a list of a peer to its end: `core.federation.pull` with the recovery from failed requests."""

from __future__ import annotations

from taxii_fed.core.errors import (
    PeerAnswerError,
    PeerError,
    PeerOverloadedError,
    PeerRefusedError,
    PeerUnreachableError,
)
from taxii_fed.core.federation import pull as pulls
from taxii_fed.core.federation.pull import Pull, Request, Seen

MOST_OBJECTS = 5_000_000
"""Objects or entries that one walk may bring. A server with more to say at one go says it without end."""

_TRIES = 3
_FORGOTTEN = (400, 404, 410)
"""How servers refuse a token that they no longer know."""


class Walk:
    """A `Pull` under way. ``brought``: how many objects came before."""

    def __init__(self, pull: Pull, brought: int = 0) -> None:
        self.pull = pull
        self.answered = False
        self._brought = brought
        self._misses = 0

    @property
    def finished(self) -> bool:
        """Whether the end was reached."""
        return self.pull.finished

    def request(self) -> Request:
        """Return what to ask for next. Raises `PeerAnswerError` where no end is to be expected."""
        if self.pull.exhausted:
            raise PeerAnswerError("the collection can't be read to its end: it had to be begun anew too often")
        if self._brought > MOST_OBJECTS:
            raise PeerAnswerError(f"the collection has no end: more than {MOST_OBJECTS} entries at one go")
        return self.pull.ask

    def turn(self, seen: Seen) -> Pull:
        """Go past a page. One that was only asked for again, as a check, is no step forward: what comes behind it may fail for ever."""
        if not self.pull.checking:
            self._misses = 0
        self.answered = True
        self._brought += seen.count
        self.pull = pulls.take(self.pull, seen)
        return self.pull

    def recover(self, error: PeerError) -> Pull:
        """Return how to go on after a failed request. Raises the error where only time, or a person, can help."""
        self.pull = self._recovered(error)
        return self.pull

    def _recovered(self, error: PeerError) -> Pull:
        if isinstance(error, PeerRefusedError):
            if not self.pull.ask.next or error.status not in _FORGOTTEN:
                raise error
            return pulls.restart(self.pull)
        self._misses += 1
        if isinstance(error, PeerOverloadedError):
            if self._misses == 1 and self.answered:
                return pulls.lost(self.pull)
            if self._misses > _TRIES or self.pull.limit <= pulls.SMALLEST_LIMIT:
                raise error
            return pulls.smaller(self.pull)
        if isinstance(error, PeerUnreachableError | PeerAnswerError) and self.answered and self._misses < _TRIES:
            return pulls.lost(self.pull)
        raise error
