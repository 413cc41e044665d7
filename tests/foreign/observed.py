"""What a foreign server does, asked of it over its socket: the rows of the table in ``docs/peers.md``."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from foreign.servers import MEDIA, REQUIREMENTS, Foreign, medallion, opentaxii
from nodekit import indicator

SERVERS = {"OpenTAXII": opentaxii, "medallion": medallion}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "peers.md"
BEGIN, END = (
    "<!-- Written by tools/foreign_table.py from what the servers answered. -->",
    "<!-- End of what tools/foreign_table.py writes. -->",
)
_NOBODY = indicator(999)["id"]


@dataclass
class Answer:
    """What came back; ``body`` is None where it is no JSON."""

    status: int
    headers: Message
    body: Any

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self.body.get("objects", [])]

    @property
    def dates(self) -> bool:
        return "X-TAXII-Date-Added-Last" in self.headers


def column(server: Foreign) -> dict[str, str]:
    """Return what a server does, by what was looked at. It needs a collection that nobody used before."""
    return _Probe(server).everything()


class _Probe:
    def __init__(self, server: Foreign) -> None:
        self._server = server
        self._collection = f"{server.root}collections/{server.collection}/"

    def everything(self) -> dict[str, str]:
        server = self._server
        empty = self._list()
        server.post(*(indicator(number) for number in range(5)))
        server.post(indicator(0, version=1))
        return {
            "API roots in discovery": self._roots(),
            "an empty collection": f"`{json.dumps(empty.body)}`, {'with' if empty.dates else 'no'} date headers",
            "`date_added` of one POST": self._dates(),
            "`next`": self._tokens(),
            "the same `next` again": self._twice(),
            "`next` without `limit`": self._status(f"limit=2&next={self._first()}", drop="limit=2&"),
            "`next` with another filter": self._status(f"limit=2&match[type]=indicator&next={self._first()}"),
            "a `next` that was never given": self._status("limit=2&next=nonsense"),
            "pages of the manifest": self._manifest(),
            "without `match[version]`": self._versions(),
            "`added_after` in whole seconds": self._status("added_after=2020-01-01T00:00:00Z"),
            "`added_after` with an offset": self._status("added_after=2020-01-01T00:00:00.000000%2B01:00"),
            "`limit` of 0, -1, abc": ", ".join(self._status(f"limit={limit}") for limit in ("0", "-1", "abc")),
            "an unknown parameter": self._status("colour=blue"),
            "an object that is not there": self._ask(f"objects/{_NOBODY}/").told,
            "Accept `application/taxii+json`": self._ask("objects/", accept="application/taxii+json").told,
            "Accept `*/*`": self._ask("objects/", accept="*/*").told,
            "a path without its slash": self._ask("objects").told,
            "compression": self._ask("objects/", gzip=True).answer.headers.get("Content-Encoding", "none"),
        }

    def _roots(self) -> str:
        (root,) = self._get("/taxii2/").body["api_roots"]
        return "absolute" if root.startswith("http") else "relative"

    def _dates(self) -> str:
        listed = self._get(f"{self._collection}manifest/", "match%5Bversion%5D=all&limit=100").body["objects"]
        dates = [each["date_added"] for each in listed][:5]
        return "one for all objects" if len(set(dates)) == 1 else "one for each object"

    def _first(self) -> str:
        return urllib.parse.quote(self._list("limit=2&match%5Bversion%5D=all").body["next"])

    def _tokens(self) -> str:
        one = self._list("limit=2&match%5Bversion%5D=all").body["next"]
        two = self._list(f"limit=2&match%5Bversion%5D=all&next={urllib.parse.quote(one)}").body["next"]
        return "one for all pages" if one == two else "another on each page"

    def _twice(self) -> str:
        query = f"limit=2&match%5Bversion%5D=all&next={self._first()}"
        return "the same page" if self._list(query).ids == self._list(query).ids else "the page after it"

    def _manifest(self) -> str:
        page = self._get(f"{self._collection}manifest/", "limit=2").body
        return f"`more`{' and `next`' if 'next' in page else ', no `next`'}" if page.get("more") else "all at once"

    def _versions(self) -> str:
        newest = self._list("limit=100")
        return "the newest" if len(newest.ids) == len(set(newest.ids)) else "all"

    def _list(self, query: str = "limit=2") -> Answer:
        return self._get(f"{self._collection}objects/", query)

    def _status(self, query: str, drop: str = "") -> str:
        answer = self._get(f"{self._collection}objects/", query.removeprefix(drop).replace("[", "%5B").replace("]", "%5D"))
        return _told(answer)

    def _ask(self, path: str, *, accept: str = MEDIA, gzip: bool = False) -> _Asked:
        answer = self._get(f"{self._collection}{path}", "", accept, gzip=gzip)
        return _Asked(answer, _told(answer))

    def _get(self, path: str, query: str = "", accept: str = MEDIA, *, gzip: bool = False) -> Answer:
        headers = {"Accept": accept, "Authorization": self._server.authorization} | (
            {"Accept-Encoding": "gzip"} if gzip else {}
        )
        request = urllib.request.Request(f"{self._server.url}{path}{'?' if query else ''}{query}", headers=headers)
        try:
            with _OPENER.open(request, timeout=60) as reply:
                return Answer(reply.status, reply.headers, _json(reply.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, _json(error.read()))


@dataclass
class _Asked:
    answer: Answer
    told: str


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _told(answer: Answer) -> str:
    if answer.status != 200:
        return str(answer.status)
    return "answered" if answer.body else "answered with nothing"


def table(columns: dict[str, dict[str, str]]) -> str:
    """Return the table, in Markdown, of columns by server."""
    versions = {name: REQUIREMENTS[name.lower()][0].partition("==")[2] for name in columns}
    lines = [
        "| | " + " | ".join(f"{name} {versions[name]}" for name in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    rows = next(iter(columns.values()))
    lines += [f"| {row} | " + " | ".join(column[row] for column in columns.values()) + " |" for row in rows]
    return "\n".join(lines)


def written() -> str:
    """Return the table that stands in the page."""
    text = PAGE.read_text()
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()


def write(columns: dict[str, dict[str, str]]) -> None:
    """Put a table in the place of the one in the page."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    PAGE.write_text(pattern.sub(lambda _: f"{BEGIN}\n{table(columns)}\n{END}", PAGE.read_text()))
