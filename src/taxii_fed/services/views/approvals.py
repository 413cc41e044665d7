"""What people let go past a hold, as far as it still stands (sharing model, section 3).

An approval is for what a version held when a person looked at it. A version that went and comes again may hold something else under
the same date, so it waits for a person again; who said what before stays on record.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection

from taxii_fed.core.rules.judge import Approval
from taxii_fed.ports import Reader, Writer

_OVER = "approval-over"


def standing(reader: Reader, collection: str, object_ids: Collection[str]) -> dict[str, list[Approval]]:
    """Return the approvals that stand, by object."""
    found: dict[str, list[Approval]] = defaultdict(list)
    for object_id, version, rule, party in reader.approvals(collection, object_ids):
        if reader.doc(_OVER, _name(collection, object_id, version, rule, party)) is None:
            found[object_id].append((version, rule, party))
    return found


def end(writer: Writer, collection: str, come_again: Collection[tuple[str, int]]) -> None:
    """Let no approval stand of these (id, version), which come again."""
    if not come_again:
        return
    for object_id, version, rule, party in writer.approvals(collection, {object_id for object_id, _ in come_again}):
        if (object_id, version) in come_again:
            writer.put_doc(_OVER, _name(collection, object_id, version, rule, party), {})


def approve(writer: Writer, collection: str, object_id: str, version: int, rule: str, party: str, *, by: str, at: int) -> None:
    """Note that a person released a version to a party, now or once more."""
    writer.put_doc(_OVER, _name(collection, object_id, version, rule, party), None)
    writer.approve(collection, object_id, version, rule, party, by, at)


def _name(*parts: object) -> str:
    """Return a name that does not tell the id, as it outlives an erasure."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
