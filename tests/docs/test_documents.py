"""What the documents say is held against the code."""

import json
import re
from pathlib import Path

import pytest
import yaml

from taxii_fed.config.load import loads

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "docs" / "sharing-rules.md").read_text()
EXAMPLES = (ROOT / "docs" / "reference" / "rules.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", RULES, re.MULTILINE | re.DOTALL)

NODE = """
node:
  name: hk-hub
  title: Hub
  organisation: Harbour Exchange
  jurisdiction: HK
  identity: identity--4d0c3a53-7c53-4c58-8d60-0d9f8a7c1a01
  secret: {file: node.key}
server: {public_url: https://taxii.harbour.example}
api_roots: {finance: {title: Finance}}
collections:
  banking: {id: 5d1f7a3e-0f4b-4b8e-9a51-1c2d3e4f5a01, api_root: finance, title: Banking}
jurisdictions: {EU: [DE, FR]}
communities: [hk-banking]
parties:
  bank: {role: bank, jurisdiction: HK, organisation: Harbour Bank, communities: [hk-banking]}
  eu-csirt: {role: peer, jurisdiction: EU, organisation: EU FI-CSIRT}
peers:
  eu-csirt: {url: https://taxii.eu-csirt.example/taxii2/}
"""


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[1].strip())
def test_the_rules_in_the_guide_are_rules(block, tmp_path):
    (tmp_path / "node.key").write_text("".join(f"{number * 37 % 251:02x}" for number in range(1, 33)))
    kind = block.split(":")[0]
    settings = loads(NODE + block, tmp_path)
    assert getattr(settings, kind)


def test_the_guide_shows_every_verb():
    assert {block.split(":")[0] for block in BLOCKS} == {"share", "never", "hold", "change"}


def test_the_guide_tells_of_every_edit():
    from taxii_fed.config.terms import EDITS

    told = set(re.findall(r"^\| `(\w+)` \|", RULES, re.MULTILINE))
    assert set(EDITS) <= told


def _tool(name):
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", ["settings.md", "commands.md"])
def test_the_reference_is_what_the_code_says(file):
    written = (ROOT / "docs" / "reference" / file).read_text()
    assert written == _tool("reference").pages()[file], "the reference is out of date: run `make docs`"


def test_the_rules_by_example_are_what_a_run_gives():
    assert _tool("rules").page() == EXAMPLES, "the examples are out of date: run `make docs`"


def test_every_term_of_a_rule_is_shown_by_example():
    from taxii_fed.config import terms

    kinds = {"share": terms.ShareTerms, "never": terms.NeverTerms, "hold": terms.HoldTerms, "change": terms.ChangeTerms}
    wanted = {field.alias or name for each in kinds.values() for name, field in each.model_fields.items()}
    rules = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", EXAMPLES, re.MULTILINE | re.DOTALL)]
    shown = {term for each in rules for kind in each.values() for rule in kind.values() for term in rule}
    assert {kind for each in rules for kind in each} == set(kinds)
    assert shown == wanted


def test_explanations_by_example_are_words():
    answers = re.findall(r"^```console\n(.*?)^```", EXAMPLES, re.MULTILINE | re.DOTALL)
    lines = [line for answer in answers for line in answer.splitlines() if line and not line.startswith("$ ")]
    assert lines
    assert [line for line in lines if len(line.split()) < 3] == []


def test_documents_name_only_commands_that_exist():
    from taxii_fed.cli.main import COMMANDS

    texts = [path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]]
    named = {name for text in texts for name in re.findall(r"`taxii-fed (?:--config \S+ )?([a-z][a-z-]*)", text)}
    assert named - COMMANDS.keys() == set()


def test_every_metric_is_documented():
    source = (ROOT / "src" / "taxii_fed" / "web" / "metrics.py").read_text()
    told = set(re.findall(r"^\| `(taxii_fed_\w+)`", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))
    assert set(re.findall(r'"(taxii_fed_\w+)"', source)) == told


def test_every_decision_is_listed():
    listed = set(re.findall(r"\((\d{4}-[a-z-]+\.md)\)", (ROOT / "docs" / "adr" / "README.md").read_text()))
    assert {path.name for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")} == listed


def test_the_sections_that_the_code_refers_to_are_there():
    model = (ROOT / "docs" / "sharing-model.md").read_text()
    sections = set(re.findall(r"^## (\d+)\. ", model, re.MULTILINE))
    conventions = json.loads((ROOT / "tests" / "scenarios" / "sharing.json").read_text())["about"]["conventions"]
    texts = [path.read_text() for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py")]
    named = {
        word: {
            number
            for text in texts
            for each in re.findall(rf"{word}s? ([\d, andto]+)", text)
            for number in re.findall(r"\d+", each)
        }
        for word in ("sharing model, section", "convention")
    }
    assert named["sharing model, section"]
    assert named["sharing model, section"] - sections == set()
    assert named["convention"] - {each.split(".")[0] for each in conventions} == set()


def test_the_parts_that_the_architecture_names_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:core|services|web|storage|peers|worker)\.[a-z_.]+)`", text))
    here = ROOT / "src" / "taxii_fed"
    assert named
    assert [
        each for each in named if not any((here / f"{each.replace('.', '/')}{end}").exists() for end in (".py", "/__init__.py"))
    ] == []


@pytest.mark.parametrize("package", ["core", "services/views", "services/federation"])
def test_the_map_of_a_package_shows_every_module(package):
    here = ROOT / "src" / "taxii_fed" / package
    shown = re.findall(r"`(\w+)`", (here / "__init__.py").read_text())
    there = {path.stem for path in here.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} - {"__init__"}
    assert sorted(shown) == sorted(there)


def test_documents_give_commands_only_options_that_they_have():
    import click

    from taxii_fed.cli.main import main

    def options(command):
        return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}

    texts = [path.read_text() for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]]
    told = [line.split() for text in texts for line in re.findall(r"taxii-fed ([^`\n|#;&]+)", text)]
    unknown = []
    for words in told:
        command, known = main, options(main)
        for word in words:
            found = command.get_command(click.Context(main), word) if isinstance(command, click.Group) else None
            if found is not None:
                command, known = found, known | options(found)
            elif word.startswith("--") and word.strip(".,:;()[]").split("=")[0] not in known:
                unknown.append((" ".join(words), word))
    assert any("--verify" in words for words in told)
    assert unknown == []
