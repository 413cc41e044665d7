"""TLP levels and the marking definitions that stand for them (sharing model, section 6; conventions 2 and 3).

TLP 1 and TLP 2.0 ids are aliases. The id decides; a body that claims a level under any other id is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """A TLP level; a greater one is stricter."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4

    def __str__(self) -> str:
        return self.name.replace("_", "+")


NAMES: dict[str, Level] = {str(level): level for level in Level} | {"WHITE": Level.CLEAR}
"""Every spelling that a configuration may use."""


def parse_level(text: str) -> Level:
    """Return the level that ``text`` names. Raises ``ValueError`` where it names none."""
    try:
        return NAMES[text]
    except KeyError:
        raise ValueError(f"{text!r} is not a TLP level") from None


TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"

_TLP1 = {
    "613f2e26-407d-48c7-9eca-b8e91df99dc9": Level.CLEAR,
    "34098fce-860f-48ae-8e50-ebd3cc5e41da": Level.GREEN,
    "f88d31f6-486f-44da-b317-01333bde0b82": Level.AMBER,
    "5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Level.RED,
}
_TLP2 = {
    "94868c89-83c2-464b-929b-a1a8aa3c8487": Level.CLEAR,
    "bab4a63c-aed9-4cf5-a766-dfca5abac2bb": Level.GREEN,
    "55d920b0-5e8b-4f79-9ee9-91f868d9b421": Level.AMBER,
    "939a9414-2ddd-4d32-a0cd-375ea402b003": Level.AMBER_STRICT,
    "e828b379-4e03-4974-9ac4-e53a884c97c1": Level.RED,
}

TLP_LEVELS: dict[str, Level] = {f"marking-definition--{key}": level for key, level in (_TLP1 | _TLP2).items()}
"""Marking-definition id to level, for the nine ids of the two standards."""

TLP2_IDS: dict[Level, str] = {level: f"marking-definition--{key}" for key, level in _TLP2.items()}
"""The TLP 2.0 id of each level, for objects that the node itself makes."""


def tlp_definition(marking_id: str) -> dict[str, object] | None:
    """Return the standard's own definition of a TLP marking id, or None where the id is no TLP id.

    These are answered by id in every readable collection.
    """
    level = TLP_LEVELS.get(marking_id)
    if level is None:
        return None
    if marking_id.removeprefix("marking-definition--") in _TLP1:
        word = "white" if level is Level.CLEAR else str(level).lower()
        return {
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": marking_id,
            "created": "2017-01-20T00:00:00.000Z",
            "definition_type": "tlp",
            "name": f"TLP:{word.upper()}",
            "definition": {"tlp": word},
        }
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": marking_id,
        "created": "2022-10-01T00:00:00.000Z",
        "name": f"TLP:{level}",
        "extensions": {
            TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": str(level).lower()},
        },
    }


def told_level(definition: Mapping[str, Any]) -> Level | None:
    """Return the level that the body of a marking definition names in either of the two standards' ways, None where it names none."""
    kinds, body = definition.get("extensions"), definition.get("definition")
    kind = kinds.get(TLP_EXTENSION) if isinstance(kinds, dict) else None
    word = kind.get("tlp_2_0") if isinstance(kind, dict) else body.get("tlp") if isinstance(body, dict) else None
    return NAMES.get(word.upper()) if isinstance(word, str) else None
