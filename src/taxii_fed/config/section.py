"""The base of all settings: every mistake of a mapping at once, unknown keys with the nearest known one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from taxii_fed.config.marked import Scalar
from taxii_fed.config.problems import nearest, shown
from taxii_fed.config.scalars import mistake

Errors = Iterator[tuple[tuple[str | int, ...], PydanticCustomError]]
"""Places, relative to the mapping that is looked at, and what is wrong there."""


class Section(BaseModel):
    """A mapping with a fixed set of keys, frozen once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)

    may_be_empty: ClassVar[bool] = False
    """Whether a key with nothing behind it means an empty mapping."""
    not_served: ClassVar[frozenset[str]] = frozenset()
    """Keys that have a meaning, but not yet in this version: refused, never ignored (I6)."""

    @classmethod
    def combinations(cls, given: dict[str, Any]) -> Errors:  # noqa: ARG003 — for subclasses
        """Yield what is wrong between keys that may each be right. ``given`` is what stands in the file."""
        yield from ()

    @classmethod
    def keys(cls) -> dict[str, str]:
        """Return the keys as written in the file, with the names of their fields."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, given: Any, handler: Any) -> Any:
        if isinstance(given, cls):
            return given
        if isinstance(given, Scalar) and given.nothing and cls.may_be_empty:
            given = {}
        if not isinstance(given, dict):
            raise mistake("nothing is given here" if _is_nothing(given) else "", expected=f"a mapping with {_some(cls.keys())}")
        errors = list(cls._wrong_keys(given))
        errors += [_detail(place, error) for place, error in cls.combinations(given)]
        try:
            made = handler({key: given[key] for key in cls.keys().keys() & given.keys() - cls.not_served})
        except ValidationError as error:
            errors += [_again(detail) for detail in error.errors(include_url=False)]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return made

    @classmethod
    def _wrong_keys(cls, given: dict[str, Any]) -> Iterator[InitErrorDetails]:
        keys = cls.keys()
        for key in given:
            if key in cls.not_served:
                yield _detail((key,), mistake(f"{shown(key)} is not supported by this version"))
            elif key not in keys:
                hint = nearest(key, keys)
                expected = "" if hint else f"{'one of ' if len(keys) > 1 else ''}{', '.join(keys)}"
                yield _detail((key, KEY), mistake("unknown key", expected=expected, hint=hint))


KEY = "[key]"
"""Ends a place that means the key itself (pydantic's own word for it)."""


def _is_nothing(given: Any) -> bool:
    return given is None or (isinstance(given, Scalar) and given.nothing)


def _some(keys: dict[str, str]) -> str:
    return ", ".join(list(keys)[:4]) + (", …" if len(keys) > 4 else "")


def _detail(place: tuple[str | int, ...], error: PydanticCustomError) -> InitErrorDetails:
    return InitErrorDetails(type=error, loc=place, input=None)


def _again(detail: Any) -> InitErrorDetails:
    """Return a caught error in the form in which it can be raised again beside others."""
    kind, place, context = detail["type"], detail["loc"], detail.get("ctx", {})
    if kind == "mistake":
        return _detail(place, PydanticCustomError("mistake", "{message}", context))
    if kind == "missing":
        return _detail(place, PydanticCustomError("mistake", "{message}", {"message": "missing"}))
    expected = {"dict_type": "a mapping", "tuple_type": "a list", "list_type": "a list"}.get(kind, detail["msg"])
    return _detail(place, mistake(expected=expected))


NOTHING = {"type": "null", "title": "nothing"}
"""What a key without a value is in JSON Schema. The title tells it from pydantic's own null, which means that the key is left out."""


@dataclass(frozen=True, slots=True)
class Several:
    """A list. ``one_too``: a single value stands for a list of one. ``word``: a word that stands for the empty list."""

    one_too: bool = False
    least: int = 1
    word: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        listed = handler(schema)
        listed["minItems"] = self.least
        arms = [listed["items"], listed] if self.one_too else [listed]
        if self.word:
            arms.append({"const": self.word})
        if not self.least:
            arms.append(NOTHING)
        return {"anyOf": arms} if len(arms) > 1 else listed

    def _listed(self, given: Any) -> Any:
        if isinstance(given, Scalar) and given.nothing:
            if self.least:
                raise mistake("nothing is given here: give a value, or remove the key")
            return []
        if self.word and isinstance(given, str) and given == self.word:
            return []
        if self.one_too and not isinstance(given, (list, tuple)):
            return [given]
        if not isinstance(given, (list, tuple)):
            raise mistake(expected=f"a list, or {self.word}" if self.word else "a list")
        if len(given) < self.least:
            raise mistake("an empty list: give a value, or remove the key")
        seen: set[str] = set()
        twice = []
        for index, item in enumerate(given):
            if isinstance(item, str):
                if item in seen:
                    twice.append(_detail((index,), mistake(f"{shown(item)} is listed twice")))
                seen.add(item)
        if twice:
            raise ValidationError.from_exception_data("list", twice)
        return list(given)


@dataclass(frozen=True, slots=True)
class Named:
    """A mapping from names that the admin chooses; nothing behind its key means that it is empty."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._mapped, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), NOTHING]}

    @staticmethod
    def _mapped(given: Any) -> Any:
        if isinstance(given, Scalar) and given.nothing:
            return {}
        if not isinstance(given, dict):
            raise mistake(expected="a mapping from names to their settings")
        return given


@dataclass(frozen=True, slots=True)
class OrWord:
    """Anything, or a word that stands for none of it, such as ``off``."""

    word: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        inner = handler(schema)
        arms = [arm for arm in inner.get("anyOf", [inner]) if arm != {"type": "null"}]
        return {"anyOf": [*arms, {"const": self.word}]}

    def _read(self, given: Any) -> Any:
        return None if isinstance(given, str) and given == self.word else given


@dataclass(frozen=True, slots=True)
class ShortFor:
    """A mapping, or a bare text that stands for one with this key alone."""

    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema)]}

    def _read(self, given: Any) -> Any:
        return {self.key: given} if isinstance(given, str) else given
