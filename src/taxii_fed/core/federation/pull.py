"""A pull as a state machine: a page in, the next request or the end out. No I/O, no clock.

It holds the rules for reading a list of a server of any make to its end without losing anything (TAXII 2.1 section 3.5; C-3.4-04,
C-3.5-01, C-3.5-02, C-3.7-01). What is measured of real servers decides here, not what the standard hopes for:

- A ``next`` is opaque and goes back with the filters and the ``limit`` of the first request. A server may give the same token for
  every page, and may have forgotten a token, or moved on, when it is sent twice. So a page that was lost on the wire is never simply
  asked for again: the page *before* it is, and only where that one comes as it came before does the pull go on. Else it starts over.
- ``more`` without ``next``: on from the last date, one microsecond earlier, since entries that share that date may be cut in two.
- A page with the content of an earlier one ends the pull, or makes it go on by date; a page without objects ends it.
- Date headers prove nothing. They move the watermark, from before which the next pull asks again (``overlap``), and what still lies
  behind it is found by comparing manifests (`core.federation.reconcile`). ``doubt`` says that such a comparison should come soon.

A `Pull` is the place of `services.federation.federate`: it is stored after each page, by `core.rules.model.to_doc`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LARGEST_LIMIT = 10_000
"""The ``limit`` that is tried where a page is full of one single date."""

SMALLEST_LIMIT = 10

MAX_RESTARTS = 8
"""How often one pull starts over without getting any further before it counts as failed."""

_PATIENCE = 3
_MAX_EMPTY = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask for: ``added_after`` in microseconds (None: from the beginning), ``next`` ("": none), ``limit``."""

    added_after: int | None = None
    next: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What matters of an answer.

    ``content`` is a digest of what the page lists; ``first`` and ``last`` are its date headers in microseconds, None where a header
    is missing or no date.
    """

    count: int
    content: str
    more: bool = False
    next: str = ""
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """How far a pull has come. ``ask`` is the next request, unless ``finished``.

    ``since``: where it began, ``stage``: where it last began anew. ``back``: the request that gave the last page, ``content`` the digest of
    that page. ``checking``: ``ask`` repeats ``back``. ``landmark``: digest of an earlier page, for loops of several pages. ``greatest``:
    the greatest date of any header. ``shrunk``: the page size was made smaller on the way. ``doubt``: the server may have had more than
    could be asked for.
    """

    since: int | None
    stage: int | None
    limit: int
    ask: Request
    back: Request | None = None
    content: str = ""
    checking: bool = False
    landmark: str = ""
    pages: int = 0
    widest: int = 0
    empty: int = 0
    greatest: int | None = None
    restarts: int = 0
    shrunk: bool = False
    doubt: bool = False
    finished: bool = False

    @property
    def exhausted(self) -> bool:
        """Whether it has started over too often."""
        return self.restarts > MAX_RESTARTS

    @property
    def kept_by_server(self) -> bool:
        """Whether the server seems to keep the place itself (one token for all pages), so that stopping now loses it."""
        return bool(self.ask.next) and self.back is not None and self.ask.next == self.back.next


def begin(since: int | None, limit: int) -> Pull:
    """Return a pull that asks for what was added after ``since`` (µs, None: everything)."""
    return Pull(since=since, stage=since, limit=limit, ask=Request(added_after=since, limit=limit))


def cursor(watermark: int | None, overlap: int) -> int | None:
    """Return where the next pull begins: ``overlap`` (µs) before the watermark."""
    return None if watermark is None else max(watermark - overlap, 0)


def take(pull: Pull, seen: Seen) -> Pull:
    """Return the pull after an answer to ``pull.ask``."""
    if pull.checking:
        return _onward(replace(pull, checking=False), seen) if seen.content == pull.content else restart(pull)
    dates = [date for date in (pull.greatest, seen.first, seen.last) if date is not None]
    pull = replace(pull, greatest=max(dates, default=None))
    if seen.count == 0:
        return _after_nothing(pull, seen)
    if seen.content in (pull.content, pull.landmark):
        return _by_date(pull, seen) if seen.more else replace(pull, finished=True)
    pages = pull.pages + 1
    pull = replace(
        pull,
        back=pull.ask,
        content=seen.content,
        pages=pages,
        landmark=seen.content if pages & (pages - 1) == 0 else pull.landmark,
        widest=max(pull.widest, seen.count),
        empty=0,
    )
    return _onward(pull, seen)


def lost(pull: Pull) -> Pull:
    """Return the pull after the answer to ``pull.ask`` got lost, or may have: the page before is asked for again, as a check."""
    if not pull.ask.next or pull.checking or pull.back is None:
        return pull
    return replace(pull, ask=pull.back, checking=True)


def restart(pull: Pull) -> Pull:
    """Return the pull begun anew, because the server does not know the place any more.

    Where that happens again and again, a walk in one go is more than the line or the server can do: the pull goes on by stages, each
    from the greatest date that was reached, and leaves a doubt.
    """
    stage, restarts, doubt = pull.stage, pull.restarts + 1, pull.doubt
    if restarts > _PATIENCE and pull.greatest is not None and (stage is None or pull.greatest - 1 > stage):
        stage, restarts, doubt = pull.greatest - 1, _PATIENCE, True
    return replace(
        begin(stage, pull.limit),
        since=pull.since,
        greatest=pull.greatest,
        restarts=restarts,
        shrunk=pull.shrunk,
        doubt=doubt,
    )


def smaller(pull: Pull) -> Pull:
    """Return the pull begun anew with half the page; a token is bound to the ``limit`` that it was given for.

    A pull that goes by dates keeps its place.
    """
    limit = max(pull.limit // 2, SMALLEST_LIMIT)
    pull = replace(pull, limit=limit, shrunk=True)
    if not pull.ask.next and not pull.checking:
        return replace(pull, ask=replace(pull.ask, limit=limit))
    return restart(pull)


def next_limit(pull: Pull, most: int) -> int:
    """Return the page size for the next pull: a little more after one whose pages came full and well."""
    if pull.shrunk or pull.widest < pull.limit:
        return min(pull.limit, most)
    return min(most, pull.limit + max(pull.limit // 4, 1))


def watermark(pull: Pull, before: int | None, now: int) -> int | None:
    """Return the watermark after a finished pull.

    A date that lies ahead of our clock is cut to ``now``: it may be a mistake, and nothing added from now on may be passed over.
    """
    if pull.greatest is None:
        return before
    reached = min(pull.greatest, now)
    return reached if before is None else max(before, reached)


def _after_nothing(pull: Pull, seen: Seen) -> Pull:
    """A page without objects is the end; one that says more and names another place is followed, some times."""
    if seen.more and seen.next and seen.next != pull.ask.next and pull.empty < _MAX_EMPTY:
        return replace(pull, ask=replace(pull.ask, next=seen.next), back=pull.ask, content=seen.content, empty=pull.empty + 1)
    return replace(pull, finished=True)


def _onward(pull: Pull, seen: Seen) -> Pull:
    if not seen.more:
        return replace(pull, finished=True)
    if not seen.next:
        return _by_date(pull, seen)
    origin = pull.back or pull.ask
    return replace(pull, ask=Request(origin.added_after, seen.next, origin.limit))


def _by_date(pull: Pull, seen: Seen) -> Pull:
    """Go on from the dates of a page, where no token leads on."""
    doubt = replace(pull, finished=True, doubt=True)
    if seen.last is None:
        return doubt
    edge = max(seen.last, seen.first or 0)
    floor = pull.ask.added_after
    if floor is not None and edge <= floor:
        return doubt
    if floor is None or edge - 1 > floor:
        unsorted = seen.first is not None and seen.first > seen.last
        return replace(pull, ask=Request(edge - 1, "", pull.limit), doubt=pull.doubt or unsorted)
    # The page holds one single date. Where it is full, others of that date may wait behind it.
    full = seen.count >= pull.widest
    if full and pull.ask.limit < LARGEST_LIMIT:
        return replace(pull, ask=Request(floor, "", LARGEST_LIMIT))
    return replace(pull, ask=Request(edge, "", pull.limit), doubt=pull.doubt or full)
