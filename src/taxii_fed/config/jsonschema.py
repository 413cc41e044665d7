"""The JSON Schema of the configuration, from the definitions that read it.

What pydantic makes of the models is turned into what may stand in a file: descriptions come from the docstrings below the fields,
defaults are written as an admin would, and any scalar may also be ``{env: NAME}`` or ``{file: PATH}``.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from taxii_fed.config import schema, terms
from taxii_fed.config.schema import Settings
from taxii_fed.config.section import Section
from taxii_fed.core.stix.levels import Level

Json = dict[str, Any]

OUTSIDE = {"$ref": "#/$defs/Outside"}
_OUTSIDE: Json = {
    "description": "A value from an environment variable, or from a file beside the one in which it stands.",
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
}
INCLUDE = "Files whose sections are merged into this one, relative to it; a key given twice is an error."
_INCLUDE: Json = {
    "description": INCLUDE,
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}


def json_schema() -> Json:
    """Return the JSON Schema (draft 2020-12) of a configuration file."""
    doc = Settings.model_json_schema()
    definitions: Json = {"Settings": {key: value for key, value in doc.items() if key != "$defs"}, **doc["$defs"]}
    models = {model.__name__: model for model in sections()}
    for name, definition in definitions.items():
        _finish(definition, models[name])
    top = definitions.pop("Settings")
    top["properties"]["include"] = _INCLUDE
    # a file that is included need not hold what another one does
    required = top.pop("required")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "taxii-fed configuration",
        "$comment": f"All files together need: {', '.join(required)}.",
        **top,
        "$defs": {**definitions, "Outside": _OUTSIDE},
    }


def sections() -> Iterator[type[Section]]:
    """Yield every kind of mapping in a configuration, `Settings` first."""
    yield Settings
    for module in (schema, terms):
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, Section) and value is not Settings:
                yield value


def default_text(model: type[BaseModel], field: str) -> str:
    """Return the default of a field as an admin would write it, empty where it has none worth telling."""
    info = model.model_fields[field]
    value = info.default
    if info.is_required() or value is None or value in ((), "") or isinstance(value, Section):
        return ""
    kind = next((each.json_schema.get("x-kind") for each in info.metadata if getattr(each, "json_schema", None)), None)
    if kind == "size":
        return _in_units(value, (("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("B", 1)))
    if kind == "span":
        return _in_units(value, (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)))
    if kind == "percent":
        return f"{value * 100:g}%"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int, Level)) or kind == "address" else ""


def _in_units(value: int, units: tuple[tuple[str, int], ...]) -> str:
    name, factor = next((name, factor) for name, factor in units if value % factor == 0 and value >= factor)
    return f"{value // factor}{name}"


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings below the fields of a model, those of its bases too."""
    docs: dict[str, str] = {}
    for base in reversed(model.__mro__):
        module = inspect.getmodule(base)
        if module in {schema, terms} and module is not None:
            docs |= _docstrings(module).get(base.__name__, {})
    return docs


_parsed: dict[str, dict[str, dict[str, str]]] = {}


def _docstrings(module: ModuleType) -> dict[str, dict[str, str]]:
    """Return class name to field name to docstring, read once from the source of a module."""
    if module.__name__ not in _parsed:
        tree = ast.parse(inspect.getsource(module))
        _parsed[module.__name__] = {
            each.name: {
                field.target.id: inspect.cleandoc(text.value.value)
                for field, text in zip(each.body, each.body[1:], strict=False)
                if isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            }
            for each in tree.body
            if isinstance(each, ast.ClassDef)
        }
    return _parsed[module.__name__]


def _finish(definition: Json, model: type[Section]) -> None:
    """Turn the definition of one model into what may stand in a file."""
    docs = field_docs(model)
    by_key = model.keys()
    definition.pop("title", None)
    for key, member in definition["properties"].items():
        member.pop("title", None)
        member.pop("default", None)
        finished = _written(member)
        finished = {"description": docs[by_key[key]], **finished}
        default = default_text(model, by_key[key])
        if default:
            # numbers and flags as such, for editors that put the default in
            finished["default"] = json.loads(default) if re.fullmatch(r"[0-9]+|true|false", default) else default
        definition["properties"][key] = finished


def _written(member: Json) -> Json:
    """Return the schema of a value as it is written: no null for "not given", and scalars from outside."""
    member = {key: value for key, value in member.items() if key != "x-kind"}
    if member.pop("x-only-outside", False):
        return dict(OUTSIDE)
    if "anyOf" in member:
        arms = [_written(arm) for arm in member.pop("anyOf") if arm != {"type": "null"}]
        flat = [inner for arm in arms for inner in (arm["anyOf"] if set(arm) == {"anyOf"} else [arm])]
        unique = [arm for index, arm in enumerate(flat) if arm not in flat[:index]]
        return {**member, "anyOf": unique} if len(unique) > 1 else {**member, **unique[0]}
    if member.get("type") == "array":
        return {**member, "items": _written(member["items"])}
    if member.get("type") == "object":
        for key in ("patternProperties", "additionalProperties"):
            if isinstance(member.get(key), dict):
                inner = member[key]
                member[key] = _written(inner) if key == "additionalProperties" else {at: _written(inner[at]) for at in inner}
        return {**member, "additionalProperties": member.get("additionalProperties", False)}
    if "$ref" in member or "const" in member or member.get("type") == "null":
        return member
    return {"anyOf": [member, OUTSIDE]}
