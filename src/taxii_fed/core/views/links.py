"""The ``derived-from`` relationship of a copy to its source, where the rules behind the copy ask for it (sharing model, section 7).

It hands out the source's id, so it is off unless every change rule that made the copy says ``link: true``.
"""

from __future__ import annotations

from taxii_fed.core.keys import Keys
from taxii_fed.core.stix.facts import Json

LINKED = "derived-from"
"""What the ledger says of such an entry."""

_NO_DATE = "1970-01-01T00:00:00.000Z"


def link_of(copy: Json, source_id: str, creator: str, keys: Keys) -> Json:
    """Return the relationship: the same for every version of the copy, marked like the copy."""
    created = copy.get("created", _NO_DATE)
    link: Json = {
        "type": "relationship",
        "spec_version": "2.1",
        "id": keys.derived_id(f"relationship--{copy['id'].partition('--')[2]}", LINKED),
        "created_by_ref": creator,
        "created": created,
        "modified": created,
        "relationship_type": LINKED,
        "source_ref": copy["id"],
        "target_ref": source_id,
    }
    if "object_marking_refs" in copy:
        link["object_marking_refs"] = copy["object_marking_refs"]
    return link
