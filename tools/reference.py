"""Writes docs/reference from the code: every setting from the JSON Schema, every command from its options.

    python tools/reference.py

`make check` compares what this writes with what lies there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from taxii_fed.cli.main import COMMANDS, main
from taxii_fed.config.jsonschema import json_schema

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"

Json = dict[str, Any]

_SETTINGS = """\
Written by `make docs` from the code. The file is `taxii-fed.yaml`; `include: [conf.d/*.yaml]` reads more files, whose maps are
merged by key; a key that is given twice is an error. Unknown keys are errors. Any string may be `{env: NAME}` or `{file: PATH}`,
with the path relative to the file that says so. Times need an offset; time spans are written `30s`, `5m`, `2h`, `1d`, sizes `10MB`.
`taxii-fed check` finds every mistake at once, and `taxii-fed schema` writes a JSON Schema for editors."""

_COMMANDS = """\
Written by `make docs` from the code. `taxii-fed --config FILE COMMAND`, or `TAXII_FED_CONFIG=FILE`; without either the first there is
of `taxii-fed.yaml`, `config/taxii-fed.yaml` and `/etc/taxii-fed/taxii-fed.yaml`. Results go to standard output, messages to
standard error. Exit codes: 0 done; 1 refused or failed; 2 wrong command line; 78 a configuration that can't be used; 130 after Ctrl-C."""


def pages() -> dict[str, str]:
    """Return the reference pages: file name to text."""
    return {"settings.md": "\n".join(_settings()) + "\n", "commands.md": "\n".join(_commands()) + "\n"}


def _settings() -> Iterator[str]:
    schema = json_schema()
    yield "# Settings"
    yield ""
    yield from _SETTINGS.splitlines()
    yield ""
    yield "`NAME` in a heading is a name that you choose."
    done: set[str] = set()
    yield from _section("", schema, schema["$defs"], done)


def _section(path: str, schema: Json, definitions: dict[str, Json], done: set[str]) -> Iterator[str]:
    inner: list[tuple[str, Json]] = []
    yield ""
    yield f"## {_anchor(path)}" if path else "## Top level"
    yield ""
    if path and schema.get("description"):
        yield _flowing(schema["description"])
        yield ""
    yield "| Key | Default | Meaning |"
    yield "|---|---|---|"
    for name, each in schema["properties"].items():
        where = f"{path}.{name}" if path else name
        default = "required" if name in schema.get("required", ()) else _default(each)
        choices = _choices(each)
        meaning = _flowing(each.get("description", "")) + (f" One of {choices}." if choices else "")
        yield f"| `{name}` | {default} | {meaning} |"
        inner += _below(where, each, definitions)
    for where, each in inner:
        if each["$ref"] not in done:
            done.add(each["$ref"])
            yield from _section(where, definitions[each["$ref"].rsplit("/", 1)[1]], definitions, done)


def _below(path: str, schema: Json, definitions: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    """Yield the sections that may stand behind a key, with their paths."""
    if "$ref" in schema:
        if "properties" in definitions[schema["$ref"].rsplit("/", 1)[1]] and not schema["$ref"].endswith("/Outside"):
            yield path, schema
        return
    for arm in schema.get("anyOf", ()):
        yield from _below(path, arm, definitions)
    for each in [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]:
        if isinstance(each, dict):
            yield from _below(f"{path}.NAME", each, definitions)
    if isinstance(schema.get("items"), dict):
        yield from _below(f"{path}[]", schema["items"], definitions)


def _choices(schema: Json) -> str:
    for arm in [schema, *schema.get("anyOf", ())]:
        values = arm.get("enum") or (arm.get("items", {}) if isinstance(arm.get("items"), dict) else {}).get("enum")
        if values:
            return ", ".join(f"`{value}`" for value in values if isinstance(value, str))
    return ""


def _default(schema: Json) -> str:
    if "default" not in schema or schema["default"] in ("", None, [], {}):
        return ""
    value = schema["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _anchor(path: str) -> str:
    return f"`{path}`"


def _flowing(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _commands() -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield from _COMMANDS.splitlines()
    context = click.Context(main, info_name="taxii-fed")
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None, name
        yield from _command(command, click.Context(command, info_name=name, parent=context))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield ""
    yield f"## `{context.command_path}`"
    yield ""
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"    {context.command_path} {pieces}".rstrip()
    yield ""
    yield from (line.strip() for line in (command.help or "").replace("\b", "").strip().splitlines())
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden and each.name != "help"]
    if options:
        yield ""
        yield "| Option | Meaning |"
        yield "|---|---|"
    for option in options:
        left, right = option.get_help_record(context) or ("", "")
        yield f"| `{left}` | {_flowing(right)} |".replace(" <", " ").replace("> ", " ")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            yield from _command(inner, click.Context(inner, info_name=name, parent=context))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in pages().items():
        (FOLDER / file).write_text(text)
