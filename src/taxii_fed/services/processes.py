"""The processes that serve and pull for a node, and what came of their last reload: for the command that reloads them.

Each says so in the store. Which of them still run can be told on their own machine alone; there, what a dead one left is cleared away.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from taxii_fed.core.errors import StoreError
from taxii_fed.ports import Reader, Store
from taxii_fed.services.leases import owner, pid_here

PROCESS = "process"
"""Documents of the processes, by their names as owners of leases."""


@dataclass(slots=True)
class Process:
    """A process. ``kind``: the command that it runs. ``born``: when the system started it, in a count of its own.

    ``reloads``: how often it was asked to read its configuration again; ``problem``: why it could not, the last time.
    """

    kind: str
    name: str = field(default_factory=owner)
    born: int = field(default_factory=lambda: _born("self"))
    reloads: int = 0
    problem: str = ""

    def reloaded(self, problem: str = "") -> None:
        """Note a reload, and why it failed. `show` tells others."""
        self.reloads += 1
        self.problem = problem

    def show(self, store: Store) -> None:
        """Write down how it stands, and clear away what dead ones left. Where the store can't, it lives without being listed."""
        self._write(store, asdict(self))

    def leave(self, store: Store) -> None:
        """Be listed no more."""
        self._write(store, None)

    def _write(self, store: Store, doc: dict[str, Any] | None) -> None:
        with suppress(StoreError), store.write() as writer:
            for each in _listed(writer):
                if pid_here(each.name) is not None and not each.runs_here:
                    writer.put_doc(PROCESS, each.name, None)
            writer.put_doc(PROCESS, self.name, doc)

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self.name.split("/")[-2])

    @property
    def runs_here(self) -> bool:
        """Whether it runs on this machine; its id may have gone to another process since."""
        pid = pid_here(self.name)
        return pid is not None and self.born != 0 and _born(str(pid)) == self.born


def running_here(store: Store) -> list[Process]:
    """Return the processes of the node that run on this machine, in order of their ids."""
    with store.read() as reader:
        return sorted((each for each in _listed(reader) if each.runs_here), key=lambda each: each.pid)


def _listed(reader: Reader) -> list[Process]:
    return [Process(**doc) for doc in reader.docs(PROCESS).values()]


def _born(pid: str) -> int:
    """Return when the system started a process, in its own count; 0 where that can't be told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])
