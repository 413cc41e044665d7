"""Store and model, driven together at random: after every step they hold the same."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from taxii_fed.core.taxii.query import Rank
from taxii_fed.ports import Change, Lease, NewVersion, Offer, Opening, Quarantined, Writer
from taxii_fed.storage.contract.agreement import COLLECTIONS, COPIES, GIVERS, IDS, MARKS, PARTIES, Agreement
from taxii_fed.storage.contract.builders import StoreFactory, derived, new_version, opening, quarantined
from taxii_fed.storage.contract.model import Model, ModelView

ids = st.sampled_from(IDS)
pick = st.integers(0, 1_000_000)
ranks = st.builds(Rank, newest=st.booleans(), oldest=st.booleans(), top=st.booleans(), shown=st.booleans())
aborts = st.integers(0, 5).map(lambda number: number == 0)
versions = st.builds(
    lambda each, version, collection: new_version(each, version, collection=collection),
    ids,
    st.integers(0, 2),
    st.sampled_from(COLLECTIONS),
)


class _Abort(Exception):  # noqa: N818 — no error: a transaction that is given up on purpose
    pass


class StoreMachine(Agreement):
    """Each rule is one transaction, which is given up now and then."""

    def __init__(self, factory: StoreFactory) -> None:
        super().__init__(factory)
        self.leases: list[Lease] = []

    def transact(self, abort: bool, work: Callable[[Writer, Model], None]) -> None:
        """Do ``work`` to both, or after it was done to neither."""
        model = deepcopy(self.model)
        try:
            with self.store.write() as writer:
                work(writer, model)
                if abort:
                    raise _Abort  # noqa: TRY301 — it has to leave the block of the transaction
        except _Abort:
            return
        self.model = model

    def view(self, number: int) -> int:
        """Return one of the views."""
        return sorted(self.model.views)[number % len(self.model.views)]

    def dates(self, view: int, number: int) -> list[int]:
        """Return one or two stamps of a view, as far as it has any."""
        dates = sorted(self.model.views[view].entries)
        return sorted({dates[number % len(dates)], dates[number * 7 % len(dates)]}) if dates else []

    # -- versions -----------------------------------------------------------------------------------------------------------
    @rule(new=st.lists(versions, max_size=3), abort=aborts)
    def add_versions(self, new: list[NewVersion], abort: bool) -> None:
        def identity(version: NewVersion) -> tuple[str, str, int]:
            return version.collection, version.object_id, version.version

        there = {identity(version) for version in self.model.versions.values()}
        fails = len({identity(version) for version in new} - there) < len(new)

        def work(writer: Writer, model: Model) -> None:
            if fails:
                with pytest.raises(ValueError, match="version"):
                    writer.add_versions(new)
            else:
                model.versions.update(zip(writer.add_versions(new), new, strict=True))

        self.transact(abort, work)

    @precondition(lambda self: self.model.versions)
    @rule(number=pick, abort=aborts)
    def remove_version(self, number: int, abort: bool) -> None:
        key = sorted(self.model.versions)[number % len(self.model.versions)]

        def work(writer: Writer, model: Model) -> None:
            writer.remove_versions([key])
            model.remove({key})

        self.transact(abort, work)

    @precondition(lambda self: self.model.versions)
    @rule(number=pick, giver=st.sampled_from(GIVERS), path=st.sampled_from([(), ("n",)]), abort=aborts)
    def add_offer(self, number: int, giver: str, path: tuple[str, ...], abort: bool) -> None:
        offer = Offer(sorted(self.model.versions)[number % len(self.model.versions)], giver, path)

        def work(writer: Writer, model: Model) -> None:
            writer.add_offers([offer])
            model.offers[offer.key, giver] = offer

        self.transact(abort, work)

    @precondition(lambda self: self.model.offers)
    @rule(number=pick, abort=aborts)
    def remove_offer(self, number: int, abort: bool) -> None:
        key, giver = sorted(self.model.offers)[number % len(self.model.offers)]

        def work(writer: Writer, model: Model) -> None:
            writer.remove_offers(giver, [key])
            del model.offers[key, giver]

        self.transact(abort, work)

    @rule(each=ids, home=st.sampled_from(GIVERS), abort=aborts)
    def set_home(self, each: str, home: str, abort: bool) -> None:
        def work(writer: Writer, model: Model) -> None:
            writer.set_homes({each: home})
            model.homes.setdefault(each, home)

        self.transact(abort, work)

    @rule(each=ids, abort=aborts)
    def erase(self, each: str, abort: bool) -> None:
        def work(writer: Writer, model: Model) -> None:
            writer.erase(each)
            model.erase(each, self.clock.instant)

        self.transact(abort, work)

    # -- views --------------------------------------------------------------------------------------------------------------
    @initialize(collection=st.sampled_from(COLLECTIONS))
    def first_view(self, collection: str) -> None:
        self.create_view(collection, abort=False)

    @rule(collection=st.sampled_from(COLLECTIONS), abort=aborts)
    def create_view(self, collection: str, abort: bool) -> None:
        def work(writer: Writer, model: Model) -> None:
            view = writer.create_view(collection)
            assert view not in model.views
            model.views[view] = ModelView(collection)

        if len(self.model.views) < 4:
            self.transact(abort, work)

    @rule(number=pick, keys=st.lists(pick, max_size=3), rank=ranks, copy=st.sampled_from([None, *COPIES]), abort=aborts)
    def open(self, number: int, keys: list[int], rank: Rank, copy: str | None, abort: bool) -> None:
        view = self.view(number)
        openings: list[Opening] = []
        for each in keys if self.model.versions else []:
            key = sorted(self.model.versions)[each % len(self.model.versions)]
            version = self.model.versions[key]
            if copy is None:
                openings.append(opening(version, key, rank, reasons=("a",) if each % 2 else ()))
            else:
                openings.append(derived(version, key, copy, b"%d" % (each % 3), version=each % 3, rank=rank))

        def work(writer: Writer, model: Model) -> None:
            writer.change(view, Change(opened=tuple(openings)))
            model.open(view, openings, self.clock.instant)

        self.transact(abort, work)

    @rule(number=pick, which=pick, why=st.sampled_from(["a", "b"]), abort=aborts)
    def end(self, number: int, which: int, why: str, abort: bool) -> None:
        view = self.view(number)
        dates = self.dates(view, which)

        def work(writer: Writer, model: Model) -> None:
            writer.change(view, Change(ended=tuple((date, why) for date in dates)))
            model.end(view, dates, why, self.clock.instant)

        self.transact(abort, work)

    @rule(number=pick, which=pick, rank=ranks, abort=aborts)
    def rerank(self, number: int, which: int, rank: Rank, abort: bool) -> None:
        view = self.view(number)
        dates = self.dates(view, which)

        def work(writer: Writer, model: Model) -> None:
            writer.change(view, Change(reranked=tuple((date, rank) for date in dates)))
            model.rerank(view, dates, rank)

        self.transact(abort, work)

    @rule(source=pick, onto=pick, limit=st.integers(1, 3), abort=aborts)
    def copy(self, source: int, onto: int, limit: int, abort: bool) -> None:
        one, two = self.view(source), self.view(onto)
        after = max(self.model.views[two].entries, default=0)
        assume(one != two)

        def work(writer: Writer, model: Model) -> None:
            assert writer.copy_entries(one, two, after, limit) == model.copy(one, two, after, limit)

        self.transact(abort, work)

    @rule(source=pick, onto=pick, off=st.booleans(), abort=aborts)
    def mirror(self, source: int, onto: int, off: bool, abort: bool) -> None:
        one, two = self.view(source), self.view(onto)
        assume(one != two)

        def work(writer: Writer, model: Model) -> None:
            model.views[one].mirror = 0 if off else two
            writer.set_mirror(one, 0 if off else two)

        self.transact(abort, work)

    @rule(number=pick, party=st.sampled_from(PARTIES), off=st.booleans(), abort=aborts)
    def assign(self, number: int, party: str, off: bool, abort: bool) -> None:
        view = self.view(number)
        collection = self.model.views[view].collection

        def work(writer: Writer, model: Model) -> None:
            writer.assign(collection, party, None if off else view, self.clock.instant)
            model.readers.pop((party, collection), None)
            if not off:
                model.readers[party, collection] = view

        self.transact(abort, work)

    # -- the rest -----------------------------------------------------------------------------------------------------------
    @rule(collection=st.sampled_from(COLLECTIONS), at=st.integers(0, 3), each=ids, forget=st.booleans(), abort=aborts)
    def wake(self, collection: str, at: int, each: str, forget: bool, abort: bool) -> None:
        def work(writer: Writer, model: Model) -> None:
            (writer.remove_wakes if forget else writer.add_wakes)(collection, [(at, each)])
            (model.wakes.discard if forget else model.wakes.add)((collection, at, each))

        self.transact(abort, work)

    @rule(name=st.sampled_from("ab"), value=st.one_of(st.none(), st.integers(0, 9)), abort=aborts)
    def put_doc(self, name: str, value: int | None, abort: bool) -> None:
        def work(writer: Writer, model: Model) -> None:
            writer.put_doc("kind", name, None if value is None else {"value": value})
            model.docs.pop(name, None)
            if value is not None:
                model.docs[name] = {"value": value}

        self.transact(abort, work)

    @rule(
        item=st.builds(lambda given, body: quarantined(given, body=body), st.integers(1, 2), st.sampled_from([b"x", b"y"])),
        abort=aborts,
    )
    def quarantine(self, item: Quarantined, abort: bool) -> None:
        def work(writer: Writer, model: Model) -> None:
            number = writer.quarantine_add(item)
            same = [
                each for each, known in model.quarantine.items() if (known.object_id, known.body) == (item.object_id, item.body)
            ]
            assert number in same if same else number not in model.quarantine
            model.quarantine[number] = item

        self.transact(abort, work)

    @precondition(lambda self: self.model.quarantine)
    @rule(number=pick, abort=aborts)
    def lift(self, number: int, abort: bool) -> None:
        item = sorted(self.model.quarantine)[number % len(self.model.quarantine)]

        def work(writer: Writer, model: Model) -> None:
            writer.quarantine_remove([item])
            del model.quarantine[item]

        self.transact(abort, work)

    @rule(mark=st.sampled_from(MARKS), accept=st.booleans(), abort=aborts)
    def refuse(self, mark: bytes, accept: bool, abort: bool) -> None:
        def work(writer: Writer, model: Model) -> None:
            if accept:
                writer.accept_again([mark])
                model.marks.discard(mark)
            else:
                writer.refuse([mark], 1)
                model.marks.add(mark)

        self.transact(abort, work)

    @rule(owner=st.sampled_from(PARTIES), seconds=st.integers(1, 3))
    def take_lease(self, owner: str, seconds: int) -> None:
        lease = self.store.lease("pull", owner, seconds, self.clock.instant)
        assert lease == self.model.take("pull", owner, seconds, self.clock.instant)
        self.leases.extend([lease] if lease else [])

    @precondition(lambda self: self.leases)
    @rule(number=pick)
    def release_lease(self, number: int) -> None:
        lease = self.leases[number % len(self.leases)]
        self.store.release(lease)
        self.model.release(lease)

    @rule(microseconds=st.integers(-2_000_000, 2_000_000))
    def let_time_pass(self, microseconds: int) -> None:
        self.clock.instant += microseconds

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.store = self.factory(self.clock)


@pytest.mark.invariant("I2", "I5", "I10")
def test_the_store_holds_what_a_model_of_it_holds(store_factory: StoreFactory) -> None:
    class Machine(StoreMachine):
        def __init__(self) -> None:
            super().__init__(store_factory.another())

    run_state_machine_as_test(Machine, settings=settings(stateful_step_count=25))
