"""What the repository promises about itself."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ".ci .github bench config deploy docs src tests tools".split(" ")
TRACKED = [path for path in ROOT.iterdir() if path.is_file()]
TRACKED += [
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
]
DOCUMENTS = [path for path in TRACKED if path.suffix == ".md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_links_between_documents_lead_somewhere(path):
    targets = (target.split("#")[0] for target in LINK.findall(path.read_text()) if "://" not in target)
    missing = [target for target in targets if target and not (path.parent / target).exists()]
    assert missing == []


def test_every_target_of_make_is_explained():
    text = (ROOT / "Makefile").read_text()
    declared = set(re.findall(r"^\.PHONY: ([a-z-]+)$", text, re.MULTILINE))
    explained = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert declared == explained
    assert declared >= set("demo test test-all check contract conformance scenarios simulate bench docs".split(" "))


def test_no_file_names_a_place_on_somebodys_machine():
    place = re.compile(r"(?<![\w}])/(?:work|Users|home/[a-z]+)/[a-z]")
    found = [
        _name(path)
        for path in TRACKED
        if path.suffix not in {".gz", ".png", ".db"} and place.search(path.read_text(errors="replace"))
    ]
    assert found == []


def test_installing_for_use_needs_nothing_but_the_script():
    image = (ROOT / "Dockerfile").read_text()
    commands = re.findall(r"^RUN (.*)$", image, re.MULTILINE)
    assert commands
    assert all(command.startswith("/usr/src/taxii-fed/deploy/install.sh ") for command in commands)


def test_every_requirement_is_pinned():
    pinned = {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"], *project["build-system"]["requires"]]
    names = {re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", line)[0]).lower() for line in wanted}
    assert names - pinned == set()


def test_every_extra_is_listed_and_the_installer_and_the_advice_name_it():
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    table = re.search(r"^\| Extra \|.*?\n\n", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE | re.DOTALL)
    assert table is not None
    assert set(re.findall(r"^\| `([a-z]+)` \|", table[0], re.MULTILINE)) == extras
    installer = re.search(r"^#   --extras +optional parts: (.*)$", (ROOT / "deploy" / "install.sh").read_text(), re.MULTILINE)
    assert installer is not None
    assert set(installer[1].split(", ")) == extras
