"""A store: snapshots, transactions, leases. It translates and never decides.

Which entry is the newest, what a party may see, what a change means: all of that is settled before it gets here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from taxii_fed.core.stix.facts import Use
from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports.moving import Moving
from taxii_fed.ports.values import (
    Applied,
    Change,
    Consent,
    Contents,
    DoorEvent,
    Entry,
    Json,
    Known,
    Lease,
    NewVersion,
    Offer,
    Opening,
    Page,
    Place,
    Quarantined,
    Read,
    Tail,
    Version,
    View,
)

LEAD_MS = 1000
"""How far ahead of the clock a stamp lies, so that it is not behind the clock when its commit becomes visible (I2)."""


class Reader(Protocol):
    """One consistent snapshot. Every method may raise `StoreUnavailableError`."""

    # -- the path of a poll ---------------------------------------------------------------------------------------------
    def place(self, party: str, collection: str) -> Place:
        """Return where ``party`` stands in ``collection`` (TAXII id)."""
        ...

    def page(self, view: int, query: ObjectQuery, *, bodies: bool = True) -> Page:
        """Return the page that `core.taxii.query.select` describes, cut further by ``max_bytes`` when ``bodies``."""
        ...

    def contents(self, view: int, query: ObjectQuery) -> Contents:
        """Return the same page as `page` does with bodies, as one text: what most requests are for."""
        ...

    def shown(self, view: int, given_id: str) -> bool:
        """Return whether the view holds any live, shown entry of that id."""
        ...

    # -- what is in force -----------------------------------------------------------------------------------------------
    def revision(self) -> int:
        """Return the number of the newest revision, 0 in an empty store."""
        ...

    def in_force(self) -> Applied | None:
        """Return the newest revision, None in an empty store."""
        ...

    def in_force_at(self, instant: int) -> Applied | None:
        """Return the revision that was in force at ``instant``."""
        ...

    def views(self, collection: str) -> list[View]:
        """Return all views of a collection that a party is mapped to or that is being built."""
        ...

    def view(self, view: int) -> View:
        """Return one view. Raises ``KeyError`` where there is none."""
        ...

    def readers(self, collection: str) -> dict[str, int]:
        """Return party to view id."""
        ...

    def past_readers(self, view: int) -> list[tuple[str, int, int | None]]:
        """Return (party, from, until) of every party ever mapped to the view; ``until`` None: still (µs)."""
        ...

    def past_views(self, collection: str, party: str) -> list[int]:
        """Return the views that the party was ever mapped to in the collection, oldest first."""
        ...

    # -- versions ---------------------------------------------------------------------------------------------------------
    def known(self, object_ids: Collection[str]) -> dict[str, list[Known]]:
        """Return, for each id known anywhere in the node, its accepted versions."""
        ...

    def versions(self, collection: str, object_ids: Collection[str]) -> dict[str, list[Version]]:
        """Return the accepted versions of each object of one collection, ascending by version."""
        ...

    def version_by_key(self, key: int) -> Version | None:
        """Return one accepted version."""
        ...

    def walk(self, collection: str, last: str, limit: int) -> Tail:
        """Return the next ``limit`` object ids of a collection after ``last`` ("" starts)."""
        ...

    def users(self, collection: str, targets: Collection[str], uses: Collection[Use]) -> dict[str, list[str]]:
        """Return, for each target, the ids of the objects of the collection with an accepted version that names it so."""
        ...

    def used_visibly(self, view: int, targets: Mapping[str, Collection[Use]], without: Collection[str] = ()) -> set[str]:
        """Return those targets that the source of a live entry of the view names in one of the given ways.

        For `Use.CREATOR` only entries that are no copies count: a derived copy names the node. Sources in ``without`` don't count.
        """
        ...

    def homes(self, object_ids: Collection[str]) -> dict[str, str]:
        """Return the home (giver's party, ``local:PARTY`` or ``peer:NAME``) of each object that has one."""
        ...

    def offers(self, keys: Collection[int]) -> dict[int, list[Offer]]:
        """Return who offers each version."""
        ...

    def offered_by(self, giver: str, after: int, limit: int) -> list[tuple[Version, tuple[str, ...]]]:
        """Return versions (with the offer's path) that ``giver`` offers, with keys above ``after``, ascending."""
        ...

    def refused(self, marks: Collection[bytes]) -> set[bytes]:
        """Return those keyed hashes of deleted or erased (id, version) that the store holds."""
        ...

    # -- entries ----------------------------------------------------------------------------------------------------------
    def live(self, views: Collection[int], sources: Collection[str]) -> dict[int, dict[str, list[Entry]]]:
        """Return live entries by view and source id."""
        ...

    def live_by_id(self, view: int, given_ids: Collection[str]) -> dict[str, list[Entry]]:
        """Return live entries of a view by the id that they go out under."""
        ...

    def ledger(self, object_id: str) -> list[Entry]:
        """Return all entries ever, live and ended, whose source or given id is ``object_id``, ascending by date."""
        ...

    def entries(self, view: int, after: int, limit: int, *, ended: bool = False) -> list[Entry]:
        """Return live entries (all with ``ended``) of a view after a stamp, ascending: for walks, copies and audits."""
        ...

    def count_live(self, view: int, after: int = 0) -> int:
        """Return how many live entries a view has after a stamp. For admins, never on the path of a request."""
        ...

    def body(self, key: int) -> bytes:
        """Return the bytes that `Entry.body` points to."""
        ...

    def given(self, given_ids: Collection[str]) -> dict[str, list[tuple[int, bytes]]]:
        """Return, for each derived id ever given out by this node, the (version, digest) pairs noted for it, ascending."""
        ...

    def last_given(self, view: int, given_ids: Collection[str]) -> dict[str, int]:
        """Return the greatest version (µs) that the view ever held under each id, ended entries included."""
        ...

    # -- the rest ---------------------------------------------------------------------------------------------------------
    def status(self, status_id: str) -> tuple[str, Json] | None:
        """Return (party, TAXII status resource)."""
        ...

    def wakes(self, until: int, limit: int) -> list[tuple[str, int, str]]:
        """Return (collection, instant, object id) due at ``until`` or before, ascending by instant."""
        ...

    def next_wake(self, collection: str) -> int | None:
        """Return the earliest instant that a wake of the collection waits for."""
        ...

    def approvals(self, collection: str, object_ids: Collection[str]) -> set[tuple[str, int, str, str]]:
        """Return (object id, version, hold rule, party) that a person released."""
        ...

    def consents(self, object_id: str) -> list[Consent]:
        """Return who released what of an object, and when, oldest first: for explanations."""
        ...

    def quarantine(
        self, *, number: int = 0, collection: str = "", object_id: str = "", giver: str = "", after: int = 0, limit: int = 1000
    ) -> list[Quarantined]:
        """Return what lies in quarantine, oldest first; only items with numbers above ``after``."""
        ...

    def quarantine_counts(self) -> dict[str, int]:
        """Return how many items of each giver lie in quarantine."""
        ...

    def quarantined_ids(self, collection: str, object_ids: Collection[str]) -> set[str]:
        """Return those ids of which a version lies in quarantine."""
        ...

    def quarantine_load(self, peer: str) -> tuple[int, int]:
        """Return how many items of a peer, all its collections together, lie in quarantine, and the bytes of their bodies."""
        ...

    def door_events(self, *, object_id: str = "", giver: str = "", since: int = 0, limit: int = 1000) -> list[DoorEvent]:
        """Return the inbound audit, newest first."""
        ...

    def reads(self, *, view: int = 0, party: str = "") -> list[Read]:
        """Return merged reads."""
        ...

    def doc(self, kind: str, name: str) -> Json | None:
        """Return a small document of a service (subscription state, transition, counters)."""
        ...

    def docs(self, kind: str) -> dict[str, Json]:
        """Return all documents of a kind by name."""
        ...


class Writer(Reader, Protocol):
    """One transaction. It reads its own writes, save that openings get their stamps, and so are read, only after the commit."""

    def add_versions(self, versions: Sequence[NewVersion]) -> list[int]:
        """Store versions with their edges and return their keys. Raises ``ValueError`` on an (id, version) already there."""
        ...

    def remove_versions(self, keys: Collection[int]) -> None:
        """Take versions out of the accepted ones, with their offers and edges. Bodies stay while an entry holds them."""
        ...

    def set_homes(self, homes: Mapping[str, str]) -> None:
        """Settle the home of objects that have none yet; a home that is there stays."""
        ...

    def add_offers(self, offers: Iterable[Offer]) -> None:
        """Add or renew offers."""
        ...

    def remove_offers(self, giver: str, keys: Collection[int]) -> None:
        """Take offers away."""
        ...

    def refuse(self, marks: Iterable[bytes], at: int) -> None:
        """Remember keyed hashes of (id, version) that nobody but their home may bring back."""
        ...

    def accept_again(self, marks: Iterable[bytes]) -> None:
        """Forget them."""
        ...

    def create_view(self, collection: str, head: int = 0) -> int:
        """Make an empty view, whose stamps will all be greater than ``head``, and return its id."""
        ...

    def assign(self, collection: str, party: str, view: int | None, at: int) -> None:
        """Map a party to a view, or to none; the past mapping stays readable in `past_readers`."""
        ...

    def set_mirror(self, view: int, mirror: int) -> None:
        """Let ends and ranks of entries of ``view`` be repeated in ``mirror`` by equal ``date_added`` (0: no more)."""
        ...

    def copy_entries(self, source: int, target: int, after: int, limit: int) -> int:
        """Copy up to ``limit`` entries, live and ended, with stamps above ``after``, keeping all; return the last stamp copied, 0: none.

        The target's head becomes at least that stamp.
        """
        ...

    def change(self, view: int, change: Change) -> None:
        """Stage a change of a view. Stamps are taken, and openings inserted, last thing before the commit (I2).

        Ends and ranks of entries that have ended, or never were, are passed over. Raises ``KeyError`` for an unknown view, and for an
        opening with the bytes of a version that is not there.
        """
        ...

    def open_in_all(self, views: Sequence[tuple[int, Mapping[str, str]]], opened: Sequence[Opening]) -> None:
        """Stage the same openings in several views, each of which may call the rules behind them by other names."""
        ...

    def set_wake(self, view: int, wake_at: int | None) -> None:
        """Set when time alone changes something in the view."""
        ...

    def add_wakes(self, collection: str, wakes: Iterable[tuple[int, str]]) -> None:
        """Note (instant, object id) to be looked at again. Repeats are no error."""
        ...

    def remove_wakes(self, collection: str, wakes: Iterable[tuple[int, str]]) -> None:
        """Forget wakes that were carried out."""
        ...

    def note_given(self, given: Iterable[tuple[str, int, bytes]]) -> None:
        """Note (derived id, version, digest) as given out. Repeats are no error."""
        ...

    def approve(self, collection: str, object_id: str, version: int, rule: str, party: str, by: str, at: int) -> None:
        """Note that a person released one version, held by one rule, to one party."""
        ...

    def put_in_force(self, doc: Json, fingerprint: str, at: int) -> int:
        """Append a revision and return its number; earlier ones stay readable."""
        ...

    def put_status(self, status_id: str, party: str, status: Json, at: int) -> None:
        """Store a status resource."""
        ...

    def quarantine_add(self, item: Quarantined) -> int:
        """Keep something apart (``id`` is ignored) and return its number.

        The same (collection, giver, object, version, body, reason) again is no second one.
        """
        ...

    def quarantine_remove(self, numbers: Collection[int]) -> None:
        """Take items out."""
        ...

    def note_door(self, events: Iterable[DoorEvent]) -> None:
        """Append to the inbound audit. An event equal but for its time to the newest of that version and giver is not repeated."""
        ...

    def put_doc(self, kind: str, name: str, doc: Json | None) -> None:
        """Write a small document; None deletes it."""
        ...

    def erase(self, object_id: str) -> None:
        """Remove versions, bodies of source and copies, quarantine, edges and wakes of an object in all collections.

        Its entries stay in the ledger, ended, without bytes, with their ids, the one that a copy went out under included, replaced by
        ``sha256:`` and the hash. Ranks are left alone: where other sources share the id of a copy, it is ended and they are ranked first.
        """
        ...


class Store(Protocol):
    """A store, shared by all threads of a process; any number of processes may open the same one."""

    def read(self) -> AbstractContextManager[Reader]:
        """Open a snapshot."""
        ...

    def glance(self, party: str, collection: str) -> Place | None:
        """Return what `Reader.place` says at present, None where finding out takes as much as a snapshot."""
        ...

    def write(self) -> AbstractContextManager[Writer]:
        """Open a transaction: committed when the block ends, undone when it raises. Raises `StoreUnavailableError` when it can't."""
        ...

    def lease(self, name: str, owner: str, seconds: float, now: int) -> Lease | None:
        """Take or renew a lease, None while another owner holds it."""
        ...

    def lease_holder(self, name: str) -> Lease | None:
        """Return the lease as it stands, run out or not, None where nobody took it or it was given back."""
        ...

    def release(self, lease: Lease) -> None:
        """Give a lease back. One that has passed to another owner is left alone."""
        ...

    def note_reads(self, reads: Sequence[Read]) -> None:
        """Merge reads into what is kept, in a transaction of its own: ranges of one view, party and account that meet or overlap are one.

        ``at`` and ``address`` are then those of the latest.
        """
        ...

    def prune(self, statuses_before: int) -> None:
        """Drop statuses older than an instant."""
        ...

    def commits_past_lead(self) -> int:
        """Return how many commits outlasted the lead since the store was made (I2)."""
        ...

    def iterate_views(self) -> Iterator[View]:
        """Yield all views of all collections."""
        ...

    def check(self) -> None:
        """Raise `StoreError` where a look that takes about a second, whatever there is, finds damage."""
        ...

    def moving(self) -> AbstractContextManager[Moving]:
        """Open all of the store for a move to or from another one, while readers go on and writers wait."""
        ...

    def backup(self, path: str) -> None:
        """Write a consistent copy while others go on. Raises `StoreError` where the store has a tool of its own for that."""
        ...

    def close(self) -> None:
        """Free connections."""
        ...
