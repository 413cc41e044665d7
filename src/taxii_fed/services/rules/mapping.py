"""Every party mapped to the view of its class, when rules are put in force (step 3 of `govern`)."""

from __future__ import annotations

from collections.abc import Collection

from taxii_fed.core.rules.audience import Audience, audience_of
from taxii_fed.core.rules.model import CollectionTerms, InForce
from taxii_fed.ports import Writer
from taxii_fed.services.views.settle import refresh_wakes


def map_parties(
    writer: Writer, collection: CollectionTerms, coming: InForce, at: int, now: int, met: Collection[str]
) -> list[int]:
    """Map every party to its view as of ``at`` (µs), and return the views that this made.

    ``met``: who was a party before. Who is new joins the view that its class has. Who was there without a right may have asked and
    been given nothing: what it may see now becomes visible to it now (convention 13), in a view that it shares with its like.
    """
    made: list[int] = []
    readers = writer.readers(collection.id)
    audiences = {name: audience_of(coming, party, collection.name, at) for name, party in coming.parties.items()}
    by_signature: dict[str, int] = {}
    signatures: dict[int, str] = {}
    for name, mapped in sorted(readers.items(), key=lambda each: each[1]):
        view = mapped
        audience = audiences.get(name)
        if audience is None or not audience.reads:
            writer.assign(collection.id, name, None, now)
            continue
        # Parties part here only where nothing was ever published; where something was, `parting` has parted them.
        taken = signatures.setdefault(view, audience.signature)
        if taken != audience.signature:
            known = by_signature.get(audience.signature)
            if known is None:
                known = writer.create_view(collection.id, writer.view(view).head)
                made.append(known)
            view = known
            writer.assign(collection.id, name, view, now)
            signatures[view] = audience.signature
        by_signature.setdefault(audience.signature, view)
    anew: dict[str, int] = {}
    for name, audience in sorted(audiences.items()):
        if name in readers or not audience.reads:
            continue
        past = writer.past_views(collection.id, name)
        standing = by_signature.get(audience.signature)
        if standing is not None and name in met and not past and writer.entries(standing, 0, 1):
            standing = anew.get(audience.signature)
        if standing is None or (past and past[-1] != standing):
            head = max((writer.view(each).head for each in past), default=0)
            standing = writer.create_view(collection.id, head)
            made.append(standing)
            by_signature.setdefault(audience.signature, standing)
            anew.setdefault(audience.signature, standing)
        writer.assign(collection.id, name, standing, now)
    _note_boundary(writer, collection, list(audiences.values()))
    return made


def _note_boundary(writer: Writer, collection: CollectionTerms, audiences: list[Audience]) -> None:
    until = min((audience.until_at for audience in audiences if audience.until_at is not None), default=None)
    if until is not None:
        writer.add_wakes(collection.id, [(until, "")])
    refresh_wakes(writer, collection.id)
