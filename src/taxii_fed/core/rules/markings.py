"""What a marking means to this node: a level, nothing (a plain statement), or unknown, which withholds.

Answers convention 3 of the scenarios and section 6 of the sharing model. The id decides, not the name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from taxii_fed.core.stix.facts import Facts
from taxii_fed.core.stix.levels import TLP_LEVELS, Level

ACS_EXTENSION = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce"
_CLAIMS_TLP = re.compile(r"\btlp\b|traffic[\s_-]*light", re.IGNORECASE)


class Word(Enum):
    """What a marking means where it means no level."""

    PLAIN = "plain"
    """A statement that does not restrict."""
    UNKNOWN = "unknown"


Meaning = Level | Word

Definitions = Callable[[str, str], Mapping[str, Any] | None]
"""Gives the definition of a marking, by its id, that counts for objects of an origin; None where there is none."""


class Meanings:
    """The meaning of each marking in one collection: the TLP ids, the configured map, then the definitions that lie there.

    A definition is somebody's word: it counts for the objects of some origins only.
    """

    def __init__(self, mapped: Mapping[str, Level], definitions: Definitions) -> None:
        self._mapped = mapped
        self._definitions = definitions
        self._known: dict[tuple[str, str], Meaning] = {}

    def __call__(self, marking_id: str, origin: str) -> Meaning:
        """Return what a marking id means on an object of ``origin`` (`Provenance.origin`)."""
        level = TLP_LEVELS.get(marking_id)
        if level is None:
            level = self._mapped.get(marking_id)
        if level is not None:
            return level
        meaning = self._known.get((marking_id, origin))
        if meaning is None:
            definition = self._definitions(marking_id, origin)
            meaning = Word.UNKNOWN if definition is None else defined(definition, self._mapped)
            self._known[marking_id, origin] = meaning
        return meaning


def defined(definition: Mapping[str, Any], mapped: Mapping[str, Level]) -> Meaning:
    """Return what the body of a marking definition means; ``mapped`` holds the keys of the configuration's ``markings``."""
    extensions = definition.get("extensions")
    if extensions:
        levels = [_of_kind(key, body, mapped) for key, body in extensions.items()]
        known = [level for level in levels if level is not None]
        return max(known) if len(known) == len(levels) else Word.UNKNOWN
    body = definition.get("definition")
    statement = body.get("statement") if isinstance(body, dict) else None
    if definition.get("definition_type") != "statement" or not isinstance(statement, str):
        return Word.UNKNOWN
    claims = f"{definition.get('name', '')} {statement}"
    return Word.UNKNOWN if _CLAIMS_TLP.search(claims) else Word.PLAIN


def _of_kind(extension: str, body: Any, mapped: Mapping[str, Level]) -> Level | None:
    """Return what the kind of an extension is mapped to: by its id, or by a determination of an ACS marking."""
    levels = [mapped[extension]] if extension in mapped else []
    if extension == ACS_EXTENSION:
        control = body.get("control_set") if isinstance(body, dict) else None
        determination = control.get("formal_determination") if isinstance(control, dict) else None
        values = [determination] if isinstance(determination, str) else determination
        keys = [f"acs:formal_determination={value}" for value in (values if isinstance(values, list) else ())]
        levels += [mapped[key] for key in keys if key in mapped]
    return max(levels, default=None)


def effective(facts: Facts, meanings: Meanings) -> tuple[Level | None, bool]:
    """Return the strictest level of a version, its overlay included (None: no TLP marking), and whether a marking is unknown."""
    level = facts.provenance.overlay
    unknown = False
    for marking in facts.markings:
        meaning = meanings(marking, facts.provenance.origin)
        if isinstance(meaning, Level):
            level = meaning if level is None or meaning > level else level
        elif meaning is Word.UNKNOWN:
            unknown = True
    return level, unknown


def unknown(facts: Facts, meanings: Meanings) -> tuple[str, ...]:
    """Return the ids of the object markings of a version that mean nothing known."""
    return tuple(each for each in facts.markings if meanings(each, facts.provenance.origin) is Word.UNKNOWN)


def strictest(levels: Iterable[Level | None]) -> Level | None:
    """Return the strictest of some levels, None where there is none."""
    return max((level for level in levels if level is not None), default=None)
