"""The making of derived copies: pure functions from one version and what change rules ask to what a class may have.

Order of use: `merge_edits` and `profile` from the rules, `may_hit` and `edit` for one version, `cut_references` with what closure
decided, `copy_id`, `finish`, `valid`.
Answers the sharing model, sections 3, 4 (outbound 6-8), 6, 7 and 9. Which object is withheld or referred to is not decided here.
"""

from taxii_fed.core.derive.checking import may_hit, scan, valid
from taxii_fed.core.derive.editing import Edited, edit
from taxii_fed.core.derive.edits import Edits, MarkingLevel, merge_edits, profile
from taxii_fed.core.derive.identity import contributing_changed, copy_id, finish, observable_id
from taxii_fed.core.derive.markings import cut_language
from taxii_fed.core.derive.references import Closed, cut_references

__all__ = [
    "Closed",
    "Edited",
    "Edits",
    "MarkingLevel",
    "contributing_changed",
    "copy_id",
    "cut_language",
    "cut_references",
    "edit",
    "finish",
    "may_hit",
    "merge_edits",
    "observable_id",
    "profile",
    "scan",
    "valid",
]
