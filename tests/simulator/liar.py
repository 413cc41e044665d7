"""A peer that lies: in what it gives, in what it says beside it, and in how it answers.

It reads at hubs as their peer, and knows of every object the id, version and creator, but the content only of what it was given. What it
makes up bears a name of its own (``lie-N-end``), so that the oracle sees where a lie got to.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from federation.hubs import identity_of
from nodekit import indicator, sdo
from simulator.things import Json, Thing, sealed_marking
from taxii_fed.core.errors import PeerBusyError, PeerOverloadedError, PeerRefusedError, PeerUnreachableError
from taxii_fed.core.federation.pull import Request
from taxii_fed.core.federation.remote import FED_HEADER, FED_PROPERTY, ManifestPage, ObjectPage, RemoteCollection
from taxii_fed.core.stix.envelopes import MAX_OBJECT_BYTES
from taxii_fed.core.stix.levels import TLP2_IDS, Level
from taxii_fed.core.timestamps import format_taxii
from taxii_fed.peers.client import manifest_page, object_page
from taxii_fed.peers.transport import Reply

PAGE = 3
END_OF_TIME = "9999-12-31T23:59:59.999Z"
_DEEP = '{"type":"indicator","x":' + "[" * 200 + "]" * 200 + "}"
_MANY = json.dumps({**indicator(999_998), **{f"x_{number}": number for number in range(1001)}})


class Dice:
    """Where chance comes from at present; every step brings its own."""

    def __init__(self) -> None:
        self.rng = random.Random(0)


@dataclass(frozen=True)
class Entry:
    """Something on the shelf. ``listed``: in the manifest; ``served``: among the objects."""

    id: str
    version: str
    raw: str
    date: int
    beside: object
    listed: bool = True
    served: bool = True


class Liar:
    """Its memory and its shelf."""

    def __init__(self, name: str, dice: Dice, tokens: Sequence[str], *, fed: bool) -> None:
        self.name = name
        self.dice = dice
        self.fed = fed
        self._tokens = list(tokens)
        self.wild = True
        self.gone = False
        self.known: dict[tuple[str, str], Json] = {}
        self.shelf: list[Entry] = []
        self.given_out: set[tuple[str, str]] = set()
        """The (id, version) of honest content that it has ever had on its shelf."""
        self.touched: set[str] = set()
        """The names of the things that it has given out or lied about, and the identities that it gave out as its own."""

    def learn(self, objects: Sequence[Json]) -> None:
        """Remember what a hub gave; its own lies that come back are of no use."""
        self.known |= {(each["id"], each["modified"]): each for each in objects if each.get("name", "").startswith("thing")}

    def lie(self, kind: str, told: Thing, about: Thing | None, hubs: Sequence[str], now: int) -> None:
        """Put something on the shelf. ``about``: a thing that it knows of, None: one that it was given, where it was given any."""
        if kind == "truth":
            if self.known:
                obj = self.dice.rng.choice(list(self.known.values()))
                self.given_out.add((obj["id"], obj["modified"]))
                self.touched.add(obj["name"])
                self._put(obj, now)
        elif kind == "broken":
            rng = self.dice.rng
            self._put_text(_huge() if rng.random() < 0.02 else rng.choice(_broken(about)), "indicator--broken", "", now)
        else:
            make: Callable[[Thing, Json, Sequence[str]], Json] = getattr(self, f"_{kind}")
            self._put(make(told, self._target(told, about), hubs), now)

    def unsay(self) -> None:
        """Take something off the shelf."""
        if self.shelf:
            self.shelf.remove(self.dice.rng.choice(self.shelf))

    def _put(self, obj: Json, now: int) -> None:
        self._put_text(json.dumps(obj), obj["id"], obj.get("modified") or obj["created"], now)

    def _put_text(self, raw: str, object_id: str, version: str, now: int) -> None:
        rng = self.dice.rng
        date = now + rng.choice([0, 0, 0, -86_400_000_000, 365 * 86_400_000_000])
        entry = Entry(object_id, version, raw, date + len(self.shelf), self._beside())
        self.shelf.append(replace(entry, listed=rng.random() < 0.85, served=rng.random() < 0.9))

    def _beside(self) -> object:
        if not self.fed:
            return None
        rng = self.dice.rng
        token = f"token-of-{self.name}"
        facts: Json = {"jurisdiction": rng.choice([self.name, "hk", "cn"]).upper(), "path": [token]}
        return rng.choice(
            [
                *[facts] * 4,
                {**facts, "level": "CLEAR"},
                {**facts, "level": "RED"},
                {**facts, "level": ["no", "level"]},
                {**facts, "path": [*self._tokens, token]},
                {**facts, "path": [token] * 65},
                {**facts, "notice": True},
                {"path": []},
                "no facts at all",
            ]
        )

    # -- what it makes up -------------------------------------------------------------------------------------------------

    def _target(self, told: Thing, about: Thing | None) -> Json:
        """Return id, dates and creator of the object to lie about."""
        known = self.dice.rng.choice(list(self.known.values())) if self.known else None
        obj = about.version() if about is not None else known or indicator(500_000 + told.number)
        self.touched.add(obj["name"])
        return {name: obj[name] for name in ("id", "created", "modified", "created_by_ref") if name in obj}

    def _forgery(self, told: Thing, target: Json, hubs: Sequence[str]) -> Json:
        """Other content under the id and version of somebody's object."""
        creator = self.dice.rng.choice([target.get("created_by_ref"), *map(identity_of, (self.name, *hubs)), None])
        return self._made(told, {**target, "created_by_ref": creator})

    def _later(self, told: Thing, target: Json, hubs: Sequence[str]) -> Json:
        """A later version of somebody's object, as late as can be written or just the next ones."""
        later = [f"{target['modified'][:17]}{second:02}.000Z" for second in range(1, 9)]
        modified = self.dice.rng.choice([*later, END_OF_TIME])
        more = {"revoked": True} if self.dice.rng.random() < 0.3 else {}
        return self._forgery(told, {**target, "modified": max(modified, target["modified"])}, hubs) | more

    def _own(self, told: Thing, target: Json, hubs: Sequence[str]) -> Json:
        """An object of its own."""
        del target, hubs
        return self._made(told, {"created_by_ref": identity_of(self.name)})

    def _claim(self, told: Thing, target: Json, hubs: Sequence[str]) -> Json:
        """An object of its own, as if another had made it, from the end of time."""
        del target
        creator = identity_of(self.dice.rng.choice(list(hubs)))
        return self._made(
            told, {"created_by_ref": creator, "modified": self.dice.rng.choice([told.version()["modified"], END_OF_TIME])}
        )

    def _made(self, told: Thing, members: Json) -> Json:
        made = {**told.version(), "id": indicator(500_000 + told.number)["id"], **members}
        return {name: value for name, value in made.items() if value is not None}

    def _identity(self, told: Thing, target: Json, hubs: Sequence[str]) -> Json:
        """The identity of a hub, that objects name as their creator."""
        del target
        spoofed = identity_of(self.dice.rng.choice(list(hubs)))
        self.touched.add(spoofed)
        more: Json = {"labels": ["victim"]} if told.victim else {}
        made = sdo("identity", told.number, level=told.levels[-1], name=told.name, identity_class="organization", **more)
        return {**made, "id": spoofed}

    def _notice(self, told: Thing, target: Json, hubs: Sequence[str]) -> Json:
        """Word that an object is withdrawn."""
        refs = sorted({target["id"], *(object_id for object_id, _ in list(self.known)[:20])})
        creator = self.dice.rng.choice([self.name, *hubs])
        note = sdo("note", told.number, level=Level.CLEAR, content="withdrawn", labels=["withdrawn"], object_refs=refs)
        return {**note, "created_by_ref": identity_of(creator)}

    def _definition(self, told: Thing, target: Json, hubs: Sequence[str]) -> Json:
        """What a marking of others is to mean: nothing."""
        del target
        rng = self.dice.rng
        marking = rng.choice([*TLP2_IDS.values(), *map(sealed_marking, hubs), *map(sealed_marking, hubs)])
        return {
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": marking,
            "created": told.version()["created"],
            "created_by_ref": identity_of(rng.choice([self.name, *hubs])),
            "name": told.name,
            "definition_type": "statement",
            "definition": {"statement": "everybody may have it"},
        }


@cache
def _huge() -> str:
    return json.dumps({**indicator(999_999), "description": "x" * MAX_OBJECT_BYTES})


def _broken(about: Thing | None) -> list[str]:
    """Return texts that are no object that could be taken in; the last ones are no JSON either, so that they break their page."""
    obj = about.version() if about is not None else indicator(500_000)
    bad: list[Any] = [
        {**obj, "modified": "2026-02-30T00:00:00Z"},
        {**obj, "modified": "1999-01-01T00:00:00.000Z"},
        {**obj, "id": obj["id"].upper()},
        {**obj, "object_marking_refs": "red"},
        {name: value for name, value in obj.items() if name != "modified"},
        {name: value for name, value in obj.items() if name != "id"},
        [obj],
        None,
    ]
    return [*map(json.dumps, bad), _DEEP, _MANY, '{"type":"indicator","type":"malware"}', '{"x":NaN}', "{"]


class LyingPeer:
    """`ports.PeerClient` that asks a liar."""

    def __init__(self, liar: Liar) -> None:
        self._liar = liar
        self._last: Reply | None = None

    def collections(self) -> list[RemoteCollection]:
        raise NotImplementedError

    def objects(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ObjectPage:
        return object_page(self._answer(request, ids, served))

    def object(self, remote: str, object_id: str, version_text: str) -> ObjectPage:
        return object_page(self._answer(Request(), [object_id], served))

    def manifest(self, remote: str, request: Request, ids: Sequence[str] = ()) -> ManifestPage:
        return manifest_page(self._answer(request, ids, listed))

    def cut(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _answer(self, request: Request, ids: Sequence[str], told: Callable[[Entry], str]) -> Reply:
        liar, rng = self._liar, self._liar.dice.rng
        if liar.gone:
            raise PeerUnreachableError("no route")
        mood = rng.random() if liar.wild else 1.0
        if mood < 0.06:
            raise rng.choice(
                [
                    PeerUnreachableError("reset"),
                    PeerBusyError("busy", 5.0),
                    PeerOverloadedError("500"),
                    PeerRefusedError("no", 403),
                ]
            )
        if mood < 0.1 and self._last is not None:
            return self._last
        if mood < 0.12:
            return Reply("", {}, b"<html>")
        self._last = self._page(request, ids, told)
        return self._last

    def _page(self, request: Request, ids: Sequence[str], told: Callable[[Entry], str]) -> Reply:
        liar, rng = self._liar, self._liar.dice.rng
        shown = [(each.date, text) for each in liar.shelf if (not ids or each.id in ids) and (text := told(each))]
        since = request.added_after
        shown = sorted(each for each in shown if since is None or each[0] > since)
        if liar.wild:
            shown = [each for each in shown if rng.random() < 0.9]
        start = int(request.next) if request.next.isdecimal() else 0
        page = shown[start : start + PAGE]
        more = start + PAGE < len(shown)
        follow = str(start + PAGE)
        if liar.wild and rng.random() < 0.1:
            more, follow = rng.choice([(False, follow), (True, request.next or "0"), (True, ""), (True, "nowhere")])
        headers = {FED_HEADER: "1"} if liar.fed else {}
        if page and not (liar.wild and rng.random() < 0.1):
            headers["X-TAXII-Date-Added-First"] = format_taxii(page[0][0])
            headers["X-TAXII-Date-Added-Last"] = format_taxii(page[-1][0])
        beyond = f'"more":true,"next":{json.dumps(follow)},' if more else ""
        body = "{" + beyond + '"objects":[' + ",".join(text for _, text in page) + "]}"
        return Reply("", headers, body.encode())


def served(entry: Entry) -> str:
    """Return an entry as it stands among the objects, "" where it does not."""
    return entry.raw if entry.served else ""


def listed(entry: Entry) -> str:
    """Return an entry as it stands in the manifest, "" where it does not."""
    if not entry.listed:
        return ""
    beside = {} if entry.beside is None else {FED_PROPERTY: entry.beside}
    return json.dumps({"id": entry.id, "date_added": format_taxii(entry.date), "version": entry.version, **beside})
