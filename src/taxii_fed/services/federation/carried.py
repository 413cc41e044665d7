"""Objects of a peer with what a taxii-fed node says beside them in its manifest (docs/federation.md).

A peer is looked at once: where its manifest carries `FED_PROPERTY` for us, the page of the manifest that belongs to each page of objects is
asked for, too, and the two are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taxii_fed.core.errors import PeerAnswerError, PeerRefusedError
from taxii_fed.core.federation.pull import Request
from taxii_fed.core.federation.remote import Carried, ManifestPage, ObjectPage, version_instant
from taxii_fed.core.stix.envelopes import Received
from taxii_fed.ports import PeerClient
from taxii_fed.services.intake.arrivals import Offered

IDS_AT_ONCE = 40
"""Ids in one request: what fits a request line of 4,094 bytes, the limit of a common server."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A page to be offered. ``fed``: whether the peer is a taxii-fed node that takes us for one, None while that is not known."""

    page: ObjectPage
    offered: list[Offered]
    fed: bool | None


def join(
    client: PeerClient, remote: str, fed: bool | None, page: ObjectPage, request: Request, ids: Sequence[str] = ()
) -> Joined:
    """Return the objects of a page with what travels beside them; ``fed``: what is known of the peer.

    An object that such a peer no longer lists was withdrawn between the two answers, and is left out. Raises `PeerError`.
    """
    plain = [Offered(each) for each in page.objects]
    if not page.objects or (fed is False and not page.fed):
        return Joined(page, plain, fed)
    names = [(each.id, version_instant(each.version_text) or 0) for each in page.objects]
    try:
        if not fed and not page.fed and request.next and not _carries(client, remote, names):
            return Joined(page, plain, fed=False)
        beside = _Beside(client, remote, names, request, ids)
    except PeerRefusedError:
        if page.fed or fed:
            raise
        return Joined(page, plain, fed=False)
    if not fed and not beside.carried:
        return Joined(page, plain, fed=False)
    pairs = zip(page.objects, names, strict=True)
    return Joined(page, [beside.offered(each, name) for each, name in pairs if not each.id or beside.lists(name)], fed=True)


def _carries(client: PeerClient, remote: str, names: list[tuple[str, int]]) -> bool:
    """Look at a peer by ids: one that keeps a single place for both lists would lose it over a token sent for the other."""
    some = list(dict.fromkeys(name for name, _ in names if name))[:IDS_AT_ONCE]
    return bool(client.manifest(remote, Request(limit=1000), some).carried)


class _Beside:
    """What the manifest says beside the objects of a page. Those that its page of the same place does not hold are asked for by id."""

    def __init__(
        self, client: PeerClient, remote: str, names: list[tuple[str, int]], request: Request, ids: Sequence[str]
    ) -> None:
        self.carried: dict[tuple[str, int], Carried] = {}
        self._listed: set[tuple[str, int]] = set()
        self._add(client.manifest(remote, request, ids))
        left = list(dict.fromkeys(name[0] for name in names if name[0] and name not in self._listed)) if self.carried else []
        for start in range(0, len(left), IDS_AT_ONCE):
            some = left[start : start + IDS_AT_ONCE]
            self._add(client.manifest(remote, Request(limit=1000), some))

    def _add(self, page: ManifestPage) -> None:
        self.carried |= page.carried
        self._listed.update((entry.id, entry.version or 0) for entry in page.entries)

    def lists(self, name: tuple[str, int]) -> bool:
        """Return whether the peer still offers a version."""
        return name in self._listed

    def offered(self, received: Received, name: tuple[str, int]) -> Offered:
        """Return an object with what travels beside it.

        Raises `PeerAnswerError` where a peer that used to say where its objects come from does not: taking them as its own would lift
        the vetoes that hold for them (I6).
        """
        if not received.id:
            return Offered(received)
        carried = self.carried.get(name)
        if carried is None:
            raise PeerAnswerError(
                "it no longer says where its objects come from, as a taxii-fed node does to a peer; "
                "if it is another server now, or our account there has another role, use `taxii-fed peer reset`"
            )
        return Offered(received, carried.jurisdiction, carried.level, carried.path, carried.notice)
