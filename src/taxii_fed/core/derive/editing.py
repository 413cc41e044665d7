"""All edits of one version in their fixed order: granular cut, drop, hide creator, pseudonymise, generalise, redact text.

Answers the sharing-rule model, sections 3 and 4 (outbound, steps 6 and 7): what can't be done surely is a problem, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from taxii_fed.core.derive.addresses import UnsureError, is_numeric_host
from taxii_fed.core.derive.cutting import CutError, Json, Path, cut
from taxii_fed.core.derive.edits import Edits
from taxii_fed.core.derive.identity import contributing_changed, own_level
from taxii_fed.core.derive.known import KNOWN_EXTENSIONS, known_properties
from taxii_fed.core.derive.mail import find_mail, is_mail, is_pseudonym
from taxii_fed.core.derive.markings import PROPERTY_MARKING, cut_marked
from taxii_fed.core.derive.patterns import check_opaque, rewrite
from taxii_fed.core.derive.references import UNTRANSFORMABLE
from taxii_fed.core.derive.required import REFUSED_CUTS, still_complete
from taxii_fed.core.derive.text import edit_text
from taxii_fed.core.derive.values import VALUE_EDITORS, edit_host
from taxii_fed.core.keys import Keys

GENERALISED_LABEL = "generalised-ip"
"""Tells readers that an indicator matches more than its author meant; its confidence is not the server's to lower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What became of a version. ``problem`` non-empty: it must be withheld, for that reason.

    ``changed`` False: ``obj`` is the source itself. ``contributing_changed``: the id of the observable follows from other values now.
    ``cut`` and ``rewritten``: names of top-level properties that lost something, that hold other text; translations of them
    (`markings.cut_language`) tell what was taken out.
    """

    obj: Json
    changed: bool = False
    reasons: tuple[str, ...] = ()
    problem: str = ""
    contributing_changed: bool = False
    cut: frozenset[str] = frozenset()
    rewritten: frozenset[str] = frozenset()


def edit(obj: Json, edits: Edits, keys: Keys) -> Edited:
    """Return ``obj`` as a class may have it. Equal content, edits and keys give equal results; the input is never changed."""
    result, cut_names, problem = obj, frozenset[str](), ""
    reasons: set[str] = set()
    if edits.changes and obj["type"] == "artifact" and "payload_bin" in obj:
        return Edited(obj=obj, problem=UNTRANSFORMABLE, reasons=(UNTRANSFORMABLE,))
    if "granular_markings" in obj:
        result, cut_names, problem = cut_marked(obj, edits.ceiling, edits.marking_level)
        if problem:
            return Edited(obj=obj, problem=problem, reasons=(problem,))
        if result is not obj:
            reasons.add(PROPERTY_MARKING)
    try:
        trimmed = _trim(result, edits, reasons)
        work = _Work(edits, keys, reasons)
        final = work.run(trimmed) if edits.searches else trimmed
    except (UnsureError, CutError, RecursionError):
        return Edited(obj=obj, problem=UNTRANSFORMABLE, reasons=(UNTRANSFORMABLE,))
    if not still_complete(obj, final):
        return Edited(obj=obj, problem=UNTRANSFORMABLE, reasons=(UNTRANSFORMABLE,))
    if edits.mark is not None and ((level := own_level(final)) is None or level < edits.mark):
        reasons.add("re-marked")
        changed = True
    else:
        changed = final is not obj
    return Edited(
        obj=final,
        changed=changed,
        reasons=tuple(sorted(reasons)),
        contributing_changed=final is not obj and contributing_changed(obj, final),
        cut=cut_names | frozenset(name for name in obj if name not in final),
        rewritten=frozenset(name for name in final if final[name] is not obj.get(name) and final[name] != obj.get(name)),
    )


def _trim(obj: Json, edits: Edits, reasons: set[str]) -> Json:
    """Drop properties and the creator."""
    paths: set[Path] = set()
    for name in edits.drop:
        found = set(_named(obj, name.split(".")))
        if found and name.split(".")[0] in REFUSED_CUTS:
            raise UnsureError
        paths |= found
    if paths:
        reasons.add("property-dropped")
    if edits.hide_creator and "created_by_ref" in obj:
        reasons.add("creator-anonymised")
        paths.add(("created_by_ref",))
    return cut(obj, paths)


def _named(value: Any, names: list[str]) -> Iterable[Path]:
    """Yield the paths that a dotted name means; lists on the way are gone through."""
    if not names:
        yield ()
    elif isinstance(value, dict):
        for count in range(1, len(names) + 1):
            key = ".".join(names[:count])
            if key in value:
                yield from ((key, *rest) for rest in _named(value[key], names[count:]))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from ((index, *rest) for rest in _named(item, names))


_STRUCTURE = frozenset(
    {
        "type",
        "id",
        "spec_version",
        "created",
        "modified",
        "pattern_type",
        "extension_type",
        "object_marking_refs",
        "granular_markings",
    }
)
_ID_OR_TIME = re.compile(
    r"[a-z0-9-]{2,250}--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{1,12})?Z"
)
_HEX = re.compile(r"[0-9A-Fa-f]{32,128}")
_HOST_KEYS = frozenset({"host", ":authority", "x-forwarded-host"})


class _Work:
    """One walk over one object, copying what it changes."""

    def __init__(self, edits: Edits, keys: Keys, reasons: set[str]) -> None:
        self._edits = edits
        self._keys = keys
        self._reasons = reasons
        self._gone: set[Path] = set()
        self._weaker = False

    def run(self, obj: Json) -> Json:
        """Return the edited object. Raises `UnsureError`."""
        result = self._object(obj, ())
        labels = result.get("labels") or []
        if self._weaker and GENERALISED_LABEL not in labels:
            result = {**result, "labels": [*labels, GENERALISED_LABEL]}
        return cut(result, self._gone)

    def _object(self, obj: Json, path: Path) -> Json:
        """Edit an object, or an observable inside ``objects`` of an observed-data."""
        kind = obj.get("type", "")
        known = known_properties(kind)
        changed: Json = {}
        for name, value in obj.items():
            here = (*path, name)
            if name in _STRUCTURE:
                continue
            if name not in known:
                new = self._custom(name, value, here)
            elif name == "objects" and kind == "observed-data" and isinstance(value, dict):
                new = self._embedded(value, here)
            elif name == "extensions" and isinstance(value, dict):
                new = self._extensions(value, here)
            else:
                new = self._property(obj, kind, name, value, here)
            if new is not value:
                changed[name] = new
        return {**obj, **changed} if changed else obj

    def _embedded(self, objects: Json, path: Path) -> Json:
        new = {
            key: self._object(item, (*path, key)) if isinstance(item, dict) else self._any(item, (*path, key))
            for key, item in objects.items()
        }
        return new if any(new[key] is not objects[key] for key in objects) else objects

    def _property(self, obj: Json, kind: str, name: str, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            if kind == "indicator" and name == "pattern":
                return self._pattern(value, obj.get("pattern_type", "stix"))
            if name == "value" and kind in VALUE_EDITORS:
                return VALUE_EDITORS[kind](value, self._edits, self._keys, self._reasons)
        if kind == "email-addr" and name == "display_name" and self._edits.pseudonymise_key:
            self._drop(path, "email-pseudonymised")
            return value
        if kind == "user-account" and self._edits.pseudonymise_key:
            return self._account(obj, name, value, path)
        if kind == "artifact" and name == "payload_bin":
            raise UnsureError
        return self._any(value, path)

    def _pattern(self, pattern: str, language: Any) -> str:
        if language != "stix":
            check_opaque(pattern, self._edits)
            return pattern
        new, reasons = rewrite(pattern, self._edits, self._keys)
        self._reasons |= reasons
        self._weaker = self._weaker or "ip-generalised" in reasons
        return new

    def _account(self, obj: Json, name: str, value: Any, path: Path) -> Any:
        if name in {"account_login", "user_id"} and isinstance(value, str) and is_mail(value) and not is_pseudonym(value):
            self._reasons.add("email-pseudonymised")
            return self._keys.pseudonym(self._edits.pseudonymise_key, value)
        if name == "display_name" and any(find_mail(str(obj.get(each, ""))) for each in ("account_login", "user_id")):
            self._drop(path, "email-pseudonymised")
            return value
        return self._any(value, path)

    # -- custom properties --------------------------------------------------------------------------------------------------

    def _extensions(self, extensions: Json, path: Path) -> Json:
        changed: Json = {}
        for key, body in extensions.items():
            if key in KNOWN_EXTENSIONS or not isinstance(body, dict):
                new = self._any(body, (*path, key))
            else:
                new = self._unknown_extension(body, (*path, key))
            if new is not body:
                changed[key] = new
        return {**extensions, **changed} if changed else extensions

    def _unknown_extension(self, body: Json, path: Path) -> Json:
        new = {
            name: value if name == "extension_type" else self._custom(name, value, (*path, name))
            for name, value in body.items()
        }
        gone = {each[len(path)] for each in self._gone if len(each) == len(path) + 1 and each[: len(path)] == path}
        if gone and not set(body) - gone - {"extension_type"}:
            self._gone.add(path)
        return new if any(new[name] is not body[name] for name in body) else body

    def _custom(self, name: str, value: Any, path: Path) -> Any:
        """Edit a property that STIX does not define, or take it out where something is found in it and the rule says so."""
        if self._key(name, path):
            return value
        if not self._edits.remove_unknown_if_hit:
            return self._any(value, path)
        trial = _Work(self._edits, self._keys, set())
        try:
            hit = trial._any(value, path) is not value or bool(trial._gone)
        except UnsureError:
            hit = True
        if hit:
            self._drop(path, "unknown-property-removed")
        return value

    # -- values and text ------------------------------------------------------------------------------------------------------

    def _any(self, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return self._string(value, path)
        if isinstance(value, dict):
            new = {}
            for key, item in value.items():
                here = (*path, key)
                if self._key(key, here):
                    new[key] = item
                elif key.startswith("x_"):
                    new[key] = self._custom_inside(item, here)
                else:
                    new[key] = self._any(item, here)
            return new if any(new[key] is not value[key] for key in value) else value
        if isinstance(value, list):
            items = [self._any(item, (*path, index)) for index, item in enumerate(value)]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        return value

    def _custom_inside(self, value: Any, path: Path) -> Any:
        return self._custom(str(path[-1]), value, path) if self._edits.remove_unknown_if_hit else self._any(value, path)

    def _string(self, text: str, path: Path) -> str:
        if _ID_OR_TIME.fullmatch(text) or _HEX.fullmatch(text):
            return text
        if self._is_host(path):
            if not self._edits.token_for_ip:
                return edit_text(edit_host(text, self._edits, self._keys, self._reasons), self._edits, self._reasons)
            if is_numeric_host(text):
                self._reasons.add("ip-redacted")
                return self._edits.redact_token
        return edit_text(text, self._edits, self._reasons)

    def _is_host(self, path: Path) -> bool:
        name = path[-1] if isinstance(path[-1], str) else path[-2]
        return isinstance(name, str) and name.lower() in _HOST_KEYS

    def _key(self, name: str, path: Path) -> bool:
        """Take out a property whose very name holds an address; tell whether it was."""
        found: set[str] = set()
        try:
            hit = edit_text(name, self._edits, found) != name
        except UnsureError:
            hit = True
        if hit:
            self._drop(path, min(found, default="ip-generalised"))
        return hit

    def _drop(self, path: Path, reason: str) -> None:
        self._gone.add(path)
        self._reasons.add(reason)
