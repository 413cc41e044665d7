"""What the story is about: the objects that hubs make, and those that liars make up."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

from federation.hubs import identity_of
from nodekit import indicator
from taxii_fed.core.stix.levels import TLP2_IDS, Level

Json = dict[str, Any]
BASE = indicator(0)["modified"][:17]
"""What the date of every version begins with; the seconds count the versions."""


def sealed_marking(hub: str) -> str:
    """Return the id of a marking of a hub's own that it defines to nobody, so that it withholds whatever carries it."""
    return f"marking-definition--{uuid.UUID(bytes=hashlib.sha256(hub.encode()).digest()[:16], version=4)}"


@dataclass
class Thing:
    """One object: where it was made, and its versions' levels; ``address`` is written in it where it has one."""

    number: int
    home: str
    levels: list[Level]
    victim: bool
    address: str = ""
    sealed: bool = False
    revoked: bool = False
    deleted: bool = False
    word: str = "thing"

    @property
    def name(self) -> str:
        """A name that is in every version and copy, and in nothing else."""
        return f"{self.word}-{self.number}-end"

    @property
    def id(self) -> str:
        """The id that it was made under; copies have others."""
        return str(indicator(self.number)["id"])

    def version(self) -> Json:
        """Return its newest version."""
        index = len(self.levels) - 1
        pattern = f"[ipv4-addr:value = '{self.address}']" if self.address else f"[domain-name:value = 'h{self.number}.example']"
        more: Json = {"labels": ["victim"]} if self.victim else {}
        if self.revoked:
            more["revoked"] = True
        made = indicator(self.number, version=index, pattern=pattern, created_by_ref=identity_of(self.home), **more)
        markings = [TLP2_IDS[self.levels[-1]], *([sealed_marking(self.home)] if self.sealed else [])]
        return {**made, "name": self.name, "object_marking_refs": markings}


def index_of(obj: Json) -> int:
    """Return which version of a thing an object is, or is a copy of; copies may be some milliseconds younger."""
    return int(obj["modified"][17:19])
