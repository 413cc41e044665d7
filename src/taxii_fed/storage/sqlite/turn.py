"""Whose turn it is to write, among processes: who waits for longest comes next.

SQLite lets one write at a time, but whoever finds it busy sleeps longer and longer before looking again, while a process with more to
write is there again within microseconds: under load some would wait for seconds. This orders them. What keeps the data right is
SQLite's own lock alone, so where locks on files are not to be had, writers just go on without.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TURN, _NEXT = 0, 1
"""Bytes of the file: who writes holds the first, and who comes next the second."""
_LOOK_SECONDS = 0.0005


class Turn:
    """The turns of one process, in a file beside the store. The system gives back what a killed process held."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    @contextmanager
    def taken(self, deadline: float) -> Iterator[bool]:
        """Wait for the turn and hold it for the block; False where it has not come by ``deadline`` (`time.monotonic`).

        For one thread at a time.
        """
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # Whoever just wrote must come after the one who waits already.
            came = self._lock(_NEXT, deadline) and self._lock(_TURN, deadline)
            self._unlock(_NEXT)
        except OSError:
            came = True
        try:
            yield came
        finally:
            self._unlock(_TURN)

    def _lock(self, byte: int, deadline: float) -> bool:
        assert self._file is not None
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(_LOOK_SECONDS)
            else:
                return True

    def _unlock(self, byte: int) -> None:
        with suppress(OSError):
            if self._file is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)

    def close(self) -> None:
        """Close the file, which stays: another process may be waiting in it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
