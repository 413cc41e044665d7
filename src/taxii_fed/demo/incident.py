"""The incident of the demo: a phishing wave against bank customers, as three communities in three jurisdictions see it.

All names and addresses are reserved for documentation. Ids are the same in every run; times lie in the hours before ``now``.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from taxii_fed.core.stix.levels import TLP2_IDS, Level
from taxii_fed.core.timestamps import format_stix

Json = dict[str, Any]

_NAMESPACE = uuid.UUID("7f2c6d0e-4b1a-5c3f-9e8d-2a1b0c9d8e7f")
_OBSERVABLES = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""The namespace that STIX 2.1 section 2.9 gives for ids of observables."""
_HOUR = 3_600_000_000

CLEAR, GREEN, AMBER, AMBER_STRICT, RED = Level


@dataclass(frozen=True, slots=True)
class Posted:
    """An envelope: who posts what to which collection of which node."""

    node: str
    party: str
    collection: str
    objects: tuple[Json, ...]


class Incident:
    """Builds the objects of the incident. ``now`` is an instant in microseconds."""

    def __init__(self, now: int) -> None:
        self._start = now - 8 * _HOUR

    def first_wave(self) -> list[Posted]:
        """Return what is published before the nodes federate for the first time."""
        return [
            Posted("hk-hub", "harbour-bank", "banking", tuple(self._harbour_bank())),
            Posted("hk-hub", "analysts", "banking", tuple(self._hong_kong_analysts())),
            Posted("eu-csirt", "rhine-bank", "banking", tuple(self._rhine_bank())),
            Posted("eu-csirt", "duty-officers", "banking", tuple(self._european_officers())),
            Posted("us-isac", "prairie-bank", "banking", tuple(self._prairie_bank())),
        ]

    def second_wave(self) -> list[Posted]:
        """Return what the same publishers know a few hours later: a correction, a stricter marking and a revocation."""
        return [
            Posted(
                "hk-hub",
                "harbour-bank",
                "banking",
                (
                    self.relay_malware(hours=6, description="Also relays passkey prompts since this morning."),
                    self.control_server(level=AMBER, hours=6),
                    self.look_alike(hours=6) | {"revoked": True},
                ),
            )
        ]

    # -- Hong Kong ----------------------------------------------------------------------------------------------------------
    def _harbour_bank(self) -> list[Json]:
        author = self.identity("Harbour Bank", "financial-services")
        return [
            author,
            self.attack_pattern(),
            self.relay_malware(),
            self.look_alike(),
            self.control_server(),
            self.address("203.0.113.77", GREEN),
            self._by(
                author,
                "sighting",
                "victims",
                AMBER,
                labels=["victim"],
                sighting_of_ref=self.id("indicator", "look-alike"),
                where_sighted_refs=[self.id("identity", "Lion Rock Trading")],
                count=3,
            ),
            self.identity("Lion Rock Trading", "commercial", level=AMBER, labels=["victim"]),
            self._related("look-alike", "indicator", "indicates", "relay kit", "malware", GREEN),
            self._related("relay kit", "malware", "uses", "one-time codes", "attack-pattern", CLEAR),
        ]

    def _hong_kong_analysts(self) -> list[Json]:
        author = self.identity("Harbour Exchange", "financial-services")
        listed = [
            self.id("attack-pattern", "one-time codes"),
            self.id("malware", "relay kit"),
            self.id("indicator", "look-alike"),
            self.id("indicator", "control server"),
            self.id("sighting", "victims"),
        ]
        takedown = "Takedown of the relay hosts"
        return [
            author,
            self._by(
                author,
                "course-of-action",
                "number matching",
                CLEAR,
                name="Bind codes to the payment",
                description="Show payee and amount in the code's message, and let the customer confirm both.",
            ),
            self._related("number matching", "course-of-action", "mitigates", "one-time codes", "attack-pattern", CLEAR),
            self._report(author, "paper lantern", "Paper Lantern: codes relayed in real time", GREEN, listed),
            self._report(author, "takedown", takedown, GREEN, listed[:2], labels=["embargo"]),
            self._by(
                author,
                "note",
                "source",
                RED,
                abstract="How we know",
                content="A reporter inside the group names the next target. Never to leave this room.",
                object_refs=listed[:1],
            ),
        ]

    def attack_pattern(self) -> Json:
        """Return the technique that all share."""
        return self._by(
            self.identity("Harbour Bank", "financial-services"),
            "attack-pattern",
            "one-time codes",
            CLEAR,
            name="Relay of one-time codes",
            description="A look-alike page asks for the code that the bank just sent and uses it within seconds.",
        )

    def relay_malware(self, hours: int = 0, description: str = "") -> Json:
        """Return the phishing kit; ``hours`` after the start makes a later version."""
        told = "Phishing kit with a live operator panel. Help desk of the sellers: support@paper-lantern.example."
        return self._by(
            self.identity("Harbour Bank", "financial-services"),
            "malware",
            "relay kit",
            GREEN,
            hours,
            name="LanternRelay",
            description=f"{told} {description}".strip(),
            malware_types=["credential-exploitation"],
            is_family=True,
        )

    def look_alike(self, hours: int = 0) -> Json:
        """Return the indicator on the look-alike host names."""
        return self._indicator(
            "Harbour Bank",
            "look-alike",
            CLEAR,
            "Look-alike of Harbour Bank",
            "[domain-name:value = 'harbour-bank-secure.example']",
            hours=hours,
        )

    def control_server(self, level: Level = GREEN, hours: int = 0) -> Json:
        """Return the indicator on the address that collects the codes."""
        return self._indicator(
            "Harbour Bank",
            "control server",
            level,
            "Operator panel of LanternRelay",
            "[ipv4-addr:value = '203.0.113.77']",
            hours=hours,
            description="Panel at 203.0.113.77, registered by ops@paper-lantern.example.",
        )

    # -- Europe and the United States -----------------------------------------------------------------------------------------
    def _rhine_bank(self) -> list[Json]:
        author = self.identity("Rhine Bank", "financial-services")
        mail = "mule-office@paper-lantern.example"
        return [
            author,
            self._indicator("Rhine Bank", "drop host", GREEN, "Drop host for stolen codes", "[ipv4-addr:value = '198.51.100.23']",
                            description="Sends mail as mule-office@paper-lantern.example from 198.51.100.23."),
            self.address("198.51.100.23", GREEN),
            self._observable("email-addr", {"value": mail}, GREEN),
            self._indicator("Rhine Bank", "mule accounts", AMBER, "Payment reference of the mules",
                            "[x-acme-payment:reference = 'LANTERN-7']"),
            self._related("drop host", "indicator", "indicates", "relay kit", "malware", GREEN),
        ]  # fmt: skip

    def _european_officers(self) -> list[Json]:
        author = self.identity("EU FI-CSIRT", "financial-services")
        listed = [self.id("attack-pattern", "one-time codes"), self.id("malware", "relay kit")]
        return [
            author,
            self._report(
                author, "advisory", "Advisory: no more codes by text message", CLEAR, listed, labels=["press-conference"]
            ),
        ]

    def _prairie_bank(self) -> list[Json]:
        author = self.identity("Prairie Bank", "financial-services")
        return [
            author,
            self._by(author, "threat-actor", "paper lantern", GREEN, name="Paper Lantern", threat_actor_types=["crime-syndicate"],
                     description="Sells the kit as a service since spring."),
            self._indicator("Prairie Bank", "mailer", GREEN, "Mailer of the wave",
                            "[email-message:from_ref.value = 'alert@prairie-bank-login.example']",
                            confidence=35),
            self._indicator("Prairie Bank", "wire fraud", AMBER_STRICT, "Wire template in use", "[file:hashes.'SHA-256' = "
                            "'9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08']"),
            self._related("paper lantern", "threat-actor", "uses", "relay kit", "malware", GREEN),
        ]  # fmt: skip

    # -- shapes -----------------------------------------------------------------------------------------------------------------
    def id(self, kind: str, name: str) -> str:
        """Return the id of an object of the incident by its short name."""
        return f"{kind}--{uuid.uuid5(_NAMESPACE, f'{kind} {name}')}"

    def identity(self, name: str, sector: str, level: Level = CLEAR, **members: Any) -> Json:
        """Return an organisation."""
        return (
            self._common("identity", name, level)
            | {"name": name, "identity_class": "organization", "sectors": [sector]}
            | members
        )

    def address(self, value: str, level: Level) -> Json:
        """Return an address as an observable."""
        return self._observable("ipv4-addr", {"value": value}, level)

    def _observable(self, kind: str, members: Json, level: Level) -> Json:
        contributing = f'{{"value":"{members["value"]}"}}'
        return {
            "type": kind,
            "spec_version": "2.1",
            "id": f"{kind}--{uuid.uuid5(_OBSERVABLES, contributing)}",
            **members,
            "object_marking_refs": [TLP2_IDS[level]],
        }

    def _common(self, kind: str, name: str, level: Level, hours: int = 0) -> Json:
        return {
            "type": kind,
            "spec_version": "2.1",
            "id": self.id(kind, name),
            "created": format_stix(self._start // 1000 * 1000),
            "modified": format_stix(self._start // 1000 * 1000 + hours * _HOUR),
            "object_marking_refs": [TLP2_IDS[level]],
        }

    def _by(self, author: Json, kind: str, key: str, level: Level, hours: int = 0, /, **members: Any) -> Json:
        return self._common(kind, key, level, hours) | {"created_by_ref": author["id"]} | members

    def _indicator(self, author: str, key: str, level: Level, title: str, pattern: str, hours: int = 0, **members: Any) -> Json:
        usual = {
            "name": title,
            "indicator_types": ["malicious-activity"],
            "pattern": pattern,
            "pattern_type": "stix",
            "valid_from": format_stix(self._start // 1000 * 1000),
            "confidence": 80,
        }
        return self._by(self.identity(author, "financial-services"), "indicator", key, level, hours, **(usual | members))

    def _related(self, source: str, source_kind: str, verb: str, target: str, target_kind: str, level: Level) -> Json:
        return self._common("relationship", f"{source} {verb} {target}", level) | {
            "relationship_type": verb,
            "source_ref": self.id(source_kind, source),
            "target_ref": self.id(target_kind, target),
        }

    def _report(self, author: Json, key: str, title: str, level: Level, listed: list[str], **members: Any) -> Json:
        return self._by(
            author, "report", key, level, name=title, report_types=["campaign"],
            published=format_stix(self._start // 1000 * 1000), object_refs=listed, **members,
        )  # fmt: skip
