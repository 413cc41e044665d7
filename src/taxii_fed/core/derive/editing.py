"""All edits of one version in their fixed order: granular cut, drop, hide creator, pseudonymise, generalise, redact text.

Answers the sharing model, sections 3 and 4 (outbound, steps 6 and 7): what can't be done surely is a problem, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from taxii_fed.core.derive.addresses import UnsureError, is_numeric_host
from taxii_fed.core.derive.cutting import CutError, Json, cut
from taxii_fed.core.derive.edits import Edits
from taxii_fed.core.derive.identity import contributing_changed, own_level
from taxii_fed.core.derive.known import KNOWN_EXTENSIONS, known_properties
from taxii_fed.core.derive.mail import find_mail, is_mail, is_pseudonym
from taxii_fed.core.derive.markings import PROPERTY_MARKING, cut_marked
from taxii_fed.core.derive.patterns import check_opaque, rewrite
from taxii_fed.core.derive.references import UNTRANSFORMABLE
from taxii_fed.core.derive.required import REFUSED_CUTS, still_complete
from taxii_fed.core.derive.text import edit_text, told_ids
from taxii_fed.core.derive.values import VALUE_EDITORS, edit_host
from taxii_fed.core.keys import Keys
from taxii_fed.core.stix.selectors import Path

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
    if edits.changes and obj["type"] == "artifact" and "payload_bin" in obj:
        return _withheld(obj, UNTRANSFORMABLE)
    reasons: set[str] = set()
    allowed, cut_names, problem = cut_marked(obj, edits.ceiling, edits.marking_level)
    if problem:
        return _withheld(obj, problem)
    if allowed is not obj:
        reasons.add(PROPERTY_MARKING)
    try:
        trimmed = _trim(allowed, edits, reasons)
        walked = _Walk(edits, keys, reasons).over(trimmed) if edits.searches else trimmed
    except (UnsureError, CutError, RecursionError):
        return _withheld(obj, UNTRANSFORMABLE)
    final = obj if walked == obj else walked
    if not still_complete(obj, final):
        return _withheld(obj, UNTRANSFORMABLE)
    level = own_level(final)
    remarked = edits.mark is not None and (level is None or level < edits.mark)
    if remarked:
        reasons.add("re-marked")
    return Edited(
        obj=final,
        changed=remarked or final is not obj,
        reasons=tuple(sorted(reasons)),
        contributing_changed=contributing_changed(obj, final),
        cut=cut_names | frozenset(name for name in obj if name not in final),
        rewritten=frozenset(name for name, value in final.items() if value is not obj.get(name) and value != obj.get(name)),
    )


def _withheld(obj: Json, problem: str) -> Edited:
    return Edited(obj=obj, problem=problem, reasons=(problem,))


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
    "type id spec_version created modified pattern_type extension_type object_marking_refs granular_markings".split()
)
"""Properties that the door has checked and that are no text."""
_ID_OR_TIME = re.compile(
    r"[a-z0-9-]{2,250}--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{1,12})?Z"
)
_HOST_KEYS = frozenset({"host", ":authority", "x-forwarded-host"})
_ADDRESS_KEY = re.compile(r"(?:^|[^a-z])(?:ip|ipv4|addr|address|host)(?:$|[^a-z])", re.IGNORECASE)


class _Walk:
    """One walk over one object, copying what it changes."""

    def __init__(self, edits: Edits, keys: Keys, reasons: set[str]) -> None:
        self._edits = edits
        self._keys = keys
        self._reasons = reasons
        self._gone: set[Path] = set()
        self._weaker = False

    def over(self, obj: Json) -> Json:
        """Return the edited object. Raises `UnsureError`."""
        result = self._object(obj, ())
        labels = result.get("labels") or []
        if self._weaker and GENERALISED_LABEL not in labels:
            result = {**result, "labels": [*labels, GENERALISED_LABEL]}
        return self._without_telling_selectors(cut(result, self._gone))

    def _without_telling_selectors(self, obj: Json) -> Json:
        """Take out granular selectors that lead nowhere and name what was looked for."""
        granular = obj.get("granular_markings") or []
        kept = [{**entry, "selectors": [each for each in entry["selectors"] if not self._told_by(each)]} for entry in granular]
        if kept == granular:
            return obj
        rest = {name: value for name, value in obj.items() if name != "granular_markings"}
        told = [entry for entry in kept if entry["selectors"]]
        return {**rest, "granular_markings": told} if told else rest

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
        return _same_or_new(objects, new)

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
        if kind == "artifact" and name == "payload_bin":  # inside an observed-data
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
        return _same_or_new(extensions, {key: self._extension(key, body, (*path, key)) for key, body in extensions.items()})

    def _extension(self, key: str, body: Any, path: Path) -> Any:
        if key in KNOWN_EXTENSIONS or not isinstance(body, dict):
            return self._any(body, path)
        new = {
            name: value if name == "extension_type" else self._custom(name, value, (*path, name))
            for name, value in body.items()
        }
        left = [name for name in body if name != "extension_type" and (*path, name) not in self._gone]
        if not left and any((*path, name) in self._gone for name in body):
            self._gone.add(path)
        return _same_or_new(body, new)

    def _custom(self, name: str, value: Any, path: Path) -> Any:
        """Edit a property that STIX does not define, or take it out where something is found in it and the rule says so."""
        if reason := self._told_by(name):
            self._drop(path, reason)
            return value
        if not self._edits.remove_unknown_if_hit:
            return self._any(value, path)
        trial = _Walk(self._edits, self._keys, set())
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
            return _same_or_new(value, {key: self._member(key, item, (*path, key)) for key, item in value.items()})
        if isinstance(value, list):
            if len(value) == 4 and self._is_packed(
                path, lambda: all(str(item).isdecimal() and int(item) < 256 for item in value)
            ):
                return value
            items = [self._any(item, (*path, index)) for index, item in enumerate(value)]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        if type(value) is int:
            self._is_packed(path, lambda: 2**24 <= value < 2**32)
        return value

    def _member(self, key: str, item: Any, path: Path) -> Any:
        if key.startswith("x_"):
            return self._custom(key, item, path)
        if reason := self._told_by(key):
            self._drop(path, reason)
            return item
        return self._any(item, path)

    def _string(self, text: str, path: Path) -> str:
        if _ID_OR_TIME.fullmatch(text) and (
            self._last_name(path).endswith(("_ref", "_refs")) or not told_ids(text, self._edits)
        ):
            return text
        if self._last_name(path).lower() in _HOST_KEYS:
            if not self._edits.token_for_ip:
                text = edit_host(text, self._edits, self._keys, self._reasons)
            elif is_numeric_host(text):
                self._reasons.add("ip-redacted")
                return self._edits.redact_token
        named = "additional_header_fields" in path and self._edits.pseudonymise_key and self._edits.token_for_email
        if named and find_mail(text):
            self._reasons.add("email-pseudonymised")
            return self._edits.redact_token  # for the name beside the address, too
        return edit_text(text, self._edits, self._reasons)

    def _is_packed(self, path: Path, looks_like_one: Callable[[], bool]) -> bool:
        """Take out numbers that are an IPv4 address by their name and size; tell whether they were."""
        wanted = self._edits.token_for_ip or self._edits.generalises
        packed = wanted and _ADDRESS_KEY.search(self._last_name(path)) is not None and looks_like_one()
        if packed:
            self._drop(path, "ip-redacted" if self._edits.token_for_ip else "ip-generalised")
        return packed

    def _told_by(self, name: str) -> str:
        """Return why a property with this name has to go, "" where its name holds no address."""
        found: set[str] = set()
        try:
            return min(found) if edit_text(name, self._edits, found) != name else ""
        except UnsureError:
            return "ip-generalised"

    def _last_name(self, path: Path) -> str:
        return next((part for part in reversed(path) if isinstance(part, str)), "")

    def _drop(self, path: Path, reason: str) -> None:
        self._gone.add(path)
        self._reasons.add(reason)


def _same_or_new(old: Json, new: Json) -> Json:
    return new if any(new[key] is not old[key] for key in old) else old
