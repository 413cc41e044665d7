"""Pollers that ask as clients in the field do, each reduced to how it goes on.

A poller is a generator function: it asks once, yields, and goes on; one run of it is one poll. What it was given lies in ``seen``, what
it keeps from poll to poll in its attributes. ``faithful`` pollers go on from what the server gave them, so they must get nothing twice.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from httpkit.client import Client, Reply

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(instant: int) -> datetime:
    return EPOCH + timedelta(microseconds=instant)


class Poller:
    """Asks one collection. ``clock`` is the client's own."""

    faithful = True

    def __init__(self, client: Client, collection: str, clock: Any) -> None:
        self.client = client
        self.path = f"collections/{collection}/objects/"
        self.clock = clock
        self.seen: list[tuple[str, str]] = []

    def ask(self, query: dict[str, Any]) -> Reply:
        reply = self.client.get(self.path, {name: value for name, value in query.items() if value is not None})
        assert reply.status == 200, reply
        if reply.json.get("more"):
            assert reply.objects, "a page without objects while there is more"
            assert reply.json["next"]
        else:
            assert "next" not in reply.json
        self.seen += [(each["id"], each["modified"]) for each in reply.objects]
        return reply

    def poll(self) -> Iterator[None]:
        raise NotImplementedError


class HeaderPager(Poller):
    """Section 3.5 to the letter for servers without ``next``: ``added_after`` is the last header, within a poll and between polls."""

    after: str | None = None

    def poll(self) -> Iterator[None]:
        more = True
        while more:
            reply = self.ask({"added_after": self.after, "limit": 7})
            self.after, more = reply.dates[1], reply.json["more"]
            yield


class Taxii2Client(Poller):
    """taxii2-client ``as_pages``: ``next`` with the same filters; the next poll's cursor is the caller's, here the last header."""

    after: str | None = None

    def poll(self) -> Iterator[None]:
        query: dict[str, Any] = {"added_after": self.after, "limit": 10}
        more = True
        while more:
            reply = self.ask(query)
            query["next"], self.after, more = reply.json.get("next"), reply.dates[1], reply.json.get("more", False)
            yield


class Cytaxii2(Poller):
    """cytaxii2: the caller passes ``next``, ``limit`` and ``added_after`` as one."""

    position: str | None = None
    after: str | None = None

    def poll(self) -> Iterator[None]:
        reply = self.ask({"added_after": self.after, "next": self.position, "limit": 25})
        self.position = reply.json.get("next")
        self.after = reply.dates[1]
        yield


class OpenCtiIngester(Poller):
    """OpenCTI's ingester: one page a tick, no ``limit``, ``next`` and ``added_after`` together, the header cut to milliseconds."""

    position: str | None = None
    after: str | None = None

    def poll(self) -> Iterator[None]:
        reply = self.ask({"added_after": self.after, "next": self.position})
        self.position = reply.json.get("next") if reply.json.get("more") else None
        last = datetime.fromisoformat(reply.dates[1])
        self.after = last.strftime("%Y-%m-%dT%H:%M:%S.") + f"{last.microsecond // 1000:03d}Z"
        yield


class OpenCtiConnector(Poller):
    """OpenCTI's connector: its own clock in whole seconds; one set of filters, in which the last ``next`` stays.

    It stays for the next of the ``collections``, too, and for the run after.
    """

    faithful = False
    last_run: str | None = None

    def __init__(self, client: Client, collection: str, clock: Any, *others: str) -> None:
        super().__init__(client, collection, clock)
        self.collections = (collection, *others)
        self.filters: dict[str, Any] = {}

    def poll(self) -> Iterator[None]:
        begun = at(self.clock.now()).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        self.filters["added_after"] = self.last_run
        for collection in self.collections:
            self.path = f"collections/{collection}/objects/"
            more = True
            while more:
                reply = self.ask(self.filters)
                more = reply.json.get("more") is True
                if more:
                    self.filters = {"next": reply.json["next"]}
                yield
        self.last_run = begun


class Elastic(Poller):
    """Elastic ti_custom: goes on while ``next`` is not empty, with ``next`` and ``limit`` alone; cursor is the last answer's header."""

    after: str | None = "1970-01-01T00:00:00Z"

    def poll(self) -> Iterator[None]:
        reply = self.ask({"added_after": self.after, "limit": 20})
        yield
        while position := reply.json.get("next"):
            reply = self.ask({"next": position, "limit": 20})
            yield
        self.after = reply.headers["X-TAXII-Date-Added-Last"]


class EclecticIq(Poller):
    """EclecticIQ: 100 in a run from 1970 on, both date headers parsed strictly."""

    after = "1970-01-01T00:00:00.000000Z"

    def poll(self) -> Iterator[None]:
        reply = self.ask({"added_after": self.after, "limit": 100})
        first, last = (datetime.strptime(each, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) for each in reply.dates)
        assert first <= last
        self.after = reply.dates[1]
        yield


class Xsoar(Poller):
    """XSOAR: 100 a request by type, stops at a page without objects; cursor is the greatest ``modified`` it saw; drops what it had."""

    faithful = False
    latest: str | None = None

    def poll(self) -> Iterator[None]:
        query: dict[str, Any] = {"added_after": self.latest, "limit": 100, "match[type]": "indicator,malware,relationship"}
        while True:
            reply = self.ask(query)
            self.latest = max([self.latest or "", *(each["modified"] for each in reply.objects)]) or None
            yield
            if not reply.objects or not reply.json["more"]:
                return
            query["next"] = reply.json["next"]


class OwnClock(Poller):
    """Wazuh's and Splunk's scripts: one request without paging from when the last one began, by the client's clock in seconds."""

    faithful = False
    since: str | None = None

    def poll(self) -> Iterator[None]:
        begun = at(self.clock.now()).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.ask({"added_after": self.since, "limit": 2000})  # stands for the large page that a node gives without `limit`
        self.since = begun
        yield


class Sentinel(Poller):
    """Sentinel, as far as it shows: a look-back, then pages by ``next`` beside the first request's ``added_after``."""

    after: str | None = None

    def poll(self) -> Iterator[None]:
        begun, reply = self.after, self.ask({"added_after": self.after})
        yield
        while reply.json["more"]:
            reply = self.ask({"added_after": begun, "next": reply.json["next"]})
            yield
        self.after = reply.dates[1]


class LastWeeksNext(Poller):
    """Keeps one ``next`` for ever and asks from there each time, without any filter."""

    faithful = False
    position: str | None = None

    def poll(self) -> Iterator[None]:
        position = self.position
        more = True
        while more:
            reply = self.ask({"next": position, "limit": 30})
            position, more = reply.json.get("next"), reply.json["more"]
            self.position = self.position or position
            yield


class LostReplies(Poller):
    """Loses every other reply on the way and asks the same again."""

    after: str | None = None

    def poll(self) -> Iterator[None]:
        position, more = None, True
        while more:
            query = {"added_after": self.after, "next": position, "limit": 9}
            lost = self.client.get(self.path, {name: value for name, value in query.items() if value is not None})
            assert lost.status == 200
            yield
            reply = self.ask(query)
            position, self.after, more = reply.json.get("next"), reply.dates[1], reply.json["more"]
            yield


POLLERS: tuple[type[Poller], ...] = (
    HeaderPager,
    Taxii2Client,
    Cytaxii2,
    OpenCtiIngester,
    OpenCtiConnector,
    Elastic,
    EclecticIq,
    Xsoar,
    OwnClock,
    Sentinel,
    LastWeeksNext,
    LostReplies,
)
