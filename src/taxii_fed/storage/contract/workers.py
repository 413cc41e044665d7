"""What the other processes of the suite do: ``python -m taxii_fed.storage.contract.workers ROLE URL NUMBER COUNT VIEWS``.

They work on a store that others use at the same time, on the real clock. Each says when it is ready, waits for a line, and prints one
for each thing that is safely done.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from taxii_fed.ports import Change, Store
from taxii_fed.storage import open_store
from taxii_fed.storage.contract.builders import new_version, object_id, opening

DONE = "done"
COUNTER = "counter"


class SystemClock:
    """The clock of the machine."""

    def now(self) -> int:
        """Return the present instant in microseconds."""
        return time.time_ns() // 1000


def write(store: Store, number: int, count: int, views: Sequence[int]) -> Iterator[int]:
    """Add ``count`` objects, one to four in a transaction, to all views; at last raise the number of writers that are done."""
    numbers = iter(range(number * 1000, number * 1000 + count))
    for size in itertools.cycle((1, 4, 2, 3)):
        turn = list(itertools.islice(numbers, size))
        with store.write() as writer:
            if not turn:
                finished = writer.doc("race", DONE) or {"writers": 0}
                writer.put_doc("race", DONE, {"writers": finished["writers"] + 1})
                return
            versions = [new_version(each) for each in turn]
            keys = writer.add_versions(versions)
            for view in views:
                writer.change(view, Change(opened=tuple(map(opening, versions, keys))))
        yield turn[-1]


def take_turns(store: Store, number: int, count: int, _: Sequence[int]) -> Iterator[int]:
    """Take a lease ``count`` times; while it is held, raise a counter in two transactions, which only the lease keeps together."""
    clock = SystemClock()
    for turn in range(count):
        while (lease := store.lease(COUNTER, str(number), 60, clock.now())) is None:
            pass
        with store.read() as reader:
            value = (reader.doc("race", COUNTER) or {"value": 0})["value"]
        with store.write() as writer:
            writer.put_doc("race", COUNTER, {"value": value + 1})
        store.release(lease)
        yield turn


def write_for_ever(store: Store, number: int, _: int, views: Sequence[int]) -> Iterator[int]:
    """Write transactions, each of several parts that belong together, until killed."""
    for turn in itertools.count(number):
        versions = [new_version(turn, body=b"x" * 3000), new_version(object_id(turn, "malware"))]
        with store.write() as writer:
            keys = writer.add_versions(versions)
            for view in views:
                writer.change(view, Change(opened=tuple(map(opening, versions, keys))))
            writer.put_status(str(turn), "bank", {"id": str(turn)}, turn)
            writer.put_doc("race", "turn", {"turn": turn})
        yield turn


ROLES = {each.__name__: each for each in (write, take_turns, write_for_ever)}


@contextmanager
def worker(role: str, url: str, number: int, count: int, views: Sequence[int] = ()) -> Iterator[subprocess.Popen[str]]:
    """Run a worker in a process of its own; it is gone when the block ends."""
    command = [
        sys.executable,
        "-m",
        "taxii_fed.storage.contract.workers",
        role,
        url,
        str(number),
        str(count),
        json.dumps(views),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 — this very module
    with process:
        try:
            yield process
        finally:
            process.kill()


def start(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Wait until all workers are ready, and let them loose at once."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def main(arguments: Sequence[str]) -> None:
    """Do one role and print what is done."""
    role, url, number, count, views = arguments
    store = open_store(url, base_dir=Path(), clock=SystemClock())
    _say("ready")
    sys.stdin.readline()
    for done in ROLES[role](store, int(number), int(count), json.loads(views)):
        _say(done)
    store.close()


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
