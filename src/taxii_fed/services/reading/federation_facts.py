"""What a taxii-fed peer is told beside a manifest entry: origin's jurisdiction, level after overlays, path (docs/federation.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taxii_fed.core.federation.remote import FED_PROPERTY, Carried
from taxii_fed.core.rules.door import WITHDRAWN_LABEL, marked_level
from taxii_fed.core.rules.markings import strictest
from taxii_fed.core.rules.model import CollectionTerms, InForce
from taxii_fed.core.stix import jsontext
from taxii_fed.core.stix.facts import facts_of
from taxii_fed.ports import Reader, Row, Version
from taxii_fed.services.inforce import InForceCache


class FederationFacts:
    """`browse.Annotate`. ``token``: the opaque name of this node in paths."""

    def __init__(self, cache: InForceCache, token: str) -> None:
        self._cache = cache
        self.token = token

    def __call__(
        self, reader: Reader, collection: CollectionTerms, view: int, rows: Sequence[Row]
    ) -> list[dict[str, Any] | None]:
        """Return the custom properties of each row of a manifest, None for what this node itself made."""
        del collection
        in_force = self._cache.current(reader)
        if in_force is None:
            return [None] * len(rows)
        live = reader.live_by_id(view, {row.id for row in rows})
        by_date = {entry.date_added: entry for entries in live.values() for entry in entries}
        sources = {
            row.date_added: version
            for row in rows
            if (entry := by_date.get(row.date_added)) is not None
            and entry.source_key
            and (version := reader.version_by_key(entry.source_key)) is not None
        }
        offers = reader.offers([version.key for version in sources.values()])
        result: list[dict[str, Any] | None] = []
        for row in rows:
            version = sources.get(row.date_added)
            if version is None:
                notice = (entry := by_date.get(row.date_added)) is not None and entry.reasons == (WITHDRAWN_LABEL,)
                result.append({FED_PROPERTY: Carried(in_force.jurisdiction, None, (self.token,), notice).to_json()})
                continue
            paths = [offer.path for offer in offers.get(version.key, ()) if self.token not in offer.path]
            path = min(paths, key=len, default=())
            carried = Carried(version.provenance.jurisdiction, self._level(in_force, version), (*path, self.token))
            result.append({FED_PROPERTY: carried.to_json()})
        return result

    def _level(self, in_force: InForce, version: Version) -> Any:
        facts = facts_of(jsontext.loads(version.body), version.provenance)
        return strictest([marked_level(facts, in_force.markings), version.provenance.overlay])
