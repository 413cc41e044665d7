"""How one value of a setting is annotated: the function that reads it, and how JSON Schema says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from taxii_fed.config.declared import Declared
from taxii_fed.config.problems import nearest, shown
from taxii_fed.config.scalars import OneOf, line, mistake

Json = dict[str, Any]

_DUMPED = core_schema.plain_serializer_function_ser_schema(
    lambda value: value if value is None or type(value) in {str, int, float, bool} else str(value)
)
"""Dumps show the text of a value; that of a secret is blotted out."""


@dataclass(frozen=True, slots=True)
class Value:
    """``reader`` turns what stands in the file into the value, or raises `mistake`; ``json_schema`` describes what may stand there."""

    reader: Callable[[Any], Any]
    json_schema: Json = field(default_factory=lambda: {"type": "string"}, hash=False)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.reader, serialization=_DUMPED)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return dict(self.json_schema)


@dataclass(frozen=True, slots=True)
class NameOf:
    """The name of something declared elsewhere in the configuration, such as a party."""

    kind: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._read, serialization=_DUMPED)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string"}

    def _read(self, raw: Any, info: core_schema.ValidationInfo) -> str:
        name = line(raw)
        if isinstance(info.context, Declared):
            known = info.context.names(self.kind)
            if name not in known:
                few = f"one of {', '.join(sorted(known))}" if 1 < len(known) <= 8 else ""
                raise mistake(f"no {self.kind} {shown(name)} is declared", hint=nearest(name, known), expected=few)
        return name


def string(**more: Any) -> Json:
    """Return the JSON Schema of a string."""
    return {"type": "string", **more}


def word(*choice: str) -> Value:
    """Return a choice of words."""
    return Value(OneOf(choice), {"enum": list(choice)})
