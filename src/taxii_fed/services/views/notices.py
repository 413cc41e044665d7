"""Withdrawal notices: TAXII has no tombstone, so the readers who held an object are told by a note (sharing model, section 8).

A notice is a ``note`` of the node's identity with the label ``withdrawn``. It names nothing but the ids that the reader already
held, goes only into views that held them (I10), is revoked when what it names returns, and goes after 90 days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.door import WITHDRAWN_LABEL
from taxii_fed.core.stix import jsontext
from taxii_fed.core.stix.canonical import digest
from taxii_fed.core.stix.facts import Json
from taxii_fed.core.stix.levels import TLP2_IDS, TLP_LEVELS
from taxii_fed.core.taxii.query import Rank
from taxii_fed.core.timestamps import format_stix, parse_stix
from taxii_fed.ports import Change, Entry, Opening, View, Writer

MOST_REFS = 500
LIFE = 90 * 86_400 * 1_000_000
SILENT = frozenset({"expired"})
"""Endings that nobody is told of."""

_NOTICE, _WITHDRAWN = "notice", "withdrawn-from"
_TEXT = "The objects that this note refers to have been withdrawn: they are no longer released to you. Please remove them."
_UNTOLD_TYPES = frozenset({"marking-definition", "extension-definition"})


class Notices:
    """Writes notices into a change of a view, and takes them back."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def told(
        self,
        writer: Writer,
        view: View,
        change: Change,
        gone: Sequence[Entry],
        returned: Collection[str],
        identity: str,
        now: int,
    ) -> Change:
        """Return the change with what its readers must be told.

        ``gone``: live entries that it ends and does not open again. ``returned``: ids that it opens and that the view may have held before.
        """
        why = dict(change.ended)
        told = [
            entry for entry in gone if entry.source and why[entry.date_added] not in SILENT and entry.type not in _UNTOLD_TYPES
        ]
        if told:
            left = writer.live_by_id(view.id, {entry.id for entry in told})
            told = [entry for entry in told if all(other.date_added in why for other in left.get(entry.id, ()))]
        ended, opened = self._taken_back(writer, view, returned, now)
        for start in range(0, len(told), MOST_REFS):
            part = told[start : start + MOST_REFS]
            opened.append(self._notice(writer, view, part, identity, now))
        if not ended and not opened:
            return change
        return replace(change, ended=(*change.ended, *ended), opened=(*change.opened, *opened))

    def expire(self, writer: Writer, view: View, notice_id: str) -> None:
        """Take a notice out of a view once its time is over."""
        name = f"{view.id}:{notice_id}"
        noted = writer.doc(_NOTICE, name)
        if noted is None:
            return
        for name_of_ref in (f"{view.id}:{ref}" for ref in noted["note"]["object_refs"]):
            if writer.doc(_WITHDRAWN, name_of_ref) == {"notice": notice_id}:  # else a later notice tells of it
                writer.put_doc(_WITHDRAWN, name_of_ref, None)
        writer.put_doc(_NOTICE, name, None)
        live = writer.live_by_id(view.id, [notice_id]).get(notice_id, [])
        writer.change(view.id, Change(ended=tuple((entry.date_added, "notice-over") for entry in live)))

    def _notice(self, writer: Writer, view: View, gone: Sequence[Entry], identity: str, now: int) -> Opening:
        levels = [
            TLP_LEVELS[marking]
            for entry in gone
            for marking in jsontext.loads(writer.body(entry.body)).get("object_marking_refs") or ()
            if marking in TLP_LEVELS
        ]
        stamp = format_stix(now - now % 1000)
        refs = list(dict.fromkeys(entry.id for entry in gone))
        note: Json = {
            "type": "note",
            "spec_version": "2.1",
            "id": self._keys.notice_id(view.id, gone[0].date_added),
            "created_by_ref": identity,
            "created": stamp,
            "modified": stamp,
            "labels": [WITHDRAWN_LABEL],
            "content": _TEXT,
            "object_refs": refs,
        }
        if levels:
            note["object_marking_refs"] = [TLP2_IDS[max(levels)]]
        self._keep(writer, view, note)
        for ref in refs:
            writer.put_doc(_WITHDRAWN, f"{view.id}:{ref}", {"notice": note["id"]})
        writer.add_wakes(view.collection, [(now + LIFE, note["id"])])
        return _opening(note)

    def _taken_back(
        self, writer: Writer, view: View, returned: Collection[str], now: int
    ) -> tuple[list[tuple[int, str]], list[Opening]]:
        """Give each notice that names something that is back a new version: without it, or revoked when nothing is left."""
        by_notice: dict[str, set[str]] = defaultdict(set)
        for ref in returned:
            noted = writer.doc(_WITHDRAWN, f"{view.id}:{ref}")
            if noted is not None:
                by_notice[noted["notice"]].add(ref)
                writer.put_doc(_WITHDRAWN, f"{view.id}:{ref}", None)
        ended: list[tuple[int, str]] = []
        opened: list[Opening] = []
        for notice_id, refs in by_notice.items():
            kept = writer.doc(_NOTICE, f"{view.id}:{notice_id}")
            if kept is None:
                continue
            note: Json = dict(kept["note"])
            left = [ref for ref in note["object_refs"] if ref not in refs]
            if left:
                note["object_refs"] = left
            else:
                note["revoked"] = True
            note["modified"] = format_stix(max(now - now % 1000, parse_stix(note["modified"]) + 1000))
            live = writer.live_by_id(view.id, [notice_id]).get(notice_id, [])
            ended.extend((entry.date_added, "returned") for entry in live)
            opened.append(_opening(note))
            self._keep(writer, view, note)
        return ended, opened

    def _keep(self, writer: Writer, view: View, note: Json) -> None:
        writer.put_doc(_NOTICE, f"{view.id}:{note['id']}", {"note": note})
        writer.note_given([(note["id"], parse_stix(note["modified"]), digest(note))])


def copy_notices(writer: Writer, source: int, target: int) -> None:
    """Let a copied view know what its source was told, so that a return is told there, too."""
    for kind in (_NOTICE, _WITHDRAWN):
        for name, doc in writer.docs(kind).items():
            view, _, rest = name.partition(":")
            if view == str(source):
                writer.put_doc(kind, f"{target}:{rest}", doc)


def _opening(note: Json) -> Opening:
    return Opening(
        id=note["id"],
        type="note",
        spec_version="2.1",
        version=parse_stix(note["modified"]),
        version_text=note["modified"],
        source="",
        source_key=0,
        rank=Rank(),
        rule="",
        reasons=(WITHDRAWN_LABEL,),
        content=jsontext.dumps(note),
    )
