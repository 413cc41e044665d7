"""Subscriptions: what an admin planned, how far each has come, and the switches of the worker.

The state of a subscription is one document of the store (kind `STATE`), so that every worker and every command sees the same, and a restart
loses nothing. It changes only inside `change`: a read and a write in one transaction, by whoever holds the lease or by an admin's command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from taxii_fed.core.errors import NotFoundError
from taxii_fed.core.federation.backoff import Health
from taxii_fed.core.federation.pull import Pull
from taxii_fed.core.federation.reconcile import Guard
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import from_doc, to_doc
from taxii_fed.ports import Clock, Reader, Store, Writer

STATE = "subscription"
LISTED = "manifest"
"""Kinds of documents: states, and pages of a manifest that a comparison has read."""

_RUNS_KEPT = 5


@dataclass(frozen=True, slots=True)
class Subscription:
    """A remote collection (``theirs``) that goes to a collection here (``ours``, its name in the configuration)."""

    peer: str
    theirs: str
    ours: str

    @property
    def name(self) -> str:
        """Return the name of its documents and its lease."""
        return f"{self.peer}/{self.theirs}/{self.ours}"

    @property
    def giver(self) -> str:
        """Return how offers name it (`ports.Offer`)."""
        return f"peer:{self.peer}:{self.theirs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPlan:
    """What the settings say about one peer. Times in microseconds; ``guard`` None: off; ``answer_seconds``: what one answer may take."""

    name: str
    terms: PeerTerms
    subscriptions: tuple[Subscription, ...]
    every: int = 300_000_000
    overlap: int = 600_000_000
    reconcile: int = 86_400_000_000
    guard: Guard | None = None
    max_page: int = 1000
    answer_seconds: float = 300.0
    quarantine_objects: int = 10_000
    quarantine_bytes: int = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One pull that ended: when (µs), and how many objects met which outcome."""

    at: int
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """How far a comparison with the manifest has come.

    ``key``: of its hashes, in hex. ``place``: in the manifest. ``pages``: documents written, one a page. ``listed``: entries read.
    ``fetched``: documents whose missing objects have been fetched. ``broken``: entries that could not be read.
    """

    key: str
    place: Pull
    pages: int = 0
    listed: int = 0
    fetched: int = 0
    broken: int = 0
    fed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Removals that the guard left to a person: ``gone`` of ``of`` versions, found ``at`` (µs)."""

    gone: int
    of: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a subscription stands. Instants in microseconds.

    ``epoch`` grows with every reset, ``fence`` is that of the worker at work: either tells a worker that its place is no longer valid.
    ``counts`` are those of the pull under way, ``ran`` the last ones that ended. ``fed``: whether the peer is a taxii-fed node, None before
    that was looked at. ``doubt``: a comparison should come soon.
    """

    epoch: int = 0
    fence: int = 0
    watermark: int | None = None
    place: Pull | None = None
    page_size: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    ran: tuple[Ran, ...] = ()
    pulled_at: int | None = None
    contact_at: int | None = None
    health: Health = field(default_factory=Health)
    last_error: str = ""
    paused: bool = False
    wanted: bool = False
    fed: bool | None = None
    doubt: bool = False
    comparing: Comparing | None = None
    compared_at: int | None = None
    compare_health: Health = field(default_factory=Health)
    compare_error: str = ""
    compare_wanted: bool = False
    waiting: Waiting | None = None

    def ended(self, at: int) -> State:
        """Return the state after its pull came to the end."""
        ran = (*self.ran, Ran(at=at, counts=self.counts))[-_RUNS_KEPT:]
        compared_at = at if self.compared_at is None else self.compared_at
        return replace(self, place=None, counts={}, ran=ran, pulled_at=at, compared_at=compared_at, wanted=False, last_error="")

    def counted(self, counts: Mapping[str, int]) -> State:
        """Return the state with more outcomes of the pull under way."""
        return replace(
            self, counts={each: self.counts.get(each, 0) + counts.get(each, 0) for each in {**self.counts, **counts}}
        )


def load(reader: Reader, subscription: Subscription) -> State:
    """Return the state of a subscription, that of a new one where none is stored or a later program wrote it."""
    doc = reader.doc(STATE, subscription.name)
    if doc is None:
        return State()
    try:
        return from_doc(State, doc)
    except (TypeError, ValueError, KeyError):
        return State(paused=doc.get("paused") is True)


def change(writer: Writer, subscription: Subscription, how: Callable[[State], State]) -> State:
    """Change the state inside a transaction and return the new one."""
    return keep(writer, subscription, how(load(writer, subscription)))


def keep(writer: Writer, subscription: Subscription, state: State) -> State:
    """Write the state of a subscription and return it."""
    writer.put_doc(STATE, subscription.name, to_doc(state))
    return state


class Subscriptions:
    """All planned subscriptions with their switches. A command and a worker may use it at once."""

    def __init__(self, store: Store, clock: Clock, plans: Mapping[str, PeerPlan]) -> None:
        self.plans = plans
        self._store = store
        self._clock = clock

    def of(self, peer: str) -> tuple[Subscription, ...]:
        """Return the subscriptions of a peer. Raises `NotFoundError` for a name that is no peer's."""
        plan = self.plans.get(peer)
        if plan is None:
            known = ", ".join(sorted(self.plans)) or "none"
            raise NotFoundError(f"There is no peer {peer} in the configuration (peers: {known}).")
        return plan.subscriptions

    def all(self) -> list[Subscription]:
        """Return all subscriptions, peer by peer."""
        return [each for plan in self.plans.values() for each in plan.subscriptions]

    def states(self) -> dict[Subscription, State]:
        """Return where all of them stand, in one snapshot."""
        with self._store.read() as reader:
            return {each: load(reader, each) for each in self.all()}

    def pause(self, peer: str) -> None:
        """Let the worker leave a peer alone."""
        self._switch(peer, lambda state: replace(state, paused=True))

    def resume(self, peer: str) -> None:
        """Let the worker go on, at once and whatever went wrong before."""
        self._switch(peer, lambda state: replace(state, paused=False, wanted=True, health=Health(), compare_health=Health()))

    def want(self, peer: str, *, comparison: bool = False) -> None:
        """Ask the worker for a pull, or for a comparison, as soon as it can."""

        def ask(state: State) -> State:
            state = replace(state, wanted=True, health=replace(state.health, next_attempt=0))
            if comparison:
                state = replace(state, compare_wanted=True, compare_health=Health())
            return state

        self._switch(peer, ask)

    def reset(self, peer: str, to: int | None) -> None:
        """Move the watermark to an instant (µs), or away (None): the next pull begins from there, whatever is under way stops."""
        self._switch(
            peer,
            lambda state: State(
                epoch=state.epoch + 1,
                fence=state.fence,
                watermark=to,
                paused=state.paused,
                ran=state.ran,
                contact_at=state.contact_at,
            ),
        )

    def _switch(self, peer: str, how: Callable[[State], State]) -> None:
        with self._store.write() as writer:
            for each in self.of(peer):
                change(writer, each, how)


@dataclass(frozen=True, slots=True)
class Due:
    """Work to be done: a comparison, or a pull."""

    subscription: Subscription
    comparison: bool


def due(plan: PeerPlan, subscription: Subscription, state: State, now: int) -> Due | None:
    """Return what a subscription has to do at ``now``, None for nothing. A pull goes before a comparison."""
    if state.paused:
        return None
    resting = state.health.failures > 0 and state.health.next_attempt > now
    if not resting and (state.wanted or state.place is not None or state.health.next_attempt <= now):
        return Due(subscription, comparison=False)
    if state.compare_health.next_attempt <= now and comparison_due(plan, state, now):
        return Due(subscription, comparison=True)
    return None


_DOUBT_REST = 3_600_000_000


def comparison_due(plan: PeerPlan, state: State, now: int) -> bool:
    """Return whether the manifest is to be read: it is time, it was asked for, or a pull left doubts (once an hour at most)."""
    if state.comparing is not None or state.compare_wanted:
        return True
    if state.compared_at is None:
        return state.doubt
    return now >= state.compared_at + (min(_DOUBT_REST, plan.reconcile) if state.doubt else plan.reconcile)
