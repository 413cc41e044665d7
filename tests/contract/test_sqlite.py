"""The contract suite on SQLite."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from taxii_fed.ports import Clock, Store
from taxii_fed.storage.contract.builders import ManualClock, StoreFactory
from taxii_fed.storage.contract.suite import *  # noqa: F403 — the suite
from taxii_fed.storage.sqlite import SqliteStore


@dataclass
class SqliteFactory:
    """Opens stores on files of one folder."""

    folder: Path
    number: int = 0
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    opened: list[SqliteStore] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.number}.db"

    @property
    def url(self) -> str:
        return f"sqlite:{self.path}"

    def __call__(self, clock: Clock | None = None) -> Store:
        store = SqliteStore(self.path, clock=clock or ManualClock())
        self.opened.append(store)
        return store

    def another(self) -> StoreFactory:
        return SqliteFactory(self.folder, next(self.numbers), self.numbers, self.opened)


@pytest.fixture
def store_factory(tmp_path):
    factory = SqliteFactory(tmp_path)
    yield factory
    for store in factory.opened:
        store.close()
