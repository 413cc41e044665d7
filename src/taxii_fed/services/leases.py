"""Leases in the hands of processes: a name for this process, and taking over at once from one that is known to be gone.

A lease runs out by itself; that is what workers on other machines wait for. A process that was killed on this machine can be seen to be
gone, so nobody need wait for its lease.
"""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache
from pathlib import Path

from taxii_fed.ports import Lease, Store


def owner() -> str:
    """Return a name for this process that no other has: ``HOST/PLACE/PID/RANDOM``."""
    return f"{socket.gethostname()}/{_place()}/{os.getpid()}/{secrets.token_hex(4)}"


def take(store: Store, name: str, owner_name: str, seconds: float, now: int) -> Lease | None:
    """Take or renew a lease, None while another process holds it that may be alive."""
    lease = store.lease(name, owner_name, seconds, now)
    if lease is not None:
        return lease
    holder = store.lease_holder(name)
    if holder is None or not _is_gone(holder.owner):
        return None
    store.release(holder)
    return store.lease(name, owner_name, seconds, now)


def pid_here(owner_name: str) -> int | None:
    """Return the process id of an owner that runs, or ran, where this process does (same boot, same process ids), else None."""
    _, _, rest = owner_name.partition("/")
    place, _, rest = rest.partition("/")
    pid = rest.partition("/")[0]
    return int(pid) if place and place == _place() and pid.isdigit() else None


def _is_gone(owner_name: str) -> bool:
    """Return whether an owner was a process where this one runs and is none any more."""
    pid = pid_here(owner_name)
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@cache
def _place() -> str:
    """Return what tells one running system and its process ids from any other, "" where it can't be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot[:8]}-{Path('/proc/self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return ""
