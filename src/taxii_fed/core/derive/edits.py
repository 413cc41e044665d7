"""What change rules ask of one version, as one value (sharing model, sections 3, 4 and 7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from taxii_fed.core.rules.model import Change, Rule, to_doc
from taxii_fed.core.stix.levels import TLP_LEVELS, Level

DEFAULT_TOKEN = "[removed]"  # noqa: S105 — what text becomes, no credential

MarkingLevel = Callable[[str], Level | None]
"""Marking-definition id to the level it stands for: `Level.CLEAR` for a plain statement, None for one that is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """All that is to be done to one version for one class. Equal rules in any order make equal edits.

    ``ceiling``: the highest among the share rules that let the object through; granular markings above it are cut.
    ``marking_level`` tells what a granular marking stands for. ``changes``: how many change rules are behind it.
    """

    generalise_v4: int | None = None
    generalise_v6: int | None = None
    redact: frozenset[str] = frozenset()
    redact_token: str = DEFAULT_TOKEN
    pseudonymise_key: str = ""
    pseudonymise_text: bool = True
    keep_patterns: bool = False
    drop: frozenset[str] = frozenset()
    hide_creator: bool = False
    mark: Level | None = None
    credit: tuple[str, ...] = ()
    link: bool = False
    remove_unknown_if_hit: bool = False
    ceiling: Level = Level.RED
    marking_level: MarkingLevel = TLP_LEVELS.get
    changes: int = 0

    @property
    def generalises(self) -> bool:
        """Whether addresses become networks."""
        return self.generalise_v4 is not None or self.generalise_v6 is not None

    @property
    def token_for_ip(self) -> bool:
        """Whether IP addresses in free text become a token."""
        return "ip" in self.redact

    @property
    def token_for_email(self) -> bool:
        """Whether mail addresses in free text become a token."""
        return "email" in self.redact or (bool(self.pseudonymise_key) and self.pseudonymise_text)

    @property
    def searches(self) -> bool:
        """Whether anything is looked for in values or text."""
        return bool(self.redact) or bool(self.pseudonymise_key) or self.generalises


def merge_edits(
    changes: Sequence[Change], *, ceiling: Level = Level.RED, marking_level: MarkingLevel = TLP_LEVELS.get
) -> Edits:
    """Return what ``changes``, all of which match one version, ask for together: the stricter term wins.

    A link to the source is made only where every rule asks for one.
    """
    tokens = {each.redact_token for each in changes if each.redact_text or each.pseudonymise_email}
    keys = sorted({each.pseudonymise_email for each in changes if each.pseudonymise_email})
    return Edits(
        generalise_v4=_coarsest(each.generalise_v4 for each in changes),
        generalise_v6=_coarsest(each.generalise_v6 for each in changes),
        redact=frozenset(kind for each in changes for kind in each.redact_text),
        redact_token=min(tokens, default=DEFAULT_TOKEN),
        pseudonymise_key=keys[0] if len(keys) == 1 else json.dumps(keys) if keys else "",
        pseudonymise_text=any(each.pseudonymise_text for each in changes if each.pseudonymise_email),
        keep_patterns=all(each.keep_patterns for each in changes if each.pseudonymise_email),
        drop=frozenset(name for each in changes for name in each.drop),
        hide_creator=any(each.hide_creator for each in changes),
        mark=max((each.mark for each in changes if each.mark is not None), default=None),
        credit=tuple(sorted({each.credit for each in changes if each.credit})),
        link=bool(changes) and all(each.link for each in changes),
        remove_unknown_if_hit=any(each.remove_unknown_if_hit for each in changes),
        ceiling=ceiling,
        marking_level=marking_level,
        changes=len(changes),
    )


_MATCHING = frozenset(each.name for each in fields(Rule))


def profile(changes: Sequence[Change]) -> str:
    """Return the canonical terms of the change rules that reach a class in a collection, whether or not they bite an object.

    Names, matchers, dates and reasons are left out: the same edits give the same ids everywhere.
    """
    return json.dumps(sorted({_terms(each) for each in changes}), ensure_ascii=False, separators=(",", ":"))


def _terms(change: Change) -> str:
    terms: dict[str, Any] = {key: value for key, value in to_doc(change).items() if key not in _MATCHING}
    for key in ("redact_text", "drop"):
        if key in terms:
            terms[key] = sorted(set(terms[key]))
    return json.dumps(terms, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _coarsest(prefixes: Iterable[int | None]) -> int | None:
    return min((prefix for prefix in prefixes if prefix is not None), default=None)
